//! The staging tables while they take records.

use std::borrow::Cow;
use std::collections::HashSet;

use engine::model::Value;
use engine::ports::staging::Staged;
use engine::query::LinkOperation;

use super::Kind;
use super::layout::{Layout, Links, PLACE, STAGED, Unique};
use super::server::{Done, Server, plain};
use crate::compile::{self, DialectRef, Statement};

/// Rows of one statement, a power of two, and the bytes from which on each record has a statement of its own.
const ROWS_MAX: usize = 64;
const ROW_BYTES_MAX: usize = 16 * 1024;
/// What no server takes more of in one statement.
const VALUES_MAX: usize = 32_768;

pub(super) struct Fill<S: Server> {
    server: S,
    layout: Layout,
    unique: Vec<Unique>,
    /// The places of their columns in an image.
    slots: Vec<Vec<usize>>,
}

impl<S: Server> Fill<S> {
    /// Makes the staging tables, like the live ones.
    pub(super) async fn start(mut server: S, layout: Layout, unique: Vec<Unique>) -> Done<Self> {
        layout.drop_tables(&mut server).await?;
        let mut made = server.stage(&layout.table, &unique);
        let create = S::CREATE;
        made.push(format!(
            "{create} {STAGED}_problem (place bigint PRIMARY KEY, kind bigint NOT NULL, what text NOT NULL)"
        ));
        made.push(format!(
            "{create} {STAGED}_turn (turn bigint PRIMARY KEY, place bigint NOT NULL UNIQUE)"
        ));
        for links in &layout.links {
            made.extend(server.stage_links(links));
        }
        for statement in made {
            server.command(&statement).await?;
        }
        let place = |column: &String| layout.columns.iter().position(|name| name == column);
        let slots = unique
            .iter()
            .map(|unique| unique.columns.iter().filter_map(place).collect());
        Ok(Self {
            slots: slots.collect(),
            server,
            layout,
            unique,
        })
    }

    pub(super) fn into_parts(self) -> (S, Layout) {
        (self.server, self.layout)
    }

    /// What shares a unique value with an earlier record is a problem, and no error.
    pub(super) async fn add(&mut self, records: &[Staged]) -> Done<()> {
        self.server.command(S::BEGIN).await?;
        let mut accepted = Vec::with_capacity(records.len());
        for records in portions(records, self.layout.columns.len() + 1) {
            self.insert(records, &mut accepted).await?;
        }
        for links in self.layout.links.clone() {
            self.link(&links, &accepted).await?;
        }
        self.server.command("COMMIT").await
    }

    async fn insert<'a>(&mut self, records: &'a [Staged], accepted: &mut Vec<&'a Staged>) -> Done<()> {
        let places: Vec<Value> = records.iter().map(|record| Value::Int(place_of(record))).collect();
        let rows = places
            .iter()
            .zip(records)
            .map(|(place, record)| std::iter::once(place).chain(&record.image.0));
        let begin = format!(
            "INSERT INTO {STAGED} ({PLACE}, {}) VALUES ",
            self.layout.columns.join(", ")
        );
        let mut statement = inserted(self.server.dialect(), begin, rows);
        self.server.dialect().unless_there(&mut statement.text, PLACE);
        if self.server.execute(statement).await? == records.len() as u64 {
            accepted.extend(records);
            return Ok(());
        }
        let numbers = records.iter().map(|record| record.place);
        let (first, last) = (numbers.clone().min(), numbers.max());
        let there = format!(
            "SELECT {PLACE} FROM {STAGED} WHERE {PLACE} BETWEEN {} AND {}",
            first.unwrap_or_default(),
            last.unwrap_or_default()
        );
        let there = self.server.query(plain(there, &[compile::Kind::Int])).await?;
        let there: HashSet<i64> = there.iter().filter_map(|row| row[0].as_int()).collect();
        for record in records {
            if there.contains(&place_of(record)) {
                accepted.push(record);
            } else {
                self.refuse(record).await?;
            }
        }
        Ok(())
    }

    /// Stages a field's links of these records.
    async fn link(&mut self, links: &Links, records: &[&Staged]) -> Done<()> {
        let mut pairs = Vec::new();
        for record in records {
            let source = record.key.single().unwrap_or(&Value::Null);
            for change in record.links.iter().filter(|change| change.field.0 == links.field) {
                let targets = match &change.operation {
                    LinkOperation::Replace { with, .. } => with,
                    LinkOperation::Edit { add, .. } => add,
                };
                pairs.extend(targets.iter().map(|target| [source, target]));
            }
        }
        let mut rest = pairs.as_slice();
        while !rest.is_empty() {
            let (some, others) = rest.split_at(power_of_two(rest.len()));
            let begin = format!(
                "INSERT INTO {} ({}, {}) VALUES ",
                links.staged, links.source, links.target
            );
            let statement = inserted(self.server.dialect(), begin, some.iter().copied());
            self.server.execute(statement).await?;
            rest = others;
        }
        Ok(())
    }

    /// Notes which unique value an earlier record of the file has.
    async fn refuse(&mut self, record: &Staged) -> Done<()> {
        let mut what = self.unique.first().map(named).unwrap_or_default();
        for (unique, slots) in self.unique.iter().zip(&self.slots) {
            let values: Vec<&Value> = slots.iter().map(|slot| &record.image.0[*slot]).collect();
            // Nothing is the same as null.
            if values.iter().any(|value| matches!(value, Value::Null)) {
                continue;
            }
            let mut statement = plain(
                format!("SELECT {PLACE} FROM {STAGED} WHERE {PLACE} < {}", place_of(record)),
                &[compile::Kind::Int],
            );
            for (column, value) in unique.columns.iter().zip(values) {
                statement.text.push_str(&format!(" AND {column} = "));
                statement.binds.push(Cow::Owned(value.clone()));
                let (number, kind) = (statement.binds.len(), compile::Kind::of_value(value));
                self.server
                    .dialect()
                    .placeholder(&mut statement.text, number, Some(kind));
            }
            if let Some(condition) = &unique.condition {
                statement.text.push_str(&format!(" AND ({condition})"));
            }
            statement.text.push_str(" LIMIT 1");
            if !self.server.query(statement).await?.is_empty() {
                what = named(unique);
                break;
            }
        }
        let row = [
            Value::Int(place_of(record)),
            Value::Int(Kind::Taken as i64),
            Value::text(&*what),
        ];
        let begin = format!("INSERT INTO {STAGED}_problem (place, kind, what) VALUES ");
        let statement = inserted(self.server.dialect(), begin, [&row]);
        self.server.execute(statement).await?;
        Ok(())
    }
}

fn named(unique: &Unique) -> String {
    unique.fields.join(",")
}

/// In their order, so many at once that few texts serve all lengths and no statement is too large.
fn portions(records: &[Staged], columns: usize) -> impl Iterator<Item = &[Staged]> {
    let rows_max = (VALUES_MAX / columns).clamp(1, ROWS_MAX);
    let mut rest = records;
    std::iter::from_fn(move || {
        let small = rest.iter().take(rows_max).take_while(|record| is_small(record)).count();
        let (some, others) = rest.split_at_checked(power_of_two(small.max(1)))?;
        rest = others;
        Some(some)
    })
}

fn is_small(record: &Staged) -> bool {
    let bytes = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        _ => 16,
    };
    record.image.0.iter().map(bytes).sum::<usize>() <= ROW_BYTES_MAX
}

/// The greatest that is no more than this and than [`ROWS_MAX`].
fn power_of_two(count: usize) -> usize {
    count.min(ROWS_MAX).checked_ilog2().map_or(0, |power| 1 << power)
}

/// `begin`, and these rows.
fn inserted<'a>(
    dialect: DialectRef,
    begin: String,
    rows: impl IntoIterator<Item = impl IntoIterator<Item = &'a Value>>,
) -> Statement<'a> {
    let mut statement = plain(begin, &[]);
    for (number, row) in rows.into_iter().enumerate() {
        statement.text.push_str(if number == 0 { "(" } else { ", (" });
        for (number, value) in row.into_iter().enumerate() {
            statement.text.push_str(if number == 0 { "" } else { ", " });
            statement.binds.push(Cow::Borrowed(value));
            dialect.placeholder(&mut statement.text, statement.binds.len(), None);
        }
        statement.text.push(')');
    }
    statement
}

fn place_of(record: &Staged) -> i64 {
    i64::try_from(record.place).unwrap_or(i64::MAX)
}
