//! Whether the files that are open are still those that the next start will find.
//!
//! Unix lets a file be removed or exchanged while it is open: SQLite then goes on with what nobody will ever see again.
//! So nothing is committed, and no new connection used, while the database, its log or the log's index is not in its
//! place. Putting the file back is all it takes to go on.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The files of an open database.
pub(super) struct Presence {
    files: Vec<(PathBuf, Identity)>,
}

impl Presence {
    /// Of a database that is open and in use, so that all of its files are there.
    pub(super) fn of(database: &Path) -> io::Result<Self> {
        // Where SQLite follows a link to, and has its other files beside.
        let database = fs::canonicalize(database)?;
        let file = |suffix: &str| {
            let mut name = OsString::from(&database);
            name.push(suffix);
            let path = PathBuf::from(name);
            let identity = identity(&path)?;
            Ok((path, identity))
        };
        let files = ["", "-wal", "-shm"].into_iter().map(file).collect::<io::Result<_>>()?;
        Ok(Self { files })
    }

    /// # Errors
    /// What has become of one of them, while it is gone or another in its place.
    pub(super) fn check(&self) -> Result<(), String> {
        if mutant!(Presence) {
            return Ok(());
        }
        for (path, expected) in &self.files {
            match identity(path) {
                Ok(found) if found == *expected => {}
                Ok(_) => {
                    return Err(format!(
                        "{} is not the file that was opened; put that one back",
                        path.display()
                    ));
                }
                Err(error) => {
                    return Err(format!(
                        "{} is not there any more ({error}); put it back",
                        path.display()
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Device and number: a file keeps them under any name.
#[cfg(unix)]
type Identity = (u64, u64);

#[cfg(unix)]
fn identity(path: &Path) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Elsewhere a file that is open stays in its place.
#[cfg(not(unix))]
type Identity = ();

#[cfg(not(unix))]
fn identity(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|_| ())
}
