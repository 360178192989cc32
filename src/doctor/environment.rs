//! The file `.env`.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use clap::{Command, CommandFactory};

use super::Finding;
use crate::cli::Cli;

const ENV_FILE: &str = ".env";

/// Whether what an `.env` file sets means something to Holdfast. (It was read before this; a malformed one stops every command.)
pub(super) fn env_file(path: &Path) -> Finding {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Finding::ok(ENV_FILE, "there is none in this folder");
        }
        Err(error) => {
            return Finding::fail(ENV_FILE, error.to_string(), "let this user read it, or remove it");
        }
    };
    let known = variables(&Cli::command());
    let unknown: Vec<&str> = names(&text).filter(|name| !known.contains(*name)).collect();
    if unknown.is_empty() {
        return Finding::ok(ENV_FILE, format!("sets {} variables", names(&text).count()));
    }
    Finding::warn(
        ENV_FILE,
        format!("sets what no command of holdfast reads: {}", unknown.join(", ")),
        "check the spelling; `holdfast help COMMAND` names the variables",
    )
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.strip_prefix("export ").unwrap_or(line).split_once('=')?.0.trim()))
}

/// The variables that a command and those below it read.
fn variables(command: &Command) -> BTreeSet<String> {
    let own = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_variable_that_nobody_reads_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        assert_eq!(env_file(&file).state, State::Ok);
        fs::write(&file, "# DATADIR=x\nDATA_DIR=/d\nexport KAFKA_BROKERS=a\n").unwrap();
        assert_eq!(env_file(&file), Finding::ok(ENV_FILE, "sets 2 variables"));
        fs::write(&file, "KAFKA_BROKER=a\nPRODUCTS_URL=http://x\n").unwrap();
        let found = env_file(&file);
        assert!(found.state == State::Warn && found.found.ends_with(": KAFKA_BROKER"), "{found:?}");
    }
}
