//! How an application runs: `ninefold.toml`, the environment and flags, as one typed value.
//!
//! Defaults < file < environment (`NINEFOLD_SECTION__KEY`) < `--set` and the other flags. A key that doesn't exist is an
//! error with its place, never ignored; all errors are reported at once. `docs/configuration.md` is written from the
//! same declarations ([`reference()`]).

mod file;
mod parts;
mod reference;
mod sections;
mod setting;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::Path;

pub use reference::reference;
pub use sections::{
    Auth, AuthLimits, AuthLinks, AuthPassword, Backup, Cors, Database, General, Limits, Live, Log, LogFormat,
    Synchronous,
};

use crate::suggest::did_you_mean;
use sections::Section;
use setting::Raw;

/// The name of the file in an application's folder.
pub const FILE: &str = "ninefold.toml";

const ENVIRONMENT_PREFIX: &str = "NINEFOLD_";

/// Everything that can be set, with its defaults.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    pub general: General,
    pub database: Database,
    pub backup: Backup,
    pub limits: Limits,
    pub live: Live,
    pub auth: Auth,
    pub auth_password: AuthPassword,
    pub auth_links: AuthLinks,
    pub auth_limits: AuthLimits,
    pub cors: Cors,
    pub log: Log,
}

/// Where a value came from. Orders as it is reported: the file by line first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Line and column in the file, from 1.
    File {
        line: usize,
        column: usize,
    },
    /// The name of the variable.
    Environment(String),
    /// As it was written: `--set limits.page_max=9`.
    Flag(String),
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { line, column } => write!(f, "{FILE}:{line}:{column}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(flag) => f.write_str(flag),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub origin: Origin,
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)?;
        if let Some(help) = &self.help {
            write!(f, "; {help}")?;
        }
        Ok(())
    }
}

/// What the command line adds to the file and the environment.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub listen: Option<String>,
    pub database: Option<String>,
    /// `--set key=value`, split at the first `=`.
    pub set: Vec<(String, String)>,
}

/// One value for one key.
#[derive(Debug)]
struct Entry {
    /// `limits.page_max`.
    path: String,
    raw: Raw,
    origin: Origin,
}

impl Config {
    /// Reads the folder's `ninefold.toml` if there is one, the process's environment, and the flags.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn load(dir: &Path, overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        let text = match std::fs::read_to_string(dir.join(FILE)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(vec![Problem {
                    origin: Origin::File { line: 1, column: 1 },
                    message: format!("can't be read: {error}"),
                    help: None,
                }]);
            }
        };
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX));
        Self::read(&text, environment, overrides)
    }

    /// The same from given sources.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn read(
        file: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        overrides: &Overrides,
    ) -> Result<Self, Vec<Problem>> {
        let mut config = Self::default();
        let mut problems = Vec::new();
        let mut entries = file::entries(file, &config, &mut problems);
        let mut environment: Vec<_> = environment.into_iter().collect();
        environment.sort();
        for (name, value) in environment {
            entries.extend(config.environment_entry(name, value, &mut problems));
        }
        entries.extend(flag_entries(overrides));
        let mut origins = HashMap::new();
        for entry in entries {
            match config.apply(&entry) {
                Ok(()) => {
                    origins.insert(entry.path, entry.origin);
                }
                Err(problem) => problems.push(problem),
            }
        }
        problems.extend(config.problems(&origins));
        problems.sort_by(|a, b| a.origin.cmp(&b.origin));
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    fn sections(&self) -> [&dyn Section; 11] {
        [
            &self.general,
            &self.database,
            &self.backup,
            &self.limits,
            &self.live,
            &self.auth,
            &self.auth_password,
            &self.auth_links,
            &self.auth_limits,
            &self.cors,
            &self.log,
        ]
    }

    fn sections_mut(&mut self) -> [&mut dyn Section; 11] {
        [
            &mut self.general,
            &mut self.database,
            &mut self.backup,
            &mut self.limits,
            &mut self.live,
            &mut self.auth,
            &mut self.auth_password,
            &mut self.auth_links,
            &mut self.auth_limits,
            &mut self.cors,
            &mut self.log,
        ]
    }

    /// Every key's dotted path.
    fn paths(&self) -> Vec<String> {
        let sections = self.sections();
        let paths = sections
            .iter()
            .flat_map(|section| section.keys().into_iter().map(|key| path(section.name(), key.name)));
        paths.collect()
    }

    fn apply(&mut self, entry: &Entry) -> Result<(), Problem> {
        let problem = |message: String, help| Problem {
            origin: entry.origin.clone(),
            message,
            help,
        };
        let paths = self.paths();
        if !paths.contains(&entry.path) {
            let help = did_you_mean(&entry.path, paths.iter().map(String::as_str));
            return Err(problem(format!("unknown key `{}`", entry.path), help));
        }
        let (name, key) = entry.path.rsplit_once('.').unwrap_or(("", &entry.path));
        let section = self
            .sections_mut()
            .into_iter()
            .find(|section| section.name() == name)
            .expect("a known path's section exists");
        section
            .set(key, &entry.raw)
            .map_err(|message| problem(format!("`{}`: {message}", entry.path), None))
    }

    /// What is wrong with values that are well formed.
    fn problems(&self, origins: &HashMap<String, Origin>) -> Vec<Problem> {
        let mut problems = Vec::new();
        for section in self.sections() {
            for invalid in section.validate() {
                let path = path(section.name(), invalid.key);
                problems.push(Problem {
                    origin: origins.get(&path).cloned().unwrap_or(Origin::Default),
                    message: format!("`{path}`: {}", invalid.message),
                    help: None,
                });
            }
        }
        problems
    }

    /// A variable such as `NINEFOLD_LIMITS__PAGE_MAX`.
    ///
    /// Names without `__` that are no key may be somebody else's (Kubernetes sets `NINEFOLD_PORT` for a service of that
    /// name), so only those that look like a slip are refused.
    fn environment_entry(&self, name: String, value: String, problems: &mut Vec<Problem>) -> Option<Entry> {
        let path = name.strip_prefix(ENVIRONMENT_PREFIX)?.to_lowercase().replace("__", ".");
        let known = self.paths();
        if !path.contains('.') && !known.contains(&path) {
            let top = known.iter().filter(|key| !key.contains('.')).map(String::as_str);
            let slip = did_you_mean(&path, top)?;
            problems.push(Problem {
                origin: Origin::Environment(name),
                message: format!("unknown key `{path}`"),
                help: Some(slip),
            });
            return None;
        }
        Some(Entry {
            path,
            raw: Raw::Text(value),
            origin: Origin::Environment(name),
        })
    }
}

/// `--set` first, so that a flag of its own wins.
fn flag_entries(overrides: &Overrides) -> Vec<Entry> {
    let set = overrides.set.iter().map(|(path, value)| Entry {
        path: path.clone(),
        raw: Raw::Text(value.clone()),
        origin: Origin::Flag(format!("--set {path}=…")),
    });
    let named = [
        ("listen", "--listen", &overrides.listen),
        ("database.url", "--database", &overrides.database),
    ];
    let named = named.into_iter().filter_map(|(path, flag, value)| {
        Some(Entry {
            path: path.to_owned(),
            raw: Raw::Text(value.clone()?),
            origin: Origin::Flag(flag.to_owned()),
        })
    });
    set.chain(named).collect()
}

fn path(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}
