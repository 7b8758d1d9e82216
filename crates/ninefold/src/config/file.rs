//! `ninefold.toml` as entries with their places.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::setting::Raw;
use super::{Config, Entry, Origin, Problem};
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
    let mut entries = Vec::new();
    for (name, place) in places {
        let (span, name) = (name.span(), name.into_inner());
        let problem = |message, help| Problem {
            origin: origin(text, span.clone()),
            message,
            help,
        };
        let is_section = config.sections().iter().any(|section| section.name() == name);
        match (place.into_inner(), &values[name.as_ref()]) {
            (DeValue::Table(keys), toml::Value::Table(values)) if is_section => {
                entries.extend(keys.iter().map(|(key, _)| Entry {
                    path: format!("{name}.{}", key.as_ref()),
                    raw: Raw::Toml(values[key.as_ref().as_ref()].clone()),
                    origin: origin(text, key.span()),
                }));
            }
            (DeValue::Table(_), _) => {
                let known = config.sections().map(|section| section.name());
                problems.push(problem(format!("unknown section `{name}`"), did_you_mean(&name, known)));
            }
            _ if is_section => {
                problems.push(problem(
                    format!("`{name}` is a section"),
                    Some(format!("write its keys under [{name}]")),
                ));
            }
            (_, value) => entries.push(Entry {
                path: name.into_owned(),
                raw: Raw::Toml(value.clone()),
                origin: origin(text, span),
            }),
        }
    }
    entries
}

fn origin(text: &str, span: Range<usize>) -> Origin {
    let before = text.get(..span.start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Origin::File {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}
