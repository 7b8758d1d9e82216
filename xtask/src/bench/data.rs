//! The records that all servers hold: made from their number alone, so every run and every server has the same.

use serde_json::{Map, Value, json};

pub(crate) const USERS: usize = 101;
pub(crate) const TEAMS: usize = 21;
pub(crate) const CATEGORIES: u64 = 50;
/// Measured cases sign in as this user: a member of every fourth team.
pub(crate) const MEMBER: usize = 0;
/// A member of [`RARE_TEAM`] alone.
pub(crate) const RARE_MEMBER: usize = 100;
/// One article in a thousand is this team's.
const RARE_TEAM: usize = 20;
const RARE_EVERY: usize = 1000;
const BODY_CHARS: usize = 200;
const WORDS: [&str; 24] = [
    "amber", "bridge", "copper", "delta", "ember", "forest", "garden", "harbour", "island", "jasmine", "kettle",
    "lantern", "meadow", "needle", "orchard", "pebble", "quarry", "river", "saddle", "timber", "upland", "velvet",
    "willow", "yarrow",
];

/// What posts, notes and articles have in common.
pub(crate) struct Record {
    pub(crate) title: String,
    pub(crate) category: String,
    pub(crate) score: u64,
    pub(crate) published: String,
    pub(crate) body: String,
}

pub(crate) fn record(number: usize) -> Record {
    let mut random = Random::new(number as u64);
    let title = format!("{} {} {number}", random.word(), random.word());
    let category = category(random.below(CATEGORIES));
    let score = random.below(1_000_000);
    let (month, day, hour) = (1 + random.below(12), 1 + random.below(28), random.below(24));
    let published = format!("2026-{month:02}-{day:02}T{hour:02}:{:02}:00.000Z", random.below(60));
    let mut body = String::with_capacity(BODY_CHARS + 16);
    while body.len() < BODY_CHARS {
        body.push_str(random.word());
        body.push(' ');
    }
    body.truncate(body.trim_end().len());
    Record {
        title,
        category,
        score,
        published,
        body,
    }
}

pub(crate) fn category(number: u64) -> String {
    format!("c{number:02}")
}

impl Record {
    pub(crate) fn json(self) -> Map<String, Value> {
        let Value::Object(members) = json!({
            "title": self.title, "category": self.category, "score": self.score,
            "published": self.published, "body": self.body,
        }) else {
            unreachable!("the macro was given an object")
        };
        members
    }
}

/// The team of an article.
pub(crate) fn team_of(article: usize) -> usize {
    if article % RARE_EVERY == 7 {
        RARE_TEAM
    } else {
        article % RARE_TEAM
    }
}

pub(crate) fn author_of(article: usize) -> usize {
    article % (USERS - 1)
}

pub(crate) fn is_member(user: usize, team: usize) -> bool {
    if user == RARE_MEMBER || team == RARE_TEAM {
        user == RARE_MEMBER && team == RARE_TEAM
    } else {
        (user + team).is_multiple_of(4)
    }
}

pub(crate) fn members(team: usize) -> impl Iterator<Item = usize> {
    (0..USERS).filter(move |user| is_member(*user, team))
}

pub(crate) fn email(user: usize) -> String {
    format!("user{user}@bench.test")
}

pub(crate) fn password(user: usize) -> String {
    format!("a long password {user}")
}

/// Numbers without a pattern (SplitMix64), the same for the same seed.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn word(&mut self) -> &'static str {
        let index = usize::try_from(self.below(WORDS.len() as u64)).expect("there are few words");
        WORDS[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_the_same_each_time_and_of_the_promised_size() {
        for number in [0, 1, 99_999] {
            let text = serde_json::to_string(&record(number).json()).unwrap();
            assert_eq!(text, serde_json::to_string(&record(number).json()).unwrap());
            assert!((290..350).contains(&text.len()), "{} bytes: {text}", text.len());
        }
        assert_ne!(record(1).body, record(2).body);
    }

    #[test]
    fn a_member_sees_a_quarter_and_a_rare_member_one_in_a_thousand() {
        let seen = |user| (0..20_000).filter(|article| is_member(user, team_of(*article))).count();
        assert!((4_900..=5_100).contains(&seen(MEMBER)), "{}", seen(MEMBER));
        assert_eq!(seen(RARE_MEMBER), 20);
    }
}
