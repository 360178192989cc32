//! The spans that wait to be sent: how many there may be, and how many are lost.
//!
//! OpenTelemetry's own queue drops what it has no room for without a count that anybody can read. This bound stands in front of
//! it, never wider than it, so that all that is lost is lost here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{Counter, counter};
use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor,
};

/// A processor that sends by `exporter` every `pace`, and lets at most `room` spans wait.
pub(super) fn queue(
    exporter: impl SpanExporter + 'static,
    room: usize,
    pace: Duration,
) -> impl SpanProcessor + 'static {
    let waiting = Arc::new(AtomicUsize::new(0));
    let leaving = Leaving { exporter, waiting: Arc::clone(&waiting), lost: lost("collector") };
    let config = BatchConfigBuilder::default().with_max_queue_size(room).with_scheduled_delay(pace).build();
    let batches = BatchSpanProcessor::builder(leaving).with_batch_config(config).build();
    Bounded { batches, room, waiting, lost: lost("queue") }
}

fn lost(reason: &'static str) -> Counter {
    counter!("traces_spans_lost_total", "reason" => reason)
}

/// Takes a span if fewer than `room` are on their way.
#[derive(Debug)]
struct Bounded<P> {
    batches: P,
    room: usize,
    /// Taken, and not yet sent or given up.
    waiting: Arc<AtomicUsize>,
    lost: Counter,
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() {
            return;
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) < self.room {
            self.batches.on_end(span);
        } else {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            self.lost.increment(1);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Sends batches. What is not taken is given up: the next is sent soon.
#[derive(Debug)]
struct Leaving<E> {
    exporter: E,
    waiting: Arc<AtomicUsize>,
    lost: Counter,
}

impl<E: SpanExporter> SpanExporter for Leaving<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let count = batch.len();
        let outcome = self.exporter.export(batch).await;
        self.waiting.fetch_sub(count, Ordering::Relaxed);
        if outcome.is_err() {
            self.lost.increment(count as u64);
        }
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use metrics_exporter_prometheus::PrometheusBuilder;
    use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
    use opentelemetry_sdk::error::OTelSdkError;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use parking_lot::Mutex;

    use super::*;

    /// Tells what it was given, and takes it as it is told.
    #[derive(Debug)]
    struct Asked {
        given: Sender<usize>,
        answers: Mutex<Receiver<OTelSdkResult>>,
    }

    impl SpanExporter for Asked {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.given.send(batch.len()).unwrap();
            self.answers.lock().recv().unwrap()
        }
    }

    #[test]
    fn what_is_lost_is_counted_by_reason_and_what_is_sent_makes_room() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let metrics = recorder.handle();
        let (given, was_given) = channel();
        let (answer, answers) = channel();
        let exporter = Asked { given, answers: Mutex::new(answers) };
        let (room, never) = (4, Duration::from_secs(3600));
        let processor = metrics::with_local_recorder(&recorder, || queue(exporter, room, never));
        let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
        let tracer = provider.tracer("test");
        let spans = |count: usize| (0..count).for_each(|_| tracer.start("span").end());
        let lost = |reason: &str| {
            let wanted = format!("traces_spans_lost_total{{reason=\"{reason}\"}} ");
            metrics.render().lines().find_map(|line| line.strip_prefix(&wanted)?.parse::<u64>().ok())
        };

        spans(3);
        answer.send(Ok(())).unwrap();
        provider.force_flush().unwrap();
        assert_eq!((was_given.recv(), lost("queue"), lost("collector")), (Ok(3), Some(0), Some(0)));
        spans(room + 2);
        assert_eq!(lost("queue"), Some(2));
        answer.send(Err(OTelSdkError::InternalFailure("away".to_owned()))).unwrap();
        // A flush has worked if it was tried.
        provider.force_flush().unwrap();
        assert_eq!((was_given.recv(), lost("collector")), (Ok(room), Some(4)));
        spans(room);
        assert_eq!(lost("queue"), Some(2), "there is room again");
        answer.send(Ok(())).unwrap();
        provider.shutdown().unwrap();
        assert_eq!(was_given.recv(), Ok(room));
    }
}
