//! Backups of databases on servers, by the servers' own programs.
//!
//! What is the same for all: a file gets its name when it has been read again as a whole and is on the disk; a restore looks at
//! everything before it changes anything, renames what is there rather than dropping it, and puts it back when it fails. What
//! differs is a [`Server`]; how programs are run is in [`tool`].

pub(crate) mod tool;

use std::error::Error;
use std::path::{Path, PathBuf};

use crate::files;

/// Why a backup can't be made or restored; `O`: why the database can't be opened. The command line has a sentence for each.
#[derive(Debug, thiserror::Error)]
pub enum ServerBackupError<O: Error + 'static> {
    #[error(transparent)]
    Open(#[from] O),
    #[error("the database holds no application yet")]
    NoApplication,
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    #[error("{0} is not on the PATH")]
    NoTool(&'static str),
    #[error("{tool} is version {found}, and the server {server}")]
    OldTool {
        tool: &'static str,
        found: String,
        server: String,
    },
    /// Of another maker than the server.
    #[error("{tool} is {maker}'s, and the server {server}")]
    OtherTool {
        tool: &'static str,
        maker: &'static str,
        server: String,
    },
    /// What it said.
    #[error("{tool} failed: {said}")]
    ToolFailed { tool: &'static str, said: String },
    /// Certificates that the tools can't be told of.
    #[error("{0} can't check the server's certificate without `{1}`")]
    NoCertificates(&'static str, &'static str),
    #[error("{} is no backup that Ninefold made of a {kind} database", path.display())]
    NotABackup { path: PathBuf, kind: &'static str },
    #[error("{} is damaged: {what}", path.display())]
    Damaged { path: PathBuf, what: &'static str },
    #[error("the backup is of the schema {found}, and the database's is {wanted}")]
    OtherSchema { found: String, wanted: String },
    #[error("the backup is of {found}, and the server is {server}")]
    OtherServer { found: String, server: String },
    #[error("the backup was made by a newer Ninefold (format {found}, this one knows {known})")]
    Newer { found: i64, known: i64 },
    /// Which schema or database.
    #[error("{0} has tables already")]
    Occupied(String),
    /// What is in the way.
    #[error("what is there can't be moved aside: it has {0}")]
    Fixed(String),
    #[error("what is there can't be moved aside to {to}: {said}")]
    NoPlace { to: String, said: String },
    /// A restore failed, and then what was there before could not be put back from where it is: there it is safe.
    #[error("{failure}; and what was there before is still aside as {aside}, for putting it back failed too: {said}")]
    NotPutBack {
        failure: Box<Self>,
        aside: String,
        said: String,
    },
    /// So many connections.
    #[error("{who} {count} connections to the database open")]
    Served { who: &'static str, count: usize },
    #[error("{}: {source}", path.display())]
    Files { path: PathBuf, source: std::io::Error },
    #[error("the server refuses: {0}")]
    Refused(String),
}

impl<O: Error + 'static> ServerBackupError<O> {
    pub(crate) fn of_file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Files {
            path: path.to_owned(),
            source,
        }
    }
}

/// What came of a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRestored {
    /// When the backup was made, as the backup has it.
    pub made: String,
    /// What was there before, by the name that it has now.
    pub replaced: Option<String>,
}

pub(crate) type Result<T, S> = std::result::Result<T, ServerBackupError<<S as Server>::Refusal>>;

/// A database on a server that is reached, and its programs.
pub(crate) trait Server: Sized {
    type Refusal: Error + 'static;

    async fn holds_application(&mut self) -> Result<bool, Self>;

    /// Copies one state of the database to the file, which is there and empty.
    async fn dump(&mut self, to: &Path) -> Result<(), Self>;

    /// Reads all of a backup, and answers when it was made.
    ///
    /// # Errors
    /// Also where it isn't one that this database can take.
    async fn examine(&mut self, from: &Path) -> Result<String, Self>;

    /// The schema or database, where something is in it.
    async fn occupied(&mut self) -> Result<Option<String>, Self>;

    /// Fails while others are connected to the database.
    async fn is_alone(&mut self) -> Result<(), Self>;

    /// Moves aside what is there, in one step, and answers the name that it has now; `stamp` ends it.
    async fn make_room(&mut self, stamp: &str) -> Result<Option<String>, Self>;

    /// Puts all of a backup into the room.
    async fn fill(&mut self, from: &Path) -> Result<(), Self>;

    /// Empties the room, and puts back what was there.
    async fn put_back(&mut self, aside: Option<&str>) -> Result<(), Self>;
}

/// Copies the database to the new file `to`, and answers its size in bytes. Stops when dropped, and leaves no file.
pub(crate) async fn back_up<S: Server>(connecting: impl Future<Output = Result<S, S>>, to: &Path) -> Result<u64, S> {
    if to.exists() {
        return Err(ServerBackupError::Exists(to.to_owned()));
    }
    let mut server = connecting.await?;
    if !server.holds_application().await? {
        return Err(ServerBackupError::NoApplication);
    }
    let of_file = ServerBackupError::<S::Refusal>::of_file;
    let copy = files::new_beside(to, 0o600).map_err(of_file(to))?;
    server.dump(&copy).await?;
    server.examine(&copy).await?;
    let bytes = copy.metadata().map_err(of_file(&copy))?.len();
    match files::name(copy, to) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(ServerBackupError::Exists(to.to_owned()))
        }
        Err(error) => Err(of_file(to)(error)),
    }
}

/// Puts the backup at `from` in the database's place. What is there is moved aside if `force` says so.
///
/// # Errors
/// See [`ServerBackupError`]; the database is what it was.
pub(crate) async fn restore<S: Server>(
    mut server: S,
    from: &Path,
    force: bool,
    stamp: &str,
) -> Result<ServerRestored, S> {
    // All of it can be read, before anything is changed.
    let made = server.examine(from).await?;
    if let Some(occupied) = server.occupied().await?
        && !force
    {
        return Err(ServerBackupError::Occupied(occupied));
    }
    server.is_alone().await?;
    let replaced = server.make_room(stamp).await?;
    if let Err(error) = server.fill(from).await {
        let put_back = server.put_back(replaced.as_deref()).await;
        return Err(match (put_back, replaced) {
            (Err(again), Some(aside)) => ServerBackupError::NotPutBack {
                failure: Box::new(error),
                aside,
                said: again.to_string(),
            },
            _ => error,
        });
    }
    Ok(ServerRestored { made, replaced })
}
