//! wrk: how it is called, and what its script says at the end.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::http::Request;
use crate::process;
use crate::tools;
use crate::workspace::Workspace;

pub(crate) const CONNECTIONS: u32 = 64;
pub(crate) const THREADS: u32 = 2;
const MARK: &str = "RESULT ";

/// What one run of wrk measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// Sends `requests` in turn for so many seconds.
///
/// # Errors
/// A single answer that isn't a success, or a connection that fails.
pub(crate) fn run(workspace: &Workspace, address: &str, requests: &Path, seconds: u32) -> Result<Measured> {
    run_watching(workspace, address, requests, seconds, None)
}

/// The same, and an answer that holds the text `mistake` is no success, whatever its status.
pub(crate) fn run_watching(
    workspace: &Workspace,
    address: &str,
    requests: &Path,
    seconds: u32,
    mistake: Option<&str>,
) -> Result<Measured> {
    let mut wrk = Command::new(tools::WRK.ensure()?);
    wrk.arg(format!("--threads={THREADS}"))
        .arg(format!("--connections={CONNECTIONS}"))
        .arg(format!("--duration={seconds}s"))
        .arg("--timeout=30s")
        .arg("--script")
        .arg(workspace.root.join("bench/load.lua"))
        .arg(format!("http://{address}/"))
        .arg("--")
        .arg(requests)
        .arg(THREADS.to_string())
        .args(mistake);
    parse(&process::output(&mut wrk)?)
}

/// Writes what `bench/load.lua` reads.
pub(crate) fn write_requests(path: &Path, address: &str, requests: &[Request]) -> Result<()> {
    let mut bytes = Vec::new();
    for request in requests {
        let request = request.bytes(address);
        bytes.extend_from_slice(format!("{}\n", request.len()).as_bytes());
        bytes.extend_from_slice(&request);
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn parse(output: &str) -> Result<Measured> {
    let line = output.lines().find_map(|line| line.strip_prefix(MARK));
    let line = line.with_context(|| format!("wrk's script wrote no result:\n{output}"))?;
    let result: Value = serde_json::from_str(line).context("wrk's script wrote something that is not JSON")?;
    let number = |name: &str| {
        result[name]
            .as_f64()
            .with_context(|| format!("wrk's result has no `{name}`"))
    };
    for failure in ["refused", "mistaken", "connect", "read", "write", "timeout"] {
        let count = number(failure)?;
        if count > 0.0 {
            bail!("{count} requests failed ({failure}): {line}");
        }
    }
    let (requests, duration_us) = (number("requests")?, number("duration_us")?);
    if requests == 0.0 || duration_us == 0.0 {
        bail!("nothing was answered: {line}");
    }
    Ok(Measured {
        per_second: requests / duration_us * 1e6,
        p50_ms: number("p50_us")? / 1e3,
        p99_ms: number("p99_us")? / 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(refused: u32, timeout: u32) -> String {
        format!(
            "Running 5s test @ http://127.0.0.1:1/\n  2 threads and 64 connections\n  Thread Stats   Avg      Stdev\n\
             RESULT {{\"requests\":50000,\"duration_us\":5000000,\"p50_us\":4200,\"p99_us\":9100,\"refused\":{refused},\"mistaken\":0,\
             \"connect\":0,\"read\":0,\"write\":0,\"timeout\":{timeout}}}\n"
        )
    }

    #[test]
    fn reads_what_the_script_writes() {
        let expected = Measured {
            per_second: 10_000.0,
            p50_ms: 4.2,
            p99_ms: 9.1,
        };
        assert_eq!(parse(&output(0, 0)).unwrap(), expected);
    }

    #[test]
    fn any_failure_fails_the_run() {
        assert!(parse(&output(1, 0)).unwrap_err().to_string().contains("refused"));
        assert!(parse(&output(0, 2)).unwrap_err().to_string().contains("timeout"));
        assert!(parse("Running 5s test\n").is_err());
        assert!(parse(&output(0, 0).replace("50000,", "0,")).is_err());
    }
}
