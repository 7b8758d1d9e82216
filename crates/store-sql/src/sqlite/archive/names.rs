//! What the objects of an archive are called, and what a base says of itself.
//!
//! ```text
//! chains/CHAIN/begun
//! chains/CHAIN/base-BASE-PART     pages of the database's file
//! chains/CHAIN/SEQUENCE-FROM-TO   a segment: pages that were written since the one before
//! bases/FROM-CHAIN-BASE           a base that is whole, with the segments up to FROM
//! ```
//!
//! A chain has every segment since it began; its name begins with when that was. Moments are in milliseconds.

use std::fmt::Write as _;

use engine::model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::pages::Hash;

pub(super) const BASES: &str = "bases/";
pub(super) const CHAINS: &str = "chains/";
const FORMAT: u32 = 1;

pub(super) fn chain(now: Timestamp, id: Uuid) -> String {
    // The last bytes of a UUIDv7 are random.
    let id = id.simple().to_string();
    format!("{}-{}", moment(now), &id[id.len() - 8..])
}

fn moment(moment: Timestamp) -> String {
    format!("{:015}", moment.0.max(0))
}

pub(super) fn begun(chain: &str) -> String {
    format!("{CHAINS}{chain}/begun")
}

pub(super) fn chain_folder(chain: &str) -> String {
    format!("{CHAINS}{chain}/")
}

pub(super) fn part(chain: &str, base: u32, part: usize) -> String {
    format!("{CHAINS}{chain}/base-{base:05}-{part:08}")
}

/// Whether an object is a part of a base before the one of that number.
pub(super) fn is_part_before(name: &str, chain: &str, base: u32) -> bool {
    let rest = name.strip_prefix(&chain_folder(chain));
    let number = rest.and_then(|rest| rest.strip_prefix("base-")?.split('-').next()?.parse::<u32>().ok());
    number.is_some_and(|number| number < base)
}

/// What a segment's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentName {
    pub(super) sequence: u64,
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
}

impl SegmentName {
    pub(super) fn of(self, chain: &str) -> String {
        let (began, ended) = (moment(self.began), moment(self.ended));
        format!("{CHAINS}{chain}/{:010}-{began}-{ended}", self.sequence)
    }

    /// `None` of another object.
    pub(super) fn read(chain: &str, name: &str) -> Option<Self> {
        let rest = name.strip_prefix(CHAINS)?.strip_prefix(chain)?.strip_prefix('/')?;
        let mut numbers = rest.split('-');
        let sequence = numbers.next()?.parse().ok()?;
        let mut moment = || numbers.next()?.parse().ok().map(Timestamp);
        let (began, ended) = (moment()?, moment()?);
        numbers.next().is_none().then_some(Self { sequence, began, ended })
    }
}

/// When a chain began, by its name.
pub(super) fn beginning(chain: &str) -> Option<Timestamp> {
    chain.split('-').next()?.parse().ok().map(Timestamp)
}

/// The chain that an object belongs to.
pub(super) fn chain_of(name: &str) -> Option<&str> {
    name.strip_prefix(CHAINS)?.split('/').next()
}

/// A base: with the segments from `from` to `through`, or beyond, it is the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Base {
    pub(super) format: u32,
    pub(super) chain: String,
    pub(super) number: u32,
    /// The hashes of its parts, in order.
    pub(super) parts: Vec<String>,
    pub(super) page_bytes: u32,
    pub(super) from: u64,
    pub(super) through: u64,
    /// When segment `through` ended: the first moment that can be restored.
    pub(super) restorable_ms: i64,
}

impl Base {
    pub(super) const FORMAT: u32 = FORMAT;

    pub(super) fn name(&self) -> String {
        let from = moment(Timestamp(self.restorable_ms));
        format!("{BASES}{from}-{}-{:05}", self.chain, self.number)
    }

    /// The first moment that can be restored, by the name of a base.
    pub(super) fn restorable(name: &str) -> Option<Timestamp> {
        beginning(name.strip_prefix(BASES)?)
    }

    /// One line, and its hash in the next.
    pub(super) fn text(&self) -> String {
        let line = serde_json::to_string(self).expect("a base is plain data");
        let hash = hexadecimal(&Sha256::digest(&line).into());
        format!("{line}\n{hash}\n")
    }

    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let damaged = || "it is damaged".to_owned();
        let (line, rest) = text.split_once('\n').ok_or_else(damaged)?;
        if rest.trim_end() != hexadecimal(&Sha256::digest(line).into()) {
            return Err(damaged());
        }
        serde_json::from_str(line).map_err(|_| "a newer Ninefold made it".to_owned())
    }
}

pub(super) fn hexadecimal(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let chain = chain(Timestamp(1_790_000_000_000), Uuid::from_u128(7));
        assert_eq!(chain, "001790000000000-00000007");
        assert_eq!(beginning(&chain), Some(Timestamp(1_790_000_000_000)));
        let segment = SegmentName {
            sequence: 12,
            began: Timestamp(1),
            ended: Timestamp(2),
        };
        let name = segment.of(&chain);
        assert_eq!(SegmentName::read(&chain, &name), Some(segment));
        assert_eq!(chain_of(&name), Some(chain.as_str()));
        assert_eq!(SegmentName::read(&chain, &begun(&chain)), None);
        assert_eq!(SegmentName::read(&chain, &part(&chain, 1, 2)), None);
    }

    #[test]
    fn a_base_that_was_changed_is_noticed() {
        let base = Base {
            format: Base::FORMAT,
            chain: "000000000000001-00000001".to_owned(),
            number: 1,
            parts: vec!["00".repeat(32)],
            page_bytes: 4096,
            from: 1,
            through: 2,
            restorable_ms: 3,
        };
        let text = base.text();
        assert_eq!(Base::read(&text), Ok(base.clone()));
        assert!(Base::read(&text.replace("\"through\":2", "\"through\":3")).is_err());
        assert!(Base::read(&text[..text.len() / 2]).is_err());
        assert_eq!(Base::restorable(&base.name()), Some(Timestamp(3)));
    }
}
