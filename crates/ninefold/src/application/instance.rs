//! What one configuration makes of an application. A reload of the configuration makes another on the same database.

use std::path::Path;
use std::sync::Arc;

use api::{Api, Surfaces};
use engine::{Engine, Model, Parts};
use identity::{Identity, server_secret};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Options, Ports, Purpose, folder_name, local_url};
use crate::config::Config;
use crate::failure::Failure;
use crate::pages;

pub(super) struct Instance {
    pub(super) config: Config,
    pub(super) engine: Arc<Engine>,
    pub(super) identity: Arc<Identity>,
    pub(super) name: String,
    pub(super) url: String,
    /// Ends live streams.
    draining: CancellationToken,
    /// Ends what identity does between requests.
    ended: CancellationToken,
    tasks: TaskTracker,
}

impl Instance {
    /// The store has adopted `model`.
    pub(super) async fn start(
        dir: &Path,
        config: Config,
        options: Options,
        model: Arc<Model>,
        ports: &Ports,
    ) -> Result<Self, Failure> {
        let name = config.general.name.clone().unwrap_or_else(|| folder_name(dir));
        let url = match (&config.general.public_url, options.address) {
            (Some(url), _) => url.trim_end_matches('/').to_owned(),
            (None, Some(address)) => local_url(address),
            (None, None) => format!("http://{}", config.general.listen),
        };
        let identity_config = config.identity(&name, &url);
        let cursor_key = server_secret(&*ports.accounts, &identity_config, "cursors")
            .await
            .map_err(|error| Failure::database(&error))?;
        let engine = Arc::new(Engine::new(Parts {
            model,
            store: ports.store.clone(),
            clock: ports.clock.clone(),
            limits: config.engine_limits(),
            cursor_key: *cursor_key.expose(),
            slow_query: config.slow_query(),
        }));
        let parts = identity::Parts {
            accounts: ports.accounts.clone(),
            engine: engine.clone(),
            clock: ports.clock.clone(),
            mail: ports.mail.clone(),
            config: identity_config,
        };
        let (identity, background) = Identity::open(parts).await.map_err(|error| Failure::database(&error))?;
        let (tasks, ended) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(background.run(ended.clone().cancelled_owned()));
        Ok(Self {
            config,
            engine,
            identity,
            name,
            url,
            draining: CancellationToken::new(),
            ended,
            tasks,
        })
    }

    /// All surfaces, for the model of the moment.
    pub(super) fn surfaces(&self, dir: &Path, purpose: Purpose) -> Surfaces {
        api::surfaces(Api {
            engine: self.engine.clone(),
            identity: self.identity.clone(),
            config: self.config.api(&self.name),
            shutdown: self.draining.clone(),
            tasks: self.tasks.clone(),
            pages: Some(pages::router(dir, &self.name, &self.engine.model(), purpose)),
        })
    }

    /// Ends live streams.
    pub(super) fn drain(&self) {
        self.draining.cancel();
    }

    /// Ends all that runs on it.
    pub(super) async fn end(&self) {
        self.draining.cancel();
        self.ended.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
