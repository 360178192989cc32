//! `holdfast groups`: how far the consumer groups of running services are.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::operator::{Missing, ServiceArgs, ServiceName, entries, print_json, text};
use crate::cli::RuntimeArgs;
use crate::table::Table;

/// Arguments of `holdfast groups`.
#[derive(Args, Clone, Debug)]
pub struct GroupsArgs {
    /// Only the group of this service.
    #[arg(long, value_enum, value_name = "NAME")]
    pub service: Option<ServiceName>,

    /// Where the services are.
    #[command(flatten)]
    pub services: ServiceArgs,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// Writes every group's position, log end and lag to `out`.
///
/// # Errors
/// If the output cannot be written. A service that is not there is said on standard error, and the exit code is 1.
pub async fn run(args: GroupsArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let mut missing = Missing::default();
    let mut groups = Vec::new();
    for name in ServiceName::ALL.into_iter().filter(|name| args.service.is_none_or(|only| only == *name)) {
        let found = args.services.service(name).get("/api/v1/groups").await;
        if let Some(mut answer) = missing.unless(name, found)
            && let Value::Array(found) = answer["data"]["groups"].take()
        {
            groups.extend(found);
        }
    }
    if args.services.json {
        print_json(out, &json!({ "groups": groups, "unreachable": missing.json() }))?;
    } else {
        for (n, group) in groups.iter().enumerate() {
            if n > 0 {
                writeln!(out)?;
            }
            print(out, group)?;
        }
    }
    Ok(missing.conclude())
}

/// Columns as `kafka-consumer-groups --describe` has them.
fn print(out: &mut dyn Write, group: &Value) -> std::io::Result<()> {
    let name = text(&group["group"]);
    let mut table =
        Table::new(["GROUP", "TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "PARKED"])
            .left(2);
    let mut odd = Vec::new();
    for partition in entries(&group["partitions"]) {
        let (topic, number) = (text(&partition["topic"]), text(&partition["partition"]));
        let position = partition["position"].as_u64().map_or("-".to_owned(), |at| at.to_string());
        match partition["positionState"].as_str() {
            Some("otherLog") => odd.push(format!("{topic}/{number}: the position is of another log")),
            Some("outside") => odd.push(format!("{topic}/{number}: the position lies outside the log")),
            _ => {}
        }
        table.row([
            name.clone(),
            topic,
            number,
            position,
            text(&partition["endOffset"]),
            text(&partition["lag"]),
            text(&partition["parked"]),
        ]);
    }
    write!(out, "{table}")?;
    for line in odd {
        writeln!(out, "{line}; the group starts at its beginning.")?;
    }
    let (lag, parked) = (text(&group["lag"]), text(&group["parked"]));
    writeln!(out, "{name}: total lag {lag}, parked {parked}")
}
