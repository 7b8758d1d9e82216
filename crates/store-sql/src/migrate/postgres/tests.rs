use engine::Model;
use engine::model::migration::{Folder, Mode, Target};
use engine::model::{StoredField, Structure, Timestamp};
use engine::ports::migrator::{MigrateError, Options, Report};
use proptest::prelude::*;
use tokio_postgres::SimpleQueryMessage;

use super::ddl::quoted;
use super::{apply, drift, status, system};
use crate::migrate::random::{is_possible, structure};
use crate::postgres::testing::Database;

mod online;

const DEV: Options = Options {
    mode: Mode::Direct,
    allow_destructive: false,
    now: Timestamp(1_700_000_000_000),
};
const DESTRUCTIVE: Options = Options {
    allow_destructive: true,
    ..DEV
};

fn model(schema: &str) -> Model {
    Model::read(schema, "schema.graphql").unwrap()
}

fn run(database: &Database, sql: &str) {
    database.wait(database.client().batch_execute(sql)).unwrap();
}

/// Values with commas, as PostgreSQL writes them.
fn rows(database: &Database, sql: &str) -> Vec<String> {
    let messages = database.wait(database.client().simple_query(sql)).unwrap();
    let row = |message| match message {
        SimpleQueryMessage::Row(row) => {
            let values = (0..row.len()).map(|place| row.get(place).unwrap_or("null").to_owned());
            Some(values.collect::<Vec<_>>().join(", "))
        }
        _ => None,
    };
    messages.into_iter().filter_map(row).collect()
}

fn bring(database: &Database, target: &Target, options: Options) -> Result<Report, MigrateError> {
    let result = database.wait(apply(database.client(), target, &Folder::default(), options));
    if result.is_ok() {
        is_sound(database, &target.structure);
    }
    result
}

/// The structure from the catalog is the one that was wanted, and it is kept.
#[track_caller]
fn is_sound(database: &Database, structure: &Structure) {
    let differences = database.wait(drift::drift(database.client(), structure)).unwrap();
    assert_eq!(differences, Vec::<String>::new());
    let kept = database.wait(system::read_structure(database.client())).unwrap();
    assert!(kept.is_some_and(|kept| kept.same_as(structure)));
    assert_eq!(rows(database, UNFINISHED), Vec::<String>::new());
    assert_eq!(database.wait(system::read_ahead(database.client())).unwrap(), []);
}

/// What only lasts while a migration runs.
const UNFINISHED: &str = "
    SELECT conname FROM pg_constraint
    WHERE connamespace = current_schema()::regnamespace AND (NOT convalidated OR conname LIKE '\\_ninefold\\_required%')
    UNION ALL SELECT indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND NOT i.indisvalid";

fn migrate(database: &Database, schema: &str, options: Options) -> Result<Report, MigrateError> {
    bring(database, &Target::of(&model(schema)), options)
}

#[track_caller]
fn refused(result: Result<Report, MigrateError>) -> String {
    match result {
        Err(MigrateError::Refused(refusal)) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}

/// A type with the one field `x`, and a key to see that records stay who they are.
fn with(field: &str) -> String {
    format!("type A @collection {{ {field} }} enum Size {{ S M L }} enum Few {{ S M }} type Doc {{ a: Int }}")
}

fn holding(schema: &str, values: &[&str]) -> Database {
    let database = Database::of(&model(schema));
    for (number, value) in values.iter().enumerate() {
        let id = format!("00000000-0000-0000-0000-{number:012}");
        run(
            &database,
            &format!("INSERT INTO a (id, created, updated, version, x) VALUES ('{id}', 'epoch', 'epoch', 3, {value})"),
        );
    }
    database
}

/// The values of `x`, before and after.
#[track_caller]
fn check(old: &str, values: &[&str], new: &str, expected: &[&str]) {
    let database = holding(&with(old), values);
    migrate(&database, &with(new), DEV).unwrap();
    assert_eq!(
        rows(&database, "SELECT x FROM a ORDER BY id"),
        expected,
        "{old} to {new}"
    );
    assert_eq!(rows(&database, "SELECT DISTINCT version FROM a"), ["3"]);
}

/// The refusal; nothing has changed.
#[track_caller]
fn check_refused(old: &str, values: &[&str], new: &str, expected: &str) {
    let database = holding(&with(old), values);
    let before = rows(&database, "SELECT * FROM a ORDER BY id");
    let reason = refused(migrate(&database, &with(new), DEV));
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(rows(&database, "SELECT * FROM a ORDER BY id"), before);
    is_sound(&database, &Structure::of(&model(&with(old))));
}

#[test]
fn types_change_where_every_value_can() {
    check("x: String!", &["'42'", "'-7'", "'42'"], "x: Int!", &["42", "-7", "42"]);
    check("x: String", &["'true'", "NULL"], "x: Boolean", &["t", "null"]);
    check("x: Int", &["3"], "x: Decimal", &["3.000000"]);
    check("x: Float", &["3.0"], "x: Int", &["3"]);
    check("x: Decimal", &["2.5"], "x: String", &["2.5"]);
    check("x: Date", &["'1970-01-02'"], "x: DateTime", &["1970-01-02 00:00:00+00"]);
    check("x: Size", &["'S'"], "x: Few", &["S"]);
    check("x: [String!]", &[r#"'["7"]'"#], "x: [Int!]", &["[7]"]);
    check("x: Doc", &[r#"'{"a":1}'"#], "x: JSON", &[r#"{"a":1}"#]);
    let id = "00000000-0000-0000-0000-00000000000a";
    check("x: ID", &[&format!("'{id}'")], "x: String", &[id]);
}

#[test]
fn what_the_data_does_not_allow_stops_it() {
    check_refused(
        "x: String!",
        &["'42'", "'4.2'", "'x'"],
        "x: Int!",
        "A.x has 2 values that can't become a Int, such as 00000000-0000-0000-0000-000000000001, 00000000-0000-0000-0000-000000000002: ",
    );
    check_refused(
        "x: Long",
        &["3000000000"],
        "x: Int",
        "A.x has 1 value that can't become a Int",
    );
    check_refused("x: Int", &["3", "NULL"], "x: Int!", "A.x is null in 1 record");
    check_refused(
        "x: String",
        &["'a'", "'b'", "'a'"],
        "x: String @unique",
        "A.x has 1 value more than once, such as a: ",
    );
    check_refused("x: Int", &["1"], "z: Int", "it would destroy the values of A.x (1)");
}

#[test]
fn fields_that_are_required_or_new_get_their_defaults() {
    check("x: Int", &["3", "NULL"], "x: Int! @default(value: 9)", &["3", "9"]);
    check("x: String", &["'3'", "NULL"], "x: Int! @default(value: 9)", &["3", "9"]);
    check("x: Int!", &["3"], "x: Int", &["3"]);
    let add = |field: &str, expected: &str| {
        let database = holding(&with("x: Int"), &["1", "2"]);
        migrate(&database, &with(&format!("x: Int {field}")), DEV).unwrap();
        assert_eq!(rows(&database, "SELECT DISTINCT y FROM a"), [expected], "{field}");
        // Of the records that were there, and of no later one.
        let defaults = "SELECT count(*) FROM pg_attrdef WHERE adrelid = 'a'::regclass";
        assert_eq!(rows(&database, defaults), ["0"]);
    };
    add("y: Size! @default(value: M)", "M");
    add("y: String! @default(value: \"'it\\\\'s'\")", "it's");
    add("y: Decimal! @default(value: 1.5)", "1.500000");
    add("y: DateTime! @default(value: \"now\")", "2023-11-14 22:13:20+00");
}

#[test]
fn what_others_made_stays_and_what_they_changed_is_told() {
    let database = holding(&with("x: String"), &["'1'"]);
    run(
        &database,
        "CREATE VIEW mine AS SELECT id FROM a; CREATE INDEX own ON a (x)",
    );
    migrate(&database, &with("x: String y: Int"), DEV).unwrap();
    assert_eq!(rows(&database, "SELECT count(*) FROM mine"), ["1"]);
    run(
        &database,
        "ALTER TABLE a ALTER COLUMN x SET NOT NULL; ALTER TABLE a ALTER COLUMN y TYPE text",
    );
    let target = Target::of(&model(&with("x: String y: Int")));
    let status = database
        .wait(status(database.client(), &target, &Folder::default(), DEV))
        .unwrap();
    assert_eq!(
        status.drift,
        ["a.x may not be null and should", "a.y is text and should be bigint"]
    );
    let result = migrate(&database, &with("x: String"), DEV);
    assert!(matches!(result, Err(MigrateError::Drifted(_))), "{result:?}");
}

#[test]
fn a_migration_is_one_transaction_whatever_its_statements_say() {
    let database = holding(&with("x: Int"), &["1"]);
    let target = Target::of(&model(&with("x: Int")));
    let first = Folder::default().missing(&target).to_toml();
    let step = |sql: &str| {
        let text = format!("[[step]]\naction = \"run\"\npostgres = \"{sql}\"\n");
        let files = [
            ("0001_a.toml".to_owned(), first.clone()),
            ("0002_b.toml".to_owned(), text),
        ];
        Folder::of(files).unwrap()
    };
    let options = Options {
        mode: Mode::Files,
        ..DEV
    };
    let run = |sql: &str| database.wait(apply(database.client(), &target, &step(sql), options));
    for sql in [
        "UPDATE a SET x = 2; COMMIT",
        "UPDATE a SET x = 2; UPDATE none SET y = 1",
    ] {
        refused(run(sql));
        assert_eq!(rows(&database, "SELECT x FROM a"), ["1"], "{sql}");
    }
    run("UPDATE a SET x = 2; UPDATE a SET x = x + 1 WHERE 'it''s' <> ''").unwrap();
    assert_eq!(rows(&database, "SELECT x FROM a"), ["3"]);
}

fn fill(database: &Database, structure: &Structure) {
    run(database, "BEGIN");
    for collection in &structure.collections {
        for record in 0..3 {
            let columns: Vec<String> = collection.fields.iter().map(|field| quoted(&field.column)).collect();
            let values: Vec<String> = collection.fields.iter().map(|field| value(field, record)).collect();
            let (table, columns) = (quoted(&collection.table), columns.join(", "));
            run(
                database,
                &format!("INSERT INTO {table} ({columns}) VALUES ({})", values.join(", ")),
            );
        }
        for links in &collection.links {
            let (table, source, target) = (quoted(&links.table), id(0), id(1));
            run(database, &format!("INSERT INTO {table} VALUES ({source}, {target})"));
        }
    }
    run(database, "COMMIT");
}

fn id(record: usize) -> String {
    format!("'00000000-0000-0000-0000-{record:012}'")
}

fn value(field: &StoredField, record: usize) -> String {
    if field.name != "id" && !field.required && record == 0 {
        return "NULL".to_owned();
    }
    match field.kind.to_string().as_str() {
        "ID" => id(record),
        "Boolean" => (record % 2 == 1).to_string(),
        "Bytes" => format!("'\\x{record:02x}'"),
        "[Int]" => format!("'[{record}]'"),
        "enum(X, Y)" => "'X'".to_owned(),
        _ => format!("'{record}'"),
    }
}

/// By collection and field, where both structures have them under the same names and with the same type: the values.
fn kept(database: &Database, here: &Structure, there: &Structure) -> Vec<String> {
    let mut lines = Vec::new();
    for collection in &here.collections {
        let Some(other) = there.collection(&collection.name) else {
            continue;
        };
        for field in &collection.fields {
            if other.field(&field.name).is_some_and(|other| other.kind == field.kind) {
                let (column, table) = (quoted(&field.column), quoted(&collection.table));
                let values = rows(database, &format!("SELECT {column} FROM {table} ORDER BY cid"));
                lines.push(format!("{}.{}: {values:?}", collection.name, field.name));
            }
        }
    }
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_structure_leads_to_any_other(old in structure(), new in structure(), has_data in any::<bool>()) {
        let database = Database::empty();
        bring(&database, &Target::from(old.clone()), DEV).unwrap();
        if has_data {
            fill(&database, &old);
        }
        let values = kept(&database, &old, &new);
        match bring(&database, &Target::from(new.clone()), DESTRUCTIVE) {
            Ok(_) => prop_assert_eq!(kept(&database, &new, &old), values),
            Err(MigrateError::Refused(_)) if has_data || !is_possible(&old, &new) => {
                is_sound(&database, &old);
                prop_assert_eq!(kept(&database, &old, &new), values);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
