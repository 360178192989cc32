//! Collections and indexes.

use mongodb::IndexModel;
use mongodb::bson::{Document, doc};
use mongodb::options::IndexOptions;

/// Name of the index of orders with unsent records: it alone answers which they are.
pub(super) const UNSENT: &str = "unsent";

/// Of the collections and what is in them.
pub(super) const VERSION: u32 = 1;

pub(super) const ORDERS: &str = "orders";
pub(super) const IDEMPOTENCY: &str = "idempotency";
pub(super) const COPIES: &str = "copies";
pub(super) const SHARDS: &str = "outbox_shards";
pub(super) const COUNTERS: &str = "counters";

/// Every list that the API offers is one of the first four, with its filters as a prefix and its sort behind; lists of all
/// statuses merge their parts. They hold what counting needs, too. The partial ones are nearly empty: an order is in them
/// only for the moments in which it waits.
pub(super) fn orders() -> Vec<IndexModel> {
    let waits =
        |field: &str| IndexOptions::builder().partial_filter_expression(doc! { field: { "$exists": true } });
    vec![
        index("by_date", doc! { "shown": 1, "_id": 1 }),
        index("by_amount", doc! { "shown": 1, "totalMinor": 1, "_id": 1 }),
        index("of_user_by_date", doc! { "userId": 1, "shown": 1, "_id": 1 }),
        index("of_user_by_amount", doc! { "userId": 1, "shown": 1, "totalMinor": 1, "_id": 1 }),
        index("words", doc! { "words": 1 }),
        IndexModel::builder()
            .keys(doc! { "unsent": 1, "_id": 1, "records": 1 })
            .options(waits("unsent").name(UNSENT.to_owned()).build())
            .build(),
        IndexModel::builder()
            .keys(doc! { "waiting": 1, "_id": 1 })
            .options(waits("waiting").name("waiting".to_owned()).build())
            .build(),
    ]
}

pub(super) fn idempotency() -> Vec<IndexModel> {
    vec![index("by_time", doc! { "at": 1 })]
}

pub(super) fn copies() -> Vec<IndexModel> {
    vec![index("by_shard", doc! { "shard": 1, "_id": 1 })]
}

fn index(name: &str, keys: Document) -> IndexModel {
    IndexModel::builder().keys(keys).options(IndexOptions::builder().name(name.to_owned()).build()).build()
}
