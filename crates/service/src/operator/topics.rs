//! `GET /api/v1/topics` and `GET /api/v1/topics/{name}`: what there is to read on the bus.

use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::State as Extract;
use holdfast_contract::Topic;
use holdfast_storage::{Bounds, Incarnation};
use serde::Serialize;
use utoipa::ToSchema;

use super::errors::{self, Admin};
use super::{Operator, State};
use crate::http::{ApiResult, ErrorBody, PathId, SuccessBody, ok};

pub(super) const LIST: &str = "/api/v1/topics";
pub(super) const ONE: &str = "/api/v1/topics/{name}";

/// A name in a path, which may be no topic's.
pub(super) struct TopicName(pub(super) String);

impl FromStr for TopicName {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

/// A partition of a topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TopicPartition)]
pub(super) struct PartitionBody {
    /// From 0.
    partition: u16,
    /// The oldest offset that is kept.
    start_offset: u64,
    /// The offset that the next message will get.
    end_offset: u64,
    /// How many are kept. With Kafka at most: offsets may have gaps.
    messages: u64,
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Topic)]
pub(super) struct TopicBody {
    /// Its name.
    #[schema(example = "inventory.reserve")]
    name: &'static str,
    /// Which service publishes it.
    #[schema(example = "orders")]
    published_by: &'static str,
    /// Where copies of its parked messages go, if a group of ours consumes it.
    #[schema(required)]
    dead_letter_topic: Option<&'static str>,
    /// Names this life of its log: another value means that it was made anew, and offsets began again.
    #[schema(example = "5f2c1a0000000001")]
    incarnation: String,
    /// How many messages are kept in all partitions.
    messages: u64,
    /// Its partitions.
    partitions: Vec<PartitionBody>,
}

/// Which service publishes a topic.
pub(super) fn publisher(topic: Topic) -> &'static str {
    if Topic::FROM_ORDERS.contains(&topic) { "orders" } else { "products" }
}

fn body(topic: Topic, incarnation: Incarnation, bounds: &[Bounds]) -> TopicBody {
    let mut partitions: Vec<PartitionBody> = bounds
        .iter()
        .filter(|b| b.partition.topic == topic)
        .map(|b| PartitionBody {
            partition: b.partition.partition.0,
            start_offset: b.start,
            end_offset: b.end,
            messages: b.end.saturating_sub(b.start),
        })
        .collect();
    partitions.sort_unstable_by_key(|p| p.partition);
    TopicBody {
        name: topic.name(),
        published_by: publisher(topic),
        dead_letter_topic: topic.dlq().map(Topic::name),
        incarnation: format!("{:016x}", incarnation.0),
        messages: partitions.iter().map(|p| p.messages).sum(),
        partitions,
    }
}

/// All topics.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopicList)]
pub(super) struct TopicList {
    /// By name.
    topics: Vec<TopicBody>,
    /// How many.
    count: usize,
}

/// One topic.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopicData)]
pub(super) struct TopicData {
    /// The topic.
    topic: TopicBody,
}

impl Operator {
    /// A topic that is there, with the life that its log is in and its partitions in their order.
    pub(super) async fn topic(&self, name: &str) -> ApiResult<(Topic, Incarnation, Vec<Bounds>)> {
        let topic: Topic = name.parse().map_err(|()| errors::no_such_topic(name))?;
        let found = self.bus.incarnations(&[topic]).await.map_err(errors::bus)?;
        let Some(&(_, incarnation)) = found.first() else { return Err(errors::no_such_topic(name)) };
        let mut bounds = self.bus.bounds(&[topic]).await.map_err(errors::bus)?;
        bounds.sort_unstable_by_key(|b| b.partition);
        Ok((topic, incarnation, bounds))
    }
}

/// List topics
///
/// Every topic of the bus, also those that another service publishes.
#[utoipa::path(
    get, path = "/api/v1/topics", tag = "operator", operation_id = "listTopics",
    responses(
        (status = 200, description = "The topics, by name", body = SuccessBody<TopicList>),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the bus is away", body = ErrorBody),
    )
)]
pub(super) async fn list(Extract(operator): State, _: Admin) -> ApiResult {
    let mut found = operator.bus.incarnations(Topic::ALL).await.map_err(errors::bus)?;
    found.sort_unstable_by_key(|(topic, _)| topic.name());
    let there: Vec<Topic> = found.iter().map(|(topic, _)| *topic).collect();
    let bounds = operator.bus.bounds(&there).await.map_err(errors::bus)?;
    let topics: Vec<TopicBody> =
        found.into_iter().map(|(topic, incarnation)| body(topic, incarnation, &bounds)).collect();
    ok("Topics found", &TopicList { count: topics.len(), topics })
}

/// Get a topic
#[utoipa::path(
    get, path = "/api/v1/topics/{name}", tag = "operator", operation_id = "getTopic",
    params(("name" = String, Path, description = "The topic's name", example = "inventory.reserve")),
    responses(
        (status = 200, description = "The topic", body = SuccessBody<TopicData>),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`TOPIC_NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the bus is away", body = ErrorBody),
    )
)]
pub(super) async fn one(
    Extract(operator): State,
    _: Admin,
    PathId(TopicName(name)): PathId<TopicName>,
) -> ApiResult {
    let (topic, incarnation, bounds) = operator.topic(&name).await?;
    ok("Topic found", &TopicData { topic: body(topic, incarnation, &bounds) })
}
