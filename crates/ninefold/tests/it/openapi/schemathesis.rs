//! Schemathesis against the description: whatever is sent, each answer is one that the document has, and never a 5xx.
//!
//! All of its checks and phases; `schemathesis.toml` beside this file has what is taken back, with reasons. One run for each kind of
//! caller, on a real server of its own: 5,800 requests in 35 s each on a core. Seeds are fixed in CI and fresh with
//! `cargo xtask soak`; a failure prints the requests that show it, as curl commands.

use std::path::Path;

use api::mutants::Mutant;
use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::app::PASSWORD;
use crate::binary::{Server, finish, folder, ninefold};

const SCHEMA: &str = include_str!("schema.graphql");
const CONFIG: &str = include_str!("schemathesis.toml");
/// The interpreter that has the packages of `tests/schemathesis.txt`; `cargo xtask test` sets it.
const PYTHON: &str = "NINEFOLD_SCHEMATHESIS";
/// Of each operation in the phases that make things up; how many `cargo xtask soak` multiplies.
const EXAMPLES: usize = 10;
const ROOT: &str = "root@example.com";
const ANA: &str = "ana@example.com";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Nobody,
    User,
    Administrator,
}

/// What is asked of one run.
#[derive(Debug, Clone, Copy)]
struct Run {
    caller: Caller,
    seed: u64,
    phases: &'static str,
    examples: usize,
    /// A regular expression for the paths that are asked.
    paths: &'static str,
    /// The defence that is out.
    mutant: Option<Mutant>,
}

impl Caller {
    /// How it signs in, as Schemathesis' configuration says it: again, when an operation has ended its session.
    fn credentials(self) -> String {
        let (path, email) = match self {
            Self::Nobody => return String::new(),
            Self::User => ("/auth/sign-in", ANA),
            Self::Administrator => ("/auth/admin/sign-in", ROOT),
        };
        format!(
            "[auth.dynamic.openapi.bearer]\npath = {path:?}\npayload = {{ email = {email:?}, password = {PASSWORD:?} }}\n\
             extract_selector = \"/accessToken\"\nretry_on = [401]\n"
        )
    }
}

/// A server with an administrator and a user.
async fn serve(folder: &TempDir, mutant: Option<Mutant>) -> Server {
    let dir = folder.path().to_str().expect("a path of a test is UTF-8");
    let arguments = ["admin", "create", dir, "--email", ROOT, "--password-stdin"];
    let made = finish(ninefold(arguments), PASSWORD).await;
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    let mut command = ninefold(["serve", dir, "--migrate", "--listen", "127.0.0.1:0"]);
    command.env("NINEFOLD_DATABASE__SYNCHRONOUS", "normal");
    if let Some(mutant) = mutant {
        command.env("NINEFOLD_MUTANT", mutant.name());
    }
    let server = Server::launch(command).await;
    let ana = json!({"email": ANA, "password": PASSWORD, "name": "Ana"});
    assert_eq!(server.client().post("/auth/sign-up", &ana).await.status, 201);
    server
}

/// What was found, as a report; `None` where all is well. Without the Python environment nothing runs, which is a failure in CI.
async fn findings(run: Run) -> Option<String> {
    let Some(python) = std::env::var_os(PYTHON) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "{PYTHON} is not set: run `cargo xtask test`"
        );
        return None;
    };
    let application = folder(SCHEMA);
    let server = serve(&application, run.mutant).await;
    let config = application.path().join("schemathesis.toml");
    std::fs::write(&config, format!("{CONFIG}\n{}", run.caller.credentials())).unwrap();
    let here = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/openapi"));
    let mut command = Command::new(python);
    command
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
        .arg(&config)
        .args(["run", &format!("http://{}/openapi.json", server.address)])
        .args([
            "--generation-database",
            "none",
            "--warnings",
            "off",
            "--phases",
            run.phases,
        ])
        .args([
            "--seed",
            &run.seed.to_string(),
            "--max-examples",
            &run.examples.to_string(),
        ])
        .args(["--include-path-regex", run.paths])
        .current_dir(application.path())
        .env("PYTHONPATH", here)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", "schemathesis_hooks")
        .kill_on_drop(true);
    let output = command.output().await.expect("the Python interpreter starts");
    let report = format!(
        "{run:?}:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    match output.status.code() {
        Some(0) => {
            assert!(report.contains(" passed"), "nothing was tried: {report}");
            None
        }
        // Failures of checks. Anything else is a mistake of the set-up.
        Some(1) => Some(report),
        code => panic!("schemathesis ends with {code:?}: {report}"),
    }
}

async fn check(caller: Caller) {
    let soak = std::env::var("NINEFOLD_SOAK").map(|factor| factor.parse::<usize>().expect("NINEFOLD_SOAK is a number"));
    let run = Run {
        caller,
        seed: match soak {
            Ok(_) => u64::from(uuid::Uuid::new_v4().as_fields().0),
            Err(_) => 1,
        },
        phases: "examples,coverage,fuzzing,stateful",
        examples: EXAMPLES * soak.unwrap_or(1),
        paths: "^/",
        mutant: None,
    };
    if let Some(report) = findings(run).await {
        panic!("{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_only_what_is_described() {
    check(Caller::Nobody).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_gets_only_what_is_described() {
    check(Caller::User).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_gets_only_what_is_described() {
    check(Caller::Administrator).await;
}

/// Each is found by the check that is there for it.
#[tokio::test(flavor = "multi_thread")]
async fn every_missing_defence_is_noticed() {
    if std::env::var_os(PYTHON).is_none() && std::env::var_os("CI").is_none() {
        eprintln!("not run: {PYTHON} is not set; `cargo xtask test` sets it");
        return;
    }
    for mutant in Mutant::ALL {
        let noticed_as = match mutant {
            Mutant::DescribedStatus => "Undocumented status code",
            Mutant::ClosedAnswer => "Response violates schema",
            Mutant::StrictParameter => "Schema-violating request accepted",
            Mutant::CallersMistake => "Server error",
        };
        let run = Run {
            caller: Caller::Administrator,
            seed: 1,
            phases: "examples,coverage",
            examples: EXAMPLES,
            paths: "^/api/samples",
            mutant: Some(*mutant),
        };
        let report = findings(run).await.unwrap_or_default();
        assert!(
            report.contains(noticed_as),
            "nobody notices that {mutant:?} is missing: {report}"
        );
    }
}
