//! `ninefold serve`: production.

use clap::Args;

use super::signals;
use super::target::Target;
use crate::application::{Application, Options, Purpose, bind};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::structure::Structure;
use crate::telemetry;

/// Serve an application in production: JSON logs, no changes to the database unless told to
///
/// Refuses to start when the database is behind the schema or was changed by hand. SIGTERM and SIGINT end it cleanly: what
/// has begun is finished first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold serve
  ninefold serve shop --migrate --listen 0.0.0.0:8080
  NINEFOLD_DATABASE__URL=sqlite:/var/lib/shop/app.db ninefold serve shop")]
pub(super) struct Serve {
    #[command(flatten)]
    target: Target,
    /// Apply pending migrations first
    #[arg(long)]
    migrate: bool,
}

impl Serve {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Json);
        let stop = signals::stop_token()?;
        let listener = bind(&config).await?;
        let address = listener.local_addr().ok();
        let structure = if self.migrate {
            Structure::Apply {
                allow_destructive: false,
            }
        } else {
            Structure::Require
        };
        let options = Options {
            purpose: Purpose::Production,
            structure,
            address,
        };
        let application = Application::open(&self.target.dir, config, options).await?;
        tracing::info!(
            address = address.map(tracing::field::display),
            url = application.url(),
            "{} is ready",
            application.name()
        );
        application.serve(listener, stop).await;
        application.close().await;
        tracing::info!("stopped");
        Ok(())
    }
}
