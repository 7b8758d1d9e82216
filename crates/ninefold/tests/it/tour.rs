//! The README's tour: every command runs against the real server, and answers what the README says.
//!
//! Each `sh` block is run, all in one shell; a `json` or `text` block behind it is its output. Ids, times, tokens and the like,
//! which differ each time, are compared by their kind.

use std::fs;
use std::path::Path;

use regex::Regex;
use serde_json::Value as Json;
use tokio::process::Command;

use crate::binary::{Server, finish, ninefold};

const TITLE: &str = "## A ten-minute tour";
/// Between the outputs of two blocks.
const MARK: &str = "----8<----";

struct Step {
    line: usize,
    command: String,
    /// The block's language and text, if its output is shown.
    answer: Option<(String, String)>,
}

fn tour(readme: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = readme
        .lines()
        .enumerate()
        .skip_while(|(_, line)| *line != TITLE)
        .skip(1);
    while let Some((index, line)) = lines.next() {
        if line.starts_with("## ") {
            break;
        }
        let Some(language) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<_> = lines
            .by_ref()
            .map(|(_, line)| line)
            .take_while(|line| *line != "```")
            .collect();
        let block = block.join("\n");
        match language {
            "sh" => steps.push(Step {
                line: index + 1,
                command: block,
                answer: None,
            }),
            "json" | "text" => {
                let step = steps.last_mut().expect("an answer follows a command");
                step.answer = Some((language.to_owned(), block));
            }
            // What goes on until it is ended; the test does the same in its own way.
            "console" => {}
            other => panic!("README.md:{}: a block of {other} in the tour", index + 1),
        }
    }
    steps
}

/// What differs each time, by its kind.
fn normalized(text: &str) -> String {
    let kinds = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (
            r#""(accessToken|refreshToken|next|requestId)":\s*"[^"]*""#,
            r#""$1":"…""#,
        ),
        (r"(?m)^id: .*$", "id: …"),
        (r"127\.0\.0\.1:\d+", "ADDRESS"),
        (r"\b\d+ ms\b", "N ms"),
        (r"(?m)[ \t]+$", ""),
    ];
    kinds.iter().fold(text.trim().to_owned(), |text, (pattern, kind)| {
        Regex::new(pattern).unwrap().replace_all(&text, *kind).into_owned()
    })
}

fn is_as_shown(language: &str, shown: &str, said: &str) -> bool {
    let (shown, said) = (normalized(shown), normalized(said));
    if language == "text" {
        return shown == said;
    }
    let parsed = |text: &str| serde_json::from_str::<Json>(text).ok();
    parsed(&shown).is_some() && parsed(&shown) == parsed(&said)
}

#[tokio::test]
async fn every_command_answers_what_the_readme_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let steps = tour(&readme);
    assert!(steps.len() > 8, "the tour was found");

    let folder = tempfile::tempdir().unwrap();
    let talk = folder.path().join("talk");
    assert!(readme.contains("-- new talk --template chat\n") && readme.contains("-- dev talk\n"));
    let mut new = ninefold(["new", "talk", "--template", "chat"]);
    new.current_dir(folder.path());
    assert_eq!(finish(new, "").await.code, Some(0));
    let server = Server::start("dev", &talk, &[]).await;

    let script: String = steps
        .iter()
        .map(|step| format!("{}\necho '{MARK}'\n", step.command))
        .collect();
    let script = script
        .replace("127.0.0.1:8080", &server.address.to_string())
        .replace("cargo run -q --release --", env!("CARGO_BIN_EXE_ninefold"));
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(format!("exec 2>&1\n{script}"))
        .current_dir(folder.path())
        .env("NO_COLOR", "1");
    let said = finish(shell, "").await.stdout;

    let said: Vec<_> = said.split(&format!("{MARK}\n")).collect();
    let mut differences = Vec::new();
    for (step, said) in steps.iter().zip(said) {
        let Some((language, shown)) = &step.answer else {
            continue;
        };
        if !is_as_shown(language, shown, said) {
            differences.push(format!(
                "README.md:{}: {}\nanswers\n{said}\nand not\n{shown}\n",
                step.line, step.command
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
