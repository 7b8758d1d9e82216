//! Where a column of another type takes the place of a field's.

use super::super::plan;
use super::*;

const HASHED: &str = "type A @collection @index(fields: [\"x\"], where: \"record.on == true\", unique: true) \
                      @index(fields: [\"x\", \"y\", \"z\"], unique: true)";

fn hashed(kind: &str) -> String {
    format!("{HASHED} {{ on: Boolean x: {kind} y: String @length(max: 200) z: String @length(max: 200) }}")
}

/// Each with its `on`, `x`, `y` and `z`.
fn holding_hashed(values: &[&str]) -> Database {
    let mut database = Database::of(&model(&hashed("String")));
    for (number, values) in values.iter().enumerate() {
        assert!(takes(&mut database, number, values));
    }
    database
}

fn takes(database: &mut Database, number: usize, values: &str) -> bool {
    let (runtime, connection) = database.connection();
    let sql = format!(
        "INSERT INTO a (id, created, updated, version, `on`, x, y, z) \
         VALUES ({}, '1970-01-01', '1970-01-01', 3, {values})",
        id(number)
    );
    runtime.block_on(connection.conn.query_drop(sql)).is_ok()
}

#[test]
fn what_is_unique_by_a_hash_is_so_with_another_type() {
    let mut database = holding_hashed(&["TRUE, '1', 'a', 'z'", "TRUE, '2', 'b', 'z'", "FALSE, '2', 'c', 'z'"]);
    migrate(&mut database, &hashed("Int"), DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT x FROM a ORDER BY id"), ["1", "2", "2"]);
    assert!(!takes(&mut database, 3, "TRUE, 2, 'd', 'z'"));
    assert!(!takes(&mut database, 4, "FALSE, 2, 'c', 'z'"));
    assert!(takes(&mut database, 5, "FALSE, 2, 'e', 'z'"));
}

fn takes_renamed(database: &mut Database, values: &str) -> bool {
    let (runtime, connection) = database.connection();
    let sql = format!(
        "INSERT INTO a (id, created, updated, version, `on`, w, y, z) \
         VALUES ({}, '1970-01-01', '1970-01-01', 3, {values})",
        id(7)
    );
    runtime.block_on(connection.conn.query_drop(sql)).is_ok()
}

/// Statements by which the database gets another schema, unless it has it.
fn statements(database: &mut Database, schema: &str) -> Vec<String> {
    let target = Target::of(&model(schema));
    let (runtime, connection) = database.connection();
    let planned = runtime.block_on(plan(connection, &target, &Folder::default(), DEV));
    let steps = planned.unwrap().legs.into_iter().flat_map(|leg| leg.steps);
    steps.flat_map(|step| step.statements).collect()
}

/// No statement takes away what another makes again.
#[track_caller]
fn are_exchanged(statements: &[String], indexes: &[&str]) {
    for index in indexes {
        let with = |what: &str| -> Vec<usize> {
            let found = statements.iter().enumerate();
            found
                .filter(|(_, sql)| sql.contains(&format!("{what} `{index}`")))
                .map(|(place, _)| place)
                .collect()
        };
        let (gone, made) = (with("DROP INDEX"), with("ADD UNIQUE INDEX"));
        assert_eq!(gone, made, "{index}: {statements:#?}");
        assert_eq!(made.len(), 1, "{index}: {statements:#?}");
    }
}

#[test]
fn what_is_unique_among_some_records_stays_so_while_a_type_changes() {
    let mut database = holding_hashed(&["TRUE, '1', 'a', 'z'", "FALSE, '1', 'b', 'z'"]);
    let statements = statements(&mut database, &hashed("Int"));
    are_exchanged(&statements, &["ix_a_x", "ix_a_x_y_z"]);
    migrate(&mut database, &hashed("Int"), DEV).unwrap();
    assert!(!takes(&mut database, 3, "TRUE, 1, 'd', 'z'"));
}

#[test]
fn what_is_unique_by_a_hash_stays_so_while_a_field_gets_another_name() {
    let schema = |name: &str, of: &str| {
        format!(
            "type A @collection @index(fields: [\"{name}\"], where: \"record.on == true\", unique: true) \
             @index(fields: [\"{name}\", \"y\", \"z\"], unique: true) {{ on: Boolean {name}: String{of} @length(max: 200) \
             y: String @length(max: 200) z: String @length(max: 200) }}"
        )
    };
    let mut database = Database::of(&model(&schema("x", "")));
    assert!(takes(&mut database, 0, "TRUE, '1', 'a', 'z'"));
    let renamed = schema("w", " @renamed(from: \"x\")");
    let statements = statements(&mut database, &renamed);
    are_exchanged(&statements[..1], &["ix_a_x", "ix_a_x_y_z"]);
    // They have another name in the end, by which they are made before they are gone by the first.
    for (before, after) in [("ix_a_x", "ix_a_w"), ("ix_a_x_y_z", "ix_a_w_y_z")] {
        let at = |what: String| statements[1..].iter().position(|sql| sql.contains(&what));
        let (made, gone) = (
            at(format!("ADD UNIQUE INDEX `{after}`")),
            at(format!("DROP INDEX `{before}`")),
        );
        assert!(made.is_some() && made < gone, "{statements:#?}");
    }
    migrate(&mut database, &renamed, DEV).unwrap();
    assert!(!takes_renamed(&mut database, "TRUE, '1', 'b', 'z'"));
    assert!(!takes_renamed(&mut database, "FALSE, '1', 'a', 'z'"));
    assert!(takes_renamed(&mut database, "FALSE, '1', 'b', 'z'"));
}

/// In the way of an exchange, and of nothing before it.
const IN_THE_WAY: &str = "CREATE INDEX own ON a (x); CREATE TABLE own ENGINE = InnoDB AS SELECT x FROM a; \
                          ALTER TABLE own ADD FOREIGN KEY (x) REFERENCES a (x)";

#[test]
fn what_is_unique_stays_so_where_the_exchange_fails() {
    let mut database = holding(&with("x: String @unique"), &["'1'", "'2'"]);
    run(&mut database, IN_THE_WAY);
    let failed = migrate(&mut database, &with("x: Int @unique"), DEV).unwrap_err();
    assert!(failed.to_string().contains("foreign key constraint"), "{failed}");
    let indexes = "SELECT index_name FROM information_schema.statistics \
                   WHERE table_schema = DATABASE() AND table_name = 'a' AND column_name = 'x' AND non_unique = 0";
    assert_eq!(rows(&mut database, indexes).len(), 1);
    // As it was, and another way can be taken.
    is_sound(&mut database, &Structure::of(&model(&with("x: String @unique"))));
    migrate(&mut database, &with("x: String @unique y: Int"), DEV).unwrap();
    migrate(&mut database, &with("x: String @unique"), DESTRUCTIVE).unwrap();
    run(&mut database, "DROP TABLE own");
    migrate(&mut database, &with("x: Int @unique"), DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT x FROM a ORDER BY id"), ["1", "2"]);
    assert_eq!(rows(&mut database, indexes).len(), 1);
}

/// The reference's foreign key needs the index.
#[test]
fn a_field_behind_a_reference_in_an_index_gets_another_type() {
    let schema = |kind: &str| {
        format!(
            "type A @collection @index(fields: [\"b\", \"x\"]) {{ b: B x: {kind} }} type B @collection {{ n: Int }}"
        )
    };
    let mut database = holding(&schema("Int"), &["3"]);
    migrate(&mut database, &schema("Float"), DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT x FROM a"), ["3"]);
}

/// What is withdrawn has its foreign keys again before it is remembered that it is.
#[test]
fn what_is_cut_off_while_it_is_withdrawn_is_brought_to_its_end() {
    let schema =
        |kind: &str| format!("type A @collection(key: [\"x\"]) {{ x: {kind} }} type B @collection {{ a: A n: Int }}");
    let mut database = Database::of(&model(&schema("String!")));
    run(
        &mut database,
        "INSERT INTO a (x, created, updated, version) VALUES ('1', '1970-01-01', '1970-01-01', 3)",
    );
    run(&mut database, IN_THE_WAY);
    run(
        &mut database,
        "CREATE TRIGGER cut BEFORE UPDATE ON _ninefold_meta FOR EACH ROW BEGIN \
         IF NEW.`key` = 'progress' AND JSON_VALUE(OLD.value, '$.action') > 0 \
         AND JSON_VALUE(NEW.value, '$.action') = 0 AND JSON_VALUE(NEW.value, '$.step') = 0 \
         THEN SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'cut off'; END IF; END",
    );
    let cut_off = migrate(&mut database, &schema("Int!"), DEV).unwrap_err();
    assert!(cut_off.to_string().contains("cut off"), "{cut_off}");
    let referring = "SELECT table_name FROM information_schema.key_column_usage \
                     WHERE table_schema = DATABASE() AND referenced_table_name = 'a' ORDER BY 1";
    assert_eq!(rows(&mut database, referring), ["b", "own"]);
    run(&mut database, "DROP TRIGGER cut; DROP TABLE own");
    migrate(&mut database, &schema("Int!"), DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT x FROM a"), ["1"]);
    assert_eq!(rows(&mut database, referring), ["b"]);
}

#[test]
fn what_is_refused_between_conversion_and_exchange_is_withdrawn() {
    let schema = |kind: &str, more: &str| {
        format!("type A @collection(key: [\"x\"]) {{ x: {kind} {more} }} type B @collection {{ a: A n: Int }}")
    };
    let mut database = Database::of(&model(&schema("String!", "")));
    run(
        &mut database,
        "INSERT INTO a (x, created, updated, version) VALUES ('1', '1970-01-01', '1970-01-01', 3)",
    );
    let name = rows(&mut database, "SELECT DATABASE()").remove(0);
    let user = name.trim_start_matches("test_");
    // Nobody who may take away the foreign key of `b`.
    run(
        &mut database,
        &format!(
            "CREATE USER '{user}'; \
             GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, INDEX, DROP, REFERENCES, LOCK TABLES ON {name}.* TO '{user}'; \
             GRANT ALTER ON {name}.a TO '{user}'"
        ),
    );
    let target = Target::of(&model(&schema("Int!", "")));
    let mut limited = database.beside_as(user);
    let (runtime, _) = database.connection();
    let result = runtime.block_on(apply(&mut limited, &target, &Folder::default(), DEV));
    run(&mut database, &format!("DROP USER '{user}'"));
    let reason = refused(result);
    assert!(reason.contains("ALTER command denied"), "{reason}");
    let beside = "SELECT count(*) FROM information_schema.columns \
                  WHERE table_schema = DATABASE() AND column_name = '_ninefold_converted'";
    assert_eq!(rows(&mut database, beside), ["0"]);
    is_sound(&mut database, &Structure::of(&model(&schema("String!", ""))));
    migrate(&mut database, &schema("String!", "y: Int"), DEV).unwrap();
}

#[test]
fn keys_that_would_be_the_same_stop_it() {
    let schema = |kind: &str| format!("type A @collection(key: [\"x\"]) {{ x: {kind} }}");
    let mut database = Database::of(&model(&schema("String!")));
    let insert = "INSERT INTO a (x, created, updated, version) VALUES \
                  ('1', '1970-01-01', '1970-01-01', 3), ('01', '1970-01-01', '1970-01-01', 3)";
    run(&mut database, insert);
    let reason = refused(migrate(&mut database, &schema("Int!"), DEV));
    assert!(
        reason.starts_with("A.x has 1 value more than once, such as 1: "),
        "{reason}"
    );
    is_sound(&mut database, &Structure::of(&model(&schema("String!"))));
    assert_eq!(rows(&mut database, "SELECT x FROM a ORDER BY x"), ["01", "1"]);
}

#[test]
fn a_right_to_lock_that_is_missing_shows_before_anything_is_done() {
    let mut database = holding(&with("x: String"), &["'1'"]);
    let name = rows(&mut database, "SELECT DATABASE()").remove(0);
    let user = name.trim_start_matches("test_");
    run(
        &mut database,
        &format!(
            "CREATE USER '{user}'; \
             GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, INDEX, DROP, REFERENCES ON {name}.* TO '{user}'; \
             CREATE TABLE counted (n int); \
             CREATE TRIGGER counts BEFORE UPDATE ON a FOR EACH ROW INSERT INTO counted VALUES (1)"
        ),
    );
    let target = Target::of(&model(&with("x: Int")));
    let mut limited = database.beside_as(user);
    let (runtime, _) = database.connection();
    let result = runtime.block_on(apply(&mut limited, &target, &Folder::default(), DEV));
    run(&mut database, &format!("DROP USER '{user}'"));
    let reason = refused(result);
    assert!(reason.starts_with("Access denied"), "{reason}");
    assert_eq!(rows(&mut database, "SELECT count(*) FROM counted"), ["0"]);
    is_sound(&mut database, &Structure::of(&model(&with("x: String"))));
    run(&mut database, "DROP TRIGGER counts");
    migrate(&mut database, &with("x: Int"), DEV).unwrap();
}
