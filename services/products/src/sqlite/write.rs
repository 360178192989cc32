//! One commit: one request to the writer.

use async_trait::async_trait;
use holdfast_contract::Timestamp;
use holdfast_storage::StoreError;
use holdfast_storage::sqlite::{WriteTx, count_attempts, remove_parked};
use rusqlite::{Connection, params};

use super::SqliteProducts;
use crate::domain::{Decision, Hold, HttpReservation, LedgerMovement, Product, StockChange};
use crate::store::stored::{StoredDecision, StoredHttp, StoredOwner};
use crate::store::{Catalogue, CommitError, IdempotencyRecord, StockCommit, StockWrites, codes};

/// Idempotency records forgotten by one call.
const FORGET: usize = 1_000;

#[async_trait]
impl StockWrites for SqliteProducts {
    async fn commit(&self, commit: StockCommit) -> Result<(), CommitError> {
        if commit.is_empty() {
            return Ok(());
        }
        self.database.write(move |tx| apply(tx, commit)).await
    }

    async fn forget_idempotency(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.database
            .write(move |tx| {
                tx.connection()
                    .prepare_cached(
                        "DELETE FROM idempotency WHERE scope IN
                           (SELECT scope FROM idempotency WHERE at < ?1 ORDER BY at LIMIT ?2)",
                    )
                    .and_then(|mut s| s.execute(params![before.as_millis(), FORGET]))
                    .map_err(StoreError::from)
            })
            .await
    }
}

fn apply(tx: &mut WriteTx<'_>, commit: StockCommit) -> Result<(), CommitError> {
    // The positions first: a stale worker's batch costs nothing more.
    for advance in &commit.advances {
        tx.advance(advance)?;
    }
    let connection = tx.connection();
    for id in &commit.unpark {
        if !remove_parked(connection, *id)? {
            return Err(CommitError::AlreadyUnparked);
        }
    }
    for change in &commit.catalogue {
        catalogue(connection, change)?;
    }
    for change in &commit.stock {
        stock(connection, change)?;
    }
    rows(connection, &commit)?;
    for parked in &commit.park {
        tx.park(parked)?;
    }
    for outgoing in commit.outgoing {
        tx.append(outgoing)?;
    }
    Ok(())
}

fn rows(connection: &Connection, commit: &StockCommit) -> Result<(), StoreError> {
    for movement in &commit.movements {
        insert_movement(connection, movement)?;
    }
    for hold in &commit.opened {
        open(connection, hold)?;
    }
    for (product, hold) in &commit.closed {
        let gone = connection
            .prepare_cached("DELETE FROM holds WHERE product = ?1 AND id = ?2")?
            .execute(params![product.as_bytes(), hold.0.0])?;
        if gone != 1 {
            return Err(StoreError::Inconsistent(format!("{hold} of product {product} is not open")));
        }
    }
    for hold in &commit.restored {
        connection
            .prepare_cached("DELETE FROM holds WHERE product = ?1 AND id = ?2")?
            .execute(params![hold.product.as_bytes(), hold.id.0.0])?;
        open(connection, hold)?;
    }
    for decision in &commit.decisions {
        decide(connection, decision)?;
    }
    for reservation in &commit.http_reservations {
        http(connection, reservation)?;
    }
    for record in &commit.idempotent {
        remember(connection, record)?;
    }
    count_attempts(connection, &commit.attempted)
}

fn catalogue(connection: &Connection, change: &Catalogue) -> Result<(), StoreError> {
    match change {
        Catalogue::Created(product) => {
            connection
                .prepare_cached(
                    "INSERT INTO products (id, name, description, price, currency, category, sku, brand, tags, image_url,
                                           rating, review_count, is_active, created_at, updated_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
                )?
                .execute(rusqlite::params_from_iter(details(product)?))?;
            index(connection, product)
        }
        Catalogue::Edited(product) => {
            let changed = connection
                .prepare_cached(
                    "UPDATE products SET name = ?2, description = ?3, price = ?4, currency = ?5, category = ?6, sku = ?7,
                            brand = ?8, tags = ?9, image_url = ?10, rating = ?11, review_count = ?12, is_active = ?13,
                            created_at = ?14, updated_at = ?15
                     WHERE id = ?1",
                )?
                .execute(rusqlite::params_from_iter(details(product)?))?;
            if changed != 1 {
                return Err(StoreError::Inconsistent(format!("there is no product {}", product.id)));
            }
            unindex(connection, product.id)?;
            index(connection, product)
        }
        Catalogue::Hidden(id) => {
            unindex(connection, *id)?;
            connection
                .prepare_cached("UPDATE products SET hidden = 1 WHERE id = ?1")?
                .execute([id.as_bytes()])?;
            Ok(())
        }
    }
}

type Parameter<'p> = Box<dyn rusqlite::ToSql + 'p>;

fn details(product: &Product) -> Result<[Box<dyn rusqlite::ToSql + '_>; 15], StoreError> {
    let d = &product.details;
    let text = |t: Option<&str>| -> Parameter<'static> { Box::new(t.map(str::to_owned)) };
    let tags = serde_json::to_string(&d.tags).map_err(|e| StoreError::Inconsistent(e.to_string()))?;
    Ok([
        Box::new(product.id.as_bytes()),
        Box::new(d.name.as_str()),
        Box::new(d.description.as_str()),
        Box::new(d.price.minor().cast_signed()),
        Box::new(d.price.currency().code().to_owned()),
        text(d.category.as_ref().map(AsRef::as_ref)),
        text(d.sku.as_ref().map(AsRef::as_ref)),
        text(d.brand.as_ref().map(AsRef::as_ref)),
        Box::new(tags),
        text(d.image_url.as_ref().map(AsRef::as_ref)),
        Box::new(d.rating.map(crate::domain::Rating::hundredths)),
        Box::new(d.review_count),
        Box::new(d.is_active),
        Box::new(product.created_at.as_millis()),
        Box::new(product.updated_at.as_millis()),
    ])
}

/// Makes a product findable by its words.
fn index(connection: &Connection, product: &Product) -> Result<(), StoreError> {
    let d = &product.details;
    let mut words = String::from(d.description.as_str());
    let more = [
        d.category.as_ref().map(AsRef::as_ref),
        d.brand.as_ref().map(AsRef::as_ref),
        d.sku.as_ref().map(AsRef::as_ref),
    ];
    for word in more.into_iter().flatten().chain(d.tags.iter().map(AsRef::<str>::as_ref)) {
        words.push('\n');
        words.push_str(word);
    }
    connection
        .prepare_cached(
            "INSERT INTO product_words (rowid, name, words) SELECT number, ?2, ?3 FROM products WHERE id = ?1",
        )?
        .execute(params![product.id.as_bytes(), d.name.as_str(), words])?;
    Ok(())
}

fn unindex(connection: &Connection, id: holdfast_contract::ProductId) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "DELETE FROM product_words WHERE rowid = (SELECT number FROM products WHERE id = ?1)",
        )?
        .execute([id.as_bytes()])?;
    Ok(())
}

fn stock(connection: &Connection, change: &StockChange) -> Result<(), CommitError> {
    let level = change.level;
    let last = change.last_movement.map(|m| m.0);
    let values = params![
        change.product.as_bytes(),
        level.on_hand(),
        level.reserved(),
        level.available(),
        level.version(),
        last,
        change.from,
    ];
    let changed = match change.from {
        Some(_) => connection
            .prepare_cached(
                "UPDATE stock SET on_hand = ?2, reserved = ?3, available = ?4, version = ?5, last_movement = ?6
                 WHERE product = ?1 AND version = ?7",
            )
            .and_then(|mut s| s.execute(values)),
        None => connection
            .prepare_cached(
                "INSERT INTO stock (product, on_hand, reserved, available, version, last_movement)
                 SELECT ?1, ?2, ?3, ?4, ?5, ?6 WHERE ?7 IS NULL ON CONFLICT DO NOTHING",
            )
            .and_then(|mut s| s.execute(values)),
    };
    match changed.map_err(StoreError::from)? {
        1 => Ok(()),
        _ => Err(CommitError::Stale(change.product)),
    }
}

fn insert_movement(connection: &Connection, m: &LedgerMovement) -> Result<(), StoreError> {
    let StoredOwner { reservation, http_order } = m.owner.as_ref().into();
    connection
        .prepare_cached(
            "INSERT INTO movements (id, previous, product, product_name, reservation, http_order, line, kind,
                                    on_hand_delta, reserved_delta, hold, on_hand, reserved, cause, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            m.id.0,
            m.previous.map(|p| p.0),
            m.product.as_bytes(),
            m.product_name.as_str(),
            reservation,
            http_order,
            m.line_id.map(|l| l.0),
            codes::kind_code(m.kind),
            m.on_hand_delta,
            m.reserved_delta,
            m.hold.map(|h| h.0.0),
            m.balances.on_hand,
            m.balances.reserved,
            m.cause.to_string(),
            m.at.as_millis(),
        ])?;
    Ok(())
}

fn open(connection: &Connection, hold: &Hold) -> Result<(), StoreError> {
    let StoredOwner { reservation, http_order } = Some(&hold.owner).into();
    connection
        .prepare_cached(
            "INSERT INTO holds (product, id, reservation, http_order, line, quantity, consumed, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            hold.product.as_bytes(),
            hold.id.0.0,
            reservation,
            http_order,
            hold.line_id.0,
            hold.quantity.get(),
            hold.consumed,
            hold.at.as_millis(),
        ])?;
    Ok(())
}

fn decide(connection: &Connection, decision: &Decision) -> Result<(), StoreError> {
    let stored = StoredDecision::of(decision)?;
    connection
        .prepare_cached(
            "INSERT INTO reservations (id, number, at, state, first_movement, movements, detail)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (id) DO UPDATE SET number = excluded.number, at = excluded.at, state = excluded.state,
               first_movement = excluded.first_movement, movements = excluded.movements, detail = excluded.detail",
        )?
        .execute(params![
            stored.id.key().as_i64(),
            stored.number,
            stored.at.as_millis(),
            stored.state,
            stored.first,
            stored.count,
            stored.detail,
        ])?;
    Ok(())
}

fn http(connection: &Connection, reservation: &HttpReservation) -> Result<(), StoreError> {
    let stored = StoredHttp::from(reservation);
    connection
        .prepare_cached(
            "INSERT INTO http_reservations (http_order, product, state, quantity, hold, new_stock, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (http_order, product) DO UPDATE SET state = excluded.state, quantity = excluded.quantity,
               hold = excluded.hold, new_stock = excluded.new_stock, at = excluded.at",
        )?
        .execute(params![
            stored.order,
            stored.product.as_bytes(),
            stored.state,
            stored.quantity,
            stored.hold,
            stored.new_stock,
            stored.at.as_millis(),
        ])?;
    Ok(())
}

fn remember(connection: &Connection, record: &IdempotencyRecord) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO idempotency (scope, fingerprint, status, body, at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            record.scope.as_bytes(),
            &record.fingerprint,
            record.answer.status,
            &record.answer.body[..],
            record.at.as_millis(),
        ])?;
    Ok(())
}
