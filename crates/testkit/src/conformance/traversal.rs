//! Filters that pass through relations, and what a caller gets to know by them.

use serde_json::json;

use super::Db;
use super::app::{App, Caller, id};
use super::filters::{ANN, BOB, CID, DEE, find, open};

pub(super) async fn to_one(database: Db) {
    find(
        &database,
        &[
            ("boss == '00000000-0000-7000-8000-000000000001'", "bob cid"),
            ("boss.name == 'ann'", "bob cid"),
            ("boss.boss.name == 'ann'", "dee"),
            ("boss.boss != null", "dee"),
            ("boss.team.name == 'red'", "bob cid dee"),
            ("boss.age > age", "cid"),
            ("boss.boss.boss == null", "dee"),
            ("boss == boss.boss", ""),
            ("team == boss.team", "cid"),
            ("boss.place.city == 'Oslo'", "bob cid"),
            ("boss.place.zip == 150", "bob cid"),
            ("boss.place.open", "bob cid"),
            ("boss.place.ref == boss", "bob cid"),
            ("'x' in boss.tags", "bob cid"),
            ("'sea' in boss.place.tags", "bob cid"),
            ("boss.tags.exists(t, t == name || t == 'x')", "bob cid"),
            ("size(boss.place.marks) == 2", "bob cid"),
            ("boss.name in ['ann']", "bob cid"),
            ("(boss == null ? name : boss.name) == 'ann'", "ann bob cid"),
        ],
    )
    .await;
}

pub(super) async fn to_many(database: Db) {
    find(
        &database,
        &[
            ("'00000000-0000-7000-8000-000000000002' in friends", "ann"),
            ("boss in friends", "bob"),
            ("size(friends) == 2", "ann"),
            ("size(friends) == 0", "cid dee"),
            ("friends.exists(f, f.name == 'cid')", "ann"),
            ("friends.exists(f, f.age > age)", "ann"),
            ("friends.all(f, f.active)", "bob cid dee"),
            ("friends.exists_one(f, f.active)", "ann bob"),
            ("friends.exists(f, f.friends.exists(g, g.name == 'ann'))", "ann"),
            ("friends.exists(f, record in f.friends)", "ann bob"),
            ("friends.exists(f, f.team == team)", "ann"),
            ("size(friends.filter(f, f.age >= 40)) == 1", "ann"),
            ("'bob' in friends.map(f, f.name)", "ann"),
            ("friends.exists(f, f.tags.exists(t, t == 'y'))", "ann bob"),
            ("boss.friends.exists(f, f.name == name)", "bob cid"),
            ("!friends.exists(f, true)", "cid dee"),
        ],
    )
    .await;
}

pub(super) async fn the_other_end(database: Db) {
    find(
        &database,
        &[
            ("size(staff) == 2", "ann"),
            ("staff.exists(s, s.name == 'dee')", "cid"),
            ("staff.exists(s, s.staff.exists(t, t.name == 'dee'))", "ann"),
            ("'00000000-0000-7000-8000-000000000004' in staff", "cid"),
            ("size(fans) == 1", "ann bob cid"),
            ("fans.exists(f, f.name == 'ann')", "bob cid"),
            ("fans.all(f, f.name == 'ann')", "bob cid dee"),
            ("size(team.people) == 2", "ann cid"),
            ("team.people.exists(p, p.name == 'cid')", "ann cid"),
        ],
    )
    .await;
}

async fn found(caller: &Caller, filter: &str) -> String {
    caller
        .list("people")
        .filter(filter)
        .sort("name")
        .await
        .unwrap()
        .all("name")
}

/// A record that the caller may not read is as good as absent, on every hop.
pub(super) async fn hidden_records_are_not_passed_through(database: Db) {
    let app = open(&database).await;
    let user = app.user(&id(99));
    assert_eq!(found(&app.admin(), "team.name == 'blue'").await, "bob");
    assert_eq!(found(&user, "team.name == 'blue'").await, "");
    assert_eq!(found(&user, "team.name == 'red'").await, "ann cid");
    assert_eq!(found(&user, "team.secret == true").await, "");
    app.admin()
        .update("people", &id(CID), json!({"hidden": true}))
        .await
        .unwrap();
    assert_eq!(found(&user, "true").await, "ann bob dee");
    assert_eq!(found(&user, "friends.exists(f, f.name == 'cid')").await, "");
    assert_eq!(found(&user, "size(friends) == 1").await, "ann bob");
    assert_eq!(found(&user, "size(staff) == 1").await, "ann");
    assert_eq!(found(&user, "boss.name == 'cid'").await, "");
    assert_eq!(found(&user, "boss.boss.name == 'ann'").await, "", "not even beyond it");
    assert_eq!(found(&user, "team.people.exists(p, p.age == 0)").await, "");
    assert_eq!(found(&app.admin(), "size(friends) == 2").await, "ann");
}

pub(super) async fn filters_see_what_was_just_written(database: Db) {
    let app: App = open(&database).await;
    let admin = app.admin();
    admin
        .update("people", &id(DEE), json!({"friends": [id(BOB)], "age": 41}))
        .await
        .unwrap();
    assert_eq!(
        found(&admin, "friends.exists(f, f.name == 'bob' && f.age < age)").await,
        "dee"
    );
    admin
        .update("people", &id(ANN), json!({"friends": {"remove": [id(BOB)]}}))
        .await
        .unwrap();
    assert_eq!(found(&admin, "friends.exists(f, f.name == 'bob')").await, "dee");
    admin.delete("people", &id(BOB)).await.unwrap();
    assert_eq!(found(&admin, "size(friends) > 0").await, "ann");
}
