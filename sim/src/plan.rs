//! What happens in a run: operations of clients and operators, and faults, each at its time. Made from the seed, before
//! anything runs, so that a run can be repeated with a part of its plan.

use crate::dice::Dice;

/// Products that exist from the beginning.
pub const PRODUCTS: u64 = 6;

/// How the system is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deployment {
    /// Everything in one process: the bus reads the services' journals.
    Embedded,
    /// Instances of each service share a database and speak over a broker.
    Broker {
        /// How many of each service, 1 or 2.
        instances: usize,
    },
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are the two services")]
pub enum Service {
    Orders,
    Products,
}

/// Names something that will exist by then; taken modulo how many there are.
pub type Nth = u64;

/// One line of an order: the product's number and the quantity.
pub type Line = (u64, u64);

/// What a client or an operator does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Places an order; `wrong_price` with a price that is not the product's, as a customer.
    Place {
        /// What is ordered; a product may be named twice.
        lines: Vec<Line>,
        /// Whether a customer's price is wrong, and enforced.
        wrong_price: bool,
    },
    /// Changes an order.
    Change {
        /// Which.
        order: Nth,
        /// To what.
        to: Move,
    },
    /// Corrects what is on hand.
    Adjust {
        /// Of which product.
        product: Nth,
        /// By how much.
        delta: i64,
    },
    /// Adds a product.
    Create {
        /// With so much of it.
        on_hand: u64,
    },
    /// Changes whether a product is for sale.
    Edit {
        /// Which.
        product: Nth,
        /// Whether it is for sale.
        active: bool,
    },
    /// Takes a product off the catalogue.
    Delete {
        /// Which.
        product: Nth,
    },
    /// Holds stock by a call. Names an order of its own, or one that exists.
    Hold {
        /// Of which product.
        product: Nth,
        /// How much.
        quantity: u64,
        /// For an order of the bus, or for a till.
        order: Option<Nth>,
    },
    /// Gives back what such a call held.
    Unhold {
        /// Which of the calls.
        hold: Nth,
    },
    /// Reads an order, which must show what its client was told.
    Read {
        /// Which.
        order: Nth,
    },
    /// Has a parked message run again or given up.
    Parked {
        /// Whose.
        service: Service,
        /// Which of those that are parked.
        message: Nth,
        /// Whether it is given up.
        discard: bool,
    },
}

/// How an order is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what the API offers")]
pub enum Move {
    Process,
    Ship,
    Deliver,
    Cancel,
    Edit,
    Delete,
}

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Wherever it is.
    Anywhere,
    /// Before its next commit but so many.
    BeforeCommit(u64),
    /// After that commit, before anybody is told.
    AfterCommit(u64),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A process dies, and is started again after so many milliseconds.
    Crash {
        /// Whose.
        service: Service,
        /// Which.
        instance: Nth,
        /// When.
        at: At,
        /// How long it stays away.
        down: u64,
    },
    /// A process is asked to stop, finishes what it does, and is started again.
    Restart {
        /// Whose.
        service: Service,
        /// Which.
        instance: Nth,
    },
    /// A process stands still for so long, and then goes on as if nothing had happened.
    Stall {
        /// Whose.
        service: Service,
        /// Which.
        instance: Nth,
        /// How long, in milliseconds.
        during: u64,
    },
    /// The database refuses everything for so long.
    StoreAway {
        /// Whose.
        service: Service,
        /// How long, in milliseconds.
        during: u64,
    },
    /// The disk is full: nothing is written, everything can be read.
    DiskFull {
        /// Whose.
        service: Service,
        /// How long, in milliseconds.
        during: u64,
    },
    /// So many commits take effect, and are answered with an error.
    Unsure {
        /// Whose.
        service: Service,
        /// How many.
        commits: u64,
    },
    /// An instance's clock jumps.
    Clock {
        /// Whose.
        service: Service,
        /// Which.
        instance: Nth,
        /// By how much, in milliseconds.
        by: i64,
    },
    /// So many messages that were sent before come again.
    Copies {
        /// Of those that this service sent.
        of: Service,
        /// How many.
        count: u64,
    },
    /// A message that nobody can read.
    Poison {
        /// Among those that this service sends.
        of: Service,
        /// About which order; `None` for one that names none.
        order: Option<Nth>,
    },
    /// A topic's messages are kept back for so long, so others overtake them.
    Delay {
        /// Among those that this service sends.
        of: Service,
        /// Which of its topics.
        topic: Nth,
        /// How long, in milliseconds.
        during: u64,
    },
    /// Partitions change hands.
    Rebalance {
        /// In whose group.
        service: Service,
    },
    /// The broker cannot be reached.
    BrokerAway {
        /// How long, in milliseconds.
        during: u64,
    },
    /// The broker loses everything and starts anew.
    BrokerWiped,
}

impl Fault {
    /// A few words for its kind.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Crash { at: At::Anywhere, .. } => "crash anywhere",
            Self::Crash { at: At::BeforeCommit(_), .. } => "crash before a commit",
            Self::Crash { at: At::AfterCommit(_), .. } => "crash after a commit",
            Self::Restart { .. } => "restart",
            Self::Stall { .. } => "process stalled",
            Self::StoreAway { .. } => "store away",
            Self::DiskFull { .. } => "disk full",
            Self::Unsure { .. } => "commit answered with an error",
            Self::Clock { .. } => "clock jump",
            Self::Copies { .. } => "messages repeated",
            Self::Poison { .. } => "poison",
            Self::Delay { .. } => "topic delayed",
            Self::Rebalance { .. } => "rebalance",
            Self::BrokerAway { .. } => "broker away",
            Self::BrokerWiped => "broker wiped",
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody does something; so many requests at once with one `Idempotency-Key`, or 1 without a key if 0.
    Op(Op, u8),
    /// Something goes wrong.
    Fault(Fault),
}

/// A step of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its number in the whole plan: names its chance, also where others were left out.
    pub number: u64,
    /// Milliseconds after the step before.
    pub after: u64,
    /// What.
    pub what: What,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Everything follows from it.
    pub seed: u64,
    /// How the system is put together.
    pub deployment: Deployment,
    /// What is on hand of each product at the beginning.
    pub stock: Vec<u64>,
    /// Whether undecided orders are asked for again. Without, what is lost shows.
    pub redecide: bool,
    /// What happens.
    pub steps: Vec<Step>,
}

impl Plan {
    /// The plan of a seed, with so many steps.
    pub fn of(seed: u64, steps: u64) -> Self {
        let mut dice = Dice::of(seed, 0);
        let deployment = dice.weighted(&[
            (4, Deployment::Embedded),
            (2, Deployment::Broker { instances: 1 }),
            (4, Deployment::Broker { instances: 2 }),
        ]);
        let redecide = dice.once_in(2);
        let stock = (0..PRODUCTS).map(|_| dice.weighted(&[(2, 5), (3, 40), (1, 1_000)])).collect();
        // Some runs are nearly quiet, some are mostly faults.
        let faults = dice.weighted(&[(1, 0), (4, 12), (3, 5), (2, 2)]);
        let steps = (1..=steps)
            .map(|number| {
                let after = match dice.below(40) {
                    0 => dice.between(1_000, 6_000),
                    1..=20 => 0,
                    _ => dice.between(1, 60),
                };
                let what = if dice.once_in(faults) {
                    What::Fault(fault(&mut dice, deployment, redecide))
                } else {
                    let keyed = dice.weighted(&[(3, 0), (5, 1), (2, 2), (1, 3)]);
                    What::Op(op(&mut dice), keyed)
                };
                Step { number, after, what }
            })
            .collect();
        Self { seed, deployment, stock, redecide, steps }
    }

    /// A few words on it.
    pub fn title(&self) -> String {
        let system = match self.deployment {
            Deployment::Embedded => "embedded".to_owned(),
            Deployment::Broker { instances } => format!("broker, {instances} of each service"),
        };
        let again = if self.redecide { "" } else { ", nothing is asked for again" };
        format!("seed {} ({system}{again}), {} steps", self.seed, self.steps.len())
    }
}

fn service(dice: &mut Dice) -> Service {
    dice.weighted(&[(1, Service::Orders), (1, Service::Products)])
}

fn op(dice: &mut Dice) -> Op {
    let nth = dice.next() >> 32;
    // Mostly the newest: that is where things meet.
    let order = if dice.once_in(3) { nth } else { u64::MAX - dice.below(6) };
    match dice.below(100) {
        0..=41 => {
            let lines = (0..dice.weighted(&[(5, 1), (3, 2), (2, 3), (1, 5)]))
                .map(|_| (hot(dice), dice.weighted(&[(6, 1), (3, 2), (2, 5), (1, 30)])))
                .collect();
            Op::Place { lines, wrong_price: dice.once_in(25) }
        }
        42..=69 => {
            let to = dice.weighted(&[
                (5, Move::Cancel),
                (5, Move::Process),
                (4, Move::Ship),
                (2, Move::Deliver),
                (1, Move::Edit),
                (1, Move::Delete),
            ]);
            Op::Change { order, to }
        }
        70..=75 => {
            let delta = i64::try_from(dice.between(1, 20)).unwrap_or(1);
            Op::Adjust { product: hot(dice), delta: if dice.once_in(2) { -delta } else { delta } }
        }
        76 => Op::Create { on_hand: dice.below(50) },
        77 => Op::Edit { product: hot(dice), active: !dice.once_in(3) },
        78 => Op::Delete { product: nth },
        79..=84 => {
            let order = dice.once_in(2).then_some(order);
            Op::Hold { product: hot(dice), quantity: dice.between(1, 4), order }
        }
        85..=88 => Op::Unhold { hold: u64::MAX - dice.below(4) },
        89..=95 => Op::Read { order },
        _ => Op::Parked { service: service(dice), message: nth, discard: dice.once_in(2) },
    }
}

/// A product; the first one half of the time.
fn hot(dice: &mut Dice) -> Nth {
    if dice.once_in(2) { 0 } else { dice.below(PRODUCTS + 2) }
}

fn fault(dice: &mut Dice, deployment: Deployment, redecide: bool) -> Fault {
    let (service, of) = (service(dice), service(dice));
    let (instance, nth) = (dice.below(2), dice.next() >> 32);
    let a_while = match dice.below(8) {
        0 => dice.between(3_000, 20_000),
        1 => dice.between(20_000, 90_000),
        _ => dice.between(10, 800),
    };
    let broker = deployment != Deployment::Embedded;
    match dice.below(if broker { 100 } else { 74 }) {
        0..=15 => {
            let at = match dice.below(3) {
                0 => At::Anywhere,
                1 => At::BeforeCommit(dice.below(4)),
                _ => At::AfterCommit(dice.below(4)),
            };
            Fault::Crash { service, instance, at, down: dice.between(1, 600) }
        }
        16..=20 => Fault::Restart { service, instance },
        21..=26 => {
            Fault::Stall { service, instance, during: dice.weighted(&[(2, 300), (2, 3_000), (1, 9_000)]) }
        }
        27..=32 => Fault::StoreAway { service, during: a_while.min(20_000) },
        33..=37 => Fault::DiskFull { service, during: a_while.min(20_000) },
        38..=46 => Fault::Unsure { service, commits: dice.between(1, 3) },
        47..=51 => {
            let by = i64::try_from(a_while).unwrap_or(0);
            Fault::Clock { service, instance, by: if dice.once_in(2) { -by } else { by } }
        }
        52..=64 => Fault::Copies { of, count: dice.between(1, 12) },
        65..=73 => Fault::Poison { of, order: (!dice.once_in(5)).then_some(u64::MAX - dice.below(4)) },
        74..=84 => Fault::Delay { of, topic: nth, during: a_while },
        85..=93 => Fault::Rebalance { service },
        94..=97 => Fault::BrokerAway { during: a_while },
        // What the broker had and nobody had read is lost: it has to be asked for again.
        _ if redecide => Fault::BrokerWiped,
        _ => Fault::BrokerAway { during: a_while },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(Plan::of(17, 300), Plan::of(17, 300));
        assert_ne!(Plan::of(17, 300).steps, Plan::of(18, 300).steps);
    }
}
