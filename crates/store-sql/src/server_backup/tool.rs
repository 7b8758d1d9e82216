//! Programs that come with a server, found on the PATH. They end with whoever waits for them.

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Output, Stdio};

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
    Err(failed(tool, &output.stderr, output.status))
}

/// What `read` makes of all that the program writes; it has to end well, too. Where both fail, `read` did first: the program
/// had nobody left to write to.
pub(crate) async fn read_from<T: Send + 'static, E: Send + 'static, O: Error + 'static>(
    tool: &'static str,
    mut command: Command,
    read: impl FnOnce(File) -> std::result::Result<T, E> + Send + 'static,
) -> Result<std::result::Result<T, E>, O> {
    settle(&mut command).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = spawn::<O>(tool, command)?;
    let pipe = child.stdout.take().expect("it is piped").into_owned_fd();
    with_pipe(tool, child, pipe.map(File::from), read, |_| false).await
}

/// What comes of `write`, which tells the program all that it reads; it has to end well, too. `is_closed`: the program
/// ended before it was told all, and what it said of that is the failure.
pub(crate) async fn write_to<T: Send + 'static, E: Send + 'static, O: Error + 'static>(
    tool: &'static str,
    mut command: Command,
    write: impl FnOnce(File) -> std::result::Result<T, E> + Send + 'static,
    is_closed: impl Fn(&E) -> bool,
) -> Result<std::result::Result<T, E>, O> {
    settle(&mut command).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = spawn::<O>(tool, command)?;
    let pipe = child.stdin.take().expect("it is piped").into_owned_fd();
    with_pipe(tool, child, pipe.map(File::from), write, is_closed).await
}

async fn with_pipe<T: Send + 'static, E: Send + 'static, O: Error + 'static>(
    tool: &'static str,
    mut child: Child,
    pipe: io::Result<File>,
    work: impl FnOnce(File) -> std::result::Result<T, E> + Send + 'static,
    is_closed: impl Fn(&E) -> bool,
) -> Result<std::result::Result<T, E>, O> {
    let pipe = pipe.map_err(|error| unstarted::<O>(tool, &error))?;
    let said = said(child.stderr.take().expect("it is piped"));
    // The pipe ends with the program, and the work with the pipe.
    let (done, said, status) = tokio::join!(spawn_blocking(move || work(pipe)), said, child.wait());
    let status = status.map_err(|error| unstarted::<O>(tool, &error))?;
    let done = done.map_err(|error| ServerBackupError::Refused(error.to_string()))?;
    match done {
        Ok(_) if !status.success() => Err(failed(tool, &said, status)),
        Err(error) if is_closed(&error) => Err(failed(tool, &said, status)),
        done => Ok(done),
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

/// By what it said or, where it said nothing, by how it ended.
fn failed<O: Error + 'static>(tool: &'static str, said: &[u8], status: ExitStatus) -> ServerBackupError<O> {
    let said = match String::from_utf8_lossy(said).trim() {
        "" => format!("it ended early ({status})"),
        said => said.to_owned(),
    };
    ServerBackupError::ToolFailed { tool, said }
}

/// An option with its value.
pub(crate) fn argument(option: &str, value: &Path) -> OsString {
    let mut argument = OsString::from(option);
    argument.push(value);
    argument
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// More than any pipe holds, to a program that reads none of it.
    async fn tell(script: &str) -> String {
        let write = |mut program: File| program.write_all(&vec![b' '; 1 << 20]);
        let told = write_to::<_, _, io::Error>("sh", shell(script), write, |_| true).await;
        told.map_or_else(|error| error.to_string(), |told| format!("{told:?}"))
    }

    #[tokio::test]
    async fn what_a_program_says_is_told_and_not_that_its_pipe_broke() {
        assert_eq!(tell("echo no room >&2; exit 1").await, "sh failed: no room");
        assert_eq!(tell("echo no room >&2; exit 0").await, "sh failed: no room");
        assert_eq!(tell("exit 3").await, "sh failed: it ended early (exit status: 3)");
        assert_eq!(tell("cat").await, "Ok(())");
    }

    #[tokio::test]
    async fn who_reads_fails_first_and_its_program_afterwards() {
        let read = |mut program: File| {
            program.read_exact(&mut [0; 10]).expect("the program writes");
            Err::<(), _>("no room")
        };
        let script = "head -c 1000000 /dev/zero || { echo broken pipe >&2; exit 1; }";
        let done = read_from::<_, _, io::Error>("sh", shell(script), read).await;
        assert_eq!(done.expect("the program is not to blame"), Err("no room"));
    }
}
