//! `ninefold new`: a folder that runs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::failure::Failure;

include!(concat!(env!("OUT_DIR"), "/templates.rs"));

/// Make a new application: schema, configuration, a test, a CI workflow
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold new shop
  ninefold new talk --template chat")]
pub(super) struct New {
    /// The folder to make; it must not exist, or be empty
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// What to start from
    #[arg(long, value_enum, default_value_t = Template::Blank)]
    template: Template,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Template {
    /// Users, and notes that only their owners see
    Blank,
    /// Rooms, members and messages, with a page to talk on
    Chat,
}

impl New {
    pub(super) fn run(self) -> Result<(), Failure> {
        let shown = self.dir.display();
        let is_free = match fs::read_dir(&self.dir) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(Failure::environment(format!("{shown} can't be read: {error}"))),
        };
        if !is_free {
            return Err(Failure::mistake(format!("{shown} is not empty")).help("name a folder that doesn't exist yet"));
        }
        let own = match self.template {
            Template::Blank => BLANK,
            Template::Chat => CHAT,
        };
        for (path, content) in own.iter().chain(COMMON) {
            write(&self.dir.join(path), content)
                .map_err(|error| Failure::environment(format!("{shown} can't be written: {error}")))?;
        }
        println!("{shown} is ready. Now: ninefold dev {shown}");
        Ok(())
    }
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}
