//! Programs that come with a server, found on the PATH. They end with whoever waits for them.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::task::spawn_blocking;

use super::ServerBackupError;

/// What a program says of its failure is kept up to here.
const SAID_BYTES_MAX: usize = 16 * 1024;

type Result<T, O> = std::result::Result<T, ServerBackupError<O>>;

/// What it says, when it has ended, well or not.
pub(crate) async fn output<O: Error + 'static>(tool: &'static str, mut command: Command) -> Result<Output, O> {
    settle(&mut command).stdin(Stdio::null());
    command.output().await.map_err(|error| unstarted(tool, &error))
}

/// As [`output`], and it has to end well.
pub(crate) async fn run<O: Error + 'static>(tool: &'static str, command: Command) -> Result<Output, O> {
    let output = output::<O>(tool, command).await?;
    if output.status.success() {
        return Ok(output);
    }
    Err(failed(tool, &output.stderr))
}

/// What `read` makes of all that the program writes; it has to end well, too.
pub(crate) async fn read_from<T: Send + 'static, O: Error + 'static>(
    tool: &'static str,
    mut command: Command,
    read: impl FnOnce(File) -> T + Send + 'static,
) -> Result<T, O> {
    settle(&mut command).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = spawn::<O>(tool, command)?;
    let pipe = child.stdout.take().expect("it is piped").into_owned_fd();
    with_pipe(tool, child, pipe.map(File::from), read).await
}

/// What comes of `write`, which tells the program all that it reads; it has to end well, too.
pub(crate) async fn write_to<T: Send + 'static, O: Error + 'static>(
    tool: &'static str,
    mut command: Command,
    write: impl FnOnce(File) -> T + Send + 'static,
) -> Result<T, O> {
    settle(&mut command).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = spawn::<O>(tool, command)?;
    let pipe = child.stdin.take().expect("it is piped").into_owned_fd();
    with_pipe(tool, child, pipe.map(File::from), write).await
}

async fn with_pipe<T: Send + 'static, O: Error + 'static>(
    tool: &'static str,
    mut child: Child,
    pipe: io::Result<File>,
    work: impl FnOnce(File) -> T + Send + 'static,
) -> Result<T, O> {
    let pipe = pipe.map_err(|error| unstarted::<O>(tool, &error))?;
    let said = said(child.stderr.take().expect("it is piped"));
    // The pipe ends with the program, and the work with the pipe.
    let (done, said, status) = tokio::join!(spawn_blocking(move || work(pipe)), said, child.wait());
    match status {
        Ok(status) if status.success() => done.map_err(|error| ServerBackupError::Refused(error.to_string())),
        Ok(_) => Err(failed(tool, &said)),
        Err(error) => Err(unstarted(tool, &error)),
    }
}

fn settle(command: &mut Command) -> &mut Command {
    command.env("LC_ALL", "C").stderr(Stdio::piped()).kill_on_drop(true)
}

fn spawn<O: Error + 'static>(tool: &'static str, mut command: Command) -> Result<Child, O> {
    command.spawn().map_err(|error| unstarted(tool, &error))
}

/// The beginning of what is said; the rest is let go.
async fn said(mut from: impl AsyncRead + Unpin) -> Vec<u8> {
    let (mut kept, mut chunk) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let room = SAID_BYTES_MAX - kept.len();
        kept.extend_from_slice(&chunk[..length.min(room)]);
    }
    kept
}

fn unstarted<O: Error + 'static>(tool: &'static str, error: &io::Error) -> ServerBackupError<O> {
    match error.kind() {
        io::ErrorKind::NotFound => ServerBackupError::NoTool(tool),
        _ => ServerBackupError::ToolFailed {
            tool,
            said: error.to_string(),
        },
    }
}

fn failed<O: Error + 'static>(tool: &'static str, said: &[u8]) -> ServerBackupError<O> {
    let said = String::from_utf8_lossy(said).trim().to_owned();
    ServerBackupError::ToolFailed { tool, said }
}

/// An option with its value.
pub(crate) fn argument(option: &str, value: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(value);
    argument
}
