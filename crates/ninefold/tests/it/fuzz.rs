//! What fuzzing has found for the readers of files is answered.

use ninefold::mutants::Mutant;
use ninefold::mutants::fuzz::{TARGETS, csv, json, ndjson};
use testkit::fuzz;

#[test]
fn the_corpus_of_files_is_answered() {
    for target in TARGETS {
        fuzz::replay(target, |input| match target {
            "csv" => csv(input),
            "json" => json(input),
            _ => ndjson(input),
        });
    }
}

#[test]
fn a_missing_depth_is_noticed() {
    fuzz::assert_depth_is_missed("fuzz::the_corpus_of_files_is_answered", Mutant::FileDepth.name());
}
