//! What happens to a broker, seen with Kafka's own tools and with the client that Holdfast uses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use holdfast_servers::{Kafka, KafkaOptions, Listener, Tool, or_skip, shared, unique_name};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

async fn say(kafka: &Kafka, tool: Tool, args: &[&str]) -> String {
    let said = kafka.tool(tool, args).await.unwrap();
    assert!(said.success, "{said:?}");
    said.stdout
}

async fn send(kafka: &Kafka, topic: &str, message: &str) {
    let said = kafka.tool_with_input(Tool::ConsoleProducer, &["--topic", topic], message).await.unwrap();
    assert!(said.success, "{said:?}");
}

async fn first_message(kafka: &Kafka, topic: &str) -> String {
    let args = ["--topic", topic, "--from-beginning", "--max-messages", "1", "--timeout-ms", "30000"];
    say(kafka, Tool::ConsoleConsumer, &args).await
}

#[tokio::test]
async fn tools_work_against_the_shared_broker() {
    let Some(kafka) = shared::kafka().await else { return };
    let topic = unique_name("inventory.reserve");
    let made = say(kafka, Tool::Topics, &["--create", "--topic", &topic, "--partitions", "3"]).await;
    assert!(made.contains("Created topic"), "{made}");
    assert!(say(kafka, Tool::Topics, &["--list"]).await.lines().any(|line| line == topic));
    send(kafka, &topic, "hello\n").await;
    let group = unique_name("readers");
    let args = ["--topic", &topic, "--group", &group, "--from-beginning", "--max-messages", "1"];
    assert_eq!(say(kafka, Tool::ConsoleConsumer, &args).await, "hello\n");
    let described = say(kafka, Tool::ConsumerGroups, &["--describe", "--group", &group]).await;
    assert_eq!(described.lines().filter(|line| line.contains(&topic)).count(), 3, "{described}");
    let said = kafka.tool(Tool::Topics, &["--describe", "--topic", "nobody-made-this"]).await.unwrap();
    assert!(!said.success && said.stderr.contains("nobody-made-this"), "{said:?}");
}

#[tokio::test]
async fn a_killed_broker_keeps_what_it_has_and_a_wiped_one_is_empty() {
    let Some(mut kafka) = or_skip(Kafka::start().await) else { return };
    let brokers = kafka.brokers().to_owned();
    say(&kafka, Tool::Topics, &["--create", "--topic", "kept"]).await;
    send(&kafka, "kept", "still here\n").await;

    kafka.kill().await.unwrap();
    assert!(!kafka.is_running());
    assert!(tokio::net::TcpStream::connect(&brokers).await.is_err());
    kafka.restart().await.unwrap();
    assert_eq!(kafka.brokers(), brokers);
    assert_eq!(first_message(&kafka, "kept").await, "still here\n");

    kafka.stop().await.unwrap();
    assert!(kafka.log().contains("kafka.server for 1 unregistered"), "{}", kafka.log());
    kafka.restart().await.unwrap();
    assert_eq!(first_message(&kafka, "kept").await, "still here\n");

    kafka.wipe_and_restart().await.unwrap();
    assert_eq!(say(&kafka, Tool::Topics, &["--list"]).await.trim(), "");
}

/// Whether a client that is set up like this hears of the brokers.
fn hears(settings: &[(&str, &str)]) -> bool {
    let mut config = ClientConfig::new();
    config.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let client: BaseConsumer = config.create().unwrap();
    client.fetch_metadata(None, Duration::from_secs(10)).is_ok_and(|said| !said.brokers().is_empty())
}

#[tokio::test]
async fn a_paused_broker_says_nothing_until_it_goes_on() {
    let Some(mut kafka) = or_skip(Kafka::start().await) else { return };
    let settings = [("bootstrap.servers", kafka.brokers().to_owned())];
    kafka.pause().await.unwrap();
    let mut config = ClientConfig::new();
    config.extend(settings.map(|(name, value)| (name.to_owned(), value)));
    let client: BaseConsumer = config.create().unwrap();
    assert!(client.fetch_metadata(None, Duration::from_millis(500)).is_err());
    kafka.resume().await.unwrap();
    assert!(client.fetch_metadata(None, Duration::from_secs(30)).is_ok());
}

#[tokio::test]
async fn passwords_and_certificates_are_wanted_and_accepted() {
    let options = KafkaOptions { sasl: true, tls: true, ..KafkaOptions::default() };
    let Some(kafka) = or_skip(Kafka::start_with(options).await) else { return };
    let at = |listener| kafka.address(listener).unwrap();
    let file = |path: Option<&std::path::Path>| path.unwrap().to_str().unwrap().to_owned();
    let (ca, certificate, key) =
        (file(kafka.ca_file()), file(kafka.client_certificate_file()), file(kafka.client_key_file()));

    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        for (protocol, listener) in
            [("sasl_plaintext", Listener::SaslPlaintext), ("sasl_ssl", Listener::SaslSsl)]
        {
            let settings = [
                ("bootstrap.servers", at(listener)),
                ("security.protocol", protocol),
                ("sasl.mechanism", mechanism),
                ("ssl.ca.location", &ca),
                ("sasl.username", kafka.user()),
                ("sasl.password", kafka.password()),
            ];
            assert!(hears(&settings), "{protocol} {mechanism}");
        }
    }
    let wrong = [
        ("bootstrap.servers", at(Listener::SaslPlaintext)),
        ("security.protocol", "sasl_plaintext"),
        ("sasl.mechanism", "SCRAM-SHA-256"),
        ("sasl.username", kafka.user()),
        ("sasl.password", "wrong"),
    ];
    assert!(!hears(&wrong));

    let tls =
        [("bootstrap.servers", at(Listener::Ssl)), ("security.protocol", "ssl"), ("ssl.ca.location", &ca)];
    assert!(hears(&tls));
    let mutual = [
        ("bootstrap.servers", at(Listener::MutualSsl)),
        ("security.protocol", "ssl"),
        ("ssl.ca.location", &ca),
        ("ssl.certificate.location", &certificate),
        ("ssl.key.location", &key),
    ];
    assert!(hears(&mutual));
    assert!(!hears(&mutual[..3]), "without a certificate");
    // An address that it does not have.
    assert_eq!(or_skip(Kafka::start().await).unwrap().address(Listener::Ssl), None);
}
