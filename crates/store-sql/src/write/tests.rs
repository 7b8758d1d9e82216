//! Plans that write, on a small database: what they refuse, what they leave behind, and what they tell.

use std::sync::Arc;

use engine::access::Principal;
use engine::model::{Key, Timestamp};
use engine::query::{
    Alias, Assignment, Comparison, CreatePlan, DeletePlan, Expected, Item, LinkChange, LinkImage, LinkOperation,
    OutcomeKind, OwnedFacts, Param, Projection, Term, UpdatePlan,
};

use super::*;
use crate::fixture::{Database, bindings, collection, compare, constant, equal, field, id, image, is_member, key, own};
use crate::session::at_once;

/// Runs mutations as the store does: all or none.
fn write(database: &Database, mutations: &[Mutation]) -> Result<Written, StoreError> {
    database.connection().execute_batch("BEGIN").unwrap();
    let result = at_once(run(&mut database.session(), &database.model, mutations));
    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
    database.connection().execute_batch(end).unwrap();
    result
}

fn write_one(database: &Database, mutation: Mutation) -> Result<(Outcome, Vec<Change>), StoreError> {
    match write(database, &[mutation]) {
        Ok(mut written) => Ok((written.outcomes.pop().unwrap(), written.changes)),
        Err(StoreError::At { index: 0, source }) => Err(*source),
        Err(other) => panic!("an error says in which mutation it happened: {other}"),
    }
}

fn count(database: &Database, sql: &str) -> i64 {
    database.connection().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn create_plan(model: &Model, name: &str, number: u128, values: &[(&str, Value)]) -> CreatePlan {
    let collection = collection(model, name);
    CreatePlan {
        collection: collection.id,
        key: key(number),
        image: image(collection, number, values),
        given: Vec::new(),
        earlier: Vec::new(),
        links: Vec::new(),
        references: Vec::new(),
        after: Vec::new(),
        answer: None,
        bindings: bindings(),
    }
}

fn message(model: &Model, number: u128, room: u128) -> CreatePlan {
    let values = [
        ("room", Value::Id(id(room))),
        ("author", Value::Id(id(1))),
        ("body", Value::text("hello")),
        ("sent", Value::DateTime(Timestamp(7))),
    ];
    create_plan(model, "Message", number, &values)
}

fn update_plan(model: &Arc<Model>, name: &str, number: u128, values: &[(&str, Value)]) -> UpdatePlan {
    let bindings = bindings();
    UpdatePlan {
        model: Arc::clone(model),
        collection: collection(model, name).id,
        key: key(number),
        before: Vec::new(),
        captures: Vec::new(),
        expected: None,
        assignments: values
            .iter()
            .map(|(field_name, value)| (field(model, name, field_name), Assignment::Set(value.clone())))
            .collect(),
        links: Vec::new(),
        references: Vec::new(),
        local: Vec::new(),
        after: Vec::new(),
        answer: None,
        facts: OwnedFacts {
            principal: Principal::Anonymous,
            now: bindings.now,
            operation: "update",
            address: None,
        },
        bindings,
    }
}

fn delete_plan(model: &Model, name: &str, number: u128) -> DeletePlan {
    DeletePlan {
        collection: collection(model, name).id,
        key: key(number),
        before: Vec::new(),
        expected: None,
        cascade_max: 100,
        bindings: bindings(),
    }
}

fn create(plan: CreatePlan) -> Mutation {
    Mutation::Create(Box::new(plan))
}

fn update(plan: UpdatePlan) -> Mutation {
    Mutation::Update(Box::new(plan))
}

fn delete(plan: DeletePlan) -> Mutation {
    Mutation::Delete(Box::new(plan))
}

fn judgement(holds: Pred, otherwise: Refusal) -> Judgement {
    Judgement { holds, otherwise }
}

fn replace(with: Vec<Value>) -> LinkOperation {
    LinkOperation::Replace {
        with,
        among: Pred::Const(true),
    }
}

fn members(model: &Model, operation: LinkOperation) -> LinkChange {
    LinkChange {
        field: field(model, "Room", "members"),
        operation,
    }
}

fn keys(numbers: &[u128]) -> Vec<Value> {
    numbers.iter().map(|number| Value::Id(id(*number))).collect()
}

fn reference(model: &Model, name: &str, target: &str, number: u128, guard: Pred) -> Reference {
    let (collection_name, field_name) = name.split_once('.').unwrap();
    Reference {
        field: field(model, collection_name, field_name),
        target: collection(model, target).id,
        key: Value::Id(id(number)),
        guard,
        otherwise: Refusal::Invalid(Vec::new()),
    }
}

fn answer(model: &Model, name: &str, fields: &[&str], guard: Pred) -> Option<Answer> {
    let items = fields.iter().map(|field_name| Item {
        field: field(model, name, field_name),
        visible: Pred::Const(true),
        shape: Shape::Value,
    });
    Some(Answer {
        guard,
        projection: Arc::new(Projection {
            collection: collection(model, name).id,
            items: items.collect(),
        }),
    })
}

fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Refusal {
    match result {
        Err(StoreError::Refused(refusal)) => refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn a_create_answers_and_tells_what_was_written() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut plan = create_plan(model, "Room", 12, &[("name", Value::text("twelve"))]);
    plan.links = vec![members(model, replace(keys(&[2, 1, 2])))];
    plan.after = vec![judgement(
        is_member(model, own(model, "Room", "id"), 1),
        Refusal::Forbidden,
    )];
    plan.answer = answer(
        model,
        "Room",
        &["name", "version"],
        is_member(model, own(model, "Room", "id"), 1),
    );
    let (outcome, changes) = write_one(&database, create(plan.clone())).unwrap();
    assert_eq!((outcome.kind, outcome.version), (OutcomeKind::Created, Some(1)));
    assert_eq!(outcome.row, Some(Row(vec![Value::text("twelve"), Value::Int(1)])));
    let told = Change {
        collection: plan.collection,
        key: key(12),
        before: None,
        after: Some(plan.image),
        links: vec![LinkImage {
            field: field(model, "Room", "members"),
            added: keys(&[2, 1]),
            removed: vec![],
        }],
    };
    assert_eq!(changes, [told]);
}

#[test]
fn an_answer_that_needs_no_reading_is_the_same_as_one_that_does() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut rows = Vec::new();
    for (number, guard) in [
        (30, Pred::Const(true)),
        (31, equal(own(model, "Message", "body"), constant(Value::text("hello")))),
    ] {
        let mut plan = message(model, number, 10);
        plan.answer = answer(model, "Message", &["room", "body", "sent", "tags"], guard);
        rows.push(write_one(&database, create(plan)).unwrap().0.row.unwrap());
    }
    assert_eq!(rows[0], rows[1]);
}

#[test]
fn who_may_not_read_the_result_gets_none() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut plan = message(model, 30, 11);
    plan.answer = answer(
        model,
        "Message",
        &["body"],
        is_member(model, own(model, "Message", "room"), 1),
    );
    assert_eq!(write_one(&database, create(plan)).unwrap().0.row, None);
}

#[test]
fn a_create_that_its_rule_refuses_leaves_nothing() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut plan = message(model, 30, 11);
    plan.after = vec![judgement(
        is_member(model, own(model, "Message", "room"), 1),
        Refusal::Forbidden,
    )];
    assert_eq!(refused(write_one(&database, create(plan))), Refusal::Forbidden);
    assert_eq!(
        count(
            &database,
            "SELECT count(*) FROM message WHERE room = x'0000000000000000000000000000000b'"
        ),
        1
    );
}

#[test]
fn references_must_be_there_and_readable() {
    let database = Database::with_chat();
    let model = &database.model;
    let readable = is_member(model, own(model, "Room", "id"), 1);
    for (room, expected) in [(10, true), (11, false), (99, false)] {
        let mut plan = message(model, 30 + room, room);
        plan.references = vec![reference(model, "Message.room", "Room", room, readable.clone())];
        let result = write_one(&database, create(plan));
        assert_eq!(result.is_ok(), expected, "room {room}");
        if !expected {
            assert_eq!(refused(result), Refusal::Invalid(vec![]));
        }
    }
}

#[test]
fn a_taken_value_is_named_by_its_fields() {
    let database = Database::with_chat();
    let model = &database.model;
    let fields = |plan: CreatePlan| match write_one(&database, create(plan)) {
        Err(StoreError::UniqueViolation { fields }) => fields,
        other => panic!("expected a unique violation, got {other:?}"),
    };
    let values = [
        ("label", Value::text("a")),
        ("amount", Value::Decimal(engine::model::Decimal(5))),
        ("code", Value::text("x")),
    ];
    write_one(&database, create(create_plan(model, "Sample", 1, &values))).unwrap();
    assert_eq!(fields(create_plan(model, "Sample", 1, &[])), ["id"]);
    assert_eq!(fields(create_plan(model, "Sample", 2, &values[2..])), ["code"]);
    assert_eq!(
        fields(create_plan(model, "Sample", 2, &values[..2])),
        ["label", "amount"]
    );
    // Nulls are distinct.
    write_one(&database, create(create_plan(model, "Sample", 2, &[]))).unwrap();
    write_one(&database, create(create_plan(model, "Sample", 3, &[]))).unwrap();
}

#[test]
fn an_update_is_judged_before_and_after() {
    let database = Database::with_chat();
    let model = &database.model;
    let is_body = |body: &str| equal(own(model, "Message", "body"), constant(Value::text(body)));
    let plan = || update_plan(model, "Message", 20, &[("body", Value::text("new"))]);
    let check = |before: [bool; 2], after: &str, expected: Option<Refusal>| {
        let mut plan = plan();
        plan.before = vec![
            judgement(Pred::Const(before[0]), Refusal::NotFound),
            judgement(Pred::Const(before[1]), Refusal::Forbidden),
        ];
        plan.after = vec![judgement(is_body(after), Refusal::Forbidden)];
        let result = write_one(&database, update(plan));
        match expected {
            Some(refusal) => assert_eq!(refused(result), refusal),
            None => assert_eq!(result.unwrap().0.kind, OutcomeKind::Updated),
        }
    };
    check([false, false], "new", Some(Refusal::NotFound));
    check([true, false], "new", Some(Refusal::Forbidden));
    check([true, true], "message 20", Some(Refusal::Forbidden));
    check([true, true], "new", None);
    let missing = update_plan(model, "Message", 99, &[]);
    assert_eq!(refused(write_one(&database, update(missing))), Refusal::NotFound);
}

#[test]
fn an_update_moves_the_version_and_tells_both_images() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut plan = update_plan(model, "Message", 20, &[("body", Value::text("new"))]);
    plan.expected = Some(Expected::Versions(vec![1]));
    plan.answer = answer(model, "Message", &["body", "version", "updated"], Pred::Const(true));
    let (outcome, changes) = write_one(&database, update(plan.clone())).unwrap();
    assert_eq!(outcome.version, Some(2));
    let now = Value::DateTime(bindings().now);
    assert_eq!(outcome.row, Some(Row(vec![Value::text("new"), Value::Int(2), now])));
    let slot = collection(model, "Message")
        .slot(field(model, "Message", "body"))
        .unwrap();
    assert_eq!(changes[0].before.as_ref().unwrap().0[slot], Value::text("message 20"));
    assert_eq!(changes[0].after.as_ref().unwrap().0[slot], Value::text("new"));
    assert_eq!(refused(write_one(&database, update(plan))), Refusal::Stale);
}

#[test]
fn what_was_captured_and_what_was_there_before_is_known_afterwards() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut plan = update_plan(model, "Room", 10, &[("name", Value::text("new"))]);
    // User 1 is a member before, and leaves.
    plan.captures = vec![is_member(model, own(model, "Room", "id"), 1)];
    plan.links = vec![members(
        model,
        LinkOperation::Edit {
            add: keys(&[3]),
            remove: keys(&[1]),
        },
    )];
    let before = Term::Param(Param::Before(field(model, "Room", "name")));
    plan.after = vec![
        judgement(Pred::Captured(0), Refusal::Forbidden),
        judgement(
            is_member(model, own(model, "Room", "id"), 1).complement(),
            Refusal::Forbidden,
        ),
        judgement(equal(before, constant(Value::text("ten"))), Refusal::Forbidden),
    ];
    let (_, changes) = write_one(&database, update(plan)).unwrap();
    let expected = LinkImage {
        field: field(model, "Room", "members"),
        added: keys(&[3]),
        removed: keys(&[1]),
    };
    assert_eq!(changes[0].links, [expected]);
}

#[test]
fn links_are_sets_and_only_real_changes_are_told() {
    let database = Database::with_chat();
    let model = &database.model;
    let change = |operation| {
        let mut plan = update_plan(model, "Room", 10, &[]);
        plan.links = vec![members(model, operation)];
        let (outcome, mut changes) = write_one(&database, update(plan)).unwrap();
        let links = changes.pop().unwrap().links;
        let image = links.into_iter().next();
        (
            outcome.version.unwrap(),
            image.map(|image| (image.added, image.removed)),
        )
    };
    let edit = |add: &[u128], remove: &[u128]| LinkOperation::Edit {
        add: keys(add),
        remove: keys(remove),
    };
    assert_eq!(change(edit(&[1, 3, 3], &[])), (2, Some((keys(&[3]), vec![]))));
    assert_eq!(change(edit(&[1], &[])), (3, None));
    assert_eq!(change(edit(&[2], &[2, 9])), (4, Some((vec![], keys(&[2])))));
    assert_eq!(change(replace(keys(&[2, 3, 2]))), (5, Some((keys(&[2]), keys(&[1])))));
    assert_eq!(change(replace(vec![])), (6, Some((vec![], keys(&[2, 3])))));
}

#[test]
fn a_reference_that_stays_is_not_checked_again() {
    let database = Database::with_chat();
    let model = &database.model;
    let unreadable = Pred::Const(false);
    let mut plan = update_plan(model, "Message", 20, &[("room", Value::Id(id(10)))]);
    plan.references = vec![reference(model, "Message.room", "Room", 10, unreadable.clone())];
    write_one(&database, update(plan)).unwrap();
    let mut plan = update_plan(model, "Message", 20, &[("room", Value::Id(id(11)))]);
    plan.references = vec![reference(model, "Message.room", "Room", 11, unreadable.clone())];
    assert_eq!(refused(write_one(&database, update(plan))), Refusal::Invalid(vec![]));
    // Naming who is linked already must tell no more than naming anybody else.
    let mut plan = update_plan(model, "Room", 10, &[]);
    plan.links = vec![members(model, replace(keys(&[1])))];
    plan.references = vec![reference(model, "Room.members", "User", 1, unreadable)];
    assert_eq!(refused(write_one(&database, update(plan))), Refusal::Invalid(vec![]));
}

fn upsert_plan(model: &Arc<Model>, number: u128) -> UpsertPlan {
    UpsertPlan {
        create: Ok(create_plan(model, "Room", number, &[("name", Value::text("put"))])),
        update: update_plan(model, "Room", number, &[("name", Value::text("put"))]),
        must_create: false,
    }
}

#[test]
fn an_upsert_is_decided_by_what_is_there() {
    let database = Database::with_chat();
    let model = &database.model;
    let put = |plan: UpsertPlan| write_one(&database, Mutation::Upsert(Box::new(plan)));
    assert_eq!(put(upsert_plan(model, 50)).unwrap().0.kind, OutcomeKind::Created);
    assert_eq!(put(upsert_plan(model, 50)).unwrap().0.kind, OutcomeKind::Updated);
    let mut only_new = upsert_plan(model, 50);
    only_new.must_create = true;
    assert_eq!(refused(put(only_new.clone())), Refusal::Stale);
    only_new.update.before = vec![judgement(Pred::Const(false), Refusal::NotFound)];
    assert_eq!(refused(put(only_new)), Refusal::NotFound);
    let mut only_old = upsert_plan(model, 51);
    only_old.create = Err(Refusal::Stale);
    assert_eq!(refused(put(only_old)), Refusal::Stale);
}

#[test]
fn a_room_takes_its_messages_and_links_along() {
    let database = Database::with_chat();
    let model = &database.model;
    let (outcome, changes) = write_one(&database, delete(delete_plan(model, "Room", 10))).unwrap();
    assert_eq!((outcome.kind, outcome.row), (OutcomeKind::Deleted, None));
    assert_eq!(changes[0].key, key(10));
    let mut messages: Vec<String> = changes[1..].iter().map(|change| change.key.to_string()).collect();
    messages.sort();
    assert_eq!(messages, [20, 21, 22, 23].map(|number| key(number).to_string()));
    assert!(
        changes
            .iter()
            .all(|change| change.before.is_some() && change.after.is_none())
    );
    assert_eq!(changes[0].links[0].removed, keys(&[1, 2]));
    assert_eq!(count(&database, "SELECT count(*) FROM room_members"), 1);
    assert_eq!(count(&database, "SELECT count(*) FROM message"), 1);
}

#[test]
fn what_still_refers_forbids_unless_it_goes_along() {
    let database = Database::with_chat();
    let model = &database.model;
    match write_one(&database, delete(delete_plan(model, "User", 3))) {
        Err(StoreError::Referenced { collection, field }) => assert_eq!((&*collection, &*field), ("Message", "author")),
        other => panic!("expected a refusal, got {other:?}"),
    }
    // In one transaction the messages go first.
    let both = [
        delete(delete_plan(model, "Room", 11)),
        delete(delete_plan(model, "User", 3)),
    ];
    assert_eq!(write(&database, &both).unwrap().outcomes.len(), 2);
}

#[test]
fn those_that_stay_lose_their_references_and_links_and_move_on() {
    let database = Database::with_chat();
    let model = &database.model;
    let pin = update_plan(model, "Room", 11, &[("pinned", Value::Id(id(20)))]);
    write_one(&database, update(pin)).unwrap();
    let (_, changes) = write_one(&database, delete(delete_plan(model, "Message", 20))).unwrap();
    assert_eq!(changes.len(), 2);
    let room = collection(model, "Room");
    let value = |name: &str| &changes[1].after.as_ref().unwrap().0[room.slot(field(model, "Room", name)).unwrap()];
    assert_eq!((value("pinned"), value("version")), (&Value::Null, &Value::Int(3)));

    write_one(
        &database,
        create(create_plan(model, "User", 4, &[("name", Value::text("four"))])),
    )
    .unwrap();
    for room in [10, 11] {
        database.link("Room", "members", room, 4);
    }
    let (_, changes) = write_one(&database, delete(delete_plan(model, "User", 4))).unwrap();
    let owners: Vec<&Key> = changes[1..].iter().map(|change| &change.key).collect();
    assert_eq!(owners, [&key(10), &key(11)]);
    assert!(changes[1..].iter().all(|change| change.links[0].removed == keys(&[4])));
    assert_eq!(count(&database, "SELECT min(version) FROM room"), 2);
}

#[test]
fn a_delete_beyond_its_limit_or_rule_leaves_everything() {
    let database = Database::with_chat();
    let model = &database.model;
    let mut wide = delete_plan(model, "Room", 10);
    wide.cascade_max = 3;
    assert!(matches!(
        write_one(&database, delete(wide)),
        Err(StoreError::TooMany { limit: 3 })
    ));
    let mut stale = delete_plan(model, "Room", 10);
    stale.expected = Some(Expected::Versions(vec![7]));
    assert_eq!(refused(write_one(&database, delete(stale))), Refusal::Stale);
    let mut denied = delete_plan(model, "Room", 10);
    denied.before = vec![judgement(Pred::Const(false), Refusal::Forbidden)];
    assert_eq!(refused(write_one(&database, delete(denied))), Refusal::Forbidden);
    let missing = delete_plan(model, "Room", 99);
    assert_eq!(refused(write_one(&database, delete(missing))), Refusal::NotFound);
    assert_eq!(count(&database, "SELECT count(*) FROM message"), 5);
}

#[test]
fn a_later_mutation_sees_the_earlier_and_the_first_failure_undoes_all() {
    let database = Database::with_chat();
    let model = &database.model;
    let room = create_plan(model, "Room", 12, &[("name", Value::text("twelve"))]);
    let mut inside = message(model, 30, 12);
    inside.references = vec![reference(model, "Message.room", "Room", 12, Pred::Const(true))];
    let mut outside = message(model, 31, 12);
    outside.after = vec![judgement(Pred::Const(false), Refusal::Forbidden)];
    let all = [create(room.clone()), create(inside.clone()), create(outside)];
    assert!(matches!(write(&database, &all), Err(StoreError::At { index: 2, .. })));
    assert_eq!(count(&database, "SELECT count(*) FROM room"), 2);
    assert_eq!(
        write(&database, &[create(room), create(inside)]).unwrap().changes.len(),
        2
    );
}

#[test]
fn comparisons_with_the_past_hold_for_numbers_too() {
    let database = Database::new();
    let model = &database.model;
    write_one(
        &database,
        create(create_plan(model, "Sample", 1, &[("count", Value::Int(5))])),
    )
    .unwrap();
    let raise = |to: i64| {
        let mut plan = update_plan(model, "Sample", 1, &[("count", Value::Int(to))]);
        let before = Term::Param(Param::Before(field(model, "Sample", "count")));
        let grows = compare(
            Comparison::Gt,
            Term::Field(Alias::ROOT, field(model, "Sample", "count")),
            before,
        );
        plan.after = vec![judgement(grows, Refusal::Forbidden)];
        write_one(&database, update(plan))
    };
    assert!(raise(6).is_ok());
    assert_eq!(refused(raise(6)), Refusal::Forbidden);
}

mod claims {
    use engine::query::IdempotencyClaim;

    use super::super::idempotency::{keep, purge, replay};
    use super::*;

    fn claim(scope: u8, request: u8) -> IdempotencyClaim {
        IdempotencyClaim {
            scope: [scope; 32],
            request: [request; 32],
            expires_at: Timestamp(1000),
        }
    }

    #[test]
    fn a_claim_is_replayed_until_it_expires_and_for_the_same_request_alone() {
        let database = Database::new();
        let session = &mut database.session();
        let now = |ms| Some(Timestamp(ms));
        assert_eq!(at_once(replay(session, &claim(1, 1), now(0))).unwrap(), None);
        at_once(keep(session, &claim(1, 1), Some(Timestamp(2_000)), &[])).unwrap();
        assert!(at_once(replay(session, &claim(1, 1), now(999))).unwrap().is_some());
        let other = at_once(replay(session, &claim(1, 2), now(999)));
        assert!(matches!(other, Err(StoreError::IdempotencyMismatch)));
        assert_eq!(at_once(replay(session, &claim(2, 1), now(999))).unwrap(), None);
        assert_eq!(at_once(replay(session, &claim(1, 2), now(1000))).unwrap(), None);
        // Whose claim hasn't expired keeps it, also against one that came at the same time.
        assert!(at_once(keep(session, &claim(1, 2), now(999), &[])).is_err());
        at_once(keep(session, &claim(1, 2), Some(Timestamp(2_000)), &[])).unwrap();
        assert!(at_once(replay(session, &claim(1, 2), now(999))).unwrap().is_some());
    }

    #[test]
    fn expired_claims_are_purged_a_few_at_a_time() {
        let database = Database::new();
        let session = &mut database.session();
        for scope in 0..5 {
            at_once(keep(session, &claim(scope, 1), None, &[])).unwrap();
        }
        let left = || count(&database, "SELECT count(*) FROM _ninefold_idempotency");
        at_once(purge(session, Timestamp(999), 3)).unwrap();
        assert_eq!(left(), 5);
        at_once(purge(session, Timestamp(1000), 3)).unwrap();
        assert_eq!(left(), 2);
    }
}
