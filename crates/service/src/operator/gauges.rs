//! How far the group is behind, and how much it has parked, as metrics.

use std::time::Duration;

use super::Operator;
use crate::lifecycle::Lifecycle;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Keeps `consumer_lag` and `dead_letters` up to date, as a task of `lifecycle`. While store or broker are away, they stay
/// as they were.
pub fn spawn_gauges(operator: &Operator, lifecycle: &Lifecycle) {
    let operator = operator.clone();
    let drain = lifecycle.drain_token();
    lifecycle.spawn("operator gauges", async move {
        let mut tick = tokio::time::interval(EVERY);
        while drain.run_until_cancelled(tick.tick()).await.is_some() {
            // A broker that is away must not keep a shutdown waiting.
            if drain.run_until_cancelled(measure(&operator)).await.is_none() {
                return;
            }
        }
    });
}

async fn measure(operator: &Operator) {
    let Operator { group, inbox, bus, .. } = operator;
    let (Ok(bounds), Ok(positions), Ok(parked)) =
        (bus.bounds(operator.consumes).await, inbox.positions(group).await, inbox.parked_counts(group).await)
    else {
        return;
    };
    for b in bounds {
        let reached = positions.iter().find(|(at, _)| *at == b.partition).map_or(b.start, |(_, p)| p.next);
        let waiting = parked.iter().find(|(at, _)| *at == b.partition).map_or(0, |(_, count)| *count);
        let labels = [
            ("group", (*group).to_owned()),
            ("topic", b.partition.topic.to_string()),
            ("partition", b.partition.partition.to_string()),
        ];
        metrics::gauge!("consumer_lag", &labels).set(b.end.saturating_sub(reached) as f64);
        metrics::gauge!("dead_letters", &labels).set(waiting as f64);
    }
}
