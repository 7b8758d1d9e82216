//! Migrations beside those who read and write.

use std::cell::Cell;
use std::time::Duration;

use engine::model::migration::{Found, route};

use super::super::{plan, render::render};
use super::*;
use crate::dialect::{MySql, Server};

#[test]
fn who_waits_for_a_table_lets_others_through() {
    let mut database = holding(&with("x: Int"), &["1"]);
    let (mut reader, mut late) = (database.beside(), database.beside());
    let target = Target::of(&model(&with("x: Int y: Int")));
    let (runtime, connection) = database.connection();
    runtime.block_on(async {
        let opened = "SET autocommit = 0; SELECT * FROM a";
        reader.conn.query_drop(opened).await.unwrap();
        let pid: Option<u64> = connection.conn.query_first("SELECT CONNECTION_ID()").await.unwrap();
        let folder = Folder::default();
        let migrated = apply(connection, &target, &folder, DEV);
        let others = async {
            is_at(&mut late, pid.unwrap(), WAITS).await;
            let insert = "SET lock_wait_timeout = 30; \
                INSERT INTO a (id, created, updated, version, x) VALUES (x'99999999999999999999999999999999', now(), now(), 3, 9)";
            late.conn.query_drop(insert).await.unwrap();
            reader.conn.query_drop("COMMIT").await.unwrap();
        };
        let (migrated, ()) = tokio::join!(migrated, others);
        migrated.unwrap();
    });
    is_sound(&mut database, &target.structure);
    assert_eq!(rows(&mut database, "SELECT count(*) FROM a"), ["2"]);
}

/// Until that connection is in such a state.
async fn is_at(connection: &mut Connection, id: u64, state: &str) {
    let sql = format!("SELECT count(*) FROM information_schema.processlist WHERE id = {id} AND {state}");
    for _ in 0..12_000 {
        let found: Option<u64> = connection.conn.query_first(&sql).await.unwrap();
        if found == Some(1) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never comes to where {state}");
}

const WAITS: &str = "state LIKE 'Waiting for table metadata lock%'";
const WAITS_TO_LOCK: &str = "state LIKE 'Waiting for table metadata lock%' AND info LIKE 'LOCK TABLES%'";
const WAITS_AT_THE_GATE: &str = "state = 'User lock'";

fn indexed(kind: &str) -> String {
    format!("type A @collection @index(fields: [\"x\"]) {{ x: {kind} }}")
}

/// A migration of `a`, whose values are converted, comes to where it waits for the table: a reader has it. Then
/// `meanwhile` is done.
fn meanwhile(
    database: &mut Database,
    schema: &str,
    meanwhile: impl AsyncFnOnce(&mut Connection, &mut Connection, u64),
) -> Result<Report, MigrateError> {
    let target = Target::of(&model(schema));
    let (mut migration, mut reader, mut writer) = (database.beside(), database.beside(), database.beside());
    let (runtime, _) = database.connection();
    runtime.block_on(async {
        let pid: Option<u64> = migration.conn.query_first("SELECT CONNECTION_ID()").await.unwrap();
        let pid = pid.unwrap();
        // Who converts waits in the first record, until the reader is there.
        let gate = "CONCAT('gate.', LEFT(SHA2(DATABASE(), 256), 40))";
        let gated = format!(
            "CREATE TRIGGER gate BEFORE UPDATE ON a FOR EACH ROW BEGIN \
             IF CONNECTION_ID() = {pid} THEN DO GET_LOCK({gate}, 60); END IF; END"
        );
        writer.conn.query_drop(gated).await.unwrap();
        reader
            .conn
            .query_drop(format!("DO GET_LOCK({gate}, 60)"))
            .await
            .unwrap();
        let folder = Folder::default();
        let migrated = apply(&mut migration, &target, &folder, DEV);
        let others = async {
            is_at(&mut writer, pid, WAITS_AT_THE_GATE).await;
            reader
                .conn
                .query_drop("SET autocommit = 0; SELECT * FROM a")
                .await
                .unwrap();
            reader
                .conn
                .query_drop(format!("DO RELEASE_LOCK({gate})"))
                .await
                .unwrap();
            is_at(&mut writer, pid, WAITS_TO_LOCK).await;
            writer.conn.query_drop("SET lock_wait_timeout = 60").await.unwrap();
            meanwhile(&mut writer, &mut reader, pid).await;
        };
        let (migrated, ()) = tokio::join!(migrated, others);
        migrated
    })
}

const INSERT: &str = "INSERT INTO a (id, created, updated, version, x) VALUES \
                      (x'99999999999999999999999999999999', '1970-01-01', '1970-01-01', 3, '9')";

#[test]
fn what_is_written_while_a_type_changes_is_converted() {
    let mut database = holding(&indexed("String"), &["'1'", "'2'", "'3'", "'4'"]);
    let done = meanwhile(&mut database, &indexed("Int"), async |writer, reader, _| {
        let change = format!(
            "UPDATE a SET x = '7' WHERE id = {}; UPDATE a SET x = NULL WHERE id = {}; DELETE FROM a WHERE id = {}; {INSERT}",
            id(0),
            id(1),
            id(2)
        );
        writer.conn.query_drop(change).await.unwrap();
        reader.conn.query_drop("COMMIT").await.unwrap();
    });
    done.unwrap();
    is_sound(&mut database, &Structure::of(&model(&indexed("Int"))));
    assert_eq!(
        rows(&mut database, "SELECT x FROM a ORDER BY id"),
        ["7", "null", "4", "9"]
    );
}

#[test]
fn what_is_written_after_a_migration_was_killed_is_converted() {
    let mut database = holding(&indexed("String"), &["'1'", "'2'", "'3'"]);
    let killed = meanwhile(&mut database, &indexed("Int"), async |writer, reader, pid| {
        reader.conn.query_drop(format!("KILL CONNECTION {pid}")).await.unwrap();
        reader.conn.query_drop("COMMIT").await.unwrap();
        let change = format!(
            "UPDATE a SET x = '7' WHERE id = {}; UPDATE a SET x = NULL WHERE id = {}; {INSERT}",
            id(0),
            id(1)
        );
        writer.conn.query_drop(change).await.unwrap();
    });
    assert!(killed.is_err(), "{killed:?}");
    assert_eq!(
        rows(&mut database, "SELECT x FROM a ORDER BY id"),
        ["7", "null", "3", "9"]
    );
    migrate(&mut database, &indexed("Int"), DEV).unwrap();
    assert_eq!(
        rows(&mut database, "SELECT x FROM a ORDER BY id"),
        ["7", "null", "3", "9"]
    );
}

#[test]
fn what_is_written_meanwhile_and_can_not_be_converted_stops_it() {
    let mut database = holding(&indexed("String"), &["'1'", "'2'"]);
    let stopped = meanwhile(&mut database, &indexed("Int"), async |writer, reader, _| {
        let change = format!("UPDATE a SET x = 'seven' WHERE id = {}", id(0));
        writer.conn.query_drop(change).await.unwrap();
        reader.conn.query_drop("COMMIT").await.unwrap();
    });
    let reason = refused(stopped);
    assert!(
        reason.starts_with("A.x has 1 value that can't become a Int"),
        "{reason}"
    );
    // As it was, and another way can be taken.
    is_sound(&mut database, &Structure::of(&model(&indexed("String"))));
    assert_eq!(rows(&mut database, "SHOW COLUMNS FROM a LIKE '_ninefold%'").len(), 0);
    migrate(&mut database, &indexed("String y: Int"), DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT x FROM a ORDER BY id"), ["seven", "2"]);
}

/// Before it is remembered; from the columns themselves it doesn't show.
#[test]
fn what_is_cut_off_after_the_exchange_is_not_converted_twice() {
    let (old, new) = (with("x: [String!]"), with("x: [Int!]"));
    let mut database = holding(&old, &[r#"'["7"]'"#]);
    // That the column stands beside is remembered by an insert.
    run(
        &mut database,
        "CREATE TRIGGER cut BEFORE UPDATE ON _ninefold_meta FOR EACH ROW BEGIN \
         IF NEW.`key` = 'progress' THEN SIGNAL SQLSTATE 'HY000' SET MESSAGE_TEXT = 'cut off'; END IF; END",
    );
    let cut_off = migrate(&mut database, &new, DEV).unwrap_err();
    assert!(cut_off.to_string().contains("cut off"), "{cut_off}");
    run(&mut database, "DROP TRIGGER cut");
    assert_eq!(rows(&mut database, "SELECT x FROM a"), ["[7]"]);
    let target = Target::of(&model(&new));
    let (runtime, connection) = database.connection();
    let told = runtime.block_on(status(connection, &target, &Folder::default(), DEV));
    assert_eq!(told.unwrap().begun, ["a migration, of which 0 of 1 steps are done"]);
    migrate(&mut database, &new, DEV).unwrap();
    assert_eq!(rows(&mut database, "SELECT x FROM a"), ["[7]"]);
}

#[test]
fn no_write_is_lost_while_a_type_changes() {
    let mut database = Database::of(&model(&indexed("String")));
    let record = |number| format!("({}, '1970-01-01', '1970-01-01', 3, '0')", id(number));
    let records: Vec<String> = (0..RECORDS).map(record).collect();
    let insert = format!(
        "INSERT INTO a (id, created, updated, version, x) VALUES {}",
        records.join(", ")
    );
    run(&mut database, &insert);
    let target = Target::of(&model(&indexed("Int")));
    let [mut first, mut second, mut third] = [0, 1, 2].map(|_| database.beside());
    let is_done = Cell::new(false);
    let (runtime, connection) = database.connection();
    let written = runtime.block_on(async {
        let folder = Folder::default();
        let migrated = async {
            let migrated = apply(connection, &target, &folder, DEV).await;
            is_done.set(true);
            migrated
        };
        let (migrated, first, second, third) = tokio::join!(
            migrated,
            write(&mut first, 0, &is_done),
            write(&mut second, 1, &is_done),
            write(&mut third, 2, &is_done),
        );
        migrated.unwrap();
        [first, second, third].concat()
    });
    let mut expected = vec!["0".to_owned(); RECORDS];
    for (number, value) in written {
        expected[number] = value;
    }
    assert_eq!(rows(&mut database, "SELECT x FROM a ORDER BY id"), expected);
}

const RECORDS: usize = 2_400;

/// Writes to every third record, again and again, and tells what was acknowledged.
async fn write(connection: &mut Connection, place: usize, is_done: &Cell<bool>) -> Vec<(usize, String)> {
    let unlimited = match connection.dialect.0 {
        Server::MySql => "max_execution_time",
        Server::MariaDb => "max_statement_time",
    };
    let patient = format!("SET {unlimited} = 0, lock_wait_timeout = 600, innodb_lock_wait_timeout = 600");
    connection.conn.query_drop(patient).await.unwrap();
    let mut acknowledged = Vec::new();
    for turn in 0.. {
        let number = turn * 7 % (RECORDS / 3) * 3 + place;
        let value = (turn + 1).to_string();
        let update = format!("UPDATE a SET x = '{value}' WHERE id = {}", id(number));
        connection.conn.query_drop(update).await.unwrap();
        acknowledged.push((number, value));
        if is_done.get() {
            break;
        }
    }
    acknowledged
}

#[test]
fn who_waits_while_a_type_changes_is_told() {
    let schema = |kind: &str| format!("type A @collection {{ x: {kind} b: B }} type B @collection {{ n: Int }}");
    let mut database = Database::of(&model(&schema("String")));
    let target = Target::of(&model(&schema("Int")));
    let (runtime, connection) = database.connection();
    let planned = runtime
        .block_on(plan(connection, &target, &Folder::default(), DEV))
        .unwrap();
    let step = &planned.legs[0].steps[0];
    let holds: Vec<String> = step.holds.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(
        holds,
        [
            "reads and writes of a wait while the records of a are written anew (about 0: less than a second)",
            "writes to b wait while the records of a are written anew (about 0: less than a second)"
        ]
    );
    assert_eq!(step.statements[1].lines().next(), Some("LOCK TABLES `a` WRITE"));
    assert!(step.statements.iter().any(|sql| sql == "UNLOCK TABLES"));
}

/// MySQL locks what refers to a locked table, too.
#[test]
fn who_waits_on_mysql_while_a_type_changes_is_told() {
    let structure = |kind: &str| {
        let schema = format!("type A @collection {{ x: {kind} }} type B @collection {{ a: A many: [A!]! }}");
        Structure::of(&model(&schema))
    };
    let found = Found {
        structure: structure("String"),
        applied: Vec::new(),
    };
    let (folder, target) = (Folder::default(), Target::from(structure("Int")));
    let legs = route(&found, &folder, &target, Mode::Direct).unwrap();
    let waiting = |server| {
        let steps = render(MySql::of(server), &legs[0], Timestamp(0)).unwrap();
        let holds = steps.into_iter().flat_map(|step| step.shown().holds.unwrap());
        holds.map(|hold| hold.table).collect::<Vec<_>>()
    };
    assert_eq!(waiting(Server::MariaDb), ["a"]);
    assert_eq!(waiting(Server::MySql), ["a", "b", "b_many"]);
}

/// Each portion begins where the one before ended: what is read grows with the table, not with its square.
#[test]
fn nulls_are_filled_by_reading_the_table_a_few_times() {
    let mut database = Database::of(&model(&with("x: Int")));
    let records: usize = 3_000;
    let record = |number| format!("({}, '1970-01-01', '1970-01-01', 3, 0)", id(number));
    let values: Vec<String> = (0..records).map(record).collect();
    let insert = format!(
        "INSERT INTO a (id, created, updated, version, x) VALUES {}",
        values.join(", ")
    );
    run(&mut database, &insert);
    let read = |database: &mut Database| -> usize {
        let status = rows(database, "SHOW SESSION STATUS LIKE 'Handler_read%'");
        let count = |line: &String| line.rsplit(", ").next().and_then(|count| count.parse::<usize>().ok());
        status.iter().filter_map(count).sum()
    };
    let before = read(&mut database);
    migrate(&mut database, &with("x: Int y: Int! @default(value: 9)"), DEV).unwrap();
    let read = read(&mut database) - before;
    assert!(read < 5 * records, "{read} records were read");
    assert_eq!(rows(&mut database, "SELECT DISTINCT y FROM a"), ["9"]);
}
