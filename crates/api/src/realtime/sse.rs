//! A stream of events: one task that waits for what changes and hands frames to the connection.
//!
//! Between the two stand at most [`FRAMES_MAX`] frames. What changes while a client doesn't read is taken together by the engine;
//! a client that reads nothing for `slow_client_timeout` is cut off, so that its subscription is free for others.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use engine::Error;
use engine::live::Watch;
use engine::model::Row;
use futures::stream;
use http::{HeaderName, HeaderValue, header};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{Subject, frame};
use crate::Shared;
use crate::caller::Caller;
use crate::error::Problem;
use crate::rest::private;

const FRAMES_MAX: usize = 16;

/// One client that listens.
pub(super) struct Listener {
    shared: Shared,
    request_id: Arc<str>,
    path: String,
    subject: Subject,
}

/// Why a stream ends.
enum End {
    /// The client went away, or the server stops.
    Closed,
    /// The client reads too slowly.
    Slow,
    /// The listener may no longer ask.
    Refused(Error),
}

impl Listener {
    pub(super) fn new(shared: &Shared, caller: &Caller, path: &str, subject: Subject) -> Self {
        Self {
            shared: shared.clone(),
            request_id: caller.ctx.request_id.clone(),
            path: path.to_owned(),
            subject,
        }
    }

    /// The answer: a snapshot, and what comes after it.
    pub(super) fn respond(self, watch: Watch, rows: &[Row]) -> Response {
        let (sender, mut frames) = mpsc::channel(FRAMES_MAX);
        let first = [frame::retry(), frame::snapshot(&watch, self.subject, rows)];
        let tasks = self.shared.tasks.clone();
        tasks.spawn(self.run(watch, sender).in_current_span());
        let later = stream::poll_fn(move |context| frames.poll_recv(context));
        let frames = futures::StreamExt::chain(stream::iter(first), later);
        let mut response = Response::new(Body::from_stream(futures::StreamExt::map(frames, Ok::<_, Infallible>)));
        let headers = response.headers_mut();
        private(headers);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        // Proxies that buffer answers would hold the events back.
        headers.insert(
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        );
        response
    }

    async fn run(self, mut watch: Watch, sender: mpsc::Sender<Bytes>) {
        let outlet = Outlet {
            sender,
            timeout: self.shared.config.slow_client_timeout,
        };
        match self.pump(&mut watch, &outlet, &self.shared.shutdown).await {
            End::Closed => {}
            End::Slow => tracing::info!(path = self.path, "a listener read too slowly and was cut off"),
            End::Refused(error) => {
                let problem = Problem::from(error);
                if let Some(source) = problem.source() {
                    tracing::error!(error = source, "a live query failed");
                }
                // Whether it still hears is its own affair; the stream ends either way.
                let _ = outlet.send(frame::error(&problem, &self.request_id, &self.path)).await;
            }
        }
    }

    async fn pump(&self, watch: &mut Watch, outlet: &Outlet, shutdown: &CancellationToken) -> End {
        let every = self.shared.config.heartbeat;
        let mut heartbeat = interval_at(Instant::now() + every, every);
        loop {
            let news = {
                // Not dropped at a heartbeat: what it has begun to look at would be lost.
                let mut next = pin!(watch.next());
                loop {
                    tokio::select! {
                        biased;
                        () = shutdown.cancelled() => return End::Closed,
                        () = outlet.sender.closed() => return End::Closed,
                        news = &mut next => break news,
                        _ = heartbeat.tick() => {
                            if let Err(end) = outlet.send(frame::heartbeat()).await {
                                return end;
                            }
                        }
                    }
                }
            };
            let notifications = match news {
                None => return End::Closed,
                Some(Err(error)) => return End::Refused(error),
                Some(Ok(notifications)) => notifications,
            };
            let frames = notifications
                .iter()
                .map(|notification| frame::notification(watch, self.subject, notification));
            for frame in frames.collect::<Vec<_>>() {
                if let Err(end) = outlet.send(frame).await {
                    return end;
                }
            }
        }
    }
}

/// The way to the connection.
struct Outlet {
    sender: mpsc::Sender<Bytes>,
    timeout: Duration,
}

impl Outlet {
    async fn send(&self, frame: Bytes) -> Result<(), End> {
        match timeout(self.timeout, self.sender.send(frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Closed),
            Err(_) => Err(End::Slow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_does_not_read_is_cut_off() {
        let (sender, mut frames) = mpsc::channel(1);
        let outlet = Outlet {
            sender,
            timeout: Duration::from_millis(50),
        };
        assert!(outlet.send(frame::heartbeat()).await.is_ok());
        assert!(matches!(outlet.send(frame::heartbeat()).await, Err(End::Slow)));
        assert!(frames.recv().await.is_some());
        assert!(outlet.send(frame::heartbeat()).await.is_ok());
        drop(frames);
        assert!(matches!(outlet.send(frame::heartbeat()).await, Err(End::Closed)));
    }
}
