//! What clients were told: what has to be true in the end.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex, MutexGuard};

use serde_json::{Value, json};

use super::{Answer, Client, Dice, PATIENCE, order};

/// What clients were told with a 2xx, over all lives of all processes.
#[derive(Default)]
pub(crate) struct Told {
    sofar: Mutex<SoFar>,
    more: Condvar,
}

/// The sum of it.
#[derive(Clone, Default)]
pub(crate) struct SoFar {
    pub(crate) accepted: BTreeSet<String>,
    pub(crate) cancelled: BTreeSet<String>,
    /// Orders that were sent and never answered, by their `Idempotency-Key`: sent again later.
    pub(crate) unsure: Vec<(String, Value)>,
    /// Answers with 2xx.
    pub(crate) answers: usize,
    /// Answers that said to come again.
    pub(crate) refused: usize,
}

/// What came of a request.
pub(crate) enum Said {
    /// It took effect; which order.
    Yes(String),
    /// Come again later.
    Later,
    /// The connection broke before the answer.
    Nothing,
}

/// An order of a user of its own, named as its key is.
pub(crate) fn new_order(products: &[String], dice: &mut Dice) -> (String, Value) {
    let mut any = || products[usize::try_from(dice.roll(products.len() as u64)).unwrap()].as_str();
    let mut body = order(&[(any(), 1), (any(), 2)]);
    let key = format!("{:016x}", dice.roll(u64::MAX));
    body["userId"] = json!(key);
    (key, body)
}

impl Told {
    /// What they were told by now.
    pub(crate) fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.sofar.lock().unwrap()
    }

    /// Waits until it is so.
    pub(crate) fn wait_until(&self, what: &str, so: impl Fn(&SoFar) -> bool) {
        let (sofar, timeout) =
            self.more.wait_timeout_while(self.so_far(), PATIENCE, |sofar| !so(sofar)).unwrap();
        assert!(
            !timeout.timed_out(),
            "never {what}: {} accepted, {} unsure, {} times told to come again",
            sofar.accepted.len(),
            sofar.unsure.len(),
            sofar.refused
        );
    }

    fn note(&self, note: impl FnOnce(&mut SoFar)) {
        note(&mut self.so_far());
        self.more.notify_all();
    }

    /// An order to send: one that was not answered, else a new one.
    pub(crate) fn next(&self, products: &[String], dice: &mut Dice) -> (String, Value) {
        let unsure = self.so_far().unsure.pop();
        unsure.unwrap_or_else(|| new_order(products, dice))
    }

    /// Places an order. One that is not accepted is to be sent again.
    pub(crate) fn place(&self, client: &mut Client, key: String, body: Value) -> Said {
        let header = format!("idempotency-key: {key}\r\n");
        let answer = client.exchange("POST", "/api/v1/orders", &header, Some(&body));
        let said = match answer {
            Err(_) => Said::Nothing,
            Ok(answer) if answer.status == 201 => {
                let order = &answer.body["data"]["order"];
                assert_eq!(order["userId"], *key);
                let id = order["_id"].as_str().unwrap().to_owned();
                self.note(|sofar| {
                    sofar.accepted.insert(id.clone());
                    sofar.answers += 1;
                });
                return Said::Yes(id);
            }
            Ok(answer) => {
                come_again(&answer);
                Said::Later
            }
        };
        self.note(|sofar| {
            sofar.unsure.push((key, body));
            sofar.refused += usize::from(matches!(said, Said::Later));
        });
        said
    }

    /// Cancels an order. A rejected one is cancelled already: asking again is a no-op, and 200 too.
    pub(crate) fn cancel(&self, client: &mut Client, id: String) -> Said {
        let path = format!("/api/v1/orders/{id}/status");
        match client.exchange("PATCH", &path, "", Some(&json!({"status": 5}))) {
            Err(_) => Said::Nothing,
            Ok(answer) if answer.status == 200 => {
                self.note(|sofar| {
                    sofar.cancelled.insert(id.clone());
                    sofar.answers += 1;
                });
                Said::Yes(id)
            }
            Ok(answer) => {
                come_again(&answer);
                self.note(|sofar| sofar.refused += 1);
                Said::Later
            }
        }
    }
}

/// Whether an answer says, as the contract has it, to come again later: the only refusal that these clients can meet.
fn come_again(answer: &Answer) {
    let Answer { status, body, .. } = answer;
    assert!(matches!(status, 503 | 409), "{status}: {body}");
    assert_eq!((&body["success"], &body["statusCode"]), (&json!(false), &json!(status)), "{body}");
    assert!(body["code"].is_string() && body["requestId"].is_string(), "{body}");
    assert!(body["retryAfter"].as_u64().is_some_and(|s| s > 0), "{body}");
    assert_eq!(answer.header("retry-after"), Some(body["retryAfter"].to_string().as_str()), "{body}");
}
