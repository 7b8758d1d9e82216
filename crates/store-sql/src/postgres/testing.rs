//! Connections for this crate's tests, each with a schema of its own.

use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::{Folder, Target};
use engine::ports::migrator::Options;
use tokio::runtime::{Builder, Runtime};

use super::options::PostgresOptions;
use super::pool::{self, Connection};
use super::session::PostgresSession;
use crate::compile::Statement;
use crate::migrate::postgres as migrate;
use crate::session::{Columns, Session as _};

#[path = "../../tests/support/schema.rs"]
mod schema;

pub(crate) use schema::Schema;

/// A database that is waited for.
pub(crate) struct Database {
    runtime: Runtime,
    connection: Connection,
    // After the connection, which would be in the way of its end.
    schema: Schema,
}

/// Another connection to the same.
pub(crate) struct Beside(Connection);

impl Beside {
    pub(crate) fn client(&self) -> &tokio_postgres::Client {
        &self.0.client
    }
}

impl Database {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        let schema = Schema::new();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let pool = pool::of(&schema.url(), &PostgresOptions::default()).expect("a URL of the tests' own");
        let connection = runtime.block_on(pool.connect()).expect("the server lets us in");
        Self {
            runtime,
            connection,
            schema,
        }
    }

    /// With the tables of a model.
    pub(crate) fn of(model: &Model) -> Self {
        let database = Self::empty();
        let (target, folder, options) = (Target::of(model), Folder::default(), Options::dev(Timestamp(0)));
        let applied = migrate::apply(&database.connection.client, &target, &folder, options);
        database.wait(applied).expect("an empty schema takes the tables");
        database
    }

    pub(crate) fn beside(&self) -> Beside {
        let pool = pool::of(&self.schema.url(), &PostgresOptions::default()).expect("a URL of the tests' own");
        Beside(self.wait(pool.connect()).expect("the server lets us in"))
    }

    pub(crate) fn client(&self) -> &tokio_postgres::Client {
        &self.connection.client
    }

    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    pub(crate) fn query(&mut self, model: &Model, statement: Statement<'_>) -> Vec<Columns> {
        let mut session = PostgresSession::new(&self.connection, model);
        let rows = self.runtime.block_on(session.query(statement));
        rows.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn execute(&mut self, model: &Model, statement: Statement<'_>) -> u64 {
        let mut session = PostgresSession::new(&self.connection, model);
        let changed = self.runtime.block_on(session.execute(statement));
        changed.unwrap_or_else(|error| panic!("{error}"))
    }
}
