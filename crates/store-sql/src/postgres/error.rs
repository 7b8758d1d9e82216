//! What PostgreSQL reports, in the port's words. Its own text goes to `Failed` alone, which only the log sees.

use engine::Model;
use engine::model::Structure;
use engine::ports::store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::mapped;
pub(super) use crate::pool::unavailable;

/// A unique index that is violated is named by its fields.
pub(super) fn store_error(error: &Error, model: &Model) -> StoreError {
    let Some(reported) = error.as_db_error() else {
        return if error.is_closed() || is_io(error) {
            unavailable("the connection to the database was lost")
        } else {
            StoreError::Failed(described(error))
        };
    };
    let code = reported.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        return StoreError::UniqueViolation {
            fields: violated_fields(reported, model),
        };
    }
    // A table that Ninefold didn't make may demand what the schema doesn't say.
    let demands = [
        &SqlState::CHECK_VIOLATION,
        &SqlState::NOT_NULL_VIOLATION,
        &SqlState::STRING_DATA_RIGHT_TRUNCATION,
        &SqlState::NUMERIC_VALUE_OUT_OF_RANGE,
        &SqlState::GENERATED_ALWAYS,
        &SqlState::RAISE_EXCEPTION,
    ];
    if demands.contains(&code) {
        return mapped::refused();
    }
    match (code, &code.code()[..2]) {
        (&SqlState::QUERY_CANCELED, _) => StoreError::Timeout,
        (&SqlState::LOCK_NOT_AVAILABLE, _) => unavailable("another transaction keeps what is wanted for too long"),
        (&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED, _) => {
            unavailable("too many writes want the same records")
        }
        (&SqlState::FOREIGN_KEY_VIOLATION, _) => unavailable("what the record refers to was removed meanwhile"),
        (&SqlState::TOO_MANY_CONNECTIONS, _) => unavailable("the database has too many connections"),
        (&SqlState::DISK_FULL, _) => unavailable("the database's disk is full"),
        (&SqlState::READ_ONLY_SQL_TRANSACTION, _) => unavailable("the database only reads; it may be a standby"),
        // Whatever was prepared was so before its tables changed.
        (&SqlState::FEATURE_NOT_SUPPORTED, _) if reported.message().contains("cached plan") => {
            unavailable("the database's structure has just changed")
        }
        (&SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT, _) => StoreError::Timeout,
        (_, "08" | "57") => unavailable("the database is being stopped or started"),
        (_, "53") => unavailable("the database has not enough resources"),
        (_, "58") => unavailable("the database's disk reports an error"),
        _ => StoreError::Failed(described(error)),
    }
}

/// Whether the connection is gone, or about to be, or leads to a server that is of no use.
pub(super) fn is_lost(error: &Error) -> bool {
    match error.as_db_error() {
        // The server is stopped, or somebody ended this connection there.
        Some(reported) if reported.code().code().starts_with("57P0") => true,
        // It is the primary no more; another is.
        Some(reported) => *reported.code() == SqlState::READ_ONLY_SQL_TRANSACTION && !mutant!(LostPrimary),
        None => error.is_closed() || is_io(error),
    }
}

/// Whether the server only reads, which it was asked on connecting.
pub(super) fn is_standby(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|source| source.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Whether the same transaction may well succeed when it is tried again.
pub(super) fn is_conflict(error: &Error) -> bool {
    let Some(reported) = error.as_db_error() else {
        return false;
    };
    let code = reported.code();
    if mutant!(TryAgain) {
        return false;
    }
    let is_claim = reported.table() == Some("_ninefold_idempotency");
    *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
        || *code == SqlState::LOCK_NOT_AVAILABLE
        // References are checked at the end; who finds one broken has not seen what another removed.
        || *code == SqlState::FOREIGN_KEY_VIOLATION
        // The same request came twice at once; the other is the first.
        || (*code == SqlState::UNIQUE_VIOLATION && is_claim)
}

/// With what the server said of it, which `Error` alone doesn't show.
pub(crate) fn described(error: &Error) -> String {
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(reported), _) => format!("{} ({})", reported.message(), reported.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<std::io::Error>())
}

/// By the name of the index, or of the primary key.
fn violated_fields(reported: &DbError, model: &Model) -> Vec<String> {
    let (table, name) = (reported.table(), reported.constraint());
    let structure = Structure::of(model);
    let found = structure
        .collections
        .into_iter()
        .find(|collection| Some(&*collection.table) == table);
    let Some(collection) = found else {
        return mapped::violated_fields(table, name, model);
    };
    let index = collection.indexes.into_iter().find(|index| Some(&*index.name) == name);
    index.map_or(collection.key, |index| index.fields)
}
