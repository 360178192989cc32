//! The bus by every way that a broker lets somebody in.

use holdfast_bus::kafka::KafkaConfig;
use holdfast_bus::suite::{TOPICS, World};
use holdfast_bus::{Bus, BusError};
use holdfast_servers::{Kafka, KafkaOptions, Listener, or_skip};

use crate::support::{Cluster, config, messages, numbers};

/// Topics are made, records published and consumed.
async fn works(config: KafkaConfig, about: &str) {
    let cluster = Cluster::with(config);
    cluster.bus.ensure_topics().await.unwrap_or_else(|error| panic!("{about}: {error}"));
    let mut consumer = cluster.subscribe().await;
    cluster.publish(messages(0..5)).await;
    let records = cluster.consume(&mut *consumer, |seen| seen.len() == 5).await;
    assert!(numbers(&records).into_iter().eq(0..5), "{about}");
}

#[tokio::test]
async fn passwords_and_certificates_are_given_as_configured() {
    let options = KafkaOptions { sasl: true, tls: true, ..KafkaOptions::default() };
    let Some(kafka) = or_skip(Kafka::start_with(options).await) else { return };
    let to = |listener, protocol: &str| KafkaConfig {
        security_protocol: Some(protocol.to_owned()),
        ssl_ca_location: kafka.ca_file().map(Into::into),
        ..config(kafka.address(listener).unwrap())
    };
    let with_password = |listener, protocol, mechanism: &str, password: &str| KafkaConfig {
        sasl_mechanism: Some(mechanism.to_owned()),
        sasl_username: Some(kafka.user().to_owned()),
        sasl_password: Some(password.to_owned()),
        ..to(listener, protocol)
    };
    for (mechanism, listener, protocol) in [
        ("PLAIN", Listener::SaslPlaintext, "SASL_PLAINTEXT"),
        ("SCRAM-SHA-256", Listener::SaslSsl, "SASL_SSL"),
        ("SCRAM-SHA-512", Listener::SaslSsl, "SASL_SSL"),
    ] {
        works(with_password(listener, protocol, mechanism, kafka.password()), mechanism).await;
    }
    let mutual = KafkaConfig {
        ssl_certificate_location: kafka.client_certificate_file().map(Into::into),
        ssl_key_location: kafka.client_key_file().map(Into::into),
        ..to(Listener::MutualSsl, "SSL")
    };
    works(mutual, "a certificate of the client").await;

    for (refused, about) in [
        (
            with_password(Listener::SaslPlaintext, "SASL_PLAINTEXT", "SCRAM-SHA-256", "wrong"),
            "a wrong password",
        ),
        (to(Listener::MutualSsl, "SSL"), "no certificate"),
        (config(kafka.address(Listener::SaslPlaintext).unwrap()), "no password"),
    ] {
        let asked = Cluster::with(refused).bus.bounds(TOPICS).await;
        assert!(matches!(asked, Err(BusError::Unavailable(_))), "{about}: {asked:?}");
    }
}
