//! Open files: what the operating system allows, and how much of it connections may use.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Where there is no limit, or none that can be read.
const PLENTY: u64 = 1 << 20;
/// Descriptors for what is no connection: databases, the broker, logs.
const OURS: u64 = 128;

/// Raises this process's limit as far as it may. Most systems start programs with 1,024, for the sake of programs that
/// cannot count further, and let them have more.
pub fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // What some systems call unlimited, they do not allow.
    let wanted = maximum.unwrap_or(PLENTY).min(PLENTY);
    if current.is_some_and(|current| current < wanted) {
        let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
        if let Err(error) = raised {
            tracing::warn!(%error, "the limit of open files stays as it is");
        }
    }
}

/// Kinds of connections that have to fit at once: those of both services, of the web app at its two addresses, and the live
/// ones.
const KINDS: u64 = 5;

/// How many connections one kind may have, so that the services keep the files that they need themselves.
pub fn share() -> usize {
    share_of(getrlimit(Resource::Nofile).current.unwrap_or(PLENTY))
}

fn share_of(limit: u64) -> usize {
    usize::try_from((limit.saturating_sub(OURS) / KINDS).max(8)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_fit_beside_the_services_own() {
        for limit in [256, 1_024, 20_000, PLENTY] {
            assert!(KINDS * share_of(limit) as u64 + OURS <= limit, "{limit}");
        }
        assert!(share_of(0) > 0);
        assert!(share_of(PLENTY) > 8_192, "the default fits where there is plenty");
    }

    #[test]
    fn raising_takes_what_there_is() {
        raise();
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        assert!(current.unwrap_or(PLENTY) >= maximum.unwrap_or(PLENTY).min(PLENTY));
    }
}
