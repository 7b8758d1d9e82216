//! A URL of a MySQL database: `mysql://user:password@host:port/database`, with `ssl-mode` and `ssl-ca` behind it.
//!
//! `DISABLED` (the default), `REQUIRED`, `VERIFY_CA` and `VERIFY_IDENTITY` mean what they mean to every client of MySQL:
//! the second encrypts and doesn't ask who is at the other end. The others do: against the certificates of `ssl-ca`, a
//! PEM file, or those that browsers know. The driver asks for the host's name with both.

use std::path::PathBuf;

use mysql_async::{Opts, OptsBuilder, SslOpts};

/// What a URL says.
pub(super) struct Address {
    /// All but the encryption.
    opts: Opts,
    pub(super) encryption: Encryption,
}

/// How the wire is kept from others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encryption {
    Disabled,
    Required,
    /// Against the certificates of a file.
    VerifyCa(Option<PathBuf>),
    VerifyIdentity(Option<PathBuf>),
}

pub(super) fn read(url: &str) -> Result<Opts, String> {
    let Address { opts, encryption } = Address::read(url)?;
    let ssl = encryption.opts();
    Ok(OptsBuilder::from_opts(opts).ssl_opts(ssl).into())
}

impl Address {
    pub(super) fn read(url: &str) -> Result<Self, String> {
        let url = url
            .strip_prefix("mariadb://")
            .map_or_else(|| url.to_owned(), |rest| format!("mysql://{rest}"));
        let (address, parameters) = url.split_once('?').unwrap_or((&url, ""));
        let (mut mode, mut root) = ("DISABLED".to_owned(), None);
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = percent_encoding::percent_decode_str(value)
                .decode_utf8_lossy()
                .into_owned();
            match name {
                "ssl-mode" => mode = value,
                "ssl-ca" => root = Some(PathBuf::from(value)),
                other => return Err(format!("`{other}` is none of `ssl-mode` and `ssl-ca`")),
            }
        }
        let opts = Opts::from_url(address).map_err(|error| error.to_string())?;
        if opts.db_name().is_none_or(str::is_empty) {
            return Err("it names no database: mysql://user:password@host/database".to_owned());
        }
        let encryption = Encryption::of(&mode, root)?;
        Ok(Self { opts, encryption })
    }

    pub(super) fn host(&self) -> &str {
        self.opts.ip_or_hostname()
    }

    pub(super) fn port(&self) -> u16 {
        self.opts.tcp_port()
    }

    pub(super) fn user(&self) -> &str {
        self.opts.user().unwrap_or_default()
    }

    pub(super) fn password(&self) -> &str {
        self.opts.pass().unwrap_or_default()
    }

    pub(super) fn database(&self) -> &str {
        self.opts.db_name().unwrap_or_default()
    }
}

impl Encryption {
    fn of(mode: &str, root: Option<PathBuf>) -> Result<Self, String> {
        match (mode.to_ascii_uppercase().as_str(), root) {
            ("DISABLED", None) => Ok(Self::Disabled),
            ("REQUIRED", None) => Ok(Self::Required),
            ("VERIFY_CA", root) => Ok(Self::VerifyCa(root)),
            ("VERIFY_IDENTITY", root) => Ok(Self::VerifyIdentity(root)),
            ("DISABLED" | "REQUIRED", Some(_)) => {
                Err("`ssl-ca` goes with `ssl-mode=VERIFY_CA` or `VERIFY_IDENTITY`".to_owned())
            }
            _ => Err(format!(
                "`ssl-mode={mode}` is none of `DISABLED`, `REQUIRED`, `VERIFY_CA` and `VERIFY_IDENTITY`"
            )),
        }
    }

    fn opts(self) -> Option<SslOpts> {
        let trusting = |root: Option<PathBuf>| match root {
            Some(file) => SslOpts::default()
                .with_root_certs(vec![file.into()])
                .with_disable_built_in_roots(true),
            None => SslOpts::default(),
        };
        match self {
            Self::Disabled => None,
            Self::Required => Some(
                SslOpts::default()
                    .with_danger_accept_invalid_certs(true)
                    .with_danger_skip_domain_validation(true),
            ),
            Self::VerifyCa(root) => Some(trusting(root).with_danger_skip_domain_validation(true)),
            Self::VerifyIdentity(root) => Some(trusting(root)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_the_address_is_read_or_refused() {
        let encrypted = |url: &str| read(url).map(|opts| opts.ssl_opts().is_some());
        assert_eq!(encrypted("mysql://u:p@localhost/app"), Ok(false));
        assert_eq!(
            encrypted("mariadb://u@localhost:3307/app?ssl-mode=VERIFY_IDENTITY"),
            Ok(true)
        );
        assert_eq!(encrypted("mysql://u@localhost/app?ssl-mode=required"), Ok(true));
        for wrong in [
            "mysql://u@localhost",
            "mysql://u@localhost/app?ssl-mode=maybe",
            "mysql://u@localhost/app?ssl-ca=/x.pem",
            "mysql://u@localhost/app?pool_max=3",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
