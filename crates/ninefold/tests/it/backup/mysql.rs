//! The same on a MariaDB server, by its own programs.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use mysql_async::Conn;
use mysql_async::prelude::Queryable as _;
use tempfile::TempDir;

use super::served::is_backed_up_and_restored;
use super::{SCHEMA, finish, ninefold, run, text, well};
use crate::binary::folder;
use crate::mysql::OwnDatabase;

/// One of everything that a database has to write in a way of its own.
const EVERYTHING: &str = r#"
type User @collection(auth: true, signUp: OPEN) { name: String! }
type Shelf @collection { name: String! @unique @length(max: 700) }
type Product @collection @index(fields: ["name", "shelf"]) {
  name: String!
  shelf: Shelf
  related: [Product!]!
  price: Decimal
  weight: Float
  stock: Long
  raw: Bytes
  extra: JSON
  since: Date
  sold: DateTime
  rare: Boolean
}
"#;
const PRODUCTS: &str = r#"{"name":"größe 🎉 'quoted' \"\\ \n\r\t\u001a","shelf":{"name":"top"},"price":"9223372036854.775807","weight":2.5e-300,"stock":"-9223372036854775808","raw":"AAECJyJcgP8=","extra":{"b":1.0,"a":[null,"\\'"]},"since":"1969-12-31","sold":"9999-12-31T23:59:59.999Z","rare":false}
{"name":"","shelf":null,"price":"-0.000001","weight":-0.0,"stock":0,"raw":"","extra":null,"since":null,"sold":"0001-01-01T00:00:00Z","rare":null}
"#;

async fn connected(database: &OwnDatabase) -> Conn {
    Conn::from_url(database.url()).await.unwrap()
}

fn name(database: &OwnDatabase) -> String {
    database.url().rsplit_once('/').unwrap().1.to_owned()
}

/// What writes a database out, and what reads it in again.
fn programs() -> (&'static str, &'static str) {
    match testkit::services::mysql_programs() {
        Some(_) => ("mysqldump", "mysql"),
        None => ("mariadb-dump", "mariadb"),
    }
}

/// The folder with programs of the test's own, first on the PATH.
fn path(own: &Path) -> String {
    format!("{}:{}", own.display(), testkit::services::path().display())
}

/// A program that is found instead of the server's own; `$REAL` is that one.
fn instead(own: &Path, program: &str, script: &str) {
    let found = std::env::split_paths(&testkit::services::path())
        .map(|folder| folder.join(program))
        .find(|path| path.is_file());
    let real = found.unwrap_or_else(|| panic!("there is no {program}: `cargo xtask services up` installs it"));
    let script = format!("#!/bin/sh\nREAL={}\n{script}\n", real.display());
    std::fs::write(own.join(program), script).unwrap();
    std::fs::set_permissions(own.join(program), PermissionsExt::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn a_database_is_backed_up_while_it_is_served_and_restored_in_its_own_place() {
    let database = OwnDatabase::new();
    let place = format!("the database {}", name(&database));
    let replaced = is_backed_up_and_restored(&database.url(), &place).await;
    let mut conn = connected(&database).await;
    let before: Option<i64> = conn
        .query_first(format!("SELECT COUNT(*) FROM {replaced}.entry"))
        .await
        .unwrap();
    assert!(before.unwrap() >= 20, "{before:?}");
    conn.query_drop(format!("DROP DATABASE {replaced}")).await.unwrap();
}

#[tokio::test]
async fn whatever_is_in_a_database_is_in_the_other_as_it_was() {
    let (application, from, to) = (folder(EVERYTHING), OwnDatabase::new(), OwnDatabase::new());
    let dir = text(application.path());
    let (from_url, to_url) = (from.url(), to.url());
    let products = application.path().join("products.ndjson");
    std::fs::write(&products, PRODUCTS).unwrap();
    let shelves = application.path().join("shelves.csv");
    std::fs::write(&shelves, "name\ntop\n").unwrap();
    well(["migrate", "apply", dir, "--database", &from_url]).await;
    well(["import", "shelves", text(&shelves), dir, "--database", &from_url]).await;
    well(["import", "products", text(&products), dir, "--database", &from_url]).await;
    let mut conn = connected(&from).await;
    // What others made beside it comes along.
    for sql in [
        "CREATE VIEW cheap AS SELECT name FROM product WHERE price < 1",
        "CREATE TRIGGER noted BEFORE INSERT ON shelf FOR EACH ROW BEGIN SET NEW.version = NEW.version; END",
        "CREATE FUNCTION a_one() RETURNS int DETERMINISTIC RETURN 1",
        "INSERT INTO product_related SELECT a.id, b.id FROM product a JOIN product b ON a.id <> b.id",
        // By which its replicas are known.
        "INSERT INTO _ninefold_meta (`key`, value) VALUES ('identity', 'the first')",
    ] {
        conn.query_drop(sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let file = application.path().join("a.backup");
    well(["backup", dir, "--database", &from_url, "--out", text(&file)]).await;
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let stdout = well(["restore", text(&file), dir, "--database", &to_url]).await;
    assert!(!stdout.contains("is now"), "{stdout}");

    for collection in ["shelves", "products"] {
        let [before, after] = [&from_url, &to_url].map(|url| ["export", collection, "-", dir, "--database", url]);
        let (before, after) = (well(before).await, well(after).await);
        assert!(!before.is_empty());
        assert_eq!(before, after);
    }
    let mut other = connected(&to).await;
    let identity: Option<String> = other
        .query_first("SELECT value FROM _ninefold_meta WHERE `key` = 'identity'")
        .await
        .unwrap();
    assert_eq!(identity, None, "it would be taken for a replica of the other");
    let links: Option<i64> = other
        .query_first("SELECT COUNT(*) + a_one() FROM product_related JOIN cheap")
        .await
        .unwrap();
    assert_eq!(links, Some(3));
    let triggers: Vec<String> = other
        .exec(
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()",
            (),
        )
        .await
        .unwrap();
    assert_eq!(triggers, ["noted"]);
    let status = run(["migrate", "status", dir, "--database", &to_url]).await;
    assert_eq!(status.code, Some(0), "{}{}", status.stdout, status.stderr);

    // They have no other place.
    drop((conn, other));
    let fixed = run(["restore", text(&file), dir, "--database", &to_url, "--force"]).await;
    assert_eq!(fixed.code, Some(1), "{}", fixed.stderr);
    assert!(
        fixed
            .stderr
            .contains("what is there can't be moved aside: it has the view cheap"),
        "{}",
        fixed.stderr
    );
}

/// An application with one entry in a database, and a backup of it without one.
async fn with_a_backup(database: &OwnDatabase) -> TempDir {
    let application = folder(SCHEMA);
    let (dir, url) = (text(application.path()), database.url());
    well(["migrate", "apply", dir, "--database", &url]).await;
    let file = application.path().join("a.backup");
    well(["backup", dir, "--database", &url, "--out", text(&file)]).await;
    let entries = application.path().join("entries.csv");
    std::fs::write(&entries, "writer,number,part\n1,1,1\n").unwrap();
    well(["import", "entries", text(&entries), dir, "--database", &url]).await;
    application
}

async fn entries(dir: &str, url: &str) -> usize {
    well(["export", "entries", "-", dir, "--database", url])
        .await
        .lines()
        .count()
}

#[tokio::test]
async fn a_restore_that_fails_leaves_the_database_as_it_was() {
    let database = OwnDatabase::new();
    let application = with_a_backup(&database).await;
    let (dir, url) = (text(application.path()), database.url());
    let file = application.path().join("a.backup");
    instead(
        application.path(),
        programs().1,
        "[ \"$1\" = --version ] && exec $REAL --version\nhead -n 60 | $REAL \"$@\"\necho lost >&2\nexit 1",
    );
    let mut command = ninefold(["restore", text(&file), dir, "--database", &url, "--force"]);
    command.env("PATH", path(application.path()));
    let finished = finish(command, "").await;
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    assert!(
        finished.stderr.contains(&format!("{} failed: ", programs().1)) && finished.stderr.contains("lost"),
        "{}",
        finished.stderr
    );
    assert_eq!(entries(dir, &url).await, 1);
    let aside = format!("SHOW DATABASES LIKE '{}\\_%'", name(&database));
    let aside: Vec<String> = connected(&database).await.query(aside).await.unwrap();
    assert_eq!(aside, Vec::<String>::new());

    // A file that was changed or is none of ours isn't even begun with.
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let damaged = application.path().join("damaged.backup");
    std::fs::write(&damaged, bytes).unwrap();
    for (file, said) in [
        (damaged, "is damaged: "),
        (
            application.path().join("schema.graphql"),
            "is no backup that Ninefold made of a MySQL or MariaDB database",
        ),
    ] {
        let refused = run(["restore", text(&file), dir, "--database", &url, "--force"]).await;
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
        assert_eq!(entries(dir, &url).await, 1);
    }
}

#[tokio::test]
async fn a_restore_that_fails_twice_says_where_what_was_there_is() {
    let database = OwnDatabase::new();
    let application = with_a_backup(&database).await;
    let (dir, url, name) = (text(application.path()), database.url(), name(&database));
    let file = application.path().join("a.backup");
    // It takes away the connection by which its failure could be made good.
    let script = format!(
        "[ \"$1\" = --version ] && exec $REAL --version\n\
         sql=\"SELECT CONCAT('KILL ', id, ';') FROM {} WHERE db = '{name}'\"\n\
         $REAL \"$1\" -N -e \"$sql\" | $REAL \"$1\"\necho lost >&2\nexit 1",
        testkit::services::mysql_processes()
    );
    instead(application.path(), programs().1, &script);
    let mut command = ninefold(["restore", text(&file), dir, "--database", &url, "--force"]);
    command.env("PATH", path(application.path()));
    let finished = finish(command, "").await;
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let failed = format!("{} failed: lost", programs().1);
    assert!(finished.stderr.contains(&failed), "{}", finished.stderr);
    let aside = finished.stderr.split_once("is still aside as ");
    let aside = aside.and_then(|(_, said)| said.split_once(',')).map(|(aside, _)| aside);
    let aside = aside.unwrap_or_else(|| panic!("{}", finished.stderr));
    let old = url.replace(&name, aside);
    let held: Option<u64> = Conn::from_url(&old)
        .await
        .unwrap()
        .query_first("SELECT count(*) FROM entry")
        .await
        .unwrap();
    assert_eq!(held, Some(1));

    let stdout = well(["restore", text(&file), dir, "--database", &url]).await;
    assert!(stdout.contains(&format!("is now the database {aside}")), "{stdout}");
    assert_eq!(entries(dir, &url).await, 0);
    let drop = format!("DROP DATABASE {aside}");
    connected(&database).await.query_drop(drop).await.unwrap();
}

#[tokio::test]
async fn a_restore_that_is_killed_is_begun_anew_and_loses_nothing() {
    let database = OwnDatabase::new();
    let application = with_a_backup(&database).await;
    let (dir, url) = (text(application.path()), database.url());
    let file = application.path().join("a.backup");
    instead(
        application.path(),
        programs().1,
        "[ \"$1\" = --version ] && exec $REAL --version\nhead -n 60 | $REAL \"$@\"\nkill -9 $PPID",
    );
    let mut command = ninefold(["restore", text(&file), dir, "--database", &url, "--force"]);
    let scratch = tempfile::tempdir().unwrap();
    command
        .env("PATH", path(application.path()))
        .env("TMPDIR", scratch.path());
    let killed = finish(command, "").await;
    assert_eq!(killed.code, None, "{}", killed.stderr);
    // Least of all the password.
    assert_eq!(scratch.path().read_dir().unwrap().count(), 0);

    let refused = run(["serve", dir, "--listen", "127.0.0.1:0", "--database", &url, "--migrate"]).await;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(
        refused
            .stderr
            .contains("a restore of it was interrupted\n help: run `ninefold restore` again"),
        "{}",
        refused.stderr
    );
    let out = application.path().join("b.backup");
    let refused = run(["backup", dir, "--database", &url, "--out", text(&out)]).await;
    assert!(refused.stderr.contains("was interrupted"), "{}", refused.stderr);

    // Nothing of anybody's is in the way.
    let stdout = well(["restore", text(&file), dir, "--database", &url]).await;
    let replaced = stdout.trim_end().split("is now the database ").nth(1);
    let replaced = replaced.unwrap_or_else(|| panic!("{stdout}"));
    assert_eq!(entries(dir, &url).await, 0);
    let old = url.replace(&name(&database), replaced);
    assert_eq!(entries(dir, &old).await, 1);
    let drop = format!("DROP DATABASE {replaced}");
    connected(&database).await.query_drop(drop).await.unwrap();
}

#[tokio::test]
async fn the_password_is_told_to_the_programs_alone() {
    let database = OwnDatabase::new();
    let application = folder(SCHEMA);
    let dir = text(application.path());
    let name = name(&database);
    // Somebody who may do everything, but only here.
    let user = &name[..20];
    let mut root = connected(&database).await;
    root.query_drop(format!("CREATE USER {user}@'%' IDENTIFIED BY 'xyzzy\" #\\\\x\\''"))
        .await
        .unwrap();
    root.query_drop(format!("GRANT ALL ON {name}.* TO {user}@'%'"))
        .await
        .unwrap();
    let (_, host) = database
        .url()
        .split_once('@')
        .map(|(user, host)| (user.to_owned(), host.to_owned()))
        .unwrap();
    let url = format!("mysql://{user}:xyzzy%22%20%23%5Cx%27@{host}");
    let seen = application.path().join("seen");
    for program in [programs().0, programs().1] {
        let script = format!(
            "[ \"$1\" = --version ] && exec $REAL --version\n\
             {{ echo \"$@\"; env; stat -L -c %a \"${{1#--defaults-file=}}\"; }} >> {}\nexec $REAL \"$@\"",
            seen.display()
        );
        instead(application.path(), program, &script);
    }
    well(["migrate", "apply", dir, "--database", &url]).await;
    let file = application.path().join("a.backup");
    let mut command = ninefold(["backup", dir, "--database", &url, "--out", text(&file)]);
    command.env("PATH", path(application.path()));
    let finished = finish(command, "").await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);

    let restore = ["restore", text(&file), dir, "--database", &url];
    let refused = run(restore.into_iter().chain(["--force"])).await;
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    let said = format!("what is there can't be moved aside to the database {name}_replaced_");
    assert!(refused.stderr.contains(&said), "{}", refused.stderr);
    assert_eq!(entries(dir, &url).await, 0);
    root.query_drop(format!("DROP DATABASE {name}")).await.unwrap();
    root.query_drop(format!("CREATE DATABASE {name}")).await.unwrap();
    let mut command = ninefold(restore);
    command.env("PATH", path(application.path()));
    let finished = finish(command, "").await;
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(entries(dir, &url).await, 0);

    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(!seen.contains("xyzzy"), "{seen}");
    let modes: Vec<&str> = seen.lines().filter(|line| *line == "600").collect();
    assert_eq!(modes.len(), 2, "{seen}");
    let first = seen.split_once("--defaults-file=").unwrap().1;
    let options = Path::new(first.split_whitespace().next().unwrap());
    assert!(!options.exists(), "{}", options.display());
    root.query_drop(format!("DROP USER {user}@'%'")).await.unwrap();
}

#[tokio::test]
async fn without_the_servers_programs_it_says_so() {
    let (application, database) = (folder(SCHEMA), OwnDatabase::new());
    let (dir, url) = (text(application.path()), database.url());
    well(["migrate", "apply", dir, "--database", &url]).await;
    let out = application.path().join("a.backup");
    let back_up = async || {
        let mut command = ninefold(["backup", dir, "--database", &url, "--out", text(&out)]);
        command.env("PATH", dir);
        let finished = finish(command, "").await;
        assert_eq!(finished.code, Some(3), "{}", finished.stderr);
        assert!(!out.exists());
        finished.stderr
    };
    let said = back_up().await;
    let (dump, _) = programs();
    let wanted = format!("error: {dump} is not on the PATH\n help: install the client programs of MariaDB or MySQL");
    assert!(said.starts_with(&wanted), "{said}");
    let mysql = ["8.0.36", "5.7.11"]
        .map(|version| format!("mysqldump  Ver {version} for Linux on x86_64 (MySQL Community Server - GPL)"));
    let mariadb = ["10.11.1", "10.5.1"]
        .map(|version| format!("mysqldump  Ver 10.19 Distrib {version}-MariaDB, for Linux (x86_64)"));
    let cases = match dump {
        "mysqldump" => [
            (&mariadb[0], "mysqldump is MariaDB's, and the server MySQL "),
            (&mysql[1], "mysqldump is version 5.7.11, and the server MySQL "),
        ],
        _ => [
            (&mysql[0], "mysqldump is MySQL's, and the server MariaDB "),
            (
                &mariadb[1],
                "mysqldump is version 10.5.1-MariaDB, and the server MariaDB ",
            ),
        ],
    };
    for (version, wanted) in cases {
        let program = application.path().join("mysqldump");
        std::fs::write(&program, format!("#!/bin/sh\necho '{version}'\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let said = back_up().await;
        assert!(said.contains(wanted), "{said}");
    }
}
