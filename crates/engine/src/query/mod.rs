//! What is asked, engine-neutral: predicates, projections, and the plans that a permit seals.

pub mod change;
pub(crate) mod codec;
pub mod functions;
pub mod interpret;
pub mod json;
pub mod mutation;
pub mod predicate;
pub mod read;
pub mod record;
pub mod trace;

pub use change::{Change, Image, LinkImage, Position};
pub use mutation::*;
pub use predicate::{Alias, Arithmetic, Comparison, Function, Param, Pred, Set, Term, TextTest};
pub use read::*;
pub use trace::{JudgePlan, Question, Trace};
