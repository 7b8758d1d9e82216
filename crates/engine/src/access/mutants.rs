//! Defences that tests can take out, one at a time, to show that the access matrix notices.
//!
//! Compiled in only with the feature `mutants`, which nothing but the integration tests turns on.

use std::sync::atomic::{AtomicU8, Ordering};

/// One predicate of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mutant {
    None = 0,
    /// The read rule of a get or list.
    ReadRule,
    /// The update rule on the stored row.
    UpdateBefore,
    /// The update rule on the result.
    UpdateAfter,
    CreateRule,
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
    /// That a replay checks the right to read again.
    ReplayGuard,
    /// That a cursor belongs to its filter and caller.
    CursorBinding,
}

static ACTIVE: AtomicU8 = AtomicU8::new(0);

/// Takes one defence out of the whole process until the next call.
pub fn activate(mutant: Mutant) {
    ACTIVE.store(mutant as u8, Ordering::SeqCst);
}

pub(crate) fn is_active(mutant: Mutant) -> bool {
    ACTIVE.load(Ordering::Relaxed) == mutant as u8
}
