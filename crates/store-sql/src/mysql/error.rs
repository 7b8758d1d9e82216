//! What MySQL reports, in the port's words. Its own text goes to `Failed` alone, which only the log sees.

use engine::Model;
use engine::model::Structure;
use engine::ports::store::StoreError;
use mysql_async::{Error, IoError, ServerError};

use crate::compile::LOG;
use crate::mapped;
use crate::migrate::mysql::unique_index_of;
pub(super) use crate::pool::unavailable;

const DUPLICATE: u16 = 1062;
const DEADLOCK: u16 = 1213;
const LOCK_TIMEOUT: u16 = 1205;
/// A row that is referred to, or that refers, when another statement got in the way.
const REFERENCE: [u16; 4] = [1216, 1217, 1451, 1452];
/// The server was told to write nothing, as a replica is.
const READS_ONLY: [u16; 3] = [1290, 1792, 1836];
/// Of memory to sort in.
const NO_ROOM_TO_SORT: u16 = 1038;
/// What was read in a snapshot has changed since.
const CHANGED: u16 = 1020;
/// A table, or what is prepared of it, is another than when it was looked at.
const RESTRUCTURED: [u16; 2] = [1412, 1615];
const NO_SUCH_TABLE: u16 = 1146;

/// A unique index that is violated is named by its fields; `text` is the statement that did.
pub(super) fn store_error(error: &Error, text: &str, model: &Model) -> StoreError {
    let Error::Server(reported) = error else {
        return match error {
            Error::Io(_) | Error::Driver(_) => unavailable("the connection to the database was lost"),
            _ => StoreError::Failed(error.to_string()),
        };
    };
    match reported.code {
        DUPLICATE => StoreError::UniqueViolation {
            fields: violated_fields(reported, text, model),
        },
        // Conditions, nulls, texts and numbers that have no room, triggers, computed columns.
        3819 | 4025 | 1048 | 1364 | 1406 | 1264 | 1265 | 1292 | 1366 | 1644 | 1906 | 3105 => mapped::refused(),
        LOCK_TIMEOUT | 3572 => unavailable("another transaction keeps what is wanted for too long"),
        // Execution or statement time, and what was killed.
        3024 | 1969 | 1317 => StoreError::Timeout,
        DEADLOCK | CHANGED => unavailable("too many writes want the same records"),
        code if REFERENCE.contains(&code) => unavailable("what the record refers to was removed meanwhile"),
        1040 | 1203 | 1226 => unavailable("the database has too many connections"),
        1021 | 1114 => unavailable("the database's disk is full"),
        code if READS_ONLY.contains(&code) => unavailable("the database only reads; it may be a replica"),
        1053 | 1927 | 4031 => unavailable("the database is being stopped or started"),
        _ if is_restructured(reported) => unavailable("the database's structure has just changed"),
        1037 | NO_ROOM_TO_SORT | 1041 => unavailable("the database has not enough resources"),
        _ => StoreError::Failed(described(error)),
    }
}

/// Whether the connection is gone, or about to be, or leads to a server that is of no use.
pub(super) fn is_lost(error: &Error) -> bool {
    match error {
        // The server is stopped, or somebody ended this connection there.
        Error::Server(reported) if matches!(reported.code, 1053 | 1927 | 4031) => true,
        // It is the primary no more; another is.
        Error::Server(reported) => READS_ONLY.contains(&reported.code) && !mutant!(LostPrimary),
        Error::Io(_) | Error::Driver(_) => true,
        Error::Other(_) | Error::Url(_) => false,
    }
}

/// Whether the server only reads, which it was asked on connecting.
pub(super) fn is_replica(error: &Error) -> bool {
    matches!(error, Error::Io(IoError::Io(error)) if error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// Whether the same transaction may well succeed when it is tried again.
pub(super) fn is_conflict(error: &Error, text: &str) -> bool {
    let Error::Server(reported) = error else {
        return false;
    };
    let code = reported.code;
    if mutant!(TryAgain) {
        return false;
    }
    code == DEADLOCK
        || code == LOCK_TIMEOUT
        || code == CHANGED
        || is_restructured(reported)
        || REFERENCE.contains(&code)
        // The same request came twice at once; the other is the first.
        || (code == DUPLICATE && table_of(text) == "_ninefold_idempotency")
}

/// Whether a table has just become another, as one does that a move begins to follow. MariaDB was seen to fire the trigger and not to
/// find the table that it writes to, which is made before it.
fn is_restructured(reported: &ServerError) -> bool {
    RESTRUCTURED.contains(&reported.code) || (reported.code == NO_SUCH_TABLE && reported.message.contains(LOG))
}

/// Whether more memory to sort in may be all that is missing.
pub(super) fn needs_room_to_sort(error: &Error) -> bool {
    matches!(error, Error::Server(reported) if reported.code == NO_ROOM_TO_SORT)
}

pub(crate) fn described(error: &Error) -> String {
    match error {
        Error::Server(reported) => format!("{} ({})", reported.message, reported.code),
        other => other.to_string(),
    }
}

/// By the name of the index, or of the primary key, which the message ends with, and MySQL puts the table's before it.
fn violated_fields(reported: &ServerError, text: &str, model: &Model) -> Vec<String> {
    let quoted = reported.message.trim_end_matches('\'').rsplit_once('\'');
    let name = quoted.map_or("", |(_, name)| name);
    let name = name.rsplit_once('.').map_or(name, |(_, name)| name);
    let structure = Structure::of(model);
    let table = table_of(text);
    let Some(collection) = structure.collections.into_iter().find(|found| found.table == table) else {
        return mapped::violated_fields(Some(table), Some(name), model);
    };
    match unique_index_of(&collection, name) {
        Some(index) => index.fields.clone(),
        None => collection.key,
    }
}

/// The table that a statement of ours writes to.
fn table_of(text: &str) -> &str {
    let rest = text
        .strip_prefix("INSERT INTO ")
        .or_else(|| text.strip_prefix("UPDATE "));
    let rest = rest.unwrap_or_default();
    match rest.strip_prefix('`') {
        Some(quoted) => quoted.split('`').next().unwrap_or_default(),
        None => rest.split(' ').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_of_another_structure_is_tried_again() {
        let error = |code, message: &str| {
            Error::Server(ServerError {
                code,
                message: message.to_owned(),
                state: String::new(),
            })
        };
        let tried_again =
            |code, message: &str| is_conflict(&error(code, message), "INSERT INTO `item` (`id`) VALUES (?)");
        assert!(tried_again(1615, "Prepared statement needs to be re-prepared"));
        assert!(tried_again(1146, "Table 'shop._ninefold_change_1' doesn't exist"));
        assert!(!tried_again(1146, "Table 'shop.item' doesn't exist"));
    }

    #[test]
    fn a_statement_says_which_table_it_writes_to() {
        assert_eq!(table_of("INSERT INTO `user` (`id`) VALUES (?)"), "user");
        assert_eq!(table_of("UPDATE `order_line` SET `a` = ?"), "order_line");
        assert_eq!(
            table_of("INSERT INTO _ninefold_idempotency (scope) VALUES (?)"),
            "_ninefold_idempotency"
        );
        assert_eq!(table_of("COMMIT"), "");
    }
}
