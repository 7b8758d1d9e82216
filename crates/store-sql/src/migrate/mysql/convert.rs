//! Values of one type as values of another: worked out by `engine`, so that they are the same on every database.
//!
//! They are put in a column beside the one that they come from, portion by portion in the order of the primary key.

use engine::model::Value;
use engine::model::migration::Conversion;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Params, Row};

use super::catalog::Table;
use super::ddl::{quoted, quoted_list};
use super::render::{CONVERTED, Convert};
use super::run::{Runner, Stop};
use crate::compile::Kind;
use crate::dialect::Dialect as _;
use crate::mysql::value::{bound, read};

/// Records that are converted at once.
const PORTION: usize = 1000;

pub(super) async fn convert(runner: &mut Runner<'_>, change: &Convert) -> Result<(), Stop> {
    let (table, converted) = (quoted(&change.table), quoted(CONVERTED));
    let drop = format!("ALTER TABLE {table} DROP COLUMN {converted}");
    let found = Table::read(&mut runner.connection.conn, &change.table).await?;
    if found.is_some_and(|found| found.column(CONVERTED).is_some()) {
        // An earlier attempt was interrupted.
        runner.patiently(&drop).await?;
    }
    let add = format!("ALTER TABLE {table} ADD COLUMN {}", change.definition);
    runner.patiently(&add).await?;
    let filled = match fill(runner, change).await {
        Ok(()) => runner.check(&change.check).await,
        Err(stop) => Err(stop),
    };
    if filled.is_err() {
        runner.patiently(&drop).await?;
    }
    filled
}

async fn fill(runner: &mut Runner<'_>, change: &Convert) -> Result<(), Stop> {
    let Some(conversion) = Conversion::between(&change.from, &change.to) else {
        return Ok(());
    };
    let dialect = runner.connection.dialect;
    let keys = quoted_list(change.key.iter().map(|(column, _)| column.as_str()));
    let kinds: Vec<Kind> = change.key.iter().map(|(_, kind)| Kind::of_stored(kind)).collect();
    let places: Vec<String> = kinds
        .iter()
        .map(|kind| {
            let mut place = String::new();
            dialect.placeholder(&mut place, 0, Some(*kind));
            place
        })
        .collect();
    let (table, column, places) = (quoted(&change.table), quoted(&change.column), places.join(", "));
    let select = |condition: &str| {
        format!(
            "SELECT {keys}, {column} FROM {table} WHERE {column} IS NOT NULL{condition} ORDER BY {keys} LIMIT {PORTION}"
        )
    };
    let update = format!(
        "UPDATE {table} SET {} = ? WHERE ({keys}) = ({places})",
        quoted(CONVERTED)
    );
    let mut text = select("");
    let mut last = Params::Empty;
    loop {
        let conn = &mut runner.connection.conn;
        let rows: Vec<Row> = conn.exec(text.as_str(), last).await?;
        let Some(end) = rows.last() else {
            return Ok(());
        };
        let key_of = |row: &Row| -> Vec<mysql_async::Value> {
            let value = |(place, kind): (usize, &Kind)| {
                let key = row.as_ref(place).and_then(|wire| read(wire, *kind));
                bound(&key.unwrap_or(Value::Null))
            };
            kinds.iter().enumerate().map(value).collect()
        };
        last = Params::Positional(key_of(end));
        text = select(&format!(" AND ({keys}) > ({places})"));
        conn.query_drop("START TRANSACTION").await?;
        for row in &rows {
            let held = row
                .as_ref(kinds.len())
                .and_then(|wire| read(wire, Kind::of_stored(&change.from)));
            if let Some(value) = held.and_then(|held| conversion.apply(&held)) {
                let mut values = vec![bound(&value)];
                values.extend(key_of(row));
                conn.exec_drop(update.as_str(), Params::Positional(values)).await?;
            }
        }
        conn.query_drop("COMMIT").await?;
    }
}
