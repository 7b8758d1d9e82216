//! No migration while a move follows the database: its log has keys as they are now, and what a migration changes in rows is
//! in no log.

use engine::model::migration::Leg;
use engine::ports::migrator::{MigrateError, Refusal};

/// # Errors
/// The leg changes something, and there is a log.
pub(super) fn refuse(leg: &Leg, is_followed: bool) -> Result<(), MigrateError> {
    if leg.steps.is_empty() || !is_followed {
        return Ok(());
    }
    Err(MigrateError::Refused(Refusal {
        step: "change the structure".to_owned(),
        reason: "a move of this database is under way; finish it first, or give it up with `ninefold move --abandon`"
            .to_owned(),
    }))
}
