//! The real `socket.io-client` from npm against the gateway: runs `tests/js/live.test.mjs` under Node.

use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path as InPath, Query, State};
use axum::routing::post;
use holdfast_orders::live::LiveConfig;
use holdfast_service::SystemClock;
use holdfast_service::auth::mint;
use holdfast_service::auth::test_support::with_secret;
use holdfast_service::http::Role;
use serde::Deserialize;
use tokio::process::Command;
use tokio::sync::Mutex;

use crate::support::{World, patient};

/// Longer than a slow machine takes to install one package or to run the script.
const LIMIT: Duration = Duration::from_secs(300);

#[derive(Deserialize)]
struct Append {
    order: u16,
    count: usize,
    #[serde(default)]
    size: usize,
}

/// What the script steers the server with.
fn controls(world: Weak<World>) -> Router {
    async fn orders(State(world): State<Weak<World>>, Query(append): Query<Append>) {
        let world = world.upgrade().unwrap();
        for _ in 0..append.count {
            world.change_order(append.order, append.size).await;
        }
    }
    async fn stock(State(world): State<Weak<World>>) {
        world.upgrade().unwrap().change_stock(1, 50, 2).await;
    }
    async fn trim(State(world): State<Weak<World>>) {
        world.upgrade().unwrap().trim_orders().await;
    }
    async fn shutdown(State(world): State<Weak<World>>) {
        world.upgrade().unwrap().lifecycle.shutdown();
    }
    Router::new()
        .route("/test/orders", post(orders))
        .route("/test/stock", post(stock))
        .route("/test/trim", post(trim))
        .route("/test/shutdown", post(shutdown))
        .route("/test/token/{seconds}", post(async |InPath(seconds): InPath<u64>| minted(seconds)))
        .with_state(world)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_socket_io_client_works() {
    let world = World::start_with(LiveConfig::default(), controls).await;
    script("live.test.mjs", &world).await;
    // The script's last act is a shutdown while it is connected.
    let report = patient(world.lifecycle.wait()).await;
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_socket_io_client_shows_a_token() {
    let world = World::start_guarded_with(controls).await;
    script("guarded.test.mjs", &world).await;
}

/// A token of a customer, good for so many seconds.
fn minted(seconds: u64) -> String {
    let ttl = Duration::from_secs(seconds);
    mint(&with_secret(), &SystemClock, "user-2", Role::Customer, ttl).unwrap()
}

/// Runs a script under Node against `world`.
async fn script(name: &str, world: &World) {
    let installed = install().await;
    // A copy of its own below `node_modules`, so that runs at the same time do not share it.
    let folder = tempfile::tempdir_in(installed).unwrap();
    std::fs::copy(source().join(name), folder.path().join(name)).unwrap();
    let mut node = Command::new("node");
    node.arg("--test").arg("--test-reporter=spec").arg(name).current_dir(folder.path());
    node.env("LIVE_URL", format!("http://{}", world.addr));
    run(&format!("node --test {name}"), node).await;
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/js")
}

/// Installs the client below the target folder, once for each lock file.
async fn install() -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    let _installing = ONE_AT_A_TIME.lock().await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("live-js");
    std::fs::create_dir_all(&folder).unwrap();
    let lock = std::fs::read(source().join("package-lock.json")).unwrap();
    let stamp = folder.join("installed");
    if std::fs::read(&stamp).is_ok_and(|of| of == lock) {
        return folder;
    }
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(source().join(file), folder.join(file)).unwrap();
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    run("npm ci", npm).await;
    std::fs::write(&stamp, lock).unwrap();
    folder
}

async fn run(what: &str, mut command: Command) {
    command.kill_on_drop(true);
    let output = match tokio::time::timeout(LIMIT, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            panic!(
                "`{what}` could not be started ({error}): Node 20 or newer with npm is needed for the tests"
            )
        }
        Err(_) => panic!("`{what}` did not end"),
    };
    assert!(
        output.status.success(),
        "`{what}` failed:\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
