//! The caller's end of an import, for whichever database: what is handed over goes to a thread of the import's own, and
//! ends there whatever becomes of the caller.
//!
//! The thread's end is SQLite's own (`sqlite/staging`), or one that all servers share ([`server`]).

mod back;
mod check;
mod fill;
pub(crate) mod layout;
mod publish;
pub(crate) mod server;

use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use engine::access::Permit;
use engine::model::FieldId;
use engine::ports::staging::{Obstacle, Problem, Published, Staged, Staging};
use engine::ports::store::StoreError;
use tokio::sync::{mpsc, oneshot};

/// How long somebody should wait before another attempt.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Batches of records that wait for the thread.
const WAITING_MAX: usize = 2;

/// The thread's end. Dropped before the end, it takes back what was published.
pub(crate) trait Area {
    fn add(&mut self, records: &[Staged]) -> Result<(), StoreError>;
    fn check(&mut self) -> Result<u64, StoreError>;
    fn problems(&mut self, behind: u64, limit: u32) -> Result<Vec<Problem>, StoreError>;
    fn publish(&mut self) -> Result<Published, StoreError>;
    fn take_back(&mut self) -> Result<u64, StoreError>;
}

/// What a check asks of each staged record.
pub(crate) struct Demand {
    pub(crate) kind: Kind,
    /// Of a unique index, of a relation.
    pub(crate) what: String,
    /// True of a record `s` that can't be published.
    pub(crate) fails: String,
}

/// As it is stored with a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Taken = 1,
    NoTarget = 2,
    Unreached = 3,
    Judged = 4,
}

/// A problem as it was stored.
pub(crate) fn problem(place: u64, kind: i64, what: &str) -> Problem {
    let field = || FieldId(what.parse().unwrap_or(u16::MAX));
    let obstacle = match kind {
        kind if kind == Kind::NoTarget as i64 => Obstacle::NoTarget { field: field() },
        kind if kind == Kind::Unreached as i64 => Obstacle::Unreached { field: field() },
        kind if kind == Kind::Judged as i64 => Obstacle::Judged {
            index: what.parse().unwrap_or(usize::MAX),
        },
        _ => Obstacle::Taken {
            fields: what.split(',').map(str::to_owned).collect(),
        },
    };
    Problem { place, obstacle }
}

type Job = Box<dyn FnOnce(&mut dyn Area) + Send>;

/// Dropped before the end, it waits until what was published is taken back.
pub(crate) struct Import {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// What came of the records that were handed over last.
    added: Option<oneshot::Receiver<Result<(), StoreError>>>,
}

impl Import {
    /// Starts the thread, which makes its end there.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) async fn start<A: Area>(
        name: &str,
        make: impl FnOnce() -> Result<A, StoreError> + Send + 'static,
    ) -> Result<Self, StoreError> {
        let (jobs, mut waiting) = mpsc::channel::<Job>(WAITING_MAX);
        let (started, starting) = oneshot::channel();
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let (made, mut area) = match make() {
                    Ok(area) => (Ok(()), Some(area)),
                    Err(error) => (Err(error), None),
                };
                // A caller that has gone needs no answer; its end of the channel is closed, too.
                let _ = started.send(made);
                while let (Some(area), Some(job)) = (&mut area, waiting.blocking_recv()) {
                    job(area);
                }
            })
            .map_err(|error| StoreError::Failed(error.to_string()))?;
        let import = Self {
            jobs: Some(jobs),
            thread: Some(thread),
            added: None,
        };
        answered(starting).await?;
        Ok(import)
    }

    /// Hands `work` to the thread; its answer comes by and by.
    async fn hand<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Area) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError> {
        let gone = || StoreError::Failed("the import's thread has ended; see the log".to_owned());
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |area| {
            // A caller that has gone needs no answer.
            let _ = reply.send(work(area));
        });
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())?;
        Ok(answer)
    }

    async fn run<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut dyn Area) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.settle().await?;
        answered(self.hand(work).await?).await
    }

    /// Waits until the records that were handed over last are in.
    async fn settle(&mut self) -> Result<(), StoreError> {
        match self.added.take() {
            Some(added) => answered(added).await,
            None => Ok(()),
        }
    }
}

async fn answered<T>(answer: oneshot::Receiver<Result<T, StoreError>>) -> Result<T, StoreError> {
    let panicked = || StoreError::Failed("the import panicked; see the log".to_owned());
    answer.await.unwrap_or_else(|_| Err(panicked()))
}

impl Drop for Import {
    fn drop(&mut self) {
        self.jobs.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the import's thread panicked");
        }
    }
}

#[async_trait]
impl Staging for Import {
    async fn add(&mut self, records: Permit<Vec<Staged>>) -> Result<(), StoreError> {
        let records = records.into_plan();
        // While these are written the caller makes the next ones.
        let added = self.hand(move |area| area.add(&records)).await?;
        self.settle().await?;
        self.added = Some(added);
        Ok(())
    }

    async fn check(&mut self) -> Result<u64, StoreError> {
        self.run(|area| area.check()).await
    }

    async fn problems(&mut self, behind: u64, limit: u32) -> Result<Vec<Problem>, StoreError> {
        self.run(move |area| area.problems(behind, limit)).await
    }

    async fn publish(&mut self) -> Result<Published, StoreError> {
        self.run(|area| area.publish()).await
    }

    async fn take_back(&mut self) -> Result<u64, StoreError> {
        self.run(|area| area.take_back()).await
    }
}
