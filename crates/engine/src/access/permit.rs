//! The proof that a plan passed the rules.

use crate::model::Epoch;

/// A plan that `engine::access` has granted. Stores take nothing else.
///
/// Not `Clone`, and can't be made outside this crate: no surface, present or future, reaches data without the rules.
/// A store compares [`Permit::epoch`] with the model that it has adopted and refuses a stale one.
#[derive(Debug)]
pub struct Permit<P> {
    plan: P,
    epoch: Epoch,
}

impl<P> Permit<P> {
    pub(crate) fn seal(plan: P, epoch: Epoch) -> Self {
        Self { plan, epoch }
    }

    pub fn plan(&self) -> &P {
        &self.plan
    }

    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// For the store that carries it out.
    pub fn into_plan(self) -> P {
        self.plan
    }
}
