//! Imports: staged in this process, judged against the data, published in short transactions.
//!
//! [`area`] holds the records, [`check`] judges them, [`publish`] moves them over and takes them out again. One import at a time:
//! who imports holds a document meanwhile, as who migrates does; an import that died is taken back by the next.

mod area;
mod check;
mod publish;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine::Model;
use engine::access::Permit;
use engine::ports::staging::{Problem, Published, StagePlan, Staged, Staging};
use engine::ports::store::StoreError;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::error::unavailable;
use crate::lock::Lock;
use crate::open::Shared;
use crate::session::Session;
use area::Area;
use publish::{Last, Outcome, PORTION, Portion};

/// How long judging all records may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3600);

pub(crate) struct MongoStaging {
    shared: Arc<Shared>,
    area: Area,
    lock: Option<Lock>,
    phase: Phase,
}

enum Phase {
    Filling,
    Publishing(Publishing),
    /// Complete, or taken back.
    Over,
}

#[derive(Default)]
struct Publishing {
    /// Records in the order in which they are published, and how many of them had their turn.
    turns: Vec<usize>,
    done: usize,
    /// Those that are in.
    published: Vec<usize>,
    /// How many of those have their links to others of the file.
    linked: usize,
    refused: u64,
    is_marked: bool,
}

pub(crate) async fn start(shared: Arc<Shared>, model: Arc<Model>, plan: StagePlan) -> Result<MongoStaging, StoreError> {
    let lock = Lock::try_take(&shared.database, "import_lock").await;
    let lock = lock.map_err(|error| crate::error::store_error(&error, &model))?;
    let lock = lock.ok_or_else(|| unavailable("another import is under way"))?;
    // What an import that died left behind.
    let kept = publish::take_back(&shared, &model).await?;
    if kept > 0 {
        tracing::warn!(
            kept,
            "an import that was interrupted is taken back, but for what others refer to"
        );
    }
    Ok(MongoStaging {
        shared,
        area: Area::of(model, plan)?,
        lock: Some(lock),
        phase: Phase::Filling,
    })
}

impl MongoStaging {
    async fn end(&mut self) -> Result<u64, StoreError> {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        let kept = match phase {
            Phase::Publishing(publishing) if publishing.is_marked => {
                publish::take_back(&self.shared, &self.area.model).await
            }
            Phase::Publishing(_) | Phase::Filling | Phase::Over => Ok(0),
        };
        if let Some(lock) = self.lock.take()
            && let Err(error) = lock.release().await
        {
            tracing::warn!(%error, "the lock of an import could not be released");
        }
        kept
    }

    fn publishing(&mut self) -> Result<(&mut Area, &mut Publishing, &Shared), StoreError> {
        match &mut self.phase {
            Phase::Publishing(publishing) => Ok((&mut self.area, publishing, &self.shared)),
            Phase::Filling | Phase::Over => Err(StoreError::Failed("an import is checked first".to_owned())),
        }
    }
}

impl Publishing {
    async fn next(&mut self, area: &mut Area, shared: &Shared) -> Result<(), StoreError> {
        let end = self.turns.len().min(self.done + PORTION);
        let records = self.turns[self.done..end].to_vec();
        if !self.attempt(area, shared, &records).await? {
            self.one_by_one(area, shared, &records).await?;
        }
        Ok(())
    }

    /// Whether they are in. Alone, a record that is not is refused.
    async fn attempt(&mut self, area: &mut Area, shared: &Shared, records: &[usize]) -> Result<bool, StoreError> {
        let whole = records.len() == self.turns.len();
        let portion = Portion {
            area,
            records,
            done: self.published.len(),
            whole,
        };
        match publish::in_transaction(shared, portion).await? {
            Outcome::In => {
                self.done += records.len();
                self.published.extend(records);
                self.is_marked |= !whole;
                if whole {
                    self.linked = self.published.len();
                }
                Ok(true)
            }
            Outcome::Against(against) => {
                if records.len() == 1 {
                    for (index, obstacle) in against {
                        area.refuse(index, obstacle);
                    }
                    self.done += 1;
                    self.refused += 1;
                }
                Ok(false)
            }
        }
    }

    async fn one_by_one(&mut self, area: &mut Area, shared: &Shared, records: &[usize]) -> Result<(), StoreError> {
        if records.len() == 1 {
            return Ok(());
        }
        for record in records {
            self.attempt(area, shared, &[*record]).await?;
            if self.refused > 0 && !area.plan.keep_going {
                return Ok(());
            }
        }
        Ok(())
    }

    /// The links among the file's records, whose both ends are in by now.
    async fn link_next(&mut self, area: &Area, shared: &Shared) -> Result<(), StoreError> {
        let end = self.published.len().min(self.linked + PORTION);
        let last = Last {
            area,
            records: &self.published[self.linked..end],
            completes: end == self.published.len(),
        };
        publish::in_transaction(shared, last).await?;
        self.linked = end;
        if end == self.published.len() {
            self.is_marked = false;
            publish::forget(shared).await?;
        }
        Ok(())
    }

    fn left(&self) -> usize {
        let unlinked = if self.is_marked {
            (self.published.len() - self.linked).max(1)
        } else {
            0
        };
        (self.turns.len() - self.done).max(unlinked)
    }
}

#[async_trait]
impl Staging for MongoStaging {
    async fn add(&mut self, records: Permit<Vec<Staged>>) -> Result<(), StoreError> {
        if !matches!(self.phase, Phase::Filling) {
            return Err(StoreError::Failed("records come before the check".to_owned()));
        }
        records
            .into_plan()
            .into_iter()
            .try_for_each(|record| self.area.add(record))
    }

    async fn check(&mut self) -> Result<u64, StoreError> {
        let (model, deadline) = (Arc::clone(&self.area.model), Instant::now() + CHECK_TIMEOUT);
        let mut session = Session::plain(&self.shared.database, &model, deadline);
        let turns = self.area.check(&mut session).await?;
        self.phase = Phase::Publishing(Publishing {
            turns,
            ..Publishing::default()
        });
        Ok(self.area.problems.len() as u64)
    }

    async fn problems(&mut self, behind: u64, limit: u32) -> Result<Vec<Problem>, StoreError> {
        let problems = self
            .area
            .problems
            .range(behind.saturating_add(1)..)
            .take(limit as usize);
        let problem = |(place, obstacle): (&u64, &engine::ports::staging::Obstacle)| Problem {
            place: *place,
            obstacle: obstacle.clone(),
        };
        Ok(problems.map(problem).collect())
    }

    async fn publish(&mut self) -> Result<Published, StoreError> {
        let (area, publishing, shared) = self.publishing()?;
        let is_stopped = |publishing: &Publishing, area: &Area| publishing.refused > 0 && !area.plan.keep_going;
        if publishing.done < publishing.turns.len() {
            publishing.next(area, shared).await?;
        } else if publishing.is_marked {
            publishing.link_next(area, shared).await?;
        }
        // Where nothing is left but to say so, it is said at once.
        let has_own_links = area
            .records
            .iter()
            .any(|record| area::links(record).any(|(field, _)| area.is_own(field)));
        if !has_own_links
            && publishing.is_marked
            && publishing.done == publishing.turns.len()
            && !is_stopped(publishing, area)
        {
            publishing.linked = publishing.published.len();
            publishing.link_next(area, shared).await?;
        }
        Ok(Published {
            done: publishing.published.len() as u64,
            left: publishing.left() as u64,
            refused: publishing.refused,
        })
    }

    async fn take_back(&mut self) -> Result<u64, StoreError> {
        self.end().await
    }
}

impl Drop for MongoStaging {
    fn drop(&mut self) {
        let is_over = matches!(self.phase, Phase::Over) && self.lock.is_none();
        let Ok(handle) = Handle::try_current() else { return };
        if is_over {
            return;
        }
        if handle.runtime_flavor() == RuntimeFlavor::MultiThread {
            // Whoever drops an import sees the data without it.
            let ended = tokio::task::block_in_place(|| handle.block_on(self.end()));
            if let Err(error) = ended {
                tracing::error!(%error, "an import could not be taken back; the next one will");
            }
        } else {
            tracing::warn!("an import was dropped; the next one takes it back");
        }
    }
}
