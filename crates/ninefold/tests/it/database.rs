//! A database of each test's own, on the PostgreSQL server that `testkit::services` names.

use tokio::runtime::Builder;
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// Dropped with all that is in it.
pub(crate) struct Database {
    name: String,
    url: String,
}

impl Database {
    /// # Panics
    /// When there is no server, or it doesn't let us.
    pub(crate) fn new() -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        administer(format!("CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0"));
        let server = testkit::services::postgres_url();
        let (address, parameters) = server.split_once('?').unwrap_or((&server, ""));
        let (host, _) = address.rsplit_once('/').expect("the URL names a database");
        Self {
            url: format!("{host}/{name}?{parameters}"),
            name,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        administer(format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// For plain SQL.
pub(crate) async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .expect("the server lets us in");
    // It ends with its client.
    tokio::spawn(connection);
    client
}

/// On a thread of its own: the caller's is a runtime's.
fn administer(sql: String) {
    let work = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let client = connect(&testkit::services::postgres_url()).await;
            client.batch_execute(&sql).await.expect("the user may make databases");
        });
    };
    std::thread::spawn(work).join().expect("the server for tests is there");
}
