//! What the driver says, in the words of the ports.

use std::time::Duration;

use engine::Model;
use engine::model::Structure;
use engine::ports::store::StoreError;
use mongodb::error::{Error, ErrorKind, RETRYABLE_WRITE_ERROR, TRANSIENT_TRANSACTION_ERROR, WriteFailure};

const DUPLICATE_KEY: i32 = 11_000;
/// `MaxTimeMSExpired`, `ExceededTimeLimit`.
const TOO_LATE: [i32; 2] = [50, 262];
/// What is over after a while, by the server's own codes.
const PASSING: [(&[i32], &str); 4] = [
    // `WriteConflict`, `NoSuchTransaction`, `LockTimeout`, `SnapshotTooOld`, `SnapshotUnavailable`, `TransactionTooOld`
    (&[112, 251, 24, 239, 246, 225], "too many writes want the same records"),
    // `NotWritablePrimary`, `NotPrimaryNoSecondaryOk`, `NotPrimaryOrSecondary`, `PrimarySteppedDown`,
    // `FailedToSatisfyReadPreference`, `ReadConcernMajorityNotAvailableYet`
    (
        &[10_107, 13_435, 13_436, 189, 133, 134],
        "another server is becoming the primary",
    ),
    // `InterruptedAtShutdown`, `InterruptedDueToReplStateChange`, `ShutdownInProgress`, `Interrupted`, `CursorNotFound`,
    // `CursorKilled`
    (
        &[11_600, 11_602, 91, 11_601, 43, 237],
        "the database is being stopped or started",
    ),
    // `HostUnreachable`, `HostNotFound`, `NetworkTimeout`, `SocketException`
    (&[6, 7, 89, 9001], "the database's servers don't reach each other"),
];
/// `OutOfDiskSpace`.
const DISK_FULL: i32 = 14_031;
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(crate) fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable {
        reason: reason.to_owned(),
        retry_after: RETRY_AFTER,
    }
}

pub(crate) fn store_error(error: &Error, model: &Model) -> StoreError {
    match told(error) {
        Some((DUPLICATE_KEY, message)) => StoreError::UniqueViolation {
            fields: taken(model, &message),
        },
        Some((code, _)) if TOO_LATE.contains(&code) => StoreError::Timeout,
        Some((DISK_FULL, _)) => unavailable("the database's disk is full"),
        Some((code, message)) => match passing(code) {
            Some(reason) => unavailable(reason),
            None if is_passing(error) => unavailable(&message),
            None => StoreError::Failed(message),
        },
        None => match &*error.kind {
            ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. } => {
                unavailable("the connection to the database was lost")
            }
            ErrorKind::ServerSelection { .. } | ErrorKind::DnsResolve { .. } | ErrorKind::SessionsNotSupported => {
                unavailable("the database can't be reached")
            }
            _ if is_passing(error) => unavailable(&error.to_string()),
            _ => StoreError::Failed(error.to_string()),
        },
    }
}

/// What it means, where it is over after a while.
fn passing(code: i32) -> Option<&'static str> {
    let found = PASSING.iter().find(|(codes, _)| codes.contains(&code));
    found.map(|(_, reason)| *reason)
}

/// Whether a transaction that failed so may well succeed when all of it is done again.
pub(crate) fn is_passing(error: &Error) -> bool {
    error.contains_label(TRANSIENT_TRANSACTION_ERROR)
        || error.contains_label(RETRYABLE_WRITE_ERROR)
        || told(error).is_some_and(|(code, _)| passing(code).is_some())
}

/// Whether no server was found that could be asked, for as long as one is looked for.
pub(crate) fn is_gone(error: &Error) -> bool {
    matches!(*error.kind, ErrorKind::ServerSelection { .. })
}

/// The server's own code and message.
pub(crate) fn told(error: &Error) -> Option<(i32, String)> {
    match &*error.kind {
        ErrorKind::Command(command) => Some((command.code, command.message.clone())),
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some((write.code, write.message.clone())),
        ErrorKind::InsertMany(many) => {
            let first = many.write_errors.as_ref()?.first()?;
            Some((first.code, first.message.clone()))
        }
        _ => None,
    }
}

pub(crate) fn is_duplicate(error: &Error) -> bool {
    told(error).is_some_and(|(code, _)| code == DUPLICATE_KEY)
}

/// The fields of the index that the message names: `… collection: db.user index: ux_user_email dup key: { … }`.
fn taken(model: &Model, message: &str) -> Vec<String> {
    let between = |from: &str, to: &str| {
        let rest = message.split_once(from)?.1;
        Some(rest.split_once(to).map_or(rest, |(word, _)| word).trim())
    };
    let (Some(namespace), Some(index)) = (between("collection: ", " index:"), between("index: ", " dup key")) else {
        return Vec::new();
    };
    let table = namespace.split_once('.').map_or(namespace, |(_, table)| table);
    let structure = Structure::of(model);
    let Some(collection) = structure
        .collections
        .iter()
        .find(|collection| collection.table == table)
    else {
        return Vec::new();
    };
    if index.trim_end_matches('_') == "_id" {
        return collection.key.clone();
    }
    let found = collection.indexes.iter().find(|known| known.name == index);
    found.map(|index| index.fields.clone()).unwrap_or_default()
}
