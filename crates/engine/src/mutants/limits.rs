//! The limits of what is asked: each bounds what a text of a stranger's may cost. Fuzzing and the hostile tests show that they are
//! there; what the configuration says needs no mutant, as it can be lifted there.

crate::mutants! {
    /// The length of an expression.
    ExpressionBytes,
    /// Its words and signs.
    ExpressionWords,
    ExpressionDepth,
    /// The relations that an expression follows.
    RelationDepth,
    /// Iterations within iterations.
    EachDepth,
    /// The length of a regular expression.
    PatternBytes,
    /// How often a part of it may be repeated.
    PatternRepeat,
    /// What it may measure when it is compiled.
    PatternSize,
    /// Terms of a sort.
    SortTerms,
    /// The length of `fields` and `expand`.
    ShapeBytes,
    /// The depth of a cursor's values.
    CursorDepth,
    /// The depth of a JSON value.
    JsonDepth,
    /// Its length.
    JsonBytes,
    /// That a text has no NUL.
    Nul,
    /// That a whole number has 32 bits.
    IntRange,
    /// That what has no field is refused.
    UnknownField,
}
