//! Kafka seen from outside: what is in the topics, how far groups are, and messages that no service has sent.

use std::time::Duration;

use holdfast_contract::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};

use crate::support::{PATIENCE, eventually};

/// A question to the broker may take this long; then it is asked again.
const QUESTION: Duration = Duration::from_secs(5);

/// How long a reader waits when there is nothing.
const MOMENT: Duration = Duration::from_millis(50);

/// The broker, and the prefixes of a deployment.
pub(crate) struct Wire {
    prefix: String,
    group_prefix: String,
    config: ClientConfig,
    consumer: BaseConsumer,
}

/// A message, as it is in a topic.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) topic: Topic,
    pub(crate) partition: i32,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Option<OwnedHeaders>,
}

/// Reads some topics for as long as it is there.
pub(crate) struct Reader {
    consumer: BaseConsumer,
    prefix: String,
    /// How many it reads.
    partitions: usize,
}

impl Reader {
    /// What has come since the last time; waits a moment for it.
    pub(crate) fn take(&mut self) -> Vec<Message> {
        let mut found = Vec::new();
        let mut wait = MOMENT;
        while let Some(polled) = self.consumer.poll(wait) {
            found.extend(self.message(polled));
            wait = Duration::ZERO;
        }
        found
    }

    /// Everything up to the ends that the partitions have now. Only once, and before [`Reader::take`].
    fn take_all(&mut self) -> Vec<Message> {
        let mut found = Vec::new();
        let mut open = self.partitions;
        while open > 0 {
            let polled = self.consumer.poll(PATIENCE).expect("the topics cannot be read");
            open -= usize::from(matches!(polled, Err(KafkaError::PartitionEOF(_))));
            found.extend(self.message(polled));
        }
        found
    }

    fn message(&self, polled: Result<BorrowedMessage<'_>, KafkaError>) -> Option<Message> {
        match polled {
            Ok(message) => {
                let name = message.topic().strip_prefix(&self.prefix).unwrap();
                Some(Message::of(name.parse().unwrap(), &message))
            }
            Err(KafkaError::PartitionEOF(_)) => None,
            Err(error) => {
                println!("reading: {error}");
                None
            }
        }
    }
}

impl Message {
    fn of(topic: Topic, message: &BorrowedMessage<'_>) -> Self {
        Self {
            topic,
            partition: message.partition(),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers: message.headers().map(rdkafka::message::BorrowedHeaders::detach),
        }
    }

    /// Its key as text.
    pub(crate) fn key(&self) -> &str {
        std::str::from_utf8(self.key.as_deref().unwrap_or_default()).unwrap()
    }
}

impl Wire {
    pub(crate) fn new(brokers: &str, prefix: &str, group_prefix: &str) -> Self {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("allow.auto.create.topics", "false")
            .set("log.connection.close", "false")
            .set("group.id", "looks on")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "earliest");
        let consumer = config.create().unwrap();
        Self { prefix: prefix.to_owned(), group_prefix: group_prefix.to_owned(), config, consumer }
    }

    fn name(&self, topic: Topic) -> String {
        format!("{}{topic}", self.prefix)
    }

    /// How many partitions a topic has; waits until it is there.
    pub(crate) fn partitions(&self, topic: Topic) -> i32 {
        eventually("a topic", || {
            let found = self.consumer.fetch_metadata(Some(&self.name(topic)), QUESTION);
            let found = found.map_err(|error| error.to_string())?;
            match found.topics().first().map_or(0, |topic| topic.partitions().len()) {
                0 => Err(format!("no {topic}")),
                count => Ok(i32::try_from(count).unwrap()),
            }
        })
    }

    /// Where a topic's partitions end.
    pub(crate) fn ends(&self, topic: Topic) -> Vec<i64> {
        let end = |partition| {
            eventually("the end of a partition", || {
                let found = self.consumer.fetch_watermarks(&self.name(topic), partition, QUESTION);
                found.map(|(_, end)| end).map_err(|error| error.to_string())
            })
        };
        (0..self.partitions(topic)).map(end).collect()
    }

    /// Topics of dead letters that hold some.
    pub(crate) fn dead_letters(&self) -> Vec<(Topic, i64)> {
        let all = Topic::ALL.iter().filter_map(|topic| topic.dlq());
        let counted = all.map(|topic| (topic, self.ends(topic).iter().sum::<i64>()));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    /// Everything that is in these topics now, topic by topic and partition by partition.
    pub(crate) fn read(&self, topics: &[Topic]) -> Vec<Message> {
        let mut found = self.reader(topics).take_all();
        found.sort_by_key(|message: &Message| (message.topic, message.partition));
        found
    }

    /// Reads these topics from their beginning on.
    pub(crate) fn reader(&self, topics: &[Topic]) -> Reader {
        let consumer: BaseConsumer = self.config.create().unwrap();
        let mut list = TopicPartitionList::new();
        let mut count = 0;
        for &topic in topics {
            let name = self.name(topic);
            for partition in 0..self.partitions(topic) {
                list.add_partition_offset(&name, partition, Offset::Beginning).unwrap();
                count += 1;
            }
        }
        consumer.assign(&list).unwrap();
        Reader { consumer, prefix: self.prefix.clone(), partitions: count }
    }

    /// Puts messages into the topics and partitions that they name, in this order.
    pub(crate) fn send(&self, messages: &[Message]) {
        let producer: BaseProducer = self.config.create().unwrap();
        for message in messages {
            let name = self.name(message.topic);
            let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&name).partition(message.partition);
            record.key = message.key.as_deref();
            record.payload = message.payload.as_deref();
            record.headers = message.headers.clone();
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
    }

    /// Waits until a group has consumed everything that is in these topics now.
    pub(crate) fn until_consumed(&self, group: &str, topics: &[Topic]) {
        let mut config = self.config.clone();
        let asks: BaseConsumer =
            config.set("group.id", format!("{}{group}", self.group_prefix)).create().unwrap();
        for &topic in topics {
            let name = self.name(topic);
            let ends = self.ends(topic);
            eventually("consumed", || {
                let mut list = TopicPartitionList::new();
                for partition in 0..i32::try_from(ends.len()).unwrap() {
                    list.add_partition(&name, partition);
                }
                let committed = asks.committed_offsets(list, QUESTION).map_err(|error| error.to_string())?;
                let reached: Vec<i64> = committed
                    .elements()
                    .iter()
                    .map(|element| element.offset().to_raw().unwrap_or(0).max(0))
                    .collect();
                let all = reached.iter().zip(&ends).all(|(reached, end)| reached >= end);
                if all { Ok(()) } else { Err(format!("{topic}: {reached:?} of {ends:?}")) }
            });
        }
    }

    /// How many members a group has, if it has come to rest: each of them has partitions.
    pub(crate) fn members(&self, group: &str) -> usize {
        let Ok(list) =
            self.consumer.fetch_group_list(Some(&format!("{}{group}", self.group_prefix)), QUESTION)
        else {
            return 0;
        };
        let stable = list.groups().iter().filter(|group| group.state() == "Stable");
        stable.flat_map(|group| group.members()).filter(|member| member.assignment().is_some()).count()
    }
}
