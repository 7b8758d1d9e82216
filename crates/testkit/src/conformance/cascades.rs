//! What a delete takes along, and what stops it.

use engine::Limits;
use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, Caller, create, delete, id, update};
use super::listening::Listener;

const SCHEMA: &str = r#"
type User @collection(auth: true) { name: String }
type Shop @collection @access(read: "true", delete: "true") {
  name: String
  owner: User
  partner: Shop @relation(onDelete: SET_NULL)
  fans: [User!]!
}
type Order @collection {
  shop: Shop! @relation(onDelete: CASCADE)
  buyer: User @relation(onDelete: SET_NULL)
  tags: [Tag!]!
}
type Line @collection { order: Order! @relation(onDelete: CASCADE) number: Int note: Note @relation(onDelete: RESTRICT) }
type Note @collection { line: Line @relation(onDelete: CASCADE) }
type Tag @collection { name: String }
type Node @collection { name: String parent: Node @relation(onDelete: CASCADE) twin: Node @relation(onDelete: SET_NULL) }
type Peer @collection { over: Peer @relation(onDelete: CASCADE) peers: [Peer!]! }
type Left @collection { right: Right @relation(onDelete: CASCADE) }
type Right @collection { left: Left @relation(onDelete: CASCADE) }
type Mixed @collection { one: Tag @relation(onDelete: CASCADE) two: Tag @relation(onDelete: RESTRICT) }
"#;

const SHOP: u32 = 10;
const ORDER: u32 = 20;
const LINE: u32 = 30;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    let admin = app.admin();
    admin
        .create("users", json!({"id": id(1), "email": "ann@x.org"}))
        .await
        .unwrap();
    admin
        .create("shops", json!({"id": id(SHOP), "fans": [id(1)]}))
        .await
        .unwrap();
    admin.create("tags", json!({"id": id(40), "name": "t"})).await.unwrap();
    for number in 0..3 {
        let order = json!({"id": id(ORDER + number), "shop": id(SHOP), "buyer": id(1), "tags": [id(40)]});
        admin.create("orders", order).await.unwrap();
        for line in 0..2 {
            let line = json!({"id": id(LINE + 2 * number + line), "order": id(ORDER + number)});
            admin.create("lines", line).await.unwrap();
        }
    }
    app
}

async fn count(caller: &Caller, collection: &str) -> u64 {
    caller.list(collection).count().await.unwrap().total.unwrap()
}

pub(super) async fn references_hold_a_record(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    admin.update("shops", &id(SHOP), json!({"owner": id(1)})).await.unwrap();
    assert_eq!(said(admin.delete("users", &id(1)).await), "referenced");
    assert_eq!(said(admin.get("users", &id(1)).await), "ok");
    let order = admin.get("orders", &id(ORDER)).await.unwrap();
    assert_eq!(
        (&order["buyer"], order.version()),
        (&json!(id(1)), 1),
        "nothing is set to null when it fails"
    );
    admin.update("shops", &id(SHOP), json!({"owner": null})).await.unwrap();
    assert_eq!(said(admin.delete("users", &id(1)).await), "ok");
    let together = admin.batch([
        create("users", json!({"id": id(2), "email": "b@x.org"})),
        update("shops", &id(SHOP), json!({"owner": id(2)})),
        update("shops", &id(SHOP), json!({"owner": null})),
        delete("users", &id(2)),
    ]);
    assert_eq!(said(together.all().await), "ok");
}

pub(super) async fn cascades_go_all_the_way_down(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    admin.create("shops", json!({"id": id(11)})).await.unwrap();
    admin
        .create("orders", json!({"id": id(29), "shop": id(11)}))
        .await
        .unwrap();
    let mut listener = Listener::new(&app);
    // Whoever may delete the shop need have no right to the rest.
    app.user(&id(1)).delete("shops", &id(SHOP)).await.unwrap();
    assert_eq!(
        (
            count(&admin, "shops").await,
            count(&admin, "orders").await,
            count(&admin, "lines").await
        ),
        (1, 1, 0)
    );
    let mut deleted = listener.next().await.summary();
    deleted.sort();
    let mut expected = vec![format!("- Shop {SHOP} fans-1")];
    expected.extend((ORDER..ORDER + 3).map(|order| format!("- Order {order} tags-40")));
    expected.extend((LINE..LINE + 6).map(|line| format!("- Line {line}")));
    expected.sort();
    assert_eq!(deleted, expected);
}

pub(super) async fn a_restriction_far_down_stops_all(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    admin
        .create("mixeds", json!({"id": id(60), "two": id(40)}))
        .await
        .unwrap();
    assert_eq!(said(admin.delete("tags", &id(40)).await), "referenced");
    // A line that restricts a note which goes with another line.
    admin
        .create("notes", json!({"id": id(50), "line": id(LINE)}))
        .await
        .unwrap();
    admin
        .update("lines", &id(LINE + 3), json!({"note": id(50)}))
        .await
        .unwrap();
    assert_eq!(said(admin.delete("orders", &id(ORDER)).await), "referenced");
    assert_eq!((count(&admin, "orders").await, count(&admin, "lines").await), (3, 6));
    // It goes along itself, so it holds nothing.
    assert_eq!(said(admin.delete("shops", &id(SHOP)).await), "ok");
    assert_eq!((count(&admin, "lines").await, count(&admin, "notes").await), (0, 0));
}

pub(super) async fn a_record_that_both_cascades_and_restricts_goes_along(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    admin
        .create("mixeds", json!({"id": id(60), "one": id(40), "two": id(40)}))
        .await
        .unwrap();
    assert_eq!(said(admin.delete("tags", &id(40)).await), "ok");
    assert_eq!(count(&admin, "mixeds").await, 0);
}

pub(super) async fn set_null_is_a_change_like_any_other(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    let mut listener = Listener::new(&app);
    app.clock.pass(std::time::Duration::from_secs(1));
    admin.delete("users", &id(1)).await.unwrap();
    let order = admin.get("orders", &id(ORDER)).await.unwrap();
    assert_eq!(
        (&order["buyer"], order.version(), &order["updated"]),
        (&json!(null), 2, &json!("2024-05-01T12:00:01.000Z"))
    );
    let changes = listener.next().await;
    let mut summary = changes.summary();
    summary.sort();
    let nulled = (ORDER..ORDER + 3).map(|order| format!("~ Order {order} updated,version,buyer"));
    let mut expected: Vec<_> = nulled.collect();
    expected.push("- User 1".to_owned());
    expected.push(format!("~ Shop {SHOP} updated,version fans-1"));
    expected.sort();
    assert_eq!(summary, expected);
}

/// A link is no reference: it goes with either of its ends.
pub(super) async fn links_go_with_either_end(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    admin.delete("tags", &id(40)).await.unwrap();
    let order = admin.get("orders", &id(ORDER)).fields("tags,version").await.unwrap();
    assert_eq!(
        order.json,
        json!({"tags": [], "version": 2}),
        "the owning record has changed"
    );
    admin
        .update("shops", &id(SHOP), json!({"fans": {"add": [id(1)]}}))
        .await
        .unwrap();
    admin.delete("shops", &id(SHOP)).await.unwrap();
    admin.create("shops", json!({"id": id(SHOP)})).await.unwrap();
    let shop = admin.get("shops", &id(SHOP)).fields("fans").await.unwrap();
    assert_eq!(shop["fans"], json!([]), "nothing of the former comes back");
    // Between records that go together, and from one to itself.
    admin.create("peers", json!({"id": id(1)})).await.unwrap();
    admin
        .create("peers", json!({"id": id(2), "over": id(1), "peers": [id(1)]}))
        .await
        .unwrap();
    admin
        .update("peers", &id(1), json!({"peers": [id(1), id(2)]}))
        .await
        .unwrap();
    let mut listener = Listener::new(&app);
    admin.delete("peers", &id(1)).await.unwrap();
    let mut told = listener.next().await.summary();
    told.sort();
    assert_eq!(told, ["- Peer 1 peers-1-2", "- Peer 2 peers-1"]);
}

pub(super) async fn records_of_one_kind_hang_together(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    for number in 1..=5_u32 {
        let parent = (number > 1).then(|| id(100 + number / 2));
        admin
            .create(
                "nodes",
                json!({"id": id(100 + number), "parent": parent, "name": format!("{number}")}),
            )
            .await
            .unwrap();
    }
    admin.update("nodes", &id(101), json!({"twin": id(105)})).await.unwrap();
    // 102 has 104 and 105 below it.
    admin.delete("nodes", &id(102)).await.unwrap();
    let left = admin.list("nodes").sort("name").await.unwrap();
    assert_eq!(left.all("name"), "1 3");
    assert!(left.items[0]["twin"].is_null());
    // A record may hang on itself.
    admin
        .update("nodes", &id(103), json!({"parent": id(103), "twin": id(103)}))
        .await
        .unwrap();
    assert_eq!(said(admin.delete("nodes", &id(103)).await), "ok");
}

pub(super) async fn circles_go_whole(database: Db) {
    let app = open(&database).await;
    let admin = app.admin();
    admin.create("lefts", json!({"id": id(1)})).await.unwrap();
    admin
        .create("rights", json!({"id": id(2), "left": id(1)}))
        .await
        .unwrap();
    admin.update("lefts", &id(1), json!({"right": id(2)})).await.unwrap();
    admin.delete("lefts", &id(1)).await.unwrap();
    assert_eq!((count(&admin, "lefts").await, count(&admin, "rights").await), (0, 0));
    for number in 0..4_u32 {
        admin.create("nodes", json!({"id": id(200 + number)})).await.unwrap();
    }
    for number in 0..4_u32 {
        let parent = json!({"parent": id(200 + (number + 1) % 4)});
        admin.update("nodes", &id(200 + number), parent).await.unwrap();
    }
    admin.delete("nodes", &id(202)).await.unwrap();
    assert_eq!(count(&admin, "nodes").await, 0);
}

pub(super) async fn a_cascade_is_bounded(database: Db) {
    let limits = Limits {
        cascade_max: 10,
        ..Limits::default()
    };
    let app = App::limited(&database, SCHEMA, limits).await;
    let admin = app.admin();
    for (root, below) in [(300, 10), (400, 11)] {
        admin.create("nodes", json!({"id": id(root)})).await.unwrap();
        let nodes = (1..=below).map(|number| create("nodes", json!({"id": id(root + number), "parent": id(root)})));
        admin.batch(nodes).all().await.unwrap();
    }
    assert_eq!(said(admin.delete("nodes", &id(400)).await), "too_large");
    assert_eq!(count(&admin, "nodes").await, 23);
    assert_eq!(said(admin.delete("nodes", &id(300)).await), "ok");
    assert_eq!(count(&admin, "nodes").await, 12);
    // A chain is bounded as a fan is.
    for number in 0..12_u32 {
        let parent = (number > 0).then(|| id(500 + number - 1));
        admin
            .create("nodes", json!({"id": id(500 + number), "parent": parent}))
            .await
            .unwrap();
    }
    assert_eq!(said(admin.delete("nodes", &id(500)).await), "too_large");
    assert_eq!(said(admin.delete("nodes", &id(501)).await), "ok");
}

/// What only loses a reference or a link counts as well: all of it is written.
pub(super) async fn all_that_changes_counts(database: Db) {
    let limits = Limits {
        cascade_max: 10,
        ..Limits::default()
    };
    let app = App::limited(&database, SCHEMA, limits).await;
    let admin = app.admin();
    for (root, count) in [(300, 10), (400, 11)] {
        admin.create("nodes", json!({"id": id(root)})).await.unwrap();
        let twins = (1..=count).map(|number| create("nodes", json!({"id": id(root + number), "twin": id(root)})));
        admin.batch(twins).all().await.unwrap();
    }
    assert_eq!(said(admin.delete("nodes", &id(400)).await), "too_large");
    assert_eq!(admin.get("nodes", &id(401)).await.unwrap()["twin"], json!(id(400)));
    assert_eq!(said(admin.delete("nodes", &id(300)).await), "ok");
    assert_eq!(admin.get("nodes", &id(301)).await.unwrap()["twin"], json!(null));
}
