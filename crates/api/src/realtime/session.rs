//! Whether a listener is still who it was: asked again and again while it listens.

use std::sync::Arc;

use async_trait::async_trait;
use engine::Error;
use engine::access::Principal;
use engine::live::Renew;
use identity::Identity;

use crate::Shared;

/// The token that a stream was opened with.
pub(super) struct Session {
    identity: Arc<Identity>,
    bearer: Option<String>,
}

impl Session {
    pub(super) fn new(shared: &Shared, bearer: Option<String>) -> Self {
        Self {
            identity: shared.identity.clone(),
            bearer,
        }
    }
}

#[async_trait]
impl Renew for Session {
    async fn principal(&self) -> Result<Principal, Error> {
        self.identity.authenticate(self.bearer.as_deref()).await
    }
}
