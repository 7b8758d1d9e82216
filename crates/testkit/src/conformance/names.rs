//! Names of a schema that mean something to databases, or are as long as can be.

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, id};

const SCHEMA: &str = r#"
enum Union { ALL DISTINCT }
type Select { from: String where: Int }
type Order @collection @index(fields: ["group", "limit"], unique: true)
  @access(read: "record.key == null || record.key != 'hidden'") {
  group: String
  limit: Int
  value: String
  key: String
  type: Union
  values: [String!]
  index: JSON
  from: Select
  table: Table
  references: [Table!]!
  t0: Int
  l0: Int
  j: Int
  column1: Int
  rowid: Int
  oid: Int
  _rowid_: Int
  constraint: Order
}
type Table @collection {
  primary: Order
  orders: [Order!]! @inverse(field: "references")
  check: [Order!]! @inverse(field: "table")
  a23456789_123456789_123456789_123456789_123456789_123456789_123: String
}
type Old @collection @table(name: "Select") {
  name: String @column(name: "where") @unique
  links: [Old!]! @table(name: "JOIN")
}
type Bare @collection { bares: [Bare!]! }
"#;

pub(super) async fn words_of_databases_are_names(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    let long = "a23456789_123456789_123456789_123456789_123456789_123456789_123";
    admin.create("tables", json!({"id": id(1), long: "x"})).await.unwrap();
    let order = json!({
        "id": id(2), "group": "g", "limit": 1, "value": "v", "key": "k", "type": "ALL", "values": ["x", "y"],
        "index": {"key": {"value": [1]}, "type": "t"}, "from": {"from": "f", "where": 3}, "table": id(1),
        "references": [id(1)], "t0": 1, "l0": 2, "j": 3, "column1": 4, "rowid": 5, "oid": 6, "_rowid_": 7,
    });
    let created = admin
        .create("orders", order.clone())
        .fields("*,references")
        .await
        .unwrap();
    for (field, value) in order.as_object().unwrap() {
        assert_eq!(&created[field.as_str()], value, "{field}");
    }
    let again = admin.create("orders", json!({"group": "g", "limit": 1})).await;
    assert_eq!(said(again), "unique_violation: group taken, limit taken");
    admin.update("tables", &id(1), json!({"primary": id(2)})).await.unwrap();
    let table = admin
        .get("tables", &id(1))
        .expand("primary.table,orders,check")
        .await
        .unwrap();
    assert_eq!(table["primary"]["table"][long], "x");
    assert_eq!(
        (&table["orders"][0]["value"], &table["check"][0]["key"]),
        (&json!("v"), &json!("k"))
    );
    let updated = admin
        .update("orders", &id(2), json!({"limit": 2, "rowid": 50, "constraint": id(2)}))
        .await
        .unwrap();
    assert_eq!(
        (&updated["limit"], &updated["rowid"], &updated["constraint"]),
        (&json!(2), &json!(50), &json!(id(2)))
    );
}

pub(super) async fn they_can_be_asked_about(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    admin.create("tables", json!({"id": id(1)})).await.unwrap();
    for (number, value, key) in [(2, "v", "k"), (3, "w", "hidden")] {
        let order = json!({
            "id": id(number), "value": value, "key": key, "values": [value, "x"], "group": value, "type": "DISTINCT",
            "index": {"key": value}, "from": {"from": value, "where": number}, "table": id(1), "references": [id(1)],
            "t0": number, "column1": number, "rowid": number,
        });
        admin.create("orders", order).await.unwrap();
    }
    admin.update("tables", &id(1), json!({"primary": id(2)})).await.unwrap();
    for filter in [
        "value == 'v'",
        "key == 'k'",
        "'v' in values",
        "values.exists(value, value == 'v')",
        "values.exists(key, key == value)&& value == 'v'",
        "from.from == 'v'",
        "from.where == 2",
        "index.key == 'v'",
        "group == 'v' && type == 'DISTINCT'",
        "table.primary.value == value",
        "references.exists(t0, t0.primary.column1 == column1)",
        "table.orders.exists(o, o.t0 == record.t0) && t0 == 2",
        "rowid == 2",
        "size(table.check) == 2 && column1 < 3",
    ] {
        assert_eq!(
            admin.list("orders").filter(filter).await.unwrap().all("value"),
            "v",
            "{filter}"
        );
    }
    let sorted = admin
        .list("orders")
        .sort("-table.primary.key,-limit,-group,rowid")
        .await
        .unwrap();
    assert_eq!(sorted.all("value"), "w v");
    assert_eq!(
        app.user(&id(9)).list("orders").sort("key").await.unwrap().all("value"),
        "v"
    );
}

pub(super) async fn mapped_names_are_used(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    admin.create("olds", json!({"id": id(1), "name": "n"})).await.unwrap();
    assert_eq!(
        said(admin.create("olds", json!({"name": "n"})).await),
        "unique_violation: name taken"
    );
    let old = admin
        .update("olds", &id(1), json!({"links": [id(1)]}))
        .expand("links")
        .await
        .unwrap();
    assert_eq!(old["links"][0]["name"], "n");
    assert_eq!(
        admin
            .list("olds")
            .filter("links.exists(l, l.name == 'n')")
            .sort("-name")
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    admin.create("bares", json!({"id": id(1)})).await.unwrap();
    let bare = admin
        .update("bares", &id(1), json!({"bares": {"add": [id(1)]}}))
        .fields("bares")
        .await
        .unwrap();
    assert_eq!(bare.json, json!({"bares": [id(1)]}));
    admin.delete("olds", &id(1)).await.unwrap();
    admin.delete("bares", &id(1)).await.unwrap();
}
