//! One of the servers that follow the primary, and how it is read from.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ports::store::StoreError;
use tokio::time::timeout_at;

use super::standing::Standing;
use super::{Answered, Position as _, Probe};
use crate::pool::{Lease, Pool};

/// How long a read waits for a connection to a replica before the primary is asked.
const LEASE_PATIENCE: Duration = Duration::from_millis(250);

pub(super) struct Replica<P: Probe> {
    /// As they stand in the configuration, from 1.
    pub(super) number: usize,
    pub(super) pool: Arc<Pool<P::Wire>>,
    pub(super) standing: Standing<P::Position>,
}

impl<P: Probe> Replica<P> {
    pub(super) fn new(number: usize, pool: Pool<P::Wire>) -> Self {
        Self {
            number,
            pool: Arc::new(pool),
            standing: Standing::new(),
        }
    }

    /// `None`: it can't answer, or not with what is `needed`, and somebody else has to.
    pub(super) async fn read<T, F>(
        &self,
        needed: &P::Position,
        deadline: Instant,
        work: impl FnOnce(Lease<P::Wire>) -> F,
    ) -> Option<Result<T, StoreError>>
    where
        F: Future<Output = Answered<P, T>>,
    {
        let reading = async {
            let patience = deadline.min(Instant::now() + LEASE_PATIENCE);
            let lease = self.pool.lease(patience).await.ok()?;
            let (lease, progress, read) = work(lease).await;
            let is_enough = progress.is_some_and(|progress| progress.has(needed));
            match read {
                Ok(_) | Err(StoreError::TooMany { .. } | StoreError::Timeout) => {
                    lease.give_back();
                    is_enough.then_some(read)
                }
                // What replays may have been in the way of it. What was prepared may be of other tables: the connection is given up.
                Err(error) => {
                    tracing::debug!(%error, "a replica did not answer; the primary is asked");
                    None
                }
            }
        };
        tokio::select! {
            read = timeout_at(deadline.into(), reading) => read.unwrap_or(Some(Err(StoreError::Timeout))),
            () = self.standing.lost() => None,
        }
    }

    /// Says why it isn't read from, unless that was the last that was said.
    pub(super) fn tell(&self, told: &mut Option<String>, reason: String) {
        if told.as_ref() != Some(&reason) {
            tracing::warn!(replica = self.number, reason, "a replica is not read from");
            *told = Some(reason);
        }
    }
}
