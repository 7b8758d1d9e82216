//! From the staging tables into the live ones: portion by portion, each a short transaction.

use std::time::Duration;

use engine::Model;
use engine::model::{Key, Value};
use engine::ports::staging::{Published, StagePlan};
use engine::ports::store::StoreError;

use super::check::note;
use super::fill::Fill;
use super::layout::{self, Layout, Links, PLACE, STAGED, records_of};
use super::server::{Done, Failed, Range, Server, plain, truth};
use super::{Demand, Kind, RETRY_AFTER};
use crate::compile::{self, Frame, Kind as Stored, reads_others};

/// Records in a portion: others wait for its locks only where they want the same values.
const PORTION: u64 = 2048;
/// How often a record is tried that others are in the way of for moments only.
const ATTEMPTS_MAX: u32 = 8;
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Publisher<S: Server> {
    pub(super) server: S,
    pub(super) layout: Layout,
    /// The live structure when the import was checked.
    structure: Option<Value>,
    /// Records to be published, and how many of them had their turn.
    pub(super) turns: u64,
    pub(super) done: u64,
    /// Records whose links to others of the file are in.
    linked: u64,
    refused: u64,
    /// The database knows of an incomplete import.
    pub(super) is_marked: bool,
}

/// What became of a portion.
enum Outcome {
    In,
    /// Something that was checked is otherwise by now; nothing of it is in.
    Conflict,
    /// A judgement of the plan, by its index, does not hold; nothing of it is in.
    Judged(usize),
}

impl<S: Server> Publisher<S> {
    pub(super) async fn new(fill: Fill<S>) -> Done<Self> {
        let (mut server, layout) = fill.into_parts();
        Ok(Self {
            structure: layout::structure(&mut server).await?,
            server,
            layout,
            turns: 0,
            done: 0,
            linked: 0,
            refused: 0,
            is_marked: false,
        })
    }

    /// The next portion; one transaction, or several after a conflict.
    pub(super) async fn publish(
        &mut self,
        model: &Model,
        plan: &StagePlan,
        demands: &[Demand],
    ) -> Result<Published, StoreError> {
        if self.done < self.turns {
            let range = (self.done + 1, self.turns.min(self.done + PORTION));
            if self.done == 0 && range.1 < self.turns {
                self.keep_staged().await?;
            }
            match self.attempt(range, model, plan).await? {
                Outcome::In => self.done = range.1,
                Outcome::Conflict | Outcome::Judged(_) => self.one_by_one(range, model, plan, demands).await?,
            }
        } else {
            self.link_next().await?;
        }
        let stopped = self.refused > 0 && !plan.keep_going;
        if !stopped && self.left() == 0 && self.is_marked {
            self.layout.unmark(&mut self.server).await?;
            self.is_marked = false;
        }
        Ok(Published {
            done: self.done - self.refused,
            left: self.left(),
            refused: self.refused,
        })
    }

    /// Records and, where links are published apart, what remains of those.
    fn left(&self) -> u64 {
        let has_own_links = self.layout.links.iter().any(|links| links.own);
        let unlinked = if has_own_links { self.turns - self.linked } else { 0 };
        (self.turns - self.done).max(unlinked)
    }

    /// From now on what is staged must survive a crash: a part of it is going to be live.
    async fn keep_staged(&mut self) -> Done<()> {
        for table in self.layout.staged_tables() {
            if let Some(keep) = self.server.keep(&table) {
                self.server.command(&keep).await?;
            }
        }
        Ok(())
    }

    async fn attempt(&mut self, range: Range, model: &Model, plan: &StagePlan) -> Done<Outcome> {
        let whole = range == (1, self.turns);
        let depends = plan.after.iter().any(|judgement| reads_others(&judgement.holds));
        let begin = if depends { S::BEGIN_SERIALIZABLE } else { S::BEGIN };
        self.server.command(begin).await?;
        let mut outcome = self.portion(range, whole, model, plan).await;
        if matches!(outcome, Ok(Outcome::In)) {
            match self.server.command("COMMIT").await {
                Ok(()) => {
                    self.is_marked = !whole;
                    if whole {
                        self.linked = self.turns;
                    }
                }
                Err(failed) => outcome = Err(failed),
            }
        } else {
            self.server.command("ROLLBACK").await?;
        }
        match outcome {
            Err(Failed { in_the_way: true, .. }) => Ok(Outcome::Conflict),
            outcome => outcome,
        }
    }

    /// Within a transaction.
    async fn portion(&mut self, range: Range, whole: bool, model: &Model, plan: &StagePlan) -> Done<Outcome> {
        if layout::structure(&mut self.server).await? != self.structure {
            return Err(Failed::of(StoreError::StaleEpoch, false));
        }
        self.insert(range, whole).await?;
        if let Some(index) = self.broken(range, model, plan).await? {
            return Ok(Outcome::Judged(index));
        }
        if !whole {
            self.layout.mark(&mut self.server, range.1).await?;
        }
        Ok(Outcome::In)
    }

    async fn insert(&mut self, range: Range, whole: bool) -> Done<()> {
        let Self { server, layout, .. } = self;
        let Layout {
            table, columns, links, ..
        } = &*layout;
        let staged: Vec<String> = columns.iter().map(|column| format!("s.{column}")).collect();
        let sql = format!(
            "INSERT INTO {table} ({}) SELECT {} FROM {} ORDER BY u.turn",
            columns.join(", "),
            staged.join(", "),
            records_of(range)
        );
        server.execute(plain(sql, &[])).await?;
        for links in links.iter().filter(|links| whole || !links.own) {
            insert_links(server, layout, links, range).await?;
        }
        match S::SETTLE {
            Some(settle) => server.command(settle).await,
            None => Ok(()),
        }
    }

    /// The next portion of links between records of the file, whose both ends are in by now.
    async fn link_next(&mut self) -> Done<()> {
        let range = (self.linked + 1, self.turns.min(self.linked + PORTION));
        let Self { server, layout, .. } = self;
        server.command(S::BEGIN).await?;
        for links in layout.links.iter().filter(|links| links.own) {
            if let Err(failed) = insert_links(server, layout, links, range).await {
                server.command("ROLLBACK").await?;
                return Err(failed);
            }
        }
        server.command("COMMIT").await?;
        self.linked = range.1;
        Ok(())
    }

    /// Which of the checks that memory couldn't judge does not hold for one of the range's records.
    async fn broken(&mut self, range: Range, model: &Model, plan: &StagePlan) -> Done<Option<usize>> {
        if plan.after.is_empty() {
            return Ok(None);
        }
        let collection = model.collection(plan.collection);
        let frame = Frame::reading(model, &plan.bindings);
        let keys = format!(
            "SELECT s.{} FROM {} ORDER BY u.turn",
            self.layout.key,
            records_of(range)
        );
        let keys = plain(keys, &[Stored::of_key(model, collection)]);
        for key in self.server.query(keys).await? {
            let (key, dialect) = (Key(key), self.server.dialect());
            let truths = plan.after.iter().map(|judgement| &judgement.holds);
            let (statement, _) = compile::written_row(dialect, frame, (collection, &key), None, truths);
            let rows = self.server.query(statement).await?;
            let truths = rows.first().map(Vec::as_slice).unwrap_or_default();
            if let Some(index) = truths.iter().position(|truth| *truth != Value::Bool(true)) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// After a conflict: those records that can be published are, one transaction each; of the others it is noted what
    /// stands against them.
    async fn one_by_one(
        &mut self,
        (from, to): Range,
        model: &Model,
        plan: &StagePlan,
        demands: &[Demand],
    ) -> Result<(), StoreError> {
        for turn in from..=to {
            if let Some((kind, what)) = self.alone(turn, model, plan, demands).await? {
                self.refuse(turn, kind, &what).await?;
                self.refused += 1;
            }
            self.done = turn;
            if self.refused > 0 && !plan.keep_going {
                return Ok(());
            }
        }
        Ok(())
    }

    /// One record. What stands against it, if anything does.
    async fn alone(
        &mut self,
        turn: u64,
        model: &Model,
        plan: &StagePlan,
        demands: &[Demand],
    ) -> Result<Option<(Kind, String)>, StoreError> {
        for _ in 0..ATTEMPTS_MAX {
            match self.attempt((turn, turn), model, plan).await? {
                Outcome::In => return Ok(None),
                Outcome::Judged(index) => return Ok(Some((Kind::Judged, index.to_string()))),
                Outcome::Conflict => {}
            }
            for demand in demands {
                if self.is_unmet(demand, turn).await? {
                    return Ok(Some((demand.kind, demand.what.clone())));
                }
            }
            // What stood against it is gone again.
            tokio::time::sleep(PAUSE).await;
        }
        Err(StoreError::Unavailable {
            reason: "a record that others keep changing can't be published".to_owned(),
            retry_after: RETRY_AFTER,
        })
    }

    async fn is_unmet(&mut self, Demand { fails, .. }: &Demand, turn: u64) -> Done<bool> {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {} AND {fails})", records_of((turn, turn)));
        truth(&mut self.server, sql).await
    }

    /// Takes a record's turn away, and notes why.
    async fn refuse(&mut self, turn: u64, kind: Kind, what: &str) -> Done<()> {
        let its = format!("s.{PLACE} IN (SELECT u.place FROM {STAGED}_turn u WHERE u.turn = {turn})");
        note(&mut self.server, kind, what, &its).await?;
        let sql = format!("DELETE FROM {STAGED}_turn WHERE turn = {turn}");
        self.server.execute(plain(sql, &[])).await?;
        Ok(())
    }
}

async fn insert_links(server: &mut impl Server, layout: &Layout, links: &Links, range: Range) -> Done<()> {
    let Links {
        table,
        staged,
        source,
        target,
        ..
    } = links;
    let sql = format!(
        "INSERT INTO {table} ({source}, {target}) SELECT l.{source}, l.{target}
         FROM (SELECT s.{} AS own FROM {}) r JOIN {staged} l ON l.{source} = r.own",
        layout.key,
        records_of(range)
    );
    server.execute(plain(sql, &[])).await?;
    Ok(())
}
