//! What the client library has to say, into our own log.

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

/// Logs what a client says. That a broker is away is said once by [`super::KafkaBus`], not by each client with every
/// attempt to connect, so most of it is for those who look into a problem.
#[derive(Clone, Copy, Debug, Default)]
pub struct Telling;

impl ClientContext for Telling {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::warn!(facility, "{text}");
            }
            _ => tracing::debug!(facility, "{text}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "Kafka client");
    }
}

impl ConsumerContext for Telling {}
