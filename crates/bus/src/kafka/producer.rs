//! Publishing to Kafka: an idempotent producer, and what a relay wants to know of the logs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{Incarnation, Outgoing, TopicPartition, Unsent};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, NoCustomPartitioner, ProducerContext, ThreadedProducer};
use rdkafka::{ClientConfig, ClientContext};
use rustc_hash::FxHashMap;
use tokio::sync::{mpsc, watch};

use super::record::TIME_HEADER;
use super::{KafkaBus, OUTBOX_HEADER, Stamp, TRACEPARENT_HEADER, Telling, Topics};
use crate::BusError;
use crate::relay::{Ack, Found, Log, PublishError, Publisher, Session};

/// How records are put together for the broker.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// How long a record waits for others to go with it.
    pub linger: Duration,
    /// `none` or `lz4`.
    pub compression: &'static str,
}

impl Default for ProducerOptions {
    fn default() -> Self {
        Self { linger: Duration::from_millis(1), compression: "none" }
    }
}

/// What a producer knows of its broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ProducerState {
    /// It has not been reached yet.
    #[default]
    Connecting,
    /// It answers.
    Connected,
    /// It does not, and why.
    Away(String),
}

/// Publishes to a Kafka cluster.
pub struct KafkaPublisher {
    bus: KafkaBus,
    source: &'static str,
    options: ProducerOptions,
    state: Arc<watch::Sender<ProducerState>>,
}

impl KafkaPublisher {
    /// A publisher to the bus's cluster; does not talk to it yet. `source` is the CloudEvents source of all its records,
    /// `/holdfast/orders` for instance.
    pub fn new(bus: KafkaBus, source: &'static str, options: ProducerOptions) -> Self {
        Self { bus, source, options, state: Arc::default() }
    }

    /// Whether the broker answers.
    pub fn state(&self) -> watch::Receiver<ProducerState> {
        self.state.subscribe()
    }

    /// The settings of its producers.
    pub fn client_config(&self) -> ClientConfig {
        let mut config = self.bus.client_config("relay");
        config
            .set("enable.idempotence", "true")
            // A gap in a partition stops the producer; the relay then looks what is there and goes on from it.
            .set("enable.gapless.guarantee", "true")
            .set("acks", "all")
            // Nothing is given up while the broker is away.
            .set("message.timeout.ms", "0")
            .set("max.in.flight.requests.per.connection", "5")
            .set("linger.ms", (self.options.linger.as_secs_f64() * 1_000.0).to_string())
            .set("compression.type", self.options.compression)
            .set("batch.num.messages", "10000")
            .set("queue.buffering.max.messages", "100000")
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.max.bytes", "8388608")
            .set("topic.metadata.propagation.max.ms", "10000")
            .set_log_level(RDKafkaLogLevel::Info);
        config
    }

    fn failed(&self, error: impl std::fmt::Display) -> PublishError {
        let why = error.to_string();
        self.state.send_replace(ProducerState::Away(why.clone()));
        PublishError::Away(why)
    }

    async fn logs(&self, topics: &[Topic]) -> Result<FxHashMap<Topic, Log>, BusError> {
        let mut known = self.bus.describe(topics).await?;
        if topics.iter().any(|&topic| known.get(topic).is_none()) {
            self.bus.ensure_topics().await?;
            known = self.bus.describe(topics).await?;
        }
        Ok(logs(&known, topics))
    }
}

fn logs(known: &Topics, topics: &[Topic]) -> FxHashMap<Topic, Log> {
    let log = |topic: &Topic| {
        let state = known.get(*topic).filter(|state| state.partitions > 0)?;
        Some((*topic, Log { incarnation: state.incarnation, partitions: state.partitions }))
    };
    topics.iter().filter_map(log).collect()
}

fn reason(error: &BusError) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

#[async_trait]
impl Publisher for KafkaPublisher {
    async fn open(&self, outbox: Incarnation, topics: &[Topic]) -> Result<Box<dyn Session>, PublishError> {
        let logs = self.logs(topics).await.map_err(|error| self.failed(reason(&error)))?;
        if let Some(missing) = topics.iter().find(|topic| !logs.contains_key(topic)) {
            return Err(self.failed(format!("topic {missing} is missing")));
        }
        let (acks, acked) = mpsc::unbounded_channel();
        let tells = Tells { acks, state: self.state.clone(), connected: AtomicBool::new(true) };
        let producer: ThreadedProducer<Tells> = self
            .client_config()
            .create_with_context(tells)
            .map_err(|error| PublishError::Failed(error.to_string()))?;
        self.state.send_if_modified(|state| {
            let news = *state != ProducerState::Connected;
            *state = ProducerState::Connected;
            news
        });
        let names = logs.keys().map(|&topic| (topic, self.bus.topic_name(topic))).collect();
        Ok(Box::new(KafkaSession {
            known: self.bus.topics(),
            bus: self.bus.clone(),
            producer: Some(producer),
            acked,
            logs,
            names,
            outbox,
            source: self.source,
        }))
    }
}

/// Passes on what the library says, from its own thread.
struct Tells {
    /// Bounded by what the relay lets fly.
    acks: mpsc::UnboundedSender<Result<Ack, PublishError>>,
    state: Arc<watch::Sender<ProducerState>>,
    connected: AtomicBool,
}

impl ClientContext for Tells {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        Telling.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Telling.error(error.clone(), reason);
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                self.connected.store(false, Ordering::Relaxed);
                self.state.send_replace(ProducerState::Away(reason.to_owned()));
            }
            Some(RDKafkaErrorCode::Fatal) => {
                // The relay may have gone already.
                let _ = self.acks.send(Err(PublishError::Failed(reason.to_owned())));
            }
            _ => {}
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Tells {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: usize) {
        let ack = match result {
            Ok(message) => match u64::try_from(message.offset()) {
                Ok(offset) => Ok(Ack { ticket: ticket as u64, offset }),
                // It was there already and the broker does not say where: looking will tell.
                Err(_) => Err(PublishError::Failed("the place of a record is unknown".to_owned())),
            },
            Err((error, _)) => Err(match error.rdkafka_error_code() {
                Some(
                    RDKafkaErrorCode::UnknownTopic
                    | RDKafkaErrorCode::UnknownPartition
                    | RDKafkaErrorCode::UnknownTopicOrPartition
                    | RDKafkaErrorCode::UnknownTopicId,
                ) => PublishError::Replaced,
                _ => PublishError::Failed(error.to_string()),
            }),
        };
        if ack.is_ok() && !self.connected.swap(true, Ordering::Relaxed) {
            self.state.send_replace(ProducerState::Connected);
        }
        // The relay may have gone already.
        let _ = self.acks.send(ack);
    }
}

struct KafkaSession {
    bus: KafkaBus,
    known: watch::Receiver<Topics>,
    /// `None` only while it is closed.
    producer: Option<ThreadedProducer<Tells>>,
    acked: mpsc::UnboundedReceiver<Result<Ack, PublishError>>,
    logs: FxHashMap<Topic, Log>,
    names: FxHashMap<Topic, String>,
    outbox: Incarnation,
    source: &'static str,
}

impl KafkaSession {
    /// Whether a topic is not the one any more that the session was opened for.
    fn replaced(&mut self) -> bool {
        let known = self.known.borrow_and_update();
        self.logs
            .iter()
            .any(|(&topic, log)| known.get(topic).is_some_and(|now| now.incarnation != log.incarnation))
    }
}

#[async_trait]
impl Session for KafkaSession {
    fn log(&self, topic: Topic) -> Option<Log> {
        self.logs.get(&topic).copied()
    }

    async fn find(&mut self, from: Vec<(TopicPartition, u64)>) -> Result<Vec<Found>, PublishError> {
        let away = |error: BusError| PublishError::Away(reason(&error));
        let mut scan = self.bus.scan(from).await.map_err(away)?;
        let mut found = Vec::new();
        while let Some(records) = scan.next().await.map_err(away)? {
            found.extend(records.into_iter().filter_map(|scanned| {
                let stamp = scanned.stamp.filter(|stamp| stamp.outbox == self.outbox)?;
                let (partition, offset) = (scanned.record.topic_partition(), scanned.record.offset);
                Some(Found { id: stamp.id, partition, offset })
            }));
        }
        Ok(found)
    }

    fn publish(&mut self, ticket: u64, partition: Partition, unsent: &Unsent) -> Result<bool, PublishError> {
        let (Some(producer), Some(name)) = (&self.producer, self.names.get(&unsent.record.topic)) else {
            return Err(PublishError::Replaced);
        };
        let headers =
            record_headers(self.source, Stamp { outbox: self.outbox, id: unsent.id }, &unsent.record);
        let Outgoing { key, payload, .. } = &unsent.record;
        // Without a time of its own: it is the broker's retention that goes by it, and must not take what comes late for old.
        // When it happened is in `ce_time`.
        let record = BaseRecord::with_opaque_to(name, usize::try_from(ticket).unwrap_or(usize::MAX))
            .partition(i32::from(partition.0))
            .key(&key[..])
            .payload(&payload[..])
            .headers(headers);
        match producer.send(record) {
            Ok(()) => Ok(true),
            Err((error, _)) if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) => Ok(false),
            Err((error, _)) => Err(PublishError::Failed(error.to_string())),
        }
    }

    async fn acks(&mut self, acks: &mut Vec<Ack>) -> Result<(), PublishError> {
        let before = acks.len();
        loop {
            // All that there is, up to the first error.
            while let Ok(ack) = self.acked.try_recv() {
                match ack {
                    Ok(ack) => acks.push(ack),
                    Err(error) => return Err(error),
                }
            }
            if acks.len() > before {
                return Ok(());
            }
            if self.replaced() {
                return Err(PublishError::Replaced);
            }
            tokio::select! {
                ack = self.acked.recv() => match ack {
                    Some(Ok(ack)) => acks.push(ack),
                    Some(Err(error)) => return Err(error),
                    None => return Err(PublishError::Failed("the producer has ended".to_owned())),
                },
                changed = self.known.changed() => if changed.is_err() {
                    return Err(PublishError::Failed("the bus has ended".to_owned()));
                },
            }
        }
    }

    async fn close(mut self: Box<Self>) {
        if let Some(producer) = self.producer.take() {
            // It waits for its threads.
            let _ = tokio::task::spawn_blocking(move || drop(producer)).await;
        }
    }
}

impl Drop for KafkaSession {
    fn drop(&mut self) {
        // Dropped without being closed: a task was aborted. Its threads must not be waited for here.
        if let Some(producer) = self.producer.take() {
            std::thread::spawn(move || drop(producer));
        }
    }
}

/// A record's headers: CloudEvents in binary mode, the trace, and the record's name in its outbox.
pub fn record_headers(source: &str, stamp: Stamp, record: &Outgoing) -> OwnedHeaders {
    let stamp = stamp.to_string();
    let Named { id, kind } = Named::of(&record.payload);
    let at = record.at.to_string();
    let header = |key, value| Header { key, value: Some(value) };
    let mut headers = OwnedHeaders::new_with_capacity(7)
        .insert(header("ce_id", id.unwrap_or(stamp.as_bytes())))
        .insert(header("ce_type", kind.unwrap_or(record.topic.name().as_bytes())))
        .insert(header("ce_source", source.as_bytes()))
        .insert(header(TIME_HEADER, at.as_bytes()))
        .insert(header("ce_specversion", b"1.0"))
        .insert(header(OUTBOX_HEADER, stamp.as_bytes()));
    if let Some(traceparent) = &record.traceparent {
        headers = headers.insert(header(TRACEPARENT_HEADER, &traceparent[..]));
    }
    headers
}

/// What a payload says of itself.
#[derive(Default)]
struct Named<'p> {
    id: Option<&'p [u8]>,
    kind: Option<&'p [u8]>,
}

impl<'p> Named<'p> {
    /// Looks at the top-level fields of a JSON object, and only until both are found: ours come first.
    fn of(payload: &'p [u8]) -> Self {
        let mut named = Self::default();
        let mut rest = payload;
        let mut depth = 0u32;
        let mut key: Option<&[u8]> = None;
        while let Some((&first, after)) = rest.split_first() {
            rest = after;
            match first {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' => key = None,
                b'"' => {
                    let Some(text) = text(&mut rest) else { return named };
                    match key {
                        _ if depth != 1 => {}
                        None => key = Some(text),
                        // An escaped text is none of ours.
                        Some(b"eventId") if !text.contains(&b'\\') => named.id = Some(text),
                        Some(b"eventType") if !text.contains(&b'\\') => named.kind = Some(text),
                        Some(_) => {}
                    }
                    if named.id.is_some() && named.kind.is_some() {
                        return named;
                    }
                }
                _ => {}
            }
        }
        named
    }
}

/// Takes a JSON string's inside, after its opening quote.
fn text<'p>(rest: &mut &'p [u8]) -> Option<&'p [u8]> {
    let mut escaped = false;
    let end = rest.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let (text, after) = rest.split_at(end);
    *rest = &after[1..];
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(payload: &str) -> (Option<&str>, Option<&str>) {
        let Named { id, kind } = Named::of(payload.as_bytes());
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        (id.map(text), kind.map(text))
    }

    #[test]
    fn a_payload_names_itself_at_its_top_level_only() {
        assert_eq!(named(r#"{"eventId":"a-1","eventType":"X","other":1}"#), (Some("a-1"), Some("X")));
        assert_eq!(
            named(r#"{ "eventType" : "X", "n":[1,{"eventId":"no"}], "eventId":"a" }"#),
            (Some("a"), Some("X"))
        );
        assert_eq!(named(r#"{"o":{"eventId":"no","eventType":"no"},"v":"eventId"}"#), (None, None));
        assert_eq!(named(r#"{"t":"eventId","u":"\",\"eventId\":\"no\"","eventId":7}"#), (None, None));
        assert_eq!(named(r#"{"eventId":"a\"b","eventType":"X"}"#), (None, Some("X")));
        for garbled in ["", "{", "\"", "{\"eventId", "{\"eventId\":\"a", "nonsense", "]]]{"] {
            assert_eq!(named(garbled), (None, None), "{garbled}");
        }
    }
}
