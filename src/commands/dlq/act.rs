//! `holdfast dlq replay ID…` and `holdfast dlq discard ID…`.

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use holdfast_service::operator::DeadLetterId;
use serde_json::{Value, json};

use super::{DiscardArgs, LETTERS, owner};
use crate::commands::operator::{CallError, Service, ServiceArgs, entries, print_json, text};

/// What is done with a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Replay,
    Discard,
}

impl Act {
    fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Discard => "discard",
        }
    }

    /// Has the service do it; gives the answer's data.
    pub(super) async fn call(
        self,
        service: &mut Service,
        id: &str,
        dry_run: bool,
    ) -> Result<Value, CallError> {
        let path = format!("{LETTERS}/{id}/{}", self.as_str());
        Ok(service.post(&path, &json!({ "dryRun": dry_run })).await?["data"].take())
    }
}

pub(super) async fn replay(
    services: &ServiceArgs,
    ids: &[DeadLetterId],
    dry_run: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let mut results = Results::new(services.json);
    for id in ids {
        let mut service = owner(services, id)?;
        let result = Act::Replay.call(&mut service, &id.to_string(), dry_run).await;
        results.take(&id.to_string(), result, out)?;
    }
    results.conclude(out)
}

pub(super) async fn discard(
    services: &ServiceArgs,
    args: &DiscardArgs,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let asks = !args.yes && !args.dry_run && std::io::stdin().is_terminal();
    let mut results = Results::new(services.json);
    for id in &args.ids {
        let name = id.to_string();
        let mut service = owner(services, id)?;
        if asks {
            match Act::Discard.call(&mut service, &name, true).await {
                Ok(would) => {
                    service.hang_up();
                    if !confirmed(&name, &would)? {
                        results.left(&name, out)?;
                        continue;
                    }
                }
                Err(error) => {
                    results.take(&name, Err(error), out)?;
                    continue;
                }
            }
        }
        let result = Act::Discard.call(&mut service, &name, args.dry_run).await;
        results.take(&name, result, out)?;
    }
    results.conclude(out)
}

/// Says what would happen, and asks. On standard error: standard output may be read by a program.
fn confirmed(id: &str, would: &Value) -> anyhow::Result<bool> {
    let mut err = std::io::stderr();
    for line in lines(id, would) {
        writeln!(err, "{line}")?;
    }
    write!(err, "Discard {id}? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("reading the answer")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// What was done or would be, for people.
pub(super) fn lines(id: &str, data: &Value) -> Vec<String> {
    let dry_run = data["dryRun"] == true;
    let word = |done: &'static str, would: &'static str| if dry_run { would } else { done };
    let mut lines = Vec::new();
    if !data["discarded"].is_null() {
        let done = word("discarded", "would be discarded");
        lines.push(format!("{id}: {done}: {}", text(&data["discarded"]["effect"])));
    }
    for effect in entries(&data["replayed"]) {
        let done = word("replayed", "would be replayed");
        lines.push(format!("{}: {done}: {}", text(&effect["id"]), text(&effect["effect"])));
    }
    if !data["stuck"].is_null() {
        let stuck = &data["stuck"];
        let stays = word("stays parked", "would stay parked");
        lines.push(format!("{}: {stays}, still poison: {}", text(&stuck["id"]), text(&stuck["error"])));
    }
    lines
}

/// What became of each dead letter that was named.
struct Results {
    json: bool,
    results: Vec<Value>,
    all_done: bool,
}

impl Results {
    fn new(json: bool) -> Self {
        Self { json, results: Vec::new(), all_done: true }
    }

    fn take(
        &mut self,
        id: &str,
        result: Result<Value, CallError>,
        out: &mut (dyn Write + Send),
    ) -> anyhow::Result<()> {
        match result {
            Ok(data) => {
                self.all_done &= data["stuck"].is_null();
                if !self.json {
                    for line in lines(id, &data) {
                        writeln!(out, "{line}")?;
                    }
                }
                self.results.push(json!({ "id": id, "done": true, "outcome": data }));
            }
            Err(error) => {
                self.all_done = false;
                if !self.json {
                    // Beside the others' results, so that each id has its line.
                    writeln!(out, "{id}: {error}")?;
                }
                self.results.push(json!({
                    "id": id, "done": false, "code": error.code(), "error": error.to_string(),
                }));
            }
        }
        Ok(())
    }

    /// Somebody thought better of it.
    fn left(&mut self, id: &str, out: &mut (dyn Write + Send)) -> anyhow::Result<()> {
        self.all_done = false;
        if !self.json {
            writeln!(out, "{id}: left as it is")?;
        }
        self.results.push(json!({ "id": id, "done": false, "code": null, "error": "not confirmed" }));
        Ok(())
    }

    fn conclude(self, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
        if self.json {
            print_json(out, &json!({ "results": self.results }))?;
        }
        Ok(if self.all_done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
