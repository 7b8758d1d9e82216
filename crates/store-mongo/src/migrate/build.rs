//! Collections, their validators and their indexes.

use engine::model::{Scalar, StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure};
use mongodb::bson::{Bson, Document, doc};
use mongodb::options::IndexOptions;
use mongodb::{Database, IndexModel};

use super::condition;
use crate::compile::path;

type Built<T = ()> = mongodb::error::Result<T>;

/// The `$jsonSchema` of a collection's documents: each field there and of its type.
pub(super) fn validator(collection: &StoredCollection) -> Document {
    let mut properties = Document::new();
    let mut required = vec![Bson::from(path::ID)];
    for field in &collection.fields {
        if collection.key.contains(&field.name) {
            continue;
        }
        required.push(Bson::from(field.column.as_str()));
        properties.insert(field.column.as_str(), property(field));
    }
    doc! { "$jsonSchema": { "bsonType": "object", "required": required, "properties": properties } }
}

fn property(field: &StoredField) -> Document {
    let mut kinds = match &field.kind {
        StoredType::Scalar(scalar) => of_scalar(*scalar),
        StoredType::Enum(_) => vec!["string"],
        StoredType::Document => vec!["object"],
        StoredType::List(_) => vec!["array"],
    };
    let mut property = Document::new();
    if let StoredType::Enum(values) = &field.kind {
        let mut values: Vec<Bson> = values.iter().map(Bson::from).collect();
        if !field.required {
            values.push(Bson::Null);
        }
        property.insert("enum", values);
    }
    if !field.required && !kinds.is_empty() {
        kinds.push("null");
    }
    if !kinds.is_empty() {
        property.insert("bsonType", kinds);
    }
    property
}

/// None: any.
fn of_scalar(scalar: Scalar) -> Vec<&'static str> {
    match scalar {
        Scalar::Id | Scalar::String | Scalar::Email | Scalar::Url | Scalar::File | Scalar::Bytes => vec!["string"],
        Scalar::Int | Scalar::Long => vec!["long", "int"],
        Scalar::Float => vec!["double"],
        Scalar::Decimal => vec!["decimal"],
        Scalar::Boolean => vec!["bool"],
        Scalar::DateTime | Scalar::Date => vec!["date"],
        Scalar::Json => Vec::new(),
    }
}

/// Replaces a validator; an empty one takes it away.
pub(super) async fn validate(database: &Database, table: &str, validator: Document) -> Built {
    let command = doc! { "collMod": table, "validator": validator, "validationLevel": "strict" };
    database.run_command(command).await.map(|_| ())
}

pub(super) async fn links(database: &Database, links: &StoredLinks) -> Built {
    crate::system::create(database, &links.table).await?;
    let (source, target) = (links.source_column.as_str(), links.target_column.as_str());
    let forth = IndexOptions::builder().name(LINKS.to_owned()).unique(true).build();
    let forth = IndexModel::builder()
        .keys(doc! { source: 1, target: 1 })
        .options(forth)
        .build();
    let back = IndexOptions::builder().name(BACK.to_owned()).build();
    let back = IndexModel::builder()
        .keys(doc! { target: 1, source: 1 })
        .options(back)
        .build();
    let collection = database.collection::<Document>(&links.table);
    collection.create_index(forth).await?;
    collection.create_index(back).await.map(|_| ())
}

/// The indexes of a collection of links.
pub(super) const LINKS: &str = "links";
pub(super) const BACK: &str = "back";

/// # Errors
/// In words, when MongoDB has no such index.
pub(crate) fn index(
    structure: &Structure,
    collection: &StoredCollection,
    index: &StoredIndex,
) -> Result<IndexModel, String> {
    let keys = collection.columns(&index.fields);
    let mut keys: Document = keys
        .map(|column| (path::of_column(collection, column), Bson::Int32(1)))
        .collect();
    if !index.unique {
        // Every sort ends with the key: so the index has its whole order.
        keys.entry(path::ID.to_owned()).or_insert(Bson::Int32(1));
    }
    let options = IndexOptions::builder()
        .name(index.name.clone())
        .unique(index.unique)
        .partial_filter_expression(condition::filter(structure, collection, index)?)
        .build();
    Ok(IndexModel::builder().keys(keys).options(options).build())
}
