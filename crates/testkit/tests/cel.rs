//! The language compared with an independent implementation of CEL, PyPI's cel-python, on the part that both have.
//!
//! `NINEFOLD_CEL_PYTHON` names a Python that has it; `cargo xtask test` sets it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use engine::access::Principal;
use engine::expr::{Expects, Expression, Facts, Input, RequestFacts, Scope};
use engine::model::Value;
use ninefold_testkit::expr::{NOW, PlainCase, model, plain_cases};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// The other implementation, running.
struct Oracle {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Oracle {
    fn start() -> Option<Self> {
        let Ok(python) = std::env::var("NINEFOLD_CEL_PYTHON") else {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(
                !in_ci,
                "NINEFOLD_CEL_PYTHON is not set; run the tests by `cargo xtask test`"
            );
            eprintln!("not compared with cel-python: NINEFOLD_CEL_PYTHON is not set (`cargo xtask test` does)");
            return None;
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cel_oracle.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("NINEFOLD_CEL_PYTHON names a Python that starts");
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    fn ask(&mut self, case: &PlainCase) -> String {
        let line = serde_json::json!({ "source": case.source, "record": case.record_json() });
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim().to_owned()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        // It may have ended by itself, which is as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ours(case: &PlainCase) -> String {
    let model = model();
    let scope = Scope {
        record: Some(model.by_name("Task").unwrap().id),
        before: false,
        bare_fields: false,
    };
    let compiled = match Expression::compile(&case.source, scope, Expects::Condition, &model) {
        Ok(compiled) => compiled,
        Err(errors) => panic!("{}: {errors:?}", case.source),
    };
    let input = Input {
        model: &model,
        facts: Facts {
            principal: &Principal::Anonymous,
            now: NOW,
            request: RequestFacts::default(),
        },
        record: Some(&case.record),
        before: None,
        related: None,
    };
    match compiled.evaluate(input) {
        Ok(Value::Bool(truth)) => truth.to_string(),
        Ok(Value::Null) => "null".into(),
        Ok(other) => format!("other: {other:?}"),
        Err(_) => "error".into(),
    }
}

#[test]
fn plain_cel_means_what_it_means_elsewhere() {
    let Some(oracle) = Oracle::start() else { return };
    let oracle = RefCell::new(oracle);
    // The same cases every time: what a random one turns up next may be a gap of the oracle's, named in its script.
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let config = Config {
        failure_persistence: None,
        ..Config::with_cases(1500)
    };
    let mut runner = TestRunner::new_with_rng(config, rng);
    let result = runner.run(&plain_cases(), |case| {
        let theirs = oracle.borrow_mut().ask(&case);
        let ours = ours(&case);
        if ours == theirs {
            return Ok(());
        }
        let message = format!(
            "{}\n  ours {ours}, theirs {theirs}\n  {}",
            case.source,
            case.record_json()
        );
        Err(TestCaseError::fail(message))
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
