//! Reports from made-up measurements.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Parser;
use tokio::time::Instant;

use super::args::{BenchArgs, Feature, Subject};
use super::decided::Followed;
use super::latency::Latencies;
use super::load::Outcome;
use super::measure::{Decided, Measurement};
use super::process::Memory;
use super::report::{Machine, Report, Settings, median};
use super::table;

const SPREAD: Subject = Subject::Full { hot: false };
const HOT: Subject = Subject::Full { hot: true };

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    bench: BenchArgs,
}

fn settings(args: &[&str]) -> Settings {
    Settings::new(&Cli::parse_from([&["bench"], args].concat()).bench)
}

/// 10,000 orders accepted in `millis`; decided in twice that, if the subject decides.
fn measurement(round: u32, subject: Subject, millis: u64) -> Measurement {
    let mut answer = Latencies::new();
    answer.record(Duration::from_micros(1500));
    let took = Duration::from_millis(millis);
    let decides = matches!(subject, Subject::Full { .. });
    Measurement {
        round,
        subject,
        outcome: Outcome {
            accepted: 10_000,
            refused: BTreeMap::new(),
            unanswered: 0,
            unsent: 0,
            problem: None,
            started: Instant::now(),
            took,
            corrected: answer.clone(),
            answer: answer.clone(),
        },
        decided: decides.then(|| Decided {
            orders: 10_000,
            took: took * 2,
            followed: Followed { decided: answer, not_reserved: 0 },
        }),
        memory: Some(Memory { resident_bytes: u64::from(round) * 10_000_000, peak_bytes: 50_000_000 }),
        server_time: Some(Duration::from_millis(230)),
        client_time: None,
    }
}

#[test]
fn the_median_is_the_middle() {
    assert_eq!(median(vec![]), None);
    assert_eq!(median(vec![3.0]), Some(3.0));
    assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
}

#[test]
fn ratios_are_those_of_each_round_and_their_median() {
    let mut all = Vec::new();
    // The machine is half as fast in round 2; one round has an outlier.
    for (round, ceiling, accept, full) in [(1, 100, 200, 125), (2, 200, 400, 250), (3, 100, 100, 125)] {
        all.push(measurement(round, Subject::Ceiling, ceiling));
        all.push(measurement(round, Subject::Accept, accept));
        all.push(measurement(round, SPREAD, full));
        all.push(measurement(round, HOT, full));
    }
    let report = Report::new(settings(&["--ceiling"]), Machine::default(), &all, false);
    let ratio = report.ratios.accept_to_ceiling.clone().unwrap();
    assert_eq!((ratio.median, ratio.rounds), (0.5, vec![0.5, 0.5, 1.0]));
    assert_eq!(report.ratios.full_to_ceiling.clone().unwrap().median, 0.4);
    assert_eq!(report.ratios.hot_to_spread.clone().unwrap().median, 1.0);
    let names: Vec<&str> = report.subjects.iter().map(|s| s.subject.name()).collect();
    assert_eq!(names, ["ceiling", "accept", "full", "full-hot"]);
    assert_eq!(report.subjects[0].per_second, 100_000.0);
    assert_eq!(report.subjects[2].per_second, 40_000.0);
    assert_eq!(report.subjects[2].accepted_per_second, 80_000.0);
    assert_eq!(report.subjects[2].memory.unwrap().resident_bytes, 30_000_000);
    assert_eq!(report.subjects[2].server_micros_per_order, Some(23.0));
    assert!(report.problems.is_empty());
}

#[test]
fn a_round_without_both_sides_has_no_ratio() {
    let all = [measurement(1, Subject::Ceiling, 100), measurement(2, SPREAD, 100)];
    let report = Report::new(settings(&["--ceiling"]), Machine::default(), &all, true);
    assert_eq!(report.ratios, Default::default());
}

#[test]
fn a_hot_run_is_compared_with_the_ceiling_too() {
    let all = [measurement(1, Subject::Ceiling, 100), measurement(1, HOT, 100)];
    let report = Report::new(settings(&["--ceiling", "--hot"]), Machine::default(), &all, false);
    assert_eq!(report.ratios.full_to_ceiling.unwrap().median, 0.5);
    assert_eq!(report.ratios.hot_to_spread, None);
}

#[test]
fn whatever_is_not_accepted_or_decided_is_a_problem() {
    let of = |change: fn(&mut Measurement)| {
        let mut measurement = measurement(1, SPREAD, 100);
        change(&mut measurement);
        Report::new(settings(&[]), Machine::default(), &[measurement], false).problems.join("\n")
    };
    assert_eq!(of(|_| {}), "");
    let refused = of(|m| {
        m.outcome.refused = BTreeMap::from([(409, 2), (503, 1)]);
        m.outcome.problem = Some("409: in words".to_owned());
    });
    assert!(refused.contains("2 times 409, 1 times 503") && refused.contains("409: in words"), "{refused}");
    assert!(of(|m| m.outcome.unanswered = 3).contains("3 orders were not answered"));
    assert!(of(|m| m.outcome.accepted = 0).contains("no order was accepted"));
    let undecided = of(|m| m.decided.as_mut().unwrap().orders = 9_990);
    assert!(undecided.contains("10 of 10000 orders were not decided"), "{undecided}");
    assert!(of(|m| m.decided.as_mut().unwrap().followed.not_reserved = 1).contains("not reserved"));
}

#[test]
fn the_table_says_what_was_found() {
    let all = [measurement(1, Subject::Ceiling, 100), measurement(1, SPREAD, 125)];
    let machine = Machine { cores: 2, file_system: Some("tmpfs".to_owned()), flush_micros: Some(310) };
    let text = table::render(&Report::new(settings(&["--ceiling"]), machine, &all, true));
    for part in [
        "closed loop over 64 connections",
        "up to 100,000 orders or 60 s",
        "data on tmpfs, which flushes 4 KiB in 0.31 ms",
        "use --dir",
        "accept + decide / bare axum     0.400   (rounds: 0.400)",
        "Stopped before its end",
        "50.0 MB",
        "1.50",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("PROBLEM"));
}

#[test]
fn the_document_has_stable_names() {
    let report =
        Report::new(settings(&["--rate", "500"]), Machine::default(), &[measurement(1, HOT, 100)], false);
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["settings"]["ordersPerSecond"], 500);
    assert_eq!(json["subjects"][0]["subject"], "full-hot");
    assert_eq!(json["subjects"][0]["answer"]["p50Micros"], 1500);
    assert_eq!(json["runs"][0]["decidedPerSecond"], 50_000.0);
    assert_eq!(json["runs"][0]["memory"]["residentBytes"], 10_000_000);
    assert_eq!(json["ratios"], serde_json::json!({}));
    assert_eq!(json["interrupted"], false);
}

#[test]
fn the_cost_of_a_feature_is_compared_round_by_round() {
    let cost = |round, subject, millis| {
        let server_time = Some(Duration::from_millis(millis));
        Measurement { server_time, ..measurement(round, subject, 1_000) }
    };
    let measured = |with: Subject, without: Subject| {
        [
            cost(1, with, 1_010),
            cost(1, without, 1_000),
            cost(2, without, 2_000),
            cost(2, with, 2_040),
            cost(3, with, 1_000),
            cost(3, without, 1_000),
        ]
    };
    let unusual = |feature| Subject::Unusual { feature, hot: false };
    for (name, with, without) in
        [("audit", SPREAD, unusual(Feature::Audit)), ("tokens", unusual(Feature::Tokens), SPREAD)]
    {
        let settings = settings(&["--cost-of", name]);
        let report = Report::new(settings, Machine::default(), &measured(with, without), false);
        let ratio = report.ratios.with_to_without.as_ref().unwrap();
        assert_eq!((ratio.median, &ratio.rounds[..]), (1.01, &[1.01, 1.02, 1.0][..]), "{name}");
        let of = |subject| report.subjects.iter().find(|summary| summary.subject == subject).unwrap();
        assert_eq!(of(with).server_micros_per_order, Some(101.0), "{name}");
        assert!(table::render(&report).contains("with / without"));
    }
}
