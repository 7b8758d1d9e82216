//! Who may do what: the access matrix, that it leaves nothing out, and that it notices every missing defence.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::Arc;

use futures::future::join_all;

use engine::access::mutants::Mutant;

mod attacks;
mod matrix;
mod world;

use matrix::{ROWS, Row};
use world::{ACTORS, People, World};

const SCHEMA: &str = include_str!("schema.graphql");

/// Cells that are not as the table has them, as sentences. One is enough for whoever took a defence out.
async fn differences() -> Vec<String> {
    let people = People::meet(SCHEMA).await;
    let one_is_enough = std::env::var_os("NINEFOLD_MUTANT").is_some();
    let mut differences = Vec::new();
    for row in ROWS {
        let cells = row
            .expected
            .iter()
            .enumerate()
            .map(|(actor, expected)| difference(&people, row, actor, expected));
        differences.extend(join_all(cells).await.into_iter().flatten());
        if one_is_enough && !differences.is_empty() {
            break;
        }
    }
    differences
}

async fn difference(people: &Arc<People>, row: &Row, actor: usize, expected: &str) -> Option<String> {
    let mut world = World::new(people, actor).await;
    if row.way == "Idempotency-Key" {
        world.send_keyed().await;
    }
    let seen = cell(row, &world).await;
    let place = format!("{} ({}): {}", row.operation, row.way, row.what);
    (seen != expected).then(|| format!("{place} — {} sees {seen:?}, not {expected:?}", ACTORS[actor]))
}

async fn cell(row: &Row, world: &World) -> String {
    let seen = world.see(&(row.call)(world)).await;
    if !(200..300).contains(&seen.status) || seen.status == 204 {
        return seen.status.to_string();
    }
    format!("{} {}", seen.status, (row.show)(&seen)).trim_end().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_cell_is_as_the_table_has_it() {
    let differences = differences().await;
    assert!(
        differences.is_empty(),
        "{} cells differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// Every operation and parameter that the API describes has a row; the list of those without one is empty.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_can_be_asked_is_left_out() {
    let people = People::meet(SCHEMA).await;
    let description = people.app.client().get("/openapi.json").await.json();
    let rows: BTreeSet<_> = ROWS
        .iter()
        .map(|row| format!("{} {}", row.operation, row.way.to_lowercase()))
        .collect();
    assert!(
        rows.is_subset(&asked(&description)),
        "rows of nothing that can be asked: {:?}",
        rows.difference(&asked(&description))
    );
    let without: Vec<_> = asked(&description)
        .into_iter()
        .filter(|way| !rows.contains(way))
        .collect();
    assert_eq!(without, [""; 0], "operations without a row in the matrix");
}

/// `operation way` for all that `/api` describes.
fn asked(description: &serde_json::Value) -> BTreeSet<String> {
    let mut ways = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        let Some(rest) = path.strip_prefix("/api/") else {
            continue;
        };
        let path = match rest.split_once('/') {
            None if rest == "batch" => "/api/batch".to_owned(),
            None => "/api/{collection}".to_owned(),
            Some((_, key)) => format!("/api/{{collection}}/{key}"),
        };
        for (method, operation) in item.as_object().expect("a path item") {
            if method == "parameters" {
                continue;
            }
            let operation_name = format!("{} {path}", method.to_uppercase());
            ways.insert(format!("{operation_name} plain"));
            let own = operation["parameters"].as_array().into_iter().flatten();
            for parameter in own.chain(item["parameters"].as_array().into_iter().flatten()) {
                let parameter = resolve(description, parameter);
                let name = parameter["name"]
                    .as_str()
                    .expect("a parameter has a name")
                    .to_lowercase();
                // These say nothing about which data is asked for.
                let neutral =
                    ["x-request-id", "traceparent", "last-event-id", "ninefold-written"].contains(&name.as_str());
                if parameter["in"] != "path" && !neutral {
                    ways.insert(format!("{operation_name} {name}"));
                }
            }
            if operation["responses"]["200"]["content"]
                .get("text/event-stream")
                .is_some()
            {
                ways.insert(format!("{operation_name} accept"));
            }
        }
    }
    ways
}

fn resolve<'d>(description: &'d serde_json::Value, parameter: &'d serde_json::Value) -> &'d serde_json::Value {
    match parameter["$ref"].as_str() {
        Some(reference) => description
            .pointer(reference.trim_start_matches('#'))
            .expect("a reference leads somewhere"),
        None => parameter,
    }
}

/// Runs the matrix and the attacks in a process of their own with one defence taken out; they must fail there.
#[test]
fn every_missing_defence_is_noticed() {
    let itself = std::env::current_exe().expect("a test knows its own path");
    for mutant in Mutant::ALL {
        let run = Command::new(&itself)
            .args(["access::every_cell_is_as_the_table_has_it", "access::attacks::"])
            .env("NINEFOLD_MUTANT", mutant.name())
            .output()
            .expect("the tests run again");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        assert!(
            said.contains("test result: FAILED"),
            "nothing fails without {}:\n{said}",
            mutant.name()
        );
    }
}
