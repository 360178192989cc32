//! What `holdfast chaos` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::proxy::Lie;
use crate::cli::RuntimeArgs;

/// Where `make cluster`, and the compose file, have Kafka and MongoDB.
const CLUSTER_KAFKA: &str = "127.0.0.1:9092";
const CLUSTER_MONGODB: &str = "mongodb://127.0.0.1:27017/?directConnection=true";

/// Arguments of `holdfast chaos`.
#[derive(Args, Clone, Debug)]
pub struct ChaosArgs {
    /// Minutes after which the faults end [default: 1, if --kills is not given].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100_000), help_heading = "Faults")]
    pub minutes: Option<u32>,

    /// Kills (SIGKILL of a process) after which the faults end; with --minutes, whichever comes first.
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..=1_000_000), help_heading = "Faults")]
    pub kills: Option<u64>,

    /// Repeats the choices of an earlier run: which faults and when, and what each client does [default: a new one, which is
    /// printed].
    #[arg(long, value_name = "NUMBER", help_heading = "Faults")]
    pub seed: Option<u64>,

    /// Process of a server that the system uses (a broker, a database), which is also stopped for a while now and then
    /// (SIGSTOP), as if it hung; may be repeated. It must be on this machine and yours.
    #[arg(long = "stop-pid", value_name = "PID", value_parser = clap::value_parser!(u32).range(2..=4_194_304), help_heading = "Faults")]
    pub stop_pids: Vec<u32>,

    /// Clients that change things; each has one request under way.
    #[arg(long, default_value_t = 16, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1024), help_heading = "Load")]
    pub connections: u32,

    /// Longest pause of a client between two requests, in milliseconds.
    #[arg(long, default_value_t = 60, value_name = "MILLIS", value_parser = clap::value_parser!(u32).range(0..=60_000), help_heading = "Load")]
    pub think: u32,

    /// Live clients that follow everything.
    #[arg(long, default_value_t = 3, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Load")]
    pub watchers: u32,

    /// Two instances of each service on the Kafka and MongoDB of this machine (:9092 and :27017), such as `make cluster`
    /// starts.
    #[arg(long, conflicts_with_all = ["kafka_brokers", "mongodb_uri"], help_heading = "The system that is started")]
    pub cluster: bool,

    /// Kafka brokers between the services, comma-separated; topics and groups get a prefix of their own. Not set: the
    /// embedded default, one process and its files.
    // Not from the environment: nobody is to meet chaos by a forgotten variable.
    #[arg(long, value_name = "HOST:PORT,…", help_heading = "The system that is started")]
    pub kafka_brokers: Option<String>,

    /// MongoDB (a replica set), in databases of its own; there are two instances of each service then. Not set: SQLite, and
    /// one of each.
    #[arg(long, value_name = "URI", requires = "kafka_brokers", help_heading = "The system that is started")]
    pub mongodb_uri: Option<String>,

    /// Put a proxy before MongoDB too, which delays and cuts its connections. The URI has to name one host, the primary, without
    /// TLS.
    #[arg(long, help_heading = "Faults")]
    pub cut_mongodb: bool,

    /// Folder to make the run's folder in: databases, logs, and what clients were told. A RAM disk flatters whatever is
    /// durable.
    #[arg(long, value_name = "DIR", help_heading = "The system that is started")]
    pub dir: Option<PathBuf>,

    /// Keep the run's folder also when nothing was found.
    #[arg(long, help_heading = "Output")]
    pub keep: bool,

    /// Seconds that everything may take to come to rest at the end.
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600), help_heading = "Output")]
    pub settle: u32,

    /// Print one JSON document instead of tables.
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// The proxy before the services does wrong on purpose: to see that it is found.
    #[arg(long, value_enum, hide = true)]
    pub plant: Option<Lie>,

    /// Threads.
    #[command(flatten)]
    pub runtime: RuntimeArgs,
}

/// When the faults end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Until {
    pub(crate) time: Option<Duration>,
    pub(crate) kills: Option<u64>,
}

/// What the system runs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// One process and its files.
    Embedded,
    /// A process for each service.
    KafkaAndSqlite { brokers: String },
    /// Two processes for each service.
    KafkaAndMongo { brokers: String, uri: String },
}

impl Ground {
    /// As reports have it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::KafkaAndSqlite { .. } => "Kafka and SQLite",
            Self::KafkaAndMongo { .. } => "Kafka and MongoDB",
        }
    }
}

impl ChaosArgs {
    pub(crate) fn until(&self) -> Until {
        let minutes = self.minutes.or(self.kills.is_none().then_some(1));
        Until { time: minutes.map(|minutes| Duration::from_secs(u64::from(minutes) * 60)), kills: self.kills }
    }

    pub(crate) fn ground(&self) -> Ground {
        if self.cluster {
            return Ground::KafkaAndMongo {
                brokers: CLUSTER_KAFKA.to_owned(),
                uri: CLUSTER_MONGODB.to_owned(),
            };
        }
        match (self.kafka_brokers.clone(), self.mongodb_uri.clone()) {
            (None, _) => Ground::Embedded,
            (Some(brokers), None) => Ground::KafkaAndSqlite { brokers },
            (Some(brokers), Some(uri)) => Ground::KafkaAndMongo { brokers, uri },
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser, Debug)]
    struct Cli {
        #[command(flatten)]
        chaos: ChaosArgs,
    }

    fn parse(args: &[&str]) -> Result<ChaosArgs, clap::Error> {
        Cli::try_parse_from([&["chaos"], args].concat()).map(|cli| cli.chaos)
    }

    #[test]
    fn it_ends_after_a_minute_or_as_it_is_told() {
        let until = |args: &[&str]| parse(args).unwrap().until();
        let minutes = |count: u64| Some(Duration::from_secs(60 * count));
        assert_eq!(until(&[]), Until { time: minutes(1), kills: None });
        assert_eq!(until(&["--kills", "5"]), Until { time: None, kills: Some(5) });
        assert_eq!(until(&["--kills", "5", "--minutes", "3"]), Until { time: minutes(3), kills: Some(5) });
    }

    #[test]
    fn it_runs_on_nothing_unless_servers_are_named() {
        let ground = |args: &[&str]| parse(args).unwrap().ground();
        assert_eq!(ground(&[]), Ground::Embedded);
        let brokers = "k:1".to_owned();
        assert_eq!(ground(&["--kafka-brokers", "k:1"]), Ground::KafkaAndSqlite { brokers: brokers.clone() });
        let both = ground(&["--kafka-brokers", "k:1", "--mongodb-uri", "mongodb://m"]);
        assert_eq!(both, Ground::KafkaAndMongo { brokers, uri: "mongodb://m".to_owned() });
        assert_eq!(ground(&["--cluster"]).name(), "Kafka and MongoDB");
    }

    #[test]
    fn wrong_arguments_are_refused() {
        for wrong in [
            &["--minutes", "0"][..],
            &["--kills", "0"],
            &["--connections", "0"],
            &["--mongodb-uri", "mongodb://m"],
            &["--cluster", "--kafka-brokers", "k:1"],
            &["--stop-pid", "1"],
            &["--seed", "-1"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
