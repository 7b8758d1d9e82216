//! Which transactions are in a server's log, by their global identifiers.
//!
//! MySQL names each of them, as intervals of numbers by the server that wrote it. MariaDB numbers those of a domain in one
//! order and names the last of each server; whoever has replayed it has all before it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dialect::Server;
use crate::replicas::Position;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Gtids {
    /// By domain and server.
    Last(Arc<BTreeMap<(u32, u32), u64>>),
    /// What is committed, and the same with what is just being committed.
    All(Arc<Sources>, Arc<Sources>),
}

/// By source, which is a server, or one of its tags: from and to, in order, none beside another.
type Sources = BTreeMap<String, Vec<(u64, u64)>>;

/// Characters of a server's UUID.
const UUID_LENGTH: usize = 36;

impl Gtids {
    /// `None`: the server writes them in another way than is known. They may be written more than once.
    pub(super) fn read(server: Server, text: &str) -> Option<Self> {
        let mut parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        match server {
            Server::MariaDb => {
                let mut last = BTreeMap::new();
                for part in parts {
                    let mut numbers = part.splitn(3, '-');
                    let place = (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
                    keep_last(&mut last, place, numbers.next()?.parse().ok()?);
                }
                Some(Self::Last(Arc::new(last)))
            }
            Server::MySql => {
                let (mut committed, mut all) = (Sources::new(), Sources::new());
                parts.try_for_each(|part| take_in(&mut committed, &mut all, part))?;
                committed.values_mut().for_each(join);
                all.values_mut().for_each(join);
                Some(Self::All(Arc::new(committed), Arc::new(all)))
            }
        }
    }
}

impl Position for Gtids {
    fn has(&self, written: &Self) -> bool {
        match (self, written) {
            (Self::Last(replayed), Self::Last(written)) => {
                let replayed = by_domain(replayed);
                by_domain(written)
                    .iter()
                    .all(|(domain, number)| replayed.get(domain) >= Some(number))
            }
            // Nobody has acknowledged what is only being committed.
            (Self::All(replayed, _), Self::All(written, _)) => is_part(written, replayed),
            (Self::Last(_), Self::All(..)) | (Self::All(..), Self::Last(_)) => false,
        }
    }

    fn is_within(&self, written: &Self) -> bool {
        match (self, written) {
            (Self::Last(replayed), Self::Last(written)) => replayed
                .iter()
                .all(|(place, number)| written.get(place) >= Some(number)),
            (Self::All(replayed, _), Self::All(_, written)) => is_part(replayed, written),
            (Self::Last(_), Self::All(..)) | (Self::All(..), Self::Last(_)) => false,
        }
    }
}

/// The last of each, by whichever server.
fn by_domain(last: &BTreeMap<(u32, u32), u64>) -> BTreeMap<u32, u64> {
    let mut found = BTreeMap::new();
    for ((domain, _), number) in last {
        keep_last(&mut found, *domain, *number);
    }
    found
}

fn keep_last<K: Ord>(last: &mut BTreeMap<K, u64>, place: K, number: u64) {
    let kept = last.entry(place).or_insert(number);
    *kept = number.max(*kept);
}

/// `UUID:1-5:7:TAG:1-3`, or, of what is just being committed, `UUID:8#THREAD:9#THREAD`, with the next server's right behind it.
fn take_in(committed: &mut Sources, all: &mut Sources, part: &str) -> Option<()> {
    let mut words = part.split(':').map(str::trim);
    let mut server = words.next()?.to_ascii_lowercase();
    let mut source = server.clone();
    for word in words {
        if word.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            source = format!("{server}:{word}");
            continue;
        }
        let (numbers, owner) = match word.split_once('#') {
            Some((number, owner)) => (number, Some(owner)),
            None => (word, None),
        };
        let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let interval = (from.parse().ok()?, to.parse().ok()?);
        all.entry(source.clone()).or_default().push(interval);
        match owner {
            None => committed.entry(source.clone()).or_default().push(interval),
            // Only a UUID has hyphens; it may begin with digits as the thread's number does.
            Some(owner) if owner.contains('-') => {
                let start = owner.len().checked_sub(UUID_LENGTH)?;
                server = owner.get(start..)?.to_ascii_lowercase();
                source.clone_from(&server);
            }
            Some(_) => {}
        }
    }
    Some(())
}

fn join(intervals: &mut Vec<(u64, u64)>) {
    intervals.sort_unstable();
    intervals.dedup_by(|(from, to), (_, end)| {
        let touches = *from <= end.saturating_add(1);
        if touches {
            *end = (*end).max(*to);
        }
        touches
    });
}

/// Whether each of these numbers is in one of the intervals of all.
fn is_part(part: &Sources, all: &Sources) -> bool {
    part.iter().all(|(source, intervals)| {
        let whole = all.get(source).map_or(&[][..], Vec::as_slice);
        let is_in = |(from, to): &(u64, u64)| whole.iter().any(|(first, last)| first <= from && to <= last);
        intervals.iter().all(is_in)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";
    const B: &str = "4f22fa47-71ca-11e1-9e33-c80aa9429562";

    /// Whether the first has the second, and whether it is within it.
    fn check(server: Server, replayed: &str, written: &str, expected: (bool, bool)) {
        let read = |text: &str| Gtids::read(server, text).unwrap_or_else(|| panic!("{text} is read"));
        let (replayed_at, written_at) = (read(replayed), read(written));
        let found = (replayed_at.has(&written_at), replayed_at.is_within(&written_at));
        assert_eq!(found, expected, "{replayed:?} of {written:?}");
    }

    #[test]
    fn mariadbs_are_compared_by_domain_and_their_origin_by_server() {
        let check = |replayed, written, expected| check(Server::MariaDb, replayed, written, expected);
        check("", "", (true, true));
        check("", "0-1-5", (false, true));
        check("0-1-5", "0-1-5", (true, true));
        check("0-1-4", "0-1-5", (false, true));
        check("0-1-6", "0-1-5", (true, false));
        // The primary followed another once, whose transactions it has from there, or in its own log.
        check("0-1-4", "0-1-5,0-2-8", (false, true));
        check("0-2-8", "0-1-5,0-2-8", (true, true));
        check("0-1-6", "0-1-5,0-2-8", (false, false));
        check("0-2-7", "0-2-9, 0-1-5,0-2-6", (false, true));
        // Somebody else wrote on the replica itself.
        check("0-3-9", "0-1-8", (true, false));
        check("0-1-5,7-1-9", "0-1-5", (true, false));
        check("0-1-5", "0-1-5,7-1-9", (false, true));
        check("0-1-5,7-2-10", "0-1-5,7-1-9", (true, false));
    }

    #[test]
    fn mysqls_are_sets() {
        let check = |replayed: &str, written: &str, expected| {
            let named = |text: &str| text.replace('A', A).replace('B', &B.to_uppercase());
            check(Server::MySql, &named(replayed), &named(written), expected);
        };
        check("", "", (true, true));
        check("", "A:1", (false, true));
        check("A:1-5", "A:1-5", (true, true));
        check("A:1-4", "A:1-5", (false, true));
        check("A:1-6", "A:1-5", (true, false));
        check("A:1-3:5", "A:1-5", (false, true));
        check("A:1-3:5", "A:1-4", (false, false));
        check("A:1-5,\nB:1-2", "A:1-5", (true, false));
        check("A:1-5", "A:1-5,\nB:1-2", (false, true));
        check("B:1-5", "A:1-5", (false, false));
        // What is just being committed isn't needed.
        check("A:1-4", "A:5#12:6#13,A:1-4", (true, true));
        check("A:1-6", "A:5#12:6#13,A:1-4", (true, true));
        check("A:1-7", "A:5#12:6#13,A:1-4", (true, false));
        check("A:1-3", "A:5#12:6#13,A:1-4", (false, true));
        // Of several servers, and of their tags.
        check("A:1-5,B:1-7", "A:5#12B:6#13:7#14,A:1-4,B:1-5", (true, true));
        check("A:1-7,B:1-5", "A:5#12B:6#13:7#14,A:1-4,B:1-5", (true, false));
        check(
            "A:1-5:home:1-2,B:home:7",
            "A:home:2#12B:home:7#13,A:1-5:home:1",
            (true, true),
        );
        check("A:1-5,B:7", "A:home:2#12B:home:7#13,A:1-5", (true, false));
        check("A:1-5:home:1-2", "A:1-5:home:1-3", (false, true));
        check("A:1-5", "A:home:1-5", (false, false));
    }

    proptest! {
        #[test]
        fn mysqls_are_compared_as_sets_of_numbers(replayed in btree_set(1..30_u64, 0..30), written in btree_set(1..30_u64, 0..30)) {
            let read = |numbers: &BTreeSet<u64>| {
                let each: Vec<_> = numbers.iter().rev().map(|number| format!("{A}:{number}")).collect();
                Gtids::read(Server::MySql, &each.join(",")).unwrap()
            };
            let (replayed_at, written_at) = (read(&replayed), read(&written));
            prop_assert_eq!(replayed_at.has(&written_at), replayed.is_superset(&written));
            prop_assert_eq!(replayed_at.is_within(&written_at), replayed.is_subset(&written));
        }
    }

    #[test]
    fn what_is_not_understood_is_no_place() {
        for (server, text) in [
            (Server::MariaDb, "0-1"),
            (Server::MariaDb, "A:1-5"),
            (Server::MySql, "A:1-5:"),
            (Server::MySql, "A:1-x"),
            (Server::MySql, "A:5#12-B:6#13"),
        ] {
            assert_eq!(Gtids::read(server, text), None, "{text}");
        }
        let read = |server, text| Gtids::read(server, text).unwrap();
        let (mariadb, mysql) = (read(Server::MariaDb, ""), read(Server::MySql, ""));
        assert!(!mariadb.has(&mysql) && !mysql.is_within(&mariadb), "of another kind");
    }
}
