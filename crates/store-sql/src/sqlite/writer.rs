//! The one thread that writes: many requests, one commit.
//!
//! It drains its queue into one `BEGIN IMMEDIATE`, gives each request a savepoint of its own, and answers after the
//! commit. A request that fails takes back its savepoint alone; a commit that fails fails all of its requests, and
//! nobody has been told otherwise. A request that panics counts as failed, and the thread goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::checkpoint::Checkpoints;
use super::connection::{self, Timed, has_dangling_references};
use super::error::{store_error, unavailable};
use super::inline::Commits;
use super::options::SqliteOptions;
use super::presence::Presence;
use super::queue::{Queue, Refused};

/// Hands work to the writing thread.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: Arc<Queue<Entry>>,
}

enum Entry {
    /// Shares a commit with its neighbours.
    Grouped(Box<dyn Job>),
    /// Runs outside of any transaction, between two groups.
    Alone(Box<dyn Job>),
}

/// A request on its way through the writing thread.
trait Job: Send {
    fn deadline(&self) -> Instant;
    /// Whether its caller has gone.
    fn is_abandoned(&self) -> bool;
    /// Whether what it wrote is to be kept.
    fn run(&mut self, connection: &Timed) -> bool;
    /// Takes back its result for a failure that came after it ran.
    fn fail(&mut self, error: StoreError);
    /// Answers: its own result if all went well, the error otherwise.
    fn settle(self: Box<Self>, fate: Result<(), StoreError>);
}

struct Task<T, U, W, P> {
    deadline: Instant,
    work: Option<W>,
    publish: P,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<U, StoreError>>,
}

impl<T, U, W, P> Job for Task<T, U, W, P>
where
    T: Send,
    U: Send,
    W: FnOnce(&Timed) -> Result<T, StoreError> + Send,
    P: FnOnce(T) -> U + Send,
{
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, connection: &Timed) -> bool {
        if let Some(work) = self.work.take() {
            self.result = Some(work(connection));
        }
        matches!(self.result, Some(Ok(_)))
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Some(Err(error));
    }

    fn settle(self: Box<Self>, fate: Result<(), StoreError>) {
        let result = match (self.result, fate) {
            (Some(Ok(value)), Ok(())) => Ok((self.publish)(value)),
            (Some(Err(error)), Ok(())) | (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(StoreError::Failed("a write panicked; see the log".to_owned())),
        };
        // A caller that has gone needs no answer.
        let _ = self.reply.send(result);
    }
}

impl Writer {
    /// Starts the thread. It ends when the writer is closed and its queue drained, and hands back what it worked with.
    pub(super) fn start(
        connection: Timed,
        checkpoints: Checkpoints,
        presence: Arc<Presence>,
        commits: Arc<Commits>,
        options: &SqliteOptions,
    ) -> std::io::Result<(Self, JoinHandle<(Timed, Checkpoints)>)> {
        let queue = Arc::new(Queue::new(options.write_queue_max));
        let thread = Thread {
            connection,
            checkpoints,
            presence,
            commits,
            batch_max: options.batch_max,
            busy_timeout: options.busy_timeout,
        };
        let served = Arc::clone(&queue);
        let handle = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || thread.serve(&served))?;
        Ok((Self { queue }, handle))
    }

    /// Runs `job` in a savepoint of its own within the group commit, then `publish` on the same thread, after the commit
    /// and in the order of commits. `job` does not start after `deadline`.
    pub(super) async fn run_then<T: Send + 'static, U: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce(&Timed) -> Result<T, StoreError> + Send + 'static,
        publish: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U, StoreError> {
        self.submit(deadline, job, publish, Entry::Grouped).await
    }

    /// Runs `job` between two groups, outside of any transaction: for what changes the structure and opens
    /// transactions of its own. It must leave none open.
    pub(crate) async fn run_alone<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.submit(deadline, |timed| job(timed.connection()), |value| value, Entry::Alone)
            .await
    }

    async fn submit<T: Send + 'static, U: Send + 'static>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&Timed) -> Result<T, StoreError> + Send + 'static,
        publish: impl FnOnce(T) -> U + Send + 'static,
        entry: impl FnOnce(Box<dyn Job>) -> Entry,
    ) -> Result<U, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task = Task {
            deadline,
            work: Some(work),
            publish,
            result: None,
            reply,
        };
        self.queue
            .push(entry(Box::new(task)))
            .map_err(|refused| match refused {
                Refused::Full => unavailable("too many writes are waiting"),
                Refused::Closed => unavailable("the database is being closed"),
            })?;
        answer
            .await
            .unwrap_or_else(|_| Err(unavailable("the database is being closed")))
    }

    /// Takes nothing more; what is queued is still written.
    pub(super) fn close(&self) {
        self.queue.close();
    }
}

struct Thread {
    connection: Timed,
    checkpoints: Checkpoints,
    presence: Arc<Presence>,
    commits: Arc<Commits>,
    batch_max: usize,
    busy_timeout: Duration,
}

impl Thread {
    fn serve(mut self, queue: &Queue<Entry>) -> (Timed, Checkpoints) {
        while let Some(entries) = queue.take(self.batch_max) {
            let writes = entries.len();
            let mut group = Vec::with_capacity(writes);
            for entry in entries {
                match entry {
                    Entry::Grouped(job) => group.push(job),
                    Entry::Alone(job) => {
                        self.commit(std::mem::take(&mut group));
                        self.run_alone(job);
                    }
                }
            }
            self.commit(group);
            self.checkpoints.after_batch(self.connection.connection(), writes);
        }
        (self.connection, self.checkpoints)
    }

    /// As many transactions as it takes: usually one, more only when SQLite itself gives one up.
    fn commit(&self, jobs: Vec<Box<dyn Job>>) {
        let mut waiting = still_wanted(jobs).into_iter();
        while waiting.len() > 0 {
            if let Err(reason) = self.presence.check() {
                return refuse(waiting, || unavailable(&reason));
            }
            if self.checkpoints.is_full() {
                return refuse(waiting, || {
                    unavailable("the log is full until a reader of the database ends")
                });
            }
            if let Err(error) = connection::begin(self.connection.connection(), self.busy_timeout) {
                return refuse(waiting, || store_error(&error));
            }
            let mut done = Vec::with_capacity(waiting.len());
            for mut job in waiting.by_ref() {
                self.run(job.as_mut());
                done.push(job);
                if self.connection.connection().is_autocommit() {
                    break;
                }
            }
            self.conclude(done);
        }
    }

    fn conclude(&self, done: Vec<Box<dyn Job>>) {
        if self.connection.connection().is_autocommit() {
            tracing::error!("SQLite gave up a transaction; its requests fail");
            for job in done {
                job.settle(Err(unavailable("the transaction could not be completed")));
            }
            return;
        }
        if mutant!(AnswerAfterCommit) {
            done.into_iter().for_each(|job| job.settle(Ok(())));
            return self.give_up("COMMIT");
        }
        let committed = self.execute("COMMIT");
        self.commits.note();
        if let Err(error) = &committed {
            tracing::error!(%error, requests = done.len(), "a commit failed");
            self.give_up("ROLLBACK");
        }
        for job in done {
            job.settle(committed.as_ref().map(|_| ()).map_err(store_error));
        }
    }

    /// One job in its savepoint.
    fn run(&self, job: &mut dyn Job) {
        if let Err(error) = self.execute("SAVEPOINT request") {
            job.fail(store_error(&error));
            return;
        }
        let mut keep = guarded(|| job.run(&self.connection));
        if keep && has_dangling_references(self.connection.connection()) {
            job.fail(StoreError::Failed(
                "the write leaves a foreign key without its target".to_owned(),
            ));
            keep = false;
        }
        if self.connection.connection().is_autocommit() {
            return;
        }
        if !keep && !mutant!(Savepoint) {
            self.give_up("ROLLBACK TO request");
        }
        if let Err(error) = self.execute("RELEASE request") {
            job.fail(store_error(&error));
        }
    }

    fn run_alone(&self, mut job: Box<dyn Job>) {
        guarded(|| job.run(&self.connection));
        if !self.connection.connection().is_autocommit() {
            self.give_up("ROLLBACK");
            job.fail(StoreError::Failed("a transaction was left open".to_owned()));
        }
        self.commits.note();
        job.settle(Ok(()));
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection
            .connection()
            .prepare_cached(sql)?
            .raw_execute()
            .map(|_| ())
    }

    fn give_up(&self, sql: &str) {
        if let Err(error) = self.execute(sql) {
            tracing::error!(%error, sql, "SQLite could not take back what failed");
        }
    }
}

fn refuse(jobs: impl Iterator<Item = Box<dyn Job>>, error: impl Fn() -> StoreError) {
    jobs.for_each(|job| job.settle(Err(error())));
}

/// Drops those whose time is over or whose caller has gone, before they cost anything.
fn still_wanted(jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
    let now = Instant::now();
    let (wanted, late): (Vec<_>, Vec<_>) = jobs
        .into_iter()
        .partition(|job| job.deadline() > now && !job.is_abandoned());
    for job in late {
        job.settle(Err(StoreError::Timeout));
    }
    wanted
}

/// A panic is as good as `false`; the panic hook has already told the log.
fn guarded(run: impl FnOnce() -> bool) -> bool {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or(false)
}

#[cfg(test)]
mod tests;
