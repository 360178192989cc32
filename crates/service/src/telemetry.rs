//! Logs and metrics of the process. Both are global by nature, so installing them twice is harmless.

use std::fmt;
use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::{Clock, SystemClock};
use crate::config::LogFormat;
use crate::lifecycle::Lifecycle;

/// The tracing target of the per-order story lines; see [`crate::Steps`].
pub const STEP_TARGET: &str = "step";

/// Bounds of the duration histograms, in seconds.
const SECONDS: &[f64] =
    &[0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Bounds of the histograms of how many there were: requests in a commit, messages in a batch.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
/// Those histograms; all others are of seconds.
const COUNTED: &[&str] =
    &["store_commit_requests", "orders_commit_group", "products_batch_messages", "consumer_batch_messages"];

/// The `LOG` filter makes no sense.
#[derive(Debug, Error)]
#[error("LOG={filter:?} is not a log filter")]
pub struct InvalidFilter {
    filter: String,
    source: tracing_subscriber::filter::ParseError,
}

/// Installs logging to standard error. If a subscriber is already there (an earlier call, a test), it stays.
///
/// # Errors
/// If `filter` is not a level or a list of `target=level`.
pub fn init_logging(filter: &str, format: LogFormat) -> Result<(), InvalidFilter> {
    let parsed =
        EnvFilter::try_new(filter).map_err(|source| InvalidFilter { filter: filter.to_owned(), source })?;
    let terminal = std::io::stderr().is_terminal();
    let text = match format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    // An error means that a subscriber is installed already.
    let _ = if text {
        // https://no-color.org: any non-empty value.
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        builder.with_ansi(terminal && !plain).event_format(ForPeople).try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init()
    };
    Ok(())
}

/// Short lines: time of day (UTC), level where it matters, the message, its fields. No targets.
struct ForPeople;

impl<S, N> FormatEvent<S, N> for ForPeople
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let ansi = out.has_ansi_escapes();
        let paint = |code: &'static str| if ansi { code } else { "" };
        let (dim, reset) = (paint("\x1b[2m"), paint("\x1b[0m"));
        let time = SystemClock.now().to_string();
        write!(out, "{dim}{}{reset} ", time.get(11..19).unwrap_or_default())?;
        let level = *event.metadata().level();
        match level {
            Level::ERROR => write!(out, "{}error{reset} ", paint("\x1b[1;31m"))?,
            Level::WARN => write!(out, "{}warn{reset} ", paint("\x1b[33m"))?,
            Level::INFO if event.metadata().target() == STEP_TARGET => {
                write!(out, "{}·{reset} ", paint("\x1b[32m"))?;
            }
            Level::INFO => {}
            Level::DEBUG | Level::TRACE => {
                write!(out, "{dim}{} {}{reset} ", level.as_str().to_lowercase(), event.metadata().target())?;
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        write!(out, "{}", fields.message)?;
        if !fields.rest.is_empty() {
            write!(out, "{dim}{}{reset}", fields.rest)?;
        }
        writeln!(out)
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: String,
}

impl Fields {
    fn put(&mut self, field: &Field, value: &dyn fmt::Display) {
        use fmt::Write;
        // Writing to a string cannot fail. Control characters would let a client forge lines.
        let text = value.to_string();
        let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        if field.name() == "message" {
            self.message.extend(clean);
        } else {
            let _ = write!(self.rest, " {}=", field.name());
            self.rest.extend(clean);
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, &format_args!("{value:?}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, &chain(value));
    }
}

/// An error and its sources, outermost first: "store failed: disk full".
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// The process's metrics, as `/metrics` shows them.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Installs the Prometheus recorder behind the `metrics` macros, once a process; every call gives the same one.
    ///
    /// Call it before anything keeps a counter's handle: handles made earlier record nothing.
    pub fn install() -> Self {
        static INSTALLED: OnceLock<Metrics> = OnceLock::new();
        INSTALLED
            .get_or_init(|| {
                let recorder = with_buckets(PrometheusBuilder::new()).build_recorder();
                let handle = recorder.handle();
                if metrics::set_global_recorder(recorder).is_err() {
                    tracing::warn!("another metrics recorder is installed; /metrics stays empty");
                }
                Self { handle }
            })
            .clone()
    }

    /// The text that Prometheus scrapes.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Moves recorded durations into their buckets every few seconds. Without it they pile up until the next scrape.
    pub fn spawn_upkeep(&self, lifecycle: &Lifecycle) {
        let handle = self.handle.clone();
        let drain = lifecycle.drain_token();
        lifecycle.spawn("metrics upkeep", async move {
            let mut tick = tokio::time::interval(Duration::from_secs(5));
            while drain.run_until_cancelled(tick.tick()).await.is_some() {
                handle.run_upkeep();
            }
        });
    }
}

fn with_buckets(builder: PrometheusBuilder) -> PrometheusBuilder {
    // Only an empty list is refused; without buckets, histograms would be shown as quantiles.
    let builder = builder.set_buckets(SECONDS).unwrap_or_else(|_| PrometheusBuilder::new());
    COUNTED.iter().fold(builder, |builder, name| {
        let matcher = Matcher::Full((*name).to_owned());
        builder.set_buckets_for_metric(matcher, COUNTS).unwrap_or_else(|_| PrometheusBuilder::new())
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn lines(ansi: bool, write: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(ansi)
            .event_format(ForPeople)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, write);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn lines_for_people_are_short_and_single() {
        let text = lines(false, || {
            tracing::info!("Listening");
            tracing::info!(target: STEP_TARGET, "Reserved 2 units");
            tracing::warn!(attempt = 3, reason = "away\nforged line", "Retrying");
        });
        let without_time: Vec<&str> = text.lines().map(|l| &l[9..]).collect();
        assert_eq!(
            without_time,
            ["Listening", "· Reserved 2 units", "warn Retrying attempt=3 reason=away forged line"]
        );
        assert!(lines(true, || tracing::error!("x")).contains("\x1b[1;31merror"));
    }

    #[test]
    fn installing_twice_is_harmless() {
        init_logging("info", LogFormat::Auto).unwrap();
        init_logging("debug,holdfast=trace", LogFormat::Json).unwrap();
        assert!(init_logging("a=b=c", LogFormat::Text).is_err());
        let metrics = Metrics::install();
        metrics::counter!("telemetry_test_total").increment(2);
        metrics::histogram!("telemetry_test_seconds").record(0.003);
        metrics::histogram!("store_commit_requests").record(100.0);
        let text = Metrics::install().render();
        assert!(text.contains("telemetry_test_total 2"), "{text}");
        assert!(text.contains("telemetry_test_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("store_commit_requests_bucket{le=\"128\"} 1"), "{text}");
        assert!(metrics.render().contains("telemetry_test_total"));
    }
}
