//! Cursors while rows come and go: each row whose sort key doesn't change appears exactly once.

use std::collections::HashMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tokio::runtime::Handle;

use super::Db;
use super::app::{App, Caller};

const SCHEMA: &str = r#"
type Row @collection { run: Int! rank: Int word: String note: Int group: Group }
type Group @collection { name: String }
"#;

const SORTS: [&str; 7] = [
    "rank",
    "-rank",
    "word,-rank",
    "-word,rank",
    "rank,-word,id",
    "-group.name,word",
    "group.name,-rank",
];
const CASES: u32 = 40;

/// What happens between two pages; a row is named by its place among those there are.
#[derive(Debug, Clone)]
enum Event {
    Add(Option<i8>, Option<char>),
    Remove(usize),
    /// Moves it in the order.
    Move(usize, Option<i8>, Option<char>),
    /// Changes what isn't sorted by.
    Touch(usize),
}

#[derive(Debug, Clone)]
struct Walk {
    rows: Vec<(Option<i8>, Option<char>)>,
    sort: usize,
    page: u32,
    /// Between the pages.
    events: Vec<Vec<Event>>,
}

fn ranks() -> impl Strategy<Value = Option<i8>> {
    proptest::option::weighted(0.8, -2..3_i8)
}

fn letters() -> impl Strategy<Value = Option<char>> {
    proptest::option::weighted(
        0.8,
        prop_oneof![Just('a'), Just('B'), Just('\u{e4}'), Just('\u{1F600}')],
    )
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (ranks(), letters()).prop_map(|(rank, word)| Event::Add(rank, word)),
        2 => any::<usize>().prop_map(Event::Remove),
        2 => (any::<usize>(), ranks(), letters()).prop_map(|(row, rank, word)| Event::Move(row, rank, word)),
        1 => any::<usize>().prop_map(Event::Touch),
    ]
}

fn walks() -> impl Strategy<Value = Walk> {
    let rows = proptest::collection::vec((ranks(), letters()), 0..14);
    let between = proptest::collection::vec(proptest::collection::vec(events(), 0..3), 12);
    (rows, 0..SORTS.len(), 1..5_u32, between).prop_map(|(rows, sort, page, events)| Walk {
        rows,
        sort,
        page,
        events,
    })
}

/// The rows of one walk, and what became of them.
struct Rows<'a> {
    caller: &'a Caller,
    run: u32,
    groups: &'a [String],
    present: Vec<String>,
    /// Rows that were there from the beginning and kept their place.
    steady: Vec<String>,
}

impl Rows<'_> {
    async fn add(&mut self, rank: Option<i8>, word: Option<char>) -> String {
        // Rows of one rank share a group, so that sorts through it have ties.
        let group = rank.and_then(|rank| self.groups.get(usize::from(rank.unsigned_abs())));
        let row = json!({"run": self.run, "rank": rank, "word": word, "group": group});
        let id = self.caller.create("rows", row).await.unwrap().id;
        self.present.push(id.clone());
        id
    }

    fn pick(&self, index: usize) -> Option<String> {
        self.present.get(index % self.present.len().max(1)).cloned()
    }

    async fn happen(&mut self, event: &Event) {
        match event {
            Event::Add(rank, word) => {
                self.add(*rank, *word).await;
            }
            Event::Remove(index) => {
                let Some(id) = self.pick(*index) else { return };
                self.caller.delete("rows", &id).await.unwrap();
                self.present.retain(|present| *present != id);
                self.steady.retain(|steady| *steady != id);
            }
            Event::Move(index, rank, word) => {
                let Some(id) = self.pick(*index) else { return };
                let patch = json!({"rank": rank, "word": word});
                self.caller.update("rows", &id, patch).await.unwrap();
                self.steady.retain(|steady| *steady != id);
            }
            Event::Touch(index) => {
                let Some(id) = self.pick(*index) else { return };
                self.caller.update("rows", &id, json!({"note": 1})).await.unwrap();
            }
        }
    }
}

async fn walk(caller: &Caller, run: u32, groups: &[String], walk: &Walk) -> Result<(), TestCaseError> {
    let mut rows = Rows {
        caller,
        run,
        groups,
        present: Vec::new(),
        steady: Vec::new(),
    };
    for (rank, word) in &walk.rows {
        let id = rows.add(*rank, *word).await;
        rows.steady.push(id);
    }
    let filter = format!("run == {run}");
    let mut list = caller
        .list("rows")
        .filter(&filter)
        .sort(SORTS[walk.sort])
        .limit(walk.page);
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut events = walk.events.iter();
    loop {
        let page = list.clone().await.unwrap();
        prop_assert!(page.items.len() <= walk.page as usize);
        for item in &page.items {
            *seen.entry(item["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let Some(next) = page.next else { break };
        for event in events.next().into_iter().flatten() {
            rows.happen(event).await;
        }
        list = list.after(&next);
    }
    for steady in &rows.steady {
        prop_assert_eq!(
            seen.get(steady),
            Some(&1),
            "{} of {:?} sorted by {}",
            steady,
            rows.present,
            SORTS[walk.sort]
        );
    }
    Ok(())
}

pub(super) async fn unmoved_rows_appear_exactly_once(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let caller = app.admin();
    let mut groups = Vec::new();
    for name in ["m", "n"] {
        groups.push(caller.create("groups", json!({ "name": name })).await.unwrap().id);
    }
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let handle = Handle::current();
    let run = std::cell::Cell::new(0);
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&walks(), |case| {
            run.set(run.get() + 1);
            handle.block_on(walk(&caller, run.get(), &groups, &case))
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
