//! Opens what is left with the ordinary VFS, finishes what is under way, and compares it with what clients were told.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use holdfast::audit::{self, AuditArgs};
use holdfast_storage::sqlite::connect;
use serde_json::Value;

use crate::book::Book;
use crate::scenario::Scenario;
use crate::world::{ORDERS_DB, PRODUCTS_DB, World};

/// Answers that are asked for again in each check.
const REPLAYS: usize = 3;

/// Nothing that was acknowledged is missing, nothing is half there, everything can be decided, and the books balance.
///
/// `reopened` counts from which second of the scenario's clock on the services run again.
pub(crate) async fn whole(folder: &Path, book: &Book, reopened: u64) {
    let mut scenario = Scenario::new(reopened, folder, None);
    scenario.clock.advance(Duration::from_secs(1_000 + reopened));
    *scenario.book.lock() = book.clone().into();
    let mut world = World::open(folder, None, &scenario.clock).await.unwrap();
    // What was cut off: a client asks again, if it can.
    if let Some(call) = &book.in_flight {
        if call.may_be_repeated() {
            scenario.until_answered(&world, call.clone()).await;
        } else {
            scenario.give_up(call);
        }
    }
    world.deliver().await.unwrap();
    scenario.discard(&world).await;
    world.deliver().await.unwrap();
    let book = scenario.book();
    for kept in book.kept.iter().rev().take(REPLAYS) {
        scenario.again(&world, kept).await;
    }
    let orders = listed(&world).await;
    compare_orders(&book, &orders);
    compare_stock(&book, &orders, &world).await;
    world.order_store.flush_index().await.unwrap();
    assert_eq!(listed(&world).await, orders, "the index says what memory said");
    world.close().await;
    clean(folder).await;
}

async fn listed(world: &World) -> Vec<Value> {
    let response = world.orders.get("/api/v1/orders?limit=200").send().await;
    assert_eq!(response.status, 200, "{}", response.text());
    response.json["data"]["orders"].as_array().unwrap().clone()
}

fn compare_orders(book: &Book, orders: &[Value]) {
    let by_id: BTreeMap<&str, &Value> = orders.iter().map(|o| (o["_id"].as_str().unwrap(), o)).collect();
    for (id, told) in &book.orders {
        let order = by_id.get(id.as_str()).unwrap_or_else(|| panic!("accepted and lost: {id}"));
        let rejected = *told == 1 && order["status"] == 5 && order["stockStatus"] == "rejected";
        assert!(order["status"] == *told || rejected, "told {told}: {order}");
    }
    let mut users = BTreeMap::new();
    for order in orders {
        let user = order["userId"].as_str().unwrap();
        assert!(users.insert(user, order).is_none(), "there twice: {order}");
        assert!(
            book.orders.contains_key(order["_id"].as_str().unwrap()) || book.unsure.contains(user),
            "nobody's: {order}"
        );
        let items: Vec<(&str, i64)> = order["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|i| (i["productId"].as_str().unwrap(), i["quantity"].as_i64().unwrap()))
            .collect();
        let wanted: Vec<(&str, i64)> = book.wanted[user]
            .iter()
            .map(|(p, quantity)| (book.products[*p].id.as_str(), *quantity))
            .collect();
        assert_eq!(items, wanted, "another order: {order}");
        let decided = match order["status"].as_u64() {
            Some(1 | 2) => &["reserved"][..],
            Some(3 | 4) => &["fulfilled"],
            _ => &["rejected", "released", "returned"],
        };
        assert!(decided.contains(&order["stockStatus"].as_str().unwrap()), "undecided: {order}");
    }
}

/// Stock is what there was, what was corrected, and what orders and holds took.
async fn compare_stock(book: &Book, orders: &[Value], world: &World) {
    for (number, product) in book.products.iter().enumerate() {
        let of = |state: &str| -> i64 {
            orders
                .iter()
                .filter(|order| order["stockStatus"] == state)
                .flat_map(|order| &book.wanted[order["userId"].as_str().unwrap()])
                .filter(|(p, _)| *p == number)
                .map(|(_, quantity)| quantity)
                .sum()
        };
        let held: i64 =
            book.holds.iter().filter(|((_, p), _)| *p == number).map(|(_, quantity)| quantity).sum();
        let shown = world.products.get(&format!("/api/v1/products/{}", product.id)).send().await;
        assert_eq!(shown.status, 200, "created and lost: {}", product.id);
        let shown = &shown.json["data"]["product"];
        assert_eq!(shown["onHand"], product.on_hand - of("fulfilled"), "{shown}");
        assert_eq!(shown["reserved"], of("reserved") + held, "{shown}");
    }
}

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    audit: AuditArgs,
}

/// What `holdfast audit` says of a folder: whether it finds nothing, and its words.
pub(crate) async fn audited(folder: &Path) -> anyhow::Result<(bool, String)> {
    let Arguments { audit } =
        Arguments::try_parse_from(["audit".as_ref(), "--data-dir".as_ref(), folder.as_os_str()])?;
    let mut said = Vec::new();
    let code = audit::run(audit, &mut said).await?;
    Ok((code == std::process::ExitCode::SUCCESS, String::from_utf8(said)?))
}

async fn clean(folder: &Path) {
    let (clean, said) = audited(folder).await.unwrap();
    assert!(clean, "{said}");
    for file in [ORDERS_DB, PRODUCTS_DB] {
        let connection = connect(&folder.join(file)).unwrap();
        let said: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(said, "ok", "{file}");
    }
}
