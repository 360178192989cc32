//! Journal, inbox and outbox.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use holdfast_contract::{Key, OrderId};
use holdfast_orders::domain::{Command, Decision, Draft, DraftItem, Metadata, Order, decide, place};
use holdfast_orders::store::{Change, Commit, CommitError, OrderWrites, StepCause};
use holdfast_sim::memory::{MemoryOptions, MemoryOrders};
use holdfast_storage::suite::{self, outbox};
use holdfast_storage::{CLAIM_SECONDS, Inbox, Journal, Outbox, Outgoing, Record, Seq, StoreError};
use parking_lot::Mutex;

use super::options;

/// An update of an order that is not there.
fn void() -> Change {
    use holdfast_contract::text::{Name, Text};
    let name = |text: &str| Name::new(text).unwrap();
    let price = holdfast_contract::Money::from_minor(1, holdfast_contract::Currency::USD).unwrap();
    let item = DraftItem {
        product_id: holdfast_contract::ProductId::from_bytes([1; 12]),
        product_name: name("Lamp"),
        quantity: holdfast_contract::Quantity::new(1).unwrap(),
        price,
    };
    let draft = Draft {
        user_id: "nobody".parse().unwrap(),
        items: vec![item],
        total: price,
        address: holdfast_orders::domain::Address {
            street: name("1 Main Street"),
            city: name("Pune"),
            state: name("MH"),
            zip_code: Text::new("411001").unwrap(),
            country: name("India"),
        },
        payment_method: holdfast_contract::PaymentMethod::Upi,
        payment_status: holdfast_contract::PaymentStatus::Pending,
        metadata: Metadata::empty(),
        enforce_price: false,
    };
    let at = holdfast_contract::Timestamp::from_millis(1_763_600_000_000);
    let order: Order = place(draft, OrderId::new(Key::compose(1_763_600_000_000, 9, 9)), at).unwrap().order;
    match decide(&order, Command::Hide, at) {
        Ok(Decision::Changed(changed)) => Change::update(&order, changed, StepCause::System, None),
        other => panic!("{other:?}"),
    }
}

fn store_error(error: CommitError) -> StoreError {
    match error {
        CommitError::Store(error) => error,
        other => StoreError::Unavailable(other.to_string()),
    }
}

struct Memory(MemoryOrders);

#[async_trait]
impl suite::Store for Memory {
    fn journal(&self) -> Arc<dyn Journal> {
        self.0.journal()
    }

    fn inbox(&self) -> Arc<dyn Inbox> {
        Arc::new(self.0.clone())
    }

    async fn commit(&self, commit: suite::Commit) -> Result<Vec<Arc<Record>>, StoreError> {
        let suite::Commit { outgoing, advances, park, unpark, fail_at_the_end } = commit;
        let before = self.0.look(|view| view.newest());
        let changes = if fail_at_the_end { vec![void()] } else { Vec::new() };
        let commit = Commit { changes, advances, park, unpark, copies: outgoing, ..Commit::default() };
        self.0.commit(commit).await.map_err(store_error)?;
        Ok(self.0.look(|view| view.records(before).cloned().collect()))
    }

    async fn close(&self) {
        self.0.close();
    }
}

#[async_trait]
impl outbox::Subject for Memory {
    async fn append(&self, records: Vec<Outgoing>) {
        self.0.commit(Commit { copies: records, ..Commit::default() }).await.unwrap();
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.0.outbox()
    }

    async fn lapse(&self, _shard: u16) -> bool {
        tokio::time::advance(Duration::from_secs(CLAIM_SECONDS)).await;
        true
    }

    async fn close(&self) {
        self.0.close();
    }
}

/// The disks that were made, by number.
struct Disks {
    options: fn(u32) -> MemoryOptions,
    disks: Mutex<BTreeMap<u32, MemoryOrders>>,
}

impl Disks {
    fn new(options: fn(u32) -> MemoryOptions) -> Self {
        Self { options, disks: Mutex::default() }
    }

    fn store(&self, n: u32) -> Memory {
        let mut disks = self.disks.lock();
        Memory(disks.entry(n).or_insert_with(|| MemoryOrders::new(&(self.options)(n))).open())
    }
}

#[async_trait]
impl suite::Harness for Disks {
    async fn open(&self, n: u32) -> Arc<dyn suite::Store> {
        Arc::new(self.store(n))
    }
}

#[async_trait]
impl outbox::Harness for Disks {
    async fn open(&self, n: u32) -> Arc<dyn outbox::Subject> {
        Arc::new(self.store(n))
    }
}

#[tokio::test]
async fn journal_and_inbox_conform() {
    suite::run(&Disks::new(options)).await;
}

#[tokio::test(start_paused = true)]
async fn the_outbox_conforms_with_one_shard_and_with_several() {
    outbox::run(&Disks::new(options)).await;
    outbox::run(&Disks::new(|n| MemoryOptions { shards: 4, shared: true, ..options(n) })).await;
}

/// A process that is gone gives nothing back; one that ends in order does.
#[tokio::test(start_paused = true)]
async fn a_crash_keeps_the_claim_until_it_runs_out() {
    let disk = MemoryOrders::new(&MemoryOptions { shared: true, ..options(1) });
    let (gone, next) = (disk.open(), disk.open());
    let claim = gone.outbox().claim(0).await.unwrap().unwrap();
    gone.close();
    drop(claim);
    assert!(next.outbox().claim(0).await.unwrap().is_none());
    tokio::time::advance(Duration::from_secs(CLAIM_SECONDS)).await;
    let mut claim = next.outbox().claim(0).await.unwrap().unwrap();
    // Used, it lasts.
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(CLAIM_SECONDS - 1)).await;
        claim.unsent(1).await.unwrap();
        assert!(disk.outbox().claim(0).await.unwrap().is_none());
    }
    drop(claim);
    assert!(disk.outbox().claim(0).await.unwrap().is_some());
}

#[tokio::test]
async fn published_never_passes_a_record_that_is_unsent() {
    let store = Memory(MemoryOrders::new(&MemoryOptions { shards: 2, ..options(1) }));
    let records = (0..20).map(|n| suite::outgoing(holdfast_contract::Topic::OrderLive, n)).collect();
    outbox::Subject::append(&store, records).await;
    let published = || store.0.look(|view| view.published());
    assert_eq!(published(), Seq(0));
    let broker = Mutex::default();
    let mut unsent: Vec<u64> = Vec::new();
    for shard in 0..2 {
        let mut claim = store.0.outbox().claim(shard).await.unwrap().unwrap();
        let given = claim.unsent(100).await.unwrap();
        let (late, rest) = given.split_first().unwrap();
        unsent.push(late.id.number);
        let sent: Vec<_> =
            rest.iter().cloned().map(|u| super::Broker::publish(&mut broker.lock(), u)).collect();
        claim.sent(&sent).await.unwrap();
    }
    unsent.sort_unstable();
    assert_eq!(published(), Seq(unsent[0] - 1));
    super::relay(&*store.0.outbox(), &broker).await;
    assert_eq!(published(), Seq(20));
}
