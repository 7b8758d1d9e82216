//! Structures that are made up, for tests of migrations from any to any.

use engine::model::migration::Target;
use engine::model::{StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType, Structure};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

const COLLECTIONS: [&str; 4] = ["A", "B", "C", "D"];
const FIELDS: [&str; 5] = ["f", "g", "h", "i", "j"];
const TYPES: [&str; 8] = [
    "Int",
    "String",
    "Long",
    "Float",
    "Boolean",
    "enum(X, Y)",
    "Bytes",
    "[Int]",
];

#[derive(Debug, Clone)]
struct Field {
    kind: Index,
    required: bool,
    refers: Option<Index>,
    links: bool,
    indexed: Option<bool>,
}

fn field() -> impl Strategy<Value = Field> {
    let refers = prop::option::weighted(0.3, any::<Index>());
    let indexed = prop::option::weighted(0.3, prop::bool::weighted(0.3));
    (
        any::<Index>(),
        prop::bool::weighted(0.3),
        refers,
        prop::bool::weighted(0.5),
        indexed,
    )
        .prop_map(|(kind, required, refers, links, indexed)| Field {
            kind,
            required,
            refers,
            links,
            indexed,
        })
}

/// Names of types, tables, fields and columns are drawn from the same few, so that they often meet, swap and clash.
pub(crate) fn structure() -> impl Strategy<Value = Structure> {
    let fields = subsequence(FIELDS.to_vec(), 0..=FIELDS.len());
    let columns = Just(FIELDS.to_vec()).prop_shuffle();
    let collection = (fields, columns, prop::collection::vec(field(), FIELDS.len()));
    let names = subsequence(COLLECTIONS.to_vec(), 1..=COLLECTIONS.len());
    let tables = Just(COLLECTIONS.to_vec()).prop_shuffle();
    (names, tables, prop::collection::vec(collection, COLLECTIONS.len())).prop_map(|(names, tables, collections)| {
        let parts = names.iter().zip(&tables).zip(&collections);
        let built = parts.map(|((name, table), (fields, columns, details))| {
            let mut built = StoredCollection {
                name: (*name).to_owned(),
                table: format!("t{table}"),
                key: vec!["id".to_owned()],
                fields: vec![stored("id", "id", "ID", true)],
                links: Vec::new(),
                indexes: Vec::new(),
            };
            for ((field, column), detail) in fields.iter().zip(columns).zip(details) {
                add(&mut built, field, column, detail, &names);
            }
            built
        });
        Structure {
            collections: built.collect(),
        }
    })
}

fn stored(name: &str, column: &str, kind: &str, required: bool) -> StoredField {
    StoredField {
        name: name.to_owned(),
        column: format!("c{column}"),
        kind: kind.parse().unwrap(),
        required,
        refers: None,
    }
}

fn add(collection: &mut StoredCollection, name: &str, column: &str, detail: &Field, names: &[&str]) {
    let target = detail.refers.as_ref().map(|index| (*index.get(names)).to_owned());
    if let (Some(target), true) = (&target, detail.links) {
        collection.links.push(StoredLinks {
            name: name.to_owned(),
            target: target.clone(),
            table: format!("{}_{column}", collection.table),
            source_column: "s".to_owned(),
            target_column: "t".to_owned(),
        });
        return;
    }
    let kind = if target.is_some() {
        "ID"
    } else {
        detail.kind.get(&TYPES)
    };
    let mut field = stored(name, column, kind, detail.required && target.is_none());
    field.refers = target;
    // A schema can't ask for an index of a list.
    if let Some(unique) = detail.indexed.filter(|_| kind != "[Int]") {
        // Three records don't get three values of a type that has two.
        let unique = unique && !["Boolean", "enum(X, Y)"].contains(&kind);
        collection.indexes.push(StoredIndex {
            name: format!("ix_{}_{column}", collection.table),
            fields: vec![name.to_owned()],
            unique,
            only: None,
        });
    }
    collection.fields.push(field);
}

/// Whether no field becomes of a type that its own has no way to.
pub(crate) fn is_possible(old: &Structure, new: &Structure) -> bool {
    let target = Target::from(new.clone());
    let mut current = old.clone();
    engine::model::migration::diff(old, &target).iter().all(|step| {
        let possible = step.impossible(&current).is_none();
        step.replay(&mut current).unwrap();
        possible
    })
}

#[test]
fn the_types_are_types() {
    assert!(TYPES.iter().all(|kind| kind.parse::<StoredType>().is_ok()));
}
