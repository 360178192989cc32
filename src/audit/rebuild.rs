//! `holdfast audit --rebuild`: stock and holds, put back to what the movements say.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use holdfast_products::audit::rebuild::{Change, Rebuild, RebuildError, plan};
use holdfast_products::store::{ProductStore, Turn};
use holdfast_service::{Clock, SystemClock};
use serde_json::{Value, json};

use super::{AuditArgs, LOOKS, Opened, SHOWN, Seen};

/// Shows what would change, or changes it: exit code 0 if there is nothing (left) to do, 1 if there is.
///
/// # Errors
/// If the ledger is damaged itself, or the databases cannot be read or written.
pub(super) async fn run(
    opened: &Opened,
    args: &AuditArgs,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<ExitCode> {
    let store = &*opened.products.store;
    let (rebuild, left) = if args.apply {
        // From here on nobody else decides; whoever waits for that goes on when it is over.
        let turn = store.take_turn().await.context("taking the turn to decide")?;
        let done = apply(store, turn).await;
        store.end_turn(turn).await.ok();
        let rebuild = done.context("rebuilding the stock")?;
        (rebuild, 0)
    } else {
        let rebuild = look(store, opened.seen).await.context("adding up the movements")?;
        let left = rebuild.changes.len();
        (rebuild, left)
    };
    if args.json {
        writeln!(out, "{:#}", document(&rebuild, args.apply))?;
    } else {
        print(&rebuild, opened.seen, args.apply, out)?;
    }
    Ok(if left == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// While a system runs on it, what is committed between two reads can look like a difference, and does not look so again.
async fn look(store: &dyn ProductStore, seen: Seen) -> Result<Rebuild, RebuildError> {
    let mut rebuild = plan(store, None).await;
    for _ in 1..LOOKS {
        let changes = !matches!(&rebuild, Ok(rebuild) if rebuild.changes.is_empty());
        if seen == Seen::InPlace && changes {
            rebuild = plan(store, None).await;
        }
    }
    rebuild
}

async fn apply(store: &dyn ProductStore, turn: Turn) -> Result<Rebuild, RebuildError> {
    let rebuild = plan(store, Some(turn)).await?;
    if !rebuild.changes.is_empty() {
        rebuild.apply(store, Some(turn), SystemClock.now()).await?;
    }
    Ok(rebuild)
}

fn print(rebuild: &Rebuild, seen: Seen, applied: bool, out: &mut dyn Write) -> std::io::Result<()> {
    let Rebuild { products, movements, changes } = rebuild;
    if seen == Seen::Snapshots {
        writeln!(out, "The system is running: these are snapshots of its databases.")?;
    }
    writeln!(out, "Added up {movements} movements of {products} products.")?;
    for change in changes.iter().take(SHOWN) {
        writeln!(out, "  {change}")?;
    }
    if changes.len() > SHOWN {
        writeln!(out, "  … and {} more products", changes.len() - SHOWN)?;
    }
    match (changes.len(), applied) {
        (0, _) => writeln!(out, "Nothing to rebuild: what is stored is what the movements say."),
        (count, true) => writeln!(out, "Rebuilt {count} of {products} products."),
        (count, false) => {
            writeln!(
                out,
                "{count} of {products} products differ; nothing was changed. Rebuild them with --apply."
            )
        }
    }
}

fn document(rebuild: &Rebuild, applied: bool) -> Value {
    json!({
        "products": rebuild.products,
        "movements": rebuild.movements,
        "applied": applied && !rebuild.changes.is_empty(),
        "differences": rebuild.changes.len(),
        "changes": rebuild.changes.iter().map(change).collect::<Vec<_>>(),
    })
}

fn change(change: &Change) -> Value {
    let holds = |holds: &[holdfast_products::domain::Hold]| {
        let each = holds.iter().map(|hold| {
            json!({
                "holdId": hold.id.to_string(),
                "for": hold.owner.to_string(),
                "quantity": hold.quantity,
            })
        });
        each.collect::<Vec<_>>()
    };
    json!({
        "productId": change.product,
        "name": change.name,
        "stored": change.stored,
        "movements": change.ledger,
        "storedLastMovement": change.stored_last.map(|m| m.to_string()),
        "lastMovement": change.last.map(|m| m.to_string()),
        "holdsRemoved": holds(&change.close),
        "holdsPutBack": holds(&change.put),
    })
}
