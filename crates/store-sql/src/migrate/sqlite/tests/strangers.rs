//! Databases that others have a hand in.

use super::*;

#[test]
fn a_change_by_hand_is_drift_and_stops_everything() {
    let check = |by_hand: &str, expected: &str| {
        let connection = chat();
        connection.pragma_update(None, "foreign_keys", false).unwrap();
        connection.execute_batch(by_hand).unwrap();
        connection.pragma_update(None, "foreign_keys", true).unwrap();
        let status = status(&connection, &Target::of(&model(CHAT)), &Folder::default(), DEV).unwrap();
        assert_eq!(status.drift[0], expected, "{by_hand}");
        assert!(!status.is_current());
        let before = dump(&connection);
        let result = apply(
            &connection,
            &Target::of(&model("type Other @collection { x: Int }")),
            &Folder::default(),
            DESTRUCTIVE,
        );
        assert!(matches!(result, Err(MigrateError::Drifted(_))));
        assert_eq!(dump(&connection), before);
    };
    check("DROP TABLE message", "the table message is gone");
    check("DROP TABLE room_members", "the table room_members is gone");
    check(
        "ALTER TABLE message RENAME COLUMN body TO text",
        "message has no column body",
    );
    check(
        "DROP INDEX ux_message_body",
        "the index ux_message_body on message is gone",
    );
    check(
        "DROP INDEX ux_message_body; CREATE INDEX ux_message_body ON message (body)",
        "the index ux_message_body on message is another one than the schema's",
    );
    check(
        "DROP INDEX room_members_inverse",
        "the index room_members_inverse on room_members is gone",
    );
    check(
        "ALTER TABLE user ADD COLUMN mine TEXT NOT NULL DEFAULT 'x'; DROP TABLE message;",
        "the table message is gone",
    );
    check(
        "DROP TABLE user; CREATE TABLE user (id BLOB PRIMARY KEY NOT NULL, created INT NOT NULL, updated INT NOT NULL, version INT NOT NULL, name INT)",
        "user.name is INT and should be TEXT",
    );
}

#[test]
fn what_is_somebody_elses_is_left_alone() {
    let connection = chat();
    connection
        .execute_batch(
            "CREATE TABLE mine (x); INSERT INTO mine VALUES (1); CREATE VIEW seen AS SELECT * FROM message;
             ALTER TABLE user ADD COLUMN note TEXT; UPDATE user SET note = 'n';
             CREATE TRIGGER t AFTER DELETE ON message BEGIN DELETE FROM mine; END;",
        )
        .unwrap();
    let added = CHAT.replace("type User @collection {", "type User @collection { age: Int");
    migrate(&connection, &added, DEV).unwrap();
    assert_eq!(rows(&connection, "SELECT x FROM mine"), ["1"]);
    assert_eq!(rows(&connection, "SELECT DISTINCT note FROM user"), ["n"]);
    let rebuilt = added.replace("name: String! }", "name: String }");
    let reason = refused(migrate(&connection, &rebuilt, DEV));
    assert!(
        reason.contains("lose columns that are not the schema's (note)"),
        "{reason}"
    );
}

#[test]
fn an_existing_database_is_taken_up_as_it_is() {
    let legacy =
        "CREATE TABLE customers (id BLOB NOT NULL PRIMARY KEY, created INTEGER NOT NULL, updated INTEGER NOT NULL,
        version INTEGER NOT NULL, full_name VARCHAR(80), more TEXT);
        INSERT INTO customers VALUES (x'01', 1, 1, 1, 'ada', 'x');";
    let connection = empty();
    connection.execute_batch(legacy).unwrap();
    let schema =
        r#"type Customer @collection @table(name: "customers") { name: String @column(name: "full_name") age: Int }"#;
    let report = migrate(&connection, schema, DEV).unwrap();
    assert_eq!(report.steps, ["add field Customer.age: Int"]);
    assert_eq!(
        rows(&connection, "SELECT full_name, more, age FROM customers"),
        ["ada, x, null"]
    );
    let connection = empty();
    connection
        .execute_batch(&legacy.replace("VARCHAR(80)", "INTEGER"))
        .unwrap();
    let error = migrate(&connection, schema, DEV).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("customers.full_name is INTEGER and should be TEXT"),
        "{error}"
    );
}

#[test]
fn connections_that_were_open_before_see_the_new_structure() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.db");
    let writer = Connection::open(&path).unwrap();
    writer.pragma_update(None, "journal_mode", "wal").unwrap();
    writer.pragma_update(None, "foreign_keys", true).unwrap();
    create(&writer, &model("type A @collection { x: Int }")).unwrap();
    let reader = Connection::open(&path).unwrap();
    let count = |sql: &str| -> i64 {
        reader
            .prepare_cached(sql)
            .unwrap()
            .query_row([], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count("SELECT count(x) FROM a"), 0);
    migrate(&writer, "type A @collection { x: String y: Int @unique }", DEV).unwrap();
    writer
        .execute_batch("INSERT INTO a VALUES (x'01', 1, 1, 1, 'text', 2)")
        .unwrap();
    assert_eq!(count("SELECT count(x) FROM a"), 1);
    assert_eq!(count("SELECT y FROM a"), 2);
}
