//! What is measured: a running system, or one that is started for it and is always stopped again.

use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde::Deserialize;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::client::Endpoint;

/// How long a system may take to start.
const START: Duration = Duration::from_secs(30);
/// What a child may still need from the environment it was started in. Everything else is left out, so that a
/// measurement depends on its command line alone.
const INHERITED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"];

/// A system to send orders to.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) orders: Endpoint,
    /// The bare server has none.
    pub(crate) products: Option<Endpoint>,
    children: Vec<Started>,
}

/// A child process and its temporary folder. Dropped, it is killed, and the folder is removed.
#[derive(Debug)]
struct Started {
    child: Child,
    pid: u32,
    /// The child ends when this is closed: even a bench that was killed itself leaves no process behind.
    _stdin: ChildStdin,
    _drain: JoinSet<()>,
    _folder: TempDir,
}

/// How to start systems.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    pub(crate) executable: PathBuf,
    /// Where temporary folders are made; `None`: where the operating system has them.
    pub(crate) folder: Option<PathBuf>,
    /// What the system runs on; `None`: on nothing but its folder.
    pub(crate) cluster: Option<Cluster>,
    /// More variables for the system.
    pub(crate) variables: Vec<(String, String)>,
    /// Threads of the child.
    pub(crate) worker_threads: usize,
}

/// Servers that the system uses. Each system that is started has topics and databases of its own in them.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) kafka: String,
    pub(crate) mongodb: Option<String>,
}

impl Cluster {
    /// Variables of a system's services. `name` is different for each system.
    fn variables(&self, name: &str) -> Vec<(String, String)> {
        let mut variables = vec![
            ("KAFKA_BROKERS".to_owned(), self.kafka.clone()),
            ("KAFKA_TOPIC_PREFIX".to_owned(), format!("{name}.")),
            ("KAFKA_GROUP_PREFIX".to_owned(), format!("{name}.")),
        ];
        if let Some(uri) = &self.mongodb {
            variables.extend([
                ("MONGODB_URI".to_owned(), uri.clone()),
                ("MONGODB_ORDERS_DB".to_owned(), format!("{name}-orders")),
                ("MONGODB_PRODUCTS_DB".to_owned(), format!("{name}-products")),
            ]);
        }
        variables
    }
}

/// One line that a child prints.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Notice {
    Listening { service: String, addr: SocketAddr },
    Ready,
}

impl System {
    /// A system that is already running.
    pub(crate) fn running(orders: Endpoint, products: Endpoint) -> Self {
        Self { orders, products: Some(products), children: vec![] }
    }

    /// Of processes that listen at these addresses.
    fn of(children: Vec<Started>, addresses: &Addresses) -> anyhow::Result<Self> {
        let address = |service: &str| {
            let found = addresses.iter().find(|(name, _)| name == service)?;
            Endpoint::new(&found.1.to_string()).ok()
        };
        let orders = address("orders").context("the system did not say where orders listens")?;
        Ok(Self { orders, products: address("products"), children })
    }

    /// The ids of its processes, if it was started here.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.children.iter().map(|started| started.pid).collect()
    }

    /// Ends a system that was started here, and waits until it is gone.
    pub(crate) async fn stop(self) {
        for mut started in self.children {
            // It has nothing to lose: its data goes with its folder. An error means it has already ended.
            let _ = started.child.kill().await;
        }
    }
}

impl Launcher {
    /// Makes a temporary folder.
    pub(crate) fn temporary_folder(&self) -> anyhow::Result<TempDir> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("holdfast-bench-");
        let made = match &self.folder {
            Some(folder) => builder.tempdir_in(folder),
            None => builder.tempdir(),
        };
        made.context("making a temporary folder")
    }

    /// Starts the bare axum server.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn ceiling(&self) -> anyhow::Result<System> {
        let (child, addresses) = self.start(&["bench-ceiling"], &[]).await?;
        System::of(vec![child], &addresses)
    }

    /// Starts the whole system in a fresh folder, with these flags.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn system(&self, more: &[&str]) -> anyhow::Result<System> {
        let mut variables: Vec<(String, String)> = [
            ("ORDERS_ADDR", "127.0.0.1:0"),
            ("PRODUCTS_ADDR", "127.0.0.1:0"),
            ("WEB_ADDRS", ""),
            ("SAMPLE_DATA", "false"),
            ("LOG_FORMAT", "json"),
            ("LOG", "warn"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let flags = [&["--exit-with-stdin"][..], more].concat();
        let Some(cluster) = &self.cluster else {
            let (child, addresses) = self.start(&flags, &variables).await?;
            return System::of(vec![child], &addresses);
        };
        static STARTED: AtomicU32 = AtomicU32::new(1);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        variables.extend(cluster.variables(&format!("bench-{}-{number}", std::process::id())));
        let (mut children, mut addresses) = (Vec::new(), Vec::new());
        for service in ["products", "orders"] {
            let args = [&[service][..], &flags].concat();
            let (child, listening) = self.start(&args, &variables).await?;
            children.push(child);
            addresses.extend(listening);
        }
        System::of(children, &addresses)
    }

    async fn start(
        &self,
        args: &[&str],
        variables: &[(String, String)],
    ) -> anyhow::Result<(Started, Addresses)> {
        let folder = self.temporary_folder()?;
        let errors = folder.path().join("stderr.log");
        let inherited =
            std::env::vars_os().filter(|(name, _)| INHERITED.iter().any(|kept| name == OsStr::new(kept)));
        let mut child = Command::new(&self.executable)
            .args(args)
            .env_clear()
            .envs(inherited)
            .env("WORKER_THREADS", self.worker_threads.to_string())
            .env("DATA_DIR", folder.path().join("data"))
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            // Its own folder, so that no .env file is found; its own group, so that Ctrl-C reaches only the bench.
            .current_dir(folder.path())
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&errors)?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.executable.display()))?;
        let (Some(pid), Some(stdin), Some(stdout)) = (child.id(), child.stdin.take(), child.stdout.take())
        else {
            bail!("the system ended at once");
        };
        let mut lines = BufReader::new(stdout).lines();
        let addresses = match timeout_at(Instant::now() + START, ready(&mut lines)).await {
            Ok(Ok(addresses)) => addresses,
            Ok(Err(error)) => return Err(error.context(last_words(&errors))),
            Err(_) => {
                return Err(anyhow!("not ready after {} s", START.as_secs()).context(last_words(&errors)));
            }
        };
        let mut drain = JoinSet::new();
        // Read to the end: a full pipe would stop it.
        drain.spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let started = Started { child, pid, _stdin: stdin, _drain: drain, _folder: folder };
        Ok((started, addresses))
    }
}

/// Which service listens where.
type Addresses = Vec<(String, SocketAddr)>;

async fn ready(lines: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<Addresses> {
    let mut addresses = Vec::new();
    while let Some(line) = lines.next_line().await? {
        match notice(&line) {
            Some(Notice::Listening { service, addr }) => addresses.push((service, addr)),
            Some(Notice::Ready) => return Ok(addresses),
            None => {}
        }
    }
    bail!("it ended before it was ready")
}

/// `None` for whatever else it prints, such as log lines.
fn notice(line: &str) -> Option<Notice> {
    serde_json::from_str(line).ok()
}

/// The end of what a child that failed wrote to its standard error.
fn last_words(errors: &Path) -> String {
    let text = std::fs::read_to_string(errors).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines[lines.len().saturating_sub(10)..].join("\n");
    if last.is_empty() {
        "the system did not start".to_owned()
    } else {
        format!("the system did not start:\n{last}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_told_from_log_lines() {
        let listening = r#"{"event":"listening","service":"orders","addr":"127.0.0.1:41234"}"#;
        let expected =
            Notice::Listening { service: "orders".to_owned(), addr: "127.0.0.1:41234".parse().unwrap() };
        assert_eq!(notice(listening), Some(expected));
        assert_eq!(notice(r#"{"event":"ready"}"#), Some(Notice::Ready));
        for other in ["", "ready", "{}", r#"{"level":"INFO","message":"x"}"#, r#"{"event":"step"}"#] {
            assert_eq!(notice(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn what_does_not_start_is_an_error_that_says_why() {
        let launcher = |executable: &str| Launcher {
            executable: executable.into(),
            folder: None,
            cluster: None,
            variables: vec![],
            worker_threads: 1,
        };
        let missing = launcher("/nonexistent/holdfast").ceiling().await.unwrap_err();
        assert!(format!("{missing:#}").starts_with("starting /nonexistent/holdfast"), "{missing:#}");
        // `ls bench-ceiling` complains and ends.
        let ended = launcher("ls").ceiling().await.unwrap_err();
        assert!(format!("{ended:#}").contains("bench-ceiling"), "{ended:#}");
    }
}
