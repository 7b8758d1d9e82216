//! A list of objects, one at a time.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufReader, Read};

use serde_json::Deserializer;
use serde_json::Value as Json;
use serde_json::error::Category;

use super::{BUFFER_BYTES, End, RECORD_BYTES_MAX, Sink, object, too_long};

pub(super) fn read(input: impl Read, sink: &mut Sink) -> Result<(), End> {
    let left = Cell::new(RECORD_BYTES_MAX);
    let input = Limited {
        input: BufReader::with_capacity(BUFFER_BYTES, input),
        left: &left,
    };
    let mut unheard = None;
    let mut json = Deserializer::from_reader(input);
    #[cfg(feature = "mutants")]
    if mutant!(FileDepth) {
        json.disable_recursion_limit();
    }
    let list = List {
        sink,
        left: &left,
        ended: &mut unheard,
    };
    let parsed = serde::Deserializer::deserialize_seq(&mut json, list).and_then(|()| {
        left.set(RECORD_BYTES_MAX);
        json.end()
    });
    match (unheard, parsed) {
        (Some(end), _) => Err(end),
        (None, Ok(())) => Ok(()),
        (None, Err(_)) if left.get() == 0 => Err(End::Broken(too_long())),
        (None, Err(error)) if error.classify() == Category::Data => {
            Err(End::Broken("the file must be a list of records: [{…}, {…}]".to_owned()))
        }
        (None, Err(error)) => Err(End::Broken(error.to_string())),
    }
}

/// Gives so many bytes until more are allowed.
struct Limited<'l, R> {
    input: R,
    left: &'l Cell<usize>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let allowed = buffer.len().min(self.left.get());
        if allowed == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let count = self.input.read(&mut buffer[..allowed])?;
        self.left.set(self.left.get() - count);
        Ok(count)
    }
}

struct List<'l> {
    sink: &'l mut Sink,
    left: &'l Cell<usize>,
    ended: &'l mut Option<End>,
}

impl<'de> serde::de::Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut records: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(record) = records.next_element::<Json>()? {
            number += 1;
            let bytes = RECORD_BYTES_MAX - self.left.replace(RECORD_BYTES_MAX);
            if let Err(end) = self.sink.take(number, object(record), bytes) {
                *self.ended = Some(end);
                return Err(serde::de::Error::custom("nobody listens"));
            }
        }
        Ok(())
    }
}
