//! The only file that names concrete adapters: from what the configuration says to the ports behind which it happens.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adapters::archive::{FolderArchive, S3Archive, S3Options};
use adapters::folders;
use engine::introspect;
use engine::model::Timestamp;
use engine::ports::Secret;
use engine::ports::accounts::AccountStore;
use engine::ports::archive::Archive;
use engine::ports::clock::SystemClock;
use engine::ports::mail::Mail;
use engine::ports::migrator::Migrator;
use engine::ports::store::Store;
use store_sql::{
    ArchiveProblem, Archiving, BackupError, Copied, Location, MySqlOpenError, MySqlOptions, MySqlStore, OpenError,
    PostgresOpenError, PostgresOptions, PostgresStore, ServerBackupError, ServerRestored, SqliteOptions, SqliteStore,
    mysql, postgres,
};

use crate::application::{Ports, Purpose};
use crate::config::{Backup, Config, Database, Synchronous};
use crate::failure::Failure;
use crate::mail::{LogMail, NoMail};

/// What to do about a database that others made.
const ADOPT: &str = "`ninefold migrate apply` adds them, all named _ninefold_…, and changes nothing else; `ninefold dev` does so by itself";
const UNFINISHED: &str =
    "run `ninefold move` again with the same databases, or the same `ninefold restore`; it goes on where it was";

/// Opens the database, or makes it, and whatever else the application needs from outside. `adopts`: a database that others made may
/// get Ninefold's own tables.
///
/// # Errors
/// A sentence for people: the environment is not as it has to be.
pub(crate) async fn open(dir: &Path, database: &Database, purpose: Purpose, adopts: bool) -> Result<Ports, Failure> {
    if let Some(ports) = on_server(database, purpose, adopts).await {
        return ports;
    }
    Ok(ports(open_or_make(dir, database, SqliteStore::open, adopts)?, purpose))
}

/// As [`open`], to be served: with a continuous backup where one is configured, unless in development.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_to_serve(
    dir: &Path,
    config: &Config,
    purpose: Purpose,
    adopts: bool,
) -> Result<Ports, Failure> {
    let Config { database, backup, .. } = config;
    if backup.url.is_none() || purpose == Purpose::Development {
        if PostgresStore::takes(&database.url) {
            let options = PostgresOptions {
                adopts,
                replicas: database.replicas.clone(),
                replica_lag_max: Duration::from_millis(database.replica_lag_max_ms),
                ..postgres_options(database)
            };
            let store = PostgresStore::open(&database.url, &options).await;
            return Ok(ports(store.map_err(postgres_refusal)?, purpose));
        }
        if MySqlStore::takes(&database.url) {
            let options = MySqlOptions {
                adopts,
                replicas: database.replicas.clone(),
                replica_lag_max: Duration::from_millis(database.replica_lag_max_ms),
                ..mysql_options(database)
            };
            let store = MySqlStore::open(&database.url, &options).await;
            return Ok(ports(store.map_err(mysql_refusal)?, purpose));
        }
        return open(dir, database, purpose, adopts).await;
    }
    sqlite_file(dir, database).map_err(|_| not_archived())?;
    let archiving = Archiving {
        archive: archive(dir, backup)?,
        clock: Arc::new(SystemClock),
        interval: Duration::from_millis(backup.interval_ms),
        base_interval: hours(backup.base_interval_h),
        retention: hours(backup.retention_h),
        spool_bytes_max: backup.spool_bytes_max,
        stop_timeout: Duration::from_millis(backup.stop_timeout_ms),
    };
    let open = |location: &Location, options: &SqliteOptions| {
        let options = SqliteOptions {
            archiving: Some(archiving),
            ..options.clone()
        };
        SqliteStore::open(location, &options)
    };
    Ok(ports(open_or_make(dir, database, open, adopts)?, purpose))
}

fn not_archived() -> Failure {
    Failure::mistake("`backup.url` is set, but only a SQLite database in a file has a continuous backup")
        .help("remove it, and use what the database's server offers; docs/backup.md has more")
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// Where the continuous backup is.
fn archive(dir: &Path, backup: &Backup) -> Result<Arc<dyn Archive>, Failure> {
    let url = backup.url.as_deref().ok_or_else(|| {
        Failure::mistake("no continuous backup is configured")
            .help("`backup.url` of ninefold.toml, or --set, says where it is")
    })?;
    if let Some(path) = url.strip_prefix("file:") {
        return Ok(Arc::new(FolderArchive::new(dir.join(path))));
    }
    let place = url.strip_prefix("s3://").unwrap_or(url);
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let from_environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let access_key = backup
        .access_key
        .clone()
        .or_else(|| from_environment("AWS_ACCESS_KEY_ID"));
    let secret_key = backup.secret_key.clone();
    let secret_key = secret_key.or_else(|| from_environment("AWS_SECRET_ACCESS_KEY").map(Secret::new));
    let (Some(access_key), Some(secret_key)) = (access_key, secret_key) else {
        return Err(
            Failure::mistake("`backup.url` names a bucket, but nobody who may use it").help(
                "set `backup.access_key` and `backup.secret_key`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ),
        );
    };
    let options = S3Options {
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint: backup.endpoint.clone(),
        region: backup.region.clone(),
        access_key,
        session_token: match &backup.secret_key {
            Some(_) => None,
            None => from_environment("AWS_SESSION_TOKEN").map(Secret::new),
        },
        secret_key,
        timeout: Duration::from_millis(backup.request_timeout_ms),
    };
    let archive =
        S3Archive::new(&options).map_err(|reason| Failure::mistake(format!("`backup.url` can't be used: {reason}")))?;
    Ok(Arc::new(archive))
}

/// As [`open`], for a command that is content to work beside a process that serves the database: it reads and imports,
/// and commits nothing else.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_beside(dir: &Path, database: &Database) -> Result<Ports, Failure> {
    if let Some(ports) = on_server(database, Purpose::Production, false).await {
        return ports;
    }
    let store = open_or_make(dir, database, SqliteStore::open_beside, false)?;
    Ok(ports(store, Purpose::Production))
}

/// As [`open_beside`], for a command that looks at what is there and makes nothing.
///
/// # Errors
/// As [`open`], or there is no database.
pub(crate) async fn open_existing(dir: &Path, database: &Database) -> Result<Ports, Failure> {
    if let Some(ports) = on_server(database, Purpose::Production, false).await {
        return ports;
    }
    let options = SqliteOptions {
        adopts: false,
        ..sqlite_options(database)
    };
    let store = SqliteStore::open_existing(&location(dir, database)?, &options).map_err(failure)?;
    Ok(ports(store, Purpose::Production))
}

/// A database on a server, which any number of processes may have open; `None`: it is a file.
async fn on_server(database: &Database, purpose: Purpose, adopts: bool) -> Option<Result<Ports, Failure>> {
    if PostgresStore::takes(&database.url) {
        return Some(open_postgres(database, adopts).await.map(|store| ports(store, purpose)));
    }
    if MySqlStore::takes(&database.url) {
        return Some(open_mysql(database, adopts).await.map(|store| ports(store, purpose)));
    }
    if is_mongodb(&database.url) {
        return Some(mongodb(database, purpose, None).await);
    }
    None
}

/// What an existing database holds. Nothing is written to it.
///
/// # Errors
/// The URL is of no database that can be read, or the database can't be.
pub(crate) async fn introspect(url: &str) -> Result<introspect::Database, Failure> {
    let failed = |reason: String| Failure::environment(format!("the database can't be read: {reason}"));
    if PostgresStore::takes(url) {
        return store_sql::introspect::postgres(url).await.map_err(failed);
    }
    if MySqlStore::takes(url) {
        return store_sql::introspect::mysql(url).await.map_err(failed);
    }
    match Location::from_url(url) {
        Some(Location::File(path)) => store_sql::introspect::sqlite(&path).map_err(failed),
        Some(Location::Memory) | None => Err(Failure::usage("the URL is of no database that can be read")
            .help("write sqlite:PATH, or postgresql: or mysql://USER:PASSWORD@HOST/DATABASE")),
    }
}

fn ports<S: Store + AccountStore + Migrator + 'static>(store: S, purpose: Purpose) -> Ports {
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

fn is_mongodb(url: &str) -> bool {
    url.starts_with("mongodb://") || url.starts_with("mongodb+srv://")
}

#[cfg(feature = "mongodb")]
async fn mongodb(database: &Database, purpose: Purpose, moved: Option<Side>) -> Result<Ports, Failure> {
    use store_mongo::{MongoOptions, MongoStore, OpenError};

    let options = MongoOptions {
        connections_max: u32::try_from(database.connections_max).unwrap_or(u32::MAX),
        acquire_timeout: Duration::from_millis(database.acquire_timeout_ms),
        connect_timeout: Duration::from_millis(database.connect_timeout_ms),
        query_timeout: Duration::from_millis(database.query_timeout_ms),
        incomplete: moved == Some(Side::To),
        still: moved == Some(Side::FromStill),
        ..MongoOptions::default()
    };
    match MongoStore::open(&database.url, &options).await {
        Ok(store) => Ok(ports(store, purpose)),
        Err(error) => {
            let text = format!("the database can't be opened: {error}");
            Err(match error {
                OpenError::Url(_) | OpenError::NoDatabase => Failure::mistake(text),
                OpenError::Incomplete => Failure::environment(text).help(UNFINISHED),
                OpenError::Standalone { .. } | OpenError::Other(_) => Failure::environment(text),
                OpenError::Unreachable(_) => {
                    Failure::environment(text).help("see that the server runs, and that its address is right")
                }
            })
        }
    }
}

#[cfg(not(feature = "mongodb"))]
async fn mongodb(_: &Database, _: Purpose, _: Option<Side>) -> Result<Ports, Failure> {
    Err(Failure::mistake(
        "this Ninefold was built without MongoDB: build it with the feature `mongodb`",
    ))
}

fn open_or_make(
    dir: &Path,
    database: &Database,
    open: impl FnOnce(&Location, &SqliteOptions) -> Result<SqliteStore, OpenError>,
    adopts: bool,
) -> Result<SqliteStore, Failure> {
    let location = location(dir, database)?;
    if let Location::File(path) = &location {
        make_folder_of(path)?;
    }
    let options = SqliteOptions {
        adopts,
        ..sqlite_options(database)
    };
    open(&location, &options).map_err(failure)
}

fn failure(error: OpenError) -> Failure {
    let failure = Failure::environment(format!("the database can't be opened: {error}"));
    match error {
        OpenError::NoFolder(_) => failure.help("make the folder, or choose another place with --database"),
        OpenError::Missing(_) => Failure::mistake(error.to_string())
            .help("`ninefold migrate apply` makes it; --database names one that is elsewhere"),
        OpenError::ReadOnly(_) => failure.help("let this user write there, or choose another place with --database"),
        OpenError::Locked(_) => failure.help("stop the other process first; one at a time serves a SQLite file"),
        OpenError::NotADatabase(_) => failure.help("restore it from a backup, or move it away to begin anew"),
        OpenError::Incomplete(_) => failure.help(UNFINISHED),
        OpenError::Foreign(_) => failure.help(ADOPT),
        OpenError::Newer { .. } => failure.help("use the newer Ninefold"),
        OpenError::Other { .. } => failure,
    }
}

async fn open_postgres(database: &Database, adopts: bool) -> Result<PostgresStore, Failure> {
    let options = PostgresOptions {
        adopts,
        ..postgres_options(database)
    };
    let store = PostgresStore::open(&database.url, &options).await;
    store.map_err(postgres_refusal)
}

fn postgres_options(database: &Database) -> PostgresOptions {
    PostgresOptions {
        connections_max: database.connections_max,
        acquire_timeout: Duration::from_millis(database.acquire_timeout_ms),
        connect_timeout: Duration::from_millis(database.connect_timeout_ms),
        query_timeout: Duration::from_millis(database.query_timeout_ms),
        lock_timeout: Duration::from_millis(database.busy_timeout_ms),
        ..PostgresOptions::default()
    }
}

fn postgres_refusal(error: PostgresOpenError) -> Failure {
    let failure = Failure::environment(format!("the database can't be opened: {error}"));
    match error {
        PostgresOpenError::Url(_) => {
            failure.help("write it as postgresql://USER:PASSWORD@HOST:PORT/DATABASE?sslmode=verify-full")
        }
        PostgresOpenError::Replica { .. } => {
            failure.help("`database.replicas` has one URL for each: postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
        }
        PostgresOpenError::Unreachable(_) => failure.help("start the server, or correct the address in `database.url`"),
        PostgresOpenError::Refused(_) => failure.help("make the user and the database, or correct `database.url`"),
        PostgresOpenError::Standby => failure.help(
            "name the primary in `database.url`, or all servers, of which it is found: postgresql://HOST1,HOST2/DATABASE",
        ),
        PostgresOpenError::TooOld(_) => failure.help("use a newer server"),
        PostgresOpenError::Encoding(_) => failure.help("make the database with ENCODING 'UTF8'"),
        PostgresOpenError::Incomplete => failure.help(UNFINISHED),
        PostgresOpenError::Foreign => failure.help(ADOPT),
        PostgresOpenError::Newer { .. } => failure.help("use the newer Ninefold"),
    }
}

fn location(dir: &Path, database: &Database) -> Result<Location, Failure> {
    match Location::from_url(&database.url) {
        Some(Location::File(path)) => Ok(Location::File(dir.join(path))),
        Some(Location::Memory) => Ok(Location::Memory),
        None => Err(Failure::mistake("`database.url` names no database that Ninefold knows")),
    }
}

fn sqlite_options(database: &Database) -> SqliteOptions {
    SqliteOptions {
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
    }
}

/// Which side of a move a database is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    From,
    /// The same, while it may be served.
    FromServed,
    /// The same, and all that is read is of one moment. Only where [`is_copied_by_moving`].
    FromStill,
    To,
}

/// As [`open`], for a move: nobody else may have the database, unless it is said to be served, and the one that it goes to
/// may be incomplete.
///
/// # Errors
/// As [`open`].
pub(crate) async fn open_to_move(dir: &Path, database: &Database, side: Side) -> Result<Ports, Failure> {
    let incomplete = side == Side::To;
    if MySqlStore::takes(&database.url) {
        let options = MySqlOptions {
            moves: true,
            incomplete,
            ..mysql_options(database)
        };
        let store = MySqlStore::open(&database.url, &options).await.map_err(mysql_refusal)?;
        return Ok(ports(store, Purpose::Production));
    }
    if is_mongodb(&database.url) {
        return mongodb(database, Purpose::Production, Some(side)).await;
    }
    if PostgresStore::takes(&database.url) {
        let options = PostgresOptions {
            application: "ninefold move",
            incomplete,
            ..postgres_options(database)
        };
        let store = PostgresStore::open(&database.url, &options)
            .await
            .map_err(postgres_refusal)?;
        return Ok(ports(store, Purpose::Production));
    }
    if side != Side::To && !sqlite_file(dir, database)?.is_file() {
        return Err(
            Failure::mistake("there is no database to move").help("`database.url`, or --database, says where it is")
        );
    }
    let open = |location: &Location, options: &SqliteOptions| {
        let options = SqliteOptions {
            incomplete,
            ..options.clone()
        };
        match side {
            Side::FromServed | Side::FromStill => SqliteStore::open_existing(location, &options),
            Side::From | Side::To => SqliteStore::open(location, &options),
        }
    };
    Ok(ports(open_or_make(dir, database, open, false)?, Purpose::Production))
}

/// Which database it is, for people and without its password.
pub(crate) fn name(dir: &Path, database: &Database) -> Result<String, Failure> {
    if !database.url.starts_with("sqlite:") {
        let (scheme, rest) = database.url.split_once("://").unwrap_or_default();
        // A password may hold a slash or a question mark only in another writing.
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
        return Ok(format!("{scheme}://{}", &rest[host..]));
    }
    let path = sqlite_file(dir, database)?;
    let path = std::path::absolute(&path).unwrap_or(path);
    Ok(format!("sqlite:{}", path.display()))
}

/// Hears which share is done, where that is known, and says whether to go on.
pub(crate) type Told = Box<dyn FnMut(Option<f64>) -> bool + Send>;

/// Between two looks at whether to go on, where another program copies.
const TOLD_INTERVAL: Duration = Duration::from_millis(100);

/// Whether a backup is a copy that a move makes: MongoDB's own tools copy one database collection by collection, which is no
/// state that ever was.
pub(crate) fn is_copied_by_moving(database: &Database) -> bool {
    is_mongodb(&database.url)
}

/// Copies the database to a new file, and answers its size in bytes. Not where [`is_copied_by_moving`].
///
/// # Errors
/// A sentence for people.
pub(crate) async fn back_up(
    dir: &Path,
    database: &Database,
    out: &Path,
    now: Timestamp,
    told: Told,
) -> Result<u64, Failure> {
    let stopped = || Failure::mistake("stopped; no file was written");
    let url = &database.url;
    if PostgresStore::takes(url) {
        let options = PostgresOptions {
            reads_only: true,
            ..postgres_options(database)
        };
        let copied = while_told(postgres::backup::back_up(url, out, &options), told).await;
        return copied.ok_or_else(stopped)?.map_err(postgres_backup_failure);
    }
    if MySqlStore::takes(url) {
        let (made, options) = (now.to_string(), mysql_options(database));
        let copied = while_told(mysql::backup::back_up(url, out, &made, &options), told).await;
        return copied.ok_or_else(stopped)?.map_err(mysql_backup_failure);
    }
    let (from, options, out) = (sqlite_file(dir, database)?, sqlite_options(database), out.to_owned());
    let copied = blocking(move || store_sql::back_up(&from, &out, &options, now, &mut going_on(told))).await?;
    copied.map_err(|error| match error {
        BackupError::Exists(_) => backup_failure(error).help("choose another name with --out"),
        BackupError::Stopped => stopped(),
        BackupError::Damaged { .. } => {
            backup_failure(error).help("no file was written; restore the last backup, and look after the disk")
        }
        error => backup_failure(error),
    })
}

/// What came of a restore.
pub(crate) struct Restored {
    /// When the backup was made.
    pub(crate) made: String,
    /// Where the database is now that was there before.
    pub(crate) replaced: Option<String>,
}

/// Puts a backup in the database's place. Not where [`is_copied_by_moving`].
///
/// # Errors
/// A sentence for people.
pub(crate) async fn restore(
    dir: &Path,
    database: &Database,
    file: &Path,
    force: bool,
    now: Timestamp,
    told: Told,
) -> Result<Restored, Failure> {
    // On a server it is not stopped half way: what was there before would stay aside.
    let (url, stamp) = (&database.url, now.0.to_string());
    if PostgresStore::takes(url) {
        let options = postgres_options(database);
        let restored = postgres::backup::restore(url, file, force, &stamp, &options).await;
        return Ok(restored_on_server(restored.map_err(postgres_backup_failure)?, "schema"));
    }
    if MySqlStore::takes(url) {
        let options = mysql_options(database);
        let restored = mysql::backup::restore(url, file, force, &stamp, &options).await;
        return Ok(restored_on_server(restored.map_err(mysql_backup_failure)?, "database"));
    }
    let to = sqlite_file(dir, database)?;
    make_folder_of(&to)?;
    let from = file.to_owned();
    let restored = blocking(move || store_sql::restore(&from, &to, force, now, &mut going_on(told))).await?;
    let restored = restored.map_err(restore_failure)?;
    Ok(Restored {
        made: restored.made.to_string(),
        replaced: restored.replaced.map(|path| path.display().to_string()),
    })
}

fn restored_on_server(restored: ServerRestored, kind: &str) -> Restored {
    Restored {
        made: restored.made,
        replaced: restored.replaced.map(|name| format!("the {kind} {name}")),
    }
}

/// What came of a restore from the continuous backup.
pub(crate) struct RestoredTo {
    /// Everything that was acknowledged before is there.
    pub(crate) state: String,
    /// When what was written next was kept.
    pub(crate) next: Option<String>,
    /// Where the database is now that was there before.
    pub(crate) replaced: Option<String>,
}

/// Puts the database as it was at `at` in its place.
///
/// # Errors
/// A sentence for people.
pub(crate) async fn restore_at(
    dir: &Path,
    config: &Config,
    at: Timestamp,
    force: bool,
    now: Timestamp,
    told: Told,
) -> Result<RestoredTo, Failure> {
    let to = sqlite_file(dir, &config.database).map_err(|_| not_archived())?;
    let archive = archive(dir, &config.backup)?;
    make_folder_of(&to)?;
    let restore = move || store_sql::restore_at(archive.as_ref(), at, &to, force, now, &mut going_on(told));
    let restored = blocking(restore).await?.map_err(archive_failure)?;
    Ok(RestoredTo {
        state: restored.state.to_string(),
        next: restored.next.map(|next| next.to_string()),
        replaced: restored.replaced.map(|path| path.display().to_string()),
    })
}

fn archive_failure(problem: ArchiveProblem) -> Failure {
    let message = problem.to_string();
    let earlier = |until: Option<Timestamp>| match until {
        Some(until) => format!("nothing was restored; --at {until} gives what is before it"),
        None => "nothing was restored; an earlier --at may have another base".to_owned(),
    };
    match problem {
        ArchiveProblem::Unreachable(_) => Failure::environment(message),
        ArchiveProblem::Nothing { first: Some(first) } => {
            Failure::mistake(message).help(format!("the first moment that it has is {first}"))
        }
        ArchiveProblem::Nothing { first: None } => {
            Failure::mistake(message).help("it has nothing at all; see that `backup.url` is right")
        }
        ArchiveProblem::Missing { until, .. } | ArchiveProblem::Damaged { until, .. } => {
            Failure::environment(message).help(earlier(until))
        }
        ArchiveProblem::Local(error) => restore_failure(error),
    }
}

fn restore_failure(error: BackupError) -> Failure {
    match error {
        BackupError::Exists(_) => backup_failure(error)
            .help("--force moves that database aside; --database sqlite:PATH restores to another place"),
        BackupError::Stopped => Failure::mistake("stopped; nothing was restored"),
        BackupError::Damaged { .. } => backup_failure(error).help("nothing was restored; use another backup"),
        error => backup_failure(error),
    }
}

/// What comes of `work`, unless told to stop first.
async fn while_told<T>(work: impl Future<Output = T>, mut told: Told) -> Option<T> {
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(TOLD_INTERVAL, &mut work).await {
            Ok(done) => return Some(done),
            Err(_) if told(None) => {}
            Err(_) => return None,
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Failure::environment(error.to_string()))
}

fn going_on(mut told: Told) -> impl FnMut(Copied) -> ControlFlow<()> {
    move |copied| match told(Some(copied.done as f64 / copied.whole.max(1) as f64)) {
        true => ControlFlow::Continue(()),
        false => ControlFlow::Break(()),
    }
}

fn sqlite_file(dir: &Path, database: &Database) -> Result<PathBuf, Failure> {
    match location(dir, database)? {
        Location::File(path) => Ok(path),
        Location::Memory => Err(Failure::mistake(
            "a database in memory is gone with its server; there is nothing to copy",
        )),
    }
}

fn backup_failure(error: BackupError) -> Failure {
    let message = error.to_string();
    match error {
        BackupError::NoDatabase(_) => Failure::mistake(message).help("`database.url`, or --database, says where it is"),
        BackupError::Exists(_) | BackupError::Stopped => Failure::mistake(message),
        BackupError::NotABackup(_) => Failure::mistake(message).help("`ninefold backup` makes one"),
        BackupError::Importing => Failure::environment(message).help("try again when it is done"),
        BackupError::Locked(_) => Failure::environment(message).help("stop the server first"),
        BackupError::Newer { .. } => Failure::environment(message).help("use the newer Ninefold"),
        BackupError::Damaged { .. } | BackupError::Files { .. } | BackupError::Database(_) => {
            Failure::environment(message)
        }
    }
}

fn postgres_backup_failure(error: ServerBackupError<PostgresOpenError>) -> Failure {
    let advice = Advice {
        programs: "install PostgreSQL's client programs, of the server's version or later",
        certificates: "add sslrootcert=PATH to the URL, or use version 16 or later",
        occupied: "--force renames that schema; --database URL restores to another place",
    };
    server_backup_failure(error, postgres_refusal, &advice)
}

fn mysql_backup_failure(error: ServerBackupError<MySqlOpenError>) -> Failure {
    let advice = Advice {
        programs: "install the client programs of MariaDB or MySQL, whichever the server is, of its version or later",
        certificates: "add ssl-ca=PATH to the URL",
        occupied: "--force moves its tables to another database; --database URL restores to another place",
    };
    server_backup_failure(error, mysql_refusal, &advice)
}

/// What to do, where it depends on the database.
struct Advice {
    programs: &'static str,
    certificates: &'static str,
    occupied: &'static str,
}

fn server_backup_failure<O: std::error::Error + 'static>(
    error: ServerBackupError<O>,
    refusal: fn(O) -> Failure,
    advice: &Advice,
) -> Failure {
    let message = error.to_string();
    match error {
        ServerBackupError::Open(error) => refusal(error),
        ServerBackupError::NoApplication => {
            Failure::mistake(message).help("`database.url`, or --database, says where it is")
        }
        ServerBackupError::Exists(_) => Failure::mistake(message).help("choose another name with --out"),
        ServerBackupError::NoTool(_) => Failure::environment(message).help(advice.programs),
        ServerBackupError::OldTool { .. } | ServerBackupError::OtherTool { .. } => {
            Failure::environment(message).help("put those of the server's version, or later, first on the PATH")
        }
        ServerBackupError::NoCertificates(..) => Failure::mistake(message).help(advice.certificates),
        ServerBackupError::NotABackup { .. } => Failure::mistake(message)
            .help("`ninefold backup` makes one; `ninefold move` takes data from one kind of database to another"),
        ServerBackupError::Damaged { .. } => {
            Failure::environment(message).help("nothing was changed; use another backup")
        }
        ServerBackupError::OtherSchema { .. } => {
            Failure::mistake(message).help("name it in the URL, by options=-c%20search_path%3DNAME")
        }
        ServerBackupError::OtherServer { .. } => Failure::mistake(message)
            .help("restore it to a server of that version or later; `ninefold move` goes on to another kind"),
        ServerBackupError::Newer { .. } => Failure::environment(message).help("use the newer Ninefold"),
        ServerBackupError::Occupied(_) => Failure::mistake(message).help(advice.occupied),
        ServerBackupError::Fixed(_) => {
            Failure::mistake(message).help("make an empty database, and restore to it with --database URL")
        }
        ServerBackupError::NoPlace { .. } => Failure::environment(message)
            .help("let the user make that database, or restore to an empty one with --database URL"),
        ServerBackupError::NotPutBack { .. } => Failure::environment(message)
            .help("nothing is lost: run the command again, and keep what is aside until it has succeeded"),
        ServerBackupError::Served { .. } => Failure::environment(message).help("stop the servers first"),
        ServerBackupError::ToolFailed { .. } | ServerBackupError::Files { .. } | ServerBackupError::Refused(_) => {
            Failure::environment(message)
        }
    }
}

fn make_folder_of(path: &Path) -> Result<(), Failure> {
    let Some(folder) = path.parent() else { return Ok(()) };
    folders::make(folder).map_err(|error| {
        Failure::environment(format!(
            "the database's folder {} can't be made: {error}",
            folder.display()
        ))
        .help("choose another place with --database sqlite:PATH, or let this user write there")
    })
}

async fn open_mysql(database: &Database, adopts: bool) -> Result<MySqlStore, Failure> {
    let options = MySqlOptions {
        adopts,
        ..mysql_options(database)
    };
    MySqlStore::open(&database.url, &options).await.map_err(mysql_refusal)
}

fn mysql_options(database: &Database) -> MySqlOptions {
    MySqlOptions {
        connections_max: database.connections_max,
        acquire_timeout: Duration::from_millis(database.acquire_timeout_ms),
        connect_timeout: Duration::from_millis(database.connect_timeout_ms),
        query_timeout: Duration::from_millis(database.query_timeout_ms),
        lock_timeout: Duration::from_millis(database.busy_timeout_ms),
        ..MySqlOptions::default()
    }
}

fn mysql_refusal(error: MySqlOpenError) -> Failure {
    let failure = Failure::environment(format!("the database can't be opened: {error}"));
    match error {
        MySqlOpenError::Url(_) => {
            failure.help("write it as mysql://USER:PASSWORD@HOST:PORT/DATABASE?ssl-mode=VERIFY_IDENTITY")
        }
        MySqlOpenError::Unreachable(_) => failure.help("start the server, or correct the address in `database.url`"),
        MySqlOpenError::Refused(_) => failure.help("make the user and the database, or correct `database.url`"),
        MySqlOpenError::Replica { .. } => {
            failure.help("`database.replicas` has one URL for each: mysql://USER:PASSWORD@HOST:PORT/DATABASE")
        }
        MySqlOpenError::NoLog(_) => {
            failure.help("turn on `log_bin`, on MySQL also `gtid_mode`, or remove `database.replicas`")
        }
        MySqlOpenError::ReadsOnly => failure.help("name the primary in `database.url`"),
        MySqlOpenError::TooOld(_) => failure.help("use a newer server"),
        MySqlOpenError::Foreign => failure.help(ADOPT),
        MySqlOpenError::Incomplete => failure.help(UNFINISHED),
        MySqlOpenError::Restoring => failure.help("run `ninefold restore` again with the same backup, or another"),
        MySqlOpenError::Newer { .. } => failure.help("use the newer Ninefold"),
    }
}
