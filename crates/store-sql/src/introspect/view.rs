//! A view has no key of its own: what could be one, by the data that there is.

use engine::introspect::{Column, Kind, Table};
use engine::model::Scalar;

use crate::dialect::Dialect;

/// Columns that may tell the rows apart, the likeliest first: one that looks like a key, or two of them; any other where
/// none does, for a name or an amount is a key only where nothing else could be.
pub(super) fn candidates(view: &Table) -> Vec<Vec<String>> {
    let can_be_key = |column: &&Column| {
        matches!(
            column.kind,
            Kind::Scalar(Scalar::Int | Scalar::Long | Scalar::String | Scalar::Id)
        )
    };
    let names: Vec<String> = view
        .columns
        .iter()
        .filter(can_be_key)
        .map(|column| column.name.clone())
        .collect();
    let (ids, others): (Vec<String>, Vec<String>) = names
        .into_iter()
        .partition(|name| name.to_ascii_lowercase().ends_with("id"));
    if ids.is_empty() {
        return others.into_iter().map(|name| vec![name]).collect();
    }
    let mut candidates: Vec<Vec<String>> = ids.iter().map(|name| vec![name.clone()]).collect();
    for (place, first) in ids.iter().enumerate() {
        candidates.extend(
            ids[place + 1..]
                .iter()
                .map(|second| vec![first.clone(), second.clone()]),
        );
    }
    candidates
}

/// A question: whether there are rows, and none of them has a null there or the same values as another.
pub(super) fn is_unique(dialect: &dyn Dialect, view: &str, columns: &[String], rows_max: u32) -> String {
    let quoted = |name: &str| {
        let mut sql = String::new();
        dialect.identifier(&mut sql, name);
        sql
    };
    let columns: Vec<String> = columns.iter().map(|column| quoted(column)).collect();
    let (list, any_null) = (columns.join(", "), columns.join(" IS NULL OR "));
    let rows = format!("(SELECT {list} FROM {} LIMIT {rows_max}) AS seen", quoted(view));
    format!(
        "SELECT EXISTS (SELECT 1 FROM {rows}) AND NOT EXISTS (SELECT 1 FROM {rows} WHERE {any_null} IS NULL)
         AND NOT EXISTS (SELECT 1 FROM {rows} GROUP BY {list} HAVING count(*) > 1)"
    )
}
