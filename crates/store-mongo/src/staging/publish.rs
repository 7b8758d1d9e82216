//! From what is staged to the data, portion by portion, and back.
//!
//! While an import is incomplete its published keys stand in a collection of ours, written in the transactions of their portions;
//! the last portion's transaction takes away the mark that says so. So whoever finds the mark after a crash knows what to
//! take out.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use engine::Model;
use engine::model::keyed::Keyed;
use engine::model::kind::{Kind, key_field};
use engine::model::{Collection, FieldKind, Value};
use engine::ports::staging::Obstacle;
use engine::ports::store::StoreError;
use mongodb::bson::{Bson, Document, doc};

use super::area::{Area, links};
use crate::compile::path::{self, ID};
use crate::compile::{self, Frame, Links};
use crate::open::Shared;
use crate::session::Session;
use crate::system::{IMPORT, META};
use crate::transaction::Work;
use crate::value::decode;

/// Records that one transaction makes visible, or takes out.
pub(super) const PORTION: usize = 500;
/// How long one portion may take.
const PORTION_TIMEOUT: Duration = Duration::from_secs(60);
/// The document of [`META`] that says that an import is incomplete, and into which collection.
const MARK: &str = "import";

pub(super) async fn in_transaction<W: Work>(shared: &Shared, work: W) -> Result<W::Done, StoreError> {
    let deadline = Instant::now() + PORTION_TIMEOUT;
    let done = shared.write(
        || Ok(shared.current()),
        deadline,
        work,
        |done, _| {
            shared.feed.start_over();
            done
        },
    );
    done.await
}

/// Some records, with what they refer to in the data.
pub(super) struct Portion<'a> {
    pub(super) area: &'a Area,
    pub(super) records: &'a [usize],
    /// How many records are in before it.
    pub(super) done: usize,
    /// It is all there is: then it needs no mark, and links among its records are made at once.
    pub(super) whole: bool,
}

/// Why nothing of a portion is in.
pub(super) enum Outcome {
    In,
    /// Of one of its records.
    Against(Vec<(usize, Obstacle)>),
}

impl Work for Portion<'_> {
    type Done = Outcome;

    async fn run(&self, session: &mut Session<'_>) -> Result<Outcome, StoreError> {
        let area = self.area;
        if session.model().epoch != area.model.epoch {
            return Err(StoreError::StaleEpoch);
        }
        let mut against = area.taken(session, self.records).await?;
        let mut there = area.there(session, self.records).await?;
        let here = self.records.iter().map(|index| super::area::key(&area.records[*index]));
        there.entry(area.plan.collection).or_default().extend(here);
        against.extend(area.missing(self.records, &there, false));
        if !against.is_empty() {
            return Ok(Outcome::Against(against));
        }
        let collection = area.collection();
        let records = || self.records.iter().map(|index| &area.records[*index]);
        let documents = records().map(|record| compile::document(collection, &record.key, &record.image));
        session.insert(&collection.table, documents.collect()).await?;
        insert_links(session, area, self.records, |is_own| self.whole || !is_own).await?;
        let broken = self.broken(session).await?;
        if !broken.is_empty() {
            return Ok(Outcome::Against(broken));
        }
        if !self.whole {
            let turns = records().enumerate().map(|(at, record)| {
                let turn = i64::try_from(self.done + at).unwrap_or(i64::MAX);
                doc! { "turn": turn, "key": path::id(collection, &record.key) }
            });
            session.insert(IMPORT, turns.collect()).await?;
            session
                .put(META, doc! { ID: MARK, "collection": &collection.name })
                .await?;
        }
        Ok(Outcome::In)
    }

    fn counts(done: &Outcome) -> bool {
        matches!(done, Outcome::In)
    }
}

impl Portion<'_> {
    /// Records for which a judgement of the plan does not hold.
    async fn broken(&self, session: &mut Session<'_>) -> Result<Vec<(usize, Obstacle)>, StoreError> {
        let plan = &self.area.plan;
        let mut broken = Vec::new();
        if plan.after.is_empty() {
            return Ok(broken);
        }
        let frame = Frame::reading(&self.area.model, &plan.bindings);
        for index in self.records {
            let target = (self.area.collection(), &self.area.records[*index].key);
            let (statement, _) = compile::written_row(frame, target, None, &plan.after);
            let rows = session.query(statement).await?;
            let truths = rows.first().map(Vec::as_slice).unwrap_or_default();
            if let Some(judged) = truths.iter().position(|truth| *truth != Value::Bool(true)) {
                broken.push((*index, Obstacle::Judged { index: judged }));
            }
        }
        Ok(broken)
    }
}

async fn insert_links(
    session: &mut Session<'_>,
    area: &Area,
    records: &[usize],
    takes: impl Fn(bool) -> bool,
) -> Result<(), StoreError> {
    for record in records.iter().map(|index| &area.records[*index]) {
        let source = record.key.single().unwrap_or(&Value::Null);
        for (field, targets) in links(record).filter(|(field, _)| takes(area.is_own(*field))) {
            let links = Links::of(area.collection(), field);
            let documents = targets.iter().map(|target| links.link(source, target));
            session.insert(links.table, documents.collect()).await?;
        }
    }
    Ok(())
}

/// The end of an import that took several portions: links among its records, and that it is complete.
pub(super) struct Last<'a> {
    pub(super) area: &'a Area,
    /// All that are in.
    pub(super) records: &'a [usize],
    pub(super) completes: bool,
}

impl Work for Last<'_> {
    type Done = ();

    async fn run(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        insert_links(session, self.area, self.records, |is_own| is_own).await?;
        if self.completes {
            session.delete(META, doc! { ID: MARK }).await?;
        }
        Ok(())
    }

    fn counts(_: &()) -> bool {
        true
    }
}

/// Takes out what an incomplete import has published, from its end. Answers how many records stay, because others refer to them.
pub(super) async fn take_back(shared: &Shared, model: &Model) -> Result<u64, StoreError> {
    let deadline = Instant::now() + PORTION_TIMEOUT;
    let mut session = Session::plain(&shared.database, model, deadline);
    let Some(mark) = session.find(META, doc! { ID: MARK }).await? else {
        return Ok(0);
    };
    let name = mark.get_str("collection").unwrap_or_default();
    let Some(collection) = model.by_name(name) else {
        return Err(StoreError::Failed(format!(
            "an import into {name} is incomplete, which the schema does not have"
        )));
    };
    let mut kept = 0;
    while let Some(stayed) = in_transaction(shared, Removal { model, collection }).await? {
        kept += stayed;
    }
    forget(shared).await?;
    Ok(kept)
}

/// What was published is no longer of interest.
pub(super) async fn forget(shared: &Shared) -> Result<(), StoreError> {
    let published = shared.database.collection::<Document>(IMPORT);
    let gone = published.delete_many(doc! {}).await;
    gone.map(|_| ())
        .map_err(|error| crate::error::store_error(&error, &shared.current()))
}

/// The last of the records that are in. Answers how many stay; `None` when there was nothing left, and the mark is gone.
struct Removal<'a> {
    model: &'a Model,
    collection: &'a Collection,
}

impl Work for Removal<'_> {
    type Done = Option<u64>;

    async fn run(&self, session: &mut Session<'_>) -> Result<Option<u64>, StoreError> {
        let last = vec![
            doc! { "$sort": { "turn": -1 } },
            doc! { "$limit": i64::try_from(PORTION).unwrap_or(i64::MAX) },
        ];
        let turns = session.aggregate(IMPORT, last).await?;
        if turns.is_empty() {
            session.delete(META, doc! { ID: MARK }).await?;
            return Ok(None);
        }
        let keys: Vec<Bson> = turns.iter().filter_map(|turn| turn.get("key").cloned()).collect();
        let turns: Vec<Bson> = turns.into_iter().filter_map(|mut turn| turn.remove(ID)).collect();
        for links in link_fields(self.collection) {
            session
                .delete(links.table, doc! { links.source_column: { "$in": &keys } })
                .await?;
        }
        let kept = self.referred(session, &keys).await?;
        let kind = Kind::of_field(self.model, key_field(self.collection));
        let mut gone = Vec::new();
        for key in keys {
            if !kept.contains(&Keyed(decode(Some(&key), kind)?)) {
                gone.push(key);
            }
        }
        session
            .delete(&self.collection.table, doc! { ID: { "$in": gone } })
            .await?;
        session.delete(IMPORT, doc! { ID: { "$in": turns } }).await?;
        Ok(Some(kept.len() as u64))
    }

    fn counts(_: &Self::Done) -> bool {
        true
    }
}

impl Removal<'_> {
    /// Which of the keys others refer to.
    async fn referred(&self, session: &mut Session<'_>, keys: &[Bson]) -> Result<HashSet<Keyed>, StoreError> {
        let kind = Kind::of_field(self.model, key_field(self.collection));
        let mut referred = HashSet::new();
        for referrer in self.model.referrers(self.collection.id) {
            let owner = self.model.collection(referrer.collection);
            let field = owner.field(referrer.field);
            let (table, place) = match &field.kind {
                FieldKind::Links { .. } => {
                    let links = Links::of(owner, field.id);
                    (links.table, links.target_column.to_owned())
                }
                _ => (owner.table.as_str(), path::of(owner, field)),
            };
            let mut others = doc! { &place: { "$in": keys } };
            if owner.id == self.collection.id {
                // Those go along.
                others.insert(ID, doc! { "$nin": keys });
            }
            let found = vec![
                doc! { "$match": others },
                doc! { "$group": { ID: format!("${place}") } },
            ];
            for group in session.aggregate(table, found).await? {
                referred.insert(Keyed(decode(group.get(ID), kind)?));
            }
        }
        Ok(referred)
    }
}

fn link_fields(collection: &Collection) -> impl Iterator<Item = Links<'_>> {
    let fields = collection.fields.iter();
    let fields = fields.filter(|field| matches!(field.kind, FieldKind::Links { .. }));
    fields.map(|field| Links::of(collection, field.id))
}
