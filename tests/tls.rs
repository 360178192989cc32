//! TLS by an authority of one's own: between the real binary and its commands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
use support::{Holdfast, command};

/// Writes the certificate of an authority, and what it signed for `localhost`.
fn certify(folder: &Path) -> [PathBuf; 3] {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    [("ca.pem", authority.pem()), ("cert.pem", certificate.pem()), ("key.pem", key.serialize_pem())].map(
        |(name, pem)| {
            let file = folder.join(name);
            fs::write(&file, pem).unwrap();
            file
        },
    )
}

/// A running system with TLS, and whoever asks it.
struct Shop {
    folder: tempfile::TempDir,
    system: Holdfast,
    authority: PathBuf,
    certificate: [(&'static str, PathBuf); 2],
}

impl Shop {
    fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [authority, certificate, key] = certify(folder.path());
        let certificate = [("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)];
        let data = folder.path().join("data");
        fs::create_dir(&data).unwrap();
        let system = Holdfast::start_as(command(&data).envs(certificate.clone()));
        Self { folder, system, authority, certificate }
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.system.products.port())
    }

    /// A command that is told where the services are, and not whom to believe.
    fn holdfast(&self, args: &[&str]) -> Command {
        let mut command = command(self.folder.path());
        command.env("PRODUCTS_URL", self.url()).args(args).current_dir(self.folder.path());
        command
    }
}

fn said(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code(), said)
}

#[test]
fn commands_believe_the_authority_that_they_are_told_of_and_no_other() {
    let shop = Shop::open();
    fs::write(shop.folder.path().join("goods.csv"), "sku,name,price\nK-1,Kettle,29.90\n").unwrap();
    let import = ["import", "products", "goods.csv"];
    let (code, stranger) = said(&mut shop.holdfast(&import));
    assert!(
        code == Some(1)
            && stranger.contains("does not answer at https://localhost")
            && stranger.contains("UnknownIssuer"),
        "{stranger}"
    );
    let (code, made) = said(shop.holdfast(&import).env("TLS_CA_FILE", &shop.authority));
    assert!(code == Some(0) && made.contains("1 products made"), "{made}");

    let orders = format!("https://localhost:{}", shop.system.orders.port());
    let flag = ["topics", "list", "--orders-url", &orders, "--tls-ca-file", shop.authority.to_str().unwrap()];
    let (code, topics) = said(&mut shop.holdfast(&flag));
    assert!(code == Some(0) && topics.contains("inventory.reserve"), "{topics}");

    let nothing = shop.folder.path().join("none.pem");
    let (code, refused) = said(shop.holdfast(&import).env("TLS_CA_FILE", nothing));
    assert!(code == Some(2) && refused.contains("no certificate in PEM"), "{refused}");
    shop.system.stop();
}

#[test]
fn the_doctor_asks_services_with_their_own_certificate() {
    let shop = Shop::open();
    let doctor = |shop: &Shop| {
        let mut command = shop.holdfast(&["doctor"]);
        command
            .env("ORDERS_ADDR", shop.system.orders.to_string())
            .env("PRODUCTS_ADDR", shop.system.products.to_string());
        command
    };
    let (_, found) = said(doctor(&shop).envs(shop.certificate.clone()));
    for told in ["and its key can be used", "is ready at"] {
        assert!(found.contains(told), "{told}: {found}");
    }
    assert!(!found.contains("FAIL"), "{found}");
    // Whoever has another certificate is somebody else, whatever he says.
    let elsewhere = tempfile::tempdir().unwrap();
    let [_, certificate, key] = certify(elsewhere.path());
    let other = [("TLS_CERT_FILE", certificate), ("TLS_KEY_FILE", key)];
    let (code, found) = said(doctor(&shop).envs(other));
    assert!(code == Some(1) && found.contains("something else listens"), "{found}");
    shop.system.stop();
}
