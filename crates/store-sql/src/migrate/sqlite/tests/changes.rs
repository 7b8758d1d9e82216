//! Old schema, data, new schema: what is there afterwards.

use super::*;

/// A type with the one field `x`, and a key to see that records stay who they are.
fn with(field: &str) -> String {
    format!("type A @collection {{ {field} }} enum Size {{ S M L }} enum Few {{ S M }} type Doc {{ a: Int }}")
}

fn records(values: &[&str]) -> String {
    let record = |(index, value): (usize, &&str)| format!("(x'{index:032x}', 1, 2, 3, {value})");
    let all: Vec<String> = values.iter().enumerate().map(record).collect();
    format!("a (id, created, updated, version, x) VALUES {}", all.join(", "))
}

/// The values of `x`, before and after.
#[track_caller]
fn check(old: &str, values: &[&str], new: &str, expected: &[&str]) {
    let connection = database(&with(old), &[&records(values)]);
    migrate(&connection, &with(new), DEV).unwrap();
    assert_eq!(rows(&connection, "SELECT x FROM a ORDER BY id"), expected);
    let untouched = rows(&connection, "SELECT DISTINCT created, updated, version FROM a");
    assert_eq!(untouched, ["1, 2, 3"]);
}

/// The refusal; nothing has changed.
#[track_caller]
fn check_refused(old: &str, values: &[&str], new: &str, expected: &str) {
    let connection = database(&with(old), &[&records(values)]);
    let before = dump(&connection);
    let reason = refused(migrate(&connection, &with(new), DEV));
    assert!(reason.starts_with(expected), "{reason}");
    assert_eq!(dump(&connection), before);
    is_sound(&connection, &Structure::of(&model(&with(old))));
}

#[test]
fn types_change_where_every_value_can() {
    check("x: String!", &["'42'", "'-7'"], "x: Int!", &["42", "-7"]);
    check("x: String", &["'true'", "NULL"], "x: Boolean", &["1", "null"]);
    check(
        "x: String!",
        &["'2026-01-01T00:00:00Z'"],
        "x: DateTime!",
        &["1767225600000"],
    );
    check("x: String", &["'S'", "'L'"], "x: Size", &["S", "L"]);
    check("x: Int", &["3"], "x: Decimal", &["3000000"]);
    check("x: Int", &["3"], "x: Long", &["3"]);
    check("x: Int", &["3"], "x: String", &["3"]);
    check("x: Float", &["3.0"], "x: Int", &["3"]);
    check("x: Decimal", &["2500000"], "x: String", &["2.5"]);
    check("x: Date", &["1"], "x: DateTime", &["86400000"]);
    check("x: Few", &["'S'"], "x: Size", &["S"]);
    check("x: Size", &["'S'"], "x: Few", &["S"]);
    check("x: Size", &["'S'"], "x: String", &["S"]);
    check("x: [String!]", &[r#"'["a"]'"#], "x: JSON", &[r#"["a"]"#]);
    check("x: [String!]", &[r#"'["7"]'"#], "x: [Int!]", &["[7]"]);
    check("x: Doc", &[r#"'{"a":1}'"#], "x: JSON", &[r#"{"a":1}"#]);
    check(
        "x: ID",
        &["x'0000000000000000000000000000000a'"],
        "x: String",
        &["00000000-0000-0000-0000-00000000000a"],
    );
}

#[test]
fn a_value_that_cannot_change_stops_it() {
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
    check_refused(
        "x: Float",
        &["2.5"],
        "x: Int",
        "A.x has 1 value that can't become a Int",
    );
    check_refused(
        "x: Size",
        &["'L'"],
        "x: Few",
        "A.x has 1 value that can't become a enum(S, M)",
    );
    check_refused(
        "x: DateTime",
        &["86400001"],
        "x: Date",
        "A.x has 1 value that can't become a Date",
    );
    check_refused("x: Date", &["1"], "x: Int", "a Date can't become a Int: ");
}

#[test]
fn required_and_optional() {
    check("x: Int!", &["3"], "x: Int", &["3"]);
    check("x: Int", &["3"], "x: Int!", &["3"]);
    check("x: Int", &["3", "NULL"], "x: Int! @default(value: 9)", &["3", "9"]);
    check("x: String", &["'3'", "NULL"], "x: Int! @default(value: 9)", &["3", "9"]);
    check_refused(
        "x: Int",
        &["3", "NULL"],
        "x: Int!",
        "A.x is null in 1 record, such as 00000000-0000-0000-0000-000000000001: ",
    );
}

#[test]
fn unique_needs_no_two_the_same() {
    check(
        "x: String",
        &["'a'", "NULL", "NULL"],
        "x: String @unique",
        &["a", "null", "null"],
    );
    check_refused(
        "x: String",
        &["'a'", "'b'", "'a'"],
        "x: String @unique",
        "A.x has 1 value more than once, such as a: ",
    );
}

#[test]
fn partial_indexes_hold_for_the_records_that_they_say() {
    let with =
        |index: &str| format!("type A @collection {index} {{ x: Int kind: Kind gone: DateTime }} enum Kind {{ P Q }}");
    let connection = database(
        &with(""),
        &["a VALUES (x'01', 1, 1, 1, 7, 'P', NULL), (x'02', 1, 1, 1, 7, 'Q', NULL), (x'03', 1, 1, 1, 7, 'P', 5)"],
    );
    let unique = |condition: &str| with(&format!(r#"@index(fields: ["x"], unique: true, where: "{condition}")"#));
    let reason = refused(migrate(&connection, &unique("record.gone == null"), DEV));
    assert!(
        reason.starts_with("A.x has 1 value more than once, such as 7"),
        "{reason}"
    );
    migrate(&connection, &unique("record.gone == null && record.kind == 'P'"), DEV).unwrap();
    connection
        .execute_batch("INSERT INTO a VALUES (x'04', 1, 1, 1, 7, 'Q', NULL)")
        .unwrap();
    let twin = connection.execute_batch("INSERT INTO a VALUES (x'05', 1, 1, 1, 7, 'P', NULL)");
    assert!(twin.unwrap_err().to_string().contains("UNIQUE"));
}

#[test]
fn a_new_field_gets_its_default() {
    let add = |field: &str, expected: &str| {
        let connection = database(&with("x: Int"), &[&records(&["1", "2"])]);
        migrate(&connection, &with(&format!("x: Int {field}")), DEV).unwrap();
        assert_eq!(rows(&connection, "SELECT DISTINCT y FROM a"), [expected], "{field}");
    };
    add("y: Int", "null");
    add("y: Int! @default(value: 7)", "7");
    add("y: Int @default(value: 7)", "7");
    add("y: Size! @default(value: M)", "M");
    add("y: String! @default(value: \"'it\\\\'s'\")", "it's");
    add("y: Decimal! @default(value: 1.5)", "1500000");
    add("y: DateTime! @default(value: \"now\")", "1700000000000");
    add("y: DateTime @default(value: \"now\")", "1700000000000");
}

#[test]
fn a_new_required_field_without_a_default_needs_an_empty_table() {
    let connection = database(&with("x: Int"), &[&records(&["1", "2"])]);
    let reason = refused(migrate(&connection, &with("x: Int y: Int!"), DEV));
    assert!(
        reason.starts_with("A has 2 records without a value for it: give y a constant `@default`"),
        "{reason}"
    );
    connection.execute_batch("DELETE FROM a").unwrap();
    migrate(&connection, &with("x: Int y: Int!"), DEV).unwrap();
}

#[test]
fn what_destroys_data_must_be_meant() {
    let connection = database(&with("x: Int y: Int"), &[&records(&["1", "2"])]);
    migrate(&connection, &with("x: Int"), DEV).expect("there is no y in any record");
    let reason = refused(migrate(&connection, &with("z: Int"), DEV));
    assert!(
        reason.starts_with(
            "it would destroy the values of A.x (2): if that is meant, `ninefold migrate apply --allow-destructive`"
        ),
        "{reason}"
    );
    migrate(&connection, &with("z: Int @renamed(from: \"x\")"), DEV).unwrap();
    assert_eq!(rows(&connection, "SELECT z FROM a ORDER BY id"), ["1", "2"]);
    migrate(&connection, &with("y: Int"), DESTRUCTIVE).unwrap();
    assert_eq!(rows(&connection, "SELECT y FROM a"), ["null", "null"]);
}

#[test]
fn a_rebuilt_table_keeps_who_refers_to_it() {
    let connection = chat();
    connection
        .execute_batch("CREATE TABLE log (x); CREATE TRIGGER heard AFTER INSERT ON room BEGIN INSERT INTO log VALUES (new.name); END; CREATE INDEX mine ON room (name); CREATE VIEW halls AS SELECT name FROM room;")
        .unwrap();
    let before = dump(&connection);
    migrate(
        &connection,
        &CHAT.replace("name: String! owner: User!", "name: String owner: User"),
        DEV,
    )
    .unwrap();
    assert_ne!(dump(&connection), before);
    migrate(&connection, CHAT, DEV).unwrap();
    assert_eq!(dump(&connection), before);
}

#[test]
fn renamed_collections_take_their_relations_along() {
    let connection = chat();
    let new = CHAT
        .replace(
            "type Room @collection",
            "type Channel @collection @renamed(from: \"Room\")",
        )
        .replace("parent: Room", "parent: Channel")
        .replace("room: Room!", "channel: Channel! @renamed(from: \"room\")")
        .replace("members", "people")
        .replace("people: [User!]!", "people: [User!]! @renamed(from: \"members\")");
    let report = migrate(&connection, &new, DEV).unwrap();
    assert_eq!(
        report.steps[..3],
        [
            "rename collection Room to Channel (table channel)",
            "rename relation Channel.members to people (table channel_people)",
            "rename field Message.room to channel (column channel_id)"
        ]
        .map(|step| step.replace(
            "channel_id",
            texts(
                &connection,
                "SELECT name FROM pragma_table_info('message') WHERE name LIKE 'channel%'"
            )[0]
            .as_str()
        ))
    );
    assert_eq!(rows(&connection, "SELECT count(*) FROM channel_people"), ["2"]);
    assert_eq!(migrate(&connection, &new, DEV).unwrap(), Report::default());
}

#[test]
fn relations_come_and_go() {
    let connection = chat();
    let without = CHAT.replace("owner: User! members: [User!]! parent: Room", "");
    let reason = refused(migrate(&connection, &without, DEV));
    assert!(
        reason.starts_with("it would destroy the values of Room.owner (2)"),
        "{reason}"
    );
    migrate(&connection, &without, DESTRUCTIVE).unwrap();
    assert_eq!(rows(&connection, "SELECT name FROM room ORDER BY id"), ["hall", "nook"]);
    let with = CHAT.replace("owner: User!", "owner: User");
    migrate(&connection, &with, DEV).unwrap();
    assert_eq!(rows(&connection, "SELECT count(*) FROM room_members"), ["0"]);
}

#[test]
fn a_reference_to_another_collection_needs_records_there() {
    let connection = chat();
    let new = CHAT.replace("room: Room!", "room: User!");
    let reason = refused(migrate(&connection, &new, DEV));
    assert!(
        reason.starts_with(
            "Message.room has 1 value that no User has for a key, such as 00000000-0000-0000-0000-0000000000f1"
        ),
        "{reason}"
    );
}

#[test]
fn collections_that_are_gone_leave_nothing_behind() {
    let connection = chat();
    migrate(&connection, "type Other @collection { x: Int }", DESTRUCTIVE).unwrap();
    let left = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_ninefold\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'";
    assert_eq!(texts(&connection, left), ["other"]);
}
