//! `import` and `export`: the real binary, alone and beside a server.

mod docs;
pub(crate) mod killed;
#[cfg(target_os = "linux")]
mod memory;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use crate::binary::{Finished, Server, finish, folder, ninefold, run};

const SCHEMA: &str = r#"
type Country @collection @access(read: "true") { code: String! @unique name: String }
type City @collection @access(read: "true", create: "true") {
  name: String! @length(min: 1, max: 40)
  slug: String @unique
  latitude: Float @range(min: -90, max: 90)
  country: Country
  twins: [City!]!
  population: Long
  area: Decimal
  capital: Boolean
  founded: Date
  seal: Bytes
  kind: Kind @default(value: TOWN)
  more: JSON
  place: Place
  names: [String!]
  secret: String @private
}
type Place { street: String number: Int }
enum Kind { TOWN VILLAGE }
"#;
const COUNTRIES: &str = "code,name\nDE,Germany\nFR,France\n";

struct Application(TempDir);

impl Application {
    /// With an empty database.
    async fn new() -> Self {
        let application = Self(folder(SCHEMA));
        let applied = run(["migrate", "apply", application.dir().to_str().unwrap()]).await;
        assert_eq!(applied.code, Some(0), "{}", applied.stderr);
        application
    }

    async fn with_countries() -> Self {
        let application = Self::new().await;
        let finished = application.import("countries", "countries.csv", COUNTRIES, &[]).await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        application
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.dir().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    async fn import(&self, collection: &str, name: &str, text: impl AsRef<[u8]>, arguments: &[&str]) -> Finished {
        let file = self.write(name, text);
        let fixed = ["import", collection, &file, self.dir().to_str().unwrap()];
        run(fixed.into_iter().chain(arguments.iter().copied())).await
    }

    async fn export(&self, collection: &str, format: &str) -> String {
        let dir = self.dir().to_str().unwrap();
        let finished = run(["export", collection, "-", dir, "--format", format]).await;
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout
    }

    async fn cities(&self) -> Vec<Json> {
        let lines = self.export("cities", "ndjson").await;
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    async fn names(&self) -> Vec<String> {
        let cities = self.cities().await;
        cities
            .iter()
            .map(|city| city["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Cities that hold the write lock for more than one portion.
fn many(count: usize) -> String {
    let rows = (0..count).map(|number| format!("city {number},slug {number},DE\n"));
    format!("name,slug,country.code\n{}", rows.collect::<String>())
}

#[tokio::test]
async fn relations_by_a_unique_field() {
    let application = Application::with_countries().await;
    let text = "\u{feff}name,slug,country.code\r\n\"Aachen, \"\"Oche\"\"\",,DE\r\nNice,\"\",FR\r\nNowhere,n,\r\n";
    let finished = application.import("cities", "cities.csv", text, &[]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished.stdout.starts_with("imported 3 cities in "),
        "{}",
        finished.stdout
    );
    let twins = json!([
        {"name": "Bonn", "country": {"code": "DE"}, "twins.slug": ["n", ""]},
        {"name": "Köln", "country.code": "DE"},
    ]);
    let finished = application.import("cities", "more.json", twins.to_string(), &[]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let cities = application.cities().await;
    assert_eq!(cities[0]["name"], "Aachen, \"Oche\"");
    assert_eq!((&cities[0]["slug"], &cities[1]["slug"]), (&Json::Null, &json!("")));
    assert_eq!(cities[0]["country"], cities[3]["country"]);
    assert_eq!(cities[2]["country"], Json::Null);
    assert_eq!(cities[3]["twins"], json!([cities[1]["id"], cities[2]["id"]]));
}

#[tokio::test]
async fn a_bad_record_and_nothing_is_imported() {
    let application = Application::with_countries().await;
    let text = "name,latitude,country.code\nFine,1,DE\n,2,DE\nFar,91,XX\nShort\n";
    let finished = application.import("cities", "cities.csv", text, &[]).await;
    assert_eq!(finished.code, Some(1));
    let expected = "\
line 3: name: must be given
line 4: country.code: there is no Country whose code is \"XX\"
line 5: has 1 cells where the header has 3
error: 3 of 4 records can't be imported; nothing is imported
 help: mend the file, or leave them out with --continue
";
    assert_eq!(finished.stderr, expected);
    assert!(application.names().await.is_empty());

    let finished = application.import("cities", "cities.csv", text, &["--continue"]).await;
    assert_eq!(finished.code, Some(0));
    assert!(finished.stdout.ends_with("; 3 left out\n"), "{}", finished.stdout);
    assert!(finished.stderr.contains("line 5: has 1 cells"), "{}", finished.stderr);
    assert_eq!(application.names().await, ["Fine"]);
}

#[tokio::test]
async fn what_is_taken_is_told_by_its_line() {
    let application = Application::with_countries().await;
    let first = application
        .import("cities", "a.ndjson", "{\"name\": \"a\", \"slug\": \"s\"}", &[])
        .await;
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    let text = "{\"name\": \"b\", \"slug\": \"t\"}\n\n{\"name\": \"c\", \"slug\": \"t\"}\n{\"name\": \"d\", \"slug\": \"s\"}\n";
    let finished = application.import("cities", "b.ndjson", text, &[]).await;
    let told = "line 3: slug: is taken; choose another\nline 4: slug: is taken; choose another\n";
    assert!(finished.stderr.starts_with(told), "{}", finished.stderr);
    assert_eq!(application.names().await, ["a"]);
}

#[tokio::test]
async fn not_every_bad_record_is_told() {
    let application = Application::new().await;
    let text = format!("name\n{}", "\"\"\n".repeat(5000));
    let finished = application.import("cities", "cities.csv", &text, &["--continue"]).await;
    assert_eq!(finished.stderr.lines().count(), 21);
    assert!(finished.stderr.ends_with("… and 4980 more\n"), "{}", finished.stderr);
    let finished = application.import("cities", "cities.csv", &text, &[]).await;
    assert!(
        finished.stderr.contains("error: at least 1000 of 1000 records"),
        "{}",
        finished.stderr
    );
}

#[tokio::test]
async fn mistakes_of_the_whole_file() {
    let application = Application::with_countries().await;
    let refusals = [
        (
            "cities",
            "a.csv",
            "nmae,country.name\n",
            "column nmae: City has no such field; did you mean `name`?\ncolumn country.name: ",
        ),
        (
            "citie",
            "a.csv",
            "name\n",
            "error: there is no collection `citie`; did you mean `cities`?",
        ),
        ("cities", "a.json", "[{\"name\": \"a\"}, {]", "error: behind record 1: "),
        ("cities", "a.csv", "", "error: the file has no header"),
    ];
    for (collection, name, text, expected) in refusals {
        let finished = application.import(collection, name, text, &[]).await;
        assert_eq!(finished.code, Some(1), "{expected}");
        assert!(finished.stderr.starts_with(expected), "{}", finished.stderr);
    }
    let unknown = application.import("cities", "a.txt", "", &[]).await;
    assert_eq!(unknown.code, Some(2), "{}", unknown.stderr);
    let missing = run(["import", "cities", "/nowhere.csv", application.dir().to_str().unwrap()]).await;
    assert_eq!(missing.code, Some(1), "{}", missing.stderr);
    assert!(application.names().await.is_empty());
}

#[tokio::test]
async fn no_database_is_made_to_look_into() {
    let application = Application(folder(SCHEMA));
    let dir = application.dir().to_str().unwrap();
    let before = fs::read_dir(dir).unwrap().count();
    for arguments in [
        &["export", "cities", "-", dir][..],
        &["export", "cities", "-", dir, "--database", "sqlite:elsewhere/app.db"],
        &["explain", "cities", "list", dir],
    ] {
        let finished = run(arguments.iter().copied()).await;
        assert_eq!(finished.code, Some(1), "{arguments:?}: {}", finished.stderr);
        let said = &finished.stderr;
        assert!(
            said.starts_with("error: there is no database "),
            "{arguments:?}: {said}"
        );
        assert!(
            said.contains("`ninefold migrate apply` makes it"),
            "{arguments:?}: {said}"
        );
        assert_eq!(finished.stdout, "");
    }
    assert_eq!(fs::read_dir(dir).unwrap().count(), before, "nothing is made");
}

#[tokio::test]
async fn standard_input_and_huge_lines() {
    let application = Application::new().await;
    let dir = application.dir().to_str().unwrap();
    let command = ninefold(["import", "cities", "-", dir, "--format", "csv", "--continue"]);
    let huge = "x".repeat(17 * 1024 * 1024);
    let finished = finish(command, &format!("name\na\n{huge}\nb\n")).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(
        finished.stderr.starts_with("line 3: is longer than 16 MiB"),
        "{}",
        finished.stderr
    );
    assert_eq!(application.names().await, ["a", "b"]);
}

#[tokio::test]
async fn what_is_exported_can_be_imported_again() {
    let application = Application::with_countries().await;
    let cities = json!([
        {"id": "01890000-0000-7000-8000-000000000001", "name": "a \"b\", c\nd ", "slug": "", "latitude": -1.5, "country.code": "DE",
         "twins": ["01890000-0000-7000-8000-000000000002", "01890000-0000-7000-8000-000000000001"], "population": "9007199254740993",
         "area": "0.000001", "capital": false, "founded": "1234-05-06", "seal": "AAEC", "kind": "VILLAGE",
         "more": "text", "place": {"street": "x;y", "number": 7}, "names": ["[a", "b;c"], "secret": "s", "version": 3},
        {"id": "01890000-0000-7000-8000-000000000002", "name": "null", "kind": null, "more": {"a": [1, 2.5, null]}, "names": []},
        {"id": "01890000-0000-7000-8000-000000000003", "name": "false", "more": [], "latitude": 1e-7},
    ]);
    let finished = application
        .import("cities", "cities.json", cities.to_string(), &[])
        .await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let countries = application.export("countries", "csv").await;
    let first = application.cities().await;
    assert_eq!(
        (&first[0]["version"], &first[0]["secret"], &first[1]["kind"]),
        (&json!(3), &json!("s"), &Json::Null)
    );
    for format in ["csv", "json", "ndjson"] {
        let written = application.export("cities", format).await;
        let other = Application::new().await;
        other.import("countries", "countries.csv", &countries, &[]).await;
        let finished = other.import("cities", &format!("cities.{format}"), &written, &[]).await;
        assert_eq!(finished.code, Some(0), "{format}: {}\n{written}", finished.stderr);
        assert_eq!(other.cities().await, first, "{format}");
        assert_eq!(other.export("cities", format).await, written);
    }
    let file = application.dir().join("out.csv");
    let finished = run([
        "export",
        "cities",
        file.to_str().unwrap(),
        application.dir().to_str().unwrap(),
    ])
    .await;
    assert_eq!(finished.stdout, "exported 3 cities\n", "{}", finished.stderr);
    assert_eq!(
        fs::read_to_string(file).unwrap(),
        application.export("cities", "csv").await
    );
}

#[tokio::test]
async fn a_server_goes_on_beside_an_import() {
    let application = Application::with_countries().await;
    let server = Server::start("serve", application.dir(), &[]).await;
    let client = server.client();
    let file = application.write("cities.csv", many(5000));
    let importing = tokio::spawn(finish(
        ninefold(["import", "cities", &file, application.dir().to_str().unwrap()]),
        "",
    ));
    let mut created = 0;
    while !importing.is_finished() {
        let response = client.post("/api/cities", &json!({"name": "by hand"})).await;
        assert_eq!(response.status, 201, "{}", response.text());
        created += 1;
    }
    let finished = importing.await.unwrap();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let page = client.get("/api/cities?limit=1&count=true").await.json();
    assert_eq!(page["total"], 5000 + created);
}

#[tokio::test]
async fn an_import_that_is_killed_is_taken_back() {
    let application = Application::with_countries().await;
    let server = Server::start("serve", application.dir(), &[]).await;
    let client = server.client();
    let kept = client.post("/api/cities", &json!({"name": "kept"})).await;
    assert_eq!(kept.status, 201, "{}", kept.text());
    let dir = application.dir().to_str().unwrap();
    let file = application.write("cities.csv", many(30_000));
    let mut import = ninefold(["import", "cities", &file, dir])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // Half of it is there.
    loop {
        let page = client.get("/api/cities?limit=2").await.json();
        if page["items"].as_array().unwrap().len() == 2 {
            break;
        }
        assert!(
            import.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    import.start_kill().unwrap();
    import.wait().await.unwrap();
    let half = client.get("/api/cities?limit=1&count=true").await.json();
    assert!((2..30_001).contains(&half["total"].as_i64().unwrap()), "{half}");
    // Whoever opens the database next takes it back.
    assert_eq!(application.names().await, ["kept"]);
    let finished = run(["import", "cities", &file, dir]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let page = client.get("/api/cities?limit=1&count=true").await.json();
    assert_eq!(page["total"], 30_001);
}
