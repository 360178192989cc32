//! From measurements to medians and ratios.

use std::collections::BTreeMap;

use serde::Serialize;

use super::args::{BenchArgs, Feature, Subject};
use super::latency::{Latencies, Quantiles};
use super::measure::Measurement;
use super::process::Memory;

/// Everything that a bench found. Serialised, it is the document that `--json` prints.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) version: &'static str,
    pub(crate) settings: Settings,
    pub(crate) machine: Machine,
    /// One per subject, in the order in which they take turns.
    pub(crate) subjects: Vec<Summary>,
    pub(crate) ratios: Ratios,
    /// What was measured, one by one.
    pub(crate) runs: Vec<Run>,
    /// What went wrong, in words. Nothing: every order was accepted and, where orders are decided, decided.
    pub(crate) problems: Vec<String>,
    /// Whether it was stopped before its end: the figures are those of what was sent until then.
    pub(crate) interrupted: bool,
}

/// How it was measured.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    pub(crate) connections: u32,
    pub(crate) orders: u64,
    pub(crate) seconds: u32,
    /// Absent in a closed loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) orders_per_second: Option<u32>,
    pub(crate) warm_up_seconds: u32,
    pub(crate) lines: u32,
    pub(crate) products: u32,
    pub(crate) rounds: u32,
    pub(crate) worker_threads: usize,
    /// Absent if the system was started here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) orders_url: Option<String>,
}

/// What it was measured on.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    /// File system of the databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_system: Option<String>,
    /// Median time of 4 KiB appended and flushed there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) flush_micros: Option<u64>,
}

/// All rounds of one subject.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    #[serde(serialize_with = "name")]
    pub(crate) subject: Subject,
    /// Median over the rounds: decided if the subject decides, else accepted.
    pub(crate) per_second: f64,
    pub(crate) accepted_per_second: f64,
    /// Over all rounds.
    pub(crate) answer: Option<Quantiles>,
    pub(crate) answer_corrected: Option<Quantiles>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided: Option<Quantiles>,
    /// The round that took most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Memory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) server_micros_per_order: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_micros_per_order: Option<f64>,
    /// At a fixed rate: orders that were due and could not even be sent, in all rounds.
    pub(crate) unsent: u64,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) round: u32,
    #[serde(serialize_with = "name")]
    pub(crate) subject: Subject,
    pub(crate) accepted: u64,
    pub(crate) refused: BTreeMap<u16, u64>,
    pub(crate) unanswered: u64,
    pub(crate) unsent: u64,
    pub(crate) seconds: f64,
    pub(crate) accepted_per_second: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) decided_per_second: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Memory>,
}

/// Rates, compared round by round: what slows the whole machine for a while slows both sides.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ratios {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accept_to_ceiling: Option<Ratio>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) full_to_ceiling: Option<Ratio>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hot_to_spread: Option<Ratio>,
    /// Processor time for an order with the feature whose cost was asked for, to that without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) with_to_without: Option<Ratio>,
}

/// The median of the rounds, and each of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) rounds: Vec<f64>,
}

fn name<S: serde::Serializer>(subject: &Subject, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(subject.name())
}

impl Settings {
    pub(crate) fn new(args: &BenchArgs) -> Self {
        Self {
            connections: args.connections,
            orders: args.orders,
            seconds: args.seconds,
            orders_per_second: args.rate,
            warm_up_seconds: args.warm_up,
            lines: args.lines,
            products: if args.hot { 1 } else { args.products },
            rounds: args.rounds(),
            worker_threads: args.runtime.worker_threads(),
            orders_url: args.orders_url.as_ref().map(ToString::to_string),
        }
    }
}

impl Report {
    pub(crate) fn new(
        settings: Settings,
        machine: Machine,
        measurements: &[Measurement],
        interrupted: bool,
    ) -> Self {
        let mut subjects: Vec<Subject> = Vec::new();
        for measurement in measurements {
            if !subjects.contains(&measurement.subject) {
                subjects.push(measurement.subject);
            }
        }
        let of = |subject| measurements.iter().filter(move |m| m.subject == subject).collect::<Vec<_>>();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            settings,
            machine,
            subjects: subjects.iter().map(|&subject| Summary::new(subject, &of(subject))).collect(),
            ratios: Ratios::new(measurements),
            runs: measurements.iter().map(Run::new).collect(),
            problems: measurements.iter().flat_map(|m| problems(m, interrupted)).collect(),
            interrupted,
        }
    }
}

impl Summary {
    fn new(subject: Subject, rounds: &[&Measurement]) -> Self {
        let merged = |latencies: fn(&Measurement) -> Option<&Latencies>| {
            let mut all = Latencies::new();
            for latencies in rounds.iter().filter_map(|m| latencies(m)) {
                all.merge(latencies);
            }
            all.quantiles()
        };
        let per_order = |time: fn(&Measurement) -> Option<f64>| {
            median(rounds.iter().filter_map(|m| time(m)).collect()).map(|m| rounded(m, 1))
        };
        Self {
            subject,
            per_second: median(rounds.iter().map(|m| m.per_second()).collect())
                .map_or(0.0, |r| rounded(r, 1)),
            accepted_per_second: median(rounds.iter().map(|m| m.accepted_per_second()).collect())
                .map_or(0.0, |r| rounded(r, 1)),
            answer: merged(|m| Some(&m.outcome.answer)),
            answer_corrected: merged(|m| Some(&m.outcome.corrected)),
            decided: merged(|m| m.decided.as_ref().map(|d| &d.followed.decided)),
            memory: rounds.iter().filter_map(|m| m.memory).max_by_key(|m| m.resident_bytes),
            server_micros_per_order: per_order(Measurement::server_micros_per_order),
            client_micros_per_order: per_order(Measurement::client_micros_per_order),
            unsent: rounds.iter().map(|m| m.outcome.unsent).sum(),
        }
    }
}

impl Run {
    fn new(measurement: &Measurement) -> Self {
        let outcome = &measurement.outcome;
        let decided = measurement.decided.as_ref();
        Self {
            round: measurement.round,
            subject: measurement.subject,
            accepted: outcome.accepted,
            refused: outcome.refused.clone(),
            unanswered: outcome.unanswered,
            unsent: outcome.unsent,
            seconds: rounded(outcome.took.as_secs_f64(), 3),
            accepted_per_second: rounded(measurement.accepted_per_second(), 1),
            decided: decided.map(|d| d.orders),
            decided_seconds: decided.map(|d| rounded(d.took.as_secs_f64(), 3)),
            decided_per_second: measurement.decided_per_second().map(|r| rounded(r, 1)),
            memory: measurement.memory,
        }
    }
}

impl Ratios {
    fn new(measurements: &[Measurement]) -> Self {
        let rates = |subject| -> BTreeMap<u32, f64> {
            measurements.iter().filter(|m| m.subject == subject).map(|m| (m.round, m.per_second())).collect()
        };
        let (ceiling, spread) = (rates(Subject::Ceiling), rates(Subject::Full { hot: false }));
        let hot = rates(Subject::Full { hot: true });
        let costs = |usual: bool| -> BTreeMap<u32, f64> {
            let side = measurements.iter().filter(|m| matches!(m.subject, Subject::Full { .. }) == usual);
            side.filter_map(|m| Some((m.round, m.server_micros_per_order()?))).collect()
        };
        let compared = measurements.iter().find_map(|m| match m.subject {
            Subject::Unusual { feature, .. } => Some(feature),
            _ => None,
        });
        let cost = |of: Feature| Ratio::new(&costs(of.is_usual()), &costs(!of.is_usual()));
        Self {
            accept_to_ceiling: Ratio::new(&rates(Subject::Accept), &ceiling),
            // `--hot` measures no other orders than hot ones.
            full_to_ceiling: Ratio::new(if spread.is_empty() { &hot } else { &spread }, &ceiling),
            hot_to_spread: Ratio::new(&hot, &spread),
            with_to_without: compared.and_then(cost),
        }
    }
}

impl Ratio {
    /// Rates of the same rounds, in order.
    pub(crate) fn of_rounds(rates: &[f64], base: &[f64]) -> Option<Self> {
        let numbered = |rates: &[f64]| (1..).zip(rates.iter().copied()).collect();
        Self::new(&numbered(rates), &numbered(base))
    }

    /// Rates by round; a round in which one side is missing does not count. `None` if none does.
    fn new(rates: &BTreeMap<u32, f64>, base: &BTreeMap<u32, f64>) -> Option<Self> {
        let ratios = rates.iter().filter_map(|(round, rate)| {
            let base = base.get(round).filter(|base| **base > 0.0)?;
            Some(rounded(rate / base, 3))
        });
        let rounds: Vec<f64> = ratios.collect();
        Some(Self { median: rounded(median(rounds.clone())?, 3), rounds })
    }
}

fn problems(measurement: &Measurement, interrupted: bool) -> Vec<String> {
    let outcome = &measurement.outcome;
    let place = format!("round {}, {}", measurement.round, measurement.subject.name());
    let mut problems = Vec::new();
    if !outcome.refused.is_empty() {
        let counts: Vec<String> =
            outcome.refused.iter().map(|(status, n)| format!("{n} times {status}")).collect();
        problems.push(format!("{place}: not accepted: {}", counts.join(", ")));
    }
    if outcome.unanswered > 0 {
        problems.push(format!("{place}: {} orders were not answered", outcome.unanswered));
    }
    if let Some(problem) = &outcome.problem {
        problems.push(format!("{place}: the first of these: {problem}"));
    }
    if outcome.accepted == 0 && !interrupted {
        problems.push(format!("{place}: no order was accepted"));
    }
    if let Some(decided) = &measurement.decided {
        let missing = outcome.accepted.saturating_sub(decided.orders);
        if missing > 0 && !interrupted {
            problems.push(format!(
                "{place}: {missing} of {} orders were not decided in time (counter orders_stock_decided_total)",
                outcome.accepted
            ));
        }
        if decided.followed.not_reserved > 0 {
            problems.push(format!(
                "{place}: {} of the orders that were followed were not reserved",
                decided.followed.not_reserved
            ));
        }
    }
    problems
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

fn rounded(value: f64, decimals: i32) -> f64 {
    let unit = 10f64.powi(decimals);
    (value * unit).round() / unit
}
