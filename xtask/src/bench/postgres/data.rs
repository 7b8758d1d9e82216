//! The records on a server of the benchmark's own: loaded once through Ninefold, then only copied.

use anyhow::Result;

use super::programs::Program;
use crate::bench::files;
use crate::bench::ninefold::{ARTICLES, Ninefold, POSTS};
use crate::services::Durable;
use crate::workspace::Workspace;

const OWNER: &str = "ninefold";
/// What a case writes into.
const WRITTEN: &str = "bench_written";

/// What a program's database is copied from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// As Ninefold made it.
    Plain,
    /// With what the peers need besides (`bench/postgres/peers.sql`).
    Peers,
}

pub(super) struct Data {
    server: Durable,
    /// The database with all records.
    template: String,
}

impl Data {
    pub(super) fn prepare(workspace: &Workspace, ninefold: &Ninefold) -> Result<Self> {
        let work = files::folder(workspace)?;
        let server = Durable::start(work.join("postgres"))?;
        let data = Self {
            server,
            template: ninefold.name_of_data(),
        };
        if !data.has(&data.template)? {
            println!("loading {}", data.template);
            data.renew("loading", None)?;
            let scratch = work.join("loading");
            files::remove(&scratch)?;
            std::fs::create_dir_all(&scratch)?;
            ninefold.load(&data.server.url(OWNER, "loading"), &scratch, &[POSTS, ARTICLES])?;
            files::remove(&scratch)?;
            data.sql("loading", "VACUUM ANALYZE")?;
            // Its name says that it is whole.
            data.sql(
                "postgres",
                &format!("ALTER DATABASE loading RENAME TO {}", data.template),
            )?;
        }
        let peers = data.of(Source::Peers);
        data.renew(&peers, Some(&data.template))?;
        let more = workspace.root.join("bench/postgres/peers.sql");
        data.server.psql(&peers, &["--file", &more.to_string_lossy()])?;
        Ok(data)
    }

    /// Fresh copies of both kinds that reads are measured on; made after the tokens were issued, so that their sessions
    /// are in them.
    pub(super) fn make_copies(&self) -> Result<()> {
        for source in [Source::Plain, Source::Peers] {
            self.renew(&read(source), Some(&self.of(source)))?;
        }
        self.sql("postgres", "CHECKPOINT")
    }

    /// The database of a round.
    pub(super) fn copy_for(&self, source: Source, writes: bool) -> Result<String> {
        if !writes {
            return Ok(read(source));
        }
        self.renew(WRITTEN, Some(&self.of(source)))?;
        // On the disk already: the measured syncs shall not write it.
        self.sql("postgres", "CHECKPOINT")?;
        Ok(WRITTEN.to_owned())
    }

    pub(super) fn url(&self, program: &dyn Program, database: &str) -> String {
        self.server.url(program.user(), database)
    }

    pub(super) fn template_url(&self) -> String {
        self.server.url(OWNER, &self.template)
    }

    /// Of the server.
    pub(super) fn version(&self) -> Result<String> {
        let version = self.server.psql("postgres", &["--command", "SHOW server_version"])?;
        Ok(version.split_whitespace().next().unwrap_or_default().to_owned())
    }

    fn of(&self, source: Source) -> String {
        match source {
            Source::Plain => self.template.clone(),
            Source::Peers => format!("{}_peers", self.template),
        }
    }

    fn has(&self, database: &str) -> Result<bool> {
        let found = format!("SELECT 1 FROM pg_database WHERE datname = '{database}'");
        Ok(!self.server.psql("postgres", &["--command", &found])?.is_empty())
    }

    /// An empty database, or a copy of another.
    fn renew(&self, database: &str, of: Option<&str>) -> Result<()> {
        self.sql("postgres", &format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))?;
        let template = of.map_or(String::new(), |of| format!(" TEMPLATE {of} STRATEGY file_copy"));
        self.sql("postgres", &format!("CREATE DATABASE {database}{template}"))
    }

    fn sql(&self, database: &str, sql: &str) -> Result<()> {
        self.server.psql(database, &["--command", sql]).map(drop)
    }
}

/// What cases read of that have no need of a fresh copy.
fn read(source: Source) -> String {
    match source {
        Source::Plain => "bench_read".to_owned(),
        Source::Peers => "bench_read_peers".to_owned(),
    }
}
