//! Migrations beside readers and writers. Nobody here waits for a time: who would be kept out waits until his own lock's
//! time-out, which is an error.

use std::time::Duration;

use tokio_postgres::Client;

use super::*;
use crate::migrate::postgres::plan;

const INSERT: &str = "INSERT INTO a (id, created, updated, version, x)
    VALUES ('00000000-0000-0000-0001-000000000000', 'epoch', 'epoch', 3, 9)";

async fn pid(client: &Client) -> i32 {
    let row = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    row.get(0)
}

/// Until that connection waits for a lock.
async fn waits(client: &Client, pid: i32) {
    for _ in 0..2_000 {
        let sql = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1";
        let row = client.query_one(sql, &[&pid]).await.unwrap();
        if row.get::<_, Option<bool>>(0) == Some(true) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never waits");
}

async fn run_on(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap();
}

fn target(field: &str) -> Target {
    Target::of(&model(&with(field)))
}

/// With an index on `x`.
fn indexed_schema(fields: &str) -> String {
    with(fields).replacen("@collection", "@collection @index(fields: [\"x\"])", 1)
}

fn indexed(fields: &str) -> Target {
    Target::of(&model(&indexed_schema(fields)))
}

/// Migrates while another transaction, which begins with `first`, is open until a third connection has inserted a record.
#[track_caller]
fn migrated_beside(database: &Database, first: &str, target: &Target) {
    let (open, late) = (database.beside(), database.beside());
    database.wait(async {
        run_on(open.client(), &format!("BEGIN; {first}")).await;
        let pid = pid(database.client()).await;
        let folder = Folder::default();
        let migrated = apply(database.client(), target, &folder, DEV);
        let others = async {
            waits(late.client(), pid).await;
            run_on(late.client(), "SET lock_timeout = '10s'").await;
            run_on(late.client(), INSERT).await;
            run_on(open.client(), "COMMIT").await;
        };
        let (migrated, ()) = tokio::join!(migrated, others);
        migrated.unwrap();
    });
    is_sound(database, &target.structure);
}

#[test]
fn an_index_is_built_while_others_write() {
    let database = holding(&with("x: Int"), &["1", "2"]);
    migrated_beside(&database, "UPDATE a SET x = 3 WHERE x = 1", &indexed("x: Int"));
    assert_eq!(rows(&database, "SELECT x FROM a ORDER BY x"), ["2", "3", "9"]);
}

#[test]
fn who_waits_for_a_table_lets_others_through() {
    let database = holding(&with("x: Int"), &["1"]);
    migrated_beside(&database, "SELECT * FROM a", &target("x: Int y: Int"));
}

/// A database in which the building of an index on `x` was cut off.
fn cut_off() -> Database {
    let database = holding(&with("x: Int"), &["1", "2"]);
    let (writer, migrating) = (database.beside(), database.beside());
    let target = indexed("x: Int");
    database.wait(async {
        run_on(writer.client(), "BEGIN; UPDATE a SET x = 3 WHERE x = 1").await;
        let pid = pid(migrating.client()).await;
        let folder = Folder::default();
        let migrated = apply(migrating.client(), &target, &folder, DEV);
        let others = async {
            waits(database.client(), pid).await;
            let end = "SELECT pg_terminate_backend($1)";
            database.client().query_one(end, &[&pid]).await.unwrap();
        };
        let (migrated, ()) = tokio::join!(migrated, others);
        migrated.unwrap_err();
        run_on(writer.client(), "COMMIT").await;
    });
    assert_eq!(rows(&database, UNFINISHED).len(), 1, "an index is half built");
    database
}

#[test]
fn what_was_cut_off_is_told_and_gone_on_with() {
    let database = cut_off();
    let begun = |database: &Database| {
        let (target, folder) = (indexed("x: Int"), Folder::default());
        let told = database.wait(status(database.client(), &target, &folder, DEV)).unwrap();
        told.begun
    };
    assert_eq!(begun(&database), ["the index ix_a_x"]);
    migrate(&database, &indexed_schema("x: Int"), DEV).unwrap();
    assert_eq!(begun(&database), Vec::<String>::new());
}

#[test]
fn what_was_cut_off_is_taken_away_by_another_migration() {
    let database = cut_off();
    migrate(&database, &with("x: Int y: Int"), DEV).unwrap();
    assert_eq!(
        rows(
            &database,
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'a'"
        ),
        ["a_pkey"]
    );
    let database = cut_off();
    migrate(&database, &with("x: Int"), DEV).unwrap();
}

#[test]
fn a_refusal_takes_back_what_was_made_ahead() {
    let database = holding(&with("x: Int y: String"), &["1", "1"]);
    let reason = refused(migrate(&database, &with("x: Int @unique y: String"), DEV));
    assert!(reason.starts_with("A.x has 1 value more than once"), "{reason}");
    // The index is good, and the conversion is refused after it.
    run(&database, "UPDATE a SET y = 'no number'");
    let reason = refused(migrate(&database, &indexed_schema("x: Int y: Int"), DEV));
    assert!(reason.starts_with("A.y has "), "{reason}");
    is_sound(&database, &target("x: Int y: String").structure);
    assert_eq!(
        rows(
            &database,
            "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'a'"
        ),
        ["a_pkey"]
    );
}

#[test]
fn nulls_are_filled_while_others_write() {
    let database = holding(&with("x: Int"), &["1", "NULL", "NULL"]);
    let writes = "UPDATE a SET version = 4 WHERE x IS NULL;
        UPDATE a SET x = 5 WHERE id = '00000000-0000-0000-0000-000000000002'";
    migrated_beside(&database, writes, &target("x: Int! @default(value: 7)"));
    assert_eq!(
        rows(&database, "SELECT x, version FROM a ORDER BY id"),
        ["1, 3", "7, 4", "5, 4", "9, 3"]
    );
}

#[test]
fn a_plan_says_who_waits() {
    let database = holding(&with("x: Int y: String z: Int"), &["1", "2"]);
    run(&database, "ANALYZE a");
    let plan_of = |schema: &str| {
        let (target, folder) = (Target::of(&model(schema)), Folder::default());
        let plan = database.wait(plan(database.client(), &target, &folder, DEV)).unwrap();
        let steps = plan.legs.into_iter().flat_map(|leg| leg.steps);
        let lines = steps.map(|step| {
            let holds = step.holds.unwrap();
            let holds: Vec<String> = holds.iter().map(ToString::to_string).collect();
            (holds.join("; "), step.statements.join(";"))
        });
        lines.collect::<Vec<_>>()
    };
    let indexed = plan_of(&indexed_schema("x: Int y: String z: Int"));
    assert_eq!(indexed.len(), 1);
    assert_eq!(indexed[0].0, "");
    assert!(indexed[0].1.starts_with("CREATE INDEX CONCURRENTLY "), "{indexed:?}");
    let converted = plan_of(&with("x: Int y: String z: String"));
    assert_eq!(
        converted[0].0,
        "reads and writes of a wait while the records of a are written anew (about 2: less than a second)"
    );
    let added = plan_of(&with("x: Int y: String z: Int w: Int"));
    assert_eq!(added[0].0, "reads and writes of a wait for a moment");
}

#[test]
fn somebody_elses_index_of_that_name_stays() {
    let database = holding(&with("x: Int"), &["1"]);
    let target = indexed("x: Int");
    let name = target.structure.collection("A").unwrap().indexes[0].name.clone();
    run(&database, &format!("CREATE INDEX {} ON a (version)", quoted(&name)));
    let reason = refused(migrate(&database, &indexed_schema("x: Int"), DEV));
    assert!(reason.starts_with(&format!("the name {name} is taken")), "{reason}");
    let sql = "SELECT indexname FROM pg_indexes WHERE schemaname = current_schema() AND tablename = 'a' ORDER BY 1";
    assert_eq!(rows(&database, sql), ["a_pkey", &name]);
}
