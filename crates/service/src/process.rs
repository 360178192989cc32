//! What every program does around its services: logs, metrics, signals, and an end that says how it went.

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use thiserror::Error;
use tokio::io::AsyncReadExt as _;

use crate::auth::{AuthError, Authenticator, refuse_open};
use crate::clock::{Clock, SystemClock};
use crate::config::{CommonArgs, ProbeArgs, is_exposed};
use crate::descriptors;
use crate::lifecycle::Lifecycle;
use crate::steps::Steps;
use crate::telemetry::{InvalidFilter, Metrics, init_logging};
use crate::traces::{InvalidTraces, Traces};

/// What the services of a process share.
#[derive(Clone, Debug)]
pub struct Process {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Every task is its.
    pub lifecycle: Lifecycle,
    /// What `/metrics` shows.
    pub metrics: Metrics,
    /// The story of every order, for people.
    pub steps: Steps,
    /// Where the time of requests went.
    pub traces: Traces,
    /// Who checks tokens; `None`: nobody is asked for one, and every caller is an admin.
    pub auth: Option<Arc<Authenticator>>,
}

/// Why a process did not begin.
#[derive(Debug, Error)]
pub enum BeginError {
    /// The log filter makes no sense.
    #[error(transparent)]
    Log(#[from] InvalidFilter),
    /// It would be open, or its keys are not good.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Traces have nowhere to go.
    #[error(transparent)]
    Traces(#[from] InvalidTraces),
    /// Signals cannot be handled.
    #[error("cannot handle signals")]
    Signals(#[from] io::Error),
}

impl Process {
    /// Begins: installs logs, metrics and traces, where it is called `name`, and shuts down at SIGTERM or Ctrl-C. `addrs`
    /// are all that it will listen on.
    ///
    /// # Errors
    /// See [`BeginError`].
    pub fn begin(
        name: &'static str,
        common: &CommonArgs,
        addrs: &[SocketAddr],
        probe: &ProbeArgs,
    ) -> Result<Self, BeginError> {
        init_logging(&common.log, common.log_format)?;
        descriptors::raise();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let trust = common.trust.trust();
        let auth = Authenticator::from_args(&common.auth, &trust, Arc::clone(&clock))?;
        refuse_open(auth.as_ref(), &common.auth, addrs.iter().copied())?;
        if auth.is_none() {
            for addr in addrs.iter().filter(|addr| is_exposed(**addr)) {
                tracing::warn!("{addr} can be reached from other machines, and every caller is an admin");
            }
        }
        // Before the services: counters made before the recorder count nothing.
        let metrics = Metrics::install();
        let traces = Traces::from_args(&common.traces, &trust, name)?;
        let lifecycle = Lifecycle::new(common.shutdown_grace());
        lifecycle.shutdown_on_signals()?;
        metrics.spawn_upkeep(&lifecycle);
        let steps = Steps::new(Arc::clone(&clock));
        steps.spawn_flusher(&lifecycle);
        if probe.exit_with_stdin {
            let asked = lifecycle.clone();
            lifecycle.spawn("standard input", async move {
                asked.drain_token().run_until_cancelled(input_closed()).await;
                asked.shutdown();
            });
        }
        if let Some(auth) = &auth {
            auth.spawn(&lifecycle);
        }
        Ok(Self { clock, lifecycle, metrics, steps, traces, auth })
    }

    /// Waits until it was asked to end and everything has finished, then lets `close` close what the tasks used.
    pub async fn end(self, close: impl Future<Output = ()>) -> ExitCode {
        let report = self.lifecycle.wait().await;
        close.await;
        self.traces.end().await;
        if report.is_clean() {
            tracing::info!("Stopped: {report}");
            return ExitCode::SUCCESS;
        }
        tracing::warn!("Stopped: {report}");
        if report.failure.is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Tells where services listen: `people` on a terminal, one JSON object a line for a program.
///
/// # Errors
/// If standard output cannot be written to.
pub fn announce(listening: &[(&str, SocketAddr)], people: &str) -> io::Result<()> {
    let mut out = io::stdout();
    let text = if out.is_terminal() { people.to_owned() } else { notices(listening) };
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn notices(listening: &[(&str, SocketAddr)]) -> String {
    let mut text = String::new();
    for (service, addr) in listening {
        text.push_str(&format!(
            "{{\"event\":\"listening\",\"service\":\"{service}\",\"addr\":\"{addr}\"}}\n"
        ));
    }
    text.push_str("{\"event\":\"ready\"}\n");
    text
}

/// Waits until standard input is closed: then whoever started this is gone.
pub async fn input_closed() {
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 64];
    while !matches!(input.read(&mut ignored).await, Ok(0) | Err(_)) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_one_object_a_line() {
        let orders = ("orders", ([127, 0, 0, 1], 3004).into());
        let products = ("products", ([127, 0, 0, 1], 3001).into());
        let text = notices(&[orders, products]);
        let lines: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines[0]["service"], "orders");
        assert_eq!(lines[1]["addr"], "127.0.0.1:3001");
        assert_eq!(lines[2]["event"], "ready");
    }
}
