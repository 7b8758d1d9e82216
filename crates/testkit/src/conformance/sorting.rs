//! The order of a page: the same on every engine.

use serde_json::{Value as Json, json};

use super::Db;
use super::answers::{said, words};
use super::app::{App, Caller, id};

const SCHEMA: &str = r#"
enum Level { LOW HIGH MIDDLE }
type User @collection(auth: true) @access(read: "true") { name: String }
type Team @collection @access(read: "record.open == true") { name: String open: Boolean lead: Thing }
type Thing @collection @access(read: "true") {
  label: String!
  text: String
  int: Int
  long: Long
  float: Float
  decimal: Decimal
  flag: Boolean
  at: DateTime
  day: Date
  ident: ID
  level: Level
  team: Team
  bytes: Bytes
  json: JSON
  hidden: Int @private
  group: Int
  owner: User
  score: Int @access(read: "record.owner == auth.id")
}
"#;

/// Things with one field set, labelled by their place in `values`.
async fn things(caller: &Caller, field: &str, values: &[Json]) {
    for (index, value) in values.iter().enumerate() {
        let thing = json!({"label": format!("{index}"), field: value});
        caller.create("things", thing).await.unwrap();
    }
}

async fn sorted(caller: &Caller, sort: &str) -> String {
    caller.list("things").sort(sort).limit(100).await.unwrap().all("label")
}

/// `values` stand in their order; stored the other way round, a null among them.
async fn in_order(database: &Db, field: &str, values: &[Json]) {
    let app = App::open(database, SCHEMA).await;
    let admin = app.admin();
    let count = values.len();
    let labels: Vec<String> = (0..count).map(|index| format!("v{index}")).collect();
    for index in (0..count).rev() {
        let thing = json!({"label": labels[index], field: values[index]});
        admin.create("things", thing).await.unwrap();
    }
    admin.create("things", json!({"label": "null"})).await.unwrap();
    let ascending = labels.join(" ");
    let descending = labels.iter().rev().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(sorted(&admin, field).await, format!("null {ascending}"));
    assert_eq!(sorted(&admin, &format!("-{field}")).await, format!("{descending} null"));
    // The same by pages of two, whose cursors hold these values.
    let by_pages = admin.list("things").sort(field).limit(2).walk().await.unwrap();
    assert_eq!(words(&by_pages, "label"), format!("null {ascending}"));
    let by_pages = admin
        .list("things")
        .sort(&format!("-{field}"))
        .limit(2)
        .walk()
        .await
        .unwrap();
    assert_eq!(words(&by_pages, "label"), format!("{descending} null"));
}

/// By code point: not by locale, not by case, not by UTF-16 unit (which would put the last before the one before it).
pub(super) async fn texts_sort_by_code_point(database: Db) {
    let mut texts = [
        "",
        " ",
        "!",
        "0",
        "10",
        "9",
        "A",
        "Z",
        "_",
        "a",
        "a b",
        "aa",
        "a\u{308}",
        "b",
        "z",
        "~",
        "\u{7f}",
        "\u{df}",
        "\u{e4}",
        "\u{3a9}",
        "\u{3042}",
        "\u{d7ff}",
        "\u{e000}",
        "\u{ff5e}",
        "\u{ffff}",
        "\u{10000}",
        "\u{1f600}",
        "\u{10ffff}",
    ];
    texts.sort_unstable();
    assert_eq!(texts[texts.len() - 1], "\u{10ffff}");
    in_order(&database, "text", &texts.map(Json::from)).await;
}

pub(super) async fn numbers_sort_by_their_size(database: Db) {
    in_order(
        &database,
        "int",
        &[-2_147_483_648_i64, -10, -9, 0, 9, 10, 2_147_483_647].map(Json::from),
    )
    .await;
}

pub(super) async fn longs_sort_by_their_size(database: Db) {
    let longs = [
        i64::MIN,
        i64::MIN + 1,
        -1,
        0,
        9_007_199_254_740_992,
        9_007_199_254_740_993,
        i64::MAX - 1,
        i64::MAX,
    ];
    in_order(&database, "long", &longs.map(Json::from)).await;
}

pub(super) async fn floats_sort_by_their_size(database: Db) {
    in_order(
        &database,
        "float",
        &[f64::MIN, -1.5, -5e-324, 0.0, 5e-324, 1.0, 1.5, f64::MAX].map(Json::from),
    )
    .await;
}

pub(super) async fn decimals_sort_by_their_size(database: Db) {
    let decimals = [
        "-9223372036854.775807",
        "-10",
        "-9.5",
        "0",
        "0.000001",
        "0.1",
        "0.09",
        "9",
        "10",
        "9223372036854.775806",
        "9223372036854.775807",
    ];
    let mut decimals = decimals.map(Json::from);
    decimals.swap(5, 6);
    in_order(&database, "decimal", &decimals).await;
}

pub(super) async fn moments_sort_by_time(database: Db) {
    let moments = [
        "0001-01-01T00:00:00.000Z",
        "1969-12-31T23:59:59.999Z",
        "1970-01-01T00:00:00.000Z",
        "2024-05-01T14:00:00+02:30",
        "2024-05-01T12:00:00Z",
        "9999-12-31T23:59:59.999Z",
    ];
    in_order(&database, "at", &moments.map(Json::from)).await;
}

pub(super) async fn days_sort_by_time(database: Db) {
    in_order(
        &database,
        "day",
        &["0001-01-01", "1969-12-31", "2024-02-29", "2024-03-01", "9999-12-31"].map(Json::from),
    )
    .await;
}

pub(super) async fn the_rest_sorts_too(database: Db) {
    in_order(&database, "flag", &[false, true].map(Json::from)).await;
}

/// As text, so that a new value in the schema moves nothing.
pub(super) async fn enums_sort_by_name(database: Db) {
    in_order(&database, "level", &["HIGH", "LOW", "MIDDLE"].map(Json::from)).await;
}

pub(super) async fn ids_sort_by_their_text(database: Db) {
    let ids = [
        "00000000-0000-0000-0000-000000000000",
        "0fffffff-ffff-ffff-ffff-ffffffffffff",
        "7fffffff-ffff-ffff-ffff-ffffffffffff",
        "80000000-0000-0000-0000-000000000000",
        "ffffffff-ffff-ffff-ffff-ffffffffffff",
    ];
    in_order(&database, "ident", &ids.map(Json::from)).await;
}

pub(super) async fn several_keys_each_in_its_direction(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    let rows = [
        ("a", json!(1), "x"),
        ("b", json!(1), "y"),
        ("c", json!(2), "x"),
        ("d", json!(null), "x"),
        ("e", json!(2), "z"),
        ("f", json!(1), "y"),
    ];
    for (index, (label, group, text)) in rows.into_iter().enumerate() {
        let thing = json!({"id": id(u32::try_from(index).unwrap()), "label": label, "group": group, "text": text});
        admin.create("things", thing).await.unwrap();
    }
    for (sort, expected) in [
        ("group,text", "d a b f c e"),
        ("group,-text", "d f b a e c"),
        ("-group,text", "c e a b f d"),
        ("-group,-text", "e c f b a d"),
        ("-group,text,-id", "c e a f b d"),
        ("text,group,-label", "d a c f b e"),
        ("-group", "e c f b a d"),
        (" group , -label ", "d f b a e c"),
        ("+group,label", "d a b f c e"),
        ("group,-group,label", "d a b f c e"),
        ("", "a b c d e f"),
        ("-id", "f e d c b a"),
    ] {
        assert_eq!(sorted(&admin, sort).await, expected, "sort={sort}");
        let by_pages = admin.list("things").sort(sort).limit(1).walk().await.unwrap();
        assert_eq!(words(&by_pages, "label"), expected, "sort={sort} by pages of one");
    }
}

pub(super) async fn relations_are_passed_through(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    let admin = app.admin();
    things(&admin, "text", &[json!("m")]).await;
    let lead = admin.list("things").await.unwrap().items[0]["id"].clone();
    for (number, name, open, lead) in [
        (1, "b", true, lead),
        (2, "a", false, json!(null)),
        (3, "c", true, json!(null)),
    ] {
        let team = json!({"id": id(number), "name": name, "open": open, "lead": lead});
        admin.create("teams", team).await.unwrap();
    }
    for (label, team) in [
        ("in-c", json!(id(3))),
        ("in-a", json!(id(2))),
        ("in-b", json!(id(1))),
        ("alone", json!(null)),
    ] {
        admin
            .create("things", json!({"label": label, "team": team}))
            .await
            .unwrap();
    }
    assert_eq!(sorted(&admin, "team.name,label").await, "0 alone in-a in-b in-c");
    assert_eq!(sorted(&admin, "-team.name,label").await, "in-c in-b in-a 0 alone");
    assert_eq!(sorted(&admin, "-team.lead.text,label").await, "in-b 0 alone in-a in-c");
    // A team that the caller may not read is as good as none.
    let user = app.user(&id(9));
    assert_eq!(sorted(&user, "team.name,-label").await, "in-a alone 0 in-b in-c");
    let by_pages = user
        .list("things")
        .sort("-team.name,label")
        .limit(1)
        .walk()
        .await
        .unwrap();
    assert_eq!(words(&by_pages, "label"), "in-c in-b 0 alone in-a");
}

pub(super) async fn what_has_no_order_is_refused(database: Db) {
    let app = App::open(&database, SCHEMA).await;
    for sort in [
        "json",
        "bytes",
        "hidden",
        "nothing",
        "label.x",
        "size(label)",
        "label desc",
        "label,,text",
        "-",
        "team.nothing",
    ] {
        let said = said(app.admin().list("things").sort(sort).await);
        assert!(said.starts_with("bad_request: sort"), "{sort}: {said}");
    }
    let many = ["text", "int", "long", "float", "decimal", "flag", "at", "day", "ident"].join(",");
    assert_eq!(
        said(app.admin().list("things").sort(&many).await),
        "bad_request: sort too_many"
    );
}
