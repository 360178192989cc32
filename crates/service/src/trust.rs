//! Whose certificates this process believes when it calls others over TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use clap::Args;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whom to believe besides the authorities that everybody does.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub struct TrustArgs {
    /// Certificates (PEM) of authorities that are believed besides Mozilla's when others are called over https: the
    /// identity provider, the collector of traces, the other service.
    #[arg(long, env = "TLS_CA_FILE", value_name = "FILE", value_parser = Trust::configured)]
    pub tls_ca_file: Option<Trust>,
}

impl TrustArgs {
    /// As configured.
    pub fn trust(&self) -> Trust {
        self.tls_ca_file.clone().unwrap_or_default()
    }
}

/// A file of authorities cannot be used.
#[derive(Debug, Error)]
pub enum InvalidTrust {
    /// It cannot be read, or there is no certificate in it.
    #[error("{path}: no certificate in PEM can be read from it")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// One of them cannot be an authority.
    #[error("{path}: certificate {number} cannot be that of an authority")]
    Certificate {
        /// Which file.
        path: PathBuf,
        /// Which of it, from 1.
        number: usize,
        /// Why.
        #[source]
        source: rustls::Error,
    },
}

/// Decides whether a server is who it says it is. Clones are the same.
#[derive(Clone)]
pub struct Trust(Arc<ClientConfig>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Default for Trust {
    /// In the authorities that Mozilla believes.
    fn default() -> Self {
        static MOZILLA: LazyLock<Trust> = LazyLock::new(|| Trust::authorities(mozilla()));
        MOZILLA.clone()
    }
}

impl Trust {
    /// In Mozilla's authorities and those in a file; an empty path is none.
    ///
    /// # Errors
    /// If the file is not one of certificates.
    pub fn configured(path: &str) -> Result<Self, InvalidTrust> {
        if path.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut roots = mozilla();
        for (index, certificate) in read(Path::new(path))?.into_iter().enumerate() {
            roots.add(certificate).map_err(|source| InvalidTrust::Certificate {
                path: path.into(),
                number: index + 1,
                source,
            })?;
        }
        Ok(Self::authorities(roots))
    }

    /// In whoever has the first certificate of the file, by whatever name and at whatever time.
    ///
    /// # Errors
    /// If the file is not one of certificates.
    pub fn in_holder(path: &Path) -> Result<Self, InvalidTrust> {
        let first = read(path)?.into_iter().next().ok_or_else(|| nothing_in(path))?;
        Ok(Self::judged_by(Judge::Holder(first)))
    }

    /// In anybody: for what is neither secret nor believed.
    pub fn in_anybody() -> Self {
        Self::judged_by(Judge::Anybody)
    }

    /// Speaks TLS over `stream` with a server that is called `name`.
    ///
    /// # Errors
    /// If the other side does not, or is not believed.
    pub async fn connect(
        &self,
        name: ServerName<'static>,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(Arc::clone(&self.0)).connect(name, stream).await
    }

    fn authorities(roots: RootCertStore) -> Self {
        Self(Arc::new(builder().with_root_certificates(roots).with_no_client_auth()))
    }

    fn judged_by(judge: Judge) -> Self {
        let verifier = Arc::new(Judged { judge, provider: Arc::new(ring::default_provider()) });
        let config = builder().dangerous().with_custom_certificate_verifier(verifier);
        Self(Arc::new(config.with_no_client_auth()))
    }
}

fn builder() -> rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    // The provider has the versions that are compiled in.
    versions.expect("TLS versions of ring")
}

fn mozilla() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

/// The certificates in a file: at least one.
fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, InvalidTrust> {
    let found = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|source| InvalidTrust::File { path: path.to_owned(), source })?;
    if found.is_empty() { Err(nothing_in(path)) } else { Ok(found) }
}

fn nothing_in(path: &Path) -> InvalidTrust {
    InvalidTrust::File { path: path.to_owned(), source: pem::Error::NoItemsFound }
}

/// Who is believed without an authority.
#[derive(Debug)]
enum Judge {
    /// Whoever has the key of the certificate that is shown.
    Anybody,
    /// Only who shows this certificate, and has its key.
    Holder(CertificateDer<'static>),
}

/// Believes as it is told; name and time do not matter.
#[derive(Debug)]
struct Judged {
    judge: Judge,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Judged {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.judge {
            Judge::Holder(certificate) if certificate != shown => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            Judge::Holder(_) | Judge::Anybody => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_authorities_has_certificates_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let made = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap();
        Trust::configured(&file("good", &made.cert.pem())).unwrap();
        Trust::configured("").unwrap();
        for (path, told) in [
            (file("key", &made.signing_key.serialize_pem()), "no certificate"),
            (file("text", "hello"), "no certificate"),
            (folder.path().join("none").to_str().unwrap().to_owned(), "no certificate"),
            (
                file("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                "certificate 1 cannot",
            ),
        ] {
            let error = Trust::configured(&path).unwrap_err().to_string();
            assert!(error.contains(&path) && error.contains(told), "{error}");
        }
    }
}
