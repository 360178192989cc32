//! The one writer of stock: a task that owns the stock at hand, decides every message and every call in turn, and
//! commits what it decided before anybody is told.
//!
//! Batches of messages are one commit each; calls that wait together share one. A commit that fails leaves nothing:
//! what is at hand is dropped and read again. It decides only when it is its turn among the instances on its database.

mod batch;
mod command;
mod commands;
mod handle;
mod http;
mod parked;
mod pending;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod turn;
mod words;

use std::sync::Arc;

use holdfast_contract::Timestamp;
use holdfast_service::{Clock, Steps};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub use command::{Adjust, Answered, CommandError, Create, Edit, HttpHeld, HttpHold, Idempotent, Render};
pub use handle::Decider;

use self::handle::Work;
use self::pending::Pending;
use self::state::State;
use self::turn::Holding;
use crate::store::ProductStore;

/// Pieces of work that may wait; beyond that, calls are refused and the consumer waits.
const QUEUE: usize = 1_024;
/// Calls that share a commit at most.
const FOLD: usize = 256;

/// Makes a decider and the task that it speaks to, which is to be spawned.
pub fn start(store: Arc<dyn ProductStore>, clock: Arc<dyn Clock>, steps: Steps) -> (Decider, DeciderTask) {
    let (queue, work) = mpsc::channel(QUEUE);
    let desk = Writer { store, clock, steps, state: None, turn: Holding::default() };
    (Decider { queue }, DeciderTask { work, desk })
}

/// The task. Ends when it is stopped or every [`Decider`] is gone; finishes what is queued first.
pub struct DeciderTask {
    work: mpsc::Receiver<Work>,
    desk: Writer,
}

/// What the task works with.
struct Writer {
    store: Arc<dyn ProductStore>,
    clock: Arc<dyn Clock>,
    steps: Steps,
    /// `None`: to be read.
    state: Option<State>,
    turn: Holding,
}

impl DeciderTask {
    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut queued = Vec::with_capacity(FOLD);
        loop {
            let stopping = stop.is_cancelled();
            if stopping {
                self.work.close();
            }
            let look = self.desk.look_at();
            tokio::select! {
                biased;
                () = stop.cancelled(), if !stopping => {}
                count = self.work.recv_many(&mut queued, FOLD) => match count {
                    0 => break,
                    _ => self.desk.work(&mut queued).await,
                },
                () = turn::at(look) => self.desk.rest().await,
            }
        }
        self.desk.end_turn().await;
    }
}

impl Writer {
    async fn work(&mut self, queued: &mut Vec<Work>) {
        let mut pending = Pending::default();
        let mut queued = queued.drain(..);
        while let Some(work) = queued.next() {
            if work.is_alone() {
                self.flush(&mut pending).await;
            }
            // What is pending without a turn is only told: its commit has failed.
            if (pending.is_empty() || !self.holds_turn())
                && let Err(error) = self.hold_turn().await
            {
                self.flush(&mut pending).await;
                // It would be no different for the rest.
                std::iter::once(work).chain(queued).for_each(|work| work.refuse(&error));
                return;
            }
            match work {
                Work::Batch { records, advances, reply } => {
                    let done = self.batch(&records, advances).await;
                    let _ = reply.send(done);
                }
                Work::Replay(id, mode, reply) => {
                    let _ = reply.send(self.replay(id, mode).await);
                }
                Work::Discard(id, mode, reply) => {
                    let _ = reply.send(self.discard(id, mode).await);
                }
                Work::Reserve(hold, key, reply) => {
                    let result = self.http_reserve(&hold, key, &mut pending).await;
                    pending.answer(reply, result);
                }
                Work::Release(hold, key, reply) => {
                    let result = self.http_release(&hold, key, &mut pending).await;
                    pending.answer(reply, result);
                }
                Work::Adjust(adjust, key, reply) => {
                    let result = self.adjust(adjust, key, &mut pending).await;
                    pending.answer(reply, result);
                }
                Work::Create(create, key, reply) => {
                    let result = self.create(*create, key, &mut pending).await;
                    pending.answer(reply, result);
                }
                Work::Edit(edit, key, reply) => {
                    let result = self.edit(*edit, key, &mut pending).await;
                    pending.answer(reply, result);
                }
                Work::Hide(id, key, reply) => {
                    let result = self.hide(id, key, &mut pending).await;
                    pending.answer(reply, result);
                }
            }
        }
        self.flush(&mut pending).await;
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
