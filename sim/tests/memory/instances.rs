//! Who decides, when instances come, go, and stand still; and who may still use a disk.

use std::time::Duration;

use holdfast_contract::Timestamp;
use holdfast_products::domain::{Desk, Origin, Product, ProductDetails};
use holdfast_products::store::{Catalogue, CommitError, StockCommit, StockReads, StockWrites, Turn, Turns};
use holdfast_sim::memory::{MemoryOptions, MemoryProducts};
use holdfast_storage::{Incarnation, StoreError};
use tokio::time::Instant;

use super::options;

fn lamp() -> std::sync::Arc<Product> {
    let details = ProductDetails {
        name: "Lamp".parse().unwrap(),
        description: Default::default(),
        price: holdfast_contract::Money::from_minor(1, holdfast_contract::Currency::USD).unwrap(),
        category: None,
        sku: None,
        brand: None,
        tags: Vec::new(),
        image_url: None,
        rating: None,
        review_count: 0,
        is_active: true,
    };
    let (id, at) = (holdfast_contract::ProductId::from_bytes([1; 12]), Timestamp::from_millis(0));
    std::sync::Arc::new(Product { id, details, created_at: at, updated_at: at })
}

/// A product is created with this stock.
pub(super) fn creation(turn: Option<Turn>) -> StockCommit {
    let mut desk = Desk::new(None);
    let origin = Origin { cause: holdfast_products::domain::Cause::Created, at: Timestamp::from_millis(0) };
    desk.create(lamp(), 10, &origin).unwrap();
    let effects = desk.take();
    StockCommit {
        turn,
        catalogue: vec![Catalogue::Created(lamp())],
        stock: effects.stock,
        movements: effects.movements,
        ..StockCommit::default()
    }
}

fn several() -> MemoryProducts {
    MemoryProducts::new(&MemoryOptions::several(Incarnation(1)))
}

/// Four seconds after its last commit, whether its holder is gone or stands still.
#[tokio::test(start_paused = true)]
async fn a_turn_ends_by_itself_and_its_late_holder_changes_nothing() {
    let disk = several();
    let (stalled, other) = (disk.open(), disk.open());
    let turn = stalled.take_turn().await.unwrap();
    let start = Instant::now();
    let taken = other.take_turn().await.unwrap();
    assert_eq!((Instant::now() - start).as_secs(), turn.lasts.unwrap().as_secs());
    assert!(taken.number > turn.number);
    let late = StockWrites::commit(&stalled, creation(Some(turn))).await;
    assert!(matches!(late, Err(CommitError::TurnLost)), "{late:?}");
    StockWrites::commit(&other, creation(Some(taken))).await.unwrap();
    // A commit makes it last longer.
    tokio::time::advance(Duration::from_secs(3)).await;
    let start = Instant::now();
    stalled.take_turn().await.unwrap();
    assert_eq!((Instant::now() - start).as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_longest_is_next_also_when_the_turn_ends() {
    let disk = several();
    let instances: Vec<MemoryProducts> = (0..4).map(|_| disk.open()).collect();
    let turn = instances[0].take_turn().await.unwrap();
    let order = parking_lot::Mutex::new(Vec::new());
    let wait = async |n: usize| {
        tokio::time::sleep(Duration::from_millis(10 * (4 - n as u64))).await;
        let turn = instances[n].take_turn().await.unwrap();
        order.lock().push(n);
        instances[n].end_turn(turn).await.unwrap();
    };
    let end = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        instances[0].end_turn(turn).await.unwrap();
        // It wants it back at once, and has to wait.
        instances[0].take_turn().await.unwrap();
        order.lock().push(0);
    };
    tokio::join!(wait(1), wait(2), wait(3), end);
    assert_eq!(*order.lock(), [3, 2, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_comes_to_an_end() {
    let disk = several();
    let (holder, other) = (disk.open(), disk.open());
    let turn = holder.take_turn().await.unwrap();
    let hold = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(holder.take_turn().await.unwrap(), turn);
        }
    };
    let start = Instant::now();
    tokio::select! {
        biased;
        refused = other.take_turn() => assert!(matches!(refused, Err(StoreError::Unavailable(_)))),
        () = hold => {}
    }
    assert_eq!((Instant::now() - start).as_secs(), 10);
}

/// A process that starts on a file whose last user is not quite gone.
#[tokio::test]
async fn opening_a_disk_of_one_instance_ends_the_handle_before() {
    let before = MemoryProducts::new(&options(1));
    StockWrites::commit(&before, creation(None)).await.unwrap();
    let now = before.open();
    let late = StockWrites::commit(&before, creation(None)).await;
    assert!(matches!(late, Err(CommitError::Store(StoreError::Unavailable(_)))), "{late:?}");
    assert!(!before.is_open() && before.counters().await.is_err());
    assert_eq!(now.all_shelves(None, 9).await.unwrap().len(), 1);
    // Who checks sees the truth through any of them.
    assert_eq!(before.look(|view| (view.commits(), view.shelves().count())), (1, 1));
    assert_eq!(now.take_turn().await.unwrap(), Turn::ALWAYS);
}
