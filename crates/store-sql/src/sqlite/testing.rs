//! Connections for this crate's tests.

use engine::Model;
use rusqlite::Connection;

use super::functions;
use super::session::SqliteSession;
use crate::session::Session;

pub(crate) fn connection() -> Connection {
    let connection = Connection::open_in_memory().expect("memory is there");
    functions::register(&connection).expect("functions register on a new connection");
    connection
}

pub(crate) fn session<'c>(connection: &'c Connection, model: &'c Model) -> impl Session + use<'c> {
    SqliteSession::reading(connection, model)
}
