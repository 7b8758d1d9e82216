//! The only file that names concrete adapters: from what the configuration says to the ports behind which it happens.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use engine::ports::clock::SystemClock;
use engine::ports::mail::Mail;
use store_sql::{Location, OpenError, SqliteOptions, SqliteStore};

use crate::application::{Ports, Purpose};
use crate::config::{Database, Synchronous};
use crate::failure::Failure;
use crate::mail::{LogMail, NoMail};

/// Opens the database and whatever else the application needs from outside.
///
/// # Errors
/// A sentence for people: the environment is not as it has to be.
pub(crate) fn open(dir: &Path, database: &Database, purpose: Purpose) -> Result<Ports, Failure> {
    Ok(ports(open_sqlite(dir, database, SqliteStore::open)?, purpose))
}

/// As [`open`], for a command that is content to work beside a process that serves the database: it reads and imports,
/// and commits nothing else.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_beside(dir: &Path, database: &Database) -> Result<Ports, Failure> {
    let store = open_sqlite(dir, database, SqliteStore::open_beside)?;
    Ok(ports(store, Purpose::Production))
}

fn ports(store: SqliteStore, purpose: Purpose) -> Ports {
    let store = Arc::new(store);
    let mail: Arc<dyn Mail> = match purpose {
        Purpose::Development => Arc::new(LogMail),
        Purpose::Production => Arc::new(NoMail),
    };
    Ports {
        store: store.clone(),
        accounts: store.clone(),
        migrator: store,
        clock: Arc::new(SystemClock),
        mail,
    }
}

type Open = fn(&Location, &SqliteOptions) -> Result<SqliteStore, OpenError>;

fn open_sqlite(dir: &Path, database: &Database, open: Open) -> Result<SqliteStore, Failure> {
    let location = match Location::from_url(&database.url) {
        Some(Location::File(path)) => Location::File(dir.join(path)),
        Some(Location::Memory) => Location::Memory,
        None => {
            return Err(Failure::mistake(format!(
                "{:?} is no database that Ninefold knows",
                database.url
            )));
        }
    };
    if let Location::File(path) = &location
        && let Some(folder) = path.parent()
    {
        make_folder(folder).map_err(|error| {
            Failure::environment(format!(
                "the database's folder {} can't be made: {error}",
                folder.display()
            ))
            .help("choose another place with --database sqlite:PATH, or let this user write there")
        })?;
    }
    let options = SqliteOptions {
        synchronous: match database.synchronous {
            Synchronous::Full => store_sql::Synchronous::Full,
            Synchronous::Normal => store_sql::Synchronous::Normal,
        },
        readers: database.readers,
        busy_timeout: Duration::from_millis(database.busy_timeout_ms),
        checkpoint_writes: database.checkpoint_writes,
        wal_pages_max: database.log_pages_max,
        wal_pages_limit: database.log_pages_limit,
        ..SqliteOptions::default()
    };
    open(&location, &options).map_err(|error| {
        let failure = Failure::environment(format!("the database can't be opened: {error}"));
        match error {
            OpenError::NoFolder(_) => failure.help("make the folder, or choose another place with --database"),
            OpenError::ReadOnly(_) => {
                failure.help("let this user write there, or choose another place with --database")
            }
            OpenError::Locked(_) => failure.help("stop the other process first; one at a time serves a SQLite file"),
            OpenError::NotADatabase(_) => failure.help("restore it from a backup, or move it away to begin anew"),
            OpenError::Newer { .. } => failure.help("use the newer Ninefold"),
            OpenError::Other { .. } => failure,
        }
    })
}

/// Makes the folder for good: one whose name is lost with the power takes along what was synced in it.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    std::fs::create_dir_all(folder)?;
    if cfg!(unix) {
        for holder in missing.into_iter().filter_map(Path::parent) {
            let holder = if holder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                holder
            };
            File::open(holder)?.sync_all()?;
        }
    }
    Ok(())
}
