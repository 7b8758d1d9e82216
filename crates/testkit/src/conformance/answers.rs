//! Answers, in a form that a check can compare with what it expects.

use std::error::Error as _;
use std::fmt::Debug;
use std::ops::Index;

use engine::operations::{JsonPage, ListReply, Reply, Written};
use engine::query::OutcomeKind;
use engine::query::json::{write_row, write_rows};
use engine::{Error, ErrorCode};
use serde_json::Value as Json;

/// A record as its caller got it.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: String,
    /// Null where the caller got nothing.
    pub(super) json: Json,
    /// The answer as it was written.
    pub(super) text: String,
    pub(super) tag: Option<String>,
    /// What a write did; `None` of a read.
    pub(super) kind: Option<OutcomeKind>,
    pub(super) replayed: bool,
}

impl Record {
    pub(super) fn read(reply: &Reply) -> Self {
        let mut out = Vec::new();
        write_row(&mut out, &reply.model, &reply.projection, &reply.row);
        let json: Json = serde_json::from_slice(&out).expect("an answer is JSON");
        Self {
            id: json["id"].as_str().unwrap_or_default().to_owned(),
            json,
            text: String::from_utf8(out).expect("an answer is UTF-8"),
            tag: Some(reply.etag.clone()),
            kind: None,
            replayed: false,
        }
    }

    pub(super) fn written(written: &Written, replayed: bool) -> Self {
        let nothing = Self {
            id: String::new(),
            json: Json::Null,
            text: String::new(),
            tag: None,
            kind: None,
            replayed,
        };
        Self {
            id: written.key.to_string(),
            kind: Some(written.kind),
            replayed,
            ..written.reply.as_ref().map_or(nothing, Self::read)
        }
    }

    pub(super) fn version(&self) -> i64 {
        self.json["version"].as_i64().expect("a version in the answer")
    }

    pub(super) fn has(&self, field: &str) -> bool {
        self.json.get(field).is_some()
    }
}

impl Index<&str> for Record {
    type Output = Json;

    fn index(&self, field: &str) -> &Json {
        &self.json[field]
    }
}

/// A page as its caller got it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Page {
    pub(super) items: Vec<Json>,
    pub(super) next: Option<String>,
    pub(super) total: Option<u64>,
}

impl Page {
    pub(super) fn read(page: JsonPage) -> Self {
        Self {
            items: serde_json::from_slice(&page.items).expect("an answer is JSON"),
            next: page.next,
            total: page.total,
        }
    }

    /// Of what came as values.
    pub(super) fn written(reply: ListReply) -> Self {
        let mut items = Vec::new();
        write_rows(&mut items, &reply.model, &reply.projection, &reply.rows);
        Self::read(JsonPage {
            items,
            next: reply.next,
            total: reply.total,
        })
    }

    /// The texts of one field, in order, with spaces between.
    pub(super) fn all(&self, field: &str) -> String {
        words(&self.items, field)
    }

    pub(super) fn values(&self, field: &str) -> Vec<Json> {
        self.items.iter().map(|item| item[field].clone()).collect()
    }
}

/// The texts of one field of records, in order, with spaces between.
pub(super) fn words<'a>(records: impl IntoIterator<Item = &'a Json>, field: &str) -> String {
    let texts = records
        .into_iter()
        .map(|record| record[field].as_str().unwrap_or("null"));
    texts.collect::<Vec<_>>().join(" ")
}

/// `ok`, or the error's code with what it says of the input: `invalid: name too_long, members[1] no_such_record`. In a
/// batch the code has the operation's number: `stale @2`.
pub(super) fn said<T: Debug>(result: Result<T, Error>) -> String {
    let Err(error) = result else { return "ok".to_owned() };
    let mut said = error.code.name().to_owned();
    if let Some(operation) = error.operation {
        said.push_str(&format!(" @{operation}"));
    }
    for (index, field) in error.fields.iter().enumerate() {
        let separator = if index == 0 { ":" } else { "," };
        let place = if field.field.is_empty() { "record" } else { &field.field };
        said.push_str(&format!("{separator} {place} {}", field.code));
    }
    // What an operator would find in the log.
    if let Some(source) = error.source().filter(|_| error.code == ErrorCode::Internal) {
        said.push_str(&format!(" ({source})"));
    }
    said
}
