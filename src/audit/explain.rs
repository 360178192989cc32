//! `holdfast audit --explain`: why a product's stock is the number that it is.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use holdfast_contract::stock::{Balances, MovementKind};
use holdfast_contract::{OrderId, OrderNumber, ProductId};
use holdfast_products::domain::{Hold, LedgerMovement, Owner, Shelf};
use holdfast_products::store::StockReads;
use holdfast_storage::StoreError;
use serde_json::{Value, json};

use super::{AuditArgs, Opened, SHOWN, print_seen};
use crate::table::Table;

/// Rows read at once.
const PAGE: usize = 1_000;
/// Movements that are shown, unless all are asked for.
const MOVEMENTS: usize = 20;

/// What is behind a product's stock.
struct Explanation {
    shelf: Shelf,
    /// The oldest holds; with `--all`, all of them.
    holds: Vec<(Hold, Option<Behind>)>,
    held: Sum,
    /// The newest movements, oldest first; with `--all`, all of them.
    movements: Vec<LedgerMovement>,
    older: Sum,
    /// What all movements add up to.
    ledger: Balances,
    /// Where the chain of the movements breaks off.
    broken: Option<String>,
}

/// Rows that are counted and added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    count: u64,
    on_hand: i64,
    reserved: i64,
}

/// The order behind a hold.
enum Behind {
    Order {
        number: OrderNumber,
        says: String,
    },
    /// There is none.
    Nobody(OrderNumber),
}

impl Explanation {
    fn adds_up(&self) -> bool {
        let stored = self.shelf.level.balances();
        self.broken.is_none() && self.ledger == stored && self.held.reserved == stored.reserved
    }
}

/// Explains on `out` the product that is named by id, SKU or name: exit code 0 if what is behind its stock adds up to it,
/// 1 if not.
///
/// # Errors
/// If there is no such product, several have that name, or the databases cannot be read.
pub(super) async fn run(
    opened: &Opened,
    product: &str,
    args: &AuditArgs,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let id = find(&*opened.products.store, product).await?;
    // What is committed between two reads can look wrong, and does not look so again.
    let mut explanation = explain(opened, id, args.all).await?;
    for _ in 1..super::LOOKS {
        if explanation.adds_up() || opened.seen != super::Seen::InPlace {
            break;
        }
        explanation = explain(opened, id, args.all).await?;
    }
    if args.json {
        writeln!(out, "{:#}", document(&explanation))?;
    } else {
        print_seen(opened.seen, out)?;
        print(&explanation, out)?;
    }
    Ok(if explanation.adds_up() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn find(store: &dyn StockReads, named: &str) -> anyhow::Result<ProductId> {
    if let Ok(id) = named.parse::<ProductId>()
        && !store.shelves(vec![id]).await.context("reading the product")?.is_empty()
    {
        return Ok(id);
    }
    if let Some(id) = store.sku_owner(named.to_owned()).await.context("looking for the SKU")? {
        return Ok(id);
    }
    let mut found: Vec<ProductId> = Vec::new();
    let mut after = None;
    loop {
        // Deleted products too, and such as cannot be read.
        let page = store.books(after, PAGE).await.context("looking for the name")?;
        let Some(last) = page.last() else { break };
        after = Some(last.product);
        let same = page.iter().filter(|book| book.name.to_lowercase() == named.to_lowercase());
        found.extend(same.map(|book| book.product));
    }
    match found[..] {
        [] => bail!("there is no product with the id, SKU or name {named:?}"),
        [one] => Ok(one),
        _ => {
            let ids: Vec<String> = found.iter().take(SHOWN).map(ToString::to_string).collect();
            bail!("{} products have the name {named:?}; say which by its id: {}", found.len(), ids.join(", "))
        }
    }
}

async fn explain(opened: &Opened, id: ProductId, all: bool) -> anyhow::Result<Explanation> {
    let store = &*opened.products.store;
    let shelf = store.shelves(vec![id]).await;
    let shelf = shelf.context("its stock cannot be read: `holdfast audit --rebuild` puts it back")?.pop();
    let shelf = shelf.context("the product has no stock that could be explained")?;
    let mut explanation = Explanation {
        shelf,
        holds: Vec::new(),
        held: Sum::default(),
        movements: Vec::new(),
        older: Sum::default(),
        ledger: Balances::default(),
        broken: None,
    };
    read_holds(opened, id, all, &mut explanation).await?;
    read_movements(store, id, all, &mut explanation).await?;
    Ok(explanation)
}

async fn read_holds(
    opened: &Opened,
    id: ProductId,
    all: bool,
    explanation: &mut Explanation,
) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let page = opened.products.store.holds(id, after, PAGE).await.context("reading the holds")?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        for hold in &page {
            explanation.held.count += 1;
            explanation.held.reserved += hold.quantity.delta() - i64::from(hold.consumed);
        }
        let room = if all { page.len() } else { SHOWN.saturating_sub(explanation.holds.len()) };
        let shown: Vec<Hold> = page.into_iter().take(room).collect();
        let ids: Vec<OrderId> = shown.iter().filter_map(|hold| order_of(&hold.owner)).collect();
        let found = opened.orders.store.get_many(&ids).await.context("reading the orders")?;
        let mut behind: BTreeMap<OrderId, Behind> = BTreeMap::new();
        for (id, order) in ids.into_iter().zip(found) {
            let number = OrderNumber::from(id);
            let order = match order {
                Some(order) => Behind::Order {
                    number,
                    says: format!("{}, {}", order.status().label(), order.stock.status()),
                },
                None => Behind::Nobody(number),
            };
            behind.insert(id, order);
        }
        for hold in shown {
            let order = order_of(&hold.owner).and_then(|id| match behind.get(&id)? {
                Behind::Order { number, says } => Some(Behind::Order { number: *number, says: says.clone() }),
                Behind::Nobody(number) => Some(Behind::Nobody(*number)),
            });
            explanation.holds.push((hold, order));
        }
    }
}

/// The order that made a reservation by event.
fn order_of(owner: &Owner) -> Option<OrderId> {
    match owner {
        Owner::Reservation(id) => Some(OrderId::new(id.key())),
        Owner::Http(_) => None,
    }
}

/// Follows the chain of the product's movements to its beginning.
async fn read_movements(
    store: &dyn StockReads,
    id: ProductId,
    all: bool,
    explanation: &mut Explanation,
) -> anyhow::Result<()> {
    let (mut before, mut at_once) = (None, PAGE);
    loop {
        let page = match store.movements(id, before, at_once).await {
            Ok(page) => page,
            // Somewhere on this page: one by one shows how far the chain goes.
            Err(StoreError::Inconsistent(_)) if at_once > 1 => {
                at_once = 1;
                continue;
            }
            Err(StoreError::Inconsistent(why)) => {
                explanation.broken = Some(why);
                break;
            }
            Err(error) => return Err(error).context("reading the movements"),
        };
        let Some(last) = page.last() else { break };
        before = Some(last.id);
        for movement in page {
            let Balances { on_hand, reserved, .. } = explanation.ledger;
            let (by_hand, by_held) = (movement.on_hand_delta, movement.reserved_delta);
            explanation.ledger = Balances::new(on_hand.wrapping_add(by_hand), reserved.wrapping_add(by_held));
            if all || explanation.movements.len() < MOVEMENTS {
                explanation.movements.push(movement);
            } else {
                explanation.older.count += 1;
                explanation.older.on_hand += by_hand;
                explanation.older.reserved += by_held;
            }
        }
    }
    explanation.movements.reverse();
    Ok(())
}

fn print(explanation: &Explanation, out: &mut dyn Write) -> std::io::Result<()> {
    let Explanation { shelf, holds, held, movements, older, ledger, broken } = explanation;
    let product = &shelf.product;
    let sku = product.details.sku.as_ref().map(|sku| format!(", SKU {}", sku.as_str())).unwrap_or_default();
    let deleted = if shelf.hidden { ", deleted" } else { "" };
    let Balances { stock, reserved, on_hand } = shelf.level.balances();
    writeln!(out, "{} ({}{sku}{deleted})", product.details.name, product.id)?;
    writeln!(out, "{stock} available = {on_hand} on hand − {reserved} held\n")?;

    writeln!(out, "Held: {} by {}", held.reserved, count(held.count, "hold"))?;
    if !holds.is_empty() {
        let mut table = Table::new(["HOLD", "SINCE", "FOR", "ORDER", "QUANTITY"]).left(4);
        for (hold, behind) in holds {
            table.row([
                hold.id.to_string(),
                hold.at.to_string(),
                owner(&hold.owner),
                match behind {
                    Some(Behind::Order { says, .. }) => says.clone(),
                    Some(Behind::Nobody(_)) => "THERE IS NO SUCH ORDER".to_owned(),
                    None => "held over HTTP".to_owned(),
                },
                (hold.quantity.delta() - i64::from(hold.consumed)).to_string(),
            ]);
        }
        write!(out, "{table}")?;
        let shown = holds.len() as u64;
        if shown < held.count {
            writeln!(out, "… and {}; --all shows them", count(held.count - shown, "later hold"))?;
        }
    }

    let total = older.count + movements.len() as u64;
    writeln!(
        out,
        "\nMoved: {} on hand, {} held by {}",
        ledger.on_hand,
        ledger.reserved,
        count(total, "movement")
    )?;
    let mut table = Table::new([
        "MOVEMENT",
        "AT",
        "WHAT",
        "FOR",
        "CAUSE",
        "ON HAND",
        "HELD",
        "= ON HAND",
        "= HELD",
        "= AVAILABLE",
    ])
    .left(5);
    if older.count > 0 {
        let before = (older.on_hand, older.reserved);
        table.row(row(
            &format!("{} older", older.count),
            ["", "", "", ""],
            before,
            Balances::new(before.0, before.1),
        ));
    }
    for m in movements {
        let whom = m.owner.as_ref().map(owner).unwrap_or_default();
        let (at, cause) = (m.at.to_string(), m.cause.to_string());
        let words = [at.as_str(), kind(m.kind), &whom, &cause];
        table.row(row(&m.id.to_string(), words, (m.on_hand_delta, m.reserved_delta), m.balances));
    }
    write!(out, "{table}")?;
    if older.count > 0 {
        writeln!(out, "--all shows the older ones.")?;
    }
    writeln!(out)?;
    if let Some(why) = broken {
        writeln!(out, "WRONG: the movements cannot be followed further back: {why}")?;
    }
    if explanation.adds_up() {
        return writeln!(
            out,
            "It adds up: the movements leave {} on hand and {} held, the holds hold {}; so {stock} are available.",
            ledger.on_hand, ledger.reserved, held.reserved
        );
    }
    let stored = shelf.level.balances();
    if *ledger != stored {
        writeln!(
            out,
            "WRONG: the product says {on_hand} on hand and {reserved} held; its movements add up to {} and {}.",
            ledger.on_hand, ledger.reserved
        )?;
    }
    if held.reserved != reserved {
        writeln!(out, "WRONG: the product says {reserved} held; its holds add up to {}.", held.reserved)?;
    }
    writeln!(
        out,
        "`holdfast audit` checks everything; `holdfast audit --rebuild` shows what would put it back."
    )
}

fn row(name: &str, [at, what, whom, cause]: [&str; 4], by: (i64, i64), after: Balances) -> [String; 10] {
    [
        name.to_owned(),
        at.to_owned(),
        what.to_owned(),
        whom.to_owned(),
        cause.to_owned(),
        change(by.0),
        change(by.1),
        after.on_hand.to_string(),
        after.reserved.to_string(),
        after.stock.to_string(),
    ]
}

fn change(by: i64) -> String {
    if by == 0 { String::new() } else { format!("{by:+}") }
}

fn count(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Reservation(id) => OrderNumber::from(OrderId::new(id.key())).to_string(),
        Owner::Http(order) => order.to_string(),
    }
}

fn kind(kind: MovementKind) -> &'static str {
    match kind {
        MovementKind::Received => "received",
        MovementKind::Reserved => "reserved",
        MovementKind::Released => "released",
        MovementKind::Fulfilled => "fulfilled",
        MovementKind::Returned => "returned",
        MovementKind::Adjusted => "adjusted",
        MovementKind::Unknown => "unknown",
    }
}

fn document(explanation: &Explanation) -> Value {
    let Explanation { shelf, holds, held, movements, older, ledger, broken } = explanation;
    let holds = holds.iter().map(|(hold, behind)| {
        let (number, order) = match behind {
            Some(Behind::Order { number, says }) => (Some(number.to_string()), Some(says.clone())),
            Some(Behind::Nobody(number)) => (Some(number.to_string()), None),
            None => (None, None),
        };
        json!({
            "holdId": hold.id.to_string(),
            "for": owner(&hold.owner),
            "source": hold.source().as_str(),
            "orderNumber": number,
            "order": order,
            "quantity": hold.quantity.delta() - i64::from(hold.consumed),
            "since": hold.at,
        })
    });
    let holds: Vec<Value> = holds.collect();
    let movements = movements.iter().map(|m| {
        let mut movement = json!(m.to_wire());
        movement["for"] = json!(m.owner.as_ref().map(owner));
        movement["cause"] = json!(m.cause.to_string());
        movement
    });
    let movements: Vec<Value> = movements.collect();
    json!({
        "productId": shelf.product.id,
        "name": shelf.product.details.name,
        "sku": shelf.product.details.sku,
        "deleted": shelf.hidden,
        "balances": shelf.level.balances(),
        "held": { "count": held.count, "quantity": held.reserved },
        "holds": holds,
        "movementsAddUpTo": ledger,
        "olderMovements": { "count": older.count, "onHandDelta": older.on_hand, "reservedDelta": older.reserved },
        "movements": movements,
        "movementsBreakOff": broken,
        "addsUp": explanation.adds_up(),
    })
}
