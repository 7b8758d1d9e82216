//! Values of one type as values of another: worked out by `engine`, so that they are the same on every database.
//!
//! Each different value is converted once and kept beside what it came from; the column takes its values from there
//! while it changes its type. So indexes and whatever else hangs on the column stay.

use engine::model::Value;
use engine::model::migration::Conversion;
use tokio_postgres::types::ToSql;

use super::ddl::{column_type, full_type, quoted};
use super::render::Convert;
use super::run::{Runner, Stop};
use crate::compile::Kind;
use crate::migrate::check::Check;
use crate::postgres::value::{Bound, value};

const TABLE: &str = "pg_temp._ninefold_converted";
/// Values fetched at once.
const PORTION: usize = 1000;

pub(super) async fn convert(runner: &Runner<'_>, change: &Convert) -> Result<(), Stop> {
    let client = runner.client;
    let (table, column) = (quoted(&change.table), quoted(&change.column));
    let (from, to) = (column_type(&change.from), full_type(&change.to));
    client
        .batch_execute(&format!(
            "CREATE TEMP TABLE _ninefold_converted (source text COLLATE \"C\", value {to});
             DECLARE _ninefold_values NO SCROLL CURSOR FOR
             SELECT DISTINCT ON ({column}::text COLLATE \"C\") {column}::{from}, {column}::text FROM {table}
             WHERE {column} IS NOT NULL"
        ))
        .await?;
    fill(runner, change).await?;
    let known = format!("SELECT FROM {TABLE} WHERE source = {column}::text");
    client
        .batch_execute(&format!(
            "CLOSE _ninefold_values; CREATE INDEX ON {TABLE} USING hash (source); ANALYZE {TABLE}"
        ))
        .await?;
    runner
        .check(&standing(
            &change.check,
            &format!("{column} IS NOT NULL AND NOT EXISTS ({known})"),
        ))
        .await?;
    client
        .batch_execute(&format!(
            "CREATE FUNCTION pg_temp._ninefold_convert(held {from}) RETURNS {to_type} LANGUAGE sql STABLE
             AS 'SELECT value FROM {TABLE} WHERE source = held::text';
             ALTER TABLE {table} ALTER COLUMN {column} TYPE {to} USING pg_temp._ninefold_convert({column}::{from});
             DROP FUNCTION pg_temp._ninefold_convert;
             DROP TABLE {TABLE}",
            to_type = column_type(&change.to),
        ))
        .await?;
    Ok(())
}

async fn fill(runner: &Runner<'_>, change: &Convert) -> Result<(), Stop> {
    let conversion = Conversion::between(&change.from, &change.to);
    let insert = runner
        .client
        .prepare(&format!("INSERT INTO {TABLE} (source, value) VALUES ($1, $2)"))
        .await?;
    loop {
        let fetch = format!("FETCH {PORTION} FROM _ninefold_values");
        let rows = runner.client.query(&fetch, &[]).await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in rows {
            let read = |place, kind| value(&row, place, kind).map(Value::from);
            let held = read(0, Kind::of_stored(&change.from));
            let value = held.and_then(|held| conversion.as_ref()?.apply(&held));
            if let (Some(value), Some(source @ Value::Text(_))) = (value, read(1, Kind::Text)) {
                let (source, value) = (Bound(&source), Bound(&value));
                let values: [&(dyn ToSql + Sync); 2] = [&source, &value];
                runner.client.execute(&insert, &values).await?;
            }
        }
    }
}

/// The check with its condition in place.
fn standing(check: &Check, condition: &str) -> Check {
    Check {
        count: check.count.replace("{}", condition),
        examples: check.examples.as_ref().map(|sql| sql.replace("{}", condition)),
        ..check.clone()
    }
}
