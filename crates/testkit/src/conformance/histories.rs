//! Random histories: what is stored is what a plain model of it says, and what was told adds up to it.

use std::collections::{BTreeMap, BTreeSet};

use engine::model::Value;
use engine::ports::store::{ChangeEvent, ChangeSet};
use engine::query::Image;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use super::Db;
use super::answers::said;
use super::app::{App, id};
use super::listening::Listener;

const SCHEMA: &str = r#"
type Node @collection {
  parent: Node @relation(onDelete: CASCADE)
  boss: Node
  buddy: Node @relation(onDelete: SET_NULL)
  friends: [Node!]!
  word: String @unique
}
"#;

/// So few that records meet.
const NODES: u32 = 6;
const CASES: u32 = 96;
const TO_ONE: [&str; 3] = ["parent", "boss", "buddy"];

#[derive(Debug, Clone)]
enum Deed {
    Create(u32, [Option<u32>; 3], Vec<u32>),
    Refer(u32, usize, Option<u32>),
    Befriend(u32, Vec<u32>, Vec<u32>),
    Word(u32, Option<u8>),
    Replace(u32, Vec<u32>),
    Delete(u32),
}

fn deeds() -> impl Strategy<Value = Deed> {
    let node = || 0..NODES;
    let maybe = || proptest::option::of(0..NODES);
    let some = || proptest::collection::vec(0..NODES, 0..4);
    prop_oneof![
        5 => (node(), [maybe(), maybe(), maybe()], some()).prop_map(|(node, ones, friends)| Deed::Create(node, ones, friends)),
        4 => (node(), 0..3_usize, maybe()).prop_map(|(node, field, target)| Deed::Refer(node, field, target)),
        3 => (node(), some(), some()).prop_map(|(node, add, remove)| Deed::Befriend(node, add, remove)),
        2 => (node(), proptest::option::of(0..3_u8)).prop_map(|(node, word)| Deed::Word(node, word)),
        1 => (node(), some()).prop_map(|(node, friends)| Deed::Replace(node, friends)),
        4 => node().prop_map(Deed::Delete),
    ]
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Node {
    ones: [Option<u32>; 3],
    friends: BTreeSet<u32>,
    word: Option<u8>,
}

/// What should be, in memory.
#[derive(Debug, Clone, Default, PartialEq)]
struct World(BTreeMap<u32, Node>);

impl World {
    fn has(&self, targets: impl IntoIterator<Item = u32>) -> bool {
        targets.into_iter().all(|target| self.0.contains_key(&target))
    }

    /// Does it, unless it must be refused.
    fn act(&mut self, deed: &Deed) -> &'static str {
        let mut after = self.clone();
        let outcome = after.carry_out(deed);
        if outcome == "ok" {
            *self = after;
        }
        outcome
    }

    fn carry_out(&mut self, deed: &Deed) -> &'static str {
        match deed {
            Deed::Create(node, ones, friends) => {
                if !self.has(ones.iter().flatten().chain(friends).copied()) {
                    return "invalid";
                }
                let fresh = Node {
                    ones: *ones,
                    friends: friends.iter().copied().collect(),
                    word: None,
                };
                if self.0.insert(*node, fresh).is_some() {
                    return "unique_violation";
                }
            }
            Deed::Refer(node, field, target) => {
                let known = self.has(*target);
                let Some(node) = self.0.get_mut(node) else {
                    return "not_found";
                };
                if !known {
                    return "invalid";
                }
                node.ones[*field] = *target;
            }
            Deed::Befriend(node, add, remove) => {
                let known = self.has(add.iter().copied());
                let Some(node) = self.0.get_mut(node) else {
                    return "not_found";
                };
                if !known {
                    return "invalid";
                }
                node.friends.extend(add);
                node.friends.retain(|friend| !remove.contains(friend));
            }
            Deed::Word(node, word) => {
                let taken = self
                    .0
                    .iter()
                    .any(|(other, at)| other != node && word.is_some() && at.word == *word);
                let Some(node) = self.0.get_mut(node) else {
                    return "not_found";
                };
                if taken {
                    return "unique_violation";
                }
                node.word = *word;
            }
            Deed::Replace(node, friends) => {
                if !self.has(friends.iter().copied()) {
                    return "invalid";
                }
                let friends = friends.iter().copied().collect();
                self.0.insert(
                    *node,
                    Node {
                        friends,
                        ..Node::default()
                    },
                );
            }
            Deed::Delete(node) => return self.delete(*node),
        }
        "ok"
    }

    fn delete(&mut self, node: u32) -> &'static str {
        if !self.0.contains_key(&node) {
            return "not_found";
        }
        let mut doomed = BTreeSet::from([node]);
        loop {
            let hanging = self
                .0
                .iter()
                .filter(|(_, at)| at.ones[0].is_some_and(|parent| doomed.contains(&parent)));
            let more: Vec<_> = hanging
                .map(|(node, _)| *node)
                .filter(|node| !doomed.contains(node))
                .collect();
            if more.is_empty() {
                break;
            }
            doomed.extend(more);
        }
        self.0.retain(|node, _| !doomed.contains(node));
        if self
            .0
            .values()
            .any(|at| at.ones[1].is_some_and(|boss| doomed.contains(&boss)))
        {
            return "referenced";
        }
        for at in self.0.values_mut() {
            at.ones[2] = at.ones[2].filter(|buddy| !doomed.contains(buddy));
            at.friends.retain(|friend| !doomed.contains(friend));
        }
        "ok"
    }
}

fn ids(nodes: &[u32]) -> Vec<String> {
    nodes.iter().map(|node| id(*node)).collect()
}

async fn act(app: &App, deed: &Deed) -> String {
    let admin = app.admin();
    let write = match deed {
        Deed::Create(node, ones, friends) => {
            let [parent, boss, buddy] = ones.map(|one| one.map(id));
            let data =
                json!({"id": id(*node), "parent": parent, "boss": boss, "buddy": buddy, "friends": ids(friends)});
            admin.create("nodes", data)
        }
        Deed::Refer(node, field, target) => {
            admin.update("nodes", &id(*node), json!({ TO_ONE[*field]: target.map(id) }))
        }
        Deed::Befriend(node, add, remove) => {
            let change = json!({"add": ids(add), "remove": ids(remove)});
            admin.update("nodes", &id(*node), json!({ "friends": change }))
        }
        Deed::Word(node, word) => {
            let word = word.map(|word| format!("w{word}"));
            admin.update("nodes", &id(*node), json!({ "word": word }))
        }
        Deed::Replace(node, friends) => admin.replace("nodes", &id(*node), json!({ "friends": ids(friends) })),
        Deed::Delete(node) => admin.delete("nodes", &id(*node)),
    };
    let said = said(write.await);
    said.split(':').next().unwrap_or_default().to_owned()
}

fn number(id: &str) -> u32 {
    u32::from_str_radix(&id[id.len() - 4..], 16).expect("an id of these")
}

async fn stored(app: &App) -> World {
    let page = app.admin().list("nodes").fields("*,friends").limit(100).await.unwrap();
    let node = |item: &Json| {
        let target = |json: &Json| json.as_str().map(number);
        Node {
            ones: TO_ONE.map(|field| target(&item[field])),
            friends: item["friends"].as_array().unwrap().iter().filter_map(target).collect(),
            word: item["word"].as_str().map(|word| word.as_bytes()[1] - b'0'),
        }
    };
    World(
        page.items
            .iter()
            .map(|item| (number(item["id"].as_str().unwrap()), node(item)))
            .collect(),
    )
}

/// The records as the changes alone make them.
#[derive(Default)]
struct Replica {
    images: BTreeMap<u32, Image>,
    friends: BTreeMap<u32, BTreeSet<u32>>,
}

fn key(value: &Value) -> u32 {
    number(&value.as_id().expect("an id").to_string())
}

impl Replica {
    /// Every image before is the image after of the change before.
    fn follow(&mut self, set: &ChangeSet) {
        for change in &set.changes {
            let node = key(change.key.single().unwrap());
            assert_eq!(
                self.images.get(&node),
                change.before.as_ref(),
                "node {node} before {change:?}"
            );
            let friends = self.friends.entry(node).or_default();
            for links in &change.links {
                assert!(
                    links.removed.iter().all(|target| friends.remove(&key(target))),
                    "{change:?}"
                );
                assert!(
                    links.added.iter().all(|target| friends.insert(key(target))),
                    "{change:?}"
                );
            }
            match &change.after {
                Some(after) => self.images.insert(node, after.clone()),
                None => {
                    assert_eq!(
                        self.friends.remove(&node),
                        Some(BTreeSet::new()),
                        "what goes has lost its links"
                    );
                    self.images.remove(&node)
                }
            };
        }
    }

    fn world(&self) -> World {
        let node = |(node, image): (&u32, &Image)| {
            let reference = |slot: usize| Some(&image.0[slot]).filter(|value| !value.is_null()).map(key);
            let state = Node {
                ones: [reference(4), reference(5), reference(6)],
                friends: self.friends[node].clone(),
                word: image.0[7].as_text().map(|word| word.as_bytes()[1] - b'0'),
            };
            (*node, state)
        };
        World(self.images.iter().map(node).collect())
    }
}

async fn live_through(app: &App, deeds: &[Deed]) -> Result<(), TestCaseError> {
    let mut listener = Listener::new(app);
    let mut world = World::default();
    let mut replica = Replica::default();
    for deed in deeds {
        let expected = world.act(deed);
        prop_assert_eq!(act(app, deed).await, expected, "{:?} in {:?}", deed, world);
        if expected == "ok" {
            match listener.event().await {
                Some(ChangeEvent::Committed(set)) => replica.follow(&set),
                other => prop_assert!(false, "not a commit: {:?}", other),
            }
            prop_assert_eq!(&stored(app).await, &world, "after {:?}", deed);
            prop_assert_eq!(&replica.world(), &world, "as told, after {:?}", deed);
        }
    }
    Ok(())
}

/// Leaves nothing for the next history.
async fn forget_all(app: &App) {
    for node in 0..NODES {
        let bare = json!({"boss": null, "parent": null});
        let _ = app.admin().update("nodes", &id(node), bare).await;
    }
    for node in 0..NODES {
        let _ = app.admin().delete("nodes", &id(node)).await;
    }
}

pub(super) async fn histories_come_out_as_they_should(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let mut runner = TestRunner::new(Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    });
    let handle = Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&proptest::collection::vec(deeds(), 0..24), |deeds| {
            handle.block_on(async {
                let outcome = live_through(&app, &deeds).await;
                forget_all(&app).await;
                outcome
            })
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
