//! `holdfast dlq list`.

use std::io::Write;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::FilterArgs;
use crate::commands::operator::{CallError, Missing, Service, ServiceArgs, encode, print_json, text};
use crate::table::Table;

/// Characters of an error that a list shows.
const ERROR: usize = 60;

pub(super) async fn run(
    services: &ServiceArgs,
    filter: &FilterArgs,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let mut missing = Missing::default();
    let mut letters = Vec::new();
    for name in filter.services() {
        let found = all(&mut services.service(name), filter).await;
        letters.extend(missing.unless(name, found).unwrap_or_default());
    }
    if services.json {
        print_json(out, &json!({ "deadLetters": letters, "unreachable": missing.json() }))?;
    } else if !letters.is_empty() {
        write!(out, "{}", table(&letters))?;
    } else if missing.is_empty() {
        writeln!(out, "Nothing is parked.")?;
    }
    Ok(missing.conclude())
}

/// Every dead letter of a service that the filter takes, in the order they were parked in.
pub(super) async fn all(service: &mut Service, filter: &FilterArgs) -> Result<Vec<Value>, CallError> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut page = service.get(&format!("{}{cursor}", filter.path())).await?;
        if let Value::Array(letters) = page["data"]["deadLetters"].take() {
            all.extend(letters);
        }
        match page["meta"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={}", encode(next)),
            None => return Ok(all),
        }
    }
}

fn table(letters: &[Value]) -> Table {
    let mut table =
        Table::new(["ID", "ORDER", "TOPIC", "CAUSE", "PARKED", "PARTITION", "OFFSET", "ATTEMPTS"]).left(5);
    for letter in letters {
        let cause = match letter["error"].as_str() {
            Some(error) => format!("poison: {}", cut(error)),
            None => text(&letter["cause"]),
        };
        table.row([
            text(&letter["id"]),
            letter["orderNumber"].as_str().unwrap_or("-").to_owned(),
            text(&letter["topic"]),
            cause,
            text(&letter["parkedAt"]),
            text(&letter["partition"]),
            text(&letter["offset"]),
            text(&letter["attempts"]),
        ]);
    }
    table
}

fn cut(error: &str) -> String {
    if error.chars().count() <= ERROR {
        return error.to_owned();
    }
    let start: String = error.chars().take(ERROR - 1).collect();
    format!("{start}…")
}
