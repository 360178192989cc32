//! What `holdfast bench` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::RuntimeArgs;
use crate::client::{CallerArgs, Endpoint, endpoint};

/// Arguments of `holdfast bench`.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// Orders service of a running system to measure. Not set: a fresh system in a temporary folder is started.
    #[arg(long, value_name = "URL", value_parser = endpoint, requires = "products_url", help_heading = "What to measure")]
    pub orders_url: Option<Endpoint>,

    /// Products service of that system.
    #[arg(long, value_name = "URL", value_parser = endpoint, requires = "orders_url", help_heading = "What to measure")]
    pub products_url: Option<Endpoint>,

    /// Who orders, in a running system: staff, as orders are for many users.
    #[command(flatten)]
    pub caller: CallerArgs,

    /// Measure in turns also a bare axum server, which parses the same body and answers, and accepting alone (the
    /// consumers paused); print what share of the bare server the system reaches.
    #[arg(long, help_heading = "What to measure")]
    pub ceiling: bool,

    /// Measure in turns one hot product and products spread evenly, and print their ratio.
    #[arg(long, conflicts_with = "hot", help_heading = "What to measure")]
    pub hot_vs_spread: bool,

    /// Measure in turns the system with this and without, and print how much more processor time an order takes with it.
    #[arg(long, value_enum, value_name = "FEATURE", conflicts_with_all = ["ceiling", "hot_vs_spread", "only", "stages", "orders_url"], help_heading = "What to measure")]
    pub cost_of: Option<Feature>,

    /// Measure only this.
    #[arg(long, value_enum, conflicts_with_all = ["ceiling", "hot_vs_spread"], value_name = "WHAT", help_heading = "What to measure")]
    pub only: Option<Only>,

    /// Measure the stages of a cluster instead: the relay beside a bare producer of the same messages, and Products'
    /// consumer with whole batches beside one order per transaction.
    #[arg(long, requires = "kafka", conflicts_with_all = ["ceiling", "hot_vs_spread", "only", "hot", "rate"], help_heading = "What to measure")]
    pub stages: bool,

    /// How often each is measured, in turns; medians are printed [default: 3 when comparing, 10 for --cost-of, else 1].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "What to measure")]
    pub rounds: Option<u32>,

    /// Connections, each with at most one order under way.
    #[arg(long, default_value_t = 64, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=4096), help_heading = "Load")]
    pub connections: u32,

    /// Orders after which a run ends.
    #[arg(long, default_value_t = 100_000, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=10_000_000), help_heading = "Load")]
    pub orders: u64,

    /// Seconds after which a run ends, even if it has not sent all its orders.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600), help_heading = "Load")]
    pub seconds: u32,

    /// Open loop: send this many orders per second whether or not answers come, and count latency from the moment
    /// an order was due. Not set: closed loop, the next order is sent when the last is answered.
    #[arg(long, value_name = "PER_SECOND", value_parser = clap::value_parser!(u32).range(1..=1_000_000), help_heading = "Load")]
    pub rate: Option<u32>,

    /// Seconds of the same load before measuring begins.
    #[arg(long, default_value_t = 1, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(0..=600), help_heading = "Load")]
    pub warm_up: u32,

    /// Seconds to wait for the last orders to be decided.
    #[arg(long, default_value_t = 60, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600), help_heading = "Load")]
    pub decide_within: u32,

    /// Lines of an order, each another product if there are enough.
    #[arg(long, default_value_t = 1, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Orders")]
    pub lines: u32,

    /// Products that orders are spread over evenly.
    #[arg(long, default_value_t = 100, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Orders")]
    pub products: u32,

    /// All orders want the same product.
    #[arg(long, help_heading = "Orders")]
    pub hot: bool,

    /// Folder to make the temporary folder in. A RAM disk flatters whatever is durable.
    #[arg(
        long,
        value_name = "DIR",
        conflicts_with = "orders_url",
        help_heading = "The system that is started"
    )]
    pub dir: Option<PathBuf>,

    /// Variable for the system that is started, which otherwise takes none from here; may be repeated.
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable, conflicts_with = "orders_url", help_heading = "The system that is started")]
    pub variables: Vec<(String, String)>,

    /// Kafka brokers that the system uses, comma-separated; its two services are then processes of their own. Topics and
    /// groups get a prefix of their own.
    #[arg(
        long,
        value_name = "HOST:PORT,…",
        conflicts_with = "orders_url",
        help_heading = "The system that is started"
    )]
    pub kafka: Option<String>,

    /// MongoDB (a replica set) that the system uses, in databases of its own. Not set: SQLite.
    #[arg(long, value_name = "URI", requires = "kafka", help_heading = "The system that is started")]
    pub mongodb: Option<String>,

    /// Print one JSON document instead of tables.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// What `--only` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Only {
    /// The bare axum server.
    Ceiling,
    /// Accepting orders, with the consumers paused.
    Accept,
    /// Accepting, reserving and confirming.
    Full,
}

/// What `--cost-of` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Feature {
    /// The background audit.
    Audit,
    /// Authentication: every request brings a token.
    Tokens,
}

impl Feature {
    /// Whether the system has it unless it is told otherwise.
    pub(crate) fn is_usual(self) -> bool {
        match self {
            Self::Audit => true,
            Self::Tokens => false,
        }
    }
}

/// One thing that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// A bare axum server: parses the body and answers.
    Ceiling,
    /// The system with its consumers paused.
    Accept,
    /// The whole system.
    Full {
        /// Whether every order wants the same product.
        hot: bool,
    },
    /// The whole system without a feature that it usually has, or with one that it usually has not.
    Unusual {
        /// Which.
        feature: Feature,
        /// Whether every order wants the same product.
        hot: bool,
    },
}

impl Subject {
    /// The name in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ceiling => "ceiling",
            Self::Accept => "accept",
            Self::Full { hot: false } => "full",
            Self::Full { hot: true } => "full-hot",
            Self::Unusual { feature: Feature::Audit, .. } => "unaudited",
            Self::Unusual { feature: Feature::Tokens, .. } => "with-tokens",
        }
    }

    /// The name in tables.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Ceiling => "bare axum",
            Self::Accept => "accept",
            Self::Full { hot: false } => "accept + decide",
            Self::Full { hot: true } => "accept + decide, hot",
            Self::Unusual { feature: Feature::Audit, .. } => "no audit",
            Self::Unusual { feature: Feature::Tokens, .. } => "with tokens",
        }
    }

    /// Whether every order wants the same product.
    pub(crate) fn is_hot(self) -> bool {
        matches!(self, Self::Full { hot: true } | Self::Unusual { hot: true, .. })
    }
}

/// When orders are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrivals {
    /// The next when the last is answered, on each connection.
    Closed,
    /// At a fixed rate.
    Open {
        /// Orders per second, at least 1.
        per_second: u32,
    },
}

impl BenchArgs {
    /// What is measured in each round, in turns.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let full = Subject::Full { hot: self.hot };
        if let Some(feature) = self.cost_of {
            return vec![full, Subject::Unusual { feature, hot: self.hot }];
        }
        let mut subjects = match self.only {
            Some(Only::Ceiling) => return vec![Subject::Ceiling],
            Some(Only::Accept) => return vec![Subject::Accept],
            Some(Only::Full) => return vec![full],
            // A running system cannot be told to pause its consumers.
            None if self.ceiling && self.orders_url.is_some() => vec![Subject::Ceiling, full],
            None if self.ceiling => vec![Subject::Ceiling, Subject::Accept, full],
            None => vec![full],
        };
        if self.hot_vs_spread {
            subjects.push(Subject::Full { hot: true });
        }
        subjects
    }

    /// How many rounds there are.
    pub(crate) fn rounds(&self) -> u32 {
        let compares = self.stages || self.subjects().len() > 1;
        self.rounds.unwrap_or(match compares {
            _ if self.cost_of.is_some() => 10,
            true => 3,
            false => 1,
        })
    }

    /// When orders are sent.
    pub(crate) fn arrivals(&self) -> Arrivals {
        self.rate.map_or(Arrivals::Closed, |per_second| Arrivals::Open { per_second })
    }

    /// Refuses what clap cannot see.
    ///
    /// # Errors
    /// `--only accept` against a running system.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.only != Some(Only::Accept) || self.orders_url.is_none(),
            "--only accept pauses the consumers, which only a system that the bench starts itself allows"
        );
        Ok(())
    }

    /// The longest a run may take, without warm-up.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Cli {
        #[command(flatten)]
        bench: BenchArgs,
    }

    fn parse(args: &[&str]) -> Result<BenchArgs, clap::Error> {
        Cli::try_parse_from([&["bench"], args].concat()).map(|cli| cli.bench)
    }

    #[test]
    fn by_default_one_run_of_the_whole_system() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.subjects(), [Subject::Full { hot: false }]);
        assert_eq!((args.rounds(), args.connections), (1, 64));
        assert_eq!(args.arrivals(), Arrivals::Closed);
    }

    #[test]
    fn comparisons_take_turns_in_three_rounds() {
        let args = parse(&["--ceiling", "--hot-vs-spread"]).unwrap();
        let full = |hot| Subject::Full { hot };
        assert_eq!(args.subjects(), [Subject::Ceiling, Subject::Accept, full(false), full(true)]);
        assert_eq!(args.rounds(), 3);
        assert_eq!(parse(&["--ceiling", "--rounds", "5"]).unwrap().rounds(), 5);
        assert_eq!(parse(&["--only", "ceiling"]).unwrap().subjects(), [Subject::Ceiling]);
        assert_eq!(parse(&["--hot"]).unwrap().subjects(), [full(true)]);
    }

    #[test]
    fn the_cost_of_a_feature_is_measured_ten_times() {
        let args = parse(&["--cost-of", "audit", "--hot"]).unwrap();
        let unusual = Subject::Unusual { feature: Feature::Audit, hot: true };
        assert_eq!(args.subjects(), [Subject::Full { hot: true }, unusual]);
        assert_eq!(args.rounds(), 10);
        assert!(parse(&["--cost-of", "tokens", "--ceiling"]).is_err());
    }

    #[test]
    fn a_running_system_is_not_paused() {
        let urls = ["--orders-url", "http://localhost:3004", "--products-url", "http://[::1]:3001/"];
        let args = parse(&[&urls[..], &["--ceiling"]].concat()).unwrap();
        assert_eq!(args.subjects(), [Subject::Ceiling, Subject::Full { hot: false }]);
        assert_eq!(args.orders_url.as_ref().unwrap().to_string(), "http://localhost:3004");
        assert_eq!(args.products_url.as_ref().unwrap().to_string(), "http://[::1]:3001");
        assert!(args.check().is_ok());
        assert!(parse(&[&urls[..], &["--only", "accept"]].concat()).unwrap().check().is_err());
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [
            &["--orders-url", "http://localhost:3004"][..],
            &["--orders-url", "ftp://x:1", "--products-url", "http://x:2"],
            &["--orders-url", "http://x:1/api", "--products-url", "http://x:2"],
            &["--orders-url", "x:1", "--products-url", "http://x:2"],
            &["--connections", "0"],
            &["--orders", "0"],
            &["--rate", "0"],
            &["--seconds", "4000"],
            &["--lines", "0"],
            &["--products", "0"],
            &["--rounds", "0"],
            &["--only", "nothing"],
            &["--only", "full", "--ceiling"],
            &["--hot", "--hot-vs-spread"],
            &["--env", "=x"],
            &["--mongodb", "mongodb://localhost"],
            &["--kafka", "x:1", "--orders-url", "http://x:1", "--products-url", "http://x:2"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
        let args = parse(&["--env", "LOG=debug", "--env", "A=b=c"]).unwrap();
        assert_eq!(args.variables[1], ("A".to_owned(), "b=c".to_owned()));
    }
}
