//! A file becomes products.
//!
//! The whole file is checked before anything is sent. Then each row is a `POST`; a SKU that is taken makes it a comparison,
//! and a `PUT` of what differs, for the version that was compared. So a row may be sent again at any time, in this run or
//! another: done twice is done once. The `Idempotency-Key` of a `POST` is of this run and row. It cannot be of the content
//! alone: the service keeps refusals for a key too, and a product that is deleted may be imported again.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use holdfast_contract::{Currency, Decimal, Money};
use holdfast_products::http::PRODUCTS_PATH;
use hyper::Method;
use hyper::header::{HeaderName, HeaderValue, IF_MATCH};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use super::ImportProducts;
use super::row::{BadRow, Fields, Row, STOCK, open};
use crate::commands::operator::{CallError, Service, complain};
use crate::interrupt::{INTERRUPTED, or_interrupted};
use crate::progress;

/// How often a row is sent while the service is away, overloaded, or somebody else changes the same product.
const ATTEMPTS: u32 = 6;
/// The first pause before it is sent again; doubles each time.
const PAUSE: Duration = Duration::from_millis(250);

/// What a row came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Created,
    Changed,
    Unchanged,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    created: u64,
    changed: u64,
    unchanged: u64,
    /// Of those that were there: whose stock is not that of the file.
    other_stock: u64,
    refused: u64,
}

/// How a run ended.
enum End {
    Whole,
    /// The service does not answer; everything before this line is done.
    Away(u64, CallError),
    /// Stopped; everything before this line is done.
    Stopped(u64),
}

pub(super) async fn run(args: ImportProducts, out: &mut (dyn Write + Send)) -> anyhow::Result<ExitCode> {
    let format = args.shop.format_of(&args.file)?;
    let rows = open(&args.file, format, args.currency, args.from_line)?;
    let Checked { rows, bad, skus } = tokio::task::spawn_blocking(move || check(rows)).await?;
    if bad > 0 {
        writeln!(out, "{rows} rows are right, {bad} are not; nothing was sent.")?;
        return Ok(ExitCode::FAILURE);
    }
    if args.dry_run {
        let there = existing(&mut args.shop.service(), &skus).await?;
        writeln!(
            out,
            "{rows} rows are right: {} products would be made, {there} are there already.",
            rows - there
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    drop(skus);
    let stop = CancellationToken::new();
    let Some((done, end)) = or_interrupted(&stop, send_all(&args, rows, &stop)).await?.transpose()? else {
        return Ok(ExitCode::from(INTERRUPTED));
    };
    let Done { created, changed, unchanged, other_stock, refused } = done;
    writeln!(
        out,
        "{created} products made, {changed} changed, {unchanged} are as the file says, {refused} refused."
    )?;
    if other_stock > 0 {
        writeln!(
            out,
            "{other_stock} have another stock than in the file; an import never changes stock that is there: use adjust."
        )?;
    }
    match end {
        End::Whole if refused == 0 => Ok(ExitCode::SUCCESS),
        End::Whole => Ok(ExitCode::FAILURE),
        End::Away(line, error) => {
            complain(&error);
            writeln!(out, "Stopped; go on with --from-line {line}.")?;
            Ok(ExitCode::FAILURE)
        }
        End::Stopped(line) => {
            writeln!(out, "Stopped; go on with --from-line {line}.")?;
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}

/// What there is in a file.
struct Checked {
    rows: u64,
    bad: u64,
    skus: Skus,
}

/// SKUs, by hash: eight bytes each, however long they are. That two of 100,000 have the same is one in four billion.
struct Skus {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Skus {
    fn insert(&mut self, sku: &str) -> bool {
        self.hashes.insert(self.hasher.hash_one(sku))
    }

    fn contains(&self, sku: &str) -> bool {
        self.hashes.contains(&self.hasher.hash_one(sku))
    }
}

/// Reads all rows and says on standard error what is wrong with each.
fn check(rows: super::row::Rows) -> Checked {
    let skus = Skus { hasher: RandomState::new(), hashes: HashSet::new() };
    let mut checked = Checked { rows: 0, bad: 0, skus };
    for row in rows {
        let bad = match row {
            Ok(row) if checked.skus.insert(&row.sku) => {
                checked.rows += 1;
                continue;
            }
            Ok(row) => BadRow { line: row.line, problem: format!("sku: {:?} is in the file twice", row.sku) },
            Err(bad) => bad,
        };
        checked.bad += 1;
        complain(&bad);
    }
    checked
}

/// How many of these are in the catalogue.
async fn existing(service: &mut Service, skus: &Skus) -> anyhow::Result<u64> {
    let (mut number, mut there) = (1_u64, 0);
    loop {
        let page = service.get(&format!("{PRODUCTS_PATH}?sort=createdAt&limit=200&page={number}")).await?;
        let products = page["data"]["products"].as_array().map(Vec::as_slice).unwrap_or_default();
        there += products
            .iter()
            .filter_map(|product| product["sku"].as_str())
            .filter(|sku| skus.contains(sku))
            .count() as u64;
        if number >= page["meta"]["pages"].as_u64().unwrap_or(0) {
            return Ok(there);
        }
        number += 1;
    }
}

async fn send_all(
    args: &ImportProducts,
    total: u64,
    stop: &CancellationToken,
) -> anyhow::Result<(Done, End)> {
    let rows = open(&args.file, args.shop.format_of(&args.file)?, args.currency, args.from_line)?;
    let idle = (0..args.connections).map(|_| args.shop.service()).collect();
    let sender = Sender { idle: Mutex::new(idle), currency: args.currency, run: RandomState::new() };
    let bar = progress::counting(total, "rows");
    let mut done = Done::default();
    // In the order of the file, so that all before a line is done once that line is.
    let mut answers = stream::iter(rows)
        .map(|row| async {
            let row = match row {
                Ok(row) => row,
                // It was right when it was checked.
                Err(bad) => return (bad.line, Err(Refused::Row(bad.problem))),
            };
            (row.line, sender.send(&row).await)
        })
        .buffered(args.connections.into());
    let mut end = End::Whole;
    while let Some((line, answer)) = answers.next().await {
        match answer {
            Ok((outcome, other_stock)) => {
                match outcome {
                    Outcome::Created => done.created += 1,
                    Outcome::Changed => done.changed += 1,
                    Outcome::Unchanged => done.unchanged += 1,
                }
                done.other_stock += u64::from(other_stock);
            }
            Err(Refused::Row(problem)) => {
                done.refused += 1;
                complain(&BadRow { line, problem });
            }
            Err(Refused::All(error)) => {
                end = End::Away(line, error);
                break;
            }
        }
        bar.inc(1);
        if stop.is_cancelled() {
            end = End::Stopped(line + 1);
            break;
        }
    }
    bar.finish_and_clear();
    Ok((done, end))
}

/// Why a row was not done.
enum Refused {
    /// Because of what it is.
    Row(String),
    /// For a reason that the next row would meet too.
    All(CallError),
}

struct Sender {
    idle: Mutex<Vec<Service>>,
    currency: Currency,
    run: RandomState,
}

impl Sender {
    /// Makes or changes a product; says what it came to, and whether the product has another stock than the row.
    async fn send(&self, row: &Row) -> Result<(Outcome, bool), Refused> {
        // There are as many as rows that are sent at once.
        let service = self.idle.lock().pop();
        let Some(mut service) = service else { return Err(Refused::Row("no connection is free".to_owned())) };
        let mut attempt = 1;
        let answer = loop {
            match self.attempt(&mut service, row).await {
                Err(error) if attempt < ATTEMPTS && is_passing(&error) => {
                    // Back-off while the service is away, not synchronisation.
                    tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                    attempt += 1;
                }
                answer => break answer,
            }
        };
        self.idle.lock().push(service);
        answer.map_err(|error| match error {
            CallError::Refused { ref code, ref message, .. }
                if !is_passing(&error) && !concerns_all(code) =>
            {
                Refused::Row(format!("{message} ({code})"))
            }
            other => Refused::All(other),
        })
    }

    async fn attempt(&self, service: &mut Service, row: &Row) -> Result<(Outcome, bool), CallError> {
        let body = written(&row.fields);
        let key = format!("import-{:016x}-{}", self.run.hash_one((row.line, &row.sku)), row.line);
        let headers = HeaderValue::try_from(key).map(|key| (HeaderName::from_static("idempotency-key"), key));
        let id = match service
            .send(Method::POST, PRODUCTS_PATH, headers.as_ref().map_or(&[], std::slice::from_ref), body)
            .await
        {
            Ok(_) => return Ok((Outcome::Created, false)),
            Err(CallError::Refused { code, details, .. }) if code == "DUPLICATE_SKU" => {
                details["productId"].as_str().unwrap_or_default().to_owned()
            }
            Err(other) => return Err(other),
        };
        #[derive(Deserialize)]
        struct Answer {
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            product: Fields,
        }
        let path = format!("{PRODUCTS_PATH}/{id}");
        let there = service.get_as::<Answer>(&path).await?.data.product;
        let differs = |field: &str, value: &RawValue| {
            there.get(field).is_none_or(|there| !self.same(field, value, there))
        };
        let other_stock = row
            .fields
            .get(STOCK)
            .is_some_and(|stock| there.get("onHand").is_none_or(|there| there.get() != stock.get()));
        let mut changes = row.fields.clone();
        changes.retain(|field, value| field != STOCK && differs(field, value));
        if changes.is_empty() {
            return Ok((Outcome::Unchanged, other_stock));
        }
        let version = there.get("version").map(|version| format!("\"{}\"", version.get()));
        let condition = version.and_then(|tag| HeaderValue::try_from(tag).ok()).map(|tag| (IF_MATCH, tag));
        service.send(Method::PUT, &path, condition.as_slice(), written(&changes)).await?;
        Ok((Outcome::Changed, other_stock))
    }

    /// Whether two values of a field mean the same.
    fn same(&self, field: &str, one: &RawValue, other: &RawValue) -> bool {
        if one.get() == other.get() {
            return true;
        }
        let values = [one, other].map(|raw| {
            if field == "price" {
                let money =
                    Decimal::parse(raw.get()).and_then(|amount| Money::from_decimal(amount, self.currency));
                return money.ok().map(|money| serde_json::Value::from(money.minor()));
            }
            serde_json::from_str(raw.get()).ok()
        });
        values[0].is_some() && values[0] == values[1]
    }
}

/// The fields as a JSON object.
fn written(fields: &Fields) -> bytes::Bytes {
    // Texts and raw values can always be written.
    serde_json::to_vec(fields).unwrap_or_default().into()
}

fn is_passing(error: &CallError) -> bool {
    error.is_away()
        || error.code().is_some_and(|code| {
            ["SERVICE_UNAVAILABLE", "OVERLOADED", "RATE_LIMITED", "VERSION_CONFLICT"].contains(&code)
        })
}

/// Refusals of the caller, and not of the row.
fn concerns_all(code: &str) -> bool {
    ["UNAUTHENTICATED", "FORBIDDEN"].contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_by_what_they_mean() {
        let sender = Sender {
            idle: Mutex::default(),
            currency: Currency::iso("USD").unwrap(),
            run: RandomState::new(),
        };
        let same = |field, one: &str, other: &str| {
            let [one, other] = [one, other].map(|text| RawValue::from_string(text.to_owned()).unwrap());
            sender.same(field, &one, &other)
        };
        assert!(same("price", "29.9", "29.90") && same("price", "60", "6e1"));
        // As floats they would be the same.
        assert!(!same("price", "90071992547409.91", "90071992547409.90"));
        assert!(same("rating", "4.50", "4.5") && same("name", r#""é""#, r#""\u00e9""#));
        assert!(!same("tags", r#"["a","b"]"#, r#"["b","a"]"#) && !same("brand", "null", r#""x""#));
    }
}
