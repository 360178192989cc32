//! `holdfast doctor`: what is misconfigured, and how to mend it. It changes nothing.

mod environment;
mod files;
mod machine;
mod servers;
mod services;

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use holdfast_service::config::{Backends, CommonArgs, OrdersArgs, ProductsArgs};
use serde::Serialize;

use crate::cli::RuntimeArgs;
use crate::client::TokenArgs;
use crate::commands::operator::ServiceName;
use crate::table::Table;

/// Arguments of `holdfast doctor`: those that the system itself is run with.
#[derive(Args, Clone, Debug)]
pub struct DoctorArgs {
    /// The orders service.
    #[command(flatten)]
    pub orders: OrdersArgs,

    /// The products service.
    #[command(flatten)]
    pub products: ProductsArgs,

    /// What both take.
    #[command(flatten)]
    pub common: CommonArgs,

    /// As whom services that run are asked.
    #[command(flatten)]
    pub token: TokenArgs,

    /// Print one JSON document, for programs.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// It runs, and will not always.
    Warn,
    /// It does not run so, or data are at risk.
    Fail,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        })
    }
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    check: &'static str,
    state: State,
    /// What there is.
    found: String,
    /// What to do, unless all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, state: State::Ok, found: found.into(), advice: None }
    }

    fn warn(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Warn, found: found.into(), advice: Some(advice.into()) }
    }

    fn fail(check: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { check, state: State::Fail, found: found.into(), advice: Some(advice.into()) }
    }
}

/// Checks everything that is configured and writes to `out` what it finds, each with a line of advice. Exit code 0 if nothing
/// failed (there may be warnings), 1 if something did.
///
/// # Errors
/// If `out` cannot be written.
pub async fn run(args: DoctorArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let findings = examine(&args).await;
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    if args.json {
        let document = serde_json::json!({ "state": worst, "findings": findings });
        writeln!(out, "{document:#}")?;
    } else {
        print(&findings, out)?;
    }
    Ok(if worst == State::Fail { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn examine(args: &DoctorArgs) -> Vec<Finding> {
    let common = &args.common;
    let mut findings = vec![machine::open_files(), environment::env_file(".env".as_ref())];
    match common.backends() {
        Err(error) => findings.push(Finding::fail("back-ends", error.to_string(), "see above")),
        Ok(Backends::Embedded) => findings.extend(files::check(&common.data_dir)),
        Ok(Backends::KafkaAndSqlite { brokers }) => {
            findings.extend(files::check(&common.data_dir));
            findings.extend(servers::kafka(&common.kafka, brokers).await);
        }
        Ok(Backends::KafkaAndMongo { brokers, uri }) => {
            findings.extend(servers::kafka(&common.kafka, brokers).await);
            findings.extend(servers::mongodb(uri, &common.mongodb).await);
        }
    }
    let (shown, trust) = services::certificate(&common.tls);
    findings.extend(shown);
    for (name, addr) in
        [(ServiceName::Orders, args.orders.orders_addr), (ServiceName::Products, args.products.products_addr)]
    {
        findings.extend(services::check(name, addr, trust.as_ref(), &args.token).await);
    }
    findings
}

fn print(findings: &[Finding], out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(["CHECK", "STATE", "FOUND"]).left(3);
    for finding in findings {
        table.row([finding.check.to_owned(), finding.state.to_string(), finding.found.clone()]);
    }
    write!(out, "{table}")?;
    let advised = findings.iter().filter_map(|finding| Some((finding, finding.advice.as_ref()?)));
    for (at, (finding, advice)) in advised.enumerate() {
        let gap = if at == 0 { "\n" } else { "" };
        writeln!(out, "{gap}{} {}: {advice}", finding.state, finding.check)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_well_is_said_with_what_to_do() {
        let findings = [
            Finding::ok("a", "fine"),
            Finding::warn("b", "odd", "do this"),
            Finding::fail("c", "bad", "do that"),
        ];
        let mut out = Vec::new();
        print(&findings, &mut out).unwrap();
        let said = String::from_utf8(out).unwrap();
        assert!(said.ends_with("\nWARN b: do this\nFAIL c: do that\n"), "{said}");
        assert!(said.lines().nth(1).unwrap().contains("fine"), "{said}");
        assert!(State::Fail > State::Warn && State::Warn > State::Ok, "the worst counts");
    }
}
