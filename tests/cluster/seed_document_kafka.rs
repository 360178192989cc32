//! The document that this was ordered with, "Kafka Quick Start - Order & Inventory Management", on Kafka: steps 2 and 3,
//! test 1, and what it says about monitoring, by Kafka's own tools. On a broker of its own, because there are no prefixes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdfast_servers::{Kafka, Tool, or_skip};
use serde_json::{Value, json};

use crate::deployment::{Instance, Service};
use crate::servers::{done, wait};
use crate::support::{self, audit_as, decided, eventually, until};

/// "Test Product", 29.99, 50 in stock, of the sample catalogue.
const PRODUCT_ID: &str = "650000000000000000000001";

/// What the document expects of `--list`. More may exist.
const TOPICS: [&str; 6] = [
    "inventory.release",
    "inventory.reserve",
    "order.cancelled",
    "order.completed",
    "order.created",
    "order.status.changed",
];

/// A service's own program, which was built beside `holdfast`.
fn program(service: Service) -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_holdfast")).with_file_name(service.name());
    let build = "build it with `cargo test --workspace --all-features --no-run`";
    assert!(program.is_file(), "{} is not there: {build}", program.display());
    // Cargo builds it with all tests of the workspace, but not with this one alone. It says from what only where it was once
    // asked for the program by name; in a fresh target folder it never was, and then nothing there can be old.
    let age = |file: &Path| file.metadata().and_then(|m| m.modified()).unwrap();
    let Ok(sources) = std::fs::read_to_string(program.with_extension("d")) else { return program };
    let (_, sources) = sources.split_once(": ").unwrap();
    for source in sources.split_whitespace().map(Path::new).filter(|source| source.is_file()) {
        assert!(
            age(source) <= age(&program),
            "{} is older than {}: {build}",
            program.display(),
            source.display()
        );
    }
    program
}

/// `cd services/<service>`, in a copy, and its program as `cargo run` starts it. The environment wins over `.env.local`.
fn start(service: Service, home: &Path, kafka: &Kafka, format: &str) -> Instance {
    let folder = home.join(service.name());
    std::fs::create_dir_all(&folder).unwrap();
    let env_local =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("services").join(service.name()).join(".env.local");
    let text = std::fs::read_to_string(env_local).unwrap();
    assert!(text.lines().any(|line| line == "KAFKA_BROKERS=localhost:9092"), "{text}");
    std::fs::write(folder.join(".env.local"), text).unwrap();
    let mut command = Command::new(program(service));
    command
        .env_clear()
        .current_dir(&folder)
        .env("KAFKA_BROKERS", kafka.brokers())
        .env("LOG_FORMAT", format)
        .env("ORDERS_ADDR", "127.0.0.1:0")
        .env("PRODUCTS_ADDR", "127.0.0.1:0")
        .env("WEB_ADDRS", "")
        // "Replace PRODUCT_ID with actual product ID from your database."
        .env("SAMPLE_DATA", "true")
        .stdin(Stdio::null());
    Instance::start(&mut command, service)
}

/// What one of Kafka's tools prints.
fn tool(kafka: &Kafka, tool: Tool, args: &[&str]) -> String {
    let output = done(kafka.tool(tool, args));
    assert!(output.success, "{}{}", output.stdout, output.stderr);
    output.stdout
}

#[test]
fn its_steps_and_commands_are_as_written() {
    let Some(kafka) = or_skip(wait(Kafka::start())) else { return };
    let home = tempfile::tempdir().unwrap();
    // As on a terminal, and as a program sees it.
    let orders = start(Service::Orders, home.path(), &kafka, "text");
    let products = start(Service::Products, home.path(), &kafka, "json");

    // "Expected Output" of steps 2 and 3.
    for line in [
        &format!("Orders service running on port {}", orders.addr.port()),
        "Initializing Kafka producer...",
        "✅ Kafka producer connected successfully",
        "✅ Kafka producer initialized successfully",
    ] {
        orders.process.hear(line);
    }
    for line in [
        &format!("Products service running on port {}", products.addr.port()),
        "Initializing Kafka consumer for stock management...",
        "✅ Kafka consumer connected successfully",
        "✅ Subscribed to Kafka topic: inventory.reserve",
        "✅ Subscribed to Kafka topic: inventory.release",
    ] {
        products.process.hear(line);
    }

    // "Test 1: Create an Order".
    let mut client = orders.client();
    let body: Value = serde_json::from_str(&TEST_1.replace("PRODUCT_ID", PRODUCT_ID)).unwrap();
    let (status, created) = client.send("POST", "/api/v1/orders", "", Some(&body)).unwrap();
    assert_eq!((status, &created["success"]), (201, &json!(true)), "{created}");
    let order = &created["data"]["order"];
    let (id, number) = (order["_id"].as_str().unwrap(), order["orderNumber"].as_str().unwrap());
    assert_eq!(decided(&mut client, id)["stockStatus"], "reserved");

    // "Check Logs".
    orders.process.hear("✅ Order created");
    orders.process.hear("Published to Kafka topic 'inventory.reserve'");
    for line in [
        "Received from Kafka topic 'inventory.reserve'",
        &format!("Processing stock reservation for order {number}"),
        "✅ Reserved 2 units of Test Product (new stock: 48)",
    ] {
        products.process.hear(line);
    }

    // "Monitor Events".
    let topics = tool(&kafka, Tool::Topics, &["--list"]);
    for topic in TOPICS {
        assert!(topics.lines().any(|line| line == topic), "{topic}: {topics}");
    }
    let args = ["--topic", "inventory.reserve", "--from-beginning", "--max-messages", "1"];
    let message: Value = serde_json::from_str(&tool(&kafka, Tool::ConsoleConsumer, &args)).unwrap();
    assert_eq!((&message["orderId"], &message["orderNumber"]), (&json!(id), &json!(number)), "{message}");
    assert_eq!(message["eventType"], "STOCK_RESERVE_REQUEST");
    eventually("no lag", || {
        let args = ["--describe", "--group", "products-service-group"];
        no_lag(&tool(&kafka, Tool::ConsumerGroups, &args))
    });

    // "Order Cancelled Flow".
    let path = format!("/api/v1/orders/{id}/status");
    let (status, cancelled) = client.send("PATCH", &path, "", Some(&json!({"status": 5}))).unwrap();
    assert_eq!(status, 200, "{cancelled}");
    until(&mut client, id, |order| order["stockStatus"] == "released");
    let product = products.client().get(&format!("/api/v1/products/{PRODUCT_ID}"))["data"]["product"].take();
    assert_eq!((&product["stock"], &product["reserved"]), (&json!(50), &json!(0)));

    orders.process.stop();
    products.process.stop();
    // Each service has its data where it was started; the audit wants both.
    let data = home.path().join("both");
    std::fs::create_dir(&data).unwrap();
    for service in [Service::Orders, Service::Products] {
        let from = home.path().join(service.name()).join("data");
        let file = format!("{}.db", service.name());
        std::fs::rename(from.join(&file), data.join(&file)).unwrap();
    }
    let (exit, said) = audit_as(&mut support::command(&data));
    assert!(exit.success(), "{said}");
}

/// Reads the table of `kafka-consumer-groups --describe`: each partition of both topics is there, and its lag is 0.
fn no_lag(table: &str) -> Result<(), String> {
    let mut lines = table.lines().filter(|line| !line.trim().is_empty());
    let head: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let column = |name: &str| head.iter().position(|word| *word == name);
    let (Some(topic), Some(lag)) = (column("TOPIC"), column("LAG")) else { return Err(table.to_owned()) };
    let rows: Vec<Vec<&str>> = lines.map(|line| line.split_whitespace().collect()).collect();
    let of = |name: &str| rows.iter().filter(|row| row[topic] == name).count();
    let all = of("inventory.reserve") == 3 && of("inventory.release") == 3;
    if all && rows.iter().all(|row| row[lag] == "0") { Ok(()) } else { Err(table.to_owned()) }
}

/// The body of its `curl -X POST http://localhost:3004/api/v1/orders`, to the letter.
const TEST_1: &str = r#"{
    "userId": "test-user-123",
    "items": [{
      "productId": "PRODUCT_ID",
      "productName": "Test Product",
      "quantity": 2,
      "price": 29.99
    }],
    "totalAmount": 59.98,
    "shippingAddress": {
      "street": "123 Test St",
      "city": "Test City",
      "state": "TS",
      "zipCode": "12345",
      "country": "USA"
    },
    "paymentMethod": "credit_card"
  }"#;
