use super::*;
use crate::model::Model;
use crate::model::migration::{Folder, Migration};

fn target(schema: &str) -> Target {
    let schema = if schema.is_empty() { "enum Unused { A }" } else { schema };
    Target::of(&Model::read(schema, "schema.graphql").unwrap())
}

fn steps(old: &str, new: &str) -> Vec<Step> {
    diff(&target(old).structure, &target(new))
}

/// The steps in words.
#[track_caller]
fn check(old: &str, new: &str, expected: &[&str]) {
    let found = steps(old, new);
    let words: Vec<String> = found.iter().map(Step::to_string).collect();
    assert_eq!(words, expected);
    leads_to(&found, old, new);
    let written = Migration {
        allow_destructive: false,
        steps: found,
    };
    assert_eq!(
        Migration::parse(&written.to_toml()).unwrap(),
        written,
        "{}",
        written.to_toml()
    );
}

#[track_caller]
fn leads_to(steps: &[Step], old: &str, new: &str) {
    let mut structure = target(old).structure;
    for step in steps {
        step.replay(&mut structure).unwrap();
    }
    assert!(structure.same_as(&target(new).structure));
}

const USER: &str = "type User @collection { name: String! }";

#[test]
fn nothing_to_do() {
    check(USER, USER, &[]);
    check(
        "type User @collection { name: String! age: Int }",
        "type User @collection { age: Int name: String! @length(max: 5) @default(value: \"'x'\") }",
        &[],
    );
}

#[test]
fn what_is_new_and_what_is_gone() {
    check("", USER, &["add collection User (table user)"]);
    check(USER, "", &["remove collection User"]);
    check(
        USER,
        r#"type User @collection { name: String! age: Int @default(value: 7) seen: DateTime! @default(value: "now")
             title: String! @default(value: "'it\\'s'") by: ID @default(value: "auth.id") }"#,
        &[
            "add field User.age: Int, filled with 7",
            "add field User.seen: DateTime!, filled with the moment of the migration",
            "add field User.title: String!, filled with \"it's\"",
            "add field User.by: ID",
        ],
    );
    check(
        "type User @collection { name: String! age: Int }",
        USER,
        &["remove field User.age"],
    );
}

#[test]
fn a_rename_is_honoured_once() {
    let new = r#"type Person @collection @renamed(from: "User") { fullName: String! @renamed(from: "name") }"#;
    check(
        USER,
        new,
        &[
            "rename collection User to Person (table person)",
            "rename field Person.name to fullName (column full_name)",
        ],
    );
    check(new, new, &[]);
    check("", new, &["add collection Person (table person)"]);
}

#[test]
fn a_table_that_keeps_its_name_keeps_its_data() {
    check(
        USER,
        r#"type Person @collection @table(name: "user") { title: String! @column(name: "name") }"#,
        &[
            "rename collection User to Person (table user)",
            "rename field Person.name to title (column name)",
        ],
    );
}

#[test]
fn names_that_are_in_the_way_are_set_aside() {
    check(
        r#"type A @collection { x: Int @column(name: "one") y: Int @column(name: "two") }"#,
        r#"type A @collection { x: Int @column(name: "two") y: Int @column(name: "one") }"#,
        &[
            "move field A.y to column two_old",
            "move field A.x to column two",
            "move field A.y to column one",
        ],
    );
    check(
        r#"type A @collection @table(name: "one") { x: Int } type B @collection @table(name: "two") { x: Int }"#,
        r#"type A @collection @table(name: "two") { x: Int }"#,
        &[
            "move collection B to table two_old",
            "move collection A to table two",
            "remove collection B",
        ],
    );
}

#[test]
fn relations() {
    let with = |fields: &str| format!("{USER} type Room @collection {{ {fields} }}");
    check(
        &with("name: String!"),
        &with("name: String! owner: User members: [User!]!"),
        &[
            "add field Room.owner: User",
            "add relation Room.members: [User] (table room_members)",
            "add index ix_room_owner on Room (owner)",
        ],
    );
    check(
        &with("owner: User"),
        &with("owner: [User!]!"),
        &[
            "remove index ix_room_owner of Room",
            "remove field Room.owner",
            "add relation Room.owner: [User] (table room_owner)",
        ],
    );
    check(
        &with("members: [User!]!"),
        &with(r#"people: [User!]! @renamed(from: "members")"#),
        &["rename relation Room.members to people (table room_people)"],
    );
    check(
        &with("members: [User!]!"),
        &with("members: [Room!]!"),
        &[
            "remove relation Room.members",
            "add relation Room.members: [Room] (table room_members)",
        ],
    );
}

#[test]
fn changes() {
    check(
        "type A @collection { n: String state: S! } enum S { ONE TWO }",
        "type A @collection { n: Int! @default(value: 3) state: S! } enum S { ONE TWO THREE }",
        &[
            "change field A.n: Int!, filled with 3",
            "change field A.state: enum(ONE, TWO, THREE)!",
        ],
    );
    check(
        "type A @collection { n: String }",
        "type A @collection { n: String @unique }",
        &["add unique index ux_a_n on A (n)"],
    );
}

#[test]
fn partial_indexes() {
    let with = |index: &str| format!("type A @collection {index} {{ n: Int open: Boolean! }}");
    let only = |condition: &str| with(&format!(r#"@index(fields: ["n"], where: "{condition}")"#));
    check(
        &with(""),
        &only("record.open"),
        &["add index ix_a_n on A (n) where record.open"],
    );
    check(
        &only("record.open"),
        &only("!record.open"),
        &[
            "remove index ix_a_n of A",
            "add index ix_a_n on A (n) where !record.open",
        ],
    );
    check(
        &only("record.open"),
        &only("record.open").replace("n: Int", "n: Long"),
        &[
            "remove index ix_a_n of A",
            "change field A.n: Long",
            "add index ix_a_n on A (n) where record.open",
        ],
    );
}

#[test]
fn a_file_reads_as_it_was_reviewed() {
    let steps = steps(
        USER,
        r#"type User @collection { name: String @unique kind: Kind! @default(value: A) } enum Kind { A B }
           type Note @collection { text: String! by: User! }"#,
    );
    let text = Migration {
        allow_destructive: true,
        steps,
    }
    .to_toml();
    insta::assert_snapshot!(text);
    Folder::of([("0001_first.toml".to_owned(), text)]).expect_err("User is not there yet");
}
