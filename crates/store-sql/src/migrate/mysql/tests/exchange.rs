//! Where a column of another type takes the place of a field's.

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
