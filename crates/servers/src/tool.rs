//! Kafka's own command-line tools, out of the same jars as the broker.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use crate::process::PATIENCE;
use crate::{ServerError, installed};

/// Where the tools' warnings go: to standard error, so that standard output is only what was asked for.
const LOGGING: &str = "\
status=error
appender.stderr.type=Console
appender.stderr.name=STDERR
appender.stderr.target=SYSTEM_ERR
appender.stderr.layout.type=PatternLayout
appender.stderr.layout.pattern=%p %m%n
rootLogger.level=WARN
rootLogger.appenderRefs=stderr
rootLogger.appenderRef.stderr.ref=STDERR
";

/// A tool of Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// `kafka-topics`
    Topics,
    /// `kafka-console-consumer`; runs until `--max-messages` or `--timeout-ms` end it.
    ConsoleConsumer,
    /// `kafka-console-producer`; its input is a message a line.
    ConsoleProducer,
    /// `kafka-consumer-groups`
    ConsumerGroups,
    /// `kafka-get-offsets`
    GetOffsets,
    /// `kafka-delete-records`
    DeleteRecords,
    /// `kafka-configs`
    Configs,
    /// `kafka-storage`
    Storage,
}

impl Tool {
    const ALL: [Self; 8] = [
        Self::Topics,
        Self::ConsoleConsumer,
        Self::ConsoleProducer,
        Self::ConsumerGroups,
        Self::GetOffsets,
        Self::DeleteRecords,
        Self::Configs,
        Self::Storage,
    ];

    /// The tool that people call `name`, as `kafka-topics`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }

    /// What people call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.name_and_class().0
    }

    fn name_and_class(self) -> (&'static str, &'static str) {
        match self {
            Self::Topics => ("kafka-topics", "org.apache.kafka.tools.TopicCommand"),
            Self::ConsoleConsumer => {
                ("kafka-console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer")
            }
            Self::ConsoleProducer => ("kafka-console-producer", "org.apache.kafka.tools.ConsoleProducer"),
            Self::ConsumerGroups => {
                ("kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand")
            }
            Self::GetOffsets => ("kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
            Self::DeleteRecords => ("kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
            Self::Configs => ("kafka-configs", "kafka.admin.ConfigCommand"),
            Self::Storage => ("kafka-storage", "kafka.tools.StorageTool"),
        }
    }
}

/// What a tool said.
#[derive(Clone, Debug)]
pub struct ToolOutput {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Java's options of every program here: small, and quick to start rather than fast in the long run.
pub(crate) fn java_options(heap_mib: u32, logging: &Path) -> Vec<OsString> {
    let mut logging_option = OsString::from("-Dlog4j2.configurationFile=");
    logging_option.push(logging);
    let heap = format!("-Xmx{heap_mib}m");
    [&heap, "-Xms32m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        .into_iter()
        .map(OsString::from)
        .chain([logging_option])
        .collect()
}

/// Runs `tool` with `args`, and `input` as its standard input, in `folder`, where it keeps its settings.
pub(crate) async fn run(
    tool: Tool,
    folder: &Path,
    args: &[&str],
    input: &str,
) -> Result<ToolOutput, ServerError> {
    let doing = ServerError::io;
    let logging = folder.join("tool-log4j2.properties");
    std::fs::write(&logging, LOGGING).map_err(doing("writing a tool's settings"))?;
    let (name, class) = tool.name_and_class();
    let mut child = tokio::process::Command::new(installed::java()?)
        .env("CLASSPATH", installed::kafka_class_path()?)
        .args(java_options(128, &logging))
        .arg(class)
        .args(args)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(doing("starting a tool of Kafka"))?;
    let stdin = child.stdin.take();
    let work = async {
        if let Some(mut stdin) = stdin {
            // A tool that reads no input may have ended already.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        child.wait_with_output().await.map_err(doing("running a tool of Kafka"))
    };
    let output = tokio::time::timeout(PATIENCE, work).await.map_err(|_| ServerError::Tool {
        program: name.to_owned(),
        said: format!("nothing for {} s", PATIENCE.as_secs()),
    })??;
    Ok(ToolOutput {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::Tool;

    #[test]
    fn tools_are_found_by_the_names_that_people_use() {
        assert_eq!(Tool::named("kafka-consumer-groups"), Some(Tool::ConsumerGroups));
        assert_eq!(Tool::named("kafka-consumer-groups.sh"), None);
        for tool in Tool::ALL {
            assert_eq!(Tool::named(tool.name()), Some(tool));
        }
    }
}
