//! Rows as lines of a file, written straight from their values.

use std::io::{self, Write};

use engine::Model;
use engine::model::{Row, Value};
use engine::query::{Projection, json};

use super::Format;

/// Renders rows, one after the other.
pub(crate) struct Writer<W> {
    out: W,
    format: Format,
    row: Vec<u8>,
    cell: Vec<u8>,
    is_first: bool,
}

impl<W: Write> Writer<W> {
    /// Begins with what stands before the first row.
    pub(crate) fn start(mut out: W, format: Format, model: &Model, projection: &Projection) -> io::Result<Self> {
        match format {
            Format::Json => out.write_all(b"[")?,
            Format::Ndjson => {}
            Format::Csv => {
                let collection = model.collection(projection.collection);
                let names: Vec<_> = projection
                    .items
                    .iter()
                    .map(|item| collection.field(item.field).name.as_str())
                    .collect();
                out.write_all(names.join(",").as_bytes())?;
                out.write_all(b"\n")?;
            }
        }
        Ok(Self {
            out,
            format,
            row: Vec::new(),
            cell: Vec::new(),
            is_first: true,
        })
    }

    pub(crate) fn row(&mut self, model: &Model, projection: &Projection, row: &Row) -> io::Result<()> {
        self.row.clear();
        match self.format {
            Format::Csv => {
                self.cells(model, projection, row);
                self.row.push(b'\n');
            }
            Format::Ndjson => {
                json::write_row(&mut self.row, model, projection, row);
                self.row.push(b'\n');
            }
            Format::Json => {
                self.row.extend_from_slice(if self.is_first { b"\n" } else { b",\n" });
                json::write_row(&mut self.row, model, projection, row);
            }
        }
        self.is_first = false;
        self.out.write_all(&self.row)
    }

    /// Ends with what stands behind the last row.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if self.format == Format::Json {
            self.out.write_all(if self.is_first { b"]\n" } else { b"\n]\n" })?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn cells(&mut self, model: &Model, projection: &Projection, row: &Row) {
        let collection = model.collection(projection.collection);
        for (index, (item, value)) in projection.items.iter().zip(&row.0).enumerate() {
            if index > 0 {
                self.row.push(b',');
            }
            match value {
                Value::Null => {}
                Value::Text(text) => write_cell(&mut self.row, text.as_bytes()),
                _ => {
                    self.cell.clear();
                    let kind = &collection.field(item.field).kind;
                    json::write_item(&mut self.cell, model, item, kind, value);
                    let is_json = matches!(value, Value::Json(_));
                    match self.cell.as_slice() {
                        // A day, an id: what needs no escape in JSON needs none here.
                        [b'"', plain @ .., b'"'] if !is_json => self.row.extend_from_slice(plain),
                        other => write_cell(&mut self.row, other),
                    }
                }
            }
        }
    }
}

/// With quotes where they are needed, and around an empty text, which would be null without.
fn write_cell(out: &mut Vec<u8>, cell: &[u8]) {
    let is_plain = |byte: &u8| !matches!(byte, b'"' | b',' | b'\r' | b'\n');
    if !cell.is_empty() && cell.iter().all(is_plain) {
        out.extend_from_slice(cell);
        return;
    }
    out.push(b'"');
    for byte in cell {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
