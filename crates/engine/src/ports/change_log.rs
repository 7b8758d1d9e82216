//! Which rows of a database change, whoever writes them: for following it while it is served.
//!
//! Contract:
//! - From [`ChangeLog::begin`] on, the key of a row whose change is committed is in the log for whoever asks afterwards, of a
//!   changed key both. Where the change itself writes it there, by then all transactions are over that began before and write to
//!   the parts that are followed; where it is gathered from what the database tells of commits, those are told, too.
//! - Rows that are taken away without the database telling of each, as by `TRUNCATE`, may be missing. Nothing else is.
//! - Numbers tell entries apart, not in which order they were committed. An entry is there until it is forgotten.
//! - There is one log in a database, with one note of whoever follows it. Who begins it anew takes it over; the other
//!   finds another note than its own, and can neither change that nor make the log forget anything.
//! - No migration changes the database while there is a log.
//! - A log that can't tell all any more is gone: from then on there is no note, and nothing in it.

use async_trait::async_trait;

use crate::model::Value;
use crate::ports::relocation::Part;
use crate::ports::store::StoreError;

/// A row that was put in, changed or taken away.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub number: i64,
    pub key: Vec<Value>,
}

/// What came of a beginning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// All parts but these are followed.
    Without(Vec<Part>),
    /// The database's user may not have one; why, for people.
    Refused(String),
}

#[async_trait]
pub trait ChangeLog: Send {
    /// `None` where there is no log, or none that was begun to its end.
    async fn note(&mut self) -> Result<Option<String>, StoreError>;

    /// Begins it, empty; one that is there ends before. Waits for transactions that are under way.
    async fn begin(&mut self, note: String) -> Result<Begun, StoreError>;

    /// Puts a note in the place of another. Answers whether that was the note.
    async fn renote(&mut self, from: &str, to: String) -> Result<bool, StoreError>;

    /// Entries of a part behind the number `after`, by number.
    async fn entries(&mut self, part: Part, after: i64, limit: u32) -> Result<Vec<Entry>, StoreError>;

    /// Forgets these entries, and puts a note in the place of another. Answers whether that was the note; nothing is forgotten
    /// where it wasn't.
    async fn forget(&mut self, part: Part, numbers: Vec<i64>, from: &str, to: String) -> Result<bool, StoreError>;

    /// Whether all that writes the log of these parts is there as it was made.
    async fn stands(&mut self, parts: &[Part]) -> Result<bool, StoreError>;

    /// Takes away the log, if there is one, and whatever keeps it. Answers whether there was one.
    async fn end(&mut self) -> Result<bool, StoreError>;
}
