//! Values of one type as values of another: worked out by `engine`, so that they are the same on every database.
//!
//! They are put in a column beside the one that they come from, portion by portion in the order of the primary key,
//! while others read and write. What those wrote meanwhile is made up for under a lock of the table, and under the same
//! lock the column takes the place of the other. So each write is either one that was made up for or one to the new
//! column. As long as the column stands beside the other the values are still there, and all can begin anew: who goes
//! on after an interruption makes up for what was written since.

use std::time::Instant;

use engine::model::Value;
use engine::model::migration::Conversion;
use mysql_async::prelude::Queryable as _;
use mysql_async::{Error, Params, Row, Value as Wire};

use super::catalog::Table;
use super::ddl::quoted;
use super::portions::Keys;
use super::render::{CONVERTED, Convert, Replace, UNLOCK};
use super::run::{ATTEMPTS_MAX, PAUSE, Runner, Stop, is_in_use};
use super::{ATTEMPT_SECONDS, LOCK_SECONDS};
use crate::compile::Kind;
use crate::mysql::value::{bound, read};

/// Records that are converted at once.
const PORTION: usize = 1000;

/// Who uses the table meanwhile.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Others,
    Nobody,
}

/// Makes the column beside the other.
pub(super) async fn convert(runner: &mut Runner<'_>, change: &Convert) -> Result<(), Stop> {
    // It needs a right of its own: that this is missing shows before anything is done.
    runner.patiently(&change.lock()).await?;
    runner.connection.conn.query_drop(UNLOCK).await?;
    if is_beside(runner, change).await? {
        // An earlier attempt was interrupted.
        runner.patiently(&change.drop()).await?;
    }
    runner.patiently(&change.add()).await?;
    let converted = match pass(runner, change, Company::Others).await {
        Ok(()) => runner.all(&change.checks).await,
        Err(stop) => Err(stop),
    };
    if converted.is_err() {
        runner.patiently(&change.drop()).await?;
    }
    converted
}

/// Puts that column in the place of the other.
pub(super) async fn replace(runner: &mut Runner<'_>, change: &Replace) -> Result<(), Stop> {
    if runner.may_be_done && is_beside(runner, &change.convert).await? {
        // Who was about to withdraw it may have made them again.
        for reference in &change.loosened {
            runner.loosen(reference).await?;
        }
        // Much may have been written since it was interrupted.
        pass(runner, &change.convert, Company::Others).await?;
    }
    // Who waits for a record that somebody else keeps doesn't keep the table meanwhile.
    let wait = |seconds| format!("SET SESSION innodb_lock_wait_timeout = {seconds}");
    runner.connection.conn.query_drop(wait(ATTEMPT_SECONDS)).await?;
    let replaced = replace_patiently(runner, change).await;
    let restored = runner.connection.conn.query_drop(wait(LOCK_SECONDS)).await;
    replaced?;
    Ok(restored?)
}

async fn replace_patiently(runner: &mut Runner<'_>, change: &Replace) -> Result<(), Stop> {
    for _ in 0..ATTEMPTS_MAX {
        let is_beside = is_beside(runner, &change.convert).await?;
        runner.patiently(&change.convert.lock()).await?;
        let locked = Instant::now();
        let replaced = replace_alone(runner, change, is_beside).await;
        let unlocked = runner.connection.conn.query_drop(UNLOCK).await;
        match replaced {
            Err(Stop::MySql(error)) if is_in_use(&error) => {}
            Err(stop) => return Err(stop),
            Ok(()) => return Ok(unlocked?),
        }
        unlocked?;
        // The others waited for as long, and have as much time now.
        tokio::time::sleep(PAUSE.max(locked.elapsed())).await;
    }
    Err(Stop::Busy)
}

/// While nobody else has the table. Where the column is gone from beside the other, it is in its place.
async fn replace_alone(runner: &mut Runner<'_>, change: &Replace, is_beside: bool) -> Result<(), Stop> {
    if is_beside {
        pass(runner, &change.convert, Company::Nobody).await?;
        runner.all(&change.checks).await?;
        runner.connection.conn.query_drop(&change.exchange).await?;
    }
    Ok(())
}

pub(super) async fn is_beside(runner: &mut Runner<'_>, change: &Convert) -> Result<bool, Error> {
    let found = Table::read(&mut runner.connection.conn, &change.table).await?;
    Ok(found.is_some_and(|found| found.column(CONVERTED).is_some()))
}

/// From the first record to the last: values of the one column as those of the other, where they are not so yet.
async fn pass(runner: &mut Runner<'_>, change: &Convert, company: Company) -> Result<(), Stop> {
    let Some(conversion) = Conversion::between(&change.from, &change.to) else {
        return Ok(());
    };
    let keys = Keys::of(runner.connection.dialect, &change.key);
    let (table, column, converted) = (quoted(&change.table), quoted(&change.column), quoted(CONVERTED));
    let list = keys.list();
    let of_interest = match &change.fill {
        Some(_) => "TRUE".to_owned(),
        None => format!("({column} IS NOT NULL OR {converted} IS NOT NULL)"),
    };
    let select = |condition: &str| {
        format!(
            "SELECT {list}, {column}, {converted} FROM {table} WHERE {of_interest}{condition} ORDER BY {list} LIMIT {PORTION}"
        )
    };
    let update = format!("UPDATE {table} SET {converted} = ? WHERE {}", keys.same());
    let mut text = select("");
    let mut last = Params::Empty;
    loop {
        let rows: Vec<Row> = runner.connection.conn.exec(text.as_str(), last).await?;
        let Some(end) = rows.last() else {
            return Ok(());
        };
        last = Params::Positional(Keys::ends(&keys.read(end)));
        text = select(&format!(" AND {}", keys.behind()));
        let missing = |row: &Row| {
            let kinds = [&change.from, &change.to].map(Kind::of_stored);
            let [held, there] = [0, 1].map(|place| {
                let wire = row.as_ref(keys.count() + place);
                wire.and_then(|wire| read(wire, kinds[place])).map(Value::from)
            });
            let wanted = match held {
                Some(Value::Null) => change.fill.clone(),
                held => held.and_then(|held| conversion.apply(&held)),
            };
            let wanted = wanted.unwrap_or(Value::Null);
            let values = || [vec![bound(&wanted)], keys.read(row)].concat();
            (there.as_ref() != Some(&wanted)).then(values)
        };
        let missing: Vec<Vec<Wire>> = rows.iter().filter_map(missing).collect();
        match company {
            Company::Others => put_patiently(runner, &update, &missing).await?,
            // The beginning of a transaction would let others in.
            Company::Nobody => put(runner, &update, &missing).await?,
        }
    }
}

async fn put(runner: &mut Runner<'_>, update: &str, missing: &[Vec<Wire>]) -> Result<(), Error> {
    for values in missing {
        let values = Params::Positional(values.clone());
        runner.connection.conn.exec_drop(update, values).await?;
    }
    Ok(())
}

/// In one transaction, and again where it is in the way of others.
async fn put_patiently(runner: &mut Runner<'_>, update: &str, missing: &[Vec<Wire>]) -> Result<(), Stop> {
    for _ in 0..ATTEMPTS_MAX {
        runner.connection.conn.query_drop("START TRANSACTION").await?;
        match put(runner, update, missing).await {
            Err(error) if is_in_use(&error) => runner.connection.conn.query_drop("ROLLBACK").await?,
            Err(error) => return Err(error.into()),
            Ok(()) => return Ok(runner.connection.conn.query_drop("COMMIT").await?),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(Stop::Busy)
}
