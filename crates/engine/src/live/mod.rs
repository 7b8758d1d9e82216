//! Who watches what: changes in, notifications out.

use std::sync::Arc;

use crate::error::Error;
use crate::model::{Key, Model, Row};
use crate::query::Projection;

/// One subscription. Dropping it ends it.
pub struct Watch {}

#[derive(Debug, Clone)]
pub enum Notification {
    /// The whole result, to begin with and after [`ChangeEvent::Lagged`](crate::ports::store::ChangeEvent).
    Snapshot(Vec<Row>),
    /// In the result now, and wasn't.
    Created(Row),
    Updated(Row),
    /// Deleted, no longer matching, no longer readable, or pushed out of the page.
    Removed(Key),
}

impl Watch {
    pub fn model(&self) -> &Arc<Model> {
        unimplemented!()
    }

    pub fn projection(&self) -> &Arc<Projection> {
        unimplemented!()
    }

    /// The next notifications with the position that they bring the subscriber to; `None` when the engine stops.
    /// `Err` ends the subscription: the rule no longer lets the caller ask at all. Cancel-safe.
    pub async fn next(&mut self) -> Option<Result<(u64, Vec<Notification>), Error>> {
        unimplemented!()
    }
}
