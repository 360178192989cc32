//! What the compose files must hold for the quick start to work as written. Tests cannot run them: there is no Docker.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_yaml_ng::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(name: &str) -> Value {
    let mut file: Value = serde_yaml_ng::from_str(&fs::read_to_string(root().join(name)).unwrap()).unwrap();
    file.apply_merge().unwrap();
    file
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value:?}"))
}

fn list(value: &Value) -> Vec<&str> {
    value.as_sequence().into_iter().flatten().map(text).collect()
}

fn entries(value: &Value) -> Vec<(&str, &Value)> {
    value.as_mapping().into_iter().flatten().map(|(name, value)| (text(name), value)).collect()
}

/// `NAME://host:port,…` by name.
fn listeners(value: &Value) -> BTreeMap<&str, &str> {
    text(value).split(',').map(|listener| listener.split_once("://").unwrap()).collect()
}

#[test]
fn kafka_is_where_the_quick_start_looks_for_it() {
    let file = read("docker-compose.kafka.yml");
    let kafka = &file["services"]["kafka"];
    assert_eq!(kafka["container_name"], "kafka");
    assert_eq!(list(&kafka["ports"]), ["127.0.0.1:9092:9092"]);
    // The image whose tools have no `.sh` in their names.
    assert!(text(&kafka["image"]).starts_with("confluentinc/cp-kafka:"));
    assert_eq!(list(&kafka["volumes"]), ["kafka-data:/var/lib/kafka/data"]);
    assert_eq!(list(&file["services"]["kafka-ui"]["ports"]), ["127.0.0.1:8080:8080"]);
    assert!(
        !fs::read_to_string(root().join("docker-compose.kafka.yml")).unwrap().contains("image: zookeeper")
    );
}

#[test]
fn every_listener_of_kafka_can_be_reached_as_it_is_advertised() {
    let file = read("docker-compose.kafka.yml");
    let set = &file["services"]["kafka"]["environment"];
    let (bound, advertised) =
        (listeners(&set["KAFKA_LISTENERS"]), listeners(&set["KAFKA_ADVERTISED_LISTENERS"]));
    assert_eq!(advertised["HOST"], "localhost:9092");
    assert_eq!(advertised["INTERNAL"], "kafka:29092");
    let port = |address: &str| address.rsplit_once(':').unwrap().1.to_owned();
    for (name, address) in &advertised {
        assert_eq!(port(address), port(bound[name]), "{name}");
    }
    let protocols: BTreeMap<&str, &str> = text(&set["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"])
        .split(',')
        .map(|listener| listener.split_once(':').unwrap())
        .collect();
    assert_eq!(protocols.keys().collect::<Vec<_>>(), bound.keys().collect::<Vec<_>>());
    // The controller listens where the quorum says.
    let controller = text(&set["KAFKA_CONTROLLER_LISTENER_NAMES"]);
    let (node, voter) = text(&set["KAFKA_CONTROLLER_QUORUM_VOTERS"]).split_once('@').unwrap();
    assert_eq!((node.parse().ok(), port(voter)), (set["KAFKA_NODE_ID"].as_i64(), port(bound[controller])));
    // 16 bytes in base64: with any other length it does not start.
    assert_eq!(text(&set["CLUSTER_ID"]).len(), 22);
}

#[test]
fn everything_in_containers_fits_together() {
    let (everything, kafka) = (read("docker-compose.yml"), read("docker-compose.kafka.yml"));
    let services = entries(&everything["services"]);
    let mut ports = Vec::new();
    for (name, service) in &services {
        let base = match &service["extends"] {
            Value::Null => *service,
            extends => {
                assert_eq!(extends["file"], "docker-compose.kafka.yml");
                &kafka["services"][text(&extends["service"])]
            }
        };
        for volume in list(&base["volumes"]) {
            let volume = volume.split(':').next().unwrap();
            assert!(everything["volumes"].get(volume).is_some(), "{name}: volume {volume}");
        }
        for (needed, condition) in entries(&base["depends_on"]) {
            let (_, needed) = services.iter().find(|(other, _)| *other == needed).unwrap();
            assert_eq!(condition["condition"], "service_healthy");
            assert!(needed.get("healthcheck").is_some() || needed.get("extends").is_some());
        }
        for port in list(&base["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port} is open to others");
            ports.push(port.split(':').nth(1).unwrap().to_owned());
        }
    }
    ports.sort();
    assert_eq!(ports, ["27017", "3001", "3004", "3006", "3011", "3014", "8080", "9092"]);
    let scaled: Vec<&str> = services
        .iter()
        .filter(|(_, service)| list(&service["profiles"]) == ["scale"])
        .map(|(name, _)| *name)
        .collect();
    assert_eq!(scaled, ["orders-2", "products-2"]);
}

#[test]
fn services_in_containers_are_told_of_servers_that_are_there() {
    let everything = read("docker-compose.yml");
    let internal = read("docker-compose.kafka.yml");
    let internal =
        listeners(&internal["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"])["INTERNAL"]
            .to_owned();
    for name in ["orders", "products", "orders-2", "products-2"] {
        let service = &everything["services"][name];
        let set = &service["environment"];
        assert_eq!(text(&set["KAFKA_BROKERS"]), internal, "{name}");
        assert_eq!(text(&set["MONGODB_URI"]), "mongodb://mongodb:27017/?replicaSet=rs0", "{name}");
        let program = name.trim_end_matches("-2");
        assert_eq!(list(&service["command"]), [program]);
        // What is published is what it listens on.
        let listens = text(&set[format!("{}_ADDR", program.to_uppercase())]).rsplit_once(':').unwrap().1;
        assert!(list(&service["ports"])[0].ends_with(&format!(":{listens}")), "{name}");
        assert_eq!(list(&service["healthcheck"]["test"]), ["CMD", "holdfast", "health", program]);
    }
    assert!(list(&everything["services"]["mongodb"]["command"]).contains(&"rs0"));
}
