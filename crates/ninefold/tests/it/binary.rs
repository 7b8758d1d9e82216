//! The real binary, as a child process.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::app::Client;

/// Longer than anything should take, on a machine that does much else.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// `ninefold` with arguments, without the environment's own settings.
pub(crate) fn ninefold<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ninefold"));
    command.args(arguments).env("NO_COLOR", "1").kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"NINEFOLD_") {
            command.env_remove(name);
        }
    }
    command.env("NINEFOLD_AUTH__PASSWORD__MEMORY_KIB", "8");
    command.env("PATH", testkit::services::path());
    command
}

/// A command that came to its end.
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) async fn run<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Finished {
    finish(ninefold(arguments), "").await
}

pub(crate) async fn finish(mut command: Command, input: &str) -> Finished {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    // The child may have ended without reading it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = timeout(PATIENCE, child.wait_with_output())
        .await
        .expect("the command ends")
        .expect("its output can be read");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A server that runs until it is told to stop, or dropped.
pub(crate) struct Server {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
    /// All that it said so far.
    pub(crate) said: Vec<String>,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// `ninefold COMMAND DIR ARGUMENTS` on a free port, once it is ready.
    pub(crate) async fn start(command: &str, dir: &Path, arguments: &[&str]) -> Self {
        let mut process = ninefold([
            command,
            dir.to_str().expect("a path of a test is UTF-8"),
            "--listen",
            "127.0.0.1:0",
        ]);
        process.args(arguments);
        Self::launch(process).await
    }

    /// The same, of a command that was made ready beforehand.
    pub(crate) async fn launch(mut process: Command) -> Self {
        let mut child = process
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let (sender, lines) = mpsc::unbounded_channel();
        forward(child.stdout.take().expect("stdout is piped"), sender.clone());
        forward(child.stderr.take().expect("stderr is piped"), sender);
        let mut server = Self {
            child,
            lines,
            said: Vec::new(),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        // `dev` prints its documentation's address, `serve` logs its own.
        let line = server
            .line_with(|line| line.contains("/docs") || line.contains("is ready"))
            .await;
        let port = line.split("127.0.0.1:").nth(1).expect("the line names the address");
        let port: String = port.chars().take_while(char::is_ascii_digit).collect();
        server.address.set_port(port.parse().expect("a port"));
        server
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.address)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the server runs")
    }

    /// How many sockets it has open.
    #[cfg(target_os = "linux")]
    pub(crate) fn sockets(&self) -> usize {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.id())).expect("the server runs");
        let links = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        links
            .filter(|link| link.to_string_lossy().starts_with("socket:"))
            .count()
    }

    /// Whether it holds its end of the connection from this address: a socket that is no more of any process has no inode.
    #[cfg(target_os = "linux")]
    pub(crate) fn holds(&self, from: SocketAddr) -> bool {
        let [here, there] = [self.address, from].map(|address| {
            let IpAddr::V4(ip) = address.ip() else {
                panic!("tests talk over IPv4");
            };
            format!("{:08X}:{:04X}", u32::from_le_bytes(ip.octets()), address.port())
        });
        let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel lists the sockets");
        table.lines().any(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            words[1..3] == [here.as_str(), there.as_str()] && words[9] != "0"
        })
    }

    /// The next line that `wanted` accepts.
    pub(crate) async fn line_with(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = timeout(PATIENCE, self.lines.recv()).await.ok().flatten();
            let Some(line) = line else {
                panic!("the server did not say it; it said:\n{}", self.said.join("\n"));
            };
            self.said.push(line.clone());
            if wanted(&line) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        let sent = std::process::Command::new("kill").args(["-s", name, &id]).status();
        assert!(sent.expect("kill(1) is there").success());
    }

    /// As a loss of power ends it: at once, between any two instructions.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the server runs");
    }

    /// Its exit code.
    pub(crate) async fn end(&mut self) -> Option<i32> {
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the server ends");
        status.expect("its status can be read").code()
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("its status can be read").is_none()
    }
}

fn forward(stream: impl AsyncRead + Send + Unpin + 'static, lines: mpsc::UnboundedSender<String>) {
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream).lines();
        while let Ok(Some(line)) = stream.next_line().await {
            if lines.send(line).is_err() {
                return;
            }
        }
    });
}

/// An application's folder with this schema.
pub(crate) fn folder(schema: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schema.graphql"), schema).unwrap();
    folder
}
