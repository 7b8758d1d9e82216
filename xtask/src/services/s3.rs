//! A server that speaks S3's protocol: Moto, from PyPI. It keeps what it gets in memory.

use std::net::TcpStream;
use std::process::Command;

use anyhow::Result;

use super::Service;
use super::room::Room;
use crate::python;
use crate::workspace::Workspace;

pub(super) const SERVICE: Service = Service {
    name: "s3",
    variable: "NINEFOLD_TEST_S3",
    programs: None,
    prepare,
    answers: |room| TcpStream::connect(("127.0.0.1", room.port())).is_ok(),
    url: |room| format!("http://127.0.0.1:{}", room.port()),
};

fn prepare(workspace: &Workspace, room: &Room) -> Result<Command> {
    let python = python::prepare(workspace, "moto", "tests/moto.txt")?;
    let mut serve = Command::new(python.with_file_name("moto_server"));
    serve
        .args(["--host", "127.0.0.1"])
        .args(["--port", &room.port().to_string()]);
    Ok(serve)
}
