//! `ninefold introspect`: an existing database as a schema.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use engine::introspect::{self, Written};
use engine::model::Model;

use crate::failure::Failure;
use crate::{config, schema, wiring};

/// Write the schema that serves an existing database
///
/// Tables become collections, foreign keys relations, join tables to-many relations, views read-only collections. Nothing is
/// written to the database. What the schema can't say is listed at its head and on standard error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold introspect sqlite:chinook.db                 print the schema
  ninefold introspect sqlite:chinook.db --out music     write it as music/schema.graphql
  ninefold dev music
  ninefold introspect postgresql://shop:secret@db.example.com/shop --out shop
  ninefold introspect mysql://shop:secret@db.example.com/shop --out shop

Administrators alone may read and write until the schema has @access rules.")]
pub(super) struct Introspect {
    /// The database: sqlite:PATH, or postgresql: or mysql://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(value_name = "URL")]
    url: String,
    /// The folder of a new application to write it to; printed otherwise
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Introspect {
    pub(super) async fn run(self) -> Result<(), Failure> {
        if let Some(dir) = &self.out {
            refuse_to_overwrite(&dir.join(schema::FILE))?;
        }
        let database = wiring::introspect(&self.url).await?;
        let written = introspect::schema(&database, &without_password(&self.url));
        if written.collections == 0 {
            tell(&written);
            return Err(Failure::mistake("the database has no table that can be served"));
        }
        if let (None, said) = Model::examine(&written.schema, schema::FILE) {
            // Such a database is not foreseen: what was written is of use to who repairs it.
            return Err(
                Failure::environment("the schema that came out doesn't read; please report it")
                    .details(format!("{}\n{said}", written.schema)),
            );
        }
        match &self.out {
            Some(dir) => self.write(dir, &written)?,
            None => print!("{}", written.schema),
        }
        tell(&written);
        Ok(())
    }

    fn write(&self, dir: &Path, written: &Written) -> Result<(), Failure> {
        let failed =
            |error: std::io::Error| Failure::environment(format!("{} can't be written: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(failed)?;
        fs::write(dir.join(schema::FILE), &written.schema).map_err(failed)?;
        let configuration = dir.join(config::FILE);
        let url = self.url_from_anywhere();
        if let Some(url) = url.filter(|_| !configuration.exists()) {
            let text = format!("[database]\nurl = {}\n", toml::Value::from(url));
            fs::write(configuration, text).map_err(failed)?;
        }
        println!(
            "{} has {} collections. Now: ninefold dev {}",
            dir.display(),
            written.collections,
            dir.display()
        );
        Ok(())
    }

    /// With an absolute path, for an application's own is read from its folder. A URL that may hold a password is not
    /// written down.
    fn url_from_anywhere(&self) -> Option<String> {
        let path = self.url.strip_prefix("sqlite:")?;
        let path = fs::canonicalize(path.strip_prefix("//").unwrap_or(path)).ok()?;
        Some(format!("sqlite:{}", path.to_str()?))
    }
}

fn refuse_to_overwrite(file: &Path) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::mistake(format!("{} is there already", file.display())).help("name another folder"));
    }
    Ok(())
}

fn tell(written: &Written) {
    for note in &written.notes {
        eprintln!("note: {}: {}", note.what, note.reason);
    }
}

/// `postgres://user:secret@host/db` without what stands before the host.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_written_down() {
        let check = |url: &str, expected: &str| assert_eq!(without_password(url), expected);
        check("sqlite:a.db", "sqlite:a.db");
        check("postgres://host/db", "postgres://host/db");
        check("postgres://me:se@cret@host:1/db?password=x", "postgres://host:1/db");
    }
}
