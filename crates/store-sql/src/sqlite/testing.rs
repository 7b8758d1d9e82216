//! Connections for this crate's tests.

use std::time::Instant;

use engine::Model;
use engine::ports::store::StoreError;
use rusqlite::Connection;

use super::session::SqliteSession;
use super::{Writer, functions};
use crate::session::Session;

pub(crate) fn connection() -> Connection {
    let connection = Connection::open_in_memory().expect("memory is there");
    functions::register(&connection).expect("functions register on a new connection");
    connection
}

pub(crate) fn session<'c>(connection: &'c Connection, model: &'c Model) -> impl Session + use<'c> {
    SqliteSession::reading(connection, model)
}

impl Writer {
    /// One job on the bare connection, with nothing to follow.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.run_then(deadline, |timed| job(timed.connection()), |value| value)
            .await
    }
}
