//! Kafka and MongoDB.

use std::time::Duration;

use holdfast_contract::Topic;
use holdfast_service::broker::Broker;
use holdfast_service::config::{KafkaArgs, MongoArgs};
use holdfast_storage::mongodb::{Mongo, MongoOptions};
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::Finding;

const KAFKA: &str = "Kafka";
const TOPICS: &str = "Kafka topics";
const MONGODB: &str = "MongoDB";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A topic that is there: its partitions, and the copies of the one with the fewest.
#[derive(Clone, Copy)]
struct Seen {
    partitions: usize,
    copies: usize,
}

/// Whether the brokers answer and have the topics.
pub(super) async fn kafka(args: &KafkaArgs, brokers: &str) -> Vec<Finding> {
    let broker = match Broker::new(args, brokers) {
        Ok(broker) => broker,
        Err(error) => {
            return vec![Finding::fail(KAFKA, error.to_string(), "mend the KAFKA_ variables that it names")];
        }
    };
    let bus = broker.bus().clone();
    let asked = tokio::task::spawn_blocking(move || {
        let client: BaseConsumer = bus.client_config("doctor").create()?;
        let metadata = client.fetch_metadata(None, PATIENCE)?;
        let seen = Topic::ALL.iter().map(|&topic| {
            let name = bus.topic_name(topic);
            let found =
                metadata.topics().iter().find(|found| found.name() == name && found.error().is_none())?;
            let copies = found.partitions().iter().map(|partition| partition.replicas().len()).min()?;
            Some(Seen { partitions: found.partitions().len(), copies })
        });
        Ok::<_, rdkafka::error::KafkaError>((metadata.brokers().len(), seen.collect::<Vec<_>>()))
    });
    match asked.await {
        Ok(Ok((brokers, topics))) => {
            vec![Finding::ok(KAFKA, format!("{brokers} brokers answer")), judge(brokers, &topics)]
        }
        Ok(Err(error)) => vec![Finding::fail(
            KAFKA,
            format!("{brokers} does not answer: {error}"),
            "start it, or set KAFKA_BROKERS (and KAFKA_SECURITY_PROTOCOL) to how it is reached from here",
        )],
        Err(error) => vec![Finding::fail(KAFKA, error.to_string(), "this is a bug: report it")],
    }
}

fn judge(brokers: usize, topics: &[Option<Seen>]) -> Finding {
    let there: Vec<Seen> = topics.iter().copied().flatten().collect();
    let fewest = |count: fn(&Seen) -> usize| there.iter().map(count).min().unwrap_or(0);
    let (partitions, copies) = (fewest(|seen| seen.partitions), fewest(|seen| seen.copies));
    let found = format!(
        "{} of {} are there, with {partitions} partitions and {copies} copies or more",
        there.len(),
        topics.len()
    );
    if there.len() < topics.len() {
        let advice = "the services make what is missing when they start; if they may not, make them as docs/kafka-and-mongodb.md says";
        return Finding::warn(TOPICS, found, advice);
    }
    if copies < 2 && brokers > 1 {
        let advice = "give them three copies (kafka-reassign-partitions): with one, a broker that is lost takes messages with it";
        return Finding::warn(TOPICS, found, advice);
    }
    Finding::ok(TOPICS, found)
}

/// Whether the database server answers, and as a replica set.
pub(super) async fn mongodb(uri: &str, args: &MongoArgs) -> Vec<Finding> {
    let options = MongoOptions {
        uri: uri.to_owned(),
        database: args.mongodb_orders_db.clone(),
        app_name: "holdfast-doctor".to_owned(),
    };
    let mongo = match Mongo::new(&options).await {
        Ok(mongo) => mongo,
        Err(error) => return vec![Finding::fail(MONGODB, error.to_string(), "mend MONGODB_URI")],
    };
    vec![match mongo.replica_set().await {
        Ok(Some(name)) => {
            Finding::ok(MONGODB, format!("replica set {name} has a primary; writes wait for a majority"))
        }
        Ok(None) => Finding::fail(
            MONGODB,
            "is no replica set, and so has no transactions",
            "start mongod with --replSet and call rs.initiate(); one member is enough",
        ),
        Err(error) => Finding::fail(
            MONGODB,
            error.to_string(),
            "start it, or set MONGODB_URI to how it is reached from here; a replica set needs a primary",
        ),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn missing_topics_and_single_copies_are_said() {
        let seen = |copies| Some(Seen { partitions: 3, copies });
        assert_eq!(judge(3, &[seen(3), seen(3)]).state, State::Ok);
        assert_eq!(judge(1, &[seen(1), seen(1)]).state, State::Ok, "one broker has room for one copy");
        assert_eq!(judge(3, &[seen(3), seen(1)]).state, State::Warn);
        assert_eq!(judge(3, &[seen(3), None]).state, State::Warn);
    }

    #[tokio::test]
    async fn servers_that_are_not_there_are_said() {
        let nowhere = "mongodb://127.0.0.1:9/?directConnection=true";
        let args = MongoArgs {
            mongodb_uri: Some(nowhere.to_owned()),
            mongodb_orders_db: "a".to_owned(),
            mongodb_products_db: "b".to_owned(),
        };
        assert_eq!(mongodb(nowhere, &args).await[0].state, State::Fail);
        assert_eq!(mongodb("nonsense", &args).await[0].state, State::Fail);
    }
}
