//! Backups of a database that no tool of its server copies as it is at one moment: a move makes a copy on SQLite, of which
//! the backup is made; and a move brings a backup back.

use std::path::{Path, PathBuf};

use engine::model::Timestamp;
use engine::operations::relocate::{Extent, Stage};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::Relocation;
use crate::config::Config;
use crate::failure::Failure;
use crate::wiring::{self, Restored, Told};

/// A SQLite database that is gone when this is.
struct Copy {
    config: Config,
    _folder: TempDir,
}

impl Copy {
    /// `near`: a folder with room for it. Nobody else can look into it.
    fn new(config: &Config, near: &Path) -> Result<Self, Failure> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".ninefold-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
        let folder = builder.tempdir_in(near);
        let made = folder.and_then(|folder| Ok((std::path::absolute(folder.path().join("copy.db"))?, folder)));
        let (path, folder) = made.map_err(|error| Failure::environment(format!("{}: {error}", near.display())))?;
        let mut config = config.clone();
        config.database.url = format!("sqlite:{}", path.display());
        Ok(Self {
            config,
            _folder: folder,
        })
    }
}

/// Copies the database to a new file, while it may be served, and answers its size in bytes.
///
/// # Errors
/// A sentence for people; there is no file then.
pub(crate) async fn back_up(
    dir: &Path,
    config: &Config,
    out: &Path,
    now: Timestamp,
    mut told: Told,
) -> Result<u64, Failure> {
    if out.exists() {
        let message = format!("{} is there already", out.display());
        return Err(Failure::mistake(message).help("choose another name with --out"));
    }
    let near = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let copy = Copy::new(config, near.unwrap_or(Path::new(".")))?;
    let relocation = Relocation::of_one_moment(dir, config, &copy.config).await?;
    let moved = run(&relocation, &mut told, "no file was written").await;
    relocation.close().await;
    moved?;
    wiring::back_up(dir, &copy.config.database, out, now, told).await
}

/// Fills the empty database from a backup.
///
/// # Errors
/// A sentence for people. What was begun goes on when the same is restored again.
pub(crate) async fn restore(
    dir: &Path,
    config: &Config,
    file: &Path,
    now: Timestamp,
    mut told: Told,
) -> Result<Restored, Failure> {
    let copy = Copy::new(config, &std::env::temp_dir())?;
    // Checks it.
    let restored = wiring::restore(dir, &copy.config.database, file, false, now, Box::new(|_| true)).await?;
    let file: PathBuf = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let relocation = Relocation::open(dir, &copy.config, config, Extent::Whole).await?;
    let relocation = relocation.named(format!("the backup {}", file.display()));
    let moved = run(&relocation, &mut told, "run it again to go on").await;
    relocation.close().await;
    moved?;
    Ok(restored)
}

/// `stopped`: what that means.
async fn run(relocation: &Relocation, told: &mut Told, stopped: &str) -> Result<(), Failure> {
    let stop = Notify::new();
    let mut hear = |stage: Stage, done: u64, whole: u64| {
        let share = done as f64 / whole.max(1) as f64;
        let share = match stage {
            Stage::Copying | Stage::CatchingUp => share / 2.0,
            Stage::Comparing => 0.5 + share / 2.0,
        };
        if !told(Some(share)) {
            stop.notify_one();
        }
    };
    tokio::select! {
        moved = relocation.run(&mut hear) => moved.map(|_| ()),
        () = stop.notified() => Err(Failure::mistake(format!("stopped; {stopped}"))),
    }
}
