//! Imports on a database server: staged in tables of their own, judged there, published in short transactions.
//!
//! Everything happens on a thread and a connection of its own. `fill` takes the records, `check` judges them, `publish`
//! moves them over, `back` takes them out again. Before a part of an import is live `_ninefold_meta` knows how many
//! records are in, so that [`recover`] finds what a process that died left behind. A lock that the server gives back with
//! the connection tells who is alive.

use std::sync::Arc;

use engine::Model;
use engine::model::Value;
use engine::ports::feed::Feed;
use engine::ports::staging::{Problem, Published, StagePlan, Staged};
use engine::ports::store::StoreError;
use tokio::runtime::{Builder, Runtime};

use super::fill::Fill;
use super::layout::{self, Incomplete, Layout, STAGED, Unique};
use super::publish::Publisher;
use super::{Demand, Import, back, problem};
use crate::compile::{DialectRef, Kind, Statement};
use crate::session::Columns;

/// A statement that failed.
pub(crate) struct Failed {
    pub(super) error: StoreError,
    /// By what others have written, or write now.
    pub(super) in_the_way: bool,
}

pub(crate) type Done<T> = Result<T, Failed>;

impl Failed {
    /// `conflict`: whether it may well succeed when it is tried again.
    pub(crate) fn of(error: StoreError, conflict: bool) -> Self {
        let in_the_way = conflict || matches!(error, StoreError::UniqueViolation { .. });
        Self { error, in_the_way }
    }
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        failed.error
    }
}

/// The records that had these turns, first and last.
pub(crate) type Range = (u64, u64);

/// An import's connection, and what its server says in a way of its own.
pub(crate) trait Server: 'static {
    /// Whether nobody else imports into this database; it is so until the connection ends, or until `UNLOCK`.
    const LOCK: &'static str;
    const UNLOCK: &'static str;
    /// What makes a table that need not survive a crash.
    const CREATE: &'static str;
    /// Whether there is a `_ninefold_meta`.
    const HAS_META: &'static str;
    /// A hash of a text column `value`.
    const HASH: &'static str;
    /// Transactions: of statements that see what is committed when they get to it, and of such that see one state.
    const BEGIN: &'static str;
    const BEGIN_SERIALIZABLE: &'static str;
    /// In a transaction: that references hold is found now.
    const SETTLE: Option<&'static str>;

    fn dialect(&self) -> DialectRef;

    /// Text with nothing to bind and no rows.
    async fn command(&mut self, text: &str) -> Done<()>;

    async fn query(&mut self, statement: Statement<'_>) -> Done<Vec<Columns>>;

    /// Answers how many rows were changed.
    async fn execute(&mut self, statement: Statement<'_>) -> Done<u64>;

    /// An import takes as long as it takes, statement by statement, and holds up nobody by what it reads.
    fn patient(&self) -> &'static str;

    /// Statements that make an empty table like `table` for what is staged, with these unique indexes and, beside its
    /// columns, [`PLACE`](layout::PLACE).
    fn stage(&self, table: &str, unique: &[Unique]) -> Vec<String>;

    /// The same for the links of a field, whose sources are looked up.
    fn stage_links(&self, links: &layout::Links) -> Vec<String>;

    /// From now on what the table holds must survive a crash.
    fn keep(&self, table: &str) -> Option<String>;

    fn analyze(&self, tables: &[String]) -> String;

    /// Takes the rows out of `table` whose `column` is a key of the range.
    fn remove(&self, table: &str, column: &str, layout: &Layout, range: Range) -> String;

    /// Ends what the range's records hold of each other, where they would be in the way of each other's removal.
    fn loosen(&self, layout: &Layout, range: Range) -> Option<String>;
}

/// Text of ours with nothing to bind, and the columns that it answers with.
pub(super) fn plain(text: impl Into<String>, columns: &[Kind]) -> Statement<'static> {
    Statement {
        text: text.into(),
        binds: Vec::new(),
        columns: columns.to_vec(),
    }
}

/// The one value that `text` answers with, if there is a row.
pub(super) async fn value(server: &mut impl Server, text: impl Into<String>, kind: Kind) -> Done<Option<Value>> {
    let rows = server.query(plain(text, &[kind])).await?;
    Ok(rows.into_iter().next().and_then(|row| row.into_iter().next()))
}

pub(super) async fn truth(server: &mut impl Server, text: impl Into<String>) -> Done<bool> {
    Ok(value(server, text, Kind::Bool).await? == Some(Value::Bool(true)))
}

/// The thread's end.
struct Area<S: Server> {
    runtime: Runtime,
    model: Arc<Model>,
    plan: StagePlan,
    feed: Arc<Feed>,
    demands: Vec<Demand>,
    phase: Phase<S>,
}

enum Phase<S: Server> {
    Filling(Box<Fill<S>>),
    Checked(Box<Publisher<S>>),
    Over,
}

/// Starts an import on the connection that `connect` makes.
///
/// # Errors
/// Another import is under way, or the staging tables can't be made.
pub(crate) async fn start<S: Server>(
    name: &str,
    feed: Arc<Feed>,
    model: Arc<Model>,
    plan: StagePlan,
    connect: impl AsyncFnOnce() -> Result<S, StoreError> + Send + 'static,
) -> Result<Import, StoreError> {
    Import::start(name, move || Area::make(connect, feed, model, plan)).await
}

/// Takes back what an import that died left behind. An import that is alive is left alone.
///
/// # Errors
/// The database can't be read or written.
pub(crate) async fn recover(server: &mut impl Server) -> Result<(), StoreError> {
    if Incomplete::read(server).await?.is_none() || !lock(server).await? {
        return Ok(());
    }
    let recovered = take_back_left(server).await;
    unlock(server).await?;
    Ok(recovered?)
}

async fn lock<S: Server>(server: &mut S) -> Done<bool> {
    truth(server, S::LOCK).await
}

async fn unlock<S: Server>(server: &mut S) -> Done<()> {
    server.command(S::UNLOCK).await
}

async fn take_back_left(server: &mut impl Server) -> Done<()> {
    let Some(incomplete) = Incomplete::read(server).await? else {
        return Ok(());
    };
    server.command(server.patient()).await?;
    let done = incomplete.done;
    let kept = back::remove_all(server, &incomplete.layout, done).await?;
    incomplete.layout.drop_tables(server).await?;
    tracing::warn!(records = done, kept, "an import that was interrupted is taken back");
    Ok(())
}

impl<S: Server> Area<S> {
    fn make(
        connect: impl AsyncFnOnce() -> Result<S, StoreError>,
        feed: Arc<Feed>,
        model: Arc<Model>,
        plan: StagePlan,
    ) -> Result<Self, StoreError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Failed(error.to_string()))?;
        let starting = async {
            let mut server = connect().await?;
            let layout = Layout::of(&model, plan.collection, server.dialect());
            let unique = layout::unique(&model, plan.collection, server.dialect()).map_err(StoreError::Failed)?;
            let demands = layout::demands(&model, plan.collection, &layout, &unique, server.dialect());
            if !lock(&mut server).await? {
                return Err(StoreError::Unavailable {
                    reason: "another import is under way".to_owned(),
                    retry_after: super::RETRY_AFTER,
                });
            }
            take_back_left(&mut server).await?;
            server.command(server.patient()).await?;
            let fill = Fill::start(server, layout, unique).await?;
            Ok((fill, demands))
        };
        let (fill, demands) = runtime.block_on(starting)?;
        Ok(Self {
            runtime,
            model,
            plan,
            feed,
            demands,
            phase: Phase::Filling(Box::new(fill)),
        })
    }
}

fn not_checked() -> StoreError {
    StoreError::Failed("an import is checked first, and once".to_owned())
}

impl<S: Server> super::Area for Area<S> {
    fn add(&mut self, records: &[Staged]) -> Result<(), StoreError> {
        match &mut self.phase {
            Phase::Filling(fill) => Ok(self.runtime.block_on(fill.add(records))?),
            Phase::Checked(_) | Phase::Over => Err(StoreError::Failed("records come before the check".to_owned())),
        }
    }

    fn check(&mut self) -> Result<u64, StoreError> {
        let Phase::Filling(fill) = std::mem::replace(&mut self.phase, Phase::Over) else {
            return Err(not_checked());
        };
        let checking = async {
            let mut publisher = Publisher::new(*fill).await?;
            let own = layout::own_references(&self.model, self.plan.collection, publisher.server.dialect());
            let refused = publisher.check(&self.demands, &own).await?;
            Done::Ok((publisher, refused))
        };
        let (publisher, refused) = self.runtime.block_on(checking)?;
        self.phase = Phase::Checked(Box::new(publisher));
        Ok(refused)
    }

    fn problems(&mut self, behind: u64, limit: u32) -> Result<Vec<Problem>, StoreError> {
        let Phase::Checked(publisher) = &mut self.phase else {
            return Err(not_checked());
        };
        let sql = format!(
            "SELECT place, kind, what FROM {STAGED}_problem WHERE place > {behind} ORDER BY place LIMIT {limit}"
        );
        let reading = publisher.server.query(plain(sql, &[Kind::Int, Kind::Int, Kind::Text]));
        let rows = self.runtime.block_on(reading)?;
        let read = |row: &Columns| {
            let number = |slot: usize| row[slot].as_int().unwrap_or_default();
            problem(
                number(0).unsigned_abs(),
                number(1),
                row[2].as_text().unwrap_or_default(),
            )
        };
        Ok(rows.iter().map(read).collect())
    }

    fn publish(&mut self) -> Result<Published, StoreError> {
        let Phase::Checked(publisher) = &mut self.phase else {
            return Err(not_checked());
        };
        let publishing = publisher.publish(&self.model, &self.plan, &self.demands);
        let published = self.runtime.block_on(publishing);
        self.feed.start_over();
        published
    }

    fn take_back(&mut self) -> Result<u64, StoreError> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Checked(publisher) => {
                // Complete, or nothing is in yet.
                let is_marked = publisher.is_marked;
                let Publisher {
                    mut server,
                    layout,
                    done,
                    ..
                } = *publisher;
                let taking = async {
                    let done = if is_marked { done } else { 0 };
                    let kept = back::remove_all(&mut server, &layout, done).await?;
                    layout.drop_tables(&mut server).await?;
                    // With the connection it would be let go of a moment later.
                    unlock(&mut server).await?;
                    Done::Ok(kept)
                };
                let kept = self.runtime.block_on(taking);
                if is_marked {
                    self.feed.start_over();
                }
                Ok(kept?)
            }
            Phase::Filling(fill) => {
                let (mut server, layout) = fill.into_parts();
                let dropping = async {
                    layout.drop_tables(&mut server).await?;
                    unlock(&mut server).await
                };
                self.runtime.block_on(dropping)?;
                Ok(0)
            }
            Phase::Over => Ok(0),
        }
    }
}

impl<S: Server> Drop for Area<S> {
    fn drop(&mut self) {
        if let Err(error) = super::Area::take_back(self) {
            // What was published stays for who comes next.
            tracing::error!(%error, "an import could not be taken back");
        }
    }
}
