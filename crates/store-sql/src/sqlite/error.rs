//! What SQLite reports, in the port's words. Its own text goes to `Failed` alone, which only the log sees.

use std::time::Duration;

use engine::Model;
use engine::ports::store::StoreError;
use rusqlite::ffi::{self, ErrorCode};

use crate::mapped;

/// How long a caller should wait before it tries again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable {
        reason: reason.to_owned(),
        retry_after: RETRY_AFTER,
    }
}

/// Of statements that no model's constraint can fail.
pub(crate) fn store_error(error: &rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, _) = error else {
        return StoreError::Failed(error.to_string());
    };
    match failure.code {
        ErrorCode::OperationInterrupted => StoreError::Timeout,
        ErrorCode::DiskFull => unavailable("the disk is full"),
        ErrorCode::SystemIoFailure => unavailable("the disk reports an error"),
        // Also where what was read is not what was written.
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => unavailable("the database is damaged, or its disk"),
        ErrorCode::ReadOnly => unavailable("the database file can't be written to"),
        ErrorCode::CannotOpen => unavailable("the database file can't be opened"),
        ErrorCode::OutOfMemory => unavailable("there is not enough memory"),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => unavailable("another program holds the database's lock"),
        _ => StoreError::Failed(error.to_string()),
    }
}

/// Of statements that write records: a unique index that is violated is named by its fields; what a table of somebody
/// else's demands beyond the schema is the request's mistake, and not the store's.
pub(crate) fn write_error(error: &rusqlite::Error, model: &Model) -> StoreError {
    if let rusqlite::Error::SqliteFailure(failure, Some(message)) = error
        && matches!(
            failure.extended_code,
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        )
    {
        return StoreError::UniqueViolation {
            fields: violated_fields(message, model),
        };
    }
    if let rusqlite::Error::SqliteFailure(failure, _) = error
        && matches!(
            failure.extended_code,
            ffi::SQLITE_CONSTRAINT_CHECK
                | ffi::SQLITE_CONSTRAINT_NOTNULL
                | ffi::SQLITE_CONSTRAINT_FOREIGNKEY
                | ffi::SQLITE_CONSTRAINT_TRIGGER
                | ffi::SQLITE_CONSTRAINT_DATATYPE
        )
    {
        return mapped::refused();
    }
    store_error(error)
}

/// From `UNIQUE constraint failed: message.room, message.sent`; or, of an index over expressions, `index 'name'`.
fn violated_fields(message: &str, model: &Model) -> Vec<String> {
    let Some((_, columns)) = message.split_once("failed: ") else {
        return Vec::new();
    };
    if let Some(index) = columns.strip_prefix("index '").and_then(|rest| rest.strip_suffix('\'')) {
        return fields_of_index(index, model);
    }
    columns
        .split(", ")
        .filter_map(|column| {
            let (table, column) = column.split_once('.')?;
            let collection = model.collections.iter().find(|collection| collection.table == table)?;
            let field = collection.stored().find(|field| field.column == column)?;
            Some(field.name.clone())
        })
        .collect()
}

fn fields_of_index(name: &str, model: &Model) -> Vec<String> {
    let found = model.collections.iter().find_map(|collection| {
        let index = collection.indexes.iter().find(|index| index.name == name)?;
        Some((collection, index))
    });
    let Some((collection, index)) = found else {
        return Vec::new();
    };
    index
        .fields
        .iter()
        .map(|field| collection.field(*field).name.clone())
        .collect()
}
