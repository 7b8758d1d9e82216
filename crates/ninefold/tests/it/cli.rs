//! The command line: what works, and that every failure is one clear sentence with the right exit code.

use std::fs;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::app::TestApp;
use crate::binary::{Finished, Server, finish, folder, ninefold, run};

const SCHEMA: &str = "type Note @collection { text: String! }\n";

fn text(path: &Path) -> &str {
    path.to_str().expect("a path of a test is UTF-8")
}

impl Finished {
    #[track_caller]
    fn succeeds(&self) -> &Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Ends with `code`, and its last words are `error: …` with this in it, and maybe help.
    #[track_caller]
    fn fails(&self, code: i32, sentence: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        let error = self
            .stderr
            .lines()
            .find(|line| line.starts_with("error: ") && line.contains(sentence));
        assert!(
            error.is_some(),
            "no line of this is `error: …{sentence}…`:\n{}",
            self.stderr
        );
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        self
    }
}

#[tokio::test]
async fn every_command_has_help_with_examples() {
    for command in [
        &["--help"][..],
        &["new", "--help"],
        &["dev", "--help"],
        &["serve", "--help"],
        &["seed", "--help"],
        &["import", "--help"],
        &["export", "--help"],
        &["check", "--help"],
        &["migrate", "--help"],
        &["admin", "create", "--help"],
    ] {
        let finished = run(command.iter().copied()).await;
        assert!(finished.succeeds().stdout.contains("Examples:"), "{command:?}");
    }
}

#[tokio::test]
async fn wrong_usage_ends_with_2() {
    assert_eq!(run(["sevre"]).await.code, Some(2));
    assert_eq!(run(["check", "--set", "listen"]).await.code, Some(2));
}

#[tokio::test]
async fn a_new_application_checks_and_serves() {
    let parent = tempfile::tempdir().unwrap();
    for template in ["blank", "chat"] {
        let dir = parent.path().join(template);
        run(["new", text(&dir), "--template", template]).await.succeeds();
        run(["check", text(&dir)]).await.succeeds();
        for file in [
            "schema.graphql",
            "ninefold.toml",
            "tests/smoke.sh",
            ".github/workflows/ci.yml",
            ".gitignore",
        ] {
            assert!(dir.join(file).is_file(), "{template} has no {file}");
        }
        let server = Server::start("dev", &dir, &[]).await;
        assert_eq!(server.client().get("/openapi.json").await.status, 200);
    }
    run(["new", text(&parent.path().join("chat"))])
        .await
        .fails(1, "is not empty");
}

#[tokio::test]
async fn the_test_of_a_new_application_passes() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("app");
    run(["new", text(&dir)]).await.succeeds();
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut smoke = tokio::process::Command::new("sh");
    smoke
        .arg(dir.join("tests/smoke.sh"))
        .env("NINEFOLD", env!("CARGO_BIN_EXE_ninefold"))
        .env("PORT", port.to_string());
    let finished = finish(smoke, "").await;
    assert!(finished.succeeds().stdout.ends_with("ok\n"), "{}", finished.stdout);
}

#[tokio::test]
async fn check_names_every_mistake_and_its_place() {
    let dir = folder("type Note @collection @access(read: \"auth.idd == null\") {\n  text: Sting!\n}\n");
    fs::write(dir.path().join("ninefold.toml"), "[limits]\npage_maks = 3\n").unwrap();
    let finished = run(["check", text(dir.path())]).await;
    finished.fails(1, "mistakes");
    for expected in [
        "schema.graphql:1:",
        "schema.graphql:2:9",
        "did you mean `String`?",
        "ninefold.toml:2:1",
        "`limits.page_max`",
    ] {
        assert!(
            finished.stderr.contains(expected),
            "no {expected} in\n{}",
            finished.stderr
        );
    }
    let finished = run(["check", text(dir.path()), "--format", "json"]).await;
    assert_eq!(finished.code, Some(1));
    let report: Json = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(report["ok"], json!(false));
    let problems = report["problems"].as_array().unwrap();
    assert!(
        problems
            .iter()
            .any(|problem| problem["file"] == "ninefold.toml" && problem["line"] == 2),
        "{report}"
    );
    assert!(
        problems
            .iter()
            .any(|problem| problem["file"] == "schema.graphql" && problem["line"] == 2),
        "{report}"
    );
}

#[tokio::test]
async fn check_is_quiet_about_what_is_well() {
    let dir = folder(SCHEMA);
    let finished = run(["check", text(dir.path()), "--format", "json"]).await;
    let report: Json = serde_json::from_str(&finished.succeeds().stdout).unwrap();
    assert_eq!(report, json!({"ok": true, "problems": []}));
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let empty = tempfile::tempdir().unwrap();
    run(["serve", "/nowhere/at/all"])
        .await
        .fails(1, "there is no folder /nowhere/at/all");
    run(["check", "/nowhere/at/all"]).await.fails(1, "there is no folder");
    run(["dev", text(empty.path()), "--listen", "127.0.0.1:0"])
        .await
        .fails(1, "has no schema.graphql");
}

#[tokio::test]
async fn a_wrong_schema_or_configuration_ends_with_1() {
    let dir = folder("type Note @collection { text: Sting! }\n");
    let finished = run(["serve", text(dir.path()), "--listen", "127.0.0.1:0"]).await;
    finished.fails(1, "has a mistake");
    assert!(
        finished.stderr.contains("did you mean `String`?"),
        "{}",
        finished.stderr
    );
    let dir = folder(SCHEMA);
    let finished = run(["dev", text(dir.path()), "--set", "limits.page_max=many"]).await;
    finished.fails(1, "--set limits.page_max=…: `limits.page_max`: expected a whole number");
    let mut command = ninefold(["dev", text(dir.path())]);
    command.env("NINEFOLD_LISTN", "127.0.0.1:0");
    finish(command, "")
        .await
        .fails(1, "environment variable NINEFOLD_LISTN: unknown key `listn`");
}

#[tokio::test]
async fn a_taken_port_ends_with_3() {
    let dir = folder(SCHEMA);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let finished = run(["dev", text(dir.path()), "--listen", &address]).await;
    finished.fails(3, &format!("the address {address} is taken by another process"));
}

#[tokio::test]
async fn a_database_that_can_not_be_used_ends_with_3() {
    let dir = folder(SCHEMA);
    let database = dir.path().join("app.db");
    let arguments = [
        "serve",
        text(dir.path()),
        "--migrate",
        "--listen",
        "127.0.0.1:0",
        "--database",
        "sqlite:app.db",
    ];

    fs::write(
        &database,
        "this is no database, and longer than a header of one would be, by some hundred bytes",
    )
    .unwrap();
    run(arguments)
        .await
        .fails(3, "is not a SQLite database, or it is damaged");
    fs::remove_file(&database).unwrap();

    let server = Server::start("serve", dir.path(), &["--migrate", "--database", "sqlite:app.db"]).await;
    run(arguments).await.fails(3, "is in use by another process");
    drop(server);

    let arguments = [
        "serve",
        text(dir.path()),
        "--migrate",
        "--listen",
        "127.0.0.1:0",
        "--database",
        "sqlite:/proc/x/app.db",
    ];
    run(arguments).await.fails(3, "can't be made");
}

/// Root may write anywhere, so the test takes another user's place there.
#[tokio::test]
async fn a_folder_that_can_not_be_written_to_ends_with_3() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let dir = folder(SCHEMA);
    fs::create_dir(dir.path().join("data")).unwrap();
    for path in [dir.path().to_owned(), dir.path().join("data")] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o555)).unwrap();
    }
    let mut command = ninefold(["serve", text(dir.path()), "--migrate", "--listen", "127.0.0.1:0"]);
    let is_root = std::process::Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    if is_root {
        command.as_std_mut().uid(NOBODY);
    }
    finish(command, "").await.fails(3, "can't be written to");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(dir.path().join("data"), fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn serve_makes_an_empty_database_from_the_schema() {
    let dir = folder(SCHEMA);
    Server::start("serve", dir.path(), &[]).await.kill().await;
    run(["migrate", "status", text(dir.path())]).await.succeeds();
}

#[tokio::test]
async fn serve_starts_on_what_migrations_made_and_on_nothing_else() {
    let dir = folder(SCHEMA);
    let path = text(dir.path());
    let serve = ["serve", path, "--listen", "127.0.0.1:0"];
    run(["migrate", "new", "first", path]).await.succeeds();
    assert!(dir.path().join("migrations/0001_first.toml").is_file());
    let plan = run(["migrate", "plan", path]).await;
    assert!(
        plan.succeeds().stdout.to_lowercase().contains("create table"),
        "{}",
        plan.stdout
    );
    assert!(
        plan.stdout.contains("-- all writes wait for a moment\n"),
        "{}",
        plan.stdout
    );
    run(["migrate", "status", path])
        .await
        .fails(1, "the database is not as the schema needs it");
    run(["migrate", "apply", path]).await.succeeds();
    let status = run(["migrate", "status", path]).await;
    assert!(status.succeeds().stdout.ends_with("current\n"), "{}", status.stdout);
    Server::start("serve", dir.path(), &[]).await.kill().await;

    // The schema goes on; its migration is missing, then pending, then applied.
    fs::write(
        dir.path().join("schema.graphql"),
        "type Note @collection { text: String! done: Boolean }\n",
    )
    .unwrap();
    run(serve).await.fails(1, "no migration file says");
    run(["migrate", "new", "done", path]).await.succeeds();
    run(serve).await.fails(1, "the database is behind the schema");
    Server::start("serve", dir.path(), &["--migrate"]).await.kill().await;
    Server::start("serve", dir.path(), &[]).await.kill().await;

    // What destroys data has to be meant.
    fs::write(dir.path().join("schema.graphql"), SCHEMA).unwrap();
    run(["migrate", "new", "undone", path])
        .await
        .fails(1, "the change destroys data");
    run(["migrate", "new", "undone", path, "--allow-destructive"])
        .await
        .succeeds();
    run(["migrate", "apply", path]).await.succeeds();
    run(["migrate", "apply", path]).await.succeeds();
}

#[tokio::test]
async fn an_administrator_is_made_and_signs_in() {
    let dir = folder(SCHEMA);
    let path = text(dir.path());
    let create = ["admin", "create", path, "--email", "me@example.com", "--password-stdin"];
    finish(ninefold(create), "a password of mine\n").await.succeeds();
    finish(ninefold(create), "a password of mine\n")
        .await
        .fails(1, "the address is taken");
    finish(ninefold(create), "short\n")
        .await
        .fails(1, "password: must have at least 8 characters");
    finish(ninefold(create), "\n").await.fails(1, "the password is empty");
    let server = Server::start("serve", dir.path(), &[]).await;
    let credentials = json!({"email": "me@example.com", "password": "a password of mine"});
    let response = server.client().post("/auth/admin/sign-in", &credentials).await;
    assert_eq!(response.status, 200, "{}", response.text());
    let token = response.json()["accessToken"].as_str().unwrap().to_owned();
    let note = server
        .client()
        .with_token(&token)
        .post("/api/notes", &json!({"text": "mine"}))
        .await;
    assert_eq!(note.status, 201, "{}", note.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_landing_page_shows_until_there_is_another() {
    let app = TestApp::new(SCHEMA).await;
    let page = app.client().get("/").await;
    assert_eq!(
        (page.status, page.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert!(page.text().contains("/api/notes"), "{}", page.text());

    let app = TestApp::with(SCHEMA)
        .file("public/index.html", "<h1>Mine</h1>")
        .file("public/notes/more.txt", "more")
        .start()
        .await;
    let client = app.client();
    assert_eq!(client.get("/").await.text(), "<h1>Mine</h1>");
    assert_eq!(client.get("/notes/more.txt").await.text(), "more");
    assert_eq!(client.get("/../schema.graphql").await.status, 404);
    assert_eq!(client.get("/%2e%2e/schema.graphql").await.status, 404);
    assert_eq!(client.get("/nothing").await.status, 404);
}
