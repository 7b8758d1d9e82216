//! Databases that fail while they are used: connections cut or dead, all of them taken, statements that take too long,
//! transactions in each other's way, another server in the place of the one that was.
//!
//! What can't be done now is a 503 that says when to come back; it goes on by itself when the fault is gone; and nothing
//! stays open on the database's server. That the suite notices the loss of each defence is shown by `durability::mutants`.

pub(crate) mod failover;
pub(crate) mod house;
mod mongodb;
mod shared;

use std::time::Duration;

use serde_json::json;
use testkit::services::mysql_lock_waits;
use tokio::time::{sleep, timeout};

use house::{House, Kind, Side, is_unavailable, side_connections};

pub(crate) const BOTH: [Kind; 2] = [Kind::Postgres, Kind::MariaDb];
/// How often a write is tried that others get in the way of.
const ATTEMPTS_MAX: i64 = 16;
/// Beside those of the pool: what nodes tell one another goes over one of its own.
const NODES: i64 = 1;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_are_replaced_and_nothing_acknowledged_is_lost() {
    for kind in BOTH {
        let house = House::open(kind, &["database.connections_max=4"], None).await;
        let mut side = house.side().await;
        let mut acknowledged = Vec::new();
        for round in 0..6 {
            let made = house.proxy.accepted();
            let creating = (0..12).map(|number| {
                let text = format!("{round}-{number}");
                let request = house.creation(&text);
                async move { (text, request.send().await) }
            });
            let cutting = async {
                sleep(Duration::from_millis(round)).await;
                house.proxy.cut();
            };
            let (created, ()) = futures::join!(futures::future::join_all(creating), cutting);
            for (text, answer) in created {
                match answer.status {
                    201 => acknowledged.push(text),
                    _ => assert!(is_unavailable(&answer), "{kind:?}: {}", answer.text()),
                }
            }
            // None of those that were there is used again.
            let after = house.create(&format!("{round}-after")).await;
            assert_eq!(after.status, 201, "{kind:?}: {}", after.text());
            assert!(house.proxy.accepted() > made, "{kind:?}: something was cut");
        }
        let texts = house.texts().await;
        assert!(
            acknowledged.iter().all(|text| texts.contains(text)),
            "{kind:?}: {texts:?}"
        );
        assert!(
            side.number(&side_connections(kind)).await <= 4 + NODES,
            "{kind:?}: some are left over"
        );
        house.leave(side).await;
    }
}

/// A lone insert commits by itself on PostgreSQL: whoever loses its answer has to find out what came of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_whose_answer_is_lost_is_made_once() {
    let house = House::open(Kind::Postgres, &[], None).await;
    let (mut side, mut other) = (house.side().await, house.side().await);
    house.notes::<1>().await;
    let made = |text: &str| format!("SELECT count(*) FROM note WHERE text = '{text}'");

    house.proxy.mute();
    let creating = tokio::spawn(house.creation("lost").send());
    side.wait_until(&made("lost"), 1).await;
    house.proxy.cut();
    let answer = creating.await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(house.texts().await, ["0", "lost"]);
    let path = format!("/api/notes/{}", answer.json()["id"].as_str().unwrap());
    assert_eq!(house.client.get(&path).await.json(), answer.json());

    // The server has not begun with it, and doesn't hear of the connection's end.
    side.run("BEGIN").await;
    side.run("LOCK TABLE note IN SHARE MODE").await;
    let creating = tokio::spawn(house.creation("late").send());
    let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'note'::regclass AND NOT granted";
    other.wait_until(waiting, 1).await;
    house.proxy.cut();
    other.wait_until(waiting, 2).await;
    side.run("ROLLBACK").await;
    assert_eq!(creating.await.unwrap().status, 201);
    assert_eq!(house.texts().await, ["0", "late", "lost"]);

    // Somebody has changed it by the time that it is found.
    house.proxy.mute();
    let creating = tokio::spawn(house.creation("found").send());
    side.wait_until(&made("found"), 1).await;
    side.run("UPDATE note SET text = 'changed', version = 2 WHERE text = 'found'")
        .await;
    house.proxy.cut();
    let answer = creating.await.unwrap();
    assert!(is_unavailable(&answer), "{}", answer.text());
    assert_eq!(house.texts().await, ["0", "changed", "late", "lost"]);
    drop(other);
    house.leave(side).await;
}

/// What is wrong with how dead connections are found out, of which neither end has heard.
pub(crate) async fn stalled(mutant: Option<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for kind in BOTH {
        let set = ["database.connections_max=6", "database.query_timeout_ms=2000"];
        let house = House::open(kind, &set, mutant).await;
        let mut side = house.side().await;
        // As many connections as may be, all at rest.
        let [id] = house.notes().await;
        hold(&mut side, &id).await;
        let waiting: Vec<_> = (0..6)
            .map(|number| tokio::spawn(house.update(&id, &number.to_string()).send()))
            .collect();
        let mut other = house.side().await;
        other.wait_until(&side_connections(kind), 7 + NODES).await;
        drop(other);
        side.run("ROLLBACK").await;
        for answer in waiting {
            assert_eq!(answer.await.unwrap().status, 200);
        }
        house.proxy.stall();
        let mut failed = 0;
        for _ in 0..6 {
            failed += usize::from(house.client.get("/api/notes").await.status != 200);
        }
        if failed > 1 {
            findings.push(format!(
                "{kind:?}: {failed} requests waited in vain for dead connections"
            ));
        }
        // The database's server hears of their end at last.
        house.proxy.cut();
        assert_eq!(house.client.get("/api/notes").await.status, 200);
        house.leave(side).await;
    }
    findings
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_dead_are_found_out() {
    assert_eq!(stalled(None).await, Vec::<String>::new());
}

/// Locks a record, until the side's transaction ends.
async fn hold(side: &mut Side, id: &str) {
    side.run("BEGIN").await;
    hold_too(side, id).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_all_connections_taken_is_told_to_come_back() {
    for kind in BOTH {
        let set = [
            "database.connections_max=2",
            // Long enough to make a connection on a busy machine.
            "database.acquire_timeout_ms=2000",
            "database.busy_timeout_ms=60000",
            "database.query_timeout_ms=60000",
        ];
        let house = House::open(kind, &set, None).await;
        let mut side = house.side().await;
        let [id] = house.notes().await;
        hold(&mut side, &id).await;
        let taken = [(); 2].map(|()| tokio::spawn(house.update(&id, "mine").send()));
        let mut other = house.side().await;
        other.wait_until(&side_connections(kind), 3 + NODES).await;
        for method in ["GET", "POST"] {
            let request = house.client.request(method, "/api/notes");
            let refused = timeout(Duration::from_secs(20), request.json(&json!({"text": "x"})).send()).await;
            let refused = refused.expect("nobody waits until one is free");
            assert!(is_unavailable(&refused), "{kind:?} {method}: {}", refused.text());
        }
        assert!(
            taken.iter().all(|waiting| !waiting.is_finished()),
            "{kind:?}: both still wait"
        );
        side.run("ROLLBACK").await;
        for waiting in taken {
            let answer = waiting.await.unwrap();
            assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        }
        assert_eq!(house.client.get("/api/notes").await.status, 200);
        drop(other);
        side.wait_until(&side_connections(kind), 2 + NODES).await;
        house.leave(side).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_takes_too_long_ends_and_its_connection_is_used_again() {
    for kind in BOTH {
        let set = ["database.connections_max=1", "database.query_timeout_ms=400"];
        let house = House::open(kind, &set, None).await;
        let mut side = house.side().await;
        house.notes::<2>().await;
        let asleep = match kind {
            Kind::Postgres => "pg_sleep(30) IS NOT NULL",
            Kind::MariaDb => "SLEEP(30) = 0",
        };
        side.run("ALTER TABLE note RENAME TO note_kept").await;
        side.run(&format!("CREATE VIEW note AS SELECT * FROM note_kept WHERE {asleep}"))
            .await;
        let made = house.proxy.accepted();
        let answer = house.client.get("/api/notes").await;
        assert_eq!(
            (answer.status, answer.json()["code"].clone()),
            (503, json!("timeout")),
            "{kind:?}"
        );
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains("took too long"), "{kind:?}: {detail}");
        side.run("DROP VIEW note").await;
        side.run("ALTER TABLE note_kept RENAME TO note").await;
        assert_eq!(house.texts().await, ["0", "1"]);
        assert_eq!(house.proxy.accepted(), made, "{kind:?}: the connection was thrown away");
        house.leave(side).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_lock_for_too_long_is_told_to_come_back() {
    for kind in BOTH {
        // MySQL looks for those who have waited for long enough once a second.
        let set = ["database.busy_timeout_ms=1000", "database.query_timeout_ms=5000"];
        let house = House::open(kind, &set, None).await;
        let mut side = house.side().await;
        let [id] = house.notes().await;
        hold(&mut side, &id).await;
        let made = house.proxy.accepted();
        let refused = house.update(&id, "mine").send().await;
        assert!(is_unavailable(&refused), "{kind:?}: {}", refused.text());
        side.run("ROLLBACK").await;
        let answer = house.update(&id, "mine").send().await;
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        assert_eq!(house.proxy.accepted(), made, "{kind:?}: the connection was thrown away");
        house.leave(side).await;
    }
}

/// What is wrong with how often transactions are tried that the database itself gives up: as many as it is told to, by
/// a trigger.
pub(crate) async fn given_up(mutant: Option<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    for kind in BOTH {
        let house = House::open(kind, &[], mutant).await;
        let mut side = house.side().await;
        house.notes::<1>().await;
        let made = house.proxy.accepted();
        let (conditions, attempted): (&[&str], _) = match kind {
            Kind::Postgres => (&["40001", "40P01"], "SELECT nextval('attempt')"),
            Kind::MariaDb => (&["1213"], "SELECT n + 1 FROM attempt"),
        };
        for condition in conditions {
            for (failures, attempts, works) in [(3, 4, true), (1_000, ATTEMPTS_MAX, false)] {
                inject(&mut side, condition, failures).await;
                let answer = house.create("wanted").await;
                if works != (answer.status == 201) || (!works && !is_unavailable(&answer)) {
                    findings.push(format!("{kind:?} {condition} {failures} times: {}", answer.text()));
                }
                let tried = side.number(attempted).await - 1;
                if tried != attempts {
                    findings.push(format!("{kind:?} {condition} {failures} times: tried {tried} times"));
                }
                take_back(&mut side).await;
            }
        }
        let answer = house.create("after").await;
        assert_eq!(answer.status, 201, "{kind:?}: {}", answer.text());
        assert_eq!(house.proxy.accepted(), made, "{kind:?}: the connection was thrown away");
        house.leave(side).await;
    }
    findings
}

/// From now on so many inserts fail. A sequence counts also what is undone, as does a table that knows no transactions.
async fn inject(side: &mut Side, condition: &str, failures: i64) {
    match side {
        Side::Postgres(_) => side.run("CREATE SEQUENCE attempt").await,
        Side::MariaDb(_) => {
            side.run("CREATE TABLE attempt (n bigint) ENGINE = MyISAM").await;
            side.run("INSERT INTO attempt VALUES (0)").await;
        }
    }
    let trigger = match side {
        Side::Postgres(_) => format!(
            "CREATE FUNCTION give_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
               IF nextval('attempt') <= {failures} THEN RAISE EXCEPTION 'injected' USING ERRCODE = '{condition}'; END IF; \
               RETURN NEW; END $$; \
             CREATE TRIGGER give_up BEFORE INSERT ON note FOR EACH ROW EXECUTE FUNCTION give_up()"
        ),
        Side::MariaDb(_) => format!(
            "CREATE TRIGGER give_up BEFORE INSERT ON note FOR EACH ROW BEGIN \
               UPDATE attempt SET n = n + 1; \
               IF (SELECT n FROM attempt) <= {failures} THEN \
                 SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = {condition}, MESSAGE_TEXT = 'injected'; \
               END IF; END"
        ),
    };
    side.run(&trigger).await;
}

async fn take_back(side: &mut Side) {
    match side {
        Side::Postgres(_) => {
            side.run("DROP FUNCTION give_up CASCADE").await;
            side.run("DROP SEQUENCE attempt").await;
        }
        Side::MariaDb(_) => {
            side.run("DROP TRIGGER give_up").await;
            side.run("DROP TABLE attempt").await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_gives_up_is_tried_again_so_often() {
    assert_eq!(given_up(None).await, Vec::<String>::new());
}

/// A deadlock of two transactions, of which the database chooses the server's to be given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_no_answer() {
    for kind in BOTH {
        let house = House::open(kind, &[], None).await;
        let mut side = house.side().await;
        let [first, second] = house.notes().await;
        let deadlocks = match kind {
            Kind::Postgres => {
                // Whoever waits longer than this looks for deadlocks, and gives itself up.
                side.run("SET deadlock_timeout = '1h'").await;
                "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
            }
            Kind::MariaDb => {
                // Whoever has written less is given up.
                side.run(
                    "CREATE TABLE heavy AS WITH RECURSIVE s AS (SELECT 1 AS seq UNION ALL SELECT seq + 1 FROM s WHERE seq < 900) SELECT seq FROM s",
                )
                .await;
                // Both servers count them.
                "SELECT CAST(count AS SIGNED) FROM information_schema.innodb_metrics WHERE name = 'lock_deadlocks'"
            }
        };
        let before = side.number(deadlocks).await;
        hold(&mut side, &second).await;
        if kind == Kind::MariaDb {
            side.run("UPDATE heavy SET seq = seq + 1").await;
        }
        let step = |id: &str| json!({"op": "update", "collection": "notes", "id": id, "data": {"text": "both"}});
        let batch = json!({"operations": [step(&first), step(&second)]});
        let writing = tokio::spawn(house.client.request("POST", "/api/batch").json(&batch).send());
        let waits = match kind {
            Kind::Postgres => {
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            }
            Kind::MariaDb => mysql_lock_waits(),
        };
        // Within a transaction PostgreSQL doesn't look again.
        house.side().await.wait_until(waits, 1).await;
        hold_too(&mut side, &first).await;
        side.run("COMMIT").await;
        let answer = writing.await.unwrap();
        assert_eq!(answer.status, 200, "{kind:?}: {}", answer.text());
        assert_eq!(
            house.texts().await,
            ["both", "both"],
            "{kind:?}: it was done after the side's"
        );
        let mut met = 0;
        // What PostgreSQL counts is told a moment later.
        for _ in 0..500 {
            met = side.number(deadlocks).await - before;
            if met > 0 {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
        assert!(met > 0, "{kind:?}: there was no deadlock");
        house.leave(side).await;
    }
}

/// Goes on in the transaction that holds another record.
async fn hold_too(side: &mut Side, id: &str) {
    let id = match side {
        Side::Postgres(_) => format!("'{id}'"),
        Side::MariaDb(_) => format!("x'{}'", id.replace('-', "")),
    };
    side.run(&format!("UPDATE note SET text = 'held' WHERE id = {id}"))
        .await;
}
