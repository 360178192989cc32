//! What is in `deploy/` speaks of metrics, labels and runbooks that there are.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;
use support::{Client, Holdfast, decided, eventually, place, product};

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The expressions of the alerts: each is the line after `expr: >-`.
fn alerts() -> Vec<String> {
    let text = file("deploy/prometheus/alerts.yml");
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        if line.trim() == "expr: >-" {
            found.push(lines.next().unwrap().trim().to_owned());
        }
    }
    assert_eq!(found.len(), text.matches("- alert:").count());
    found
}

fn panels(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("expr").and_then(Value::as_str).map(str::to_owned));
            object.values().for_each(|value| panels(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| panels(value, found)),
        _ => {}
    }
}

/// The metrics of an expression, with the labels that they are selected by. A metric's name has an underscore, and no function's
/// name but those that are left out here.
fn metrics(expression: &str) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        rest = &rest[start..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after;
        let mut labels = Vec::new();
        if let Some(selected) = after.strip_prefix('{') {
            let (inside, beyond) = selected.split_once('}').unwrap();
            labels
                .extend(inside.split(',').map(|one| one.split(['=', '!']).next().unwrap().trim().to_owned()));
            rest = beyond;
        }
        if name.contains('_') && name != "histogram_quantile" {
            found.push((name.to_owned(), labels));
        }
    }
    found
}

/// Without what Prometheus adds to a histogram's name.
fn base(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name)
}

/// The metrics that `docs/operations.md` describes: their labels, and what it says of them.
fn described() -> BTreeMap<String, (Vec<String>, String)> {
    let text = file("docs/operations.md");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| `")?.split('|').map(str::trim).collect();
        let [name, kind, labels, _unit, meaning, ..] = cells[..] else { return None };
        let is_metric = matches!(kind, "counter" | "gauge" | "histogram");
        let labels = labels.split(',').map(|label| label.trim().to_owned()).collect();
        is_metric.then(|| (name.trim_end_matches('`').to_owned(), (labels, meaning.to_owned())))
    });
    rows.collect()
}

#[test]
fn alerts_and_panels_name_metrics_and_labels_that_are_described() {
    let described = described();
    let mut expressions = alerts();
    panels(&serde_json::from_str(&file("deploy/grafana/holdfast.json")).unwrap(), &mut expressions);
    let mut named = 0;
    for expression in &expressions {
        for (name, labels) in metrics(expression) {
            let (known, _) =
                described.get(base(&name)).unwrap_or_else(|| panic!("{name} is not described: {expression}"));
            for label in labels {
                assert!(known.contains(&label), "{name} has no label {label}: {expression}");
            }
            named += 1;
        }
    }
    assert!(named >= expressions.len(), "{named} metrics in {} expressions", expressions.len());
}

#[test]
fn every_alert_has_a_runbook() {
    let (rules, text) = (file("deploy/prometheus/alerts.yml"), file("docs/operations.md"));
    let headings: BTreeSet<String> =
        text.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    let anchors: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("runbook_url: docs/operations.md#"))
        .collect();
    assert_eq!(anchors.len(), rules.matches("- alert:").count());
    for anchor in anchors {
        assert!(headings.contains(anchor), "there is no runbook {anchor}");
    }
}

/// What is described is there, once something has happened.
#[test]
fn described_metrics_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let mut orders = Client::connect(system.orders).unwrap();
    let mut products = Client::connect(system.products).unwrap();
    let kettle = product(&mut products, "Kettle", 1);
    for _ in 0..2 {
        let id = place(&mut orders, &[(&kettle, 1)]);
        decided(&mut orders, &id);
    }
    // Some are looked at every few seconds.
    eventually("all metrics", || {
        let mut served = BTreeSet::new();
        for client in [&mut orders, &mut products] {
            let Value::String(text) = client.get("/metrics") else { panic!("no text") };
            served.extend(
                text.lines()
                    .filter_map(|line| line.strip_prefix("# TYPE "))
                    .map(|rest| rest.split(' ').next().unwrap().to_owned()),
            );
        }
        let elsewhere = ["Absent until", "Kafka only", "MongoDB only"];
        let missing: Vec<String> = described()
            .into_iter()
            .filter(|(name, (_, meaning))| {
                !served.contains(name) && !elsewhere.iter().any(|only| meaning.contains(only))
            })
            .map(|(name, _)| name)
            .collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not served: {missing:?}")) }
    });
    system.stop();
}
