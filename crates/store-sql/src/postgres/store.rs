//! The port, on PostgreSQL.
//!
//! A write whose rules look at other records is serializable; the others lock the rows that they change and see what is
//! committed when they get to them. What others got in the way of is tried again, as long as nobody was answered.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::access::Permit;
use engine::model::{Row, Timestamp, Value};
use engine::ports::capabilities::Capabilities;
use engine::ports::relocation::{Relocate, Relocation};
use engine::ports::staging::{StagePlan, Staging};
use engine::ports::store::{ChangeSet, Changes, Store, StoreError};
use engine::query::{
    Committed, Effect, Freshness, GetPlan, IdempotencyClaim, ListPlan, Mutation, Page, Position, Question, Trace,
    Transaction,
};
use futures::future::BoxFuture;
use tokio::time::timeout_at;

use super::pool::Lease;
use super::session::PostgresSession;
use super::{PostgresStore, explain, relocation, staging};
use crate::accounts;
use crate::compile::{Kind, Statement};
use crate::insistent::Insistent;
use crate::order::BLOCK;
use crate::pool::{self, finish};
use crate::read;
use crate::session::Session as _;
use crate::write::{self, Written, idempotency, order, others};

/// How long [`Store::ready`] waits for an answer.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Commits with an idempotency key between two purges of those that have expired, and how many one purge takes.
const CLAIMS_PER_PURGE: u64 = 64;
const PURGED_MAX: u32 = 128;
/// How long a read waits beside others: one of them may be waiting for a lock.
const BESIDE_OTHERS: Duration = Duration::from_millis(500);
/// Before the second attempt at most; twice as long before each further one, up to a limit.
const PAUSE: Duration = Duration::from_millis(4);
const PAUSE_MAX: Duration = Duration::from_millis(250);

const SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE";
const READ_COMMITTED: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// Taken by all that changes identity's tables: nobody else's change lies between what is read and what is written, and
/// the snapshot of the transaction begins after it is held. Nobody reads under it.
pub(super) const ALONE: &str = "LOCK TABLE _ninefold_secret IN SHARE ROW EXCLUSIVE MODE";

#[async_trait]
impl Store for PostgresStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            database: "PostgreSQL",
            mapped_tables: true,
        }
    }

    async fn get(&self, permit: Permit<GetPlan>) -> Result<Option<Row>, StoreError> {
        let model = self.model(permit.epoch())?;
        let plan = permit.into_plan();
        let several = !read::is_one_statement(&model, &plan.projection, 1);
        let reads_replica = plan.freshness != Freshness::Latest && self.replicas.is_some();
        if !several
            && !reads_replica
            && read::is_by_key(&model, &plan)
            && let Some(read) = self.get_beside_others(&model, &plan).await
        {
            return read;
        }
        let get: Reading<_, _> = |session, model, plan| Box::pin(read::get(session, model, plan));
        // Apart in memory: most gets are over by now.
        Box::pin(self.read((plan.freshness, plan.deadline), (&model, &plan), several, get)).await
    }

    async fn list(&self, permit: Permit<ListPlan>) -> Result<Page, StoreError> {
        let model = self.model(permit.epoch())?;
        let plan = permit.into_plan();
        let several = plan.count || !read::is_one_statement(&model, &plan.projection, plan.limit);
        let list: Reading<_, _> = |session, model, plan| Box::pin(read::list(session, model, plan));
        self.read((plan.freshness, plan.deadline), (&model, &plan), several, list)
            .await
    }

    async fn explain(&self, question: Question) -> Result<Trace, StoreError> {
        let (epoch, deadline) = match &question {
            Question::Get(permit) => (permit.epoch(), permit.plan().deadline),
            Question::List(permit) | Question::Advise(permit) => (permit.epoch(), permit.plan().deadline),
            Question::Judge(permit) => (permit.epoch(), permit.plan().deadline),
        };
        let model = self.model(epoch)?;
        let lease = self.pool.lease(self.until(deadline)).await?;
        let trace = explain::trace(lease.connection(), &model, &question, self.until(deadline)).await;
        // One that took too long may still run.
        if let Ok(trace) = &trace
            && explain::is_whole(trace)
        {
            lease.give_back();
        }
        trace
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let Transaction {
            mutations,
            effects,
            idempotency,
            deadline,
        } = transaction;
        let model = self.current();
        if mutations.iter().any(|permit| permit.epoch() != model.epoch) {
            return Err(StoreError::StaleEpoch);
        }
        let work = Arc::new(Work {
            mutations: mutations.into_iter().map(Permit::into_plan).collect(),
            effects,
            idempotency,
        });
        let deadline = self.until(deadline);
        let mut pause = PAUSE;
        let mut lone = work.lone(&model);
        // An insert that may have been committed.
        let mut open = None;
        for attempt in 1.. {
            let begun = Instant::now();
            let attempted = match lone {
                Some(plan) => self.insert_alone(&work, plan, &model, deadline).await,
                // Apart in memory: an insert alone would have room for it otherwise.
                None => Box::pin(self.attempt(&work, &model, deadline)).await,
            };
            let Failed { error, again, is_open } = match attempted {
                Ok(committed) => return Ok(committed),
                Err(failed) => failed,
            };
            match open {
                Some(plan) if is_taken(&error) => {
                    return Box::pin(self.find_inserted(plan, error, &model, deadline)).await;
                }
                _ => {}
            }
            // What waited for a lock for long will do so again.
            let too_late = Instant::now() + pause + begun.elapsed() >= deadline;
            if !again || attempt >= self.attempts_max || too_late {
                return Err(error);
            }
            if is_open {
                open = lone.take();
            }
            tokio::time::sleep(jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        unreachable!("the attempts are counted")
    }

    async fn stage(&self, permit: Permit<StagePlan>) -> Result<Box<dyn Staging>, StoreError> {
        let model = self.model(permit.epoch())?;
        Ok(Box::new(staging::start(self, model, permit.into_plan()).await?))
    }

    async fn relocation(&self, permit: Permit<Relocate>) -> Result<Box<dyn Relocation>, StoreError> {
        let model = self.model(permit.epoch())?;
        Ok(Box::new(relocation::start(self, model, permit.plan().is_served).await?))
    }

    fn changes(&self) -> Box<dyn Changes> {
        self.feed.listen()
    }

    async fn changes_since(&self, position: Position) -> Result<Option<Vec<Arc<ChangeSet>>>, StoreError> {
        Ok(self.feed.since(position))
    }

    fn adopt(&self, model: Arc<Model>) {
        *self.model.write().unwrap_or_else(PoisonError::into_inner) = model;
        self.pool.renew();
        if let Some(replicas) = &self.replicas {
            replicas.begin_anew();
        }
        // Its tables may have been made only now.
        drop(self.join());
    }

    fn has_replicas(&self) -> bool {
        self.replicas.is_some()
    }

    async fn ready(&self) -> Result<(), String> {
        let deadline = Instant::now() + READY_TIMEOUT;
        let model = self.current();
        let alive = async {
            let lease = self.pool.lease(deadline).await?;
            let mut session = PostgresSession::new(lease.connection(), &model);
            let alive = timeout_at(deadline.into(), session.command("SELECT 1")).await;
            finish(alive, lease)
        };
        alive.await.map_err(|error| match error {
            StoreError::Timeout => "the database does not answer in time".to_owned(),
            other => other.to_string(),
        })
    }

    async fn close(&self) {
        if let Some(replicas) = &self.replicas {
            replicas.close().await;
        }
        self.pool.close().await;
        if let Some(node) = self.node.get() {
            node.stop().await;
        }
        self.feed.close();
    }
}

/// How a plan is carried out that only reads.
type Reading<P, T> = for<'s> fn(&'s mut PostgresSession<'_>, &'s Model, &'s P) -> BoxFuture<'s, Result<T, StoreError>>;

/// A transaction on its way.
pub(super) struct Work {
    pub(super) mutations: Vec<Mutation>,
    pub(super) effects: Vec<Effect>,
    pub(super) idempotency: Option<IdempotencyClaim>,
}

enum Done {
    Written(Written),
    Replayed(Vec<u8>),
}

/// An attempt that failed, and whether another makes sense.
pub(super) struct Failed {
    pub(super) error: StoreError,
    pub(super) again: bool,
    /// Whether it may have been committed nevertheless.
    pub(super) is_open: bool,
}

/// What a server that never answers leaves.
pub(super) fn unanswered() -> Failed {
    Failed {
        error: StoreError::Timeout,
        again: false,
        is_open: true,
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self {
            error,
            again: false,
            is_open: false,
        }
    }
}

impl PostgresStore {
    /// The caller's deadline, or the end of what any operation may take.
    pub(super) fn until(&self, deadline: Instant) -> Instant {
        pool::until(deadline, self.query_timeout)
    }

    /// Reads; on another connection once more where the first turns out to be lost, as those that waited are after the
    /// server's restart.
    async fn read<P: Sync, T>(
        &self,
        (freshness, deadline): (Freshness, Instant),
        question: (&Model, &P),
        several: bool,
        work: Reading<P, T>,
    ) -> Result<T, StoreError> {
        let deadline = self.until(deadline);
        if let (Freshness::Recent { since }, Some(replicas)) = (freshness, &self.replicas) {
            let asking = |lease: Lease| async move {
                let mut session = PostgresSession::new(lease.connection(), question.0);
                session.ask_progress();
                let read = carry_out(&mut session, question, several, work).await;
                let progress = session.progress();
                (lease, progress, read)
            };
            if let Some(read) = Box::pin(replicas.read(since, deadline, asking)).await {
                return read;
            }
        }
        let mut is_first = true;
        loop {
            let lease = self.pool.lease(deadline).await?;
            let mut session = PostgresSession::new(lease.connection(), question.0);
            let reading = carry_out(&mut session, question, several, work);
            let read = timeout_at(deadline.into(), reading).await;
            if !(session.was_lost() && is_first) {
                return finish(read, lease);
            }
            is_first = false;
            self.pool.renew();
        }
    }

    /// Reads on a connection that others read on, too; nothing where that turns out to be lost, or gives no answer for long.
    async fn get_beside_others(&self, model: &Model, plan: &GetPlan) -> Option<Result<Option<Row>, StoreError>> {
        let deadline = self.until(plan.deadline);
        let seat = match self.shared.seat(deadline).await {
            Ok(seat) => seat,
            Err(error) => return Some(Err(error)),
        };
        let mut session = PostgresSession::new(seat.connection(), model);
        let patience = deadline.min(Instant::now() + BESIDE_OTHERS);
        let read = timeout_at(patience.into(), read::get(&mut session, model, plan)).await;
        match read {
            _ if session.was_lost() => {
                seat.lost();
                None
            }
            Err(_) if patience < deadline => None,
            Ok(read) => {
                seat.answered();
                Some(read)
            }
            Err(_) => Some(Err(StoreError::Timeout)),
        }
    }

    async fn attempt(&self, work: &Work, model: &Model, deadline: Instant) -> Result<Committed, Failed> {
        let lease = self.lease_to_write(model, deadline).await?;
        let mut session = PostgresSession::new(lease.connection(), model);
        let ran = match timeout_at(deadline.into(), work.run(&mut session, model)).await {
            Ok(ran) => ran,
            Err(_) => return Err(StoreError::Timeout.into()),
        };
        let was_lost = session.was_lost();
        let is_upsert_taken = work.has_upsert() && ran.as_ref().err().is_some_and(is_taken);
        let again = session.met_conflict() || was_lost || is_upsert_taken;
        match ran {
            Ok(Done::Written(written)) => self.conclude(lease, written).await,
            Ok(Done::Replayed(outcomes)) => {
                self.roll_back(lease).await;
                Ok(Committed::Replayed(outcomes))
            }
            Err(error) => {
                if was_lost {
                    // Others that waited are so, too.
                    self.pool.renew();
                } else {
                    self.roll_back(lease).await;
                }
                Err(Failed {
                    error,
                    again,
                    is_open: false,
                })
            }
        }
    }

    /// Commits, and tells what was. It goes on when its caller doesn't: nobody else would know what came of it.
    async fn conclude(&self, lease: Lease, written: Written) -> Result<Committed, Failed> {
        let (ticket, model) = (self.order.ticket(&written.changes), self.current());
        let given_up = pool::given_up(self.query_timeout);
        Insistent::new(async move {
            let mut session = PostgresSession::new(lease.connection(), &model);
            let Ok(committed) = timeout_at(given_up.into(), session.command("COMMIT")).await else {
                return Err(unanswered());
            };
            let (again, was_lost) = (session.met_conflict(), session.was_lost());
            match committed {
                Ok(()) => {
                    lease.give_back();
                    Ok(ticket.concluded(written).await?)
                }
                Err(error) => {
                    // What the server itself refuses to commit is undone; of a lost connection nobody knows.
                    if !was_lost {
                        ticket.rolled_back();
                        lease.give_back();
                    }
                    Err(Failed {
                        error,
                        again,
                        is_open: was_lost,
                    })
                }
            }
        })
        .await
    }

    async fn roll_back(&self, lease: Lease) {
        let model = self.current();
        let mut session = PostgresSession::new(lease.connection(), &model);
        let rolled_back = tokio::time::timeout(READY_TIMEOUT, session.command("ROLLBACK")).await;
        if matches!(rolled_back, Ok(Ok(()))) {
            lease.give_back();
        }
    }

    /// A connection for a write, whose commit has a position to take.
    pub(super) async fn lease_to_write(&self, model: &Model, deadline: Instant) -> Result<Lease, Failed> {
        let lease = self.pool.lease(deadline).await?;
        if !self.order.needs_block() {
            return Ok(lease);
        }
        let mut session = PostgresSession::new(lease.connection(), model);
        let reserving = Box::pin(self.reserve(&mut session));
        let reserved = timeout_at(deadline.into(), reserving).await;
        let (met_conflict, was_lost) = (session.met_conflict(), session.was_lost());
        match reserved.unwrap_or(Err(StoreError::Timeout)) {
            Ok(()) => Ok(lease),
            Err(error) => {
                if was_lost {
                    self.pool.renew();
                }
                Err(Failed {
                    error,
                    again: met_conflict || was_lost,
                    is_open: false,
                })
            }
        }
    }

    /// Takes the next block of positions for this run; apart from any transaction, so that nobody waits for one's end.
    async fn reserve(&self, session: &mut PostgresSession<'_>) -> Result<(), StoreError> {
        let text = format!(
            "INSERT INTO _ninefold_meta AS meta (key, value) VALUES ('position', {BLOCK}) \
             ON CONFLICT (key) DO UPDATE SET value = meta.value::bigint + {BLOCK} RETURNING value::bigint"
        );
        let statement = Statement {
            text,
            binds: Vec::new(),
            columns: vec![Kind::Int],
        };
        let rows = session.query(statement).await?;
        let end = rows.first().and_then(|row| row.first()).and_then(Value::as_int);
        let end = end.and_then(|end| u64::try_from(end).ok());
        let end = end.ok_or_else(|| StoreError::Failed("the position of commits is no number".to_owned()))?;
        self.order.take_block(end);
        Ok(())
    }
}

/// Several statements see one state of the database.
async fn carry_out<P: Sync, T>(
    session: &mut PostgresSession<'_>,
    (model, plan): (&Model, &P),
    several: bool,
    work: Reading<P, T>,
) -> Result<T, StoreError> {
    let in_one = several && !mutant!(OneMoment);
    if in_one {
        session.open(SNAPSHOT);
    }
    let read = work(session, model, plan).await;
    if in_one {
        session.let_go()?;
    }
    read
}

impl Work {
    /// Leaves the transaction open.
    async fn run(&self, session: &mut PostgresSession<'_>, model: &Model) -> Result<Done, StoreError> {
        let depends = others::depends_on_others(&self.mutations);
        let begin = if depends { SERIALIZABLE } else { READ_COMMITTED };
        session.open(begin);
        if self.touches_identity(model) {
            session.command(ALONE).await?;
        }
        let now = idempotency::moment(&self.mutations);
        if let Some(claim) = &self.idempotency
            && let Some(outcomes) = idempotency::replay(session, claim, now).await?
        {
            return Ok(Done::Replayed(outcomes));
        }
        order::lock(session, model, &self.mutations).await?;
        let written = write::run(session, model, &self.mutations).await?;
        for effect in &self.effects {
            accounts::apply_effect(session, effect).await?;
        }
        if let Some(claim) = &self.idempotency
            && !mutant!(KeyWithWrite)
        {
            idempotency::keep(session, claim, now, &written.outcomes).await?;
            purge(session, claim, now).await?;
        }
        Ok(Done::Written(written))
    }

    /// Also by taking along what belongs to a user.
    fn touches_identity(&self, model: &Model) -> bool {
        let deletes = |mutation: &Mutation| matches!(mutation, Mutation::Delete(_));
        !self.effects.is_empty() || (model.accounts.is_some() && self.mutations.iter().any(deletes))
    }

    fn has_upsert(&self) -> bool {
        self.mutations
            .iter()
            .any(|mutation| matches!(mutation, Mutation::Upsert(_)))
    }
}

/// The scope is a hash: so many in all, it is this one's turn once in a while.
async fn purge(
    session: &mut PostgresSession<'_>,
    claim: &IdempotencyClaim,
    now: Option<Timestamp>,
) -> Result<(), StoreError> {
    match now {
        Some(now) if u64::from(claim.scope[0]) % CLAIMS_PER_PURGE == 0 => {
            idempotency::purge(session, now, PURGED_MAX).await
        }
        _ => Ok(()),
    }
}

/// Whether a record was there that had not been a moment before: then there is one to update.
fn is_taken(error: &StoreError) -> bool {
    match error {
        StoreError::At { source, .. } => matches!(**source, StoreError::UniqueViolation { .. }),
        _ => false,
    }
}

/// Between half of it and all: those that met don't meet again.
fn jittered(pause: Duration) -> Duration {
    let share = u32::from(uuid::Uuid::new_v4().as_bytes()[0]);
    pause / 2 + pause / 2 * share / 255
}
