//! Whatever interrupts a migration, it has happened whole or not at all.

use std::path::Path;
use std::process::Command;

use super::*;

/// Rebuilds, renames, fills, converts, adds and removes.
fn changed() -> String {
    CHAT.replace(
        "type Room @collection",
        "type Channel @collection @renamed(from: \"Room\")",
    )
    .replace("parent: Room", "parent: Channel topic: Int! @default(value: 7)")
    .replace("room: Room!", "channel: Channel")
    .replace("name: String! owner", "name: String owner")
        + " type Extra @collection { of: User! }"
}

/// Calls `stop` once, after so many steps of SQLite's machine.
fn stop_after(connection: &mut Connection, steps: u64, stop: impl Fn() -> bool + Send + 'static) {
    let mut seen = 0;
    let handler = move || {
        seen += 1;
        seen == steps && stop()
    };
    connection.progress_handler(1, Some(handler)).unwrap();
}

fn run(connection: &Connection) -> Result<Report, MigrateError> {
    apply(
        connection,
        &Target::of(&model(&changed())),
        &Folder::default(),
        DESTRUCTIVE,
    )
}

#[test]
fn an_interrupt_at_any_moment_leaves_all_or_nothing() {
    let before = dump(&chat());
    let connection = chat();
    run(&connection).unwrap();
    let after = dump(&connection);
    let (mut undone, mut steps) = (0, 1);
    loop {
        let mut connection = chat();
        stop_after(&mut connection, steps, || true);
        let result = run(&connection);
        connection.progress_handler(0, None::<fn() -> bool>).unwrap();
        let left = dump(&connection);
        match result {
            Ok(_) => {
                assert_eq!(left, after);
                break;
            }
            Err(_) if left == after => {}
            Err(error) => {
                assert_eq!(left, before, "after {steps} steps: {error}");
                undone += 1;
            }
        }
        let structure = system::read_structure(&connection)
            .unwrap()
            .expect("it has one from the start");
        is_sound(&connection, &structure);
        steps += 251;
    }
    assert!(undone > 15, "{undone} interruptions were felt");
}

const CHILD: &str = "NINEFOLD_TEST_MIGRATION";

/// Not a test by itself: the process that [`a_killed_process_leaves_all_or_nothing`] starts, and that dies on the way.
#[test]
fn dies_on_the_way() {
    let Ok(argument) = std::env::var(CHILD) else { return };
    let (steps, path) = argument.split_once(':').unwrap();
    let mut connection = Connection::open(path).unwrap();
    stop_after(&mut connection, steps.parse().unwrap(), || std::process::abort());
    run(&connection).unwrap();
}

#[test]
fn a_killed_process_leaves_all_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let after = {
        let connection = chat();
        run(&connection).unwrap();
        dump(&connection)
    };
    let mut outcomes = Vec::new();
    for steps in [10, 1500, 3000, 4500, 1_000_000_000] {
        let path = folder.path().join(format!("{steps}.db"));
        let before = on_disk(&path);
        let name = "migrate::sqlite::tests::interrupted::dies_on_the_way";
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, format!("{steps}:{}", path.display()))
            .output()
            .unwrap();
        let left = dump(&Connection::open(&path).unwrap());
        assert!(left == before || left == after, "after {steps} steps");
        outcomes.push((child.status.success(), left == after));
    }
    assert_eq!(outcomes.first(), Some(&(false, false)), "the first died early");
    assert_eq!(outcomes.last(), Some(&(true, true)), "the last lived");
}

/// The chat in a file, as a store keeps it.
fn on_disk(path: &Path) -> Vec<String> {
    let connection = chat();
    connection.execute("VACUUM INTO ?1", [path.to_str().unwrap()]).unwrap();
    let file = Connection::open(path).unwrap();
    file.pragma_update(None, "journal_mode", "wal").unwrap();
    dump(&file)
}
