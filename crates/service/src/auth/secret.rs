//! Which secrets tokens may be signed with.

use std::path::PathBuf;

use thiserror::Error;

use crate::config::{AuthArgs, Secret};

/// HS256 takes a key of at least the size of its hash (RFC 7518, 3.2).
const SHORTEST: usize = 32;
/// Fewer different bytes are a pattern, not a secret: 32 random bytes have about 30, 32 random hexadecimal digits 14.
const FEWEST_DIFFERENT: usize = 8;

/// What examples, templates and tutorials have as a secret. Who copies them has one that everybody knows. A random secret
/// contains none of these, so they are looked for anywhere in it, whatever its case.
const WELL_KNOWN: [&str; 20] = [
    "access-token-secret",
    "access_token_secret",
    "accesstokensecret",
    "change-me",
    "change-this",
    "change_me",
    "change_this",
    "changeme",
    "default",
    "example",
    "holdfast",
    "in-production",
    "in_production",
    "jwt-secret",
    "jwt_secret",
    "password",
    "replace",
    "secret",
    "your-256-bit",
    "your_256_bit",
];

/// Why a secret is not used.
#[derive(Debug, Error)]
pub enum SecretError {
    /// Both ways to give it are used.
    #[error("ACCESS_TOKEN_SECRET and ACCESS_TOKEN_SECRET_FILE are both set: unset one of them")]
    Twice,
    /// Its file cannot be read.
    #[error("ACCESS_TOKEN_SECRET_FILE: {path} cannot be read")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It can be guessed by trying.
    #[error(
        "ACCESS_TOKEN_SECRET has {0} bytes, and needs at least {SHORTEST}: whoever guesses it is an admin.\n\
         Make one with: openssl rand -base64 48"
    )]
    Short(usize),
    /// It can be guessed by knowing.
    #[error(
        "ACCESS_TOKEN_SECRET is a well-known or a patterned one: whoever knows it is an admin.\n\
         Make one with: openssl rand -base64 48"
    )]
    WellKnown,
}

/// The configured secret, proved; `None` if there is none. An empty variable counts as not set.
///
/// # Errors
/// See [`SecretError`].
pub(super) fn configured(args: &AuthArgs) -> Result<Option<Secret>, SecretError> {
    let given = args.access_token_secret.as_ref().filter(|secret| !secret.reveal().trim().is_empty());
    let secret = match (given, &args.access_token_secret_file) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(SecretError::Twice),
        (Some(secret), None) => secret.clone(),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| SecretError::Unreadable { path: path.clone(), source })?;
            let text = Secret::new(text);
            Secret::new(text.reveal().trim_end_matches(['\r', '\n']).to_owned())
        }
    };
    prove(secret.reveal())?;
    Ok(Some(secret))
}

fn prove(secret: &str) -> Result<(), SecretError> {
    if secret.len() < SHORTEST {
        return Err(SecretError::Short(secret.len()));
    }
    let lower = secret.to_ascii_lowercase();
    let mut seen = [false; 256];
    secret.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    let different = seen.iter().filter(|seen| **seen).count();
    if different < FEWEST_DIFFERENT || WELL_KNOWN.iter().any(|known| lower.contains(known)) {
        return Err(SecretError::WellKnown);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::auth::test_support::{SECRET, args};

    #[test]
    fn short_and_known_secrets_are_refused() {
        for (secret, short) in [
            ("secret", true),
            ("0123456789abcdef0123456789abcde", true),
            ("your-256-bit-secret-your-256-bit-secret", false),
            ("Please-CHANGE-ME-before-you-go-to-the-internet", false),
            ("00000000000000000000000000000000", false),
            ("abcabcabcabcabcabcabcabcabcabcabcabc", false),
        ] {
            let refused = prove(secret).unwrap_err();
            assert_eq!(matches!(refused, SecretError::Short(_)), short, "{secret}: {refused}");
            assert!(!refused.to_string().contains(secret), "{refused}");
        }
        prove(SECRET).unwrap();
    }

    #[test]
    fn it_comes_from_a_variable_or_from_a_file() {
        assert!(configured(&args(&[])).unwrap().is_none());
        assert!(configured(&args(&["--access-token-secret", " "])).unwrap().is_none());
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{SECRET}").unwrap();
        let path = file.path().to_str().unwrap();
        let from_file = args(&["--access-token-secret-file", path]);
        assert_eq!(configured(&from_file).unwrap().unwrap().reveal(), SECRET);
        let both = args(&["--access-token-secret", SECRET, "--access-token-secret-file", path]);
        assert!(matches!(configured(&both), Err(SecretError::Twice)));
        let missing = args(&["--access-token-secret-file", "/nowhere/secret"]);
        assert!(matches!(configured(&missing), Err(SecretError::Unreadable { .. })));
        assert!(!format!("{both:?}").contains(SECRET), "it is in a debug print");
    }
}
