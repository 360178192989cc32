//! A service's side of the broker: the bus over it, the relay of what the service sends, and whether both work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_bus::kafka::{KafkaPublisher, ProducerOptions, ProducerState};
use holdfast_bus::relay::{Relay, RelayOptions};
use holdfast_bus::{Bus, KafkaBus, KafkaConfig, KafkaConfigError};
use holdfast_contract::Topic;
use holdfast_storage::Outbox;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::config::{KafkaArgs, SaslMechanism, SecurityProtocol};
use crate::http::ReadyCheck;
use crate::lifecycle::Lifecycle;
use crate::process::Process;
use crate::telemetry::chain;
use crate::traces::SpanKind;

/// Kafka, as the services of a process use it. Clones are the same one.
#[derive(Clone)]
pub struct Broker {
    bus: KafkaBus,
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broker")
    }
}

impl Broker {
    /// As configured. Speaks to nobody yet.
    ///
    /// # Errors
    /// If the settings do not go together.
    pub fn new(args: &KafkaArgs, brokers: &str) -> Result<Self, KafkaConfigError> {
        Ok(Self { bus: KafkaBus::new(config(args, brokers))? })
    }

    /// The bus.
    pub fn bus(&self) -> &KafkaBus {
        &self.bus
    }

    /// Sees to it that the topics are there, now and later. A broker that is away is waited for.
    pub fn keep_topics(&self, lifecycle: &Lifecycle) {
        let (bus, drain) = (self.bus.clone(), lifecycle.drain_token());
        lifecycle.spawn_essential("kafka topics", async move {
            bus.keep_topics(drain).await;
            Ok::<(), std::convert::Infallible>(())
        });
    }

    /// Waits until the broker has answered; false if shutdown came first.
    pub async fn reached(&self, lifecycle: &Lifecycle) -> bool {
        let mut reachable = self.bus.reachable();
        wait_for(lifecycle, async move { reachable.wait_for(|yes| *yes).await.is_ok() }).await
    }

    /// Waits until these topics are there; false if shutdown came first.
    pub async fn has_topics(&self, topics: &'static [Topic], lifecycle: &Lifecycle) -> bool {
        let mut known = self.bus.topics();
        let all = move |known: &holdfast_bus::kafka::Topics| topics.iter().all(|t| known.get(*t).is_some());
        wait_for(lifecycle, async move { known.wait_for(all).await.is_ok() }).await
    }

    /// A producer for a service's records, which publishes nothing yet.
    pub fn sender(&self, name: &'static str, source: &'static str) -> Sender {
        let publisher = KafkaPublisher::new(self.bus.clone(), source, ProducerOptions::default());
        Sender { name, broker: self.clone(), publisher: Arc::new(publisher), duties: Arc::default() }
    }

    /// Whether the broker answers.
    pub fn ready(&self) -> Arc<dyn ReadyCheck> {
        Arc::new(BrokerReady(self.bus.reachable()))
    }

    /// Tells, as the quick start shows it, when the service really takes messages from `topics`.
    pub fn tell_of_consumer(&self, what_for: &str, topics: &'static [Topic], lifecycle: &Lifecycle) {
        let (broker, waiting) = (self.clone(), lifecycle.clone());
        tracing::info!("Initializing Kafka consumer for {what_for}...");
        lifecycle.spawn("kafka consumer's first words", async move {
            if !broker.reached(&waiting).await {
                return;
            }
            tracing::info!("✅ Kafka consumer connected successfully");
            if broker.has_topics(topics, &waiting).await {
                for topic in topics {
                    tracing::info!("✅ Subscribed to Kafka topic: {topic}");
                }
            }
        });
    }
}

/// Publishes what a service sends.
pub struct Sender {
    name: &'static str,
    broker: Broker,
    publisher: Arc<KafkaPublisher>,
    duties: Arc<Duties>,
}

/// Whose the shards of the outbox were when the relay last tried to have them: true if its own.
type Duties = Mutex<BTreeMap<u16, bool>>;

impl Sender {
    /// Whether it can publish, or another instance does all of it.
    pub fn ready(&self) -> Arc<dyn ReadyCheck> {
        Arc::new(SenderReady { state: self.publisher.state(), duties: self.duties.clone() })
    }

    /// Publishes what is in `outbox` until shutdown begins, and then for a moment longer; what is unsent by then stays
    /// there.
    pub fn start(self, outbox: Arc<dyn Outbox>, process: &Process) {
        self.tell(&process.lifecycle);
        let clock: Arc<dyn Clock> = process.clock.clone();
        let mut options = RelayOptions::new(self.name, Arc::new(move || clock.now()));
        let (steps, traces) = (process.steps.clone(), process.traces.clone());
        options.on_published = Some(Arc::new(move |record, sent| {
            let publish = || format!("publish {}", record.topic);
            let of = record.traceparent.as_deref();
            if let Some(mut span) = traces.part_since(record.at, of, SpanKind::Producer, publish) {
                span.note("messaging.system", "kafka");
                span.note("messaging.destination.name", record.topic.to_string());
                span.note("messaging.destination.partition.id", sent.partition.partition.0.to_string());
                span.note("messaging.kafka.offset", i64::try_from(sent.offset).unwrap_or(i64::MAX));
            }
            // What live clients are told repeats what the other topics tell.
            if !Topic::LIVE.contains(&record.topic) {
                steps.say(|| format!("Published to Kafka topic '{}'", record.topic));
            }
        }));
        let duties = self.duties;
        options.on_duty = Some(Arc::new(move |shard, ours| {
            duties.lock().insert(shard, ours);
        }));
        let relay = Relay::new(outbox, self.publisher, options);
        for task in relay.tasks(&process.lifecycle.drain_token()) {
            process.lifecycle.spawn_essential("relay", async move {
                task.await;
                Ok::<(), std::convert::Infallible>(())
            });
        }
    }

    /// The lines that the quick start shows, each once it is true.
    fn tell(&self, lifecycle: &Lifecycle) {
        let (broker, waiting, mut state) = (self.broker.clone(), lifecycle.clone(), self.publisher.state());
        tracing::info!("Initializing Kafka producer...");
        lifecycle.spawn("kafka producer's first words", async move {
            let connected =
                async move { state.wait_for(|s| matches!(s, ProducerState::Connected)).await.is_ok() };
            if !wait_for(&waiting, connected).await {
                return;
            }
            tracing::info!("✅ Kafka producer connected successfully");
            if broker.has_topics(Topic::ALL, &waiting).await {
                tracing::info!("✅ Kafka producer initialized successfully");
            }
        });
    }
}

async fn wait_for(lifecycle: &Lifecycle, so: impl Future<Output = bool>) -> bool {
    lifecycle.drain_token().run_until_cancelled(so).await.unwrap_or(false)
}

fn config(args: &KafkaArgs, brokers: &str) -> KafkaConfig {
    let text = |secret: &Option<crate::config::Secret>| secret.as_ref().map(|s| s.reveal().to_owned());
    let mut config = KafkaConfig::new(brokers);
    config.security_protocol = args.kafka_security_protocol.map(|p| p.name().to_owned());
    let protected = matches!(
        args.kafka_security_protocol,
        Some(SecurityProtocol::SaslPlaintext | SecurityProtocol::SaslSsl)
    );
    let mechanism = args.kafka_sasl_mechanism.or(protected.then_some(SaslMechanism::Plain));
    config.sasl_mechanism = mechanism.map(|m| m.name().to_owned());
    config.sasl_username = args.kafka_sasl_username.clone();
    config.sasl_password = text(&args.kafka_sasl_password);
    config.ssl_ca_location = args.kafka_ssl_ca_location.clone();
    config.ssl_certificate_location = args.kafka_ssl_certificate_location.clone();
    config.ssl_key_location = args.kafka_ssl_key_location.clone();
    config.ssl_key_password = text(&args.kafka_ssl_key_password);
    config.partitions = args.kafka_partitions;
    config.replication = args.kafka_replication;
    config.topic_prefix = args.kafka_topic_prefix.clone();
    config.group_prefix = args.kafka_group_prefix.clone();
    config
}

#[derive(Debug)]
struct BrokerReady(watch::Receiver<bool>);

#[async_trait]
impl ReadyCheck for BrokerReady {
    fn name(&self) -> &'static str {
        "bus"
    }

    async fn check(&self) -> Result<(), String> {
        if *self.0.borrow() { Ok(()) } else { Err("the Kafka broker does not answer".to_owned()) }
    }
}

struct SenderReady {
    state: watch::Receiver<ProducerState>,
    duties: Arc<Duties>,
}

impl SenderReady {
    /// Whether there is nothing to publish here, because other instances have all of it.
    fn stands_by(&self) -> bool {
        let duties = self.duties.lock();
        !duties.is_empty() && duties.values().all(|ours| !ours)
    }
}

impl fmt::Debug for SenderReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SenderReady")
    }
}

#[async_trait]
impl ReadyCheck for SenderReady {
    fn name(&self) -> &'static str {
        "relay"
    }

    async fn check(&self) -> Result<(), String> {
        match &*self.state.borrow() {
            _ if self.stands_by() => Ok(()),
            ProducerState::Connected => Ok(()),
            ProducerState::Connecting => Err("not connected to Kafka yet".to_owned()),
            ProducerState::Away(why) => Err(why.clone()),
        }
    }
}

/// Whether a bus answers for some topics.
pub struct BusReady {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// Topics that the service takes messages from.
    pub topics: &'static [Topic],
}

impl fmt::Debug for BusReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BusReady")
    }
}

#[async_trait]
impl ReadyCheck for BusReady {
    fn name(&self) -> &'static str {
        "bus"
    }

    async fn check(&self) -> Result<(), String> {
        self.bus.bounds(self.topics).await.map(drop).map_err(|error| chain(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_shown_plainly_unless_something_else_is_said() {
        #[derive(clap::Parser)]
        struct Cli {
            #[command(flatten)]
            kafka: KafkaArgs,
        }
        let mechanism = |args: &[&str]| {
            let cli = <Cli as clap::Parser>::parse_from([&["test"], args].concat());
            config(&cli.kafka, "localhost:9092").sasl_mechanism
        };
        assert_eq!(mechanism(&["--kafka-security-protocol", "sasl_ssl"]).as_deref(), Some("PLAIN"));
        let scram = ["--kafka-security-protocol", "sasl_ssl", "--kafka-sasl-mechanism", "SCRAM-SHA-512"];
        assert_eq!(mechanism(&scram).as_deref(), Some("SCRAM-SHA-512"));
        assert_eq!(mechanism(&[]), None);
    }

    #[tokio::test]
    async fn who_has_nothing_to_publish_is_ready_whatever_its_producer_says() {
        let (tell, state) = watch::channel(ProducerState::Connecting);
        let ready = SenderReady { state, duties: Arc::default() };
        assert!(ready.check().await.is_err(), "nobody has looked whose the shards are");
        ready.duties.lock().extend([(0, false), (1, true)]);
        assert!(ready.check().await.is_err(), "one is ours");
        ready.duties.lock().insert(1, false);
        assert_eq!(ready.check().await, Ok(()));
        // It had a shard while the broker went away, and lost it.
        tell.send_replace(ProducerState::Away("no broker".to_owned()));
        assert_eq!(ready.check().await, Ok(()));
        ready.duties.lock().insert(0, true);
        assert_eq!(ready.check().await, Err("no broker".to_owned()));
    }
}
