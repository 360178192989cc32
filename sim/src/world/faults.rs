//! What goes wrong.

use bytes::Bytes;
use holdfast_bus::{ORDERS_GROUP, PRODUCTS_GROUP};
use holdfast_contract::{OrderId, Partition, Timestamp, Topic};
use holdfast_storage::{Group, Outgoing, Record, Seq, TopicPartition};

use super::World;
use crate::broker::PARTITIONS;
use crate::dice::Dice;
use crate::plan::{Fault, Nth, Service};

/// How long a process that was asked to stop may take, in milliseconds.
const DRAIN: u64 = 30_000;

/// What is sent by a service and read by the other.
fn read_topics(of: Service) -> &'static [Topic] {
    match of {
        Service::Orders => Topic::TO_PRODUCTS,
        Service::Products => Topic::TO_ORDERS,
    }
}

fn group(service: Service) -> Group {
    match service {
        Service::Orders => ORDERS_GROUP,
        Service::Products => PRODUCTS_GROUP,
    }
}

impl World {
    pub(super) fn fault(&mut self, step: u64, fault: &Fault) {
        let now = self.system.schedule.now();
        let disk = |service| match service {
            Service::Orders => self.system.orders_disk.clone(),
            Service::Products => self.system.products_disk.clone(),
        };
        match *fault {
            Fault::Crash { service, instance, at, down } => {
                self.at_slot(service, instance, |slot| {
                    slot.down = down;
                    if let Some(instance) = &slot.instance {
                        instance.process.dies(at);
                    }
                });
            }
            Fault::Restart { service, instance } => {
                self.at_slot(service, instance, |slot| {
                    if let Some(instance) = &mut slot.instance {
                        instance.drain();
                        slot.drains_until = Some(now + DRAIN);
                        slot.starts_at = now;
                    }
                });
            }
            Fault::Stall { service, instance, during } => {
                self.at_slot(service, instance, |slot| {
                    if let Some(instance) = &slot.instance {
                        instance.process.stalled_until(now + during);
                    }
                });
            }
            Fault::Clock { service, instance, by } => {
                self.at_slot(service, instance, |slot| match &slot.instance {
                    Some(instance) => instance.clock.jump(by),
                    None => slot.off += by,
                });
            }
            Fault::StoreAway { service, during } => disk(service).away_until(now + during),
            Fault::DiskFull { service, during } => disk(service).full_until(now + during),
            Fault::Unsure { service, commits } => disk(service).unsure(commits),
            Fault::Copies { of, count } => self.copies(step, of, count),
            Fault::Poison { of, order } => self.poison(step, of, order),
            Fault::Delay { of, topic, during } => {
                if let Some(broker) = &self.system.broker {
                    let topics = read_topics(of);
                    broker.delay(topics[index(topic, topics.len())], now + during);
                }
            }
            Fault::Rebalance { service } => {
                if let Some(broker) = &self.system.broker {
                    broker.rebalance(group(service));
                }
            }
            Fault::BrokerAway { during } => {
                if let Some(broker) = &self.system.broker {
                    broker.away_until(now + during);
                }
            }
            Fault::BrokerWiped => {
                if let Some(broker) = &self.system.broker {
                    broker.wipe();
                }
            }
        }
    }

    fn at_slot(&self, service: Service, instance: Nth, act: impl FnOnce(&mut super::Slot)) {
        let mut town = self.town.lock();
        let of: Vec<_> = town.slots.iter_mut().filter(|slot| slot.services.contains(&service)).collect();
        let at = index(instance, of.len());
        if let Some(slot) = of.into_iter().nth(at) {
            act(slot);
        }
    }

    /// Old messages come again, perhaps in another partition than before, as a foreign producer may send them.
    fn copies(&mut self, step: u64, of: Service, count: u64) {
        let topics = read_topics(of);
        let sent: Vec<_> = match (&self.system.broker, of) {
            (Some(broker), _) => broker.records(topics),
            (None, Service::Orders) => {
                self.system.orders.look(|view| view.records(Seq(0)).cloned().collect())
            }
            (None, Service::Products) => {
                self.system.products.look(|view| view.records(Seq(0)).cloned().collect())
            }
        };
        let sent: Vec<_> = sent.into_iter().filter(|record| topics.contains(&record.topic)).collect();
        if sent.is_empty() {
            return;
        }
        let mut dice = Dice::of(self.system.seed, 1 << 41 | step);
        for _ in 0..count {
            let record = &sent[dice.index(sent.len())];
            let stray = dice.once_in(6).then(|| dice.below(u64::from(PARTITIONS)));
            self.intrude(of, record, stray, record.key.clone(), record.payload.clone());
        }
    }

    fn poison(&mut self, step: u64, of: Service, order: Option<Nth>) {
        let mut dice = Dice::of(self.system.seed, 1 << 42 | step);
        let topics = read_topics(of);
        let topic = topics[dice.index(topics.len())];
        let placed = self.system.oracle.placed();
        let order = order.filter(|_| !placed.is_empty()).map(|nth| placed[index(nth, placed.len())]);
        let garbage = dice.next();
        let payload = match dice.below(3) {
            0 => format!("{{\"eventType\":{garbage}"),
            1 => format!("{{\"eventType\":\"{}\",\"garbage\":{garbage}}}", own_type(topic)),
            _ => format!("[{garbage}]"),
        };
        let key = order.map_or_else(Bytes::new, |id: OrderId| id.to_string().into());
        self.system.oracle.poisoned(payload.as_bytes());
        let like = Record {
            seq: Seq(0),
            topic,
            partition: Partition(0),
            offset: 0,
            key: Bytes::new(),
            payload: Bytes::new(),
            at: Timestamp::from_millis(1_767_225_600_000),
            traceparent: None,
        };
        self.intrude(of, &like, None, key, payload.into());
    }

    /// Somebody else writes into a topic.
    fn intrude(&self, of: Service, like: &Record, stray: Option<u64>, key: Bytes, payload: Bytes) {
        if let Some(broker) = &self.system.broker {
            let partition = match stray.and_then(|stray| u16::try_from(stray).ok()) {
                Some(stray) => Partition(stray),
                None => holdfast_contract::topic::partition_of(&key, PARTITIONS),
            };
            broker.send(TopicPartition { topic: like.topic, partition }, key, payload, like);
            return;
        }
        let outgoing = Outgoing { topic: like.topic, key, payload, at: like.at, traceparent: None };
        match of {
            Service::Orders => self.system.orders.intrude(outgoing),
            Service::Products => self.system.products.intrude(outgoing),
        }
        self.system.oracle.foreign();
    }
}

/// The event type that readers of the topic look for.
fn own_type(topic: Topic) -> &'static str {
    match topic {
        Topic::InventoryReserve => "STOCK_RESERVE_REQUEST",
        Topic::InventoryRelease => "STOCK_RELEASE_REQUEST",
        Topic::OrderStatusChanged => "ORDER_STATUS_CHANGED",
        Topic::InventoryReserved => "STOCK_RESERVED",
        Topic::InventoryRejected => "STOCK_REJECTED",
        Topic::InventoryReleased => "STOCK_RELEASED",
        _ => "STOCK_FULFILLED",
    }
}

/// `nth` of so many; the greatest numbers are the last ones.
pub(super) fn index(nth: Nth, of: usize) -> usize {
    let of = (of as u64).max(1);
    let from_the_end = u64::MAX - nth;
    let at = if from_the_end < 1_000 { (of - 1).saturating_sub(from_the_end) } else { nth % of };
    usize::try_from(at).unwrap_or(0)
}
