//! Configuration: environment variables and the flags of the same name, as pieces that binaries flatten into theirs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use clap::{Args, ValueEnum};
use holdfast_contract::Currency;
use thiserror::Error;

use crate::http::AllowedHosts;
use crate::tls::TlsArgs;
use crate::trust::TrustArgs;

mod auth;
mod kafka;
mod mongodb;
mod rate;
mod secret;
mod traces;

pub use auth::AuthArgs;
pub use kafka::{KafkaArgs, SaslMechanism, SecurityProtocol};
pub use mongodb::MongoArgs;
pub use rate::RateArgs;
pub use secret::Secret;
pub use traces::TraceArgs;

/// Where the orders service listens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Orders service")]
pub struct OrdersArgs {
    /// Address and port to listen on; port 0 picks a free one and prints it.
    #[arg(long, env = "ORDERS_ADDR", default_value = "127.0.0.1:3004", value_name = "HOST:PORT", value_parser = listen_addr)]
    pub orders_addr: SocketAddr,
}

/// Where the products service listens.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Products service")]
pub struct ProductsArgs {
    /// Address and port to listen on; port 0 picks a free one and prints it.
    #[arg(long, env = "PRODUCTS_ADDR", default_value = "127.0.0.1:3001", value_name = "HOST:PORT", value_parser = listen_addr)]
    pub products_addr: SocketAddr,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON anywhere else.
    #[default]
    Auto,
    /// Short coloured lines for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How the process runs.
#[derive(Args, Clone, Debug)]
pub struct RuntimeArgs {
    /// Threads that run requests [default: one per core].
    #[arg(long = "worker-threads", env = "WORKER_THREADS", value_name = "COUNT", help_heading = "Process", value_parser = threads)]
    pub threads: Option<NonZeroUsize>,
}

impl RuntimeArgs {
    /// How many threads run requests: as many as there are cores, if not configured.
    pub fn worker_threads(&self) -> usize {
        self.threads.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    match text.parse::<NonZeroUsize>() {
        Ok(count) if count.get() <= 1024 => Ok(count),
        _ => Err("expected a number from 1 to 1024".to_owned()),
    }
}

/// What those who measure a process ask of it.
#[derive(Args, Clone, Debug, Default)]
pub struct ProbeArgs {
    /// Nothing is consumed: messages stay in their topics. For `holdfast bench`.
    #[arg(long, hide = true)]
    pub pause_consumers: bool,

    /// Shuts down when standard input is closed, that is when whoever started it is gone. For `holdfast bench`.
    #[arg(long, hide = true)]
    pub exit_with_stdin: bool,
}

/// What every service takes.
#[derive(Args, Clone, Debug)]
pub struct CommonArgs {
    /// Folder of the embedded databases; made if it is not there.
    #[arg(
        long,
        env = "DATA_DIR",
        default_value = "./data",
        value_name = "DIR",
        help_heading = "Storage and bus"
    )]
    pub data_dir: PathBuf,

    /// The broker.
    #[command(flatten)]
    pub kafka: KafkaArgs,

    /// The database server.
    #[command(flatten)]
    pub mongodb: MongoArgs,

    /// Who may call.
    #[command(flatten)]
    pub auth: AuthArgs,

    /// Hours that outgoing events are kept at least; never less than a consumer still needs.
    #[arg(
        long,
        env = "JOURNAL_RETENTION_HOURS",
        default_value_t = 168,
        value_name = "HOURS",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Storage and bus"
    )]
    pub journal_retention_hours: u32,

    /// Currency of all amounts (ISO 4217).
    #[arg(long, env = "CURRENCY", default_value = "USD", value_name = "CODE", help_heading = "Behaviour", value_parser = Currency::iso)]
    pub currency: Currency,

    /// Seconds after which stock is requested again for an order that is still undecided.
    #[arg(
        long,
        env = "REDECIDE_AFTER_SECONDS",
        default_value_t = 60,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u32).range(1..),
        help_heading = "Behaviour"
    )]
    pub redecide_after_seconds: u32,

    /// Seconds between two rounds of the background audit, which proves all books from the beginning; what moves is
    /// followed all the time. 0: no audit.
    #[arg(
        long,
        env = "AUDIT_EVERY_SECONDS",
        default_value_t = 1800,
        value_name = "SECONDS",
        help_heading = "Behaviour"
    )]
    pub audit_every_seconds: u32,

    /// Seconds that running work may take to finish after SIGTERM or Ctrl-C; a second signal stops at once.
    #[arg(
        long,
        env = "SHUTDOWN_SECONDS",
        default_value_t = 10,
        value_name = "SECONDS",
        help_heading = "Behaviour"
    )]
    pub shutdown_seconds: u32,

    /// Largest request body, in bytes.
    #[arg(
        long,
        env = "MAX_BODY_BYTES",
        default_value_t = 262_144,
        value_name = "BYTES",
        help_heading = "HTTP"
    )]
    pub max_body_bytes: usize,

    /// Connections that are served at once. One more closes the one that has waited for its client for longest.
    #[arg(
        long,
        env = "MAX_CONNECTIONS",
        default_value_t = 8192,
        value_name = "COUNT",
        help_heading = "HTTP",
        value_parser = connections
    )]
    pub max_connections: usize,

    /// Origins that browsers may call from, comma-separated; `*` allows any, empty allows none.
    #[arg(
        long,
        env = "CORS_ORIGINS",
        default_value = crate::http::DEFAULT_CORS_ORIGINS,
        value_name = "ORIGIN,…",
        help_heading = "HTTP"
    )]
    pub cors_origins: String,

    /// Host names that requests may call by beside the loopback ones, comma-separated; `*` allows any. Not set: any if
    /// others than this machine can reach it, else none. Keeps web pages from reaching it under a name of their own.
    #[arg(
        long,
        env = "ALLOWED_HOSTS",
        default_value = "",
        hide_default_value = true,
        value_name = "NAME,…",
        help_heading = "HTTP",
        value_parser = AllowedHosts::parse
    )]
    pub allowed_hosts: AllowedHosts,

    /// Limits of a caller.
    #[command(flatten)]
    pub rate: RateArgs,

    /// TLS.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// Whom it believes when it calls others.
    #[command(flatten)]
    pub trust: TrustArgs,

    /// Traces.
    #[command(flatten)]
    pub traces: TraceArgs,

    /// What to log: a level (error, warn, info, debug, trace), or `target=level` pairs separated by commas.
    #[arg(long, env = "LOG", default_value = "info", value_name = "FILTER", help_heading = "Logging")]
    pub log: String,

    /// How to log: `auto` is text on a terminal and JSON anywhere else.
    #[arg(
        long,
        env = "LOG_FORMAT",
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        help_heading = "Logging"
    )]
    pub log_format: LogFormat,
}

impl CommonArgs {
    /// The brokers, if any are configured: an empty `KAFKA_BROKERS=` counts as not set.
    pub fn kafka_brokers(&self) -> Option<&str> {
        given(self.kafka.kafka_brokers.as_deref())
    }

    /// The MongoDB connection string, if configured: an empty `MONGODB_URI=` counts as not set.
    pub fn mongodb_uri(&self) -> Option<&str> {
        self.mongodb.uri()
    }

    /// What carries messages and what keeps state.
    ///
    /// # Errors
    /// If they do not go together.
    pub fn backends(&self) -> Result<Backends<'_>, InvalidBackends> {
        match (self.kafka_brokers(), self.mongodb_uri()) {
            (None, None) => Ok(Backends::Embedded),
            (Some(brokers), None) => Ok(Backends::KafkaAndSqlite { brokers }),
            (Some(brokers), Some(uri)) => Ok(Backends::KafkaAndMongo { brokers, uri }),
            (None, Some(_)) => Err(InvalidBackends),
        }
    }

    /// How long an order may be undecided before its stock is requested again.
    pub fn redecide_after(&self) -> Duration {
        Duration::from_secs(self.redecide_after_seconds.into())
    }

    /// How long the background audit rests between two rounds; `None`: there is none.
    pub fn audit_every(&self) -> Option<Duration> {
        (self.audit_every_seconds > 0).then(|| Duration::from_secs(self.audit_every_seconds.into()))
    }

    /// How long outgoing events are kept at least.
    pub fn journal_retention(&self) -> Duration {
        Duration::from_secs(u64::from(self.journal_retention_hours) * 3600)
    }

    /// How long running work may take to finish at shutdown.
    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_secs(self.shutdown_seconds.into())
    }
}

/// Which back-ends a process runs on: chosen once, at the start.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Backends<'a> {
    /// The embedded bus over SQLite: one process and its files.
    Embedded,
    /// A broker between the services, each with a SQLite file: one instance of each.
    KafkaAndSqlite {
        /// Where the broker is.
        brokers: &'a str,
    },
    /// A broker and a database server: any number of instances.
    KafkaAndMongo {
        /// Where the broker is.
        brokers: &'a str,
        /// Where the database server is; may hold a password.
        uri: &'a str,
    },
}

/// MongoDB without a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "MONGODB_URI is set, but KAFKA_BROKERS is not: with MongoDB the services speak over Kafka.\n\
     Set KAFKA_BROKERS (for example KAFKA_BROKERS=localhost:9092), or unset MONGODB_URI to use SQLite in DATA_DIR."
)]
pub struct InvalidBackends;

fn given(value: Option<&str>) -> Option<&str> {
    value.map(str::trim).filter(|v| !v.is_empty())
}

fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        // tokio's semaphore takes at most usize::MAX >> 3 permits.
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("expected a number from 1 to 1000000".to_owned()),
    }
}

/// An IP address or `localhost`, and a port. Names are not looked up: what a service binds must not depend on DNS.
///
/// # Errors
/// What was expected, for people.
pub fn listen_addr(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:")
        && let Ok(port) = port.parse()
    {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:3004".to_owned())
}

/// Whether others than this machine can reach `addr`. Without authentication every caller is an admin, so a service does
/// not listen there unless told to.
pub fn is_exposed(addr: SocketAddr) -> bool {
    !addr.ip().is_loopback()
}

/// Why an `.env` file could not be honoured.
#[derive(Debug, Error)]
pub enum EnvFileError {
    /// It is there and cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A line is not `NAME=value`.
    #[error("{path}: not NAME=value: {line}")]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// The line.
        line: String,
    },
}

/// Takes variables from an `.env` file; what the process environment already has stays. Call it first in `main`,
/// before any thread and before the arguments are parsed.
///
/// Gives whether there was a file.
///
/// # Errors
/// If the file is there and cannot be read or is malformed. A missing file is no error.
pub fn load_env_file(path: impl AsRef<Path>) -> Result<bool, EnvFileError> {
    let path = path.as_ref();
    match dotenvy::from_path(path) {
        Ok(()) => Ok(true),
        Err(error) if error.not_found() => Ok(false),
        Err(dotenvy::Error::LineParse(line, _)) => {
            Err(EnvFileError::Malformed { path: path.to_owned(), line })
        }
        Err(dotenvy::Error::Io(source)) => Err(EnvFileError::Unreadable { path: path.to_owned(), source }),
        Err(other) => {
            Err(EnvFileError::Unreadable { path: path.to_owned(), source: io::Error::other(other) })
        }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
