//! `holdfast dlq show`.

use std::io::Write;
use std::process::ExitCode;

use holdfast_service::operator::DeadLetterId;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{LETTERS, owner};
use crate::commands::operator::{ServiceArgs, complain, pretty, text};

/// The answer, with what must be shown as it came.
#[derive(Deserialize)]
struct Answer {
    data: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    dead_letter: Letter,
}

#[derive(Deserialize)]
struct Letter {
    payload: Box<RawValue>,
}

pub(super) async fn run(
    services: &ServiceArgs,
    id: &DeadLetterId,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let answer: Answer = match owner(services, id)?.get_as(&format!("{LETTERS}/{id}")).await {
        Ok(answer) => answer,
        Err(error) => {
            complain(&error);
            return Ok(ExitCode::FAILURE);
        }
    };
    let data = answer.data.get();
    if services.json {
        writeln!(out, "{}", pretty(data))?;
    } else {
        let fields: Value = serde_json::from_str(data)?;
        let Data { dead_letter: Letter { payload } } = serde_json::from_str(data)?;
        print(out, &fields["deadLetter"], payload.get())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print(out: &mut dyn Write, letter: &Value, payload: &str) -> std::io::Result<()> {
    let mut line = |name: &str, value: String| match value.is_empty() {
        true => Ok(()),
        false => writeln!(out, "{name:<12} {value}"),
    };
    let (id, first) = (text(&letter["id"]), text(&letter["first"]));
    let order = match (letter["orderNumber"].as_str(), letter["orderId"].as_str()) {
        (Some(number), Some(id)) => format!("{number} ({id})"),
        _ => "cannot be read: it is parked alone".to_owned(),
    };
    line("Id", id.clone())?;
    line(
        "Place",
        format!(
            "{}/{} offset {}",
            text(&letter["topic"]),
            text(&letter["partition"]),
            text(&letter["offset"])
        ),
    )?;
    line("Group", text(&letter["group"]))?;
    line("Order", order)?;
    line("Event", text(&letter["eventType"]))?;
    line("Cause", text(&letter["cause"]))?;
    line("Error", text(&letter["error"]))?;
    line("Attempts", text(&letter["attempts"]))?;
    line("Happened", text(&letter["timestamp"]))?;
    line("Parked", text(&letter["parkedAt"]))?;
    match letter["queue"].as_u64() {
        _ if first != id => line("Waits for", first)?,
        Some(queue) if queue > 1 => line("Behind it", (queue - 1).to_string())?,
        _ => {}
    }
    line("Key", text(&letter["key"]))?;
    if let Some(headers) = letter["headers"].as_object() {
        for (name, value) in headers {
            line("Header", format!("{name}: {}", text(value)))?;
        }
    }
    let encoding = text(&letter["payloadEncoding"]);
    writeln!(out, "Payload ({encoding}):")?;
    match encoding.as_str() {
        "json" => writeln!(out, "{}", pretty(payload)),
        _ => writeln!(out, "{}", text(&letter["payload"])),
    }
}
