//! Background work that makes nothing accepted get lost, and nothing kept grow without end. Each is a reconciler: it
//! wakes now and then, looks at the state, and may run at any time and any number of times.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_bus::{Bus, BusError, ORDERS_GROUP, Retention};
use holdfast_contract::event::Body;
use holdfast_contract::{OrderId, Timestamp, Topic};
use holdfast_service::backend::{AlwaysMine, Duty};
use holdfast_service::telemetry::chain;
use holdfast_service::{Clock, Steps};
use holdfast_storage::{Group, Inbox, StoreError};
use rustc_hash::FxHashMap;
use tokio_util::sync::CancellationToken;

use crate::domain::outstanding_request;
use crate::store::{Change, Commit, CommitError, OrderStore};

/// Orders in one commit.
const CHUNK: usize = 256;
/// The longest that an order is left alone, however often it was asked for.
const LONGEST: Duration = Duration::from_secs(3600);
/// The same where only the shipment has to be booked: nobody waits for that, and where Products has no hold for it,
/// asking again does not help.
const LONGEST_SHIPPED: Duration = Duration::from_secs(24 * 3600);
/// How long answers to requests with an `Idempotency-Key` are kept: twice what is promised.
const KEYS_KEPT: Duration = Duration::from_secs(48 * 3600);
/// How often old answers and old events are forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(3600);

/// What a service wants to send and a broker does not have yet.
#[async_trait]
pub trait Unpublished: Send + Sync {
    /// When the oldest of it happened; `None` if there is none.
    async fn oldest(&self) -> Result<Option<Timestamp>, StoreError>;
}

/// What was sent and is still to be read: those messages are not lost, only waiting, and asking again would make the
/// queue that they wait in longer.
pub struct Backlog {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The groups that take the requests, with where their positions are; empty if that cannot be known here.
    pub requests: Vec<(Group, &'static [Topic], Arc<dyn Inbox>)>,
    /// Where the positions of [`ORDERS_GROUP`] are.
    pub answers: Arc<dyn Inbox>,
    /// What waits to be published, where that can be known.
    pub unpublished: Option<Arc<dyn Unpublished>>,
}

impl Backlog {
    /// When the oldest request was made that Products has not read; `None` if there is none.
    async fn oldest_request(&self) -> Result<Option<Timestamp>, BusError> {
        let mut oldest = match &self.unpublished {
            Some(unpublished) => unpublished.oldest().await?,
            None => None,
        };
        for (group, topics, inbox) in &self.requests {
            oldest = earlier(oldest, self.oldest(group, topics, &**inbox).await?);
        }
        Ok(oldest)
    }

    /// When the oldest answer was given that this service has not read; `None` if there is none.
    async fn oldest_answer(&self) -> Result<Option<Timestamp>, BusError> {
        self.oldest(ORDERS_GROUP, Topic::TO_ORDERS, &*self.answers).await
    }

    async fn oldest(
        &self,
        group: Group,
        topics: &[Topic],
        inbox: &dyn Inbox,
    ) -> Result<Option<Timestamp>, BusError> {
        // First the positions: what is read meanwhile only makes the backlog look longer than it is.
        let positions: FxHashMap<_, _> = inbox.positions(group).await?.into_iter().collect();
        let mut oldest = None;
        for b in self.bus.bounds(topics).await? {
            let reached = positions.get(&b.partition).map(|p| p.next);
            let next = reached.filter(|next| (b.start..=b.end).contains(next)).unwrap_or(b.start);
            if next < b.end {
                let unread = self.bus.browse(b.partition, next, 1).await?;
                oldest = earlier(oldest, unread.first().map(|record| record.at));
            }
        }
        Ok(oldest)
    }
}

fn earlier(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    one.into_iter().chain(other).min()
}

/// Asks Products again for what an order has waited for too long.
pub struct Redecide {
    store: Arc<dyn OrderStore>,
    clock: Arc<dyn Clock>,
    steps: Steps,
    after: Duration,
    backlog: Backlog,
    duty: Arc<dyn Duty>,
    /// When each order that still waits is due again, and how long it is left alone after that: while Products is away
    /// for hours, the journal must not fill with repetitions.
    due: FxHashMap<OrderId, (Timestamp, Duration)>,
}

impl Redecide {
    /// Orders count as forgotten once nothing happened to them for `after`, and their request is not in the `backlog`.
    pub fn new(
        store: Arc<dyn OrderStore>,
        clock: Arc<dyn Clock>,
        steps: Steps,
        after: Duration,
        backlog: Backlog,
    ) -> Self {
        Self { store, clock, steps, after, backlog, duty: Arc::new(AlwaysMine), due: FxHashMap::default() }
    }

    /// Looks only while that is this instance's `duty`: two that ask again would ask twice.
    pub fn on_duty(self, duty: Arc<dyn Duty>) -> Self {
        Self { duty, ..self }
    }

    /// Looks once; says how many requests were sent again.
    ///
    /// # Errors
    /// If the store or the bus fails.
    pub async fn run_once(&mut self) -> Result<usize, BusError> {
        let now = self.clock.now();
        let patience = minus(now, self.after);
        if self.backlog.oldest_answer().await?.is_some_and(|at| at <= patience) {
            // Any order may be answered already.
            return Ok(0);
        }
        // An order's request was sent when the order changed last. If Products has not come to what was sent then, it
        // has the request before it.
        let unread = self.backlog.oldest_request().await?;
        let before = unread.map_or(patience, |oldest| patience.min(oldest));
        let mut waiting = FxHashMap::default();
        let mut sent = 0;
        let mut last = None;
        loop {
            let page = self.store.outstanding(before, last, CHUNK).await?;
            let Some(newest) = page.last() else { break };
            last = Some(newest.id);
            let mut changes = Vec::new();
            for order in page {
                let (due, pause) = self.due.get(&order.id).copied().unwrap_or((now, self.after));
                if due > now {
                    waiting.insert(order.id, (due, pause));
                } else if let Some(request) = outstanding_request(&order) {
                    let longest = match request {
                        Body::OrderStatusChanged(_) => LONGEST_SHIPPED,
                        _ => LONGEST,
                    };
                    waiting.insert(order.id, (plus(now, pause), (pause * 2).min(longest)));
                    changes.push(Change::resend(order, request, now));
                }
            }
            sent += self.send(changes).await?;
        }
        if before < patience {
            // Orders that were passed over may go on waiting: their pauses must not start anew.
            for (order, pause) in self.due.drain() {
                waiting.entry(order).or_insert(pause);
            }
        }
        self.due = waiting;
        if sent > 0 {
            metrics::counter!("orders_requests_repeated_total").increment(sent as u64);
            let plural = if sent == 1 { " is" } else { "s are" };
            self.steps.say(|| format!("{sent} order{plural} still undecided; asked Products again"));
        }
        Ok(sent)
    }

    /// Commits, leaving out what changed meanwhile: that is answered, or not forgotten.
    async fn send(&self, mut changes: Vec<Change>) -> Result<usize, StoreError> {
        while !changes.is_empty() {
            match self.store.commit(Commit { changes: changes.clone(), ..Commit::default() }).await {
                Ok(_) => return Ok(changes.len()),
                Err(CommitError::VersionConflict(id)) => changes.retain(|change| change.order().id != id),
                Err(CommitError::Store(error)) => return Err(error),
                Err(error) => return Err(StoreError::Inconsistent(error.to_string())),
            }
        }
        Ok(0)
    }

    /// Looks every so often until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let period = (self.after / 4).clamp(Duration::from_millis(250), Duration::from_secs(15));
        let mut tick = tokio::time::interval(period);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            let looked = async { if self.duty.is_mine().await? { self.run_once().await } else { Ok(0) } };
            if let Some(Err(error)) = stop.run_until_cancelled(looked).await {
                tracing::warn!(error = %chain(&error), "could not look for undecided orders; trying again");
            }
        }
    }
}

/// Forgets what was kept long enough: answers to idempotent requests, and events that every consumer has.
pub struct Tidy {
    /// The answers.
    pub store: Arc<dyn OrderStore>,
    /// The events, where they are kept as a journal.
    pub retention: Option<Retention>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How long events are kept at least.
    pub keep_events: Duration,
}

impl Tidy {
    /// Looks once; says how many answers and events were forgotten.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn run_once(&self) -> Result<(usize, usize), StoreError> {
        let now = self.clock.now();
        let (mut answers, mut events) = (0, 0);
        // In bounded pieces, so that nobody waits behind them.
        loop {
            match self.store.purge(minus(now, KEYS_KEPT)).await? {
                0 => break,
                some => answers += some,
            }
        }
        while let Some(retention) = &self.retention {
            match retention.run(minus(now, self.keep_events)).await? {
                0 => break,
                some => events += some,
            }
        }
        Ok((answers, events))
    }

    /// Looks at once and every hour until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(TIDY_EVERY);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            match stop.run_until_cancelled(self.run_once()).await {
                Some(Ok((0, 0))) | None => {}
                Some(Ok((answers, events))) => {
                    tracing::debug!(answers, events, "forgot what was kept long enough")
                }
                Some(Err(error)) => tracing::warn!(%error, "could not tidy up; trying again in an hour"),
            }
        }
    }
}

fn minus(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_sub(millis(by)))
}

fn plus(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.as_millis().saturating_add(millis(by)))
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
