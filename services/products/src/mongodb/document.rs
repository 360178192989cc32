//! What is stored, as documents. Numbers are 64 bits wide, and what is absent has no field.

use bytes::Bytes;
use holdfast_contract::{Key, ProductId, ReservationId, Timestamp, Topic};
use holdfast_storage::{Outgoing, StoreError};
use mongodb::bson::oid::ObjectId;
use mongodb::bson::raw::{BindRawBsonRef, CStr};
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{Binary, DateTime, RawArrayBuf, RawDocument, RawDocumentBuf, cstr, rawdoc};

use super::fields::Fields;
use crate::domain::{
    Decision, Hold, HoldId, HttpReservation, LedgerMovement, MovementId, Product, Rating, Shelf, StockChange,
};
use crate::store::codes;
use crate::store::stored::{
    StoredDecision, StoredHold, StoredHttp, StoredMovement, StoredOwner, StoredShelf, inconsistent, of_row,
};
use crate::store::words::words;
use crate::store::{IdempotencyRecord, StoredAnswer};

pub(super) fn date(at: Timestamp) -> DateTime {
    DateTime::from_millis(at.as_millis())
}

pub(super) fn binary(bytes: &[u8]) -> Binary {
    Binary { subtype: BinarySubtype::Generic, bytes: bytes.to_vec() }
}

pub(super) fn object_id(id: ProductId) -> ObjectId {
    ObjectId::from_bytes(*id.as_bytes())
}

fn texts<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> RawArrayBuf {
    let mut array = RawArrayBuf::new();
    for text in texts {
        array.push(text.as_ref());
    }
    array
}

fn put_if_there(document: &mut RawDocumentBuf, name: &CStr, value: Option<impl BindRawBsonRef>) {
    if let Some(value) = value {
        document.append(name, value);
    }
}

/// The fields of a product that a person says something in, and those that lists and searches go by.
pub(super) fn put_details(document: &mut RawDocumentBuf, product: &Product) {
    let d = &product.details;
    let category: Option<&str> = d.category.as_ref().map(AsRef::as_ref);
    let (sku, brand) = (d.sku.as_ref().map(AsRef::as_ref), d.brand.as_ref().map(AsRef::as_ref));
    let mut details = rawdoc! {
        "name": d.name.as_str(),
        "description": d.description.as_str(),
        "price": d.price.minor().cast_signed(),
        "currency": d.price.currency().code(),
        "tags": texts(&d.tags),
        "reviewCount": i64::from(d.review_count),
        "isActive": d.is_active,
    };
    put_if_there(&mut details, cstr!("category"), category);
    put_if_there(&mut details, cstr!("sku"), sku);
    put_if_there(&mut details, cstr!("brand"), brand);
    put_if_there(&mut details, cstr!("imageUrl"), d.image_url.as_ref().map(AsRef::<str>::as_ref));
    put_if_there(&mut details, cstr!("rating"), d.rating.map(Rating::hundredths).map(i64::from));
    let name = d.name.as_str();
    let more = [Some(d.description.as_str()), category, brand, sku].into_iter().flatten();
    let all = more.chain(d.tags.iter().map(AsRef::as_ref)).chain([name]);
    // Without regard to the case of ASCII letters, as lists have it.
    let mut find = rawdoc! {
        "name": name.to_ascii_lowercase(),
        "nameWords": texts(words([name])),
        "words": texts(words(all)),
    };
    put_if_there(&mut find, cstr!("category"), category.map(str::to_ascii_lowercase));
    document.append(cstr!("details"), details);
    document.append(cstr!("find"), find);
    document.append(cstr!("createdAt"), date(product.created_at));
    document.append(cstr!("updatedAt"), date(product.updated_at));
}

/// A product's level. Its version is the product's.
pub(super) fn stock(change: &StockChange) -> RawDocumentBuf {
    let level = change.level;
    let mut stock = rawdoc! {
        "onHand": level.on_hand().cast_signed(),
        "reserved": level.reserved().cast_signed(),
        "available": level.available().cast_signed(),
        "version": level.version().cast_signed(),
    };
    put_if_there(&mut stock, cstr!("lastMovement"), change.last_movement.map(|m| m.0.cast_signed()));
    stock
}

pub(super) fn read_shelf(document: &RawDocument) -> Result<Shelf, StoreError> {
    let fields = Fields(document);
    let id = fields.product("_id")?;
    of_row(format_args!("product {id}"), stored_shelf(fields, id).and_then(StoredShelf::prove))
}

fn stored_shelf(fields: Fields<'_>, id: ProductId) -> Result<StoredShelf<'_>, StoreError> {
    let (details, stock) = (fields.within("details")?, fields.within("stock")?);
    let mut tags = Vec::new();
    for tag in details.array("tags")? {
        let tag = tag.map_err(|e| inconsistent("tags", e))?;
        let tag = tag.as_str().ok_or_else(|| inconsistent("tags", "one is no text"))?;
        tags.push(tag.parse().map_err(|e| inconsistent("tags", e))?);
    }
    Ok(StoredShelf {
        id,
        name: details.text("name")?,
        description: details.text("description")?,
        price: details.number("price")?,
        currency: details.text("currency")?,
        category: details.text_if_there("category")?,
        sku: details.text_if_there("sku")?,
        brand: details.text_if_there("brand")?,
        tags,
        image_url: details.text_if_there("imageUrl")?,
        rating: details.number_if_there("rating")?,
        review_count: details.number("reviewCount")?,
        is_active: details.flag("isActive")?,
        hidden: fields.flag("hidden")?,
        created_at: fields.date("createdAt")?,
        updated_at: fields.date("updatedAt")?,
        on_hand: stock.number("onHand")?,
        reserved: stock.number("reserved")?,
        version: stock.number("version")?,
        last_movement: stock.number_if_there("lastMovement")?,
    })
}

fn put_owner(document: &mut RawDocumentBuf, owner: StoredOwner<'_>) {
    put_if_there(document, cstr!("reservation"), owner.reservation);
    put_if_there(document, cstr!("httpOrder"), owner.http_order);
}

fn owner(fields: Fields<'_>) -> Result<StoredOwner<'_>, StoreError> {
    Ok(StoredOwner {
        reservation: fields.number_if_there("reservation")?,
        http_order: fields.text_if_there("httpOrder")?,
    })
}

pub(super) fn movement(m: &LedgerMovement) -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": m.id.0.cast_signed() };
    put_if_there(&mut document, cstr!("previous"), m.previous.map(|p| p.0.cast_signed()));
    document.append(cstr!("product"), object_id(m.product));
    document.append(cstr!("productName"), m.product_name.as_str());
    put_owner(&mut document, m.owner.as_ref().into());
    put_if_there(&mut document, cstr!("line"), m.line_id.map(|l| i64::from(l.0)));
    document.append(cstr!("kind"), codes::kind_code(m.kind));
    document.append(cstr!("onHandDelta"), m.on_hand_delta);
    document.append(cstr!("reservedDelta"), m.reserved_delta);
    put_if_there(&mut document, cstr!("hold"), m.hold.map(|h| h.0.0.cast_signed()));
    document.append(cstr!("onHand"), m.balances.on_hand);
    document.append(cstr!("reserved"), m.balances.reserved);
    document.append(cstr!("cause"), m.cause.to_string());
    document.append(cstr!("at"), date(m.at));
    document
}

pub(super) fn read_movement(document: &RawDocument) -> Result<LedgerMovement, StoreError> {
    let fields = Fields(document);
    let id = MovementId(fields.number("_id")?);
    of_row(id, stored_movement(fields, id).and_then(StoredMovement::prove))
}

fn stored_movement(fields: Fields<'_>, id: MovementId) -> Result<StoredMovement<'_>, StoreError> {
    Ok(StoredMovement {
        id,
        previous: fields.number_if_there("previous")?,
        product: fields.product("product")?,
        product_name: fields.text("productName")?,
        owner: owner(fields)?,
        line: fields.number_if_there("line")?,
        kind: fields.number("kind")?,
        on_hand_delta: fields.number("onHandDelta")?,
        reserved_delta: fields.number("reservedDelta")?,
        hold: fields.number_if_there("hold")?,
        on_hand: fields.number("onHand")?,
        reserved: fields.number("reserved")?,
        cause: fields.text("cause")?,
        at: fields.date("at")?,
    })
}

/// A hold's name: its product first, so that a product's holds are beside each other without another index.
pub(super) fn hold_id(product: ProductId, hold: HoldId) -> RawDocumentBuf {
    rawdoc! { "product": object_id(product), "hold": hold.0.0.cast_signed() }
}

pub(super) fn hold(hold: &Hold) -> RawDocumentBuf {
    let mut document = rawdoc! { "_id": hold_id(hold.product, hold.id) };
    put_owner(&mut document, Some(&hold.owner).into());
    document.append(cstr!("line"), i64::from(hold.line_id.0));
    document.append(cstr!("quantity"), i64::from(hold.quantity.get()));
    document.append(cstr!("consumed"), i64::from(hold.consumed));
    document.append(cstr!("at"), date(hold.at));
    document
}

pub(super) fn read_hold(document: &RawDocument) -> Result<Hold, StoreError> {
    let fields = Fields(document);
    let name = fields.within("_id")?;
    let id = HoldId(MovementId(name.number("hold")?));
    let stored = || {
        Ok(StoredHold {
            id,
            product: name.product("product")?,
            owner: owner(fields)?,
            line: fields.number("line")?,
            quantity: fields.number("quantity")?,
            consumed: fields.number("consumed")?,
            at: fields.date("at")?,
        })
    };
    of_row(id, stored().and_then(StoredHold::prove))
}

pub(super) fn decision(decision: &Decision) -> Result<RawDocumentBuf, StoreError> {
    let stored = StoredDecision::of(decision)?;
    let mut document = rawdoc! {
        "_id": stored.id.key().as_i64(),
        "number": i64::from(stored.number),
        "at": date(stored.at),
        "state": stored.state,
        "movements": stored.count.cast_signed(),
    };
    put_if_there(&mut document, cstr!("firstMovement"), stored.first.map(u64::cast_signed));
    put_if_there(&mut document, cstr!("detail"), stored.detail);
    Ok(document)
}

pub(super) fn reservation_id(document: &RawDocument) -> Result<ReservationId, StoreError> {
    let key = Key::from_i64(Fields(document).number("_id")?);
    key.map(ReservationId::new).ok_or_else(|| inconsistent("reservation", "is negative"))
}

pub(super) fn read_decision(document: &RawDocument) -> Result<StoredDecision, StoreError> {
    let fields = Fields(document);
    let id = reservation_id(document)?;
    let stored = || {
        Ok(StoredDecision {
            id,
            number: fields.number("number")?,
            at: fields.date("at")?,
            state: fields.number("state")?,
            first: fields.number_if_there("firstMovement")?,
            count: fields.number("movements")?,
            detail: fields.text_if_there("detail")?.map(str::to_owned),
        })
    };
    of_row(id, stored())
}

/// The name of a single-line reservation over HTTP.
pub(super) fn http_id(order: &str, product: ProductId) -> RawDocumentBuf {
    rawdoc! { "order": order, "product": object_id(product) }
}

pub(super) fn http_reservation(reservation: &HttpReservation) -> RawDocumentBuf {
    let stored = StoredHttp::from(reservation);
    let mut document = rawdoc! {
        "_id": http_id(stored.order, stored.product),
        "state": stored.state,
        "at": date(stored.at),
    };
    put_if_there(&mut document, cstr!("quantity"), stored.quantity.map(u64::cast_signed));
    put_if_there(&mut document, cstr!("hold"), stored.hold.map(u64::cast_signed));
    put_if_there(&mut document, cstr!("newStock"), stored.new_stock.map(u64::cast_signed));
    document
}

pub(super) fn read_http_reservation(document: &RawDocument) -> Result<HttpReservation, StoreError> {
    let fields = Fields(document);
    let name = fields.within("_id")?;
    StoredHttp {
        order: name.text("order")?,
        product: name.product("product")?,
        state: fields.number("state")?,
        quantity: fields.number_if_there("quantity")?,
        hold: fields.number_if_there("hold")?,
        new_stock: fields.number_if_there("newStock")?,
        at: fields.date("at")?,
    }
    .prove()
}

pub(super) fn idempotency(record: &IdempotencyRecord) -> RawDocumentBuf {
    rawdoc! {
        "_id": binary(record.scope.as_bytes()),
        "fingerprint": binary(&record.fingerprint),
        "status": i64::from(record.answer.status),
        "body": binary(&record.answer.body),
        "at": date(record.at),
    }
}

pub(super) fn read_idempotency(
    scope: holdfast_service::http::IdempotencyScope,
    document: &RawDocument,
) -> Result<IdempotencyRecord, StoreError> {
    let fields = Fields(document);
    let fingerprint = fields.bytes("fingerprint")?.try_into().map_err(|e| inconsistent("fingerprint", e))?;
    let body = Bytes::copy_from_slice(fields.bytes("body")?);
    let answer = StoredAnswer { status: fields.number("status")?, body };
    Ok(IdempotencyRecord { scope, fingerprint, answer, at: fields.date("at")? })
}

/// A record on its way out.
pub(super) fn record(outgoing: &Outgoing) -> RawDocumentBuf {
    let mut document = rawdoc! {
        "topic": outgoing.topic.name(),
        "key": binary(&outgoing.key),
        "at": date(outgoing.at),
        "payload": binary(&outgoing.payload),
    };
    put_if_there(&mut document, cstr!("traceparent"), outgoing.traceparent.as_deref().map(binary));
    document
}

pub(super) fn read_record(document: &RawDocument) -> Result<Outgoing, StoreError> {
    let fields = Fields(document);
    let topic: Topic =
        fields.text("topic")?.parse().map_err(|()| inconsistent("topic", "is an unknown one"))?;
    Ok(Outgoing {
        topic,
        key: Bytes::copy_from_slice(fields.bytes("key")?),
        payload: Bytes::copy_from_slice(fields.bytes("payload")?),
        at: fields.date("at")?,
        traceparent: fields.bytes_if_there("traceparent")?.map(Bytes::copy_from_slice),
    })
}
