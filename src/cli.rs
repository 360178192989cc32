//! The command line.

use clap::{Parser, Subcommand};
use holdfast_orders::alone::AloneArgs as OrdersOnly;
use holdfast_products::alone::AloneArgs as ProductsOnly;
pub use holdfast_service::config::RuntimeArgs;

use crate::audit::AuditArgs;
use crate::backup::{BackupArgs, RestoreArgs};
use crate::bench::BenchArgs;
use crate::catalogue::{Export, ExportArgs, Import, ImportArgs};
use crate::chaos::ChaosArgs;
use crate::commands::api_docs::ApiDocsArgs;
use crate::commands::dlq::DlqArgs;
use crate::commands::groups::GroupsArgs;
use crate::commands::health::HealthArgs;
use crate::commands::run::RunArgs;
use crate::commands::seed::SeedArgs;
use crate::commands::sim::SimArgs;
use crate::commands::token::TokenCommandArgs;
use crate::commands::topics::TopicsArgs;
use crate::doctor::DoctorArgs;

const BENCH_EXAMPLES: &str = "\
Examples:
  holdfast bench                                  one run of 100,000 orders, closed loop over 64 connections
  holdfast bench --ceiling --hot-vs-spread        the figures of docs/performance.md
  holdfast bench --rate 5000 --seconds 30         answer times at 5,000 orders a second
  holdfast bench --cost-of audit                     what the background audit costs
  holdfast bench --lines 3 --products 1000        larger orders
  holdfast bench --orders-url http://127.0.0.1:3004 --products-url http://127.0.0.1:3001
                                                  a running system; its catalogue gets \"Bench product\"s
  holdfast bench --ceiling --json > bench.json    for programs

Ends with 0 if every order was accepted and decided, with 1 if not, with 130 after Ctrl-C (and prints what there is).";

const CHAOS_EXAMPLES: &str = "\
Examples:
  holdfast chaos                                  one minute on a fresh system in a temporary folder
  holdfast chaos --minutes 60                     longer
  holdfast chaos --kills 200 --seed 4711          the choices of an earlier run
  holdfast chaos --cluster                        two instances of each service on Kafka :9092 and MongoDB :27017
  holdfast chaos --kafka-brokers localhost:9092 --mongodb-uri mongodb://localhost:27017/?directConnection=true
                                                  on these servers; topics, groups and databases named chaos-… stay there
  holdfast chaos --json > chaos.json              for programs

docs/testing.md says what it proves and how to read what it finds.
Ends with 0 if nothing was lost, repeated or oversold and the audit is clean, with 1 and
what was found if not, with 130 after Ctrl-C (and says what there is).";

const AUDIT_EXAMPLES: &str = "\
Examples:
  holdfast audit                                  everything
  holdfast audit --explain \"Test Product\"         why its stock is what it is: holds, orders, movements
  holdfast audit --rebuild                        what is not as the movements say; nothing changes
  holdfast audit --rebuild --apply                put it back

Ends with 0 if everything adds up (or was put back), with 1 if not, with 2 if that cannot be said.";

const BACKUP_EXAMPLES: &str = "\
Examples:
  holdfast backup --to /backups/monday            of ./data, also while it is used
  holdfast restore --from /backups/monday --data-dir /var/lib/holdfast

A backup is a folder: orders.db, products.db, and manifest.json with what it is and its checksums.
docs/operations.md says what is as it was after a restore, and what not; also for Kafka and MongoDB.
Ends with 0 if it is done and the books in it balance, with 1 if they do not, with 2 if nothing was
done, with 130 after Ctrl-C.";

const IMPORT_EXAMPLES: &str = "\
Examples:
  holdfast import products autumn.csv --dry-run   check every row; nothing changes
  holdfast import products autumn.csv             make and change products
  holdfast export products all.jsonl --url http://10.0.0.7:3001

Columns: sku, name and price; perhaps description, currency, category, brand, tags (a|b), imageUrl,
rating, reviewCount, isActive, stock. A product is known by its SKU. An empty cell changes nothing;
stock is only for products that are made. docs/operations.md says more.
Ends with 0 if all rows are done, with 1 if one is wrong or was refused, with 2 if it could not
begin, with 130 after Ctrl-C.";

const DOCTOR_EXAMPLES: &str = "\
Give it the options, variables and folder (for .env) that the system is run with. It changes nothing.
Ends with 0 if nothing failed, also with warnings; with 1 if something did.";

const HEALTH_EXAMPLES: &str = "\
Examples:
  holdfast health                                 both services of one process
  holdfast health orders                          only this one
  holdfast health orders --without-broker         whether it may be sent requests, with Kafka or without

For container engines and probes: give it the variables that the service is run with. What is
asked is /health/ready.
Ends with 0 if all are ready, with 1 and what is not if not.";

const DLQ_EXAMPLES: &str = "\
Examples:
  holdfast dlq                                    what is parked, in both services
  holdfast dlq show products-3                    what is wrong with it, and what it says
  holdfast dlq replay products-3 --dry-run        what would happen; nothing changes
  holdfast dlq discard products-3                 give it up; those behind it follow
  holdfast dlq replay --all --topic inventory.reserve

docs/dead-letters.md says what to do when a message is parked.
Ends with 0 if everything was done, with 1 if something stays parked or a service
does not answer.";

const TOPICS_EXAMPLES: &str = "\
Examples:
  holdfast topics                                         all topics
  holdfast topics tail inventory.reserve                  the newest ten messages, and those that come
  holdfast topics tail order.created --from-beginning --no-follow --json
  holdfast topics tail inventory.rejected --key ORD-0C5T8GK2M9QRS";

const GROUPS_EXAMPLES: &str = "\
Positions are those of the services' databases, which move with the effects.
With Kafka, `kafka-consumer-groups --describe` shows what the broker was told of them,
a little later.";

const SIM_EXAMPLES: &str = "\
Examples:
  holdfast sim --seeds 1..1000                    a thousand seeds
  holdfast sim --seed 42 --trace                  one seed, and everything that happens in it
  holdfast sim --seeds 1..100000 --steps 500      over night

A seed is a plan of operations and faults, a way to put the system together, and an order in
which everything happens: the same seed always does the same, and has the same trace hash.
Ends with 0 if nothing broke, with 1 and the shortest history that was found if something did,
with 130 after Ctrl-C. docs/testing.md says what is checked.";

const TOKEN_EXAMPLES: &str = "\
Examples:
  export ACCESS_TOKEN_SECRET=$(openssl rand -base64 48)
  holdfast                                                 asks everybody for a token
  holdfast token --sub ada --role customer                 good for an hour
  export HOLDFAST_TOKEN=$(holdfast token --sub me --role operator --ttl 8h)
  holdfast dlq                                             shows that token
  curl -H \"Authorization: Bearer $HOLDFAST_TOKEN\" http://127.0.0.1:3004/api/v1/orders

SECURITY.md says what each role may do.";

const EXAMPLES: &str = "\
Examples:
  holdfast                                 everything, on http://127.0.0.1:3004 (orders) and :3001 (products)
  holdfast --data-dir /var/lib/holdfast    the same, with its databases there
  ORDERS_ADDR=127.0.0.1:4004 holdfast      every option is also a variable; a file .env is read
  holdfast orders --kafka-brokers localhost:9092
                                           one service, next to a Kafka broker
  holdfast dlq                             what could not be processed, and why
  holdfast groups                          how far the services are behind
  holdfast bench --ceiling                 how fast this machine is
  holdfast help bench                      more about a command";

/// Order and inventory management that never oversells and never loses an order.
///
/// Without a command, runs the orders and the products service in one process; databases and events are files in the
/// data folder, and no other server is needed. On a terminal it prints what to try first.
#[derive(Debug, Parser)]
#[command(
    name = "holdfast",
    version,
    max_term_width = 110,
    args_conflicts_with_subcommands = true,
    subcommand_help_heading = "Commands",
    after_help = EXAMPLES
)]
pub struct Cli {
    /// What to do; not given: run everything.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// How everything runs.
    #[command(flatten)]
    pub run: RunArgs,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run only the orders service, next to a Kafka broker.
    Orders(Box<OrdersOnly>),
    /// Run only the products service, next to a Kafka broker.
    Products(Box<ProductsOnly>),
    /// Fill an empty catalogue with sample products.
    Seed(SeedArgs),
    /// Check that the books balance: stock against its movements, orders against what is held for them.
    ///
    /// Exits with 1 and says what is wrong if they do not. Works on a stopped system, and on snapshots of a running one. A
    /// running service audits itself all the time: see /health/audit.
    #[command(after_help = AUDIT_EXAMPLES)]
    Audit(AuditArgs),
    /// Copy both databases, as they are at one instant, to a new folder; the system may be running.
    #[command(after_help = BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Make an empty folder the data folder that a backup was taken of.
    #[command(after_help = BACKUP_EXAMPLES)]
    Restore(RestoreArgs),
    /// Write the catalogue of a running system to a CSV or JSON Lines file.
    #[command(after_help = IMPORT_EXAMPLES)]
    Export(ExportArgs),
    /// Make and change products of a running system as a CSV or JSON Lines file says.
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// Find what is misconfigured, and say how to mend it.
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(Box<DoctorArgs>),
    /// Ask the services of this machine whether they are ready.
    #[command(after_help = HEALTH_EXAMPLES)]
    Health(Box<HealthArgs>),
    /// Dead letters of running services: list, show, replay, discard.
    #[command(after_help = DLQ_EXAMPLES)]
    Dlq(Box<DlqArgs>),
    /// Topics of running services: list, show, tail.
    #[command(after_help = TOPICS_EXAMPLES)]
    Topics(Box<TopicsArgs>),
    /// How far the consumer groups of running services are: position, log end and lag of each partition.
    #[command(after_help = GROUPS_EXAMPLES)]
    Groups(Box<GroupsArgs>),
    /// Make a token for trying out, signed with ACCESS_TOKEN_SECRET.
    #[command(after_help = TOKEN_EXAMPLES)]
    Token(Box<TokenCommandArgs>),
    /// Write openapi.json and asyncapi.json.
    #[command(hide = true)]
    ApiDocs(ApiDocsArgs),
    /// Run the shipped services in a simulated world, from a seed, through faults, and check what must always hold.
    #[command(after_help = SIM_EXAMPLES)]
    Sim(SimArgs),
    /// Measure how many orders a second are accepted and decided, and how long each takes.
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(Box<BenchArgs>),
    /// Kill, stop and cut off real processes under load, and prove that nothing is lost, repeated or oversold.
    #[command(after_help = CHAOS_EXAMPLES)]
    Chaos(Box<ChaosArgs>),
    /// The bare server that `bench --ceiling` compares with.
    #[command(hide = true)]
    BenchCeiling(RuntimeArgs),
}

impl Cli {
    /// The configuration of the process.
    pub fn runtime(&self) -> &RuntimeArgs {
        match &self.command {
            None => &self.run.runtime,
            Some(Command::Orders(args)) => &args.runtime,
            Some(Command::Products(args)) => &args.runtime,
            Some(Command::Seed(args)) => &args.runtime,
            Some(Command::Audit(args)) => &args.runtime,
            Some(Command::Backup(args)) => &args.runtime,
            Some(Command::Restore(args)) => &args.runtime,
            Some(Command::Export(ExportArgs { what: Export::Products(args) })) => &args.shop.runtime,
            Some(Command::Import(ImportArgs { what: Import::Products(args) })) => &args.shop.runtime,
            Some(Command::Doctor(args)) => &args.runtime,
            Some(Command::Health(args)) => &args.runtime,
            Some(Command::Dlq(args)) => &args.runtime,
            Some(Command::Topics(args)) => &args.runtime,
            Some(Command::Groups(args)) => &args.runtime,
            Some(Command::Token(args)) => &args.runtime,
            Some(Command::ApiDocs(args)) => &args.runtime,
            Some(Command::Sim(args)) => &args.runtime,
            Some(Command::Bench(args)) => &args.runtime,
            Some(Command::Chaos(args)) => &args.runtime,
            Some(Command::BenchCeiling(runtime)) => runtime,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn without_a_command_everything_runs() {
        let cli = Cli::try_parse_from(["holdfast", "--orders-addr", "127.0.0.1:0"]).unwrap();
        assert!(cli.command.is_none() && cli.run.sample_data);
        let bench = Cli::try_parse_from(["holdfast", "bench", "--worker-threads", "3"]).unwrap();
        assert_eq!(bench.runtime().worker_threads(), 3);
        assert!(Cli::try_parse_from(["holdfast", "--orders-addr", "127.0.0.1:0", "bench"]).is_err());
    }
}
