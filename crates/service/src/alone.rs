//! What programs have in common that are one service, next to a broker.

use std::future::Future;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use holdfast_bus::KafkaConfigError;
use holdfast_storage::StoreError;
use thiserror::Error;

use crate::broker::Broker;
use crate::config::{Backends, CommonArgs, InvalidBackends, ProbeArgs, RuntimeArgs, load_env_file};
use crate::http::InvalidHttp;
use crate::process::{BeginError, Process};
use crate::telemetry::chain;

/// Why it does not run.
#[derive(Debug, Error)]
pub enum AloneError {
    /// Nobody to talk to.
    #[error(
        "a single service without a broker has nobody to talk to.\n\
         Set KAFKA_BROKERS (for example KAFKA_BROKERS=localhost:9092, here or in .env.local),\n\
         or run `holdfast`, which runs both services in one process and needs no broker."
    )]
    NoBroker,
    /// A database server without a broker.
    #[error(transparent)]
    Backends(#[from] InvalidBackends),
    /// Settings of the broker.
    #[error("the settings of Kafka do not go together")]
    Kafka(#[from] KafkaConfigError),
    /// `CORS_ORIGINS`, or the certificate.
    #[error(transparent)]
    Http(#[from] InvalidHttp),
    /// Logs, signals, or who may call.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The data folder.
    #[error("{0}; stop what runs on it, or set DATA_DIR to another folder")]
    InUse(StoreError),
    /// The database.
    #[error(transparent)]
    Store(StoreError),
    /// The address.
    #[error("{error}; stop what listens there, or set {variable} to another address")]
    Listen {
        /// Where the address is from.
        variable: &'static str,
        /// Why it cannot be had.
        error: io::Error,
    },
    /// A part of it.
    #[error("the {part} did not start")]
    Start {
        /// Which.
        part: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Standard output.
    #[error("cannot say where it listens")]
    Announce(#[source] io::Error),
}

impl From<StoreError> for AloneError {
    fn from(error: StoreError) -> Self {
        match error {
            in_use @ StoreError::InUse(_) => Self::InUse(in_use),
            other => Self::Store(other),
        }
    }
}

impl AloneError {
    /// The address that `variable` names cannot be had.
    pub fn listen(variable: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |error| Self::Listen { variable, error }
    }

    /// A part, such as `orders service`, did not start.
    pub fn start<E: std::error::Error + Send + Sync + 'static>(part: &'static str) -> impl FnOnce(E) -> Self {
        move |source| Self::Start { part, source: Box::new(source) }
    }
}

/// What a service alone has before it has a database.
pub struct Alone<'a> {
    /// What carries messages.
    pub broker: Broker,
    /// What keeps state.
    pub backends: Backends<'a>,
    /// Everything else.
    pub process: Process,
}

impl<'a> Alone<'a> {
    /// Begins the process, called `name`, that will listen on `addrs`.
    ///
    /// # Errors
    /// If what is configured does not go together. A broker or a database server that is away is none.
    pub fn begin(
        name: &'static str,
        common: &'a CommonArgs,
        addrs: &[SocketAddr],
        probe: &ProbeArgs,
    ) -> Result<Self, AloneError> {
        let backends = common.backends()?;
        let (Backends::KafkaAndSqlite { brokers } | Backends::KafkaAndMongo { brokers, .. }) = backends
        else {
            return Err(AloneError::NoBroker);
        };
        let broker = Broker::new(&common.kafka, brokers)?;
        let process = Process::begin(name, common, addrs, probe)?;
        Ok(Self { broker, backends, process })
    }
}

/// Waits for the end of a process whose service has `started`, or not, and lets `close` close what its tasks used.
///
/// # Errors
/// That of the start.
pub async fn end(
    process: Process,
    started: Result<(), AloneError>,
    close: impl Future<Output = ()>,
) -> Result<ExitCode, AloneError> {
    if started.is_err() {
        process.lifecycle.shutdown();
    }
    let code = process.end(close).await;
    started.map(|()| code)
}

/// The `main` of a program called `name`: reads `.env.local` and `.env` of the current folder, then the arguments, and runs
/// `service` on as many threads as these say. Whatever keeps it from running is said on standard error, with exit code 2.
pub fn main<C, F>(
    name: &str,
    runtime: impl FnOnce(&C) -> &RuntimeArgs,
    service: impl FnOnce(C) -> F,
) -> ExitCode
where
    C: Parser,
    F: Future<Output = Result<ExitCode, AloneError>>,
{
    let refuse = |error: &dyn std::error::Error| {
        // If even that cannot be written, the exit code has to do.
        let _ = writeln!(io::stderr(), "{name}: {}", chain(error));
        ExitCode::from(2)
    };
    // Before any thread, and before the arguments, which take their defaults from the environment.
    for file in [".env.local", ".env"] {
        if let Err(error) = load_env_file(file) {
            return refuse(&error);
        }
    }
    let cli = C::parse();
    let threads = runtime(&cli).worker_threads();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let code = runtime.block_on(Box::pin(service(cli)));
    // A read of standard input cannot be cut; the process does not wait for it.
    runtime.shutdown_background();
    code.unwrap_or_else(|error| refuse(&error))
}
