//! `docs/import.md`: its schema, files and answers are real.

use super::{finish, fs, ninefold, run};
use crate::binary::folder;

const PAGE: &str = include_str!("../../../../../docs/import.md");

/// The blocks of one language, in order.
fn blocks(language: &str) -> Vec<&'static str> {
    let fence = format!("```{language}\n");
    let blocks = PAGE.split(&fence).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn the_examples_of_the_page_do_what_it_says() {
    let application = folder(blocks("graphql")[0]);
    let dir = application.path().to_str().unwrap();
    let [countries, cities, bad] = blocks("csv").try_into().unwrap();
    let more = blocks("json")[0];
    for (collection, name, text) in [
        ("countries", "countries.csv", countries),
        ("cities", "cities.csv", cities),
        ("cities", "more.json", more),
    ] {
        let file = application.path().join(name);
        fs::write(&file, text).unwrap();
        let finished = run(["import", collection, file.to_str().unwrap(), dir]).await;
        assert_eq!(finished.code, Some(0), "{name}: {}", finished.stderr);
        assert!(finished.stdout.starts_with("imported 2 "), "{}", finished.stdout);
    }
    let file = application.path().join("bad.csv");
    fs::write(&file, bad).unwrap();
    let finished = run(["import", "cities", file.to_str().unwrap(), dir]).await;
    assert_eq!(finished.stderr, blocks("text")[0]);
    for line in blocks("sh").into_iter().flat_map(str::lines) {
        let mut command = ninefold(line.split(' ').skip(1).chain(["."]));
        command.current_dir(dir);
        let finished = finish(command, "").await;
        assert_eq!(finished.code, Some(0), "{line}: {}", finished.stderr);
    }
}
