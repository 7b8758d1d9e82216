//! Creates while somebody else is at the database: a program that reads and doesn't end, and an import.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::cases::Case;
use super::files;
use super::load::{self, Measured};
use super::ninefold::{self, Ninefold};
use super::server::{Contender, Durability};
use crate::tools;
use crate::workspace::Workspace;

const WARM_UP_S: u32 = 2;
/// Records of the import.
pub(crate) const IMPORTED: usize = 100_000;
/// Between two looks at the log's size.
const LOOK: Duration = Duration::from_millis(20);

/// A transaction that reads for as long as its standard input is open.
const READER: &str = "
import sqlite3, sys
connection = sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True, isolation_level=None)
connection.execute('BEGIN')
connection.execute('SELECT count(*) FROM post').fetchone()
print('reading', flush=True)
sys.stdin.read()
";

/// Creates, and the write-ahead log at its longest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Creates {
    pub(crate) measured: Measured,
    pub(crate) log_mib: f64,
}

pub(crate) struct Disturbed {
    pub(crate) by_nobody: Creates,
    pub(crate) by_reader: Creates,
    pub(crate) by_import: Creates,
    /// Records a second of an import with nothing beside it.
    pub(crate) imported_per_second: f64,
}

pub(crate) fn measure(workspace: &Workspace, ninefold: &Ninefold, seconds: u32) -> Result<Disturbed> {
    let records = files::folder(workspace)?.join("import.ndjson");
    write_records(&records)?;
    let import = Import { ninefold, records };
    let disturbed = Disturbed {
        by_nobody: creates(workspace, ninefold, seconds, |_| Ok(()))?,
        by_reader: creates(workspace, ninefold, seconds, Reader::start)?,
        by_import: creates(workspace, ninefold, seconds, |database| import.start(database))?,
        imported_per_second: import.alone(workspace)?,
    };
    fs::remove_file(&import.records)?;
    Ok(disturbed)
}

/// Creates for so long, beside what `disturb` begins; it ends when what it answers is dropped.
fn creates<T>(
    workspace: &Workspace,
    ninefold: &Ninefold,
    seconds: u32,
    disturb: impl FnOnce(&Path) -> Result<T>,
) -> Result<Creates> {
    let work = files::folder(workspace)?;
    let data = work.join("data");
    files::copy(ninefold.template(), &data)?;
    let database = ninefold::database(&data);
    let running = ninefold.start(&data, Durability::Full)?;
    let requests: Vec<_> = (0..Case::Create.requests())
        .map(|number| ninefold.request(Case::Create, number, ""))
        .collect();
    let file = work.join("requests");
    load::write_requests(&file, &running.client.address, &requests)?;
    load::run(workspace, &running.client.address, &file, WARM_UP_S)?;
    let (is_over, longest) = (AtomicBool::new(false), AtomicU64::new(0));
    let log = PathBuf::from(format!("{}-wal", database.display()));
    let measured = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let length = fs::metadata(&log).map_or(0, |metadata| metadata.len());
                longest.fetch_max(length, Ordering::Relaxed);
                thread::sleep(LOOK);
            }
        });
        let measured =
            disturb(&database).and_then(|_disturbing| load::run(workspace, &running.client.address, &file, seconds));
        is_over.store(true, Ordering::Relaxed);
        measured
    })?;
    running.stop()?;
    files::remove(&data)?;
    #[expect(clippy::cast_precision_loss, reason = "no log has 2^53 bytes")]
    let log_mib = longest.into_inner() as f64 / 1024.0 / 1024.0;
    Ok(Creates { measured, log_mib })
}

/// Another program, in the middle of a transaction.
struct Reader(Child);

impl Reader {
    fn start(database: &Path) -> Result<Self> {
        let mut child = Command::new(tools::PYTHON.ensure()?)
            .args(["-c", READER])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start Python")?;
        let said = child.stdout.take().context("standard output was piped")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line)?;
        ensure!(line.trim() == "reading", "the reader does not read");
        Ok(Self(child))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        // Both fail only when it has just ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Import<'n> {
    ninefold: &'n Ninefold,
    records: PathBuf,
}

impl Import<'_> {
    fn command(&self, database: &Path) -> Command {
        let mut command = self.ninefold.import("notes", &self.records, database);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// Beside the server, which it holds up longer than the measurement takes.
    fn start(&self, database: &Path) -> Result<Reader> {
        Ok(Reader(
            self.command(database).spawn().context("cannot start an import")?,
        ))
    }

    fn alone(&self, workspace: &Workspace) -> Result<f64> {
        let data = files::folder(workspace)?.join("data");
        files::copy(self.ninefold.template(), &data)?;
        let began = Instant::now();
        let status = self.command(&ninefold::database(&data)).status()?;
        let seconds = began.elapsed().as_secs_f64();
        ensure!(status.success(), "the import failed: {status}");
        files::remove(&data)?;
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^53")]
        Ok(IMPORTED as f64 / seconds)
    }
}

fn write_records(path: &Path) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = std::io::BufWriter::new(file);
    for number in 0..IMPORTED {
        // Beyond all that are stored, and all that are created.
        writeln!(out, "{}", ninefold::note(10_000_000 + number))?;
    }
    Ok(out.flush()?)
}
