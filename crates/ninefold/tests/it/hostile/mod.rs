//! Clients that mean ill, or are broken: limits hold, and others are served meanwhile.
//!
//! Where a time-out is what holds, a control lifts it and shows that the attack would succeed without it.

mod input;
mod protocol;
mod slow;
mod sockets;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::binary::Server;

/// Longer than anything should take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer))
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
        let read = timeout(PATIENCE, stream.read(&mut byte))
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
    let served = timeout(PATIENCE, server.client().get("/api/notes?limit=1")).await;
    assert_eq!(served.expect("an answer in time").status, 200);
}

/// Anonymous memory of a process, in MiB.
fn anonymous_mib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}
