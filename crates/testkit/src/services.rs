//! Where the servers are that tests talk to: in the environment, or started by `cargo xtask services up`.

mod killable;
mod proxy;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

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

/// Where MySQL's own programs are, if it is what the tests are to run on; otherwise they start MariaDB's.
pub fn mysql_programs() -> Option<PathBuf> {
    found("NINEFOLD_TEST_MYSQL_PROGRAMS").map(PathBuf::from)
}

/// Asks a server of MariaDB's or MySQL's how far its log goes.
pub fn mysql_written() -> &'static str {
    match mysql_programs() {
        Some(_) => "SELECT @@global.gtid_executed",
        None => "SELECT @@global.gtid_binlog_pos",
    }
}

/// Asks another, for some seconds, whether it has come as far; 0 if it has.
pub fn mysql_replayed(written: &str, seconds: f32) -> String {
    match mysql_programs() {
        Some(_) => format!("SELECT WAIT_FOR_EXECUTED_GTID_SET('{written}', {seconds})"),
        None => format!("SELECT MASTER_GTID_WAIT('{written}', {seconds})"),
    }
}

/// Who is connected to a server of MariaDB's or MySQL's. What stands under the other's name fails on MySQL where a statement holds bytes that are no text.
pub fn mysql_processes() -> &'static str {
    match mysql_programs() {
        Some(_) => "performance_schema.processlist",
        None => "information_schema.processlist",
    }
}

/// Asks such a server how many wait for a lock in the database.
pub fn mysql_lock_waits() -> &'static str {
    match mysql_programs() {
        Some(_) => {
            "SELECT COUNT(DISTINCT w.requesting_thread_id) FROM performance_schema.data_lock_waits w \
             JOIN performance_schema.threads t ON t.thread_id = w.requesting_thread_id WHERE t.processlist_db = DATABASE()"
        }
        None => {
            "SELECT COUNT(*) FROM information_schema.innodb_trx t JOIN information_schema.processlist p \
             ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'"
        }
    }
}

/// Where programs are looked for: those of the database servers first.
pub fn path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = mysql_programs().into_iter().chain(env::split_paths(&path));
    env::join_paths(folders).expect("no folder has a colon in its name")
}

/// Of a replica set that speaks MongoDB's protocol.
pub fn mongodb_url() -> String {
    url("NINEFOLD_TEST_MONGODB")
}

/// Of a service that speaks S3's protocol.
pub fn s3_url() -> String {
    url("NINEFOLD_TEST_S3")
}

/// # Panics
/// When there is none: a test that needs a server must not pass without it.
fn url(variable: &str) -> String {
    found(variable).unwrap_or_else(|| {
        panic!("{variable} is not set and no server runs: start the tests' servers by `cargo xtask services up`")
    })
}

/// What is in the environment variable, else in the file that `cargo xtask services` keeps in the target folder, which
/// is one that this very test lies in.
fn found(variable: &str) -> Option<String> {
    if let Ok(value) = env::var(variable) {
        return Some(value);
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
    found.map(str::to_owned)
}
