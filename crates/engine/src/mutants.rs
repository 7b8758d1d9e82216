//! Defences that tests can take out, one at a time, to show that some suite notices.
//!
//! Compiled in only with the feature `mutants`, which nothing but tests turns on. The environment variable
//! `NINEFOLD_MUTANT` names the one that is out, for the whole process. Each crate lists its own.

pub mod limits;

/// An enum `Mutant` of the crate's defences, and `is_active`.
#[macro_export]
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One defence.
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

        static ACTIVE: std::sync::LazyLock<Option<Mutant>> = std::sync::LazyLock::new(|| {
            let name = std::env::var("NINEFOLD_MUTANT").ok()?;
            Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name)
        });

        pub(crate) fn is_active(mutant: Mutant) -> bool {
            *ACTIVE == Some(mutant)
        }
    };
}
