//! Clients and operators: they ask, may hear nothing, ask again, and hold the system to what they were told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Town;
use super::instance::Instance;
use super::request::{Called, Request};
use crate::oracle::{Oracle, Violation};
use crate::plan::Service;
use crate::schedule::Gate;
use crate::trace::Trace;

/// What was answered first to each step with an `Idempotency-Key`. Clones are the same.
#[derive(Clone, Default)]
pub(super) struct Answers(Arc<Mutex<BTreeMap<u64, Bytes>>>);

/// One client with one request.
pub(super) struct Client {
    pub(super) step: u64,
    /// Whether the request may be made again: it has an `Idempotency-Key`, or is idempotent by itself.
    pub(super) repeats: bool,
    pub(super) gate: Gate,
    pub(super) town: Arc<Mutex<Town>>,
    pub(super) answers: Answers,
    pub(super) oracle: Oracle,
    pub(super) trace: Trace,
}

impl Client {
    /// Asks until there is an answer, or once.
    pub(super) async fn run(self, request: Request) {
        loop {
            self.gate.pass().await;
            let called = self.call(&request).await;
            // The connection is cut, and the answer lost.
            let called = called.filter(|_| !self.gate.chance(|dice| dice.once_in(20)));
            match called {
                Some(Called::Answered { body, check }) => {
                    self.trace.say(format_args!("step {} was answered", self.step));
                    if let Err(violation) = self.same(&body).and_then(|()| check(&self.oracle)) {
                        self.oracle.fail(violation);
                    }
                    return;
                }
                Some(Called::Refused(why)) => {
                    self.trace.say(format_args!("step {} was refused: {why}", self.step));
                    return;
                }
                Some(Called::Broken(violation)) => return self.oracle.fail(violation),
                Some(Called::TryAgain) | None if !self.repeats => return,
                Some(Called::TryAgain) | None => {}
            }
            let pause = self.gate.chance(|dice| dice.between(20, 500));
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    /// Makes the call in one of the processes; `None` if none is there, or it died over it.
    async fn call(&self, request: &Request) -> Option<Called> {
        let heard = {
            let mut town = self.town.lock();
            let mut able: Vec<&mut Instance> = town.able(request.service()).collect();
            let at = self.gate.chance(|dice| dice.index(able.len()));
            let instance = able.get_mut(at)?;
            let call = request.clone().call(instance, self.step, self.repeats)?;
            let (answer, heard) = oneshot::channel();
            instance.spawn(async move {
                // Whoever asked waits for it.
                let _ = answer.send(call.await);
            });
            heard
        };
        heard.await.ok()
    }

    /// With one key, everybody hears the same.
    fn same(&self, body: &Bytes) -> Result<(), Violation> {
        if !self.repeats || body.is_empty() {
            return Ok(());
        }
        let mut answers = self.answers.0.lock();
        let first = answers.entry(self.step).or_insert_with(|| body.clone());
        if first == body {
            return Ok(());
        }
        let show = |body: &Bytes| String::from_utf8_lossy(body).into_owned();
        crate::oracle::broken(
            4,
            format!("step {} was answered {} and then {}", self.step, show(first), show(body)),
        )
    }
}

impl Town {
    /// The processes that take requests for a service.
    fn able(&mut self, service: Service) -> impl Iterator<Item = &mut Instance> {
        let slots = self.slots.iter_mut().filter(|slot| slot.drains_until.is_none());
        slots
            .filter_map(|slot| slot.instance.as_mut())
            .filter(move |instance| instance.services.contains(&service))
    }
}
