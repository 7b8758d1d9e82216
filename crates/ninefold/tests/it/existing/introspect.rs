//! `ninefold introspect`, with the real binary: from the database to an answer.

use std::path::Path;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use serde_json::{Value as Json, json};

use super::{administrator, database, signed_in};
use crate::app::Client;
use crate::binary::{Server, run};
use crate::mysql::own::OwnDatabase;
use crate::postgres::schema::Schema;

const CHINOOK: &str = include_str!("../../../../store-sql/src/introspect/fixtures/chinook.sql");
const PAGILA: &str = include_str!("../../../../store-sql/src/introspect/fixtures/pagila.sql");
const SAKILA: &str = include_str!("../../../../store-sql/src/introspect/fixtures/sakila_mysql.sql");
const NORTHWIND: &str = include_str!("../../../../store-sql/src/introspect/fixtures/northwind.sql");

/// Introspects the database into a folder and serves it: the folder, the server, and an administrator.
async fn served(sql: &str) -> (tempfile::TempDir, Server, Client) {
    let folder = tempfile::tempdir().unwrap();
    database(folder.path(), sql);
    let dir = folder.path().join("application");
    let url = format!("sqlite:{}", folder.path().join("existing.db").display());
    let written = run(["introspect", &url, "--out", dir.to_str().unwrap()]).await;
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    administrator(&dir, &[]).await;
    let server = Server::start("serve", &dir, &[]).await;
    let admin = signed_in(&server).await;
    (folder, server, admin)
}

#[tokio::test]
async fn a_music_shop() {
    let (_folder, server, admin) = served(CHINOOK).await;
    assert_eq!(server.client().get("/api/tracks").await.status, 401);
    let tracks = admin
        .request("GET", "/api/tracks")
        .query("filter", "album.artist.name == 'Accept'")
        .query("fields", "trackId,name,unitPrice,album.artist.name,playlists.name")
        .send()
        .await;
    assert_eq!(
        tracks.json()["items"],
        json!([{
            "trackId": 2, "name": "Balls to the Wall", "unitPrice": 1.0,
            "album": {"artist": {"name": "Accept"}}, "playlists": [{"name": "Music"}],
        }])
    );
    let artist = admin
        .get("/api/artists/1?expand=albums.tracks&fields=name,albums.tracks.name")
        .await;
    let expected =
        json!({"name": "AC/DC", "albums": [{"tracks": [{"name": "For Those About To Rock (We Salute You)"}]}]});
    assert_eq!(artist.json(), expected);
    let employees = admin
        .get("/api/employees?sort=-hireDate&fields=lastName,reportsTo.lastName,hireDate")
        .await;
    assert_eq!(
        employees.json()["items"],
        json!([
            {"lastName": "Adams", "reportsTo": null, "hireDate": "2002-08-14 00:00:00"},
            {"lastName": "Edwards", "reportsTo": {"lastName": "Adams"}, "hireDate": "2002-05-01 00:00:00"},
        ])
    );
    let playlist = admin
        .post(
            "/api/playlists",
            &json!({"playlistId": 3, "name": "Mine", "tracks": [1]}),
        )
        .await;
    assert_eq!(playlist.status, 201, "{}", playlist.text());
    assert_eq!(admin.delete("/api/artists/1").await.status, 409);
}

#[tokio::test]
async fn a_trading_house() {
    let (_folder, _server, admin) = served(NORTHWIND).await;
    let details = admin
        .get("/api/order-details?sort=order,product&fields=order.customer.companyName,product.productName,quantity")
        .await;
    assert_eq!(
        details.json()["items"][1],
        json!({"order": {"customer": {"companyName": "Alfreds Futterkiste"}}, "product": {"productName": "Chang"}, "quantity": 1})
    );
    let order = admin.get("/api/orders/10248?fields=orderDetails").await;
    assert_eq!(order.json()["orderDetails"], json!(["10248,1", "10248,2"]));
    let detail = admin.patch("/api/order-details/10248,1", &json!({"quantity": 3})).await;
    assert_eq!(detail.json()["quantity"], 3, "{}", detail.text());
    let refused = admin.patch("/api/order-details/10248,1", &json!({"quantity": 0})).await;
    assert_eq!(
        (refused.status, refused.json()["errors"][0]["code"].clone()),
        (422, json!("constraint"))
    );
    let total = admin.get("/api/order-subtotals/10248").await;
    assert_eq!(total.json(), json!({"orderId": 10248, "subtotal": 68.625}));
    let customer = admin
        .get("/api/customers/ALFKI?fields=orders,customerDemographics.customerDesc")
        .await;
    assert_eq!(
        customer.json(),
        json!({"orders": [10248], "customerDemographics": [{"customerDesc": "For long"}]})
    );
}

#[tokio::test]
async fn a_film_library_on_a_server() {
    let schema = Schema::new();
    let url = schema.url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(PAGILA).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_server, admin) = films(&url, folder.path()).await;

    let films = admin
        .request("GET", "/api/films")
        .query(
            "filter",
            "rating == 'PG' && mood == 'calm' && language.name.startsWith('Eng')",
        )
        .query("fields", "title,rating,rentalRate,actors.lastName")
        .send()
        .await;
    assert_eq!(
        films.json()["items"],
        json!([{
            "title": "ACADEMY DINOSAUR", "rating": "PG", "rentalRate": "4.99",
            "actors": [{"lastName": "GUINESS"}, {"lastName": "WAHLBERG"}],
        }]),
        "{}",
        films.text()
    );
    let film = admin
        .post(
            "/api/films",
            &json!({"filmId": 3, "title": "New", "language": 1, "mood": "tense"}),
        )
        .await;
    assert_eq!(film.status, 201, "{}", film.text());
    let films = admin.patch("/api/actors/2", &json!({"films": {"add": [3]}})).await;
    assert_eq!(films.status, 200, "{}", films.text());
    let film = admin.get("/api/films/3?fields=actors").await;
    assert_eq!(film.json(), json!({"actors": [2]}));
    let film = admin
        .patch(
            "/api/films/3",
            &json!({"rating": "R", "length": 90, "releaseYear": 1800}),
        )
        .await;
    assert_eq!(
        (film.status, film.json()["errors"][0]["code"].clone()),
        (422, json!("constraint"))
    );
    let film = admin
        .patch("/api/films/3", &json!({"rating": "R", "length": 40_000}))
        .await;
    assert_eq!(film.json()["errors"][0]["field"], "length", "{}", film.text());
    let film = admin.patch("/api/films/3", &json!({"rating": "R", "length": 90})).await;
    assert_eq!((film.status, film.json()["rating"].clone()), (200, json!("R")));
    assert_eq!(
        admin.get("/api/staff-lists/1?fields=name,address").await.json(),
        json!({"name": "Mike", "address": "47 MySakila Drive"})
    );

    assert_eq!(sums(&admin).await, [json!("1.99"), json!("0.99"), json!("5")]);
}

#[tokio::test]
async fn a_film_library_on_mariadb() {
    let own = OwnDatabase::new();
    let url = own.url();
    let mut conn = Conn::from_url(&url).await.unwrap();
    conn.query_drop(SAKILA).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_server, admin) = films(&url, folder.path()).await;
    let found = admin
        .request("GET", "/api/films")
        .query(
            "filter",
            "rating == 'PG' && mood == 'calm' && language.name.startsWith('Eng')",
        )
        .query(
            "fields",
            "title,rating,rentalRate,releaseYear,more,specialFeatures,actors.lastName",
        )
        .send()
        .await;
    assert_eq!(
        found.json()["items"],
        json!([{
            "title": "ACADEMY DINOSAUR", "rating": "PG", "rentalRate": "4.99", "releaseYear": 2006, "more": {"b": 1, "a": 2},
            "specialFeatures": "Trailers,Commentaries", "actors": [{"lastName": "GUINESS"}, {"lastName": "WAHLBERG"}],
        }]),
        "{}",
        found.text()
    );
    // Not as the column's collation compares.
    let none = admin.get("/api/films?filter=title%20==%20'academy%20dinosaur'").await;
    assert_eq!(none.json()["items"], json!([]));
    let film = json!({"filmId": 3, "title": "New", "language": 1, "mood": "tense"});
    let film = admin.post("/api/films", &film).await;
    assert_eq!(film.status, 201, "{}", film.text());
    let changed = admin.patch("/api/actors/2", &json!({"films": {"add": [3]}})).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let film = admin.get("/api/films/3?fields=actors,rating,rentalRate").await;
    assert_eq!(film.json(), json!({"actors": [2], "rating": "G", "rentalRate": "4.99"}));
    let refused = admin.patch("/api/films/3", &json!({"length": 9})).await;
    assert_eq!(
        (refused.status, refused.json()["errors"][0]["code"].clone()),
        (422, json!("constraint"))
    );
    let refused = admin.patch("/api/films/3", &json!({"length": 70_000})).await;
    assert_eq!(refused.json()["errors"][0]["field"], "length", "{}", refused.text());
    let film = admin
        .patch("/api/films/3", &json!({"rating": "NC-17", "length": 90}))
        .await;
    assert_eq!((film.status, film.json()["rating"].clone()), (200, json!("NC-17")));
    assert_eq!(admin.get("/api/visits/1,2").await.status, 200);
    assert_eq!(
        admin.get("/api/staff-lists/1?fields=name,address").await.json(),
        json!({"name": "Mike Hillyer", "address": "47 MySakila Drive"})
    );
    assert_eq!(admin.delete("/api/languages/1").await.status, 409);
    assert_eq!(sums(&admin).await, [json!("2.99"), json!("0.99"), json!("5")]);
}

/// Introspects the films of a server into the folder, and serves them to an administrator.
async fn films(url: &str, folder: &Path) -> (Server, Client) {
    let dir = folder.join("films");
    let written = run(["introspect", url, "--out", dir.to_str().unwrap()]).await;
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    let database = ["--database", url];
    // Nothing of Ninefold's gets there by itself.
    let refused = run(["serve", dir.to_str().unwrap()].into_iter().chain(database)).await;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("was not made by Ninefold"),
        "{}",
        refused.stderr
    );
    administrator(&dir, &database).await;
    let server = Server::start("serve", &dir, &database).await;
    let admin = signed_in(&server).await;
    (server, admin)
}

/// Of all payments, by their moments and one by one: these are finer in the database than in an answer, and all the same
/// each record is on one page.
async fn sums(admin: &Client) -> Vec<Json> {
    let (mut sums, mut cursor) = (Vec::new(), Json::Null);
    while sums.len() < 9 {
        let request = admin.request("GET", "/api/payments?sort=paymentDate&limit=1");
        let request = match cursor.as_str() {
            Some(cursor) => request.query("cursor", cursor),
            None => request,
        };
        let page = request.send().await.json();
        sums.push(page["items"][0]["amount"].clone());
        cursor = page["next"].clone();
        if cursor.is_null() {
            break;
        }
    }
    sums
}

#[tokio::test]
async fn what_cannot_be_introspected_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    let gone = run(["introspect", &path("gone.db")]).await;
    assert_eq!(gone.code, Some(3), "{}", gone.stderr);
    std::fs::write(folder.path().join("text.db"), "this is a text, and no database at all").unwrap();
    let text = run(["introspect", &path("text.db")]).await;
    assert_eq!(text.code, Some(3), "{}", text.stderr);
    let unknown = run(["introspect", "oracle://host/db"]).await;
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    database(folder.path(), "CREATE TABLE keyless (a INT);");
    let keyless = run(["introspect", &path("existing.db")]).await;
    assert_eq!(keyless.code, Some(1));
    assert!(
        keyless
            .stderr
            .contains("table keyless: left out: it has no primary key"),
        "{}",
        keyless.stderr
    );
    database(folder.path(), "CREATE TABLE keyed (a INT PRIMARY KEY);");
    let printed = run(["introspect", &path("existing.db")]).await;
    assert_eq!(printed.code, Some(0), "{}", printed.stderr);
    assert!(
        printed.stdout.contains("type Keyed @collection(key: [\"a\"])"),
        "{}",
        printed.stdout
    );
    // What is there is not written over.
    std::fs::write(folder.path().join("schema.graphql"), "# mine").unwrap();
    let again = run([
        "introspect",
        &path("existing.db"),
        "--out",
        folder.path().to_str().unwrap(),
    ])
    .await;
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert_eq!(
        std::fs::read_to_string(folder.path().join("schema.graphql")).unwrap(),
        "# mine"
    );
}
