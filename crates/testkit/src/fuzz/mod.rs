//! What fuzzing drives: each target takes any bytes, and panics where a promise is broken.
//!
//! The `fuzz` crate runs them under libFuzzer, guided by coverage; every store's tests replay the corpus that this found
//! ([`answer_corpus`]), so that what was broken once stays mended. Targets that need data take the store that they are given.

mod cursor;
mod expression;
mod patch;
mod requests;
mod schema;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ports::store::Store;

pub use expression::expression;
pub use requests::{Requests, model};
pub use schema::schema;

/// The names of the targets of this crate, which are those of their folders in the corpus.
pub const TARGETS: [&str; 5] = ["cursor", "expression", "patch", "requests", "schema"];

/// Longer than any input may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Replays what belongs to the targets of this crate. `store` serves [`model`], and is empty.
///
/// # Panics
/// As [`replay`].
pub fn answer_corpus(store: &Arc<dyn Store>) {
    let requests = Requests::on(store.clone());
    for target in TARGETS {
        replay(target, |input| match target {
            "cursor" => requests.cursor(input),
            "expression" => expression(input),
            "patch" => requests.patch(input),
            "requests" => requests.run(input),
            _ => schema(input),
        });
    }
}

/// Runs every input of a target's corpus, and each once more with a byte changed, cut off or doubled.
///
/// # Panics
/// Where the target does, where an input takes too long, or where there is nothing to replay.
pub fn replay(target: &str, run: impl Fn(&[u8])) {
    let folder = corpus().join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the corpus can be read").path())
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "{} is empty", folder.display());
    for (count, path) in paths.iter().enumerate() {
        let input = fs::read(path).expect("the corpus can be read");
        let began = Instant::now();
        run(&input);
        for altered in alterations(&input, count) {
            run(&altered);
        }
        assert!(began.elapsed() < PATIENCE, "{} takes too long", path.display());
    }
}

/// Runs one test of the program that is running once more, without that depth: what is deeper exhausts the stack of a thread.
///
/// # Panics
/// Where the test doesn't notice.
pub fn assert_depth_is_missed(test: &str, mutant: &str) {
    let mut again = Command::new(std::env::current_exe().expect("a test is a program"));
    let output = again
        .args([test, "--exact", "--test-threads", "1"])
        .env("NINEFOLD_MUTANT", mutant)
        .output()
        .expect("the test starts again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "{test} is no test: {said}");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaint.contains("has overflowed its stack"),
        "nobody notices that {mutant} is missing: {complaint}"
    );
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// A few neighbours of an input, the same ones each time.
fn alterations(input: &[u8], seed: usize) -> Vec<Vec<u8>> {
    if input.is_empty() {
        return Vec::new();
    }
    let place = seed.wrapping_mul(0x9e37_79b9) % input.len();
    let mut changed = input.to_vec();
    changed[place] = changed[place].wrapping_add(1);
    let cut = input[..place].to_vec();
    let doubled = [&input[..place], &input[place..], &input[place..]].concat();
    vec![changed, cut, doubled]
}
