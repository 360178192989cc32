use std::net::SocketAddr;
use std::path::Path;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::*;
use crate::http::{HttpOptions, HttpServer, ServerOptions, finish};
use crate::lifecycle::Lifecycle;

/// Writes a new pair into `folder`; gives the certificate, which signs itself.
pub(crate) fn pair(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

fn files(folder: &Path) -> Files {
    Files { cert: folder.join("cert.pem"), key: folder.join("key.pem") }
}

async fn serve(tls: Tls) -> (SocketAddr, Lifecycle) {
    let lifecycle = Lifecycle::new(Duration::from_secs(10));
    let options = ServerOptions { tls: Some(tls), ..ServerOptions::default() };
    let server = HttpServer::bind(([127, 0, 0, 1], 0).into(), options).await.unwrap();
    let addr = server.local_addr();
    let router = axum::Router::new().route("/", axum::routing::get(|| async { "safe" }));
    server.serve(finish(router, HttpOptions::default()), &lifecycle);
    (addr, lifecycle)
}

/// What a client gets that trusts nobody else.
async fn ask(addr: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_client_that_trusts_the_certificate_is_served_and_plain_http_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let trusted = pair(folder.path());
    let tls = Tls::reading(files(folder.path()), LOOK_EVERY).unwrap();
    let (addr, lifecycle) = serve(tls).await;
    let answer = ask(addr, &trusted).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("safe"), "{answer}");
    let elsewhere = tempfile::tempdir().unwrap();
    ask(addr, &pair(elsewhere.path())).await.expect_err("another certificate is not ours");

    let mut plain = TcpStream::connect(addr).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    // Nobody who only connects keeps it from ending.
    let _silent = TcpStream::connect(addr).await.unwrap();
    lifecycle.shutdown();
    assert!(lifecycle.wait().await.is_clean());
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_and_half_a_renewal_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let first = pair(folder.path());
    let tls = Tls::reading(files(folder.path()), Duration::ZERO).unwrap();
    let (addr, _lifecycle) = serve(tls).await;
    ask(addr, &first).await.unwrap();
    // Only the certificate is there yet.
    let elsewhere = tempfile::tempdir().unwrap();
    let second = pair(elsewhere.path());
    std::fs::copy(elsewhere.path().join("cert.pem"), folder.path().join("cert.pem")).unwrap();
    ask(addr, &first).await.unwrap();
    std::fs::copy(elsewhere.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
    ask(addr, &second).await.unwrap();
}

#[test]
fn what_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let said = |folder: &Path| {
        let error = Tls::reading(files(folder), LOOK_EVERY).unwrap_err();
        crate::telemetry::chain(&error).to_string()
    };
    assert!(said(folder.path()).contains("cert.pem"), "{}", said(folder.path()));
    pair(folder.path());
    std::fs::write(folder.path().join("key.pem"), "nothing").unwrap();
    assert!(said(folder.path()).contains("key.pem: no private key"), "{}", said(folder.path()));
    let elsewhere = tempfile::tempdir().unwrap();
    pair(elsewhere.path());
    std::fs::copy(elsewhere.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
    assert!(said(folder.path()).contains("TLS_KEY_FILE cannot be used"), "{}", said(folder.path()));
}
