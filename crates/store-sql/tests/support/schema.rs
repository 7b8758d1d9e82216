//! A schema of each test's own, on the server that `testkit::services` names. The tests within the crate include this file, too.

use tokio::runtime::Builder;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// Dropped with all that is in it.
pub(crate) struct Schema {
    name: String,
}

impl Schema {
    /// # Panics
    /// When there is no server, or it doesn't let us.
    pub(crate) fn new() -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        administer(format!("CREATE SCHEMA {name}"));
        Self { name }
    }

    /// With the schema as the only one of the search path, and its name as that of the connections.
    pub(crate) fn url(&self) -> String {
        let url = testkit::services::postgres_url();
        let separator = if url.contains('?') { '&' } else { '?' };
        let name = &self.name;
        format!("{url}{separator}options=-c%20search_path%3D{name}&application_name={name}")
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        administer(format!("DROP SCHEMA {} CASCADE", self.name));
    }
}

/// On a thread of its own: the caller's may be one of a runtime's.
fn administer(sql: String) {
    let work = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connected = tokio_postgres::connect(&testkit::services::postgres_url(), NoTls).await;
            let (client, connection) = connected.expect("the server lets us in");
            tokio::spawn(connection);
            client.batch_execute(&sql).await.expect("the user may make schemas");
        });
    };
    std::thread::spawn(work).join().expect("the server for tests is there");
}
