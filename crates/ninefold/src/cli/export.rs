//! `ninefold export`: a collection as a file.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use super::target::Target;
use crate::application::{Offline, operator};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::telemetry;
use crate::transfer::Format;
use crate::transfer::progress::Progress;
use crate::transfer::write::Writer;

/// Write all records of a collection to a CSV, JSON or NDJSON file
///
/// In the order of their ids, private fields included; `ninefold import` reads it again. A file is there once it is whole. It
/// works while `ninefold serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold export cities cities.csv
  ninefold export cities | gzip > cities.ndjson.gz
  ninefold export cities - shop --format json

docs/import.md has the formats. Passwords are no part of a collection.")]
pub(super) struct Export {
    /// The collection: its path or its type's name
    #[arg(value_name = "COLLECTION")]
    collection: String,
    /// The file, or - for standard output
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The file's format, where its name doesn't tell; on standard output ndjson unless said otherwise
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl Export {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        let is_stdout = self.file == Path::new("-");
        let format = self.format.or_else(|| Format::of(&self.file));
        let format = format.or(is_stdout.then_some(Format::Ndjson)).ok_or_else(|| {
            Failure::usage("the file's name doesn't tell its format").help("say it with --format csv, json or ndjson")
        })?;
        let application = Offline::open_existing(&self.target.dir, &config).await?;
        let result = if is_stdout {
            let out = BufWriter::new(io::stdout().lock());
            self.export(&application, format, out).await.map(|_| ())
        } else {
            self.to_file(&application, format).await
        };
        application.close().await;
        result
    }

    /// Beside the file first, so that nobody takes a half for the whole.
    async fn to_file(&self, application: &Offline, format: Format) -> Result<(), Failure> {
        let folder = match self.file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // The umask has its say, as with any other file.
        let readable = Permissions::from_mode(0o666);
        let file = tempfile::Builder::new().permissions(readable).tempfile_in(folder);
        let file = file.map_err(|error| self.unwritable(&error))?;
        let (file, path) = file.into_parts();
        let (out, count) = self.export(application, format, BufWriter::new(file)).await?;
        let file: File = out.into_inner().map_err(|error| self.unwritable(error.error()))?;
        file.sync_all().map_err(|error| self.unwritable(&error))?;
        path.persist(&self.file)
            .map_err(|error| self.unwritable(&error.error))?;
        println!("exported {count} {}", self.collection);
        Ok(())
    }

    async fn export<W: io::Write>(&self, application: &Offline, format: Format, out: W) -> Result<(W, u64), Failure> {
        let engine = application.engine();
        let export = engine.export(&operator("export"), &self.collection);
        let mut export = export.map_err(|error| Failure::engine(&error))?;
        let unwritable = |error: io::Error| self.unwritable(&error);
        let mut writer = Writer::start(out, format, export.model(), export.projection()).map_err(unwritable)?;
        let mut progress = Progress::new();
        let mut count = 0;
        let mut kept = Vec::new();
        loop {
            let rows = export.next().await.map_err(|error| Failure::engine(&error))?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                let written = writer.row(export.model(), export.projection(), row);
                written.map_err(unwritable)?;
            }
            count += rows.len() as u64;
            progress.show("exporting", None, count);
            if mutant!(ExportInParts) {
                kept.push(rows);
            }
        }
        progress.clear();
        let mut out = writer.finish().map_err(unwritable)?;
        out.flush().map_err(unwritable)?;
        Ok((out, count))
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        let what = match self.file.to_str() {
            Some("-") => "standard output".to_owned(),
            _ => self.file.display().to_string(),
        };
        Failure::environment(format!("{what} can't be written to: {error}"))
    }
}
