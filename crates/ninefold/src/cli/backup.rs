//! `ninefold backup`: the database of one moment as a file.

use std::path::PathBuf;

use clap::Args;
use engine::ports::clock::{Clock, SystemClock};

use super::signals;
use super::target::Target;
use crate::application::{folder_name, portable};
use crate::config::LogFormat;
use crate::failure::Failure;
use crate::transfer::progress::{Progress, bytes};
use crate::{telemetry, wiring};

/// Copy the database to a file, while it is served
///
/// The file holds everything that was acknowledged before the backup began, and nothing of what is written meanwhile. It is
/// checked, and on the disk, by the time it gets its name. It holds keys and password hashes: keep it as safe as the database.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold backup
  ninefold backup shop --out /backups/shop.backup

docs/backup.md says what is in it, and what isn't.")]
pub(super) struct Backup {
    #[command(flatten)]
    target: Target,
    /// The new file; NAME-TIME.backup in this folder unless said otherwise
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Backup {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        let stop = signals::stop_token()?;
        let now = SystemClock.now();
        let dir = self.target.dir;
        let out = self.out.unwrap_or_else(|| {
            let name = config.general.name.clone().unwrap_or_else(|| folder_name(&dir));
            // What RFC 3339 writes, without what file systems may not like.
            let time: String = now.to_string().replace(['-', ':'], "");
            PathBuf::from(format!("{name}-{time}.backup"))
        });
        let shown = out.display().to_string();
        let mut progress = Progress::new();
        let told = Box::new(move |share| {
            progress.show_share("copying", share);
            !stop.is_cancelled()
        });
        let size = match wiring::is_copied_by_moving(&config.database) {
            true => portable::back_up(&dir, &config, &out, now, told).await?,
            false => wiring::back_up(&dir, &config.database, &out, now, told).await?,
        };
        println!("backed up to {shown} ({})", bytes(size));
        Ok(())
    }
}
