//! When stock is decided. Measured from outside and cheaply, since it shares the machine with what it measures.
//!
//! - *All of them*: the counter `orders_stock_decided_total` at the orders service's `/metrics`, which grows by one
//!   when an order's stock is decided. It is asked once a second while orders are sent, and every 20 ms afterwards.
//! - *How long each took*: two connections each follow one order at a time, by asking for it again and again (every
//!   millisecond at first, later every eighth of the time that has passed) until its `stockStatus` is not `pending`.
//!   The time to that answer is what counts, so it is an upper bound. At most a few hundred requests a second.

use std::time::Duration;

use anyhow::{Context, bail};
use hyper::{StatusCode, Uri};
use indicatif::ProgressBar;
use serde::Deserialize;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::latency::Latencies;
use crate::client::Client;
use crate::client::Endpoint;

const COUNTER: &str = "orders_stock_decided_total";
const FOLLOWERS: usize = 2;
/// One in so many orders is offered to the followers, who take it if they are idle.
const ONE_IN: u64 = 16;
/// Between two orders that a follower follows.
const REST: Duration = Duration::from_millis(5);

/// Offers orders to the followers.
#[derive(Clone, Debug)]
pub(crate) struct Sampler {
    idle: flume::Sender<Sample>,
}

#[derive(Debug)]
struct Sample {
    due: Instant,
    path: Uri,
}

impl Sampler {
    /// Offers order `number` that was due at `due` and was answered with `body`; nothing happens if nobody is idle.
    pub(crate) fn offer(&self, number: u64, due: Instant, body: &[u8]) {
        if number.is_multiple_of(ONE_IN)
            && self.idle.receiver_count() > 0
            && let Some(path) = order_path(body)
        {
            // No buffer: an order that had to wait for a follower would seem to be decided late.
            let _ = self.idle.try_send(Sample { due, path });
        }
    }
}

/// What the followers saw.
#[derive(Clone, Debug)]
pub(crate) struct Followed {
    /// From when an order was due to the first answer that showed it decided.
    pub(crate) decided: Latencies,
    /// How many of them were decided otherwise than reserved.
    pub(crate) not_reserved: u64,
}

/// The followers of one run.
#[derive(Debug)]
pub(crate) struct Followers {
    tasks: JoinSet<anyhow::Result<Followed>>,
}

impl Followers {
    /// Starts following.
    ///
    /// # Errors
    /// If the orders service cannot be reached.
    pub(crate) async fn start(orders: &Endpoint) -> anyhow::Result<(Self, Sampler)> {
        let (idle, samples) = flume::bounded(0);
        let mut tasks = JoinSet::new();
        for _ in 0..FOLLOWERS {
            let client = Client::connect(orders).await?;
            tasks.spawn(follow(client, samples.clone()));
        }
        Ok((Self { tasks }, Sampler { idle }))
    }

    /// Waits until `deadline` for the orders that are still followed. Every [`Sampler`] must be gone.
    ///
    /// # Errors
    /// If an order could not be read back.
    pub(crate) async fn finish(mut self, deadline: Instant) -> anyhow::Result<Followed> {
        let mut all = Followed { decided: Latencies::new(), not_reserved: 0 };
        // After the deadline: those that still follow are dropped with the set.
        while let Ok(Some(task)) = tokio::time::timeout_at(deadline, self.tasks.join_next()).await {
            let followed = task.context("following an order")??;
            all.decided.merge(&followed.decided);
            all.not_reserved += followed.not_reserved;
        }
        Ok(all)
    }
}

async fn follow(mut client: Client, samples: flume::Receiver<Sample>) -> anyhow::Result<Followed> {
    let mut followed = Followed { decided: Latencies::new(), not_reserved: 0 };
    while let Ok(sample) = samples.recv_async().await {
        loop {
            let answer = client.get(&sample.path).await.context("reading an order back")?;
            if answer.status != StatusCode::OK {
                bail!("reading {} back: {}", sample.path, answer.status);
            }
            let stock = stock_status(&answer.body).context("reading an order back")?;
            let elapsed = sample.due.elapsed();
            if stock != "pending" {
                followed.decided.record(elapsed);
                followed.not_reserved += u64::from(stock != "reserved");
                break;
            }
            tokio::time::sleep((elapsed / 8).max(Duration::from_millis(1))).await;
        }
        tokio::time::sleep(REST).await;
    }
    Ok(followed)
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: Data<T>,
}

#[derive(Deserialize)]
struct Data<T> {
    order: T,
}

fn order_path(body: &[u8]) -> Option<Uri> {
    #[derive(Deserialize)]
    struct Order<'a> {
        #[serde(rename = "_id")]
        id: &'a str,
    }
    let created: Envelope<Order<'_>> = serde_json::from_slice(body).ok()?;
    format!("/api/v1/orders/{}", created.data.order.id).parse().ok()
}

fn stock_status(body: &[u8]) -> serde_json::Result<&str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Order<'a> {
        stock_status: &'a str,
    }
    serde_json::from_slice::<Envelope<Order<'_>>>(body).map(|found| found.data.order.stock_status)
}

/// Reads how many orders were decided so far.
#[derive(Debug)]
pub(crate) struct Counter {
    client: Client,
    path: Uri,
}

impl Counter {
    /// # Errors
    /// If the orders service cannot be reached.
    pub(crate) async fn connect(orders: &Endpoint) -> anyhow::Result<Self> {
        Ok(Self { client: Client::connect(orders).await?, path: Uri::from_static("/metrics") })
    }

    /// How many orders were decided since the service was started; 0 if it does not say.
    ///
    /// # Errors
    /// If there is no answer, or it is not 200.
    pub(crate) async fn read(&mut self) -> anyhow::Result<u64> {
        let answer = self.client.get(&self.path).await.context("reading /metrics")?;
        if answer.status != StatusCode::OK {
            bail!("reading /metrics: {}", answer.status);
        }
        // A counter is listed from its first increment on.
        Ok(parse_counter(&String::from_utf8_lossy(&answer.body), COUNTER).unwrap_or(0))
    }

    /// Waits until `count` orders were decided since the counter showed `before`, until `deadline` or until `stop`.
    /// Gives how many were, and when the last was seen.
    ///
    /// # Errors
    /// If the counter cannot be read.
    pub(crate) async fn wait(
        &mut self,
        before: u64,
        count: u64,
        deadline: Instant,
        stop: &CancellationToken,
        bar: &ProgressBar,
    ) -> anyhow::Result<(u64, Instant)> {
        let mut changed = (0, Instant::now());
        loop {
            let decided = self.read().await?.saturating_sub(before);
            let now = Instant::now();
            if decided != changed.0 {
                changed = (decided, now);
            }
            bar.set_message(format!("{decided} decided"));
            if decided >= count || now >= deadline || stop.is_cancelled() {
                return Ok(changed);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The sum of all series of counter `name` in a Prometheus text; `None` if there is none.
fn parse_counter(text: &str, name: &str) -> Option<u64> {
    let mut total = None;
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(name) else { continue };
        let value = match rest.strip_prefix('{') {
            // Label values may hold anything but an unescaped quote; the value follows the last brace.
            Some(labelled) => labelled.rsplit_once('}').map(|(_, value)| value),
            None => rest.starts_with(' ').then_some(rest),
        };
        let Some(value) = value.and_then(|v| v.split_whitespace().next()?.parse::<u64>().ok()) else {
            continue;
        };
        *total.get_or_insert(0) += value;
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_the_sum_of_its_series() {
        let text = "# HELP a_total x\n# TYPE a_total counter\na_total{outcome=\"reserved\"} 40\n\
                    a_total{outcome=\"re}jected\",x=\"1 2\"} 2\na_total_more 100\nb_total 7\n";
        assert_eq!(parse_counter(text, "a_total"), Some(42));
        assert_eq!(parse_counter(text, "b_total"), Some(7));
        assert_eq!(parse_counter(text, "c_total"), None);
    }

    #[test]
    fn orders_are_read_from_the_envelope() {
        let body = br#"{"success":true,"message":"x","data":{"order":{"_id":"65","stockStatus":"pending","items":[]}}}"#;
        assert_eq!(order_path(body).unwrap().path(), "/api/v1/orders/65");
        assert_eq!(stock_status(body).unwrap(), "pending");
        assert_eq!(order_path(b"{}"), None);
    }

    #[test]
    fn nobody_idle_means_nobody_is_told() {
        let (idle, samples) = flume::bounded(0);
        let sampler = Sampler { idle };
        sampler.offer(0, Instant::now(), br#"{"data":{"order":{"_id":"65"}}}"#);
        assert!(samples.try_recv().is_err());
    }
}
