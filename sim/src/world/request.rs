//! Requests as the services take them, and what their answers promise.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use holdfast_contract::canonical::{Fingerprint, fingerprint};
use holdfast_contract::text::Note;
use holdfast_contract::{OrderId, OrderStatus, ProductId};
use holdfast_orders::domain::{Command, Draft};
use holdfast_orders::usecase::{
    Asked, ChangeError, ChangeRefusal, ChangeRequest, Outcome, PlaceError, Render, UseCases,
};
use holdfast_products::decider::{
    Adjust, Answered, CommandError, Create, Decider, Edit, HttpHold, Idempotent,
};
use holdfast_products::domain::{ProductView, Refusal};
use holdfast_products::store::StoredAnswer;
use holdfast_service::http::{Caller, IdempotencyScope};
use holdfast_service::operator::{DeadLetterError, DeadLetters, Mode};
use holdfast_storage::{ParkedId, StoreError};

use super::instance::Instance;
use crate::oracle::{Oracle, Violation, broken};
use crate::plan::Service;

/// A request to one of the services.
#[derive(Clone)]
pub(super) enum Request {
    Place(Draft),
    Change(OrderId, Command),
    Read(OrderId),
    Adjust { product: ProductId, delta: i64 },
    Create(Create),
    Edit(Edit),
    Delete(ProductId),
    Hold(HttpHold),
    Unhold(HttpHold),
    Parked { service: Service, id: ParkedId, discard: bool },
}

/// What an answer promises; looked at when it arrives.
type Check = Box<dyn FnOnce(&Oracle) -> Result<(), Violation> + Send>;

/// What came of a call.
pub(super) enum Called {
    /// It was done. With one key, every answer has the same `body`; empty where there is nothing to compare.
    Answered { body: Bytes, check: Check },
    /// It was not done, for good.
    Refused(String),
    /// Nobody knows; whoever may asks again.
    TryAgain,
    /// Nobody may ever hear this.
    Broken(Violation),
}

fn answered(body: Bytes, check: impl FnOnce(&Oracle) -> Result<(), Violation> + Send + 'static) -> Called {
    Called::Answered { body, check: Box::new(check) }
}

fn done() -> Called {
    answered(Bytes::new(), |_| Ok(()))
}

fn failed(error: &StoreError) -> Called {
    match error {
        StoreError::Inconsistent(why) => {
            Called::Broken(Violation { invariant: 0, what: format!("a client was told: {why}") })
        }
        _ => Called::TryAgain,
    }
}

/// The key of a step, in both services.
fn key(step: u64) -> (IdempotencyScope, Fingerprint) {
    let mut scope = [0; 16];
    scope[..8].copy_from_slice(&step.to_be_bytes());
    #[expect(clippy::expect_used, reason = "a number is JSON")]
    let fingerprint = fingerprint(step.to_string().as_bytes()).expect("JSON");
    (IdempotencyScope::from_bytes(scope), fingerprint)
}

impl Request {
    pub(super) fn service(&self) -> Service {
        match self {
            Self::Place(_) | Self::Change(..) | Self::Read(_) => Service::Orders,
            Self::Parked { service, .. } => *service,
            _ => Service::Products,
        }
    }

    /// The call, to be run in the process; `None` if the process does not take it any more.
    pub(super) fn call(self, at: &Instance, step: u64, keyed: bool) -> Option<BoxFuture<'static, Called>> {
        match self.service() {
            Service::Orders => {
                let api = at.orders.clone()?;
                let letters: Arc<dyn DeadLetters> = Arc::new(api.answers);
                Some(Box::pin(self.ask_orders(api.cases, letters, step, keyed)))
            }
            Service::Products => {
                let decider = at.decider.clone()?;
                Some(Box::pin(self.ask_products(decider, step, keyed)))
            }
        }
    }

    async fn ask_orders(
        self,
        cases: Arc<UseCases>,
        letters: Arc<dyn DeadLetters>,
        step: u64,
        keyed: bool,
    ) -> Called {
        let (scope, fingerprint) = key(step);
        let once = match keyed.then(|| cases.once(scope, fingerprint)).transpose() {
            Ok(once) => once,
            // It still runs: 409 with `Retry-After`.
            Err(_) => return Called::TryAgain,
        };
        let asked =
            Asked { caller: Caller::open(), request_id: format!("step-{step}"), traceparent: None, once };
        match self {
            Self::Place(draft) => match cases.place(draft, &asked, 201, <[u8]>::to_vec).await {
                Ok(answer) => told_of_order(answer.body, keyed.then_some(step)),
                Err(PlaceError::Store(error)) => failed(&error),
                Err(error) => unexpected(&error),
            },
            Self::Change(id, command) => {
                let request = ChangeRequest { id, command, expected: None, asked: &asked };
                match cases.change(request, &Views).await {
                    Ok(answer) if answer.status == 200 => told_of_order(answer.body, None),
                    // A refusal is an answer too: with one key everybody gets the same.
                    Ok(answer) => answered(answer.body, |_| Ok(())),
                    Err(ChangeError::Store(error)) => failed(&error),
                    Err(ChangeError::Contended) => Called::TryAgain,
                    Err(error @ ChangeError::KeyReused(_)) => unexpected(&error),
                    Err(error) => Called::Refused(error.to_string()),
                }
            }
            Self::Read(id) => match cases.get(id).await {
                Ok(read) => answered(Bytes::new(), move |oracle| {
                    let is = oracle.order(id).filter(|order| !order.hidden);
                    if is == read {
                        Ok(())
                    } else {
                        broken(3, format!("order {id} was read as {read:?}, and is {is:?}"))
                    }
                }),
                Err(error) => failed(&error),
            },
            Self::Parked { id, discard, .. } => letter(&*letters, id, discard).await,
            _ => Called::TryAgain,
        }
    }

    async fn ask_products(self, decider: Decider, step: u64, keyed: bool) -> Called {
        match self {
            Self::Adjust { product, delta } => {
                let Ok(reason) = Note::new(&format!("step {step}")) else { return Called::TryAgain };
                let (scope, fingerprint) = key(step);
                let idempotent = keyed.then(|| Idempotent { scope, fingerprint, render: Box::new(render) });
                match decider.adjust(Adjust { product, delta, reason }, idempotent).await {
                    Ok(Answered::Refused(stored)) => {
                        answered(stored.body, move |oracle| adjusted(oracle, step, 0))
                    }
                    Ok(Answered::Replayed(stored)) => {
                        let times = usize::from(stored.status == 200);
                        answered(stored.body, move |oracle| adjusted(oracle, step, times))
                    }
                    Ok(Answered::Fresh { stored, .. }) => {
                        let body = stored.map(|stored| stored.body).unwrap_or_default();
                        answered(body, move |oracle| adjusted(oracle, step, 1))
                    }
                    Err(error) => command(&error),
                }
            }
            Self::Create(create) => {
                decider.create(create, None).await.map_or_else(|e| command(&e), |_| done())
            }
            Self::Edit(edit) => decider.edit(edit).await.map_or_else(|e| command(&e), |_| done()),
            Self::Delete(product) => decider.hide(product).await.map_or_else(|e| command(&e), |()| done()),
            Self::Hold(hold) => decider.reserve(hold).await.map_or_else(|e| command(&e), |_| done()),
            Self::Unhold(hold) => decider.release(hold).await.map_or_else(|e| command(&e), |_| done()),
            Self::Parked { id, discard, .. } => letter(&decider, id, discard).await,
            _ => Called::TryAgain,
        }
    }
}

/// Answers to changes: the order, or why not.
struct Views;

impl Render for Views {
    fn done(&self, outcome: Outcome<'_>) -> Vec<u8> {
        outcome.view.to_vec()
    }

    fn refused(&self, refusal: &ChangeRefusal, _: &Asked) -> (u16, Vec<u8>) {
        (422, refusal.to_string().into_bytes())
    }
}

/// A 2xx that names an order in a version: it is there, and the step placed one order only.
fn told_of_order(body: Bytes, placed_by: Option<u64>) -> Called {
    let promised = body.clone();
    answered(body, move |oracle| {
        let order: serde_json::Value = serde_json::from_slice(&promised).unwrap_or_default();
        let id = order["_id"].as_str().and_then(|id| id.parse::<OrderId>().ok());
        let version = order["version"].as_u64();
        let (Some(id), Some(version)) = (id, version) else {
            return broken(0, format!("an answer names no order: {order}"));
        };
        let told = (order["status"].as_u64(), order["stockStatus"].as_str());
        let was = oracle.version(id, version);
        let is = was.map(|(status, stock)| (Some(u64::from(status.code())), Some(stock.as_str())));
        if is != Some(told) {
            return broken(
                3,
                format!(
                    "a client was told that version {version} of order {id} is {told:?}, and it is {is:?}"
                ),
            );
        }
        match placed_by.map(|step| (step, oracle.placed_by(step))) {
            None | Some((_, 1)) => Ok(()),
            Some((step, count)) => broken(4, format!("step {step} with one key placed {count} orders")),
        }
    })
}

fn adjusted(oracle: &Oracle, step: u64, times: usize) -> Result<(), Violation> {
    match oracle.adjusted_by(step) {
        count if count == times => Ok(()),
        count => {
            broken(4, format!("step {step} corrected stock {count} times, and its client was told {times}"))
        }
    }
}

fn render(result: &Result<ProductView, Refusal>) -> StoredAnswer {
    match result {
        Ok(view) => StoredAnswer { status: 200, body: format!("{:?}", view.level).into() },
        Err(refusal) => StoredAnswer { status: 409, body: refusal.to_string().into() },
    }
}

fn command(error: &CommandError) -> Called {
    match error {
        CommandError::Refused(refusal) => Called::Refused(refusal.to_string()),
        CommandError::Unavailable(_) | CommandError::Overloaded => Called::TryAgain,
        CommandError::Inconsistent(_) => unexpected(error),
    }
}

async fn letter(letters: &dyn DeadLetters, id: ParkedId, discard: bool) -> Called {
    let outcome =
        if discard { letters.discard(id, Mode::Real).await } else { letters.replay(id, Mode::Real).await };
    match outcome {
        Ok(_) => done(),
        Err(DeadLetterError::Store(error)) => failed(&error),
        Err(DeadLetterError::Overloaded) => Called::TryAgain,
        Err(error) => Called::Refused(error.to_string()),
    }
}

fn unexpected(error: &dyn std::error::Error) -> Called {
    Called::Broken(Violation { invariant: 0, what: format!("a client was told: {error}") })
}

/// Where an order is moved.
pub(super) fn status(to: OrderStatus) -> Command {
    Command::SetStatus { to, reason: None, tracking: None }
}
