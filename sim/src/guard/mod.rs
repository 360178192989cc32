//! Between the shipped code and its database: every call waits at a gate, may fail or never come back as the plan has it,
//! and every commit that took effect is shown to the [`Oracle`] before anybody else learns of it.

mod journal;
mod orders;
mod outbox;
mod products;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use holdfast_storage::StoreError;
use parking_lot::Mutex;

pub(crate) use self::journal::GuardedJournal;
pub(crate) use self::orders::GuardedOrders;
pub(crate) use self::outbox::GuardedOutbox;
pub(crate) use self::products::GuardedProducts;
use crate::oracle::Oracle;
use crate::plan::At;
use crate::schedule::Gate;

/// What is wrong with a service's database. Shared by its instances.
#[derive(Debug, Default)]
pub(crate) struct Disk(Mutex<DiskState>);

#[derive(Debug, Default)]
struct DiskState {
    away_until: u64,
    full_until: u64,
    unsure: u64,
}

impl Disk {
    /// It refuses everything until then (milliseconds since the beginning).
    pub(crate) fn away_until(&self, until: u64) {
        let mut state = self.0.lock();
        state.away_until = state.away_until.max(until);
    }

    /// Nothing can be written until then.
    pub(crate) fn full_until(&self, until: u64) {
        let mut state = self.0.lock();
        state.full_until = state.full_until.max(until);
    }

    /// So many commits take effect and are answered with an error.
    pub(crate) fn unsure(&self, commits: u64) {
        self.0.lock().unsure += commits;
    }

    /// Nothing is wrong with it any more.
    pub(crate) fn heal(&self) {
        *self.0.lock() = DiskState::default();
    }
}

/// What is planned for a process.
#[derive(Debug, Default)]
pub(crate) struct Process {
    state: Mutex<ProcessState>,
    /// Nobody of it goes on until then (milliseconds since the beginning).
    stalled_until: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct ProcessState {
    dies: Option<At>,
    dead: bool,
}

impl Process {
    /// It dies then.
    pub(crate) fn dies(&self, at: At) {
        let mut state = self.state.lock();
        match at {
            At::Anywhere => state.dead = true,
            at => state.dies = Some(at),
        }
    }

    /// It stands still until then.
    pub(crate) fn stalled_until(&self, until: u64) {
        self.stalled_until.fetch_max(until, Ordering::Relaxed);
    }

    /// Nothing is planned for it any more.
    pub(crate) fn heal(&self) {
        self.state.lock().dies = None;
        self.stalled_until.store(0, Ordering::Relaxed);
    }

    /// Whether it has died and is still to be buried.
    pub(crate) fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// When it goes on, for the gates of its tasks.
    pub(crate) fn stall(&self) -> Arc<AtomicU64> {
        self.stalled_until.clone()
    }
}

/// What a task's call of its database runs into.
#[derive(Clone)]
pub(crate) struct Access {
    /// Where it waits.
    pub(crate) gate: Gate,
    /// What is wrong with the database.
    pub(crate) disk: Arc<Disk>,
    /// What is planned for its process.
    pub(crate) process: Arc<Process>,
    /// Who checks.
    pub(crate) oracle: Oracle,
}

impl Access {
    /// Waits for its turn; for ever if the process is dead.
    async fn pass(&self) {
        self.gate.pass().await;
        if self.process.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    async fn read(&self) -> Result<(), StoreError> {
        self.pass().await;
        let away = self.disk.0.lock().away_until > self.gate.now();
        if away { Err(unavailable("the database is away")) } else { Ok(()) }
    }

    /// Before a commit takes effect.
    async fn before_commit(&self) -> Result<(), StoreError> {
        self.pass().await;
        let dies = {
            let mut state = self.process.state.lock();
            match &mut state.dies {
                Some(At::BeforeCommit(0)) => {
                    state.dead = true;
                    true
                }
                Some(At::BeforeCommit(left)) => {
                    *left -= 1;
                    false
                }
                _ => false,
            }
        };
        if dies {
            std::future::pending::<()>().await;
        }
        let disk = self.disk.0.lock();
        if disk.away_until > self.gate.now() {
            return Err(unavailable("the database is away"));
        }
        if disk.full_until > self.gate.now() {
            return Err(unavailable("no space left on the device"));
        }
        Ok(())
    }

    /// After a commit took effect, before anybody is told.
    async fn after_commit(&self) -> Result<(), StoreError> {
        {
            let mut state = self.process.state.lock();
            match &mut state.dies {
                Some(At::AfterCommit(0)) => state.dead = true,
                Some(At::AfterCommit(left)) => *left -= 1,
                _ => {}
            }
        }
        self.pass().await;
        let mut disk = self.disk.0.lock();
        if disk.unsure > 0 {
            disk.unsure -= 1;
            return Err(unavailable("the connection was lost while committing"));
        }
        Ok(())
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
