//! Collections and indexes.

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

use crate::store::codes;

/// Of the collections and what is in them.
pub(super) const VERSION: u32 = 1;

pub(super) const PRODUCTS: &str = "products";
/// The ledger. A product's own movements are chained by `previous`, from its `stock.lastMovement` on, so no other index is
/// kept.
pub(super) const MOVEMENTS: &str = "movements";
/// Open holds only, by product and number.
pub(super) const HOLDS: &str = "holds";
/// One decision for each reservation, for ever.
pub(super) const RESERVATIONS: &str = "reservations";
pub(super) const HTTP_RESERVATIONS: &str = "http_reservations";
pub(super) const IDEMPOTENCY: &str = "idempotency";
pub(super) const OUTBOX: &str = "outbox";
pub(super) const SHARDS: &str = "outbox_shards";

/// Every list that the API offers is one of these, with its sort behind the filter that it always has.
pub(super) fn products() -> Vec<IndexModel> {
    let shown = doc! { "hidden": false, "details.sku": { "$exists": true } };
    // The SKU of a deleted product is free again.
    let one_owner = IndexOptions::builder()
        .name("by_sku".to_owned())
        .unique(true)
        .partial_filter_expression(shown)
        .build();
    vec![
        IndexModel::builder().keys(doc! { "details.sku": 1 }).options(one_owner).build(),
        index("by_name", doc! { "hidden": 1, "find.name": 1, "_id": 1 }),
        index("by_price", doc! { "hidden": 1, "details.price": 1, "_id": 1 }),
        index("by_stock", doc! { "hidden": 1, "stock.available": 1, "_id": 1 }),
        index("by_rating", doc! { "hidden": 1, "details.rating": 1, "_id": 1 }),
        index("by_age", doc! { "hidden": 1, "createdAt": 1, "_id": 1 }),
        index("by_category", doc! { "hidden": 1, "find.category": 1, "find.name": 1, "_id": 1 }),
        index("by_word", doc! { "hidden": 1, "find.words": 1 }),
    ]
}

/// The few that are held.
pub(super) fn http_reservations() -> Vec<IndexModel> {
    let held = IndexOptions::builder()
        .name("held".to_owned())
        .partial_filter_expression(doc! { "state": codes::HTTP_HELD })
        .build();
    vec![IndexModel::builder().keys(doc! { "state": 1 }).options(held).build()]
}

pub(super) fn idempotency() -> Vec<IndexModel> {
    vec![index("by_age", doc! { "at": 1 })]
}

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}
