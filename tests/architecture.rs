//! Rules of the workspace that no compiler checks.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", "node_modules", "data"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if ["rs", "toml"].iter().any(|e| path.extension().is_some_and(|x| x == *e)) {
                found.push((path.clone(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

fn nobody_says(folder: &str, words: &[&str]) {
    for (path, text) in sources(folder) {
        for word in words {
            assert!(!text.contains(word), "{} mentions {word}", path.display());
        }
    }
}

#[test]
fn the_services_never_import_each_other() {
    nobody_says("services/orders", &["holdfast_products", "holdfast-products"]);
    nobody_says("services/products", &["holdfast_orders", "holdfast-orders"]);
}

#[test]
fn what_services_stand_on_knows_no_service() {
    nobody_says("crates", &["holdfast_products", "holdfast-products", "holdfast_orders", "holdfast-orders"]);
}

#[test]
fn the_contract_is_pure() {
    nobody_says(
        "crates/contract",
        &["tokio", "rusqlite", "std::fs", "std::net", "SystemTime", "Instant::now"],
    );
}

#[test]
fn no_file_is_too_long_to_live_in() {
    for folder in ["crates", "services", "sim", "src", "tests"] {
        for (path, text) in sources(folder) {
            let lines = text.lines().count();
            assert!(lines <= 600, "{} has {lines} lines", path.display());
        }
    }
}
