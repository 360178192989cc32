//! Each finding is found, and only where something is wrong.

use holdfast_contract::ProductId;
use holdfast_storage::StoreError;
use tempfile::TempDir;

use super::{Finding, audit};
use crate::domain::{HoldId, MovementId};
use crate::sqlite::SqliteProducts;

/// A store with one product: 10 received, 4 held for an order by movement 2.
async fn store(folder: &TempDir) -> SqliteProducts {
    let store = SqliteProducts::open(folder.path().join("products.db")).unwrap();
    run(
        &store,
        "INSERT INTO products (id, name, description, price, currency, tags, review_count, is_active, created_at,
                               updated_at)
         VALUES (x'010101010101010101010101', 'Lamp', '', 1, 'USD', '[]', 0, 1, 0, 0);
         INSERT INTO stock VALUES (x'010101010101010101010101', 10, 4, 6, 3, 2);
         INSERT INTO movements VALUES
           (1, NULL, x'010101010101010101010101', 'Lamp', NULL, NULL, NULL, 1, 10, 0, NULL, 10, 0, 'created', 0),
           (2, 1, x'010101010101010101010101', 'Lamp', 7, NULL, 1, 2, 0, 4, 2, 10, 4, 'http:reserve', 0);
         INSERT INTO holds VALUES (x'010101010101010101010101', 2, 7, NULL, 1, 4, 0, 0);",
    )
    .await;
    store
}

async fn run(store: &SqliteProducts, sql: &'static str) {
    let done = store.database().write(move |tx| Ok::<_, StoreError>(tx.connection().execute_batch(sql)?));
    done.await.unwrap();
}

async fn findings(sql: &'static str) -> Vec<Finding> {
    let folder = TempDir::new().unwrap();
    let store = store(&folder).await;
    run(&store, sql).await;
    let report = audit(&store).await.unwrap();
    assert_eq!(report.is_clean(), report.findings.is_empty());
    for finding in &report.findings {
        assert!(!finding.to_string().is_empty());
    }
    report.findings
}

#[tokio::test]
async fn invariant_7_a_ledger_that_adds_up_is_clean() {
    assert_eq!(findings("").await, []);
}

#[tokio::test]
async fn invariant_7_whatever_does_not_add_up_is_found() {
    let lamp = ProductId::from_bytes([1; 12]);
    let hold = HoldId(MovementId(2));
    let found = findings("UPDATE stock SET on_hand = 11, available = 7").await;
    assert!(matches!(&found[..], [Finding::Balances { product, .. }] if *product == lamp), "{found:?}");
    let found = findings("UPDATE stock SET last_movement = 1").await;
    assert!(matches!(&found[..], [Finding::LastMovement { .. }]), "{found:?}");
    let found = findings("DELETE FROM holds").await;
    assert!(found.iter().any(|f| matches!(f, Finding::Holds { holds: 0, reserved: 4, .. })), "{found:?}");
    assert!(found.contains(&Finding::Hold { hold, ledger: Some(4), listed: None }), "{found:?}");
    let found = findings("UPDATE holds SET quantity = 5").await;
    assert!(found.contains(&Finding::Hold { hold, ledger: Some(4), listed: Some(5) }), "{found:?}");
    let found = findings("UPDATE movements SET reserved = 5 WHERE id = 2").await;
    assert!(matches!(&found[..], [Finding::Movement { .. }]), "{found:?}");
    let found = findings("UPDATE movements SET kind = 3 WHERE id = 2").await;
    assert_eq!(found, [Finding::Kind(MovementId(2))]);
    let found = findings("UPDATE movements SET previous = NULL WHERE id = 2").await;
    assert!(matches!(&found[..], [Finding::Chain { .. }]), "{found:?}");
    let found = findings("DELETE FROM movements WHERE id = 1").await;
    assert!(found.contains(&Finding::Gap(MovementId(2))), "{found:?}");
    let found = findings("DELETE FROM products; DELETE FROM stock;").await;
    assert_eq!(found, [Finding::NoProduct(lamp)]);
    let found = findings("UPDATE movements SET cause = 'nonsense' WHERE id = 2").await;
    assert!(matches!(&found[..], [Finding::Unreadable(_)]), "{found:?}");
}

#[tokio::test]
async fn a_product_without_stock_is_found() {
    let found = findings("DELETE FROM stock").await;
    assert!(matches!(&found[..], [Finding::Unreadable(_)]), "{found:?}");
}
