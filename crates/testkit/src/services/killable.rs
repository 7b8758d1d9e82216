//! A server of a test's own, which it may kill with SIGKILL and start again on what is left.
//!
//! Unlike the servers that all tests share it makes durable what it acknowledges.

use std::env;
use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::services;

/// Longer than any start takes, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Killable {
    kind: &'static Kind,
    /// Where its programs are.
    programs: PathBuf,
    folder: TempDir,
    port: u16,
    /// What its kind isn't told each time.
    settings: Vec<String>,
    child: Option<Child>,
}

struct Kind {
    /// The program that serves, and the folders that it may be in beside the PATH.
    program: &'static str,
    folders: fn() -> Vec<PathBuf>,
    /// Makes an empty database in a folder, where the program doesn't by itself.
    make: Option<fn(&Killable) -> Command>,
    serve: fn(&Killable) -> Command,
    /// Makes and starts a server that follows one of this kind.
    follow: Option<fn(&Killable) -> Killable>,
    answers: fn(&Killable) -> bool,
    url: fn(u16) -> String,
}

/// PostgreSQL refuses to run as root; this is the user that Debian's package makes.
const POSTGRES_USER: &str = "postgres";

const POSTGRES: Kind = Kind {
    program: "postgres",
    folders: || {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
        folders.sort();
        folders.reverse();
        folders
    },
    make: Some(|server| {
        let mut command = as_postgres(&server.programs.join("initdb"));
        command.args([
            "--username=ninefold",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "-D",
        ]);
        command.arg(server.data());
        command
    }),
    serve: |server| {
        let mut command = as_postgres(&server.programs.join("postgres"));
        command
            .arg("-D")
            .arg(server.data())
            .args(["-p", &server.port.to_string()]);
        command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
        command
    },
    follow: Some(|primary| {
        let mut standby = Killable::new(&POSTGRES).of_postgres();
        let mut copy = as_postgres(&primary.programs.join("pg_basebackup"));
        copy.args([
            "--write-recovery-conf",
            "--checkpoint=fast",
            "--no-sync",
            "-U",
            "ninefold",
        ]);
        copy.args(["-h", "127.0.0.1", "-p", &primary.port.to_string(), "-D"])
            .arg(standby.data());
        let copied = copy.stdin(Stdio::null()).output().expect("pg_basebackup starts");
        assert!(copied.status.success(), "{}", String::from_utf8_lossy(&copied.stderr));
        standby.start();
        standby
    }),
    answers: |server| {
        let mut ask = Command::new(server.programs.join("pg_isready"));
        ask.args(["-q", "-h", "127.0.0.1", "-p", &server.port.to_string()]);
        ask.status().is_ok_and(|status| status.success())
    },
    url: |port| format!("postgresql://ninefold@127.0.0.1:{port}/postgres"),
};

const MARIADB: Kind = Kind {
    program: "mariadbd",
    folders: || vec!["/usr/sbin".into()],
    make: Some(|server| {
        fs::write(server.first_words(), "CREATE DATABASE IF NOT EXISTS bank;\n").expect("a file can be written");
        let mut command = own(Command::new("mariadb-install-db"), server);
        command.args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        command
    }),
    serve: |server| {
        let mut command = own(Command::new(server.programs.join("mariadbd")), server);
        command
            .arg(format!("--port={}", server.port))
            .arg(format!("--init-file={}", server.first_words().display()))
            .args([
                "--bind-address=127.0.0.1",
                "--socket=mariadb.sock",
                "--pid-file=mariadb.pid",
            ])
            .args(&server.settings)
            .args([
                "--character-set-server=utf8mb4",
                "--innodb-log-file-size=16M",
                "--innodb-buffer-pool-size=64M",
            ])
            .arg("--innodb-flush-log-at-trx-commit=1");
        command
    },
    follow: Some(|primary| {
        let words = format!(
            "CHANGE MASTER TO master_host = '127.0.0.1', master_port = {}, master_user = 'root', \
             master_connect_retry = 1, master_use_gtid = slave_pos;\nSTART SLAVE;\n",
            primary.port
        );
        following(&MARIADB, &words, ["--read-only", "--skip-slave-start"])
    }),
    // The server speaks first in this protocol.
    answers: |server| {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", server.port)) else {
            return false;
        };
        let patience = stream.set_read_timeout(Some(Duration::from_secs(5)));
        patience.is_ok() && stream.read_exact(&mut [0; 5]).is_ok()
    },
    url: |port| format!("mysql://root@127.0.0.1:{port}/bank"),
};

/// Where the environment names its programs it takes MariaDB's place.
const MYSQL: Kind = Kind {
    program: "mysqld",
    folders: || services::mysql_programs().into_iter().collect(),
    make: Some(|server| {
        fs::write(server.first_words(), "CREATE DATABASE IF NOT EXISTS bank;\n").expect("a file can be written");
        let mut command = own(Command::new(server.programs.join("mysqld")), server);
        command.arg("--initialize-insecure");
        command
    }),
    serve: |server| {
        let mut command = own(Command::new(server.programs.join("mysqld")), server);
        command
            .arg(format!("--port={}", server.port))
            .arg(format!("--init-file={}", server.first_words().display()))
            .args(["--bind-address=127.0.0.1", "--mysqlx=OFF"])
            // In the data folder; the length of a socket's path is limited.
            .args(["--socket=mysql.sock", "--pid-file=mysql.pid"])
            .args(&server.settings)
            .args(["--innodb-redo-log-capacity=16M", "--innodb-buffer-pool-size=64M"])
            .arg("--innodb-flush-log-at-trx-commit=1");
        command
    },
    follow: Some(|primary| {
        let words = format!(
            "CHANGE REPLICATION SOURCE TO source_host = '127.0.0.1', source_port = {}, source_user = 'root', \
             source_connect_retry = 1, source_auto_position = 1;\nSTART REPLICA;\n",
            primary.port
        );
        following(&MYSQL, &words, ["--read-only", "--skip-replica-start"])
    }),
    answers: MARIADB.answers,
    url: MARIADB.url,
};

/// A server with nothing but what it has by its first words from another.
fn following(kind: &'static Kind, words: &str, settings: [&str; 2]) -> Killable {
    let mut standby = Killable::new(kind);
    standby.settings = standby.replicated();
    // Told anew at each start.
    standby.settings.extend(settings.map(str::to_owned));
    standby.make();
    fs::write(standby.first_words(), words).expect("a file can be written");
    standby.start();
    // It has the database from its primary, a little after it has started.
    let begun = Instant::now();
    while !standby.data().join("bank").is_dir() {
        assert!(begun.elapsed() < PATIENCE, "the standby follows");
        sleep(Duration::from_millis(20));
    }
    standby
}

/// Without the machine's own settings, and as whoever we are.
fn own(mut command: Command, server: &Killable) -> Command {
    command
        .arg("--no-defaults")
        .arg(format!("--datadir={}", server.data().display()))
        // A server that starts removes the temporary tables of all that share the folder.
        .arg(format!("--tmpdir={}", server.folder.path().display()));
    if is_root() {
        command.arg("--user=root");
    }
    command
}

const MONGODB: Kind = Kind {
    program: "secantusd-py",
    // In the target folder, which this very test lies in.
    folders: || {
        let test = env::current_exe().expect("a running program has a path");
        test.ancestors().map(|folder| folder.join("secantusdb/bin")).collect()
    },
    make: None,
    serve: |server| {
        // Named, so that no configuration of the machine's is found instead.
        fs::write(server.first_words(), "").expect("a file can be written");
        let mut command = Command::new(server.programs.join("secantusd-py"));
        command.arg("--config").arg(server.first_words());
        command.args(["--host", "127.0.0.1", "--log-level", "WARNING"]);
        command.args(["--port", &server.port.to_string()]);
        // So that a test can have it fail.
        command.arg("--enable-test-commands");
        // It answers for the journal before it is on the disk otherwise, whatever a client asks for.
        command.arg("--sync-on-commit").arg("--storage-path").arg(server.data());
        command
    },
    follow: None,
    answers: |_| true,
    url: |port| format!("mongodb://127.0.0.1:{port}/bank?replicaSet=secantus"),
};

fn as_postgres(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args([
            &format!("--reuid={POSTGRES_USER}"),
            &format!("--regid={POSTGRES_USER}"),
            "--clear-groups",
            "--",
        ]);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

impl Killable {
    pub fn postgres() -> Self {
        Self::new(&POSTGRES).of_postgres().made()
    }

    /// MariaDB, or MySQL where that is what the tests run on.
    pub fn mysql() -> Self {
        let mut server = Self::new(Self::of_mysql());
        server.settings.push("--skip-log-bin".to_owned());
        server.made()
    }

    /// With a log that another can follow.
    pub fn mysql_with_log() -> Self {
        let mut server = Self::new(Self::of_mysql());
        server.settings = server.replicated();
        server.made()
    }

    fn of_mysql() -> &'static Kind {
        match services::mysql_programs() {
            Some(_) => &MYSQL,
            None => &MARIADB,
        }
    }

    /// What MariaDB or MySQL is told of replication.
    fn replicated(&self) -> Vec<String> {
        let gtids = match self.kind.program {
            "mysqld" => ["--gtid-mode=ON", "--enforce-gtid-consistency"],
            _ => ["--log-slave-updates", "--gtid-strict-mode"],
        };
        let log = ["--log-bin=log".to_owned(), format!("--server-id={}", self.port)];
        log.into_iter().chain(gtids.map(str::to_owned)).collect()
    }

    /// On MariaDB and MySQL: what it is told from its next start on, beside all else.
    pub fn set(&mut self, setting: &str) {
        self.settings.push(setting.to_owned());
    }

    /// Of MongoDB's protocol.
    pub fn mongodb() -> Self {
        Self::new(&MONGODB).made()
    }

    /// A server that follows this one and only reads until it is promoted.
    ///
    /// # Panics
    /// When it can't be made or started, or this one's kind has no such servers.
    pub fn standby(&self) -> Self {
        let follow = self.kind.follow.expect("servers of this kind follow one another");
        follow(self)
    }

    /// In a folder of the user's that it runs as.
    fn of_postgres(self) -> Self {
        if is_root() {
            let owned = Command::new("chown")
                .arg(POSTGRES_USER)
                .arg(self.folder.path())
                .status();
            assert!(
                owned.is_ok_and(|status| status.success()),
                "the user {POSTGRES_USER} is there"
            );
        }
        self
    }

    fn new(kind: &'static Kind) -> Self {
        let path = services::path();
        let folders = env::split_paths(&path).chain((kind.folders)());
        let programs = folders.into_iter().find(|folder| folder.join(kind.program).is_file());
        let programs =
            programs.unwrap_or_else(|| panic!("there is no {}: `cargo xtask services up` installs it", kind.program));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        Self {
            kind,
            // What is on the PATH may be a link to one program of many.
            programs: fs::canonicalize(programs.join(kind.program))
                .ok()
                .and_then(|program| Some(program.parent()?.to_owned()))
                .unwrap_or(programs),
            folder: TempDir::new().expect("a folder can be made"),
            port: port.expect("a port is free").port(),
            settings: Vec::new(),
            child: None,
        }
    }

    /// # Panics
    /// When it can't be made or started.
    fn made(mut self) -> Self {
        self.make();
        self.start();
        self
    }

    fn make(&self) {
        if let Some(make) = self.kind.make {
            let made = make(self).stdin(Stdio::null()).output();
            let made = made.expect("an empty database can be made");
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A file that the program reads when it starts.
    fn first_words(&self) -> PathBuf {
        self.folder.path().join("start")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        (self.kind.url)(self.port)
    }

    /// Ends it at once, in the middle of whatever it does.
    ///
    /// # Panics
    /// When it doesn't run.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("the server runs");
        child.kill().expect("the server runs");
        child.wait().expect("the server ends");
    }

    /// Starts it, and waits until it answers.
    ///
    /// # Panics
    /// When it doesn't.
    pub fn start(&mut self) {
        let begun = Instant::now();
        let mut child = self.spawn();
        while !(TcpStream::connect(("127.0.0.1", self.port)).is_ok() && (self.kind.answers)(self)) {
            assert!(begun.elapsed() < PATIENCE, "the server answers in time");
            sleep(Duration::from_millis(20));
            // What is left of the one that was killed may take a moment to end.
            if child.try_wait().is_ok_and(|ended| ended.is_some()) {
                sleep(Duration::from_millis(100));
                child = self.spawn();
            }
        }
        self.child = Some(child);
    }

    fn spawn(&self) -> Child {
        let mut serve = (self.kind.serve)(self);
        serve.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        serve.spawn().expect("the server starts")
    }
}

impl Drop for Killable {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}
