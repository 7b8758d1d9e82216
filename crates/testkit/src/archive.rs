//! What every archive must do: see [`engine::ports::archive`].

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use engine::ports::archive::Archive;

/// More than a page of a list has.
const MANY: usize = 1003;

fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("there is room");
    file.write_all(content).expect("there is room");
    file.seek(SeekFrom::Start(0)).expect("a file has a beginning");
    file
}

fn content(archive: &dyn Archive, name: &str) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    archive
        .get(name)
        .expect("it answers")?
        .read_to_end(&mut content)
        .expect("it is read");
    Some(content)
}

/// On an empty archive.
///
/// # Panics
/// Where it does otherwise.
pub fn conforms(archive: &dyn Archive) {
    assert_eq!(archive.list("").expect("an empty archive answers"), [""; 0]);
    assert_eq!(content(archive, "a/b"), None);
    archive.remove("a/b").expect("what isn't there is removed already");

    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number * 7 % 251) as u8).collect();
    archive.put("a/b", &file(b"one")).expect("it is kept");
    archive.put("a/b", &file(&large)).expect("it is replaced");
    archive.put("a/empty", &file(b"")).expect("it is kept");
    archive.put("b/a-1.x", &file(b"two")).expect("it is kept");
    assert!(content(archive, "a/b").is_some_and(|found| found == large));
    assert_eq!(content(archive, "a/empty").as_deref(), Some(&b""[..]));

    let list = |prefix| archive.list(prefix).expect("it answers");
    assert_eq!(list(""), ["a/b", "a/empty", "b/a-1.x"]);
    assert_eq!(list("a/"), ["a/b", "a/empty"]);
    assert_eq!(list("a/e"), ["a/empty"]);
    assert_eq!(list("c"), [""; 0]);

    archive.remove("a/b").expect("it is removed");
    assert_eq!(content(archive, "a/b"), None);
    assert_eq!(list(""), ["a/empty", "b/a-1.x"]);

    let names: Vec<_> = (0..MANY).map(|number| format!("many/{number:05}")).collect();
    for name in &names {
        archive.put(name, &file(name.as_bytes())).expect("it is kept");
    }
    assert_eq!(list("many/"), names);
}
