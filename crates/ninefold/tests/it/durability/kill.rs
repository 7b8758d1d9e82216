//! SIGKILL in the middle of writing, again and again.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::ledger::{self, SCHEMA, Writer};
use super::node::{Node, Setup, damage};
use super::{Dice, soak_factor};

const WRITERS: i64 = 8;
const ROUNDS: usize = 100;
/// The server's records are held against the books after so many rounds, and at the end.
const ROUNDS_PER_AUDIT: usize = 10;

/// What was found, and how it went.
pub(super) struct Report {
    pub(super) findings: Vec<String>,
    steps: usize,
    replays: usize,
}

/// Writes under kills until something is found, or for so many rounds.
pub(super) async fn run(setup: Setup, rounds: usize, mut dice: Dice) -> Report {
    let node = Node::new(SCHEMA, setup);
    let mut writers: Vec<_> = (0..WRITERS)
        .map(|id| Writer::new(id, Dice(dice.next()), Arc::new(|| 0)))
        .collect();
    let mut findings = Vec::new();
    let mut server = node.start().await;
    ledger::prepare(&server.client()).await;
    for round in 1..=rounds {
        let load = Duration::from_millis(20 + dice.below(160));
        writers = write_until(&server.client(), writers, async {
            sleep(load).await;
            server.kill().await;
        })
        .await;
        findings.extend(damage(&node.database()));
        if dice.below(5) == 0 {
            // In the middle of its start, too.
            let mut early = node.command().stderr(Stdio::null()).spawn().expect("the binary starts");
            sleep(Duration::from_millis(dice.below(120))).await;
            early.kill().await.expect("the server runs");
        }
        server = node.start().await;
        if round % ROUNDS_PER_AUDIT == 0 || round == rounds {
            findings.extend(ledger::audit(&server.client(), &writers, u64::MAX).await);
        }
        if !findings.is_empty() {
            break;
        }
    }
    Report {
        findings,
        steps: writers.iter().map(Writer::answered).sum(),
        replays: writers.iter().map(|writer| writer.replays).sum(),
    }
}

/// Everybody writes until `end` has happened and they have noticed.
pub(super) async fn write_until(
    client: &crate::app::Client,
    writers: Vec<Writer>,
    end: impl Future<Output = ()>,
) -> Vec<Writer> {
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|mut writer| {
            let client = client.clone();
            tokio::spawn(async move {
                writer.write(&client, usize::MAX).await;
                writer
            })
        })
        .collect();
    end.await;
    let mut writers = Vec::with_capacity(tasks.len());
    for task in tasks {
        writers.push(task.await.expect("a writer does not panic"));
    }
    writers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_survives_being_killed() {
    let dice = Dice::fresh();
    let seed = dice.clone();
    let rounds = ROUNDS * soak_factor();
    let report = run(Setup::default(), rounds, dice).await;
    assert!(report.findings.is_empty(), "{seed:?}:\n{}", report.findings.join("\n"));
    println!(
        "{rounds} kills, {} answers, {} of them to a write that had happened before the kill",
        report.steps, report.replays
    );
    // Otherwise the kills came at the wrong moments, and nothing was shown.
    assert!(report.replays > 0, "no kill came between a commit and its answer");
}
