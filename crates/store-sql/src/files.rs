//! Files that get their name when they are whole and on the disk.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempPath;

/// A file of a passing name in the folder of `path`, gone again unless it gets that name by [`name`].
pub(crate) fn new_beside(path: &Path, mode: u32) -> io::Result<TempPath> {
    let file = tempfile::Builder::new()
        .prefix(".ninefold-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder(path));
    Ok(file?.into_temp_path())
}

/// Gives the file its name, for good; never that of another.
pub(crate) fn name(passing: TempPath, path: &Path) -> io::Result<()> {
    File::open(&passing)?.sync_all()?;
    passing.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(path)
}

/// Makes it last which files the folder of `path` holds.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
