//! What a leg does before its transaction, while everybody goes on reading and writing.
//!
//! An index is built, and it is proven that a column has no nulls, without keeping anybody out; the transaction then only
//! takes note of it. What is about to be made is written down first: when the leg comes to nothing it is taken away again,
//! and after an interruption whoever comes next goes on with it, or takes it away.

use std::fmt;

use engine::model::Structure;
use engine::ports::migrator::{MigrateError, Refusal};
use serde::{Deserialize, Serialize};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use super::ddl::{Reference, quoted};
use super::render::Rendered;
use super::run::{Runner, Stop};
use super::{failed, locks, system};
use crate::migrate::check::Check;

/// Records that are filled by one statement, whose locks last as long as it does.
const PORTION: u32 = 20_000;
/// How often what writers undo meanwhile is done again.
const ROUNDS_MAX: usize = 5;

#[derive(Debug, Clone)]
pub(super) enum Ahead {
    Index(Index),
    Required(Required),
}

#[derive(Debug, Clone)]
pub(super) struct Index {
    pub(super) name: String,
    pub(super) create: String,
    /// What a unique one may find.
    pub(super) check: Option<Check>,
}

/// That a column has no nulls.
#[derive(Debug, Clone)]
pub(super) struct Required {
    pub(super) table: String,
    pub(super) column: String,
    /// What keeps new ones out until the column does so itself.
    pub(super) constraint: String,
    pub(super) check: Option<Check>,
    /// What takes their place, as SQL.
    pub(super) fill: Option<String>,
}

/// What is there while a leg is ahead of its transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Made {
    Index {
        name: String,
        /// What made it: one that was made by something else is not gone on with.
        create: String,
    },
    Constraint {
        table: String,
        name: String,
    },
}

/// Of the leg's step with that number.
pub(super) fn constraint(step: usize) -> String {
    format!("_ninefold_required_{step}")
}

impl Made {
    pub(super) fn undo(&self) -> String {
        match self {
            Self::Index { name, .. } => format!("DROP INDEX CONCURRENTLY IF EXISTS {}", quoted(name)),
            Self::Constraint { table, name } => format!(
                "ALTER TABLE IF EXISTS {} DROP CONSTRAINT IF EXISTS {}",
                quoted(table),
                quoted(name)
            ),
        }
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { name, .. } => write!(f, "the index {name}"),
            Self::Constraint { table, name } => write!(f, "the constraint {name} on {table}"),
        }
    }
}

impl Ahead {
    fn made(&self) -> Made {
        match self {
            Self::Index(index) => Made::Index {
                name: index.name.clone(),
                create: index.create.clone(),
            },
            Self::Required(required) => required.made(),
        }
    }

    pub(super) fn shown(&self) -> Vec<String> {
        match self {
            Self::Index(index) => vec![index.create.clone()],
            Self::Required(required) => {
                let fill = required.fill().into_iter();
                fill.chain([required.add(), required.prove()]).collect()
            }
        }
    }

    fn check(&self) -> Option<&Check> {
        match self {
            Self::Index(Index { check, .. }) | Self::Required(Required { check, .. }) => check.as_ref(),
        }
    }
}

impl Required {
    pub(super) fn made(&self) -> Made {
        Made::Constraint {
            table: self.table.clone(),
            name: self.constraint.clone(),
        }
    }

    /// Some of the nulls at a time.
    fn fill(&self) -> Option<String> {
        let value = self.fill.as_ref()?;
        let (table, column) = (quoted(&self.table), quoted(&self.column));
        Some(format!(
            "UPDATE {table} SET {column} = {value} WHERE {column} IS NULL AND ctid IN \
             (SELECT ctid FROM {table} WHERE {column} IS NULL LIMIT {PORTION})"
        ))
    }

    fn add(&self) -> String {
        format!(
            "ALTER TABLE {} ADD CONSTRAINT {} CHECK ({} IS NOT NULL) NOT VALID",
            quoted(&self.table),
            quoted(&self.constraint),
            quoted(&self.column)
        )
    }

    fn prove(&self) -> String {
        let (table, constraint) = (quoted(&self.table), quoted(&self.constraint));
        format!("ALTER TABLE {table} VALIDATE CONSTRAINT {constraint}")
    }
}

/// Does what the steps have ahead of the transaction, and nothing where the data forbids some of it. What an earlier leg
/// left is gone afterwards.
///
/// # Errors
/// See [`MigrateError`]; the database is then as it was, but for nulls that were filled.
pub(super) async fn go(client: &Client, steps: &[Rendered]) -> Result<(), MigrateError> {
    let wanted: Vec<(&str, &Ahead)> = steps
        .iter()
        .flat_map(|step| step.ahead.iter().map(|ahead| (&*step.step, ahead)))
        .collect();
    let made: Vec<Made> = wanted.iter().map(|(_, ahead)| ahead.made()).collect();
    let left = system::read_ahead(client).await?;
    for gone in left.iter().filter(|left| !made.contains(left)) {
        undo(client, gone).await?;
    }
    if wanted.is_empty() {
        return match left.is_empty() {
            true => Ok(()),
            false => system::forget_ahead(client).await.map_err(failed),
        };
    }
    let runner = Runner::new(client, false);
    for (step, ahead) in &wanted {
        if let Some(check) = ahead.check() {
            runner.check(check).await.map_err(|stop| stop.at(step))?;
        }
    }
    for (step, ahead) in &wanted {
        is_free(client, ahead, &left).await.map_err(|stop| stop.at(step))?;
    }
    system::write_ahead(client, &made).await.map_err(failed)?;
    for (step, ahead) in &wanted {
        let done = act(&runner, ahead, left.contains(&ahead.made())).await;
        if let Err(stop) = done {
            take_back(client).await;
            return Err(stop.at(step));
        }
    }
    Ok(())
}

/// Somebody else's table or index of that name stays what it is.
async fn is_free(client: &Client, ahead: &Ahead, left: &[Made]) -> Result<(), Stop> {
    let Ahead::Index(Index { name, .. }) = ahead else {
        return Ok(());
    };
    if left.contains(&ahead.made()) {
        return Ok(());
    }
    let sql =
        "SELECT EXISTS (SELECT FROM pg_class WHERE relname = $1 AND relnamespace = current_schema()::regnamespace)";
    let is_taken: bool = client.query_one(sql, &[&name]).await?.try_get(0)?;
    match is_taken {
        true => Err(Stop::Refused(format!(
            "the name {name} is taken by something that Ninefold did not make: rename that, or give the index another `name`"
        ))),
        false => Ok(()),
    }
}

/// Takes away what was made for a leg that comes to nothing. What can't be taken away now is when the next begins.
pub(super) async fn take_back(client: &Client) {
    let taken = async {
        for made in system::read_ahead(client).await? {
            undo(client, &made).await?;
        }
        system::forget_ahead(client).await.map_err(failed)
    };
    if let Err(error) = taken.await {
        tracing::warn!(%error, "what a migration began is still there; the next one takes it away");
    }
}

async fn undo(client: &Client, made: &Made) -> Result<(), MigrateError> {
    let gone = match made {
        Made::Index { .. } => client.batch_execute(&made.undo()).await.map_err(Stop::Postgres),
        Made::Constraint { .. } => locks::patiently(client, &made.undo()).await,
    };
    gone.map_err(|stop| stop.at("take away what an earlier migration began"))
}

/// `is_left`: an earlier run began with it.
async fn act(runner: &Runner<'_>, ahead: &Ahead, is_left: bool) -> Result<(), Stop> {
    let client = runner.client;
    match ahead {
        Ahead::Index(Index { name, create, check }) => {
            if is_left {
                match is_valid(client, name).await? {
                    Some(true) => return Ok(()),
                    Some(false) => client.batch_execute(&ahead.made().undo()).await?,
                    None => {}
                }
            }
            match client.batch_execute(create).await {
                // Written since it was asked.
                Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => {
                    if let Some(check) = check {
                        runner.check(check).await?;
                    }
                    Err(error.into())
                }
                built => Ok(built?),
            }
        }
        Ahead::Required(required) => {
            if is_left {
                locks::patiently(client, &required.made().undo()).await?;
            }
            fill(client, required).await?;
            locks::patiently(client, &required.add()).await?;
            prove(client, required).await
        }
    }
}

async fn fill(client: &Client, required: &Required) -> Result<(), Error> {
    let Some(sql) = required.fill() else {
        return Ok(());
    };
    while client.execute(&sql, &[]).await? > 0 {}
    Ok(())
}

/// Records that were just being written are passed over by what fills them.
async fn prove(client: &Client, required: &Required) -> Result<(), Stop> {
    for _ in 1..ROUNDS_MAX {
        fill(client, required).await?;
        match client.batch_execute(&required.prove()).await {
            Err(error) if error.code() == Some(&SqlState::CHECK_VIOLATION) && required.fill.is_some() => {}
            proven => return Ok(proven?),
        }
    }
    Ok(client.batch_execute(&required.prove()).await?)
}

/// Whether an index that was begun has come to its end; `None` when it isn't there.
async fn is_valid(client: &Client, name: &str) -> Result<Option<bool>, Error> {
    let sql = "SELECT i.indisvalid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
               WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace";
    let found = client.query_opt(sql, &[&name]).await?;
    found.map(|row| row.try_get(0)).transpose()
}

const UNPROVEN: &str = "
    SELECT c.conname::text, t.relname::text, a.attname::text, target.relname::text
    FROM pg_constraint c
    JOIN pg_class t ON t.oid = c.conrelid
    JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
    JOIN pg_class target ON target.oid = c.confrelid
    WHERE c.contype = 'f' AND NOT c.convalidated AND cardinality(c.conkey) = 1
        AND c.connamespace = current_schema()::regnamespace";

/// Looks at the values of references that were made without, which keeps nobody out.
pub(super) async fn prove_references(client: &Client, structure: &Structure) -> Result<(), MigrateError> {
    let unproven = client.query(UNPROVEN, &[]).await.map_err(failed)?;
    if unproven.is_empty() {
        return Ok(());
    }
    let ours = Reference::all(structure);
    for row in unproven {
        let read = |place| row.try_get::<_, String>(place).map_err(failed);
        let (name, table, column, target) = (read(0)?, read(1)?, read(2)?, read(3)?);
        let is_this = |reference: &&Reference| {
            (&reference.table, &reference.column, &reference.target) == (&table, &column, &target)
        };
        if let Some(reference) = ours.iter().find(is_this) {
            let sql = format!("ALTER TABLE {} VALIDATE CONSTRAINT {}", quoted(&table), quoted(&name));
            let proven = client.batch_execute(&sql).await;
            proven.map_err(|error| refused(reference, error))?;
        }
    }
    Ok(())
}

fn refused(reference: &Reference, error: Error) -> MigrateError {
    match error.code() {
        Some(&SqlState::FOREIGN_KEY_VIOLATION) => MigrateError::Refused(Refusal {
            step: format!("complete the reference of {}.{}", reference.table, reference.column),
            reason: format!(
                "some of its values are no keys of {}: change the records first",
                reference.target
            ),
        }),
        _ => failed(error),
    }
}
