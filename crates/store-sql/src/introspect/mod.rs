//! Reading the structure of databases that others made. Nothing is written.
//!
//! Each reader gives what [`engine::introspect`] makes a schema of.

mod checks;
mod mysql;
mod postgres;
mod sqlite;
#[cfg(test)]
mod tests;
mod view;

use std::path::Path;

use engine::introspect::Database;

use crate::{mysql as on_mysql, postgres as on_postgres};

/// What the file holds.
///
/// # Errors
/// In words: it can't be opened or read.
pub fn sqlite(path: &Path) -> Result<Database, String> {
    sqlite::read(path).map_err(|error| error.to_string())
}

/// What the first schema of the search path holds.
///
/// # Errors
/// In words: the URL can't be used, the server can't be reached, or doesn't answer.
pub async fn postgres(url: &str) -> Result<Database, String> {
    let client = on_postgres::connected(url).await?;
    postgres::read(&client)
        .await
        .map_err(|error| on_postgres::described(&error))
}

/// What the database of the URL holds.
///
/// # Errors
/// As [`postgres`]'s.
pub async fn mysql(url: &str) -> Result<Database, String> {
    let mut connection = on_mysql::connected(url).await?;
    mysql::read(&mut connection)
        .await
        .map_err(|error| on_mysql::described(&error))
}
