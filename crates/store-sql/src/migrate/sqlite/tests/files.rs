//! Databases that migration files bring on.

use super::*;

const SERVE: Options = Options {
    mode: Mode::Files,
    ..DEV
};

const ONE: &str = "type User @collection { name: String! }";
const TWO: &str = "type User @collection { name: String! age: Int }";

/// A folder whose files lead from one schema to the next.
fn folder(schemas: &[&str]) -> Folder {
    let mut texts: Vec<(String, String)> = Vec::new();
    for (number, schema) in (1..).zip(schemas) {
        let mut migration = Folder::of(texts.clone()).unwrap().missing(&target(schema));
        migration.allow_destructive = true;
        texts.push((format!("{number:04}_step.toml"), migration.to_toml()));
    }
    Folder::of(texts).unwrap()
}

fn target(schema: &str) -> Target {
    Target::of(&model(schema))
}

#[track_caller]
fn check(connection: &Connection, folder: &Folder, schema: &str, expected: &[&str]) {
    let report = apply(connection, &target(schema), folder, SERVE).unwrap();
    assert_eq!(report.files, expected);
    let status = status(connection, &target(schema), folder, SERVE).unwrap();
    assert!(status.is_current(), "{status:?}");
}

#[test]
fn files_run_once_and_in_order() {
    let connection = empty();
    check(&connection, &folder(&[ONE]), ONE, &["0001_step.toml"]);
    connection
        .execute_batch("INSERT INTO user VALUES (x'01', 1, 1, 1, 'ada')")
        .unwrap();
    let all = folder(&[ONE, TWO, ONE, TWO]);
    check(
        &connection,
        &all,
        TWO,
        &["0002_step.toml", "0003_step.toml", "0004_step.toml"],
    );
    check(&connection, &all, TWO, &[]);
    assert_eq!(rows(&connection, "SELECT name, age FROM user"), ["ada, null"]);
    assert_eq!(
        rows(
            &connection,
            "SELECT id, name, applied_at FROM _ninefold_migration WHERE id = 4"
        ),
        ["4, step, 1700000000000"]
    );
}

#[test]
fn an_empty_database_starts_from_the_schema() {
    let connection = empty();
    let found = status(&connection, &target(TWO), &folder(&[ONE, TWO]), SERVE).unwrap();
    assert!(found.empty && !found.is_current());
    let report = apply(&connection, &target(TWO), &folder(&[ONE, TWO]), SERVE).unwrap();
    assert_eq!(report.steps, ["add collection User (table user)"]);
    assert_eq!(report.files, ["0001_step.toml", "0002_step.toml"]);
}

#[test]
fn a_schema_ahead_of_its_files_is_not_served() {
    let connection = empty();
    check(&connection, &folder(&[ONE]), ONE, &["0001_step.toml"]);
    let error = apply(&connection, &target(TWO), &folder(&[ONE]), SERVE).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("run `ninefold migrate new NAME` first (add field User.age: Int)"),
        "{error}"
    );
    let status = status(&connection, &target(TWO), &folder(&[ONE]), SERVE).unwrap();
    assert!(!status.is_current());
}

#[test]
fn what_dev_did_by_itself_is_remembered_when_its_file_comes() {
    let connection = empty();
    check(&connection, &folder(&[ONE]), ONE, &["0001_step.toml"]);
    let report = apply(&connection, &target(TWO), &folder(&[ONE]), DEV).unwrap();
    assert_eq!((report.steps.len(), report.files.len()), (1, 0));
    let report = apply(&connection, &target(TWO), &folder(&[ONE, TWO]), DEV).unwrap();
    assert_eq!((report.steps.len(), report.files.len()), (0, 1));
}

#[test]
fn a_database_without_files_can_take_them_up() {
    let connection = database(ONE, &[]);
    check(
        &connection,
        &folder(&[ONE, TWO]),
        TWO,
        &["0001_step.toml", "0002_step.toml"],
    );
}

#[test]
fn a_file_that_changed_or_went_is_an_error() {
    let connection = empty();
    let files = folder(&[ONE]);
    check(&connection, &files, ONE, &["0001_step.toml"]);
    let text = files.files()[0].migration.to_toml();
    let refused = |folder: Folder| match apply(&connection, &target(ONE), &folder, SERVE) {
        Err(MigrateError::NoRoute(no_route)) => no_route,
        other => panic!("{other:?}"),
    };
    let edited = Folder::of([("0001_step.toml".to_owned(), format!("{text}\n# changed"))]).unwrap();
    assert_eq!(
        refused(edited),
        NoRoute::Edited {
            file: "0001_step.toml".to_owned()
        }
    );
    assert_eq!(
        refused(Folder::default()),
        NoRoute::Missing {
            file: "0001_step.toml".to_owned()
        }
    );
    let windows = Folder::of([("0001_step.toml".to_owned(), text.replace('\n', "\r\n"))]).unwrap();
    check(&connection, &windows, ONE, &[]);
}

#[test]
fn a_file_can_move_data_in_its_own_words() {
    let connection = database(ONE, &["user VALUES (x'01', 1, 1, 1, 'ada lovelace')"]);
    let first = folder(&[ONE]).files()[0].migration.to_toml();
    let second = r#"
        [[step]]
        action = "add_field"
        collection = "User"
        field = { name = "first", column = "first", type = "String" }

        [[step]]
        action = "run"
        sqlite = "UPDATE user SET first = substr(name, 1, instr(name, ' ') - 1);"

        [[step]]
        action = "change_field"
        collection = "User"
        field = { name = "first", column = "first", type = "String", required = true }
    "#;
    let files = |second: &str| {
        Folder::of([
            ("0001_a.toml".to_owned(), first.clone()),
            ("0002_b.toml".to_owned(), second.to_owned()),
        ])
        .unwrap()
    };
    let schema = "type User @collection { name: String! first: String! }";
    let before = dump(&connection);
    let committing = second.replace("UPDATE", "-- done\\n COMMIT; UPDATE");
    let error = apply(&connection, &target(schema), &files(&committing), SERVE).unwrap_err();
    assert!(
        error.to_string().contains("`COMMIT` can't stand in a migration"),
        "{error}"
    );
    assert_ne!(dump(&connection), before, "the first file is remembered");
    check(&connection, &files(second), schema, &["0002_b.toml"]);
    assert_eq!(rows(&connection, "SELECT first FROM user"), ["ada"]);
}

#[test]
fn the_guide_runs() {
    let guide = include_str!("../../../../../../docs/migrations.md");
    let blocks = guide
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let texts: Vec<(String, String)> = blocks
        .map(|text| {
            (
                text.lines()
                    .next()
                    .unwrap()
                    .trim_start_matches("# migrations/")
                    .to_owned(),
                text.to_owned(),
            )
        })
        .collect();
    let connection = empty();
    check(
        &connection,
        &Folder::of(texts[..1].to_vec()).unwrap(),
        ONE,
        &["0001_initial.toml"],
    );
    let names = "INSERT INTO user VALUES (x'01', 1, 1, 1, 'Ada Lovelace'), (x'02', 1, 1, 1, 'Plato')";
    connection.execute_batch(names).unwrap();
    let split = "type User @collection { first: String! last: String }";
    check(
        &connection,
        &Folder::of(texts).unwrap(),
        split,
        &["0002_split_name.toml"],
    );
    assert_eq!(
        rows(&connection, "SELECT first, last FROM user ORDER BY id"),
        ["Ada, Lovelace", "Plato, "]
    );
}

#[test]
fn a_reviewed_file_may_destroy_what_it_says() {
    let connection = database(TWO, &["user VALUES (x'01', 1, 1, 1, 'ada', 36)"]);
    let agreed = folder(&[TWO, ONE]);
    let mut texts: Vec<(String, String)> = agreed
        .files()
        .iter()
        .map(|file| (file.id.file_name(), file.migration.to_toml()))
        .collect();
    texts[1].1 = texts[1].1.replace("allow_destructive = true", "");
    let silent = Folder::of(texts).unwrap();
    let reason = refused(apply(&connection, &target(ONE), &silent, SERVE));
    assert!(
        reason.starts_with("it would destroy the values of User.age (1)"),
        "{reason}"
    );
    check(&connection, &agreed, ONE, &["0002_step.toml"]);
}

#[test]
fn a_plan_shows_what_will_run() {
    let connection = database(ONE, &[]);
    let shown = plan(
        &connection,
        &target("type User @collection { name: Int! age: Int @unique }"),
        &Folder::default(),
        DEV,
    );
    let shown = shown.unwrap();
    let [leg] = shown.legs.as_slice() else {
        panic!("{shown:?}")
    };
    let lines = leg.steps.iter().flat_map(|step| {
        let needs = step.needs.as_ref().map(|needs| format!("needs {needs}"));
        std::iter::once(step.text.clone())
            .chain(needs)
            .chain(step.statements.iter().cloned())
    });
    let expected = "\
change field User.name: Int!
needs every User.name to be a Int
add field User.age: Int
CREATE TABLE \"user_rebuilt\" (
  \"id\" BLOB NOT NULL,
  \"created\" INTEGER NOT NULL,
  \"updated\" INTEGER NOT NULL,
  \"version\" INTEGER NOT NULL,
  \"name\" INTEGER NOT NULL,
  \"age\" INTEGER,
  PRIMARY KEY (\"id\")
) STRICT
INSERT INTO \"user_rebuilt\" (\"id\", \"created\", \"updated\", \"version\", \"name\", \"age\") \
SELECT \"id\", \"created\", \"updated\", \"version\", ninefold_convert(\"name\", 'String', 'Int'), NULL FROM \"user\"
DROP TABLE \"user\"
PRAGMA legacy_alter_table = ON
ALTER TABLE \"user_rebuilt\" RENAME TO \"user\"
PRAGMA legacy_alter_table = OFF
-- the indexes and triggers of user are made again
add unique index ux_user_age on User (age)
needs no two records of User to have the same age
CREATE UNIQUE INDEX \"ux_user_age\" ON \"user\" (\"age\")";
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), expected);
}
