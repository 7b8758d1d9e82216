//! An archive in a folder: another disk, or one that is mounted from elsewhere.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use engine::ports::archive::{Archive, ArchiveError};

use crate::folders;

/// What is being written is called so.
const PASSING: &str = ".ninefold-";

pub struct FolderArchive {
    root: PathBuf,
}

impl FolderArchive {
    /// The folder is made when something is put into it.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn failed(&self, name: &str, error: &io::Error) -> ArchiveError {
        ArchiveError(format!("{}: {error}", self.root.join(name).display()))
    }

    fn keep(&self, name: &str, mut source: &File) -> io::Result<()> {
        let path = self.root.join(name);
        let folder = path.parent().unwrap_or(&self.root);
        folders::make(folder)?;
        // Readable by its owner alone: it holds keys and password hashes.
        let mut passing = tempfile::Builder::new().prefix(PASSING).tempfile_in(folder)?;
        io::copy(&mut source, passing.as_file_mut())?;
        passing.as_file().sync_all()?;
        passing.persist(&path).map_err(|error| error.error)?;
        File::open(folder)?.sync_all()
    }

    fn gather(&self, folder: &Path, prefix: &str, names: &mut Vec<String>) -> io::Result<()> {
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let path = entry.path();
            let name = path.strip_prefix(&self.root).ok().and_then(Path::to_str);
            let Some(name) = name else { continue };
            if entry.file_type()?.is_dir() {
                let folder = format!("{name}/");
                if folder.starts_with(prefix) || prefix.starts_with(&folder) {
                    self.gather(&path, prefix, names)?;
                }
            } else if name.starts_with(prefix) && !entry.file_name().to_string_lossy().starts_with(PASSING) {
                names.push(name.to_owned());
            }
        }
        Ok(())
    }
}

impl Archive for FolderArchive {
    fn name(&self) -> String {
        format!("file:{}", self.root.display())
    }

    fn put(&self, name: &str, file: &File) -> Result<(), ArchiveError> {
        self.keep(name, file).map_err(|error| self.failed(name, &error))
    }

    fn get(&self, name: &str) -> Result<Option<Box<dyn Read>>, ArchiveError> {
        match File::open(self.root.join(name)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(name, &error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<String>, ArchiveError> {
        let mut names = Vec::new();
        self.gather(&self.root, prefix, &mut names)
            .map_err(|error| self.failed("", &error))?;
        names.sort_unstable();
        Ok(names)
    }

    fn remove(&self, name: &str) -> Result<(), ArchiveError> {
        match fs::remove_file(self.root.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed(name, &error)),
            _ => {
                // Of a folder that is empty now nothing is left; one that isn't stays.
                if let Some(folder) = self.root.join(name).parent() {
                    let _ = fs::remove_dir(folder);
                }
                Ok(())
            }
        }
    }
}
