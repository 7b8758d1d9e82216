//! `ninefold dev`: serves an application while it is being written.

use std::time::Instant;

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::signals;
use super::target::{Target, refused};
use crate::application::{Application, Options, Purpose, bind};
use crate::config::{self, Config, LogFormat};
use crate::failure::Failure;
use crate::structure::Structure;
use crate::watched::Watched;
use crate::{schema, seed, telemetry};

/// Serve an application while it is being written: follows every change of its schema and configuration
///
/// Makes the database, brings it to the schema as long as nothing is lost, and loads seed/ into it while it is empty. A schema with
/// a mistake is reported, and the former one goes on being served.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold dev
  ninefold dev examples/chat
  ninefold dev shop --listen 127.0.0.1:0 --database sqlite::memory:")]
pub(super) struct Dev {
    #[command(flatten)]
    target: Target,
}

impl Dev {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let dir = &self.target.dir;
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        // Before anything is read, so that no change falls in between.
        let watched = Watched::new(dir, [schema::FILE, config::FILE]);
        let stop = signals::stop_token()?;
        let listener = bind(&config).await?;
        let options = Options {
            purpose: Purpose::Development,
            structure: Structure::Develop,
            address: listener.local_addr().ok(),
        };
        let application = Application::open(dir, config.clone(), options).await?;
        let result = self.serve(&application, config, watched, listener, stop).await;
        application.close().await;
        result
    }

    async fn serve(
        &self,
        application: &Application,
        config: Config,
        watched: Watched<2>,
        listener: tokio::net::TcpListener,
        stop: CancellationToken,
    ) -> Result<(), Failure> {
        let engine = application.engine();
        if seed::exists(&self.target.dir) && seed::is_empty(&engine).await? {
            let loaded = seed::load(&self.target.dir, &engine, &application.identity()).await?;
            println!("loaded {loaded}");
        }
        drop(engine);
        welcome(application).await?;
        tokio::select! {
            () = application.serve(listener, stop.clone()) => {}
            () = self.follow(application, config, watched, &stop) => {}
        }
        Ok(())
    }

    /// Reloads what changes. Never ends by itself.
    async fn follow(
        &self,
        application: &Application,
        mut config: Config,
        mut watched: Watched<2>,
        stop: &CancellationToken,
    ) {
        loop {
            let [schema_changed, config_changed] = tokio::select! {
                changed = watched.changed() => changed,
                // What is being served is finished first.
                () = stop.cancelled() => std::future::pending().await,
            };
            if config_changed {
                match self.reload_config(application, &config).await {
                    Ok(new) => config = new,
                    Err(failure) => eprintln!("{failure}\n note: still serving with the former {}\n", config::FILE),
                }
            }
            if schema_changed {
                let start = Instant::now();
                match application.reload_schema().await {
                    Ok(report) => {
                        report.steps.iter().for_each(|step| println!("migrated: {step}"));
                        println!("reloaded {} in {} ms", schema::FILE, start.elapsed().as_millis());
                    }
                    Err(failure) => eprintln!("{failure}\n note: still serving the former {}\n", schema::FILE),
                }
            }
        }
    }

    async fn reload_config(&self, application: &Application, former: &Config) -> Result<Config, Failure> {
        let start = Instant::now();
        let overrides = self.target.settings.overrides();
        let new =
            Config::load(&self.target.dir, &overrides).map_err(|problems| refused(&self.target.dir, &problems))?;
        application.reload_config(new.clone()).await?;
        println!("reloaded {} in {} ms", config::FILE, start.elapsed().as_millis());
        for key in fixed(former, &new) {
            println!("note: start again for the new `{key}`");
        }
        Ok(new)
    }
}

/// What a running server can't take on.
fn fixed(former: &Config, new: &Config) -> Vec<&'static str> {
    let (old, limits) = (&former.limits, &new.limits);
    let keys = [
        ("listen", new.general.listen != former.general.listen),
        ("database", new.database != former.database),
        ("log", new.log != former.log),
        ("limits.connections_max", limits.connections_max != old.connections_max),
        (
            "limits.header_bytes_max",
            limits.header_bytes_max != old.header_bytes_max,
        ),
        (
            "limits.header_timeout_ms",
            limits.header_timeout_ms != old.header_timeout_ms,
        ),
        (
            "limits.write_timeout_ms",
            limits.write_timeout_ms != old.write_timeout_ms,
        ),
        (
            "limits.drain_timeout_ms",
            limits.drain_timeout_ms != old.drain_timeout_ms,
        ),
    ];
    let changed = keys.into_iter().filter(|(_, changed)| *changed);
    changed.map(|(key, _)| key).collect()
}

/// Where everything is.
async fn welcome(application: &Application) -> Result<(), Failure> {
    let url = application.url();
    let link = application.identity().administrator_link().await;
    let link = link.map_err(|error| Failure::database(&error))?;
    println!(
        "\n{name} is running\n\n\
         \x20 pages          {url}/\n\
         \x20 documentation  {url}/docs\n\
         \x20 OpenAPI        {url}/openapi.json\n\
         \x20 administrator  {url}/admin#token={token}\n\
         \x20                signs in as {email}, once\n\n\
         {schema} is followed; Ctrl-C ends.\n",
        name = application.name(),
        token = link.token.expose(),
        email = link.email,
        schema = schema::FILE,
    );
    Ok(())
}
