//! `holdfast dlq replay --all`.

use std::collections::HashSet;
use std::io::Write;
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::act::{Act, lines};
use super::{FilterArgs, list};
use crate::commands::operator::{Missing, ServiceArgs, complain, entries, print_json, text};

/// From here on it may take long enough to show how far it is.
const LONG: usize = 20;

/// What has become of them.
#[derive(Default)]
struct Tally {
    replayed: usize,
    stuck: Vec<Value>,
    failed: Vec<Value>,
}

pub(super) async fn run(
    services: &ServiceArgs,
    filter: &FilterArgs,
    dry_run: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let mut missing = Missing::default();
    let mut tally = Tally::default();
    let mut effects = Vec::new();
    for name in filter.services() {
        let mut service = services.service(name);
        let found = list::all(&mut service, filter).await;
        let Some(letters) = missing.unless(name, found) else { continue };
        let firsts = firsts(&letters);
        let bar = progress(firsts.len());
        for id in firsts {
            match Act::Replay.call(&mut service, &id, dry_run).await {
                Ok(data) => {
                    let replayed = entries(&data["replayed"]);
                    tally.replayed += replayed.len();
                    if !data["stuck"].is_null() {
                        tally.stuck.push(data["stuck"].clone());
                    }
                    if services.json {
                        effects.extend(replayed.iter().cloned());
                    } else {
                        let lines = lines(&id, &data);
                        bar.suspend(|| lines.iter().try_for_each(|line| writeln!(out, "{line}")))?;
                    }
                }
                // Somebody else was faster.
                Err(error) if error.code() == Some("DEAD_LETTER_NOT_FOUND") => {}
                Err(error) if error.code() == Some("STILL_POISON") => {
                    if !services.json {
                        bar.suspend(|| writeln!(out, "{error}"))?;
                    }
                    tally.stuck.push(json!({ "id": id, "error": error.to_string() }));
                }
                Err(error) => {
                    bar.suspend(|| complain(&format!("{id}: {error}")));
                    tally.failed.push(json!({ "id": id, "code": error.code(), "error": error.to_string() }));
                    if error.code().is_none() {
                        // Nobody is there to ask for the others.
                        break;
                    }
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    let Tally { replayed, stuck, failed } = &tally;
    if services.json {
        let document = json!({
            "dryRun": dry_run, "replayed": effects, "stuck": stuck, "failed": failed, "unreachable": missing.json(),
        });
        print_json(out, &document)?;
    } else {
        let would = if dry_run { "would be " } else { "" };
        writeln!(out, "{replayed} {would}replayed, {} still poison, {} failed.", stuck.len(), failed.len())?;
    }
    let code = missing.conclude();
    Ok(if stuck.is_empty() && failed.is_empty() { code } else { ExitCode::FAILURE })
}

/// The ids of those that come first of their order and topic, in order: the others follow them.
fn firsts(letters: &[Value]) -> Vec<String> {
    let mut seen = HashSet::new();
    let first = |letter: &&Value| match letter["orderId"].as_str() {
        Some(order) => seen.insert((text(&letter["topic"]), order.to_owned())),
        None => true,
    };
    letters.iter().filter(first).map(|letter| text(&letter["id"])).collect()
}

/// Hidden by itself where there is no terminal.
fn progress(count: usize) -> ProgressBar {
    if count < LONG {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(count as u64).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_of_an_order_and_topic_is_replayed() {
        let letter =
            |id: &str, topic: &str, order: Option<&str>| json!({"id": id, "topic": topic, "orderId": order});
        let letters = [
            letter("orders-1", "a", Some("x")),
            letter("orders-2", "a", None),
            letter("orders-3", "a", Some("x")),
            letter("orders-4", "b", Some("x")),
            letter("orders-5", "a", None),
            letter("orders-6", "a", Some("y")),
        ];
        assert_eq!(firsts(&letters), ["orders-1", "orders-2", "orders-4", "orders-5", "orders-6"]);
    }
}
