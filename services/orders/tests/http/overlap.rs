//! A request that is sent again while the first is still being committed: its connection broke, so nobody in this process
//! knows that it runs.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{Currency, OrderId, Timestamp};
use holdfast_orders::domain::Order;
use holdfast_orders::http;
use holdfast_orders::sqlite::SqliteOrders;
use holdfast_orders::store::{
    Commit, CommitError, Committed, Idempotency, IdempotencyRecord, IdempotencyScope, ListQuery, OrderReads,
    OrderWrites, Page, Timeline,
};
use holdfast_orders::usecase::{Parts, UseCases};
use holdfast_service::http::{HttpOptions, finish};
use holdfast_service::test_support::{TestClient, TestResponse};
use holdfast_service::{Clock, Steps, TimeOrderedKeys};
use holdfast_storage::StoreError;
use parking_lot::Mutex;
use serde_json::json;

use crate::support::{World, path};

type Meanwhile = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A store in which something happens right after the first look at a key.
struct Meantime {
    store: Arc<SqliteOrders>,
    meanwhile: Mutex<Option<Meanwhile>>,
}

#[async_trait]
impl OrderWrites for Meantime {
    async fn commit(&self, commit: Commit) -> Result<Committed, CommitError> {
        self.store.commit(commit).await
    }
}

#[async_trait]
impl OrderReads for Meantime {
    async fn get(&self, id: OrderId) -> Result<Option<Arc<Order>>, StoreError> {
        self.store.get(id).await
    }
    async fn get_many(&self, ids: &[OrderId]) -> Result<Vec<Option<Arc<Order>>>, StoreError> {
        self.store.get_many(ids).await
    }
    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.store.list(query).await
    }
    async fn timeline(&self, id: OrderId) -> Result<Option<Timeline>, StoreError> {
        self.store.timeline(id).await
    }
    async fn scan(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Arc<Order>>, StoreError> {
        self.store.scan(after, limit).await
    }
    async fn timelines(&self, after: Option<OrderId>, limit: usize) -> Result<Vec<Timeline>, StoreError> {
        self.store.timelines(after, limit).await
    }

    async fn outstanding(
        &self,
        before: Timestamp,
        after: Option<OrderId>,
        limit: usize,
    ) -> Result<Vec<Arc<Order>>, StoreError> {
        self.store.outstanding(before, after, limit).await
    }
}

#[async_trait]
impl Idempotency for Meantime {
    async fn idempotent(&self, scope: &IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        let found = self.store.idempotent(scope).await;
        let meanwhile = self.meanwhile.lock().take();
        if let Some(meanwhile) = meanwhile {
            meanwhile.await;
        }
        found
    }
    async fn purge(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.store.purge(before).await
    }
}

/// Sends a request, and sends it again so that the first takes effect after the second has looked at the key. Gives both
/// answers.
async fn overlapping<F>(world: &World, send: impl Fn(TestClient) -> F) -> [TestResponse; 2]
where
    F: Future<Output = TestResponse> + Send + 'static,
{
    let first = Arc::new(Mutex::new(None));
    let (sends, answered) = (send(world.client.clone()), first.clone());
    let meanwhile: Meanwhile = Box::pin(async move {
        let answer = sends.await;
        *answered.lock() = Some(answer);
    });
    let store = Arc::new(Meantime { store: world.store.clone(), meanwhile: Mutex::new(Some(meanwhile)) });
    let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let cases = UseCases::new(Parts {
        store,
        clock: clock.clone(),
        keys: Arc::new(TimeOrderedKeys::new(clock.clone(), 8)),
        currency: Currency::USD,
        steps: Steps::new(clock),
        places: None,
    });
    let other = TestClient::new(finish(http::router(Arc::new(cases)), HttpOptions::default()));
    let second = send(other).await;
    let first = first.lock().take().unwrap();
    [first, second]
}

fn is_repeated([first, second]: [TestResponse; 2]) {
    assert_eq!(first.status, 200, "{}", first.json);
    assert_eq!((second.status, &second.body), (first.status, &first.body), "{}", second.json);
    assert_eq!(second.header("idempotency-replayed"), Some("true"));
}

/// The first has hidden the order that the second is about.
#[tokio::test]
async fn a_deletion_that_overlaps_itself_is_answered_once() {
    let world = World::new().await;
    let placed = world.placed().await;
    let path = path(&placed, "");
    let delete = |client: TestClient| client.delete(&path).header("idempotency-key", "k1").send();
    is_repeated(overlapping(&world, delete).await);
}

/// The first has made the version that the second was decided on an old one.
#[tokio::test]
async fn an_edit_that_overlaps_itself_is_answered_once() {
    let world = World::new().await;
    let placed = world.placed().await;
    let path = path(&placed, "");
    let edit = |client: TestClient| {
        let request = client.put(&path).header("idempotency-key", "k1").header("if-match", "\"1\"");
        request.json(&json!({"metadata": {"a": 1}})).send()
    };
    is_repeated(overlapping(&world, edit).await);
}
