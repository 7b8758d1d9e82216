//! The same on a PostgreSQL server, by its own programs.

use super::served::is_backed_up_and_restored;
use super::{SCHEMA, finish, ninefold, run, text};
use crate::binary::folder;
use crate::database::Database;

#[tokio::test]
async fn a_schema_is_backed_up_while_it_is_served_and_restored_in_its_own_place() {
    let database = Database::new();
    let replaced = is_backed_up_and_restored(database.url(), "the schema public").await;
    assert!(replaced.starts_with("public_replaced_"), "{replaced}");
}

#[tokio::test]
async fn without_the_servers_programs_it_says_so() {
    let (application, database) = (folder(SCHEMA), Database::new());
    let (dir, url) = (text(application.path()), database.url());
    assert_eq!(run(["migrate", "apply", dir, "--database", url]).await.code, Some(0));
    let out = application.path().join("a.backup");
    let mut command = ninefold(["backup", dir, "--database", url, "--out", text(&out)]);
    command.env("PATH", dir);
    let finished = finish(command, "").await;
    assert_eq!(finished.code, Some(3), "{}", finished.stderr);
    let said = "error: pg_dump is not on the PATH\n help: install PostgreSQL's client programs";
    assert!(finished.stderr.starts_with(said), "{}", finished.stderr);

    std::fs::write(
        application.path().join("pg_dump"),
        "#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n",
    )
    .unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(application.path().join("pg_dump"), executable).unwrap();
    let mut command = ninefold(["backup", dir, "--database", url, "--out", text(&out)]);
    command.env("PATH", dir);
    let finished = finish(command, "").await;
    assert!(
        finished.stderr.contains("pg_dump is version 9, and the server "),
        "{}",
        finished.stderr
    );
    assert!(!out.exists());
}
