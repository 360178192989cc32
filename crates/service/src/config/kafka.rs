//! How to reach the broker.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Secret;

/// Kafka, and how to reach it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kafka")]
pub struct KafkaArgs {
    /// Kafka brokers, comma-separated. Not set: the embedded bus.
    #[arg(long, env = "KAFKA_BROKERS", value_name = "HOST:PORT,…")]
    pub kafka_brokers: Option<String>,

    /// Partitions of the topics that are made at the start. Topics that exist keep theirs.
    #[arg(
        long,
        env = "KAFKA_PARTITIONS",
        default_value_t = 3,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=1000)
    )]
    pub kafka_partitions: u16,

    /// Copies of each partition that is made at the start; at most as many as there are brokers.
    #[arg(
        long,
        env = "KAFKA_REPLICATION",
        default_value_t = 1,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u16).range(1..=10)
    )]
    pub kafka_replication: u16,

    /// Put before the name of every topic, so that several systems can share a cluster.
    #[arg(
        long,
        env = "KAFKA_TOPIC_PREFIX",
        default_value = "",
        hide_default_value = true,
        value_name = "PREFIX",
        value_parser = prefix
    )]
    pub kafka_topic_prefix: String,

    /// Put before the name of every consumer group.
    #[arg(
        long,
        env = "KAFKA_GROUP_PREFIX",
        default_value = "",
        hide_default_value = true,
        value_name = "PREFIX",
        value_parser = prefix
    )]
    pub kafka_group_prefix: String,

    /// How to speak to the brokers [default: plaintext].
    #[arg(long, env = "KAFKA_SECURITY_PROTOCOL", value_enum, ignore_case = true, value_name = "PROTOCOL")]
    pub kafka_security_protocol: Option<SecurityProtocol>,

    /// How to authenticate, with a SASL protocol [default: PLAIN].
    #[arg(long, env = "KAFKA_SASL_MECHANISM", value_enum, ignore_case = true, value_name = "MECHANISM")]
    pub kafka_sasl_mechanism: Option<SaslMechanism>,

    /// User to authenticate as.
    #[arg(long, env = "KAFKA_SASL_USERNAME", value_name = "NAME")]
    pub kafka_sasl_username: Option<String>,

    /// The user's password. Prefer the variable: others on this machine can see the arguments of a process.
    #[arg(long, env = "KAFKA_SASL_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub kafka_sasl_password: Option<Secret>,

    /// Certificates (PEM) that brokers are trusted by. Not set: those of the system.
    #[arg(long, env = "KAFKA_SSL_CA_LOCATION", value_name = "FILE")]
    pub kafka_ssl_ca_location: Option<PathBuf>,

    /// This client's certificate (PEM), where brokers ask for one.
    #[arg(long, env = "KAFKA_SSL_CERTIFICATE_LOCATION", value_name = "FILE")]
    pub kafka_ssl_certificate_location: Option<PathBuf>,

    /// The key (PEM) of this client's certificate.
    #[arg(long, env = "KAFKA_SSL_KEY_LOCATION", value_name = "FILE")]
    pub kafka_ssl_key_location: Option<PathBuf>,

    /// The key's password.
    #[arg(long, env = "KAFKA_SSL_KEY_PASSWORD", hide_env_values = true, value_name = "PASSWORD")]
    pub kafka_ssl_key_password: Option<Secret>,
}

/// What is between a client and a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SecurityProtocol {
    /// Nothing.
    Plaintext,
    /// TLS.
    Ssl,
    /// A password.
    #[value(name = "sasl_plaintext")]
    SaslPlaintext,
    /// A password, over TLS.
    #[value(name = "sasl_ssl")]
    SaslSsl,
}

impl SecurityProtocol {
    /// Its name in Kafka's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }
}

/// How a password is shown to a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SaslMechanism {
    /// As it is.
    #[value(name = "PLAIN")]
    Plain,
    /// As proof of knowing it.
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    /// As proof of knowing it.
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// Its name in Kafka's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

/// What Kafka allows in names of topics, short enough to leave room for ours.
fn prefix(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.len() <= 100 && text.chars().all(allowed) {
        Ok(text.to_owned())
    } else {
        Err("expected at most 100 ASCII letters, digits, '.', '_' or '-'".to_owned())
    }
}
