//! Carrying out a leg's steps. Each may run again after an interruption, and then does what is left of it.

use engine::model::kind::Kind;
use engine::model::migration::{Conversion, Fill, Step};
use engine::model::{StoredCollection, StoredField, StoredLinks, Structure, Timestamp, Value};
use futures::TryStreamExt;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};

use super::known::{self, UnderWay};
use super::{Failed, build};
use crate::compile::path;
use crate::error::told;
use crate::value::{decode, encode};

/// From where the leg was left to its end.
pub(super) async fn run(database: &Database, leg: &mut UnderWay) -> Result<(), Failed> {
    let mut structure = leg.before.clone();
    for (place, step) in leg.steps.clone().iter().enumerate() {
        let mut after = structure.clone();
        step.replay(&mut after).map_err(|misfit| Failed::Other(misfit.0))?;
        if place >= leg.next {
            let runner = Runner {
                database,
                before: &structure,
                after: &after,
                now: leg.now(),
            };
            runner.step(step).await?;
            leg.next = place + 1;
            known::keep(database, leg).await?;
        }
        structure = after;
    }
    for collection in &leg.after.collections {
        build::validate(database, &collection.table, build::validator(collection)).await?;
        indexes(database, &leg.before, &leg.after, collection).await?;
    }
    Ok(())
}

/// Makes the indexes that the structure asks for, and takes away those of ours that it doesn't.
async fn indexes(
    database: &Database,
    before: &Structure,
    after: &Structure,
    collection: &StoredCollection,
) -> Result<(), Failed> {
    let table = database.collection::<Document>(&collection.table);
    let there: Vec<_> = table.list_indexes().await?.try_collect().await?;
    let name = |index: &mongodb::IndexModel| index.options.as_ref().and_then(|options| options.name.clone());
    let mut kept = Vec::new();
    for found in &there {
        let Some(name) = name(found) else { continue };
        let wanted = collection.index(&name);
        let ours = wanted.is_some() || before.collections.iter().any(|known| known.index(&name).is_some());
        let is_same = match wanted {
            Some(wanted) => is_same(found, &build::index(after, collection, wanted).map_err(Failed::Other)?),
            None => false,
        };
        if is_same {
            kept.push(name);
        } else if ours {
            table.drop_index(name).await?;
        }
    }
    for wanted in collection.indexes.iter().filter(|index| !kept.contains(&index.name)) {
        table
            .create_index(build::index(after, collection, wanted).map_err(Failed::Other)?)
            .await?;
    }
    Ok(())
}

pub(super) fn is_same(found: &mongodb::IndexModel, wanted: &mongodb::IndexModel) -> bool {
    let traits = |index: &mongodb::IndexModel| {
        let options = index.options.clone().unwrap_or_default();
        (options.unique.unwrap_or(false), options.partial_filter_expression)
    };
    let columns = |index: &mongodb::IndexModel| index.keys.keys().cloned().collect::<Vec<_>>();
    columns(found) == columns(wanted) && traits(found) == traits(wanted)
}

/// The commands of a file's own block: JSON documents, one after the other.
pub(super) fn commands(block: &str) -> Result<Vec<Document>, String> {
    let documents = serde_json::Deserializer::from_str(block).into_iter::<serde_json::Value>();
    let mut commands = Vec::new();
    for document in documents {
        let document = document.map_err(|error| format!("the statements are no JSON documents: {error}"))?;
        match encode(&Value::Json(document.to_string().into())) {
            Bson::Document(command) => commands.push(command),
            _ => return Err("each statement is a command of MongoDB's: a JSON document".to_owned()),
        }
    }
    Ok(commands)
}

struct Runner<'a> {
    database: &'a Database,
    before: &'a Structure,
    after: &'a Structure,
    now: Timestamp,
}

impl Runner<'_> {
    async fn step(&self, step: &Step) -> Result<(), Failed> {
        match step {
            Step::AddCollection(collection) => {
                crate::system::create(self.database, &collection.table).await?;
                for links in &collection.links {
                    build::links(self.database, links).await?;
                }
                Ok(())
            }
            Step::RemoveCollection { collection } => {
                let collection = self.known(collection)?;
                for links in &collection.links {
                    self.drop_table(&links.table).await?;
                }
                self.drop_table(&collection.table).await
            }
            Step::RenameCollection { from, table, .. } => self.rename_table(&self.known(from)?.table, table).await,
            Step::ChangeKey { .. } => Err(Failed::Other("a key is never changed".to_owned())),
            Step::AddField {
                collection,
                field,
                fill,
            } => self.add_field(self.known(collection)?, field, fill.as_ref()).await,
            Step::RemoveField { collection, field } => {
                let collection = self.known(collection)?;
                let Some(field) = collection.field(field) else {
                    return Ok(());
                };
                let path = path::of_column(collection, &field.column);
                self.update(collection, doc! {}, doc! { "$unset": { path: "" } }).await
            }
            Step::RenameField {
                collection,
                from,
                column,
                ..
            } => {
                let collection = self.known(collection)?;
                let Some(field) = collection.field(from) else {
                    return Ok(());
                };
                self.rename_field(collection, &field.column, column).await
            }
            Step::ChangeField {
                collection,
                field,
                fill,
            } => self.change_field(self.known(collection)?, field, fill.as_ref()).await,
            Step::AddLinks { links, .. } => Ok(build::links(self.database, links).await?),
            Step::RemoveLinks { collection, field } => match self.known(collection)?.links_named(field) {
                Some(links) => self.drop_table(&links.table).await,
                None => Ok(()),
            },
            Step::RenameLinks {
                collection,
                from,
                links,
            } => match self.known(collection)?.links_named(from) {
                Some(before) => self.rename_links(before, links).await,
                None => Ok(()),
            },
            // Indexes are brought in line at the end of the leg.
            Step::AddIndex { .. } | Step::RemoveIndex { .. } => Ok(()),
            Step::Run(engines) => {
                let block = engines.get("mongodb").map(String::as_str).unwrap_or_default();
                for command in commands(block).map_err(Failed::Other)? {
                    self.database.run_command(command).await?;
                }
                Ok(())
            }
        }
    }

    fn known(&self, name: &str) -> Result<&StoredCollection, Failed> {
        let known = self.before.collection(name).or_else(|| self.after.collection(name));
        known.ok_or_else(|| Failed::Other(format!("there is no collection {name}")))
    }

    async fn drop_table(&self, table: &str) -> Result<(), Failed> {
        Ok(self.database.collection::<Document>(table).drop().await?)
    }

    async fn rename_table(&self, from: &str, to: &str) -> Result<(), Failed> {
        const NAMESPACE_NOT_FOUND: i32 = 26;
        if from == to {
            return Ok(());
        }
        let name = |table: &str| format!("{}.{table}", self.database.name());
        let rename = doc! { "renameCollection": name(from), "to": name(to) };
        match self.database.client().database("admin").run_command(rename).await {
            // Renamed before the interruption.
            Err(error) if told(&error).is_some_and(|(code, _)| code == NAMESPACE_NOT_FOUND) => Ok(()),
            other => Ok(other.map(|_| ())?),
        }
    }

    /// Changes many documents. The old validator would be in the way, the new one comes at the end of the leg.
    async fn update(&self, collection: &StoredCollection, filter: Document, update: Document) -> Result<(), Failed> {
        build::validate(self.database, &collection.table, doc! {}).await?;
        let table = self.database.collection::<Document>(&collection.table);
        table.update_many(filter, update).await?;
        Ok(())
    }

    async fn add_field(
        &self,
        collection: &StoredCollection,
        field: &StoredField,
        fill: Option<&Fill>,
    ) -> Result<(), Failed> {
        let path = path::of_column(collection, &field.column);
        let value = self.filled(field, fill)?.map_or(Bson::Null, |value| encode(&value));
        let missing = doc! { &path: { "$exists": false } };
        self.update(collection, missing, doc! { "$set": { path: value } }).await
    }

    fn filled(&self, field: &StoredField, fill: Option<&Fill>) -> Result<Option<Value>, Failed> {
        let value = fill.map(|fill| fill.value(&field.kind, self.now));
        value.transpose().map_err(Failed::Other)
    }

    async fn rename_field(&self, collection: &StoredCollection, from: &str, to: &str) -> Result<(), Failed> {
        let (old, new) = (
            path::of_column(collection, from),
            path::of_column(collection, from).replacen(from, to, 1),
        );
        if from == to || old == path::ID {
            return Ok(());
        }
        let table = self.database.collection::<Document>(&collection.table);
        // The indexes of the old name would hold up the new values; they are made again at the end.
        let there: Vec<_> = table.list_indexes().await?.try_collect().await?;
        for index in there.iter().filter(|index| index.keys.contains_key(&old)) {
            if let Some(name) = index.options.as_ref().and_then(|options| options.name.clone()) {
                table.drop_index(name).await?;
            }
        }
        let unnamed = doc! { &old: { "$exists": true } };
        self.update(collection, unnamed, doc! { "$rename": { old: new } }).await
    }

    async fn change_field(
        &self,
        collection: &StoredCollection,
        to: &StoredField,
        fill: Option<&Fill>,
    ) -> Result<(), Failed> {
        let Some(from) = collection.field(&to.name) else {
            return Ok(());
        };
        let path = path::of_column(collection, &from.column);
        build::validate(self.database, &collection.table, doc! {}).await?;
        if let Some(conversion) = Conversion::between(&from.kind, &to.kind).filter(|way| !way.keeps_values()) {
            self.convert(collection, &path, (from, to), &conversion).await?;
        }
        match self.filled(to, fill)? {
            Some(value) if to.required => {
                self.update(
                    collection,
                    doc! { &path: Bson::Null },
                    doc! { "$set": { path: encode(&value) } },
                )
                .await
            }
            _ => Ok(()),
        }
    }

    /// Value by value, however many records have one.
    async fn convert(
        &self,
        collection: &StoredCollection,
        path: &str,
        (from, to): (&StoredField, &StoredField),
        conversion: &Conversion,
    ) -> Result<(), Failed> {
        let table = self.database.collection::<Document>(&collection.table);
        let values = vec![
            doc! { "$match": { path: { "$ne": Bson::Null } } },
            doc! { "$group": { "_id": format!("${path}") } },
        ];
        let values: Vec<Document> = table
            .aggregate(values)
            .allow_disk_use(true)
            .await?
            .try_collect()
            .await?;
        for value in values {
            let Some(stored) = value.get("_id") else { continue };
            // What can't be read has been converted before the interruption.
            let Ok(old) = decode(Some(stored), Kind::of_stored(&from.kind)) else {
                continue;
            };
            let new = conversion.apply(&old).map(|new| encode(&new));
            match new {
                Some(new) if new != *stored => {
                    table
                        .update_many(doc! { path: { "$eq": stored } }, doc! { "$set": { path: new } })
                        .await?;
                }
                Some(_) => {}
                None => {
                    return Err(Failed::Other(format!(
                        "{stored} became no {} while it was migrated",
                        to.kind
                    )));
                }
            }
        }
        Ok(())
    }

    async fn rename_links(&self, from: &StoredLinks, to: &StoredLinks) -> Result<(), Failed> {
        self.rename_table(&from.table, &to.table).await?;
        let table = self.database.collection::<Document>(&to.table);
        let renames = [
            (&from.source_column, &to.source_column),
            (&from.target_column, &to.target_column),
        ];
        let renames: Document = renames
            .into_iter()
            .filter(|(old, new)| old != new)
            .map(|(old, new)| (old.clone(), Bson::from(new.as_str())))
            .collect();
        if !renames.is_empty() {
            let there: Vec<_> = table.list_index_names().await?;
            for name in [build::LINKS, build::BACK]
                .into_iter()
                .filter(|name| there.iter().any(|there| there == name))
            {
                table.drop_index(name).await?;
            }
            table.update_many(doc! {}, doc! { "$rename": renames }).await?;
        }
        Ok(build::links(self.database, to).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_json_documents_one_after_the_other() {
        let block = r#"{"update": "note", "updates": [{"q": {}, "u": {"$set": {"state": "new"}}, "multi": true}]}
            {"drop": "old"}"#;
        let commands = commands(block).expect("two commands");
        assert_eq!(commands[0].keys().next().map(String::as_str), Some("update"));
        assert_eq!(commands[1], doc! { "drop": "old" });
        assert!(super::commands("db.note.drop()").is_err());
        assert!(super::commands("[1]").is_err());
    }
}
