//! Each suite notices the loss of each defence that it is there for.

use store_sql::mutants::Mutant;

use super::node::Setup;
use super::power::Weather;
use super::{Dice, faults, kill, power};

/// A missing defence is found within so many kills, or not at all.
const KILLS_MAX: usize = 60;
const CUTS_MAX: usize = 60;

fn without(mutant: Mutant) -> Setup {
    Setup {
        mutant: Some(mutant.name()),
        ..Setup::default()
    }
}

/// Which suite must notice. A new mutant has to be placed here.
async fn findings(mutant: Mutant) -> Vec<String> {
    match mutant {
        Mutant::Sync | Mutant::AnswerAfterCommit => {
            power::run(without(mutant), Weather::Fair, CUTS_MAX, Dice::fresh()).await
        }
        Mutant::Savepoint | Mutant::KeyWithWrite => kill::run(without(mutant), KILLS_MAX, Dice::fresh()).await.findings,
        Mutant::Presence => faults::take_away(without(mutant)).await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_missing_defence_is_noticed() {
    for mutant in Mutant::ALL {
        let findings = findings(*mutant).await;
        assert!(!findings.is_empty(), "nobody notices that {} is missing", mutant.name());
        println!(
            "without {}: {}",
            mutant.name(),
            findings[..findings.len().min(2)].join("\n  ")
        );
    }
}
