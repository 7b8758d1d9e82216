//! PocketBase: the real server, from PyPI, with collections, rules and indexes that mean what `bench/app` does, loaded
//! through its own API.
//!
//! It runs as it comes, but for three of its settings: batches are allowed (they are not by default), its rate limits
//! stay off, and it keeps no log of requests, as the others don't here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::cases::{self, Case};
use super::data;
use super::files;
use super::http::{Client, Request, encoded};
use super::server::{Contender, Durability, Running, free_address};
use crate::process;
use crate::python;
use crate::workspace::Workspace;

const LOADED_AT_ONCE: usize = 500;
/// Changes with what this file stores.
const FORMAT: u32 = 1;
const SUPERUSER: &str = "admin@bench.test";
const SUPERUSERS: &str = "_superusers";
const ID_CHARS: usize = 15;

pub(crate) struct PocketBase {
    binary: PathBuf,
    template: PathBuf,
    log: PathBuf,
    records: usize,
}

impl PocketBase {
    pub(crate) fn prepare(workspace: &Workspace, records: usize) -> Result<Self> {
        let interpreter = python::prepare(workspace, "bench-python", "bench/requirements.txt")?;
        let work = files::folder(workspace)?;
        let requirements = fs::read(workspace.root.join("bench/requirements.txt"))?;
        let print = files::fingerprint(&[&requirements, &FORMAT.to_le_bytes()]);
        let pocketbase = Self {
            binary: interpreter.with_file_name("pocketbase"),
            template: work.join(format!("pocketbase-{records}-{print:x}")),
            log: work.join("pocketbase.log"),
            records,
        };
        files::made_once(&pocketbase.template, &format!("pocketbase-{records}-"), |folder| {
            pocketbase.load(folder)
        })?;
        Ok(pocketbase)
    }

    pub(crate) fn version(&self) -> Result<String> {
        let line = process::output(Command::new(&self.binary).arg("--version"))?;
        let version = line.split_whitespace().last().unwrap_or_default();
        Ok(version.to_owned())
    }

    fn command(&self, data: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        for (flag, folder) in [
            ("--dir", "data"),
            ("--hooksDir", "hooks"),
            ("--migrationsDir", "migrations"),
            ("--publicDir", "public"),
        ] {
            command.arg(flag).arg(data.join(folder));
        }
        command.arg("--automigrate=false");
        command
    }

    fn load(&self, folder: &Path) -> Result<()> {
        let upsert = ["superuser", "upsert", SUPERUSER, SUPERUSER];
        process::run(self.command(folder).args(upsert).stdout(std::process::Stdio::null()))?;
        let running = self.start(folder, Durability::Normal)?;
        let client = &running.client;
        let token = sign_in(client, SUPERUSERS, SUPERUSER, SUPERUSER)?;
        let settings = json!({
            "batch": {"enabled": true, "maxRequests": LOADED_AT_ONCE, "timeout": 60, "maxBodySize": 1 << 28},
            "rateLimits": {"enabled": false},
            "logs": {"maxDays": 0},
        });
        client.expect(&Request::patch("/api/settings", &settings).signed(&token))?;
        make_collections(client, &token)?;
        let mut people: Vec<_> = (0..data::USERS).map(|number| create("users", user(number))).collect();
        people.extend((0..data::TEAMS).map(|number| create("teams", team(number))));
        client.expect(&batch(&people).signed(&token))?;
        let numbers: Vec<usize> = (0..self.records).collect();
        for collection in ["posts", "notes", "articles"] {
            for chunk in numbers.chunks(LOADED_AT_ONCE) {
                let creates: Vec<_> = chunk
                    .iter()
                    .map(|number| create(collection, record(collection, *number, true)))
                    .collect();
                client.expect(&batch(&creates).signed(&token))?;
            }
        }
        running.stop()
    }
}

impl Contender for PocketBase {
    fn name(&self) -> &'static str {
        "PocketBase"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn template(&self) -> &Path {
        &self.template
    }

    /// Its durability is its own: `synchronous=NORMAL`, always.
    fn start(&self, data: &Path, _: Durability) -> Result<Running> {
        let address = free_address()?;
        let mut command = self.command(data);
        command.args(["serve", "--http", &address]);
        Running::start(&command, &address, "/api/health", &self.log)
    }

    fn sign_in(&self, client: &Client, user: usize) -> Result<String> {
        sign_in(client, "users", &data::email(user), &data::password(user))
    }

    fn request(&self, case: Case, number: usize, token: &str) -> Request {
        let aim = || cases::aim(case, number, self.records);
        let fresh = |collection, offset| record(collection, cases::fresh(case, number + offset, self.records), false);
        let request = match case {
            Case::Get => one("posts", aim()),
            Case::GetAuth => one("notes", aim()),
            Case::GetRelation => one("articles", aim()),
            Case::List => list("posts", number, ""),
            Case::ListRelation | Case::ListRare => list("articles", number, ""),
            Case::ListExpand => list("articles", number, "&expand=author"),
            Case::Create | Case::CreateNormal => Request::post(records("posts"), &fresh("posts", 0)),
            Case::CreateRelation => Request::post(records("articles"), &fresh("articles", 0)),
            Case::Update => {
                let path = format!("{}/{}", records("posts"), id("posts", aim()));
                let other = data::record(self.records + number);
                Request::patch(path, &json!({"title": other.title, "score": other.score}))
            }
            Case::Batch => {
                let creates: Vec<_> = (0..cases::BATCH)
                    .map(|offset| create("posts", fresh("posts", offset)))
                    .collect();
                batch(&creates)
            }
            Case::SignIn => {
                let user = number % data::USERS;
                credentials("users", &data::email(user), &data::password(user))
            }
        };
        if case.is_signed_in() {
            request.signed(token)
        } else {
            request
        }
    }
}

fn make_collections(client: &Client, token: &str) -> Result<()> {
    let send = |request: Request| client.expect(&request.signed(token));
    let signed_in = "@request.auth.id != \"\"";
    send(Request::patch(
        "/api/collections/users",
        &json!({"listRule": signed_in, "viewRule": signed_in}),
    ))?;
    let users = send(Request::get("/api/collections/users"))?;
    let name = json!({"type": "text", "name": "name", "required": true, "max": 80});
    let members = relation("members", &users, 1000);
    let its_members = "members.id ?= @request.auth.id";
    let teams = send(Request::post(
        "/api/collections",
        &collection("teams", its_members, vec![name, members], &[]),
    ))?;
    let sorted = |table: &str| format!("CREATE INDEX idx_{table}_category_score ON {table} (category, score)");
    for (table, rule) in [("posts", ""), ("notes", signed_in)] {
        send(Request::post(
            "/api/collections",
            &collection(table, rule, content(), &[sorted(table)]),
        ))?;
    }
    let mut fields = vec![relation("team", &teams, 1), relation("author", &users, 1)];
    fields.extend(content());
    let indexes = [
        sorted("articles"),
        "CREATE INDEX idx_articles_team ON articles (team)".to_owned(),
        "CREATE INDEX idx_articles_author ON articles (author)".to_owned(),
    ];
    let rule = "team.members.id ?= @request.auth.id";
    send(Request::post(
        "/api/collections",
        &collection("articles", rule, fields, &indexes),
    ))?;
    Ok(())
}

/// All that may be done is under the same rule.
fn collection(name: &str, rule: &str, mut fields: Vec<Value>, indexes: &[String]) -> Value {
    fields.push(json!({"type": "autodate", "name": "created", "onCreate": true}));
    fields.push(json!({"type": "autodate", "name": "updated", "onCreate": true, "onUpdate": true}));
    json!({
        "name": name, "type": "base", "fields": fields, "indexes": indexes,
        "listRule": rule, "viewRule": rule, "createRule": rule, "updateRule": rule, "deleteRule": rule,
    })
}

fn content() -> Vec<Value> {
    vec![
        json!({"type": "text", "name": "title", "required": true, "max": 200}),
        json!({"type": "text", "name": "category", "required": true, "max": 40}),
        json!({"type": "number", "name": "score", "onlyInt": true}),
        json!({"type": "date", "name": "published", "required": true}),
        json!({"type": "text", "name": "body", "required": true, "max": 4000}),
    ]
}

fn relation(name: &str, to: &Value, max: u32) -> Value {
    json!({"type": "relation", "name": name, "collectionId": to["id"], "required": true, "maxSelect": max})
}

fn records(collection: &str) -> String {
    format!("/api/collections/{collection}/records")
}

fn one(collection: &str, number: usize) -> Request {
    Request::get(format!("{}/{}", records(collection), id(collection, number)))
}

/// Without a count of all that match, which Ninefold doesn't make either unless it is asked to.
fn list(collection: &str, number: usize, more: &str) -> Request {
    let category = data::category(number as u64 % data::CATEGORIES);
    let filter = encoded(&format!("category = \"{category}\""));
    let (path, limit) = (records(collection), cases::LIMIT);
    Request::get(format!(
        "{path}?filter={filter}&sort=-score&perPage={limit}&skipTotal=true{more}"
    ))
}

fn create(collection: &str, body: Value) -> Value {
    json!({"method": "POST", "url": records(collection), "body": body})
}

fn batch(requests: &[Value]) -> Request {
    Request::post("/api/batch", &json!({"requests": requests}))
}

fn credentials(collection: &str, identity: &str, password: &str) -> Request {
    let path = format!("/api/collections/{collection}/auth-with-password");
    Request::post(path, &json!({"identity": identity, "password": password}))
}

fn sign_in(client: &Client, collection: &str, identity: &str, password: &str) -> Result<String> {
    let answer = client.expect(&credentials(collection, identity, password))?;
    Ok(answer["token"]
        .as_str()
        .context("an answer without a token")?
        .to_owned())
}

/// As PocketBase makes them: without an order.
fn id(collection: &str, number: usize) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let seed = files::fingerprint(&[collection.as_bytes()]);
    let mut random = data::Random::new(seed ^ number as u64);
    let mut letter = || char::from(ALPHABET[usize::try_from(random.below(36)).expect("below 36")]);
    (0..ID_CHARS).map(|_| letter()).collect()
}

fn user(number: usize) -> Value {
    let password = data::password(number);
    json!({
        "id": id("users", number), "email": data::email(number), "name": format!("User {number}"),
        "password": password, "passwordConfirm": password,
    })
}

fn team(number: usize) -> Value {
    let members: Vec<_> = data::members(number).map(|member| id("users", member)).collect();
    json!({"id": id("teams", number), "name": format!("Team {number}"), "members": members})
}

fn record(collection: &str, number: usize, with_id: bool) -> Value {
    let mut members = data::record(number).json();
    if with_id {
        members.insert("id".to_owned(), id(collection, number).into());
    }
    if collection == "articles" {
        members.insert("team".to_owned(), id("teams", data::team_of(number)).into());
        members.insert("author".to_owned(), id("users", data::author_of(number)).into());
    }
    Value::Object(members)
}
