//! Reading a file on a thread of its own, a batch of records at a time.

mod csv;
#[cfg(feature = "mutants")]
pub(crate) mod fuzz;
mod json;
mod ndjson;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use engine::Model;
use engine::model::CollectionId;
use engine::operations::Data;
use engine::operations::import::Draft;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Format;
use crate::failure::Failure;

/// The most that one record may measure in the file.
pub(crate) const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Where a batch ends.
const BATCH_RECORDS: usize = 1000;
const BATCH_BYTES: usize = 1024 * 1024;
/// Batches that wait.
const WAITING_MAX: usize = 2;
/// Of each read of the file.
const BUFFER_BYTES: usize = 64 * 1024;
/// What some programs put in front of UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// What the thread says, in the order of the file.
#[derive(Debug)]
pub(crate) enum Message {
    /// The columns of a CSV file, before all records.
    Header(Vec<String>),
    Batch(Batch),
    /// Reading can't go on: behind that place, for that reason.
    Broken {
        place: u64,
        reason: String,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) drafts: Vec<Draft>,
    /// Records that are none, each with its place and the reason.
    pub(crate) bad: Vec<(u64, String)>,
}

/// Where the bytes come from, and how many there were.
pub(crate) struct Input {
    source: Box<dyn Read + Send>,
    /// `None`: not known before the end.
    pub(crate) size: Option<u64>,
    read: Arc<AtomicU64>,
}

impl Input {
    /// A file, or standard input for `-`.
    ///
    /// # Errors
    /// It can't be read.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::new(Box::new(io::stdin()), None));
        }
        let unreadable = |error: io::Error| {
            let message = format!("{} can't be read: {error}", path.display());
            match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::IsADirectory => Failure::mistake(message),
                _ => Failure::environment(message),
            }
        };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        let size = metadata.is_file().then_some(metadata.len());
        if mutant!(ImportInParts) {
            let whole = std::fs::read(path).map_err(unreadable)?;
            return Ok(Self::new(Box::new(io::Cursor::new(whole)), size));
        }
        Ok(Self::new(Box::new(file), size))
    }

    fn new(source: Box<dyn Read + Send>, size: Option<u64>) -> Self {
        Self {
            source,
            size,
            read: Arc::default(),
        }
    }

    /// Bytes read so far.
    pub(crate) fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Starts the thread. It ends with the file, or when nobody listens any more.
///
/// # Errors
/// The machine gives no thread.
pub(crate) fn start(
    input: Input,
    format: Format,
    model: Arc<Model>,
    collection: CollectionId,
) -> Result<Receiver<Message>, Failure> {
    let (sender, receiver) = channel(WAITING_MAX);
    thread::Builder::new()
        .name("import-file".to_owned())
        .spawn(move || read(input, format, &model, collection, sender))
        .map_err(|error| Failure::environment(format!("the machine gives no thread: {error}")))?;
    Ok(receiver)
}

fn read(input: Input, format: Format, model: &Model, collection: CollectionId, sender: Sender<Message>) {
    let mut sink = Sink {
        sender,
        batch: Batch::default(),
        bytes: 0,
        last: 0,
    };
    let ended = without_mark(input).and_then(|input| match format {
        Format::Csv => csv::read(input, model.collection(collection), &mut sink),
        Format::Json => json::read(input, &mut sink),
        Format::Ndjson => ndjson::read(input, &mut sink),
    });
    // Both fail only when nobody listens any more.
    let _ = match ended {
        Ok(()) => sink.flush(),
        Err(End::Unheard) => Err(End::Unheard),
        Err(End::Broken(reason)) => {
            let place = sink.last;
            sink.flush().and_then(|()| sink.say(Message::Broken { place, reason }))
        }
    };
}

/// Why reading ends before the file does.
enum End {
    /// Nobody listens.
    Unheard,
    Broken(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Broken(format!("the file can't be read: {error}"))
    }
}

/// Without a byte order mark, or several: the parser of CSV takes one for none as well, if it sees it in one piece.
fn without_mark(mut input: Input) -> Result<impl Read, End> {
    let mut first = Vec::new();
    loop {
        first.clear();
        (&mut input)
            .take(BYTE_ORDER_MARK.len() as u64)
            .read_to_end(&mut first)?;
        if first != BYTE_ORDER_MARK {
            return Ok(io::Cursor::new(first).chain(input));
        }
    }
}

/// Gathers batches and hands them over.
struct Sink {
    sender: Sender<Message>,
    batch: Batch,
    bytes: usize,
    /// The place of the last record.
    last: u64,
}

impl Sink {
    fn say(&mut self, message: Message) -> Result<(), End> {
        self.sender.blocking_send(message).map_err(|_| End::Unheard)
    }

    /// A record of so many bytes, or why it is none. Places that aren't behind the last one are moved there.
    fn take(&mut self, place: u64, record: Result<Data, String>, bytes: usize) -> Result<(), End> {
        self.last = place.max(self.last + 1);
        let place = self.last;
        match record {
            Ok(data) => self.batch.drafts.push(Draft { place, data }),
            Err(reason) => self.batch.bad.push((place, reason)),
        }
        self.bytes += bytes;
        if self.batch.drafts.len() + self.batch.bad.len() >= BATCH_RECORDS || self.bytes >= BATCH_BYTES {
            return self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), End> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.drafts.is_empty() && batch.bad.is_empty() {
            return Ok(());
        }
        self.say(Message::Batch(batch))
    }
}

fn too_long() -> String {
    format!("is longer than {} MiB", RECORD_BYTES_MAX / (1024 * 1024))
}

fn object(json: serde_json::Value) -> Result<Data, String> {
    match json {
        serde_json::Value::Object(data) => Ok(data),
        _ => Err("must be an object".to_owned()),
    }
}
