//! What the programs have in common, and those that are Ninefold's own: itself and the floor.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::data::{Data, Source};
use crate::bench::cases::Case;
use crate::bench::data::MEMBER;
use crate::bench::files;
use crate::bench::http::Request;
use crate::bench::ninefold::{self, Ninefold, USERS};
use crate::bench::server::{Running, free_address};
use crate::process;
use crate::workspace::Workspace;

/// One of the programs that are compared.
pub(super) trait Program {
    fn name(&self) -> &'static str;

    fn source(&self) -> Source {
        Source::Plain
    }

    /// The database's.
    fn user(&self) -> &'static str {
        "ninefold"
    }

    /// Serves the database at `url` and waits until it is ready.
    fn start(&self, url: &str) -> Result<Running>;

    fn request(&self, case: Case, number: usize, tokens: &Tokens) -> Request;

    /// What an answer holds that is no success in spite of its status.
    fn mistake(&self) -> Option<&'static str> {
        None
    }
}

/// What the peers' tokens are signed with.
pub(super) const SECRET: &str = "a secret of the benchmark, which keeps nothing";

/// Of the user that measured cases sign in as; good for longer than a run takes.
pub(super) struct Tokens {
    /// Ninefold's own, which the floor takes, too.
    pub(super) ninefold: String,
    /// HS256, as the documentation of the peers has it.
    pub(super) peers: String,
}

impl Tokens {
    /// Signs in at the template, so that every copy knows the session.
    pub(super) fn issue(ninefold: &Ninefold, data: &Data) -> Result<Self> {
        let running = ninefold.start_on(&data.template_url(), &[LONG])?;
        let token = ninefold::sign_in(&running.client, MEMBER)?;
        running.stop()?;
        let claims = format!("{{\"sub\":\"{}\",\"exp\":4102444800}}", ninefold::id(USERS, MEMBER));
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes())?;
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ok(Self {
            ninefold: token,
            peers: format!("{signed}.{signature}"),
        })
    }
}

const LONG: &str = "auth.access_token_s=43200";

pub(super) struct OnPostgres<'n>(pub(super) &'n Ninefold);

impl Program for OnPostgres<'_> {
    fn name(&self) -> &'static str {
        "Ninefold"
    }

    fn start(&self, url: &str) -> Result<Running> {
        self.0.start_on(url, &[LONG])
    }

    fn request(&self, case: Case, number: usize, tokens: &Tokens) -> Request {
        ninefold::request_on_postgres(case, number, &tokens.ninefold, self.0.records())
    }
}

pub(super) struct Floor {
    binary: PathBuf,
    log: PathBuf,
    records: usize,
}

impl Floor {
    pub(super) fn prepare(workspace: &Workspace, records: usize) -> Result<Self> {
        process::run(&mut workspace.cargo(["build", "--release", "--locked", "-p", "floor"]))?;
        Ok(Self {
            binary: workspace.target.join("release/floor-postgres"),
            log: files::folder(workspace)?.join("floor-postgres.log"),
            records,
        })
    }
}

impl Program for Floor {
    fn name(&self) -> &'static str {
        "the floor"
    }

    fn start(&self, url: &str) -> Result<Running> {
        let address = free_address()?;
        let mut command = Command::new(&self.binary);
        command.args([url, &address]);
        Running::start(&command, &address, "/readyz", &self.log)
    }

    fn request(&self, case: Case, number: usize, tokens: &Tokens) -> Request {
        ninefold::request_on_postgres(case, number, &tokens.ninefold, self.records)
    }
}
