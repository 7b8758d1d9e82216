//! Transactions: one after the other on this node, and begun anew where another node's came between.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::Model;
use engine::ports::store::StoreError;
use engine::query::Position;
use mongodb::ClientSession;
use mongodb::bson::{Document, doc};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{Acknowledgment, ReadConcern, ReturnDocument, WriteConcern};

use crate::error::{store_error, unavailable};
use crate::open::Shared;
use crate::session::Session;
use crate::system::{META, POSITION};

/// The first pause before a transaction is begun anew; each is twice as long as the one before.
const PAUSE_FIRST: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// How long to ask what became of a commit, when the deadline is past.
const SETTLE: Duration = Duration::from_secs(10);
/// How long to wait for the answer to a commit, until it is asked for once more: the connection may be dead.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
/// The same, of what is given up.
const GIVE_UP_PATIENCE: Duration = Duration::from_secs(2);

/// What can be done several times over until it is done once.
pub(crate) trait Work: Send + Sync {
    type Done: Send;

    /// Counted up by each transaction before it does anything else.
    const COUNTER: &'static str = POSITION;

    fn run(&self, session: &mut Session<'_>) -> impl Future<Output = Result<Self::Done, StoreError>> + Send;

    /// Whether anything was written that others are to hear of; otherwise there is nothing to commit.
    fn counts(done: &Self::Done) -> bool;
}

impl Shared {
    /// Runs the work in a transaction, and `publish` after its commit, in the order of commits.
    pub(crate) async fn write<W: Work, T>(
        &self,
        model: impl Fn() -> Result<std::sync::Arc<Model>, StoreError>,
        deadline: Instant,
        work: W,
        publish: impl FnOnce(W::Done, Position) -> T,
    ) -> Result<T, StoreError> {
        let _place = self
            .places
            .try_acquire()
            .map_err(|_| unavailable("too many writes are waiting"))?;
        let turn = tokio::time::timeout_at(deadline.into(), self.writer.lock()).await;
        let _turn = turn.map_err(|_| StoreError::Timeout)?;
        self.check_open()?;
        // Here and not earlier: another model may have been adopted while this waited.
        let model = model()?;
        let _connection = self.connection(deadline).await?;
        let mut client = self
            .client
            .start_session()
            .await
            .map_err(|error| store_error(&error, &model))?;
        let (mut pause, mut last) = (PAUSE_FIRST, StoreError::Timeout);
        loop {
            if Instant::now() >= deadline {
                return Err(last);
            }
            match self.attempt(&model, &mut client, deadline, &work).await {
                Attempt::Done(done, position) => {
                    if W::counts(&done) && W::COUNTER == POSITION {
                        self.advance(position);
                    }
                    return Ok(publish(done, position));
                }
                // What kept it from being done says more than that there was no time left.
                Attempt::Failed(StoreError::Timeout) => return Err(last),
                Attempt::Failed(error) => return Err(error),
                Attempt::Again(error) => {
                    last = error;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Where commits of others lie before this one, whoever listens starts over.
    fn advance(&self, position: Position) {
        if self.last.swap(position.0, Ordering::AcqRel) + 1 != position.0 {
            self.feed.start_over();
        }
    }

    async fn attempt<W: Work>(
        &self,
        model: &Model,
        client: &mut ClientSession,
        deadline: Instant,
        work: &W,
    ) -> Attempt<W::Done> {
        let begun = client
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .write_concern(
                WriteConcern::builder()
                    .w(Acknowledgment::Majority)
                    .journal(true)
                    .build(),
            )
            .await;
        if let Err(error) = begun {
            return Attempt::Failed(store_error(&error, model));
        }
        let mut session = Session::within(&self.database, model, client, deadline);
        let running = async {
            let position = session.count(W::COUNTER).await?;
            Ok((work.run(&mut session).await?, position))
        };
        let ran = tokio::time::timeout_at(deadline.into(), running).await;
        let transient = session.is_transient();
        match ran {
            Ok(Ok((done, position))) if W::counts(&done) => match self.settle(client, model, deadline).await {
                Ok(()) => Attempt::Done(done, position),
                Err(Unsettled::Undone(error)) => Attempt::Again(error),
                Err(Unsettled::Failed(error)) => Attempt::Failed(error),
            },
            Ok(Ok((done, position))) => {
                self.give_up(client).await;
                Attempt::Done(done, position)
            }
            Ok(Err(error)) => {
                self.give_up(client).await;
                if transient {
                    Attempt::Again(error)
                } else {
                    Attempt::Failed(error)
                }
            }
            Err(_) => {
                self.give_up(client).await;
                Attempt::Failed(StoreError::Timeout)
            }
        }
    }

    async fn settle(&self, client: &mut ClientSession, model: &Model, deadline: Instant) -> Result<(), Unsettled> {
        let until = deadline.max(Instant::now()) + SETTLE;
        loop {
            let settled = tokio::time::timeout(SETTLE_PATIENCE, client.commit_transaction()).await;
            let (error, is_unknown) = match &settled {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => {
                    let is_unknown = error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT);
                    (store_error(error, model), is_unknown)
                }
                Err(_) => (unavailable("the database does not answer to a commit"), true),
            };
            if is_unknown {
                // Committing again what is committed changes nothing.
                if Instant::now() < until {
                    tokio::time::sleep(PAUSE_FIRST).await;
                    continue;
                }
                tracing::error!(%error, "it is not known whether a transaction was committed");
                self.feed.start_over();
            } else if let Ok(Err(cause)) = &settled
                && cause.contains_label(TRANSIENT_TRANSACTION_ERROR)
            {
                return Err(Unsettled::Undone(error));
            }
            return Err(Unsettled::Failed(error));
        }
    }

    /// The server gives up by itself what it isn't told of; but until then others meet what it has in hand.
    async fn give_up(&self, client: &mut ClientSession) {
        match tokio::time::timeout(GIVE_UP_PATIENCE, client.abort_transaction()).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::debug!(%error, "a transaction could not be given up");
                return;
            }
            Err(_) => {}
        }
        // Over another connection.
        let admin = self.client.database("admin");
        let ending = admin.run_command(doc! { "killSessions": [client.id().clone()] });
        let ended = tokio::time::timeout(GIVE_UP_PATIENCE, ending).await;
        tracing::debug!(?ended, "its session was ended");
    }

    /// Runs what only reads on one state of the database.
    pub(crate) async fn snapshot<W: Work>(
        &self,
        model: &Model,
        deadline: Instant,
        work: &W,
    ) -> Result<W::Done, StoreError> {
        let failed = |error: mongodb::error::Error| store_error(&error, model);
        let _connection = self.connection(deadline).await?;
        let mut client = self.client.start_session().await.map_err(failed)?;
        let mut pause = PAUSE_FIRST;
        loop {
            client
                .start_transaction()
                .read_concern(ReadConcern::snapshot())
                .await
                .map_err(failed)?;
            let mut session = Session::within(&self.database, model, &mut client, deadline);
            let ran = tokio::time::timeout_at(deadline.into(), work.run(&mut session)).await;
            let transient = session.is_transient();
            // Its end is told when it is dropped; it is in nobody's way.
            let ran = ran.map_err(|_| StoreError::Timeout)?;
            self.give_up(&mut client).await;
            if ran.is_ok() || !transient || Instant::now() >= deadline {
                return ran;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

enum Attempt<T> {
    Done(T, Position),
    Failed(StoreError),
    /// Nothing was done, and it may be tried again.
    Again(StoreError),
}

/// Why a commit is none.
enum Unsettled {
    /// It is certain that nothing was committed, and it may be tried again.
    Undone(StoreError),
    Failed(StoreError),
}

impl Session<'_> {
    /// This commit's position. Where another transaction has it in hand, this one can't go on.
    pub(crate) async fn count(&mut self, counter: &str) -> Result<Position, StoreError> {
        let counted = self
            .find_and_update(META, doc! { "_id": counter }, doc! { "$inc": { "value": 1_i64 } })
            .await?;
        let value = counted.and_then(|counter: Document| counter.get_i64("value").ok());
        let value = value.ok_or_else(|| StoreError::Failed("the counter of commits is gone".to_owned()))?;
        Ok(Position(value.unsigned_abs()))
    }

    /// The document as it is afterwards.
    async fn find_and_update(
        &mut self,
        collection: &str,
        filter: Document,
        update: Document,
    ) -> Result<Option<Document>, StoreError> {
        let (collection, session) = self.parts(collection);
        let updating = collection
            .find_one_and_update(filter, update)
            .return_document(ReturnDocument::After);
        let updated = match session {
            Some(session) => updating.session(session).await,
            None => updating.await,
        };
        updated.map_err(|error| self.failed(&error))
    }
}
