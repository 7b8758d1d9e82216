//! Plans that read, on a small database.

use std::sync::Arc;
use std::time::Instant;

use engine::model::{Timestamp, Value};
use engine::ports::store::StoreError;
use engine::query::{
    Alias, Bindings, Comparison, Freshness, Item, Nested, Param, Pred, Projection, Shape, SortKey, Term,
};

use super::*;
use crate::fixture::{Database, bindings, collection, compare, constant, equal, field, id, is_member, key, own};
use crate::session::{EachRow, at_once};

fn item(model: &Model, name: &str, field_name: &str, shape: Shape) -> Item {
    Item {
        field: field(model, name, field_name),
        visible: Pred::Const(true),
        shape,
    }
}

fn projection(model: &Model, name: &str, items: Vec<Item>) -> Projection {
    Projection {
        collection: collection(model, name).id,
        items,
    }
}

fn plain(model: &Model, name: &str, fields: &[&str]) -> Projection {
    let items = fields
        .iter()
        .map(|field_name| item(model, name, field_name, Shape::Value));
    projection(model, name, items.collect())
}

fn nested(guard: Pred, projection: Option<Projection>, limit: u32) -> Box<Nested> {
    Box::new(Nested {
        guard,
        projection,
        is_key: false,
        limit,
    })
}

fn anything() -> Pred {
    Pred::Const(true)
}

fn read_one(database: &Database, name: &str, number: u128, guard: Pred, projection: Projection) -> Option<Row> {
    try_read_one(database, name, number, guard, projection).unwrap()
}

fn try_read_one(
    database: &Database,
    name: &str,
    number: u128,
    guard: Pred,
    projection: Projection,
) -> Result<Option<Row>, StoreError> {
    let plan = GetPlan {
        collection: collection(&database.model, name).id,
        key: key(number),
        guard,
        projection: Arc::new(projection),
        bindings: bindings(),
        freshness: Freshness::Latest,
        deadline: Instant::now(),
    };
    at_once(get(&mut database.session(), &database.model, &plan))
}

fn text(value: &str) -> Value {
    Value::text(value)
}

fn ids(numbers: &[u128]) -> Value {
    Value::List(numbers.iter().map(|number| Value::Id(id(*number))).collect())
}

fn record(values: Vec<Value>) -> Value {
    Value::Record(Arc::new(Row(values)))
}

#[test]
fn a_record_is_there_only_where_the_guard_holds() {
    let database = Database::with_chat();
    let model = &database.model;
    let guard = || is_member(model, own(model, "Message", "room"), 1);
    let body = || plain(model, "Message", &["body", "sent"]);
    let found = read_one(&database, "Message", 20, guard(), body());
    assert_eq!(
        found,
        Some(Row(vec![text("message 20"), Value::DateTime(Timestamp(100))]))
    );
    assert_eq!(read_one(&database, "Message", 24, guard(), body()), None);
    assert_eq!(read_one(&database, "Message", 99, anything(), body()), None);
    assert_eq!(
        read_one(&database, "Message", 20, anything(), plain(model, "Message", &[])),
        Some(Row(vec![]))
    );
}

#[test]
fn every_type_comes_back_as_it_went_in() {
    let database = Database::new();
    let model = &database.model;
    let values = [
        ("label", text("naïve 🦀")),
        ("flag", Value::Bool(true)),
        ("count", Value::Int(-7)),
        ("big", Value::Int(i64::MAX)),
        ("ratio", Value::Float(2.0)),
        ("amount", Value::Decimal(engine::model::Decimal(1_500_000))),
        ("at", Value::DateTime(Timestamp(-1))),
        ("day", Value::Date(engine::model::Date(-400))),
        ("raw", Value::Bytes([0, 255].into())),
        ("extra", Value::Json(r#"{"a":[1,null]}"#.into())),
        ("numbers", Value::Json("[1,2]".into())),
        ("code", Value::Null),
    ];
    database.insert("Sample", 1, &values);
    let names: Vec<&str> = values.iter().map(|(name, _)| *name).collect();
    let found = read_one(&database, "Sample", 1, anything(), plain(model, "Sample", &names));
    assert_eq!(found, Some(Row(values.into_iter().map(|(_, value)| value).collect())));
}

#[test]
fn a_field_is_hidden_where_its_rule_fails() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut items = plain(model, "User", &["name", "email"]);
    items.items[1].visible = equal(own(model, "User", "id"), Term::Param(Param::AuthId));
    let of = |number| read_one(&database, "User", number, anything(), items.clone()).unwrap();
    assert_eq!(of(1), Row(vec![text("user 1"), text("user1@example.org")]));
    assert_eq!(of(2), Row(vec![text("user 2"), Value::Hidden]));
}

#[test]
fn related_records_take_the_place_of_keys_under_their_own_guard() {
    let database = Database::with_chat();
    let model = &database.model;
    let not_two = compare(Comparison::Ne, own(model, "User", "id"), constant(Value::Id(id(2))));
    let author = Shape::One(nested(not_two, Some(plain(model, "User", &["name"])), 1));
    let items = || projection(model, "Message", vec![item(model, "Message", "author", author.clone())]);
    let of = |number| read_one(&database, "Message", number, anything(), items()).unwrap();
    assert_eq!(of(20), Row(vec![record(vec![text("user 1")])]));
    assert_eq!(of(21), Row(vec![Value::Id(id(2))]));
}

#[test]
fn sets_come_as_keys_or_records_by_key() {
    let database = Database::with_chat();
    let model = &database.model;
    let many = |name, field_name, guard, projected, limit| {
        let shape = Shape::Many(nested(guard, projected, limit));
        projection(model, name, vec![item(model, name, field_name, shape)])
    };
    let of = |number, items| read_one(&database, "Room", number, anything(), items).unwrap();
    assert_eq!(
        of(10, many("Room", "members", anything(), None, 5)),
        Row(vec![ids(&[1, 2])])
    );
    let not_me = compare(Comparison::Ne, own(model, "User", "id"), Term::Param(Param::AuthId));
    assert_eq!(
        of(10, many("Room", "members", not_me.clone(), None, 5)),
        Row(vec![ids(&[2])])
    );
    let names = Some(plain(model, "User", &["name"]));
    let named = Row(vec![Value::List(vec![record(vec![text("user 2")])])]);
    assert_eq!(of(10, many("Room", "members", not_me, names, 5)), named);
    assert_eq!(
        of(10, many("Room", "messages", anything(), None, 5)),
        Row(vec![ids(&[20, 21, 22, 23])])
    );
    let rooms = many("User", "rooms", anything(), None, 5);
    assert_eq!(
        read_one(&database, "User", 3, anything(), rooms),
        Some(Row(vec![ids(&[11])]))
    );
    let few = many("Room", "messages", anything(), None, 3);
    let refused = try_read_one(&database, "Room", 10, anything(), few);
    assert!(matches!(refused, Err(StoreError::TooMany { limit: 3 })));
}

#[test]
fn expansions_nest_with_one_statement_for_each_relation() {
    let database = Database::with_chat();
    let model = &database.model;
    let author = Shape::One(nested(anything(), Some(plain(model, "User", &["name"])), 1));
    let messages = projection(
        model,
        "Message",
        vec![
            item(model, "Message", "body", Shape::Value),
            item(model, "Message", "author", author),
        ],
    );
    let room = projection(
        model,
        "Room",
        vec![item(
            model,
            "Room",
            "messages",
            Shape::Many(nested(anything(), Some(messages), 10)),
        )],
    );
    let user = projection(
        model,
        "User",
        vec![item(
            model,
            "User",
            "rooms",
            Shape::Many(nested(anything(), Some(room), 10)),
        )],
    );
    let mut counted = Counted {
        inner: database.session(),
        statements: 0,
    };
    let plan = list_plan(model, "User", user, &[("id", false)]);
    let page = at_once(list(&mut counted, model, &plan)).unwrap();
    assert_eq!(counted.statements, 4);
    let message =
        |number: u32, author: &str| record(vec![text(&format!("message {number}")), record(vec![text(author)])]);
    let eleven = record(vec![Value::List(vec![message(24, "user 3")])]);
    let rows = page.rows.into_values();
    assert_eq!(rows[2], Row(vec![Value::List(vec![eleven])]));
    assert_eq!(rows[0], rows[1]);
}

/// Counts what is asked.
struct Counted<S> {
    inner: S,
    statements: usize,
}

impl<S: Session> Session for Counted<S> {
    fn dialect(&self) -> compile::DialectRef {
        self.inner.dialect()
    }

    async fn each(&mut self, statement: compile::Statement<'_>, row: EachRow<'_>) -> Result<(), StoreError> {
        self.statements += 1;
        self.inner.each(statement, row).await
    }

    async fn execute(&mut self, statement: compile::Statement<'_>) -> Result<u64, StoreError> {
        self.inner.execute(statement).await
    }

    async fn insert(&mut self, statement: compile::Statement<'_>) -> Result<Option<Columns>, StoreError> {
        self.inner.insert(statement).await
    }
}

fn list_plan(model: &Model, name: &str, projection: Projection, sort: &[(&str, bool)]) -> ListPlan {
    let key = |(field_name, descending): &(&str, bool)| SortKey {
        term: own(model, name, field_name),
        descending: *descending,
    };
    ListPlan {
        collection: collection(model, name).id,
        guard: anything(),
        sort: sort.iter().map(key).collect(),
        after: None,
        limit: 100,
        count: false,
        projection: Arc::new(projection),
        as_json: false,
        bindings: bindings(),
        freshness: Freshness::Latest,
        deadline: Instant::now(),
    }
}

#[test]
fn a_page_says_whether_there_is_more_and_how_many_in_all() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut plan = list_plan(
        model,
        "Message",
        plain(model, "Message", &["body"]),
        &[("sent", true), ("id", false)],
    );
    plan.guard = equal(own(model, "Message", "room"), constant(Value::Id(id(10))));
    plan.limit = 3;
    plan.count = true;
    let page = at_once(list(&mut database.session(), model, &plan)).unwrap();
    let bodies = |page: &Page| {
        let rows = page.rows.clone().into_values();
        rows.iter()
            .map(|row| row.0[0].as_text().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(bodies(&page), ["message 21", "message 22", "message 23"]);
    assert_eq!(page.total, Some(4));
    assert_eq!(
        page.next,
        Some(vec![Value::DateTime(Timestamp(200)), Value::Id(id(23))])
    );
    plan.after = page.next;
    let page = at_once(list(&mut database.session(), model, &plan)).unwrap();
    assert_eq!(bodies(&page), ["message 20"]);
    assert_eq!(page.next, None);
}

/// Walks all pages of samples in this order, one record at a time, and expects each record once, in order.
fn check_walk(sort: &[(Term, bool)]) {
    let database = Database::new();
    let model = &database.model;
    let labels = [None, Some("a"), Some("b"), None, Some("a")];
    let counts = [Some(2), None, Some(1), None, Some(1)];
    for (number, (label, count)) in (1..).zip(labels.into_iter().zip(counts)) {
        let label = label.map_or(Value::Null, text);
        let count = count.map_or(Value::Null, Value::Int);
        database.insert("Sample", number, &[("label", label), ("count", count)]);
    }
    let mut plan = list_plan(model, "Sample", plain(model, "Sample", &["id"]), &[]);
    plan.sort = sort
        .iter()
        .map(|(term, descending)| SortKey {
            term: term.clone(),
            descending: *descending,
        })
        .collect();
    let all = at_once(list(&mut database.session(), model, &plan))
        .unwrap()
        .rows
        .into_values();
    assert_eq!(all.len(), 5);
    plan.limit = 1;
    let mut walked = Vec::new();
    loop {
        let page = at_once(list(&mut database.session(), model, &plan)).unwrap();
        walked.extend(page.rows.into_values());
        plan.after = page.next;
        if plan.after.is_none() {
            break;
        }
        assert!(walked.len() < 5, "the walk does not end: {sort:?}");
    }
    assert_eq!(walked, all, "{sort:?}");
}

#[test]
fn pages_meet_every_record_once_in_every_order() {
    let model = crate::fixture::model();
    let label = || own(&model, "Sample", "label");
    let count = || own(&model, "Sample", "count");
    let missing = || Term::Bool(Box::new(Pred::IsNull(count())));
    let key = || own(&model, "Sample", "id");
    for first in [false, true] {
        for second in [false, true] {
            for last in [false, true] {
                check_walk(&[(label(), first), (count(), second), (key(), last)]);
                check_walk(&[(missing(), first), (label(), second), (key(), last)]);
            }
        }
    }
}

#[test]
fn sorting_by_a_related_record_reads_its_value() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut plan = list_plan(model, "Message", plain(model, "Message", &["id"]), &[]);
    let topic = Term::Lookup {
        key: Box::new(own(model, "Message", "room")),
        collection: collection(model, "Room").id,
        alias: Alias(1),
        guard: Box::new(anything()),
        then: Box::new(Term::Field(Alias(1), field(model, "Room", "topic"))),
    };
    plan.sort = vec![
        SortKey {
            term: topic,
            descending: false,
        },
        SortKey {
            term: own(model, "Message", "id"),
            descending: false,
        },
    ];
    plan.limit = 2;
    let page = at_once(list(&mut database.session(), model, &plan)).unwrap();
    assert_eq!(
        page.rows.into_values(),
        [Row(vec![Value::Id(id(24))]), Row(vec![Value::Id(id(20))])]
    );
    assert_eq!(page.next, Some(vec![text("tea"), Value::Id(id(20))]));
}

#[test]
fn nobody_is_equal_to_no_author() {
    let database = Database::with_chat();
    let model = &database.model;
    let nobody = Bindings {
        auth_id: Value::Null,
        ..bindings()
    };
    let mine = equal(own(model, "Room", "pinned"), Term::Param(Param::AuthId));
    let count = |guard: Pred| {
        let mut plan = list_plan(model, "Room", plain(model, "Room", &["id"]), &[("id", false)]);
        plan.bindings = nobody.clone();
        plan.guard = guard;
        at_once(list(&mut database.session(), model, &plan))
            .unwrap()
            .rows
            .into_values()
            .len()
    };
    assert_eq!(count(mine.clone()), 0);
    assert_eq!(count(mine.complement()), 2);
    let same = Pred::Same(own(model, "Room", "pinned"), Term::Param(Param::AuthId));
    assert_eq!(count(same.clone()), 2);
    assert_eq!(count(same.complement()), 0);
}
