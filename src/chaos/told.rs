//! What clients were told with a 2xx: what has to be true from then on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use holdfast_contract::{OrderId, OrderStatus, ProductId, StockStatus};
use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::finding::{Finding, Kind};
use super::view::OrderView;

/// Findings that are kept while clients run; a system that is broken makes no end of them.
const KEPT: usize = 1_000;

/// Everything that all clients were told.
#[derive(Debug, Default)]
pub(crate) struct Promises {
    pub(crate) orders: BTreeMap<OrderId, OrderTold>,
    /// Corrections of stock, by their reason, which no two have.
    pub(crate) adjusted: BTreeMap<String, Adjusted>,
    /// Reservations over HTTP.
    pub(crate) held: BTreeMap<(String, ProductId), HttpHold>,
    /// What was wrong with answers at once.
    pub(crate) findings: Vec<Finding>,
    pub(crate) counts: Counts,
}

/// What a client knows of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OrderTold {
    /// As it was last told. The key of the request that placed it is its user.
    pub(crate) view: OrderView,
    pub(crate) deleted: bool,
}

/// A correction of stock that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adjusted {
    pub(crate) product: ProductId,
    pub(crate) delta: i64,
    /// Whether it was done; else it was refused.
    pub(crate) done: bool,
}

/// A reservation over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpHold {
    pub(crate) quantity: u32,
    pub(crate) released: bool,
}

/// How many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Requests, however often each was sent.
    pub(crate) requests: u64,
    /// Answers with 2xx.
    pub(crate) promised: u64,
    /// Answers with 4xx that the rules allow.
    pub(crate) refused: u64,
    /// Answers that said to come again.
    pub(crate) come_again: u64,
    /// Requests that at least once got no answer.
    pub(crate) unanswered: u64,
    /// Of those, the ones that had taken effect: when sent again, they were given the first answer.
    pub(crate) had_taken_effect: u64,
    /// Requests that were sent again although they had been answered, and got the same answer.
    pub(crate) same_answer: u64,
}

/// Shared by all clients. Each promise is also written to a file, to be read if one is broken.
#[derive(Debug)]
pub(crate) struct Told {
    promises: Mutex<Promises>,
    log: Mutex<BufWriter<File>>,
    service: Mutex<Availability>,
}

/// How long nobody was told anything.
#[derive(Clone, Copy, Debug)]
struct Availability {
    last: Instant,
    longest: Duration,
}

impl Promises {
    /// An order as an answer shows it.
    pub(crate) fn order(&mut self, view: OrderView) {
        let known = self.orders.get(&view.id);
        let wrong = known.and_then(|known| gone_back(&known.view, &view));
        let deleted = known.is_some_and(|known| known.deleted);
        if let Some(wrong) = wrong {
            self.find(Kind::AcknowledgedLost.finding(format!("order {}: {wrong}", view.id)));
        }
        self.orders.insert(view.id, OrderTold { view, deleted });
    }

    /// Something wrong.
    pub(crate) fn find(&mut self, finding: Finding) {
        if self.findings.len() < KEPT {
            self.findings.push(finding);
        }
    }
}

/// What was told before and does not hold any more.
pub(crate) fn gone_back(before: &OrderView, after: &OrderView) -> Option<String> {
    let was = |view: &OrderView| {
        format!("version {}, {}, stock {}", view.version, view.status.label(), view.stock_status)
    };
    if (&before.user_id, &before.items, &before.total_amount)
        != (&after.user_id, &after.items, &after.total_amount)
    {
        return Some("its customer, lines or total are not what they were".to_owned());
    }
    let same = (before.status, before.stock_status) == (after.status, after.stock_status);
    let forwards = after.version > before.version
        && follows(before.status, after.status)
        && stock_follows(before.stock_status, after.stock_status);
    let fits = if after.version == before.version { same } else { forwards };
    (!fits).then(|| format!("a client was told {}; now it is {}", was(before), was(after)))
}

fn follows(before: OrderStatus, after: OrderStatus) -> bool {
    use OrderStatus as O;
    match before {
        O::Pending | O::Processing | O::Shipped => after >= before || after == O::Cancelled,
        O::Delivered | O::Cancelled => after == before,
    }
}

fn stock_follows(before: StockStatus, after: StockStatus) -> bool {
    use StockStatus as S;
    match before {
        S::Pending => true,
        S::Reserved => matches!(after, S::Reserved | S::Released | S::Fulfilled | S::Returned),
        S::Fulfilled => matches!(after, S::Fulfilled | S::Returned),
        S::Rejected | S::Released | S::Returned => after == before,
    }
}

impl Told {
    /// Writes to `file`, which is made anew.
    ///
    /// # Errors
    /// If it cannot be made.
    pub(crate) fn new(file: &Path) -> io::Result<Self> {
        let log = Mutex::new(BufWriter::new(File::create(file)?));
        let service = Mutex::new(Availability { last: Instant::now(), longest: Duration::ZERO });
        Ok(Self { promises: Mutex::default(), log, service })
    }

    /// What they were told so far.
    pub(crate) fn so_far(&self) -> MutexGuard<'_, Promises> {
        self.promises.lock()
    }

    /// An answer that promises something; `note` keeps what.
    pub(crate) fn promise(&self, what: &str, key: Option<&str>, note: impl FnOnce(&mut Promises)) {
        {
            let mut promises = self.so_far();
            promises.counts.promised += 1;
            note(&mut promises);
        }
        let now = Instant::now();
        {
            let mut service = self.service.lock();
            service.longest = service.longest.max(now - service.last);
            service.last = now;
        }
        // A diagnosis: a promise that could not be written down is checked all the same.
        let _ = writeln!(self.log.lock(), "{}", json!({"key": key, "told": what}));
    }

    /// Something wrong.
    pub(crate) fn find(&self, finding: Finding) {
        self.so_far().find(finding);
    }

    /// The longest that nobody was told anything, between two promises.
    pub(crate) fn longest_silence(&self) -> Duration {
        self.service.lock().longest
    }

    /// Begins anew to measure silence: nobody has asked until now.
    pub(crate) fn begin(&self) {
        self.service.lock().last = Instant::now();
    }

    /// Brings what was written to the file.
    pub(crate) fn flush(&self) {
        let _ = self.log.lock().flush();
    }

    /// Everything, at the end.
    pub(crate) fn take(&self) -> Promises {
        std::mem::take(&mut self.so_far())
    }
}
