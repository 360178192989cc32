//! Messages in their traces.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::Batch;
use holdfast_bus::worker::Handler;
use holdfast_storage::{Group, Record, StoreError};

use super::{Span, SpanKind, Traces};
use crate::telemetry::chain;

/// Traces the messages of another handler. What follows from a message is part of its span.
pub struct Traced<H> {
    handler: H,
    group: Group,
    traces: Traces,
}

impl<H: Handler> Traced<H> {
    /// In front of `handler`, which is `group`'s.
    pub fn new(traces: Traces, group: Group, handler: H) -> Self {
        Self { handler, group, traces }
    }

    #[cfg(test)]
    pub(super) fn into_inner(self) -> H {
        self.handler
    }

    fn of(&self, record: &Record, count: usize) -> Option<Span> {
        let mut span = self.traces.part(record.traceparent.as_deref(), SpanKind::Consumer, || {
            format!("process {}", record.topic)
        })?;
        span.note("messaging.operation.type", "process");
        span.note("messaging.consumer.group.name", self.group);
        span.note("messaging.destination.name", record.topic.to_string());
        span.note("messaging.destination.partition.id", record.partition.0.to_string());
        span.note("messaging.kafka.offset", i64::try_from(record.offset).unwrap_or(i64::MAX));
        span.note("messaging.batch.message_count", i64::try_from(count).unwrap_or(i64::MAX));
        Some(span)
    }

    /// The batch with its traced messages in their spans; `None` if there are none.
    fn begin(&self, batch: &Batch) -> Option<(Batch, Vec<Span>)> {
        if !self.traces.is_on() {
            return None;
        }
        let mut spans = Vec::new();
        let mut records = Vec::new();
        for (at, record) in batch.records.iter().enumerate() {
            let Some(span) = self.of(record, batch.records.len()) else { continue };
            if spans.is_empty() {
                records.clone_from(&batch.records);
            }
            let inside = Record { traceparent: Some(span.traceparent()), ..Record::clone(record) };
            records[at] = Arc::new(inside);
            spans.push(span);
        }
        (!spans.is_empty()).then(|| (Batch { records, ..batch.clone() }, spans))
    }
}

#[async_trait]
impl<H: Handler> Handler for Traced<H> {
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let Some((traced, mut spans)) = self.begin(batch) else { return self.handler.handle(batch).await };
        let outcome = self.handler.handle(&traced).await;
        if let Err(error) = &outcome {
            for span in &mut spans {
                span.failed(chain(error));
            }
        }
        outcome
    }
}
