//! The system in one thread: processes that start and die, clients that ask and ask again, and a plan that happens to them.

mod ask;
mod client;
mod clock;
mod faults;
mod finish;
mod instance;
mod request;
mod system;

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt as _;
use holdfast_contract::text::Name;
use holdfast_contract::{Currency, Money, ProductId};
use holdfast_products::decider::HttpHold;
use holdfast_products::domain::{Description, ProductDetails};
use parking_lot::Mutex;
use tokio::task::JoinHandle;

use self::instance::Instance;
use self::system::System;
use crate::oracle::Violation;
use crate::plan::{Deployment, Plan, Service, Step, What};
use crate::schedule::Schedule;
use crate::trace::Trace;

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was wrong, if anything was.
    pub violation: Option<Violation>,
    /// Stands for everything that happened.
    pub hash: u64,
    /// What happened, if it was kept.
    pub lines: Vec<String>,
    /// Counts of what happened.
    pub counts: Counts,
}

/// Counts of what happened in one run or in many.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Orders that were placed.
    pub orders: u64,
    /// Events of the trace.
    pub events: u64,
    /// Faults that happened, by name.
    pub faults: BTreeMap<&'static str, u64>,
    /// Milliseconds that passed in the run.
    pub millis: u64,
}

impl Counts {
    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        self.orders += other.orders;
        self.events += other.events;
        self.millis += other.millis;
        for (name, count) in &other.faults {
            *self.faults.entry(name).or_default() += count;
        }
    }
}

/// The processes by their places: of the embedded deployment one, otherwise all of Orders and then all of Products.
struct Slot {
    services: Vec<Service>,
    instance: Option<Instance>,
    /// When it is started again, in milliseconds since the beginning.
    starts_at: u64,
    /// How long it stays away when it dies.
    down: u64,
    /// How wrong its clock is; that outlives a process.
    off: i64,
    /// It was asked to stop; until when it may take.
    drains_until: Option<u64>,
}

/// The processes that run now. Clients look here for somebody to ask.
struct Town {
    slots: Vec<Slot>,
    lives: u64,
}

struct World {
    plan: Plan,
    system: System,
    town: Arc<Mutex<Town>>,
    clients: Vec<JoinHandle<()>>,
    answers: client::Answers,
    /// The calls that held stock.
    holds: Vec<HttpHold>,
    /// Parked messages that were to be given up at the end.
    given_up: u64,
    faults: BTreeMap<&'static str, u64>,
}

/// Runs a plan; `keep`s what happened as lines, or only their hash.
///
/// # Panics
/// If the runtime cannot be built, or the code under test panics.
pub fn run(plan: &Plan, keep: bool) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    #[expect(clippy::expect_used, reason = "without a runtime there is nothing to simulate")]
    let runtime = runtime.expect("a runtime for one thread");
    runtime.block_on(async {
        let schedule = Schedule::new();
        let trace = Trace::new(schedule.clone(), keep);
        let mut world = World::new(plan.clone(), trace, schedule);
        world.live().await;
        world.outcome()
    })
}

impl World {
    fn new(plan: Plan, trace: Trace, schedule: Schedule) -> Self {
        let system = System::new(&plan, trace, schedule);
        let both = [Service::Orders, Service::Products];
        let places: Vec<Vec<Service>> = match plan.deployment {
            Deployment::Embedded => vec![both.to_vec()],
            Deployment::Broker { instances } => {
                both.into_iter().flat_map(|service| vec![vec![service]; instances]).collect()
            }
        };
        let slot =
            |services| Slot { services, instance: None, starts_at: 0, down: 0, off: 0, drains_until: None };
        let town = Town { slots: places.into_iter().map(slot).collect(), lives: 0 };
        let answers = client::Answers::default();
        let town = Arc::new(Mutex::new(town));
        let (clients, holds) = (Vec::new(), Vec::new());
        Self { plan, system, town, clients, answers, holds, given_up: 0, faults: BTreeMap::new() }
    }

    async fn live(&mut self) {
        self.stock_up().await;
        let mut at = self.system.schedule.now();
        for step in self.plan.steps.clone() {
            at += step.after;
            if !self.run_until(at).await {
                return;
            }
            self.happen(&step);
        }
        self.finish().await;
    }

    fn happen(&mut self, step: &Step) {
        self.system.trace.say(format_args!("step {}: {:?}", step.number, step.what));
        match &step.what {
            What::Op(op, keyed) => self.ask(step.number, op, *keyed),
            What::Fault(fault) => {
                *self.faults.entry(fault.name()).or_default() += 1;
                self.fault(step.number, fault);
            }
        }
    }

    /// Lets everybody go on until then, and sees to processes that die and start. Says whether all is well.
    async fn run_until(&mut self, until: u64) -> bool {
        loop {
            self.tend();
            if self.system.oracle.violation().is_some() {
                return false;
            }
            let next = self
                .town
                .lock()
                .slots
                .iter()
                .filter(|slot| slot.instance.is_none())
                .map(|s| s.starts_at)
                .min();
            let stop = next.map_or(until, |next| next.min(until));
            self.system.schedule.step(stop).await;
            // Whatever else is due: the plan happens in the middle of it.
            if self.system.schedule.now() >= until {
                return true;
            }
        }
    }

    /// Buries the dead, ends those that drain, and starts who is due.
    fn tend(&mut self) {
        let now = self.system.schedule.now();
        let mut town = self.town.lock();
        let Town { slots, lives } = &mut *town;
        for slot in slots {
            if let Some(instance) = &mut slot.instance {
                let dead = instance.process.is_dead();
                let drained = slot.drains_until.is_some_and(|until| until <= now || instance.is_over());
                if let Some(panic) = instance.panicked() {
                    self.system
                        .oracle
                        .fail(Violation { invariant: 0, what: format!("a task panicked: {panic}") });
                }
                if !dead && !drained {
                    continue;
                }
                slot.off = instance.clock.off();
                instance.kill();
                if dead {
                    slot.starts_at = now + std::mem::take(&mut slot.down);
                }
                slot.instance = None;
                slot.drains_until = None;
                self.system.trace.say(format_args!(
                    "{:?} {}",
                    slot.services,
                    if dead { "died" } else { "stopped" }
                ));
            } else if slot.starts_at <= now {
                *lives += 1;
                self.system.trace.say(format_args!("{:?} starts, life {lives}", slot.services));
                slot.instance = Some(Instance::start(&self.system, &slot.services, *lives, slot.off));
            }
        }
        let oracle = &self.system.oracle;
        self.clients.retain_mut(|client| match client.now_or_never() {
            None => true,
            Some(ended) => {
                if let Err(panic) = ended {
                    oracle.fail(Violation { invariant: 0, what: format!("a client panicked: {panic}") });
                }
                false
            }
        });
    }

    fn outcome(&self) -> Outcome {
        let counts = Counts {
            orders: self.system.oracle.placed().len() as u64,
            events: self.system.trace.events(),
            faults: self.faults.clone(),
            millis: self.system.schedule.now(),
        };
        Outcome {
            violation: self.system.oracle.violation(),
            hash: self.system.trace.hash(),
            lines: self.system.trace.lines(),
            counts,
        }
    }
}

/// A product of the run. Names are ours and short enough.
#[expect(clippy::expect_used, reason = "constant texts")]
fn details(number: u64, active: bool) -> ProductDetails {
    ProductDetails {
        name: Name::new(&format!("Product {number}")).expect("a name"),
        description: Description::default(),
        price: Money::from_minor(PRICE, Currency::USD).expect("an amount"),
        category: None,
        sku: None,
        brand: None,
        tags: Vec::new(),
        image_url: None,
        rating: None,
        review_count: 0,
        is_active: active,
    }
}

/// What each product costs, in cents: an amount that binary fractions cannot hold.
const PRICE: u64 = 2_999;

/// The product with this number.
fn product_id(number: u64) -> ProductId {
    let mut bytes = [0xaa; 12];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    ProductId::from_bytes(bytes)
}
