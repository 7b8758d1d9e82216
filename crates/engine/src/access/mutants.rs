//! The defences of the access matrix: each is one predicate of the pipeline. See [`crate::mutants!`].

crate::mutants! {
    /// The read rule of a get or list.
    ReadRule,
    CreateRule,
    /// The update rule on the stored row.
    UpdateBefore,
    /// The update rule on the result.
    UpdateAfter,
    DeleteRule,
    /// The read rule of an expanded record.
    ExpansionGuard,
    /// What a caller's filter or sort may see of a related record.
    FilterHop,
    /// The field's own read rule.
    FieldRead,
    /// The field's own write rule.
    FieldWrite,
    /// That a writer may read what it refers to.
    ReferenceGuard,
    /// That replacing a to-many field leaves members that the writer can't see.
    HiddenMembers,
    /// That a replay checks the right to read again.
    ReplayGuard,
    /// That a cursor belongs to its filter and caller.
    CursorBinding,
    /// That a write with `If-Match` looks at the version under the write lock.
    Precondition,
}
