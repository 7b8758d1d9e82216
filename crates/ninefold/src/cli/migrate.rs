//! `ninefold migrate`: how the database follows the schema.

use clap::{Args, Subcommand};
use engine::Model;
use engine::model::migration::{Folder, Target as Wanted};
use engine::ports::migrator::{MigrateError, Options, RenderedPlan, RenderedStep};

use super::target::Target;
use crate::application::Purpose;
use crate::config::{Config, LogFormat};
use crate::failure::Failure;
use crate::structure::{self, FOLDER, Structure};
use crate::{schema, telemetry, wiring};

/// See, write and apply what brings the database to the schema
///
/// Migrations are numbered files in migrations/, written by `new`, reviewed by you, and applied by `apply` or `serve --migrate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold migrate plan              what would run, with its SQL
  ninefold migrate new add_topics    write it down as the next file of migrations/
  ninefold migrate apply
  ninefold migrate status")]
pub(super) struct Migrate {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what the database lacks, with the SQL that would run; ends with 1 when something can't be done
    Plan(Target),
    New(New),
    Apply(Apply),
    /// Show which migrations ran, what is pending and what was changed by hand; ends with 1 unless all is current
    Status(Target),
}

/// Write the difference between the files and the schema as the next file
#[derive(Debug, Args)]
struct New {
    /// What the change is, in a few words: add_topics
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    target: Target,
    /// Let the file destroy data; without this, removals are refused
    #[arg(long)]
    allow_destructive: bool,
}

/// Run what is pending
#[derive(Debug, Args)]
struct Apply {
    #[command(flatten)]
    target: Target,
    /// Also run steps that destroy data
    #[arg(long)]
    allow_destructive: bool,
}

impl Migrate {
    pub(super) async fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Plan(target) => plan(&target).await,
            Command::New(command) => command.run(),
            Command::Apply(command) => command.run().await,
            Command::Status(target) => status(&target).await,
        }
    }
}

impl New {
    fn run(self) -> Result<(), Failure> {
        let dir = &self.target.dir;
        let model = schema::read(dir)?;
        let folder = structure::folder(dir)?;
        let mut migration = folder.missing(&Wanted::of(&model));
        if migration.steps.is_empty() {
            return Err(Failure::mistake(
                "the migration files already say all that the schema needs",
            ));
        }
        let lost: Vec<_> = migration
            .steps
            .iter()
            .filter_map(|step| Some(format!("{step}: destroys {}", step.destroys()?)))
            .collect();
        if !lost.is_empty() && !self.allow_destructive {
            return Err(Failure::mistake("the change destroys data")
                .details(lost.join("\n"))
                .help("add --allow-destructive if that is meant, or @renamed(from:) if it is a rename"));
        }
        migration.allow_destructive = !lost.is_empty();
        let written = folder
            .write_next(&dir.join(FOLDER), &self.name, &migration)
            .map_err(|error| structure::failure(MigrateError::Folder(error)))?;
        println!("wrote {}", written.display());
        println!("Read it, then: ninefold migrate apply {}", dir.display());
        Ok(())
    }
}

impl Apply {
    async fn run(self) -> Result<(), Failure> {
        let opened = Opened::open(&self.target).await?;
        let structure = Structure::Apply {
            allow_destructive: self.allow_destructive,
        };
        let result = structure::bring(&opened.ports, &opened.model, &self.target.dir, structure).await;
        opened.close().await;
        let report = result?;
        for step in &report.steps {
            println!("done: {step}");
        }
        for file in &report.files {
            println!("ran: {FOLDER}/{file}");
        }
        if report.steps.is_empty() && report.files.is_empty() {
            println!("nothing to do");
        }
        Ok(())
    }
}

async fn plan(target: &Target) -> Result<(), Failure> {
    let opened = Opened::open(target).await?;
    let (migrator, now) = (&opened.ports.migrator, opened.ports.clock.now());
    // Directly: what the files leave open is shown as well.
    let plan = migrator.plan(&opened.model, &opened.folder, Options::dev(now)).await;
    opened.close().await;
    let plan = plan.map_err(structure::failure)?;
    if plan.legs.is_empty() {
        println!("nothing to do");
    } else {
        print!("{}", rendered(&plan));
    }
    Ok(())
}

async fn status(target: &Target) -> Result<(), Failure> {
    let opened = Opened::open(target).await?;
    let (migrator, now) = (&opened.ports.migrator, opened.ports.clock.now());
    let status = migrator
        .status(&opened.model, &opened.folder, Options::serve(now))
        .await;
    opened.close().await;
    let status = status.map_err(structure::failure)?;
    if status.empty {
        println!("the database is empty");
    }
    for file in &status.applied {
        println!("applied  {FOLDER}/{}", file.file_name());
    }
    for line in &status.begun {
        println!("begun    {line}: unless it still runs, `ninefold migrate apply` goes on with it or takes it away");
    }
    for line in &status.drift {
        println!("drift    {line}");
    }
    let is_current = status.is_current();
    match status.pending {
        Ok(plan) => {
            for leg in &plan.legs {
                leg.files.iter().for_each(|file| println!("pending  {FOLDER}/{file}"));
                leg.steps.iter().for_each(|step| println!("pending  {}", step.text));
            }
        }
        Err(no_route) => println!("stuck    {no_route}"),
    }
    if is_current {
        println!("current");
        return Ok(());
    }
    Err(Failure::mistake("the database is not as the schema needs it")
        .help("`ninefold migrate plan` shows what is missing"))
}

/// Steps, each with its statements.
fn rendered(plan: &RenderedPlan) -> String {
    let mut text = String::new();
    for leg in &plan.legs {
        for file in &leg.files {
            text.push_str(&format!("-- {FOLDER}/{file}\n"));
        }
        if leg.is_transaction && leg.steps.len() > 1 {
            text.push_str("-- one transaction: what a step locks stays locked to the end of the last\n");
        }
        for step in &leg.steps {
            text.push_str(&rendered_step(step));
        }
    }
    text
}

fn rendered_step(step: &RenderedStep) -> String {
    let mut text = format!("-- {}\n", step.text);
    if let Some(lost) = &step.destroys {
        text.push_str(&format!("-- destroys {lost}; runs only with --allow-destructive\n"));
    }
    if let Some(needs) = &step.needs {
        text.push_str(&format!("-- needs {needs}\n"));
    }
    match step.holds.as_deref() {
        None => text.push_str("-- locks what its statements lock\n"),
        Some([]) => text.push_str("-- locks nothing\n"),
        Some(holds) => holds.iter().for_each(|hold| text.push_str(&format!("-- {hold}\n"))),
    }
    for statement in &step.statements {
        text.push_str(&format!("{};\n", statement.trim_end_matches(';')));
    }
    text.push('\n');
    text
}

/// What every subcommand that looks at the database needs.
struct Opened {
    model: Model,
    folder: Folder,
    ports: crate::application::Ports,
}

impl Opened {
    async fn open(target: &Target) -> Result<Self, Failure> {
        let config: Config = target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        let model = schema::read(&target.dir)?;
        let folder = structure::folder(&target.dir)?;
        let ports = wiring::open(&target.dir, &config.database, Purpose::Production, true).await?;
        Ok(Self { model, folder, ports })
    }

    async fn close(&self) {
        self.ports.store.close().await;
    }
}
