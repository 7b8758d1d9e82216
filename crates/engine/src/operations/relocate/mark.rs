//! Where a move is: what the target keeps of it, and what the source's log of changes.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::model::Value;
use crate::query::codec;

/// Where a move is, as the target keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    /// Which database is moved.
    pub(super) from: String,
    /// The part under way, by its name.
    pub(super) part: String,
    /// The last key of it, in hexadecimal.
    pub(super) after: Option<String>,
    /// Rows of all parts so far.
    pub(super) done: u64,
    /// The structure that is moved, as a hash.
    #[serde(default)]
    pub(super) structure: Option<String>,
    #[serde(default)]
    pub(super) step: Step,
    /// Of the part under way something was in the way of something else: it is to be gone through once more.
    #[serde(default)]
    pub(super) again: bool,
    /// The source's log of changes that the target is kept level by.
    #[serde(default)]
    pub(super) log: Option<Log>,
    /// Which run has written it, and its how manieth step that was: no two marks are the same.
    #[serde(default)]
    pub(super) turn: String,
}

/// What the end of a move leaves in the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// Which database was moved.
    pub(super) from: String,
    /// The note of the source's log of changes, as long as that isn't taken away.
    pub(super) note: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum Step {
    #[default]
    Copying,
    /// Both databases are gone through side by side, up to `after`.
    Merging,
    /// Every row of the parts that are followed was the same in both, or has changed since the log began.
    Following,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Log {
    /// The round that the target has.
    pub(super) round: String,
    /// Parts that aren't followed, by their names.
    pub(super) without: Vec<String>,
}

/// What the log of changes is noted with. It goes ahead of the target's mark by one round at most: so neither of two
/// databases of which one was put back to what it was before is taken for the other's counterpart. What the target had before is in it
/// only until an entry is forgotten, which it would miss.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    pub(super) round: String,
    /// What the target had when this round began.
    pub(super) before: Option<String>,
}

impl Mark {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("a mark is plain data")
    }

    /// Whether the target is what it was when the log was noted so, or half a step further.
    pub(super) fn fits(&self, note: &str) -> bool {
        let (Some(log), Ok(note)) = (&self.log, serde_json::from_str::<Note>(note)) else {
            return false;
        };
        note.round == log.round || note.before.as_ref() == Some(&log.round)
    }
}

impl Ended {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("an end is plain data")
    }
}

impl Note {
    pub(super) fn text(&self) -> String {
        serde_json::to_string(self).expect("a note is plain data")
    }
}

pub(super) fn key_text(key: &[Value]) -> String {
    let mut bytes = Vec::new();
    key.iter().for_each(|value| codec::write(&mut bytes, value));
    hexadecimal(&bytes)
}

pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

/// What [`key_text`] wrote.
pub(super) fn key_of(text: &str) -> Option<Vec<Value>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let bytes = pairs
        .iter()
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
    let bytes = bytes.collect::<Option<Vec<_>>>()?;
    let mut reader = codec::Reader(&bytes);
    let mut key = Vec::new();
    while !reader.is_empty() {
        key.push(reader.value().ok()?);
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_back() {
        let key = vec![Value::Id(uuid::Uuid::from_u128(7)), Value::text("é"), Value::Null];
        assert_eq!(key_of(&key_text(&key)), Some(key));
        assert_eq!(key_of("0"), None);
    }

    #[test]
    fn a_log_is_ahead_by_one_round_at_most() {
        let mark = |round: &str| Mark {
            from: "here".to_owned(),
            part: "rooms".to_owned(),
            after: None,
            done: 1,
            structure: None,
            step: Step::Following,
            again: false,
            log: Some(Log {
                round: round.to_owned(),
                without: Vec::new(),
            }),
            turn: String::new(),
        };
        let note = Note {
            round: "two".to_owned(),
            before: Some("one".to_owned()),
        };
        let fits = |round| mark(round).fits(&note.text());
        assert_eq!(["zero", "one", "two", "three"].map(fits), [false, true, true, false]);
        assert!(!mark("one").fits(""));
        assert!(
            !Mark {
                log: None,
                ..mark("one")
            }
            .fits(&note.text())
        );
    }

    #[test]
    fn a_mark_of_before_there_was_a_log_is_read() {
        let mark: Mark = serde_json::from_str(r#"{"from":"here","part":"rooms","after":null,"done":3}"#).unwrap();
        assert_eq!((mark.step, mark.log), (Step::Copying, None));
    }
}
