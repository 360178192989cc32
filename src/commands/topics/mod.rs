//! `holdfast topics`: what there is on the bus of running services.

mod tail;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::operator::{
    CallError, Service, ServiceArgs, ServiceName, complain, encode, entries, print_json, text,
};
use crate::cli::RuntimeArgs;
use crate::table::Table;

pub use self::tail::TailArgs;

/// Where the API has them.
const TOPICS: &str = "/api/v1/topics";

/// Arguments of `holdfast topics`.
#[derive(Args, Clone, Debug)]
pub struct TopicsArgs {
    /// What to do; not given: list.
    #[command(subcommand)]
    pub command: Option<TopicsCommand>,

    /// Where the services are; one that runs is enough.
    #[command(flatten)]
    pub services: ServiceArgs,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum TopicsCommand {
    /// List all topics and how many messages each keeps.
    List,
    /// Show one topic's partitions and offsets.
    Show {
        /// Its name.
        #[arg(value_name = "TOPIC")]
        topic: String,
    },
    /// Print a topic's newest messages, and then those that come, until Ctrl-C.
    ///
    /// Reading changes nothing and belongs to no consumer group.
    Tail(TailArgs),
}

/// Does it, and writes what there is to say to `out`.
///
/// # Errors
/// If the output cannot be written. What a service refuses, or that none is there, is said on standard error, and the exit
/// code is 1.
pub async fn run(args: TopicsArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let services = &args.services;
    let done = match args.command.unwrap_or(TopicsCommand::List) {
        TopicsCommand::List => list(services, out).await,
        TopicsCommand::Show { topic } => show(services, &topic, out).await,
        TopicsCommand::Tail(tail) => tail::run(services, &tail, out).await,
    };
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Stop::Call(error)) => {
            complain(&error);
            Ok(ExitCode::FAILURE)
        }
        // Whoever read has seen enough (`| head`).
        Err(Stop::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Stop::Output(error)) => Err(error.into()),
    }
}

/// Why a command ends early.
#[derive(Debug)]
enum Stop {
    Call(Box<CallError>),
    Output(std::io::Error),
}

impl From<CallError> for Stop {
    fn from(error: CallError) -> Self {
        Self::Call(Box::new(error))
    }
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

/// Asks the first service that is there: all see the same topics.
async fn ask_as<T: DeserializeOwned>(services: &ServiceArgs, path: &str) -> Result<(Service, T), CallError> {
    let mut orders = services.service(ServiceName::Orders);
    match orders.get_as(path).await {
        Ok(answer) => Ok((orders, answer)),
        Err(error) if error.is_away() => {
            let mut products = services.service(ServiceName::Products);
            match products.get_as(path).await {
                Ok(answer) => Ok((products, answer)),
                // Neither: what to do about the first is as good as about the second.
                Err(other) if other.is_away() => Err(error),
                Err(other) => Err(other),
            }
        }
        Err(error) => Err(error),
    }
}

async fn list(services: &ServiceArgs, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let (_, answer): (_, Value) = ask_as(services, TOPICS).await?;
    let topics = &answer["data"]["topics"];
    if services.json {
        return Ok(print_json(out, &json!({ "topics": topics }))?);
    }
    let mut table = Table::new(["TOPIC", "FROM", "PARTITIONS", "MESSAGES"]).left(2);
    for topic in entries(topics) {
        table.row([
            text(&topic["name"]),
            text(&topic["publishedBy"]),
            entries(&topic["partitions"]).len().to_string(),
            text(&topic["messages"]),
        ]);
    }
    Ok(write!(out, "{table}")?)
}

async fn show(services: &ServiceArgs, topic: &str, out: &mut (dyn Write + Send)) -> Result<(), Stop> {
    let (_, answer): (_, Value) = ask_as(services, &format!("{TOPICS}/{}", encode(topic))).await?;
    let topic = &answer["data"]["topic"];
    if services.json {
        return Ok(print_json(out, &json!({ "topic": topic }))?);
    }
    writeln!(out, "Topic        {}", text(&topic["name"]))?;
    writeln!(out, "From         {}", text(&topic["publishedBy"]))?;
    if let Some(copies) = topic["deadLetterTopic"].as_str() {
        writeln!(out, "Dead letters {copies}")?;
    }
    writeln!(out, "Incarnation  {}", text(&topic["incarnation"]))?;
    writeln!(out, "Messages     {}", text(&topic["messages"]))?;
    writeln!(out)?;
    let mut table = Table::new(["PARTITION", "START-OFFSET", "END-OFFSET", "MESSAGES"]).left(0);
    for partition in entries(&topic["partitions"]) {
        table.row(["partition", "startOffset", "endOffset", "messages"].map(|field| text(&partition[field])));
    }
    Ok(write!(out, "{table}")?)
}
