//! The staging file while it takes records: plain inserts that need not survive a crash.

use std::path::Path;

use engine::Model;
use engine::model::{CollectionId, FieldKind, Value};
use engine::ports::staging::Staged;
use engine::ports::store::StoreError;
use engine::query::LinkOperation;
use rusqlite::{Connection, params};

use super::layout::{Layout, definitions};
use crate::sqlite::error::{store_error, write_error};
use crate::sqlite::functions;
use crate::sqlite::session::Bound;
use crate::staging::Kind;

/// Page cache, in KiB: what is staged beyond it goes to the file.
const CACHE_KIB: i64 = 32 * 1024;

const TABLES: &str = "
CREATE TABLE _ninefold_import (layout TEXT NOT NULL) STRICT;
CREATE TABLE _ninefold_problem (place INTEGER NOT NULL PRIMARY KEY, kind INTEGER NOT NULL, what TEXT NOT NULL) STRICT;
CREATE TABLE _ninefold_turn (turn INTEGER NOT NULL PRIMARY KEY, place INTEGER NOT NULL UNIQUE) STRICT;";

pub(super) struct Fill {
    connection: Connection,
    insert: String,
    links: Vec<(engine::model::FieldId, String)>,
}

impl Fill {
    /// Makes the staging file, with the tables as `live` has them.
    pub(super) fn start(
        path: &Path,
        live: &Connection,
        (model, id): (&Model, CollectionId),
        layout: &Layout,
    ) -> rusqlite::Result<Self> {
        let collection = model.collection(id);
        let mut tables = vec![collection.table.as_str()];
        let mut links = Vec::new();
        for field in &collection.fields {
            if let FieldKind::Links { table, .. } = &field.kind {
                tables.push(table);
                let Some(of) = layout.links.get(links.len()) else {
                    continue;
                };
                let insert = format!("INSERT INTO {} ({}, {}) VALUES (?, ?)", of.table, of.source, of.target);
                links.push((field.id, insert));
            }
        }
        let connection = open(path)?;
        connection.execute_batch(TABLES)?;
        for definition in definitions(live, &tables)? {
            connection.execute_batch(&definition)?;
        }
        let kept = serde_json::to_string(layout).expect("a layout is plain data");
        connection.execute("INSERT INTO _ninefold_import (layout) VALUES (?)", [kept])?;
        connection.execute_batch("BEGIN")?;
        let insert = format!(
            "INSERT INTO {} (_rowid_, {}) VALUES (?{})",
            layout.table,
            layout.columns.join(", "),
            ", ?".repeat(layout.columns.len())
        );
        Ok(Self {
            connection,
            insert,
            links,
        })
    }

    /// # Errors
    /// The disk is full, mostly. What shares a unique value with an earlier record is a problem, and no error.
    pub(super) fn add(&self, model: &Model, records: &[Staged]) -> Result<(), StoreError> {
        let failed = |error| store_error(&error);
        let mut insert = self.connection.prepare_cached(&self.insert).map_err(failed)?;
        for record in records {
            let place = i64::try_from(record.place).unwrap_or(i64::MAX);
            insert.raw_bind_parameter(1, place).map_err(failed)?;
            for (index, value) in record.image.0.iter().enumerate() {
                insert.raw_bind_parameter(index + 2, Bound(value)).map_err(failed)?;
            }
            match insert.raw_execute() {
                Ok(_) => self.link(record).map_err(failed)?,
                Err(error) => match write_error(&error, model) {
                    StoreError::UniqueViolation { fields } => {
                        note(&self.connection, place, Kind::Taken, &fields.join(",")).map_err(failed)?;
                    }
                    other => return Err(other),
                },
            }
        }
        Ok(())
    }

    fn link(&self, record: &Staged) -> rusqlite::Result<()> {
        let source = record.key.single().unwrap_or(&Value::Null);
        for change in &record.links {
            let targets = match &change.operation {
                LinkOperation::Replace { with, .. } => with,
                LinkOperation::Edit { add, .. } => add,
            };
            let Some((_, insert)) = self.links.iter().find(|(field, _)| *field == change.field) else {
                continue;
            };
            let mut insert = self.connection.prepare_cached(insert)?;
            for target in targets {
                insert.execute(params![Bound(source), Bound(target)])?;
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn finish(self) -> rusqlite::Result<()> {
        self.connection.execute_batch("COMMIT")
    }
}

/// The staging file by itself.
pub(super) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    // Costs nothing while the file grows: only pages that were there before are journaled.
    connection.pragma_update(None, "journal_mode", "memory")?;
    connection.pragma_update(None, "synchronous", "off")?;
    connection.pragma_update(None, "foreign_keys", false)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    functions::register(&connection)?;
    Ok(connection)
}

/// Remembers the first thing that stands against a record. `connection` has the staged tables under their bare names.
fn note(connection: &Connection, place: i64, kind: Kind, what: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR IGNORE INTO _ninefold_problem (place, kind, what) VALUES (?, ?, ?)")?
        .execute(params![place, kind as i64, what])
        .map(|_| ())
}
