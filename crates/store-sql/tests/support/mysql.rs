//! A database of each test's own, on the server that `testkit::services` names. The tests within the crate include this file, too.

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tokio::runtime::Builder;
use uuid::Uuid;

/// Dropped with all that is in it.
pub(crate) struct OwnDatabase {
    name: String,
}

impl OwnDatabase {
    /// # Panics
    /// When there is no server, or it doesn't let us.
    pub(crate) fn new() -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        administer(format!("CREATE DATABASE {name}"));
        Self { name }
    }

    pub(crate) fn url(&self) -> String {
        let url = testkit::services::mysql_url();
        let (server, _) = url.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{}", self.name)
    }
}

impl Drop for OwnDatabase {
    fn drop(&mut self) {
        administer(format!("DROP DATABASE {}", self.name));
    }
}

/// On a thread of its own: the caller's may be one of a runtime's.
fn administer(sql: String) {
    let work = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connected = Conn::from_url(testkit::services::mysql_url()).await;
            let mut conn = connected.expect("the server lets us in");
            conn.query_drop(sql).await.expect("the user may make databases");
            conn.disconnect().await.expect("nothing is under way");
        });
    };
    std::thread::spawn(work).join().expect("the server for tests is there");
}
