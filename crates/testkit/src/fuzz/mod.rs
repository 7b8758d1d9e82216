//! What fuzzing drives: each target takes any bytes, and panics where a promise is broken.
//!
//! The `fuzz` crate runs them under libFuzzer, guided by coverage; every store's tests replay the corpus that this found
//! ([`replay`]), so that what was broken once stays mended. Targets that need data take the store that they are given.

mod expression;
mod requests;
mod schema;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use engine::ports::store::Store;

pub use expression::expression;
pub use requests::{Requests, model};
pub use schema::schema;

/// The names of the targets, which are those of the corpus's folders.
pub const TARGETS: [&str; 3] = ["expression", "requests", "schema"];

/// Longer than any input may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs every input of `corpus`, and each once more with a byte changed, cut off or doubled. `store` serves [`model`], and is empty.
///
/// # Panics
/// Where a target does, where an input takes too long, or where there is nothing to replay.
pub fn replay(corpus: &Path, store: &Arc<dyn Store>) {
    let requests = Requests::on(store.clone());
    for target in TARGETS {
        let run = |input: &[u8]| match target {
            "expression" => expression(input),
            "requests" => requests.run(input),
            _ => schema(input),
        };
        let folder = corpus.join(target);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut count = 0_usize;
        for entry in entries {
            let path = entry.expect("the corpus can be read").path();
            let input = fs::read(&path).expect("the corpus can be read");
            let began = Instant::now();
            run(&input);
            for altered in alterations(&input, count) {
                run(&altered);
            }
            assert!(began.elapsed() < PATIENCE, "{} takes too long", path.display());
            count += 1;
        }
        assert!(count > 0, "{} is empty", folder.display());
    }
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
