//! The log of changes, where a store keeps one.

use std::collections::BTreeSet;

use engine::Model;
use engine::model::Value;
use engine::ports::change_log::{Begun, ChangeLog, Entry};
use engine::ports::relocation::{Part, Relocation};
use serde_json::json;

use super::Db;
use super::app::{App, id};
use super::relocation::{SCHEMA, everything, part, put};

/// A relocation whose log stands; `None` where the store has none.
async fn followed(app: &App, note: &str, is_filled: bool) -> Option<Box<dyn Relocation>> {
    let mut relocation = app.engine.relocation().await.unwrap();
    if is_filled {
        // So that rows may come in any order.
        relocation.begin("begun".to_owned()).await.unwrap();
    }
    let log = relocation.change_log()?;
    assert_eq!(log.note().await.unwrap(), None);
    assert_eq!(log.begin(note.to_owned()).await.unwrap(), Begun::Without(Vec::new()));
    assert_eq!(log.note().await.unwrap().as_deref(), Some(note));
    Some(relocation)
}

fn log(relocation: &mut Box<dyn Relocation>) -> &mut dyn ChangeLog {
    relocation.change_log().expect("there was one before")
}

async fn entries(relocation: &mut Box<dyn Relocation>, part: Part) -> Vec<Entry> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let entries = log(relocation).entries(part, after, 7).await.unwrap();
        let Some(last) = entries.last() else { return all };
        assert!(entries.is_sorted_by(|one, other| one.number < other.number));
        after = last.number;
        all.extend(entries);
    }
}

/// The keys that are logged, each once. They are forgotten.
async fn take(relocation: &mut Box<dyn Relocation>, part: Part, note: &str) -> BTreeSet<String> {
    let found = entries(relocation, part).await;
    let numbers = found.iter().map(|entry| entry.number).collect();
    let between = || "between".to_owned();
    assert!(log(relocation).forget(part, numbers, note, between()).await.unwrap());
    assert!(entries(relocation, part).await.is_empty());
    assert!(log(relocation).renote(&between(), note.to_owned()).await.unwrap());
    found.iter().map(|entry| format!("{:?}", entry.key)).collect()
}

fn keys(model: &Model, part: Part, rows: &[Vec<Value>]) -> BTreeSet<String> {
    rows.iter().map(|row| format!("{:?}", part.key(model, row))).collect()
}

pub(super) async fn what_is_put_in_and_taken_away_is_logged(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let Some(mut relocation) = followed(&app, "one", true).await else {
        return;
    };
    let model = app.engine.model();
    for (part, rows) in everything(&model) {
        let name = part.name(&model);
        put(relocation.as_mut(), part, &[], &rows).await;
        assert_eq!(
            take(&mut relocation, part, "one").await,
            keys(&model, part, &rows),
            "{name}"
        );
        let gone: Vec<_> = rows[..5].iter().map(|row| part.key(&model, row)).collect();
        put(relocation.as_mut(), part, &gone, &rows[3..4]).await;
        assert_eq!(
            take(&mut relocation, part, "one").await,
            keys(&model, part, &rows[..5]),
            "{name}"
        );
    }
}

pub(super) async fn what_the_engine_writes_is_logged(database: Db) {
    const SCHEMA: &str = r#"
        type Room @collection { name: String! members: [Member!]! }
        type Member @collection { name: String! }
        type Message @collection { room: Room! @relation(onDelete: CASCADE) about: Member @relation(onDelete: SET_NULL) }
    "#;
    let app = App::open(&database, SCHEMA).await;
    let (admin, model) = (app.admin(), app.engine.model());
    let created = json!({"id": id(1), "name": "Ann"});
    admin.create("members", created).await.unwrap();
    let Some(mut relocation) = followed(&app, "one", false).await else {
        return;
    };
    let key = |ids: &[&str]| {
        let ids: Vec<_> = ids.iter().map(|id| Value::Id(id.parse().unwrap())).collect();
        format!("{ids:?}")
    };
    let all = |keys: &[String]| keys.iter().cloned().collect::<BTreeSet<_>>();
    let [rooms, members, messages, links] =
        ["rooms", "members", "messages", "rooms.members"].map(|name| part(&model, name));
    let room = json!({"id": id(2), "name": "hall", "members": [id(1)]});
    admin.create("rooms", room).await.unwrap();
    let message = json!({"id": id(3), "room": id(2), "about": id(1)});
    admin.create("messages", message).await.unwrap();
    let refused = admin.create("messages", json!({"id": id(4), "room": id(9)})).await;
    assert!(refused.is_err());
    assert_eq!(take(&mut relocation, rooms, "one").await, all(&[key(&[&id(2)])]));
    assert_eq!(
        take(&mut relocation, links, "one").await,
        all(&[key(&[&id(2), &id(1)])])
    );
    assert_eq!(take(&mut relocation, messages, "one").await, all(&[key(&[&id(3)])]));
    assert_eq!(take(&mut relocation, members, "one").await, all(&[]));
    // The message loses its reference, and the room its member.
    admin.delete("members", &id(1)).await.unwrap();
    assert_eq!(take(&mut relocation, members, "one").await, all(&[key(&[&id(1)])]));
    assert_eq!(take(&mut relocation, messages, "one").await, all(&[key(&[&id(3)])]));
    assert_eq!(
        take(&mut relocation, links, "one").await,
        all(&[key(&[&id(2), &id(1)])])
    );
    assert_eq!(take(&mut relocation, rooms, "one").await, all(&[key(&[&id(2)])]));
    // The message goes along.
    admin.delete("rooms", &id(2)).await.unwrap();
    assert_eq!(take(&mut relocation, rooms, "one").await, all(&[key(&[&id(2)])]));
    assert_eq!(take(&mut relocation, messages, "one").await, all(&[key(&[&id(3)])]));
    assert!(log(&mut relocation).end().await.unwrap());
    assert!(!log(&mut relocation).end().await.unwrap());
    admin.create("rooms", json!({"name": "cellar"})).await.unwrap();
}

pub(super) async fn a_log_is_whose_note_it_has(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let Some(mut relocation) = followed(&app, "one", true).await else {
        return;
    };
    let model = app.engine.model();
    let (part, rows) = everything(&model).remove(0);
    put(relocation.as_mut(), part, &[], &rows).await;
    assert!(!log(&mut relocation).renote("two", "three".to_owned()).await.unwrap());
    assert!(log(&mut relocation).renote("one", "two".to_owned()).await.unwrap());
    assert_eq!(log(&mut relocation).note().await.unwrap().as_deref(), Some("two"));
    let numbers: Vec<_> = entries(&mut relocation, part)
        .await
        .iter()
        .map(|entry| entry.number)
        .collect();
    assert_eq!(numbers.len(), rows.len());
    let four = || "four".to_owned();
    let forgotten = log(&mut relocation).forget(part, numbers.clone(), "one", four()).await;
    assert!(!forgotten.unwrap());
    assert_eq!(entries(&mut relocation, part).await.len(), rows.len());
    // Another takes it over, and finds nothing of the former.
    let begun = log(&mut relocation).begin("other".to_owned()).await.unwrap();
    assert_eq!(begun, Begun::Without(Vec::new()));
    assert!(!log(&mut relocation).renote("two", "three".to_owned()).await.unwrap());
    assert!(!log(&mut relocation).forget(part, numbers, "two", four()).await.unwrap());
    assert!(entries(&mut relocation, part).await.is_empty());
}

pub(super) async fn entries_stay_until_they_are_forgotten(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let Some(mut relocation) = followed(&app, "one", true).await else {
        return;
    };
    let model = app.engine.model();
    let (part, rows) = everything(&model).remove(0);
    for row in rows.chunks(1) {
        put(relocation.as_mut(), part, &[], row).await;
    }
    let found = entries(&mut relocation, part).await;
    let (some, others): (Vec<_>, Vec<_>) = found.into_iter().partition(|entry| entry.number % 3 == 0);
    let numbers = some.iter().map(|entry| entry.number).collect();
    let note = |number: u32| format!("{number}");
    assert!(
        log(&mut relocation)
            .forget(part, numbers, "one", note(2))
            .await
            .unwrap()
    );
    assert_eq!(entries(&mut relocation, part).await, others);
    assert_eq!(log(&mut relocation).note().await.unwrap(), Some(note(2)));
    let forgotten = log(&mut relocation).forget(part, Vec::new(), &note(2), note(3)).await;
    assert!(forgotten.unwrap());
    assert_eq!(entries(&mut relocation, part).await, others);
    assert!(log(&mut relocation).stands(&Part::all(&model)).await.unwrap());
}
