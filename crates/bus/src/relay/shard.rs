//! The work of a relay in one shard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::topic::partition_of;
use holdfast_contract::{Partition, Topic};
use holdfast_storage::{Claim, Outbox, OutboxId, Position, StoreError, TopicPartition, Unsent};
use rustc_hash::FxHashMap;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::RelayOptions;
use super::flight::{Flight, Slot};
use super::gauges::Gauges;
use super::publisher::{Ack, Found, Log, PublishError, Publisher, Session};

/// Records read at once.
const PAGE: usize = 1_000;
/// So many are recorded as sent without waiting for more.
const MARK: usize = 2_000;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

pub(super) struct Shard {
    shard: u16,
    outbox: Arc<dyn Outbox>,
    publisher: Arc<dyn Publisher>,
    options: RelayOptions,
    gauges: Gauges,
    /// Whether anything got through since the last failure.
    through: bool,
}

/// Why a turn ended.
#[derive(Debug, Error)]
enum Failure {
    #[error("{0}")]
    Publish(#[from] PublishError),
    #[error("{0}")]
    Store(#[from] StoreError),
}

enum Ended {
    /// Another relay has the shard.
    NotOurs,
    Stopped,
}

impl Shard {
    pub(super) fn new(
        shard: u16,
        outbox: Arc<dyn Outbox>,
        publisher: Arc<dyn Publisher>,
        options: RelayOptions,
    ) -> Self {
        let gauges = Gauges::new(options.name, shard);
        Self { shard, outbox, publisher, options, gauges, through: false }
    }

    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.through = false;
            let ended = self.turn(&stop).await;
            if stop.is_cancelled() {
                return;
            }
            let rest = match ended {
                Ok(Ended::Stopped) => return,
                Ok(Ended::NotOurs) => self.options.look_every,
                Err(failure) => {
                    let again = !self.through && pause > FIRST_PAUSE;
                    pause = if self.through { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
                    self.gauges.failed();
                    let (outbox, shard) = (self.options.name, self.shard);
                    if again {
                        tracing::debug!(outbox, shard, ?pause, "publishing still paused: {failure}");
                    } else {
                        tracing::warn!(outbox, shard, "publishing paused, nothing is lost: {failure}");
                    }
                    pause
                }
            };
            // Back-off, not synchronisation.
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// One claim and one producer, for as long as both last.
    async fn turn(&mut self, stop: &CancellationToken) -> Result<Ended, Failure> {
        let claimed = self.outbox.claim(self.shard).await?;
        if let Some(on_duty) = &self.options.on_duty {
            on_duty(self.shard, claimed.is_some());
        }
        let Some(mut claim) = claimed else { return Ok(Ended::NotOurs) };
        let claim = &mut *claim;
        let (publisher, outbox) = (self.publisher.clone(), self.outbox.clone());
        let open = publisher.open(outbox.incarnation(), outbox.topics());
        let mut session = tokio::select! {
            biased;
            () = stop.cancelled() => return Ok(Ended::Stopped),
            session = self.keeping(claim, open) => session??,
        };
        let mut flight = Flight::default();
        let outcome = tokio::select! {
            biased;
            found = self.find(claim, &mut *session) => match found {
                Ok(found) => Some(found),
                Err(failure) => {
                    session.close().await;
                    return Err(failure);
                }
            },
            () = stop.cancelled() => None,
        };
        let mut ended = match outcome {
            None => Ok(Ended::Stopped),
            Some(found) => self.publish(claim, &mut *session, &mut flight, found, stop).await,
        };
        match &ended {
            // What is on the wire should be in the log, or not, before somebody looks.
            Err(Failure::Store(error)) if !matches!(error, StoreError::ClaimLost(_)) => {
                self.settle(&mut *session, &mut flight).await;
            }
            Err(Failure::Publish(_)) => {
                if let Err(error) = self.mark(claim, &mut flight).await {
                    ended = Err(error);
                }
            }
            _ => {}
        }
        // Before the claim: nothing of ours may reach the broker when somebody else has the shard.
        session.close().await;
        self.gauges.see(&Flight::default(), (self.options.now)());
        ended
    }

    /// Does something long without losing the claim.
    async fn keeping<T>(
        &self,
        claim: &mut dyn Claim,
        work: impl Future<Output = T>,
    ) -> Result<T, StoreError> {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(self.options.look_every) => {
                    claim.unsent(0).await?;
                }
            }
        }
    }

    /// What the broker has, and nobody recorded.
    async fn find(
        &self,
        claim: &mut dyn Claim,
        session: &mut dyn Session,
    ) -> Result<FxHashMap<OutboxId, Found>, Failure> {
        let reached: FxHashMap<TopicPartition, Position> = claim.reached().await?.into_iter().collect();
        let mut from = Vec::new();
        for &topic in self.outbox.topics() {
            let Log { incarnation, partitions } = session.log(topic).ok_or(PublishError::Replaced)?;
            // What others write is nobody's business here, and may be long.
            let ours = |p: &Partition| self.outbox.goes_to(self.shard, *p, partitions);
            for partition in (0..partitions).map(Partition).filter(ours) {
                let place = TopicPartition { topic, partition };
                let known = reached.get(&place).filter(|position| position.incarnation == incarnation);
                from.push((place, known.map_or(0, |position| position.next)));
            }
        }
        let found = self.keeping(claim, session.find(from)).await??;
        let (outbox, shard) = (self.options.name, self.shard);
        tracing::info!(outbox, shard, found = found.len(), "publishing what the outbox holds");
        Ok(found.into_iter().map(|found| (found.id, found)).collect())
    }

    async fn publish(
        &mut self,
        claim: &mut dyn Claim,
        session: &mut dyn Session,
        flight: &mut Flight,
        mut found: FxHashMap<OutboxId, Found>,
        stop: &CancellationToken,
    ) -> Result<Ended, Failure> {
        let mut committed = Some(self.outbox.committed());
        let mut next: VecDeque<Unsent> = VecDeque::new();
        let mut acks: Vec<Ack> = Vec::new();
        // Whether the outbox may hold more than was read.
        let mut more = true;
        let mut drained: Option<Instant> = None;
        let mut look_at = Instant::now() + self.options.look_every;
        let mut mark_at: Option<Instant> = None;
        let mut stalled_at = Instant::now() + self.options.stalled;
        loop {
            let room = self.room(flight);
            if drained.is_none() && more && next.is_empty() && room > 0 {
                if let Some(committed) = &mut committed {
                    committed.mark_unchanged();
                }
                next.extend(claim.unsent(room.min(PAGE)).await?);
                more = !next.is_empty();
                if !more {
                    // Everything that it was about has been given.
                    found = FxHashMap::default();
                }
            }
            if flight.waiting() == 0 {
                stalled_at = Instant::now() + self.options.stalled;
            }
            let full = drained.is_none() && self.hand_over(session, flight, &mut next, &mut found)?;
            let now = Instant::now();
            if flight.ready.is_empty() {
                mark_at = None;
            } else {
                let due = *mark_at.get_or_insert(now + self.options.mark_every);
                if due <= now || flight.ready.len() >= MARK || (drained.is_some() && flight.waiting() == 0) {
                    self.mark(claim, flight).await?;
                    mark_at = None;
                }
            }
            if let Some(until) = drained
                && (flight.waiting() == 0 || until <= now)
            {
                self.mark(claim, flight).await?;
                return Ok(Ended::Stopped);
            }
            if stalled_at <= now {
                return Err(PublishError::Stalled(self.options.stalled.as_secs()).into());
            }
            if look_at <= now {
                look_at = now + self.options.look_every;
                more = true;
                self.gauges.see(flight, (self.options.now)());
                if self.room(flight) == 0 || !next.is_empty() {
                    // A sign of life: the outbox is not read for now.
                    claim.unsent(0).await?;
                }
            }
            let at_once = drained.is_none() && more && !full && self.room(flight) > 0;
            let alarm = [mark_at, drained].into_iter().flatten().fold(look_at.min(stalled_at), Instant::min);
            tokio::select! {
                biased;
                () = stop.cancelled(), if drained.is_none() => {
                    drained = Some(Instant::now() + self.options.drain);
                }
                got = session.acks(&mut acks) => {
                    let taken = self.take(flight, &mut acks);
                    got?;
                    taken?;
                    stalled_at = Instant::now() + self.options.stalled;
                }
                () = std::future::ready(()), if at_once => {}
                open = changed(&mut committed), if drained.is_none() && !more => {
                    more = true;
                    if !open {
                        committed = None;
                    }
                }
                () = tokio::time::sleep_until(alarm) => {}
            }
        }
    }

    /// Gives the producer what it has room for; says whether something is left.
    fn hand_over(
        &self,
        session: &mut dyn Session,
        flight: &mut Flight,
        next: &mut VecDeque<Unsent>,
        found: &mut FxHashMap<OutboxId, Found>,
    ) -> Result<bool, PublishError> {
        while let Some(unsent) = next.pop_front() {
            let topic: Topic = unsent.record.topic;
            let Log { incarnation, partitions } = session.log(topic).ok_or(PublishError::Replaced)?;
            let already = found.remove(&unsent.id);
            let partition = match already {
                Some(found) => found.partition,
                None => TopicPartition { topic, partition: partition_of(&unsent.record.key, partitions) },
            };
            if already.is_none() && !session.publish(flight.ticket(), partition.partition, &unsent)? {
                next.push_front(unsent);
                return Ok(true);
            }
            if already.is_some() {
                self.gauges.found(1);
            }
            let Unsent { id, record } = unsent;
            let offset = already.map(|found| found.offset);
            flight.push(Slot { id, record, partition, incarnation, offset });
        }
        Ok(false)
    }

    /// How many more records may be on their way.
    fn room(&self, flight: &Flight) -> usize {
        let RelayOptions { in_flight_records, in_flight_bytes, .. } = self.options;
        if flight.bytes() >= in_flight_bytes { 0 } else { in_flight_records.saturating_sub(flight.records()) }
    }

    fn take(&mut self, flight: &mut Flight, acks: &mut Vec<Ack>) -> Result<(), PublishError> {
        self.through |= !acks.is_empty();
        self.gauges.published(acks.len());
        for ack in acks.drain(..) {
            flight.ack(ack, |record, sent| {
                tracing::debug!(key = ?record.key, %sent.partition, sent.offset, "Published to Kafka topic '{}'", record.topic);
                if let Some(told) = &self.options.on_published {
                    told(record, sent);
                }
            })?;
        }
        Ok(())
    }

    /// Records as sent what the broker has.
    async fn mark(&self, claim: &mut dyn Claim, flight: &mut Flight) -> Result<(), Failure> {
        if !flight.ready.is_empty() {
            claim.sent(&flight.ready).await?;
            flight.ready.clear();
        }
        Ok(())
    }

    /// Waits until nothing is on the wire any more, if it does not take too long.
    async fn settle(&mut self, session: &mut dyn Session, flight: &mut Flight) {
        let until = Instant::now() + self.options.drain;
        let mut acks = Vec::new();
        while flight.waiting() > 0 {
            let got = tokio::time::timeout_at(until, session.acks(&mut acks)).await;
            if self.take(flight, &mut acks).is_err() || !matches!(got, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// Waits for the next commit; `false` if the outbox will not tell any more.
async fn changed(committed: &mut Option<watch::Receiver<u64>>) -> bool {
    match committed {
        Some(committed) => committed.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}
