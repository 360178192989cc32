//! What one has to know about a Kafka cluster to work with it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use thiserror::Error;

/// A Kafka cluster and how Holdfast uses it.
#[derive(Clone)]
pub struct KafkaConfig {
    /// Where to find it: `host:port,host:port`.
    pub brokers: String,
    /// `plaintext` (also if unset), `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub security_protocol: Option<String>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub sasl_mechanism: Option<String>,
    /// Who we are.
    pub sasl_username: Option<String>,
    /// And the proof of it.
    pub sasl_password: Option<String>,
    /// The authority that signed the brokers' certificates (PEM); unset: the system's.
    pub ssl_ca_location: Option<PathBuf>,
    /// Our own certificate (PEM).
    pub ssl_certificate_location: Option<PathBuf>,
    /// Its key (PEM).
    pub ssl_key_location: Option<PathBuf>,
    /// What the key is encrypted with.
    pub ssl_key_password: Option<String>,
    /// Partitions of topics that are created.
    pub partitions: u16,
    /// Replicas of topics that are created.
    pub replication: u16,
    /// Before the name of every topic, so that several systems can share a cluster.
    pub topic_prefix: String,
    /// Before the name of every consumer group.
    pub group_prefix: String,
    /// What our clients' names begin with; the broker's logs and quotas know them by it.
    pub client_id: String,
    /// After this long without a sign of life a group's member is taken for dead.
    pub session_timeout: Duration,
    /// How often the topics are looked up: whether one is missing, or is another of the same name.
    pub topic_check: Duration,
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum KafkaConfigError {
    /// There is nobody to talk to.
    #[error("no broker is named")]
    NoBrokers,
    /// The protocol is none that Kafka speaks.
    #[error("unknown security protocol {0:?}: use one of plaintext, ssl, sasl_plaintext, sasl_ssl")]
    UnknownProtocol(String),
    /// The mechanism is none that Holdfast speaks.
    #[error("unknown SASL mechanism {0:?}: use one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512")]
    UnknownMechanism(String),
    /// SASL needs all three.
    #[error("{0} needs a SASL mechanism, a user name and a password")]
    IncompleteSasl(String),
    /// They would go unused, and the user thinks that they protect.
    #[error("a SASL user is given, but the security protocol is {0}")]
    UnusedSasl(String),
    /// A topic has at least one partition and one replica.
    #[error("partitions and replication must be at least 1")]
    Zero,
    /// The client refuses a setting, or cannot read a certificate.
    #[error("the Kafka client cannot be set up")]
    Client(#[from] KafkaError),
}

impl KafkaConfig {
    /// An unprotected cluster, all else as usual.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            security_protocol: None,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: None,
            ssl_ca_location: None,
            ssl_certificate_location: None,
            ssl_key_location: None,
            ssl_key_password: None,
            partitions: holdfast_contract::topic::DEFAULT_PARTITIONS,
            replication: 1,
            topic_prefix: String::new(),
            group_prefix: String::new(),
            client_id: "holdfast".to_owned(),
            session_timeout: Duration::from_secs(10),
            topic_check: Duration::from_secs(5),
        }
    }

    /// Says what is wrong with it, as far as can be said without asking a broker.
    pub(super) fn check(&self) -> Result<(), KafkaConfigError> {
        if self.brokers.split(',').all(|broker| broker.trim().is_empty()) {
            return Err(KafkaConfigError::NoBrokers);
        }
        if self.partitions == 0 || self.replication == 0 {
            return Err(KafkaConfigError::Zero);
        }
        let protocol = self.protocol();
        match protocol.as_str() {
            "sasl_plaintext" | "sasl_ssl" => {
                let (Some(mechanism), Some(_), Some(_)) =
                    (&self.sasl_mechanism, &self.sasl_username, &self.sasl_password)
                else {
                    return Err(KafkaConfigError::IncompleteSasl(protocol));
                };
                let known = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];
                if !known.contains(&mechanism.to_ascii_uppercase().as_str()) {
                    return Err(KafkaConfigError::UnknownMechanism(mechanism.clone()));
                }
            }
            "plaintext" | "ssl" if self.sasl_username.is_some() => {
                return Err(KafkaConfigError::UnusedSasl(protocol));
            }
            "plaintext" | "ssl" => {}
            _ => return Err(KafkaConfigError::UnknownProtocol(protocol)),
        }
        // Refused settings and unreadable certificates show when a client is made.
        self.client("check").create::<rdkafka::consumer::BaseConsumer>().map(drop)?;
        Ok(())
    }

    fn protocol(&self) -> String {
        self.security_protocol.as_deref().unwrap_or("plaintext").to_ascii_lowercase()
    }

    /// What every client of the cluster needs; `role` is part of its name.
    pub(super) fn client(&self, role: &str) -> ClientConfig {
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", format!("{}-{role}", self.client_id))
            .set("security.protocol", self.protocol())
            // A broker that is back is found soon, and one that is away is not hammered.
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "1000")
            .set("retry.backoff.max.ms", "500")
            .set("socket.keepalive.enable", "true")
            .set("socket.nagle.disable", "true")
            .set("socket.timeout.ms", "10000")
            .set("socket.connection.setup.timeout.ms", "5000")
            .set("topic.metadata.refresh.interval.ms", "5000")
            .set("allow.auto.create.topics", "false")
            // Idle connections are closed by the broker; that is no news.
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Info);
        let settings = [
            ("sasl.username", &self.sasl_username),
            ("sasl.password", &self.sasl_password),
            ("ssl.key.password", &self.ssl_key_password),
        ];
        for (name, value) in settings {
            if let Some(value) = value {
                client.set(name, value);
            }
        }
        if let Some(mechanism) = &self.sasl_mechanism {
            client.set("sasl.mechanism", mechanism.to_ascii_uppercase());
        }
        let files = [
            ("ssl.ca.location", &self.ssl_ca_location),
            ("ssl.certificate.location", &self.ssl_certificate_location),
            ("ssl.key.location", &self.ssl_key_location),
        ];
        for (name, path) in files {
            if let Some(path) = path {
                client.set(name, path.to_string_lossy());
            }
        }
        client
    }
}

/// Without the secrets.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("security_protocol", &self.protocol())
            .field("sasl_username", &self.sasl_username)
            .field("partitions", &self.partitions)
            .field("replication", &self.replication)
            .field("topic_prefix", &self.topic_prefix)
            .field("group_prefix", &self.group_prefix)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_that_cannot_work_is_refused() {
        let config = |change: fn(&mut KafkaConfig)| {
            let mut config = KafkaConfig::new("localhost:1");
            change(&mut config);
            config.check()
        };
        assert!(config(|_| {}).is_ok());
        assert!(matches!(config(|c| c.brokers = " , ".into()), Err(KafkaConfigError::NoBrokers)));
        assert!(matches!(config(|c| c.partitions = 0), Err(KafkaConfigError::Zero)));
        let tls = config(|c| c.security_protocol = Some("tls".into()));
        assert!(matches!(tls, Err(KafkaConfigError::UnknownProtocol(_))));
        let half = config(|c| c.security_protocol = Some("SASL_SSL".into()));
        assert!(matches!(half, Err(KafkaConfigError::IncompleteSasl(_))));
        let unused = config(|c| c.sasl_username = Some("me".into()));
        assert!(matches!(unused, Err(KafkaConfigError::UnusedSasl(_))));
        let sasl = |c: &mut KafkaConfig| {
            c.security_protocol = Some("sasl_plaintext".into());
            c.sasl_mechanism = Some("scram-sha-512".into());
            c.sasl_username = Some("me".into());
            c.sasl_password = Some("secret".into());
        };
        assert!(config(sasl).is_ok());
        let mut gssapi = KafkaConfig::new("localhost:1");
        sasl(&mut gssapi);
        gssapi.sasl_mechanism = Some("GSSAPI".into());
        assert!(matches!(gssapi.check(), Err(KafkaConfigError::UnknownMechanism(_))));
        assert!(!format!("{gssapi:?}").contains("secret"));
        let no_file = config(|c| {
            c.security_protocol = Some("ssl".into());
            c.ssl_ca_location = Some("/nowhere/ca.pem".into());
        });
        assert!(matches!(no_file, Err(KafkaConfigError::Client(_))));
    }
}
