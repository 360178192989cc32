//! What the operating system gives a process.

use rustix::process::{Resource, getrlimit};

use super::Finding;

const OPEN_FILES: &str = "open files";
/// With fewer, connections are refused under load that the services could take.
const ENOUGH: u64 = 4_096;

/// How many files may be open: holdfast raises its limit as far as it may.
pub(super) fn open_files() -> Finding {
    open_files_of(getrlimit(Resource::Nofile).maximum)
}

fn open_files_of(most: Option<u64>) -> Finding {
    match most {
        None => Finding::ok(OPEN_FILES, "no limit"),
        Some(most) if most >= ENOUGH => Finding::ok(OPEN_FILES, format!("up to {most}")),
        Some(most) => Finding::warn(
            OPEN_FILES,
            format!("only up to {most}: few connections at once"),
            format!("raise the hard limit to {ENOUGH} or more (ulimit -Hn; LimitNOFILE= in a systemd unit)"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn few_files_are_warned_of() {
        assert_eq!(open_files_of(None).state, State::Ok);
        assert_eq!(open_files_of(Some(ENOUGH)).state, State::Ok);
        assert_eq!(open_files_of(Some(1_024)).state, State::Warn);
    }
}
