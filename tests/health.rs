//! `holdfast health`, as a container's health check and as a probe run it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output};

use support::{Holdfast, command};

/// The command, told where services listen.
fn health(folder: &Path, orders: SocketAddr, products: SocketAddr) -> Command {
    let mut health = command(folder);
    health.env("ORDERS_ADDR", orders.to_string()).env("PRODUCTS_ADDR", products.to_string()).arg("health");
    health
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn is_healthy(output: &Output, said: &str) {
    assert!(output.status.success(), "{}: {}", output.status, text(&output.stderr));
    assert_eq!(text(&output.stdout), said);
}

#[test]
fn what_is_ready_is_healthy_and_what_is_not_there_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let (orders, products) = (system.orders, system.products);
    let health = |args: &[&str]| health(folder.path(), orders, products).args(args).output().unwrap();
    is_healthy(&health(&[]), "orders: ready\nproducts: ready\n");
    is_healthy(&health(&["products"]), "products: ready\n");
    is_healthy(&health(&["orders", "--without-broker"]), "orders: ready\n");
    system.stop();
    let output = health(&["orders"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains(&format!("orders does not answer at {orders}")), "{output:?}");
}

#[test]
fn another_service_or_a_stranger_at_the_address_is_not_healthy() {
    let folder = tempfile::tempdir().unwrap();
    let system = Holdfast::start(folder.path());
    let swapped = health(folder.path(), system.products, system.orders).output().unwrap();
    assert_eq!(swapped.status.code(), Some(1));
    assert_eq!(text(&swapped.stdout), "");
    system.stop();
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = silent.local_addr().unwrap();
    let output = health(folder.path(), addr, addr).arg("orders").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("within 4 s"), "{output:?}");
}

#[test]
fn a_service_with_tls_is_asked_with_tls() {
    let folder = tempfile::tempdir().unwrap();
    // Of a name that the service is not asked by.
    let pair = rcgen::generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    std::fs::write(folder.path().join("cert.pem"), pair.cert.pem()).unwrap();
    std::fs::write(folder.path().join("key.pem"), pair.signing_key.serialize_pem()).unwrap();
    let tls = [("TLS_CERT_FILE", "cert.pem"), ("TLS_KEY_FILE", "key.pem")];
    let system = Holdfast::start_as(command(folder.path()).envs(tls));
    let health = || health(folder.path(), system.orders, system.products);
    is_healthy(&health().envs(tls).output().unwrap(), "orders: ready\nproducts: ready\n");
    let plain = health().output().unwrap();
    assert_eq!(plain.status.code(), Some(1), "{plain:?}");
    system.stop();
}
