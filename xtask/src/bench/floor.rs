//! The floor: `bench/floor`, on a copy of Ninefold's own database, asked the same requests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::cases::Case;
use super::files;
use super::http::{Client, Request};
use super::ninefold;
use super::server::{Contender, Durability, Running, free_address};
use crate::process;
use crate::workspace::Workspace;

pub(crate) struct Floor {
    binary: PathBuf,
    /// Ninefold's.
    template: PathBuf,
    log: PathBuf,
    records: usize,
}

impl Floor {
    pub(crate) fn prepare(workspace: &Workspace, template: &Path, records: usize) -> Result<Self> {
        process::run(&mut workspace.cargo(["build", "--release", "--locked", "-p", "floor"]))?;
        Ok(Self {
            binary: workspace.target.join("release/floor"),
            template: template.to_owned(),
            log: files::folder(workspace)?.join("floor.log"),
            records,
        })
    }
}

impl Contender for Floor {
    fn name(&self) -> &'static str {
        "the floor"
    }

    fn binary(&self) -> &Path {
        &self.binary
    }

    fn template(&self) -> &Path {
        &self.template
    }

    fn start(&self, data: &Path, durability: Durability) -> Result<Running> {
        let address = free_address()?;
        let mut command = Command::new(&self.binary);
        command
            .arg(ninefold::database(data))
            .args([&address, durability.name()]);
        Running::start(&command, &address, "/readyz", &self.log)
    }

    fn sign_in(&self, client: &Client, user: usize) -> Result<String> {
        ninefold::sign_in(client, user)
    }

    fn request(&self, case: Case, number: usize, token: &str) -> Request {
        ninefold::request(case, number, token, self.records)
    }
}
