//! Who is calling.

use std::sync::Arc;

use uuid::Uuid;

/// The caller, as `identity` found it. An administrator is a principal, not a bypass: the same pipeline serves it,
/// under rules that grant.
#[derive(Debug, Clone, PartialEq)]
pub enum Principal {
    Anonymous,
    User {
        id: Uuid,
        roles: Arc<[Box<str>]>,
        claims: Arc<serde_json::Map<String, serde_json::Value>>,
    },
    Administrator {
        id: Uuid,
    },
}

impl Principal {
    /// `auth.id`; an administrator is no user and has none.
    pub fn user_id(&self) -> Option<Uuid> {
        if let Self::User { id, .. } = self {
            Some(*id)
        } else {
            None
        }
    }

    pub fn roles(&self) -> &[Box<str>] {
        if let Self::User { roles, .. } = self {
            roles
        } else {
            &[]
        }
    }

    pub fn is_administrator(&self) -> bool {
        matches!(self, Self::Administrator { .. })
    }

    pub fn is_anonymous(&self) -> bool {
        matches!(self, Self::Anonymous)
    }
}
