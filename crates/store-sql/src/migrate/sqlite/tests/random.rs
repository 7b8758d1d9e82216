//! Any structure to any other: the catalog is then what was wanted, and what stays keeps its data.

use engine::model::{StoredCollection, StoredField, StoredIndex, StoredLinks, StoredType};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use super::*;

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
const RECORDS: usize = 3;

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
fn structure() -> impl Strategy<Value = Structure> {
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
    if let Some(unique) = detail.indexed {
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

fn fill(connection: &Connection, structure: &Structure) {
    connection
        .execute_batch("BEGIN; PRAGMA defer_foreign_keys = ON")
        .unwrap();
    for collection in &structure.collections {
        for record in 0..RECORDS {
            let columns: Vec<String> = collection
                .fields
                .iter()
                .map(|field| ddl::quoted(&field.column))
                .collect();
            let values: Vec<String> = collection.fields.iter().map(|field| value(field, record)).collect();
            let table = &collection.table;
            let sql = format!(
                "INSERT INTO {table} ({}) VALUES ({})",
                columns.join(", "),
                values.join(", ")
            );
            connection.execute_batch(&sql).unwrap();
        }
        for links in &collection.links {
            let sql = format!("INSERT INTO {} VALUES ({}, {})", links.table, id(0), id(1));
            connection.execute_batch(&sql).unwrap();
        }
    }
    connection.execute_batch("COMMIT").unwrap();
}

fn id(record: usize) -> String {
    format!("x'{record:032x}'")
}

fn value(field: &StoredField, record: usize) -> String {
    if field.name != "id" && !field.required && record == 0 {
        return "NULL".to_owned();
    }
    match field.kind.to_string().as_str() {
        "ID" => id(record),
        "String" => format!("'{record}'"),
        "Float" => format!("{record}.0"),
        "Boolean" => (record % 2).to_string(),
        "Bytes" => format!("x'{record:02x}'"),
        "[Int]" => format!("'[{record}]'"),
        "enum(X, Y)" => "'X'".to_owned(),
        _ => record.to_string(),
    }
}

/// By collection and field, where both structures have them under the same names and with the same type: the values.
fn kept(connection: &Connection, here: &Structure, there: &Structure) -> Vec<String> {
    let mut lines = Vec::new();
    for collection in &here.collections {
        let Some(other) = there.collection(&collection.name) else {
            continue;
        };
        for field in &collection.fields {
            let same = other.field(&field.name).is_some_and(|other| other.kind == field.kind);
            if same {
                let (column, table) = (&field.column, &collection.table);
                let values = rows(connection, &format!("SELECT {column} FROM {table} ORDER BY cid"));
                lines.push(format!("{}.{}: {values:?}", collection.name, field.name));
            }
        }
        for links in &collection.links {
            let same = other
                .links_named(&links.name)
                .is_some_and(|other| other.target == links.target);
            if same {
                let pairs = rows(connection, &format!("SELECT s, t FROM {}", links.table));
                lines.push(format!("{}.{}: {pairs:?}", collection.name, links.name));
            }
        }
    }
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_structure_leads_to_any_other(old in structure(), new in structure(), has_data in any::<bool>()) {
        let connection = empty();
        let files = Folder::default();
        apply(&connection, &Target::from(old.clone()), &files, DEV).unwrap();
        is_sound(&connection, &old);
        if has_data {
            fill(&connection, &old);
        }
        let (before, values) = (dump(&connection), kept(&connection, &old, &new));
        match apply(&connection, &Target::from(new.clone()), &files, DESTRUCTIVE) {
            Ok(_) => {
                is_sound(&connection, &new);
                prop_assert_eq!(kept(&connection, &new, &old), values);
            }
            Err(MigrateError::Refused(_)) if has_data || !is_possible(&old, &new) => {
                prop_assert_eq!(dump(&connection), before);
                is_sound(&connection, &old);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

/// Whether no field becomes of a type that its own has no way to.
fn is_possible(old: &Structure, new: &Structure) -> bool {
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
