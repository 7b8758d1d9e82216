//! `ninefold check`: everything that can be known without starting.

use clap::{Args, ValueEnum};
use engine::model::Severity;
use serde_json::json;

use super::target::Target;
use crate::application::folder_name;
use crate::config::{self, Config, Origin};
use crate::failure::Failure;
use crate::schema;
use crate::structure;
use crate::telemetry::coloured;

/// Check schema, rules, configuration and migrations, without starting anything
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold check shop
  ninefold check shop --format json | jq .problems

Ends with 1 when there is an error; warnings are fine.")]
pub(super) struct Check {
    #[command(flatten)]
    target: Target,
    /// For people, or for editors and scripts
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// One thing to be said about one file.
struct Problem {
    severity: Severity,
    file: String,
    place: Option<(usize, usize)>,
    message: String,
    help: Option<String>,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let dir = &self.target.dir;
        if !dir.is_dir() {
            return Err(Failure::mistake(format!("there is no folder {}", dir.display())));
        }
        let (model, diagnostics) = schema::examine(dir)?;
        let mut others = Vec::new();
        if let Err(problems) = Config::load(dir, &self.target.settings.overrides()) {
            others.extend(problems.into_iter().map(of_config));
        }
        if let Err(failure) = structure::folder(dir) {
            others.push(Problem {
                severity: Severity::Error,
                file: structure::FOLDER.to_owned(),
                place: None,
                message: failure.message,
                help: failure.help,
            });
        }
        let errors = others.len()
            + diagnostics
                .iter()
                .filter(|item| item.severity == Severity::Error)
                .count();
        match self.format {
            Format::Text => {
                if !diagnostics.is_empty() {
                    eprintln!("{}", diagnostics.render(coloured()));
                }
                for problem in &others {
                    eprintln!("{}\n", text(problem));
                }
                if let (Some(model), 0) = (&model, errors) {
                    println!("{} is well: {} collections", folder_name(dir), model.collections.len());
                }
            }
            Format::Json => {
                let of_schema = diagnostics.iter().map(|item| Problem {
                    severity: item.severity,
                    file: schema::FILE.to_owned(),
                    place: Some((item.place.line, item.place.column)),
                    message: item.message.clone(),
                    help: item.help.clone(),
                });
                let problems: Vec<_> = of_schema.chain(others).map(|problem| as_json(&problem)).collect();
                println!("{:#}", json!({ "ok": errors == 0, "problems": problems }));
            }
        }
        match errors {
            0 => Ok(()),
            1 => Err(Failure::mistake(format!("{} has a mistake", folder_name(dir)))),
            _ => Err(Failure::mistake(format!("{} has {errors} mistakes", folder_name(dir)))),
        }
    }
}

fn of_config(problem: config::Problem) -> Problem {
    let (file, place) = match &problem.origin {
        Origin::File { line, column } => (config::FILE.to_owned(), Some((*line, *column))),
        other => (other.to_string(), None),
    };
    Problem {
        severity: Severity::Error,
        file,
        place,
        message: problem.message,
        help: problem.help,
    }
}

fn text(problem: &Problem) -> String {
    let place = problem
        .place
        .map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
    let help = problem
        .help
        .as_ref()
        .map_or(String::new(), |help| format!("\n help: {help}"));
    format!(
        "{}: {}\n  --> {}{place}{help}",
        problem.severity.name(),
        problem.message,
        problem.file
    )
}

fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "severity": problem.severity.name(),
        "file": problem.file,
        "line": problem.place.map(|(line, _)| line),
        "column": problem.place.map(|(_, column)| column),
        "message": problem.message,
        "help": problem.help,
    })
}
