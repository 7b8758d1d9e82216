//! A server under measurement: what all three have in common, and a process that never outlives us.

use std::fs::File;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::cases::Case;
use super::http::{Client, Request};
use crate::process;

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// What a commit survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A loss of power.
    Full,
    /// A crash of the process.
    Normal,
}

impl Durability {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Normal => "normal",
        }
    }
}

/// One of the programs that are compared.
pub(crate) trait Contender {
    fn name(&self) -> &'static str;

    fn binary(&self) -> &Path;

    /// A folder with all records, made once and then only copied.
    fn template(&self) -> &Path;

    /// Serves the folder `data` and waits until it is ready.
    fn start(&self, data: &Path, durability: Durability) -> Result<Running>;

    /// An access token.
    fn sign_in(&self, client: &Client, user: usize) -> Result<String>;

    /// The request of a case with this number. `token` is that of the case's user.
    fn request(&self, case: Case, number: usize, token: &str) -> Request;
}

/// A process that is killed when this goes.
pub(crate) struct Running {
    child: Child,
    pub(crate) client: Client,
    /// From before the process was made until it said that it is ready.
    pub(crate) ready_after: Duration,
}

impl Running {
    /// Starts `command` with its output in `log` and asks for the path `health` until it answers with success.
    pub(crate) fn start(command: &Command, address: &str, health: &str, log: &Path) -> Result<Self> {
        Self::start_asking(command, address, &Request::get(health), log)
    }

    /// The same with any request.
    pub(crate) fn start_asking(command: &Command, address: &str, asked: &Request, log: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut guarded = dying_with_us(command);
        guarded.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let began = Instant::now();
        let child = guarded
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut running = Self {
            child,
            client: Client::new(address),
            ready_after: Duration::ZERO,
        };
        while !running.client.send(asked).is_ok_and(|answer| answer.status == 200) {
            if let Some(status) = running.child.try_wait()? {
                let said = std::fs::read_to_string(log).unwrap_or_default();
                bail!(
                    "{} ended ({status}) instead of serving:\n{said}",
                    command.get_program().display()
                );
            }
            ensure!(
                began.elapsed() < READY_TIMEOUT,
                "{} is not ready; see {}",
                address,
                log.display()
            );
            sleep(Duration::from_millis(1));
        }
        running.ready_after = began.elapsed();
        Ok(running)
    }

    /// Memory of its own that the process holds, in MiB.
    pub(crate) fn anonymous_mib(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        anonymous_mib(&status).context("/proc/PID/status has no RssAnon")
    }

    /// SIGTERM, and a clean end.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        process::run(Command::new("kill").args(["-TERM", &pid]))?;
        let began = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(began.elapsed() < STOP_TIMEOUT, "a server does not stop on SIGTERM");
            sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Both fail only when it has just ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn anonymous_mib(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

/// The kernel kills the child when we are killed ourselves and can't.
fn dying_with_us(command: &Command) -> Command {
    let mut guarded = Command::new("setpriv");
    guarded
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    guarded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        guarded.current_dir(folder);
    }
    guarded
}

/// An address on this machine that nobody uses.
pub(crate) fn free_address() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no port is free")?;
    Ok(listener.local_addr()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_anonymous_memory() {
        let status = "VmRSS:\t   30720 kB\nRssAnon:\t   10240 kB\nRssFile:\t   20480 kB\n";
        assert_eq!(anonymous_mib(status), Some(10.0));
        assert_eq!(anonymous_mib("VmRSS:\t 1 kB\n"), None);
    }
}
