//! Where the audit writes what it finds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use holdfast_contract::Timestamp;
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use super::KEPT;
use super::report::{AuditReport, PartReport, Status};
use crate::clock::Clock;

/// Findings of one round that the log tells of one by one.
const TOLD: u64 = 10;
/// A part is stale when no round was finished for so many times the pause between two, and this long besides: a round of
/// a large database takes its time.
const STALE_PAUSES: u32 = 3;
const STALE_BESIDES: Duration = Duration::from_secs(3600);

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AuditFinding)]
pub struct Finding {
    /// What kind of thing, for programs.
    #[schema(example = "balances")]
    pub kind: &'static str,
    /// The product that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<String>,
    /// The order that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// For people.
    pub message: String,
}

#[derive(Default)]
struct Part {
    /// Counts rounds that began.
    begun: u64,
    finished: u64,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    clean_at: Option<Timestamp>,
    position: Option<String>,
    checked: BTreeMap<&'static str, u64>,
    checking: BTreeMap<&'static str, u64>,
    /// Each with the round that has found it last.
    findings: BTreeMap<Finding, u64>,
    /// How many more there were in the newest finished round, and in this one.
    more: u64,
    more_now: u64,
    told: u64,
}

impl Part {
    fn problems(&self) -> u64 {
        self.findings.len() as u64 + self.more.max(self.more_now)
    }
}

struct State {
    parts: Vec<(&'static str, Part)>,
    standby: bool,
}

struct Inner {
    service: &'static str,
    every: Option<Duration>,
    clock: Arc<dyn Clock>,
    since: Timestamp,
    state: Mutex<State>,
}

/// What the audit of one service has found. Cheap to clone; clones share it.
///
/// A finding stays until a whole round has not found it again.
#[derive(Clone)]
pub struct Board(Arc<Inner>);

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("service", &self.0.service).finish_non_exhaustive()
    }
}

impl Board {
    /// Of a service whose audit has these parts, and rests for `every` between two rounds; `None`: it is switched off.
    pub fn new(
        service: &'static str,
        every: Option<Duration>,
        parts: &[&'static str],
        clock: Arc<dyn Clock>,
    ) -> Self {
        let parts = if every.is_some() { parts } else { &[] };
        let state =
            State { parts: parts.iter().map(|name| (*name, Part::default())).collect(), standby: false };
        let board =
            Self(Arc::new(Inner { service, every, since: clock.now(), clock, state: Mutex::new(state) }));
        board.measure();
        board
    }

    /// How long to rest between two rounds; `None`: the audit is switched off.
    pub fn every(&self) -> Option<Duration> {
        self.0.every
    }

    /// Whether another instance does it.
    pub fn standby(&self, standby: bool) {
        self.0.state.lock().standby = standby;
        self.measure();
    }

    /// A round begins. One that was not finished is forgotten, but not what it found.
    pub fn begin(&self, part: &'static str) {
        let now = self.0.clock.now();
        self.with(part, |part| {
            part.begun += 1;
            part.started_at = Some(now);
            part.checking.clear();
            part.more_now = 0;
            part.told = 0;
        });
    }

    /// So many of `what` were looked at.
    pub fn checked(&self, part: &'static str, what: &'static str, count: u64) {
        if count > 0 {
            self.with(part, |part| *part.checking.entry(what).or_default() += count);
            let labels = [("service", self.0.service), ("what", what)];
            metrics::counter!("audit_checked_total", &labels).increment(count);
        }
    }

    /// Up to here everything that moves was proved.
    pub fn at(&self, part: &'static str, position: impl fmt::Display) {
        self.with(part, |part| part.position = Some(position.to_string()));
    }

    /// Something does not add up. It is told once, however often it is found.
    pub fn found(&self, part: &'static str, finding: Finding) {
        let tell = self.with(part, |part| {
            let round = part.begun;
            if let Some(seen) = part.findings.get_mut(&finding) {
                *seen = round;
                return false;
            }
            if part.findings.len() < KEPT {
                part.findings.insert(finding.clone(), round);
            } else {
                part.more_now += 1;
            }
            part.told += 1;
            part.told <= TOLD
        });
        if tell == Some(true) {
            tracing::error!(
                service = self.0.service,
                kind = finding.kind,
                "The audit found: {}; `holdfast audit` says more",
                finding.message
            );
        }
        self.measure();
    }

    /// The round has looked at everything. What it has not found again is right again.
    pub fn finish(&self, part: &'static str) {
        let now = self.0.clock.now();
        let news = self.with(part, |part| {
            let before = part.problems();
            let round = part.begun;
            part.findings.retain(|_, seen| *seen == round);
            part.more = part.more_now;
            part.more_now = 0;
            part.finished += 1;
            part.finished_at = Some(now);
            part.checked = std::mem::take(&mut part.checking);
            let after = part.problems();
            if after == 0 {
                part.clean_at = Some(now);
            }
            (before, after, part.finished, part.checked.clone())
        });
        let Some((before, after, finished, checked)) = news else { return };
        let service = self.0.service;
        let said: Vec<String> = checked.iter().map(|(what, count)| format!("{count} {what}")).collect();
        match (before, after) {
            (0, 0) if finished == 1 => {
                tracing::info!(service, part, "The audit is clean: {}", said.join(", "))
            }
            (0, 0) => tracing::debug!(service, part, "the audit is clean: {}", said.join(", ")),
            (_, 0) => tracing::info!(service, part, "The audit is clean again: {}", said.join(", ")),
            (_, after) => tracing::debug!(service, part, "the audit still finds {after}"),
        }
        self.measure();
    }

    /// What there is to say.
    pub fn report(&self) -> AuditReport {
        let Inner { service, every, clock, since, state } = &*self.0;
        let now = clock.now();
        let state = state.lock();
        let mut findings: Vec<Finding> = Vec::new();
        let mut total_findings = 0;
        let mut parts = Vec::new();
        for (name, part) in &state.parts {
            total_findings += part.problems();
            findings.extend(part.findings.keys().take(KEPT - findings.len()).cloned());
            parts.push(PartReport {
                name,
                status: status(part, state.standby, *every, *since, now),
                rounds: part.finished,
                started_at: part.started_at,
                finished_at: part.finished_at,
                clean_at: part.clean_at,
                position: part.position.clone(),
                checked: part.checked.clone(),
                checking: part.checking.clone(),
            });
        }
        AuditReport {
            service,
            status: parts.iter().map(|part| part.status).min().unwrap_or(Status::Off),
            every_seconds: every.map_or(0, |every| every.as_secs()),
            parts,
            findings,
            total_findings,
        }
    }

    /// Brings the metrics up to date: what has grown stale shows without anybody asking.
    pub fn measure(&self) {
        let report = self.report();
        let service = report.service;
        for status in Status::ALL {
            let labels = [("service", service), ("state", status.as_str())];
            metrics::gauge!("audit_state", &labels).set(if status == report.status { 1.0 } else { 0.0 });
        }
        metrics::gauge!("audit_findings", "service" => service).set(report.total_findings as f64);
        for part in &report.parts {
            let Some(at) = part.clean_at else { continue };
            let labels = [("service", service), ("part", part.name)];
            metrics::gauge!("audit_last_clean_timestamp_seconds", &labels).set(at.as_millis() as f64 / 1e3);
        }
    }

    fn with<T>(&self, name: &'static str, change: impl FnOnce(&mut Part) -> T) -> Option<T> {
        let mut state = self.0.state.lock();
        let part = state.parts.iter_mut().find(|(has, _)| *has == name);
        part.map(|(_, part)| change(part))
    }
}

fn status(part: &Part, standby: bool, every: Option<Duration>, since: Timestamp, now: Timestamp) -> Status {
    let Some(every) = every else { return Status::Off };
    if standby {
        return Status::Standby;
    }
    if part.problems() > 0 {
        return Status::Mismatch;
    }
    let patience = (every * STALE_PAUSES).saturating_add(STALE_BESIDES);
    let proved = part.finished_at.unwrap_or(since);
    if u128::from(now.millis_since(proved)) > patience.as_millis() {
        Status::Stale
    } else if part.finished == 0 {
        Status::Running
    } else {
        Status::Clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const EVERY: Option<Duration> = Some(Duration::from_secs(60));

    fn finding(message: &str) -> Finding {
        Finding { kind: "balances", product: Some("p".to_owned()), order: None, message: message.to_owned() }
    }

    #[test]
    fn a_finding_stays_until_a_whole_round_has_not_found_it_again() {
        let board = Board::new("products", EVERY, &["books"], Arc::new(ManualClock::default()));
        assert_eq!(board.report().status, Status::Running);
        board.begin("books");
        board.checked("books", "products", 3);
        board.finish("books");
        assert_eq!((board.report().status, board.report().parts[0].checked["products"]), (Status::Clean, 3));
        // Between two rounds, by what is followed all the time.
        board.found("books", finding("off by one"));
        board.found("books", finding("off by one"));
        assert_eq!((board.report().status, board.report().total_findings), (Status::Mismatch, 1));
        board.begin("books");
        board.found("books", finding("off by one"));
        board.finish("books");
        assert_eq!(board.report().findings, [finding("off by one")]);
        board.begin("books");
        assert_eq!(board.report().status, Status::Mismatch, "not proved yet");
        board.finish("books");
        assert_eq!((board.report().status, board.report().total_findings), (Status::Clean, 0));
    }

    #[test]
    fn findings_are_bounded_and_counted() {
        let board = Board::new("products", EVERY, &["books", "decisions"], Arc::new(ManualClock::default()));
        for round in 0..2 {
            board.begin("books");
            (0..120).for_each(|n| board.found("books", finding(&n.to_string())));
            board.found("decisions", finding("x"));
            board.finish("books");
            let report = board.report();
            assert_eq!((report.findings.len(), report.total_findings), (KEPT, 121), "round {round}");
        }
    }

    #[test]
    fn what_was_proved_long_ago_is_stale_and_the_worst_part_counts() {
        let clock = ManualClock::default();
        let board = Board::new("orders", EVERY, &["answers", "holds"], Arc::new(clock.clone()));
        board.begin("answers");
        board.finish("answers");
        assert_eq!(board.report().status, Status::Running);
        clock.advance(STALE_BESIDES + Duration::from_secs(181));
        assert_eq!(board.report().status, Status::Stale);
        board.begin("holds");
        board.finish("holds");
        let report = board.report();
        assert_eq!(report.parts.iter().map(|p| p.status).collect::<Vec<_>>(), [Status::Stale, Status::Clean]);
        board.standby(true);
        assert_eq!(board.report().status, Status::Standby);
        let off = Board::new("orders", None, &["answers"], Arc::new(clock));
        off.found("answers", finding("nobody looks"));
        assert_eq!((off.report().status, off.report().total_findings), (Status::Off, 0));
    }
}
