//! Being a member of a consumer group: which partitions are ours, and telling the broker how far we have come.
//!
//! The member reads nothing itself. Membership lives on a thread of its own, so a handler that takes long, or a database that
//! is away, does not end it; and where reading starts is the inbox's business alone.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use holdfast_contract::Topic;
use holdfast_storage::{Group, TopicPartition};
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Offset, TopicPartitionList};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::sync::watch;

use super::broker::{Broker, away};
use super::context::Telling;
use crate::BusError;

/// How long the thread waits for the group's news before it looks for ours.
const TURN: Duration = Duration::from_millis(100);
/// How long leaving a group may hold up the one who leaves.
const FAREWELL: Duration = Duration::from_secs(2);
/// After so many turns everything is told once more: some 20 seconds.
const AGAIN: u32 = 200;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The member's share of the partitions.
#[derive(Clone, Debug, Default)]
pub(super) struct Share {
    pub(super) partitions: FxHashSet<TopicPartition>,
    /// Changes with every rebalance that touched the share.
    pub(super) rebalance: u64,
}

/// Membership. Leaves the group when dropped.
pub(super) struct Member {
    pub(super) share: watch::Receiver<Share>,
    /// Where the group has come to, to be told to the broker.
    reached: Arc<Mutex<Reached>>,
    /// Dropped to leave.
    stay: Option<mpsc::Sender<()>>,
    left: mpsc::Receiver<()>,
}

impl Member {
    pub(super) fn join(broker: Arc<Broker>, group: Group, topics: &[Topic]) -> Result<Self, BusError> {
        let (share, watched) = watch::channel(Share::default());
        let (stay, leave) = mpsc::channel();
        let (gone, left) = mpsc::channel();
        let reached: Arc<Mutex<Reached>> = Arc::default();
        let task = Membership {
            broker,
            group,
            topics: topics.to_vec(),
            share: Arc::new(share),
            reached: Arc::clone(&reached),
            leave,
        };
        std::thread::Builder::new()
            .name(format!("kafka {group}"))
            .spawn(move || {
                task.run();
                // Nobody may be waiting any more.
                let _ = gone.send(());
            })
            .map_err(away)?;
        Ok(Self { share: watched, reached, stay: Some(stay), left })
    }

    /// The group's effects have come to these places. The broker is told soon; only tools look at it.
    pub(super) fn reached(&self, places: impl IntoIterator<Item = (TopicPartition, u64)>) {
        self.reached.lock().add(places);
    }
}

/// Where the group has come to in the member's partitions.
#[derive(Default)]
struct Reached {
    places: FxHashMap<TopicPartition, u64>,
    /// Those that the broker was not told of.
    news: FxHashSet<TopicPartition>,
    /// Times that there was nothing new since everything was told.
    quiet: u32,
}

impl Reached {
    fn add(&mut self, places: impl IntoIterator<Item = (TopicPartition, u64)>) {
        for (partition, next) in places {
            self.places.insert(partition, next);
            self.news.insert(partition);
        }
    }

    /// What the broker is to be told of the partitions in `share`: what is new, and all of it now and then. A broker that
    /// is told may forget it, and in a partition that goes quiet there would be no news to make it right.
    fn due(&mut self, share: &FxHashSet<TopicPartition>) -> Vec<(TopicPartition, u64)> {
        self.places.retain(|partition, _| share.contains(partition));
        self.quiet += 1;
        let all = self.quiet >= AGAIN;
        if all {
            self.quiet = 0;
        }
        let news = std::mem::take(&mut self.news);
        let told = self.places.iter().filter(|(partition, _)| all || news.contains(partition));
        told.map(|(partition, next)| (*partition, *next)).collect()
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.stay = None;
        // So that a process that ends leaves first; else its partitions would wait for the session's end.
        let _ = self.left.recv_timeout(FAREWELL);
    }
}

/// What the membership thread works with.
struct Membership {
    broker: Arc<Broker>,
    group: Group,
    topics: Vec<Topic>,
    share: Arc<watch::Sender<Share>>,
    reached: Arc<Mutex<Reached>>,
    leave: mpsc::Receiver<()>,
}

impl Membership {
    /// Stays until told to leave, with as many clients as that takes.
    fn run(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let ended = self.client().and_then(|client| {
                let ended = self.stay(&client);
                self.tell(&client, CommitMode::Async);
                ended
            });
            self.share.send_modify(|share| {
                share.partitions.clear();
                share.rebalance += 1;
            });
            let Err(error) = ended else { return };
            tracing::warn!(group = self.group, %error, ?pause, "membership broke; joining anew");
            if !matches!(self.leave.recv_timeout(pause), Err(mpsc::RecvTimeoutError::Timeout)) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn client(&self) -> Result<BaseConsumer<Rebalances>, KafkaError> {
        let config = &self.broker.config;
        let session = config.session_timeout.as_millis();
        let client: BaseConsumer<Rebalances> = config
            .client(self.group)
            .set("group.id", self.broker.group(self.group))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session.to_string())
            .set("heartbeat.interval.ms", (session / 4).clamp(200, 3_000).to_string())
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("topic.metadata.refresh.interval.ms", "2000")
            // It reads nothing.
            .set("queued.min.messages", "1")
            .set("queued.max.messages.kbytes", "1")
            .create_with_context(Rebalances {
                broker: self.broker.clone(),
                group: self.group,
                share: self.share.clone(),
            })?;
        let names: Vec<String> = self.topics.iter().map(|&topic| self.broker.name(topic)).collect();
        client.subscribe(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(client)
    }

    /// Serves the membership until told to leave, or until the client is of no use any more.
    fn stay(&self, client: &BaseConsumer<Rebalances>) -> Result<(), KafkaError> {
        loop {
            match client.poll(TURN) {
                Some(Err(
                    error @ (KafkaError::MessageConsumptionFatal(_)
                    | KafkaError::MessageConsumption(RDKafkaErrorCode::Fatal)),
                )) => return Err(error),
                Some(Err(error)) => tracing::debug!(group = self.group, %error, "membership"),
                Some(Ok(_)) | None => {}
            }
            self.tell(client, CommitMode::Async);
            if self.leave.try_recv() == Err(mpsc::TryRecvError::Disconnected) {
                return Ok(());
            }
        }
    }

    /// Commits what was reached since the last time, and now and then everything.
    fn tell(&self, client: &BaseConsumer<Rebalances>, mode: CommitMode) {
        let share = self.share.borrow().partitions.clone();
        let reached = self.reached.lock().due(&share);
        let offset = |next: u64| Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
        let Ok(list) =
            self.broker.list(reached.into_iter().map(|(partition, next)| (partition, offset(next))))
        else {
            return;
        };
        if list.count() > 0
            && let Err(error) = client.commit(&list, mode)
        {
            tracing::debug!(group = self.group, %error, "telling the broker how far the group is");
        }
    }
}

/// Takes the group's decisions.
struct Rebalances {
    broker: Arc<Broker>,
    group: Group,
    share: Arc<watch::Sender<Share>>,
}

impl ClientContext for Rebalances {
    fn log(&self, level: rdkafka::config::RDKafkaLogLevel, facility: &str, text: &str) {
        Telling.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        Telling.error(error, reason);
    }
}

impl ConsumerContext for Rebalances {
    fn rebalance(&self, client: &BaseConsumer<Self>, what: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let touched = self.broker.partitions(list);
        let outcome = match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                // Nothing is read here, but the library insists on a place to start from.
                let taken = list
                    .set_all_offsets(Offset::End)
                    .and_then(|()| client.incremental_assign(list))
                    .and_then(|()| client.pause(list));
                self.change(&touched, |partitions| partitions.extend(&touched));
                taken
            }
            _ => {
                // Ours no longer before anybody else may have them.
                self.change(&touched, |partitions| {
                    partitions.retain(|partition| !touched.contains(partition));
                });
                client.incremental_unassign(list)
            }
        };
        if let Err(error) = outcome {
            tracing::warn!(group = self.group, %error, "taking part in a rebalance");
        }
    }
}

impl Rebalances {
    fn change(&self, touched: &[TopicPartition], change: impl FnOnce(&mut FxHashSet<TopicPartition>)) {
        if touched.is_empty() {
            return;
        }
        self.share.send_modify(|share| {
            change(&mut share.partitions);
            share.rebalance += 1;
        });
        let partitions = self.share.borrow().partitions.len();
        tracing::info!(group = self.group, partitions, "partitions dealt out anew");
    }
}

#[cfg(test)]
mod tests {
    use holdfast_contract::Partition;

    use super::*;

    #[test]
    fn what_was_told_is_told_again_though_nothing_is_new() {
        let partition = |n| TopicPartition { topic: Topic::InventoryReserve, partition: Partition(n) };
        let mut reached = Reached::default();
        let share = FxHashSet::from_iter([partition(0), partition(1)]);
        reached.add([(partition(0), 7), (partition(2), 9)]);
        assert_eq!(reached.due(&share), [(partition(0), 7)], "only of our own");
        let rest: Vec<_> = (2..AGAIN).flat_map(|_| reached.due(&share)).collect();
        assert!(rest.is_empty(), "{rest:?}");
        assert_eq!(reached.due(&share), [(partition(0), 7)]);
        // What was lost to another member and came back is not what it was.
        assert!(reached.due(&FxHashSet::default()).is_empty());
        assert!((0..AGAIN).all(|_| reached.due(&share).is_empty()));
    }
}
