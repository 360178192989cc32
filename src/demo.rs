//! What the web app's "Try it" page may do to a running system to show that nothing breaks. Embedded bus only.
//!
//! It plays the part of a foreign writer on the bus: it appends to the journals what no service would.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::routing::{get, post};
use bytes::Bytes;
use holdfast_bus::Valve;
use holdfast_contract::Topic;
use holdfast_service::Clock;
use holdfast_service::http::{ApiError, ApiResult, StrictJson, ok};
use holdfast_storage::sqlite::Database;
use holdfast_storage::{Journal, Outgoing, Record, Seq, StoreError};
use serde::{Deserialize, Serialize};

/// How many of a journal's newest records are looked through for messages to repeat.
const REPEATED_FROM: u64 = 2_000;

/// What no consumer can read: cut off in the middle, and without an order id that could be read.
const POISON: &[u8] = br#"{"eventType":"STOCK_RESERVE_REQUEST","items":[{"productId":"6500"#;

/// What it works on.
#[derive(Clone)]
pub(crate) struct Demo {
    /// Orders' database file.
    pub(crate) orders: Arc<Database>,
    /// Products' database file.
    pub(crate) products: Arc<Database>,
    /// Of the process.
    pub(crate) clock: Arc<dyn Clock>,
    /// Before Products' consumer.
    pub(crate) valve: Valve,
}

impl Demo {
    /// Its routes, without the outer layer.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/poison", post(poison))
            .route("/duplicates", post(duplicates))
            .route("/consumer", get(consumer).put(set_consumer))
            .with_state(self)
    }
}

/// Where a message was put.
#[derive(Serialize)]
struct Place {
    topic: &'static str,
    partition: u16,
    offset: u64,
}

/// `POST /demo/poison`: one message in `inventory.reserve` that cannot be read.
async fn poison(State(demo): State<Demo>) -> ApiResult {
    let poison = Outgoing {
        topic: Topic::InventoryReserve,
        key: Bytes::from_static(b"demo-poison"),
        payload: Bytes::from_static(POISON),
        at: demo.clock.now(),
        traceparent: None,
    };
    let placed = demo.orders.write(move |tx| tx.append(poison)).await.map_err(failed)?;
    let place = Place { topic: placed.topic.name(), partition: placed.partition.0, offset: placed.offset };
    ok("A message that cannot be read is in the topic", &place)
}

#[derive(Serialize)]
struct Repeated {
    requests: usize,
    answers: usize,
}

/// `POST /demo/duplicates`: the newest requests and answers once more, as a broker may deliver them.
async fn duplicates(State(demo): State<Demo>) -> ApiResult {
    let requests = repeat(&demo.orders, Topic::TO_PRODUCTS).await.map_err(failed)?;
    let answers = repeat(&demo.products, Topic::TO_ORDERS).await.map_err(failed)?;
    ok("Both streams were repeated", &Repeated { requests, answers })
}

async fn repeat(journal: &Database, topics: &'static [Topic]) -> Result<usize, StoreError> {
    let Seq(end) = *journal.committed().borrow();
    let newest =
        Journal::read(journal, Seq(end.saturating_sub(REPEATED_FROM)), REPEATED_FROM as usize).await?;
    let again: Vec<_> = newest.iter().filter(|r| topics.contains(&r.topic)).map(|r| copy(r)).collect();
    let count = again.len();
    let append = move |tx: &mut holdfast_storage::sqlite::WriteTx<'_>| {
        again.into_iter().try_for_each(|record| tx.append(record).map(drop))
    };
    journal.write(append).await?;
    Ok(count)
}

fn copy(record: &Record) -> Outgoing {
    let Record { topic, key, payload, at, traceparent, .. } = record.clone();
    Outgoing { topic, key, payload, at, traceparent }
}

#[derive(Serialize)]
struct ConsumerState {
    paused: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetConsumer {
    paused: bool,
}

/// `GET /demo/consumer`: whether Products takes messages in.
async fn consumer(State(demo): State<Demo>) -> ApiResult {
    ok("Products' consumer", &ConsumerState { paused: !demo.valve.is_open() })
}

/// `PUT /demo/consumer`: stops it, or lets it go on.
async fn set_consumer(
    State(demo): State<Demo>,
    StrictJson { value: body, .. }: StrictJson<SetConsumer>,
) -> ApiResult {
    demo.valve.set_open(!body.paused);
    consumer(State(demo)).await
}

fn failed(error: StoreError) -> ApiError {
    ApiError::unavailable(error)
}
