//! A small HTTP client that says what happened and never follows, retries or hides anything.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{self, HeaderMap, Method};
use futures::StreamExt;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value as Json;
use tokio::time::timeout;

/// Longer than anything should take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone)]
pub(crate) struct Client {
    inner: legacy::Client<HttpConnector, Body>,
    address: SocketAddr,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            inner: legacy::Client::builder(TokioExecutor::new()).build_http(),
            address,
            token: None,
        }
    }

    /// Over HTTP/2 with prior knowledge.
    pub(crate) fn http2(address: SocketAddr) -> Self {
        Self {
            inner: legacy::Client::builder(TokioExecutor::new())
                .http2_only(true)
                .build_http(),
            address,
            token: None,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        let mut headers = HeaderMap::new();
        if let Some(token) = &self.token {
            headers.insert(http::header::AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        }
        Request {
            client: self.clone(),
            method: method.parse().unwrap(),
            path: path.to_owned(),
            headers,
            body: Bytes::new(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.request("GET", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Json) -> Response {
        self.request("POST", path).json(body).send().await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Json) -> Response {
        self.request("PATCH", path).json(body).send().await
    }

    pub(crate) async fn put(&self, path: &str, body: &Json) -> Response {
        self.request("PUT", path).json(body).send().await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.request("DELETE", path).send().await
    }
}

/// A request that is not yet sent.
pub(crate) struct Request {
    client: Client,
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// A parameter, encoded.
    pub(crate) fn query(mut self, name: &str, value: &str) -> Self {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        self.path = format!("{}{joint}{}={}", self.path, encoded(name), encoded(value));
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn json(self, body: &Json) -> Self {
        let content_type = if self.method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        self.header("content-type", content_type).body(body.to_string())
    }

    pub(crate) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn send(self) -> Response {
        Response::whole(self.start().await).await
    }

    /// `None` where the server is gone before its answer is whole: whether it did what was asked, nobody knows.
    pub(crate) async fn attempt(self) -> Option<Response> {
        let answer = timeout(PATIENCE, self.begin())
            .await
            .expect("an answer or an end in time");
        let (head, body) = answer.ok()?.into_parts();
        let body = timeout(PATIENCE, axum::body::to_bytes(Body::new(body), usize::MAX)).await;
        Some(Response {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.expect("a body or an end in time").ok()?,
        })
    }

    /// The status line and headers; the body is still to come.
    async fn start(self) -> http::Response<hyper::body::Incoming> {
        let answer = timeout(PATIENCE, self.begin()).await;
        answer.expect("an answer in time").expect("the server answers")
    }

    async fn begin(self) -> Result<http::Response<hyper::body::Incoming>, legacy::Error> {
        let Self {
            client,
            method,
            path,
            headers,
            body,
        } = self;
        let mut request = http::Request::new(Body::from(body));
        *request.uri_mut() = format!("http://{}{path}", client.address).parse().expect("a path");
        *request.method_mut() = method;
        *request.headers_mut() = headers;
        client.inner.request(request).await
    }

    /// Server-sent events.
    pub(crate) async fn events(self) -> Events {
        let response = self.header("accept", "text/event-stream").start().await;
        assert_eq!(response.status(), 200, "{}", Response::whole(response).await.text());
        Events::new(response)
    }

    /// The answer to a live request; where it is a stream, with the data of its first event as the body.
    pub(crate) async fn first_event(self) -> Response {
        let response = self.header("accept", "text/event-stream").start().await;
        if response.status() != 200 {
            return Response::whole(response).await;
        }
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let event = Events::new(response).next().await.expect("a first event");
        Response {
            status,
            headers,
            body: event.data.into(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Response {
    async fn whole(response: http::Response<hyper::body::Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = timeout(PATIENCE, axum::body::to_bytes(Body::new(body), usize::MAX)).await;
        Self {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body.expect("a body in time").expect("a whole body"),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in the answer {}: {}", self.status, self.text()))
    }

    /// Null where there is no body, or none of JSON.
    pub(crate) fn json_or_null(&self) -> Json {
        serde_json::from_slice(&self.body).unwrap_or(Json::Null)
    }
}

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

/// A stream of them.
pub(crate) struct Events {
    pub(crate) headers: HeaderMap,
    body: axum::body::BodyDataStream,
    buffer: String,
}

impl Events {
    fn new(response: http::Response<hyper::body::Incoming>) -> Self {
        Self {
            headers: response.headers().clone(),
            body: Body::new(response.into_body()).into_data_stream(),
            buffer: String::new(),
        }
    }

    /// The next event; comments, which only keep the stream alive, are passed over. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.buffer.find("\n\n") {
                let block: String = self.buffer.drain(..end + 2).collect();
                if let Some(event) = event(&block) {
                    return Some(event);
                }
            }
            let chunk = timeout(PATIENCE, self.body.next()).await.expect("an event in time")?;
            let chunk = chunk.ok()?;
            self.buffer
                .push_str(std::str::from_utf8(&chunk).expect("events are text"));
        }
    }

    /// Whether nothing more comes for a while.
    pub(crate) async fn is_silent_for(&mut self, duration: Duration) -> bool {
        timeout(duration, self.next()).await.is_err()
    }
}

fn event(block: &str) -> Option<Event> {
    let mut event = Event {
        name: "message".to_owned(),
        id: None,
        data: String::new(),
    };
    let mut has_data = false;
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => event.name = value.to_owned(),
            "id" => event.id = Some(value.to_owned()),
            "data" => {
                if has_data {
                    event.data.push('\n');
                }
                event.data.push_str(value);
                has_data = true;
            }
            _ => {}
        }
    }
    has_data.then_some(event)
}

/// Percent-encoded, as in a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
