//! Everything of a database, taken out and put in as it is stored.

use engine::Model;
use engine::model::{Date, Decimal, Timestamp, Value};
use engine::ports::relocation::{Part, Relocation, Reserved, Turn};
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
    assert!(relocation.begin("begun".to_owned()).await.unwrap());
    (app, relocation)
}

async fn try_put(
    relocation: &mut dyn Relocation,
    part: Part,
    gone: &[Vec<Value>],
    rows: &[Vec<Value>],
) -> Result<bool, StoreError> {
    let turn = Turn {
        from: relocation.mark().await.unwrap().expect("it is begun"),
        to: Uuid::now_v7().to_string(),
    };
    relocation.put(part, gone.to_vec(), rows.to_vec(), turn).await
}

/// The one step that nobody else is in the way of.
pub(super) async fn put(relocation: &mut dyn Relocation, part: Part, gone: &[Vec<Value>], rows: &[Vec<Value>]) {
    assert!(try_put(relocation, part, gone, rows).await.unwrap());
}

async fn try_finish(relocation: &mut dyn Relocation) -> Result<bool, StoreError> {
    let mark = relocation.mark().await.unwrap().expect("it is begun");
    relocation.finish(&mark, "moved".to_owned()).await
}

async fn finish(relocation: &mut dyn Relocation) {
    assert!(try_finish(relocation).await.unwrap());
}

pub(super) async fn every_part_comes_back_by_key(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    for (part, rows) in everything(&model) {
        assert_eq!(relocation.count(part).await.unwrap(), 0);
        for portion in rows.chunks(10) {
            put(relocation.as_mut(), part, &[], portion).await;
        }
        let found = all(relocation.as_mut(), &model, part).await;
        assert_eq!(sorted(&found), sorted(&rows), "{}", part.name(&model));
        assert_eq!(relocation.count(part).await.unwrap(), u64::from(ROWS));
    }
    finish(relocation.as_mut()).await;
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
    let pairs = vec![vec![id(0), id(1)]];
    put(relocation.as_mut(), members, &[], &pairs).await;
    put(relocation.as_mut(), people_part, &[], &people(&model)).await;
    let mark = relocation.mark().await.unwrap();
    let refused = try_finish(relocation.as_mut()).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "{refused:?}");
    assert_eq!(relocation.mark().await.unwrap(), mark);
    put(relocation.as_mut(), rooms_part, &[], &rooms(&model)).await;
    finish(relocation.as_mut()).await;
    assert_eq!(relocation.mark().await.unwrap(), None);
}

pub(super) async fn a_portion_is_all_or_nothing(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    let part = part(&model, "rooms");
    let rows = rooms(&model);
    put(relocation.as_mut(), part, &[], &rows[..3]).await;
    let mark = relocation.mark().await.unwrap();
    let refused = try_put(relocation.as_mut(), part, &[], &rows[2..6]).await;
    assert!(refused.is_err());
    assert_eq!(relocation.count(part).await.unwrap(), 3);
    assert_eq!(relocation.mark().await.unwrap(), mark);
    put(relocation.as_mut(), part, &[], &rows[3..]).await;
    assert_eq!(relocation.count(part).await.unwrap(), u64::from(ROWS));
    assert_ne!(relocation.mark().await.unwrap(), mark);
}

pub(super) async fn rows_go_and_others_come_in_one_step(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    for (part, rows) in everything(&model) {
        put(relocation.as_mut(), part, &[], &rows[..10]).await;
        let key = |row: &Vec<Value>| part.key(&model, row);
        // One of them isn't there, and one comes again.
        let gone = [&rows[3], &rows[7], &rows[12]].map(key).to_vec();
        let come = [rows[7].clone(), rows[13].clone()].to_vec();
        put(relocation.as_mut(), part, &gone, &come).await;
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
    assert!(relocation.begin("begun".to_owned()).await.unwrap());
    assert_eq!(relocation.mark().await.unwrap().as_deref(), Some("begun"));
    assert_eq!(relocation.moved().await.unwrap(), None);
    finish(relocation.as_mut()).await;
    assert_eq!(relocation.mark().await.unwrap(), None);
    assert_eq!(relocation.moved().await.unwrap().as_deref(), Some("moved"));
    // It may be filled anew.
    assert!(relocation.begin("again".to_owned()).await.unwrap());
    assert_eq!(relocation.moved().await.unwrap(), None);
}

pub(super) async fn what_a_server_has_written_since_it_came_is_seen(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let mut relocation = app.engine.relocation().await.unwrap();
    let before = relocation.position().await.unwrap();
    assert_eq!(relocation.position().await.unwrap(), before);
    let room = serde_json::json!({"tag": "one", "sizes": []});
    app.admin().create("rooms", room).await.unwrap();
    assert_ne!(relocation.position().await.unwrap(), before);
}

pub(super) async fn of_two_moves_only_one_goes_on(database: Db) {
    let (app, mut one) = begun(&database).await;
    let mut other = app.engine.relocation().await.unwrap();
    assert!(!other.begin("other".to_owned()).await.unwrap());
    assert_eq!(one.mark().await.unwrap().as_deref(), Some("begun"));
    let model = app.engine.model();
    let part = part(&model, "rooms");
    let rows = rooms(&model);
    let turn = |from: &str, to: &str| Turn {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    let taken_over = other.put(part, Vec::new(), Vec::new(), turn("begun", "other 1")).await;
    assert!(taken_over.unwrap());
    let late = one
        .put(part, Vec::new(), rows[..3].to_vec(), turn("begun", "one 1"))
        .await;
    assert!(!late.unwrap());
    assert!(!one.finish("begun", "moved".to_owned()).await.unwrap());
    let on = other
        .put(part, Vec::new(), rows[..5].to_vec(), turn("other 1", "other 2"))
        .await;
    assert!(on.unwrap());
    assert_eq!(one.count(part).await.unwrap(), 5);
    // At the same time, and as often as it takes for both to be first.
    let mut last = "other 2".to_owned();
    for number in 0..10 {
        let (first, second) = (format!("one {number}"), format!("other again {number}"));
        let (won, lost) = tokio::join!(
            one.put(part, Vec::new(), Vec::new(), turn(&last, &first)),
            other.put(part, Vec::new(), Vec::new(), turn(&last, &second)),
        );
        let (won, lost) = (won.unwrap(), lost.unwrap());
        assert!(won ^ lost);
        last = if won { first } else { second };
        assert_eq!(one.mark().await.unwrap().as_deref(), Some(last.as_str()));
    }
}

pub(super) async fn rows_are_found_by_their_keys(database: Db) {
    let (app, mut relocation) = begun(&database).await;
    let model = app.engine.model();
    for (part, rows) in everything(&model) {
        put(relocation.as_mut(), part, &[], &rows[..20]).await;
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
