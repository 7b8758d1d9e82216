//! Imports: gathered aside, judged at once, published in portions, and taken back whole.

use std::time::Duration;

use engine::operations::import::{Draft, Import};
use engine::ports::store::ChangeEvent;
use serde_json::{Value as Json, json};

use super::Db;
use super::answers::{said, words};
use super::app::{App, Caller, id};
use super::listening::Listener;

const SCHEMA: &str = r#"
type Country @collection { code: String! @unique name: String isOpen: Boolean! @default(value: true) }
type City @collection @index(fields: ["country", "name"], unique: true) {
  name: String! @length(min: 1)
  slug: String @unique
  country: Country @relation(onDelete: CASCADE)
  near: City
  twins: [City!]!
  tags: [Country!]!
  note: String @default(value: "'none'")
  secret: String @private
}
type Visit @collection @check(rule: "record.country.isOpen", message: "is closed") { country: Country! }
"#;
/// More than any store publishes at once.
const MANY: u32 = 3000;

async fn open(database: &Db) -> App {
    let app = App::open(database, SCHEMA).await;
    for (number, code) in [(1, "DE"), (2, "FR")] {
        let country = json!({"id": id(number), "code": code, "name": code});
        app.admin().create("countries", country).await.unwrap();
    }
    app
}

fn drafts(records: impl IntoIterator<Item = Json>) -> Vec<Draft> {
    let draft = |(place, record)| match record {
        Json::Object(data) => Draft { place, data },
        other => panic!("a record is an object, not {other}"),
    };
    (1..).zip(records).map(draft).collect()
}

fn cities(count: u32) -> impl Iterator<Item = Json> {
    (0..count).map(|number| json!({"id": id(100 + number), "name": format!("city {number}"), "country.code": "DE"}))
}

async fn begun<'a>(app: &'a App, collection: &str, keep_going: bool) -> Import<'a> {
    app.engine
        .import(&app.admin().ctx(), collection, keep_going)
        .await
        .unwrap()
}

/// Publishes all; how many are in, and how many were refused on the way.
async fn published(import: &mut Import<'_>) -> (u64, u64) {
    loop {
        let published = import.publish().await.unwrap();
        if published.left == 0 {
            return (published.done, published.refused);
        }
    }
}

/// What is told of each record that can't be imported: `2 invalid: name required`.
async fn bad(import: &mut Import<'_>, records: impl IntoIterator<Item = Json>) -> Vec<String> {
    let mut rejected = import.add(drafts(records)).await.unwrap();
    import.check().await.unwrap();
    rejected.extend(import.refused(0, 100).await.unwrap());
    rejected.sort_by_key(|rejected| rejected.place);
    let told = rejected.into_iter().map(|rejected| {
        let place = rejected.place;
        format!("{place} {}", said(Err::<(), _>(rejected.error)))
    });
    told.collect()
}

async fn count(caller: &Caller, collection: &str) -> u64 {
    let page = caller.list(collection).count().await.unwrap();
    page.total.expect("a count was asked for")
}

pub(super) async fn nothing_is_seen_before_it_is_published(database: Db) {
    let app = open(&database).await;
    let mut import = begun(&app, "cities", false).await;
    assert!(import.add(drafts(cities(MANY))).await.unwrap().is_empty());
    assert_eq!(import.check().await.unwrap(), 0);
    assert_eq!(count(&app.admin(), "cities").await, 0);
    // Others write meanwhile.
    app.admin().create("cities", json!({"name": "other"})).await.unwrap();
    let first = import.publish().await.unwrap();
    assert!(first.done > 0 && first.left > 0, "{first:?}");
    assert_eq!(count(&app.admin(), "cities").await, first.done + 1);
    app.admin().create("cities", json!({"name": "another"})).await.unwrap();
    assert_eq!(published(&mut import).await, (u64::from(MANY), 0));
    drop(import);
    assert_eq!(count(&app.admin(), "cities").await, u64::from(MANY) + 2);
    let page = app
        .admin()
        .list("cities")
        .filter("record.country.code == 'DE'")
        .limit(2);
    assert_eq!(page.await.unwrap().all("name"), "city 0 city 1");
}

pub(super) async fn every_rule_of_the_schema_is_checked(database: Db) {
    let app = open(&database).await;
    app.admin()
        .create(
            "cities",
            json!({"id": id(50), "name": "there", "slug": "there", "country": id(1)}),
        )
        .await
        .unwrap();
    let mut import = begun(&app, "cities", true).await;
    let found = bad(
        &mut import,
        [
            json!({"name": "fine", "slug": "fine"}),
            json!({"name": ""}),
            json!({"nmae": "x"}),
            json!({"name": "a", "slug": "fine"}),
            json!({"name": "b", "slug": "there"}),
            json!({"name": "there", "country.code": "DE"}),
            json!({"id": id(50), "name": "c"}),
            json!({"name": "d", "country": id(99)}),
            json!({"name": "e", "country.code": "XX"}),
            json!({"name": "f", "country.name": "DE"}),
            json!({"name": "g", "tags": [id(1), id(98)]}),
            json!({"name": "h", "tags.code": ["DE", "FR"], "country": {"code": "FR"}}),
            json!({"name": "i", "country": "DE"}),
        ],
    );
    let expected = [
        "2 invalid: name too_short",
        "3 invalid: nmae unknown_field, name required",
        "4 unique_violation: slug taken",
        "5 unique_violation: slug taken",
        "6 unique_violation: country taken, name taken",
        "7 unique_violation: id taken",
        "8 invalid: country no_such_record",
        "9 invalid: country.code no_such_record",
        "10 invalid: country.name unknown_field",
        "11 invalid: tags no_such_record",
        "13 invalid: country wrong_type",
    ];
    assert_eq!(found.await, expected);
    assert_eq!(published(&mut import).await, (2, 0));
    let page = app
        .admin()
        .list("cities")
        .filter("record.name in ['fine', 'h']")
        .sort("name")
        .fields("name,tags,country");
    let page = page.await.unwrap();
    assert_eq!(
        page.items[1],
        json!({"name": "h", "country": id(2), "tags": [id(1), id(2)]})
    );
}

pub(super) async fn checks_that_read_other_records_hold(database: Db) {
    let app = open(&database).await;
    app.admin()
        .update("countries", &id(2), json!({"isOpen": false}))
        .await
        .unwrap();
    for (keep_going, expected) in [(false, 0), (true, 2)] {
        let mut import = begun(&app, "visits", keep_going).await;
        let visits = ["DE", "FR", "DE"].map(|code| json!({"country.code": code}));
        assert_eq!(bad(&mut import, visits).await, [""; 0]);
        let told = import.publish().await.unwrap();
        assert_eq!(told.refused, 1);
        let refused = import.refused(0, 10).await.unwrap();
        assert_eq!(refused[0].place, 2);
        assert_eq!(refused[0].error.fields[0].message, "is closed");
        if keep_going {
            published(&mut import).await;
        } else {
            assert_eq!(import.take_back().await.unwrap(), 0);
        }
        assert_eq!(count(&app.admin(), "visits").await, expected);
    }
}

pub(super) async fn records_of_one_file_refer_to_each_other(database: Db) {
    let app = open(&database).await;
    let mut import = begun(&app, "cities", true).await;
    let found = bad(
        &mut import,
        [
            json!({"id": id(10), "name": "a", "near": id(11), "twins": [id(12)]}),
            json!({"id": id(11), "name": "b", "near": id(12)}),
            json!({"id": id(12), "name": "c", "near": id(12), "twins": [id(10), id(12)]}),
            json!({"id": id(13), "name": "d", "near": id(14)}),
            json!({"id": id(14), "name": "e", "near": id(13)}),
            json!({"id": id(15), "name": "f", "near": id(16)}),
            json!({"id": id(16), "name": "g", "country": id(77)}),
            json!({"id": id(17), "name": "h", "twins": [id(16)]}),
        ],
    );
    let expected = [
        "4 invalid: near unreached",
        "5 invalid: near unreached",
        "6 invalid: near unreached",
        "7 invalid: country no_such_record",
        "8 invalid: twins unreached",
    ];
    assert_eq!(found.await, expected);
    assert_eq!(published(&mut import).await, (3, 0));
    let page = app
        .admin()
        .list("cities")
        .sort("name")
        .fields("name,near,twins")
        .await
        .unwrap();
    assert_eq!(words(&page.items, "name"), "a b c");
    assert_eq!(
        page.values("twins"),
        [json!([id(12)]), json!([]), json!([id(10), id(12)])]
    );
}

pub(super) async fn what_others_do_meanwhile_counts(database: Db) {
    let app = open(&database).await;
    for keep_going in [true, false] {
        let mut import = begun(&app, "cities", keep_going).await;
        let city = |name: &str, code: &str| json!({"name": name, "slug": name, "country.code": code});
        let records = [city("a", "DE"), city("b", "DE"), city("c", "FR"), city("d", "DE")];
        assert_eq!(bad(&mut import, records).await, [""; 0]);
        app.admin()
            .create("cities", json!({"id": id(7), "name": "x", "slug": "b"}))
            .await
            .unwrap();
        app.admin().delete("countries", &id(2)).await.unwrap();
        if keep_going {
            assert_eq!(published(&mut import).await, (2, 2));
            let refused = import.refused(0, 10).await.unwrap();
            let told: Vec<_> = refused
                .into_iter()
                .map(|rejected| said(Err::<(), _>(rejected.error)))
                .collect();
            assert_eq!(
                told,
                ["unique_violation: slug taken", "invalid: country no_such_record"]
            );
        } else {
            assert_eq!(import.publish().await.unwrap().refused, 1);
        }
        drop(import);
        assert_eq!(count(&app.admin(), "cities").await, if keep_going { 3 } else { 1 });
        for city in app.admin().list("cities").await.unwrap().items {
            app.admin()
                .delete("cities", city["id"].as_str().unwrap())
                .await
                .unwrap();
        }
        app.admin()
            .create("countries", json!({"id": id(2), "code": "FR"}))
            .await
            .unwrap();
    }
}

pub(super) async fn an_import_that_ends_early_is_taken_back(database: Db) {
    let app = open(&database).await;
    app.admin()
        .create("cities", json!({"id": id(7), "name": "before"}))
        .await
        .unwrap();
    for is_said in [true, false] {
        let mut import = begun(&app, "cities", false).await;
        let twins = (0..MANY)
            .map(|number| json!({"id": id(100 + number), "name": "c", "country": null, "twins": [id(100), id(7)]}));
        assert!(import.add(drafts(twins)).await.unwrap().is_empty());
        assert_eq!(import.check().await.unwrap(), 0);
        assert!(import.publish().await.unwrap().left > 0);
        assert!(count(&app.admin(), "cities").await > 1);
        if is_said {
            assert_eq!(import.take_back().await.unwrap(), 0);
        } else {
            drop(import);
        }
        assert_eq!(app.admin().list("cities").await.unwrap().all("name"), "before");
    }
}

pub(super) async fn what_is_referred_to_by_then_stays(database: Db) {
    let app = open(&database).await;
    let mut import = begun(&app, "cities", false).await;
    import.add(drafts(cities(MANY))).await.unwrap();
    import.check().await.unwrap();
    import.publish().await.unwrap();
    app.admin()
        .create("cities", json!({"id": id(7), "name": "suburb", "near": id(100)}))
        .await
        .unwrap();
    assert_eq!(import.take_back().await.unwrap(), 1);
    assert_eq!(
        app.admin().list("cities").sort("name").await.unwrap().all("name"),
        "city 0 suburb"
    );
}

pub(super) async fn one_import_at_a_time(database: Db) {
    let app = open(&database).await;
    let import = begun(&app, "cities", false).await;
    let second = app.engine.import(&app.admin().ctx(), "cities", false).await;
    assert_eq!(said(second.map(|_| ())), "unavailable");
    drop(import);
    begun(&app, "cities", false).await;
}

pub(super) async fn only_administrators_import_and_export(database: Db) {
    let app = open(&database).await;
    let user = app.user(&id(1)).ctx();
    assert_eq!(
        said(app.engine.import(&user, "cities", false).await.map(|_| ())),
        "forbidden"
    );
    assert_eq!(said(app.engine.export(&user, "cities").map(|_| ())), "forbidden");
}

pub(super) async fn listeners_start_over(database: Db) {
    let app = open(&database).await;
    let mut listener = Listener::new(&app);
    let mut import = begun(&app, "cities", false).await;
    import.add(drafts(cities(3))).await.unwrap();
    import.check().await.unwrap();
    assert_eq!(published(&mut import).await, (3, 0));
    assert!(matches!(listener.event().await, Some(ChangeEvent::Lagged)));
}

pub(super) async fn what_is_exported_can_be_imported(database: Db) {
    let app = open(&database).await;
    app.clock.pass(Duration::from_secs(60));
    let given = [
        json!({"id": id(10), "name": "a", "twins": [id(11)], "secret": "s", "note": null, "version": 7,
               "created": "2020-01-01T00:00:00.000Z", "updated": "2021-01-01T00:00:00.000Z"}),
        json!({"id": id(11), "name": "b", "country": id(1), "slug": ""}),
    ];
    let mut import = begun(&app, "cities", false).await;
    assert_eq!(bad(&mut import, given).await, [""; 0]);
    assert_eq!(published(&mut import).await, (2, 0));
    drop(import);
    let written = exported(&app).await;
    assert_eq!(written[0]["version"], 7);
    assert_eq!(written[0]["created"], "2020-01-01T00:00:00.000Z");
    assert_eq!((&written[0]["secret"], &written[0]["note"]), (&json!("s"), &Json::Null));
    assert_eq!((&written[1]["slug"], &written[1]["note"]), (&json!(""), &json!("none")));
    for number in [10, 11] {
        app.admin().delete("cities", &id(number)).await.unwrap();
    }
    app.clock.pass(Duration::from_secs(60));
    let mut import = begun(&app, "cities", false).await;
    assert_eq!(bad(&mut import, written.clone()).await, [""; 0]);
    published(&mut import).await;
    assert_eq!(exported(&app).await, written);
}

async fn exported(app: &App) -> Vec<Json> {
    let mut export = app.engine.export(&app.admin().ctx(), "cities").unwrap();
    let mut out = Vec::new();
    loop {
        let rows = export.next().await.unwrap();
        if rows.is_empty() {
            return out;
        }
        for row in rows {
            let mut text = Vec::new();
            engine::query::json::write_row(&mut text, export.model(), export.projection(), &row);
            out.push(serde_json::from_slice(&text).expect("an export is JSON"));
        }
    }
}
