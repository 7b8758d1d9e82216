//! The disk between the server and the real one: see `disk.c`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::node::{Node, Setup};

/// Compiled once for all tests of this process.
fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let compile = || {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/durability/disk.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-{}.so", std::process::id()));
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"]);
        let status = compiler.args([&library, &source]).args(["-ldl", "-lpthread"]).status();
        assert!(status.expect("a C compiler, cc, is there").success());
        library
    };
    LIBRARY.get_or_init(compile).clone()
}

/// What the disk and the clock are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Well,
    Full,
    WritesFail,
    SyncsFail,
    /// Those of the log succeed.
    DatabaseSyncsFail,
    ReadsFail,
    /// By so many seconds the clock goes wrong.
    Clock(i64),
}

/// A server on such a disk.
pub(super) struct Disk {
    pub(super) node: Node,
    folder: TempDir,
}

impl Disk {
    /// One that obeys orders, and one that keeps a record if it is to.
    pub(super) fn new(schema: &str, setup: Setup, is_recorded: bool) -> Self {
        let folder = TempDir::new().unwrap();
        let mut node = Node::new(schema, setup);
        let data = node
            .database()
            .parent()
            .expect("the database is in a folder")
            .to_owned();
        let mut environment = vec![
            ("LD_PRELOAD", library()),
            ("DISK_FOLDER", data),
            ("DISK_ORDERS", folder.path().join("orders")),
        ];
        if is_recorded {
            environment.push(("DISK_RECORD", folder.path().join("record")));
        }
        node.setup.environment.extend(environment);
        let disk = Self { node, folder };
        disk.order(Order::Well);
        disk
    }

    pub(super) fn order(&self, order: Order) {
        let text = match order {
            Order::Well => "- 0".to_owned(),
            Order::Full => "f 0".to_owned(),
            Order::WritesFail => "w 0".to_owned(),
            Order::SyncsFail => "s 0".to_owned(),
            Order::DatabaseSyncsFail => "d 0".to_owned(),
            Order::ReadsFail => "r 0".to_owned(),
            Order::Clock(seconds) => format!("- {seconds}"),
        };
        // In one write, and never shorter than what was there: the server reads it at any time.
        std::fs::write(self.orders(), format!("{text:<20}")).unwrap();
    }

    fn orders(&self) -> PathBuf {
        self.folder.path().join("orders")
    }

    pub(super) fn record(&self) -> PathBuf {
        self.folder.path().join("record")
    }
}
