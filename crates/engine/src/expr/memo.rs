//! What a rule comes to for all callers of a kind, remembered.
//!
//! Lowering folds away what the facts decide. Most rules ask of the caller only whether anybody is signed in, and leave
//! the rest to parameters: what they come to is the same for everybody who is, and for everybody who isn't, so it is
//! found once per model. [`Lowerer`](super::lower::Lowerer) notes when it has looked at anything more personal; such a
//! rule is lowered each time.

use std::sync::OnceLock;

use super::{Aliases, Decision, Facts};
use crate::access::Principal;
use crate::query::Pred;

/// Of one expression.
#[derive(Debug, Default)]
pub(super) struct Memo {
    anonymous: Kept,
    user: Kept,
}

/// `None` inside: it depends on who exactly asks, or when.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) decision: OnceLock<Option<Decision>>,
    /// On [`Alias::ROOT`](crate::query::Alias::ROOT), and the aliases that are left.
    pub(super) predicate: OnceLock<Option<(Pred, Aliases)>>,
}

impl Memo {
    /// Administrators are granted without a rule; they aren't worth remembering.
    pub(super) fn of(&self, facts: Facts<'_>) -> Option<&Kept> {
        match facts.principal {
            Principal::Anonymous => Some(&self.anonymous),
            Principal::User { .. } => Some(&self.user),
            Principal::Administrator { .. } => None,
        }
    }
}
