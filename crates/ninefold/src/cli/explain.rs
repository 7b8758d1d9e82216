//! `ninefold explain`: which rule decides, what the database is asked, and which index is missing.

mod render;

use std::io::{self, Write as _};

use clap::{Args, ValueEnum};
use engine::access::Principal;
use engine::model::Collection;
use engine::operations::explain::{Asked, ExplainRequest};
use engine::operations::{GetRequest, ListRequest, Reply, ShapeRequest};
use engine::query::json::write_row;
use serde_json::Value;
use uuid::Uuid;

use super::target::Target;
use crate::application::{Offline, operator};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::schema;
use crate::telemetry;
use render::Explained;

/// Explain an operation: the rules that decide, the SQL, the plan, the index that is missing
///
/// It acts for somebody: `--as` takes an account's email or id, `anonymous`, or `administrator`. With `--id` it says of that
/// record which part of a rule holds. Lists are carried out, as they would be for the caller; nothing is ever written. It works
/// while `ninefold serve` runs.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold explain messages list --as ada@example.com --filter 'room.name == \"Book club\"' --sort=-sent
  ninefold explain messages delete --as jun@example.com --id 019cead3-4f68-7a59-81c2-b2b2b18ee03c shop
  ninefold explain rooms create shop --format json | jq '.rules[].decision'

docs/explain.md reads an answer line by line.")]
pub(super) struct Explain {
    /// The collection: its path or its type's name
    #[arg(value_name = "COLLECTION")]
    collection: String,
    /// What is to be done with it
    #[arg(value_name = "OPERATION", value_enum)]
    operation: Operation,
    #[command(flatten)]
    target: Target,
    /// Whose rights decide: an account's email or id, `anonymous`, `administrator`
    #[arg(long = "as", value_name = "WHO", default_value = "anonymous")]
    who: String,
    /// One record
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Of a list, as in the query string
    #[arg(long, value_name = "CEL")]
    filter: Option<String>,
    /// Of a list, as in the query string: `--sort=-sent`
    #[arg(long, value_name = "FIELDS", allow_hyphen_values = true)]
    sort: Option<String>,
    /// As in the query string
    #[arg(long, value_name = "FIELDS")]
    fields: Option<String>,
    /// As in the query string
    #[arg(long, value_name = "FIELDS")]
    expand: Option<String>,
    /// Of a list, as in the query string
    #[arg(long, value_name = "N")]
    limit: Option<u32>,
    /// For people, or for scripts
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Operation {
    Get,
    List,
    Create,
    Update,
    Delete,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl From<Operation> for Asked {
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Get => Self::Get,
            Operation::List => Self::List,
            Operation::Create => Self::Create,
            Operation::Update => Self::Update,
            Operation::Delete => Self::Delete,
        }
    }
}

impl Explain {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        self.refuse_what_says_nothing()?;
        let application = Offline::open_existing(&self.target.dir, &config).await?;
        let result = self.explain(&application).await;
        application.close().await;
        result
    }

    /// An option that the operation doesn't look at is a misunderstanding.
    fn refuse_what_says_nothing(&self) -> Result<(), Failure> {
        let of_list = [
            ("--filter", self.filter.is_some()),
            ("--sort", self.sort.is_some()),
            ("--limit", self.limit.is_some()),
        ];
        let given = |options: &[(&'static str, bool)]| options.iter().find(|(_, given)| *given).map(|(name, _)| *name);
        match (self.operation, given(&of_list), &self.id) {
            (Operation::List, _, Some(_)) => Err(Failure::usage("a list is not about one record: leave --id out")),
            (Operation::Create, _, Some(_)) => Err(Failure::usage(
                "there is no record before it is created: leave --id out",
            )),
            (Operation::List, _, None) | (_, None, _) => Ok(()),
            (_, Some(option), _) => Err(Failure::usage(format!(
                "{option} is for lists: `explain {} list`",
                self.collection
            ))),
        }
    }

    async fn explain(&self, application: &Offline) -> Result<(), Failure> {
        let engine = application.engine();
        let caller = self.caller(application).await?;
        let request = ExplainRequest {
            asked: self.operation.into(),
            caller,
            key: self.id.clone(),
            list: ListRequest {
                collection: self.collection.clone(),
                filter: self.filter.clone(),
                sort: self.sort.clone(),
                limit: self.limit,
                shape: ShapeRequest {
                    fields: self.fields.clone(),
                    expand: self.expand.clone(),
                },
                ..ListRequest::default()
            },
        };
        let explanation = engine.explain(&operator("explain"), &request).await;
        let explanation = explanation.map_err(|error| asked_wrongly(&error))?;
        let schema = std::fs::read_to_string(self.target.dir.join(schema::FILE)).unwrap_or_default();
        let explained = Explained {
            explanation: &explanation,
            asked: request.asked,
            who: &self.who,
            is_about_one: self.id.is_some(),
            model: &engine.model(),
            schema: &schema,
        };
        let text = match self.format {
            Format::Text => explained.text(),
            Format::Json => format!("{:#}\n", explained.json()),
        };
        match io::stdout().write_all(text.as_bytes()) {
            // Whoever reads has read enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::environment(format!(
                "standard output can't be written to: {error}"
            ))),
            _ => Ok(()),
        }
    }

    async fn caller(&self, application: &Offline) -> Result<Principal, Failure> {
        match self.who.as_str() {
            "anonymous" => Ok(Principal::Anonymous),
            "administrator" => Ok(Principal::Administrator { id: Uuid::nil() }),
            who => self.account(application, who).await,
        }
    }

    async fn account(&self, application: &Offline, who: &str) -> Result<Principal, Failure> {
        let engine = application.engine();
        let model = engine.model();
        let Some(accounts) = model.accounts.map(|id| model.collection(id)) else {
            return Err(
                Failure::mistake("nobody can sign in: no collection of the schema has auth: true")
                    .help("leave --as out, or use --as administrator"),
            );
        };
        let found = match Uuid::try_parse(who) {
            Ok(_) => by_id(engine, accounts, who).await?,
            Err(_) => by_email(engine, accounts, who).await?,
        };
        let unknown = || {
            Failure::mistake(format!("there is no account {who}"))
                .help("--as takes an email or id of an account, `anonymous`, or `administrator`")
        };
        principal(&found.ok_or_else(unknown)?).ok_or_else(unknown)
    }
}

async fn by_id(engine: &engine::Engine, accounts: &Collection, id: &str) -> Result<Option<Value>, Failure> {
    let request = GetRequest {
        collection: accounts.path.clone(),
        key: id.to_owned(),
        shape: ShapeRequest::default(),
    };
    match engine.get(&operator("explain"), &request).await {
        Ok(Reply {
            model, projection, row, ..
        }) => Ok(Some(as_json(|out| write_row(out, &model, &projection, &row)))),
        Err(error) if error.code == engine::ErrorCode::NotFound => Ok(None),
        Err(error) => Err(Failure::engine(&error)),
    }
}

async fn by_email(engine: &engine::Engine, accounts: &Collection, email: &str) -> Result<Option<Value>, Failure> {
    let request = ListRequest {
        collection: accounts.path.clone(),
        filter: Some(format!("email == {}", Value::from(email.to_lowercase()))),
        ..ListRequest::default()
    };
    let page = engine.list(&operator("explain"), &request).await;
    let page = page.map_err(|error| Failure::engine(&error))?;
    let row = page.rows.first();
    Ok(row.map(|row| as_json(|out| write_row(out, &page.model, &page.projection, row))))
}

fn as_json(write: impl FnOnce(&mut Vec<u8>)) -> Value {
    let mut out = Vec::new();
    write(&mut out);
    serde_json::from_slice(&out).unwrap_or_default()
}

fn principal(account: &Value) -> Option<Principal> {
    let roles = account["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    Some(Principal::User {
        id: account["id"].as_str()?.parse().ok()?,
        roles: roles.iter().filter_map(Value::as_str).map(Box::from).collect(),
        claims: std::sync::Arc::default(),
    })
}

/// What the engine refuses here was typed on the command line.
fn asked_wrongly(error: &engine::Error) -> Failure {
    let mut failure = Failure::engine(error);
    if let [field, ..] = error.fields.as_slice() {
        failure.message = format!("--{}: {}", field.field, field.message);
    }
    failure
}
