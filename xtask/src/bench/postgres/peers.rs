//! The peers, each as its own documentation has it for production; their sources are in `bench/postgres`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::data::Source;
use super::programs::{Program, SECRET, Tokens};
use crate::bench::cases::{self, Case};
use crate::bench::data;
use crate::bench::files;
use crate::bench::http::{Request, encoded};
use crate::bench::ninefold::{self, ARTICLES, POSTS};
use crate::bench::server::{Running, free_address};
use crate::node;
use crate::process;
use crate::python;
use crate::workspace::Workspace;

pub(super) struct Peers {
    folder: PathBuf,
    node: PathBuf,
    /// The interpreter that has Django.
    python: PathBuf,
    logs: PathBuf,
    cores: usize,
    records: usize,
}

pub(super) fn prepare(workspace: &Workspace, records: usize) -> Result<Peers> {
    let folder = workspace.root.join("bench/postgres");
    node::prepare(&folder)?;
    Ok(Peers {
        // From npm, too: PostGraphile asks for a later one than distributions have.
        node: folder.join("node_modules/.bin/node"),
        python: python::prepare(workspace, "bench-django", "bench/postgres/requirements.txt")?,
        logs: files::folder(workspace)?,
        cores: std::thread::available_parallelism()?.get(),
        records,
        folder,
    })
}

impl Peers {
    /// What was measured, for the page of results.
    pub(super) fn versions(&self) -> Result<String> {
        let node = process::output(Command::new(&self.node).arg("--version"))?;
        let python = process::output(Command::new(&self.python).arg("--version"))?;
        let packages = fs::read_to_string(self.folder.join("package.json"))?;
        let packages: Value = serde_json::from_str(&packages)?;
        let version = |name: &str| packages["dependencies"][name].as_str().unwrap_or_default().to_owned();
        let requirements = fs::read_to_string(self.folder.join("requirements.txt"))?;
        Ok(format!(
            "PostGraphile {}, Express {} with pg {}, Node.js {}, {}, {}.",
            version("postgraphile"),
            version("express"),
            version("pg"),
            node.trim(),
            requirements.lines().collect::<Vec<_>>().join(", ").replace("==", " "),
            python.trim()
        ))
    }

    fn node(&self, program: &str, url: &str, address: &str) -> Result<Command> {
        let (_, port) = address.rsplit_once(':').context("an address has a port")?;
        let mut command = Command::new(&self.node);
        command
            .arg(self.folder.join(program))
            .args([url, port, SECRET])
            .env("NODE_ENV", "production")
            .env("GRAPHILE_ENV", "production");
        Ok(command)
    }

    fn log(&self, name: &str) -> PathBuf {
        self.logs.join(format!("{name}.log"))
    }
}

pub(super) struct Express<'p>(pub(super) &'p Peers);
pub(super) struct PostGraphile<'p>(pub(super) &'p Peers);
pub(super) struct Django<'p>(pub(super) &'p Peers);

impl Program for Express<'_> {
    fn name(&self) -> &'static str {
        "Express"
    }

    fn source(&self) -> Source {
        Source::Peers
    }

    fn start(&self, url: &str) -> Result<Running> {
        let address = free_address()?;
        let command = self.0.node("express.mjs", url, &address)?;
        Running::start(&command, &address, "/healthz", &self.0.log("express"))
    }

    fn request(&self, case: Case, number: usize, tokens: &Tokens) -> Request {
        rest(case, number, tokens, self.0.records, "")
    }
}

impl Program for Django<'_> {
    fn name(&self) -> &'static str {
        "Django REST"
    }

    fn source(&self) -> Source {
        Source::Peers
    }

    /// Twice as many workers as cores and one, as gunicorn's documentation recommends; with threads, so that connections
    /// are kept.
    fn start(&self, url: &str) -> Result<Running> {
        let address = free_address()?;
        let mut command = Command::new(self.0.python.with_file_name("gunicorn"));
        command
            .current_dir(self.0.folder.join("django"))
            .args(["--workers", &(2 * self.0.cores + 1).to_string(), "--threads", "4"])
            .args(["--bind", &address, "bench:application"])
            .env("DATABASE_URL", url)
            .env("BENCH_SECRET", SECRET)
            .env("PYTHONDONTWRITEBYTECODE", "1");
        Running::start(&command, &address, "/healthz", &self.0.log("django"))
    }

    fn request(&self, case: Case, number: usize, tokens: &Tokens) -> Request {
        rest(case, number, tokens, self.0.records, "/")
    }
}

/// What Express and Django are asked, whose paths end differently.
fn rest(case: Case, number: usize, tokens: &Tokens, records: usize, end: &str) -> Request {
    let list = |path: &str, more: &str| {
        let (category, limit) = (encoded(&category(number)), cases::LIMIT);
        Request::get(format!("/{path}{end}?category={category}&limit={limit}{more}"))
    };
    let id = |collection| ninefold::id(collection, cases::aim(case, number, records));
    let request = match case {
        Case::Get => Request::get(format!("/posts/{}{end}", id(POSTS))),
        Case::GetRelation => Request::get(format!("/articles/{}{end}", id(ARTICLES))),
        Case::List => list("posts", ""),
        Case::ListExpand => list("articles", "&expand=author"),
        _ => Request::post(format!("/posts{end}"), &draft(case, number, records)),
    };
    if case.is_signed_in() {
        request.signed(&tokens.peers)
    } else {
        request
    }
}

const FIELDS: &str = "rowId created updated version title category score published body";

impl Program for PostGraphile<'_> {
    fn name(&self) -> &'static str {
        "PostGraphile"
    }

    fn source(&self) -> Source {
        Source::Peers
    }

    /// Subject to row level security, unlike the tables' owner.
    fn user(&self) -> &'static str {
        "bench_authenticator"
    }

    fn start(&self, url: &str) -> Result<Running> {
        let address = free_address()?;
        let command = self.0.node("postgraphile.mjs", url, &address)?;
        let anything = graphql("{ __typename }", &json!({}));
        Running::start_asking(&command, &address, &anything, &self.0.log("postgraphile"))
    }

    fn request(&self, case: Case, number: usize, tokens: &Tokens) -> Request {
        let records = self.0.records;
        let id = |collection| json!({"id": ninefold::id(collection, cases::aim(case, number, records))});
        let page = json!({"category": category(number), "limit": cases::LIMIT});
        let list = |field: &str, more: &str| {
            format!(
                "query($category: String!, $limit: Int!) {{ {field}(condition: {{category: $category}}, \
                 orderBy: [SCORE_DESC, ROW_ID_DESC], first: $limit) \
                 {{ nodes {{ {FIELDS} {more} }} pageInfo {{ hasNextPage endCursor }} }} }}"
            )
        };
        let request = match case {
            Case::Get => graphql(
                &format!("query($id: UUID!) {{ postByRowId(rowId: $id) {{ {FIELDS} }} }}"),
                &id(POSTS),
            ),
            Case::GetRelation => graphql(
                &format!("query($id: UUID!) {{ articleByRowId(rowId: $id) {{ {FIELDS} team author }} }}"),
                &id(ARTICLES),
            ),
            Case::List => graphql(&list("allPosts", ""), &page),
            Case::ListExpand => graphql(&list("allArticles", "team userByAuthor { rowId name }"), &page),
            _ => graphql(
                &format!(
                    "mutation($post: PostInput!) {{ createPost(input: {{post: $post}}) {{ post {{ {FIELDS} }} }} }}"
                ),
                &json!({"post": big_integers(draft(case, number, records))}),
            ),
        };
        if case.is_signed_in() {
            request.signed(&tokens.peers)
        } else {
            request
        }
    }

    fn mistake(&self) -> Option<&'static str> {
        Some("\"errors\":")
    }
}

fn graphql(query: &str, variables: &Value) -> Request {
    Request::post("/graphql", &json!({"query": query, "variables": variables}))
}

/// GraphQL has no number as long; PostGraphile takes and gives them as text.
fn big_integers(mut draft: Value) -> Value {
    draft["score"] = draft["score"].to_string().into();
    draft
}

fn category(number: usize) -> String {
    data::category(number as u64 % data::CATEGORIES)
}

fn draft(case: Case, number: usize, records: usize) -> Value {
    Value::Object(data::record(cases::fresh(case, number, records)).json())
}
