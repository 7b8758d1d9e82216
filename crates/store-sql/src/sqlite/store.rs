//! The port, on SQLite.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::access::Permit;
use engine::model::{Epoch, Row, Timestamp};
use engine::ports::capabilities::Capabilities;
use engine::ports::relocation::{Relocate, Relocation};
use engine::ports::staging::{StagePlan, Staging};
use engine::ports::store::{ChangeSet, Changes, Store, StoreError};
use engine::query::{
    Committed, Effect, GetPlan, IdempotencyClaim, ListPlan, Mutation, Outcome, Page, Position, Question, Trace,
    Transaction,
};
use rusqlite::Connection;

use super::connection::Timed;
use super::error::store_error;
use super::readers::Effort;
use super::session::SqliteSession;
use super::{SqliteStore, explain, relocation, staging};
use crate::accounts;
use crate::read;
use crate::session::at_once;
use crate::write::{self, Written, idempotency};

/// How long [`Store::ready`] waits for an answer.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Commits with an idempotency key between two purges of those that have expired, and how many one purge takes.
const CLAIMS_PER_PURGE: u64 = 64;
const PURGED_MAX: u32 = 128;

#[async_trait]
impl Store for SqliteStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            database: "SQLite",
            mapped_tables: true,
        }
    }

    async fn get(&self, permit: Permit<GetPlan>) -> Result<Option<Row>, StoreError> {
        let model = self.model(permit.epoch())?;
        let plan = permit.into_plan();
        let deadline = plan.deadline;
        let inline = self
            .readers
            .try_inline(Effort::Point, deadline, |connection| get(connection, &model, &plan));
        match inline {
            Some(result) => result,
            None => {
                let job = move |connection: &Connection| get(connection, &model, &plan);
                self.readers.run(deadline, job).await
            }
        }
    }

    async fn list(&self, permit: Permit<ListPlan>) -> Result<Page, StoreError> {
        let model = self.model(permit.epoch())?;
        let plan = permit.into_plan();
        let deadline = plan.deadline;
        let inline = self
            .readers
            .try_inline(Effort::Range, deadline, |connection| list(connection, &model, &plan));
        match inline {
            Some(result) => result,
            None => {
                let job = move |connection: &Connection| list(connection, &model, &plan);
                self.readers.run(deadline, job).await
            }
        }
    }

    async fn explain(&self, question: Question) -> Result<Trace, StoreError> {
        let (epoch, deadline) = match &question {
            Question::Get(permit) => (permit.epoch(), permit.plan().deadline),
            Question::List(permit) | Question::Advise(permit) => (permit.epoch(), permit.plan().deadline),
            Question::Judge(permit) => (permit.epoch(), permit.plan().deadline),
        };
        let model = self.model(epoch)?;
        let job = move |connection: &Connection| explain::trace(connection, &model, &question);
        self.readers.run(deadline, job).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let Transaction {
            mutations,
            effects,
            idempotency,
            deadline,
        } = transaction;
        let epochs: Vec<Epoch> = mutations.iter().map(Permit::epoch).collect();
        let work = Work {
            mutations: mutations.into_iter().map(Permit::into_plan).collect(),
            effects,
            idempotency,
            deadline,
        };
        let (shared, published) = (Arc::clone(&self.shared), Arc::clone(&self.shared));
        let job = move |timed: &Timed| {
            // Here and not earlier: another model may have been adopted while this waited.
            let model = shared.current();
            if epochs.iter().any(|epoch| *epoch != model.epoch) {
                return Err(StoreError::StaleEpoch);
            }
            let done = work.run(timed, &model)?;
            let marked = shared.positions().reserve(timed.connection())?;
            Ok((done, marked))
        };
        let publish = move |(done, marked)| match done {
            Done::Replayed(outcomes) => Committed::Replayed(outcomes),
            Done::Written(Written { outcomes, changes }) => {
                let position = published.positions().take(marked);
                published.feed.publish(position, changes);
                Committed::Done { position, outcomes }
            }
        };
        self.writer.run_then(deadline, job, publish).await
    }

    async fn stage(&self, permit: Permit<StagePlan>) -> Result<Box<dyn Staging>, StoreError> {
        let model = self.model(permit.epoch())?;
        let (place, shared) = (self.place.clone(), Arc::clone(&self.shared));
        Ok(Box::new(
            staging::start(place, shared, model, permit.into_plan()).await?,
        ))
    }

    async fn relocation(&self, permit: Permit<Relocate>) -> Result<Box<dyn Relocation>, StoreError> {
        let model = self.model(permit.epoch())?;
        let is_served = permit.plan().is_served;
        Ok(Box::new(relocation::start(&self.place, model, is_served)?))
    }

    fn changes(&self) -> Box<dyn Changes> {
        self.shared.feed.listen()
    }

    async fn changes_since(&self, position: Position) -> Result<Option<Vec<Arc<ChangeSet>>>, StoreError> {
        Ok(self.shared.feed.since(position))
    }

    fn adopt(&self, model: Arc<Model>) {
        *self.shared.model.write().unwrap_or_else(PoisonError::into_inner) = model;
    }

    async fn ready(&self) -> Result<(), String> {
        self.presence.check()?;
        let deadline = Instant::now() + READY_TIMEOUT;
        let alive = |connection: &Connection| connection.query_row("SELECT 1", [], |_| Ok(()));
        let read = self.readers.run(deadline, move |connection| {
            alive(connection).map_err(|error| store_error(&error))
        });
        let write = self.writer.run_alone(deadline, move |connection| {
            alive(connection).map_err(|error| store_error(&error))
        });
        let both = async { read.await.and(write.await) };
        match tokio::time::timeout(READY_TIMEOUT, both).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the database does not answer in time".to_owned()),
        }
    }

    async fn close(&self) {
        if let Some(threads) = self.shut()
            && tokio::task::spawn_blocking(move || threads.join()).await.is_err()
        {
            tracing::error!("closing the database panicked");
        }
        self.shared.feed.close();
    }
}

impl SqliteStore {
    /// The adopted model, if it is the one that a permit was made under.
    fn model(&self, epoch: Epoch) -> Result<Arc<Model>, StoreError> {
        let model = self.shared.current();
        if model.epoch == epoch {
            Ok(model)
        } else {
            Err(StoreError::StaleEpoch)
        }
    }
}

fn get(connection: &Connection, model: &Model, plan: &GetPlan) -> Result<Option<Row>, StoreError> {
    let read = || at_once(read::get(&mut SqliteSession::reading(connection, model), model, plan));
    if read::is_one_statement(model, &plan.projection, 1) {
        read()
    } else {
        snapshot(connection, read)
    }
}

fn list(connection: &Connection, model: &Model, plan: &ListPlan) -> Result<Page, StoreError> {
    let read = || at_once(read::list(&mut SqliteSession::reading(connection, model), model, plan));
    if read::is_one_statement(model, &plan.projection, plan.limit) && !plan.count {
        read()
    } else {
        snapshot(connection, read)
    }
}

/// Runs several statements on one state of the database: that which the connection keeps, or one of their own.
pub(super) fn snapshot<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let execute = |sql: &str| -> Result<(), StoreError> {
        let executed = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.raw_execute());
        executed.map(|_| ()).map_err(|error| store_error(&error))
    };
    if mutant!(OneMoment) || !connection.is_autocommit() {
        return work();
    }
    execute("BEGIN")?;
    let result = work();
    // Nothing was written, so this only lets go of the state. It may be gone already, where the work was interrupted.
    if !connection.is_autocommit() {
        execute("ROLLBACK")?;
    }
    result
}

/// A transaction on its way.
struct Work {
    mutations: Vec<Mutation>,
    effects: Vec<Effect>,
    idempotency: Option<IdempotencyClaim>,
    deadline: Instant,
}

enum Done {
    Written(Written),
    Replayed(Vec<u8>),
}

impl Work {
    fn run(&self, timed: &Timed, model: &Model) -> Result<Done, StoreError> {
        let mut session = SqliteSession::writing(timed, self.deadline, model);
        let now = idempotency::moment(&self.mutations);
        if let Some(claim) = &self.idempotency
            && let Some(outcomes) = at_once(idempotency::replay(&mut session, claim, now))?
        {
            return Ok(Done::Replayed(outcomes));
        }
        let written = at_once(write::run(&mut session, model, &self.mutations))?;
        for effect in &self.effects {
            at_once(accounts::apply_effect(&mut session, effect))?;
        }
        if let Some(claim) = &self.idempotency {
            self.keep(&mut session, claim, now, &written.outcomes)?;
        }
        Ok(Done::Written(written))
    }

    fn keep(
        &self,
        session: &mut SqliteSession<'_>,
        claim: &IdempotencyClaim,
        now: Option<Timestamp>,
        outcomes: &[Outcome],
    ) -> Result<(), StoreError> {
        if mutant!(KeyWithWrite) {
            return Ok(());
        }
        at_once(idempotency::keep(session, claim, now, outcomes))?;
        // The scope is a hash: so many in all, it is this one's turn once in a while.
        match now {
            Some(now) if u64::from(claim.scope[0]) % CLAIMS_PER_PURGE == 0 => {
                at_once(idempotency::purge(session, now, PURGED_MAX))
            }
            _ => Ok(()),
        }
    }
}
