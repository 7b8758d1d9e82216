//! Connections to PostgreSQL, with what each has prepared.

use std::future::poll_fn;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::unsync::Cache;
use tokio::sync::Notify;
use tokio_postgres::config::TargetSessionAttrs;
use tokio_postgres::{AsyncMessage, Client, Config, Error, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::described;
use super::options::{PostgresOpenError, PostgresOptions};
use super::tls;
use crate::pool::Wire;

pub(super) type Pool = crate::pool::Pool<PostgresWire>;
pub(super) type Lease = crate::pool::Lease<PostgresWire>;

/// How long a connection rests until the other end is looked for, how often then, and how often in vain.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
const KEEPALIVE_RETRIES: u32 = 3;

pub(super) struct PostgresWire {
    config: Config,
    tls: MakeRustlsConnect,
    connect_timeout: Duration,
    statements_max: usize,
}

pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) statements: Statements,
}

/// What a connection's server has prepared, by its text.
pub(super) struct Statements(Mutex<Cache<Box<str>, Statement>>);

impl Statements {
    pub(super) async fn prepared(&self, client: &Client, text: &str) -> Result<Statement, Error> {
        let known = self.known().get(text).cloned();
        if let Some(statement) = known {
            return Ok(statement);
        }
        // Once for each text; apart in memory.
        let statement = Box::pin(client.prepare(text)).await?;
        self.known().insert(text.into(), statement.clone());
        Ok(statement)
    }

    fn known(&self) -> MutexGuard<'_, Cache<Box<str>, Statement>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) fn of(url: &str, options: &PostgresOptions) -> Result<Pool, PostgresOpenError> {
    let (config, tls) = configured(url, options).map_err(PostgresOpenError::Url)?;
    let wire = PostgresWire {
        config,
        tls,
        connect_timeout: options.connect_timeout,
        statements_max: options.statements_max,
    };
    Ok(Pool::new(wire, options.connections_max, options.acquire_timeout))
}

impl PostgresWire {
    /// How many servers the URL names.
    pub(super) fn hosts(&self) -> usize {
        self.config.get_hosts().len()
    }

    /// A connection of its caller's own, and what is notified when somebody notifies what it listens to.
    pub(super) async fn connect_listening(&self) -> Result<(Client, Arc<Notify>), Error> {
        let (client, mut connection) = self.config.connect(self.tls.clone()).await?;
        let woken = Arc::new(Notify::new());
        let telling = Arc::clone(&woken);
        // It ends with its client.
        tokio::spawn(async move {
            while let Some(message) = poll_fn(|cx| connection.poll_message(cx)).await {
                match message {
                    Ok(AsyncMessage::Notification(_)) => telling.notify_one(),
                    Ok(_) => {}
                    Err(error) => {
                        tracing::debug!(error = described(&error), "a connection to the database ended");
                        break;
                    }
                }
            }
            // Who waits finds out.
            telling.notify_one();
        });
        Ok((client, woken))
    }
}

impl Wire for PostgresWire {
    type Connection = Connection;
    type Error = Error;

    async fn connect(&self) -> Result<Connection, Error> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // It ends with its client, which each lease drops or gives back.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = described(&error), "a connection to the database ended");
            }
        });
        Ok(Connection {
            client,
            statements: Statements(Mutex::new(Cache::new(self.statements_max))),
        })
    }

    fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    fn described(error: &Error) -> String {
        described(error)
    }

    fn is_spent(connection: &Connection) -> bool {
        connection.client.is_closed()
    }

    async fn ask(connection: &mut Connection) -> Result<(), Error> {
        connection.client.simple_query("").await.map(drop)
    }

    fn give_up(self: Arc<Self>, connection: Connection) {
        let cancel = connection.client.cancel_token();
        if let (Ok(runtime), false) = (tokio::runtime::Handle::try_current(), connection.client.is_closed()) {
            // For a moment at most; the server ends the query by itself otherwise, a little later.
            runtime.spawn(async move {
                tokio::time::timeout(self.connect_timeout, cancel.cancel_query(self.tls.clone())).await
            });
        }
    }

    async fn end(connection: Connection) {
        // Its end of the wire closes with it.
        drop(connection);
    }
}

/// A URL, taken apart as far as the driver doesn't do it.
pub(super) struct Url<'a> {
    pub(super) sslmode: Option<String>,
    pub(super) sslrootcert: Option<String>,
    address: &'a str,
    others: Vec<&'a str>,
}

impl<'a> Url<'a> {
    pub(super) fn read(url: &'a str) -> Self {
        let (address, parameters) = url.split_once('?').unwrap_or((url, ""));
        let mut url = Self {
            sslmode: None,
            sslrootcert: None,
            address,
            others: Vec::new(),
        };
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let value = || {
                percent_encoding::percent_decode_str(value)
                    .decode_utf8_lossy()
                    .into_owned()
            };
            match name {
                "sslmode" => url.sslmode = Some(value()),
                "sslrootcert" => url.sslrootcert = Some(value()),
                _ => url.others.push(parameter),
            }
        }
        url
    }

    pub(super) fn config(&self) -> Result<Config, String> {
        let url = format!("{}?{}", self.address, self.others.join("&"));
        Config::from_str(&url).map_err(|error| described(&error))
    }
}

/// What the driver is to be told, from the URL and the options.
fn configured(url: &str, options: &PostgresOptions) -> Result<(Config, MakeRustlsConnect), String> {
    let mut url = Url::read(url);
    let (mode, trust) = tls::mode(url.sslmode.as_deref(), url.sslrootcert.take())?;
    let mut config = url.config()?;
    config
        .ssl_mode(mode)
        .connect_timeout(options.connect_timeout)
        .keepalives_idle(KEEPALIVE_IDLE)
        .keepalives_interval(KEEPALIVE_INTERVAL)
        .keepalives_retries(KEEPALIVE_RETRIES)
        // Of what we send, too, somebody must have taken note by then.
        .tcp_user_timeout(options.query_timeout + options.connect_timeout);
    if !options.reads_only && config.get_target_session_attrs() == TargetSessionAttrs::Any {
        // A server that only reads is a standby, or was the primary: another has taken its place.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    if config.get_application_name().is_none() {
        config.application_name(options.application);
    }
    let settings = [
        ("statement_timeout", options.query_timeout.as_millis().to_string()),
        ("lock_timeout", options.lock_timeout.as_millis().to_string()),
        (
            "idle_in_transaction_session_timeout",
            options.idle_in_transaction_timeout.as_millis().to_string(),
        ),
        ("standard_conforming_strings", "on".to_owned()),
        ("timezone", "UTC".to_owned()),
        // The server, too, finds out that we are gone, and lets go of what we have locked.
        ("tcp_keepalives_idle", KEEPALIVE_IDLE.as_secs().to_string()),
        ("tcp_keepalives_interval", KEEPALIVE_INTERVAL.as_secs().to_string()),
        ("tcp_keepalives_count", KEEPALIVE_RETRIES.to_string()),
        // Statements are short; compiling one takes longer than running it.
        ("jit", "off".to_owned()),
    ];
    let mut all = config.get_options().unwrap_or_default().to_owned();
    for (name, value) in settings {
        all.push_str(&format!(" -c {name}={value}"));
    }
    config.options(all.trim_start());
    Ok((config, tls::connector(&trust)?))
}
