//! The port, on MongoDB.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::access::Permit;
use engine::model::{Epoch, Row};
use engine::ports::capabilities::Capabilities;
use engine::ports::relocation::{Relocate, Relocation};
use engine::ports::staging::{StagePlan, Staging};
use engine::ports::store::{ChangeSet, Changes, Store, StoreError};
use engine::query::{
    Committed, Effect, GetPlan, IdempotencyClaim, ListPlan, Mutation, Page, Position, Question, Trace, Transaction,
};
use mongodb::bson::doc;

use crate::open::{MongoStore, Shared};
use crate::session::Session;
use crate::transaction::Work;
use crate::write::{self, Written, idempotency};
use crate::{accounts, explain, read, relocation, staging};

/// How long [`Store::ready`] waits for an answer.
const READY_TIMEOUT: Duration = Duration::from_secs(2);
/// Commits with an idempotency key between two purges of those that have expired, and how many one purge takes.
const CLAIMS_PER_PURGE: u64 = 64;
const PURGED_MAX: u32 = 128;

#[async_trait]
impl Store for MongoStore {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            database: "MongoDB",
            mapped_tables: false,
        }
    }

    async fn get(&self, permit: Permit<GetPlan>) -> Result<Option<Row>, StoreError> {
        let model = self.shared.model(permit.epoch())?;
        let plan = permit.into_plan();
        let (deadline, one) = (plan.deadline, read::is_one_statement(&plan.projection));
        self.shared.read(&model, deadline, one, &Get(&plan)).await
    }

    async fn list(&self, permit: Permit<ListPlan>) -> Result<Page, StoreError> {
        let model = self.shared.model(permit.epoch())?;
        let plan = permit.into_plan();
        let one = read::is_one_statement(&plan.projection) && !plan.count;
        let deadline = plan.deadline;
        self.shared.read(&model, deadline, one, &List(&plan)).await
    }

    async fn explain(&self, question: Question) -> Result<Trace, StoreError> {
        let (epoch, deadline) = match &question {
            Question::Get(permit) => (permit.epoch(), permit.plan().deadline),
            Question::List(permit) | Question::Advise(permit) => (permit.epoch(), permit.plan().deadline),
            Question::Judge(permit) => (permit.epoch(), permit.plan().deadline),
        };
        let model = self.shared.model(epoch)?;
        self.shared.check_open()?;
        let deadline = self.shared.bounded(deadline);
        explain::trace(&self.shared, &model, &question, deadline).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Committed, StoreError> {
        let Transaction {
            mutations,
            effects,
            idempotency,
            deadline,
        } = transaction;
        let epochs: Vec<Epoch> = mutations.iter().map(Permit::epoch).collect();
        let commit = Commit {
            mutations: mutations.into_iter().map(Permit::into_plan).collect(),
            effects,
            idempotency,
        };
        let shared = Arc::clone(&self.shared);
        // A caller that goes away must not leave a commit of which nobody hears.
        let committing = tokio::spawn(async move {
            let adopted = || {
                let model = shared.current();
                let is_stale = epochs.iter().any(|epoch| *epoch != model.epoch);
                if is_stale {
                    Err(StoreError::StaleEpoch)
                } else {
                    Ok(model)
                }
            };
            let publish = |done, position| match done {
                Done::Replayed(outcomes) => Committed::Replayed(outcomes),
                Done::Written(Written { outcomes, changes }) => {
                    shared.feed.publish(position, changes);
                    Committed::Done { position, outcomes }
                }
            };
            shared.write(adopted, deadline, commit, publish).await
        });
        match committing.await {
            Ok(committed) => committed,
            Err(error) => Err(StoreError::Failed(error.to_string())),
        }
    }

    async fn stage(&self, permit: Permit<StagePlan>) -> Result<Box<dyn Staging>, StoreError> {
        let model = self.shared.model(permit.epoch())?;
        self.shared.check_open()?;
        let staging = staging::start(Arc::clone(&self.shared), model, permit.into_plan()).await?;
        Ok(Box::new(staging))
    }

    async fn relocation(&self, permit: Permit<Relocate>) -> Result<Box<dyn Relocation>, StoreError> {
        let model = self.shared.model(permit.epoch())?;
        self.shared.check_open()?;
        let relocation = relocation::start(Arc::clone(&self.shared), model).await?;
        Ok(Box::new(relocation))
    }

    fn changes(&self) -> Box<dyn Changes> {
        self.shared.feed.listen()
    }

    async fn changes_since(&self, position: Position) -> Result<Option<Vec<Arc<ChangeSet>>>, StoreError> {
        Ok(self.shared.feed.since(position))
    }

    fn adopt(&self, model: Arc<Model>) {
        self.shared.adopt(model);
    }

    async fn ready(&self) -> Result<(), String> {
        self.shared.check_open().map_err(|error| error.to_string())?;
        let alive = self.shared.database.run_command(doc! { "ping": 1 });
        match tokio::time::timeout(READY_TIMEOUT, alive).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the database does not answer in time".to_owned()),
        }
    }

    async fn close(&self) {
        self.shared.closed.store(true, Ordering::Release);
        // Whoever is writing finishes; whoever waits behind is told.
        drop(self.shared.writer.lock().await);
        self.stop_polling().await;
        self.shared.feed.close();
    }
}

impl Shared {
    /// No later than a read may run.
    fn bounded(&self, deadline: Instant) -> Instant {
        deadline.min(Instant::now() + self.options.query_timeout)
    }

    /// `one`: it takes one statement, which is of one moment by itself.
    async fn read<W: Work>(
        &self,
        model: &Model,
        deadline: Instant,
        one: bool,
        work: &W,
    ) -> Result<W::Done, StoreError> {
        self.check_open()?;
        let deadline = self.bounded(deadline);
        if !one {
            return self.snapshot(model, deadline, work).await;
        }
        let _connection = self.connection(deadline).await?;
        let mut session = Session::plain(&self.database, model, deadline);
        let ran = tokio::time::timeout_at(deadline.into(), work.run(&mut session)).await;
        ran.unwrap_or(Err(StoreError::Timeout))
    }
}

struct Get<'a>(&'a GetPlan);

impl Work for Get<'_> {
    type Done = Option<Row>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Done, StoreError> {
        read::get(session, session.model(), self.0).await
    }

    fn counts(_: &Self::Done) -> bool {
        false
    }
}

struct List<'a>(&'a ListPlan);

impl Work for List<'_> {
    type Done = Page;

    async fn run(&self, session: &mut Session<'_>) -> Result<Self::Done, StoreError> {
        read::list(session, session.model(), self.0).await
    }

    fn counts(_: &Self::Done) -> bool {
        false
    }
}

/// A transaction on its way.
struct Commit {
    mutations: Vec<Mutation>,
    effects: Vec<Effect>,
    idempotency: Option<IdempotencyClaim>,
}

enum Done {
    Written(Written),
    Replayed(Vec<u8>),
}

impl Work for Commit {
    type Done = Done;

    async fn run(&self, session: &mut Session<'_>) -> Result<Done, StoreError> {
        let now = idempotency::moment(&self.mutations);
        if let Some(claim) = &self.idempotency
            && let Some(outcomes) = idempotency::replay(session, claim, now).await?
        {
            return Ok(Done::Replayed(outcomes));
        }
        let written = write::run(session, session.model(), &self.mutations).await?;
        for effect in &self.effects {
            accounts::apply_effect(session, effect).await?;
        }
        if let Some(claim) = &self.idempotency {
            idempotency::keep(session, claim, &written.outcomes).await?;
            // The scope is a hash: so many in all, it is this one's turn once in a while.
            if let Some(now) = now
                && u64::from(claim.scope[0]) % CLAIMS_PER_PURGE == 0
            {
                idempotency::purge(session, now, PURGED_MAX).await?;
            }
        }
        Ok(Done::Written(written))
    }

    fn counts(done: &Done) -> bool {
        matches!(done, Done::Written(_))
    }
}
