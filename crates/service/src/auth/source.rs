//! Where public keys come from: a file or a URL, read again so that they can be rotated.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::fetch::{FetchError, KeyUrl};
use super::keys::{InvalidKeySet, KeySet};
use super::{AuthArgs, AuthError};
use crate::trust::Trust;

/// How often a file is looked at, and how soon after that for a token that names an unknown key.
const FILE: Pace = Pace { every: Duration::from_secs(5), at_least: Duration::from_secs(1) };
/// How often a URL is fetched: anybody can send tokens that name unknown keys, and must not make this a hammer.
const URL: Pace = Pace { every: Duration::from_secs(300), at_least: Duration::from_secs(30) };
/// After this much of a URL that does not answer, while there are no keys at all.
const URL_AWAY: Duration = Duration::from_secs(5);

struct Pace {
    every: Duration,
    at_least: Duration,
}

/// Why keys cannot be had.
#[derive(Debug, Error)]
pub enum SourceError {
    /// The file cannot be read.
    #[error("JWKS_FILE: {path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The URL does not answer with what it should.
    #[error("JWKS_URL does not answer as it should")]
    Url(#[from] FetchError),
    /// What is there is no key set that can be used.
    #[error("the key set of {0} cannot be used")]
    Invalid(&'static str, #[source] InvalidKeySet),
}

/// Why keys are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is time again.
    Regularly,
    /// A token names one that is not known.
    Now,
}

/// Where keys come from.
#[derive(Debug)]
pub(super) struct KeySource {
    place: Place,
    last: Mutex<Last>,
}

#[derive(Debug)]
enum Place {
    File(PathBuf),
    Url(KeyUrl),
}

/// What is known of the last time.
#[derive(Debug, Default)]
struct Last {
    /// When it was tried.
    tried: Option<Instant>,
    /// Whether it worked, ever.
    worked: bool,
    /// What the file looked like.
    looked: Option<(SystemTime, u64)>,
}

impl KeySource {
    pub(super) fn configured(args: &AuthArgs, trust: &Trust) -> Result<Option<Self>, AuthError> {
        let url = args.jwks_url.as_deref().map(str::trim).filter(|url| !url.is_empty());
        let place = match (&args.jwks_file, url) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return Err(AuthError::TwoKeySets),
            (Some(path), None) => Place::File(path.clone()),
            (None, Some(url)) => Place::Url(KeyUrl::parse(url, trust)?),
        };
        Ok(Some(Self { place, last: Mutex::default() }))
    }

    /// The keys to start with: of a file, which must be there; of a URL none yet.
    pub(super) fn first(&self) -> Result<KeySet, SourceError> {
        match &self.place {
            Place::File(path) => parse(&std::fs::read(path).map_err(unreadable(path))?, "JWKS_FILE"),
            Place::Url(_) => Ok(KeySet::default()),
        }
    }

    /// How often it is to be looked at.
    pub(super) fn every(&self) -> Duration {
        match &self.place {
            Place::File(_) => FILE.every,
            // What is due is decided there, so that an outage at the start is over soon after it is over.
            Place::Url(_) => URL_AWAY,
        }
    }

    /// The keys, if they were read; `None` if it is too early, or nothing has changed. One at a time: who waits
    /// finds that it has just been done.
    pub(super) async fn read_again(&self, wanted: Wanted) -> Result<Option<KeySet>, SourceError> {
        let mut last = self.last.lock().await;
        if last.tried.is_some_and(|tried| tried.elapsed() < self.pause(wanted, last.worked)) {
            return Ok(None);
        }
        last.tried = Some(Instant::now());
        let keys = match &self.place {
            Place::Url(url) => Some(parse(&url.fetch().await?, "JWKS_URL")?),
            Place::File(path) => {
                let about = tokio::fs::metadata(path).await.map_err(unreadable(path))?;
                let looks = about.modified().ok().map(|modified| (modified, about.len()));
                if looks.is_some() && looks == last.looked {
                    return Ok(None);
                }
                last.looked = looks;
                Some(parse(&tokio::fs::read(path).await.map_err(unreadable(path))?, "JWKS_FILE")?)
            }
        };
        last.worked = true;
        Ok(keys)
    }

    /// How long to let it be after the last time.
    fn pause(&self, wanted: Wanted, worked: bool) -> Duration {
        match (&self.place, wanted) {
            (Place::Url(_), _) if !worked => URL_AWAY,
            (Place::Url(_), Wanted::Now) => URL.at_least,
            (Place::Url(_), Wanted::Regularly) => URL.every,
            (Place::File(_), Wanted::Now) => FILE.at_least,
            (Place::File(_), Wanted::Regularly) => Duration::ZERO,
        }
    }
}

fn parse(json: &[u8], from: &'static str) -> Result<KeySet, SourceError> {
    KeySet::parse(json).map_err(|error| SourceError::Invalid(from, error))
}

fn unreadable(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> SourceError {
    let path = path.to_owned();
    move |source| SourceError::File { path, source }
}
