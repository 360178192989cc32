//! `holdfast dlq`: the dead letters of running services.

mod act;
mod all;
mod list;
mod show;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use holdfast_contract::Topic;
use holdfast_service::operator::DeadLetterId;

use super::operator::{Service, ServiceArgs, ServiceName, encode};
use crate::cli::RuntimeArgs;

/// Where the API has them.
const LETTERS: &str = "/api/v1/dead-letters";

/// Arguments of `holdfast dlq`.
#[derive(Args, Clone, Debug)]
pub struct DlqArgs {
    /// What to do; not given: list.
    #[command(subcommand)]
    pub command: Option<DlqCommand>,

    /// Where the services are.
    #[command(flatten)]
    pub services: ServiceArgs,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// The subcommands.
#[derive(Clone, Debug, Subcommand)]
pub enum DlqCommand {
    /// List what is parked, and why.
    List(FilterArgs),
    /// Show one dead letter: where it was, what is wrong with it, its headers and its payload.
    Show {
        /// As the list shows it: orders-12, products-3.
        #[arg(value_name = "ID")]
        id: DeadLetterId,
    },
    /// Process dead letters again, as if they came now.
    ///
    /// Those that were parked behind one follow by themselves, in order. One that still cannot be processed stays, and the
    /// attempt is counted. Ends with 1 if any stays.
    Replay(ReplayArgs),
    /// Give dead letters up: they are forgotten without being processed.
    ///
    /// A discarded request for stock rejects its order (PROCESSING_FAILED), if that is not decided yet. Those that were
    /// parked behind one are replayed. On a terminal it says what would happen and asks first.
    Discard(DiscardArgs),
}

/// Which dead letters.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct FilterArgs {
    /// Only those of this service.
    #[arg(long, value_enum, value_name = "NAME")]
    pub service: Option<ServiceName>,

    /// Only those that came on this topic.
    #[arg(long, value_name = "TOPIC", value_parser = topic)]
    pub topic: Option<Topic>,

    /// Only those of this order, by number or id.
    #[arg(long, value_name = "ORDER")]
    pub order: Option<String>,
}

/// What is replayed.
#[derive(Args, Clone, Debug)]
pub struct ReplayArgs {
    /// As the list shows them: orders-12, products-3.
    #[arg(value_name = "ID", required_unless_present = "all")]
    pub ids: Vec<DeadLetterId>,

    /// All of them, in order; with --service, --topic or --order, all of those.
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,

    /// Which, with --all.
    #[command(flatten)]
    pub filter: FilterArgs,

    /// Say what would happen, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// What is discarded.
#[derive(Args, Clone, Debug)]
pub struct DiscardArgs {
    /// As the list shows them: orders-12, products-3.
    #[arg(value_name = "ID", required = true)]
    pub ids: Vec<DeadLetterId>,

    /// Say what would happen, and change nothing.
    #[arg(long)]
    pub dry_run: bool,

    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

fn topic(text: &str) -> Result<Topic, String> {
    text.parse().map_err(|()| "no such topic; `holdfast topics` lists them".to_owned())
}

/// Does it, and writes what there is to say to `out`.
///
/// # Errors
/// If what is asked for makes no sense, or the output cannot be written. What a service refuses, or that it is not there,
/// is said on standard error, and the exit code is 1.
pub async fn run(args: DlqArgs, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let services = &args.services;
    match args.command.unwrap_or(DlqCommand::List(FilterArgs::default())) {
        DlqCommand::List(filter) => list::run(services, &filter, out).await,
        DlqCommand::Show { id } => show::run(services, &id, out).await,
        DlqCommand::Replay(ReplayArgs { all: true, filter, dry_run, .. }) => {
            all::run(services, &filter, dry_run, out).await
        }
        DlqCommand::Replay(ReplayArgs { filter, .. }) if filter != FilterArgs::default() => {
            anyhow::bail!("--service, --topic and --order choose among all: give --all with them")
        }
        DlqCommand::Replay(ReplayArgs { ids, dry_run, .. }) => {
            act::replay(services, &ids, dry_run, out).await
        }
        DlqCommand::Discard(args) => act::discard(services, &args, out).await,
    }
}

/// The service that has a dead letter.
fn owner(services: &ServiceArgs, id: &DeadLetterId) -> anyhow::Result<Service> {
    let name = ServiceName::ALL.into_iter().find(|name| name.as_str() == id.service);
    match name {
        Some(name) => Ok(services.service(name)),
        None => anyhow::bail!(
            "{id}: there is no service {:?}; ids are such as orders-12 or products-3",
            id.service
        ),
    }
}

impl FilterArgs {
    /// The services that are asked.
    fn services(&self) -> impl Iterator<Item = ServiceName> {
        let only = self.service;
        ServiceName::ALL.into_iter().filter(move |name| only.is_none_or(|only| only == *name))
    }

    /// The list's address, without a cursor.
    fn path(&self) -> String {
        let mut path = format!("{LETTERS}?limit=200");
        if let Some(topic) = self.topic {
            path.push_str(&format!("&topic={topic}"));
        }
        if let Some(order) = &self.order {
            path.push_str(&format!("&order={}", encode(order)));
        }
        path
    }
}
