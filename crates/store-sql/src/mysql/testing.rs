//! Connections for this crate's tests, each with a database of its own.

use engine::Model;
use engine::model::Timestamp;
use engine::model::migration::{Folder, Target};
use engine::ports::migrator::Options;
use mysql_async::prelude::Queryable as _;
use tokio::runtime::{Builder, Runtime};

use super::options::MySqlOptions;
use super::pool::{self, Connection};
use super::session::MySqlSession;
use crate::compile::{DialectRef, Statement};
use crate::migrate::mysql as migrate;
use crate::session::{Columns, Session as _};

#[path = "../../tests/support/mysql.rs"]
mod own;

pub(crate) use own::OwnDatabase;

/// A database that is waited for.
pub(crate) struct Database {
    runtime: Runtime,
    connection: Connection,
    // After the connection, which would be in the way of its end.
    own: OwnDatabase,
}

impl Database {
    /// With nothing in it.
    pub(crate) fn empty() -> Self {
        let own = OwnDatabase::new();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let pool = pool::of(&own.url(), &MySqlOptions::default()).expect("a URL of the tests' own");
        let connection = runtime.block_on(pool.connect()).expect("the server lets us in");
        Self {
            runtime,
            connection,
            own,
        }
    }

    /// With the tables of a model.
    pub(crate) fn of(model: &Model) -> Self {
        let mut database = Self::empty();
        let (target, folder, options) = (Target::of(model), Folder::default(), Options::dev(Timestamp(0)));
        let applied = migrate::apply(&mut database.connection, &target, &folder, options);
        database
            .runtime
            .block_on(applied)
            .expect("an empty database takes the tables");
        database
    }

    /// Another connection to the same.
    pub(crate) fn beside(&self) -> Connection {
        self.connected(&self.own.url())
    }

    /// As a user without a password.
    pub(crate) fn beside_as(&self, user: &str) -> Connection {
        let url = self.own.url();
        let place = url
            .rsplit_once('@')
            .map_or_else(|| url.trim_start_matches("mysql://"), |(_, place)| place);
        self.connected(&format!("mysql://{user}@{place}"))
    }

    fn connected(&self, url: &str) -> Connection {
        let pool = pool::of(url, &MySqlOptions::default()).expect("a URL of the tests' own");
        self.runtime.block_on(pool.connect()).expect("the server lets us in")
    }

    pub(crate) fn dialect(&self) -> DialectRef {
        self.connection.dialect
    }

    pub(crate) fn command(&mut self, text: &str) {
        let done = self.connection.conn.query_drop(text);
        self.runtime.block_on(done).expect("a command of the tests' own");
    }

    pub(crate) fn connection(&mut self) -> (&Runtime, &mut Connection) {
        (&self.runtime, &mut self.connection)
    }

    pub(crate) fn query(&mut self, model: &Model, statement: Statement<'_>) -> Vec<Columns> {
        let mut session = MySqlSession::new(&mut self.connection, model);
        let rows = self.runtime.block_on(session.query(statement));
        rows.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn execute(&mut self, model: &Model, statement: Statement<'_>) -> u64 {
        let mut session = MySqlSession::new(&mut self.connection, model);
        let changed = self.runtime.block_on(session.execute(statement));
        changed.unwrap_or_else(|error| panic!("{error}"))
    }
}
