//! Defences that tests can take out, one at a time, to show that the access matrix notices.
//!
//! Compiled in only with the feature `mutants`, which nothing but the integration tests turns on. The environment
//! variable `NINEFOLD_MUTANT` names the one that is out, for the whole process.

use std::sync::LazyLock;

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One predicate of the pipeline.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            pub const ALL: &[Mutant] = &[$(Mutant::$name,)*];

            pub fn name(self) -> &'static str {
                match self {
                    $(Mutant::$name => stringify!($name),)*
                }
            }
        }
    };
}

mutants! {
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
    /// That a replay checks the right to read again.
    ReplayGuard,
    /// That a cursor belongs to its filter and caller.
    CursorBinding,
}

static ACTIVE: LazyLock<Option<Mutant>> = LazyLock::new(|| {
    let name = std::env::var("NINEFOLD_MUTANT").ok()?;
    Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name)
});

pub(crate) fn is_active(mutant: Mutant) -> bool {
    *ACTIVE == Some(mutant)
}
