//! What outlives the processes: disks, broker, time.

use std::sync::Arc;

use holdfast_storage::{Inbox, Incarnation};

use crate::broker::SimBroker;
use crate::guard::{Access, Disk};
use crate::memory::{MemoryOptions, MemoryOrders, MemoryProducts, Outlet};
use crate::oracle::Oracle;
use crate::plan::{Deployment, Plan};
use crate::schedule::Schedule;
use crate::trace::Trace;

pub(super) struct System {
    pub(super) seed: u64,
    pub(super) redecide: bool,
    pub(super) schedule: Schedule,
    pub(super) trace: Trace,
    pub(super) oracle: Oracle,
    pub(super) orders: MemoryOrders,
    pub(super) products: MemoryProducts,
    pub(super) orders_disk: Arc<Disk>,
    pub(super) products_disk: Arc<Disk>,
    /// `None`: the bus reads the journals.
    pub(super) broker: Option<SimBroker>,
}

impl System {
    pub(super) fn new(plan: &Plan, trace: Trace, schedule: Schedule) -> Self {
        let options = |life| {
            let life = Incarnation(life);
            match plan.deployment {
                Deployment::Embedded => MemoryOptions::new(life),
                // As SQLite behind a broker.
                Deployment::Broker { instances: 1 } => {
                    MemoryOptions { outlet: Outlet::PublishedJournal, ..MemoryOptions::new(life) }
                }
                // As MongoDB.
                Deployment::Broker { .. } => MemoryOptions { shards: 2, ..MemoryOptions::several(life) },
            }
        };
        let (orders, products) = (MemoryOrders::new(&options(101)), MemoryProducts::new(&options(202)));
        let broker = match plan.deployment {
            Deployment::Embedded => None,
            Deployment::Broker { .. } => Some(SimBroker::new(schedule.clone())),
        };
        let oracle = Oracle::new(orders.clone(), products.clone(), broker.clone(), trace.clone());
        Self {
            seed: plan.seed,
            redecide: plan.redecide,
            schedule,
            trace,
            oracle,
            orders,
            products,
            orders_disk: Arc::default(),
            products_disk: Arc::default(),
            broker,
        }
    }

    /// How far groups have told the broker that they are.
    pub(super) fn told(&self, access: Access) -> Arc<dyn Inbox> {
        match &self.broker {
            Some(broker) => Arc::new(broker.seen_by(access.gate)),
            None => Arc::new(self.products.clone()),
        }
    }
}
