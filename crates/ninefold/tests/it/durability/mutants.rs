//! Each suite notices the loss of each defence that it is there for.

use std::time::Duration;

use engine::access::mutants::Mutant as Pipeline;
use store_sql::mutants::Mutant;

use super::node::Setup;
use super::power::Weather;
use super::{Dice, faults, history, kill, power};
use crate::{outages, replicas};

/// A missing defence is found within so many kills, cuts or so long a history, or not at all.
const KILLS_MAX: usize = 100;
const CUTS_MAX: usize = 200;
/// Whether a failing sync does harm is luck: so many times the disk has its bad moments anew.
const STORMS_MAX: usize = 20;
const CUTS_PER_STORM: usize = 30;
const HISTORY_MAX: Duration = Duration::from_secs(40);

fn without(name: &'static str) -> Setup {
    Setup {
        mutant: Some(name),
        ..Setup::default()
    }
}

/// Which suite must notice. A new mutant has to be placed here.
async fn findings(mutant: Mutant) -> Vec<String> {
    let setup = without(mutant.name());
    match mutant {
        Mutant::Sync | Mutant::AnswerAfterCommit => power::run(setup, Weather::Fair, CUTS_MAX, Dice::fresh()).await,
        Mutant::CopyAgain => {
            let mut findings = Vec::new();
            for _ in 0..STORMS_MAX {
                if findings.is_empty() {
                    findings = power::run(setup.clone(), Weather::Rough, CUTS_PER_STORM, Dice::fresh()).await;
                }
            }
            findings
        }
        Mutant::Savepoint | Mutant::KeyWithWrite => kill::run(setup, KILLS_MAX, Dice::fresh()).await.findings,
        Mutant::OneTransaction | Mutant::OneMoment => history::run(setup, HISTORY_MAX, Dice::fresh()).await,
        Mutant::TryAgain => outages::given_up(setup.mutant).await,
        Mutant::LostPrimary => outages::failover::switched_over(setup.mutant).await,
        Mutant::SignOfLife => outages::stalled(setup.mutant).await,
        Mutant::OwnWrites => replicas::own_writes(setup.mutant).await,
        Mutant::LagLimit => replicas::too_old(setup.mutant).await,
        Mutant::Presence => faults::take_away(setup).await,
    }
}

fn assert_noticed(name: &str, findings: &[String]) {
    assert!(!findings.is_empty(), "nobody notices that {name} is missing");
    println!("without {name}: {}", findings[..findings.len().min(2)].join("\n  "));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_missing_defence_is_noticed() {
    for mutant in Mutant::ALL {
        assert_noticed(mutant.name(), &findings(*mutant).await);
    }
    let unconditional = without(Pipeline::Precondition.name());
    let findings = history::run(unconditional, HISTORY_MAX, Dice::fresh()).await;
    assert_noticed(Pipeline::Precondition.name(), &findings);
}
