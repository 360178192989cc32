//! Reading. Everything is read as a majority has it: what was acknowledged is there, and what is there stays. What takes
//! several queries is read from one snapshot.

use std::sync::Arc;

use async_trait::async_trait;
use holdfast_contract::{ProductId, ReservationId};
use holdfast_service::http::IdempotencyScope;
use holdfast_storage::StoreError;
use holdfast_storage::mongodb::unavailable;
use mongodb::bson::{Document, RawDocument, RawDocumentBuf, doc};
use mongodb::{ClientSession, Collection};
use rustc_hash::FxHashMap;

use super::document::{self, object_id, read_hold, read_movement, read_shelf, reservation_id};
use super::fields::Fields;
use super::{Collections, MongoProducts, books, list, schema};
use crate::domain::{Decision, Hold, HoldId, HttpReservation, LedgerMovement, MovementId, OrderRef, Shelf};
use crate::store::codes;
use crate::store::stored::{StoredDecision, inconsistent};
use crate::store::{Book, Counters, HeldPage, IdempotencyRecord, ProductPage, ProductQuery, StockReads};

/// Movements asked for by one query.
const ASKED: usize = 10_000;

pub(super) fn bound(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Everything of a product but what only searches go by.
pub(super) fn shelf_fields() -> Document {
    doc! { "find": 0 }
}

fn signed(id: Option<MovementId>) -> i64 {
    id.map_or(0, |id| id.0.cast_signed())
}

/// The first `limit` documents in the order of `sort`, read.
async fn all<T>(
    collection: &Collection<RawDocumentBuf>,
    filter: Document,
    sort: Document,
    limit: usize,
    read: impl Fn(&RawDocument) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let mut found = collection.find(filter).sort(sort).limit(bound(limit)).await.map_err(unavailable)?;
    let mut all = Vec::new();
    while found.advance().await.map_err(unavailable)? {
        all.push(read(found.current())?);
    }
    Ok(all)
}

impl Collections {
    /// Reads in it see one state.
    pub(super) async fn snapshot(&self) -> Result<ClientSession, StoreError> {
        self.mongo.client().start_session().snapshot(true).await.map_err(unavailable)
    }

    pub(super) async fn greatest(
        &self,
        collection: &Collection<RawDocumentBuf>,
        session: &mut ClientSession,
    ) -> Result<Option<RawDocumentBuf>, StoreError> {
        let last = collection.find_one(doc! {}).sort(doc! { "_id": -1 }).projection(doc! { "_id": 1 });
        last.session(session).await.map_err(unavailable)
    }

    async fn counters(&self) -> Result<Counters, StoreError> {
        let mut session = self.snapshot().await?;
        let last = self.greatest(&self.movements, &mut session).await?;
        let newest = self.greatest(&self.reservations, &mut session).await?;
        let mut held =
            self.http_reservations.find(doc! { "state": codes::HTTP_HELD }).session(&mut session).await;
        let held = held.as_mut().map_err(|error| unavailable(error.clone()))?;
        let mut http_orders = Vec::new();
        while held.advance(&mut session).await.map_err(unavailable)? {
            let text = Fields(held.current()).within("_id")?.text("order")?;
            let order = OrderRef::new(text).map_err(|e| inconsistent("http_order", e))?;
            http_orders.extend(Some(order).filter(|order| order.order().is_some()));
        }
        Ok(Counters {
            last_movement: last.map(|last| Fields(&last).number("_id").map(MovementId)).transpose()?,
            newest_reservation: newest.map(|newest| reservation_id(&newest)).transpose()?,
            http_orders,
        })
    }

    async fn decisions(&self, ids: &[ReservationId]) -> Result<Vec<Arc<Decision>>, StoreError> {
        let keys: Vec<i64> = ids.iter().map(|id| id.key().as_i64()).collect();
        let mut session = self.snapshot().await?;
        let find = self.reservations.find(doc! { "_id": { "$in": keys } }).session(&mut session);
        let mut found = find.await.map_err(unavailable)?;
        let mut stored = FxHashMap::default();
        while found.advance(&mut session).await.map_err(unavailable)? {
            let decision = document::read_decision(found.current())?;
            stored.insert(decision.id, decision);
        }
        self.with_movements(ids, stored, &mut session).await
    }

    /// Puts these decisions together with their movements, in the order of `ids`.
    pub(super) async fn with_movements(
        &self,
        ids: &[ReservationId],
        mut stored: FxHashMap<ReservationId, StoredDecision>,
        session: &mut ClientSession,
    ) -> Result<Vec<Arc<Decision>>, StoreError> {
        let mut movements = FxHashMap::default();
        let numbers: Vec<i64> =
            stored.values().flat_map(|decision| decision.movements()).map(u64::cast_signed).collect();
        for numbers in numbers.chunks(ASKED) {
            let find = self.movements.find(doc! { "_id": { "$in": numbers } }).session(&mut *session);
            let mut found = find.await.map_err(unavailable)?;
            while found.advance(session).await.map_err(unavailable)? {
                let movement = read_movement(found.current())?;
                movements.insert(movement.id, Arc::new(movement));
            }
        }
        let mut decisions = Vec::with_capacity(stored.len());
        for id in ids {
            let Some(decision) = stored.remove(id) else { continue };
            let its: Vec<_> =
                decision.movements().filter_map(|n| movements.get(&MovementId(n)).cloned()).collect();
            decisions.push(Arc::new(decision.prove(its)?));
        }
        Ok(decisions)
    }

    /// Follows the chain of a product's movements.
    async fn movements(
        &self,
        product: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        let mut session = self.snapshot().await?;
        // A cursor names the last movement that was shown: the chain goes on from there.
        let (end, field) = match before {
            None => (self.products.find_one(doc! { "_id": object_id(product) }), "stock"),
            Some(id) => {
                let named = doc! { "_id": id.0.cast_signed(), "product": object_id(product) };
                (self.movements.find_one(named), "")
            }
        };
        let Some(end) = end.session(&mut session).await.map_err(unavailable)? else { return Ok(Vec::new()) };
        let fields = Fields(&end);
        let mut next: Option<u64> = match field {
            "stock" => fields.within("stock")?.number_if_there("lastMovement")?,
            _ => fields.number_if_there("previous")?,
        };
        let Some(first) = next.filter(|_| limit > 0) else { return Ok(Vec::new()) };
        let follow = vec![
            doc! { "$match": { "_id": first.cast_signed() } },
            doc! { "$graphLookup": {
                "from": schema::MOVEMENTS,
                "startWith": "$_id",
                "connectFromField": "previous",
                "connectToField": "_id",
                "maxDepth": bound(limit - 1),
                "as": "chain",
            } },
            doc! { "$unwind": "$chain" },
            doc! { "$replaceRoot": { "newRoot": "$chain" } },
            doc! { "$sort": { "_id": -1 } },
        ];
        let chain = self.movements.aggregate(follow).with_type::<RawDocumentBuf>().session(&mut session);
        let mut chain = chain.await.map_err(unavailable)?;
        let broken = |why: String| inconsistent(&format!("product {product}"), why);
        let mut found = Vec::new();
        while chain.advance(&mut session).await.map_err(unavailable)? {
            let movement = read_movement(chain.current())?;
            if next != Some(movement.id.0) || movement.product != product {
                break;
            }
            next = movement.previous.map(|m| m.0);
            if next.is_some_and(|next| next >= movement.id.0) {
                return Err(broken("its ledger goes in circles".to_owned()));
            }
            found.push(movement);
        }
        match next.filter(|_| found.len() < limit) {
            Some(missing) => Err(broken(format!("its movement {missing} is missing"))),
            None => Ok(found),
        }
    }
}

#[async_trait]
impl StockReads for MongoProducts {
    async fn counters(&self) -> Result<Counters, StoreError> {
        self.collections.counters().await
    }

    async fn shelves(&self, ids: Vec<ProductId>) -> Result<Vec<Shelf>, StoreError> {
        let ids: Vec<_> = ids.into_iter().map(object_id).collect();
        let filter = doc! { "_id": { "$in": ids } };
        let find = self.collections.products.find(filter).projection(shelf_fields());
        let mut found = find.await.map_err(unavailable)?;
        let mut shelves = Vec::new();
        while found.advance().await.map_err(unavailable)? {
            shelves.push(read_shelf(found.current())?);
        }
        Ok(shelves)
    }

    async fn list(&self, query: ProductQuery) -> Result<ProductPage, StoreError> {
        list::page(&self.collections, &query).await
    }

    async fn categories(&self) -> Result<Vec<String>, StoreError> {
        list::categories(&self.collections).await
    }

    async fn sku_owner(&self, sku: String) -> Result<Option<ProductId>, StoreError> {
        let owner = doc! { "details.sku": sku, "hidden": false };
        let find = self.collections.products.find_one(owner).projection(doc! { "_id": 1 });
        find.await.map_err(unavailable)?.map(|found| Fields(&found).product("_id")).transpose()
    }

    async fn holds(
        &self,
        product: ProductId,
        after: Option<HoldId>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        let of = |hold: i64| doc! { "product": object_id(product), "hold": hold };
        let filter = doc! { "_id": { "$gt": of(signed(after.map(|h| h.0))), "$lt": of(i64::MAX) } };
        all(&self.collections.holds, filter, doc! { "_id": 1 }, limit, read_hold).await
    }

    async fn movements(
        &self,
        product: ProductId,
        before: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        self.collections.movements(product, before, limit).await
    }

    async fn ledger(
        &self,
        after: Option<MovementId>,
        limit: usize,
    ) -> Result<Vec<LedgerMovement>, StoreError> {
        let later = doc! { "_id": { "$gt": signed(after) } };
        all(&self.collections.movements, later, doc! { "_id": 1 }, limit, read_movement).await
    }

    async fn open_holds(
        &self,
        after: Option<(ProductId, HoldId)>,
        limit: usize,
    ) -> Result<Vec<Hold>, StoreError> {
        let later = match after {
            Some((product, hold)) => {
                let name = doc! { "product": object_id(product), "hold": hold.0.0.cast_signed() };
                doc! { "_id": { "$gt": name } }
            }
            None => doc! {},
        };
        all(&self.collections.holds, later, doc! { "_id": 1 }, limit, read_hold).await
    }

    async fn all_shelves(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Shelf>, StoreError> {
        let later = match after {
            Some(after) => doc! { "_id": { "$gt": object_id(after) } },
            None => doc! {},
        };
        all(&self.collections.products, later, doc! { "_id": 1 }, limit, read_shelf).await
    }

    async fn decisions(&self, ids: Vec<ReservationId>) -> Result<Vec<Arc<Decision>>, StoreError> {
        self.collections.decisions(&ids).await
    }

    async fn books(&self, after: Option<ProductId>, limit: usize) -> Result<Vec<Book>, StoreError> {
        books::books(&self.collections, after, limit).await
    }

    async fn held(&self, after: Option<ReservationId>, limit: usize) -> Result<HeldPage, StoreError> {
        books::held(&self.collections, after, limit).await
    }

    async fn http_reservation(
        &self,
        order: OrderRef,
        product: ProductId,
    ) -> Result<Option<HttpReservation>, StoreError> {
        let name = doc! { "order": order.as_str(), "product": object_id(product) };
        let find = self.collections.http_reservations.find_one(doc! { "_id": name });
        find.await.map_err(unavailable)?.map(|found| document::read_http_reservation(&found)).transpose()
    }

    async fn idempotent(&self, scope: IdempotencyScope) -> Result<Option<IdempotencyRecord>, StoreError> {
        let name = document::binary(scope.as_bytes());
        let find = self.collections.idempotency.find_one(doc! { "_id": name });
        find.await.map_err(unavailable)?.map(|found| document::read_idempotency(scope, &found)).transpose()
    }
}
