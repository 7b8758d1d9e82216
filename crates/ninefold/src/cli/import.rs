//! `ninefold import`: many records from a file.
//!
//! The file is read on a thread of its own; what is valid is gathered beside the database, judged there, and published in
//! short transactions: see [`engine::operations::import`].

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::Args;
use engine::operations::import::{Import as Staged, Rejected};
use engine::ports::staging::Published;
use tokio_util::sync::CancellationToken;

use super::signals;
use super::target::Target;
use crate::application::{Offline, operator};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::telemetry;
use crate::transfer::Format;
use crate::transfer::progress::Progress;
use crate::transfer::read::{self, Batch, Input, Message};

/// Bad records that are told one by one; of the others only the number.
const TOLD_MAX: usize = 20;
/// Bad records after which a file that is to be imported whole is not read any further.
const BAD_MAX: u64 = 1000;
/// Refused records asked for at once.
const PAGE: u32 = 500;

/// Load records from a CSV, JSON or NDJSON file into a collection
///
/// Every rule of the schema is checked. All records of the file are imported, or none; with --continue those that can be. A
/// relation is an id, or named by a unique field of its target: a column country.code. It works while `ninefold serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold import cities cities.csv
  ninefold import cities cities.ndjson shop --continue
  gunzip -c cities.json.gz | ninefold import cities - --format json

docs/import.md has the formats.")]
pub(super) struct Import {
    /// The collection: its path or its type's name
    #[arg(value_name = "COLLECTION")]
    collection: String,
    /// The file, or - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    target: Target,
    /// The file's format, where its name doesn't tell
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Leave out records that can't be imported, and report them
    #[arg(long = "continue")]
    keep_going: bool,
}

impl Import {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        let format = self.format.or_else(|| Format::of(&self.file)).ok_or_else(|| {
            Failure::usage("the file's name doesn't tell its format").help("say it with --format csv, json or ndjson")
        })?;
        let input = Input::open(&self.file)?;
        let stop = signals::stop_token()?;
        let application = Offline::open(&self.target.dir, &config).await?;
        let result = self.import(&application, format, input, &stop).await;
        application.close().await;
        result
    }

    async fn import(
        &self,
        application: &Offline,
        format: Format,
        input: Input,
        stop: &CancellationToken,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let engine = application.engine();
        let ctx = operator("import");
        let import = engine.import(&ctx, &self.collection, self.keep_going);
        let mut run = Run {
            import: import.await.map_err(|error| Failure::engine(&error))?,
            progress: Progress::new(),
            report: Report::new(format),
            keep_going: self.keep_going,
            taken: 0,
        };
        let imported = tokio::select! {
            imported = run.whole(format, input) => imported,
            () = stop.cancelled() => Err(Failure::mistake("stopped; nothing is imported")),
        };
        run.progress.clear();
        run.report.print();
        let path = run.import.path().to_owned();
        match imported {
            Ok(count) => {
                let seconds = began.elapsed().as_secs_f64();
                let left_out = match run.report.count {
                    0 => String::new(),
                    count => format!("; {count} left out"),
                };
                println!("imported {count} {path} in {seconds:.1} s{left_out}");
                Ok(())
            }
            Err(failure) => run.undo(failure).await,
        }
    }
}

/// One import, from the file to its end.
struct Run<'e> {
    import: Staged<'e>,
    progress: Progress,
    report: Report,
    keep_going: bool,
    /// Records read.
    taken: u64,
}

impl Run<'_> {
    /// How many records are in.
    async fn whole(&mut self, format: Format, input: Input) -> Result<u64, Failure> {
        self.read(format, input).await?;
        self.progress.show("checking", None, self.taken);
        let refused = self.import.check().await.map_err(|error| Failure::engine(&error))?;
        if refused + self.report.count > 0 && !self.keep_going {
            self.tell_refused(refused).await?;
            return self.stop_if_bad().map(|()| 0);
        }
        let published = self.publish().await?;
        self.tell_refused(refused + published.refused).await?;
        self.stop_if_bad().map(|()| published.done)
    }

    async fn read(&mut self, format: Format, input: Input) -> Result<(), Failure> {
        let (size, position) = (input.size, input.position());
        let (model, collection) = self.import.target();
        let mut messages = read::start(input, format, model, collection)?;
        while let Some(message) = messages.recv().await {
            match message {
                Message::Header(names) => self.heed(&names)?,
                Message::Batch(batch) => self.add(batch).await?,
                Message::Broken { place, reason } => {
                    let behind = match place {
                        0 => String::new(),
                        place => format!("behind {}: ", format.place(place)),
                    };
                    return Err(
                        Failure::mistake(format!("{behind}{reason}")).help("nothing is imported; mend the file")
                    );
                }
            }
            let share = size.map(|size| position.load(Ordering::Relaxed) as f64 / size.max(1) as f64);
            self.progress.show("reading", share, self.taken);
            if !self.keep_going && self.report.count >= BAD_MAX {
                self.stop_if_bad()?;
            }
        }
        Ok(())
    }

    /// A column that means nothing is a mistake of the whole file.
    fn heed(&self, names: &[String]) -> Result<(), Failure> {
        let unknown = names.iter().filter_map(|name| self.import.knows(name).err());
        let unknown: Vec<_> = unknown
            .map(|error| format!("column {}: {}", error.field, error.message))
            .collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(Failure::mistake("the header has columns that mean nothing")
            .details(unknown.join("\n"))
            .help("nothing is imported; take them out of the file, or name them as the schema does"))
    }

    async fn add(&mut self, batch: Batch) -> Result<(), Failure> {
        self.taken += (batch.drafts.len() + batch.bad.len()) as u64;
        for (place, reason) in batch.bad {
            self.report.add(place, reason);
        }
        let rejected = self
            .import
            .add(batch.drafts)
            .await
            .map_err(|error| Failure::engine(&error))?;
        rejected.iter().for_each(|rejected| self.report.reject(rejected));
        Ok(())
    }

    async fn tell_refused(&mut self, count: u64) -> Result<(), Failure> {
        let (mut behind, mut told) = (0, 0);
        while told < count && self.report.wants_more() {
            let page = self
                .import
                .refused(behind, PAGE)
                .await
                .map_err(|error| Failure::engine(&error))?;
            let Some(last) = page.last() else { break };
            behind = last.place;
            told += page.len() as u64;
            page.iter().for_each(|rejected| self.report.reject(rejected));
        }
        self.report.count += count - told;
        Ok(())
    }

    fn stop_if_bad(&self) -> Result<(), Failure> {
        let bad = self.report.count;
        if bad == 0 || self.keep_going {
            return Ok(());
        }
        let (taken, more) = (self.taken, if bad >= BAD_MAX { "at least " } else { "" });
        Err(Failure::mistake(format!(
            "{more}{bad} of {taken} records can't be imported; nothing is imported"
        ))
        .help("mend the file, or leave them out with --continue"))
    }

    async fn publish(&mut self) -> Result<Published, Failure> {
        loop {
            let published = self.import.publish().await.map_err(|error| Failure::engine(&error))?;
            let whole = (published.done + published.left).max(1);
            let share = published.done as f64 / whole as f64;
            self.progress.show("publishing", Some(share), published.done);
            if published.left == 0 || published.refused > 0 && !self.keep_going {
                return Ok(published);
            }
        }
    }

    /// Takes back what is published.
    async fn undo(self, failure: Failure) -> Result<(), Failure> {
        match self.import.take_back().await {
            Ok(0) => Err(failure),
            Ok(kept) => Err(failure.help(format!(
                "{kept} records stay, because others were made meanwhile that refer to them"
            ))),
            Err(error) => {
                Err(Failure::engine(&error).help("what was imported is taken back when the database is opened next"))
            }
        }
    }
}

/// Bad records: the first of them, and how many there are.
struct Report {
    format: Format,
    told: Vec<(u64, String)>,
    count: u64,
}

impl Report {
    fn new(format: Format) -> Self {
        Self {
            format,
            told: Vec::new(),
            count: 0,
        }
    }

    fn wants_more(&self) -> bool {
        self.told.len() < TOLD_MAX
    }

    fn add(&mut self, place: u64, reason: String) {
        self.count += 1;
        if self.wants_more() {
            self.told.push((place, reason));
        }
    }

    fn reject(&mut self, Rejected { place, error }: &Rejected) {
        let fields = error.fields.iter().map(|field| match field.field.as_str() {
            "" => field.message.clone(),
            name => format!("{name}: {}", field.message),
        });
        let fields: Vec<_> = fields.collect();
        let reason = if fields.is_empty() {
            error.message.clone()
        } else {
            fields.join("; ")
        };
        self.add(*place, reason);
    }

    fn print(&mut self) {
        self.told.sort();
        for (place, reason) in &self.told {
            eprintln!("{}: {reason}", self.format.place(*place));
        }
        let rest = self.count - self.told.len() as u64;
        if rest > 0 {
            eprintln!("… and {rest} more");
        }
    }
}
