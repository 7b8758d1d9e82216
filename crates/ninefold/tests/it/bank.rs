//! A bank: transfers between accounts, under rules and through the API, while what they stand on is killed and started again,
//! on each database.
//!
//! Money is conserved, whoever looks sees all of a transfer or nothing, and what was acknowledged stays.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value as Json, json};
use store_sql::mutants::Mutant;
use testkit::services::Killable;
use tokio::process::Command;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::app::{Client, PASSWORD, Response};
use crate::binary::{Server, folder, ninefold};
use crate::mysql::own::OwnDatabase;
use crate::postgres::schema::Schema;

const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String! }
type Account @collection
  @access(read: "auth != null", create: "record.owner == auth.id", update: "auth != null && record.owner.name != 'thief'") {
  owner: User! @immutable
  balance: Int! @range(min: 0)
}
type Transfer @collection
  @access(read: "auth != null", create: "record.from.owner == auth.id && record.to.owner.name != 'thief'") {
  from: Account!
  to: Account!
  amount: Int! @range(min: 1)
}
"#;

const TELLERS: usize = 6;
const ACCOUNTS_EACH: usize = 4;
const DEPOSIT: i64 = 1_000;
const KILLS: usize = 6;
/// Transfers between two of them, so that each hits a town at work.
const TRANSFERS: usize = 10;
/// How long a killed server may take, at most, until transfers go on.
const RECOVERY: Duration = Duration::from_secs(60);

/// What goes on until it is told to end.
#[derive(Clone)]
struct Town {
    client: Client,
    accounts: Arc<Vec<String>>,
    closing: Arc<AtomicBool>,
    /// How many transfers were acknowledged so far.
    done: Arc<AtomicUsize>,
}

impl Town {
    fn is_open(&self) -> bool {
        !self.closing.load(Ordering::Relaxed)
    }
}

/// What it came to; a server that can't answer now is asked again.
async fn patiently(what: &str, request: impl Fn() -> crate::app::Request) -> Response {
    let answered = async {
        loop {
            match request().attempt().await {
                Some(answer) if answer.status == 503 => {
                    assert!(answer.header("retry-after").is_some(), "{what}: {}", answer.text());
                }
                Some(answer) => return answer,
                None => {}
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(RECOVERY, answered)
        .await
        .unwrap_or_else(|_| panic!("{what}: no answer in {RECOVERY:?}"))
}

/// Opens accounts, and moves money until the town closes; the transfers that were acknowledged.
async fn teller(town: Town, own: Vec<String>, mut dice: fastrand::Rng) -> BTreeSet<String> {
    let mut acknowledged = BTreeSet::new();
    while town.is_open() {
        let from = &own[dice.usize(..own.len())];
        let to = &town.accounts[dice.usize(..town.accounts.len())];
        if from == to {
            continue;
        }
        let account = async |id: &str| {
            let path = format!("/api/accounts/{id}");
            let answer = patiently("an account", || town.client.request("GET", &path)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let tag = answer.header("etag").expect("a record has a tag").to_owned();
            (answer.json()["balance"].as_i64().expect("a balance"), tag)
        };
        let ((had, from_tag), (has, to_tag)) = (account(from).await, account(to).await);
        if had == 0 {
            continue;
        }
        let amount = dice.i64(1..=had.min(300));
        let (id, key) = (Uuid::now_v7().to_string(), Uuid::new_v4().to_string());
        let steps = json!({"operations": [
            {"op": "create", "collection": "transfers", "data": {"id": id, "from": from, "to": to, "amount": amount}},
            {"op": "update", "collection": "accounts", "id": from, "data": {"balance": had - amount}, "ifMatch": from_tag},
            {"op": "update", "collection": "accounts", "id": to, "data": {"balance": has + amount}, "ifMatch": to_tag},
        ]});
        let transfer = || {
            let request = town
                .client
                .request("POST", "/api/batch")
                .header("idempotency-key", &key);
            request.json(&steps)
        };
        let answer = patiently("a transfer", transfer).await;
        match answer.status {
            200 => {
                assert!(acknowledged.insert(id));
                town.done.fetch_add(1, Ordering::Relaxed);
            }
            // Somebody else was there first.
            412 => {}
            _ => panic!("{} {}", answer.status, answer.text()),
        }
    }
    acknowledged
}

/// Adds up what there is, all the while; how often it could, or what it found wrong.
async fn auditor(town: Town) -> Result<usize, String> {
    let mut audits = 0;
    while town.is_open() {
        let list = || town.client.request("GET", "/api/accounts?limit=500&fields=balance");
        let answer = patiently("an audit", list).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let (sum, expected) = (sum(&answer.json()), DEPOSIT * town.accounts.len() as i64);
        if sum != expected {
            return Err(format!("half of a transfer was seen: {sum} instead of {expected}"));
        }
        audits += 1;
        sleep(Duration::from_millis(3)).await;
    }
    Ok(audits)
}

fn sum(page: &Json) -> i64 {
    let accounts = page["items"].as_array().expect("a page");
    accounts
        .iter()
        .map(|account| account["balance"].as_i64().expect("a balance"))
        .sum()
}

/// The town at work, from its founding until after the last blow.
///
/// # Errors
/// Money that was lost, made, or seen in two places.
async fn hold(client: Client, blow: impl AsyncFn()) -> Result<(), String> {
    let mut tellers = Vec::new();
    let mut accounts = Vec::new();
    for number in 0..TELLERS {
        let person =
            json!({"email": format!("{number}@bank.example"), "password": PASSWORD, "name": format!("t{number}")});
        let answer = client.post("/auth/sign-up", &person).await.json();
        let teller = client.with_token(answer["accessToken"].as_str().expect("a token"));
        let mut own = Vec::new();
        for _ in 0..ACCOUNTS_EACH {
            let account = json!({"owner": answer["user"]["id"], "balance": DEPOSIT});
            let opened = teller.post("/api/accounts", &account).await;
            assert_eq!(opened.status, 201, "{}", opened.text());
            own.push(opened.json()["id"].as_str().expect("an id").to_owned());
        }
        accounts.extend(own.clone());
        tellers.push((teller, own));
    }
    let (accounts, closing) = (Arc::new(accounts), Arc::new(AtomicBool::new(false)));
    let done = Arc::new(AtomicUsize::new(0));
    let town = |client: &Client| Town {
        client: client.clone(),
        accounts: accounts.clone(),
        closing: closing.clone(),
        done: done.clone(),
    };
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let audits = tokio::spawn(auditor(town(&tellers[0].0)));
    let work: Vec<JoinHandle<BTreeSet<String>>> = tellers
        .iter()
        .map(|(client, own)| tokio::spawn(teller(town(client), own.clone(), dice.fork())))
        .collect();
    for number in 1..=KILLS + 1 {
        let enough = async {
            while done.load(Ordering::Relaxed) < number * TRANSFERS {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(RECOVERY, enough).await.expect("transfers go on");
        if number <= KILLS {
            sleep(Duration::from_millis(dice.u64(..50))).await;
            blow().await;
        }
    }
    closing.store(true, Ordering::Relaxed);

    let mut acknowledged = BTreeSet::new();
    for work in work {
        acknowledged.extend(work.await.expect("a teller finds nothing wrong"));
    }
    let audits = audits.await.expect("the auditor comes to an end")?;
    println!("{} transfers, {audits} audits", acknowledged.len());
    assert!(
        acknowledged.len() > 2 * KILLS && audits > KILLS,
        "there was time to work"
    );
    balance(&tellers[0].0, &acknowledged).await
}

/// Whether each transfer that was acknowledged is there, and accounts hold what the transfers left them.
async fn balance(client: &Client, acknowledged: &BTreeSet<String>) -> Result<(), String> {
    let accounts = client.get("/api/accounts?limit=500").await.json();
    let mut expected: std::collections::BTreeMap<String, i64> = accounts["items"]
        .as_array()
        .expect("a page")
        .iter()
        .map(|account| (account["id"].as_str().expect("an id").to_owned(), DEPOSIT))
        .collect();
    let mut found = BTreeSet::new();
    let mut path = "/api/transfers?limit=500".to_owned();
    loop {
        let page = client.get(&path).await.json();
        for transfer in page["items"].as_array().expect("a page") {
            let text = |name: &str| transfer[name].as_str().expect("a text").to_owned();
            let amount = transfer["amount"].as_i64().expect("an amount");
            *expected.get_mut(&text("from")).expect("an account") -= amount;
            *expected.get_mut(&text("to")).expect("an account") += amount;
            found.insert(text("id"));
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/transfers?limit=500&cursor={next}");
    }
    if let Some(lost) = acknowledged.difference(&found).next() {
        return Err(format!("an acknowledged transfer is lost: {lost}"));
    }
    if let Some(half) = found.difference(acknowledged).next() {
        return Err(format!("a transfer is there that was refused: {half}"));
    }
    for account in accounts["items"].as_array().expect("a page") {
        let id = account["id"].as_str().expect("an id");
        let (balance, expected) = (&account["balance"], expected[id]);
        if *balance != expected {
            return Err(format!("account {id} holds {balance} instead of {expected}"));
        }
    }
    Ok(())
}

/// Serves `application` on `port`, so that clients find it again.
async fn serve(application: &Path, port: u16, database: Option<&str>) -> Server {
    Server::launch(serving(application, port, database)).await
}

fn serving(application: &Path, port: u16, database: Option<&str>) -> Command {
    let address = format!("127.0.0.1:{port}");
    let dir = application.to_str().expect("a path of a test is UTF-8");
    let mut command = ninefold(["serve", dir, "--migrate", "--listen", &address]);
    if let Some(url) = database {
        command.args(["--database", url]);
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_conserved_while_the_server_and_its_database_are_killed() {
    let application = folder(SCHEMA);
    let server = serve(application.path(), 0, None).await;
    let (client, port) = (server.client(), server.address.port());
    let server = tokio::sync::Mutex::new(Some(server));
    let held = hold(client, async || {
        let mut server = server.lock().await;
        server.take().expect("it runs").kill().await;
        *server = Some(serve(application.path(), port, None).await);
    });
    held.await.unwrap();
}

/// The database's server is killed.
async fn is_conserved_on(make: fn() -> Killable) {
    let database = spawn_blocking(make).await.expect("the database starts");
    let url = database.url();
    let database = Arc::new(std::sync::Mutex::new(database));
    let application = folder(SCHEMA);
    let mut server = serve(application.path(), 0, Some(&url)).await;
    let held = hold(server.client(), async || {
        let database = database.clone();
        let blow = spawn_blocking(move || {
            let mut database = database.lock().expect("nobody panicked");
            database.kill();
            database.start();
        });
        blow.await.expect("the database starts again");
    });
    held.await.unwrap();
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0), "its connections are no reason to stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_conserved_while_postgresql_is_killed() {
    is_conserved_on(Killable::postgres).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_conserved_while_mariadb_is_killed() {
    is_conserved_on(Killable::mysql).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_conserved_while_mongodb_is_killed() {
    is_conserved_on(Killable::mongodb).await;
}

/// Where each statement is a transaction by itself, money gets lost without anybody being killed, and the bank notices.
#[tokio::test(flavor = "multi_thread")]
async fn transfers_that_are_no_transactions_are_noticed() {
    let (schema, own) = (Schema::new(), OwnDatabase::new());
    for url in [schema.url(), own.url()] {
        let application = folder(SCHEMA);
        let mut command = serving(application.path(), 0, Some(&url));
        command.env("NINEFOLD_MUTANT", Mutant::OneTransaction.name());
        let server = Server::launch(command).await;
        let found = hold(server.client(), async || {}).await;
        println!("{}", found.expect_err("the bank notices"));
    }
}
