//! What is in `deploy/` speaks of metrics, labels and runbooks that there are, and the image has what the program needs. The
//! manifests for Kubernetes are checked by `tools/kubernetes`.

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

/// `promtool` runs them (`make alerts`); it does not say which are missing.
#[test]
fn every_alert_is_tested_to_come_and_to_stay_away() {
    let (rules, tests) = (file("deploy/prometheus/alerts.yml"), file("deploy/prometheus/alerts_test.yml"));
    let names: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() > 5, "{names:?}");
    for name in names {
        let comes = format!("        alertname: {name}\n        exp_alerts:\n          - exp_labels:");
        let stays_away = format!("alertname: {name}, exp_alerts: []");
        assert!(tests.contains(&comes) && tests.contains(&stays_away), "{name}");
    }
}

/// The names of the metrics that the code makes: what follows `counter!(`, `gauge!(` and `histogram!(`.
fn made() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for kind in ["counter!(", "gauge!(", "histogram!("] {
                    let names = text.split(kind).skip(1).filter_map(|rest| {
                        rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned)
                    });
                    // Those are of a test of the metrics themselves.
                    found.extend(names.filter(|name| !name.starts_with("telemetry_test_")));
                }
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = BTreeSet::new();
    ["src", "crates", "services"].iter().for_each(|folder| walk(&root.join(folder), &mut found));
    found
}

#[test]
fn every_metric_is_described() {
    let (made, described) = (made(), described());
    let unsaid: Vec<_> = made.iter().filter(|name| !described.contains_key(*name)).collect();
    assert!(unsaid.is_empty(), "docs/operations.md does not describe {unsaid:?}");
    let gone: Vec<_> = described.keys().filter(|name| !made.contains(*name)).collect();
    assert!(gone.is_empty(), "docs/operations.md describes {gone:?}, which the code does not make");
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

/// The image's last stage has only these libraries.
#[test]
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn the_program_is_linked_with_nothing_that_the_image_lacks() {
    let listed = std::process::Command::new("ldd").arg(env!("CARGO_BIN_EXE_holdfast")).output().unwrap();
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(|path| path.rsplit('/').next().unwrap_or(path))
        .collect();
    assert!(names.contains(&"libc.so.6"), "{listed}");
    for name in names {
        let is_there = ["linux-vdso.so.", "ld-linux", "libc.so.", "libm.so.", "libgcc_s.so."];
        assert!(is_there.iter().any(|there| name.starts_with(there)), "{name} is not in the image");
    }
}
