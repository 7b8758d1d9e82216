//! The arguments that every command on an application takes.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::config::{self, Config, Overrides};
use crate::failure::Failure;

/// Which application, and what the command line changes about its configuration.
#[derive(Debug, Args)]
pub(super) struct Target {
    /// The application's folder
    #[arg(default_value = ".", value_name = "DIR")]
    pub(super) dir: PathBuf,
    #[command(flatten)]
    pub(super) settings: Settings,
}

#[derive(Debug, Args)]
pub(super) struct Settings {
    /// The address to listen on, instead of `listen` of ninefold.toml
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// The database, instead of `database.url` of ninefold.toml
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Any key of ninefold.toml; wins over the environment, which wins over the file
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

impl Target {
    /// The folder, which must exist, and its configuration.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        self.load(&self.settings.overrides())
    }

    /// The same with another database.
    pub(super) fn config_at(&self, database: &str) -> Result<Config, Failure> {
        self.load(&self.settings.overrides_at(database))
    }

    fn load(&self, overrides: &Overrides) -> Result<Config, Failure> {
        if !self.dir.is_dir() {
            let message = format!("there is no folder {}", self.dir.display());
            return Err(Failure::mistake(message).help("`ninefold new DIR` makes an application"));
        }
        Config::load(&self.dir, overrides).map_err(|problems| refused(&self.dir, &problems))
    }
}

impl Settings {
    /// With another database.
    pub(super) fn overrides_at(&self, database: &str) -> Overrides {
        Overrides {
            database: Some(database.to_owned()),
            ..self.overrides()
        }
    }

    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            database: self.database.clone(),
            set: self.set.clone(),
        }
    }
}

/// What is wrong with the configuration, as one failure.
pub(super) fn refused(dir: &Path, problems: &[config::Problem]) -> Failure {
    let lines: Vec<_> = problems.iter().map(|problem| format!("error: {problem}")).collect();
    let count = match problems.len() {
        1 => "a mistake".to_owned(),
        count => format!("{count} mistakes"),
    };
    Failure::mistake(format!("the configuration of {} has {count}", dir.display()))
        .help("every key is described in docs/configuration.md")
        .details(lines.join("\n"))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
