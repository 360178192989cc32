//! TLS for what listens: a certificate and its key, from files, read again when they change.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use clap::Args;
use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use thiserror::Error;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Where the certificate is.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub struct TlsArgs {
    /// Certificate chain (PEM) of everything that listens, its own certificate first. Not set: plain HTTP. Read again
    /// when it changes.
    #[arg(long, env = "TLS_CERT_FILE", value_name = "FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,

    /// Private key (PEM) of the certificate.
    #[arg(long, env = "TLS_KEY_FILE", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
}

impl TlsArgs {
    /// Whether connections are to be encrypted.
    pub fn is_on(&self) -> bool {
        self.tls_cert_file.is_some()
    }
}

/// Why there is no TLS although it is configured.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of what it should.
    #[error("{path}: no {what} in PEM can be read from it")]
    File {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// They do not go together, or are of a kind that cannot be used.
    #[error("TLS_CERT_FILE and TLS_KEY_FILE cannot be used")]
    Pair(#[from] rustls::Error),
}

/// What is needed to accept TLS connections. Clones share the certificate.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// As configured; `None` without a certificate. TLS 1.2 and 1.3, HTTP/1.1.
    ///
    /// # Errors
    /// See [`TlsError`].
    pub fn from_args(args: &TlsArgs) -> Result<Option<Self>, TlsError> {
        let (Some(cert), Some(key)) = (&args.tls_cert_file, &args.tls_key_file) else { return Ok(None) };
        let files = Files { cert: cert.clone(), key: key.clone() };
        Self::reading(files, LOOK_EVERY).map(Some)
    }

    fn reading(files: Files, look_every: Duration) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let resolver = Certificate::read(files, look_every, &provider)?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config) })
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

/// The files of a pair.
#[derive(Debug)]
struct Files {
    cert: PathBuf,
    key: PathBuf,
}

impl Files {
    fn read(&self, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
        let file = |path: &PathBuf, what| {
            let path = path.clone();
            move |source| TlsError::File { path, what, source }
        };
        let no_certificate = || file(&self.cert, "certificate");
        let chain = CertificateDer::pem_file_iter(&self.cert)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(no_certificate())?;
        if chain.is_empty() {
            return Err(no_certificate()(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(file(&self.key, "private key"))?;
        Ok(CertifiedKey::from_der(chain, key, provider)?)
    }

    /// When they were changed. Whoever renews a certificate writes two files, one after the other.
    fn changed(&self) -> [Option<SystemTime>; 2] {
        [&self.cert, &self.key].map(|path| std::fs::metadata(path).and_then(|about| about.modified()).ok())
    }
}

/// The certificate that is shown to clients.
#[derive(Debug)]
struct Certificate {
    files: Files,
    look_every: Duration,
    provider: Arc<CryptoProvider>,
    current: Mutex<Current>,
}

#[derive(Debug)]
struct Current {
    pair: Arc<CertifiedKey>,
    changed: [Option<SystemTime>; 2],
    looked: Instant,
}

impl Certificate {
    fn read(files: Files, look_every: Duration, provider: &Arc<CryptoProvider>) -> Result<Self, TlsError> {
        let changed = files.changed();
        let pair = Arc::new(files.read(provider)?);
        let current = Mutex::new(Current { pair, changed, looked: Instant::now() });
        Ok(Self { files, look_every, provider: Arc::clone(provider), current })
    }

    /// Two small files are read by the connection that comes first after they have changed: once in months.
    fn renew(&self, current: &mut Current) {
        current.looked = Instant::now();
        let changed = self.files.changed();
        if changed == current.changed {
            return;
        }
        match self.files.read(&self.provider) {
            Ok(pair) => {
                current.pair = Arc::new(pair);
                current.changed = changed;
                tracing::info!("The TLS certificate was renewed");
            }
            // Perhaps only one of the two is there yet: it is tried again.
            Err(error) => {
                tracing::warn!("the TLS certificate stays as it is: {}", crate::telemetry::chain(&error));
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let mut current = self.current.lock();
        if current.looked.elapsed() >= self.look_every {
            self.renew(&mut current);
        }
        Some(Arc::clone(&current.pair))
    }
}

#[cfg(test)]
#[path = "tls_tests.rs"]
pub(crate) mod tests;
