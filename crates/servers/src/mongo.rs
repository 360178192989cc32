//! A MongoDB replica set of one or several nodes, on loopback.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mongodb::Client;
use mongodb::bson::{Document, doc};
use mongodb::options::ClientOptions;
use tokio::time::Instant;

use crate::ports::Port;
use crate::process::{LOOK_EVERY, PATIENCE, Program, Server};
use crate::{Fault, ServerError, installed};

const SET: &str = "rs0";

/// Where a node has its files, in its folder.
const DATA: &str = "data";

/// How long the others wait for a primary that says nothing. MongoDB's default is 10 s; much less would elect another one
/// whenever a busy machine is slow.
const ELECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a primary that stepped down does not stand for election again.
const STEPPED_DOWN: Duration = Duration::from_secs(10);

/// A replica set; its nodes run or not. Killed when dropped.
#[derive(Debug)]
pub struct Mongo {
    nodes: Vec<Node>,
    uri: String,
}

#[derive(Debug)]
struct Node {
    server: Server,
    port: Port,
}

impl Mongo {
    /// Starts an empty replica set of one node, which is primary when this returns.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_replica_set(1).await
    }

    /// As [`Mongo::start`], on this very port.
    pub async fn start_on(port: u16) -> Result<Self, ServerError> {
        installed::mongod()?;
        Self::start_nodes(vec![Port::exactly(port)?]).await
    }

    /// Starts an empty replica set of `count` nodes (1 to 7); one is primary when this returns.
    pub async fn start_replica_set(count: usize) -> Result<Self, ServerError> {
        installed::mongod()?;
        let ports: Result<Vec<Port>, ServerError> = (0..count).map(|_| Port::reserve()).collect();
        Self::start_nodes(ports?).await
    }

    async fn start_nodes(ports: Vec<Port>) -> Result<Self, ServerError> {
        let mut nodes = Vec::new();
        for port in ports {
            let server = Server::new(format!("MongoDB on {}", port.address()))?;
            nodes.push(Node { server, port });
        }
        let hosts = nodes.iter().map(|node| node.port.address()).collect::<Vec<_>>().join(",");
        let mut set = Self { nodes, uri: format!("mongodb://{hosts}/?replicaSet={SET}") };
        set.start_empty().await?;
        Ok(set)
    }

    /// The connection string of the whole set. Stays the same over restarts.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// How many nodes it has.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Whether all of its processes are there, paused or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.nodes.iter().all(|node| node.server.is_running())
    }

    /// The last lines of the log of every node.
    #[must_use]
    pub fn log(&self) -> String {
        self.nodes.iter().map(|node| format!("{}\n{}\n", node.server.name(), node.server.log())).collect()
    }

    /// Waits until one node says that it is primary and takes writes; gives which.
    pub async fn primary(&self) -> Result<usize, ServerError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            for (index, node) in self.nodes.iter().enumerate() {
                if node.server.is_running() && node.is_primary().await {
                    return Ok(index);
                }
            }
            if Instant::now() > deadline {
                return Err(self.nodes[0].server.failed("has no primary".to_owned()));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// SIGKILL for every node. Ports stay reserved, and what was written stays.
    pub async fn kill(&mut self) -> Result<(), ServerError> {
        for node in &mut self.nodes {
            node.server.kill().await?;
        }
        Ok(())
    }

    /// Stops every node in an orderly way.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        for node in &mut self.nodes {
            node.server.stop().await?;
        }
        Ok(())
    }

    /// Starts every node again with the same ports and data, killing those that run; there is a primary when this
    /// returns.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.kill().await?;
        for node in &mut self.nodes {
            node.run().await?;
        }
        self.primary().await.map(drop)
    }

    /// Kills it and starts an empty one on the same ports.
    pub async fn wipe_and_restart(&mut self) -> Result<(), ServerError> {
        self.kill().await?;
        self.start_empty().await
    }

    /// Copies the files of a set of one node into `to`, an empty folder, while it runs: a snapshot of one instant. Writes wait
    /// meanwhile.
    pub async fn snapshot(&self, to: &Path) -> Result<(), ServerError> {
        assert_eq!(self.nodes.len(), 1, "the files of one node are not those of another");
        let node = &self.nodes[self.primary().await?];
        node.run_command(doc! { "fsync": 1, "lock": true }).await?;
        let copied = copy(&node.server.folder().join(DATA), to);
        node.run_command(doc! { "fsyncUnlock": 1 }).await?;
        copied
    }

    /// Kills a set of one node and starts it with what [`Self::snapshot`] has copied.
    pub async fn restore(&mut self, from: &Path) -> Result<(), ServerError> {
        assert_eq!(self.nodes.len(), 1, "the files of one node are not those of another");
        self.kill().await?;
        for node in &mut self.nodes {
            copy(from, &node.server.empty_folder(DATA)?)?;
            node.run().await?;
        }
        self.primary().await.map(drop)
    }

    /// SIGSTOP for every node: connections stay open, and nothing is answered.
    pub async fn pause(&mut self) -> Result<(), ServerError> {
        self.nodes.iter_mut().try_for_each(|node| node.server.pause())
    }

    /// Goes on after [`Self::pause`].
    pub async fn resume(&mut self) -> Result<(), ServerError> {
        self.nodes.iter_mut().try_for_each(|node| node.server.resume())
    }

    /// SIGKILL for one node.
    pub async fn kill_node(&mut self, index: usize) -> Result<(), ServerError> {
        self.nodes[index].server.kill().await
    }

    /// Starts one node again, killing it first if it runs; it answers when this returns, and may still be catching up.
    pub async fn restart_node(&mut self, index: usize) -> Result<(), ServerError> {
        self.nodes[index].server.kill().await?;
        self.nodes[index].run().await
    }

    /// SIGSTOP for one node.
    pub async fn pause_node(&mut self, index: usize) -> Result<(), ServerError> {
        self.nodes[index].server.pause()
    }

    /// Goes on after [`Self::pause_node`].
    pub async fn resume_node(&mut self, index: usize) -> Result<(), ServerError> {
        self.nodes[index].server.resume()
    }

    /// The primary gives up its office, which closes its clients' connections; waits for the next one and gives which. A
    /// set of one node has none until it may stand again, a second later.
    pub async fn step_down(&mut self) -> Result<usize, ServerError> {
        let primary = self.primary().await?;
        let alone = self.nodes.len() == 1;
        let seconds = if alone { 1 } else { STEPPED_DOWN.as_secs().cast_signed() };
        let command = doc! { "replSetStepDown": seconds, "secondaryCatchUpPeriodSecs": if alone { 0 } else { seconds / 2 }, "force": true };
        self.nodes[primary].run_command(command).await?;
        self.primary().await
    }

    /// Makes commands fail on every node that runs, in place of an earlier fault.
    pub async fn fail_command(&mut self, fault: &Fault) -> Result<(), ServerError> {
        self.on_all(&fault.command()).await
    }

    /// Ends what [`Self::fail_command`] began.
    pub async fn heal(&mut self) -> Result<(), ServerError> {
        self.on_all(&Fault::heal()).await
    }

    async fn on_all(&self, command: &Document) -> Result<(), ServerError> {
        for node in self.nodes.iter().filter(|node| node.server.is_running()) {
            node.run_command(command.clone()).await?;
        }
        Ok(())
    }

    async fn start_empty(&mut self) -> Result<(), ServerError> {
        for node in &mut self.nodes {
            node.server.empty_folder(DATA)?;
            node.run().await?;
        }
        let members: Vec<Document> = (0_i32..)
            .zip(&self.nodes)
            .map(|(id, node)| doc! { "_id": id, "host": node.port.address() })
            .collect();
        let settings = doc! {
            "electionTimeoutMillis": millis(ELECTION_TIMEOUT),
            "heartbeatIntervalMillis": 500_i64,
        };
        let set = doc! { "_id": SET, "members": members, "settings": settings };
        self.nodes[0].run_command(doc! { "replSetInitiate": set }).await?;
        self.primary().await?;
        if self.nodes.len() > 1 {
            self.wait_for_secondaries().await?;
        }
        Ok(())
    }

    /// Until they have caught up, nobody can take over.
    async fn wait_for_secondaries(&self) -> Result<(), ServerError> {
        for node in &self.nodes {
            let deadline = Instant::now() + PATIENCE;
            while !node
                .hello()
                .await
                .is_ok_and(|said| has(&said, "secondary") || has(&said, "isWritablePrimary"))
            {
                if Instant::now() > deadline {
                    return Err(node.server.failed("did not become a secondary".to_owned()));
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        Ok(())
    }
}

impl Node {
    async fn run(&mut self) -> Result<(), ServerError> {
        let program = Program::new(installed::mongod()?)
            .args(["--replSet", SET, "--bind_ip", "127.0.0.1", "--dbpath", DATA, "--nounixsocket"])
            .args(["--port".to_owned(), self.port.number().to_string()])
            .args(["--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64"])
            .args(["--setParameter", "enableTestCommands=1"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            // Else a node that is asked to stop waits 15 s for its clients to go.
            .args(["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=200"]);
        self.server.start(&program)?;
        let admin = Admin::new(&self.port).await?;
        self.server.wait_until(async || admin.run(doc! { "hello": 1 }).await.is_ok()).await
    }

    async fn hello(&self) -> Result<Document, ServerError> {
        self.run_command(doc! { "hello": 1 }).await
    }

    async fn is_primary(&self) -> bool {
        self.hello().await.is_ok_and(|said| has(&said, "isWritablePrimary"))
    }

    async fn run_command(&self, command: Document) -> Result<Document, ServerError> {
        Admin::new(&self.port).await?.run(command).await
    }
}

/// A connection to one node, whatever its part in the set. Made for each use: a client of the driver belongs to the runtime
/// on which it was made.
struct Admin {
    client: Client,
}

impl Admin {
    async fn new(port: &Port) -> Result<Self, ServerError> {
        let uri = format!("mongodb://{}/?directConnection=true&appName=holdfast-servers", port.address());
        let mut options = ClientOptions::parse(uri).await?;
        // Short, because a paused or stopped node is asked too.
        options.server_selection_timeout = Some(Duration::from_secs(2));
        options.connect_timeout = Some(Duration::from_secs(2));
        Ok(Self { client: Client::with_options(options)? })
    }

    async fn run(&self, command: Document) -> Result<Document, ServerError> {
        Ok(self.client.database("admin").run_command(command).await?)
    }
}

/// Copies what is in a folder into another one.
fn copy(from: &Path, to: &Path) -> Result<(), ServerError> {
    let doing = || ServerError::io("copying a server's files");
    for entry in fs::read_dir(from).map_err(doing())? {
        let entry = entry.map_err(doing())?;
        let to = to.join(entry.file_name());
        if entry.file_type().map_err(doing())?.is_dir() {
            fs::create_dir(&to).map_err(doing())?;
            copy(&entry.path(), &to)?;
        } else {
            fs::copy(entry.path(), to).map_err(doing())?;
        }
    }
    Ok(())
}

fn has(document: &Document, name: &str) -> bool {
    document.get_bool(name).unwrap_or(false)
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
