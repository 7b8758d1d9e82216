//! The sections of `ninefold.toml`. Each key is declared once: its type, its default and what the reference page says.

use std::str::FromStr;

use engine::ports::Secret;

use super::setting::{Raw, Setting, choice};

const DAY_S: u32 = 24 * 60 * 60;
const YEAR_S: u32 = 366 * DAY_S;
const HOUR_MS: u64 = 60 * 60 * 1_000;
const REPLICAS_MAX: usize = 16;

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
        /// What the application is called, in its documentation. Unset: the name of its folder.
        name: Option<String> = None;
        /// Proxies whose `X-Forwarded-For` is believed: addresses, or blocks such as `10.0.0.0/8`.
        trusted_proxies: Vec<String> = Vec::new();
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
        for proxy in &self.trusted_proxies {
            rules.that(
                proxy.parse::<api::Network>().is_ok(),
                "trusted_proxies",
                format!("{proxy:?} is no address; write \"10.0.0.7\", or a block such as \"10.0.0.0/8\""),
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
        /// `sqlite:PATH`, relative to the application's folder; `sqlite::memory:`, which is gone when the server stops;
        /// `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; `mysql://...`, alike, for MySQL and MariaDB; or
        /// `mongodb://HOST/DATABASE`, a replica set. [databases.md](databases.md) has more.
        url: String = "sqlite:data/app.db".to_owned();
        /// SQLite: `full`: what was acknowledged survives a power cut. `normal`: faster, and the last moments may be lost with the power.
        synchronous: Synchronous = Synchronous::Full;
        /// SQLite: threads that read what may take long: lists, counts, expansions.
        readers: usize = 4;
        /// How long to wait for another that holds the database's lock, or a record's.
        busy_timeout_ms: u64 = 5_000;
        /// SQLite: writes after which the log is copied into the database, beside what else goes on.
        checkpoint_writes: usize = 4_000;
        /// SQLite: pages of 4 KiB beyond which the log is started over, as soon as the readers let it.
        log_pages_max: u32 = 8_192;
        /// SQLite: pages of 4 KiB at which writes are refused: where another program reads for so long that the log can't be started over.
        log_pages_limit: u32 = 524_288;
        /// PostgreSQL, MySQL, MongoDB: connections at most; a request that finds none free waits for one.
        connections_max: usize = 16;
        /// PostgreSQL, MySQL, MongoDB: how long it waits; then it is told to come back (503).
        acquire_timeout_ms: u64 = 5_000;
        /// PostgreSQL, MySQL, MongoDB: how long making a connection may take.
        connect_timeout_ms: u64 = 5_000;
        /// PostgreSQL, MySQL, MongoDB: how long one request may keep the database busy.
        query_timeout_ms: u64 = 10_000;
        /// PostgreSQL, MySQL: servers that follow the one of `url`, by a URL each, for reads that may be of a moment ago.
        /// [databases.md](databases.md#read-replicas) says which those are.
        replicas: Vec<String> = Vec::new();
        /// How far behind a replica may be that is read from.
        replica_lag_max_ms: u64 = 2_000;
    }
}

impl Database {
    fn check(&self, rules: &mut Rules) {
        let schemes = [
            "sqlite:",
            "postgresql://",
            "postgres://",
            "mysql://",
            "mariadb://",
            "mongodb://",
            "mongodb+srv://",
        ];
        let is_known = schemes
            .iter()
            .any(|scheme| self.url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()));
        // The rest may hold a password.
        let scheme = self
            .url
            .split_once("://")
            .map_or(self.url.as_str(), |(scheme, _)| scheme);
        rules.that(
            is_known,
            "url",
            format!(
                "{scheme:?} is no database that Ninefold knows; write \"sqlite:data/app.db\", \"postgresql://...\" \"mysql://...\" or \"mongodb://...\""
            ),
        );
        rules.between("readers", self.readers, 1, 256);
        rules.between("busy_timeout_ms", self.busy_timeout_ms, 0, 600_000);
        rules.between("checkpoint_writes", self.checkpoint_writes, 1, 10_000_000);
        rules.between("log_pages_max", self.log_pages_max, 16, 16 * 1024 * 1024);
        rules.between("log_pages_limit", self.log_pages_limit, self.log_pages_max, u32::MAX);
        rules.between("connections_max", self.connections_max, 1, 10_000);
        rules.between("acquire_timeout_ms", self.acquire_timeout_ms, 10, 600_000);
        rules.between("connect_timeout_ms", self.connect_timeout_ms, 10, 600_000);
        rules.between("query_timeout_ms", self.query_timeout_ms, 10, 600_000);
        rules.between("replica_lag_max_ms", self.replica_lag_max_ms, 200, 600_000);
        self.check_replicas(rules);
    }

    fn check_replicas(&self, rules: &mut Rules) {
        if self.replicas.is_empty() {
            return;
        }
        let (refusal, kinds): (_, &[&str]) = match self.url.split(':').next().unwrap_or_default() {
            "sqlite" => (
                "a SQLite file has no replicas; remove them, or move to PostgreSQL with `ninefold move`",
                &[],
            ),
            "mongodb" | "mongodb+srv" => (
                "MongoDB is read from its primary alone, whatever the URL's read preference; remove them",
                &[],
            ),
            "postgresql" | "postgres" => ("", &["postgresql://", "postgres://"]),
            "mysql" | "mariadb" => ("", &["mysql://", "mariadb://"]),
            _ => ("", &[]),
        };
        rules.that(refusal.is_empty(), "replicas", refusal);
        let is_ours = |url: &String| kinds.iter().any(|kind| url.starts_with(kind));
        let wrong = self.replicas.iter().position(|url| !is_ours(url));
        if let (Some(wrong), Some(kind)) = (wrong, kinds.first()) {
            let number = wrong + 1;
            let message = format!(
                "replica {number} is of another kind than the primary; write \"{kind}USER:PASSWORD@HOST:PORT/DATABASE\""
            );
            rules.that(false, "replicas", message);
        }
        let message = format!("{} are too many; at most {REPLICAS_MAX}", self.replicas.len());
        rules.that(self.replicas.len() <= REPLICAS_MAX, "replicas", message);
    }
}

section! {
    /// Continuous backup of SQLite, to go back to any moment: [backup.md](backup.md).
    Backup "backup" {
        /// Where `serve` keeps everything that is written as well: `file:PATH`, relative to the application's folder, on
        /// another disk; or `s3://BUCKET/PREFIX`. Of one database each. Unset: nowhere.
        url: Option<String> = None;
        /// How often what was written is taken there: what may be lost with the machine.
        interval_ms: u64 = 10_000;
        /// How often the whole database is taken there, so that a restore reads less.
        base_interval_h: u64 = 24;
        /// How far back one can go.
        retention_h: u64 = 7 * 24;
        /// How much may wait beside the database for a place that can't be reached. Beyond it, what lies between is not kept.
        spool_bytes_max: u64 = 1024 * 1024 * 1024;
        /// How long a stopping server waits until the last of it is there.
        stop_timeout_ms: u64 = 10_000;
        /// S3: the service, where it isn't Amazon's: `https://minio.example:9000`.
        endpoint: Option<String> = None;
        /// S3: the region of the bucket.
        region: String = "us-east-1".to_owned();
        /// S3: who asks. Unset: the environment variable `AWS_ACCESS_KEY_ID`.
        access_key: Option<String> = None;
        /// S3: its secret. Unset: the environment variable `AWS_SECRET_ACCESS_KEY`, and `AWS_SESSION_TOKEN` where there is one.
        secret_key: Option<Secret<String>> = None;
        /// S3: how long one request may take.
        request_timeout_ms: u64 = 300_000;
    }
}

impl Backup {
    fn check(&self, rules: &mut Rules) {
        if let Some(url) = &self.url {
            let place = url.strip_prefix("file:").or_else(|| url.strip_prefix("s3://"));
            rules.that(
                place.is_some_and(|place| !place.is_empty() && !place.starts_with('/') || url.starts_with("file:/")),
                "url",
                format!("{url:?} is no place for backups; write \"file:/backups/shop\" or \"s3://bucket/shop\""),
            );
        }
        if let Some(endpoint) = &self.endpoint {
            rules.that(
                endpoint.starts_with("https://") || endpoint.starts_with("http://"),
                "endpoint",
                format!("{endpoint:?} is no URL; write it with https:// or http://"),
            );
        }
        rules.between("interval_ms", self.interval_ms, 100, HOUR_MS);
        rules.between("base_interval_h", self.base_interval_h, 1, 24 * 366);
        rules.between("retention_h", self.retention_h, 1, 24 * 366 * 10);
        rules.between("spool_bytes_max", self.spool_bytes_max, 64 * 1024 * 1024, u64::MAX);
        rules.between("stop_timeout_ms", self.stop_timeout_ms, 0, HOUR_MS);
        rules.between("request_timeout_ms", self.request_timeout_ms, 1_000, 24 * HOUR_MS);
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
        idempotency_s: u32 = DAY_S;
        /// Size of a request's body.
        body_bytes_max: usize = 1024 * 1024;
        /// Size of the body of `POST /api/batch`, and of an array that is created at once.
        batch_bytes_max: usize = 8 * 1024 * 1024;
        /// How long a request may take, from its last header to its answer. A live stream is answered within it and then stays open.
        request_timeout_ms: u64 = 30_000;
        /// Size of a request's line and headers together.
        header_bytes_max: usize = 32 * 1024;
        /// How long a client may take to send its headers.
        header_timeout_ms: u64 = 10_000;
        /// How long an answer, or a part of it, may wait for a client that doesn't read; then the connection is closed.
        write_timeout_ms: u64 = 30_000;
        /// Connections at once; more wait to be accepted. Each needs a file descriptor.
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
        rules.that(
            self.batch_bytes_max >= self.body_bytes_max,
            "batch_bytes_max",
            format!(
                "{} is less than body_bytes_max, which is {}",
                self.batch_bytes_max, self.body_bytes_max
            ),
        );
        rules.between("request_timeout_ms", self.request_timeout_ms, 100, HOUR_MS);
        // hyper refuses a smaller buffer.
        rules.between("header_bytes_max", self.header_bytes_max, 8 * 1024, 1024 * 1024);
        rules.between("header_timeout_ms", self.header_timeout_ms, 100, 600_000);
        rules.between("write_timeout_ms", self.write_timeout_ms, 100, 600_000);
        rules.between("connections_max", self.connections_max, 1, 1_000_000);
        rules.between("drain_timeout_ms", self.drain_timeout_ms, 0, 600_000);
        rules.between("watch_max", self.watch_max, 0, 1_000_000);
        rules.between("in_flight_max", self.in_flight_max, 1, 1_000_000);
        rules.between("idempotency_s", self.idempotency_s, 1, 30 * DAY_S);
    }
}

section! {
    /// Live queries over HTTP.
    Live "live" {
        /// How often a stream on which nothing happens shows that it is alive.
        heartbeat_ms: u64 = 15_000;
        /// How long a stream waits for a client that doesn't read before it is cut off.
        slow_client_timeout_ms: u64 = 30_000;
    }
}

impl Live {
    fn check(&self, rules: &mut Rules) {
        rules.between("heartbeat_ms", self.heartbeat_ms, 100, HOUR_MS);
        rules.between("slow_client_timeout_ms", self.slow_client_timeout_ms, 100, HOUR_MS);
    }
}

section! {
    /// Accounts, sessions and tokens.
    Auth "auth" {
        /// Who issues access tokens: their claim `iss`.
        issuer: String = "ninefold".to_owned();
        /// Whom access tokens are for: their claim `aud`.
        audience: String = "ninefold".to_owned();
        /// How long an access token is good for.
        access_token_s: u32 = 15 * 60;
        /// How long a sign-in lasts at most, however often it is refreshed.
        session_s: u32 = 30 * DAY_S;
        /// How long a sign-in lasts without a refresh.
        session_idle_s: u32 = 14 * DAY_S;
        /// Sessions of one user at once; beyond it the least recently used ones are ended.
        sessions_max: u32 = 100;
        /// How long the parent of the current refresh token may still come, as from a second tab.
        refresh_race_s: u32 = 10;
        /// What refresh tokens are authenticated with: 32 bytes or more, the same on every node. Unset: one is made and kept in the database.
        secret: Option<Secret<String>> = None;
        /// How long a key signs access tokens before the next one takes over.
        signing_key_s: u32 = 30 * DAY_S;
        /// After how long a session and the roles of a user are read again, in case another node changed them.
        recheck_s: u32 = 30;
        /// Verified access tokens, sessions and users that are remembered, of each so many.
        cache_max: u32 = 16_384;
        /// Sign-up answers the same whether the address is new or not, and a mail tells.
        confirm_email: bool = false;
        /// How long a link to set a new password is good for.
        password_reset_s: u32 = 60 * 60;
        /// How long a link to confirm an address is good for.
        verify_email_s: u32 = DAY_S;
        /// How long an invitation is good for.
        invitation_s: u32 = 7 * DAY_S;
        /// How long an administrator's sign-in link is good for.
        administrator_link_s: u32 = 15 * 60;
        /// Mails that may wait to be sent.
        mail_queue_max: u32 = 256;
    }
}

impl Auth {
    fn check(&self, rules: &mut Rules) {
        rules.between("access_token_s", self.access_token_s, 10, DAY_S);
        rules.between("session_s", self.session_s, 60, YEAR_S);
        rules.between("session_idle_s", self.session_idle_s, 60, YEAR_S);
        rules.between("sessions_max", self.sessions_max, 1, 100_000);
        rules.between("refresh_race_s", self.refresh_race_s, 0, 300);
        rules.between(
            "signing_key_s",
            self.signing_key_s,
            self.access_token_s.saturating_mul(2),
            YEAR_S,
        );
        rules.between("recheck_s", self.recheck_s, 0, DAY_S);
        rules.between("cache_max", self.cache_max, 1, 100_000_000);
        rules.between("password_reset_s", self.password_reset_s, 60, 30 * DAY_S);
        rules.between("verify_email_s", self.verify_email_s, 60, 30 * DAY_S);
        rules.between("invitation_s", self.invitation_s, 60, YEAR_S);
        rules.between("administrator_link_s", self.administrator_link_s, 60, 30 * DAY_S);
        rules.between("mail_queue_max", self.mail_queue_max, 1, 1_000_000);
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
    /// Passwords, and how they are hashed (argon2id). The defaults are what OWASP recommends.
    AuthPassword "auth.password" {
        /// Length of a password at least.
        bytes_min: u32 = 8;
        /// Length of a password at most.
        bytes_max: u32 = 1_024;
        /// Memory that one hash takes.
        memory_kib: u32 = 19 * 1_024;
        /// Passes of a hash over its memory.
        passes: u32 = 2;
        /// Lanes of a hash.
        lanes: u32 = 1;
        /// Hashes worked out at once; 0 is one for each processor.
        concurrent_max: u32 = 0;
        /// Hashes that may wait for their turn; beyond it a sign-in is told to come back.
        waiting_max: u32 = 256;
    }
}

impl AuthPassword {
    fn check(&self, rules: &mut Rules) {
        rules.between("bytes_min", self.bytes_min, 8, 64);
        rules.between("bytes_max", self.bytes_max, 64, 4_096);
        rules.between("lanes", self.lanes, 1, 64);
        // RFC 9106 asks for eight blocks of 1 KiB for each lane.
        rules.between(
            "memory_kib",
            self.memory_kib,
            self.lanes.saturating_mul(8),
            4 * 1024 * 1024,
        );
        rules.between("passes", self.passes, 1, 100);
        rules.between("concurrent_max", self.concurrent_max, 0, 1_024);
        rules.between("waiting_max", self.waiting_max, 1, 1_000_000);
    }
}

section! {
    /// Where the links in mails lead. `{token}` and `{url}`, the public URL, are filled in.
    AuthLinks "auth.links" {
        /// To set a new password.
        password_reset: String = "{url}/#reset-password={token}".to_owned();
        /// To confirm an address.
        verify_email: String = "{url}/#verify-email={token}".to_owned();
        /// To accept an invitation.
        invitation: String = "{url}/#invitation={token}".to_owned();
    }
}

impl AuthLinks {
    fn check(&self, rules: &mut Rules) {
        for (key, link) in [
            ("password_reset", &self.password_reset),
            ("verify_email", &self.verify_email),
            ("invitation", &self.invitation),
        ] {
            rules.that(
                link.contains("{token}"),
                key,
                format!("{link:?} has no {{token}} in it"),
            );
        }
    }
}

section! {
    /// How often something may be tried: so many at once, and then one more every so many milliseconds.
    AuthLimits "auth.limits" {
        /// Failed sign-ins from one address to one account.
        sign_in_burst: u32 = 10;
        /// See `sign_in_burst`.
        sign_in_every_ms: u32 = 10_000;
        /// Sign-ins from one address.
        sign_in_address_burst: u32 = 300;
        /// See `sign_in_address_burst`.
        sign_in_address_every_ms: u32 = 200;
        /// Sign-ups from one address.
        sign_up_burst: u32 = 300;
        /// See `sign_up_burst`.
        sign_up_every_ms: u32 = 200;
        /// Mails to one recipient.
        mail_burst: u32 = 5;
        /// See `mail_burst`.
        mail_every_ms: u32 = 300_000;
    }
}

impl AuthLimits {
    fn check(&self, rules: &mut Rules) {
        for (key, value) in [
            ("sign_in_burst", self.sign_in_burst),
            ("sign_in_every_ms", self.sign_in_every_ms),
            ("sign_in_address_burst", self.sign_in_address_burst),
            ("sign_in_address_every_ms", self.sign_in_address_every_ms),
            ("sign_up_burst", self.sign_up_burst),
            ("sign_up_every_ms", self.sign_up_every_ms),
            ("mail_burst", self.mail_burst),
            ("mail_every_ms", self.mail_every_ms),
        ] {
            rules.that(value > 0, key, "must be at least 1");
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
        let all = self.origins.iter().any(|origin| origin == "*");
        rules.that(
            !all || self.origins.len() == 1,
            "origins",
            "\"*\" lets all, so it stands alone",
        );
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
        /// A list that takes the database longer than this is told of, with the index that it misses; values are left out, and
        /// lists that differ in nothing else are told of once in ten minutes. 0 tells of none.
        slow_query_ms: u64 = 500;
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
