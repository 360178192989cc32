//! Stores in memory, behind the same traits and suites as SQLite and MongoDB.
//!
//! A store is a "disk" and the handles on it. The disk outlives services that are dropped; a handle is one process's
//! connection to it ([`Memory::open`] makes another). Everything is done at the first poll, except where a trait waits by
//! nature; nothing is random, nothing is spawned, and the only clock is tokio's, which a simulation pauses. So the same
//! calls in the same order always have the same results.
//!
//! Commits check everything before they change anything: there is nothing to roll back.

mod answers;
mod disk;
mod inbox;
mod log;
mod orders;
mod outbox;
mod products;
mod view;

use holdfast_contract::topic::DEFAULT_PARTITIONS;
use holdfast_storage::Incarnation;

pub use disk::Memory;
pub use orders::{MemoryOrders, Orders};
pub use products::{MemoryProducts, Products};
pub use view::View;

/// How what a store sends comes to the consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlet {
    /// They read its journal, as with SQLite on one machine.
    Journal,
    /// A relay publishes its journal, as with SQLite and a broker. Timelines tell the journal's places, and
    /// [`holdfast_storage::Places`] where the broker has them.
    PublishedJournal,
    /// A relay publishes its outbox, as with MongoDB and a broker. Timelines tell the places that
    /// [`holdfast_storage::Claim::sent`] recorded, and an order of which something is unpublished does not count as
    /// forgotten.
    Outbox,
}

/// How a store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryOptions {
    /// Names this life of the store. A disk that was wiped is a new store with another one.
    pub incarnation: Incarnation,
    /// Partitions of each topic, at least 1.
    pub partitions: u16,
    /// How what it sends comes to the consumers.
    pub outlet: Outlet,
    /// How many relays can work side by side, at least 1.
    pub shards: u16,
    /// Whether several handles may be open, as instances of a service on one MongoDB. Without it opening one ends the one
    /// before, as a process that starts on a SQLite file whose last user has died.
    pub shared: bool,
}

impl MemoryOptions {
    /// As SQLite without a broker: one instance, one shard, and consumers read the journal.
    pub fn new(incarnation: Incarnation) -> Self {
        Self {
            incarnation,
            partitions: DEFAULT_PARTITIONS,
            outlet: Outlet::Journal,
            shards: 1,
            shared: false,
        }
    }

    /// As MongoDB: several instances, and relays to a broker.
    pub fn several(incarnation: Incarnation) -> Self {
        Self { outlet: Outlet::Outbox, shared: true, ..Self::new(incarnation) }
    }
}
