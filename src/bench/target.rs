//! What is measured: a running system, or one that is started for it and is always stopped again.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;
use holdfast_service::SystemClock;
use holdfast_service::auth::mint;
use holdfast_service::config::{AuthArgs, Secret};
use holdfast_service::http::Role;
use tempfile::TempDir;

use crate::child::{Addresses, Child, EXIT_WITH_STDIN, Program};
use crate::client::{CallerArgs, Endpoint, TokenArgs};

/// How long a system may take to start.
const START: Duration = Duration::from_secs(30);

/// Longer than any bench.
const TOKEN_LIFE: Duration = Duration::from_secs(24 * 3600);

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

impl System {
    /// A system that is already running.
    pub(crate) fn running(orders: Endpoint, products: Endpoint) -> Self {
        Self { orders, products: Some(products), children: vec![] }
    }

    /// Of processes that listen at these addresses.
    fn of(children: Vec<Started>, addresses: &Addresses) -> anyhow::Result<Self> {
        let address = |service: &str| {
            let found = addresses.iter().find(|(name, _)| name == service)?;
            Some(Endpoint::here(found.1))
        };
        let orders = address("orders").context("the system did not say where orders listens")?;
        Ok(Self { orders, products: address("products"), children })
    }

    /// The ids of its processes, if it was started here.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.children.iter().map(|started| started.child.pid()).collect()
    }

    /// Ends a system that was started here, and waits until it is gone.
    pub(crate) async fn stop(self) {
        for mut started in self.children {
            // It has nothing to lose: its data goes with its folder.
            started.child.kill().await;
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
        let flags = [&[EXIT_WITH_STDIN][..], more].concat();
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

    /// Starts the whole system, which asks for a token and is asked with an operator's.
    ///
    /// # Errors
    /// If it does not get ready.
    pub(crate) async fn guarded_system(&self) -> anyhow::Result<System> {
        let auth = AuthArgs {
            access_token_secret: Some(random_secret()?),
            access_token_secret_file: None,
            jwks_file: None,
            jwks_url: None,
            issuer: "holdfast".to_owned(),
            audience: "holdfast".to_owned(),
            allow_open_access: false,
        };
        let token = mint(&auth, &SystemClock, "bench", Role::Operator, TOKEN_LIFE)?;
        let secret = auth.access_token_secret.as_ref().map(Secret::reveal).unwrap_or_default().to_owned();
        let guard = [
            ("ACCESS_TOKEN_SECRET", secret),
            ("ISSUER", auth.issuer.clone()),
            ("AUDIENCE", auth.audience.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value));
        let guarded = Self {
            // The last of a name counts.
            variables: [&self.variables[..], &guard].concat(),
            ..self.clone()
        };
        let mut system = guarded.system(&[]).await?;
        let caller = CallerArgs { token: TokenArgs::of(token), ..CallerArgs::default() };
        system.orders = system.orders.by(&caller);
        system.products = system.products.map(|products| products.by(&caller));
        Ok(system)
    }

    async fn start(
        &self,
        args: &[&str],
        variables: &[(String, String)],
    ) -> anyhow::Result<(Started, Addresses)> {
        let folder = self.temporary_folder()?;
        let own = [
            ("WORKER_THREADS", self.worker_threads.to_string()),
            ("DATA_DIR", folder.path().join("data").display().to_string()),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let program = Program {
            executable: self.executable.clone(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            log: folder.path().join("stderr.log"),
            folder: folder.path().to_owned(),
            variables: own.iter().chain(variables).chain(&self.variables).cloned().collect(),
        };
        let mut child = program.spawn()?;
        let addresses = child.ready(START).await?;
        Ok((Started { child, _folder: folder }, addresses))
    }
}

fn random_secret() -> anyhow::Result<Secret> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("/dev/urandom")?;
    Ok(Secret::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
