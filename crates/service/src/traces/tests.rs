use holdfast_bus::worker::Handler;
use holdfast_bus::{Batch, ORDERS_GROUP};
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{Record, Seq, StoreError};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};

use super::*;

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const NOT_SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

pub(crate) fn kept(ratio: f64) -> (Traces, InMemorySpanExporter) {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone());
    (Traces::over(provider, ratio), exporter)
}

fn ended(exporter: &InMemorySpanExporter) -> Vec<SpanData> {
    exporter.get_finished_spans().unwrap()
}

fn headers(traceparent: Option<&str>) -> HeaderMap {
    traceparent
        .map(|value| (axum::http::HeaderName::from_static("traceparent"), value.parse().unwrap()))
        .into_iter()
        .collect()
}

#[test]
fn a_request_is_sampled_once_and_for_all_that_follows() {
    let (traces, exporter) = kept(1.0);
    let mut headers = headers(None);
    let request = traces.request(&mut headers, || "POST /orders".to_owned()).unwrap();
    let carried = traceparent(&headers).unwrap();
    assert_eq!(carried, request.traceparent());
    let mut part = traces.part(Some(&carried), SpanKind::Consumer, || "process").unwrap();
    part.note("count", 3);
    part.failed("away");
    drop(part);
    drop(request);
    let spans = ended(&exporter);
    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["process", "POST /orders"]);
    assert_eq!(spans[0].parent_span_id, spans[1].span_context.span_id());
    assert_eq!(spans[0].span_context.trace_id(), spans[1].span_context.trace_id());
    assert_eq!(spans[0].status, Status::error("away"));
    assert_eq!(spans[0].attributes, [KeyValue::new("count", 3)]);
}

#[test]
fn who_asks_decides_and_otherwise_the_ratio() {
    let sampled = |ratio, from: Option<&str>| {
        let (traces, exporter) = kept(ratio);
        let mut headers = headers(from);
        let before = headers.clone();
        let request = traces.request(&mut headers, || "GET /orders".to_owned());
        assert_eq!(request.is_none(), headers == before, "what is not traced goes on as it came");
        drop(request);
        let spans = ended(&exporter);
        assert!(
            spans.iter().all(|span| from.is_none() || span.parent_span_id.to_string() == "00f067aa0ba902b7")
        );
        spans.len()
    };
    assert_eq!([sampled(0.0, None), sampled(1.0, None)], [0, 1]);
    assert_eq!([sampled(0.0, Some(SAMPLED)), sampled(1.0, Some(NOT_SAMPLED))], [1, 0]);
}

#[test]
fn nothing_is_a_part_of_what_is_not_traced() {
    let (traces, exporter) = kept(1.0);
    for of in [None, Some(NOT_SAMPLED), Some("nonsense")] {
        assert!(traces.part(of.map(str::as_bytes), SpanKind::Internal, || "commit").is_none(), "{of:?}");
    }
    let off = Traces::off();
    assert!(off.part(Some(SAMPLED.as_bytes()), SpanKind::Internal, || "commit").is_none());
    assert!(off.request(&mut headers(Some(SAMPLED)), || "GET /orders".to_owned()).is_none());
    assert!(ended(&exporter).is_empty());
}

#[test]
fn a_span_may_have_begun_before() {
    let (traces, exporter) = kept(1.0);
    let since = Timestamp::from_millis(1_767_225_600_123);
    drop(traces.part_since(since, Some(SAMPLED.as_bytes()), SpanKind::Producer, || "publish"));
    assert_eq!(ended(&exporter)[0].start_time, system_time(since));
}

/// Keeps what it is given.
#[derive(Default)]
struct Kept(Vec<Batch>);

#[async_trait::async_trait]
impl Handler for Kept {
    async fn handle(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.0.push(batch.clone());
        if self.0.len() == 1 { Err(StoreError::Unavailable("away".to_owned())) } else { Ok(()) }
    }
}

fn record(offset: u64, traceparent: Option<&'static str>) -> Arc<Record> {
    Arc::new(Record {
        seq: Seq(0),
        topic: Topic::InventoryReserved,
        partition: Partition(1),
        offset,
        key: "key".into(),
        payload: "{}".into(),
        at: Timestamp::from_millis(0),
        traceparent: traceparent.map(|value| Bytes::from_static(value.as_bytes())),
    })
}

#[tokio::test]
async fn what_follows_from_a_message_is_part_of_its_span() {
    let (traces, exporter) = kept(0.0);
    let mut traced = Traced::new(traces, ORDERS_GROUP, Kept::default());
    let records = vec![record(7, None), record(8, Some(SAMPLED)), record(9, Some(NOT_SAMPLED))];
    let batch = Batch { records, spans: Vec::new(), generation: 0 };
    traced.handle(&batch).await.unwrap_err();
    traced.handle(&batch).await.unwrap();
    let spans = ended(&exporter);
    assert_eq!(spans.len(), 2, "one for each attempt");
    assert!(spans.iter().all(|span| span.name == "process inventory.reserved"));
    assert!(matches!(spans[0].status, Status::Error { .. }) && spans[1].status == Status::Unset);
    let given = &traced.into_inner().0[1].records;
    assert_eq!(given[0], batch.records[0]);
    assert_eq!(given[2], batch.records[2]);
    assert_eq!(given[1].traceparent.as_deref(), Some(context::write(&spans[1].span_context).as_bytes()));
    assert_eq!((given[1].offset, &given[1].payload), (8, &batch.records[1].payload));
}
