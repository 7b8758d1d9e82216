//! All data of one database to another of any kind: records as they are, with ids, versions and times, relations, accounts
//! with their passwords and sessions, keys.
//!
//! For the operator, an administrator like any other. A move that was interrupted goes on where it was. Most of it can be
//! done ahead, while the source is being served; then whoever moves sees to it that nobody writes any more, and what was
//! written meanwhile is caught up with: both databases are read side by side, by key. At the end both are read again and
//! compared, and only then the target is complete.

use std::cmp::Ordering;
use std::collections::VecDeque;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::access::Permit;
use crate::error::{Error, ErrorCode};
use crate::model::Value;
use crate::operations::Ctx;
use crate::pipeline::{Engine, Moment};
use crate::ports::relocation::{Part, Relocate, Relocation};
use crate::ports::store::StoreError;
use crate::query::codec;

/// Rows that one transaction takes.
const PORTION: u32 = 1000;
/// How often a part is gone through at most: one that was in the way of another has gone when it is next.
const ROUNDS_MAX: usize = 3;
/// How often all is gone through while the source is served, and below how many changes that is over.
const ROUNDS_AHEAD_MAX: usize = 3;
const CHANGES_FEW: u64 = 1000;

/// How much of a move is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    Whole,
    /// What can be done while the source is being served.
    Ahead,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    Copying,
    /// Both databases are read side by side, for what was written since.
    CatchingUp,
    /// Both databases are read: twice as many rows.
    Comparing,
}

/// Hears how many rows are done, of how many.
pub type Told<'a> = &'a mut (dyn FnMut(Stage, u64, u64) + Send);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Rows by part, in the words of [`Part::name`]; those that are empty are left out.
    pub rows: Vec<(String, u64)>,
    /// Rows that an earlier run had moved.
    pub resumed: u64,
    /// Rows that were written since they had been moved.
    pub caught_up: u64,
}

/// Where a move is, as the target keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    /// Which database is moved.
    from: String,
    /// The part under way, by its name.
    part: String,
    /// The last key of it, in hexadecimal.
    after: Option<String>,
    /// Rows of all parts so far.
    done: u64,
}

/// What a part comes to, in whatever order it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Tally {
    rows: u64,
    /// The sum of the rows' hashes.
    sum: [u64; 4],
}

impl Tally {
    fn add(&mut self, row: &[Value]) {
        let hash = Sha256::digest(encoded(row));
        for (sum, part) in self.sum.iter_mut().zip(hash.chunks_exact(8)) {
            let part = part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
            *sum = sum.wrapping_add(part);
        }
        self.rows += 1;
    }
}

/// The same for two rows that hold the same.
fn encoded(row: &[Value]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for value in row {
        match value {
            // Not every database keeps how a number was spelled.
            Value::Json(text) => codec::write(&mut bytes, &Value::Json(canonical(text).into())),
            value => codec::write(&mut bytes, value),
        }
    }
    bytes
}

/// In which order every database reads keys.
fn by_key(left: &[Value], right: &[Value]) -> Ordering {
    let of = |(left, right): (&Value, &Value)| match (left, right) {
        (Value::Id(left), Value::Id(right)) => left.cmp(right),
        (Value::Int(left), Value::Int(right)) => left.cmp(right),
        (Value::Text(left), Value::Text(right)) => left.cmp(right),
        (Value::Bytes(left), Value::Bytes(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Decimal(left), Value::Decimal(right)) => left.0.cmp(&right.0),
        (Value::DateTime(left), Value::DateTime(right)) => left.0.cmp(&right.0),
        (Value::Date(left), Value::Date(right)) => left.0.cmp(&right.0),
        _ => Ordering::Equal,
    };
    let parts = left.iter().zip(right).map(of);
    parts.fold(Ordering::Equal, Ordering::then)
}

fn canonical(json: &str) -> String {
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(json);
    parsed.map_or_else(|_| json.to_owned(), |parsed| parsed.to_string())
}

struct Relocating<'e> {
    engine: &'e Engine,
    ctx: &'e Ctx,
    moment: Moment,
    from: Box<dyn Relocation>,
    to: Box<dyn Relocation>,
    parts: Vec<Part>,
}

impl Engine {
    /// Moves all data to the database of another engine with the same model. `name` says which database this is: a move
    /// goes on only from the one that it began with.
    ///
    /// # Errors
    /// The target has data of its own, a database can't be asked, or they differ at the end. The target is incomplete then,
    /// and the next move goes on with it.
    pub async fn relocate(
        &self,
        ctx: &Ctx,
        to: &Self,
        name: &str,
        extent: Extent,
        told: Told<'_>,
    ) -> Result<Moved, Error> {
        let moment = self.moment();
        let grants = moment.grants(ctx, "list");
        if !ctx.principal.is_administrator() {
            return Err(grants.denied("move the database"));
        }
        let failed = |error| self.failed(&grants, error);
        let permit = |is_served| Permit::seal(Relocate { is_served }, moment.model.epoch);
        let is_served = extent == Extent::Ahead;
        let from = self.store().relocation(permit(is_served)).await.map_err(failed)?;
        let target = to.store().relocation(permit(false)).await.map_err(failed)?;
        let parts = Part::all(&moment.model);
        let mut relocating = Relocating {
            engine: self,
            ctx,
            moment,
            from,
            to: target,
            parts,
        };
        relocating.run(name, extent, told).await
    }
}

#[cfg(feature = "mutants")]
impl Engine {
    /// The way to all that is stored, for the tests of stores.
    ///
    /// # Errors
    /// The store gives none.
    pub async fn relocation(&self) -> Result<Box<dyn Relocation>, StoreError> {
        let permit = Permit::seal(Relocate { is_served: false }, self.moment().model.epoch);
        self.store().relocation(permit).await
    }
}

impl Engine {
    /// Whether a move fills the database, and can go on.
    ///
    /// # Errors
    /// The database can't be asked, or the caller is no administrator.
    pub async fn is_incomplete(&self, ctx: &Ctx) -> Result<bool, Error> {
        let moment = self.moment();
        let grants = moment.grants(ctx, "list");
        if !ctx.principal.is_administrator() {
            return Err(grants.denied("move the database"));
        }
        let marked = async {
            let permit = Permit::seal(Relocate { is_served: false }, moment.model.epoch);
            self.store().relocation(permit).await?.mark().await
        };
        let mark = marked.await.map_err(|error| self.failed(&grants, error))?;
        Ok(mark.is_some())
    }
}

impl Relocating<'_> {
    async fn run(&mut self, name: &str, extent: Extent, told: Told<'_>) -> Result<Moved, Error> {
        let mut whole = 0;
        for part in self.parts.clone() {
            let counted = self.from.count(part).await;
            whole += self.settled(counted)?;
        }
        let mark = self.start(name).await?;
        let resumed = mark.done;
        let (mark, is_whole) = self.copy(mark, &mut |done| told(Stage::Copying, done, whole)).await?;
        let mut caught_up = 0;
        let rounds = match extent {
            Extent::Ahead => ROUNDS_AHEAD_MAX,
            // Nobody could write in between.
            Extent::Whole if resumed == 0 && is_whole => 0,
            Extent::Whole => 1,
        };
        for _ in 0..rounds {
            let mut done = 0;
            let changes = self
                .catch_up(&text(&mark), &mut |rows| {
                    done += rows;
                    told(Stage::CatchingUp, done, whole);
                })
                .await?;
            caught_up += changes;
            if changes < CHANGES_FEW {
                break;
            }
        }
        if extent == Extent::Ahead {
            return Ok(Moved {
                rows: Vec::new(),
                resumed,
                caught_up,
            });
        }
        let rows = self
            .compare(&mut |done| told(Stage::Comparing, done, 2 * whole))
            .await?;
        let finished = self.to.finish().await;
        self.settled(finished)?;
        Ok(Moved {
            rows,
            resumed,
            caught_up,
        })
    }

    /// Where to go on.
    async fn start(&mut self, name: &str) -> Result<Mark, Error> {
        let found = self.to.mark().await;
        if let Some(found) = self.settled(found)? {
            let mark: Mark = serde_json::from_str(&found).map_err(|_| unfit("its mark can't be read"))?;
            if mark.from != name {
                return Err(unfit(&format!("it is being filled from {}", mark.from)));
            }
            return Ok(mark);
        }
        for part in self.parts.clone() {
            let found = self.to.read(part, None, 1).await;
            if !self.settled(found)?.is_empty() {
                let part = part.name(&self.moment.model);
                return Err(unfit(&format!("it has {part} already; move to an empty database")));
            }
        }
        let mark = Mark {
            from: name.to_owned(),
            part: self.parts[0].name(&self.moment.model),
            after: None,
            done: 0,
        };
        let begun = self.to.begin(text(&mark)).await;
        self.settled(begun)?;
        Ok(mark)
    }

    /// Answers where it ended, and whether nothing that was read was in the way of something else.
    async fn copy(&mut self, mut mark: Mark, told: &mut (dyn FnMut(u64) + Send)) -> Result<(Mark, bool), Error> {
        let mut is_whole = true;
        let names = self.parts.iter().map(|part| part.name(&self.moment.model));
        let Some(first) = names.clone().position(|name| name == mark.part) else {
            return Err(unfit("its schema was another when the move began"));
        };
        let mut after = match &mark.after {
            Some(after) => Some(key_of(after).ok_or_else(|| unfit("its mark can't be read"))?),
            None => None,
        };
        let parts: Vec<_> = self.parts.iter().copied().zip(names).skip(first).collect();
        for (part, name) in parts {
            mark.part = name;
            loop {
                let rows = self.from.read(part, after.clone(), PORTION).await;
                let rows = self.settled(rows)?;
                let Some(last) = rows.last() else { break };
                let key = part.key(&self.moment.model, last);
                mark.after = Some(hexadecimal(&key));
                mark.done += rows.len() as u64;
                after = Some(key);
                match self.to.put(part, Vec::new(), rows, text(&mark)).await {
                    // What is unique was another record's when that one was read.
                    Err(StoreError::UniqueViolation { .. }) => is_whole = false,
                    put => self.settled(put)?,
                }
                told(mark.done);
            }
            after = None;
        }
        Ok((mark, is_whole))
    }

    /// Makes of the target what the source is by now. Answers how many rows that took.
    async fn catch_up(&mut self, mark: &str, told: &mut (dyn FnMut(u64) + Send)) -> Result<u64, Error> {
        let mut changes = 0;
        for part in self.parts.clone() {
            for _ in 0..ROUNDS_MAX {
                let (made, is_whole) = self.merge(part, mark, told).await?;
                changes += made;
                if is_whole {
                    break;
                }
            }
        }
        Ok(changes)
    }

    /// Goes through a part of both databases by key. Answers how many rows were changed, and whether all that had to be were.
    async fn merge(
        &mut self,
        part: Part,
        mark: &str,
        told: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(u64, bool), Error> {
        let model = std::sync::Arc::clone(&self.moment.model);
        let key = |row: &[Value]| part.key(&model, row);
        let (mut sides, mut difference) = ([Side::default(), Side::default()], Difference::default());
        let (mut changes, mut is_whole) = (0, true);
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
            let is_same = matches!((&new, &old), (Some(new), Some(old)) if encoded(new) == encoded(old));
            if !is_same {
                difference.gone.extend(old.map(|old| key(&old)));
                difference.rows.extend(new);
            }
            if difference.len() >= PORTION as usize {
                let (made, all) = self.settle(part, &mut difference, mark).await?;
                changes += made;
                is_whole &= all;
            }
        }
        let (made, all) = self.settle(part, &mut difference, mark).await?;
        Ok((changes + made, is_whole && all))
    }

    /// Answers how many rows were changed, and whether all were.
    async fn settle(&mut self, part: Part, difference: &mut Difference, mark: &str) -> Result<(u64, bool), Error> {
        let Difference { gone, rows } = std::mem::take(difference);
        if gone.is_empty() && rows.is_empty() {
            return Ok((0, true));
        }
        let changes = gone.len().max(rows.len()) as u64;
        match self.to.put(part, gone.clone(), rows, mark.to_owned()).await {
            // Of a row that is to go, too, or to change.
            Err(StoreError::UniqueViolation { .. }) => {
                let put = self.to.put(part, gone, Vec::new(), mark.to_owned()).await;
                self.settled(put).map(|()| (changes, false))
            }
            put => self.settled(put).map(|()| (changes, true)),
        }
    }

    async fn compare(&mut self, told: &mut (dyn FnMut(u64) + Send)) -> Result<Vec<(String, u64)>, Error> {
        let (mut done, mut rows) = (0, Vec::new());
        for part in self.parts.clone() {
            let mut tallies = [Tally::default(); 2];
            for (side, tally) in [&mut self.from, &mut self.to].into_iter().zip(&mut tallies) {
                let mut after = None;
                loop {
                    let page = side.read(part, after.take(), PORTION).await;
                    let page = page.map_err(|error| failed(self.engine, &self.moment, self.ctx, error))?;
                    let Some(last) = page.last() else { break };
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

    fn settled<T>(&self, result: Result<T, StoreError>) -> Result<T, Error> {
        result.map_err(|error| failed(self.engine, &self.moment, self.ctx, error))
    }
}

/// What of a part differs.
#[derive(Default)]
struct Difference {
    /// Keys of the target's rows that go.
    gone: Vec<Vec<Value>>,
    /// The source's rows that come.
    rows: Vec<Vec<Value>>,
}

impl Difference {
    fn len(&self) -> usize {
        self.gone.len().max(self.rows.len())
    }
}

/// A part of a database that is gone through.
#[derive(Default)]
struct Side {
    rows: VecDeque<Vec<Value>>,
    /// The last key that was read.
    after: Option<Vec<Value>>,
    is_over: bool,
}

impl Side {
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
        let rows = database.read(part, self.after.clone(), PORTION).await?;
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

fn failed(engine: &Engine, moment: &Moment, ctx: &Ctx, error: StoreError) -> Error {
    engine.failed(&moment.grants(ctx, "list"), error)
}

fn unfit(why: &str) -> Error {
    Error::new(
        ErrorCode::Invalid,
        format!("nothing can be moved to this database: {why}"),
    )
}

fn differs(part: &str, source: Tally, target: Tally) -> Error {
    let message = match (source.rows, target.rows) {
        (source, target) if source == target => {
            format!("the databases differ: {part} have other values in one than in the other")
        }
        (source, target) => format!("the databases differ: {source} {part} in the one, {target} in the other"),
    };
    Error::new(ErrorCode::Invalid, message)
}

fn text(mark: &Mark) -> String {
    serde_json::to_string(mark).expect("a mark is plain data")
}

fn hexadecimal(key: &[Value]) -> String {
    let mut bytes = Vec::new();
    key.iter().for_each(|value| codec::write(&mut bytes, value));
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

/// What [`hexadecimal`] wrote.
fn key_of(text: &str) -> Option<Vec<Value>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes = pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes = bytes.collect::<Option<Vec<_>>>()?;
    let mut reader = codec::Reader(&bytes);
    let mut key = Vec::new();
    while !reader.is_empty() {
        key.push(reader.value().ok()?);
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back() {
        let key = vec![Value::Id(uuid::Uuid::from_u128(7)), Value::text("é"), Value::Null];
        assert_eq!(key_of(&hexadecimal(&key)), Some(key));
        assert_eq!(key_of("0"), None);
    }

    #[test]
    fn keys_are_read_in_order() {
        let id = |number| Value::Id(uuid::Uuid::from_u128(number));
        assert_eq!(by_key(&[id(1), id(9)], &[id(2), id(0)]), Ordering::Less);
        assert_eq!(by_key(&[id(1), id(9)], &[id(1), id(0)]), Ordering::Greater);
        assert_eq!(by_key(&[Value::text("é")], &[Value::text("\u{1F980}")]), Ordering::Less);
        assert_eq!(by_key(&[Value::Int(-1)], &[Value::Int(-1)]), Ordering::Equal);
    }

    #[test]
    fn numbers_may_be_spelled_as_a_database_likes() {
        let tally = |text: &str| {
            let mut tally = Tally::default();
            tally.add(&[Value::Json(text.into())]);
            tally
        };
        assert_eq!(tally(r#"{"b":1.50,"a":[1e2]}"#), tally(r#"{"b":1.5,"a":[100.0]}"#));
        assert_ne!(tally(r#"{"b":1.5}"#), tally(r#"{"b":1.25}"#));
        assert_ne!(tally(r#"{"a":1,"b":2}"#), tally(r#"{"b":2,"a":1}"#));
    }

    #[test]
    fn a_tally_knows_no_order_but_every_value() {
        let tally = |rows: &[[i64; 2]]| {
            let mut tally = Tally::default();
            for row in rows {
                tally.add(&row.map(Value::Int));
            }
            tally
        };
        assert_eq!(tally(&[[1, 2], [3, 4]]), tally(&[[3, 4], [1, 2]]));
        assert_ne!(tally(&[[1, 2], [3, 4]]), tally(&[[1, 4], [3, 2]]));
        assert_ne!(tally(&[[1, 2], [1, 2]]), tally(&[[3, 4], [3, 4]]));
        assert_ne!(tally(&[[1, 2]]), tally(&[]));
    }
}
