//! Following the source's log of changes: what it names is read in both databases, and made the same.

use std::collections::HashMap;

use super::mark::{Log, Mark, Note, Step};
use super::merge::Difference;
use super::portion::Portion;
use super::tally::encoded;
use super::{Follows, Moved, Relocating, Stage, Told};
use crate::error::{Error, ErrorCode};
use crate::model::Value;
use crate::ports::change_log::Begun;
use crate::ports::relocation::Part;

/// How often the log is gone through while the source is served, and below how many changes that is over.
const PASSES_AHEAD_MAX: usize = 20;
const CHANGES_FEW: u64 = 1000;
/// How often it is gone through when nobody writes any more: then the second finds it empty.
const PASSES_LAST_MAX: usize = 5;

/// What came of going through the log once.
#[derive(Default)]
struct Pass {
    entries: u64,
    /// Rows that were made the same.
    changes: u64,
}

impl Relocating<'_> {
    /// Takes up the source's log of changes, where it goes on from where the target is.
    pub(super) async fn find_log(&mut self, mark: &Mark) -> Result<(), Error> {
        self.note = match self.from.change_log() {
            Some(log) => {
                let found = log.note().await;
                self.settled(found)?.filter(|note| mark.fits(note))
            }
            None => None,
        };
        self.relies = self.note.is_some() && self.stands(mark).await?;
        Ok(())
    }

    /// Whether the source still logs what it is to.
    async fn stands(&mut self, mark: &Mark) -> Result<bool, Error> {
        let followed = self.divided(mark).0;
        let Some(log) = self.from.change_log() else {
            return Ok(false);
        };
        let stands = log.stands(&followed).await;
        let stands = self.settled(stands)?;
        if !stands {
            tracing::warn!(
                "what logs the changes of the old database is not as it was made; what is logged is not relied on"
            );
        }
        Ok(stands)
    }

    /// Answers whether there is one from now on.
    pub(super) async fn begin_log(&mut self, mark: &mut Mark, moved: &mut Moved) -> Result<bool, Error> {
        // Another run that goes on with the target may have a log that this would take away.
        self.write(mark).await?;
        let round = self.engine.clock().new_id().to_string();
        let note = Note {
            round: round.clone(),
            before: None,
        };
        let Some(log) = self.from.change_log() else {
            moved.follows = Follows::Nothing;
            return Ok(false);
        };
        let begun = match log.begin(note.text()).await {
            Err(error) => {
                // Where that can't be had now either, giving the move up takes it away.
                let _ = log.end().await;
                tracing::warn!(
                    "the log of changes could not be begun; should the move not be tried again, `ninefold move --abandon` takes away what is left of it"
                );
                Err(error)
            }
            begun => begun,
        };
        let without = match self.settled(begun)? {
            Begun::Without(without) => without,
            Begun::Refused(reason) => {
                moved.follows = Follows::Refused(reason);
                return Ok(false);
            }
        };
        let without = without.into_iter().map(|part| part.name(&self.moment.model));
        (self.note, self.relies) = (Some(note.text()), true);
        mark.log = Some(Log {
            round,
            without: without.collect(),
        });
        self.restart(mark);
        mark.step = Step::Merging;
        self.write(mark).await?;
        Ok(true)
    }

    /// From the first part on.
    pub(super) fn restart(&self, mark: &mut Mark) {
        mark.part = self.parts[0].name(&self.moment.model);
        (mark.after, mark.again) = (None, false);
    }

    pub(super) fn is_followed(&self, part: Part, mark: &Mark) -> bool {
        let name = part.name(&self.moment.model);
        let is_among = |log: &Log| !log.without.contains(&name);
        mark.log.as_ref().is_some_and(is_among)
    }

    /// Parts that are followed, and those that aren't.
    pub(super) fn divided(&self, mark: &Mark) -> (Vec<Part>, Vec<Part>) {
        let parts = self.parts.iter().copied();
        parts.partition(|part| self.is_followed(*part, mark))
    }

    /// Keeps the mark, in a round of its own.
    pub(super) async fn keep(&mut self, mark: &mut Mark) -> Result<(), Error> {
        match self.advance(mark).await? {
            true => self.write(mark).await,
            false => Err(taken_over()),
        }
    }

    /// The source is a round ahead, to which the target comes with the mark. Answers whether the log is still this move's.
    async fn advance(&mut self, mark: &mut Mark) -> Result<bool, Error> {
        let round = self.engine.clock().new_id().to_string();
        let note = Note {
            round: round.clone(),
            before: mark.log.as_ref().map(|log| log.round.clone()),
        };
        let (Some(log), Some(from)) = (self.from.change_log(), &self.note) else {
            return Ok(false);
        };
        let noted = log.renote(from, note.text()).await;
        if !self.settled(noted)? {
            return Ok(false);
        }
        self.note = Some(note.text());
        if let Some(log) = &mut mark.log {
            log.round = round;
        }
        Ok(true)
    }

    /// Goes through the log until little is left. Answers how many rows that took.
    pub(super) async fn follow_ahead(&mut self, mark: &mut Mark, told: Told<'_>) -> Result<u64, Error> {
        let mut changes = 0;
        for _ in 0..PASSES_AHEAD_MAX {
            let pass = self.follow(mark, changes, told).await?.ok_or_else(taken_over)?;
            changes += pass.changes;
            if pass.entries < CHANGES_FEW {
                break;
            }
        }
        // One that is gone has no entries.
        match self.is_noted().await? {
            true => Ok(changes),
            false => Err(taken_over()),
        }
    }

    /// Goes through the log until it is empty, sees that nobody else is there, and counts: from then on it stays empty. Answers the
    /// rows of each part; `None` where the log didn't do, and all has to be read.
    pub(super) async fn follow_to_the_end(
        &mut self,
        mark: &mut Mark,
        moved: &mut Moved,
        told: Told<'_>,
    ) -> Result<Option<Vec<(String, u64)>>, Error> {
        let mut counted = None;
        for _ in 0..PASSES_LAST_MAX {
            let Some(pass) = self.follow(mark, moved.caught_up, told).await? else {
                return Ok(None);
            };
            moved.caught_up += pass.changes;
            if pass.entries > 0 {
                counted = None;
            } else if counted.is_some() {
                let is_reliable = self.is_noted().await? && self.stands(mark).await?;
                return Ok(counted.filter(|_| is_reliable));
            } else {
                // Who was there before has written before, which the next pass finds.
                self.alone().await?;
                counted = Some(self.count_both(mark, moved, told).await?);
            }
        }
        Ok(None)
    }

    /// Counts each part in both; what isn't followed, or of which one has more, is read.
    async fn count_both(
        &mut self,
        mark: &mut Mark,
        moved: &mut Moved,
        told: Told<'_>,
    ) -> Result<Vec<(String, u64)>, Error> {
        let mut rows = Vec::new();
        for part in self.parts.clone() {
            let counts = [self.from.count(part).await, self.to.count(part).await];
            let [source, target] = counts.map(|count| self.settled(count));
            let (source, target) = (source?, target?);
            if self.is_followed(part, mark) && source == target {
                if source > 0 {
                    rows.push((part.name(&self.moment.model), source));
                }
                continue;
            }
            // Of rows that were taken away without a trace there is none in the log.
            let mut done = 0;
            let mut caught_up = |rows| {
                done += rows;
                told(Stage::CatchingUp, done, source);
            };
            moved.caught_up += self.catch_up(&[part], mark, &mut caught_up).await?;
            let mut compared = |done| told(Stage::Comparing, done, 2 * source);
            rows.extend(self.compare(&[part], &mut compared).await?);
        }
        Ok(rows)
    }

    /// Whether the log is still this move's.
    async fn is_noted(&mut self) -> Result<bool, Error> {
        let Some(log) = self.from.change_log() else {
            return Ok(false);
        };
        let noted = log.note().await;
        let noted = self.settled(noted)?;
        Ok(noted.is_some() && noted == self.note)
    }

    /// Takes the log away, if it is this move's. The target is complete: nobody needs it any more.
    pub(super) async fn end_log(&mut self) {
        const LEFT: &str =
            "the move is done, but the old database still logs what changes; `ninefold move --abandon` takes that away";
        match self.take_log_away().await {
            Ok(false) => {}
            Ok(true) => tracing::warn!("{LEFT}, unless another move needs it"),
            Err(error) => tracing::warn!(%error, "{LEFT}"),
        }
    }

    /// Answers whether there is another's.
    async fn take_log_away(&mut self) -> Result<bool, Error> {
        let is_own = self.is_noted().await?;
        let Some(log) = self.from.change_log() else {
            return Ok(false);
        };
        let left = match is_own {
            true => log.end().await.map(|_| false),
            false => log.note().await.map(|note| note.is_some()),
        };
        self.settled(left)
    }

    /// Goes through the log once; `None`: it is another's. What is committed behind its back is there the next time, whatever
    /// its number.
    async fn follow(&mut self, mark: &mut Mark, done: u64, told: Told<'_>) -> Result<Option<Pass>, Error> {
        let mut pass = Pass::default();
        for part in self.divided(mark).0 {
            let (mut after, mut portion) = (0, Portion::default());
            loop {
                let Some(log) = self.from.change_log() else {
                    return Ok(None);
                };
                let wanted = portion.rows();
                let entries = log.entries(part, after, wanted).await;
                let entries = self.settled(entries)?;
                let Some(last) = entries.last() else { break };
                after = last.number;
                // What is written meanwhile is for the next time: it might never end.
                let is_last = entries.len() < wanted as usize;
                let mut keys = HashMap::new();
                for entry in entries {
                    let (_, numbers): &mut (_, Vec<i64>) = keys
                        .entry(encoded(&entry.key))
                        .or_insert_with(|| (entry.key, Vec::new()));
                    numbers.push(entry.number);
                    pass.entries += 1;
                }
                let named = keys.values().map(|(key, _)| key.clone()).collect();
                let difference = self.difference(part, named, &mut portion).await?;
                let changes = difference.len() as u64;
                // Only now, so that the source can't be put back to what it was before that was read. The target has the round when it
                // has all of it.
                let before = mark.clone();
                if !self.advance(mark).await? {
                    return Ok(None);
                }
                let stuck = self.put(part, difference, &before).await?;
                self.write(mark).await?;
                pass.changes += changes - stuck.len() as u64;
                for key in &stuck {
                    keys.remove(&encoded(key));
                }
                let numbers = keys.into_values().flat_map(|(_, numbers)| numbers).collect();
                if !self.forget(part, numbers, mark).await? {
                    return Ok(None);
                }
                told(Stage::CatchingUp, done + pass.changes, 0);
                if is_last {
                    break;
                }
            }
        }
        Ok(Some(pass))
    }

    /// What the target had before this round fits no more: it may be what is forgotten now that it lacks.
    async fn forget(&mut self, part: Part, numbers: Vec<i64>, mark: &Mark) -> Result<bool, Error> {
        let (Some(log), Some(from), Some(of)) = (self.from.change_log(), &self.note, &mark.log) else {
            return Ok(false);
        };
        let note = Note {
            round: of.round.clone(),
            before: None,
        };
        let forgotten = log.forget(part, numbers, from, note.text()).await;
        let forgotten = self.settled(forgotten)?;
        if forgotten {
            self.note = Some(note.text());
        }
        Ok(forgotten)
    }

    /// What differs of the rows with these keys.
    async fn difference(
        &mut self,
        part: Part,
        keys: Vec<Vec<Value>>,
        portion: &mut Portion,
    ) -> Result<Difference, Error> {
        let model = std::sync::Arc::clone(&self.moment.model);
        let key = |row: &[Value]| part.key(&model, row);
        let source = self.from.find(part, keys.clone()).await;
        let target = self.to.find(part, keys).await;
        let (source, target) = (self.settled(source)?, self.settled(target)?);
        portion.came(&source);
        let mut olds: HashMap<_, _> = target.into_iter().map(|row| (encoded(&key(&row)), row)).collect();
        let mut difference = Difference::default();
        for new in source {
            let old = olds.remove(&encoded(&key(&new)));
            difference.of(Some(new), old, &key);
        }
        for old in olds.into_values() {
            difference.of(None, Some(old), &key);
        }
        Ok(difference)
    }
}

fn taken_over() -> Error {
    Error::new(
        ErrorCode::Invalid,
        "the log of changes is another or gone: another move was begun, this one given up, or the database can't tell all \
         changes any more; run it again to begin to follow it anew",
    )
}
