//! The sections of `ninefold.toml`. Each key is declared once: its type, its default and what the reference page says.

use std::str::FromStr;

use engine::ports::Secret;

use super::setting::{Raw, Setting, choice};

/// One key, as the reference page shows it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) default: Option<String>,
    pub(super) doc: &'static str,
}

/// A value that is well formed and still can't be.
#[derive(Debug, PartialEq)]
pub(super) struct Invalid {
    pub(super) key: &'static str,
    pub(super) message: String,
}

/// A group of keys.
pub(super) trait Section {
    /// Empty for the keys at the top of the file.
    fn name(&self) -> &'static str;

    fn about(&self) -> &'static str;

    /// Its keys; of the section as it is by default they show the defaults.
    fn keys(&self) -> Vec<Key>;

    /// Sets the key of that name.
    ///
    /// # Errors
    /// What was expected instead.
    fn set(&mut self, key: &str, raw: &Raw) -> Result<(), String>;

    fn validate(&self) -> Vec<Invalid>;
}

macro_rules! section {
    (
        $(#[doc = $about:literal])+
        $name:ident $section:literal
        { $($(#[doc = $doc:literal])+ $key:ident: $type:ty = $default:expr;)+ }
    ) => {
        $(#[doc = $about])+
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $key: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($key: $default,)+ }
            }
        }

        impl Section for $name {
            fn name(&self) -> &'static str {
                $section
            }

            fn about(&self) -> &'static str {
                concat!($($about),+)
            }

            fn keys(&self) -> Vec<Key> {
                vec![$(Key {
                    name: stringify!($key),
                    kind: <$type as Setting>::KIND,
                    default: self.$key.show(),
                    doc: concat!($($doc),+),
                }),+]
            }

            fn set(&mut self, key: &str, raw: &Raw) -> Result<(), String> {
                match key {
                    $(stringify!($key) => self.$key = Setting::read(raw)?,)+
                    _ => return Err("no such key".to_owned()),
                }
                Ok(())
            }

            fn validate(&self) -> Vec<Invalid> {
                let mut rules = Rules::default();
                self.check(&mut rules);
                rules.broken
            }
        }
    };
}

/// Collects what is wrong with a section.
#[derive(Default)]
struct Rules {
    broken: Vec<Invalid>,
}

impl Rules {
    fn that(&mut self, holds: bool, key: &'static str, message: impl Into<String>) {
        if !holds {
            self.broken.push(Invalid {
                key,
                message: message.into(),
            });
        }
    }

    fn between<T: PartialOrd + std::fmt::Display>(&mut self, key: &'static str, value: T, least: T, most: T) {
        let message = format!("{value} is out of range: from {least} to {most}");
        self.that(value >= least && value <= most, key, message);
    }
}

section! {
    /// Where the server is found.
    General "" {
        /// The address to listen on: `host:port`, or `[::1]:8080` for IPv6. Port 0 takes a free one.
        listen: String = "127.0.0.1:8080".to_owned();
        /// The address that users see, for links in mails and in the documentation: `https://chat.example`.
        /// Unset: `http://` and the address that the server listens on.
        public_url: Option<String> = None;
    }
}

impl General {
    fn check(&self, rules: &mut Rules) {
        let port = self.listen.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        rules.that(
            matches!(port, Some(Ok(_))),
            "listen",
            format!(
                "{:?} is no address; write host:port, such as \"127.0.0.1:8080\"",
                self.listen
            ),
        );
        if let Some(url) = &self.public_url {
            let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
            rules.that(
                rest.is_some_and(|host| !host.is_empty()),
                "public_url",
                format!("{url:?} is no URL; write it with http:// or https://"),
            );
        }
    }
}

choice! {
    /// When a commit is safe from power loss.
    Synchronous {
        /// Acknowledged is durable.
        Full = "full",
        /// The last moments can be lost with the power; never corrupt.
        Normal = "normal",
    }
}

section! {
    /// Where the data lives.
    Database "database" {
        /// `sqlite:PATH`, relative to the application's folder, or `sqlite::memory:`, which is gone when the server stops.
        url: String = "sqlite:data/app.db".to_owned();
        /// `full`: what was acknowledged survives a power cut. `normal`: faster, and the last moments may be lost with the power.
        synchronous: Synchronous = Synchronous::Full;
        /// Threads that read what may take long: lists, counts, expansions.
        readers: usize = 4;
        /// How long to wait for another process that holds the database's lock.
        busy_timeout_ms: u64 = 5_000;
    }
}

impl Database {
    fn check(&self, rules: &mut Rules) {
        let path = self.url.strip_prefix("sqlite:").unwrap_or_default();
        rules.that(
            !path.is_empty(),
            "url",
            format!(
                "{:?} is no database that Ninefold knows; write \"sqlite:data/app.db\"",
                self.url
            ),
        );
        rules.between("readers", self.readers, 1, 256);
        rules.between("busy_timeout_ms", self.busy_timeout_ms, 0, 600_000);
    }
}

section! {
    /// How much one caller, or all of them together, can ask for.
    Limits "limits" {
        /// Records in a page when the caller doesn't say.
        page_default: u32 = 30;
        /// Records in a page at most.
        page_max: u32 = 500;
        /// Length of a filter.
        filter_bytes_max: usize = 8 * 1024;
        /// Levels of `expand`.
        expand_depth_max: u32 = 4;
        /// Related records of one to-many field in an answer.
        related_max: u32 = 500;
        /// Steps of a batch, and records of an array that is created at once.
        batch_max: usize = 500;
        /// Records that one delete may cascade to.
        cascade_max: u32 = 10_000;
        /// Live subscriptions at once.
        watch_max: usize = 10_000;
        /// Writes with an idempotency key that are being worked on at once.
        in_flight_max: usize = 10_000;
        /// How long the answer to an idempotency key is kept.
        idempotency_s: u32 = 24 * 60 * 60;
        /// Size of a request's body.
        body_bytes_max: usize = 1024 * 1024;
        /// How long a request may take, from its last header to its answer.
        request_timeout_ms: u64 = 30_000;
        /// Size of a request's line and headers together.
        header_bytes_max: usize = 32 * 1024;
        /// How long a client may take to send its headers.
        header_timeout_ms: u64 = 10_000;
        /// Connections at once; more wait to be accepted.
        connections_max: usize = 10_000;
        /// How long a stopping server waits for the requests that it is working on.
        drain_timeout_ms: u64 = 10_000;
    }
}

impl Limits {
    fn check(&self, rules: &mut Rules) {
        rules.between("page_max", self.page_max, 1, 100_000);
        rules.that(
            self.page_default >= 1 && self.page_default <= self.page_max,
            "page_default",
            format!(
                "{} is out of range: from 1 to page_max, which is {}",
                self.page_default, self.page_max
            ),
        );
        rules.between("filter_bytes_max", self.filter_bytes_max, 1, 1024 * 1024);
        rules.between("expand_depth_max", self.expand_depth_max, 0, 16);
        rules.between("related_max", self.related_max, 1, 100_000);
        rules.between("batch_max", self.batch_max, 1, 100_000);
        rules.between("body_bytes_max", self.body_bytes_max, 1024, 1024 * 1024 * 1024);
        rules.between("request_timeout_ms", self.request_timeout_ms, 100, 3_600_000);
        // hyper refuses a smaller buffer.
        rules.between("header_bytes_max", self.header_bytes_max, 8 * 1024, 1024 * 1024);
        rules.between("header_timeout_ms", self.header_timeout_ms, 100, 600_000);
        rules.between("connections_max", self.connections_max, 1, 1_000_000);
        rules.between("drain_timeout_ms", self.drain_timeout_ms, 0, 600_000);
        rules.between("watch_max", self.watch_max, 0, 1_000_000);
        rules.between("in_flight_max", self.in_flight_max, 1, 1_000_000);
        rules.between("idempotency_s", self.idempotency_s, 1, 30 * 24 * 60 * 60);
    }
}

section! {
    /// Accounts, passwords and tokens.
    Auth "auth" {
        /// How long an access token is good for.
        access_token_s: u32 = 15 * 60;
        /// How long a session lasts after it was last refreshed.
        session_s: u32 = 30 * 24 * 60 * 60;
        /// Whether an address must be confirmed by a link in a mail before its account can sign in.
        confirm_email: bool = false;
        /// Memory that hashing one password takes (argon2id).
        argon2_memory_kib: u32 = 19 * 1024;
        /// Passes of a password hash over its memory.
        argon2_iterations: u32 = 2;
        /// Password hashes worked out at once; more wait.
        hashes_max: usize = 2;
        /// What cursors and other things that the server hands out and takes back are authenticated with: 32 bytes or more,
        /// the same on every node. Unset: one is made and kept in the database.
        secret: Option<Secret<String>> = None;
    }
}

impl Auth {
    fn check(&self, rules: &mut Rules) {
        rules.between("access_token_s", self.access_token_s, 10, 24 * 60 * 60);
        rules.between("session_s", self.session_s, 60, 400 * 24 * 60 * 60);
        // OWASP's least: 7 MiB with five passes. Tests use less on purpose and set the library's parameters instead.
        rules.between("argon2_memory_kib", self.argon2_memory_kib, 64, 4 * 1024 * 1024);
        rules.between("argon2_iterations", self.argon2_iterations, 1, 100);
        rules.between("hashes_max", self.hashes_max, 1, 1024);
        if let Some(secret) = &self.secret {
            rules.that(
                secret.expose().len() >= 32,
                "secret",
                "shorter than 32 bytes; `openssl rand -hex 32` makes a good one",
            );
        }
    }
}

section! {
    /// Which web pages of other origins may call the API.
    Cors "cors" {
        /// Origins such as `https://chat.example`; `*` stands for all. None: only pages that this server serves itself.
        origins: Vec<String> = Vec::new();
    }
}

impl Cors {
    fn check(&self, rules: &mut Rules) {
        for origin in &self.origins {
            let rest = origin
                .strip_prefix("https://")
                .or_else(|| origin.strip_prefix("http://"));
            rules.that(
                origin == "*" || rest.is_some_and(|host| !host.is_empty() && !host.contains('/')),
                "origins",
                format!("{origin:?} is no origin; write scheme and host, such as \"https://chat.example\", or \"*\""),
            );
        }
    }
}

choice! {
    /// How log lines look.
    LogFormat {
        /// Pretty in `dev`, JSON in `serve`.
        Auto = "auto",
        /// For eyes.
        Pretty = "pretty",
        /// One JSON object per line.
        Json = "json",
    }
}

section! {
    /// What the server says about itself, on stderr.
    Log "log" {
        /// `error`, `warn`, `info`, `debug` or `trace`; or per part, such as `info,ninefold_store_sql=debug`.
        level: String = "info".to_owned();
        /// `auto` is `pretty` in `dev` and `json` in `serve`.
        format: LogFormat = LogFormat::Auto;
    }
}

impl Log {
    fn check(&self, rules: &mut Rules) {
        let valid = tracing_subscriber::filter::Targets::from_str(&self.level);
        rules.that(
            valid.is_ok(),
            "level",
            format!("{:?} is no level; write error, warn, info, debug or trace", self.level),
        );
    }
}
