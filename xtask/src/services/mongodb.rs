//! A server that speaks MongoDB's protocol: SecantusDB, from PyPI. It is a replica set of one.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use anyhow::Result;

use super::Service;
use super::room::Room;
use crate::python;
use crate::workspace::Workspace;

pub(super) const SERVICE: Service = Service {
    name: "mongodb",
    variable: "NINEFOLD_TEST_MONGODB",
    programs: None,
    prepare,
    answers: |room| TcpStream::connect(("127.0.0.1", room.port())).is_ok(),
    url: |room| format!("mongodb://127.0.0.1:{}/?replicaSet=secantus", room.port()),
};

fn prepare(workspace: &Workspace, room: &Room) -> Result<Command> {
    let python = python::prepare(workspace, "secantusdb", "tests/secantusdb.txt")?;
    // Named, so that no configuration of the machine's is found instead.
    let configuration = room.folder.join("secantusd.toml");
    fs::write(&configuration, "")?;
    let mut serve = Command::new(python.with_file_name("secantusd-py"));
    serve
        .arg("--config")
        .arg(configuration)
        .args(["--host", "127.0.0.1", "--log-level", "WARNING"])
        .args(["--port", &room.port().to_string()])
        .arg("--storage-path")
        .arg(room.data());
    Ok(serve)
}
