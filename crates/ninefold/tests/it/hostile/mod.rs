//! Clients that mean ill, or are broken: limits hold, and others are served meanwhile.
//!
//! `defences` shows of each limit that its attack would succeed without it; some time-outs have a control in their own test.

mod defences;
mod input;
mod protocol;
mod slow;
mod sockets;

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use crate::binary::{Server, ninefold};

/// What `defences` runs tests with: the defence that is out, settings that win over a test's own, and how many seconds are
/// waited for what never comes then.
const MUTANT: &str = "NINEFOLD_MUTANT";
const SETTINGS: &str = "NINEFOLD_LIFTED";
const PATIENCE: &str = "NINEFOLD_PATIENCE_S";

/// Longer than anything should take, on a machine that does much else.
fn patience() -> Duration {
    let seconds = std::env::var(PATIENCE).map_or(30, |seconds| seconds.parse().expect("a number of seconds"));
    Duration::from_secs(seconds)
}

const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) @access(read: "auth != null") { name: String }
type Note @collection @access(read: "true", create: "true", update: "true", delete: "true") {
  text: String! @length(max: 20000)
  rank: Int
  amount: Decimal
  on: Date
  at: DateTime
  more: JSON
  parent: Note
  children: [Note!]! @inverse(field: "parent")
}
"#;

/// A server with these settings.
async fn serve(dir: &TempDir, settings: &[&str]) -> Server {
    let mut command = ninefold([
        "serve",
        dir.path().to_str().unwrap(),
        "--migrate",
        "--listen",
        "127.0.0.1:0",
    ]);
    let lifted = std::env::var(SETTINGS).unwrap_or_default();
    for setting in settings.iter().copied().chain(lifted.split(' ')) {
        if !setting.is_empty() {
            command.args(["--set", setting]);
        }
    }
    launch(command).await
}

async fn launch(mut command: Command) -> Server {
    if let Some(mutant) = std::env::var_os(MUTANT) {
        command.env(MUTANT, mutant);
    }
    command.env_remove(SETTINGS).env_remove(PATIENCE);
    Server::launch(command).await
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

async fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).await.unwrap();
}

/// All that comes until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A connection that is reset has been closed, too.
    let _ = timeout(patience(), stream.read_to_end(&mut answer))
        .await
        .expect("the server closes in time");
    String::from_utf8_lossy(&answer).into_owned()
}

/// One answer, with a body as long as its head says.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let mut byte = [0];
        let read = timeout(patience(), stream.read(&mut byte))
            .await
            .expect("an answer in time")
            .unwrap();
        assert_ne!(read, 0, "the connection ended after {text:?}");
        bytes.push(byte[0]);
    }
}

/// Whether the connection is still open after a while.
async fn is_open_after(stream: &mut TcpStream, while_: Duration) -> bool {
    let mut buffer = [0; 4096];
    let until = tokio::time::Instant::now() + while_;
    loop {
        match tokio::time::timeout_at(until, stream.read(&mut buffer)).await {
            Err(_) => return true,
            Ok(Ok(0) | Err(_)) => return false,
            Ok(Ok(_)) => {}
        }
    }
}

/// Others are served.
async fn is_well(server: &Server) {
    let served = timeout(patience(), server.client().get("/api/notes?limit=1")).await;
    assert_eq!(served.expect("an answer in time").status, 200);
}

/// Anonymous memory of a process, in MiB.
fn anonymous_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
