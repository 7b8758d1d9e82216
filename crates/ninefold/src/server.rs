//! The HTTP server: connections in, requests to the surfaces of the moment, a clean end.
//!
//! HTTP/1.1 and HTTP/2 (with prior knowledge) on one port. Everything has a limit: connections at once, the time and size
//! of a request's head, idle connections, answers that nobody reads, and how long the end may take. They can be exchanged while requests
//! are being answered: each goes to those that were current when it came.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use api::Surfaces;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

use crate::config::Limits;

/// A pause after a failed accept: out of file descriptors, most of the time, which only patience mends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often an HTTP/2 connection is asked whether anybody is there, and how long the answer may take.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// What answers now.
#[derive(Clone)]
pub(crate) struct Routes(Arc<RwLock<Surfaces>>);

impl Routes {
    pub(crate) fn new(surfaces: Surfaces) -> Self {
        Self(Arc::new(RwLock::new(surfaces)))
    }

    pub(crate) fn replace(&self, surfaces: Surfaces) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = surfaces;
    }

    async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let surfaces = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(surfaces.answer(peer, request.map(Body::new)).await)
    }
}

/// Answers until `stop`, then finishes what has begun, within the limit's drain time-out.
pub(crate) async fn serve(listener: TcpListener, routes: Routes, limits: &Limits, stop: &CancellationToken) {
    let server = Server {
        routes,
        builder: builder(limits),
        first_request: Duration::from_millis(limits.header_timeout_ms),
        unread: Duration::from_millis(limits.write_timeout_ms),
    };
    if !mutant!(OpenFiles) {
        have_files(limits.connections_max);
    }
    let slots = Arc::new(Semaphore::new(limits.connections_max));
    let graceful = GracefulShutdown::new();
    // Dropped at the end, which cuts off who is still there.
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = accept(&listener, &slots) => accepted,
        };
        match accepted {
            Ok((stream, peer, slot)) => {
                let connection = server.clone().connection(stream, peer, &graceful);
                connections.spawn(async move {
                    connection.await;
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drain = Duration::from_millis(limits.drain_timeout_ms);
    if timeout(drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "some requests did not end in time and are cut off"
        );
    }
}

/// Besides connections: the database's, sockets that listen, the log.
const OTHER_FILES: u64 = 256;

/// Raises the process's limit of open files to what the connections need, as far as the system lets it.
#[cfg(unix)]
fn have_files(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = u64::try_from(connections)
        .unwrap_or(u64::MAX)
        .saturating_add(OTHER_FILES);
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let allowed = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    limit.current = Some(allowed);
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    if allowed < wanted {
        tracing::warn!(
            allowed,
            wanted,
            "the system allows fewer open files than limits.connections_max needs; raise `ulimit -Hn`, or lower it"
        );
    }
}

#[cfg(not(unix))]
fn have_files(_connections: usize) {}

type Slot = tokio::sync::OwnedSemaphorePermit;

/// The next connection, as soon as there is room for it. Cancel-safe.
async fn accept(listener: &TcpListener, slots: &Arc<Semaphore>) -> io::Result<(TcpStream, SocketAddr, Slot)> {
    let slot = slots
        .clone()
        .acquire_owned()
        .await
        .expect("nobody closes the semaphore of connections");
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, slot))
}

fn builder(limits: &Limits) -> Builder<TokioExecutor> {
    let header_bytes = u32::try_from(limits.header_bytes_max).unwrap_or(u32::MAX);
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.header_timeout_ms))
        .max_buf_size(limits.header_bytes_max)
        .ignore_invalid_headers(mutant!(HeaderForm))
        .half_close(mutant!(HalfClose));
    if mutant!(HeaderCount) {
        builder.http1().max_headers(limits.header_bytes_max);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(header_bytes)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_INTERVAL);
    builder
}

#[derive(Clone)]
struct Server {
    routes: Routes,
    builder: Builder<TokioExecutor>,
    first_request: Duration,
    unread: Duration,
}

impl Server {
    fn connection(
        self,
        stream: TcpStream,
        peer: SocketAddr,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = ()> + Send + use<> {
        let watcher = graceful.watcher();
        async move {
            // Small answers leave at once. A socket that refuses this is about to fail anyway.
            let _ = stream.set_nodelay(true);
            let mut stream = TimeoutStream::new(stream);
            stream.set_write_timeout(Some(self.unread));
            let began = Arc::new(Notify::new());
            let routes = self.routes;
            let service = {
                let began = began.clone();
                service_fn(move |request| {
                    began.notify_one();
                    let routes = routes.clone();
                    async move { routes.answer(peer, request).await }
                })
            };
            let connection = self
                .builder
                .serve_connection(TokioIo::new(Box::pin(stream)), service)
                .into_owned();
            let silent = async {
                // The builder waits without limit for the bytes that tell HTTP/1 from HTTP/2.
                if timeout(self.first_request, began.notified()).await.is_ok() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                ended = watcher.watch(connection) => {
                    if let Err(error) = ended {
                        tracing::debug!(%peer, error, "a connection ended early");
                    }
                }
                () = silent => {}
            }
        }
    }
}
