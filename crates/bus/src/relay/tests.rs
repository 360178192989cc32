//! Relays against a broker and a database that fail.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use holdfast_contract::{Timestamp, Topic};
use holdfast_storage::suite::outbox::{self, Harness, Subject};
use holdfast_storage::{Outbox, OutboxId, Outgoing, TopicPartition};
use parking_lot::Mutex;
use rustc_hash::{FxHashMap, FxHashSet};
use tokio_util::sync::CancellationToken;

use super::fake::{Dice, FakeBroker, Faults, Logged, MemoryOutbox};
use super::{Relay, RelayOptions};

const TOPICS: &[Topic] = &[Topic::OrderLive, Topic::InventoryReserve, Topic::OrderCreated];

fn record(key: usize, n: usize) -> Outgoing {
    Outgoing {
        topic: TOPICS[n % TOPICS.len()],
        key: Bytes::from(format!("key-{key}")),
        payload: Bytes::from(format!("{{\"n\":{n}}}")),
        at: Timestamp::from_millis(1),
        traceparent: None,
    }
}

fn options() -> RelayOptions {
    RelayOptions {
        in_flight_records: 24,
        ..RelayOptions::new("test", Arc::new(|| Timestamp::from_millis(2)))
    }
}

fn relay(outbox: &MemoryOutbox, broker: &FakeBroker) -> Relay {
    Relay::new(Arc::new(outbox.clone()), Arc::new(broker.clone()), options())
}

/// Runs a relay until nothing is unsent, and then stops it.
async fn finish(outbox: &MemoryOutbox, broker: &FakeBroker) {
    let stop = CancellationToken::new();
    let done = async {
        while outbox.unsent() > 0 {
            // The clock is paused: this only lets the relay go on.
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    tokio::join!(relay(outbox, broker).run(stop.clone()), done);
}

fn ids(logs: &FxHashMap<TopicPartition, Logged>) -> Vec<OutboxId> {
    let mut ids: Vec<_> = logs.values().flatten().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids
}

/// Once each, and of each key in order, in each partition. What an earlier life of the logs had is a repetition, which may
/// come late: a producer that has not noticed yet that the logs are others writes what follows it first.
fn check(logs: &FxHashMap<TopicPartition, Logged>, earlier: &FxHashSet<OutboxId>, about: &str) {
    for (partition, log) in logs {
        let mut last: FxHashMap<&Bytes, OutboxId> = FxHashMap::default();
        for (id, record) in log.iter().filter(|(id, _)| !earlier.contains(id)) {
            assert_eq!(partition.topic, record.topic, "{about}");
            let before = last.insert(&record.key, *id);
            assert!(
                before.is_none_or(|before| before < *id),
                "{about}: {before:?} before {id:?} in {partition}"
            );
        }
    }
}

fn numbers(count: usize) -> Vec<OutboxId> {
    (1..=count as u64).map(|number| OutboxId { scope: 0, number }).collect()
}

/// Some of a life of a relay: then it is stopped, or it dies where it is.
async fn live(relay: Relay, dice: &mut Dice) {
    let stop = CancellationToken::new();
    let steps = dice.below(300);
    let graceful = dice.once_in(3);
    let life = async {
        for step in 0..steps {
            if step % 7 == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(8)).await;
            } else {
                tokio::task::yield_now().await;
            }
        }
        if graceful {
            stop.cancel();
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = relay.run(stop.clone()) => {}
        () = life => {}
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_in_the_log_once_and_in_order_whatever_fails() {
    for seed in 0..400u64 {
        let mut dice = Dice::new(seed);
        let shards = 1 + u16::try_from(dice.below(3)).unwrap();
        let outbox = MemoryOutbox::new(seed + 1_000, TOPICS, shards);
        let broker = FakeBroker::new(seed + 5_000, 1 + u16::try_from(dice.below(4)).unwrap(), 10);
        let mut made = 0;
        for _ in 0..8 {
            let faults = Faults { open: dice.below(4), session: dice.below(20), store: dice.below(12) };
            // Both only sometimes, or hardly anything would ever get through.
            let faults =
                if dice.once_in(2) { Faults { store: 0, ..faults } } else { Faults { session: 0, ..faults } };
            broker.set_faults(faults);
            outbox.set_faults(faults);
            let commit = dice.below(30);
            outbox.append((made..made + commit).map(|n| record(dice.below(6), n)).collect());
            made += commit;
            broker.set_away(dice.once_in(6));
            if dice.once_in(3) {
                // Two instances.
                let mut other = Dice::new(seed + 9_000);
                tokio::join!(
                    live(relay(&outbox, &broker), &mut dice),
                    live(relay(&outbox, &broker), &mut other)
                );
            } else {
                live(relay(&outbox, &broker), &mut dice).await;
            }
            check(&broker.logs(), &FxHashSet::default(), &format!("seed {seed}"));
        }
        broker.set_faults(Faults::default());
        outbox.set_faults(Faults::default());
        broker.set_away(false);
        finish(&outbox, &broker).await;
        check(&broker.logs(), &FxHashSet::default(), &format!("seed {seed}"));
        assert_eq!(ids(&broker.logs()), numbers(made), "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wiped_broker_gets_what_was_not_sent_and_not_what_was() {
    for seed in 0..300u64 {
        let mut dice = Dice::new(seed);
        let outbox = MemoryOutbox::new(seed + 1_000, TOPICS, 1 + u16::try_from(dice.below(2)).unwrap());
        let broker = FakeBroker::new(seed + 5_000, 3, 10);
        let mut made = 0;
        let mut recorded: Vec<FxHashSet<OutboxId>> = Vec::new();
        for _ in 0..4 {
            let commit = dice.below(40);
            outbox.append((made..made + commit).map(|n| record(dice.below(6), n)).collect());
            made += commit;
            // While it is running, so that it has to notice.
            let (relay, steps) = (relay(&outbox, &broker), dice.below(60));
            let wipe = async {
                for _ in 0..steps {
                    tokio::task::yield_now().await;
                }
                recorded.push(outbox.sent().into_iter().collect());
                broker.wipe();
            };
            tokio::join!(live(relay, &mut dice), wipe);
        }
        finish(&outbox, &broker).await;
        let mut lives = broker.gone();
        lives.push(broker.logs());
        let mut seen: FxHashSet<OutboxId> = FxHashSet::default();
        for (life, logs) in lives.iter().enumerate() {
            check(logs, &seen, &format!("seed {seed}, life {life}"));
            seen.extend(ids(logs));
            if let Some(before) = life.checked_sub(1).and_then(|n| recorded.get(n)) {
                let again = ids(logs).into_iter().find(|id| before.contains(id));
                assert_eq!(again, None, "seed {seed}, life {life}: sent to the one before");
            }
        }
        assert_eq!(seen.len(), made, "seed {seed}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_in_time_when_the_broker_is_away() {
    let (outbox, broker) = (MemoryOutbox::new(1, TOPICS, 1), FakeBroker::new(1, 3, 100));
    let stop = CancellationToken::new();
    let running = relay(&outbox, &broker).run(stop.clone());
    let away = async {
        outbox.append((0..3).map(|n| record(n, n)).collect());
        while outbox.unsent() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        broker.set_away(true);
        outbox.append((3..9).map(|n| record(n, n)).collect());
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        stop.cancel();
        tokio::time::Instant::now()
    };
    let ((), stopped_at) = tokio::join!(running, away);
    // On the paused clock.
    assert_eq!(stopped_at.elapsed().as_secs(), options().drain.as_secs());
    assert_eq!(outbox.unsent(), 6, "nothing is given up");
    broker.set_away(false);
    finish(&outbox, &broker).await;
    assert_eq!(ids(&broker.logs()), numbers(9));
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_any_length_is_waited_out_and_another_instance_may_try() {
    let (outbox, broker) = (MemoryOutbox::new(1, TOPICS, 1), FakeBroker::new(1, 3, 100));
    let stop = CancellationToken::new();
    let running = relay(&outbox, &broker).run(stop.clone());
    let outage = async {
        outbox.append((0..3).map(|n| record(n, n)).collect());
        while outbox.unsent() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        broker.set_away(true);
        outbox.append((3..9).map(|n| record(n, n)).collect());
        tokio::time::sleep(std::time::Duration::from_hours(1)).await;
        assert_eq!(outbox.unsent(), 6);
        let mut free = false;
        for _ in 0..10_000 {
            free |= outbox.claim(0).await.unwrap().is_some();
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!(free, "the shard is let go of between attempts");
        broker.set_away(false);
        while outbox.unsent() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    tokio::join!(running, outage);
    assert_eq!(ids(&broker.logs()), numbers(9));
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_lost_its_claim_records_nothing_and_tries_again() {
    let (outbox, broker) = (MemoryOutbox::new(1, TOPICS, 1), FakeBroker::new(1, 3, 100));
    let stop = CancellationToken::new();
    let whose = Arc::new(Mutex::new(Vec::new()));
    let told = whose.clone();
    let options = RelayOptions {
        on_duty: Some(Arc::new(move |shard, ours| told.lock().push((shard, ours)))),
        ..options()
    };
    let running = Relay::new(Arc::new(outbox.clone()), Arc::new(broker.clone()), options).run(stop.clone());
    let robbed = async {
        for n in 0..20 {
            outbox.append(vec![record(n % 3, n)]);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            outbox.lapse(0);
            let held = outbox.claim(0).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(80)).await;
            drop(held);
        }
        while outbox.unsent() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    tokio::join!(running, robbed);
    // The other owner published nothing, so nothing is there twice.
    check(&broker.logs(), &FxHashSet::default(), "robbed");
    let whose = whose.lock();
    assert!(whose.contains(&(0, true)) && whose.contains(&(0, false)), "{whose:?}");
    assert_eq!(ids(&broker.logs()), numbers(20));
}

#[tokio::test(start_paused = true)]
async fn everybody_is_told_once_of_every_record_that_was_published() {
    let (outbox, broker) = (MemoryOutbox::new(1, TOPICS, 1), FakeBroker::new(1, 3, 5));
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let options = RelayOptions {
        on_published: Some(Arc::new(move |record, sent| tell.lock().push((record.clone(), *sent)))),
        ..options()
    };
    outbox.append((0..50).map(|n| record(n % 7, n)).collect());
    let stop = CancellationToken::new();
    let running = Relay::new(Arc::new(outbox.clone()), Arc::new(broker.clone()), options).run(stop.clone());
    let done = async {
        while outbox.unsent() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        stop.cancel();
    };
    tokio::join!(running, done);
    let logs = broker.logs();
    assert_eq!(told.lock().len(), 50);
    for (record, sent) in told.lock().iter() {
        let at = usize::try_from(sent.offset).unwrap();
        assert_eq!(logs[&sent.partition][at], (sent.id, record.clone()));
    }
}

/// The outbox in memory is one.
struct Memory(Mutex<FxHashMap<u32, MemoryOutbox>>);

struct Opened(MemoryOutbox);

#[async_trait]
impl Subject for Opened {
    async fn append(&self, records: Vec<Outgoing>) {
        self.0.append(records);
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(self.0.clone())
    }

    async fn lapse(&self, shard: u16) -> bool {
        self.0.lapse(shard);
        true
    }

    async fn close(&self) {}
}

#[async_trait]
impl Harness for Memory {
    async fn open(&self, n: u32) -> Arc<dyn Subject> {
        let mut all = self.0.lock();
        let outbox = all.entry(n).or_insert_with(|| MemoryOutbox::new(u64::from(n), TOPICS, 3));
        Arc::new(Opened(outbox.clone()))
    }
}

#[tokio::test]
async fn the_outbox_in_memory_conforms() {
    outbox::run(&Memory(Mutex::default())).await;
}
