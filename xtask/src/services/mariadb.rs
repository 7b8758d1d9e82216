//! MariaDB, for the MySQL protocol, from Debian's package or whichever is installed.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::Service;
use super::room::Room;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

pub(super) const SERVICE: Service = Service {
    name: "mariadb",
    variable: "NINEFOLD_TEST_MYSQL",
    programs: None,
    prepare,
    answers,
    url: |room| format!("mysql://root@127.0.0.1:{}/mysql", room.port()),
};

const SETTINGS: &[&str] = &[
    "--bind-address=127.0.0.1",
    // In the data folder; the length of a socket's path is limited.
    "--socket=mariadb.sock",
    "--pid-file=mariadb.pid",
    "--skip-log-bin",
    "--character-set-server=utf8mb4",
    "--max-connections=400",
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-innodb-doublewrite",
    "--innodb-log-file-size=64M",
    "--innodb-buffer-pool-size=256M",
];

fn prepare(_: &Workspace, room: &Room) -> Result<Command> {
    let server = tools::MARIADB.ensure()?;
    let mut make = own(Command::new(tools::MARIADB_INSTALL.ensure()?), room);
    make.args(["--auth-root-authentication-method=normal", "--skip-test-db"])
        .stdout(room.log()?)
        .stderr(room.log()?);
    process::run(&mut make)?;
    let mut serve = own(Command::new(server), room);
    serve.arg(format!("--port={}", room.port())).args(SETTINGS);
    Ok(serve)
}

/// Without the machine's own settings, and as whoever we are.
fn own(mut command: Command, room: &Room) -> Command {
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", room.data().display()))
        // A server that starts removes the temporary tables of all that share the folder.
        .arg(format!("--tmpdir={}", room.data().display()));
    if tools::is_root() {
        command.arg("--user=root");
    }
    command
}

/// The server speaks first in this protocol.
pub(super) fn answers(room: &Room) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", room.port())) else {
        return false;
    };
    let patience = stream.set_read_timeout(Some(Duration::from_secs(5)));
    patience.is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
}
