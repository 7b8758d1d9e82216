//! A small application for this crate's tests: its model, a database with its tables, and records to put in.

use std::sync::Arc;

use engine::Model;
use engine::model::{Collection, FieldId, Key, Timestamp, Value};
use engine::query::{Alias, Bindings, Comparison, Image, Param, Pred, Set, Term};
use rusqlite::Connection;
use uuid::Uuid;

use crate::compile;
use crate::session::{Session, at_once};
use crate::sqlite::testing;

const SCHEMA: &str = r#"
type User @collection(auth: true, signUp: OPEN) {
  name: String!
  rooms: [Room!]! @inverse(field: "members")
}

type Room @collection {
  name: String!
  topic: String
  members: [User!]!
  pinned: Message @relation(onDelete: SET_NULL)
  messages: [Message!]! @inverse(field: "room")
}

type Message @collection @index(fields: ["room", "sent"]) {
  room: Room! @relation(onDelete: CASCADE)
  author: User!
  body: String!
  sent: DateTime!
  tags: [String!]
}

type Sample @collection @index(fields: ["label", "amount"], unique: true)
  @index(fields: ["at"], where: "record.flag == true", name: "flagged") {
  label: String
  flag: Boolean
  count: Int
  big: Long
  ratio: Float
  amount: Decimal
  at: DateTime
  day: Date
  raw: Bytes
  extra: JSON
  numbers: [Int!]
  ids: [ID!]
  code: String @unique
}
"#;

pub(crate) fn model() -> Model {
    Model::read(SCHEMA, "schema.graphql").expect("the tests' schema is well")
}

pub(crate) fn bindings() -> Bindings {
    Bindings {
        auth_id: Value::Id(id(1)),
        auth_roles: Value::List(vec![Value::text("editor"), Value::text("moderator")]),
        now: Timestamp(1_700_000_000_000),
    }
}

/// A made-up id; larger numbers sort later.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

pub(crate) fn key(number: u128) -> Key {
    Key::id(id(number))
}

pub(crate) fn collection<'m>(model: &'m Model, name: &str) -> &'m Collection {
    model.by_name(name).expect("the tests name their collections right")
}

pub(crate) fn field(model: &Model, collection: &str, name: &str) -> FieldId {
    let field = self::collection(model, collection).field_named(name);
    field.expect("the tests name their fields right").id
}

/// A stored field of the row that a predicate is about.
pub(crate) fn own(model: &Model, collection: &str, name: &str) -> Term {
    Term::Field(Alias::ROOT, field(model, collection, name))
}

pub(crate) fn compare(comparison: Comparison, left: Term, right: Term) -> Pred {
    Pred::Compare(comparison, left, right)
}

pub(crate) fn equal(left: Term, right: Term) -> Pred {
    compare(Comparison::Eq, left, right)
}

pub(crate) fn constant(value: Value) -> Term {
    Term::Const(value)
}

/// `auth.id in record.members` of a room.
pub(crate) fn is_member(model: &Model, room: Term, alias: u16) -> Pred {
    let alias = Alias(alias);
    let members = Set::Links {
        of: room,
        collection: collection(model, "Room").id,
        field: field(model, "Room", "members"),
        alias,
    };
    let user = Term::Field(alias, field(model, "User", "id"));
    Pred::Any(Box::new(members), Box::new(equal(user, Term::Param(Param::AuthId))))
}

/// A record with these fields set and everything else null or a beginning.
pub(crate) fn image(collection: &Collection, number: u128, values: &[(&str, Value)]) -> Image {
    let stored = collection.stored().map(|field| {
        let given = values.iter().find(|(name, _)| *name == field.name);
        match (given, field.name.as_str()) {
            (Some((_, value)), _) => value.clone(),
            (None, "id") => Value::Id(id(number)),
            (None, "created" | "updated") => Value::DateTime(Timestamp(1000)),
            (None, "version") => Value::Int(1),
            (None, "verified") => Value::Bool(false),
            (None, "roles") => Value::Json("[]".into()),
            (None, "email") => Value::text(format!("user{number}@example.org")),
            (None, _) => Value::Null,
        }
    });
    Image(stored.collect())
}

/// A database in memory with the model's tables, and statements on it.
pub(crate) struct Database {
    pub(crate) model: Arc<Model>,
    connection: Connection,
}

impl Database {
    pub(crate) fn new() -> Self {
        let model = model();
        let connection = testing::connection();
        crate::migrate::create(&connection, &model).expect("an empty database takes the tables");
        Self {
            model: Arc::new(model),
            connection,
        }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn session(&self) -> impl Session {
        testing::session(&self.connection, &self.model)
    }

    pub(crate) fn insert(&self, name: &str, number: u128, values: &[(&str, Value)]) {
        let mut session = self.session();
        let collection = collection(&self.model, name);
        let image = image(collection, number, values);
        let statement = compile::insert(session.dialect(), collection, &image);
        at_once(session.execute(statement)).expect("the tests' records are well");
    }

    pub(crate) fn link(&self, name: &str, field_name: &str, source: u128, target: u128) {
        let mut session = self.session();
        let links = compile::Links::of(collection(&self.model, name), field(&self.model, name, field_name));
        let (source, target) = (Value::Id(id(source)), Value::Id(id(target)));
        let statement = compile::insert_link(session.dialect(), links, &source, &target);
        at_once(session.execute(statement)).expect("the tests' links are well");
    }

    /// Users 1 to 3; room 10 with members 1 and 2, room 11 with 3; messages 20 to 23 in room 10, 24 in room 11.
    pub(crate) fn with_chat() -> Self {
        let database = Self::new();
        for number in 1..=3 {
            database.insert("User", number, &[("name", Value::text(format!("user {number}")))]);
        }
        database.insert(
            "Room",
            10,
            &[("name", Value::text("ten")), ("topic", Value::text("tea"))],
        );
        database.insert("Room", 11, &[("name", Value::text("eleven"))]);
        for (room, user) in [(10, 1), (10, 2), (11, 3)] {
            database.link("Room", "members", room, user);
        }
        for (number, room, author, sent) in [
            (20, 10, 1, 100),
            (21, 10, 2, 300),
            (22, 10, 1, 200),
            (23, 10, 2, 200),
            (24, 11, 3, 50),
        ] {
            let values = [
                ("room", Value::Id(id(room))),
                ("author", Value::Id(id(author))),
                ("body", Value::text(format!("message {number}"))),
                ("sent", Value::DateTime(Timestamp(sent))),
            ];
            database.insert("Message", number, &values);
        }
        database
    }
}
