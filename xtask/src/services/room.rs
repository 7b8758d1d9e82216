//! The folder of one service: its data, its log, and who serves it on which port.

use std::env;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::process::Process;
use crate::tools;

const START_MAX: Duration = Duration::from_secs(60);
/// Longer than this nobody is asked kindly.
const STOP_MAX: Duration = Duration::from_secs(10);

pub(super) struct Room {
    pub(super) folder: PathBuf,
}

impl Room {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Where the server keeps what it stores. Of root's checkout it is elsewhere: one that runs as another user may not get
    /// into the folders around it.
    pub(super) fn data(&self) -> PathBuf {
        if !tools::is_root() {
            return self.folder.join("data");
        }
        let mut hasher = DefaultHasher::new();
        self.folder.hash(&mut hasher);
        env::temp_dir().join(format!("ninefold-services-{:016x}", hasher.finish()))
    }

    /// The port that was chosen for it; 0 when none was.
    pub(super) fn port(&self) -> u16 {
        let text = fs::read_to_string(self.folder.join("port")).unwrap_or_default();
        text.trim().parse().unwrap_or(0)
    }

    pub(super) fn log(&self) -> Result<File> {
        let path = self.folder.join("log");
        let mut options = File::options();
        options.create(true).append(true);
        options
            .open(&path)
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether the process that was started here is still there.
    pub(super) fn runs(&self) -> bool {
        self.process().is_some_and(|process| process.runs())
    }

    /// The same room without a server and without data, with a port of its own.
    pub(super) fn renewed(self) -> Result<Self> {
        self.clear()?;
        fs::create_dir_all(&self.folder).with_context(|| format!("cannot make {}", self.folder.display()))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        fs::write(self.folder.join("port"), port.to_string())?;
        Ok(self)
    }

    /// Starts the server apart from this command and its terminal, and waits until it answers.
    pub(super) fn serve(&self, mut command: Command, answers: impl Fn() -> bool) -> Result<()> {
        command.stdin(Stdio::null()).stdout(self.log()?).stderr(self.log()?);
        let process = Process::start(&mut command)?;
        fs::write(self.folder.join("process"), process.to_string())?;
        let begun = Instant::now();
        while !answers() {
            if !process.runs() || begun.elapsed() > START_MAX {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                bail!("it doesn't answer on port {}; its log:\n{log}", self.port());
            }
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Stops the server, if it runs, and leaves its data.
    pub(super) fn stop(&self) -> Result<()> {
        match self.process() {
            Some(process) => process.stop(STOP_MAX),
            None => Ok(()),
        }
    }

    /// Stops the server and removes all that it left.
    pub(super) fn clear(&self) -> Result<()> {
        self.stop()?;
        for folder in [self.data(), self.folder.clone()] {
            if folder.exists() {
                fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
            }
        }
        Ok(())
    }

    fn process(&self) -> Option<Process> {
        fs::read_to_string(self.folder.join("process")).ok()?.parse().ok()
    }
}
