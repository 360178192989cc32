//! The operator's commands against the real binary, on the embedded bus and on a real Kafka broker (contract §5.8).

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use holdfast_contract::topic::{DEFAULT_PARTITIONS, partition_of};
use holdfast_contract::{OrderNumber, Topic};
use holdfast_servers::{Tool, shared, unique_name};
use holdfast_storage::sqlite::connect;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use support::{Client, Holdfast, audit, command, place, product, until};
use tempfile::TempDir;

/// A command of the operator's, asking a running system.
fn operator(orders: SocketAddr, products: SocketAddr, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command
        .env_clear()
        .env("ORDERS_URL", format!("http://{orders}"))
        .env("PRODUCTS_URL", format!("http://{products}"))
        .args(args)
        .stdin(Stdio::null());
    command
}

/// What a command said, and its exit code.
fn ask(system: &Holdfast, args: &[&str]) -> (String, i32) {
    let Output { status, stdout, stderr } = operator(system.orders, system.products, args).output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    (said, status.code().unwrap())
}

/// The JSON that a command printed.
fn json_of(system: &Holdfast, args: &[&str]) -> Value {
    let (said, code) = ask(system, &[args, &["--json"]].concat());
    assert_eq!(code, 0, "{args:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn letters(system: &Holdfast) -> Vec<Value> {
    json_of(system, &["dlq", "list"])["deadLetters"].as_array().unwrap().clone()
}

/// The id of the parked message at this place of its queue.
fn letter<'l>(letters: &'l [Value], order: Option<&str>, n: usize) -> &'l str {
    let of_order = letters.iter().filter(|l| l["orderId"].as_str() == order);
    of_order.map(|l| l["id"].as_str().unwrap()).nth(n).unwrap()
}

/// Waits until the group of Products has taken everything in.
fn drained(system: &Holdfast) {
    let mut client = Client::connect(system.products).unwrap();
    until_so(|| client.get("/api/v1/groups")["data"]["groups"][0]["lag"] == 0);
}

#[allow(clippy::disallowed_methods, reason = "bounds a hang")]
fn until_so(mut so: impl FnMut() -> bool) {
    let started = std::time::Instant::now();
    while !so() {
        assert!(started.elapsed() < support::PATIENCE, "it never is so");
        std::thread::yield_now();
    }
}

/// Of the stopped system, the journal of Orders, to be written as no Holdfast would.
struct Journal(Connection);

impl Journal {
    fn open(data: &Path) -> Self {
        Self(connect(&data.join("orders.db")).unwrap())
    }

    /// Replaces the order's request for stock by something that cannot be read; gives what it was.
    fn spoil(&self, order: &str) -> Vec<u8> {
        let topic = Topic::InventoryReserve.code();
        let was = self.0.query_row(
            "SELECT payload FROM journal WHERE topic = ?1 AND key = ?2",
            params![topic, order.as_bytes()],
            |row| row.get(0),
        );
        let spoilt = self.0.execute(
            "UPDATE journal SET payload = CAST('{\"eventType\":' AS BLOB) WHERE topic = ?1 AND key = ?2",
            params![topic, order.as_bytes()],
        );
        assert_eq!(spoilt.unwrap(), 1);
        was.unwrap()
    }

    /// Appends a message to `inventory.reserve`.
    fn append(&self, key: &[u8], payload: &[u8]) {
        let topic = Topic::InventoryReserve.code();
        let partition = partition_of(key, DEFAULT_PARTITIONS).0;
        self.0
            .execute(
                "INSERT INTO journal_heads (topic, partition, start_offset, end_offset) VALUES (?1, ?2, 0, 1)
                 ON CONFLICT DO UPDATE SET end_offset = end_offset + 1",
                params![topic, partition],
            )
            .unwrap();
        self.0
            .execute(
                "INSERT INTO journal (seq, topic, partition, offset, at, key, payload)
                 SELECT max(seq) + 1, ?1, ?2,
                    (SELECT end_offset - 1 FROM journal_heads WHERE topic = ?1 AND partition = ?2), max(at), ?3, ?4
                 FROM journal",
                params![topic, partition, key, payload],
            )
            .unwrap();
    }
}

/// A system with three orders of two each out of ten. The request of the one in the middle cannot be read; behind it is
/// the same request as it should be, and a message that names no order.
fn with_poison(data: &Path) -> (Holdfast, [String; 3]) {
    let system = Holdfast::start_as(command(data).arg("--pause-consumers"));
    let (mut orders, mut products) =
        (Client::connect(system.orders).unwrap(), Client::connect(system.products).unwrap());
    let id = product(&mut products, "Test Product", 10);
    let placed = [0, 1, 2].map(|_| place(&mut orders, &[(&id, 2)]));
    system.stop();
    let journal = Journal::open(data);
    let good = journal.spoil(&placed[1]);
    journal.append(b"", b"\xff\xfe");
    journal.append(placed[1].as_bytes(), &good);
    drop(journal);
    let system = Holdfast::start(data);
    drained(&system);
    (system, placed)
}

#[test]
fn invariant_8_poison_is_parked_shown_and_discarded() {
    let folder = TempDir::new().unwrap();
    let (system, placed) = with_poison(folder.path());
    let mut orders = Client::connect(system.orders).unwrap();
    let sick = placed[1].as_str();
    for well in [&placed[0], &placed[2]] {
        until(&mut orders, well, |order| order["stockStatus"] == "reserved");
    }
    let number = until(&mut orders, sick, |order| order["stockStatus"] == "pending")["orderNumber"].clone();
    let number = number.as_str().unwrap();

    // What is parked, where it was, and why.
    let parked = letters(&system);
    assert_eq!(parked.len(), 3, "{parked:?}");
    let (first, behind, alone) =
        (letter(&parked, Some(sick), 0), letter(&parked, Some(sick), 1), letter(&parked, None, 0));
    let by_id = |id: &str| parked.iter().find(|l| l["id"] == id).unwrap();
    assert_eq!((&by_id(first)["cause"], &by_id(behind)["cause"]), (&json!("poison"), &json!("behind")));
    assert_eq!(by_id(first)["partition"], partition_of(sick.as_bytes(), DEFAULT_PARTITIONS).0);
    let (said, code) = ask(&system, &["dlq"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(first) && said.contains(number) && said.contains("inventory.reserve"), "{said}");
    let (said, _) = ask(&system, &["dlq", "show", first]);
    assert!(said.contains("not a readable event") && said.contains("{\"eventType\":"), "{said}");
    assert_eq!(json_of(&system, &["dlq", "show", behind])["deadLetter"]["first"], first);
    assert_eq!(json_of(&system, &["dlq", "show", alone])["deadLetter"]["payloadEncoding"], "base64");

    // A dry run changes nothing; a replay that fails is counted; what is behind waits.
    let (said, code) = ask(&system, &["dlq", "discard", first, "--dry-run"]);
    assert!(code == 0 && said.contains(&format!("{number} is rejected with PROCESSING_FAILED")), "{said}");
    assert!(said.contains("would be discarded") && said.contains("would be replayed"), "{said}");
    let (said, code) = ask(&system, &["dlq", "replay", first, "--dry-run"]);
    assert!(code == 1 && said.contains("still poison"), "{said}");
    assert_eq!(letters(&system), parked);
    let (said, code) = ask(&system, &["dlq", "replay", first, behind]);
    assert!(code == 1 && said.contains("STILL_POISON") && said.contains("DEAD_LETTER_BEHIND"), "{said}");
    assert_eq!(json_of(&system, &["dlq", "show", first])["deadLetter"]["attempts"], 1);

    // Giving it up rejects the order; what was behind it follows by itself.
    let (said, code) = ask(&system, &["dlq", "discard", first]);
    assert!(code == 0 && said.contains("the same answer again"), "{said}");
    let order = until(&mut orders, sick, |order| order["status"] == 5);
    assert_eq!(
        (&order["stockStatus"], &order["cancelReason"]),
        (&json!("rejected"), &json!("PROCESSING_FAILED"))
    );
    let (said, code) = ask(&system, &["dlq", "discard", first, alone, "--yes"]);
    assert!(code == 1 && said.contains("DEAD_LETTER_NOT_FOUND") && said.contains("names no order"), "{said}");
    assert_eq!(ask(&system, &["dlq", "list"]), ("Nothing is parked.\n".to_owned(), 0));
    system.stop();
    let (status, report) = audit(folder.path());
    assert!(status.success(), "{report}");
}

#[test]
fn invariant_8_what_can_be_read_now_is_replayed_in_order() {
    let folder = TempDir::new().unwrap();
    let (system, placed) = with_poison(folder.path());
    let sick = placed[1].as_str();
    system.stop();
    // As if this were the version that can read it.
    let database = connect(&folder.path().join("products.db")).unwrap();
    let mended = "UPDATE parked SET payload = (SELECT payload FROM parked WHERE poison IS NULL)
                  WHERE order_key IS NOT NULL";
    assert_eq!(database.execute(mended, []).unwrap(), 2);
    drop(database);

    let system = Holdfast::start(folder.path());
    let parked = letters(&system);
    let all = ["dlq", "replay", "--all", "--topic", "inventory.reserve", "--order", sick];
    let (said, code) = ask(&system, &[&all[..], &["--dry-run"]].concat());
    assert!(
        code == 0 && said.contains("reserve 2 units of Test Product") && said.contains(": held"),
        "{said}"
    );
    assert!(said.ends_with("2 would be replayed, 0 still poison, 0 failed.\n"), "{said}");
    assert_eq!(letters(&system), parked);
    let (said, code) = ask(&system, &all);
    assert!(code == 0 && said.ends_with("2 replayed, 0 still poison, 0 failed.\n"), "{said}");
    let mut orders = Client::connect(system.orders).unwrap();
    until(&mut orders, sick, |order| order["stockStatus"] == "reserved");
    let left = json_of(&system, &["dlq", "list", "--service", "products"]);
    assert_eq!(left["deadLetters"].as_array().unwrap().len(), 1);
    let (said, code) = ask(&system, &["dlq", "replay", "--all"]);
    assert!(code == 1 && said.ends_with("0 replayed, 1 still poison, 0 failed.\n"), "{said}");
    system.stop();
    let (status, report) = audit(folder.path());
    assert!(status.success(), "{report}");
}

#[test]
fn topics_and_groups_are_shown_and_followed() {
    let folder = TempDir::new().unwrap();
    let system = Holdfast::start(folder.path());
    let (mut orders, mut products) =
        (Client::connect(system.orders).unwrap(), Client::connect(system.products).unwrap());
    let id = product(&mut products, "Test Product", 10);
    let first = place(&mut orders, &[(&id, 1)]);
    until(&mut orders, &first, |order| order["stockStatus"] == "reserved");
    drained(&system);

    let (said, code) = ask(&system, &["topics"]);
    assert!(code == 0 && said.starts_with("TOPIC") && said.contains("stock.changed"), "{said}");
    assert_eq!(json_of(&system, &["topics", "list"])["topics"].as_array().unwrap().len(), Topic::ALL.len());
    let (said, _) = ask(&system, &["topics", "show", "inventory.reserve"]);
    assert!(said.contains("inventory.reserve.dlq") && said.contains("END-OFFSET"), "{said}");
    let (said, code) = ask(&system, &["topics", "show", "nothing"]);
    assert!(code == 1 && said.contains("TOPIC_NOT_FOUND"), "{said}");
    let (said, code) = ask(&system, &["groups"]);
    assert!(code == 0 && said.contains("CURRENT-OFFSET"), "{said}");
    assert!(said.contains("products-service-group: total lag 0, parked 0"), "{said}");
    let groups = json_of(&system, &["groups"]);
    assert_eq!(groups["groups"].as_array().unwrap().len(), 2);

    // A tail begins with what there is and goes on with what comes, until it is interrupted.
    let mut tail = operator(system.orders, system.products, &["topics", "tail", "order.created", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    assert_eq!(next()["key"], first.as_str());
    let second = place(&mut orders, &[(&id, 1)]);
    assert_eq!(next()["payload"]["orderId"], second.as_str());
    let interrupted = Command::new("kill").args(["-INT", &tail.id().to_string()]).status().unwrap();
    assert!(interrupted.success() && tail.wait().unwrap().success());

    let number = OrderNumber::from(second.parse::<holdfast_contract::OrderId>().unwrap()).to_string();
    let base = ["topics", "tail", "order.created", "--no-follow"];
    let count = |more: &[&str]| ask(&system, &[&base, more].concat()).0.lines().count();
    assert_eq!(count(&[]), 2);
    assert_eq!(count(&["--from-beginning"]), 2);
    assert_eq!(count(&["-n", "1"]), 1);
    assert_eq!(count(&["--from-beginning", "--max", "1"]), 1);
    assert_eq!(count(&["--key", &number]), 1);
    assert_eq!(count(&["--grep", &first.to_uppercase()]), 1);
    assert_eq!(count(&["--grep", "nowhere"]), 0);
    system.stop();
}

#[test]
fn a_service_that_is_not_there_is_named_and_the_other_is_shown() {
    let folder = TempDir::new().unwrap();
    let system = Holdfast::start(folder.path());
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let run = |orders, products, args: &[&str]| {
        let Output { status, stdout, stderr } = operator(orders, products, args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr), status.code().unwrap())
    };
    let (out, err, code) = run(system.orders, nobody, &["groups"]);
    assert!(out.contains("orders-service-group") && !out.contains("products-service-group"), "{out}");
    assert!(code == 1 && err.contains("PRODUCTS_URL") && err.contains(&nobody.to_string()), "{err}");
    let (out, err, code) = run(nobody, system.products, &["dlq", "list", "--json"]);
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&said["deadLetters"], &said["unreachable"][0]["service"]), (&json!([]), &json!("orders")));
    assert!(code == 1 && err.contains("ORDERS_URL"), "{err}");
    // All services see the same topics: one is enough.
    let (out, err, code) = run(nobody, system.products, &["topics"]);
    assert!(code == 0 && out.contains("order.created") && err.is_empty(), "{out} {err}");
    let (_, err, code) = run(nobody, nobody, &["topics"]);
    assert!(code == 1 && err.contains("ORDERS_URL"), "{err}");
    // Not a service: the other one, and its own.
    let (out, _, code) = run(system.products, system.orders, &["dlq", "show", "orders-1"]);
    assert_eq!((out.as_str(), code), ("", 1));
    let (_, err, code) = run(nobody, nobody, &["dlq", "show", "nobody-1"]);
    assert!(code == 2 && err.contains("orders-12"), "{err}");
    system.stop();
}

#[test]
fn invariant_8_poison_from_outside_is_parked_on_a_real_broker() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(kafka) = runtime.block_on(shared::kafka()) else { return };
    let folder = TempDir::new().unwrap();
    let prefix = format!("{}.", unique_name("operator"));
    let run = |brokers: &str| {
        let mut command = command(folder.path());
        command
            .env("KAFKA_BROKERS", brokers)
            .env("KAFKA_TOPIC_PREFIX", &prefix)
            .env("KAFKA_GROUP_PREFIX", &prefix);
        Holdfast::start_as(&mut command)
    };
    // Nobody is there yet: the requests wait, and so the poison can come before one of them.
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let system = run(&away);
    let (mut orders, mut products) =
        (Client::connect(system.orders).unwrap(), Client::connect(system.products).unwrap());
    let id = product(&mut products, "Test Product", 10);
    let placed = [0, 1, 2].map(|_| place(&mut orders, &[(&id, 2)]));
    let sick = placed[1].as_str();
    system.stop();
    let topic = format!("{prefix}inventory.reserve");
    let tool = |tool, args: &[&str], input: &str| {
        let said = runtime.block_on(kafka.tool_with_input(tool, args, input)).unwrap();
        assert!(said.success, "{said:?}");
        said.stdout
    };
    tool(Tool::Topics, &["--create", "--topic", &topic, "--partitions", "3"], "");
    let keyed = ["--topic", &topic, "--property", "parse.key=true", "--property", "key.separator=|"];
    tool(Tool::ConsoleProducer, &keyed, &format!("{sick}|{{\"eventType\":\n"));

    let system = run(kafka.brokers());
    let mut orders = Client::connect(system.orders).unwrap();
    for well in [&placed[0], &placed[2]] {
        until(&mut orders, well, |order| order["stockStatus"] == "reserved");
    }
    until_so(|| letters(&system).len() == 2);
    let parked = letters(&system);
    let (first, behind) = (letter(&parked, Some(sick), 0), letter(&parked, Some(sick), 1));
    let place = |l: &Value| (l["topic"].clone(), l["partition"].clone(), l["offset"].clone());
    let partition = json!(partition_of(sick.as_bytes(), 3).0);
    assert_eq!(place(&parked[0]), (json!("inventory.reserve"), partition.clone(), json!(0)));
    assert_eq!((&parked[1]["partition"], &parked[1]["cause"]), (&partition, &json!("behind")));
    let copies = format!("{topic}.dlq");
    let read = ["--topic", &copies, "--from-beginning", "--max-messages", "1", "--timeout-ms", "60000"];
    assert_eq!(tool(Tool::ConsoleConsumer, &read, ""), "{\"eventType\":\n");

    drained(&system);
    let (said, code) = ask(&system, &["groups"]);
    assert!(code == 0 && said.contains("products-service-group: total lag 0, parked 2"), "{said}");
    let tail = ["topics", "tail", "inventory.reserve", "--from-beginning", "--max", "4", "--json"];
    let (said, _) = ask(&system, &tail);
    let keys: Vec<Value> =
        said.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["key"].clone()).collect();
    assert_eq!(keys.iter().filter(|key| *key == sick).count(), 2, "{said}");
    assert_eq!(keys.len(), 4);

    let (said, code) = ask(&system, &["dlq", "replay", first]);
    assert!(code == 1 && said.contains("STILL_POISON"), "{said}");
    let (said, code) = ask(&system, &["dlq", "discard", behind]);
    assert!(code == 1 && said.contains("DEAD_LETTER_BEHIND"), "{said}");
    let (said, code) = ask(&system, &["dlq", "discard", first]);
    assert_eq!(code, 0, "{said}");
    let order = until(&mut orders, sick, |order| order["status"] == 5);
    assert_eq!(order["cancelReason"], "PROCESSING_FAILED");
    assert!(letters(&system).is_empty());
    system.stop();
    let (status, report) = audit(folder.path());
    assert!(status.success(), "{report}");
}
