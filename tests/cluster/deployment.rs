//! Services on a broker and databases, with names of their own for topics, groups and databases.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use holdfast_servers::{Kafka, Mongo, unique_name};
use serde_json::Value;
use tempfile::TempDir;

use crate::load::Load;
use crate::servers;
use crate::support::{self, Client, Running, Said, SoFar, audit_as, balance, eventually, product, settled};
use crate::wire::Wire;

/// What keeps the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A file for each service.
    Sqlite,
    /// A replica set.
    Mongo,
}

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Orders,
    Products,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Products => "products",
        }
    }
}

/// Where the services' state and messages are.
pub(crate) struct Deployment {
    brokers: String,
    mongodb: Option<String>,
    /// Before the names of topics and groups.
    prefix: String,
    /// Before the names of the topics that products knows; see [`Deployment::apart`].
    products_prefix: String,
    databases: String,
    folder: TempDir,
    settings: Vec<(&'static str, String)>,
}

/// A process with one service.
pub(crate) struct Instance {
    pub(crate) process: Running,
    pub(crate) addr: SocketAddr,
}

impl Deployment {
    /// On servers that nobody disturbs. `None`: the test is skipped.
    pub(crate) fn new(kind: Kind) -> Option<Self> {
        let mongodb = match kind {
            Kind::Sqlite => None,
            Kind::Mongo => Some(servers::mongo()?),
        };
        Some(Self::on(servers::kafka()?, mongodb))
    }

    /// On this broker, and a replica set or files.
    pub(crate) fn on(kafka: &Kafka, mongodb: Option<&Mongo>) -> Self {
        let name = unique_name("cluster");
        Self {
            brokers: kafka.brokers().to_owned(),
            mongodb: mongodb.map(|mongo| mongo.uri().to_owned()),
            prefix: format!("{name}."),
            products_prefix: format!("{name}."),
            databases: name,
            folder: tempfile::tempdir().unwrap(),
            // What was lost must show, and not be asked for again.
            settings: vec![
                ("REDECIDE_AFTER_SECONDS", "3600".to_owned()),
                // Round after round, through everything that a scenario does.
                ("AUDIT_EVERY_SECONDS", "2".to_owned()),
            ],
        }
    }

    /// With another setting, of instances that are started from now on.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.retain(|(has, _)| *has != name);
        self.settings.push((name, value.to_owned()));
        self
    }

    /// The services know different topics: what one sends reaches the other when the test carries it there.
    pub(crate) fn apart(mut self) -> Self {
        self.products_prefix = format!("far-{}", self.prefix);
        self
    }

    /// The program, with all that leads it to this deployment.
    pub(crate) fn command(&self) -> Command {
        let mut command = support::command(self.folder.path());
        if let Some(uri) = &self.mongodb {
            command.env("MONGODB_URI", uri);
        }
        command
            .env("KAFKA_BROKERS", &self.brokers)
            .env("KAFKA_TOPIC_PREFIX", &self.prefix)
            .env("KAFKA_GROUP_PREFIX", &self.prefix)
            .env("MONGODB_ORDERS_DB", format!("{}-o", self.databases))
            .env("MONGODB_PRODUCTS_DB", format!("{}-p", self.databases))
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts an instance of a service, which may not be ready to work yet.
    pub(crate) fn launch(&self, service: Service) -> Instance {
        let mut command = self.command();
        if service == Service::Products {
            command.env("KAFKA_TOPIC_PREFIX", &self.products_prefix);
        }
        Instance::start(command.arg(service.name()), service)
    }

    /// Starts an instance of a service, and waits until it is ready.
    pub(crate) fn start(&self, service: Service) -> Instance {
        let instance = self.launch(service);
        instance.until_ready();
        instance
    }

    /// Runs `holdfast` on this deployment; it has to succeed.
    pub(crate) fn holdfast(&self, args: &[&str]) {
        let output = self.command().args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// The files are those of `backup` from now on. Nothing runs.
    pub(crate) fn restore(&mut self, backup: &Path) {
        let folder = tempfile::tempdir().unwrap();
        let restored = folder.path().to_str().unwrap();
        self.holdfast(&["restore", "--from", backup.to_str().unwrap(), "--data-dir", restored]);
        self.folder = folder;
    }

    /// What others see of a service's topics and groups.
    pub(crate) fn wire(&self, service: Service) -> Wire {
        let topics = match service {
            Service::Orders => &self.prefix,
            Service::Products => &self.products_prefix,
        };
        Wire::new(&self.brokers, topics, &self.prefix)
    }

    /// Waits until everything has come to rest, compares it with what clients were told, stops the services, and has the
    /// books audited. The first instance of each service is asked.
    pub(crate) fn end(&self, load: Load, orders: Vec<Instance>, products: Vec<Instance>) {
        self.rest(load, &orders[0], &products[0]);
        self.no_dead_letters();
        self.close(orders, products);
    }

    /// The first half of [`Deployment::end`]: waits and compares; gives all orders.
    pub(crate) fn rest(&self, load: Load, orders: &Instance, products: &Instance) -> Vec<Value> {
        orders.until_ready();
        products.until_ready();
        let Told { told, products: ids } = load.stop(orders);
        let all = settled(&mut orders.client());
        balance(&all, &told, &mut products.client(), &ids);
        self.audited(&[products, orders]);
        println!("{} orders", all.len());
        all
    }

    /// What the services' own audits have found: nothing, also not while everything happened. One instance of each service
    /// does it.
    pub(crate) fn audited(&self, instances: &[&Instance]) {
        for instance in instances {
            let said = instance.client().get("/health/audit")["data"].clone();
            assert_eq!(said["findings"], serde_json::json!([]), "{said}");
            // Services that know different topics do not hear each other.
            if self.prefix == self.products_prefix
                && !["standby", "off"].contains(&said["status"].as_str().unwrap())
            {
                support::audited(&mut instance.client(), 0);
            }
        }
    }

    /// An outage, a repetition or a late message is no fault of a message (invariant 8).
    pub(crate) fn no_dead_letters(&self) {
        for service in [Service::Orders, Service::Products] {
            let found = self.wire(service).dead_letters();
            assert!(found.is_empty(), "{found:?}");
        }
    }

    /// The second half: stops the services and has the books audited.
    pub(crate) fn close(&self, orders: Vec<Instance>, products: Vec<Instance>) {
        for instance in orders.into_iter().chain(products) {
            instance.process.stop();
        }
        let (exit, said) = audit_as(&mut self.command());
        assert!(exit.success(), "{said}");
        let rebuild = self.command().args(["audit", "--rebuild"]).output().unwrap();
        let said = String::from_utf8_lossy(&rebuild.stdout);
        assert!(rebuild.status.success() && said.contains("Nothing to rebuild"), "{said}");
    }
}

/// What clients were told, and of which products.
pub(crate) struct Told {
    pub(crate) told: SoFar,
    pub(crate) products: Vec<String>,
}

impl Instance {
    /// Starts what `command` says, which has this service.
    pub(crate) fn start(command: &mut Command, service: Service) -> Self {
        let process = Running::start(command);
        let addr = process.addr(service.name());
        Self { process, addr }
    }

    /// A connection to it.
    pub(crate) fn client(&self) -> Client {
        Client::connect(self.addr).unwrap()
    }

    /// What it says of its readiness: the problems by part; empty if it is ready.
    pub(crate) fn problems(&self) -> Vec<(String, String)> {
        let answer = self.client().exchange("GET", "/health/ready", "", None).unwrap();
        let checks = match answer.status {
            200 => &answer.body["data"]["checks"],
            503 => &answer.body["details"]["checks"],
            other => panic!("{other}: {}", answer.body),
        };
        let each = checks.as_object().unwrap().iter();
        each.filter(|(_, said)| **said != "ok").map(|(part, said)| (part.clone(), said.to_string())).collect()
    }

    /// Waits until it is ready.
    pub(crate) fn until_ready(&self) {
        eventually("ready", || match self.problems() {
            none if none.is_empty() => Ok(()),
            some => Err(format!("{some:?}")),
        });
    }

    /// Waits until it says that these parts are not ready.
    pub(crate) fn until_missing(&self, parts: &[&str]) {
        eventually("without what is away", || {
            let problems = self.problems();
            let named = |part: &&str| problems.iter().any(|(has, _)| has == part);
            if parts.iter().all(named) { Ok(()) } else { Err(format!("{problems:?}, not {parts:?}")) }
        });
    }

    /// A counter or gauge that it shows, summed over its labels; 0 if there is none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let answer = self.client().exchange("GET", "/metrics", "", None).unwrap();
        let text = answer.body.as_str().unwrap();
        let of_name = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        };
        text.lines()
            .filter(of_name)
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Its memory, in MiB.
    pub(crate) fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }
}

/// Makes products, scarce ones and plenty, for [`Load`].
pub(crate) fn shop(products: &Instance) -> Vec<String> {
    let mut client = products.client();
    [40, 400, 100_000, 10_000_000].map(|stock| product(&mut client, "Test Product", stock)).into()
}

/// Sends again what was not answered, until nothing is left.
pub(crate) fn send_again(told: &support::Told, orders: &Instance) {
    loop {
        let Some((key, body)) = told.so_far().unsure.pop() else { return };
        eventually("answered", || match told.place(&mut orders.client(), key.clone(), body.clone()) {
            Said::Yes(_) => {
                told.so_far().unsure.retain(|(other, _)| *other != key);
                Ok(())
            }
            Said::Later | Said::Nothing => Err("told to come again".to_owned()),
        });
    }
}
