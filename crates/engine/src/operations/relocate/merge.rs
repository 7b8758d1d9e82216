//! Going through both databases side by side, by key: what differs is made the same.

use std::cmp::Ordering;
use std::collections::VecDeque;

use super::mark::{Mark, Step, key_of, key_text};
use super::portion::{self, Portion};
use super::tally::{Tally, by_key, encoded};
use super::target::Stepped;
use super::{Relocating, differs, failed};
use crate::error::{Error, ErrorCode};
use crate::model::Value;
use crate::ports::relocation::{Part, Relocation};
use crate::ports::store::StoreError;

/// How often a part is gone through at most: what was in the way of another has gone when it is next.
const ROUNDS_MAX: usize = 3;
/// Rows after which the mark says how far it is, where nothing differs.
const ROWS_PER_MARK: u64 = 100_000;

impl Relocating<'_> {
    /// Makes of these parts what the source's are by now. Answers how many rows that took.
    pub(super) async fn catch_up(
        &mut self,
        parts: &[Part],
        mark: &Mark,
        told: &mut (dyn FnMut(u64) + Send),
    ) -> Result<u64, Error> {
        let mut changes = 0;
        for part in parts {
            for _ in 0..ROUNDS_MAX {
                let merged = self.merge(*part, None, Marking::Still(mark), told).await?;
                changes += merged.changes;
                if !merged.is_stuck {
                    break;
                }
            }
        }
        Ok(changes)
    }

    /// The same from where the mark is, of what the log follows since: afterwards it alone says what differs.
    pub(super) async fn level(&mut self, mark: &mut Mark, told: &mut (dyn FnMut(u64) + Send)) -> Result<u64, Error> {
        let mut changes = 0;
        let names: Vec<_> = self.parts.iter().map(|part| part.name(&self.moment.model)).collect();
        let first = self.place_of(mark)?;
        for (part, name) in self.parts.clone().into_iter().zip(names).skip(first) {
            if mark.part != name {
                (mark.part, mark.after, mark.again) = (name, None, false);
            }
            if !self.is_followed(part, mark) {
                continue;
            }
            for round in 1..=ROUNDS_MAX {
                let after = self.key_after(mark)?;
                let merged = self.merge(part, after, Marking::Going(mark), told).await?;
                changes += merged.changes;
                let is_stuck = merged.is_stuck || mark.again;
                (mark.after, mark.again) = (None, false);
                if !is_stuck {
                    break;
                }
                if let (ROUNDS_MAX, Some(log)) = (round, &mut mark.log) {
                    // Then it is read as a whole at the end.
                    log.without.push(mark.part.clone());
                }
            }
        }
        mark.step = Step::Following;
        self.keep(mark).await?;
        Ok(changes)
    }

    pub(super) fn key_after(&self, mark: &Mark) -> Result<Option<Vec<Value>>, Error> {
        let after = mark.after.as_deref();
        let after = after.map(|after| key_of(after).ok_or_else(|| super::unfit("its mark can't be read")));
        after.transpose()
    }

    /// Goes through a part of both databases, behind the key `after`.
    async fn merge(
        &mut self,
        part: Part,
        after: Option<Vec<Value>>,
        mut marking: Marking<'_>,
        told: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Merged, Error> {
        let model = std::sync::Arc::clone(&self.moment.model);
        let key = |row: &[Value]| part.key(&model, row);
        let mut sides = [Side::behind(after.clone()), Side::behind(after)];
        let (mut difference, mut merged, mut passed) = (Difference::default(), Merged::default(), 0);
        loop {
            for (side, database) in sides.iter_mut().zip([&mut self.from, &mut self.to]) {
                let read = side.fill(database.as_mut(), part, &key).await;
                read.map_err(|error| failed(self.engine, &self.moment, self.ctx, error))?;
            }
            let [source, target] = &mut sides;
            let order = match (source.peek(), target.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(source), Some(target)) => by_key(&key(source), &key(target)),
            };
            let new = if order.is_le() { source.rows.pop_front() } else { None };
            let old = if order.is_ge() { target.rows.pop_front() } else { None };
            told(u64::from(new.is_some()));
            passed += 1;
            let reached = (passed % ROWS_PER_MARK == 0).then(|| new.as_deref().or(old.as_deref()).map(key));
            difference.of(new, old, &key);
            if difference.is_full() || reached.is_some() {
                self.settle(part, &mut difference, marking.mark(), &mut merged).await?;
            }
            if let (Some(Some(reached)), Marking::Going(mark)) = (reached, &mut marking) {
                (mark.after, mark.again) = (Some(key_text(&reached)), mark.again || merged.is_stuck);
                self.keep(mark).await?;
            }
        }
        self.settle(part, &mut difference, marking.mark(), &mut merged).await?;
        Ok(merged)
    }

    async fn settle(
        &mut self,
        part: Part,
        difference: &mut Difference,
        mark: &Mark,
        merged: &mut Merged,
    ) -> Result<(), Error> {
        merged.changes += difference.len() as u64;
        let stuck = self.put(part, std::mem::take(difference), mark).await?;
        merged.is_stuck |= !stuck.is_empty();
        Ok(())
    }

    /// Makes the target's rows what the source's are, and sees that they are. Answers the keys of those that must wait: what is unique in
    /// them is still another's.
    pub(super) async fn put(
        &mut self,
        part: Part,
        difference: Difference,
        mark: &Mark,
    ) -> Result<Vec<Vec<Value>>, Error> {
        let Difference { mut gone, rows, .. } = difference;
        let mut stuck = Vec::new();
        let mut put = Vec::with_capacity(rows.len());
        let mut waiting = vec![rows];
        while let Some(mut rows) = waiting.pop() {
            if rows.is_empty() && gone.is_empty() {
                continue;
            }
            match self.step(part, gone.clone(), rows.clone(), mark).await? {
                Stepped::Done => {
                    gone.clear();
                    put.extend(rows);
                }
                Stepped::Taken if !gone.is_empty() => {
                    // They may be all that was in the way.
                    self.step(part, std::mem::take(&mut gone), Vec::new(), mark).await?;
                    waiting.push(rows);
                }
                Stepped::Taken if rows.len() == 1 => stuck.push(part.key(&self.moment.model, &rows[0])),
                Stepped::Taken => {
                    waiting.push(rows.split_off(rows.len() / 2));
                    waiting.push(rows);
                }
            }
        }
        self.see(part, &put).await?;
        Ok(stuck)
    }

    /// Whether the target has these rows, as they are.
    async fn see(&mut self, part: Part, rows: &[Vec<Value>]) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let keys = rows.iter().map(|row| part.key(&self.moment.model, row)).collect();
        let found = self.to.find(part, keys).await;
        let found = self.settled(found)?;
        let sorted = |rows: &[Vec<Value>]| {
            let mut rows: Vec<_> = rows.iter().map(|row| encoded(row)).collect();
            rows.sort_unstable();
            rows
        };
        if sorted(&found) == sorted(rows) {
            return Ok(());
        }
        let part = part.name(&self.moment.model);
        let message = format!(
            "the databases differ: {part} don't come out of one as they went in from the other; should it be so again, the new \
             database can't hold them as they are"
        );
        Err(Error::new(ErrorCode::Invalid, message))
    }

    pub(super) async fn compare(
        &mut self,
        parts: &[Part],
        told: &mut (dyn FnMut(u64) + Send),
    ) -> Result<Vec<(String, u64)>, Error> {
        let (mut done, mut rows) = (0, Vec::new());
        for part in parts.iter().copied() {
            let mut tallies = [Tally::default(); 2];
            for (side, tally) in [&mut self.from, &mut self.to].into_iter().zip(&mut tallies) {
                let (mut after, mut portion) = (None, Portion::default());
                loop {
                    let page = side.read(part, after.take(), portion.rows()).await;
                    let page = page.map_err(|error| failed(self.engine, &self.moment, self.ctx, error))?;
                    let Some(last) = page.last() else { break };
                    portion.came(&page);
                    after = Some(part.key(&self.moment.model, last));
                    page.iter().for_each(|row| tally.add(row));
                    done += page.len() as u64;
                    told(done);
                }
            }
            let name = part.name(&self.moment.model);
            let [source, target] = tallies;
            if source != target {
                return Err(differs(&name, source, target));
            }
            if source.rows > 0 {
                rows.push((name, source.rows));
            }
        }
        Ok(rows)
    }
}

/// Whether the mark goes along with what was gone through.
enum Marking<'m> {
    Still(&'m Mark),
    Going(&'m mut Mark),
}

impl Marking<'_> {
    fn mark(&self) -> &Mark {
        match self {
            Self::Still(mark) => mark,
            Self::Going(mark) => mark,
        }
    }
}

/// What came of going through a part.
#[derive(Default)]
struct Merged {
    /// Rows that were changed, or are to be.
    changes: u64,
    is_stuck: bool,
}

/// What of a part differs.
#[derive(Default)]
pub(super) struct Difference {
    /// Keys of the target's rows that go.
    gone: Vec<Vec<Value>>,
    /// The source's rows that come.
    rows: Vec<Vec<Value>>,
    /// What these are, about.
    bytes: usize,
}

impl Difference {
    /// Takes note of a row that the source has now, and the one of the same key that the target has.
    pub(super) fn of(
        &mut self,
        new: Option<Vec<Value>>,
        old: Option<Vec<Value>>,
        key: &dyn Fn(&[Value]) -> Vec<Value>,
    ) {
        let is_same = matches!((&new, &old), (Some(new), Some(old)) if encoded(new) == encoded(old));
        if !is_same {
            self.gone.extend(old.map(|old| key(&old)));
            self.bytes += new.as_deref().map_or(0, portion::bytes);
            self.rows.extend(new);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.gone.len().max(self.rows.len())
    }

    /// As much as one step should take.
    fn is_full(&self) -> bool {
        self.len() >= portion::ROWS_MAX as usize || self.bytes >= portion::BYTES_MAX
    }
}

/// A part of a database that is gone through.
#[derive(Default)]
struct Side {
    rows: VecDeque<Vec<Value>>,
    /// The last key that was read.
    after: Option<Vec<Value>>,
    is_over: bool,
    portion: Portion,
}

impl Side {
    fn behind(after: Option<Vec<Value>>) -> Self {
        Self {
            after,
            ..Self::default()
        }
    }

    /// Reads on where nothing is left.
    async fn fill(
        &mut self,
        database: &mut dyn Relocation,
        part: Part,
        key: &(dyn Fn(&[Value]) -> Vec<Value> + Sync),
    ) -> Result<(), StoreError> {
        if self.is_over || !self.rows.is_empty() {
            return Ok(());
        }
        let rows = database.read(part, self.after.clone(), self.portion.rows()).await?;
        self.portion.came(&rows);
        match rows.last() {
            Some(last) => self.after = Some(key(last)),
            None => self.is_over = true,
        }
        self.rows = rows.into();
        Ok(())
    }

    fn peek(&self) -> Option<&[Value]> {
        self.rows.front().map(Vec::as_slice)
    }
}
