//! Where the servers are that tests talk to: in the environment, or started by `cargo xtask services up`.

mod killable;
mod proxy;

use std::env;
use std::fs;

pub use killable::Killable;
pub use proxy::Proxy;

/// Of a PostgreSQL server whose user may create databases.
pub fn postgres_url() -> String {
    url("NINEFOLD_TEST_POSTGRES")
}

/// Of a MySQL or MariaDB server whose user may create databases.
pub fn mysql_url() -> String {
    url("NINEFOLD_TEST_MYSQL")
}

/// Of a replica set that speaks MongoDB's protocol.
pub fn mongodb_url() -> String {
    url("NINEFOLD_TEST_MONGODB")
}

/// Of a service that speaks S3's protocol.
pub fn s3_url() -> String {
    url("NINEFOLD_TEST_S3")
}

/// The URL in the environment variable, else in the file that `cargo xtask services` keeps in the target folder, which
/// is one that this very test lies in.
///
/// # Panics
/// When there is none: a test that needs a server must not pass without it.
fn url(variable: &str) -> String {
    if let Ok(url) = env::var(variable) {
        return url;
    }
    let test = env::current_exe().expect("a running program has a path");
    let file = test.ancestors().map(|folder| folder.join("services/services.env"));
    let file = file
        .filter_map(|path| fs::read_to_string(path).ok())
        .next()
        .unwrap_or_default();
    let found = file
        .lines()
        .find_map(|line| line.strip_prefix(variable)?.strip_prefix('='));
    match found {
        Some(url) => url.to_owned(),
        None => {
            panic!("{variable} is not set and no server runs: start the tests' servers by `cargo xtask services up`")
        }
    }
}
