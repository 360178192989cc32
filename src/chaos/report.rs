//! What a run has found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::PathBuf;

use holdfast_contract::{OrderStatus, StockStatus};
use serde::Serialize;

use super::finding::{Finding, Kind};
use super::view::OrderView;
use crate::table::Table;

/// Findings that are shown of each kind; more are only counted.
const SHOWN: usize = 10;

/// Everything about a run. Serialised, it is the document that `--json` prints.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) version: &'static str,
    pub(crate) seed: u64,
    pub(crate) system: &'static str,
    /// Whether it ended before its time, by Ctrl-C.
    pub(crate) interrupted: bool,
    /// Nothing was found, and everything was looked at.
    pub(crate) clean: bool,
    /// How often each kind of thing that must not be was found.
    pub(crate) verdict: BTreeMap<Kind, usize>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) faults: FaultCounts,
    pub(crate) clients: ClientCounts,
    pub(crate) orders: OrderCounts,
    /// Where databases, logs and what clients were told are kept; absent if they are not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<PathBuf>,
    /// The last lines of each process's log, if something was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) logs: Vec<(PathBuf, Vec<String>)>,
}

/// What was done to the system.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FaultCounts {
    pub(crate) seconds: f64,
    pub(crate) kills: u64,
    pub(crate) restarts: u64,
    pub(crate) stops: u64,
    pub(crate) server_stops: u64,
    pub(crate) connections: u64,
    pub(crate) connections_cut: u64,
    pub(crate) pieces_delayed: u64,
    pub(crate) slow_stretches: u64,
    pub(crate) hung_stretches: u64,
    /// Planted on purpose.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) lies: u64,
}

/// What clients saw of it.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientCounts {
    pub(crate) requests: u64,
    pub(crate) promised: u64,
    pub(crate) refused: u64,
    pub(crate) come_again: u64,
    pub(crate) unanswered: u64,
    pub(crate) unanswered_that_took_effect_once: u64,
    pub(crate) same_answer_again: u64,
    pub(crate) longest_silence_millis: u64,
    pub(crate) stock_looks: u64,
    pub(crate) live_clients: usize,
    pub(crate) live_messages: u64,
    pub(crate) live_connections: u64,
}

/// What became of the orders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderCounts {
    pub(crate) accepted: usize,
    pub(crate) reserved: usize,
    pub(crate) rejected: usize,
    pub(crate) cancelled: usize,
    pub(crate) shipped: usize,
    pub(crate) deleted: usize,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl OrderCounts {
    /// Of what is there, and of those that are hidden.
    pub(crate) fn of<'a>(orders: impl Iterator<Item = &'a OrderView>, deleted: usize) -> Self {
        let mut counts = Self { accepted: deleted, deleted, ..Self::default() };
        for order in orders {
            counts.accepted += 1;
            match (order.status, order.stock_status) {
                (_, StockStatus::Rejected) => counts.rejected += 1,
                (OrderStatus::Cancelled, _) => counts.cancelled += 1,
                (OrderStatus::Shipped | OrderStatus::Delivered, _) => counts.shipped += 1,
                (_, StockStatus::Reserved) => counts.reserved += 1,
                _ => {}
            }
        }
        counts
    }
}

impl Report {
    /// Counts what was found.
    pub(crate) fn judge(&mut self, findings: Vec<Finding>) {
        let of = |kind| findings.iter().filter(|finding| finding.kind == kind).count();
        self.verdict = Kind::ALL.into_iter().map(|kind| (kind, of(kind))).collect();
        self.clean = findings.is_empty();
        self.findings = findings;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (faults, clients, orders) = (&self.faults, &self.clients, &self.orders);
        let mut table = Table::new(["what was done", ""]);
        let mut done = |what: &str, count: String| table.row([what.to_owned(), count]);
        done("seconds", format!("{:.1}", faults.seconds));
        done("kills", faults.kills.to_string());
        done("restarts", faults.restarts.to_string());
        done("stops", faults.stops.to_string());
        if faults.server_stops > 0 {
            done("stops of servers", faults.server_stops.to_string());
        }
        done("connections", faults.connections.to_string());
        done("of these cut", faults.connections_cut.to_string());
        done("pieces of data delayed", faults.pieces_delayed.to_string());
        done("slow, hung stretches", format!("{}, {}", faults.slow_stretches, faults.hung_stretches));
        if faults.lies > 0 {
            done("lies", faults.lies.to_string());
        }
        writeln!(f, "{table}")?;

        let mut table = Table::new(["what clients saw", ""]);
        let mut saw = |what: &str, count: u64| table.row([what.to_owned(), count.to_string()]);
        saw("requests", clients.requests);
        saw("answered with success", clients.promised);
        saw("refused as the rules have it", clients.refused);
        saw("told to come again", clients.come_again);
        saw("not answered, and sent again", clients.unanswered);
        saw("of these had taken effect, once", clients.unanswered_that_took_effect_once);
        saw("sent again later, same answer", clients.same_answer_again);
        saw("longest time without any answer, ms", clients.longest_silence_millis);
        saw("looks at all stock", clients.stock_looks);
        saw("live messages", clients.live_messages);
        saw("live connections", clients.live_connections);
        writeln!(f, "{table}")?;

        let mut table = Table::new(["orders", ""]);
        let mut were = |what: &str, count: usize| table.row([what.to_owned(), count.to_string()]);
        were("accepted", orders.accepted);
        were("reserved", orders.reserved);
        were("shipped or delivered", orders.shipped);
        were("rejected", orders.rejected);
        were("cancelled", orders.cancelled);
        were("deleted", orders.deleted);
        writeln!(f, "{table}")?;

        let mut table = Table::new(["verdict", ""]);
        for (kind, count) in &self.verdict {
            table.row([kind.label().to_owned(), count.to_string()]);
        }
        writeln!(f, "{table}")?;
        self.findings(f)
    }
}

impl Report {
    fn findings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in self.verdict.iter().filter(|(_, count)| **count > 0) {
            writeln!(f, "{}:", kind.label())?;
            for finding in self.findings.iter().filter(|finding| finding.kind == *kind).take(SHOWN) {
                writeln!(f, "  WRONG: {}", finding.what.trim_end())?;
            }
            if *count > SHOWN {
                writeln!(f, "  and {} more", count - SHOWN)?;
            }
        }
        for (path, lines) in &self.logs {
            writeln!(f, "The end of {}:", path.display())?;
            for line in lines {
                writeln!(f, "  {line}")?;
            }
        }
        let mut end = String::new();
        if self.interrupted {
            end.write_str("Stopped before its time. ")?;
        }
        if self.clean {
            end.write_str("Clean: nothing was lost, repeated or oversold.")?;
        } else {
            write!(end, "{} problems. To repeat its choices: --seed {}", self.findings.len(), self.seed)?;
        }
        if let Some(folder) = &self.folder {
            write!(end, "\nKept: {}", folder.display())?;
        }
        writeln!(f, "{end}")
    }
}
