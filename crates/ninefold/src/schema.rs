//! `schema.graphql` of an application's folder.

use std::fs;
use std::io;
use std::path::Path;

use engine::Model;
use engine::model::{Diagnostics, Severity};

use crate::failure::Failure;
use crate::telemetry::coloured;

/// The name of the file in an application's folder.
pub(crate) const FILE: &str = "schema.graphql";

/// The model if there is one, and all that is to be said about the file.
///
/// # Errors
/// The file can't be read at all.
pub(crate) fn examine(dir: &Path) -> Result<(Option<Model>, Diagnostics), Failure> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(source) => Ok(Model::examine(&source, &path.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Failure::mistake(format!("{} has no {FILE}", dir.display()))
                .help("`ninefold new DIR` makes an application; or name the folder of one"))
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            Err(Failure::mistake(format!("{} is not UTF-8 text", path.display())))
        }
        Err(error) => Err(Failure::environment(format!(
            "{} can't be read: {error}",
            path.display()
        ))),
    }
}

/// The model of a schema without mistakes. Warnings go to the log.
pub(crate) fn read(dir: &Path) -> Result<Model, Failure> {
    let (model, diagnostics) = examine(dir)?;
    let Some(model) = model else {
        let mistakes = diagnostics
            .iter()
            .filter(|item| item.severity == Severity::Error)
            .count();
        let count = if mistakes == 1 {
            "a mistake".to_owned()
        } else {
            format!("{mistakes} mistakes")
        };
        let message = format!("{} has {count}", dir.join(FILE).display());
        return Err(Failure::mistake(message).details(diagnostics.render(coloured())));
    };
    for warning in diagnostics.iter() {
        tracing::warn!(
            "{FILE}:{}:{}: {}",
            warning.place.line,
            warning.place.column,
            warning.message
        );
    }
    Ok(model)
}
