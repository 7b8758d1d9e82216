//! Deleting a record and what hangs on it.
//!
//! First everything is found, level by level: the records that go along (`CASCADE`), those that forbid it (`RESTRICT`,
//! unless they go along themselves), those that lose a reference (`SET_NULL`) or a link. Then it is written, and each
//! record's change is told. All that is found counts against the plan's limit.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use engine::Model;
use engine::model::{Collection, CollectionId, FieldId, FieldKind, Key, OnDelete, Timestamp, Value};
use engine::ports::store::StoreError;
use engine::query::record::{RecordId, key_of};
use engine::query::{Change, DeletePlan, Image, LinkImage, Outcome, OutcomeKind, Refusal};
use mongodb::bson::{Bson, doc};

use super::judge;
use crate::accounts;
use crate::compile::{self, End, Frame, Links};
use crate::session::{Columns, KEYS_MAX, Session};

pub(super) async fn delete(
    session: &mut Session<'_>,
    model: &Model,
    plan: &DeletePlan,
    changes: &mut Vec<Change>,
) -> Result<Outcome, StoreError> {
    let collection = model.collection(plan.collection);
    let frame = Frame::reading(model, &plan.bindings);
    let record = (collection, &plan.key);
    let stored = compile::stored_row(frame, record, &plan.before, &[]);
    let Some(mut row) = session.query(stored).await?.pop() else {
        return Err(StoreError::Refused(Refusal::NotFound));
    };
    let truths = row.split_off(collection.stored().count());
    judge(&plan.before, &truths)?;
    let image = Image(row);
    if let Some(expected) = &plan.expected {
        expected.check(collection, &image).map_err(StoreError::Refused)?;
    }
    let mut cascade = Cascade {
        frame,
        limit: plan.cascade_max,
        left: plan.cascade_max,
        doomed: Vec::new(),
        known: HashMap::new(),
        touched: Vec::new(),
        places: HashMap::new(),
    };
    cascade.doom(collection, image);
    cascade.spread(session).await?;
    cascade.refuse_if_referenced(session).await?;
    cascade.clear_references(session).await?;
    cascade.unlink(session).await?;
    cascade.write(session, plan.bindings.now).await?;
    changes.extend(cascade.changes());
    Ok(Outcome {
        kind: OutcomeKind::Deleted,
        collection: plan.collection,
        key: plan.key.clone(),
        version: None,
        row: None,
    })
}

struct Cascade<'a> {
    frame: Frame<'a>,
    limit: u32,
    /// How many more may be found.
    left: u32,
    doomed: Vec<Doomed<'a>>,
    /// Places of the doomed.
    known: HashMap<RecordId, usize>,
    /// Records that stay and change.
    touched: Vec<Touched<'a>>,
    /// Places of the touched.
    places: HashMap<RecordId, usize>,
}

/// A record that goes.
struct Doomed<'a> {
    collection: &'a Collection,
    key: Key,
    image: Image,
    links: Vec<LinkImage>,
}

/// A record that loses references or links to those that go.
struct Touched<'a> {
    collection: &'a Collection,
    key: Key,
    before: Image,
    after: Image,
    links: Vec<LinkImage>,
}

impl<'a> Cascade<'a> {
    fn doom(&mut self, collection: &'a Collection, image: Image) {
        let key = key_of(collection, &image);
        if let Entry::Vacant(place) = self.known.entry(RecordId::new(collection.id, &key)) {
            place.insert(self.doomed.len());
            self.doomed.push(Doomed {
                collection,
                key,
                image,
                links: Vec::new(),
            });
        }
    }

    fn is_doomed(&self, collection: CollectionId, key: &Key) -> bool {
        self.known.contains_key(&RecordId::new(collection, key))
    }

    /// Finds all that go along, level by level.
    async fn spread(&mut self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let mut level = 0..self.doomed.len();
        while !level.is_empty() {
            let end = level.end;
            for (target, keys) in self.keys(level) {
                for (collection, field) in self.references(target, OnDelete::Cascade) {
                    for row in self.referring(session, (collection, field), &keys).await? {
                        let known = self.doomed.len();
                        self.doom(collection, Image(row));
                        self.spend(self.doomed.len() - known)?;
                    }
                }
            }
            level = end..self.doomed.len();
        }
        Ok(())
    }

    async fn refuse_if_referenced(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        for (target, keys) in self.keys(0..self.doomed.len()) {
            for (collection, field) in self.references(target, OnDelete::Restrict) {
                // One more than could go along: if there are as many, one of them stays.
                let rows_max = self.doomed.len() as u64 + 1;
                for keys in keys.chunks(KEYS_MAX) {
                    let referring = compile::referring(self.frame, (collection, field), keys, rows_max);
                    let rows = session.query(referring).await?;
                    let stays = |row| !self.is_doomed(collection.id, &key_of(collection, &Image(row)));
                    if rows.into_iter().any(stays) {
                        return Err(StoreError::Referenced {
                            collection: collection.name.clone(),
                            field: collection.field(field).name.clone(),
                        });
                    }
                }
            }
        }
        Ok(())
    }

    async fn clear_references(&mut self, session: &mut Session<'_>) -> Result<(), StoreError> {
        for (target, keys) in self.keys(0..self.doomed.len()) {
            for (collection, field) in self.references(target, OnDelete::SetNull) {
                let slot = collection.slot(field).expect("a to-one relation is stored");
                for row in self.referring(session, (collection, field), &keys).await? {
                    let image = Image(row);
                    if !self.is_doomed(collection.id, &key_of(collection, &image)) {
                        let place = self.touch(collection, image)?;
                        self.touched[place].after.0[slot] = Value::Null;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes away the links from and to what goes.
    async fn unlink(&mut self, session: &mut Session<'_>) -> Result<(), StoreError> {
        for (gone, keys) in self.keys(0..self.doomed.len()) {
            for field in link_fields(gone) {
                let pairs = self.links(session, (gone, field), End::Source, &keys).await?;
                self.lose(gone, field, pairs);
            }
            for referrer in self.frame.model.referrers(gone.id) {
                let owner = self.frame.model.collection(referrer.collection);
                if matches!(owner.field(referrer.field).kind, FieldKind::Links { .. }) {
                    let field = (owner, referrer.field);
                    let pairs = self.links(session, field, End::Target, &keys).await?;
                    self.touch_owners(session, owner, &pairs).await?;
                    self.lose(owner, referrer.field, pairs);
                }
            }
        }
        Ok(())
    }

    /// Reads and deletes the links that have one of `keys` at this end: pairs of source and target.
    async fn links(
        &mut self,
        session: &mut Session<'_>,
        (owner, field): (&'a Collection, FieldId),
        end: End,
        keys: &[Value],
    ) -> Result<Vec<(Value, Value)>, StoreError> {
        let mut pairs = Vec::new();
        for keys in keys.chunks(KEYS_MAX) {
            let rows_max = u64::from(self.left) + 1;
            let links = Links::of(owner, field);
            let statement = compile::links_where(self.frame.model, (owner, field), links.at(end, keys), rows_max);
            let rows = session.query(statement).await?;
            self.spend(rows.len())?;
            if rows.is_empty() {
                continue;
            }
            session.delete(links.table, links.at(end, keys)).await?;
            for row in rows {
                let [source, target] = <[Value; 2]>::try_from(row).expect("a link has two ends");
                pairs.push((source, target));
            }
        }
        Ok(pairs)
    }

    /// The owners of links that stay are among the touched.
    async fn touch_owners(
        &mut self,
        session: &mut Session<'_>,
        owner: &'a Collection,
        pairs: &[(Value, Value)],
    ) -> Result<(), StoreError> {
        let staying = pairs.iter().map(|(source, _)| source);
        let staying = staying.filter(|source| !self.is_doomed(owner.id, &Key(vec![(*source).clone()])));
        let sources = engine::model::keyed::distinct(staying);
        for keys in sources.chunks(KEYS_MAX) {
            let images = compile::images(self.frame, owner, keys);
            for row in session.query(images).await? {
                self.touch(owner, Image(row))?;
            }
        }
        Ok(())
    }

    /// Notes the links that the field of each source has lost.
    fn lose(&mut self, owner: &Collection, field: FieldId, pairs: Vec<(Value, Value)>) {
        for (source, target) in pairs {
            let id = RecordId::new(owner.id, &Key(vec![source]));
            let links = if let Some(place) = self.known.get(&id) {
                &mut self.doomed[*place].links
            } else if let Some(place) = self.places.get(&id) {
                &mut self.touched[*place].links
            } else {
                continue;
            };
            match links.iter_mut().find(|image| image.field == field) {
                Some(image) => image.removed.push(target),
                None => links.push(LinkImage {
                    field,
                    added: Vec::new(),
                    removed: vec![target],
                }),
            }
        }
    }

    async fn write(&mut self, session: &mut Session<'_>, now: Timestamp) -> Result<(), StoreError> {
        for record in &mut self.touched {
            record.after.touch(record.collection, now);
            if let Some(update) = compile::update(record.collection, &record.before, &record.after) {
                let filter = compile::by_key(record.collection, &record.key);
                session.update(&record.collection.table, filter, update).await?;
            }
        }
        self.delete(session).await?;
        for record in &self.doomed {
            if Some(record.collection.id) == self.frame.model.accounts
                && let Some(user) = record.key.single().and_then(Value::as_id)
            {
                accounts::forget(session, user).await?;
            }
        }
        Ok(())
    }

    /// Collection by collection, many at once.
    async fn delete(&self, session: &mut Session<'_>) -> Result<(), StoreError> {
        let mut ids: Vec<(&Collection, Vec<Bson>)> = Vec::new();
        for record in &self.doomed {
            let id = compile::path::id(record.collection, &record.key);
            match ids.iter_mut().find(|(known, _)| known.id == record.collection.id) {
                Some((_, ids)) => ids.push(id),
                None => ids.push((record.collection, vec![id])),
            }
        }
        for (collection, ids) in ids {
            for ids in ids.chunks(KEYS_MAX) {
                let filter = doc! { compile::path::ID: { "$in": ids } };
                session.delete(&collection.table, filter).await?;
            }
        }
        Ok(())
    }

    /// The record itself first, then what went along, then what changed.
    fn changes(self) -> impl Iterator<Item = Change> {
        let doomed = self.doomed.into_iter().map(|record| Change {
            collection: record.collection.id,
            key: record.key,
            before: Some(record.image),
            after: None,
            links: record.links,
        });
        let touched = self.touched.into_iter().map(|record| Change {
            collection: record.collection.id,
            key: record.key,
            before: Some(record.before),
            after: Some(record.after),
            links: record.links,
        });
        doomed.chain(touched)
    }

    /// Records whose `field` is one of `keys`; fails when there are more than may still be found.
    async fn referring(
        &self,
        session: &mut Session<'_>,
        field: (&'a Collection, FieldId),
        keys: &[Value],
    ) -> Result<Vec<Columns>, StoreError> {
        let mut found = Vec::new();
        for keys in keys.chunks(KEYS_MAX) {
            // Those that are known already may be among them.
            let rows_max = u64::from(self.left) + self.doomed.len() as u64 + self.touched.len() as u64 + 1;
            let statement = compile::referring(self.frame, field, keys, rows_max);
            found.extend(session.query(statement).await?);
        }
        Ok(found)
    }

    /// The place of a record among the touched.
    fn touch(&mut self, collection: &'a Collection, image: Image) -> Result<usize, StoreError> {
        let key = key_of(collection, &image);
        let id = RecordId::new(collection.id, &key);
        if let Some(place) = self.places.get(&id) {
            return Ok(*place);
        }
        self.spend(1)?;
        let place = self.touched.len();
        self.places.insert(id, place);
        self.touched.push(Touched {
            collection,
            key,
            after: image.clone(),
            before: image,
            links: Vec::new(),
        });
        Ok(place)
    }

    /// The keys of some of the doomed, by collection. Records with a key of several parts have nobody who refers to them.
    fn keys(&self, some: Range<usize>) -> Vec<(&'a Collection, Vec<Value>)> {
        let mut by_collection: Vec<(&Collection, Vec<Value>)> = Vec::new();
        for record in &self.doomed[some] {
            let Some(key) = record.key.single() else { continue };
            match by_collection
                .iter_mut()
                .find(|(collection, _)| collection.id == record.collection.id)
            {
                Some((_, keys)) => keys.push(key.clone()),
                None => by_collection.push((record.collection, vec![key.clone()])),
            }
        }
        by_collection
    }

    /// To-one fields that refer to `target` and behave so.
    fn references(&self, target: &Collection, behaviour: OnDelete) -> Vec<(&'a Collection, FieldId)> {
        let model = self.frame.model;
        let behaves = |collection: &Collection, field| matches!(collection.field(field).kind, FieldKind::Reference { on_delete, .. } if on_delete == behaviour);
        let referrers = model.referrers(target.id).iter();
        referrers
            .map(|referrer| (model.collection(referrer.collection), referrer.field))
            .filter(|(collection, field)| behaves(collection, *field))
            .collect()
    }

    fn spend(&mut self, found: usize) -> Result<(), StoreError> {
        let left = u32::try_from(found).ok().and_then(|found| self.left.checked_sub(found));
        self.left = left.ok_or(StoreError::TooMany { limit: self.limit })?;
        Ok(())
    }
}

fn link_fields(collection: &Collection) -> impl Iterator<Item = FieldId> {
    let links = |field: &&engine::model::Field| matches!(field.kind, FieldKind::Links { .. });
    collection.fields.iter().filter(links).map(|field| field.id)
}
