//! One Apache Kafka broker that is its own controller (KRaft), on loopback.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::ports::Port;
use crate::process::{Program, Server};
use crate::tls::Certificates;
use crate::tool::{self, Tool, ToolOutput};
use crate::{ServerError, installed};

/// Enough for tests; the broker of a benchmark is somebody else's.
const HEAP_MIB: u32 = 256;

const USER: &str = "holdfast";
const PASSWORD: &str = "correct-horse-battery";

/// The broker's log, without the several hundred lines that list its settings, and to the end of its shutdown.
const LOGGING: &str = "\
status=error
shutdownHook=disable
appender.stdout.type=Console
appender.stdout.name=STDOUT
appender.stdout.layout.type=PatternLayout
appender.stdout.layout.pattern=%d %p %c{1}: %m%n
rootLogger.level=INFO
rootLogger.appenderRefs=stdout
rootLogger.appenderRef.stdout.ref=STDOUT
logger.settings.name=org.apache.kafka.common.config.AbstractConfig
logger.settings.level=WARN
";

/// What the broker offers beside a plain listener.
#[derive(Clone, Copy, Debug, Default)]
pub struct KafkaOptions {
    /// Listeners with a user and a password: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.
    pub sasl: bool,
    /// Listeners with TLS, and certificates for them.
    pub tls: bool,
    /// The port of the plain listener; not given: a free one.
    pub port: Option<u16>,
}

/// A way to connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listener {
    /// Neither password nor encryption.
    Plaintext,
    /// A user and a password.
    SaslPlaintext,
    /// TLS.
    Ssl,
    /// TLS that wants a certificate of the client too.
    MutualSsl,
    /// TLS, with a user and a password.
    SaslSsl,
}

impl Listener {
    const ALL: [Self; 5] = [Self::Plaintext, Self::SaslPlaintext, Self::Ssl, Self::MutualSsl, Self::SaslSsl];

    fn name_and_protocol(self) -> (&'static str, &'static str) {
        match self {
            Self::Plaintext => ("PLAINTEXT", "PLAINTEXT"),
            Self::SaslPlaintext => ("SASL_PLAINTEXT", "SASL_PLAINTEXT"),
            Self::Ssl => ("SSL", "SSL"),
            Self::MutualSsl => ("MUTUAL", "SSL"),
            Self::SaslSsl => ("SASL_SSL", "SASL_SSL"),
        }
    }

    fn is_wanted(self, options: KafkaOptions) -> bool {
        match self {
            Self::Plaintext => true,
            Self::SaslPlaintext => options.sasl,
            Self::Ssl | Self::MutualSsl => options.tls,
            Self::SaslSsl => options.sasl && options.tls,
        }
    }
}

/// A broker, running or not. Killed when dropped.
#[derive(Debug)]
pub struct Kafka {
    server: Server,
    listeners: Vec<(Listener, Port, String)>,
    controller: Port,
    options: KafkaOptions,
    certificates: Option<Certificates>,
    cluster: String,
}

impl Kafka {
    /// Starts an empty broker with a plain listener; it is ready when this returns.
    pub async fn start() -> Result<Self, ServerError> {
        Self::start_with(KafkaOptions::default()).await
    }

    /// Starts an empty broker with more listeners.
    pub async fn start_with(options: KafkaOptions) -> Result<Self, ServerError> {
        // What is missing is said before anything is made.
        installed::java()?;
        installed::kafka_class_path()?;
        let mut listeners = Vec::new();
        for listener in Listener::ALL.into_iter().filter(|listener| listener.is_wanted(options)) {
            let port = match options.port {
                Some(number) if listener == Listener::Plaintext => Port::exactly(number)?,
                _ => Port::reserve()?,
            };
            let address = port.address();
            listeners.push((listener, port, address));
        }
        let server = Server::new(format!("Kafka on {}", listeners[0].2))?;
        let certificates = options.tls.then(|| Certificates::make(server.folder())).transpose()?;
        let controller = Port::reserve()?;
        let mut kafka = Self { server, listeners, controller, options, certificates, cluster: cluster_id() };
        kafka.write_settings()?;
        kafka.format().await?;
        kafka.run().await?;
        Ok(kafka)
    }

    /// Where clients connect, without password or encryption: `127.0.0.1:PORT`. Stays the same over restarts.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.listeners[0].2
    }

    /// Where clients connect by another listener; `None` if [`KafkaOptions`] did not ask for it.
    #[must_use]
    pub fn address(&self, listener: Listener) -> Option<&str> {
        self.listeners.iter().find(|(has, ..)| *has == listener).map(|(.., address)| address.as_str())
    }

    /// The user that PLAIN and SCRAM know.
    #[must_use]
    pub fn user(&self) -> &str {
        USER
    }

    /// Its password.
    #[must_use]
    pub fn password(&self) -> &str {
        PASSWORD
    }

    /// PEM file of the authority that signed the broker's certificate; `None` without TLS.
    #[must_use]
    pub fn ca_file(&self) -> Option<&Path> {
        self.certificates.as_ref().map(|files| files.ca.as_path())
    }

    /// PEM file of a certificate that [`Listener::MutualSsl`] accepts.
    #[must_use]
    pub fn client_certificate_file(&self) -> Option<&Path> {
        self.certificates.as_ref().map(|files| files.client_certificate.as_path())
    }

    /// PEM file of the key to it.
    #[must_use]
    pub fn client_key_file(&self) -> Option<&Path> {
        self.certificates.as_ref().map(|files| files.client_key.as_path())
    }

    /// Whether its process is there, paused or not.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.server.is_running()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// Runs one of Kafka's own tools against it. `args` are those of the command line without `--bootstrap-server`.
    /// An exit code other than 0 is no error, but said in the output.
    pub async fn tool(&self, tool: Tool, args: &[&str]) -> Result<ToolOutput, ServerError> {
        self.tool_with_input(tool, args, "").await
    }

    /// [`Self::tool`], with a standard input.
    pub async fn tool_with_input(
        &self,
        tool: Tool,
        args: &[&str],
        input: &str,
    ) -> Result<ToolOutput, ServerError> {
        let mut all = Vec::new();
        if tool != Tool::Storage {
            all.extend(["--bootstrap-server", self.brokers()]);
        }
        all.extend(args);
        tool::run(tool, self.server.folder(), &all, input).await
    }

    /// SIGKILL. The port stays reserved, and what the broker had written stays.
    pub async fn kill(&mut self) -> Result<(), ServerError> {
        self.server.kill().await
    }

    /// Stops it in an orderly way.
    pub async fn stop(&mut self) -> Result<(), ServerError> {
        self.server.stop().await
    }

    /// Starts it again with the same port and data, killing it first if it runs; it is ready when this returns.
    pub async fn restart(&mut self) -> Result<(), ServerError> {
        self.server.kill().await?;
        self.run().await
    }

    /// Kills it and starts an empty one on the same port, with the same cluster id: what taking down a compose file
    /// together with its volume does.
    pub async fn wipe_and_restart(&mut self) -> Result<(), ServerError> {
        self.server.kill().await?;
        self.format().await?;
        self.run().await
    }

    /// SIGSTOP: connections stay open, and nothing is answered.
    pub async fn pause(&mut self) -> Result<(), ServerError> {
        self.server.pause()
    }

    /// Goes on after [`Self::pause`].
    pub async fn resume(&mut self) -> Result<(), ServerError> {
        self.server.resume()
    }

    async fn format(&self) -> Result<(), ServerError> {
        self.server.empty_folder("data")?;
        let mut args =
            vec!["format", "--standalone", "--cluster-id", &self.cluster, "--config", "server.properties"];
        let scram = ["256", "512"].map(|bits| format!("SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]"));
        if self.options.sasl {
            args.extend(scram.iter().flat_map(|user| ["--add-scram", user]));
        }
        let said = self.tool(Tool::Storage, &args).await?;
        if said.success {
            return Ok(());
        }
        Err(ServerError::Tool { program: Tool::Storage.name().to_owned(), said: said.stdout + &said.stderr })
    }

    async fn run(&mut self) -> Result<(), ServerError> {
        let logging = self.server.folder().join("log4j2.properties");
        let program = Program::new(installed::java()?)
            .environment("CLASSPATH", installed::kafka_class_path()?)
            .args(tool::java_options(HEAP_MIB, &logging))
            .arg("kafka.Kafka")
            .arg("server.properties");
        self.server.start(&program)?;
        let address = self.brokers().to_owned();
        self.server.wait_until(async || answers(&address).await).await
    }

    fn write_settings(&self) -> Result<(), ServerError> {
        let mut settings = String::from(SETTINGS);
        // Writing into a String cannot fail.
        let mut set = |name: &str, value: &str| _ = writeln!(settings, "{name}={value}");
        let controller = self.controller.address();
        let named: Vec<(&str, &str, &str)> = self
            .listeners
            .iter()
            .map(|(listener, _, address)| {
                let (name, protocol) = listener.name_and_protocol();
                (name, protocol, address.as_str())
            })
            .collect();
        let advertised =
            named.iter().map(|(name, _, at)| format!("{name}://{at}")).collect::<Vec<_>>().join(",");
        let protocols =
            named.iter().map(|(name, protocol, _)| format!(",{name}:{protocol}")).collect::<String>();
        set("controller.quorum.bootstrap.servers", &controller);
        set("listeners", &format!("{advertised},CONTROLLER://{controller}"));
        set("advertised.listeners", &advertised);
        set("listener.security.protocol.map", &format!("CONTROLLER:PLAINTEXT{protocols}"));
        if self.options.sasl {
            set("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512");
            let module = "org.apache.kafka.common.security";
            for name in ["sasl_plaintext", "sasl_ssl"] {
                let plain = format!("{module}.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";");
                set(&format!("listener.name.{name}.plain.sasl.jaas.config"), &plain);
                for bits in ["256", "512"] {
                    let scram = format!("{module}.scram.ScramLoginModule required;");
                    set(&format!("listener.name.{name}.scram-sha-{bits}.sasl.jaas.config"), &scram);
                }
            }
        }
        if let Some(files) = &self.certificates {
            set("ssl.keystore.type", "PEM");
            set("ssl.keystore.location", &files.broker.to_string_lossy());
            set("ssl.truststore.type", "PEM");
            set("ssl.truststore.location", &files.ca.to_string_lossy());
            set("listener.name.mutual.ssl.client.auth", "required");
        }
        let write = |name, text: &str| {
            fs::write(self.server.folder().join(name), text)
                .map_err(ServerError::io("writing Kafka's settings"))
        };
        write("log4j2.properties", LOGGING)?;
        write("server.properties", &settings)
    }
}

/// Small, quick to react, and made for one node. After a kill it may not come back before its session has run out.
const SETTINGS: &str = "\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs=data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=4000
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
";

/// Whether the broker at `address` answers a request for metadata and knows a broker, itself: from then on it serves.
async fn answers(address: &str) -> bool {
    // Length; api key 3 (Metadata), version 4, correlation id 1, no client id; no topics, none made.
    const REQUEST: [u8; 19] = [0, 0, 0, 15, 0, 3, 0, 4, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0, 0];
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(&REQUEST).await?;
        // Length, correlation id, throttle time, number of brokers.
        let mut answer = [0; 16];
        stream.read_exact(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    match tokio::time::timeout(Duration::from_secs(2), ask).await {
        Ok(Ok(answer)) => answer[4..8] == [0, 0, 0, 1] && answer[12..16] != [0; 4],
        Ok(Err(_)) | Err(_) => false,
    }
}

/// 16 bytes as Kafka writes them: 22 characters, of which the last carries two bits only.
fn cluster_id() -> String {
    static MADE: AtomicU32 = AtomicU32::new(0);
    #[expect(clippy::disallowed_methods, reason = "part of an id, not a time that anything depends on")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_nanos());
    let made = MADE.fetch_add(1, Ordering::Relaxed) & 0xff;
    format!("hold{:07x}{now:08x}{made:02x}Q", std::process::id() & 0xfff_ffff)
}

#[cfg(test)]
mod tests {
    use super::cluster_id;

    #[test]
    fn a_cluster_id_is_as_long_as_kafka_wants_it() {
        assert_eq!(cluster_id().len(), 22);
        assert_ne!(cluster_id(), cluster_id());
    }
}
