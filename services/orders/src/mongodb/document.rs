//! An order as a document.
//!
//! Everything that one change of one order writes is in its document, so that a single insert or update is the whole
//! commit. What lists filter and sort by are fields of their own; `body` is the same JSON that every back-end stores, as a
//! text: it is what `decode_order` proves, and an operator in mongosh reads the items and the address in it.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_contract::topic::partition_of;
use holdfast_contract::{Key, OrderId, Timestamp, Topic};
use holdfast_storage::{Outgoing, StoreError};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, RawArrayBuf, RawDocument, RawDocumentBuf, cstr, rawdoc};
use rustc_hash::FxHashMap;

use super::SHARDS;
use crate::domain::{Order, awaits_products};
use crate::store::{Change, CommitError, Encoder, decode_order, encode_order, words};

/// The `shown` of an order that no list shows.
const HIDDEN: i32 = 0;

/// What a commit does to one order: all of its changes of it, folded into one write.
#[derive(Debug)]
pub(super) struct OrderWrite {
    pub(super) id: OrderId,
    pub(super) write: Write,
    /// Whether it has outgoing records.
    pub(super) sends: bool,
}

#[derive(Debug)]
pub(super) enum Write {
    Insert(RawDocumentBuf),
    Update {
        /// The order at the version that the change was decided for.
        filter: RawDocumentBuf,
        update: RawDocumentBuf,
        version: u64,
    },
}

/// Folds the changes, order by order.
///
/// # Errors
/// If they cannot follow each other, whatever is stored.
pub(super) fn fold(changes: Vec<Change>) -> Result<Vec<OrderWrite>, CommitError> {
    let mut folded: Vec<Folded> = Vec::with_capacity(changes.len());
    let mut places: FxHashMap<OrderId, usize> = FxHashMap::default();
    for change in changes {
        let id = change.order.id;
        match places.get(&id) {
            Some(&place) => folded[place].add(change)?,
            None => {
                places.insert(id, folded.len());
                folded.push(Folded::new(change));
            }
        }
    }
    Ok(folded.into_iter().map(Folded::finish).collect())
}

struct Folded {
    order: Arc<Order>,
    /// The version that the first change was decided for; `None` for a new order.
    previous: Option<u64>,
    is_note: bool,
    history: Vec<u8>,
    outbox: RawArrayBuf,
    records: i32,
}

impl Folded {
    fn new(change: Change) -> Self {
        let mut folded = Self {
            order: change.order.clone(),
            previous: change.previous.map(|p| p.version),
            is_note: true,
            history: Vec::new(),
            outbox: RawArrayBuf::new(),
            records: 0,
        };
        folded.append(change);
        folded
    }

    fn add(&mut self, change: Change) -> Result<(), CommitError> {
        let id = self.order.id;
        let previous = change.previous.ok_or(CommitError::AlreadyExists(id))?;
        if previous.version != self.order.version {
            return Err(CommitError::VersionConflict(id));
        }
        self.append(change);
        Ok(())
    }

    fn append(&mut self, change: Change) {
        let mut step = Encoder::new(&change);
        self.is_note &= change.is_note();
        for outgoing in change.events {
            step.unsent(outgoing.topic, None);
            self.send(&outgoing);
        }
        for (kind, outgoing) in change.live {
            step.unsent(outgoing.topic, Some(kind));
            self.send(&outgoing);
        }
        self.history.extend_from_slice(&step.finish());
        self.order = change.order;
    }

    fn send(&mut self, outgoing: &Outgoing) {
        self.outbox.push(record(outgoing));
        self.records += 1;
    }

    fn finish(self) -> OrderWrite {
        let id = self.order.id;
        let sends = self.records > 0;
        let write = match self.previous {
            None => Write::Insert(self.insert()),
            Some(version) => Write::Update {
                filter: rawdoc! { "_id": id.key().as_i64(), "version": version.cast_signed() },
                update: self.update(),
                version,
            },
        };
        OrderWrite { id, write, sends }
    }

    fn insert(self) -> RawDocumentBuf {
        let order = &self.order;
        let (mut all_words, mut names) = (Vec::new(), Vec::new());
        for item in order.items.iter() {
            let of_name = words(item.product_name.as_str());
            let name = of_name.join(" ");
            if !names.contains(&name) {
                names.push(name);
                all_words.extend(of_name);
            }
        }
        all_words.sort_unstable();
        all_words.dedup();
        let mut document = rawdoc! {
            "_id": order.id.key().as_i64(),
            "orderNumber": order.number().to_string(),
            "userId": order.user_id.as_str(),
            "totalMinor": order.total.minor().cast_signed(),
            "createdAt": date(order.created_at),
            "words": texts(all_words),
            "names": texts(names),
        };
        self.state(&mut document);
        if awaits_products(order) {
            document.append(cstr!("waiting"), true);
        }
        document.append(cstr!("records"), self.records);
        if self.records > 0 {
            document.append(cstr!("unsent"), shard(order.id));
            document.append(cstr!("outbox"), self.outbox);
        }
        let mut history = RawArrayBuf::new();
        history.push(binary(self.history));
        document.append(cstr!("history"), history);
        document
    }

    fn update(self) -> RawDocumentBuf {
        let mut set = RawDocumentBuf::new();
        let mut update = RawDocumentBuf::new();
        if !self.is_note {
            self.state(&mut set);
            if awaits_products(&self.order) {
                set.append(cstr!("waiting"), true);
            } else {
                update.append(cstr!("$unset"), rawdoc! { "waiting": true });
            }
        }
        let mut push = rawdoc! { "history": binary(self.history) };
        if self.records > 0 {
            set.append(cstr!("unsent"), shard(self.order.id));
            push.append(cstr!("outbox"), rawdoc! { "$each": self.outbox });
            update.append(cstr!("$inc"), rawdoc! { "records": self.records });
        }
        if !set.is_empty() {
            update.append(cstr!("$set"), set);
        }
        update.append(cstr!("$push"), push);
        update
    }

    /// What changes with the state.
    fn state(&self, document: &mut RawDocumentBuf) {
        let order = &self.order;
        document.append(cstr!("version"), order.version.cast_signed());
        document.append(cstr!("status"), i32::from(order.status().code()));
        document.append(cstr!("stockStatus"), order.stock.status().as_str());
        document.append(cstr!("shown"), shown(order));
        document.append(cstr!("updatedAt"), date(order.updated_at));
        // Written by serde_json, so it is UTF-8.
        document.append(cstr!("body"), String::from_utf8(encode_order(order)).unwrap_or_default());
    }
}

/// The order's status if lists show it.
fn shown(order: &Order) -> i32 {
    if order.hidden { HIDDEN } else { i32::from(order.status().code()) }
}

/// The shard of a record key.
pub(super) fn shard_of(key: &[u8]) -> i32 {
    i32::from(partition_of(key, SHARDS).0)
}

fn shard(id: OrderId) -> i32 {
    // The key of its records.
    shard_of(id.to_string().as_bytes())
}

pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millis())
}

pub(super) fn binary(bytes: Vec<u8>) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes }
}

fn texts(texts: Vec<String>) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for text in texts {
        array.push(text);
    }
    array
}

/// A record on its way out, as it is kept until it is published. Its key is not repeated.
pub(super) fn record(outgoing: &Outgoing) -> RawDocumentBuf {
    let mut document = rawdoc! {
        "topic": outgoing.topic.name(),
        "at": date(outgoing.at),
        "payload": binary(outgoing.payload.to_vec()),
    };
    if let Some(traceparent) = &outgoing.traceparent {
        document.append(cstr!("traceparent"), binary(traceparent.to_vec()));
    }
    document
}

/// Takes back what [`record`] wrote.
pub(super) fn read_record(key: Bytes, document: &RawDocument) -> Result<Outgoing, StoreError> {
    let unreadable = |why: &dyn std::fmt::Display| {
        StoreError::Inconsistent(format!("an outgoing record of {}: {why}", String::from_utf8_lossy(&key)))
    };
    let topic: Topic = document
        .get_str("topic")
        .map_err(|e| unreadable(&e))?
        .parse()
        .map_err(|()| unreadable(&"an unknown topic"))?;
    let payload = document.get_binary("payload").map_err(|e| unreadable(&e))?;
    let at = document.get_datetime("at").map_err(|e| unreadable(&e))?;
    let traceparent = document.get_binary("traceparent").ok().map(|b| Bytes::copy_from_slice(b.bytes));
    Ok(Outgoing {
        topic,
        payload: Bytes::copy_from_slice(payload.bytes),
        at: Timestamp::from_millis(at.timestamp_millis()),
        traceparent,
        key,
    })
}

/// Says that a document cannot be what was stored.
pub(super) fn inconsistent(what: &dyn std::fmt::Display) -> StoreError {
    StoreError::Inconsistent(format!("a document of the orders: {what}"))
}

/// The id of a document.
pub(super) fn read_id(document: &RawDocument) -> Result<OrderId, StoreError> {
    let stored = document.get_i64("_id").map_err(|e| inconsistent(&e))?;
    let key = Key::from_i64(stored).ok_or_else(|| inconsistent(&format_args!("{stored} is no order id")))?;
    Ok(OrderId::new(key))
}

/// Reads an order, and proves that it is in the lists where it belongs.
pub(super) fn read_order(document: &RawDocument) -> Result<Arc<Order>, StoreError> {
    let id = read_id(document)?;
    let field = |e| StoreError::Inconsistent(format!("order {id}: {e}"));
    let order = decode_order(id, document.get_str("body").map_err(field)?.as_bytes())?;
    let agrees = document.get_i64("version").map_err(field)? == order.version.cast_signed()
        && document.get_str("userId").map_err(field)? == order.user_id.as_str()
        && document.get_i32("shown").map_err(field)? == shown(&order)
        && document.get_i64("totalMinor").map_err(field)? == order.total.minor().cast_signed();
    if agrees {
        Ok(Arc::new(order))
    } else {
        Err(StoreError::Inconsistent(format!("order {id}: its fields are not what its body says")))
    }
}
