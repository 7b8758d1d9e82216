//! What fuzzing holds against the readers: any bytes end in records and complaints, in order, and the same ones however
//! the bytes come.

use std::io::{self, Cursor, Read};
use std::sync::{Arc, LazyLock};
use std::thread;

use engine::Model;
use tokio::sync::mpsc::channel;

use super::{Input, Message, RECORD_BYTES_MAX, WAITING_MAX, read};
use crate::transfer::Format;

const SCHEMA: &str = r#"
type Person @collection {
  name: String! age: Int balance: Decimal active: Boolean data: JSON tags: [String!] boss: Person friends: [Person!]!
}
"#;

static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| {
    let model = Model::read(SCHEMA, "schema.graphql").unwrap_or_else(|report| panic!("{report}"));
    Arc::new(model)
});

/// # Panics
/// Where a promise is broken.
pub(crate) fn run(format: Format, input: &[u8]) {
    let whole = told(format, Box::new(Cursor::new(input.to_vec())));
    check(format, input, &whole);
    // As a pipe may give them: an odd number at a time, small enough to end in the middle of whatever there is.
    let at_once = 1 + input.len() % 13;
    let bytes = Cursor::new(input.to_vec());
    let in_parts = told(format, Box::new(Parts { bytes, at_once }));
    assert_eq!(
        format!("{whole:?}"),
        format!("{in_parts:?}"),
        "it depends on where a part ends"
    );
}

/// All that the reader says, on a thread as import has it.
fn told(format: Format, source: Box<dyn Read + Send>) -> Vec<Message> {
    let input = Input::new(source, None);
    let (sender, mut receiver) = channel(WAITING_MAX);
    let collection = MODEL.collections[0].id;
    let reader = thread::spawn(move || read(input, format, &MODEL, collection, sender));
    let mut told = Vec::new();
    while let Some(message) = receiver.blocking_recv() {
        told.push(message);
    }
    reader.join().expect("the reader does not panic");
    told
}

fn check(format: Format, input: &[u8], told: &[Message]) {
    let mut last = 0;
    let mut columns = None;
    for (index, message) in told.iter().enumerate() {
        match message {
            Message::Header(names) => {
                assert_eq!((format, index), (Format::Csv, 0), "a header comes first");
                columns = Some(names.len());
            }
            Message::Batch(batch) => {
                let drafts = batch.drafts.iter().map(|draft| draft.place);
                let mut places: Vec<u64> = drafts.chain(batch.bad.iter().map(|(place, _)| *place)).collect();
                places.sort_unstable();
                assert!(!places.is_empty() && last < places[0], "places go on");
                assert!(places.is_sorted_by(|a, b| a < b), "a place has one record: {places:?}");
                last = places[places.len() - 1];
                for draft in &batch.drafts {
                    assert!(
                        columns.is_none_or(|count| draft.data.len() == count),
                        "a cell for each column"
                    );
                }
                assert!(batch.bad.iter().all(|(_, reason)| is_short(reason, input)));
            }
            Message::Broken { place, reason } => {
                assert_eq!(index + 1, told.len(), "nothing comes behind the end");
                assert!(*place >= last && is_short(reason, input));
            }
        }
    }
}

/// A complaint may name a column, but is no copy of the file.
fn is_short(reason: &str, input: &[u8]) -> bool {
    !reason.is_empty() && reason.len() < 200 + input.len().min(RECORD_BYTES_MAX)
}

struct Parts {
    bytes: Cursor<Vec<u8>>,
    at_once: usize,
}

impl Read for Parts {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(self.at_once);
        self.bytes.read(&mut buffer[..length])
    }
}
