//! All data of one database to another of any kind: records as they are, with ids, versions and times, relations, accounts
//! with their passwords and sessions, keys.
//!
//! For the operator, an administrator like any other. A move that was interrupted goes on where it was. Most of it can be
//! done ahead, while the source is being served. After the copy the source begins a log of changes, where it can, and both databases
//! are gone through side by side, by key, until every row was seen to be the same; what isn't the same any more is in
//! the log. Then whoever moves sees to it that nobody writes any more, and what the log names is caught up with. Without a log both are read
//! side by side once more, and then compared as a whole. Only then the target is complete.
//!
//! That no row is lost: an entry of the log is forgotten only when the target has committed what was read of its row after
//! the entry was; what is committed to the source later than that has an entry of its own. Each step of the target finds the mark that the last
//! one has left: of two runs at once only one goes on. Before the end nobody else is connected, and from then on the log stays empty.

use crate::access::Permit;
use crate::error::{Error, ErrorCode};
use crate::operations::Ctx;
use crate::pipeline::{Engine, Moment};
use crate::ports::relocation::{Part, Relocate, Relocation};
use crate::ports::store::StoreError;

use mark::{Ended, Mark, Step, key_text};
use portion::Portion;
use tally::Tally;
use target::Stepped;

mod follow;
mod mark;
mod merge;
mod portion;
mod tally;
mod target;

/// How often the last run begins anew where somebody has written to the source meanwhile.
const LAST_RUNS_MAX: usize = 3;
/// How often all is gone through while a source that has no log is served, and below how many changes that is over.
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
    /// What was written since is taken along: by reading both databases side by side, or, of a whole that isn't known, what the
    /// log of changes names.
    CatchingUp,
    /// Both databases are read: twice as many rows.
    Comparing,
}

/// Hears how many rows are done, of how many; 0: that isn't known.
pub type Told<'a> = &'a mut (dyn FnMut(Stage, u64, u64) + Send);

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moved {
    /// Rows by part, in the words of [`Part::name`]; those that are empty are left out.
    pub rows: Vec<(String, u64)>,
    /// Rows that an earlier run had moved.
    pub resumed: u64,
    /// Rows that were written since they had been moved.
    pub caught_up: u64,
    /// How it is known what was written to the source since, or will be.
    pub follows: Follows,
}

/// What says which rows of a source change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Follows {
    /// Reading all of it.
    #[default]
    Nothing,
    /// As well: the source's user may have no log of changes; why, for people.
    Refused(String),
    /// Its log of changes, but for these parts.
    Log { without: Vec<String> },
}

struct Relocating<'e> {
    engine: &'e Engine,
    ctx: &'e Ctx,
    moment: Moment,
    from: Box<dyn Relocation>,
    to: Box<dyn Relocation>,
    parts: Vec<Part>,
    /// What the source's log of changes is noted with, as long as it is this move's.
    note: Option<String>,
    /// Whether what is in that log is all that has changed.
    relies: bool,
    /// Which run this is, and how many steps of the target it has taken.
    run: String,
    steps: u64,
    /// What the target is marked with.
    marked: String,
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
            note: None,
            relies: false,
            run: self.clock().new_id().to_string(),
            steps: 0,
            marked: String::new(),
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

    /// Gives up a move of this database: what is kept for it here goes. Answers whether there was anything.
    ///
    /// # Errors
    /// The database can't be asked, or the caller is no administrator.
    pub async fn abandon_move(&self, ctx: &Ctx) -> Result<bool, Error> {
        let moment = self.moment();
        let grants = moment.grants(ctx, "list");
        if !ctx.principal.is_administrator() {
            return Err(grants.denied("move the database"));
        }
        let ended = async {
            let permit = Permit::seal(Relocate { is_served: true }, moment.model.epoch);
            match self.store().relocation(permit).await?.change_log() {
                Some(log) => log.end().await,
                None => Ok(false),
            }
        };
        ended.await.map_err(|error| self.failed(&grants, error))
    }
}

impl Relocating<'_> {
    async fn run(&mut self, name: &str, extent: Extent, told: Told<'_>) -> Result<Moved, Error> {
        let mut mark = self.start(name).await?;
        let mut moved = Moved {
            resumed: mark.done,
            ..Moved::default()
        };
        self.find_log(&mark).await?;
        match extent {
            Extent::Ahead => self.run_ahead(&mut mark, &mut moved, told).await?,
            Extent::Whole => self.run_whole(&mut mark, &mut moved, told).await?,
        }
        Ok(moved)
    }

    async fn run_ahead(&mut self, mark: &mut Mark, moved: &mut Moved, told: Told<'_>) -> Result<(), Error> {
        let mut whole = 0;
        if !self.relies || mark.step != Step::Following {
            whole = self.count().await?;
        }
        if !self.relies {
            if mark.step == Step::Copying {
                self.copy(mark, &mut |done| told(Stage::Copying, done, whole)).await?;
            }
            if !self.begin_log(mark, moved).await? {
                return self.catch_up_often(mark, moved, whole, told).await;
            }
        }
        if mark.step == Step::Merging {
            let mut done = 0;
            let mut merged = |rows| {
                done += rows;
                told(Stage::CatchingUp, done, whole);
            };
            moved.caught_up += self.level(mark, &mut merged).await?;
        }
        moved.caught_up += self.follow_ahead(mark, told).await?;
        let without = self.divided(mark).1;
        moved.caught_up += self.catch_up(&without, mark, &mut |_| {}).await?;
        moved.follows = self.without(&without);
        Ok(())
    }

    /// There is a log, but of these parts.
    fn without(&self, parts: &[Part]) -> Follows {
        Follows::Log {
            without: parts.iter().map(|part| part.name(&self.moment.model)).collect(),
        }
    }

    async fn catch_up_often(
        &mut self,
        mark: &mut Mark,
        moved: &mut Moved,
        whole: u64,
        told: Told<'_>,
    ) -> Result<(), Error> {
        for _ in 0..ROUNDS_AHEAD_MAX {
            let changes = self.catch_up_with_all(mark, whole, told).await?;
            moved.caught_up += changes;
            if changes < CHANGES_FEW {
                break;
            }
        }
        Ok(())
    }

    async fn catch_up_with_all(&mut self, mark: &mut Mark, whole: u64, told: Told<'_>) -> Result<u64, Error> {
        let mut done = 0;
        let mut merged = |rows| {
            done += rows;
            told(Stage::CatchingUp, done, whole);
        };
        self.catch_up(&self.parts.clone(), mark, &mut merged).await
    }

    async fn run_whole(&mut self, mark: &mut Mark, moved: &mut Moved, told: Told<'_>) -> Result<(), Error> {
        let mut is_untouched = moved.resumed == 0;
        for _ in 0..LAST_RUNS_MAX {
            let before = self.position().await?;
            self.run_last(mark, moved, is_untouched, told).await?;
            self.alone().await?;
            if self.position().await? == before {
                return self.finish(mark).await;
            }
            tracing::warn!("a server has written to the old database meanwhile; what it wrote is taken along");
            is_untouched = false;
        }
        Err(Error::new(
            ErrorCode::Invalid,
            "servers write to the old database again and again; see that none is started, and run it again",
        ))
    }

    /// `is_untouched`: nobody can have written since the first row was copied.
    async fn run_last(
        &mut self,
        mark: &mut Mark,
        moved: &mut Moved,
        is_untouched: bool,
        told: Told<'_>,
    ) -> Result<(), Error> {
        let followed = match (self.relies, mark.step) {
            (true, Step::Following) => self.follow_to_the_end(mark, moved, told).await?,
            _ => None,
        };
        match followed {
            Some(rows) => {
                moved.rows = rows;
                let without = self.divided(mark).1;
                moved.follows = self.without(&without);
                Ok(())
            }
            None => {
                moved.follows = Follows::Nothing;
                self.read_all(mark, moved, is_untouched, told).await
            }
        }
    }

    async fn finish(&mut self, mark: &Mark) -> Result<(), Error> {
        let ended = Ended {
            from: mark.from.clone(),
            note: self.note.clone(),
        };
        let finished = self.to.finish(&self.marked, ended.text()).await;
        if !self.settled(finished)? {
            return Err(overtaken());
        }
        self.end_log().await;
        Ok(())
    }

    async fn position(&mut self) -> Result<String, Error> {
        let position = self.from.position().await;
        self.settled(position)
    }

    /// Sees that nobody else has either database.
    async fn alone(&mut self) -> Result<(), Error> {
        let alone = [self.from.alone().await, self.to.alone().await];
        alone.into_iter().try_for_each(|alone| self.settled(alone))
    }

    /// Copies what is not copied yet, and compares both databases as a whole.
    async fn read_all(
        &mut self,
        mark: &mut Mark,
        moved: &mut Moved,
        is_untouched: bool,
        told: Told<'_>,
    ) -> Result<(), Error> {
        let whole = self.count().await?;
        let mut is_whole = is_untouched && mark.step == Step::Copying;
        if mark.step == Step::Copying {
            is_whole &= self.copy(mark, &mut |done| told(Stage::Copying, done, whole)).await?;
        }
        // Should this not come to its end, the log alone does not say what differs.
        mark.step = Step::Merging;
        self.restart(mark);
        // Nobody could write in between.
        if !is_whole {
            moved.caught_up += self.catch_up_with_all(mark, whole, told).await?;
        }
        let parts = self.parts.clone();
        moved.rows = self
            .compare(&parts, &mut |done| told(Stage::Comparing, done, 2 * whole))
            .await?;
        Ok(())
    }

    async fn count(&mut self) -> Result<u64, Error> {
        let mut whole = 0;
        for part in self.parts.clone() {
            let counted = self.from.count(part).await;
            whole += self.settled(counted)?;
        }
        Ok(whole)
    }

    /// Answers whether nothing that was read was in the way of something else.
    async fn copy(&mut self, mark: &mut Mark, told: &mut (dyn FnMut(u64) + Send)) -> Result<bool, Error> {
        let mut is_whole = true;
        let first = self.place_of(mark)?;
        let mut after = self.key_after(mark)?;
        for part in self.parts.clone().into_iter().skip(first) {
            mark.part = part.name(&self.moment.model);
            let mut portion = Portion::default();
            loop {
                let rows = self.from.read(part, after.clone(), portion.rows()).await;
                let rows = self.settled(rows)?;
                let Some(last) = rows.last() else { break };
                portion.came(&rows);
                let key = part.key(&self.moment.model, last);
                mark.after = Some(key_text(&key));
                mark.done += rows.len() as u64;
                after = Some(key);
                // What is unique was another record's when that one was read.
                is_whole &= self.step(part, Vec::new(), rows, mark).await? == Stepped::Done;
                told(mark.done);
            }
            (after, mark.after) = (None, None);
        }
        Ok(is_whole)
    }

    fn settled<T>(&self, result: Result<T, StoreError>) -> Result<T, Error> {
        result.map_err(|error| failed(self.engine, &self.moment, self.ctx, error))
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

fn of_another_schema() -> Error {
    unfit("the schema was another when the move began; go on with that schema, or empty the database and begin anew")
}

fn overtaken() -> Error {
    Error::new(
        ErrorCode::Invalid,
        "another run of this move goes on with the new database; only one can",
    )
}

fn differs(part: &str, source: Tally, target: Tally) -> Error {
    let message = match (source.rows, target.rows) {
        (source, target) if source == target => {
            format!("the databases differ: {part} have other values in one than in the other")
        }
        (source, target) => format!("the databases differ: {source} {part} in the one, {target} in the other"),
    };
    Error::new(
        ErrorCode::Invalid,
        message + "; empty the new one and begin anew, the old one is as it was",
    )
}
