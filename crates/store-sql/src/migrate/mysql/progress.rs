//! How far a leg came.
//!
//! What changes a table on MySQL is committed by that, so a leg can't be taken back. Its end is recorded as on every
//! database; until then, what it has done so far is. Whoever comes next goes on from there.

use std::fmt;

use engine::model::Structure;
use engine::model::migration::Leg;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The leg's steps, by which it is known again.
    steps: Vec<String>,
    /// Whether it belongs to files, which only their own steps bring to an end.
    has_files: bool,
    /// The step that it is at, and how many of that one's actions are done.
    pub(super) step: usize,
    pub(super) action: usize,
    /// What the steps before that one have made.
    structure: Structure,
}

impl Progress {
    /// Before the first step.
    pub(super) fn of(leg: &Leg) -> Self {
        Self {
            steps: steps(leg),
            has_files: !leg.files.is_empty(),
            step: 0,
            action: 0,
            structure: leg.before.clone(),
        }
    }

    pub(super) fn is_of(&self, leg: &Leg) -> bool {
        self.steps == steps(leg)
    }

    pub(super) fn step_done(&mut self, structure: &Structure) {
        self.step += 1;
        self.action = 0;
        self.structure = structure.clone();
    }

    /// The structure of a database that was left between two steps, from which another way can be taken.
    pub(super) fn resting(&self) -> Option<&Structure> {
        (self.action == 0 && !self.has_files).then_some(&self.structure)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a migration, of which {} of {} steps are done",
            self.step,
            self.steps.len()
        )
    }
}

fn steps(leg: &Leg) -> Vec<String> {
    let written = |step| serde_json::to_string(step).expect("a step is plain data");
    leg.steps.iter().map(written).collect()
}
