//! Traces: where the time of one order went, from its request over commit, broker and the other service to the live
//! clients, for a collector that takes OTLP.
//!
//! A request is sampled once, where it comes in. If it is, everything that follows from it carries the context of a span in
//! its records (`traceparent`); if it is not, nothing is carried, and whoever comes by later has nothing to do. Without a
//! collector nothing is sampled, and the only cost is to ask whether there is one.

mod consumer;
mod context;
mod export;
mod queue;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use holdfast_contract::Timestamp;
use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue, Value};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider, TracerProviderBuilder};
use thiserror::Error;

pub use opentelemetry::trace::SpanKind;

pub use self::consumer::Traced;
pub use self::context::traceparent;
use self::export::Collector;
use self::queue::queue;
use crate::config::TraceArgs;
use crate::remote::Remote;
use crate::trust::Trust;

/// How soon after its end a span is sent.
const SEND_EVERY: Duration = Duration::from_secs(1);
/// How long the last ones may take at the end of the process.
const LAST: Duration = Duration::from_secs(3);

/// Traces cannot be configured like this.
#[derive(Debug, Error)]
pub enum InvalidTraces {
    /// Nothing that could be a collector.
    #[error("OTEL_EXPORTER_OTLP_ENDPOINT={0}: expected an http or https URL, such as http://localhost:4318")]
    Endpoint(String),
    /// A variable that OpenTelemetry reads itself (`OTEL_EXPORTER_OTLP_…`) makes no sense.
    #[error("the exporter of traces cannot be used")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
}

/// Where the process's spans go. Clones are the same.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<On>>);

struct On {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() { "Traces(on)" } else { "Traces(off)" })
    }
}

impl Traces {
    /// Nothing is traced.
    pub fn off() -> Self {
        Self::default()
    }

    /// As configured, for a process that is called `name` if nothing else is said. Call it in a runtime.
    ///
    /// # Errors
    /// See [`InvalidTraces`]. A collector that is away is none: what it does not take is lost.
    pub fn from_args(args: &TraceArgs, trust: &Trust, name: &'static str) -> Result<Self, InvalidTraces> {
        let Some(endpoint) = args.endpoint() else { return Ok(Self::off()) };
        let url = format!("{}/v1/traces", endpoint.trim_end_matches('/'));
        let remote =
            Remote::parse(&url, trust).ok_or_else(|| InvalidTraces::Endpoint(endpoint.to_owned()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::at(remote))
            .with_protocol(Protocol::HttpBinary)
            // What is not taken is lost, and said to be (see `Collector`): the next spans are sent a second later.
            .with_retry_policy(RetryPolicy::disabled())
            .with_endpoint(url)
            .build()
            .map_err(InvalidTraces::Exporter)?;
        let processor = queue(exporter, args.otel_bsp_max_queue_size, SEND_EVERY);
        let name = args.service_name().unwrap_or(name).to_owned();
        let resource = Resource::builder()
            .with_service_name(name)
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder().with_span_processor(processor).with_resource(resource);
        Ok(Self::over(provider, args.otel_traces_sampler_arg))
    }

    fn over(provider: TracerProviderBuilder, ratio: f64) -> Self {
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(ratio)));
        let provider = provider.with_sampler(sampler).build();
        let tracer = provider.tracer("holdfast");
        Self(Some(Arc::new(On { provider, tracer })))
    }

    /// Whether there is somewhere for spans to go.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The span of a request to `route` (its method and path, without ids), if it is sampled. From then on it is what
    /// `headers` say the request is part of.
    pub fn request(&self, headers: &mut HeaderMap, route: impl FnOnce() -> String) -> Option<Span> {
        let on = self.0.as_ref()?;
        let parent = headers.get(context::TRACEPARENT).and_then(|value| context::parse(value.as_bytes()));
        // Most are not sampled, and what they are called is not asked then.
        let mut span = on.start(SpanBuilder::from_name("request").with_kind(SpanKind::Server), parent)?;
        span.0.update_name(route());
        if let Ok(value) = HeaderValue::from_maybe_shared(span.traceparent()) {
            headers.insert(context::TRACEPARENT, value);
        }
        Some(span)
    }

    /// A span from now on, as a part of what `of` names, if that is traced.
    pub fn part<N: Into<Cow<'static, str>>>(
        &self,
        of: Option<&[u8]>,
        kind: SpanKind,
        name: impl FnOnce() -> N,
    ) -> Option<Span> {
        self.started(of, |builder| builder.with_kind(kind), name)
    }

    /// A span that began at `since`.
    pub fn part_since<N: Into<Cow<'static, str>>>(
        &self,
        since: Timestamp,
        of: Option<&[u8]>,
        kind: SpanKind,
        name: impl FnOnce() -> N,
    ) -> Option<Span> {
        self.started(of, |builder| builder.with_kind(kind).with_start_time(system_time(since)), name)
    }

    fn started<N: Into<Cow<'static, str>>>(
        &self,
        of: Option<&[u8]>,
        how: impl FnOnce(SpanBuilder) -> SpanBuilder,
        name: impl FnOnce() -> N,
    ) -> Option<Span> {
        let on = self.0.as_ref()?;
        let parent = context::parse(of?).filter(SpanContext::is_sampled)?;
        on.start(how(SpanBuilder::from_name(name())), Some(parent))
    }

    /// Sends what is still to be sent; for the end of the process.
    pub async fn end(&self) {
        let Some(on) = self.0.clone() else { return };
        // It waits for the exporter's thread.
        let ended = tokio::task::spawn_blocking(move || on.provider.shutdown_with_timeout(LAST)).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::warn!("the last traces may be lost");
        }
    }
}

impl On {
    fn start(&self, builder: SpanBuilder, parent: Option<SpanContext>) -> Option<Span> {
        let context = match parent {
            Some(parent) => Context::new().with_remote_span_context(parent),
            None => Context::new(),
        };
        let span = self.tracer.build_with_context(builder, &context);
        span.is_recording().then(|| Span(Box::new(span)))
    }
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

/// Something that takes a while and is traced; it has ended when this is dropped.
pub struct Span(Box<opentelemetry_sdk::trace::Span>);

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&context::write(self.0.span_context()))
    }
}

impl Span {
    /// What names it in records and requests that follow from it.
    pub fn traceparent(&self) -> Bytes {
        context::write(self.0.span_context()).into()
    }

    /// Says more, by the names of OpenTelemetry's semantic conventions where they have one.
    pub fn note(&mut self, key: &'static str, value: impl Into<Value>) {
        self.0.set_attribute(KeyValue::new(key, value));
    }

    /// It did not work.
    pub fn failed(&mut self, why: impl Into<Cow<'static, str>>) {
        self.0.set_status(Status::error(why));
    }
}

#[cfg(test)]
pub(crate) mod tests;
