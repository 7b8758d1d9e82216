//! Requests, as the harness sends them itself and as wrk does.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use ureq::Agent;
use ureq::http;

const TIMEOUT: Duration = Duration::from_secs(120);

/// One request to a server, whose address is added later.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    pub(crate) body: Option<String>,
}

impl Request {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self {
            method: "GET",
            path: path.into(),
            ..Self::default()
        }
    }

    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self {
            method: "POST",
            path: path.into(),
            body: Some(body.to_string()),
            ..Self::default()
        }
    }

    pub(crate) fn patch(path: impl Into<String>, body: &Value) -> Self {
        Self {
            method: "PATCH",
            ..Self::post(path, body)
        }
    }

    pub(crate) fn signed(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// The bytes on the wire (HTTP/1.1), the connection kept open.
    pub(crate) fn bytes(&self, host: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {host}\r\n", self.method, self.path);
        if let Some(token) = &self.token {
            text.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if let Some(body) = &self.body {
            text.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        text.push_str("\r\n");
        text.push_str(self.body.as_deref().unwrap_or_default());
        text.into_bytes()
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    /// The body of a success.
    pub(crate) fn json(self) -> Result<Value> {
        ensure!(
            (200..300).contains(&self.status),
            "answered {}: {}",
            self.status,
            self.body
        );
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&self.body).with_context(|| format!("an answer that is not JSON: {}", self.body))
    }
}

/// A client of one server.
pub(crate) struct Client {
    agent: Agent,
    pub(crate) address: String,
}

impl Client {
    pub(crate) fn new(address: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIMEOUT))
            .build();
        Self {
            agent: config.into(),
            address: address.to_owned(),
        }
    }

    pub(crate) fn send(&self, request: &Request) -> Result<Answer> {
        let what = || format!("{} {}", request.method, request.path);
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(format!("http://{}{}", self.address, request.path));
        if let Some(token) = &request.token {
            builder = builder.header("Authorization", format!("Bearer {token}"));
        }
        let answered = match &request.body {
            Some(body) => {
                let sent = builder.header("Content-Type", "application/json").body(body.as_str())?;
                self.agent.run(sent)
            }
            None => self.agent.run(builder.body(())?),
        };
        let mut response = answered.with_context(what)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(1 << 28).read_to_string();
        Ok(Answer {
            status,
            body: body.with_context(what)?,
        })
    }

    /// # Errors
    /// Anything but a 2xx, with the answer.
    pub(crate) fn expect(&self, request: &Request) -> Result<Value> {
        let answer = self.send(request)?;
        answer
            .json()
            .with_context(|| format!("{} {}", request.method, request.path))
    }
}

/// For a query string: all but RFC 3986's unreserved characters.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_what_a_server_reads() {
        let request = Request {
            body: Some("{}".to_owned()),
            ..Request::get("/a")
        };
        let expected = "GET /a HTTP/1.1\r\nHost: h:1\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
        assert_eq!(String::from_utf8(request.signed("t").bytes("h:1")).unwrap(), expected);
    }

    #[test]
    fn encodes_a_filter() {
        assert_eq!(encoded("a == \"c1\""), "a%20%3D%3D%20%22c1%22");
    }
}
