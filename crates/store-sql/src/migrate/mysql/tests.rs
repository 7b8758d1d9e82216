use engine::Model;
use engine::model::migration::{Folder, Mode, Target};
use engine::model::{StoredField, Structure, Timestamp};
use engine::ports::migrator::{MigrateError, Options, Report};
use mysql_async::prelude::Queryable as _;
use mysql_async::{Row, Value as Wire};
use proptest::prelude::*;

use super::ddl::quoted;
use super::{apply, drift, status, system};
use crate::migrate::random::{is_possible, structure};
use crate::mysql::Connection;
use crate::mysql::testing::Database;

mod exchange;
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

fn run(database: &mut Database, sql: &str) {
    let (runtime, connection) = database.connection();
    runtime.block_on(connection.conn.query_drop(sql)).unwrap();
}

/// Values with commas, as MySQL writes them.
fn rows(database: &mut Database, sql: &str) -> Vec<String> {
    let (runtime, connection) = database.connection();
    let rows: Vec<Row> = runtime.block_on(connection.conn.query(sql)).unwrap();
    let shown = |wire: Wire| match wire {
        Wire::NULL => "null".to_owned(),
        Wire::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap_or_else(|_| format!("{bytes:02x?}")),
        other => other.as_sql(false),
    };
    let row = |row: Row| row.unwrap().into_iter().map(shown).collect::<Vec<_>>().join(", ");
    rows.into_iter().map(row).collect()
}

fn bring(database: &mut Database, target: &Target, options: Options) -> Result<Report, MigrateError> {
    let (runtime, connection) = database.connection();
    let result = runtime.block_on(apply(connection, target, &Folder::default(), options));
    if result.is_ok() {
        is_sound(database, &target.structure);
    }
    result
}

/// The structure from the catalog is the one that was wanted, and it is kept.
#[track_caller]
fn is_sound(database: &mut Database, structure: &Structure) {
    let (runtime, connection) = database.connection();
    let differences = runtime.block_on(drift::drift(&mut connection.conn, structure)).unwrap();
    assert_eq!(differences, Vec::<String>::new());
    let kept = runtime.block_on(system::read_structure(&mut connection.conn)).unwrap();
    assert!(kept.is_some_and(|kept| kept.same_as(structure)));
}

fn migrate(database: &mut Database, schema: &str, options: Options) -> Result<Report, MigrateError> {
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
    let mut database = Database::of(&model(schema));
    for (number, value) in values.iter().enumerate() {
        let id = id(number);
        run(
            &mut database,
            &format!(
                "INSERT INTO a (id, created, updated, version, x) VALUES ({id}, '1970-01-01', '1970-01-01', 3, {value})"
            ),
        );
    }
    database
}

/// The values of `x`, before and after.
#[track_caller]
fn check(old: &str, values: &[&str], new: &str, expected: &[&str]) {
    let mut database = holding(&with(old), values);
    migrate(&mut database, &with(new), DEV).unwrap();
    assert_eq!(
        rows(&mut database, "SELECT x FROM a ORDER BY id"),
        expected,
        "{old} to {new}"
    );
    assert_eq!(rows(&mut database, "SELECT DISTINCT version FROM a"), ["3"]);
}

/// The refusal; nothing has changed.
#[track_caller]
fn check_refused(old: &str, values: &[&str], new: &str, expected: &str) {
    let mut database = holding(&with(old), values);
    let before = rows(&mut database, "SELECT * FROM a ORDER BY id");
    let reason = refused(migrate(&mut database, &with(new), DEV));
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(rows(&mut database, "SELECT * FROM a ORDER BY id"), before);
    is_sound(&mut database, &Structure::of(&model(&with(old))));
}

#[test]
fn types_change_where_every_value_can() {
    check("x: String!", &["'42'", "'-7'", "'42'"], "x: Int!", &["42", "-7", "42"]);
    check("x: String", &["'true'", "NULL"], "x: Boolean", &["1", "null"]);
    check("x: Int", &["3"], "x: Decimal", &["3.000000"]);
    check("x: Float", &["3.0"], "x: Int", &["3"]);
    check("x: Decimal", &["2.5"], "x: String", &["2.5"]);
    check(
        "x: Date",
        &["'1970-01-02'"],
        "x: DateTime",
        &["1970-01-02 00:00:00.000"],
    );
    check("x: Size", &["'S'"], "x: Few", &["S"]);
    check("x: [String!]", &[r#"'["7"]'"#], "x: [Int!]", &["[7]"]);
    check("x: Doc", &[r#"'{"a":1}'"#], "x: JSON", &[r#"{"a":1}"#]);
    let id = "00000000-0000-0000-0000-00000000000a";
    let hex = format!("x'{}'", id.replace('-', ""));
    check("x: ID", &[&hex], "x: String", &[id]);
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
    check_refused(
        "x: String @unique",
        &["'1'", "'01'", "NULL", "NULL"],
        "x: Int @unique",
        "A.x has 1 value more than once, such as 1: ",
    );
}

#[test]
fn what_would_be_destroyed_stays() {
    let mut database = holding(&with("x: Int"), &["1"]);
    let reason = refused(migrate(&mut database, &with("z: Int"), DEV));
    assert!(reason.starts_with("it would destroy the values of A.x (1)"), "{reason}");
    assert_eq!(rows(&mut database, "SELECT x FROM a"), ["1"]);
    migrate(&mut database, &with("z: Int"), DESTRUCTIVE).unwrap();
    assert_eq!(rows(&mut database, "SELECT z FROM a"), ["null"]);
}

#[test]
fn fields_that_are_required_or_new_get_their_defaults() {
    check("x: Int", &["3", "NULL"], "x: Int! @default(value: 9)", &["3", "9"]);
    check("x: String", &["'3'", "NULL"], "x: Int! @default(value: 9)", &["3", "9"]);
    check("x: Int!", &["3"], "x: Int", &["3"]);
    let add = |field: &str, expected: &str| {
        let mut database = holding(&with("x: Int"), &["1", "2"]);
        migrate(&mut database, &with(&format!("x: Int {field}")), DEV).unwrap();
        assert_eq!(rows(&mut database, "SELECT DISTINCT y FROM a"), [expected], "{field}");
        // Of the records that were there, and of no later one.
        let defaults = "SELECT count(*) FROM information_schema.columns WHERE table_schema = DATABASE() \
                        AND table_name = 'a' AND column_default <> 'NULL'";
        assert_eq!(rows(&mut database, defaults), ["0"]);
    };
    add("y: Size! @default(value: M)", "M");
    add("y: String! @default(value: \"'it\\\\'s'\")", "it's");
    add("y: Decimal! @default(value: 1.5)", "1.500000");
    add("y: DateTime! @default(value: \"now\")", "2023-11-14 22:13:20.000");
}

#[test]
fn what_others_made_stays_and_what_they_changed_is_told() {
    let mut database = holding(&with("x: String"), &["'1'"]);
    run(
        &mut database,
        "CREATE VIEW mine AS SELECT id FROM a; CREATE INDEX own ON a (x(20))",
    );
    migrate(&mut database, &with("x: String y: Int"), DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT count(*) FROM mine"), ["1"]);
    let collation = database.connection().1.dialect.collation();
    let changed = format!(
        "ALTER TABLE a MODIFY COLUMN x varchar(20) COLLATE {collation} NOT NULL; ALTER TABLE a MODIFY COLUMN y longtext"
    );
    run(&mut database, &changed);
    let target = Target::of(&model(&with("x: String y: Int")));
    let (runtime, connection) = database.connection();
    let status = runtime
        .block_on(status(connection, &target, &Folder::default(), DEV))
        .unwrap();
    assert_eq!(
        status.drift,
        ["a.x may not be null and should", "a.y is longtext and should be bigint"]
    );
    let result = migrate(&mut database, &with("x: String"), DEV);
    assert!(matches!(result, Err(MigrateError::Drifted(_))), "{result:?}");
}

/// Whatever is cut off, by a failure here, is gone on with from there; what one action did without being remembered is
/// no obstacle.
#[test]
fn what_is_cut_off_halfway_is_brought_to_its_end() {
    let (old, new) = (
        "type A @collection { x: String y: Int b: B } type B @collection { n: Int }",
        "type A @collection @index(fields: [\"x\", \"z\"], unique: true) { x: Int! z: String! @default(value: \"'z'\") c: C }
         type C @collection @index(fields: [\"m\"]) { m: Int } type D @collection { many: [A!]! }",
    );
    let target = Target::of(&model(new));
    let mut remembered = 0;
    for place in 0.. {
        let mut database = holding(old, &["'1'", "'2'"]);
        // The progress can't be kept from here on, as if the process had died between an action and that.
        run(
            &mut database,
            &format!(
                "CREATE TABLE counted (n int); INSERT INTO counted VALUES (0); \
                 CREATE TRIGGER cut BEFORE UPDATE ON _ninefold_meta FOR EACH ROW BEGIN \
                 IF NEW.`key` = 'progress' THEN UPDATE counted SET n = n + 1; \
                 IF (SELECT n FROM counted) > {place} THEN SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'cut off'; \
                 END IF; END IF; END"
            ),
        );
        let cut_off = bring(&mut database, &target, DESTRUCTIVE);
        run(&mut database, "DROP TRIGGER cut");
        match cut_off {
            Ok(_) => break,
            Err(error) => assert!(error.to_string().contains("cut off"), "{place}: {error}"),
        }
        bring(&mut database, &target, DESTRUCTIVE).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(
            rows(&mut database, "SELECT x, z FROM a ORDER BY id"),
            ["1, z", "2, z"],
            "{place}"
        );
        remembered += 1;
    }
    assert!(remembered > 10, "{remembered}");
}

#[test]
fn what_came_to_rest_between_two_steps_may_go_another_way() {
    let mut database = holding(&with("x: String"), &["'1'", "'a'"]);
    let reason = refused(migrate(&mut database, &with("w: Int x: Int"), DEV));
    assert!(reason.starts_with("A.x has 1 value"), "{reason}");
    migrate(&mut database, &with("w: Int x: String"), DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT x FROM a ORDER BY id"), ["1", "a"]);
}

#[test]
fn unique_values_of_some_records_or_of_long_texts_are_so() {
    let schema = "type A @collection @index(fields: [\"x\"], where: \"record.on == true\", unique: true, name: \"some\") \
                  @index(fields: [\"y\", \"z\"], unique: true, name: \"both\") \
                  { x: String on: Boolean y: String @length(max: 300) z: String @length(max: 300) }";
    let mut database = Database::of(&model(schema));
    let mut insert = |number: usize, values: &str| {
        let (runtime, connection) = database.connection();
        let sql = format!(
            "INSERT INTO a (id, created, updated, version, x, `on`, y, z) \
             VALUES ({}, '1970-01-01', '1970-01-01', 1, {values})",
            id(number)
        );
        runtime.block_on(connection.conn.query_drop(sql)).is_ok()
    };
    assert!(insert(1, "'a', TRUE, 'y', 'z'"));
    assert!(!insert(2, "'a', TRUE, NULL, NULL"));
    assert!(insert(3, "'a', FALSE, NULL, 'z'"));
    assert!(insert(4, "'a', NULL, NULL, 'z'"));
    assert!(!insert(5, "'b', TRUE, 'y', 'z'"));
    assert!(insert(6, "'b', TRUE, 'y', 'z '"));
}

fn fill(database: &mut Database, structure: &Structure) {
    run(database, "SET foreign_key_checks = 0");
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
    run(database, "SET foreign_key_checks = 1");
}

fn id(record: usize) -> String {
    format!("x'00000000000000000000{record:012}'")
}

fn value(field: &StoredField, record: usize) -> String {
    if field.name != "id" && !field.required && record == 0 {
        return "NULL".to_owned();
    }
    match field.kind.to_string().as_str() {
        "ID" => id(record),
        "Boolean" => (record % 2).to_string(),
        "Bytes" => format!("x'{record:02x}'"),
        "[Int]" => format!("'[{record}]'"),
        "enum(X, Y)" => "'X'".to_owned(),
        _ => format!("'{record}'"),
    }
}

/// By collection and field, where both structures have them under the same names and with the same type: the values.
fn kept(database: &mut Database, here: &Structure, there: &Structure) -> Vec<String> {
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
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn any_structure_leads_to_any_other(old in structure(), new in structure(), has_data in any::<bool>()) {
        let mut database = Database::empty();
        bring(&mut database, &Target::from(old.clone()), DEV).unwrap();
        if has_data {
            fill(&mut database, &old);
        }
        let values = kept(&mut database, &old, &new);
        match bring(&mut database, &Target::from(new.clone()), DESTRUCTIVE) {
            Ok(_) => prop_assert_eq!(kept(&mut database, &new, &old), values),
            // What was done before stays, and the rest is refused as often as it is tried.
            Err(MigrateError::Refused(refusal)) if has_data || !is_possible(&old, &new) => {
                let again = bring(&mut database, &Target::from(new.clone()), DESTRUCTIVE);
                prop_assert_eq!(refused(again), refusal.reason);
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
