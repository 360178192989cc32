//! What the operator's commands have in common: where the services are, and what to do when one is not there.

mod api;
mod raw;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

pub(crate) use self::api::{CallError, Service, encode};
pub(crate) use self::raw::{one_line, pretty};
use crate::client::{CallerArgs, Endpoint, endpoint};

/// A service of Holdfast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServiceName {
    /// Orders.
    Orders,
    /// Products.
    Products,
}

impl ServiceName {
    /// In the order that they are shown in.
    pub(crate) const ALL: [Self; 2] = [Self::Orders, Self::Products];

    /// Its name, as in ids of dead letters.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Products => "products",
        }
    }

    /// The variable that says where it is.
    fn variable(self) -> &'static str {
        match self {
            Self::Orders => "ORDERS_URL",
            Self::Products => "PRODUCTS_URL",
        }
    }
}

/// Where the services are.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Services")]
pub struct ServiceArgs {
    /// The running orders service.
    #[arg(long, env = "ORDERS_URL", default_value = "http://127.0.0.1:3004", value_name = "URL", value_parser = endpoint, global = true)]
    pub orders_url: Endpoint,

    /// The running products service.
    #[arg(long, env = "PRODUCTS_URL", default_value = "http://127.0.0.1:3001", value_name = "URL", value_parser = endpoint, global = true)]
    pub products_url: Endpoint,

    /// Who asks.
    #[command(flatten)]
    pub caller: CallerArgs,

    /// Print JSON, for programs.
    #[arg(long, global = true, help_heading = "Output")]
    pub json: bool,
}

impl ServiceArgs {
    /// A service, not connected yet.
    pub(crate) fn service(&self, name: ServiceName) -> Service {
        let endpoint = match name {
            ServiceName::Orders => &self.orders_url,
            ServiceName::Products => &self.products_url,
        };
        Service::new(name, endpoint.by(&self.caller))
    }
}

/// The services that did not answer: the others' part is shown all the same.
#[derive(Debug, Default)]
pub(crate) struct Missing(Vec<(ServiceName, CallError)>);

impl Missing {
    /// Takes what a service said, or notes that it said nothing.
    pub(crate) fn unless<T>(&mut self, service: ServiceName, said: Result<T, CallError>) -> Option<T> {
        said.map_err(|error| self.0.push((service, error))).ok()
    }

    /// Whether all have answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// For the JSON output.
    pub(crate) fn json(&self) -> Value {
        self.0
            .iter()
            .map(|(name, error)| json!({ "service": name.as_str(), "error": error.to_string() }))
            .collect()
    }

    /// Says on standard error what to do, and gives the command's exit code.
    pub(crate) fn conclude(&self) -> ExitCode {
        for (_, error) in &self.0 {
            complain(error);
        }
        if self.0.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Says on standard error what is wrong.
pub(crate) fn complain(what: &dyn std::fmt::Display) {
    // If it cannot be written, the exit code has to do.
    let _ = writeln!(std::io::stderr(), "holdfast: {what}");
}

/// One JSON document.
pub(crate) fn print_json(out: &mut dyn Write, value: &Value) -> std::io::Result<()> {
    writeln!(out, "{value:#}")
}

/// A field of an answer, for people; empty where there is none.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The entries of a list in an answer.
pub(crate) fn entries(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
