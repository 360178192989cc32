//! The processes: started, killed, stopped, continued, and started again, each behind its proxy.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use holdfast_sim::Dice;
use rustix::process::{Pid, Signal, kill_process};

use super::args::Ground;
use super::finding::{Finding, Kind};
use super::proxy::{Lie, Proxy, Weather};
use crate::child::{Child, EXIT_WITH_STDIN, Program, inherited};

/// A process may take this long to start: a server that it needs may be stopped at that moment.
pub(crate) const START: Duration = Duration::from_secs(60);
/// A process that was asked to end may take this long; what it waits for itself is bounded by `SHUTDOWN_SECONDS`.
const END: Duration = Duration::from_secs(30);
/// Instances of each service, where there can be several.
const INSTANCES: usize = 2;
/// Some ten requests, or as many live messages.
const LATEST_CUT: u64 = 20_000;
/// A driver keeps its connections, and sends more through each.
const LATEST_CUT_OF_MONGODB: u64 = 300_000;
/// Lines of a log that are shown.
const LAST_WORDS: usize = 8;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Orders,
    Products,
}

impl Service {
    const ALL: [Self; 2] = [Self::Products, Self::Orders];

    fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Products => "products",
        }
    }
}

/// How to start it all.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) executable: PathBuf,
    /// Databases and logs are here.
    pub(crate) folder: PathBuf,
    pub(crate) ground: Ground,
    /// Whether the services find MongoDB behind a proxy.
    pub(crate) cut_mongodb: bool,
    /// Before the names of topics, groups and databases on servers: no other run has it.
    pub(crate) name: String,
    pub(crate) worker_threads: usize,
}

/// The system.
#[derive(Debug)]
pub(crate) struct System {
    plan: Plan,
    instances: Vec<Instance>,
    orders: Proxy,
    products: Proxy,
    mongodb: Option<Proxy>,
}

#[derive(Debug)]
struct Instance {
    label: String,
    /// Its number behind the proxy of each of its services.
    services: Vec<(Service, usize)>,
    program: Program,
    child: Option<Child>,
}

impl Plan {
    fn variables(&self) -> Vec<(String, String)> {
        let mut variables = vec![
            ("ORDERS_ADDR", "127.0.0.1:0".to_owned()),
            ("PRODUCTS_ADDR", "127.0.0.1:0".to_owned()),
            ("WEB_ADDRS", String::new()),
            ("SAMPLE_DATA", "false".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            ("WORKER_THREADS", self.worker_threads.to_string()),
            ("DATA_DIR", self.data().display().to_string()),
            // What is lost has to show, and not be asked for again.
            ("REDECIDE_AFTER_SECONDS", "3600".to_owned()),
        ];
        let name = &self.name;
        if let Ground::KafkaAndSqlite { brokers } | Ground::KafkaAndMongo { brokers, .. } = &self.ground {
            variables.extend([
                ("KAFKA_BROKERS", brokers.clone()),
                ("KAFKA_TOPIC_PREFIX", format!("{name}.")),
                ("KAFKA_GROUP_PREFIX", format!("{name}.")),
            ]);
        }
        if let Ground::KafkaAndMongo { uri, .. } = &self.ground {
            variables.extend([
                ("MONGODB_URI", uri.clone()),
                ("MONGODB_ORDERS_DB", format!("{name}-orders")),
                ("MONGODB_PRODUCTS_DB", format!("{name}-products")),
            ]);
        }
        variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn instance(&self, label: &str, args: &[&str], services: Vec<(Service, usize)>) -> Instance {
        let program = Program {
            executable: self.executable.clone(),
            args: args.iter().chain(&[EXIT_WITH_STDIN]).map(|&arg| arg.to_owned()).collect(),
            folder: self.folder.clone(),
            log: self.folder.join(format!("{label}.log")),
            variables: self.variables(),
        };
        Instance { label: label.to_owned(), services, program, child: None }
    }

    fn instances(&self) -> Vec<Instance> {
        let each = |count: usize| {
            let of = move |service: Service| {
                (0..count).map(move |number| {
                    let label = format!("{}-{}", service.name(), number + 1);
                    self.instance(&label, &[service.name()], vec![(service, number)])
                })
            };
            Service::ALL.into_iter().flat_map(of).collect()
        };
        match self.ground {
            Ground::Embedded => {
                vec![self.instance("holdfast", &[], vec![(Service::Orders, 0), (Service::Products, 0)])]
            }
            Ground::KafkaAndSqlite { .. } => each(1),
            Ground::KafkaAndMongo { .. } => each(INSTANCES),
        }
    }
}

impl System {
    /// Starts all processes, in calm weather.
    ///
    /// # Errors
    /// If one does not start.
    pub(crate) async fn start(mut plan: Plan, dice: &mut Dice, lie: Option<Lie>) -> anyhow::Result<Self> {
        let orders = Proxy::start(INSTANCES, dice.split(), LATEST_CUT, lie).await?;
        let products = Proxy::start(INSTANCES, dice.split(), LATEST_CUT, lie).await?;
        let mongodb = match &mut plan.ground {
            Ground::KafkaAndMongo { uri, .. } if plan.cut_mongodb => {
                let proxy = Proxy::start(1, dice.split(), LATEST_CUT_OF_MONGODB, None).await?;
                let (host, behind) = behind(uri, proxy.addr())?;
                let found =
                    tokio::net::lookup_host(&host).await.with_context(|| format!("finding {host}"))?;
                proxy.lead_to(0, found.into_iter().next());
                *uri = behind;
                Some(proxy)
            }
            _ => None,
        };
        let instances = plan.instances();
        let mut system = Self { plan, instances, orders, products, mongodb };
        for number in 0..system.count() {
            system.launch(number).await?;
        }
        Ok(system)
    }

    /// How many processes it has.
    pub(crate) fn count(&self) -> usize {
        self.instances.len()
    }

    /// The proxies, in a fixed order.
    pub(crate) fn proxies(&self) -> Vec<&Proxy> {
        [&self.orders, &self.products].into_iter().chain(&self.mongodb).collect()
    }

    /// Where clients find the orders and the products service.
    pub(crate) fn addrs(&self) -> (SocketAddr, SocketAddr) {
        (self.orders.addr(), self.products.addr())
    }

    /// From now on connections have a hard time, or an easy one.
    pub(crate) fn weather(&self, rough: bool) {
        for proxy in self.proxies() {
            proxy.change(|weather| *weather = Weather { rough, cuts: weather.cuts, ..Weather::default() });
        }
    }

    /// Starts process `number`, and does not wait for it.
    ///
    /// # Errors
    /// If there is no such program.
    pub(crate) fn spawn(&mut self, number: usize) -> anyhow::Result<()> {
        let instance = &mut self.instances[number];
        instance.child = Some(instance.program.spawn()?);
        Ok(())
    }

    /// Waits until process `number` is ready, and leads its proxies to it.
    ///
    /// # Errors
    /// If it ends instead, or takes too long.
    pub(crate) async fn ready(&mut self, number: usize) -> anyhow::Result<()> {
        let instance = &mut self.instances[number];
        let child = instance.child.as_mut().context("it was not started")?;
        let addresses = child.ready(START).await.with_context(|| format!("starting {}", instance.label))?;
        for (service, place) in instance.services.clone() {
            let found = addresses.iter().find(|(name, _)| name == service.name());
            self.proxy(service).lead_to(place, found.map(|(_, addr)| *addr));
        }
        Ok(())
    }

    /// Starts process `number` and waits until it is ready.
    ///
    /// # Errors
    /// As [`System::spawn`] and [`System::ready`].
    pub(crate) async fn launch(&mut self, number: usize) -> anyhow::Result<()> {
        self.spawn(number)?;
        self.ready(number).await
    }

    /// SIGKILL for these processes, at the same moment.
    pub(crate) async fn kill(&mut self, numbers: &[usize]) {
        for &number in numbers {
            self.signal(number, Signal::KILL);
        }
        for &number in numbers {
            if let Some(mut child) = self.instances[number].child.take() {
                child.kill().await;
            }
            self.gone(number);
        }
    }

    /// SIGTERM, and waits for the end. What was wrong with it.
    pub(crate) async fn terminate(&mut self, number: usize) -> Option<Finding> {
        self.signal(number, Signal::TERM);
        let mut child = self.instances[number].child.take()?;
        let ended = child.wait(END).await;
        if ended.is_none() {
            child.kill().await;
        }
        self.gone(number);
        let label = &self.instances[number].label;
        let wrong = match ended {
            Some(status) if status.success() => return None,
            Some(status) => format!("{label} was asked to end and ended with {status}"),
            None => format!("{label} was asked to end and did not within {} s", END.as_secs()),
        };
        Some(Kind::Process.finding(wrong))
    }

    /// Sends a signal to process `number`, if it is there.
    pub(crate) fn signal(&self, number: usize, signal: Signal) {
        if let Some(child) = &self.instances[number].child {
            // Not waited for yet, so the number is still this process's.
            send(child.pid(), signal);
        }
    }

    /// Processes that have ended by themselves, and are started again.
    ///
    /// # Errors
    /// If one does not start again.
    pub(crate) async fn revive(&mut self) -> anyhow::Result<Vec<Finding>> {
        let mut found = Vec::new();
        for number in 0..self.count() {
            let instance = &mut self.instances[number];
            let Some(status) = instance.child.as_mut().and_then(Child::ended) else { continue };
            found.push(Kind::Process.finding(format!("{} ended by itself with {status}", instance.label)));
            instance.child = None;
            self.gone(number);
            self.launch(number).await?;
        }
        Ok(found)
    }

    /// Ends all processes in an orderly way; what was wrong with that.
    pub(crate) async fn stop(&mut self) -> Vec<Finding> {
        let mut found = Vec::new();
        for number in 0..self.count() {
            found.extend(self.terminate(number).await);
        }
        found
    }

    /// What `holdfast audit` says of the databases, at rest: `None` if they are clean.
    ///
    /// # Errors
    /// If it cannot be run.
    pub(crate) async fn audit(&self) -> anyhow::Result<Option<String>> {
        let audit = tokio::process::Command::new(&self.plan.executable)
            .arg("audit")
            .env_clear()
            .envs(inherited())
            .envs(self.plan.variables())
            .current_dir(&self.plan.folder)
            .kill_on_drop(true)
            .output();
        let output = audit.await.context("running the audit")?;
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
        Ok((!output.status.success()).then(|| said.concat()))
    }

    /// The last that each process has said, without what it tells of every order.
    pub(crate) fn last_words(&self) -> Vec<(PathBuf, Vec<String>)> {
        self.instances
            .iter()
            .map(|instance| (instance.program.log.clone(), last(&instance.program.log)))
            .collect()
    }

    fn proxy(&self, service: Service) -> &Proxy {
        match service {
            Service::Orders => &self.orders,
            Service::Products => &self.products,
        }
    }

    fn gone(&self, number: usize) {
        for &(service, place) in &self.instances[number].services {
            self.proxy(service).lead_to(place, None);
        }
    }
}

/// The one host of a connection string, and the string that leads to it by way of `proxy`.
fn behind(uri: &str, proxy: SocketAddr) -> anyhow::Result<(String, String)> {
    const EXPECTED: &str =
        "--cut-mongodb takes a MongoDB of one host, named as mongodb://HOST:PORT/, without TLS";
    let rest = uri.strip_prefix("mongodb://").context(EXPECTED)?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').map_or(("", authority), |(user, host)| (user, host));
    let (database, options) = path.split_once('?').unwrap_or((path, ""));
    let encrypted = ["tls=true", "ssl=true"].iter().any(|option| options.contains(option));
    anyhow::ensure!(!host.is_empty() && !host.contains(',') && !encrypted, EXPECTED);
    let kept = |option: &&str| {
        !option.is_empty() && !option.starts_with("replicaSet=") && !option.starts_with("directConnection=")
    };
    // The set would say where else its members are.
    let options: Vec<&str> =
        options.split('&').filter(kept).chain(std::iter::once("directConnection=true")).collect();
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:27017") };
    Ok((host, format!("mongodb://{user}{proxy}/{database}?{}", options.join("&"))))
}

/// Sends a signal; nothing if there is no such process.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn last(log: &Path) -> Vec<String> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let told = |line: &&str| ![r#""target":"step""#, "/health/ready"].iter().any(|mark| line.contains(mark));
    let lines: Vec<&str> = text.lines().filter(told).collect();
    lines[lines.len().saturating_sub(LAST_WORDS)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_one_host_can_be_reached_through_a_proxy() {
        let proxy = "127.0.0.1:5".parse().unwrap();
        let found = |uri| behind(uri, proxy).ok();
        let pair = |host: &str, uri: &str| Some((host.to_owned(), uri.to_owned()));
        let direct = "mongodb://127.0.0.1:5/?directConnection=true";
        assert_eq!(found("mongodb://a:1/?replicaSet=rs0"), pair("a:1", direct));
        assert_eq!(found("mongodb://a"), pair("a:27017", direct));
        assert_eq!(
            found("mongodb://u:p%40@a:1/db?w=majority&directConnection=false"),
            pair("a:1", "mongodb://u:p%40@127.0.0.1:5/db?w=majority&directConnection=true")
        );
        for wrong in ["mongodb://a,b/", "mongodb+srv://a/", "mongodb:///", "mongodb://a/?tls=true"] {
            assert_eq!(found(wrong), None, "{wrong}");
        }
    }
}
