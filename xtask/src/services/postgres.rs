//! PostgreSQL, from Debian's package or whichever is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Service;
use super::room::Room;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

pub(super) const SERVICE: Service = Service {
    name: "postgres",
    variable: "NINEFOLD_TEST_POSTGRES",
    programs: None,
    prepare,
    answers,
    url: |room| format!("postgresql://ninefold@127.0.0.1:{}/postgres", room.port()),
};

/// It refuses to run as root; this is the user that Debian's package makes.
const USER: &str = "postgres";

const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    // TCP alone: the path of a socket has a length limit that a workspace's may exceed.
    "unix_socket_directories=",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=400",
    "max_wal_size=256MB",
    "min_wal_size=32MB",
];

fn prepare(_: &Workspace, room: &Room) -> Result<Command> {
    make(room)?;
    serve(room, SETTINGS)
}

/// Makes the data of a server in the empty room.
fn make(room: &Room) -> Result<()> {
    let server = tools::POSTGRES.ensure()?;
    let data = room.data();
    fs::create_dir_all(&data)?;
    if tools::is_root() {
        process::run(Command::new("chown").arg(USER).arg(&data))?;
    }
    let mut make = as_user(beside(&server, "initdb"));
    // Sorted as a person would, so that a query which forgets to ask for code points is noticed.
    make.args([
        "--username=ninefold",
        "--auth=trust",
        "--encoding=UTF8",
        "--no-sync",
        "--locale=C",
    ])
    .args(["--locale-provider=icu", "--icu-locale=en-US"])
    .arg("--pgdata")
    .arg(&data)
    .stdout(room.log()?);
    process::run(&mut make).with_context(|| format!("the user {USER} has to reach {}", data.display()))
}

/// The command that serves the room's data.
fn serve(room: &Room, settings: &[&str]) -> Result<Command> {
    let mut serve = as_user(tools::POSTGRES.ensure()?);
    serve.arg("-D").arg(room.data()).arg("-p").arg(room.port().to_string());
    for setting in settings {
        serve.args(["-c", setting]);
    }
    Ok(serve)
}

fn answers(room: &Room) -> bool {
    let Ok(server) = tools::POSTGRES.ensure() else {
        return false;
    };
    let mut ask = Command::new(beside(&server, "pg_isready"));
    process::succeeds(ask.args(["-q", "-h", "127.0.0.1", "-p", &room.port().to_string()]))
}

/// A server that keeps its data from run to run, and what it acknowledges whatever happens: the benchmark's.
pub(crate) struct Durable(Room);

const DURABLE: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
];

impl Durable {
    /// Makes it in `folder`, unless that was done before, and starts it.
    pub(crate) fn start(folder: PathBuf) -> Result<Self> {
        let mut room = Room::new(folder);
        room.stop()?;
        if !room.data().join("PG_VERSION").exists() {
            room = room.renewed()?;
            make(&room)?;
        }
        room.serve(serve(&room, DURABLE)?, || answers(&room))?;
        Ok(Self(room))
    }

    /// Of one of its databases, for its owner or another user.
    pub(crate) fn url(&self, user: &str, database: &str) -> String {
        format!("postgresql://{user}@127.0.0.1:{}/{database}", self.0.port())
    }

    /// Runs `psql` with these arguments; answers what it writes, one row a line.
    pub(crate) fn psql(&self, database: &str, arguments: &[&str]) -> Result<String> {
        let mut psql = Command::new(beside(&tools::POSTGRES.ensure()?, "psql"));
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"])
            .args(["--set=ON_ERROR_STOP=1", &self.url("ninefold", database)])
            .args(arguments);
        process::output(&mut psql)
    }
}

impl Drop for Durable {
    fn drop(&mut self) {
        if let Err(error) = self.0.stop() {
            eprintln!("xtask: PostgreSQL goes on: {error:#}");
        }
    }
}

/// Another program of the same version; the folder on the PATH may hold no more than a link to the server.
fn beside(server: &Path, name: &str) -> PathBuf {
    fs::canonicalize(server)
        .unwrap_or_else(|_| server.to_owned())
        .with_file_name(name)
}

fn as_user(program: PathBuf) -> Command {
    let mut command = if tools::is_root() {
        let mut command = Command::new("setpriv");
        let user = [
            format!("--reuid={USER}"),
            format!("--regid={USER}"),
            "--clear-groups".into(),
        ];
        command.args(user).arg("--").arg(program);
        command
    } else {
        Command::new(program)
    };
    // Where every user may be.
    command.current_dir("/");
    command
}
