//! Coming back with the last `seq`: what was missed, each change once and in order per order.

use holdfast_orders::live::LiveConfig;

use crate::support::{Ledger, World};

const CHANGES: usize = 3_000;

/// Writes while clients come and go: several writers, two journals, commits of several records.
async fn write(world: &World) {
    let writer = |first: u16| async move {
        for round in 0..CHANGES / 12 {
            let size = if round % 7 == 0 { 2_000 } else { 40 };
            world.change_orders(&[first, first + 1, first], size).await;
        }
    };
    let stock = async {
        for version in 1..=200 {
            world.change_stock(version, 1_000, 1).await;
        }
    };
    tokio::join!(writer(10), writer(20), writer(30), writer(40), stock);
}

/// A client that takes `step(n)` messages before it vanishes for the n-th time.
async fn come_and_go(world: &World, first: String, step: impl Fn(usize) -> usize) {
    let mut ledger = Ledger::default();
    let mut stock = 0;
    let mut resume = first;
    for visit in 0.. {
        let mut client = world.connect(&resume).await;
        let ready = client.expect("ready").await;
        assert_eq!(ready["resumed"], true, "{ready}");
        for _ in 0..step(visit) {
            if ledger.total == CHANGES && stock == 200 {
                return;
            }
            let message = client.message().await;
            if message["event"] == "stock:changed" {
                stock += 1;
                assert_eq!(message["product"]["version"], stock);
            } else {
                ledger.take(&message);
            }
        }
        resume = client.vanish().await;
    }
}

async fn resumes(ring_bytes: usize, keep_one_connected: bool) {
    let world = World::start(LiveConfig { ring_bytes, ..LiveConfig::default() }).await;
    let starter = world.connect_ready("").await;
    let start = starter.resume();
    let kept = if keep_one_connected { Some(starter) } else { None };
    tokio::join!(
        write(&world),
        come_and_go(&world, start.clone(), |visit| 1 + visit * 7 % 90),
        come_and_go(&world, start.clone(), |visit| if visit % 3 == 0 { 0 } else { 200 }),
        come_and_go(&world, start.clone(), |_| usize::MAX),
    );
    drop(kept);
    // And all at once, after the fact.
    come_and_go(&world, start, |_| 1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_gap_and_no_repetition_from_memory() {
    Box::pin(resumes(64 << 20, true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_gap_and_no_repetition_when_the_ring_is_too_small() {
    Box::pin(resumes(8 << 10, false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_far_behind_is_told_to_reload_and_goes_on_live() {
    let world = World::start(LiveConfig { max_behind: 50, ..LiveConfig::default() }).await;
    let mut client = world.connect_ready("").await;
    world.change_order(1, 0).await;
    client.expect("order:created").await;
    let resume = client.vanish().await;
    world.until_connected(0).await;

    // 50 missed are sent, 51 are not.
    for _ in 0..50 {
        world.change_order(1, 0).await;
    }
    let mut client = world.connect(&resume).await;
    assert_eq!(client.expect("ready").await["resumed"], true);
    client.expect("order:updated").await;
    drop(client);
    world.until_connected(0).await;
    world.change_order(1, 0).await;
    let mut client = world.connect(&resume).await;
    let ready = client.expect("ready").await;
    assert_eq!(ready["resumed"], false);
    let reload = client.expect("reload").await;
    assert_eq!(reload["reason"], "too_far_behind");
    assert_eq!(reload["seq"], ready["seq"]);
    world.change_order(1, 0).await;
    assert_eq!(client.expect("order:updated").await["order"]["n"], 53);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_took_away_is_a_reload() {
    let world = World::start(LiveConfig::default()).await;
    let client = world.connect_ready("").await;
    let resume = client.vanish().await;
    world.until_connected(0).await;
    world.change_orders(&[1, 2, 3, 4, 5, 6], 0).await;
    world.trim_orders().await;
    let mut client = world.connect(&resume).await;
    assert_eq!(client.expect("ready").await["resumed"], false);
    assert_eq!(client.expect("reload").await["reason"], "too_far_behind");
    world.change_order(1, 0).await;
    client.expect("order:updated").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seq_that_is_none_of_ours_is_a_reload() {
    let world = World::start(LiveConfig::default()).await;
    let ours = world.connect_ready("").await.vanish().await;
    let other = World::start(LiveConfig::default()).await;
    let foreign = other.connect_ready("").await.vanish().await;
    world.change_order(1, 0).await;
    let unknown = ["seq=no-seq!", "seq=~", &format!("{ours}.7"), &format!("{ours}zzzz")];
    for (seq, reason) in unknown
        .map(|seq| (seq, "unknown_position"))
        .into_iter()
        .chain([(foreign.as_str(), "too_far_behind")])
        .chain([("seq=1.2.3", "too_far_behind")])
    {
        let mut client = world.connect(seq).await;
        assert_eq!(client.expect("ready").await["resumed"], false, "{seq}");
        assert_eq!(client.expect("reload").await["reason"], reason, "{seq}");
    }
}
