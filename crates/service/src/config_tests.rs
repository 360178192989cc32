//! Tests of the configuration.

use clap::{CommandFactory, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    orders: OrdersArgs,
    #[command(flatten)]
    products: ProductsArgs,
    #[command(flatten)]
    common: CommonArgs,
}

fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["holdfast"], args].concat())
}

#[test]
fn the_defaults_are_those_of_the_contract() {
    let cli = parse(&[]).unwrap();
    assert_eq!(cli.orders.orders_addr.to_string(), "127.0.0.1:3004");
    assert_eq!(cli.products.products_addr.to_string(), "127.0.0.1:3001");
    assert_eq!(cli.common.data_dir, Path::new("./data"));
    assert_eq!(cli.common.currency.code(), "USD");
    assert_eq!(cli.common.kafka_brokers(), None);
    assert_eq!(cli.common.redecide_after(), Duration::from_secs(60));
    assert_eq!(cli.common.journal_retention(), Duration::from_secs(7 * 24 * 3600));
    assert_eq!(cli.common.log_format, LogFormat::Auto);
    assert_eq!(cli.common.allowed_hosts, AllowedHosts::ByAddress);
}

#[test]
fn every_argument_is_a_variable_of_the_same_name() {
    for argument in Cli::command().get_arguments().filter(|a| a.get_id() != "help") {
        let flag = argument.get_long().unwrap().replace('-', "_").to_uppercase();
        assert_eq!(argument.get_env().unwrap().to_str().unwrap(), flag);
        assert!(argument.get_help().is_some(), "{flag} has no help");
    }
}

#[test]
fn addresses_and_numbers_are_checked() {
    assert_eq!(parse(&["--orders-addr", "localhost:0"]).unwrap().orders.orders_addr.port(), 0);
    assert!(is_exposed(parse(&["--orders-addr", "0.0.0.0:3004"]).unwrap().orders.orders_addr));
    for wrong in [
        ["--orders-addr", "3004"],
        ["--orders-addr", "example.org:80"],
        ["--currency", "dollars"],
        ["--currency", "ABC"],
        ["--currency", "usd"],
        ["--redecide-after-seconds", "0"],
        ["--journal-retention-hours", "0"],
        ["--max-connections", "0"],
        ["--log-format", "xml"],
        ["--allowed-hosts", "http://shop.example"],
        ["--shutdown-seconds", "-1"],
        ["--kafka-partitions", "0"],
        ["--kafka-replication", "0"],
        ["--kafka-topic-prefix", "a b"],
        ["--kafka-security-protocol", "tls"],
        ["--kafka-sasl-mechanism", "GSSAPI"],
        ["--mongodb-orders-db", "a.b"],
        ["--mongodb-products-db", ""],
    ] {
        assert!(parse(&wrong).is_err(), "{wrong:?}");
    }
    assert_eq!(parse(&["--kafka-brokers", " "]).unwrap().common.kafka_brokers(), None);
    assert_eq!(parse(&["--kafka-brokers", "a:1"]).unwrap().common.kafka_brokers(), Some("a:1"));
}

#[test]
fn an_env_file_never_overrides_and_may_be_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(".env");
    assert!(!load_env_file(&file).unwrap());
    // PATH is set in every process.
    std::fs::write(&file, "PATH=overridden\nHOLDFAST_TEST_ONLY=yes\n").unwrap();
    assert!(load_env_file(&file).unwrap());
    assert_ne!(std::env::var_os("PATH").unwrap(), "overridden");
    assert_eq!(std::env::var_os("HOLDFAST_TEST_ONLY").unwrap(), "yes");
    std::fs::write(&file, "just words\n").unwrap();
    assert!(matches!(load_env_file(&file), Err(EnvFileError::Malformed { .. })));
    assert!(matches!(load_env_file(folder.path()), Err(EnvFileError::Unreadable { .. })));
}

#[test]
fn what_does_not_go_together_is_refused() {
    let backends = |args: &[&str]| {
        let cli = parse(args).unwrap();
        cli.common.backends().map(|b| match b {
            Backends::Embedded => 0,
            Backends::KafkaAndSqlite { .. } => 1,
            Backends::KafkaAndMongo { .. } => 2,
        })
    };
    let (kafka, mongo) = (["--kafka-brokers", "a:1"], ["--mongodb-uri", "mongodb://a"]);
    assert_eq!(backends(&[]), Ok(0));
    assert_eq!(backends(&kafka), Ok(1));
    assert_eq!(backends(&[kafka, mongo].concat()), Ok(2));
    assert_eq!(backends(&mongo), Err(InvalidBackends));
    assert!(InvalidBackends.to_string().contains("KAFKA_BROKERS=localhost:9092"));
    assert_eq!(backends(&["--mongodb-uri", " "]), Ok(0));
}

#[test]
fn secrets_are_not_shown() {
    let cli = parse(&[
        "--kafka-sasl-password",
        "hush-1",
        "--kafka-ssl-key-password",
        "hush-2",
        "--mongodb-uri",
        "mongodb://user:hush-3@a",
    ])
    .unwrap();
    let shown = format!("{cli:?} {}", Cli::command().render_long_help());
    assert!(!shown.contains("hush"), "{shown}");
    assert_eq!(cli.common.kafka.kafka_sasl_password.unwrap().reveal(), "hush-1");
    for argument in Cli::command().get_arguments() {
        let flag = argument.get_id().as_str();
        if flag.ends_with("password") || flag == "mongodb_uri" {
            assert!(argument.is_hide_env_values_set(), "{flag} shows its value in --help");
        }
    }
}

#[test]
fn names_of_kafka_are_taken_in_any_case() {
    let kafka = |args: &[&str]| parse(args).unwrap().common.kafka;
    let parsed = kafka(&["--kafka-security-protocol", "SASL_SSL", "--kafka-sasl-mechanism", "scram-sha-512"]);
    assert_eq!(parsed.kafka_security_protocol.map(SecurityProtocol::name), Some("sasl_ssl"));
    assert_eq!(parsed.kafka_sasl_mechanism.map(SaslMechanism::name), Some("SCRAM-SHA-512"));
    let plain = kafka(&[]);
    assert_eq!((plain.kafka_partitions, plain.kafka_replication), (3, 1));
}

#[test]
fn threads_are_bounded() {
    for (text, good) in
        [("1", true), ("64", true), ("0", false), ("1025", false), ("-1", false), ("x", false)]
    {
        assert_eq!(threads(text).is_ok(), good, "{text}");
    }
    assert!(RuntimeArgs { threads: None }.worker_threads() >= 1);
}
