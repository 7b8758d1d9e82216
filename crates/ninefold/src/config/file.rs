//! `ninefold.toml` as entries with their places.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::setting::Raw;
use super::{Config, Entry, Origin, Problem, path};
use crate::suggest::did_you_mean;

/// The file's values. What can't be one is reported: a broken file, an unknown section, a section that is no table.
pub(super) fn entries(text: &str, config: &Config, problems: &mut Vec<Problem>) -> Vec<Entry> {
    // Parsed twice: one form knows places, the other plain values.
    let (places, values) = match (DeTable::parse(text), text.parse::<toml::Table>()) {
        (Ok(places), Ok(values)) => (places.into_inner(), values),
        (Err(error), _) | (_, Err(error)) => {
            problems.push(Problem {
                origin: origin(text, error.span().unwrap_or_default()),
                message: error.message().to_owned(),
                help: None,
            });
            return Vec::new();
        }
    };
    let mut reader = Reader {
        text,
        config,
        problems,
        entries: Vec::new(),
    };
    reader.table("", places, &values);
    reader.entries
}

struct Reader<'a> {
    text: &'a str,
    config: &'a Config,
    problems: &'a mut Vec<Problem>,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    /// The keys of the section `outer`, and the sections in it.
    fn table(&mut self, outer: &str, places: DeTable<'_>, values: &toml::Table) {
        for (name, place) in places {
            let span = name.span();
            let path = path(outer, name.as_ref());
            let value = &values[name.as_ref().as_ref()];
            let is_section = self.config.sections().iter().any(|section| section.name() == path);
            match (place.into_inner(), value) {
                (DeValue::Table(inner), toml::Value::Table(values)) if is_section => self.table(&path, inner, values),
                (DeValue::Table(_), _) => {
                    let known = self.config.sections().map(|section| section.name());
                    let help = did_you_mean(&path, known);
                    self.problem(span, format!("unknown section `{path}`"), help);
                }
                _ if is_section => {
                    let help = format!("write its keys under [{path}]");
                    self.problem(span, format!("`{path}` is a section"), Some(help));
                }
                _ => self.entries.push(Entry {
                    path,
                    raw: Raw::Toml(value.clone()),
                    origin: origin(self.text, span),
                }),
            }
        }
    }

    fn problem(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        self.problems.push(Problem {
            origin: origin(self.text, span),
            message,
            help,
        });
    }
}

fn origin(text: &str, span: Range<usize>) -> Origin {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Origin::File {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
