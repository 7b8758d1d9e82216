//! The neutral form of a rule or filter that a store turns into its own query language.
//!
//! **Two-valued.** A [`Pred`] is true or false, never unknown: a comparison with a null operand is false (but for
//! [`Pred::Same`]), and [`Pred::Not`] is the plain complement. So SQL renders `Not(p)` as `(p) IS NOT TRUE` and
//! everything else naturally. CEL's errors are gone by the time a predicate exists: `expr` compiles each
//! expression to the pair (is true, is false) and guards what could fail.

use crate::model::{CollectionId, FieldId, Scalar, Value};

/// Names one row in scope. `Alias::ROOT` is the row that the plan is about; the rest are made by `Any`, `Count`
/// and `Lookup`, each once per predicate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Alias(pub u16);

impl Alias {
    pub const ROOT: Alias = Alias(0);
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Pred {
    Const(bool),
    And(Vec<Pred>),
    Or(Vec<Pred>),
    Not(Box<Pred>),
    /// Both are of the same comparable type. False where either is null.
    Compare(Comparison, Term, Term),
    /// Null-safe equality: two nulls are the same.
    Same(Term, Term),
    IsNull(Term),
    /// The term is one of a list: `Term::Const(List)`, `Param::AuthRoles`, or a stored list of scalars.
    InList(Term, Term),
    /// `haystack`, `needle`. `Matches` has a constant needle that was validated as part of the portable regex subset, unanchored as CEL's.
    Text(TextTest, Term, Term),
    /// A boolean term; null is false.
    Truth(Term),
    /// Some member of the set satisfies the predicate.
    Any(Box<Set>, Box<Pred>),
    /// A truth that was taken from the stored row before the change (see `UpdatePlan::captures`).
    Captured(u16),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TextTest {
    StartsWith,
    EndsWith,
    Contains,
    Matches,
}

/// Where the members of a quantifier come from; each is bound to `alias` in turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Set {
    /// The targets of a to-many field of the record `of` (its key). Members are rows of the field's target.
    Links {
        of: Term,
        collection: CollectionId,
        field: FieldId,
        alias: Alias,
    },
    /// The sources whose to-many field `field` of `collection` holds `of`. Members are rows of `collection`.
    LinkedFrom {
        of: Term,
        collection: CollectionId,
        field: FieldId,
        alias: Alias,
    },
    /// The rows of `collection` whose to-one `field` is `of`.
    Referencing {
        of: Term,
        collection: CollectionId,
        field: FieldId,
        alias: Alias,
    },
    /// The items of a list of scalars (a stored JSON array, or a constant list); read with `Term::Item(alias)`.
    Items { of: Term, item: Scalar, alias: Alias },
}

impl Set {
    pub fn alias(&self) -> Alias {
        match self {
            Self::Links { alias, .. }
            | Self::LinkedFrom { alias, .. }
            | Self::Referencing { alias, .. }
            | Self::Items { alias, .. } => *alias,
        }
    }
}

/// A scalar; may be null unless guarded.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    Const(Value),
    Param(Param),
    /// A stored field of the row `alias`. A reference's value is the target's key.
    Field(Alias, FieldId),
    /// The item bound by `Set::Items`.
    Item(Alias),
    /// A part of a stored JSON document, converted to `ty`; null where the path leads nowhere or the type differs.
    Json {
        of: Box<Term>,
        path: Vec<Box<str>>,
        ty: Scalar,
    },
    /// The value `then` of the record of `collection` whose key is `key`, bound to `alias`, if `guard` holds for it;
    /// null otherwise.
    Lookup {
        key: Box<Term>,
        collection: CollectionId,
        alias: Alias,
        guard: Box<Pred>,
        then: Box<Term>,
    },
    /// Null beside a null; otherwise guarded: no overflow, no division by zero. Both operands have the scalar's type, but
    /// to a `DateTime` milliseconds are added, a `Long`, and the difference of two is a `Long` of milliseconds.
    /// Products and quotients of `Decimal`s are cut off behind the sixth digit, and null where they don't fit.
    Arithmetic(Arithmetic, Scalar, Box<Term>, Box<Term>),
    Negate(Scalar, Box<Term>),
    Call(Function, Vec<Term>),
    If(Box<Pred>, Box<Term>, Box<Term>),
    /// How many members of the set satisfy the predicate.
    Count(Box<Set>, Box<Pred>),
    /// 1 or 0 as a boolean value: a predicate used as a value.
    Bool(Box<Pred>),
}

/// What is bound when a plan runs; the predicate itself is prepared before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Param {
    /// The signed-in user's id, or null.
    AuthId,
    /// The caller's roles: a list of text.
    AuthRoles,
    /// The moment of the request.
    Now,
    /// The value of a stored field in the row as it was before the change.
    Before(FieldId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    /// Truncates toward zero for integers.
    Divide,
    Remainder,
}

/// Functions that every store provides, as [`functions`](super::functions) has them: of a null they are null. Times are UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Function {
    /// Number of Unicode scalar values of text.
    TextLength,
    /// Number of bytes of `Bytes`.
    BytesLength,
    /// Number of items of a stored list of scalars.
    ListLength,
    /// ASCII letters only, as in CEL's `lowerAscii`.
    LowerAscii,
    UpperAscii,
    /// Text, text.
    Concat,
    /// Unicode white space at both ends taken off.
    Trim,
    /// A timestamp's parts as in CEL: full year; month 0–11; day of month 0–30; day of week 0 = Sunday; day of year 0–365.
    Year,
    Month,
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    Hours,
    Minutes,
    Seconds,
    Milliseconds,
    /// Midnight UTC of a date.
    DateToTimestamp,
    TimestampToDate,
    IntToFloat,
    IntToDecimal,
    DecimalToFloat,
    /// Truncates toward zero; the caller guards the range.
    FloatToInt,
    DecimalToInt,
    /// The canonical text: of an id lower-case hyphenated, of a number as CEL's `string()`.
    IdToText,
    IntToText,
    BoolToText,
}

impl Pred {
    /// Conjunction with the trivial cases folded.
    pub fn and(parts: impl IntoIterator<Item = Pred>) -> Pred {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Pred::Const(true) => {}
                Pred::Const(false) => return Pred::Const(false),
                Pred::And(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Pred::Const(true),
            1 => kept.swap_remove(0),
            _ => Pred::And(kept),
        }
    }

    /// Disjunction with the trivial cases folded.
    pub fn or(parts: impl IntoIterator<Item = Pred>) -> Pred {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Pred::Const(false) => {}
                Pred::Const(true) => return Pred::Const(true),
                Pred::Or(inner) => kept.extend(inner),
                other => kept.push(other),
            }
        }
        match kept.len() {
            0 => Pred::Const(false),
            1 => kept.swap_remove(0),
            _ => Pred::Or(kept),
        }
    }

    /// The complement, with constants and double negation folded.
    #[must_use]
    pub fn complement(self) -> Pred {
        match self {
            Pred::Const(truth) => Pred::Const(!truth),
            Pred::Not(inner) => *inner,
            other => Pred::Not(Box::new(other)),
        }
    }
}
