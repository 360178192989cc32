//! Goes through the orders, and through what Products states, a little at a time.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_bus::{Bus, BusError, ORDERS_GROUP};
use holdfast_contract::event::{Body, Event, HeldReservation, HoldsStated};
use holdfast_contract::{OrderId, ReservationId, Timestamp, Topic};
use holdfast_service::audit::{Board, Finding, Patrol, Progress};
use holdfast_storage::{Inbox, Record, StoreError, TopicPartition};
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use super::answers::{self, Told};
use super::holds::{Verdict, fits, judge};
use crate::domain::Order;
use crate::store::OrderStore;

/// What the audit has on its [`Board`].
pub const PARTS: &[&str] = &[ANSWERS, HOLDS];
const ANSWERS: &str = "answers";
const HOLDS: &str = "holds";

/// Orders read in one step.
const ORDERS: usize = 256;
/// Statements read at once.
const STATEMENTS: usize = 32;
/// Between two looks for statements.
const READ_EVERY: Duration = Duration::from_secs(2);
/// At the start, so many of the newest statements are looked at for the beginning of the newest round.
const LOOKED_BACK: u64 = 256;
/// Rounds in which an order may know more than Products states.
const PATIENCE: u32 = 3;
/// Suspects at once; more are counted as wrong in the next round, if they are.
const SUSPECTS: usize = 1_000;

/// A statement that is being compared, and how far.
struct Comparing {
    stated: HoldsStated,
    /// Orders up to here are compared.
    after: Option<OrderId>,
    /// Entries before this one are.
    next: usize,
}

/// An order that knows more than Products states.
struct Ahead {
    version: u64,
    /// In so many rounds, one after the other.
    rounds: u32,
    /// The last of them.
    round: u64,
}

/// An order that does not fit a statement, and may still be told why.
struct Suspect {
    order: OrderId,
    /// Its version when it was suspected; `None`: there was no such order.
    version: Option<u64>,
    kind: &'static str,
    why: String,
    /// Where the answers ended when it was suspected.
    ends: Vec<(TopicPartition, u64)>,
}

/// See the module.
pub struct OrdersPatrol {
    store: Arc<dyn OrderStore>,
    inbox: Arc<dyn Inbox>,
    bus: Arc<dyn Bus>,
    board: Board,
    every: Duration,
    /// The next order of the round; `None` between two rounds.
    answers: Option<Option<OrderId>>,
    rests_until: Option<Instant>,
    /// The next statement of each partition; `None` before it was looked for.
    next: Option<FxHashMap<TopicPartition, u64>>,
    statements: VecDeque<(Timestamp, HoldsStated)>,
    comparing: Option<Comparing>,
    suspects: Vec<Suspect>,
    ahead: FxHashMap<OrderId, Ahead>,
    /// Counts the rounds of statements.
    round: u64,
    /// When the last statement was made, and where it ended: one that is older is a copy.
    last: Option<(Timestamp, Option<ReservationId>)>,
    /// The statements of the round were all read, from its first on.
    complete: bool,
    /// All of them are compared.
    finishing: bool,
    /// When it was looked for statements last.
    read_at: Option<Instant>,
}

impl OrdersPatrol {
    /// Begins its first round over the orders at once, and each other one `every` after the one before; compares what
    /// Products states as it comes.
    pub fn new(
        store: Arc<dyn OrderStore>,
        inbox: Arc<dyn Inbox>,
        bus: Arc<dyn Bus>,
        board: Board,
        every: Duration,
    ) -> Self {
        Self {
            store,
            inbox,
            bus,
            board,
            every,
            answers: None,
            rests_until: None,
            next: None,
            statements: VecDeque::new(),
            comparing: None,
            suspects: Vec::new(),
            ahead: FxHashMap::default(),
            round: 0,
            last: None,
            complete: false,
            finishing: false,
            read_at: None,
        }
    }

    fn found(&self, part: &'static str, kind: &'static str, order: Option<OrderId>, message: String) {
        let order = order.map(|id| id.to_string());
        self.board.found(part, Finding { kind, product: None, order, message });
    }

    /// Proves the next orders against what they were told.
    async fn answers(&mut self) -> Result<Progress, StoreError> {
        let after = match self.answers {
            Some(after) => after,
            None if self.rests_until.is_some_and(|until| Instant::now() < until) => {
                return Ok(Progress::Idle);
            }
            None => {
                self.board.begin(ANSWERS);
                None
            }
        };
        self.answers = Some(after);
        let page = match self.store.timelines(after, ORDERS).await {
            Ok(page) => page,
            Err(StoreError::Inconsistent(why)) => {
                self.found(ANSWERS, "unreadable", None, format!("cannot be read: {why}"));
                self.end_answers();
                return Ok(Progress::Idle);
            }
            Err(error) => return Err(error),
        };
        self.board.checked(ANSWERS, "orders", page.len() as u64);
        for timeline in &page {
            if let Some(why) = answers::wrong(timeline) {
                self.found(ANSWERS, "answers", Some(timeline.order.id), why);
            }
        }
        match page.last() {
            Some(last) if page.len() == ORDERS => {
                self.board.at(ANSWERS, last.order.number());
                self.answers = Some(Some(last.order.id));
                Ok(Progress::More)
            }
            _ => {
                self.end_answers();
                Ok(Progress::Idle)
            }
        }
    }

    fn end_answers(&mut self) {
        self.board.finish(ANSWERS);
        self.answers = None;
        self.rests_until = Some(Instant::now() + self.every);
    }

    /// Reads what Products has stated since.
    async fn read(&mut self) -> Result<(), BusError> {
        let mut records: Vec<Arc<Record>> = Vec::new();
        let first = self.next.is_none();
        let mut next = self.next.clone().unwrap_or_default();
        for bounds in self.bus.bounds(&[Topic::InventoryAudit]).await? {
            let back = bounds.end.saturating_sub(LOOKED_BACK).max(bounds.start);
            let from =
                next.get(&bounds.partition).copied().unwrap_or(if first { back } else { bounds.start });
            // Another life of the log, or one that has forgotten what was not read.
            let from = if from > bounds.end || from < bounds.start { bounds.start } else { from };
            let limit = if first { usize::try_from(LOOKED_BACK).unwrap_or(STATEMENTS) } else { STATEMENTS };
            let mut reached = from;
            if from < bounds.end {
                let found = self.bus.browse(bounds.partition, from, limit).await?;
                reached = found.last().map_or(from, |record| record.offset + 1);
                records.extend(found);
            }
            next.insert(bounds.partition, reached);
        }
        let mut stated: Vec<(Timestamp, HoldsStated)> =
            records.iter().filter_map(|record| statement(record)).collect();
        if first {
            // From the beginning of the newest round on: what is older says nothing that it does not.
            let begins =
                stated.iter().rposition(|(_, stated)| stated.after.is_none()).unwrap_or(stated.len());
            stated.drain(..begins);
        }
        self.statements.extend(stated);
        self.next = Some(next);
        Ok(())
    }

    /// Compares a stretch of the statement that is at hand.
    async fn holds(&mut self) -> Result<Progress, BusError> {
        if self.comparing.is_none() {
            if self.statements.is_empty() && self.read_at.is_none_or(|at| at.elapsed() >= READ_EVERY) {
                self.read_at = Some(Instant::now());
                self.read().await?;
            }
            let Some((at, stated)) = self.statements.pop_front() else { return Ok(Progress::Idle) };
            if self.last.is_some_and(|(last, _)| at < last) {
                return Ok(Progress::More);
            }
            if stated.after.is_none() {
                self.board.begin(HOLDS);
                self.round += 1;
                (self.complete, self.finishing) = (true, false);
            } else if self.last.is_none_or(|(_, through)| through != stated.after) {
                // One is missing: this round proves nothing of what was in it.
                self.complete = false;
            }
            self.last = Some((at, stated.through));
            let after = stated.after.map(|id| OrderId::new(id.key()));
            self.comparing = Some(Comparing { stated, after, next: 0 });
        }
        let Some(mut at) = self.comparing.take() else { return Ok(Progress::Idle) };
        match self.compare(&mut at).await {
            Ok(true) => {
                let last = at.stated.through.is_none();
                self.board.checked(HOLDS, "statements", 1);
                self.board.checked(HOLDS, "reservations", at.stated.held.len() as u64);
                self.board.at(HOLDS, format_args!("mov-{}", at.stated.movement));
                // Suspects are told first.
                self.finishing = last && self.complete;
                Ok(Progress::More)
            }
            Ok(false) => {
                self.comparing = Some(at);
                Ok(Progress::More)
            }
            Err(error) => {
                let unreadable = matches!(&error, BusError::Unavailable(StoreError::Inconsistent(_)));
                if unreadable {
                    // The part `answers` says which one it is.
                    self.complete = false;
                } else {
                    self.comparing = Some(at);
                }
                if unreadable { Ok(Progress::More) } else { Err(error) }
            }
        }
    }

    /// Compares the next orders of the statement's stretch; says whether that was the last of it.
    async fn compare(&mut self, at: &mut Comparing) -> Result<bool, BusError> {
        let through = at.stated.through.map(|id| OrderId::new(id.key()));
        let mut page = self.store.scan(at.after, ORDERS).await?;
        let full = page.len() == ORDERS;
        page.retain(|order| through.is_none_or(|through| order.id <= through));
        let last = page.len() < ORDERS || !full;
        let reached = if last { through } else { page.last().map(|order| order.id) };
        let mut unfit: Vec<(Arc<Order>, Option<HeldReservation>)> = Vec::new();
        let mut nobody: Vec<HeldReservation> = Vec::new();
        let mut next = at.next;
        let mut orders = page.iter().peekable();
        while let Some(held) = at.stated.held.get(next) {
            let id = OrderId::new(held.reservation_id.key());
            if reached.is_some_and(|reached| id > reached) {
                break;
            }
            while let Some(order) = orders.next_if(|order| order.id < id) {
                if !fits(order, None) {
                    unfit.push((order.clone(), None));
                }
            }
            match orders.next_if(|order| order.id == id) {
                Some(order) if fits(order, Some(held)) => {}
                Some(order) => unfit.push((order.clone(), Some(*held))),
                // An order is there before it asks for anything; a server that has just taken over may show it late.
                None => nobody.push(*held),
            }
            next += 1;
        }
        for order in orders {
            if !fits(order, None) {
                unfit.push((order.clone(), None));
            }
        }
        self.judge(unfit, &at.stated).await?;
        for held in nobody {
            let order = OrderId::new(held.reservation_id.key());
            let why = format!("products holds stock for {}, and there is no such order", held.reservation_id);
            let ends = self.ends().await?;
            self.suspect(Suspect { order, version: None, kind: "hold_without_order", why, ends });
        }
        self.board.checked(HOLDS, "orders", page.len() as u64);
        at.next = next;
        at.after = reached.or(at.after);
        Ok(last)
    }

    async fn judge(
        &mut self,
        unfit: Vec<(Arc<Order>, Option<HeldReservation>)>,
        stated: &HoldsStated,
    ) -> Result<(), BusError> {
        for (order, held) in unfit {
            let Some(timeline) = self.store.timeline(order.id).await? else { continue };
            // As it is now: it may have been told since it was read.
            let order = &timeline.order;
            if fits(order, held.as_ref()) {
                continue;
            }
            match judge(order, Told::of(&timeline), stated, held.as_ref()) {
                Verdict::Ahead(why) => self.knows_more(order, why),
                Verdict::Wrong(why) => self.found(HOLDS, "holds", Some(order.id), why),
                Verdict::Behind(why) => {
                    let (order, version) = (order.id, Some(order.version));
                    let ends = self.ends().await?;
                    self.suspect(Suspect { order, version, kind: "holds", why, ends });
                }
            }
        }
        Ok(())
    }

    /// Where the answers end now.
    async fn ends(&self) -> Result<Vec<(TopicPartition, u64)>, BusError> {
        let bounds = self.bus.bounds(Topic::TO_ORDERS).await?;
        Ok(bounds.iter().map(|b| (b.partition, b.end)).collect())
    }

    fn suspect(&mut self, suspect: Suspect) {
        self.suspects.retain(|other| other.order != suspect.order);
        if self.suspects.len() < SUSPECTS {
            self.suspects.push(suspect);
        }
    }

    /// A statement may have been made before the order was told. Those of later rounds are not.
    fn knows_more(&mut self, order: &Order, why: String) {
        let (round, version) = (self.round, order.version);
        if self.ahead.len() >= SUSPECTS && !self.ahead.contains_key(&order.id) {
            return;
        }
        let ahead = self.ahead.entry(order.id).or_insert(Ahead { version, rounds: 0, round });
        if ahead.version != version || ahead.round + 1 < round {
            *ahead = Ahead { version, rounds: 0, round };
        }
        if ahead.rounds == 0 || ahead.round < round {
            ahead.rounds += 1;
        }
        ahead.round = round;
        if ahead.rounds >= PATIENCE {
            self.found(HOLDS, "forgotten", Some(order.id), why);
        }
    }

    /// Looks again at suspects that were told everything by now.
    async fn suspects(&mut self) -> Result<(), BusError> {
        if self.suspects.is_empty() {
            return Ok(());
        }
        let reached: FxHashMap<TopicPartition, u64> = self
            .inbox
            .positions(ORDERS_GROUP)
            .await?
            .into_iter()
            .map(|(at, position)| (at, position.next))
            .collect();
        let passed = |ends: &[(TopicPartition, u64)]| {
            ends.iter().all(|(at, end)| *end == 0 || reached.get(at).is_some_and(|next| next >= end))
        };
        let (told, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.suspects).into_iter().partition(|suspect| passed(&suspect.ends));
        self.suspects = waiting;
        let mut failed = None;
        for suspect in told {
            match self.store.get(suspect.order).await {
                Ok(now) if now.as_ref().map(|now| now.version) == suspect.version => {
                    self.found(HOLDS, suspect.kind, Some(suspect.order), suspect.why);
                }
                Ok(_) => {}
                // It stays suspected.
                Err(error) => {
                    self.suspects.push(suspect);
                    failed = Some(error);
                }
            }
        }
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

/// What a record states; `None` for one that cannot be read: another writer's, or damaged. The round is not complete then.
fn statement(record: &Record) -> Option<(Timestamp, HoldsStated)> {
    match Event::decode(record.topic, &record.payload) {
        Ok(Some(Event { head, body: Body::HoldsStated(stated) })) => Some((head.timestamp, stated)),
        _ => None,
    }
}

#[async_trait]
impl Patrol for OrdersPatrol {
    async fn step(&mut self) -> Result<Progress, BusError> {
        let answers = self.answers().await?;
        self.suspects().await?;
        let holds = self.holds().await?;
        if self.finishing && self.suspects.is_empty() {
            self.finishing = false;
            let round = self.round;
            self.ahead.retain(|_, ahead| ahead.round == round);
            self.board.finish(HOLDS);
        }
        self.board.measure();
        let more = answers == Progress::More || holds == Progress::More;
        Ok(if more { Progress::More } else { Progress::Idle })
    }

    fn stand_down(&mut self) {
        self.answers = None;
        self.rests_until = None;
        self.next = None;
        self.statements.clear();
        self.comparing = None;
        self.suspects.clear();
        self.ahead.clear();
        self.last = None;
        (self.complete, self.finishing) = (false, false);
        self.read_at = None;
    }
}
