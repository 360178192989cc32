//! Configuration: environment variables and the flags of the same name, as pieces that binaries flatten into theirs.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use holdfast_contract::Currency;
use thiserror::Error;

use crate::http::AllowedHosts;

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

    /// Kafka brokers, comma-separated. Not set: the embedded bus.
    #[arg(long, env = "KAFKA_BROKERS", value_name = "HOST:PORT,…", help_heading = "Storage and bus")]
    pub kafka_brokers: Option<String>,

    /// MongoDB connection string (a replica set). Not set: SQLite in DATA_DIR.
    #[arg(
        long,
        env = "MONGODB_URI",
        value_name = "URI",
        hide_env_values = true,
        help_heading = "Storage and bus"
    )]
    pub mongodb_uri: Option<String>,

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

    /// Connections that are served at once; more wait in the operating system's queue.
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
        given(self.kafka_brokers.as_deref())
    }

    /// The MongoDB connection string, if configured: an empty `MONGODB_URI=` counts as not set.
    pub fn mongodb_uri(&self) -> Option<&str> {
        given(self.mongodb_uri.as_deref())
    }

    /// How long an order may be undecided before its stock is requested again.
    pub fn redecide_after(&self) -> Duration {
        Duration::from_secs(self.redecide_after_seconds.into())
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
fn listen_addr(text: &str) -> Result<SocketAddr, String> {
    if let Some(port) = text.strip_prefix("localhost:")
        && let Ok(port) = port.parse()
    {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    text.parse().map_err(|_| "expected an IP address and a port, such as 127.0.0.1:3004".to_owned())
}

/// Whether others than this machine can reach `addr`. Without authentication every caller is an admin, so a service
/// that listens there has to warn.
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
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        orders: OrdersArgs,
        #[command(flatten)]
        products: ProductsArgs,
        #[command(flatten)]
        common: CommonArgs,
    }

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from([&["holdfast"], args].concat())
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let cli = parse(&[]).unwrap();
        assert_eq!(cli.orders.orders_addr.to_string(), "127.0.0.1:3004");
        assert_eq!(cli.products.products_addr.to_string(), "127.0.0.1:3001");
        assert_eq!(cli.common.data_dir, Path::new("./data"));
        assert_eq!(cli.common.currency.code(), "USD");
        assert_eq!(cli.common.kafka_brokers(), None);
        assert_eq!(cli.common.redecide_after(), Duration::from_secs(60));
        assert_eq!(cli.common.journal_retention(), Duration::from_secs(7 * 24 * 3600));
        assert_eq!(cli.common.log_format, LogFormat::Auto);
        assert_eq!(cli.common.allowed_hosts, AllowedHosts::ByAddress);
    }

    #[test]
    fn every_argument_is_a_variable_of_the_same_name() {
        for argument in Cli::command().get_arguments().filter(|a| a.get_id() != "help") {
            let flag = argument.get_long().unwrap().replace('-', "_").to_uppercase();
            assert_eq!(argument.get_env().unwrap().to_str().unwrap(), flag);
            assert!(argument.get_help().is_some(), "{flag} has no help");
        }
    }

    #[test]
    fn addresses_and_numbers_are_checked() {
        assert_eq!(parse(&["--orders-addr", "localhost:0"]).unwrap().orders.orders_addr.port(), 0);
        assert!(is_exposed(parse(&["--orders-addr", "0.0.0.0:3004"]).unwrap().orders.orders_addr));
        for wrong in [
            ["--orders-addr", "3004"],
            ["--orders-addr", "example.org:80"],
            ["--currency", "dollars"],
            ["--currency", "ABC"],
            ["--currency", "usd"],
            ["--redecide-after-seconds", "0"],
            ["--journal-retention-hours", "0"],
            ["--max-connections", "0"],
            ["--log-format", "xml"],
            ["--allowed-hosts", "http://shop.example"],
            ["--shutdown-seconds", "-1"],
        ] {
            assert!(parse(&wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(parse(&["--kafka-brokers", " "]).unwrap().common.kafka_brokers(), None);
        assert_eq!(parse(&["--kafka-brokers", "a:1"]).unwrap().common.kafka_brokers(), Some("a:1"));
    }

    #[test]
    fn an_env_file_never_overrides_and_may_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        assert!(!load_env_file(&file).unwrap());
        // PATH is set in every process.
        std::fs::write(&file, "PATH=overridden\nHOLDFAST_TEST_ONLY=yes\n").unwrap();
        assert!(load_env_file(&file).unwrap());
        assert_ne!(std::env::var_os("PATH").unwrap(), "overridden");
        assert_eq!(std::env::var_os("HOLDFAST_TEST_ONLY").unwrap(), "yes");
        std::fs::write(&file, "just words\n").unwrap();
        assert!(matches!(load_env_file(&file), Err(EnvFileError::Malformed { .. })));
        assert!(matches!(load_env_file(folder.path()), Err(EnvFileError::Unreadable { .. })));
    }
}
