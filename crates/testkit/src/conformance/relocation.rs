//! Everything of a database, taken out and put in as it is stored.

use engine::Model;
use engine::model::{Date, Decimal, Timestamp, Value};
use engine::ports::relocation::{Part, Relocation, Reserved};
use engine::ports::store::StoreError;
use uuid::Uuid;

use super::Db;
use super::app::App;

/// Every kind of value, and relations in a circle.
pub(super) const SCHEMA: &str = r#"
type Person @collection(auth: true) { name: String! friends: [Person!]! room: Room }
enum Size { SMALL LARGE }
type Inner { a: Int b: [String!] }
type Room @collection {
  owner: Person
  next: Room
  tag: String @unique
  small: Int
  big: Long
  ratio: Float
  amount: Decimal
  flag: Boolean
  at: DateTime
  day: Date
  raw: Bytes
  extra: JSON
  inner: Inner
  sizes: [Size!]
  members: [Person!]!
}
"#;
const ROWS: u32 = 25;
const PAGE: u32 = 7;

fn id(number: u32) -> Value {
    // So that their order is another than that in which they are put.
    let number = u128::from(number) * 7 % u128::from(ROWS * 7 + 1);
    Value::Id(Uuid::from_u128(0x0189_0000_0000_7000_8000_0000_0000_0000 + number))
}

pub(super) fn part(model: &Model, name: &str) -> Part {
    let parts = Part::all(model);
    let found = parts.into_iter().find(|part| part.name(model) == name);
    found.unwrap_or_else(|| panic!("there is no part {name}"))
}

/// A row of a collection: what is named, and null or the least that is possible for the rest.
fn record(model: &Model, part: Part, key: u32, values: &[(&str, Value)]) -> Vec<Value> {
    let Part::Records(collection) = part else {
        panic!("records have fields")
    };
    let value = |name: &str| match name {
        "id" => id(key),
        "created" | "updated" => Value::DateTime(Timestamp(1_700_000_000_123 + i64::from(key))),
        "version" => Value::Int(i64::from(key) + 1),
        "email" => Value::text(format!("{key}@example.com")),
        "verified" => Value::Bool(key.is_multiple_of(2)),
        "roles" => Value::Json("[\"a\"]".into()),
        name => {
            let found = values.iter().find(|(named, _)| *named == name);
            found.map_or(Value::Null, |(_, value)| value.clone())
        }
    };
    let fields = model.collection(collection).stored();
    fields.map(|field| value(&field.name)).collect()
}

fn people(model: &Model) -> Vec<Vec<Value>> {
    let part = part(model, "people");
    let person = |key| {
        record(
            model,
            part,
            key,
            &[("name", Value::text(format!("é {key}"))), ("room", id(key))],
        )
    };
    (0..ROWS).map(person).collect()
}

fn rooms(model: &Model) -> Vec<Vec<Value>> {
    let part = part(model, "rooms");
    let room = |key: u32| {
        let number = i64::from(key);
        let values = [
            ("owner", id(key)),
            ("next", id((key + 1) % ROWS)),
            ("tag", Value::text(format!("größer \u{1F980} {key}"))),
            ("small", Value::Int(-number)),
            ("big", Value::Int(i64::MAX - number)),
            ("ratio", Value::Float(f64::from(key) / 7.0)),
            ("amount", Value::Decimal(Decimal(number * 1_000_001))),
            ("flag", Value::Bool(key.is_multiple_of(3))),
            ("at", Value::DateTime(Timestamp(-62_000_000_000_001 + number))),
            ("day", Value::Date(Date(-200_000 + i32::try_from(key).unwrap()))),
            (
                "raw",
                Value::Bytes([0, 255, u8::try_from(key).unwrap()].as_slice().into()),
            ),
            ("extra", Value::Json("{\"b\":1.5,\"a\":[null,\"é\"]}".into())),
            ("inner", Value::Json("{\"a\":1,\"b\":[\"x\"]}".into())),
            ("sizes", Value::Json("[\"SMALL\",\"LARGE\"]".into())),
        ];
        // The last has nothing but its key.
        let values = if key + 1 == ROWS { &[][..] } else { &values };
        record(model, part, key, values)
    };
    (0..ROWS).map(room).collect()
}

fn reserved(part: Reserved, key: u32) -> Vec<Value> {
    let number = Value::Int(1_700_000_000_000 + i64::from(key));
    let (bytes, text) = (
        Value::Bytes([u8::try_from(key).unwrap(); 32].as_slice().into()),
        Value::text(format!("text {key:03}")),
    );
    let kind = || Value::text(if key.is_multiple_of(2) { "user" } else { "administrator" });
    match part {
        Reserved::Credentials => vec![kind(), id(key), text],
        Reserved::Sessions => vec![
            id(key),
            kind(),
            id(key + 1),
            number.clone(),
            number.clone(),
            number.clone(),
            Value::Int(3),
            number,
            if key == 0 { Value::Null } else { text },
        ],
        // An invitation is nobody's yet.
        Reserved::OneTimeTokens if key == 0 => vec![bytes, text.clone(), Value::Null, Value::Null, text, number],
        Reserved::OneTimeTokens => vec![bytes, text.clone(), kind(), id(key), text, number],
        Reserved::Administrators => vec![id(key), text, number],
        Reserved::SigningKeys => vec![text, bytes, number.clone(), number],
        Reserved::Secrets => vec![text, bytes],
    }
}

/// All rows of every part.
pub(super) fn everything(model: &Model) -> Vec<(Part, Vec<Vec<Value>>)> {
    let rows = |part: Part| match part {
        Part::Records(_) if part.name(model) == "people" => people(model),
        Part::Records(_) => rooms(model),
        Part::Links(..) => (0..ROWS).map(|key| vec![id(key), id((key * 3 + 1) % ROWS)]).collect(),
        Part::Reserved(kind) => (0..ROWS).map(|key| reserved(kind, key)).collect(),
    };
    Part::all(model).into_iter().map(|part| (part, rows(part))).collect()
}

async fn all(relocation: &mut dyn Relocation, model: &Model, part: Part) -> Vec<Vec<Value>> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = relocation.read(part, after.take(), PAGE).await.unwrap();
        assert!(page.len() <= PAGE as usize);
        let Some(last) = page.last() else { return found };
        after = Some(part.key(model, last));
        found.extend(page);
    }
}

/// In no order.
fn sorted(rows: &[Vec<Value>]) -> Vec<String> {
    let mut rows: Vec<_> = rows.iter().map(|row| format!("{row:?}")).collect();
    rows.sort();
    rows
}

async fn begun(database: &Db) -> (App, Box<dyn Relocation>) {
    let app = App::open(database, SCHEMA).await;
    let mut relocation = app.engine.relocation().await.unwrap();
    relocation.begin("begun".to_owned()).await.unwrap();
    (app, relocation)
}

pub(super) async fn every_part_comes_back_by_key(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    for (part, rows) in everything(&model) {
        assert_eq!(relocation.count(part).await.unwrap(), 0);
        for portion in rows.chunks(10) {
            relocation
                .put(part, Vec::new(), portion.to_vec(), "on".to_owned())
                .await
                .unwrap();
        }
        let found = all(relocation.as_mut(), &model, part).await;
        assert_eq!(sorted(&found), sorted(&rows), "{}", part.name(&model));
        assert_eq!(relocation.count(part).await.unwrap(), u64::from(ROWS));
    }
    relocation.finish().await.unwrap();
    let rooms = app.admin().list("rooms").count().await.unwrap();
    assert_eq!(rooms.total, Some(u64::from(ROWS)));
}

pub(super) async fn relations_may_come_later_but_not_never(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    let (people_part, rooms_part, members) = (
        part(&model, "people"),
        part(&model, "rooms"),
        part(&model, "rooms.members"),
    );
    let mark = || "on".to_owned();
    let pairs = vec![vec![id(0), id(1)]];
    relocation.put(members, Vec::new(), pairs, mark()).await.unwrap();
    relocation
        .put(people_part, Vec::new(), people(&model), mark())
        .await
        .unwrap();
    let refused = relocation.finish().await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(relocation.mark().await.unwrap(), Some(mark()));
    relocation
        .put(rooms_part, Vec::new(), rooms(&model), mark())
        .await
        .unwrap();
    relocation.finish().await.unwrap();
    assert_eq!(relocation.mark().await.unwrap(), None);
}

pub(super) async fn a_portion_is_all_or_nothing(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    let part = part(&model, "rooms");
    let rows = rooms(&model);
    relocation
        .put(part, Vec::new(), rows[..3].to_vec(), "first".to_owned())
        .await
        .unwrap();
    let refused = relocation
        .put(part, Vec::new(), rows[2..6].to_vec(), "second".to_owned())
        .await;
    assert!(refused.is_err());
    assert_eq!(relocation.count(part).await.unwrap(), 3);
    assert_eq!(relocation.mark().await.unwrap().as_deref(), Some("first"));
    relocation
        .put(part, Vec::new(), rows[3..].to_vec(), "third".to_owned())
        .await
        .unwrap();
    assert_eq!(relocation.count(part).await.unwrap(), u64::from(ROWS));
    assert_eq!(relocation.mark().await.unwrap().as_deref(), Some("third"));
}

pub(super) async fn rows_go_and_others_come_in_one_step(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    for (part, rows) in everything(&model) {
        let mark = || "on".to_owned();
        relocation
            .put(part, Vec::new(), rows[..10].to_vec(), mark())
            .await
            .unwrap();
        let key = |row: &Vec<Value>| part.key(&model, row);
        // One of them isn't there, and one comes again.
        let gone = [&rows[3], &rows[7], &rows[12]].map(key).to_vec();
        let come = [rows[7].clone(), rows[13].clone()].to_vec();
        relocation.put(part, gone, come, mark()).await.unwrap();
        let found = all(relocation.as_mut(), &model, part).await;
        let mut expected = rows[..10].to_vec();
        expected.remove(3);
        expected.push(rows[13].clone());
        assert_eq!(sorted(&found), sorted(&expected), "{}", part.name(&model));
    }
}

pub(super) async fn a_database_that_is_filled_is_marked(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let mut relocation = app.engine.relocation().await.unwrap();
    assert_eq!(relocation.mark().await.unwrap(), None);
    relocation.begin("begun".to_owned()).await.unwrap();
    assert_eq!(relocation.mark().await.unwrap().as_deref(), Some("begun"));
    relocation.finish().await.unwrap();
    assert_eq!(relocation.mark().await.unwrap(), None);
}

pub(super) async fn rows_are_found_by_their_keys(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    for (part, rows) in everything(&model) {
        let mark = || "on".to_owned();
        relocation
            .put(part, Vec::new(), rows[..20].to_vec(), mark())
            .await
            .unwrap();
        let key = |row: &Vec<Value>| part.key(&model, row);
        assert!(relocation.find(part, Vec::new()).await.unwrap().is_empty());
        // Some of them aren't there, and there are more keys than one question takes.
        let some = rows[15..].iter().map(key).collect();
        let found = relocation.find(part, some).await.unwrap();
        assert_eq!(sorted(&found), sorted(&rows[15..20]), "{}", part.name(&model));
        let missing = rows[20..].iter().map(key).cycle().take(ROWS as usize * 10);
        let all = missing.chain(rows[..20].iter().map(key)).collect();
        let found = relocation.find(part, all).await.unwrap();
        assert_eq!(sorted(&found), sorted(&rows[..20]), "{}", part.name(&model));
    }
}
