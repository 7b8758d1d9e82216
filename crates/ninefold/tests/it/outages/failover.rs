//! Another server in the place of the one that was.

use std::time::Duration;

use testkit::services::{Killable, mysql_replayed, mysql_written};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::house::{House, Kind, Side, is_unavailable};

/// Longer than it takes to be found out that a server is back.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.expect("the server does as it is told")
}

/// Asks until it works; until then it has to be a 503 that says when to come back.
pub(super) async fn in_the_end<K>(house: &House<K>, text: &str) {
    let trying = async {
        loop {
            let answer = house.create(text).await;
            if answer.status == 201 {
                return;
            }
            assert!(is_unavailable(&answer), "{}", answer.text());
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, trying).await.expect("it goes on");
}

pub(super) async fn refuses<K>(house: &House<K>) {
    for method in ["POST", "GET"] {
        let request = house.client.request(method, "/api/notes");
        let answer = request.json(&serde_json::json!({"text": "lost"})).send().await;
        assert!(is_unavailable(&answer), "{method}: {}", answer.text());
    }
    assert_eq!(house.client.get("/readyz").await.status, 503);
    assert_eq!(house.client.get("/healthz").await.status, 200);
}

/// Waits until the standby has all that was written until now.
pub(crate) async fn caught_up(primary: &mut Side, standby: &mut Side) {
    let has = match primary {
        Side::Postgres(_) => {
            let written = primary.text("SELECT pg_current_wal_lsn()::text").await;
            format!("SELECT (pg_last_wal_replay_lsn() >= '{written}')::int::bigint")
        }
        Side::MariaDb(_) => {
            let written = primary.text(mysql_written()).await;
            mysql_replayed(&written, 0.1).replacen("SELECT ", "SELECT 0 = ", 1)
        }
    };
    while standby.number(&has).await != 1 {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_the_place_of_a_primary_that_died() {
    let mut database = blocking(Killable::postgres).await;
    let house = House::at(Kind::Postgres, database.url(), &[], None).await;
    house.notes::<2>().await;
    let (database_back, standby) = blocking(move || {
        let standby = database.standby();
        (database, standby)
    })
    .await;
    database = database_back;
    let mut side = Side::to(Kind::Postgres, &standby.url()).await;
    assert_eq!(house.create("kept").await.status, 201);
    caught_up(&mut house.side().await, &mut side).await;
    database.kill();
    refuses(&house).await;
    // The address leads to a server that has all the data, and only reads.
    house.proxy.lead_to(standby.port());
    refuses(&house).await;
    side.run("SELECT pg_promote()").await;
    in_the_end(&house, "new").await;
    assert_eq!(house.texts().await, ["0", "1", "kept", "new"]);
    assert_eq!(house.client.get("/readyz").await.status, 200);
    house.leave(side).await;
}

/// What is wrong with how a server is left that was told to write no more, though its connections still live.
pub(crate) async fn switched_over(mutant: Option<&str>) -> Vec<String> {
    let mut findings = Vec::new();
    let database = blocking(Killable::postgres).await;
    let (database, standby) = blocking(move || {
        let standby = database.standby();
        (database, standby)
    })
    .await;
    let house = House::at(Kind::Postgres, database.url(), &[], mutant).await;
    let (mut old, mut new) = (house.side().await, Side::to(Kind::Postgres, &standby.url()).await);
    house.notes::<2>().await;
    old.run("ALTER SYSTEM SET default_transaction_read_only = on").await;
    old.run("SELECT pg_reload_conf()").await;
    caught_up(&mut old, &mut new).await;
    new.run("SELECT pg_promote()").await;
    house.proxy.lead_to(standby.port());
    // Sessions hear of the setting between two statements.
    sleep(Duration::from_millis(100)).await;
    for number in 0..8 {
        let answer = house.create(&format!("new {number}")).await;
        if answer.status != 201 {
            findings.push(format!("PostgreSQL: {}", answer.text()));
        }
    }
    if findings.is_empty() {
        house.leave(new).await;
    }
    findings
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_a_planned_switch_of_servers() {
    assert_eq!(switched_over(None).await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_comes_back_after_it_died_and_after_it_only_read() {
    let mut database = blocking(Killable::mysql).await;
    let mut root = Side::to(Kind::MariaDb, &database.url()).await;
    // Who may do everything may write to a replica, too.
    for sql in [
        "CREATE DATABASE shop",
        "CREATE USER shop@'%' IDENTIFIED BY 'hush'",
        "GRANT ALL ON shop.* TO shop@'%'",
    ] {
        root.run(sql).await;
    }
    let url = format!("mysql://shop:hush@127.0.0.1:{}/shop", database.port());
    let house = House::at(Kind::MariaDb, url, &[], None).await;
    house.notes::<2>().await;
    let made = house.proxy.accepted();
    root.run("SET GLOBAL read_only = 1").await;
    let answer = house.create("lost").await;
    assert!(is_unavailable(&answer), "{}", answer.text());
    assert!(house.proxy.accepted() > made, "it is looked for the server that writes");
    refuses(&house).await;
    root.run("SET GLOBAL read_only = 0").await;
    in_the_end(&house, "kept").await;
    drop(root);

    database = blocking(move || {
        database.kill();
        database
    })
    .await;
    refuses(&house).await;
    let database = blocking(move || {
        database.start();
        database
    })
    .await;
    in_the_end(&house, "new").await;
    assert_eq!(house.texts().await, ["0", "1", "kept", "new"]);
    let side = Side::to(Kind::MariaDb, &database.url()).await;
    house.leave(side).await;
}
