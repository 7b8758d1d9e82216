//! Ninefold: the release binary on `bench/app`, loaded through its own API.

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
use crate::workspace::Workspace;

/// Records per request while loading.
const LOADED_AT_ONCE: usize = 500;
const DATABASE: &str = "app.db";
const ADMINISTRATOR: &str = "admin@bench.test";
const ADMINISTRATOR_PASSWORD: &str = "violet harbour 27 lanterns";

pub(crate) struct Ninefold {
    binary: PathBuf,
    app: PathBuf,
    template: PathBuf,
    log: PathBuf,
    records: usize,
}

impl Ninefold {
    /// Builds the binary and, unless it is there already, the database with all records.
    pub(crate) fn prepare(workspace: &Workspace, records: usize) -> Result<Self> {
        let ninefold = Self::build(workspace, records)?;
        files::made_once(&ninefold.template, &format!("ninefold-{records}-"), |folder| {
            ninefold.load(&sqlite(folder), folder, &[POSTS, NOTES, ARTICLES])
        })?;
        Ok(ninefold)
    }

    /// The binary alone.
    pub(super) fn build(workspace: &Workspace, records: usize) -> Result<Self> {
        let binary = workspace.target.join("release/ninefold");
        process::run(&mut workspace.cargo(["build", "--release", "--locked", "-p", "ninefold"]))?;
        let work = files::folder(workspace)?;
        let app = workspace.root.join("bench/app");
        // Another binary or schema may store otherwise.
        let schema = fs::read(app.join("schema.graphql")).context("cannot read bench/app/schema.graphql")?;
        let print = files::fingerprint(&[&schema, &files::identity(&binary)?]);
        Ok(Self {
            app,
            template: work.join(format!("ninefold-{records}-{print:x}")),
            log: work.join("ninefold.log"),
            binary,
            records,
        })
    }

    pub(super) fn records(&self) -> usize {
        self.records
    }

    /// Tells apart what another binary, schema or number of records would have stored otherwise.
    pub(super) fn name_of_data(&self) -> String {
        let name = self.template.file_name().unwrap_or_default().to_string_lossy();
        name.replace('-', "_")
    }

    /// The same with another number of posts, and nothing else.
    pub(crate) fn with_posts(&self, posts: usize) -> Result<Self> {
        let name = self.template.file_name().unwrap_or_default().to_string_lossy();
        let print = name.rsplit('-').next().unwrap_or_default();
        let other = Self {
            binary: self.binary.clone(),
            app: self.app.clone(),
            template: self.template.with_file_name(format!("ninefold-posts-{posts}-{print}")),
            log: self.log.clone(),
            records: posts,
        };
        files::made_once(&other.template, &format!("ninefold-posts-{posts}-"), |folder| {
            other.load(&sqlite(folder), folder, &[POSTS])
        })?;
        Ok(other)
    }

    /// The command that serves an application.
    pub(crate) fn serve(&self, app: &Path, database: &str, address: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg("serve")
            .arg(app)
            .args(["--migrate", "--listen", address])
            .args(["--set", "log.level=warn"])
            // One address signs in all the time.
            .args(["--set", "auth.limits.sign_in_address_burst=4000000000"])
            .args(["--database", database]);
        command
    }

    /// The command that imports records into a collection.
    pub(crate) fn import(&self, collection: &str, records: &Path, database: &Path) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(["import", collection])
            .arg(records)
            .arg(&self.app)
            .arg("--database")
            .arg(format!("sqlite:{}", database.display()));
        command
    }

    /// Users and teams from a seed folder, which it makes below `folder`; everything else through the API as an
    /// administrator.
    pub(super) fn load(&self, url: &str, folder: &Path, collections: &[Collection]) -> Result<()> {
        let seeded = folder.join("seeded");
        fs::create_dir_all(seeded.join("seed"))?;
        fs::copy(self.app.join("schema.graphql"), seeded.join("schema.graphql"))?;
        fs::write(
            seeded.join("seed/users.json"),
            Value::Array((0..data::USERS).map(user).collect()).to_string(),
        )?;
        fs::write(
            seeded.join("seed/teams.json"),
            Value::Array((0..data::TEAMS).map(team).collect()).to_string(),
        )?;
        process::run(
            Command::new(&self.binary)
                .arg("seed")
                .arg(&seeded)
                .args(["--database", url]),
        )?;
        fs::remove_dir_all(&seeded)?;
        let mut admin = Command::new(&self.binary);
        admin
            .args(["admin", "create", "--email", ADMINISTRATOR, "--password-stdin"])
            .arg(&self.app)
            .args(["--database", url]);
        process::run_with_input(&mut admin, ADMINISTRATOR_PASSWORD)?;

        let running = self.start_on(url, &["database.synchronous=normal"])?;
        let credentials = json!({"email": ADMINISTRATOR, "password": ADMINISTRATOR_PASSWORD});
        let signed_in = running
            .client
            .expect(&Request::post("/auth/admin/sign-in", &credentials))?;
        let token = text(&signed_in, "accessToken")?;
        let numbers: Vec<usize> = (0..self.records).collect();
        for chunk in numbers.chunks(LOADED_AT_ONCE) {
            for collection in collections {
                let records = chunk.iter().map(|number| record(*collection, *number, true)).collect();
                let request = Request::post(format!("/api/{}", collection.path), &Value::Array(records));
                running.client.expect(&request.signed(&token))?;
            }
        }
        running.stop()
    }

    /// Serves the database at `url`, with these `key=value` besides.
    pub(super) fn start_on(&self, url: &str, settings: &[&str]) -> Result<Running> {
        let address = free_address()?;
        let mut command = self.serve(&self.app, url, &address);
        for setting in settings {
            command.args(["--set", setting]);
        }
        Running::start(&command, &address, "/readyz", &self.log)
    }
}

impl Contender for Ninefold {
    fn name(&self) -> &'static str {
        "Ninefold"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn template(&self) -> &Path {
        &self.template
    }

    fn start(&self, data: &Path, durability: Durability) -> Result<Running> {
        let synchronous = format!("database.synchronous={}", durability.name());
        self.start_on(&sqlite(data), &[&synchronous])
    }

    fn sign_in(&self, client: &Client, user: usize) -> Result<String> {
        sign_in(client, user)
    }

    fn request(&self, case: Case, number: usize, token: &str) -> Request {
        request(case, number, token, self.records)
    }
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite:{}", database(folder).display())
}

/// What the floor has, too.
pub(super) fn database(data: &Path) -> PathBuf {
    data.join(DATABASE)
}

pub(super) fn sign_in(client: &Client, user: usize) -> Result<String> {
    text(&client.expect(&credentials(user))?, "accessToken")
}

fn credentials(user: usize) -> Request {
    let body = json!({"email": data::email(user), "password": data::password(user)});
    Request::post("/auth/sign-in", &body)
}

/// On PostgreSQL, where an expansion is what everybody gives there of an author.
pub(super) fn request_on_postgres(case: Case, number: usize, token: &str, records: usize) -> Request {
    match case {
        Case::ListExpand => list(ARTICLES, number, "&fields=*,author.id,author.name").signed(token),
        case => request(case, number, token, records),
    }
}

pub(super) fn request(case: Case, number: usize, token: &str, records: usize) -> Request {
    let aim = || cases::aim(case, number, records);
    let fresh = |collection, offset| record(collection, cases::fresh(case, number + offset, records), false);
    let request = match case {
        Case::Get => one(POSTS, aim()),
        Case::GetAuth => one(NOTES, aim()),
        Case::GetRelation => one(ARTICLES, aim()),
        Case::List => list(POSTS, number, ""),
        Case::ListRelation | Case::ListRare => list(ARTICLES, number, ""),
        Case::ListExpand => list(ARTICLES, number, "&expand=author"),
        Case::Create | Case::CreateNormal => Request::post("/api/posts", &fresh(POSTS, 0)),
        Case::CreateRelation => Request::post("/api/articles", &fresh(ARTICLES, 0)),
        Case::Update => {
            let path = format!("/api/posts/{}", id(POSTS, aim()));
            let other = data::record(records + number);
            Request::patch(path, &json!({"title": other.title, "score": other.score}))
        }
        Case::Batch => {
            let create = |offset| json!({"op": "create", "collection": "posts", "data": fresh(POSTS, offset)});
            let operations: Vec<_> = (0..cases::BATCH).map(create).collect();
            Request::post("/api/batch", &json!({"operations": operations}))
        }
        Case::SignIn => credentials(number % data::USERS),
    };
    if case.is_signed_in() {
        request.signed(token)
    } else {
        request
    }
}

#[derive(Clone, Copy)]
pub(super) struct Collection {
    path: &'static str,
    /// Stands in its ids.
    number: u16,
}

pub(super) const USERS: Collection = Collection {
    path: "users",
    number: 1,
};
const TEAMS: Collection = Collection {
    path: "teams",
    number: 2,
};
pub(super) const POSTS: Collection = Collection {
    path: "posts",
    number: 3,
};
const NOTES: Collection = Collection {
    path: "notes",
    number: 4,
};
pub(super) const ARTICLES: Collection = Collection {
    path: "articles",
    number: 5,
};

fn one(collection: Collection, number: usize) -> Request {
    Request::get(format!("/api/{}/{}", collection.path, id(collection, number)))
}

fn list(collection: Collection, number: usize, more: &str) -> Request {
    let category = data::category(number as u64 % data::CATEGORIES);
    let filter = encoded(&format!("category == \"{category}\""));
    let (path, limit) = (collection.path, cases::LIMIT);
    Request::get(format!("/api/{path}?filter={filter}&sort=-score&limit={limit}{more}"))
}

/// A UUIDv7 in the order of the numbers, some milliseconds apart.
pub(super) fn id(collection: Collection, number: usize) -> String {
    let ms = 0x0190_0000_0000_u64 + 7 * number as u64;
    let mut random = data::Random::new(number as u64 ^ u64::from(collection.number) << 40);
    let (high, low) = (ms >> 16, ms & 0xffff);
    let node = random.next() & 0xffff_ffff_ffff;
    format!(
        "{high:08x}-{low:04x}-7{:03x}-8{:03x}-{node:012x}",
        collection.number,
        random.next() & 0xfff
    )
}

fn user(number: usize) -> Value {
    json!({
        "id": id(USERS, number), "email": data::email(number), "name": format!("User {number}"),
        "password": data::password(number),
    })
}

fn team(number: usize) -> Value {
    let members: Vec<_> = data::members(number).map(|member| id(USERS, member)).collect();
    json!({"id": id(TEAMS, number), "name": format!("Team {number}"), "members": members})
}

fn record(collection: Collection, number: usize, with_id: bool) -> Value {
    let mut members = data::record(number).json();
    if with_id {
        members.insert("id".to_owned(), id(collection, number).into());
    }
    if collection.number == ARTICLES.number {
        members.insert("team".to_owned(), id(TEAMS, data::team_of(number)).into());
        members.insert("author".to_owned(), id(USERS, data::author_of(number)).into());
    }
    Value::Object(members)
}

/// A note as an import reads it.
pub(super) fn note(number: usize) -> Value {
    record(NOTES, number, false)
}

fn text(answer: &Value, name: &str) -> Result<String> {
    let text = answer[name].as_str();
    Ok(text
        .with_context(|| format!("an answer without `{name}`: {answer}"))?
        .to_owned())
}
