//! The suite against SQLite, and what only SQLite has.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_storage::{Record, Seq};
use tempfile::TempDir;

use super::SqliteProducts;
use crate::store::ProductStore;
use crate::suite::{self, Subject};

struct File {
    folder: TempDir,
    store: SqliteProducts,
}

fn open(folder: TempDir) -> Box<dyn Subject> {
    let store = SqliteProducts::open(folder.path().join("products.db")).unwrap();
    Box::new(File { folder, store })
}

#[async_trait]
impl Subject for File {
    fn store(&self) -> Arc<dyn ProductStore> {
        Arc::new(self.store.clone())
    }

    async fn other_instance(&self) -> Option<Arc<dyn ProductStore>> {
        None
    }

    async fn outgoing(&self) -> Vec<Arc<Record>> {
        self.store.journal().read(Seq(0), 100_000).await.unwrap()
    }

    async fn reopen(self: Box<Self>) -> Box<dyn Subject> {
        let Self { folder, store } = *self;
        store.close().await;
        drop(store);
        open(folder)
    }
}

#[tokio::test]
async fn conforms() {
    suite::run_all(|| async { open(TempDir::new().unwrap()) }).await;
}

#[tokio::test]
async fn broken_rows_are_inconsistent_and_never_served() {
    use holdfast_contract::ProductId;
    use holdfast_storage::StoreError;

    use crate::store::StockReads;

    let folder = TempDir::new().unwrap();
    let store = SqliteProducts::open(folder.path().join("products.db")).unwrap();
    let id = ProductId::from_bytes([1; 12]);
    for (currency, price, tags) in [("usd", 1, "[]"), ("USD", -1, "[]"), ("USD", 1, "{}")] {
        let broken = store
            .database()
            .write(move |tx| {
                tx.connection().execute_batch("DELETE FROM products; DELETE FROM stock;")?;
                tx.connection().execute(
                    "INSERT INTO products (id, name, description, price, currency, tags, review_count, is_active,
                                           created_at, updated_at) VALUES (?1, 'x', '', ?2, ?3, ?4, 0, 1, 0, 0)",
                    rusqlite::params![id.as_bytes(), price, currency, tags],
                )?;
                tx.connection().execute("INSERT INTO stock VALUES (?1, 1, 0, 1, 1, NULL)", [id.as_bytes()])?;
                Ok::<_, StoreError>(())
            })
            .await;
        broken.unwrap();
        let read = store.shelves(vec![id]).await;
        assert!(matches!(read, Err(StoreError::Inconsistent(_))), "{read:?}");
    }
}
