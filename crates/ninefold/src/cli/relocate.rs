//! `ninefold move`: all data to another database.

use std::path::Path;

use clap::Args;
use engine::operations::relocate::{Extent, Follows, Moved, Stage};

use super::signals;
use super::target::Target;
use crate::application::Relocation;
use crate::config::{Config, LogFormat};
use crate::failure::Failure;
use crate::telemetry;
use crate::transfer::progress::Progress;

/// Move all data to another database, of the same kind or another
///
/// Records keep their ids, versions and times; relations, accounts with passwords and sessions, and signing keys come along. Both
/// databases are compared at the end. No server may have either of them, but for the old one with --online. Interrupted, it goes on where it was when it is run again;
/// until it is done, nothing serves the new database. The old one stays as it is.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  ninefold move --to postgresql://shop:secret@db.example.com/shop
  ninefold move shop --to postgresql://shop@db/shop --online
  ninefold move shop --abandon
  ninefold move shop --database postgresql://shop@db/shop --to sqlite:data/app.db

docs/move.md has the whole way.")]
pub(super) struct Move {
    #[command(flatten)]
    target: Target,
    /// The database to move to; an empty one
    #[arg(long, value_name = "URL", required_unless_present = "abandon")]
    to: Option<String>,
    /// Copy while the old database is being served, and follow what is written to it; then stop the servers, and run it again
    /// without this
    #[arg(long)]
    online: bool,
    /// Give up a move that was begun with --online: the old database is not followed any more
    #[arg(long, conflicts_with_all = ["to", "online"])]
    abandon: bool,
}

impl Move {
    pub(super) async fn run(self) -> Result<(), Failure> {
        let config = self.target.config()?;
        telemetry::start(&config.log, LogFormat::Pretty);
        let Some(to) = &self.to else {
            return abandon(&self.target.dir, &config).await;
        };
        let to = self.target.config_at(to)?;
        let stop = signals::stop_token()?;
        let extent = match self.online {
            true => Extent::Ahead,
            false => Extent::Whole,
        };
        let relocation = Relocation::open(&self.target.dir, &config, &to, extent).await?;
        let mut progress = Progress::new();
        let mut told = |stage: Stage, done: u64, whole: u64| {
            let what = match stage {
                Stage::Copying => "copying",
                Stage::CatchingUp => "catching up",
                Stage::Comparing => "comparing",
            };
            let share = (whole > 0).then(|| done as f64 / whole as f64);
            progress.show(what, share, done);
        };
        let moved = tokio::select! {
            moved = relocation.run(&mut told) => moved,
            () = stop.cancelled() => {
                Err(Failure::mistake("stopped before the end was reported").help("run it again to go on, or to hear that it is done"))
            }
        };
        drop(progress);
        let from = relocation.name().to_owned();
        relocation.close().await;
        let moved = moved?;
        match extent {
            Extent::Whole => tell(&moved, &from),
            Extent::Ahead => {
                tell_ahead(&moved, &from);
            }
        }
        Ok(())
    }
}

async fn abandon(dir: &Path, config: &Config) -> Result<(), Failure> {
    match Relocation::abandon(dir, config).await? {
        true => println!("the database is not followed any more; empty the one that it was to move to"),
        false => println!("no move follows the database"),
    }
    Ok(())
}

fn tell_ahead(moved: &Moved, from: &str) {
    println!(
        "copied {from} as it was by now, and took along {} rows that were written meanwhile",
        moved.caught_up
    );
    match &moved.follows {
        Follows::Log { without } => {
            println!(
                "what is written to it from now on is followed: stop the servers, and run the same command without --online"
            );
            if !without.is_empty() {
                println!("not followed, and read as a whole then: {}", without.join(", "));
            }
        }
        Follows::Nothing | Follows::Refused(_) => {
            if let Follows::Refused(reason) = &moved.follows {
                println!("what is written to it from now on can't be followed: {reason}");
            }
            println!(
                "stop the servers, and run the same command without --online: it reads both as a whole, catches up and compares"
            );
        }
    }
}

fn tell(moved: &Moved, from: &str) {
    let rows: Vec<_> = moved.rows.iter().map(|(part, rows)| format!("{rows} {part}")).collect();
    if moved.resumed > 0 {
        println!("went on behind {} rows", moved.resumed);
    }
    match &moved.follows {
        Follows::Log { .. } => println!(
            "caught up with {} rows that were written since, by the log of changes",
            moved.caught_up
        ),
        Follows::Nothing | Follows::Refused(_) if moved.caught_up > 0 => {
            println!("caught up with {} rows that were written since", moved.caught_up);
        }
        Follows::Nothing | Follows::Refused(_) => {}
    }
    match rows.is_empty() {
        true => println!("moved {from}, which is empty"),
        false => println!("moved {from}: {}", rows.join(", ")),
    }
    println!("both databases hold the same; set `database.url` to the new one");
}
