//! A schema written by hand for tables that are there.

use serde_json::{Value as Json, json};

use super::{DATABASE, catalog, database, served};
use crate::binary::{finish, folder, ninefold, run};

const SQL: &str = r#"
CREATE TABLE Country (Code CHAR(2) PRIMARY KEY NOT NULL, Name VARCHAR(80) NOT NULL);
CREATE TABLE Customer (
  CustomerId INTEGER PRIMARY KEY, "Full name" TEXT NOT NULL, Country CHAR(2) REFERENCES Country (Code),
  CHECK ("Full name" <> 'Nobody')
);
CREATE TABLE "Order Details" (
  OrderId INTEGER NOT NULL, Customer INTEGER NOT NULL REFERENCES Customer (CustomerId) ON DELETE CASCADE,
  Price NUMERIC(10, 2) NOT NULL DEFAULT 0, PRIMARY KEY (OrderId, Customer)
);
CREATE TABLE Tag (Name TEXT PRIMARY KEY NOT NULL);
CREATE TABLE CustomerTag (
  CustomerId INTEGER NOT NULL REFERENCES Customer, Tag TEXT NOT NULL REFERENCES Tag, PRIMARY KEY (CustomerId, Tag)
);
CREATE VIEW Totals AS SELECT Customer, sum(Price) AS Total FROM "Order Details" GROUP BY Customer;
CREATE TABLE Untouched (anything);
INSERT INTO Country VALUES ('FR', 'France'), ('DE', 'Germany');
INSERT INTO Customer VALUES (1, 'Ana', 'FR'), (2, 'Bo', NULL);
INSERT INTO "Order Details" VALUES (10, 1, 2.5), (10, 2, 3), (11, 1, 4);
INSERT INTO Tag VALUES ('a,b'), ('new');
INSERT INTO CustomerTag VALUES (1, 'a,b'), (1, 'new');
"#;

const SCHEMA: &str = r#"
type Country @collection(key: ["code"]) @table(name: "Country", managed: false) {
  code: String! @column(name: "Code")
  name: String! @column(name: "Name")
  customers: [Customer!]! @inverse(field: "country")
}
type Customer @collection(key: ["customerId"]) @table(name: "Customer", managed: false) {
  customerId: Long! @column(name: "CustomerId")
  fullName: String! @column(name: "Full name")
  country: Country @column(name: "Country")
  tags: [Tag!]! @table(name: "CustomerTag", source: "CustomerId", target: "Tag")
}
type OrderLine @collection(key: ["orderId", "customer"]) @table(name: "Order Details", managed: false) {
  orderId: Long! @column(name: "OrderId")
  customer: Customer! @column(name: "Customer") @relation(onDelete: CASCADE)
  price: Float! @column(name: "Price") @default(value: 0)
}
type Tag @collection(key: ["name"]) @table(name: "Tag", managed: false) {
  name: String! @column(name: "Name")
  customers: [Customer!]! @inverse(field: "tags")
}
type Total @collection(key: ["customer"], readOnly: true) @table(name: "Totals", managed: false) {
  customer: Customer! @column(name: "Customer")
  total: Float @column(name: "Total")
}
type Note @collection { customer: Customer! @relation(onDelete: CASCADE) text: String! }
"#;

#[tokio::test]
async fn nothing_is_added_to_somebody_elses_database_without_leave() {
    let application = folder(SCHEMA);
    database(application.path(), SQL);
    let before = catalog(application.path());
    let dir = application.path().to_str().unwrap();
    let bytes = std::fs::read(application.path().join("existing.db")).unwrap();
    for command in [&["serve"][..], &["export", "notes", "-"]] {
        let finished = run(command.iter().copied().chain([dir]).chain(DATABASE)).await;
        assert_eq!(finished.code, Some(3), "{}", finished.stderr);
        assert!(
            finished.stderr.contains("was not made by Ninefold"),
            "{}",
            finished.stderr
        );
        assert!(
            finished.stderr.contains("`ninefold migrate apply`"),
            "{}",
            finished.stderr
        );
    }
    assert_eq!(std::fs::read(application.path().join("existing.db")).unwrap(), bytes);
    // With leave its own are added, and what is the schema's own.
    let mut expected = before;
    let (mut server, _) = served(application.path()).await;
    server.signal("TERM");
    assert_eq!(server.end().await, Some(0));
    let mut after = catalog(application.path());
    after.retain(|sql| !sql.contains("note"));
    expected.sort();
    after.sort();
    assert_eq!(after, expected);
}

#[tokio::test]
async fn records_of_existing_tables_are_read_and_written() {
    let application = folder(SCHEMA);
    database(application.path(), SQL);
    let (_server, admin) = served(application.path()).await;

    // Read: by keys of every kind, through relations, and closed to everybody else.
    assert_eq!(_server.client().get("/api/customers").await.status, 401);
    let page = admin.get("/api/customers?expand=country,tags&count=true").await;
    assert_eq!(
        page.json()["items"],
        json!([
            {"customerId": 1, "fullName": "Ana", "country": {"code": "FR", "name": "France"}, "tags": [{"name": "a,b"}, {"name": "new"}]},
            {"customerId": 2, "fullName": "Bo", "country": null, "tags": []},
        ])
    );
    let line = admin.get("/api/order-lines/10,2").await;
    assert_eq!(line.json(), json!({"orderId": 10, "customer": 2, "price": 3.0}));
    assert_eq!(admin.get("/api/order-lines/10,3").await.status, 404);
    assert_eq!(admin.get("/api/order-lines/10").await.status, 404);
    let filtered = admin
        .request("GET", "/api/order-lines")
        .query("filter", "customer.country.name == 'France' && price > 3.0")
        .query("fields", "orderId,customer.fullName")
        .send()
        .await;
    assert_eq!(
        filtered.json()["items"],
        json!([{"orderId": 11, "customer": {"fullName": "Ana"}}])
    );
    let tag = admin.get("/api/tags/a%2Cb?fields=name,customers").await;
    assert_eq!(tag.json(), json!({"name": "a,b", "customers": [1]}));
    let pages = pages_of(&admin, "/api/order-lines?limit=1&sort=-price").await;
    assert_eq!(pages, [json!([11, 1]), json!([10, 2]), json!([10, 1])]);

    // A view is read only, for administrators too.
    assert_eq!(
        admin.get("/api/totals/1").await.json(),
        json!({"customer": 1, "total": 6.5})
    );
    let refused = admin.patch("/api/totals/1", &json!({"total": 1})).await;
    assert_eq!(
        (refused.status, refused.json()["code"].clone()),
        (403, json!("forbidden"))
    );
    assert_eq!(_server.client().delete("/api/totals/1").await.status, 401);
    let description = admin.get("/openapi.json").await.json();
    assert!(description["paths"]["/api/totals/{id}"].get("patch").is_none());

    // Written: the key is given; a reference must lead somewhere; what the table itself demands holds.
    let made = admin
        .post("/api/order-lines", &json!({"orderId": 12, "customer": 2}))
        .await;
    assert_eq!(
        (made.status, made.header("location")),
        (201, Some("/api/order-lines/12,2"))
    );
    assert_eq!(made.json(), json!({"orderId": 12, "customer": 2, "price": 0.0}));
    let twice = admin
        .post("/api/order-lines", &json!({"orderId": 12, "customer": 2}))
        .await;
    assert_eq!(
        (twice.status, twice.json()["code"].clone()),
        (409, json!("unique_violation"))
    );
    let nobody = admin
        .post("/api/order-lines", &json!({"orderId": 12, "customer": 9}))
        .await;
    assert_eq!(nobody.json()["errors"][0]["code"], "no_such_record");
    let keyless = admin.post("/api/order-lines", &json!({"customer": 2})).await;
    assert_eq!(keyless.json()["errors"][0]["field"], "orderId");
    let refused = admin.patch("/api/customers/2", &json!({"fullName": "Nobody"})).await;
    assert_eq!(
        (refused.status, refused.json()["errors"][0]["code"].clone()),
        (422, json!("constraint"))
    );
    let put = admin
        .put("/api/order-lines/13,1", &json!({"orderId": 13, "price": 1}))
        .await;
    assert_eq!(
        (put.status, put.json()),
        (201, json!({"orderId": 13, "customer": 1, "price": 1.0}))
    );
    let other = admin.put("/api/order-lines/13,1", &json!({"orderId": 14})).await;
    assert_eq!(other.json()["errors"][0]["code"], "mismatch");
    let moved = admin.patch("/api/order-lines/13,1", &json!({"orderId": 14})).await;
    assert_eq!(moved.json()["errors"][0]["code"], "read_only");
    let tags = json!({"tags": {"add": ["a,b"]}});
    assert_eq!(admin.patch("/api/customers/2", &tags).await.status, 200);

    // Without a version the tag is the record's content.
    let tag = admin
        .get("/api/order-lines/13,1")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    let change = |tag: &str| {
        admin
            .request("PATCH", "/api/order-lines/13,1")
            .header("if-match", tag)
            .json(&json!({"price": 2}))
    };
    assert_eq!(change(&tag).send().await.status, 200);
    assert_eq!(change(&tag).send().await.status, 412);

    // A collection of Ninefold's own goes along with the record that it refers to, and so do lines of the same database.
    let note = admin.post("/api/notes", &json!({"customer": 1, "text": "mine"})).await;
    assert_eq!(note.status, 201, "{}", note.text());
    assert_eq!(admin.delete("/api/customers/1").await.status, 204);
    assert_eq!(admin.get("/api/notes").await.json()["items"], json!([]));
    let connection = rusqlite::Connection::open(application.path().join("existing.db")).unwrap();
    let left = "SELECT (SELECT count(*) FROM \"Order Details\") || ',' || (SELECT group_concat(Tag) FROM CustomerTag)";
    let left: String = connection.query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(left, "2,a,b");
}

/// The keys of all records, page by page.
async fn pages_of(client: &crate::app::Client, path: &str) -> Vec<Json> {
    let (mut keys, mut cursor) = (Vec::new(), Json::Null);
    loop {
        let request = client.request("GET", path);
        let request = match cursor.as_str() {
            Some(cursor) => request.query("cursor", cursor),
            None => request,
        };
        let page = request.send().await.json();
        keys.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line| json!([line["orderId"], line["customer"]])),
        );
        cursor = page["next"].clone();
        if cursor.is_null() {
            return keys;
        }
    }
}

#[tokio::test]
async fn a_schema_that_does_not_fit_is_refused_at_start() {
    let schema = SCHEMA
        .replace("\"Full name\"", "\"Name\"")
        .replace("\"Totals\"", "\"Sums\"");
    let application = folder(&schema);
    database(application.path(), SQL);
    let dir = application.path().to_str().unwrap();
    let applied = finish(ninefold(["migrate", "apply", dir].into_iter().chain(DATABASE)), "").await;
    assert_eq!(applied.code, Some(1), "{}", applied.stderr);
    assert!(
        applied.stderr.contains("Customer has no column Name"),
        "{}",
        applied.stderr
    );
    assert!(
        applied.stderr.contains("there is no table or view Sums"),
        "{}",
        applied.stderr
    );
}

#[tokio::test]
async fn an_import_into_an_existing_table_is_refused() {
    let application = folder(SCHEMA);
    database(application.path(), SQL);
    let dir = application.path().to_str().unwrap();
    let applied = run(["migrate", "apply", dir, DATABASE[0], DATABASE[1]]).await;
    assert_eq!(applied.code, Some(0), "{}", applied.stderr);
    let file = application.path().join("tags.csv");
    std::fs::write(&file, "name\nx\n").unwrap();
    let refused = run(["import", "tags", file.to_str().unwrap(), dir, DATABASE[0], DATABASE[1]]).await;
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("is not managed by Ninefold"),
        "{}",
        refused.stderr
    );
}
