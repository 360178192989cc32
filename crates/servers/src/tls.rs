//! Certificates for a broker's TLS listeners, made at run time and thrown away with the broker.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::ServerError;

/// PEM files in a folder: an authority, and what it signed for the broker and for one client.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    /// The authority's certificate.
    pub(crate) ca: PathBuf,
    /// The broker's key and its certificates, in one file as Kafka wants them.
    pub(crate) broker: PathBuf,
    pub(crate) client_certificate: PathBuf,
    pub(crate) client_key: PathBuf,
}

impl Certificates {
    pub(crate) fn make(folder: &Path) -> Result<Self, ServerError> {
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).map_err(ServerError::io("writing a certificate"))?;
            Ok::<_, ServerError>(file)
        };
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        authority.distinguished_name.push(DnType::CommonName, "Holdfast's tests");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;

        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut broker = CertificateParams::new(names)?;
        broker.distinguished_name.push(DnType::CommonName, "broker");
        broker.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let broker_key = KeyPair::generate()?;
        let broker = broker.signed_by(&broker_key, &authority)?;

        let mut client = CertificateParams::new(Vec::new())?;
        client.distinguished_name.push(DnType::CommonName, "client");
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let client_key = KeyPair::generate()?;
        let client = client.signed_by(&client_key, &authority)?;

        let broker = [broker_key.serialize_pem(), broker.pem(), authority.pem()].concat();
        Ok(Self {
            ca: write("ca.pem", &authority.pem())?,
            broker: write("broker.pem", &broker)?,
            client_certificate: write("client.pem", &client.pem())?,
            client_key: write("client.key", &client_key.serialize_pem())?,
        })
    }
}
