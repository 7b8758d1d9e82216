//! Folders that last.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Makes the folder for good: one whose name is lost with the power takes along what was synced in it.
///
/// # Errors
/// It can't be made.
pub fn make(folder: &Path) -> io::Result<()> {
    let missing: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::create_dir_all(folder)?;
    if cfg!(unix) {
        for holder in missing.into_iter().filter_map(Path::parent) {
            let holder = match holder.as_os_str().is_empty() {
                true => Path::new("."),
                false => holder,
            };
            File::open(holder)?.sync_all()?;
        }
    }
    Ok(())
}
