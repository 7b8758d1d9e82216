//! What is written for which plan, that SQLite takes it, and that it finds its indexes.

use std::sync::Arc;
use std::time::Instant;

use engine::model::{Scalar, Timestamp, Value};
use engine::query::{
    Alias, Comparison, Freshness, Function, GetPlan, Item, ListPlan, Nested, Param, Pred, Projection, Set, Shape,
    SortKey, Term, TextTest,
};

use super::predicate::Compiler;
use super::sql::Sql;
use super::*;
use crate::dialect::Sqlite;
use crate::fixture::{Database, bindings, collection, compare, constant, equal, field, id, is_member, key, own};

/// The text of a predicate over messages; it is also run, so that none is only well to look at.
fn check(pred: &Pred, expected: &str) {
    check_in("Message", pred, expected);
}

fn check_in(name: &str, pred: &Pred, expected: &str) {
    let database = Database::with_chat();
    let bindings = bindings();
    let frame = Frame::reading(&database.model, &bindings);
    let root = collection(&database.model, name);
    let mut compiler = Compiler::new(Sql::new(&Sqlite), frame, root);
    compiler.pred(pred);
    let text = compiler.sql.finish().text;
    assert_eq!(text, expected);
    let sql = format!("SELECT count(*) FROM \"{}\" AS t0 WHERE {text}", root.table);
    database.connection().prepare(&sql).unwrap();
}

fn text(value: &str) -> Term {
    constant(Value::text(value))
}

#[test]
fn comparisons_are_natural_and_only_the_complement_minds_nulls() {
    let model = crate::fixture::model();
    let body = || own(&model, "Message", "body");
    check(&equal(body(), text("x")), r#"t0."body" = ?"#);
    check(&Pred::Same(body(), text("x")), r#"t0."body" IS ?"#);
    check(&Pred::IsNull(body()), r#"t0."body" IS NULL"#);
    let unequal = equal(body(), text("x")).complement();
    check(&unequal, r#"((t0."body" = ?) IS NOT TRUE)"#);
    let both = Pred::And(vec![equal(body(), text("x")), unequal]);
    check(&both, r#"(t0."body" = ? AND ((t0."body" = ?) IS NOT TRUE))"#);
    check(&Pred::Or(vec![]), "FALSE");
}

#[test]
fn long_conjunctions_are_balanced() {
    let model = crate::fixture::model();
    let part = equal(own(&model, "Message", "body"), text("x"));
    let four = Pred::And(vec![part.clone(); 4]);
    check(
        &four,
        r#"((t0."body" = ? AND t0."body" = ?) AND (t0."body" = ? AND t0."body" = ?))"#,
    );
    // Flat, this would be deeper than SQLite lets an expression be.
    let database = Database::new();
    let bindings = bindings();
    let frame = Frame::reading(&database.model, &bindings);
    let many = Pred::Or(vec![part; 5000]);
    let mut compiler = Compiler::new(Sql::new(&Sqlite), frame, collection(&database.model, "Message"));
    compiler.pred(&many);
    let sql = format!("SELECT 1 FROM message AS t0 WHERE {}", compiler.sql.finish().text);
    database.connection().prepare(&sql).unwrap();
}

#[test]
fn membership_asks_the_link_table_alone() {
    let model = crate::fixture::model();
    check_in(
        "Room",
        &is_member(&model, own(&model, "Room", "id"), 1),
        r#"EXISTS (SELECT 1 FROM "room_members" AS l1 WHERE l1."room_id" = t0."id" AND l1."user_id" = ?)"#,
    );
    check(
        &is_member(&model, own(&model, "Message", "room"), 1),
        r#"EXISTS (SELECT 1 FROM "room_members" AS l1 WHERE l1."room_id" = t0."room" AND l1."user_id" = ?)"#,
    );
}

#[test]
fn members_fields_join_their_table() {
    let model = crate::fixture::model();
    let members = Set::Links {
        of: own(&model, "Room", "id"),
        collection: collection(&model, "Room").id,
        field: field(&model, "Room", "members"),
        alias: Alias(1),
    };
    let named = equal(Term::Field(Alias(1), field(&model, "User", "name")), text("x"));
    check_in(
        "Room",
        &Pred::Any(Box::new(members.clone()), Box::new(named)),
        r#"EXISTS (SELECT 1 FROM "room_members" AS l1 JOIN "user" AS t1 ON t1."id" = l1."user_id" WHERE l1."room_id" = t0."id" AND t1."name" = ?)"#,
    );
    let count = Term::Count(Box::new(members), Box::new(Pred::Const(true)));
    check_in(
        "Room",
        &compare(Comparison::Ge, count, constant(Value::Int(2))),
        r#"(SELECT count(*) FROM "room_members" AS l1 WHERE l1."room_id" = t0."id") >= ?"#,
    );
}

#[test]
fn the_other_ends_of_relations() {
    let model = crate::fixture::model();
    let message = collection(&model, "Message").id;
    let referencing = Set::Referencing {
        of: own(&model, "Room", "id"),
        collection: message,
        field: field(&model, "Message", "room"),
        alias: Alias(1),
    };
    let author = Term::Field(Alias(1), field(&model, "Message", "author"));
    check_in(
        "Room",
        &Pred::Any(
            Box::new(referencing),
            Box::new(equal(author, Term::Param(Param::AuthId))),
        ),
        r#"EXISTS (SELECT 1 FROM "message" AS t1 WHERE t1."room" = t0."id" AND t1."author" = ?)"#,
    );
    let linked = Set::LinkedFrom {
        of: own(&model, "User", "id"),
        collection: collection(&model, "Room").id,
        field: field(&model, "Room", "members"),
        alias: Alias(1),
    };
    check_in(
        "User",
        &Pred::Any(Box::new(linked), Box::new(Pred::Const(true))),
        r#"EXISTS (SELECT 1 FROM "room_members" AS l1 WHERE l1."user_id" = t0."id")"#,
    );
    let topic = Term::Lookup {
        key: Box::new(own(&model, "Message", "room")),
        collection: collection(&model, "Room").id,
        alias: Alias(1),
        guard: Box::new(is_member(&model, Term::Field(Alias(1), field(&model, "Room", "id")), 2)),
        then: Box::new(Term::Field(Alias(1), field(&model, "Room", "topic"))),
    };
    check(
        &equal(topic, text("tea")),
        r#"(SELECT t1."topic" FROM "room" AS t1 WHERE t1."id" = t0."room" AND EXISTS (SELECT 1 FROM "room_members" AS l2 WHERE l2."room_id" = t1."id" AND l2."user_id" = ?)) = ?"#,
    );
}

#[test]
fn lists_known_and_stored() {
    let model = crate::fixture::model();
    let body = || own(&model, "Message", "body");
    let three = vec![Value::text("a"), Value::text("b"), Value::text("c")];
    check(
        &Pred::InList(body(), constant(Value::List(three))),
        r#"t0."body" IN (?, ?, ?, ?)"#,
    );
    check(
        &Pred::InList(body(), Term::Param(Param::AuthRoles)),
        r#"t0."body" IN (?, ?)"#,
    );
    check(&Pred::InList(body(), constant(Value::List(vec![]))), "FALSE");
    check(
        &Pred::InList(body(), own(&model, "Message", "tags")),
        r#"t0."body" IN (SELECT (CASE j.type WHEN 'text' THEN j.value END) FROM json_each(ninefold_json_array(t0."tags")) AS j)"#,
    );
    let items = |of| Set::Items {
        of,
        item: Scalar::String,
        alias: Alias(1),
    };
    let is_x = || Box::new(equal(Term::Item(Alias(1)), text("x")));
    check(
        &Pred::Any(Box::new(items(own(&model, "Message", "tags"))), is_x()),
        r#"EXISTS (SELECT 1 FROM json_each(ninefold_json_array(t0."tags")) AS t1 WHERE TRUE AND (CASE t1.type WHEN 'text' THEN t1.value END) = ?)"#,
    );
    check(
        &Pred::Any(Box::new(items(Term::Param(Param::AuthRoles))), is_x()),
        "EXISTS (SELECT 1 FROM (VALUES (?), (?)) AS t1 WHERE TRUE AND t1.column1 = ?)",
    );
}

#[test]
fn terms() {
    let model = crate::fixture::model();
    let body = || own(&model, "Message", "body");
    let starts = Pred::Text(
        TextTest::StartsWith,
        Term::Call(Function::LowerAscii, vec![body()]),
        text("a"),
    );
    check(&starts, r#"ninefold_starts_with(lower(t0."body"), ?)"#);
    let chosen = Term::If(Box::new(Pred::IsNull(body())), Box::new(text("")), Box::new(body()));
    check(
        &equal(Term::Call(Function::Concat, vec![chosen, text("!")]), text("!")),
        r#"((CASE WHEN t0."body" IS NULL THEN ? ELSE t0."body" END) || ?) = ?"#,
    );
    let null = || Box::new(Term::Const(Value::Null));
    let nothing = Term::If(Box::new(Pred::IsNull(body())), null(), null());
    check(
        &equal(
            Term::If(Box::new(Pred::IsNull(body())), Box::new(nothing), Box::new(body())),
            text("a"),
        ),
        r#"(CASE WHEN t0."body" IS NULL THEN NULL ELSE t0."body" END) = ?"#,
    );
    check(
        &Pred::Truth(Term::Bool(Box::new(Pred::IsNull(body())))),
        r#"((t0."body" IS NULL) IS TRUE)"#,
    );
    let part = Term::Json {
        of: Box::new(own(&model, "Sample", "extra")),
        path: vec!["a".into(), "b\"c".into()],
        ty: Scalar::String,
    };
    check_in(
        "Sample",
        &equal(part, text("x")),
        r#"ninefold_json_text(t0."extra", ?) = ?"#,
    );
}

#[test]
fn definitions_write_their_values_out() {
    let model = crate::fixture::model();
    let bindings = bindings();
    let pred = Pred::And(vec![
        equal(own(&model, "Message", "body"), text("it's")),
        compare(
            Comparison::Gt,
            own(&model, "Message", "sent"),
            constant(Value::DateTime(Timestamp(5))),
        ),
    ]);
    let text = definition(&Sqlite, &model, &bindings, collection(&model, "Message"), &pred);
    assert_eq!(text, r#"("body" = 'it''s' AND "sent" > 5)"#);
}

fn projection(model: &engine::Model, name: &str, fields: &[&str]) -> Arc<Projection> {
    let items = fields.iter().map(|field_name| Item {
        field: field(model, name, field_name),
        visible: Pred::Const(true),
        shape: Shape::Value,
    });
    Arc::new(Projection {
        collection: collection(model, name).id,
        items: items.collect(),
    })
}

fn messages(model: &engine::Model, sort: &[(&str, bool)], after: Option<Vec<Value>>) -> ListPlan {
    let key = |(name, descending): &(&str, bool)| SortKey {
        term: own(model, "Message", name),
        descending: *descending,
    };
    ListPlan {
        collection: collection(model, "Message").id,
        guard: equal(own(model, "Message", "room"), constant(Value::Id(id(10)))),
        sort: sort.iter().map(key).collect(),
        after,
        limit: 30,
        count: false,
        projection: projection(model, "Message", &["id", "body"]),
        as_json: false,
        bindings: bindings(),
        freshness: Freshness::Latest,
        deadline: Instant::now(),
    }
}

#[test]
fn a_page_begins_behind_the_last_record() {
    let database = Database::with_chat();
    let model = &database.model;
    let check = |sort: &[(&str, bool)], after: Vec<Value>, expected: &str| {
        let plan = messages(model, sort, Some(after));
        let frame = Frame::reading(model, &plan.bindings);
        let (statement, _) = list(&Sqlite, frame, &plan);
        let (_, rest) = statement.text.split_once(r#"t0."room" = ? AND "#).unwrap();
        let (condition, _) = rest.split_once(" ORDER BY").unwrap();
        assert_eq!(condition, expected);
    };
    let (at, last) = (Value::DateTime(Timestamp(200)), Value::Id(id(22)));
    check(&[("id", false)], vec![last.clone()], r#"t0."id" > ?"#);
    check(
        &[("sent", false), ("id", false)],
        vec![at.clone(), last.clone()],
        r#"(t0."sent", t0."id") > (?, ?)"#,
    );
    check(
        &[("sent", true), ("id", true)],
        vec![at.clone(), last.clone()],
        r#"(t0."sent", t0."id") < (?, ?)"#,
    );
    check(
        &[("sent", true), ("id", false)],
        vec![at, last.clone()],
        r#"(t0."sent" <= ? AND (t0."sent" < ? OR t0."id" > ?))"#,
    );
    check(
        &[("tags", false), ("id", false)],
        vec![Value::Null, last.clone()],
        r#"(t0."tags" IS NOT NULL OR t0."id" > ?)"#,
    );
    check(
        &[("tags", true), ("id", false)],
        vec![Value::Null, last.clone()],
        r#"(t0."tags" IS NULL AND t0."id" > ?)"#,
    );
    check(
        &[("tags", true), ("id", true)],
        vec![Value::Json("[]".into()), last],
        r#"(t0."tags" < ? OR t0."tags" IS NULL OR (t0."tags" = ? AND t0."id" < ?))"#,
    );
}

/// With the author's name in the place of its key, which an administrator and the author may read.
fn with_author(model: &engine::Model) -> Arc<Projection> {
    let author = field(model, "Message", "author");
    let mut projection = Arc::unwrap_or_clone(projection(model, "Message", &["body", "author"]));
    let mut user = Arc::unwrap_or_clone(self::projection(model, "User", &["name", "email"]));
    user.items[1].visible = equal(own(model, "User", "id"), Term::Param(Param::AuthId));
    let nested = Nested {
        guard: Pred::Not(Box::new(Pred::IsNull(own(model, "User", "name")))),
        projection: Some(user),
        is_key: false,
        limit: 1,
    };
    for item in projection.items.iter_mut().filter(|item| item.field == author) {
        item.shape = Shape::One(Box::new(nested.clone()));
    }
    Arc::new(projection)
}

#[test]
fn a_page_is_found_before_anything_is_joined_to_it() {
    let database = Database::with_chat();
    let model = &database.model;
    let plan = ListPlan {
        projection: with_author(model),
        ..messages(model, &[("sent", true), ("id", true)], None)
    };
    let frame = Frame::reading(model, &plan.bindings);
    let (statement, _) = list(&Sqlite, frame, &plan);
    assert_eq!(
        statement.text,
        concat!(
            r#"WITH _ninefold_page AS (SELECT t0."body" AS c0, t0."author" AS c1, t0."sent" AS c2, t0."id" AS c3 "#,
            r#"FROM "message" AS t0 WHERE t0."room" = ? ORDER BY 3 DESC, 4 DESC LIMIT ?) "#,
            r#"SELECT p.*, t0_1."name", t0_1."email", (t0_1."id" = ?) IS TRUE, t0_1."id" "#,
            r#"FROM _ninefold_page AS p LEFT JOIN "user" AS t0_1 ON t0_1."id" = p.c1 "#,
            r#"AND ((t0_1."name" IS NULL) IS NOT TRUE) ORDER BY 3 DESC, 4 DESC"#,
        )
    );
    let explained = explained(&database, &statement);
    assert!(
        explained.contains("SEARCH t0 USING INDEX ix_message_room_sent"),
        "{explained}"
    );
    assert!(explained.contains("SEARCH t0_1 USING INDEX"), "{explained}");
}

#[test]
fn what_belongs_to_a_record_is_joined_to_it() {
    let model = crate::fixture::model();
    let plan = GetPlan {
        collection: collection(&model, "Message").id,
        key: key(20),
        guard: Pred::Const(true),
        projection: with_author(&model),
        bindings: bindings(),
        freshness: Freshness::Latest,
        deadline: Instant::now(),
    };
    let (statement, _) = get(&Sqlite, Frame::reading(&model, &plan.bindings), &plan);
    assert_eq!(
        statement.text,
        concat!(
            r#"SELECT t0."body", t0."author", t0_1."name", t0_1."email", (t0_1."id" = ?) IS TRUE, t0_1."id" "#,
            r#"FROM "message" AS t0 LEFT JOIN "user" AS t0_1 ON t0_1."id" = t0."author" "#,
            r#"AND ((t0_1."name" IS NULL) IS NOT TRUE) WHERE t0."id" = ?"#,
        )
    );
}

#[test]
fn no_statement_joins_without_limit() {
    let model = crate::fixture::model();
    let author = field(&model, "Message", "author");
    let of = |depth: usize| {
        let user = projection(&model, "User", &["name"]);
        let nested = |projection: Projection| {
            Shape::One(Box::new(Nested {
                guard: Pred::Const(true),
                projection: Some(projection),
                is_key: false,
                limit: 1,
            }))
        };
        // Whatever the field is: only the shape is looked at.
        let item = |shape| Item {
            field: author,
            visible: Pred::Const(true),
            shape,
        };
        (0..depth).fold(Arc::unwrap_or_clone(user), |inner, _| Projection {
            collection: inner.collection,
            items: vec![item(nested(inner))],
        })
    };
    let is_one = |depth, rows| is_one_statement(&model, &of(depth), rows);
    assert!(is_one(0, u32::MAX));
    assert!(is_one(8, 6250) && !is_one(8, 6251));
    assert!(is_one(1, 50_000) && !is_one(1, 50_001));
    assert!(!is_one(9, 1));
}

/// The query plan's lines, joined.
fn explained(database: &Database, statement: &Statement<'_>) -> String {
    let mut prepared = database
        .connection()
        .prepare(&format!("EXPLAIN QUERY PLAN {}", statement.text))
        .unwrap();
    let binds = vec![rusqlite::types::Null; statement.binds.len()];
    let lines = prepared.query_map(rusqlite::params_from_iter(binds), |row| row.get::<_, String>(3));
    lines.unwrap().map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_list_in_the_order_of_an_index_sorts_nothing() {
    let database = Database::with_chat();
    for (sort, after) in [
        (&[("sent", false)][..], None),
        (&[("sent", true)][..], Some(vec![Value::DateTime(Timestamp(200))])),
    ] {
        let plan = messages(&database.model, sort, after);
        let frame = Frame::reading(&database.model, &plan.bindings);
        let plan = explained(&database, &list(&Sqlite, frame, &plan).0);
        assert!(plan.contains("SEARCH t0 USING INDEX ix_message_room_sent"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
    let plan = messages(&database.model, &[("sent", true), ("id", false)], None);
    let frame = Frame::reading(&database.model, &plan.bindings);
    let plan = explained(&database, &list(&Sqlite, frame, &plan).0);
    assert!(plan.contains("SEARCH t0 USING INDEX ix_message_room_sent"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE FOR ORDER BY"), "{plan}");
}

#[test]
fn a_partial_index_is_found_by_its_condition() {
    let database = Database::with_chat();
    let model = &database.model;
    let flagged = equal(own(model, "Sample", "flag"), constant(Value::Bool(true)));
    let since = compare(
        Comparison::Ge,
        own(model, "Sample", "at"),
        constant(Value::DateTime(Timestamp(1))),
    );
    let plan = ListPlan {
        collection: collection(model, "Sample").id,
        guard: Pred::And(vec![flagged, since]),
        projection: projection(model, "Sample", &["id"]),
        ..messages(model, &[], None)
    };
    let frame = Frame::reading(model, &plan.bindings);
    let plan = explained(&database, &list(&Sqlite, frame, &plan).0);
    assert!(plan.contains("USING INDEX flagged"), "{plan}");
}

#[test]
fn a_rule_over_a_relation_searches_by_key() {
    let database = Database::with_chat();
    let model = &database.model;
    let plan = GetPlan {
        collection: collection(model, "Message").id,
        key: key(20),
        guard: is_member(model, own(model, "Message", "room"), 1),
        projection: projection(model, "Message", &["id", "body"]),
        bindings: bindings(),
        freshness: Freshness::Latest,
        deadline: Instant::now(),
    };
    let frame = Frame::reading(model, &plan.bindings);
    let (statement, _) = get(&Sqlite, frame, &plan);
    assert_eq!(
        statement.text,
        r#"SELECT t0."id", t0."body" FROM "message" AS t0 WHERE t0."id" = ? AND EXISTS (SELECT 1 FROM "room_members" AS l1 WHERE l1."room_id" = t0."room" AND l1."user_id" = ?)"#
    );
    let plan = explained(&database, &statement);
    assert!(
        plan.contains("SEARCH t0 USING INDEX sqlite_autoindex_message_1 (id=?)"),
        "{plan}"
    );
    assert!(plan.contains("USING PRIMARY KEY (room_id=? AND user_id=?)"), "{plan}");
}

#[test]
fn what_is_found_by_keys_alone_is_known() {
    let model = crate::fixture::model();
    let by_key = |guard: Pred, shown: Projection| {
        let plan = GetPlan {
            collection: collection(&model, "Message").id,
            key: key(20),
            guard,
            projection: Arc::new(shown),
            bindings: bindings(),
            freshness: Freshness::Latest,
            deadline: Instant::now(),
        };
        is_by_key(&model, &plan)
    };
    let shown = || Arc::unwrap_or_clone(projection(&model, "Message", &["id", "room", "body"]));
    let ruled = |guard: Pred| by_key(guard, shown());
    let room = || own(&model, "Message", "room");
    let members = || {
        Box::new(Set::Links {
            of: room(),
            collection: collection(&model, "Room").id,
            field: field(&model, "Room", "members"),
            alias: Alias(1),
        })
    };
    let name = || Term::Field(Alias(1), field(&model, "User", "name"));
    let member = || Term::Field(Alias(1), field(&model, "User", "id"));

    assert!(ruled(Pred::Const(true)));
    assert!(ruled(equal(own(&model, "Message", "body"), text("x"))));
    assert!(ruled(is_member(&model, room(), 1)));
    let named = Pred::And(vec![
        equal(name(), text("x")),
        equal(own(&model, "Message", "author"), member()),
    ]);
    assert!(ruled(Pred::Any(members(), Box::new(named))));
    assert!(!ruled(Pred::Any(members(), Box::new(Pred::Const(true)))));
    assert!(!ruled(Pred::Any(members(), Box::new(equal(name(), text("x"))))));
    assert!(!ruled(Pred::Any(members(), Box::new(equal(member(), member())))));
    let either = Pred::Or(vec![
        equal(member(), Term::Param(Param::AuthId)),
        equal(name(), text("x")),
    ]);
    assert!(!ruled(Pred::Any(members(), Box::new(either))));
    let count = Term::Count(members(), Box::new(equal(member(), Term::Param(Param::AuthId))));
    assert!(!ruled(compare(Comparison::Gt, count, constant(Value::Int(0)))));
    let topic = |guard| Term::Lookup {
        key: Box::new(room()),
        collection: collection(&model, "Room").id,
        alias: Alias(2),
        guard: Box::new(guard),
        then: Box::new(Term::Field(Alias(2), field(&model, "Room", "topic"))),
    };
    assert!(ruled(equal(topic(Pred::Const(true)), text("tea"))));
    assert!(!ruled(equal(
        topic(Pred::Any(members(), Box::new(Pred::Const(true)))),
        text("tea")
    )));

    let tags = || Set::Items {
        of: own(&model, "Message", "tags"),
        item: Scalar::String,
        alias: Alias(3),
    };
    let tagged = |wanted| Pred::Any(Box::new(tags()), Box::new(wanted));
    assert!(ruled(tagged(equal(Term::Item(Alias(3)), text("x")))));
    assert!(!ruled(tagged(is_member(&model, room(), 1))));

    // What is shown counts as well.
    let mut hidden = shown();
    hidden.items[1].visible = Pred::Any(members(), Box::new(Pred::Const(true)));
    assert!(!by_key(Pred::Const(true), hidden));
    let expanded = |guard, shape: fn(Box<Nested>) -> Shape| {
        let mut expanded = shown();
        expanded.items[1].shape = shape(Box::new(Nested {
            guard,
            projection: Some(Arc::unwrap_or_clone(projection(&model, "Room", &["id"]))),
            is_key: false,
            limit: 1,
        }));
        expanded
    };
    assert!(by_key(Pred::Const(true), expanded(Pred::Const(true), Shape::One)));
    let ruled = Pred::Any(members(), Box::new(Pred::Const(true)));
    assert!(!by_key(Pred::Const(true), expanded(ruled, Shape::One)));
    assert!(!by_key(Pred::Const(true), expanded(Pred::Const(true), Shape::Many)));
}
