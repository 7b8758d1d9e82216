//! Each limit is noticed when it is missing, by the attack that it is there for.
//!
//! A test runs once more, as a process of its own, on servers without the limit: taken out by a mutant, or lifted by the configuration. It must
//! fail, and at the attack that is named here. Answers that nobody reads and idle connections have their controls in their tests.

use std::process::Stdio;

use api::mutants::limits::Mutant as Api;
use engine::mutants::limits::Mutant as Engine;
use futures::stream::{self, StreamExt};
use ninefold::mutants::Mutant as Binary;
use tokio::process::Command;

use super::{MUTANT, PATIENCE, SETTINGS};

/// Processes at once.
const AT_ONCE: usize = 3;

/// A test of this module's, and what its failure says.
struct Noticed {
    by: &'static str,
    saying: &'static str,
    /// What else must not stand in the way.
    settings: &'static str,
    /// It fails by waiting in vain.
    is_by_waiting: bool,
}

const fn noticed(by: &'static str, saying: &'static str) -> Noticed {
    Noticed {
        by,
        saying,
        settings: "",
        is_by_waiting: false,
    }
}

const fn waits(by: &'static str, saying: &'static str) -> Noticed {
    Noticed {
        is_by_waiting: true,
        ..noticed(by, saying)
    }
}

/// `None`: it is another suite's. A new mutant has to be placed here.
fn of_engine(mutant: Engine) -> Option<Noticed> {
    let (bodies, questions) = ("input::bodies", "input::questions");
    Some(match mutant {
        Engine::ExpressionBytes => Noticed {
            settings: "limits.filter_bytes_max=1000000",
            ..noticed(questions, "filter=text%20%3d%3d%20'y")
        },
        Engine::ExpressionWords => noticed(questions, "filter=rank%20in%20"),
        Engine::ExpressionDepth => noticed(questions, "filter=rank%20%2b%20rank%20%2b"),
        Engine::RelationDepth => noticed(questions, "filter=parent.parent."),
        Engine::EachDepth => noticed(questions, "filter=children.exists"),
        Engine::PatternBytes => noticed(questions, "filter=text.matches('aaaa"),
        Engine::PatternRepeat => noticed(questions, "filter=text.matches('a%7b300"),
        Engine::PatternSize => noticed(questions, "filter=text.matches('((a%7b100"),
        Engine::SortTerms => noticed(questions, "sort=text%2c"),
        Engine::ShapeBytes => noticed(questions, "fields=text%2c"),
        Engine::JsonDepth => noticed(bodies, r#""more":[[[["#),
        Engine::JsonBytes => noticed(bodies, r#""more":"yyyy"#),
        Engine::Nul => noticed(bodies, r#"{"text":"a\u0000b"}"#),
        Engine::IntRange => noticed(bodies, r#""rank":2147483648"#),
        Engine::UnknownField => noticed(bodies, r#"{"f0":0,"#),
        // Nobody but us makes cursors: the replay of what fuzzing found.
        Engine::CursorDepth => return None,
    })
}

fn of_api(mutant: Api) -> Noticed {
    match mutant {
        Api::BodyDepth => noticed("input::bodies", "[[[["),
        Api::BodyUtf8 => noticed("input::bodies", "{\"text\":\"\u{fffd}"),
        Api::BodyEnd => noticed("input::bodies", r#"{"text":"x"}{"text":"y"}"#),
        Api::AuthBodyBytes => noticed("input::large_bodies", "POST /auth/sign-up"),
        Api::AnnouncedBytes => noticed("protocol::a_body_is_only_sent_where_it_is_wanted", "HTTP/1.1 100"),
        Api::KeyBytes => noticed("input::headers_and_paths", "idempotency-key: xxxx"),
        Api::KeyOnce => noticed("input::headers_and_paths", "idempotency-key: a\r\nidempotency-key: b"),
    }
}

fn of_binary(mutant: Binary) -> Option<Noticed> {
    Some(match mutant {
        Binary::HeaderCount => noticed("protocol::floods_of_headers_are_refused", "HTTP/1.1 200"),
        Binary::HeaderForm => noticed("protocol::what_could_smuggle_a_request_is_refused", "host: hidden"),
        Binary::HalfClose => waits("protocol::who_closes_one_half_is_gone", "the server closes in time"),
        Binary::OpenFiles => waits("sockets::a_low_limit_of_open_files_is_raised", "in time"),
        // `fuzz` and `import::memory`.
        Binary::FileDepth | Binary::ImportInParts | Binary::ExportInParts => return None,
    })
}

const LIFTED: [(&str, Noticed); 11] = [
    (
        "limits.header_bytes_max=1000000",
        noticed("protocol::floods_of_headers_are_refused", "HTTP/1.1 200"),
    ),
    (
        "limits.header_timeout_ms=600000",
        waits("slow::a_head_that_trickles_is_given_up", "the connection stays open"),
    ),
    (
        "limits.request_timeout_ms=600000",
        waits(
            "slow::a_body_that_trickles_is_answered_with_a_time_out",
            "the server closes in time",
        ),
    ),
    (
        "limits.connections_max=1000",
        noticed(
            "sockets::who_holds_all_connections_holds_them_for_a_moment",
            "sockets of",
        ),
    ),
    (
        "limits.watch_max=1000",
        noticed("sockets::live_queries_are_counted", "HTTP/1.1 200"),
    ),
    (
        "limits.body_bytes_max=8000000",
        noticed("input::large_bodies", "POST /api/notes"),
    ),
    (
        "limits.batch_bytes_max=100000000",
        noticed("input::large_bodies", r#"[{"text":"x"}"#),
    ),
    (
        "limits.batch_max=100000",
        noticed("input::batches_of_many", "POST /api/batch"),
    ),
    (
        "limits.filter_bytes_max=1000000",
        noticed("input::questions", "filter=text%20%3d%3d%20'x"),
    ),
    (
        "limits.expand_depth_max=16",
        noticed("input::questions", "expand=parent.parent."),
    ),
    ("limits.page_max=1000", noticed("input::questions", "limit=501")),
];

/// What is wrong with how `noticed` fails without the defence; `None` where it fails as it should.
async fn complaint(mutant: &str, settings: &str, noticed: &Noticed) -> Option<String> {
    let test = format!("hostile::{}", noticed.by);
    let mut command = Command::new(std::env::current_exe().expect("a test is a program"));
    command
        .args([&test, "--exact", "--test-threads", "1"])
        .env(MUTANT, mutant)
        .env(SETTINGS, settings)
        .env(PATIENCE, if noticed.is_by_waiting { "5" } else { "30" })
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = command.output().await.expect("the test starts again");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "{test} is no test: {said}");
    let is_noticed = !output.status.success() && said.contains(noticed.saying);
    let beginning: String = said.chars().take(4_000).collect();
    (!is_noticed).then(|| format!("{test} doesn't notice that {mutant}{settings} is missing:\n{beginning}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_missing_defence_is_noticed() {
    let engine = Engine::ALL.iter().map(|mutant| (mutant.name(), of_engine(*mutant)));
    let api = Api::ALL.iter().map(|mutant| (mutant.name(), Some(of_api(*mutant))));
    let binary = Binary::ALL.iter().map(|mutant| (mutant.name(), of_binary(*mutant)));
    let mutants = engine.chain(api).chain(binary);
    let mutants = mutants.filter_map(|(mutant, noticed)| {
        let noticed = noticed?;
        Some((mutant, noticed.settings, noticed))
    });
    let lifted = LIFTED.into_iter().map(|(setting, noticed)| ("", setting, noticed));
    let complaints: Vec<String> = stream::iter(mutants.chain(lifted).collect::<Vec<_>>())
        .map(|(mutant, settings, noticed)| async move { complaint(mutant, settings, &noticed).await })
        .buffer_unordered(AT_ONCE)
        .filter_map(|complaint| async { complaint })
        .collect()
        .await;
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}
