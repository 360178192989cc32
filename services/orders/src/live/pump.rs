//! The task that tails the bus for all connections.

use std::sync::Arc;
use std::time::Duration;

use holdfast_bus::{BusError, Tail, TailFrom};
use holdfast_contract::Topic;
use holdfast_service::traces::{Span, SpanKind};
use holdfast_storage::Record;

use super::frame::Frame;
use super::hub::Hub;

/// Records turned into frames between two wake-ups of the connections.
const BATCH: usize = 512;
/// How long to wait before a bus that is away is asked again.
const RETRY: Duration = Duration::from_millis(500);

/// Feeds the ring while somebody is connected, until shutdown begins.
pub(super) async fn run(hub: &Hub) {
    let drain = hub.lifecycle.drain_token();
    let mut connected = hub.watch_connected();
    let feed = async {
        loop {
            // The sender lives in the hub.
            let _ = connected.wait_for(|count| *count > 0).await;
            let tail = open(hub, None).await;
            follow(hub, tail, &mut connected).await;
        }
    };
    drain.run_until_cancelled(feed).await;
}

/// Opens the tail, however long the bus is away: at `from`, or if that is no place any more, at the end.
async fn open(hub: &Hub, from: Option<&str>) -> Box<dyn Tail> {
    let mut from = from;
    loop {
        let start = from.map_or(TailFrom::Now, TailFrom::Token);
        match hub.bus.tail(Topic::LIVE, start).await {
            Ok(tail) => {
                if from.is_none() {
                    hub.begin(tail.position().clone());
                }
                return tail;
            }
            Err(BusError::Unavailable(error)) => {
                tracing::warn!(%error, "the bus is away; live clients wait");
                tokio::time::sleep(RETRY).await;
            }
            Err(error @ (BusError::TooFarBehind | BusError::InvalidPosition)) => {
                tracing::warn!(%error, "live updates go on at the end of the log");
                from = None;
            }
        }
    }
}

/// A span for each record that is traced: until it is handed to the connections.
fn spans(hub: &Hub, records: &[Arc<Record>]) -> Vec<Span> {
    let Some(connections) = hub.config.traces.is_on().then(|| hub.connected()) else { return Vec::new() };
    let span = |record: &Arc<Record>| {
        let tell = || format!("tell {}", record.topic);
        let mut span = hub.config.traces.part(record.traceparent.as_deref(), SpanKind::Producer, tell)?;
        span.note("holdfast.live.connections", i64::try_from(connections).unwrap_or(i64::MAX));
        Some(span)
    };
    records.iter().filter_map(span).collect()
}

/// Feeds the ring until nobody is connected any more.
async fn follow(hub: &Hub, mut tail: Box<dyn Tail>, connected: &mut tokio::sync::watch::Receiver<usize>) {
    loop {
        let mut position = tail.position().clone();
        let records = tokio::select! {
            records = tail.next(BATCH) => records,
            _ = connected.wait_for(|count| *count == 0) => {
                if hub.rest() {
                    return;
                }
                continue;
            }
        };
        match records {
            Ok(records) => {
                let _spans = spans(hub, &records);
                let frames = records
                    .iter()
                    .filter_map(|record| position.step(record).then(|| Frame::new(record, &position))?)
                    .collect();
                hub.push(frames, position);
                // A long backlog must not keep this worker thread to itself.
                tokio::task::yield_now().await;
            }
            Err(error) => {
                tracing::warn!(%error, "tailing the bus failed; live clients wait");
                tokio::time::sleep(RETRY).await;
                tail = open(hub, Some(&position.to_string())).await;
            }
        }
    }
}
