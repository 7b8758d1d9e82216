//! CSV after RFC 4180, as spreadsheets and databases write it: commas, quotes, any kind of line end.
//!
//! A cell without anything in it is null; one with quotes and nothing between them is the empty text.

use std::io::{BufRead, BufReader, Read};

use csv_core::{ReadFieldResult, Reader};
use engine::model::Collection;
use engine::operations::Data;
use serde_json::Value as Json;

use super::{BUFFER_BYTES, End, Message, RECORD_BYTES_MAX, Sink, too_long};
use crate::transfer::Notation;

pub(super) fn read(input: impl Read, collection: &Collection, sink: &mut Sink) -> Result<(), End> {
    let mut rows = Rows::new(input);
    if !rows.next()? {
        return Err(End::Broken("the file has no header".to_owned()));
    }
    let names = header(&rows.row).map_err(End::Broken)?;
    sink.say(Message::Header(names.clone()))?;
    let columns: Vec<_> = names
        .into_iter()
        .map(|name| (Notation::of_column(collection, &name), name))
        .collect();
    while rows.next()? {
        let row = &rows.row;
        sink.take(row.line, record(row, &columns), row.bytes)?;
    }
    Ok(())
}

fn header(row: &Row) -> Result<Vec<String>, String> {
    if let Some(reason) = row.broken() {
        return Err(format!("the header {reason}"));
    }
    let mut names: Vec<String> = Vec::with_capacity(row.cells.len());
    for (cell, _) in row.cells() {
        let name = std::str::from_utf8(cell).map_err(|_| "the header is not UTF-8".to_owned())?;
        let name = name.trim();
        if names.iter().any(|other| other == name) {
            return Err(format!("the header has {name} twice"));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn record(row: &Row, columns: &[(Notation, String)]) -> Result<Data, String> {
    if let Some(reason) = row.broken() {
        return Err(reason);
    }
    if row.cells.len() != columns.len() {
        let (found, expected) = (row.cells.len(), columns.len());
        return Err(format!("has {found} cells where the header has {expected}"));
    }
    let mut data = Data::with_capacity(columns.len());
    for ((cell, quoted), (notation, name)) in row.cells().zip(columns) {
        let text = std::str::from_utf8(cell).map_err(|_| format!("{name}: is not UTF-8"))?;
        let is_null = text.is_empty() && !(quoted && *notation == Notation::Text);
        let value = if is_null { Json::Null } else { notation.read(text) };
        data.insert(name.clone(), value);
    }
    Ok(data)
}

/// One record: its cells one behind the other.
#[derive(Default)]
struct Row {
    line: u64,
    bytes: usize,
    text: Vec<u8>,
    /// Where each cell ends in `text`, and whether it began with a quote.
    cells: Vec<(usize, bool)>,
    /// The file ended within quotes.
    is_open: bool,
}

impl Row {
    fn cells(&self) -> impl Iterator<Item = (&[u8], bool)> {
        let begins = std::iter::once(0).chain(self.cells.iter().map(|(end, _)| *end));
        begins
            .zip(&self.cells)
            .map(|(begin, (end, quoted))| (&self.text[begin..*end], *quoted))
    }

    fn broken(&self) -> Option<String> {
        if self.bytes > RECORD_BYTES_MAX {
            Some(format!("{}; perhaps a quote is not closed", too_long()))
        } else if self.is_open {
            Some("has a quote that is not closed".to_owned())
        } else {
            None
        }
    }
}

struct Rows<R> {
    input: BufReader<R>,
    parser: Reader,
    /// A part of a cell.
    part: Vec<u8>,
    row: Row,
}

impl<R: Read> Rows<R> {
    fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            parser: Reader::new(),
            part: vec![0; BUFFER_BYTES],
            row: Row::default(),
        }
    }

    /// Whether there is another.
    fn next(&mut self) -> Result<bool, End> {
        self.skip_line_ends()?;
        self.row.line = self.parser.line();
        self.row.bytes = 0;
        self.row.is_open = false;
        self.row.text.clear();
        self.row.cells.clear();
        loop {
            let quoted = self.input.fill_buf()?.first() == Some(&b'"');
            let Some(is_last) = self.cell(quoted)? else {
                return Ok(false);
            };
            self.row.cells.push((self.row.text.len(), quoted));
            if is_last {
                return Ok(true);
            }
        }
    }

    /// So that the next byte is a cell's first, which tells whether it is quoted.
    fn skip_line_ends(&mut self) -> Result<(), End> {
        loop {
            let buffer = self.input.fill_buf()?;
            let ends = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if ends == 0 {
                return Ok(());
            }
            self.parser.read_field(&buffer[..ends], &mut self.part);
            self.input.consume(ends);
        }
    }

    /// Whether it was the last of its row; `None` at the end of the file.
    fn cell(&mut self, quoted: bool) -> Result<Option<bool>, End> {
        let mut last = 0;
        loop {
            let buffer = self.input.fill_buf()?;
            let at_end = buffer.is_empty();
            let (result, read, written) = self.parser.read_field(buffer, &mut self.part);
            last = read.checked_sub(1).map_or(last, |index| buffer[index]);
            self.input.consume(read);
            self.row.bytes += read;
            if self.row.bytes <= RECORD_BYTES_MAX {
                self.row.text.extend_from_slice(&self.part[..written]);
            }
            match result {
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::Field { record_end } => {
                    self.row.is_open = quoted && at_end && last != b'"';
                    return Ok(Some(record_end));
                }
                ReadFieldResult::End => return Ok(None),
            }
        }
    }
}
