//! Any structure to any other: the catalog is then what was wanted, and what stays keeps its data.

use engine::model::StoredField;
use proptest::prelude::*;

use super::*;
use crate::migrate::random::{is_possible, structure};

const RECORDS: usize = 3;

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
