//! A wire between a client and a server that a test can cut, stall, and lay to another server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How much is on its way at once.
const CHUNK: usize = 16 * 1024;

pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    accepted: Arc<AtomicU64>,
    /// Each connection that there is has one.
    living: Arc<()>,
    task: JoinHandle<()>,
}

/// Connections have numbers, in the order in which they came.
#[derive(Debug, Clone, Copy)]
struct Weather {
    server: SocketAddr,
    /// Those with lower numbers are at their end.
    cut: u64,
    /// On those with lower numbers nothing passes, and neither end hears of it.
    stalled: u64,
    /// On those with lower numbers nothing comes back from the server.
    muted: u64,
}

impl Proxy {
    /// To a server on this machine.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let weather = watch::Sender::new(Weather {
            server: (Ipv4Addr::LOCALHOST, port).into(),
            cut: 0,
            stalled: 0,
            muted: 0,
        });
        let (accepted, living) = (Arc::new(AtomicU64::default()), Arc::new(()));
        let (view, counter, life) = (weather.subscribe(), Arc::clone(&accepted), Arc::clone(&living));
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = counter.fetch_add(1, Ordering::AcqRel);
                let (view, life) = (view.clone(), Arc::clone(&life));
                tokio::spawn(async move {
                    pass(client, number, view).await;
                    drop(life);
                });
            }
        });
        Self {
            address,
            weather,
            accepted,
            living,
            task,
        }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections there have been.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Acquire)
    }

    /// How many connections there are.
    pub fn open(&self) -> usize {
        // One is its own, another that of the task that accepts.
        Arc::strong_count(&self.living) - 2
    }

    /// Ends all connections that there are.
    pub fn cut(&self) {
        let accepted = self.accepted();
        self.weather.send_modify(|weather| weather.cut = accepted);
    }

    /// Nothing passes any more on the connections that there are: as when a firewall has forgotten them.
    pub fn stall(&self) {
        let accepted = self.accepted();
        self.weather.send_modify(|weather| weather.stalled = accepted);
    }

    /// What is sent on the connections that there are still arrives; the answers don't.
    pub fn mute(&self) {
        let accepted = self.accepted();
        self.weather.send_modify(|weather| weather.muted = accepted);
    }

    /// New connections go to another server.
    pub fn lead_to(&self, port: u16) {
        self.weather.send_modify(|weather| weather.server.set_port(port));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn pass(client: TcpStream, number: u64, mut weather: watch::Receiver<Weather>) {
    let server = weather.borrow().server;
    // One that isn't there is known by the end of the connection.
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let view = weather.clone();
    let both = async {
        tokio::join!(
            one_way(from_client, to_server, view.clone(), |weather| number
                >= weather.stalled),
            one_way(from_server, to_client, view, |weather| number
                >= weather.stalled.max(weather.muted))
        )
    };
    let end = async {
        // It comes with the end of the proxy itself, too.
        let _ = weather.wait_for(|weather| number < weather.cut).await;
    };
    tokio::select! {
        _ = both => {}
        () = end => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
    passes: impl Fn(&Weather) -> bool,
) {
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let is_let_through = weather.wait_for(&passes).await.is_ok();
        if !is_let_through || to.write_all(&chunk[..length]).await.is_err() {
            break;
        }
    }
    // The other end is told, unless nothing passes.
    if weather.wait_for(&passes).await.is_ok() {
        let _ = to.shutdown().await;
    }
}
