//! An application at work: its model, database, engine, accounts and surfaces, from start to clean end.
//!
//! [`Application::open`] makes it ready, [`Application::serve`] answers until told to stop, [`Application::close`] ends it. The
//! binary is a thin face of this; a program that embeds Ninefold uses the same three.

mod instance;
mod offline;
pub(crate) mod portable;
mod relocation;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use engine::ports::accounts::AccountStore;
use engine::ports::clock::Clock;
use engine::ports::mail::Mail;
use engine::ports::migrator::{Migrator, Report};
use engine::ports::store::Store;
use engine::{Engine, Model};
use identity::Identity;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::failure::Failure;
use crate::memory;
use crate::server::{self, Routes};
use crate::structure::{self, Structure};
use crate::{schema, wiring};
use instance::Instance;

pub(crate) use offline::{Offline, operator};
pub(crate) use relocation::Relocation;

/// What the application is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Mail goes to the log.
    Development,
    Production,
}

/// How to open an application.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub purpose: Purpose,
    pub structure: Structure,
    /// Where it will be served: part of its public URL, where the configuration names none.
    pub address: Option<SocketAddr>,
}

/// What an application stands on; concrete in `wiring` alone.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Arc<dyn AccountStore>,
    pub(crate) migrator: Arc<dyn Migrator>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) mail: Arc<dyn Mail>,
}

/// See the module.
pub struct Application {
    dir: PathBuf,
    options: Options,
    ports: Ports,
    instance: RwLock<Arc<Instance>>,
    routes: Routes,
}

impl Application {
    /// Reads the schema, opens the database and brings it to the schema's structure as far as the options allow.
    ///
    /// # Errors
    /// A sentence for people, with what to do.
    pub async fn open(dir: &Path, config: Config, options: Options) -> Result<Self, Failure> {
        let model = Arc::new(schema::read(dir)?);
        let adopts = options.structure != Structure::Require;
        let ports = wiring::open_to_serve(dir, &config, options.purpose, adopts).await?;
        match Self::start(dir, config, options, model, &ports).await {
            Ok(instance) => Ok(Self {
                dir: dir.to_owned(),
                options,
                routes: Routes::new(instance.surfaces(dir, options.purpose)),
                instance: RwLock::new(Arc::new(instance)),
                ports,
            }),
            Err(failure) => {
                ports.store.close().await;
                Err(failure)
            }
        }
    }

    async fn start(
        dir: &Path,
        config: Config,
        options: Options,
        model: Arc<Model>,
        ports: &Ports,
    ) -> Result<Instance, Failure> {
        structure::bring(ports, &model, dir, options.structure).await?;
        ports.store.adopt(model.clone());
        Instance::start(dir, config, options, model, ports).await
    }

    fn instance(&self) -> Arc<Instance> {
        self.instance.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn engine(&self) -> Arc<Engine> {
        self.instance().engine.clone()
    }

    pub fn identity(&self) -> Arc<Identity> {
        self.instance().identity.clone()
    }

    /// The address that users see, without a slash at its end.
    pub fn url(&self) -> String {
        self.instance().url.clone()
    }

    pub fn name(&self) -> String {
        self.instance().name.clone()
    }

    /// Goes on with the schema as it now is. When it is wrong, or the database can't follow it, all stays as it was.
    ///
    /// # Errors
    /// What is wrong.
    pub async fn reload_schema(&self) -> Result<Report, Failure> {
        let model = Arc::new(schema::read(&self.dir)?);
        let report = structure::bring(&self.ports, &model, &self.dir, self.options.structure).await?;
        let instance = self.instance();
        instance.engine.adopt(model);
        self.routes.replace(instance.surfaces(&self.dir, self.options.purpose));
        memory::give_back();
        Ok(report)
    }

    /// Goes on with another configuration, but for the database and the address. Live streams end, and their clients
    /// come back.
    ///
    /// # Errors
    /// As [`Application::open`]; all stays as it was.
    pub async fn reload_config(&self, config: Config) -> Result<(), Failure> {
        let model = self.engine().model();
        let next = Instance::start(&self.dir, config, self.options, model, &self.ports).await?;
        let next = Arc::new(next);
        self.routes.replace(next.surfaces(&self.dir, self.options.purpose));
        let former = std::mem::replace(
            &mut *self.instance.write().unwrap_or_else(PoisonError::into_inner),
            next,
        );
        former.end().await;
        Ok(())
    }

    /// Answers until `stop`, then finishes what has begun, within the limit's drain time-out.
    pub async fn serve(&self, listener: TcpListener, stop: CancellationToken) {
        let draining = stop.clone();
        let drained = async {
            draining.cancelled().await;
            // Live streams would never end by themselves.
            self.instance().drain();
        };
        let limits = self.instance().config.limits.clone();
        memory::give_back();
        tokio::join!(server::serve(listener, self.routes.clone(), &limits, &stop), drained);
    }

    /// Ends background work and closes the database.
    pub async fn close(self) {
        let instance = self.instance();
        instance.end().await;
        instance.engine.close().await;
    }
}

/// Listens on the configured address.
///
/// # Errors
/// A sentence for people: the port is taken, mostly.
pub async fn bind(config: &Config) -> Result<TcpListener, Failure> {
    let address = &config.general.listen;
    TcpListener::bind(address.as_str()).await.map_err(|error| {
        let failure = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                Failure::environment(format!("the address {address} is taken by another process"))
            }
            std::io::ErrorKind::PermissionDenied => {
                Failure::environment(format!("this user may not listen on {address}"))
            }
            _ => Failure::environment(format!("can't listen on {address}: {error}")),
        };
        failure.help("choose another with --listen HOST:PORT, or `listen` in ninefold.toml; port 0 takes a free one")
    })
}

/// What a browser on this machine would ask for.
fn local_url(address: SocketAddr) -> String {
    let host = match address.ip() {
        ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    format!("http://{}", SocketAddr::new(host, address.port()))
}

/// `chat` for `examples/chat`, and for `.` in it.
pub(crate) fn folder_name(dir: &Path) -> String {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let name = absolute
        .components()
        .next_back()
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    name.unwrap_or_else(|| "ninefold".to_owned())
}
