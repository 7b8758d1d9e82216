//! What is asked of the data before a leg begins: nothing has happened yet when it is refused.

use std::collections::HashMap;

use engine::model::kind::Kind;
use engine::model::migration::{Conversion, Fill, Step};
use engine::model::{StoredCollection, StoredField, StoredIndex, Structure, Value};
use engine::ports::migrator::Refusal;
use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};

use super::known::UnderWay;
use super::{Failed, condition};
use crate::compile::path;
use crate::value::decode;

/// Offenders that a refusal names.
const EXAMPLES: usize = 3;

/// Where a field of the structure at hand is in the database, whatever the steps before it are to rename.
struct Origins {
    /// By collection; none of one that is yet to come.
    collections: HashMap<String, Option<StoredCollection>>,
    /// By collection and field: the field as it is, if it is there.
    fields: HashMap<(String, String), Option<StoredField>>,
}

pub(super) async fn check(database: &Database, leg: &UnderWay, allow_destructive: bool) -> Result<(), Failed> {
    let mut origins = Origins::of(&leg.before);
    let mut structure = leg.before.clone();
    for step in &leg.steps {
        let refused = |reason: String| {
            Failed::Refused(Refusal {
                step: step.to_string(),
                reason,
            })
        };
        if let Some(reason) = step.impossible(&structure) {
            return Err(refused(reason));
        }
        let mut after = structure.clone();
        step.replay(&mut after).map_err(|misfit| refused(misfit.0))?;
        let checker = Checker {
            database,
            origins: &origins,
            structure: &structure,
            after: &after,
            now: leg.now(),
            allow_destructive,
        };
        if let Some(reason) = checker.objection(step).await? {
            return Err(refused(reason));
        }
        origins.follow(step);
        structure = after;
    }
    Ok(())
}

impl Origins {
    fn of(structure: &Structure) -> Self {
        let mut origins = Self {
            collections: HashMap::new(),
            fields: HashMap::new(),
        };
        for collection in &structure.collections {
            origins
                .collections
                .insert(collection.name.clone(), Some(collection.clone()));
            for field in &collection.fields {
                let place = (collection.name.clone(), field.name.clone());
                origins.fields.insert(place, Some(field.clone()));
            }
        }
        origins
    }

    fn follow(&mut self, step: &Step) {
        match step {
            Step::RenameCollection { from, to, .. } if from != to => {
                if let Some(origin) = self.collections.remove(from) {
                    self.collections.insert(to.clone(), origin);
                }
                let moved: Vec<_> = self.fields.keys().filter(|(name, _)| name == from).cloned().collect();
                for place in moved {
                    if let Some(origin) = self.fields.remove(&place) {
                        self.fields.insert((to.clone(), place.1), origin);
                    }
                }
            }
            Step::RenameField {
                collection, from, to, ..
            } if from != to => {
                if let Some(origin) = self.fields.remove(&(collection.clone(), from.clone())) {
                    self.fields.insert((collection.clone(), to.clone()), origin);
                }
            }
            _ => {}
        }
    }

    fn collection(&self, name: &str) -> Option<&StoredCollection> {
        self.collections.get(name)?.as_ref()
    }

    /// The table, and where in its documents the field is.
    fn field(&self, collection: &str, field: &str) -> Option<(&StoredCollection, String, &StoredField)> {
        let origin = self.collection(collection)?;
        let field = self.fields.get(&(collection.to_owned(), field.to_owned()))?.as_ref()?;
        Some((origin, path::of_column(origin, &field.column), field))
    }
}

struct Checker<'a> {
    database: &'a Database,
    origins: &'a Origins,
    /// Before the step, and after it.
    structure: &'a Structure,
    after: &'a Structure,
    now: engine::model::Timestamp,
    allow_destructive: bool,
}

impl Checker<'_> {
    /// Why the data doesn't allow the step, and what to do.
    async fn objection(&self, step: &Step) -> Result<Option<String>, Failed> {
        match step {
            Step::RemoveCollection { collection } => match self.origins.collection(collection) {
                Some(origin) => {
                    self.destroys(&format!("the records of {collection}"), &origin.table, doc! {})
                        .await
                }
                None => Ok(None),
            },
            Step::RemoveField { collection, field } => match self.origins.field(collection, field) {
                Some((origin, path, _)) => {
                    let what = format!("the values of {collection}.{field}");
                    self.destroys(&what, &origin.table, doc! { path: { "$ne": Bson::Null } })
                        .await
                }
                None => Ok(None),
            },
            Step::RemoveLinks { collection, field } => {
                let links = self
                    .origins
                    .collection(collection)
                    .and_then(|origin| origin.links_named(field));
                match links {
                    Some(links) => {
                        self.destroys(&format!("the relations of {collection}.{field}"), &links.table, doc! {})
                            .await
                    }
                    None => Ok(None),
                }
            }
            Step::AddField {
                collection,
                field,
                fill: None,
            } if field.required => self.needs_value(collection, field).await,
            Step::AddField {
                field,
                fill: Some(fill),
                ..
            } => Ok(fill.value(&field.kind, self.now).err()),
            Step::ChangeField {
                collection,
                field,
                fill,
            } => self.change(collection, field, fill.as_ref()).await,
            Step::ChangeKey { .. } => Ok(Some(
                "MongoDB can't change what identifies a record: make a new collection, and move the records there"
                    .to_owned(),
            )),
            Step::AddIndex { collection, index } => self.index(collection, index).await,
            Step::AddCollection(collection) => {
                let conditions = collection.indexes.iter();
                let wrong = conditions.filter_map(|index| condition::filter(self.after, collection, index).err());
                Ok(wrong.into_iter().next())
            }
            Step::Run(engines) => Ok(match engines.get("mongodb") {
                Some(block) => super::run::commands(block).err(),
                None => Some("the step has no statements for `mongodb`".to_owned()),
            }),
            Step::AddField { .. }
            | Step::RenameCollection { .. }
            | Step::RenameField { .. }
            | Step::AddLinks { .. }
            | Step::RenameLinks { .. }
            | Step::RemoveIndex { .. } => Ok(None),
        }
    }

    async fn destroys(&self, what: &str, table: &str, filter: Document) -> Result<Option<String>, Failed> {
        let count = self.count(table, filter).await?;
        Ok((count > 0 && !self.allow_destructive).then(|| {
            format!(
                "it would destroy {what} ({count}): if that is meant, `ninefold migrate apply --allow-destructive` does \
                 it; if something only has another name now, say so there with `@renamed(from: …)`"
            )
        }))
    }

    async fn needs_value(&self, collection: &str, field: &StoredField) -> Result<Option<String>, Failed> {
        let Some(origin) = self.origins.collection(collection) else {
            return Ok(None);
        };
        let count = self.count(&origin.table, doc! {}).await?;
        let name = &field.name;
        Ok((count > 0).then(|| {
            format!(
                "{collection} has {count} records without a value for it: give {name} a constant `@default`, make it \
                 optional, or write a migration file whose step has a `fill`"
            )
        }))
    }

    async fn change(&self, collection: &str, to: &StoredField, fill: Option<&Fill>) -> Result<Option<String>, Failed> {
        if let Some(Err(reason)) = fill.map(|fill| fill.value(&to.kind, self.now)) {
            return Ok(Some(reason));
        }
        let Some((origin, path, from)) = self.origins.field(collection, &to.name) else {
            return Ok(None);
        };
        let place = format!("{collection}.{}", to.name);
        if to.required && fill.is_none() {
            let nulls = self.count(&origin.table, doc! { &path: Bson::Null }).await?;
            if nulls > 0 {
                return Ok(Some(format!(
                    "{place} is null in {nulls} records: set it there first, or give it a constant `@default`"
                )));
            }
        }
        if origin.key.contains(&from.name) && from.kind != to.kind {
            return Ok(Some(
                "MongoDB can't change the type of what identifies a record".to_owned(),
            ));
        }
        if let Some(conversion) = Conversion::between(&from.kind, &to.kind).filter(|conversion| !conversion.is_free()) {
            let (count, examples) = self.unfit(&origin.table, &path, from, &conversion).await?;
            if count > 0 {
                return Ok(Some(format!(
                    "{place} has {count} values that can't become a {}, such as {}: change the records first",
                    to.kind,
                    examples.join(", ")
                )));
            }
        }
        match &to.refers {
            Some(target) if to.refers != from.refers => self.dangling(&place, &origin.table, &path, target).await,
            _ => Ok(None),
        }
    }

    async fn unfit(
        &self,
        table: &str,
        path: &str,
        from: &StoredField,
        conversion: &Conversion,
    ) -> Result<(u64, Vec<String>), Failed> {
        let values = vec![
            doc! { "$match": { path: { "$ne": Bson::Null } } },
            doc! { "$group": { "_id": format!("${path}"), "n": { "$sum": 1_i64 } } },
        ];
        let mut found = self.database.collection::<Document>(table).aggregate(values).await?;
        let (mut count, mut examples) = (0, Vec::new());
        while let Some(group) = found.try_next().await? {
            let value = decode(group.get("_id"), Kind::of_stored(&from.kind));
            let value = value.map_err(|error| Failed::Other(error.to_string()))?;
            if conversion.apply(&value).is_none() {
                count += group.get_i64("n").unwrap_or(1).unsigned_abs();
                if examples.len() < EXAMPLES {
                    examples.push(shown(&value));
                }
            }
        }
        Ok((count, examples))
    }

    async fn dangling(&self, place: &str, table: &str, path: &str, target: &str) -> Result<Option<String>, Failed> {
        let Some(origin) = self.origins.collection(target) else {
            return Ok(None);
        };
        let found = vec![
            doc! { "$match": { path: { "$ne": Bson::Null } } },
            doc! { "$lookup": { "from": &origin.table, "localField": path, "foreignField": path::ID, "as": "_t" } },
            doc! { "$match": { "_t": { "$size": 0 } } },
            doc! { "$group": { "_id": Bson::Null, "n": { "$sum": 1_i64 } } },
        ];
        let found: Vec<Document> = self
            .database
            .collection::<Document>(table)
            .aggregate(found)
            .await?
            .try_collect()
            .await?;
        let count = found.first().and_then(|group| group.get_i64("n").ok()).unwrap_or(0);
        Ok((count > 0)
            .then(|| format!("{place} has {count} values that no {target} has for a key: change the records first")))
    }

    async fn index(&self, collection: &str, index: &StoredIndex) -> Result<Option<String>, Failed> {
        let Some(now) = self.after.collection(collection) else {
            return Ok(None);
        };
        let filter = match condition::filter(self.after, now, index) {
            Ok(filter) => filter.unwrap_or_default(),
            Err(reason) => return Ok(Some(reason)),
        };
        let there: Option<Vec<_>> = index
            .fields
            .iter()
            .map(|field| self.origins.field(collection, field))
            .collect();
        // Values that are yet to come are met when the index is made.
        let (true, Some(there)) = (index.unique, there) else {
            return Ok(None);
        };
        let Some((origin, ..)) = there.first() else {
            return Ok(None);
        };
        let renamed = self.structure.collection(collection).is_none_or(|before| {
            let columns = |of: &StoredCollection| of.columns(&index.fields).map(str::to_owned).collect::<Vec<_>>();
            before.table != origin.table || columns(before) != columns(origin)
        });
        if renamed {
            return Ok(None);
        }
        let parts = there.iter().enumerate();
        let id: Document = parts
            .map(|(at, (_, path, _))| (format!("p{at}"), Bson::from(format!("${path}"))))
            .collect();
        let groups = vec![
            doc! { "$match": filter },
            doc! { "$group": { "_id": id, "n": { "$sum": 1_i64 } } },
            doc! { "$match": { "n": { "$gt": 1_i64 } } },
            doc! { "$limit": 100 },
        ];
        let found = self
            .database
            .collection::<Document>(&origin.table)
            .aggregate(groups)
            .await?;
        let found: Vec<Document> = found.try_collect().await?;
        if found.is_empty() {
            return Ok(None);
        }
        let mut examples = Vec::new();
        for group in found.iter().take(EXAMPLES) {
            let values = there.iter().enumerate().map(|(at, (_, _, field))| {
                let part = group.get_document("_id").ok().and_then(|id| id.get(format!("p{at}")));
                decode(part, Kind::of_stored(&field.kind)).map_or_else(|_| String::new(), |value| shown(&value))
            });
            examples.push(values.collect::<Vec<_>>().join(","));
        }
        let place = format!("{collection}.{}", index.fields.join(" + "));
        Ok(Some(format!(
            "{place} has {} values more than once, such as {}: change or remove the records first",
            found.len(),
            examples.join(", ")
        )))
    }

    async fn count(&self, table: &str, filter: Document) -> Result<u64, Failed> {
        Ok(self
            .database
            .collection::<Document>(table)
            .count_documents(filter)
            .await?)
    }
}

fn shown(value: &Value) -> String {
    engine::model::Key(vec![value.clone()]).to_string()
}
