//! Pages, cursors and counts.

use serde_json::json;

use super::Db;
use super::answers::said;
use super::app::{App, Caller, id};

const SCHEMA: &str = r#"
type Row @collection @access(read: "record.open == true") { name: String! rank: Int open: Boolean @default(value: true) }
type Other @collection @access(read: "true") { name: String! rank: Int }
"#;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for (index, name) in ["a", "b", "c", "d", "e"].into_iter().enumerate() {
        let number = u32::try_from(index).unwrap();
        let row = json!({"id": id(number), "name": name, "rank": index % 2});
        app.admin().create("rows", row.clone()).await.unwrap();
        app.admin()
            .create("others", json!({"id": id(number), "name": name, "rank": index % 2}))
            .await
            .unwrap();
    }
    let hidden = json!({"id": id(9), "name": "hidden", "open": false});
    app.admin().create("rows", hidden).await.unwrap();
    app
}

fn reader(app: &App) -> Caller {
    app.user(&id(100))
}

pub(super) async fn a_page_ends_where_the_next_begins(database: Db) {
    let app = open(&database).await;
    let list = reader(&app).list("rows").sort("name").limit(2);
    let first = list.clone().await.unwrap();
    assert_eq!(first.all("name"), "a b");
    let second = list.clone().after(first.next.as_deref().unwrap()).await.unwrap();
    assert_eq!(second.all("name"), "c d");
    let third = list.clone().after(second.next.as_deref().unwrap()).await.unwrap();
    assert_eq!((third.all("name"), third.next), ("e".to_owned(), None));
    let exact = reader(&app).list("rows").sort("name").limit(5).await.unwrap();
    assert_eq!(
        (exact.items.len(), exact.next),
        (5, None),
        "nothing follows a page that ends with the last"
    );
    let other_size = list.limit(3).after(first.next.as_deref().unwrap()).await.unwrap();
    assert_eq!(other_size.all("name"), "c d e");
}

pub(super) async fn a_cursor_survives_what_it_points_at(database: Db) {
    let app = open(&database).await;
    let list = reader(&app).list("rows").sort("name").limit(2);
    let next = list.clone().await.unwrap().next.unwrap();
    app.admin().delete("rows", &id(1)).await.unwrap();
    app.admin().create("rows", json!({"name": "aa"})).await.unwrap();
    app.admin().create("rows", json!({"name": "bb"})).await.unwrap();
    assert_eq!(list.after(&next).await.unwrap().all("name"), "bb c");
}

pub(super) async fn a_cursor_is_for_its_question_and_caller(database: Db) {
    let app = open(&database).await;
    let list = |caller: &Caller| caller.list("rows").sort("name").filter("rank < 5").limit(2);
    let next = list(&reader(&app)).await.unwrap().next.unwrap();
    let refused = "bad_request: cursor bad_cursor";
    assert_eq!(said(list(&reader(&app)).after(&next).await), "ok");
    assert_eq!(said(list(&reader(&app)).sort("-name").after(&next).await), refused);
    assert_eq!(said(list(&reader(&app)).filter("rank < 6").after(&next).await), refused);
    assert_eq!(said(list(&app.user(&id(101))).after(&next).await), refused);
    assert_eq!(said(list(&app.admin()).after(&next).await), refused);
    assert_eq!(said(list(&app.nobody()).after(&next).await), refused);
    let elsewhere = reader(&app).list("others").sort("name").filter("rank < 5").after(&next);
    assert_eq!(said(elsewhere.await), refused);
    for broken in [
        "",
        "x",
        "AAAA",
        &next[1..],
        &format!("{next}A"),
        &next.replace(&next[30..31], "!"),
    ] {
        assert_eq!(said(list(&reader(&app)).after(broken).await), refused, "{broken}");
    }
    // Another node, which has the same key, takes it.
    assert_eq!(said(list(&reader(&app.beside())).after(&next).await), "ok");
}

pub(super) async fn counts_are_of_all_that_match(database: Db) {
    let app = open(&database).await;
    let list = reader(&app).list("rows").limit(2);
    assert_eq!(list.clone().await.unwrap().total, None, "counted only when asked");
    let counted = list.clone().count().await.unwrap();
    assert_eq!(
        (counted.items.len(), counted.total),
        (2, Some(5)),
        "a hidden record doesn't count"
    );
    let next = counted.next.unwrap();
    assert_eq!(
        list.clone().count().after(&next).await.unwrap().total,
        Some(5),
        "whatever the page"
    );
    assert_eq!(list.clone().filter("rank == 1").count().await.unwrap().total, Some(2));
    assert_eq!(list.clone().filter("rank == 7").count().await.unwrap().total, Some(0));
    assert_eq!(app.admin().list("rows").count().await.unwrap().total, Some(6));
}

pub(super) async fn page_sizes_are_bounded(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let rows = (0..500).map(|rank| super::app::create("others", json!({"name": format!("{rank:03}"), "rank": rank})));
    app.admin().batch(rows).all().await.unwrap();
    app.admin().create("others", json!({"name": "last"})).await.unwrap();
    let list = reader(&app).list("others").sort("name");
    assert_eq!(list.clone().await.unwrap().items.len(), 30);
    let largest = list.clone().limit(500).await.unwrap();
    assert_eq!((largest.items.len(), largest.next.is_some()), (500, true));
    assert_eq!(largest.items[499]["name"], "499");
    for size in [0, 501, u32::MAX] {
        assert_eq!(said(list.clone().limit(size).await), "bad_request: limit out_of_range");
    }
    assert_eq!(list.limit(7).walk().await.unwrap().len(), 501);
}
