//! More connections than anybody needs.

use std::time::Duration;

use futures::future::join_all;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{SCHEMA, anonymous_mib, answer, connect, is_open_after, is_well, launch, patience, send, serve};
use crate::binary::folder;

const IDLE: usize = 10_000;
/// Half of it are the sockets' own buffers, and what hyper reads into.
const MIB_MAX: u64 = 200;

/// Raises this process's limit of open files, which the server inherits.
fn have_files(count: u64) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < count) {
        limit.current = Some(limit.maximum.map_or(count, |maximum| maximum.min(count)));
        setrlimit(Resource::Nofile, limit).expect("the soft limit can be raised to the hard one");
    }
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    assert!(
        allowed >= count,
        "this test needs {count} open files, and the system allows {allowed}: raise `ulimit -Hn`"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_idle_connections_disturb_nobody() {
    have_files(IDLE as u64 + 1_000);
    let dir = folder(SCHEMA);
    let limits = ["limits.connections_max=11000", "limits.header_timeout_ms=600000"];
    let server = serve(&dir, &limits).await;
    is_well(&server).await;
    let before = anonymous_mib(&server);
    let mut idle: Vec<TcpStream> = Vec::with_capacity(IDLE);
    while idle.len() < IDLE {
        // As many at once as the queue of a listening socket holds.
        idle.extend(join_all((0..100).map(|_| connect(server.address))).await);
    }
    for stream in idle.iter_mut().step_by(10) {
        send(stream, "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    }
    for _ in 0..20 {
        is_well(&server).await;
    }
    assert!(server.sockets() >= IDLE, "{} sockets", server.sockets());
    let after = anonymous_mib(&server);
    assert!(
        after < before + MIB_MAX,
        "{before} MiB before, {after} MiB with {IDLE} connections"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_all_connections_holds_them_for_a_moment() {
    let dir = folder(SCHEMA);
    let limits = ["limits.connections_max=8", "limits.header_timeout_ms=500"];
    let server = serve(&dir, &limits).await;
    let before = server.sockets();
    let mut held: Vec<TcpStream> = join_all((0..50).map(|_| connect(server.address))).await;
    // Its turn comes after all of them.
    let well = is_well(&server);
    tokio::pin!(well);
    let mut is_served = false;
    while !is_served {
        is_served = timeout(Duration::from_millis(10), &mut well).await.is_ok();
        let held = server.sockets() - before;
        assert!(held <= 8, "{held} sockets of at most 8");
    }
    for stream in &mut held {
        assert!(!is_open_after(stream, patience()).await);
    }
    is_well(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_queries_are_counted() {
    let dir = folder(SCHEMA);
    let server = serve(&dir, &["limits.watch_max=3"]).await;
    let question = "GET /api/notes HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = connect(server.address).await;
        send(&mut stream, question).await;
        let answered = answer(&mut stream).await;
        assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
        held.push(stream);
    }
    let mut stream = connect(server.address).await;
    send(&mut stream, question).await;
    let answered = answer(&mut stream).await;
    assert!(answered.starts_with("HTTP/1.1 503"), "{answered}");
    is_well(&server).await;
}

/// The server raises its own limit of open files to what its connections need.
#[tokio::test(flavor = "multi_thread")]
async fn a_low_limit_of_open_files_is_raised() {
    let dir = folder(SCHEMA);
    let mut process = tokio::process::Command::new("sh");
    let serve = format!(
        "ulimit -Sn 128; exec {} serve {} --migrate --listen 127.0.0.1:0 --set limits.header_timeout_ms=600000",
        env!("CARGO_BIN_EXE_ninefold"),
        dir.path().display()
    );
    process.args(["-c", &serve]).kill_on_drop(true);
    let server = launch(process).await;
    // Who isn't accepted, and finds no room in the queue, waits.
    let connected = timeout(patience(), join_all((0..400).map(|_| connect(server.address)))).await;
    let Ok(held) = connected else {
        panic!("no more than {} sockets in time", server.sockets());
    };
    is_well(&server).await;
    let until = tokio::time::Instant::now() + patience();
    while server.sockets() < held.len() {
        let sockets = server.sockets();
        assert!(
            tokio::time::Instant::now() < until,
            "no more than {sockets} sockets in time"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
