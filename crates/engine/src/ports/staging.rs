//! Where an import gathers its records before anybody sees one of them.
//!
//! Contract, checked by the conformance suite in `testkit`:
//! - Nothing that is staged is seen, and nothing holds up other writers, before the first [`Staging::publish`].
//! - [`Staging::check`] judges all that is staged at once, against itself and against the data: keys and unique indexes,
//!   and that what relations name is there, in the data or in the file. What it refuses is left out of what is published.
//! - Each `publish` makes one portion visible in a short transaction of its own: other writers get their turn between
//!   two. The portion that is the last is durable with all before it, and ends the import.
//! - An import that ends otherwise is taken back: by [`Staging::take_back`], or when its process died, by the next to
//!   take possession of the database.
//! - One import at a time per database.

use async_trait::async_trait;

use crate::access::Permit;
use crate::model::{CollectionId, FieldId, Key};
use crate::ports::store::StoreError;
use crate::query::{Bindings, Image, Judgement, LinkChange};

/// What an import is about.
#[derive(Debug)]
pub struct StagePlan {
    pub collection: CollectionId,
    /// On each record once it is published, where memory can't judge.
    pub after: Vec<Judgement>,
    pub bindings: Bindings,
    /// A record that can't be published, though it was checked, is left out rather than the end of the import.
    pub keep_going: bool,
}

/// A record, complete and valid by itself.
#[derive(Debug)]
pub struct Staged {
    /// Its line in the file, or its number. Different for each record of an import, and positive.
    pub place: u64,
    pub key: Key,
    pub image: Image,
    /// Replacements, each without duplicates.
    pub links: Vec<LinkChange>,
}

/// Why a record that is valid by itself can't be published.
#[derive(Debug, Clone, PartialEq)]
pub enum Obstacle {
    /// The fields of a unique index, or of the key, have these values in the data or earlier in the file.
    Taken { fields: Vec<String> },
    /// The relation names a record that isn't there.
    NoTarget { field: FieldId },
    /// The relation names a record of the same file that is refused itself, or that refers back in a circle.
    Unreached { field: FieldId },
    /// A judgement of the plan, by its index, does not hold.
    Judged { index: usize },
}

#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    pub place: u64,
    pub obstacle: Obstacle,
}

/// How far an import has been published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Published {
    /// Records that are in.
    pub done: u64,
    /// Records that are still to come; 0 when the import is complete.
    pub left: u64,
    /// Records that can't be published any more, though they were checked.
    pub refused: u64,
}

#[async_trait]
pub trait Staging: Send + Sync {
    /// Takes more records. What is wrong with them is found by [`Staging::check`].
    async fn add(&mut self, records: Permit<Vec<Staged>>) -> Result<(), StoreError>;

    /// Judges all that is staged; answers how many records are refused.
    async fn check(&mut self) -> Result<u64, StoreError>;

    /// Refused records behind this place, by place.
    async fn problems(&mut self, behind: u64, limit: u32) -> Result<Vec<Problem>, StoreError>;

    /// The next portion. A record that can't be published any more is among the [`Staging::problems`] from then on; without
    /// `keep_going` it is the last, and what was published before waits to be taken back.
    async fn publish(&mut self) -> Result<Published, StoreError>;

    /// Removes what was published. Answers how many records have to stay, because others refer to them by now.
    async fn take_back(&mut self) -> Result<u64, StoreError>;
}
