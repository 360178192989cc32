//! `GET /api/v1/topics/{name}/messages`: the messages of a topic, from either end, and what comes after them.

use std::time::Duration;

use axum::Extension;
use axum::extract::State as Extract;
use holdfast_bus::TailFrom;
use holdfast_contract::Topic;
use holdfast_storage::Incarnation;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::errors::{self, Admin};
use super::message::MessageBody;
use super::page::{self, Direction, Page};
use super::topics::TopicName;
use super::{Operator, State};
use crate::http::{ApiResult, ErrorBody, PathId, Peer, StrictQuery, cursor, ok_with_meta};

pub(super) const PATH: &str = "/api/v1/topics/{name}/messages";

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;
/// Below the time that a request may take.
const MAX_WAIT: u16 = 20;

/// From which end.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum From {
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
}

/// Which messages.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MessagesQuery {
    /// Only this partition.
    partition: Option<u16>,
    /// Start with this offset; needs `partition`. Without `from`, reads on from there.
    offset: Option<u64>,
    /// `newest` (the default without an offset) or `oldest`: where to start, and which way to read.
    #[param(inline, example = "newest")]
    from: Option<From>,
    /// Messages on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// `meta.nextCursor` or `meta.followCursor` of an answer, with the same `partition` and the matching `from`.
    cursor: Option<String>,
    /// With `from=oldest`: seconds to wait for a message if there is none.
    #[param(minimum = 0, maximum = 20, default = 0)]
    wait: Option<u16>,
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageList)]
pub(super) struct MessageList {
    /// In the direction of reading; of several partitions merged by time.
    messages: Vec<MessageBody>,
    /// How many are on the page.
    count: usize,
}

/// Where reading goes on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MessagesMeta)]
pub(super) struct MessagesMeta {
    /// For the next page in the same direction; `null` if there is none now.
    #[schema(required)]
    next_cursor: Option<String>,
    /// With `from=oldest`, for what comes after this page, also if there is nothing yet. On the first page from the newest
    /// it stands after them; `null` on the others.
    #[schema(required)]
    follow_cursor: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MessagesAnswer {
    /// Always `true`.
    #[schema(example = true)]
    success: bool,
    /// What was done, for people.
    message: String,
    /// The result.
    data: MessageList,
    /// About the result.
    meta: MessagesMeta,
}

/// A query that was checked against its topic.
struct Asked {
    topic: Topic,
    partition: Option<u16>,
    offset: Option<u64>,
    direction: Direction,
    limit: usize,
    cursor: Option<String>,
    wait: Duration,
}

impl MessagesQuery {
    fn check(self, topic: Topic, partitions: usize) -> ApiResult<Asked> {
        let Self { partition, offset, from, limit, cursor, wait } = self;
        if let Some(partition) = partition
            && usize::from(partition) >= partitions
        {
            return Err(errors::bad_query("partition", format!("must be below {partitions}")));
        }
        if offset.is_some() && partition.is_none() {
            return Err(errors::bad_query("offset", "needs a partition"));
        }
        if offset.is_some() && cursor.is_some() {
            return Err(errors::bad_query("offset", "cannot be given with a cursor"));
        }
        let limit = limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(errors::bad_query("limit", format!("must be from 1 to {MAX_LIMIT}")));
        }
        let direction = match (from, offset) {
            (Some(From::Oldest), _) | (None, Some(_)) => Direction::Oldest,
            (Some(From::Newest), _) | (None, None) => Direction::Newest,
        };
        let wait = wait.unwrap_or(0);
        if wait > MAX_WAIT {
            return Err(errors::bad_query("wait", format!("must be from 0 to {MAX_WAIT}")));
        }
        if wait > 0 && direction == Direction::Newest {
            return Err(errors::bad_query("wait", "needs from=oldest"));
        }
        let wait = Duration::from_secs(wait.into());
        Ok(Asked { topic, partition, offset, direction, limit: limit.into(), cursor, wait })
    }
}

impl Asked {
    /// What a cursor must not be carried across; another life of the log has other offsets.
    fn kind(&self, direction: Direction, incarnation: Incarnation) -> String {
        format!("messages/{}/{:?}/{direction:?}/{:x}", self.topic, self.partition, incarnation.0)
    }
}

impl Operator {
    /// Reads a page, and gives it with the life of the log that it is from and the ends at that time.
    async fn page(&self, asked: &Asked) -> ApiResult<(Page, Incarnation, Vec<u64>)> {
        let (_, incarnation, mut bounds) = self.topic(asked.topic.name()).await?;
        if let Some(partition) = asked.partition {
            bounds.retain(|b| b.partition.partition.0 == partition);
        }
        let kind = asked.kind(asked.direction, incarnation);
        let places = match (&asked.cursor, asked.offset) {
            (Some(text), _) => {
                let bytes = cursor::decode(&kind, text)?;
                page::unpack(&bytes, bounds.len()).ok_or_else(cursor::invalid)?
            }
            (None, Some(offset)) => {
                let edge = match asked.direction {
                    Direction::Oldest => offset,
                    Direction::Newest => offset.saturating_add(1),
                };
                vec![edge; bounds.len()]
            }
            (None, None) => page::start(asked.direction, &bounds),
        };
        let page = page::read(&*self.bus, &bounds, &places, asked.direction, asked.limit).await;
        let ends = bounds.iter().map(|b| b.end).collect();
        Ok((page.map_err(errors::bus)?, incarnation, ends))
    }
}

/// List a topic's messages
///
/// The newest first, across all partitions; or from the oldest, from an offset, or after a cursor. To follow a topic, ask
/// with `from=oldest`, the last `meta.followCursor` and `wait`. Reading changes nothing and belongs to no consumer group.
#[utoipa::path(
    get, path = "/api/v1/topics/{name}/messages", tag = "operator", operation_id = "listMessages",
    params(("name" = String, Path, description = "The topic's name", example = "inventory.reserve"), MessagesQuery),
    responses(
        (status = 200, description = "A page of messages", body = MessagesAnswer),
        (status = 400, description = "`INVALID_QUERY`; `INVALID_CURSOR`, also if the topic was made anew", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`TOPIC_NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the bus is away", body = ErrorBody),
    )
)]
pub(super) async fn messages(
    Extract(operator): State,
    _: Admin,
    peer: Option<Extension<Peer>>,
    PathId(TopicName(name)): PathId<TopicName>,
    StrictQuery(query): StrictQuery<MessagesQuery>,
) -> ApiResult {
    let (topic, _, bounds) = operator.topic(&name).await?;
    let asked = query.check(topic, bounds.len())?;
    let mut read = operator.page(&asked).await?;
    if read.0.records.is_empty() && !asked.wait.is_zero() {
        // Begins before the second look, so that nothing comes between the two unseen.
        let mut tail = operator.bus.tail(&[topic], TailFrom::Now).await.map_err(errors::bus)?;
        read = operator.page(&asked).await?;
        if read.0.records.is_empty() {
            if let Some(Extension(peer)) = peer {
                peer.waits_for_news();
            }
            // A tail that breaks is as good a reason to look again as one that wakes.
            let _ = tokio::time::timeout(asked.wait, tail.next(1)).await;
            read = operator.page(&asked).await?;
        }
    }
    let (page, incarnation, ends) = read;
    let write =
        |direction, places: &[u64]| cursor::encode(&asked.kind(direction, incarnation), &page::pack(places));
    let follow = match asked.direction {
        Direction::Oldest => Some(page.places.clone()),
        Direction::Newest => asked.cursor.is_none().then_some(ends),
    };
    let meta = MessagesMeta {
        next_cursor: page.more.then(|| write(asked.direction, &page.places)),
        follow_cursor: follow.map(|places| write(Direction::Oldest, &places)),
    };
    let messages: Vec<MessageBody> = page.records.iter().map(|record| (&**record).into()).collect();
    ok_with_meta("Messages found", &MessageList { count: messages.len(), messages }, &meta)
}
