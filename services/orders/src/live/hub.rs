//! What the connections share.

use std::sync::Arc;

use holdfast_bus::{Bus, TailPosition};
use holdfast_contract::Timestamp;
use holdfast_service::auth::Authenticator;
use holdfast_service::{Clock, Lifecycle};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, watch};

use super::LiveConfig;
use super::frame::Frame;
use super::ring::Ring;

/// Connections that may read missed records from the bus at once: a crowd that comes back must not crowd out the rest.
const CATCH_UPS_AT_ONCE: usize = 4;

/// The ring, who reads it, and what is needed to serve them.
pub(super) struct Hub {
    pub(super) bus: Arc<dyn Bus>,
    pub(super) lifecycle: Lifecycle,
    pub(super) config: LiveConfig,
    pub(super) catch_ups: Semaphore,
    pub(super) auth: Option<Arc<Authenticator>>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Counts changes of the ring.
    changed: watch::Sender<u64>,
    /// Connections, for the pump.
    connected: watch::Sender<usize>,
}

#[derive(Default)]
struct State {
    /// `None` while nobody is connected, and until the bus answers.
    ring: Option<Ring>,
    connected: usize,
    /// Greater than every number that a ring has handed out.
    next: u64,
}

/// A connection's seat; gives it up when dropped.
pub(super) struct Seat {
    hub: Arc<Hub>,
    transport: &'static str,
}

impl Seat {
    pub(super) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        metrics::gauge!("live_sockets", "transport" => self.transport).decrement(1.0);
        let mut state = self.hub.state.lock();
        state.connected -= 1;
        self.hub.connected.send_replace(state.connected);
    }
}

impl Hub {
    pub(super) fn new(
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        lifecycle: Lifecycle,
        config: LiveConfig,
        auth: Option<Arc<Authenticator>>,
    ) -> Self {
        Self {
            bus,
            lifecycle,
            config,
            catch_ups: Semaphore::new(CATCH_UPS_AT_ONCE),
            auth,
            clock,
            state: Mutex::default(),
            changed: watch::Sender::new(0),
            connected: watch::Sender::new(0),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn connected(&self) -> usize {
        self.state.lock().connected
    }

    /// A seat for one more connection; `None` if all are taken.
    pub(super) fn seat(self: &Arc<Self>, transport: &'static str) -> Option<Seat> {
        let mut state = self.state.lock();
        if state.connected >= self.config.max_sockets {
            return None;
        }
        state.connected += 1;
        self.connected.send_replace(state.connected);
        metrics::gauge!("live_sockets", "transport" => transport).increment(1.0);
        Some(Seat { hub: self.clone(), transport })
    }

    /// Tells how many connections there are, and wakes when that changes.
    pub(super) fn watch_connected(&self) -> watch::Receiver<usize> {
        self.connected.subscribe()
    }

    /// Wakes when the ring changes.
    pub(super) fn watch_ring(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// What `look` sees in the ring; `None` while there is none.
    pub(super) fn ring<R>(&self, look: impl FnOnce(&Ring) -> R) -> Option<R> {
        self.state.lock().ring.as_ref().map(look)
    }

    /// Starts a new ring. Whoever was in the old one finds its place gone, and goes to the bus.
    pub(super) fn begin(&self, head: TailPosition) {
        let mut state = self.state.lock();
        state.next = state.ring.as_ref().map_or(state.next, Ring::end) + 1;
        state.ring = Some(Ring::new(head, state.next, self.config.ring_bytes));
        drop(state);
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Adds what was tailed, and wakes the connections.
    pub(super) fn push(&self, frames: Vec<Frame>, head: TailPosition) {
        if let Some(ring) = &mut self.state.lock().ring {
            ring.push(frames, head);
        }
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Drops the ring if nobody is connected; whether it did.
    pub(super) fn rest(&self) -> bool {
        let mut state = self.state.lock();
        if state.connected > 0 {
            return false;
        }
        state.next = state.ring.take().map_or(state.next, |ring| ring.end());
        true
    }
}
