//! What the background audit reads. Each call is one snapshot, however many queries it takes.

use holdfast_contract::{ProductId, ReservationId};
use holdfast_storage::StoreError;
use holdfast_storage::mongodb::unavailable;
use mongodb::ClientSession;
use mongodb::bson::{Document, RawDocument, doc};
use rustc_hash::{FxHashMap, FxHashSet};

use super::Collections;
use super::document::{self, object_id, reservation_id};
use super::fields::Fields;
use super::reads::bound;
use crate::domain::{HoldId, MovementId};
use crate::store::{Book, HeldPage, codes};

/// Owners asked for by one query.
const ASKED: usize = 1_000;

pub(super) async fn books(
    collections: &Collections,
    after: Option<ProductId>,
    limit: usize,
) -> Result<Vec<Book>, StoreError> {
    let mut session = collections.snapshot().await?;
    let later = match after {
        Some(after) => doc! { "_id": { "$gt": object_id(after) } },
        None => doc! {},
    };
    let find = collections.products.find(later).sort(doc! { "_id": 1 }).limit(bound(limit));
    let find = find.projection(doc! { "stock": 1, "details.name": 1 }).session(&mut session);
    let mut found = find.await.map_err(unavailable)?;
    let mut books = Vec::new();
    while found.advance(&mut session).await.map_err(unavailable)? {
        books.push(book(found.current())?);
    }
    for book in &mut books {
        read_holds(collections, book, &mut session).await?;
    }
    Ok(books)
}

fn book(document: &RawDocument) -> Result<Book, StoreError> {
    let fields = Fields(document);
    let product = fields.product("_id")?;
    let name =
        fields.within("details").and_then(|details| details.text("name")).unwrap_or_default().to_owned();
    let Ok(stock) = fields.within("stock") else { return Ok(Book::new(product, name, None, None)) };
    let balances = (stock.number("onHand")?, stock.number("reserved")?, stock.number("version")?);
    Ok(Book::new(product, name, Some(balances), stock.number_if_there("lastMovement")?))
}

/// A hold whose owner is still to be asked for.
struct Unproved {
    hold: HoldId,
    quantity: i64,
    reservation: Option<i64>,
}

async fn read_holds(
    collections: &Collections,
    book: &mut Book,
    session: &mut ClientSession,
) -> Result<(), StoreError> {
    let product = object_id(book.product);
    // Single-line reservations over HTTP are few: there is one hold for each.
    let http = doc! { "_id.product": product, "state": codes::HTTP_HELD };
    let of = |hold: i64| doc! { "product": product, "hold": hold };
    let filter = doc! { "_id": { "$gt": of(0), "$lt": of(i64::MAX) } };
    let mut open = collections.holds.find(filter).session(&mut *session).await.map_err(unavailable)?;
    let (mut pending, mut by_http) = (Vec::new(), Vec::new());
    while open.advance(session).await.map_err(unavailable)? {
        let fields = Fields(open.current());
        let hold = HoldId(MovementId(fields.within("_id")?.number("hold")?));
        let quantity = fields.number::<i64>("quantity")? - fields.number::<i64>("consumed")?;
        let reservation = fields.number_if_there("reservation")?;
        match reservation {
            Some(_) => pending.push(Unproved { hold, quantity, reservation }),
            None => by_http.push(Unproved { hold, quantity, reservation }),
        }
        if pending.len() == ASKED {
            let some = std::mem::take(&mut pending);
            ask_reservations(collections, book, some, session).await?;
        }
    }
    ask_reservations(collections, book, pending, session).await?;
    if by_http.is_empty() {
        return Ok(());
    }
    let mut found =
        collections.http_reservations.find(http).session(&mut *session).await.map_err(unavailable)?;
    let mut owned: FxHashSet<u64> = FxHashSet::default();
    while found.advance(session).await.map_err(unavailable)? {
        owned.extend(Fields(found.current()).number_if_there::<u64>("hold")?);
    }
    for Unproved { hold, quantity, .. } in by_http {
        book.hold(hold, quantity, owned.contains(&hold.0.0));
    }
    Ok(())
}

async fn ask_reservations(
    collections: &Collections,
    book: &mut Book,
    holds: Vec<Unproved>,
    session: &mut ClientSession,
) -> Result<(), StoreError> {
    if holds.is_empty() {
        return Ok(());
    }
    let keys: Vec<i64> = holds.iter().filter_map(|hold| hold.reservation).collect();
    let find = collections.reservations.find(doc! { "_id": { "$in": keys }, "state": codes::HELD });
    let find = find.projection(doc! { "firstMovement": 1, "movements": 1 }).session(&mut *session);
    let mut found = find.await.map_err(unavailable)?;
    let mut stretches: FxHashMap<i64, std::ops::Range<u64>> = FxHashMap::default();
    while found.advance(session).await.map_err(unavailable)? {
        let fields = Fields(found.current());
        let first: u64 = fields.number_if_there("firstMovement")?.unwrap_or(0);
        let end = first.saturating_add(fields.number("movements")?);
        stretches.insert(fields.number("_id")?, first..end);
    }
    for Unproved { hold, quantity, reservation } in holds {
        let stretch = reservation.and_then(|id| stretches.get(&id));
        book.hold(hold, quantity, stretch.is_some_and(|stretch| stretch.contains(&hold.0.0)));
    }
    Ok(())
}

pub(super) async fn held(
    collections: &Collections,
    after: Option<ReservationId>,
    limit: usize,
) -> Result<HeldPage, StoreError> {
    let mut session = collections.snapshot().await?;
    let newest = collections.greatest(&collections.movements, &mut session).await?;
    let movement = newest.map(|newest| Fields(&newest).number("_id")).transpose()?.unwrap_or(0);
    let later = doc! { "_id": { "$gt": after.map_or(-1, |id| id.key().as_i64()) } };
    let find = collections.reservations.find(later).sort(doc! { "_id": 1 }).limit(bound(limit));
    let mut found = find.session(&mut session).await.map_err(unavailable)?;
    let mut page = HeldPage { movement, ..HeldPage::default() };
    let (mut ids, mut stored) = (Vec::new(), FxHashMap::default());
    while found.advance(&mut session).await.map_err(unavailable)? {
        page.examined += 1;
        page.through = Some(reservation_id(found.current())?);
        if Fields(found.current()).number::<i64>("state")? == codes::HELD {
            let decision = document::read_decision(found.current())?;
            ids.push(decision.id);
            stored.insert(decision.id, decision);
        }
    }
    page.held = collections.with_movements(&ids, stored, &mut session).await?;
    let movements = page.held.iter().flat_map(|decision| decision.movements());
    let name = |product, hold: HoldId| doc! { "product": object_id(product), "hold": hold.0.0.cast_signed() };
    let holds: Vec<Document> = movements.filter_map(|m| m.hold.map(|hold| name(m.product, hold))).collect();
    let mut open: FxHashSet<u64> = FxHashSet::default();
    for names in holds.chunks(ASKED) {
        let find = collections.holds.find(doc! { "_id": { "$in": names } }).projection(doc! { "_id": 1 });
        let mut found = find.session(&mut session).await.map_err(unavailable)?;
        while found.advance(&mut session).await.map_err(unavailable)? {
            open.insert(Fields(found.current()).within("_id")?.number("hold")?);
        }
    }
    for decision in &page.held {
        for movement in decision.movements() {
            if let Some(hold) = movement.hold.filter(|hold| !open.contains(&hold.0.0)) {
                page.unheld.push((decision.id, movement.product, hold));
            }
        }
    }
    Ok(page)
}
