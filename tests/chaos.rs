//! `holdfast chaos`, as users run it: on the embedded default, and on a real Kafka broker and MongoDB that are disturbed too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "shown when a test fails")]

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use holdfast_servers::{Kafka, Mongo, or_skip};
use serde_json::Value;
use support::Dice;

/// What the command found, after it ended with `exit`.
struct Found {
    exit: Option<i32>,
    report: Value,
}

/// `holdfast chaos` with these arguments, and a seed of its own.
fn chaos(args: &[&str]) -> Command {
    let seed = Dice::new().roll(1_000_000).to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_holdfast"));
    command.args(["chaos", "--json", "--seed", &seed]).args(args).stdin(Stdio::null());
    command
}

fn run(command: &mut Command) -> Found {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    Found { exit: output.status.code(), report }
}

impl Found {
    fn count(&self, part: &str, name: &str) -> u64 {
        self.report[part][name].as_u64().unwrap_or_else(|| panic!("no {part}.{name}: {:#}", self.report))
    }

    /// Nothing was found, after so many kills, and there was something to find it in.
    fn is_clean(&self, kills: u64) {
        println!("{:#}", self.report);
        let verdict = self.report["verdict"].as_object().unwrap();
        assert!(verdict.values().all(|count| count == 0), "{:#}", self.report);
        assert_eq!((self.exit, &self.report["clean"]), (Some(0), &Value::Bool(true)));
        assert!(self.count("faults", "kills") >= kills);
        for (part, name) in [
            ("faults", "connectionsCut"),
            ("clients", "unansweredThatTookEffectOnce"),
            ("clients", "sameAnswerAgain"),
            ("clients", "refused"),
            ("orders", "reserved"),
            ("orders", "rejected"),
            ("orders", "cancelled"),
            ("orders", "deleted"),
        ] {
            assert!(self.count(part, name) > 0, "no {part}.{name}: {:#}", self.report);
        }
        // Every live client was cut off and went on.
        assert!(self.count("clients", "liveConnections") > 2 * self.count("clients", "liveClients"));
        assert!(self.count("clients", "liveMessages") > self.count("orders", "accepted"));
        assert!(self.report["folder"].is_null(), "a clean run leaves nothing behind");
    }

    /// Something of this kind was found, and what there is to find its cause was kept; removes that.
    fn has(&self, kind: &str) {
        assert_eq!((self.exit, &self.report["clean"]), (Some(1), &Value::Bool(false)), "{:#}", self.report);
        assert!(self.count("faults", "lies") > 0, "{:#}", self.report);
        assert!(self.count("verdict", kind) > 0, "{:#}", self.report);
        let finding = |finding: &Value| finding["kind"] == kind && finding["what"].is_string();
        assert!(self.report["findings"].as_array().unwrap().iter().any(finding), "{:#}", self.report);
        let folder = PathBuf::from(self.report["folder"].as_str().unwrap());
        assert!(folder.join("told.jsonl").is_file() && folder.join("holdfast.log").is_file());
        assert!(folder.join("data/orders.db").is_file() && folder.join("data/products.db").is_file());
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// Invariants 1 to 7 and 9 on the real binary: whatever clients were told is true after 200 kills and all the rest.
#[test]
fn invariant_3_nothing_is_lost_repeated_or_oversold_in_two_hundred_kills() {
    // Stands for a server that hangs now and then: it is stopped and goes on.
    let mut server = Command::new("sleep").arg("3600").spawn().unwrap();
    let pid = server.id().to_string();
    let found = run(&mut chaos(&["--kills", "200", "--stop-pid", &pid]));
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    found.is_clean(200);
    assert!(found.count("orders", "shipped") > 0);
    assert!(found.count("faults", "serverStops") > 0);
    assert!(stat.contains("(sleep) S"), "it sleeps, and is not stopped: {stat}");
}

/// The same, of two instances of each service. Meanwhile this test stops the servers, kills them, and starts them again.
#[test]
fn invariant_3_nothing_is_lost_repeated_or_oversold_on_kafka_and_mongodb() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let Some(mut kafka) = or_skip(runtime.block_on(Kafka::start())) else { return };
    let Some(mut mongo) = or_skip(runtime.block_on(Mongo::start())) else { return };
    let (brokers, uri) = (kafka.brokers().to_owned(), mongo.uri().to_owned());
    let chaos = std::thread::spawn(move || {
        let servers = ["--kafka-brokers", &brokers, "--mongodb-uri", &uri, "--cut-mongodb"];
        run(chaos(&["--kills", "20"]).args(servers))
    });
    // What happens to the servers takes as long as it takes, while the command does the rest. Each stands still while the
    // other is killed and started again.
    for _ in 0..2 {
        runtime.block_on(mongo.pause()).unwrap();
        runtime.block_on(kafka.restart()).unwrap();
        runtime.block_on(mongo.resume()).unwrap();
        runtime.block_on(kafka.pause()).unwrap();
        runtime.block_on(mongo.restart()).unwrap();
        runtime.block_on(kafka.resume()).unwrap();
    }
    chaos.join().unwrap().is_clean(20);
}

/// A verdict that could not fail would be worth nothing.
#[test]
fn an_order_that_is_placed_twice_is_found() {
    run(&mut chaos(&["--kills", "6", "--plant", "repeat"])).has("doubleEffects");
}

#[test]
fn a_correction_that_is_not_the_one_that_was_answered_is_found() {
    run(&mut chaos(&["--kills", "6", "--plant", "alter"])).has("acknowledgedLost");
}
