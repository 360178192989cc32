//! `GET /api/v1/dead-letters` and `GET /api/v1/dead-letters/{id}`: what is parked, and why.

use axum::extract::State as Extract;
use bytes::Bytes;
use holdfast_contract::{OrderId, OrderNumber, Timestamp, Topic};
use holdfast_storage::{ParkCause, Parked, ParkedFilter, ParkedId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::errors::{self, Admin};
use super::message::{PayloadBody, PlaceBody};
use super::{DeadLetterId, Operator, State, still_parked};
use crate::http::{ApiResult, ErrorBody, PathId, StrictQuery, SuccessBody, cursor, ok, ok_with_meta};

pub(super) const LIST: &str = "/api/v1/dead-letters";
pub(super) const ONE: &str = "/api/v1/dead-letters/{id}";

const DEFAULT_LIMIT: u16 = 50;
const MAX_LIMIT: u16 = 200;

/// Why a message is parked.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = DeadLetterCause)]
pub(super) enum CauseBody {
    /// It cannot be processed itself.
    Poison,
    /// It waits for an earlier one of its order and topic.
    Behind,
}

/// A parked message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetter)]
pub(super) struct LetterBody {
    /// Names it: the service that parked it, and a number.
    #[schema(example = "products-3")]
    id: String,
    /// The consumer group that could not process it.
    #[schema(example = "products-service-group")]
    group: &'static str,
    /// Its original place.
    #[serde(flatten)]
    place: PlaceBody,
    /// The order that it is about; `null` if that cannot be read.
    #[schema(required)]
    order_id: Option<String>,
    /// That order's number.
    #[schema(required)]
    order_number: Option<String>,
    /// Why it is parked.
    cause: CauseBody,
    /// What is wrong with it; `null` if it only waits for another.
    #[schema(required)]
    error: Option<String>,
    /// How often a replay has failed.
    attempts: u32,
    /// When it was parked.
    #[schema(value_type = String, format = DateTime)]
    parked_at: Timestamp,
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterList)]
pub(super) struct LetterList {
    /// In the order they were parked in.
    dead_letters: Vec<LetterBody>,
    /// How many are on the page.
    count: usize,
}

/// Where the list goes on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLettersMeta)]
pub(super) struct LettersMeta {
    /// For the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLettersAnswer {
    /// Always `true`.
    #[schema(example = true)]
    success: bool,
    /// What was done, for people.
    message: String,
    /// The result.
    data: LetterList,
    /// About the result.
    meta: LettersMeta,
}

/// A parked message with everything that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterDetails)]
pub(super) struct LetterDetails {
    #[serde(flatten)]
    letter: LetterBody,
    #[serde(flatten)]
    payload: PayloadBody,
    /// The first of its order and topic: the one to replay or discard. Often itself.
    #[schema(example = "products-3")]
    first: String,
    /// How many of its order and topic are parked, itself included; 500 means "at least".
    queue: usize,
}

/// One dead letter.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterData)]
pub(super) struct LetterData {
    /// The dead letter.
    dead_letter: LetterDetails,
}

/// An order, by either of its names.
#[derive(Clone, Copy, Debug)]
struct OrderParameter(OrderId);

impl<'de> Deserialize<'de> for OrderParameter {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let by_number = || text.parse::<OrderNumber>().map(OrderId::from);
        match text.parse::<OrderId>().or_else(|_| by_number()) {
            Ok(id) => Ok(Self(id)),
            Err(_) => Err(serde::de::Error::custom("must be an order's _id or orderNumber")),
        }
    }
}

/// Which dead letters.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LettersQuery {
    /// Only those that came on this topic.
    #[param(value_type = Option<String>, example = "inventory.reserve")]
    topic: Option<Topic>,
    /// Only those of this order: `_id` or `orderNumber`.
    #[param(value_type = Option<String>)]
    order: Option<OrderParameter>,
    /// Dead letters on the page.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u16>,
    /// `meta.nextCursor` of the page before, with the same filters.
    cursor: Option<String>,
}

impl Operator {
    /// The full name of one of the service's parked messages.
    pub(super) fn letter(&self, id: ParkedId) -> DeadLetterId {
        DeadLetterId { service: self.service.to_owned(), id }
    }

    /// The number behind a name, if it is this service's.
    pub(super) fn own(&self, id: &DeadLetterId) -> ApiResult<ParkedId> {
        if id.service == self.service { Ok(id.id) } else { Err(errors::no_such_letter(id)) }
    }

    fn letter_body(&self, parked: &Parked) -> LetterBody {
        let order: Option<OrderId> =
            parked.order.as_deref().and_then(|order| std::str::from_utf8(order).ok()?.parse().ok());
        let (cause, error) = match &parked.cause {
            ParkCause::Poison(error) => (CauseBody::Poison, Some(error.clone())),
            ParkCause::Behind => (CauseBody::Behind, None),
        };
        LetterBody {
            id: self.letter(parked.id).to_string(),
            group: self.group,
            place: (&*parked.record).into(),
            order_id: order.map(|id| id.to_string()),
            order_number: order.map(|id| OrderNumber::from(id).to_string()),
            cause,
            error,
            attempts: parked.attempts,
            parked_at: parked.parked_at,
        }
    }
}

/// List dead letters
///
/// Messages that this service's group has parked, in the order they were parked in. An order's message that cannot be
/// processed is parked, and so are later ones of that order in that topic; all other orders go on.
#[utoipa::path(
    get, path = "/api/v1/dead-letters", tag = "operator", operation_id = "listDeadLetters",
    params(LettersQuery),
    responses(
        (status = 200, description = "A page of dead letters", body = DeadLettersAnswer),
        (status = 400, description = "`INVALID_QUERY`, `INVALID_CURSOR`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the store is away", body = ErrorBody),
    )
)]
pub(super) async fn list(
    Extract(operator): State,
    _: Admin,
    StrictQuery(query): StrictQuery<LettersQuery>,
) -> ApiResult {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(errors::bad_query("limit", format!("must be from 1 to {MAX_LIMIT}")));
    }
    let limit = usize::from(limit);
    let order = query.order.map(|OrderParameter(id)| id.to_string());
    let kind = format!("dead letters/{}/{:?}/{order:?}", operator.service, query.topic);
    let filter = ParkedFilter { topic: query.topic, order: order.map(Bytes::from) };
    let after = match &query.cursor {
        Some(text) => {
            let bytes: [u8; 8] = cursor::decode(&kind, text)?.try_into().map_err(|_| cursor::invalid())?;
            Some(ParkedId(i64::from_be_bytes(bytes)))
        }
        None => None,
    };
    let found = operator.inbox.parked_like(operator.group, &filter, after, limit + 1).await;
    let mut found = found.map_err(errors::store)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| more);
    let meta = LettersMeta { next_cursor: last.map(|last| cursor::encode(&kind, &last.id.0.to_be_bytes())) };
    let dead_letters: Vec<LetterBody> = found.iter().map(|parked| operator.letter_body(parked)).collect();
    let list = LetterList { count: dead_letters.len(), dead_letters };
    ok_with_meta("Dead letters found", &list, &meta)
}

/// Get a dead letter
///
/// With its payload and headers, and which one of its order and topic comes first.
#[utoipa::path(
    get, path = "/api/v1/dead-letters/{id}", tag = "operator", operation_id = "getDeadLetter",
    params(("id" = String, Path, description = "Its id", example = "products-3", pattern = "^[a-z]+-[1-9][0-9]*$")),
    responses(
        (status = 200, description = "The dead letter", body = SuccessBody<LetterData>),
        (status = 400, description = "`INVALID_ID`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`DEAD_LETTER_NOT_FOUND`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the store is away", body = ErrorBody),
    )
)]
pub(super) async fn one(Extract(operator): State, _: Admin, PathId(id): PathId<DeadLetterId>) -> ApiResult {
    let number = operator.own(&id)?;
    let found = operator.inbox.parked_message(operator.group, number).await.map_err(errors::store)?;
    let parked = found.ok_or_else(|| errors::no_such_letter(&id))?;
    let queue = still_parked(&*operator.inbox, operator.group, &parked).await.map_err(errors::store)?;
    let dead_letter = LetterDetails {
        letter: operator.letter_body(&parked),
        payload: (&*parked.record).into(),
        first: operator.letter(queue.first().map_or(number, |first| first.id)).to_string(),
        queue: queue.len().max(1),
    };
    ok("Dead letter found", &LetterData { dead_letter })
}
