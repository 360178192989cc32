//! Where the servers' programs are on this machine. `tools/servers/fetch` puts them there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::ServerError;

/// Version of Apache Kafka; the one in `tools/servers/pom.xml`.
pub const KAFKA_VERSION: &str = "4.1.1";

/// Version of MongoDB; the one in the wheel that `tools/servers/requirements.txt` names.
pub const MONGODB_VERSION: &str = "6.0.5";

const REMEDY: &str = "run tools/servers/fetch, which gets it or says what it lacks";

/// The folder that all programs are in: `HOLDFAST_SERVERS_DIR`, else `holdfast/servers` in the user's cache folder.
#[must_use]
pub fn folder() -> PathBuf {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("HOLDFAST_SERVERS_DIR")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("holdfast/servers")))
        .or_else(|| Some(set("HOME")?.join(".cache/holdfast/servers")))
        .unwrap_or_default()
}

/// Java's launcher: the one of `JAVA_HOME`, else the one in `PATH`.
pub(crate) fn java() -> Result<PathBuf, ServerError> {
    let found = match std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Some(Path::new(&home).join("bin/java")).filter(|java| java.is_file()),
        None => std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|folder| folder.join("java")).find(|java| java.is_file())
        }),
    };
    found.ok_or_else(|| ServerError::Missing {
        what: "Java 17 or newer".to_owned(),
        remedy: "on Debian or Ubuntu, install the package openjdk-17-jre-headless",
    })
}

/// All jars of Kafka, as Java's `CLASSPATH`.
pub(crate) fn kafka_class_path() -> Result<OsString, ServerError> {
    let folder = complete(format!("kafka-{KAFKA_VERSION}"), "Apache Kafka")?;
    Ok(folder.join("libs").join("*").into_os_string())
}

/// MongoDB's server program.
pub(crate) fn mongod() -> Result<PathBuf, ServerError> {
    Ok(complete(format!("mongodb-{MONGODB_VERSION}"), "MongoDB")?.join("mongod"))
}

fn complete(name: String, what: &str) -> Result<PathBuf, ServerError> {
    let folder = folder().join(name);
    if folder.join("complete").is_file() {
        return Ok(folder);
    }
    Err(ServerError::Missing { what: format!("{what} ({})", folder.display()), remedy: REMEDY })
}

#[cfg(test)]
mod tests {
    use super::{KAFKA_VERSION, MONGODB_VERSION};

    #[test]
    fn the_versions_are_those_that_are_fetched() {
        let pom = include_str!("../../../tools/servers/pom.xml");
        assert!(pom.contains(&format!("<kafka.version>{KAFKA_VERSION}</kafka.version>")));
        let fetch = include_str!("../../../tools/servers/fetch");
        assert!(fetch.contains(&format!("mongod_version={MONGODB_VERSION}\n")));
        assert!(include_str!("../../../tools/servers/requirements.txt").contains(MONGODB_VERSION));
    }
}
