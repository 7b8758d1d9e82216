//! Records whose key has several fields, as the other end of what they refer to.

use serde_json::{Value as Json, json};

use super::Db;
use super::app::{App, id};

const SCHEMA: &str = r#"
type User @collection(auth: true) @access(read: "true") { name: String! }
type Shop @collection @access(read: "record.orders.exists(o, o.lines.exists(l, l.price > 5))") {
  name: String!
  orders: [Order!]! @inverse(field: "shop")
}
type Order @collection @access(read: "true") {
  name: String!
  shop: Shop!
  lines: [Line!]! @inverse(field: "order")
  bought: [Line!]! @inverse(field: "origin")
}
type Line @collection(key: ["place", "order"]) @access(read: "record.hidden != true || auth.id != null") {
  place: String!
  order: Order! @relation(onDelete: CASCADE)
  origin: Order
  price: Int!
  hidden: Boolean
  parts: [String!]
}
"#;

const ANN: u32 = 1;
const FIRST: u32 = 10;
const SECOND: u32 = 11;
const THIRD: u32 = 12;

/// Lines b, a and, hidden, c of the first order, the last two from the second; a line `x,y` of the second; none of the third,
/// which is another shop's.
async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    let admin = app.admin();
    let user = json!({"id": id(ANN), "email": "ann@x.org", "name": "ann"});
    admin.create("users", user).await.unwrap();
    for (number, name) in [(2, "near"), (3, "far")] {
        admin
            .create("shops", json!({"id": id(number), "name": name}))
            .await
            .unwrap();
    }
    for (number, name, shop) in [(FIRST, "first", 2), (SECOND, "second", 2), (THIRD, "third", 3)] {
        let order = json!({"id": id(number), "name": name, "shop": id(shop)});
        admin.create("orders", order).await.unwrap();
    }
    for (place, order, origin, price, hidden) in [
        ("b", FIRST, None, 5, false),
        ("a", FIRST, Some(id(SECOND)), 6, false),
        ("c", FIRST, Some(id(SECOND)), 7, true),
        ("x,y", SECOND, None, 1, false),
    ] {
        let line = json!({"place": place, "order": id(order), "origin": origin, "price": price, "hidden": hidden});
        admin.create("lines", line).await.unwrap();
    }
    app
}

fn key(place: &str, order: u32) -> String {
    format!("{place},{}", id(order))
}

pub(super) async fn of_several_fields_are_texts_in_an_answer(database: Db) {
    let app = open(&database).await;
    let (nobody, ann) = (app.nobody(), app.user(&id(ANN)));
    let order = |number| nobody.get("orders", &id(number)).fields("lines,bought");
    let first = order(FIRST).await.unwrap();
    assert_eq!(
        first.json,
        json!({"lines": [key("a", FIRST), key("b", FIRST)], "bought": []})
    );
    let second = order(SECOND).await.unwrap();
    assert_eq!(
        second.json,
        json!({"lines": [key("x%2Cy", SECOND)], "bought": [key("a", FIRST)]})
    );
    assert_eq!(order(THIRD).await.unwrap().json, json!({"lines": [], "bought": []}));
    let seen = ann.get("orders", &id(FIRST)).fields("lines").await.unwrap();
    assert_eq!(
        seen.json,
        json!({"lines": [key("a", FIRST), key("b", FIRST), key("c", FIRST)]})
    );
    // Each of them is one to be asked for.
    for key in [key("x%2Cy", SECOND), key("a", FIRST)] {
        assert_eq!(nobody.get("lines", &key).await.unwrap().json["hidden"], false, "{key}");
    }
}

pub(super) async fn of_several_fields_are_expanded(database: Db) {
    let app = open(&database).await;
    let nobody = app.nobody();
    let fields = "name,lines.place,lines.price,lines.origin.name,lines.order.lines";
    let orders = nobody
        .list("orders")
        .fields(fields)
        .sort("name")
        .limit(2)
        .await
        .unwrap();
    let keys = json!({"lines": [key("a", FIRST), key("b", FIRST)]});
    let expected = json!([
        {"name": "first", "lines": [
            {"place": "a", "order": keys, "origin": {"name": "second"}, "price": 6},
            {"place": "b", "order": keys, "origin": null, "price": 5},
        ]},
        {"name": "second", "lines": [
            {"place": "x,y", "order": {"lines": [key("x%2Cy", SECOND)]}, "origin": null, "price": 1},
        ]},
    ]);
    assert_eq!(Json::Array(orders.items), expected);
}

pub(super) async fn of_several_fields_are_asked_about(database: Db) {
    let app = open(&database).await;
    let nobody = app.nobody();
    let check = async |filter: &str, expected: &str| {
        let orders = nobody.list("orders").filter(filter).sort("name").await.unwrap();
        let names: Vec<&str> = orders
            .items
            .iter()
            .map(|order| order["name"].as_str().unwrap())
            .collect();
        assert_eq!(names.join(" "), expected, "{filter}");
    };
    // As far as they can be seen.
    check("size(lines) == 2", "first").await;
    check("lines.exists(l, l.price > 6)", "").await;
    check("lines.exists(l, l.place == 'a' && l.origin.name == 'second')", "first").await;
    check("lines.all(l, l.price < 6)", "second third").await;
    check("bought.exists(l, l.order.name == 'first')", "second").await;
    check("'x,y' in lines.map(l, l.place)", "second").await;
    check("size(shop.orders) == 2", "first second").await;
    let shops = nobody.list("shops").fields("name").await.unwrap();
    assert_eq!(Json::Array(shops.items), json!([{"name": "near"}]));
    for filter in ["'a' in lines", "lines.exists(l, l == l)"] {
        assert!(nobody.list("orders").filter(filter).await.is_err(), "{filter}");
    }
    app.admin().delete("orders", &id(FIRST)).await.unwrap();
    assert_eq!(nobody.list("lines").await.unwrap().items.len(), 1);
}
