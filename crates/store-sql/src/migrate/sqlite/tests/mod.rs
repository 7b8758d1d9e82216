use engine::Model;
use engine::model::migration::{Folder, Mode, NoRoute};
use engine::model::{Structure, Timestamp};
use engine::ports::migrator::{MigrateError, Options, Report};
use rusqlite::Connection;
use rusqlite::types::Value;

use super::*;

mod changes;
mod files;
mod interrupted;
mod random;
mod strangers;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const DEV: Options = Options {
    mode: Mode::Direct,
    allow_destructive: false,
    now: NOW,
};
const DESTRUCTIVE: Options = Options {
    allow_destructive: true,
    ..DEV
};

fn model(schema: &str) -> Model {
    Model::read(schema, "schema.graphql").unwrap()
}

/// An empty database, with foreign keys on as a store has it.
fn empty() -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection
}

/// A database that has `schema`, and then `data`: records as `table (column, …) VALUES …`. System columns are filled in.
fn database(schema: &str, data: &[&str]) -> Connection {
    let connection = empty();
    create(&connection, &model(schema)).unwrap();
    for records in data {
        connection.execute_batch(&format!("INSERT INTO {records}")).unwrap();
    }
    connection
}

fn migrate(connection: &Connection, schema: &str, options: Options) -> Result<Report, MigrateError> {
    let result = apply(connection, &Target::of(&model(schema)), &Folder::default(), options);
    if result.is_ok() {
        is_sound(connection, &Structure::of(&model(schema)));
    }
    result
}

/// The structure from the catalog is the one that was wanted, and the connection is as it was.
#[track_caller]
fn is_sound(connection: &Connection, structure: &Structure) {
    assert_eq!(drift::drift(connection, structure).unwrap(), Vec::<String>::new());
    assert!(
        system::read_structure(connection)
            .unwrap()
            .is_none_or(|stored| stored.same_as(structure))
    );
    assert!(connection.is_autocommit());
    for pragma in ["foreign_key_check", "integrity_check(1)"] {
        let mut statement = connection.prepare(&format!("PRAGMA {pragma}")).unwrap();
        let answers: Vec<String> = statement
            .query_map([], |row| row.get(0))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert!(answers.is_empty() || answers == ["ok"], "{pragma}: {answers:?}");
    }
    let keys: bool = connection
        .pragma_query_value(None, "foreign_keys", |row| row.get(0))
        .unwrap();
    assert!(keys, "foreign keys are on again");
}

/// Everything in a database: the schema's text and every row.
fn dump(connection: &Connection) -> Vec<String> {
    let schema = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name";
    let mut lines: Vec<String> = texts(connection, schema);
    for table in texts(
        connection,
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
    ) {
        let mut rows = rows(connection, &format!("SELECT * FROM \"{table}\""));
        rows.sort();
        lines.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
    }
    lines
}

fn texts(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    statement
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

/// Values with commas, as SQLite holds them.
fn rows(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(sql).unwrap();
    let width = statement.column_count();
    let row = |row: &rusqlite::Row<'_>| {
        let values = (0..width).map(|place| row.get::<_, Value>(place).map(|value| shown(&value)));
        values.collect::<Result<Vec<_>, _>>().map(|values| values.join(", "))
    };
    statement.query_map([], row).unwrap().map(Result::unwrap).collect()
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => format!("{number:?}"),
        Value::Text(text) => text.clone(),
        Value::Blob(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

#[track_caller]
fn refused(result: Result<Report, MigrateError>) -> String {
    match result {
        Err(MigrateError::Refused(refusal)) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}

const CHAT: &str = "type User @collection { name: String! } \
    type Room @collection { name: String! owner: User! members: [User!]! parent: Room } \
    type Message @collection { room: Room! @relation(onDelete: CASCADE) body: String! @unique }";

fn chat() -> Connection {
    database(
        CHAT,
        &[
            "user VALUES (x'00000000000000000000000000000001', 1, 1, 1, 'ada'), (x'00000000000000000000000000000002', 1, 1, 1, 'bob')",
            "room VALUES (x'0000000000000000000000000000000a', 1, 1, 1, 'hall', x'00000000000000000000000000000001', NULL)",
            "room VALUES (x'0000000000000000000000000000000b', 1, 1, 1, 'nook', x'00000000000000000000000000000002', x'0000000000000000000000000000000a')",
            "room_members VALUES (x'0000000000000000000000000000000a', x'00000000000000000000000000000001'), (x'0000000000000000000000000000000a', x'00000000000000000000000000000002')",
            "message VALUES (x'000000000000000000000000000000f1', 1, 1, 1, x'0000000000000000000000000000000a', 'hello')",
        ],
    )
}
