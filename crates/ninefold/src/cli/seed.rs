//! `ninefold seed`: fills an empty database.

use clap::Args;

use super::target::Target;
use crate::application::{Application, Options, Purpose};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::structure::Structure;
use crate::{seed, telemetry};

/// Load the records of the folder seed/ into an empty database
///
/// One JSON, NDJSON or CSV file per collection, named as its path: seed/rooms.json. All are loaded, or none. Accounts may
/// have a "password", "roles" and "verified". `ninefold dev` does this by itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold seed shop
  ninefold seed shop --database sqlite:/tmp/try.db")]
pub(super) struct Seed {
    #[command(flatten)]
    target: Target,
}

impl Seed {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let dir = &self.target.dir;
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        if !seed::exists(dir) {
            return Err(Failure::mistake(format!("{} has no folder seed", dir.display()))
                .help("make it, with a file such as seed/rooms.json: [{\"name\": \"Kitchen\"}]"));
        }
        let options = Options {
            purpose: Purpose::Development,
            structure: Structure::Apply {
                allow_destructive: false,
            },
            address: None,
        };
        let application = Application::open(dir, config, options).await?;
        let result = load(&self, &application).await;
        application.close().await;
        result
    }
}

async fn load(command: &Seed, application: &Application) -> Result<(), Failure> {
    let engine = application.engine();
    if !seed::is_empty(&engine).await? {
        return Err(
            Failure::mistake("the database has records already; seeds are for an empty one")
                .help("name another database with --database, or delete this one"),
        );
    }
    let loaded = seed::load(&command.target.dir, &engine, &application.identity()).await?;
    println!("loaded {loaded}");
    Ok(())
}
