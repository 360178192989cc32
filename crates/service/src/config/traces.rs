//! Where traces go.

use clap::Args;

/// Traces, by the names that OpenTelemetry gives its variables.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Traces")]
pub struct TraceArgs {
    /// Collector that takes traces by OTLP over HTTP, such as http://localhost:4318. Not set: nothing is traced.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otel_exporter_otlp_endpoint: Option<String>,

    /// Share of the requests that are traced, from 0 to 1. A request that comes with a sampled `traceparent` always is.
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER_ARG",
        default_value_t = 0.01,
        value_name = "RATIO",
        value_parser = ratio
    )]
    pub otel_traces_sampler_arg: f64,

    /// Spans that may wait to be sent; what comes faster than it is sent is lost beyond that, and counted.
    #[arg(
        long,
        env = "OTEL_BSP_MAX_QUEUE_SIZE",
        default_value_t = 2048,
        value_name = "COUNT",
        value_parser = waiting
    )]
    pub otel_bsp_max_queue_size: usize,

    /// Name of the process in its traces. Not set: what runs in it.
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otel_service_name: Option<String>,
}

impl TraceArgs {
    /// The collector, if configured: an empty `OTEL_EXPORTER_OTLP_ENDPOINT=` counts as not set.
    pub fn endpoint(&self) -> Option<&str> {
        super::given(self.otel_exporter_otlp_endpoint.as_deref())
    }

    /// The name, if configured and not empty.
    pub fn service_name(&self) -> Option<&str> {
        super::given(self.otel_service_name.as_deref())
    }
}

fn waiting(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=1_000_000) => Ok(count),
        _ => Err("expected a number from 1 to 1000000".to_owned()),
    }
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("expected a number from 0 to 1".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_a_share() {
        assert_eq!(ratio("0.25"), Ok(0.25));
        for bad in ["1.1", "-0.1", "NaN", "all", ""] {
            assert!(ratio(bad).is_err(), "{bad}");
        }
    }
}
