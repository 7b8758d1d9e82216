//! An object per line.

use std::io::{BufRead, BufReader, Read};

use super::{BUFFER_BYTES, End, RECORD_BYTES_MAX, Sink, object, too_long};

pub(super) fn read(input: impl Read, sink: &mut Sink) -> Result<(), End> {
    let mut input = BufReader::with_capacity(BUFFER_BYTES, input);
    let mut line = Vec::new();
    let mut number = 0;
    loop {
        line.clear();
        let length = next_line(&mut input, &mut line)?;
        if length == 0 {
            return Ok(());
        }
        number += 1;
        if length > RECORD_BYTES_MAX {
            sink.take(number, Err(too_long()), 0)?;
        } else if !line.trim_ascii().is_empty() {
            let record = serde_json::from_slice(&line).map_err(|error| unnumbered(&error));
            sink.take(number, record.and_then(object), length)?;
        }
    }
}

/// Its length with its end, 0 after the last; of a line that is too long only a beginning is kept.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<usize, End> {
    let mut length = 0;
    loop {
        let buffer = input.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let part = end.map_or(buffer.len(), |end| end + 1);
        if line.len() + part <= RECORD_BYTES_MAX {
            line.extend_from_slice(&buffer[..part]);
        }
        length += part;
        input.consume(part);
        if end.is_some() || part == 0 {
            return Ok(length);
        }
    }
}

/// What is wrong, and in which column of the line.
fn unnumbered(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    match error.column() {
        0 => text.to_owned(),
        column => format!("{text}, at column {column}"),
    }
}
