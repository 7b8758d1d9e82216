//! Bodies of these endpoints: small JSON objects, each member by name; what is left over is refused.

use axum::extract::Request;
use engine::operations::{Ctx, Data};
use engine::ports::Secret;
use engine::{Error, FieldError};
use http::{HeaderMap, header};
use serde_json::Value;

use crate::body::{self, Accepts};
use crate::error::Problem;

/// No password, token or record of a user needs more.
const BODY_BYTES_MAX: usize = 64 * 1024;

pub(super) struct Input {
    members: Data,
    errors: Vec<FieldError>,
    pub(super) user_agent: Option<String>,
}

impl Input {
    /// # Errors
    /// What [`body::read`] and [`body::json`] refuse; 422 for what is no object.
    pub(super) async fn read(ctx: &Ctx, request: Request) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let limit = if unlimited!(AuthBodyBytes) {
            usize::MAX
        } else {
            BODY_BYTES_MAX
        };
        let bytes = body::read(ctx.deadline, &parts.headers, body, Accepts::Json, limit).await?;
        let members = body::object(body::json(&bytes)?, "")?;
        let user_agent = user_agent(&parts.headers);
        Ok(Self {
            members,
            errors: Vec::new(),
            user_agent,
        })
    }

    /// As [`Input::read`]; nothing where there is no body.
    pub(super) async fn read_optional(ctx: &Ctx, request: Request) -> Result<Self, Problem> {
        if request.headers().contains_key(header::CONTENT_TYPE) {
            return Self::read(ctx, request).await;
        }
        Ok(Self {
            members: Data::new(),
            errors: Vec::new(),
            user_agent: None,
        })
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A required text; empty when it is missing, which [`Input::finish`] tells.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        let text = self.optional_text(name);
        if text.is_none() && !self.errors.iter().any(|error| error.field == name) {
            self.errors.push(FieldError::new(name, "required", "is required"));
        }
        text.unwrap_or_default()
    }

    pub(super) fn secret(&mut self, name: &'static str) -> Secret<String> {
        Secret::new(self.text(name))
    }

    pub(super) fn optional_text(&mut self, name: &'static str) -> Option<String> {
        match self.members.shift_remove(name)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            _ => {
                self.errors.push(FieldError::new(name, "wrong_type", "must be text"));
                None
            }
        }
    }

    /// # Errors
    /// All that was wrong, members that nobody asked for included.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        let unknown = |name: &String| FieldError::new(name, "unknown_field", "isn't taken here; leave it out");
        self.errors.extend(self.members.keys().map(unknown));
        self.rest().map(|_| ())
    }

    /// The members that are left, to be judged by somebody else.
    ///
    /// # Errors
    /// All that was wrong.
    pub(super) fn rest(self) -> Result<Data, Error> {
        if self.errors.is_empty() {
            Ok(self.members)
        } else {
            Err(Error::invalid(self.errors))
        }
    }
}

fn user_agent(headers: &HeaderMap) -> Option<String> {
    headers.get(header::USER_AGENT)?.to_str().ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(members: Value) -> Input {
        Input {
            members: body::object(members, "").unwrap(),
            errors: Vec::new(),
            user_agent: None,
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut input = input(json!({"email": 5, "passwort": "x", "token": null}));
        input.text("email");
        input.text("password");
        assert_eq!(input.optional_text("token"), None);
        let error = input.finish().unwrap_err();
        let told: Vec<_> = error.fields.iter().map(|at| (at.field.as_str(), &*at.code)).collect();
        assert_eq!(
            told,
            [
                ("email", "wrong_type"),
                ("password", "required"),
                ("passwort", "unknown_field")
            ]
        );
    }

    #[test]
    fn what_is_left_belongs_to_the_record() {
        let mut input = input(json!({"email": "ana@example.org", "name": "Ana"}));
        assert_eq!(input.text("email"), "ana@example.org");
        assert_eq!(Value::from(input.rest().unwrap()), json!({"name": "Ana"}));
    }
}
