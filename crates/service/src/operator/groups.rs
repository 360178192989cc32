//! `GET /api/v1/groups`: how far the service's consumer group is.

use axum::extract::State as Extract;
use holdfast_contract::Topic;
use holdfast_storage::{Bounds, Incarnation, Position, StartOf};
use rustc_hash::FxHashMap;
use serde::Serialize;
use utoipa::ToSchema;

use super::State;
use super::errors::{self, Admin};
use crate::http::{ApiResult, ErrorBody, SuccessBody, ok};

pub(super) const PATH: &str = "/api/v1/groups";

/// What a stored position means for the log as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GroupPositionState)]
pub(super) enum PositionState {
    /// The group goes on there.
    Current,
    /// There is none yet: the group starts at the log's beginning.
    None,
    /// It is of another life of the log, which was made anew: the group starts at its beginning.
    OtherLog,
    /// It lies outside of what the log holds: the group starts at its beginning.
    Outside,
}

/// How far a group is in a partition.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = GroupPartition)]
pub(super) struct GroupPartitionBody {
    /// The topic.
    #[schema(example = "inventory.reserve")]
    topic: &'static str,
    /// The partition.
    partition: u16,
    /// The offset of the next message to take effect, as the group's database has it; `null` if it has none.
    #[schema(required)]
    position: Option<u64>,
    /// What that means for the log as it is now.
    position_state: PositionState,
    /// The oldest offset that is kept.
    start_offset: u64,
    /// The offset that the next message will get.
    end_offset: u64,
    /// How many messages have not taken effect yet. With Kafka at most: offsets may have gaps.
    lag: u64,
    /// How many messages of the partition are parked.
    parked: u64,
}

/// A consumer group.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Group)]
pub(super) struct GroupBody {
    /// Its name.
    #[schema(example = "orders-service-group")]
    group: &'static str,
    /// The service that it is of.
    #[schema(example = "orders")]
    service: &'static str,
    /// Every partition that it consumes, by topic and number.
    partitions: Vec<GroupPartitionBody>,
    /// The sum of the partitions' lags.
    lag: u64,
    /// How many messages are parked.
    parked: u64,
}

/// The groups of the service: one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = GroupList)]
pub(super) struct GroupList {
    /// The groups.
    groups: Vec<GroupBody>,
    /// How many.
    count: usize,
}

fn state_of(position: Option<Position>, log: Incarnation, b: &Bounds) -> PositionState {
    match position {
        None => PositionState::None,
        Some(position) if position.incarnation != log => PositionState::OtherLog,
        Some(position) => match position.start_in(log, b.start, b.end) {
            StartOf::Offset(_) => PositionState::Current,
            StartOf::Beginning => PositionState::Outside,
        },
    }
}

/// List consumer groups
///
/// The service's own group: per partition the position, the log's end and the lag. Positions are those of the service's
/// database, which move with the effects; with Kafka the broker is told of them a little later.
#[utoipa::path(
    get, path = "/api/v1/groups", tag = "operator", operation_id = "listGroups",
    responses(
        (status = 200, description = "The group", body = SuccessBody<GroupList>),
        (status = 403, description = "`FORBIDDEN`", body = ErrorBody),
        (status = 503, description = "`SERVICE_UNAVAILABLE`: the bus or the store is away", body = ErrorBody),
    )
)]
pub(super) async fn groups(Extract(operator): State, _: Admin) -> ApiResult {
    // Positions first: they are then never after the ends.
    let positions: FxHashMap<_, _> =
        operator.inbox.positions(operator.group).await.map_err(errors::store)?.into_iter().collect();
    let parked = operator.inbox.parked_counts(operator.group).await.map_err(errors::store)?;
    let logs: FxHashMap<Topic, Incarnation> =
        operator.bus.incarnations(operator.consumes).await.map_err(errors::bus)?.into_iter().collect();
    let there: Vec<Topic> = operator.consumes.iter().copied().filter(|t| logs.contains_key(t)).collect();
    let mut bounds = operator.bus.bounds(&there).await.map_err(errors::bus)?;
    bounds.sort_unstable_by_key(|b| (b.partition.topic.name(), b.partition.partition));
    let partitions: Vec<GroupPartitionBody> = bounds
        .iter()
        .filter_map(|b| {
            let position = positions.get(&b.partition).copied();
            let position_state = state_of(position, *logs.get(&b.partition.topic)?, b);
            let from = match (position_state, position) {
                (PositionState::Current, Some(position)) => position.next,
                _ => b.start,
            };
            let parked = parked.iter().find(|(p, _)| *p == b.partition).map_or(0, |(_, count)| *count);
            Some(GroupPartitionBody {
                topic: b.partition.topic.name(),
                partition: b.partition.partition.0,
                position: position.map(|position| position.next),
                position_state,
                start_offset: b.start,
                end_offset: b.end,
                lag: b.end.saturating_sub(from),
                parked,
            })
        })
        .collect();
    let group = GroupBody {
        group: operator.group,
        service: operator.service,
        lag: partitions.iter().map(|p| p.lag).sum(),
        // Also of partitions that are no more.
        parked: parked.iter().map(|(_, count)| count).sum(),
        partitions,
    };
    ok("Groups found", &GroupList { count: 1, groups: vec![group] })
}

#[cfg(test)]
mod tests {
    use holdfast_contract::Partition;
    use holdfast_storage::TopicPartition;

    use super::*;

    #[test]
    fn a_position_is_current_only_in_its_own_log() {
        let partition = TopicPartition { topic: Topic::InventoryReserve, partition: Partition(0) };
        let log = Bounds { partition, start: 3, end: 9 };
        let at = |incarnation, next| Some(Position { incarnation: Incarnation(incarnation), next });
        for (position, state) in [
            (None, PositionState::None),
            (at(1, 3), PositionState::Current),
            (at(1, 9), PositionState::Current),
            (at(1, 2), PositionState::Outside),
            (at(1, 10), PositionState::Outside),
            (at(2, 5), PositionState::OtherLog),
        ] {
            assert_eq!(state_of(position, Incarnation(1), &log), state, "{position:?}");
        }
    }
}
