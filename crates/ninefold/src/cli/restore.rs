//! `ninefold restore`: a backup in the place of the database.

use std::path::PathBuf;

use clap::Args;
use engine::model::Timestamp;
use engine::ports::clock::{Clock, SystemClock};

use super::signals;
use super::target::{Settings, Target};
use crate::application::portable;
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::transfer::progress::Progress;
use crate::{telemetry, wiring};

/// Put a backup, or the database as it was at a moment, where the database is expected
///
/// FILE is what `ninefold backup` made. With --at the database comes from the continuous backup that `[backup]` of
/// ninefold.toml names, and FILE is left out. What is restored is checked first. A database that is there is never lost: without --force nothing is done, with it the
/// database is moved aside. No server may have the database open.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold restore /backups/shop.backup shop
  ninefold restore shop.backup shop --force
  ninefold restore shop.backup shop --database sqlite:data/look.db
  ninefold restore shop --at 2026-11-26T18:00:00Z --database sqlite:data/look.db
  ninefold restore shop --at latest --force

docs/backup.md has more.")]
pub(super) struct Restore {
    /// What `ninefold backup` made, and the application's folder
    #[arg(value_names = ["FILE", "DIR"], num_args = 0..=2)]
    places: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// The moment to go back to, as in RFC 3339, or `latest`
    #[arg(long, value_name = "TIME", value_parser = moment)]
    at: Option<Timestamp>,
    /// Also where a database is
    #[arg(long)]
    force: bool,
}

impl Restore {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let mut places = self.places.into_iter();
        let file = match self.at {
            Some(_) => None,
            None => Some(places.next().ok_or_else(|| {
                Failure::usage("say what to restore").help("write a FILE that `ninefold backup` made, or --at TIME")
            })?),
        };
        let dir = places.next().unwrap_or_else(|| PathBuf::from("."));
        if places.next().is_some() {
            return Err(Failure::usage("with --at there is no FILE").help("leave one of them out"));
        }
        let target = Target {
            dir,
            settings: self.settings,
        };
        let config = target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        let stop = signals::stop_token()?;
        let now = SystemClock.now();
        let (dir, force) = (target.dir, self.force);
        let mut progress = Progress::new();
        let told = Box::new(move |share| {
            progress.show_share("copying", share);
            !stop.is_cancelled()
        });
        let replaced = match (file, self.at) {
            (Some(_), _) if force && wiring::is_copied_by_moving(&config.database) => {
                return Err(Failure::mistake("a MongoDB database can't be moved aside")
                    .help("leave --force out, and name an empty one by --database URL"));
            }
            (Some(file), _) => {
                let restored = match wiring::is_copied_by_moving(&config.database) {
                    true => portable::restore(&dir, &config, &file, now, told).await?,
                    false => wiring::restore(&dir, &config.database, &file, force, now, told).await?,
                };
                println!("restored what was backed up at {}", restored.made);
                restored.replaced
            }
            (None, at) => {
                let at = at.unwrap_or(LATEST);
                let restored = wiring::restore_at(&dir, &config, at, force, now, told).await?;
                println!("restored what was written before {}", restored.state);
                if let Some(next) = restored.next {
                    println!("what was written next is of {next}");
                }
                restored.replaced
            }
        };
        if let Some(aside) = replaced {
            println!("the database that was there is now {aside}");
        }
        Ok(())
    }
}

/// As late as there is something.
const LATEST: Timestamp = Timestamp(i64::MAX);

fn moment(text: &str) -> Result<Timestamp, String> {
    if text == "latest" {
        return Ok(LATEST);
    }
    Timestamp::parse(text)
        .ok_or_else(|| "write it as in RFC 3339, such as 2026-11-26T18:00:00Z, or `latest`".to_owned())
}
