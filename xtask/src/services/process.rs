//! A server's process, told apart from whichever process gets its number later by the time when it began.

use std::fmt;
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, bail};

use crate::process;

pub(super) struct Process {
    id: u32,
    /// In the kernel's ticks since the machine's start.
    begun: u64,
}

impl Process {
    /// In a process group of its own, so that Ctrl-C in a terminal doesn't reach it.
    pub(super) fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let begun = begun(child.id()).context("it ended at once, or this system has no /proc")?;
        Ok(Self { id: child.id(), begun })
    }

    pub(super) fn runs(&self) -> bool {
        begun(self.id) == Some(self.begun)
    }

    /// Asks it to end, and ends it when that takes longer than `patience`.
    pub(super) fn stop(&self, patience: Duration) -> Result<()> {
        // All hear TERM; INT tells PostgreSQL not to wait for its clients.
        for signals in [["TERM", "INT"].as_slice(), &["KILL"]] {
            for signal in signals {
                let kill = format!("kill -{signal} {}", self.id);
                if self.runs() {
                    process::succeeds(Command::new("sh").args(["-c", &kill]));
                }
            }
            let asked = Instant::now();
            while self.runs() && asked.elapsed() < patience {
                sleep(Duration::from_millis(20));
            }
        }
        if self.runs() {
            bail!("process {} doesn't end", self.id);
        }
        Ok(())
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.begun)
    }
}

impl FromStr for Process {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (id, begun) = text.trim().split_once(' ').context("a process is two numbers")?;
        Ok(Self {
            id: id.parse()?,
            begun: begun.parse()?,
        })
    }
}

/// When the process began, if there is one and it hasn't ended.
fn begun(id: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before the last parenthesis may hold anything; proc(5) numbers what follows from 3.
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}
