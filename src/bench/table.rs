//! The report for people.

use std::fmt::Write;

use super::args::Subject;
use super::latency::Quantiles;
use super::report::{Ratio, Report, Run, Summary};
use super::stages::Stages;
use crate::table::Table;

/// Writes the whole report, as several tables of text.
pub(crate) fn render(report: &Report) -> String {
    let mut text = head(report);
    text.push('\n');
    text.push_str(&rates(report));
    text.push('\n');
    text.push_str(&latencies(report));
    let ratios = ratios(report);
    if !ratios.is_empty() {
        text.push('\n');
        text.push_str(&ratios);
    }
    if report.settings.rounds > 1 {
        text.push('\n');
        text.push_str(&rounds(&report.runs));
    }
    if report.interrupted {
        text.push_str("\nStopped before its end: these figures are those of what was sent until then.\n");
    }
    for problem in &report.problems {
        text.push_str("\nPROBLEM  ");
        text.push_str(problem);
    }
    if !report.problems.is_empty() {
        text.push('\n');
    }
    text
}

/// Writes what the stages of a cluster reach.
pub(crate) fn render_stages(stages: &Stages) -> String {
    let mut text = format!(
        "Holdfast {} bench: stages on Kafka and {}, {} orders a run\n\n",
        stages.version,
        stages.store,
        count(stages.orders)
    );
    let mut table = Table::new(["", "per second", "rounds"]);
    for (what, rates) in [
        ("bare producer, messages", &stages.bare),
        ("relay, messages", &stages.relay),
        ("consumer, orders", &stages.batched),
        ("consumer, one hot product, orders", &stages.hot),
        ("consumer, one order per transaction", &stages.one_by_one),
    ] {
        let whole = |rate: &f64| format!("{rate:.0}");
        let rounds: Vec<String> = rates.iter().map(whole).collect();
        let middle = super::report::median(rates.clone()).map_or_else(dash, |rate| whole(&rate));
        table.row([what.to_owned(), middle, rounds.join(" ")]);
    }
    text.push_str(&table.to_string());
    text.push('\n');
    for (what, ratio) in [
        ("relay / bare producer", &stages.ratios.relay_to_bare),
        ("consumer / one order per transaction", &stages.ratios.batched_to_one_by_one),
        ("consumer, hot / spread", &stages.ratios.hot_to_batched),
    ] {
        if let Some(ratio) = ratio {
            text.push_str(&format!("{what}: {}\n", ratio.median));
        }
    }
    text
}

fn head(report: &Report) -> String {
    let s = &report.settings;
    let load = match s.orders_per_second {
        Some(rate) => {
            format!("open loop, {} orders/s over {} connections", count(rate.into()), s.connections)
        }
        None => format!("closed loop over {} connections", s.connections),
    };
    let lines = if s.lines == 1 { "1 line".to_owned() } else { format!("{} lines", s.lines) };
    let products = if s.products == 1 { "1 product".to_owned() } else { format!("{} products", s.products) };
    let rounds = if s.rounds == 1 { "1 round".to_owned() } else { format!("{} rounds", s.rounds) };
    let m = &report.machine;
    let place = match (&s.orders_url, &m.file_system, m.flush_micros) {
        (Some(url), ..) => format!("a running system at {url}"),
        (None, Some(system), Some(flush)) => {
            format!("data on {system}, which flushes 4 KiB in {} ms", millis(flush))
        }
        _ => "a system started for this".to_owned(),
    };
    let warning = match m.file_system.as_deref() {
        Some("tmpfs" | "ramfs") => "\nThe data is in memory, so durability cost nothing here; use --dir.",
        _ => "",
    };
    format!(
        "Holdfast {} bench: {load}\nup to {} orders or {} s a run after {} s of warm-up, {lines} each, {products}, {rounds}\n{} cores, {} threads on each side, {place}{warning}\n",
        report.version,
        count(s.orders),
        s.seconds,
        s.warm_up_seconds,
        m.cores,
        s.worker_threads,
    )
}

fn rates(report: &Report) -> String {
    let mut table =
        Table::new(["", "orders/s", "accepted/s", "server µs/order", "client µs/order", "memory", "peak"]);
    for s in &report.subjects {
        let micros = |value: Option<f64>| value.map_or_else(dash, |v| format!("{v:.1}"));
        table.row([
            s.subject.label().to_owned(),
            count_f64(s.per_second),
            count_f64(s.accepted_per_second),
            micros(s.server_micros_per_order),
            micros(s.client_micros_per_order),
            s.memory.map_or_else(dash, |m| megabytes(m.resident_bytes)),
            s.memory.map_or_else(dash, |m| megabytes(m.peak_bytes)),
        ]);
    }
    table.to_string()
}

fn latencies(report: &Report) -> String {
    let mut table = Table::new(["milliseconds", "p50", "p90", "p99", "p99.9", "max", "count"]);
    let mut row = |label: String, quantiles: &Option<Quantiles>| {
        if let Some(q) = quantiles {
            table.row([
                label,
                millis(q.p50_micros),
                millis(q.p90_micros),
                millis(q.p99_micros),
                millis(q.p999_micros),
                millis(q.max_micros),
                count(q.count),
            ]);
        }
    };
    let corrected = match report.settings.orders_per_second {
        Some(_) => "from when it was due",
        None => "corrected*",
    };
    for s in &report.subjects {
        row(format!("{}: answered", s.subject.label()), &s.answer);
        row(format!("  {corrected}"), &s.answer_corrected);
        row("  stock decided (sample)".to_owned(), &s.decided);
    }
    let mut text = table.to_string();
    if report.settings.orders_per_second.is_none() {
        text.push_str(
            "* for coordinated omission: as if every connection had kept sending at its mean pace\n",
        );
    }
    for s in report.subjects.iter().filter(|s| s.unsent > 0) {
        let _ = writeln!(text, "{}", unsent(s));
    }
    text
}

fn unsent(summary: &Summary) -> String {
    let label = summary.subject.label();
    format!(
        "{label}: {} orders were due and could not be sent: it does not keep up with this rate",
        count(summary.unsent)
    )
}

fn ratios(report: &Report) -> String {
    let mut text = String::new();
    let mut line = |label: String, ratio: &Option<Ratio>| {
        if let Some(ratio) = ratio {
            let rounds: Vec<String> = ratio.rounds.iter().map(|r| format!("{r:.3}")).collect();
            let _ = writeln!(text, "{label}  {:.3}   (rounds: {})", ratio.median, rounds.join(", "));
        }
    };
    let ceiling = Subject::Ceiling.label();
    line(format!("accept / {ceiling}            "), &report.ratios.accept_to_ceiling);
    line(format!("accept + decide / {ceiling}   "), &report.ratios.full_to_ceiling);
    line("one hot product / spread      ".to_owned(), &report.ratios.hot_to_spread);
    line("processor time for an order, with / without".to_owned(), &report.ratios.with_to_without);
    text
}

fn rounds(runs: &[Run]) -> String {
    let mut table = Table::new(["round", "orders", "accepted/s", "decided/s", "memory"]);
    for run in runs {
        table.row([
            format!("{} {}", run.round, run.subject.label()),
            count(run.accepted),
            count_f64(run.accepted_per_second),
            run.decided_per_second.map_or_else(dash, count_f64),
            run.memory.map_or_else(dash, |m| megabytes(m.resident_bytes)),
        ]);
    }
    table.to_string()
}

fn dash() -> String {
    "–".to_owned()
}

fn count_f64(value: f64) -> String {
    count(value.round() as u64)
}

/// Thousands apart: `12,345`.
fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn millis(micros: u64) -> String {
    match micros {
        0..10_000 => format!("{}.{:02}", micros / 1000, micros % 1000 / 10),
        10_000..1_000_000 => format!("{}.{}", micros / 1000, micros % 1000 / 100),
        _ => count(micros / 1000),
    }
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!(count(7), "7");
        assert_eq!(count(12_345), "12,345");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(millis(1_239), "1.23");
        assert_eq!(millis(12_390), "12.3");
        assert_eq!(millis(1_239_000), "1,239");
        assert_eq!(megabytes(150_000_000), "150.0 MB");
    }

    #[test]
    fn columns_are_aligned() {
        let mut table = Table::new(["", "µs"]);
        table.row(["a long name".to_owned(), "1".to_owned()]);
        table.row(["b".to_owned(), "1,000".to_owned()]);
        assert_eq!(table.to_string(), "                 µs\na long name       1\nb             1,000\n");
    }
}
