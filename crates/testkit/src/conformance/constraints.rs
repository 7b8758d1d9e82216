//! Uniqueness, bounds, patterns, checks, immutables.

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, create, delete, id, update};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String @unique }
type Seat @collection
  @index(fields: ["hall", "row", "place"], unique: true)
  @index(fields: ["guest"], unique: true, where: "record.taken == true")
  @check(rule: "record.row <= record.place || record.place == null", message: "the place must not be before the row") {
  hall: String
  row: Int
  place: Int
  guest: String
  taken: Boolean
  price: Decimal @range(min: "0.01", max: "99.99")
  count: Int @range(min: 1) @check(rule: "record.count != 13", message: "not thirteen")
  big: Long @range(max: 9007199254740993)
  share: Float @range(min: -0.5, max: 0.5)
  code: String @length(min: 2, max: 3)
  plate: String @pattern(regex: "[A-Z]{2}-[0-9]+")
  blob: Bytes @length(max: 2)
  list: [Int!] @length(min: 1, max: 2)
  made: String @immutable
  maker: User @immutable
  friends: [User!]! @immutable
}
type Badge @collection @check(rule: "record.owner == null || record.owner.name != 'bob'", message: "not for bob") {
  day: Date @unique
  owner: User @unique
  weight: Decimal @unique
  bytes: Bytes @unique
}
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for (number, name) in [(1, "ann"), (2, "bob")] {
        let user = json!({"id": id(number), "email": format!("{name}@x.org"), "name": name});
        app.admin().create("users", user).await.unwrap();
    }
    app
}

pub(super) async fn unique_values_are_taken_once(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let again = admin.create("users", json!({"email": "c@x.org", "name": "ann"})).await;
    assert_eq!(said(again), "unique_violation: name taken");
    let again = admin.create("users", json!({"email": "ANN@x.org"})).await;
    assert_eq!(said(again), "unique_violation: email taken");
    assert_eq!(
        said(admin.update("users", &id(2), json!({"name": "ann"})).await),
        "unique_violation: name taken"
    );
    // Another case, another normal form and white space are other texts.
    for (number, name) in [(3, "Ann"), (4, "ann "), (5, "\u{e4}"), (6, "a\u{308}")] {
        let user = json!({"id": id(number), "email": format!("{number}@x.org"), "name": name});
        assert_eq!(said(admin.create("users", user).await), "ok", "{name}");
    }
    assert_eq!(
        said(admin.update("users", &id(1), json!({"name": "ann"})).await),
        "ok",
        "its own value"
    );
    for (number, no_name) in [(7, "c@x.org"), (8, "d@x.org")] {
        let user = json!({"id": id(number), "email": no_name});
        assert_eq!(said(admin.create("users", user).await), "ok", "nulls are distinct");
    }
    admin.delete("users", &id(1)).await.unwrap();
    assert_eq!(
        said(admin.update("users", &id(2), json!({"name": "ann"})).await),
        "ok",
        "free again"
    );
}

pub(super) async fn every_indexable_type_can_be_unique(database: Db) {
    let app = open(&database).await;
    for (field, one, other) in [
        ("day", json!("2024-02-29"), json!("2024-03-01")),
        ("owner", json!(id(1)), json!(null)),
        ("weight", json!("1.5"), json!("1.500001")),
        ("bytes", json!("AAE="), json!("AAI=")),
    ] {
        let badge = json!({ field: one });
        app.admin().create("badges", badge.clone()).await.unwrap();
        let again = app.admin().create("badges", badge).await;
        assert_eq!(said(again), format!("unique_violation: {field} taken"));
        assert_eq!(said(app.admin().create("badges", json!({ field: other })).await), "ok");
    }
    let same = app.admin().create("badges", json!({"weight": "1.50"})).await;
    assert_eq!(said(same), "unique_violation: weight taken", "1.50 is 1.5");
}

pub(super) async fn several_fields_are_unique_together(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let seat = json!({"id": id(1), "hall": "a", "row": 1, "place": 2});
    admin.create("seats", seat).await.unwrap();
    let again = admin.create("seats", json!({"hall": "a", "row": 1, "place": 2})).await;
    assert_eq!(said(again), "unique_violation: hall taken, row taken, place taken");
    assert_eq!(
        said(admin.create("seats", json!({"hall": "b", "row": 1, "place": 2})).await),
        "ok"
    );
    let open_place = json!({"hall": "a", "row": 1});
    for _ in 0..2 {
        assert_eq!(
            said(admin.create("seats", open_place.clone()).await),
            "ok",
            "a null keeps them apart"
        );
    }
    let moved = admin.batch([
        update("seats", &id(1), json!({"place": 3})),
        create("seats", json!({"hall": "a", "row": 1, "place": 2})),
    ]);
    assert_eq!(said(moved.all().await), "ok", "a place left is free at once");
    let swapped = admin.batch([
        create("seats", json!({"id": id(9), "hall": "z", "row": 1, "place": 1})),
        delete("seats", &id(9)),
        create("seats", json!({"hall": "z", "row": 1, "place": 1})),
    ]);
    assert_eq!(said(swapped.all().await), "ok");
}

pub(super) async fn a_partial_index_counts_its_records_alone(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    for (number, taken) in [(1, json!(true)), (2, json!(false)), (3, json!(null))] {
        let seat = json!({"id": id(number), "guest": "ann", "taken": taken});
        assert_eq!(said(admin.create("seats", seat).await), "ok", "{number}");
    }
    let again = admin.create("seats", json!({"guest": "ann", "taken": true})).await;
    assert_eq!(said(again), "unique_violation: guest taken");
    let entering = admin.update("seats", &id(2), json!({"taken": true})).await;
    assert_eq!(said(entering), "unique_violation: guest taken");
    admin.update("seats", &id(1), json!({"taken": null})).await.unwrap();
    assert_eq!(said(admin.update("seats", &id(2), json!({"taken": true})).await), "ok");
}

pub(super) async fn bounds_hold_on_create_and_update(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    admin.create("seats", json!({"id": id(1)})).await.unwrap();
    for (field, fits, breaks, code) in [
        (
            "price",
            json!(["0.01", "99.99"]),
            json!(["0.009999", "99.990001", "-1"]),
            "out_of_range",
        ),
        ("count", json!([1, 2_147_483_647]), json!([0, -1]), "out_of_range"),
        (
            "big",
            json!(["9007199254740993"]),
            json!(["9007199254740994"]),
            "out_of_range",
        ),
        ("share", json!([-0.5, 0.5]), json!([0.500_000_1, -1]), "out_of_range"),
        (
            "code",
            json!(["ab", "\u{1F600}\u{1F600}\u{1F600}"]),
            json!(["abcd", "\u{1F600}\u{1F600}\u{1F600}\u{1F600}"]),
            "too_long",
        ),
        ("code", json!([]), json!(["", "\u{1F600}"]), "too_short"),
        (
            "plate",
            json!(["AB-1"]),
            json!(["AB-", "xAB-1", "AB-1x", "AB-1\n", "ab-1"]),
            "pattern",
        ),
        ("blob", json!(["AAA="]), json!(["AAAA"]), "too_long"),
        ("list", json!([[1], [1, 2]]), json!([[1, 2, 3]]), "too_long"),
        ("list", json!([]), json!([[]]), "too_short"),
    ] {
        for value in fits.as_array().unwrap() {
            assert_eq!(
                said(admin.update("seats", &id(1), json!({ field: value })).await),
                "ok",
                "{field} {value}"
            );
        }
        for value in breaks.as_array().unwrap() {
            let expected = format!("invalid: {field} {code}");
            assert_eq!(
                said(admin.update("seats", &id(1), json!({ field: value })).await),
                expected,
                "{value}"
            );
            assert_eq!(
                said(admin.create("seats", json!({ field: value })).await),
                expected,
                "{value}"
            );
        }
    }
}

pub(super) async fn checks_judge_the_record_as_it_becomes(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let refused = "invalid: record check_failed";
    assert_eq!(
        said(admin.create("seats", json!({"row": 3, "place": 2})).await),
        refused
    );
    admin
        .create("seats", json!({"id": id(1), "row": 2, "place": 2}))
        .await
        .unwrap();
    assert_eq!(said(admin.update("seats", &id(1), json!({"row": 3})).await), refused);
    assert_eq!(said(admin.update("seats", &id(1), json!({"place": 1})).await), refused);
    assert_eq!(
        said(admin.update("seats", &id(1), json!({"place": 9, "row": 3})).await),
        "ok"
    );
    assert_eq!(
        said(admin.update("seats", &id(1), json!({"count": 13})).await),
        "invalid: count check_failed"
    );
    assert_eq!(
        said(admin.replace("seats", &id(1), json!({"row": 2, "place": 1})).await),
        refused
    );
    // A check that isn't true is broken, an error as well: null has no order.
    assert_eq!(said(admin.create("seats", json!({"place": 1})).await), refused);
}

pub(super) async fn a_check_may_look_at_other_records(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let refused = "invalid: record check_failed";
    assert_eq!(said(admin.create("badges", json!({"owner": id(2)})).await), refused);
    admin
        .create("badges", json!({"id": id(5), "owner": id(1)}))
        .await
        .unwrap();
    assert_eq!(
        said(admin.update("badges", &id(5), json!({"owner": id(2)})).await),
        refused
    );
    let badge = admin.get("badges", &id(5)).await.unwrap();
    assert_eq!(
        (&badge["owner"], badge.version()),
        (&json!(id(1)), 1),
        "nothing of it is kept"
    );
    let renamed = admin.batch([
        update("users", &id(2), json!({"name": "rob"})),
        update("badges", &id(5), json!({"owner": id(2)})),
    ]);
    assert_eq!(said(renamed.all().await), "ok", "a step sees what the step before did");
}

pub(super) async fn immutables_are_set_once(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let seat = json!({"id": id(1), "made": "here", "maker": id(1), "friends": [id(1)]});
    admin.create("seats", seat).await.unwrap();
    for (field, changed) in [
        ("made", json!("there")),
        ("made", json!(null)),
        ("maker", json!(id(2))),
        ("maker", json!(null)),
    ] {
        let refused = admin.update("seats", &id(1), json!({ field: changed })).await;
        assert_eq!(said(refused), format!("invalid: {field} immutable"));
    }
    let refused = admin
        .update("seats", &id(1), json!({"friends": {"add": [id(2)]}}))
        .await;
    assert_eq!(said(refused), "invalid: friends immutable");
    let same = json!({"made": "here", "maker": id(1), "row": 1, "place": 1});
    assert_eq!(
        said(admin.update("seats", &id(1), same).await),
        "ok",
        "what doesn't change it may be said"
    );
    let replaced = admin.replace("seats", &id(1), json!({"hall": "h"})).await.unwrap();
    assert_eq!((&replaced["made"], &replaced["maker"]), (&json!("here"), &json!(id(1))));
}

pub(super) async fn references_must_name_a_record(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let nobody = json!({"maker": id(99)});
    assert_eq!(
        said(admin.create("seats", nobody).await),
        "invalid: maker no_such_record"
    );
    assert_eq!(
        said(admin.create("seats", json!({"maker": "x"})).await),
        "invalid: maker wrong_type"
    );
    assert_eq!(
        said(admin.create("seats", json!({"maker": {"id": id(1)}})).await),
        "invalid: maker unknown_ref"
    );
    let one_of = json!({"friends": [id(1), id(99)]});
    assert_eq!(
        said(admin.create("seats", one_of).await),
        "invalid: friends[1] no_such_record"
    );
    admin
        .create("badges", json!({"id": id(5), "owner": id(1)}))
        .await
        .unwrap();
    let refused = admin.update("badges", &id(5), json!({"owner": id(99)})).await;
    assert_eq!(said(refused), "invalid: owner no_such_record");
    assert_eq!(admin.list("seats").count().await.unwrap().total, Some(0));
}
