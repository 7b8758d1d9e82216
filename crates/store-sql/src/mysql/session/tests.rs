//! What MySQL gives to a new record: it has no `RETURNING`. MariaDB has, and is asked both ways.

use engine::model::{Key, Timestamp};
use engine::ports::store::StoreError;
use engine::query::{Bindings, CreatePlan, Image, Mutation, Refusal};

use super::*;
use crate::dialect::{MySql, Server};
use crate::mysql::testing::Database;
use crate::write::{self, Written};

const SCHEMA: &str = r#"
type Order @collection(key: ["id"]) @table(name: "orders", managed: false) {
  id: Long! @generated
  note: String
  state: String! @generated
  twice: Long @generated(always: true)
}
type Tag @collection(key: ["name"]) @table(name: "tags", managed: false) { name: String! @generated note: String }
"#;
const TABLES: &str = "
CREATE TABLE orders (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, note VARCHAR(20), state VARCHAR(20) NOT NULL DEFAULT (lower('NEW')),
  twice BIGINT AS (length(note) * 2) STORED) AUTO_INCREMENT = 41;
CREATE TABLE tags (name VARCHAR(40) NOT NULL DEFAULT (uuid()) PRIMARY KEY, note VARCHAR(20));
";

/// A create of which the values that are hidden are the database's to give.
fn create(model: &Model, name: &str, values: Vec<Value>) -> Mutation {
    let collection = model.by_name(name).unwrap();
    let hidden = collection
        .stored()
        .zip(&values)
        .filter(|(_, value)| **value == Value::Hidden);
    Mutation::Create(Box::new(CreatePlan {
        collection: collection.id,
        key: Key(vec![values[0].clone()]),
        given: hidden.map(|(field, _)| field.id).collect(),
        image: Image(values),
        earlier: Vec::new(),
        links: Vec::new(),
        references: Vec::new(),
        after: Vec::new(),
        answer: None,
        bindings: Bindings {
            auth_id: Value::Null,
            auth_roles: Value::List(Vec::new()),
            now: Timestamp(0),
        },
    }))
}

fn written(database: &mut Database, server: Server, model: &Model, mutation: Mutation) -> Result<Written, StoreError> {
    let (runtime, connection) = database.connection();
    connection.dialect = MySql::of(server);
    let mut session = MySqlSession::new(connection, model);
    runtime.block_on(write::run(&mut session, model, &[mutation]))
}

#[test]
fn the_outermost_select_says_how_much_may_be_sorted() {
    let hint = format!("/*+ SET_VAR(sort_buffer_size = {SORT_BYTES_MAX}) */");
    let check = |text: &str, expected: &str| {
        assert_eq!(with_room_to_sort(text), Some(expected.replace("HINT", &hint)));
    };
    check(
        "SELECT 1 FROM (SELECT p.* FROM p) AS q",
        "SELECT HINT 1 FROM (SELECT p.* FROM p) AS q",
    );
    check(
        "WITH _ninefold_page AS (SELECT 1 AS c0) SELECT p.*, 2 FROM _ninefold_page AS p",
        "WITH _ninefold_page AS (SELECT 1 AS c0) SELECT HINT p.*, 2 FROM _ninefold_page AS p",
    );
    assert_eq!(with_room_to_sort("DELETE FROM `item`"), None);
}

#[test]
fn a_number_is_known_at_once_and_what_else_is_given_is_read() {
    let model = Model::read(SCHEMA, "schema.graphql").unwrap();
    let mut database = Database::empty();
    database.command(TABLES);
    let as_it_is = database.connection().1.dialect.0;
    for (server, number) in [(Server::MySql, 41), (as_it_is, 42), (Server::MySql, 43)] {
        let values = vec![Value::Hidden, Value::text("abc"), Value::Hidden, Value::Hidden];
        let written = written(&mut database, server, &model, create(&model, "Order", values)).unwrap();
        assert_eq!(written.outcomes[0].key, Key(vec![Value::Int(number)]), "{server:?}");
        let image = [
            Value::Int(number),
            Value::text("abc"),
            Value::text("new"),
            Value::Int(6),
        ];
        assert_eq!(written.changes[0].after, Some(Image(image.to_vec())), "{server:?}");
    }
    // What is said, though it might be given.
    let values = vec![Value::Int(0), Value::Null, Value::text("old"), Value::Hidden];
    let written = written(&mut database, Server::MySql, &model, create(&model, "Order", values)).unwrap();
    let image = vec![Value::Int(0), Value::Null, Value::text("old"), Value::Null];
    assert_eq!(written.changes[0].after, Some(Image(image)));
}

#[test]
fn a_key_that_is_not_told_is_asked_for() {
    let model = Model::read(SCHEMA, "schema.graphql").unwrap();
    let mut database = Database::empty();
    database.command(TABLES);
    let as_it_is = database.connection().1.dialect.0;
    let tag = || create(&model, "Tag", vec![Value::Hidden, Value::text("x")]);
    let Err(StoreError::At { source, .. }) = written(&mut database, Server::MySql, &model, tag()) else {
        panic!("a record without a key");
    };
    let StoreError::Refused(Refusal::Invalid(errors)) = *source else {
        panic!("it can be given");
    };
    assert_eq!((errors[0].field.as_str(), &*errors[0].code), ("name", "required"));
    if as_it_is == Server::MariaDb {
        let told = written(&mut database, as_it_is, &model, tag()).unwrap();
        assert!(matches!(told.outcomes[0].key.single(), Some(Value::Text(name)) if name.len() == 36));
    }
}
