//! `POST /api/v1/dead-letters/{id}/replay` and `/discard`.

use axum::extract::State as Extract;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::errors::{self, Admin};
use super::{DeadLetterId, Effect, Mode, Operator, Outcome, State, Stuck};
use crate::http::{ApiResult, ErrorBody, MaybeJson, PathId, SuccessBody, ok};

pub(super) const REPLAY: &str = "/api/v1/dead-letters/{id}/replay";
pub(super) const DISCARD: &str = "/api/v1/dead-letters/{id}/discard";

/// How to do it. The body may be left out.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = DeadLetterAct)]
pub(super) struct ActBody {
    /// Only decide and tell; nothing changes, not even the count of attempts.
    #[schema(default = false)]
    dry_run: bool,
}

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterEffect)]
pub(super) struct EffectBody {
    /// The dead letter.
    #[schema(example = "products-3")]
    id: String,
    /// Its topic.
    #[schema(example = "inventory.reserve")]
    topic: &'static str,
    /// Its partition.
    partition: u16,
    /// Its offset.
    offset: u64,
    /// For people.
    #[schema(example = "reserve 2 units of Test Product for ORD-0C5T8GK2M9QRS: held")]
    effect: String,
}

/// A message that still cannot be processed, and stays.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetterStuck)]
pub(super) struct StuckBody {
    /// The dead letter.
    id: String,
    /// Its topic.
    topic: &'static str,
    /// Its partition.
    partition: u16,
    /// Its offset.
    offset: u64,
    /// Why.
    error: String,
}

/// What was done, or would be.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterOutcome)]
pub(super) struct OutcomeBody {
    /// Whether nothing has changed.
    dry_run: bool,
    /// What giving the message up did; `null` after a replay.
    #[schema(required)]
    discarded: Option<EffectBody>,
    /// What was processed, in order: these messages are no longer parked.
    replayed: Vec<EffectBody>,
    /// The next one of the order and topic, if it still cannot be processed: it and those behind it stay parked.
    #[schema(required)]
    stuck: Option<StuckBody>,
}

impl Operator {
    fn effect(&self, Effect { message, effect }: Effect) -> EffectBody {
        EffectBody {
            id: self.letter(message.id).to_string(),
            topic: message.record.topic.name(),
            partition: message.record.partition.0,
            offset: message.record.offset,
            effect,
        }
    }

    fn stuck(&self, Stuck { message, error }: Stuck) -> StuckBody {
        StuckBody {
            id: self.letter(message.id).to_string(),
            topic: message.record.topic.name(),
            partition: message.record.partition.0,
            offset: message.record.offset,
            error,
        }
    }

    fn answer(&self, outcome: Outcome, mode: Mode) -> ApiResult {
        let Outcome { discarded, replayed, stuck } = outcome;
        let dry_run = mode == Mode::DryRun;
        let messages = match replayed.len() {
            1 => "1 message".to_owned(),
            many => format!("{many} messages"),
        };
        let said = match (discarded.is_some(), dry_run) {
            (false, false) => format!("Replayed {messages}"),
            (false, true) => format!("Would replay {messages}"),
            (true, false) => format!("Discarded one message, replayed {messages} behind it"),
            (true, true) => format!("Would discard one message, and replay {messages} behind it"),
        };
        let body = OutcomeBody {
            dry_run,
            discarded: discarded.map(|effect| self.effect(effect)),
            replayed: replayed.into_iter().map(|effect| self.effect(effect)).collect(),
            stuck: stuck.map(|stuck| self.stuck(stuck)),
        };
        ok(&said, &body)
    }
}

fn mode(body: Option<ActBody>) -> Mode {
    if body.unwrap_or_default().dry_run { Mode::DryRun } else { Mode::Real }
}

/// Replay a dead letter
///
/// Processes the message as if it came now, and then, in order, those of its order and topic that were parked behind it,
/// up to the first that still cannot be processed. Each is no longer parked once its effect is durable. A replay that fails
/// because of the message is counted in its `attempts`. With `dryRun` a message that still cannot be processed is in
/// `stuck`, and nothing changes.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{id}/replay", tag = "operator", operation_id = "replayDeadLetter",
    params(("id" = String, Path, description = "Its id", example = "products-3", pattern = "^[a-z]+-[1-9][0-9]*$")),
    request_body(content = Option<ActBody>, description = "May be left out"),
    responses(
        (status = 200, description = "What was done, or would be", body = SuccessBody<OutcomeBody>),
        (status = 400, description = "`INVALID_ID`, `INVALID_JSON`, `VALIDATION_FAILED`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`DEAD_LETTER_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`DEAD_LETTER_BEHIND`: `details.first` comes first", body = ErrorBody),
        (status = 415, description = "`UNSUPPORTED_MEDIA_TYPE`", body = ErrorBody),
        (status = 422, description = "`STILL_POISON`: `details.error` says why, `details.attempts` how often", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`, `OVERLOADED`", body = ErrorBody),
    )
)]
pub(super) async fn replay(
    Extract(operator): State,
    _: Admin,
    PathId(id): PathId<DeadLetterId>,
    body: MaybeJson<Option<ActBody>>,
) -> ApiResult {
    let mode = mode(body.value.flatten());
    let number = operator.own(&id)?;
    let outcome = operator.dead_letters.replay(number, mode).await;
    operator.answer(outcome.map_err(|error| errors::dead_letter(&operator, &id, error))?, mode)
}

/// Discard a dead letter
///
/// Gives the message up: it is forgotten without being processed. If it asked for stock that is not decided yet, the order
/// is rejected with `PROCESSING_FAILED`. Those that were parked behind it are replayed, as by a replay.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{id}/discard", tag = "operator", operation_id = "discardDeadLetter",
    params(("id" = String, Path, description = "Its id", example = "products-3", pattern = "^[a-z]+-[1-9][0-9]*$")),
    request_body(content = Option<ActBody>, description = "May be left out"),
    responses(
        (status = 200, description = "What was done, or would be", body = SuccessBody<OutcomeBody>),
        (status = 400, description = "`INVALID_ID`, `INVALID_JSON`, `VALIDATION_FAILED`", body = ErrorBody),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 404, description = "`DEAD_LETTER_NOT_FOUND`", body = ErrorBody),
        (status = 409, description = "`DEAD_LETTER_BEHIND`: `details.first` comes first", body = ErrorBody),
        (status = 415, description = "`UNSUPPORTED_MEDIA_TYPE`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`, `OVERLOADED`", body = ErrorBody),
    )
)]
pub(super) async fn discard(
    Extract(operator): State,
    _: Admin,
    PathId(id): PathId<DeadLetterId>,
    body: MaybeJson<Option<ActBody>>,
) -> ApiResult {
    let mode = mode(body.value.flatten());
    let number = operator.own(&id)?;
    let outcome = operator.dead_letters.discard(number, mode).await;
    operator.answer(outcome.map_err(|error| errors::dead_letter(&operator, &id, error))?, mode)
}
