//! Cursors with a valid seal around anything: what another version wrote, or somebody who has the key.

use engine::operations::ListRequest;
use futures::executor::block_on;

use super::requests::{Requests, administrator, fair};

/// Of one field and of several, of every type, with and without null, through relations, both ways.
const SORTS: [&str; 12] = [
    "id",
    "title",
    "-priority,title",
    "ratio",
    "price,-day",
    "due",
    "team.name,owner.age",
    "done,phase",
    "big,-status",
    "rate,-fee,closed",
    "-until,-total",
    "flag,note",
];

impl Requests {
    /// The first byte says what is sorted by, the rest is where the page before is said to have ended.
    ///
    /// # Panics
    /// Where such a cursor is not refused and has no page either.
    pub fn cursor(&self, input: &[u8]) {
        let Some((sort, payload)) = input.split_first() else {
            return;
        };
        let mut request = ListRequest {
            collection: self.path.clone(),
            sort: Some(SORTS[usize::from(*sort) % SORTS.len()].to_owned()),
            limit: Some(3),
            ..ListRequest::default()
        };
        let ctx = administrator();
        request.cursor = Some(self.engine.forge_cursor(&ctx.principal, &request, payload));
        fair(input, block_on(self.engine.list(&ctx, &request)));
    }
}
