//! Pages of the catalogue. Every filter has an index or the full-text table behind it.

use holdfast_storage::StoreError;
use rusqlite::Connection;
use rusqlite::types::Value;

use super::read::all;
use super::rows;
use crate::store::{Limits, ProductPage, ProductQuery, Sort, SortBy};

pub(super) fn page(connection: &Connection, query: &ProductQuery) -> Result<ProductPage, StoreError> {
    let mut tables = "products AS p JOIN stock AS s ON s.product = p.id".to_owned();
    let mut conditions = vec!["p.hidden = 0".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    if let Some(text) = &query.search {
        let Some(terms) = match_expression(text) else { return Ok(ProductPage::default()) };
        tables.clear();
        tables.push_str("product_words AS w, products AS p, stock AS s");
        conditions.push("p.number = w.rowid AND s.product = p.id AND product_words MATCH ?1".to_owned());
        values.push(Value::Text(terms));
    }
    let mut filter = |condition: &str, value: Value| {
        values.push(value);
        conditions.push(condition.replace('?', &format!("?{}", values.len())));
    };
    if let Some(category) = &query.category {
        filter("p.category = ?", Value::Text(category.clone()));
    }
    let number = |n: u64| Value::Integer(i64::try_from(n).unwrap_or(i64::MAX));
    if let Some(price) = query.min_price {
        filter("p.price >= ?", number(price));
    }
    if let Some(price) = query.max_price {
        filter("p.price <= ?", number(price));
    }
    match query.in_stock {
        Some(true) => conditions.push("s.available > 0".to_owned()),
        Some(false) => conditions.push("s.available = 0".to_owned()),
        None => {}
    }
    let conditions = conditions.join(" AND ");
    let counted = all(
        connection,
        &format!("SELECT count(*) FROM {tables} WHERE {conditions}"),
        rusqlite::params_from_iter(&values),
        |row| Ok(row.get::<_, u64>(0)?),
    )?;
    let limit = query.limit.clamp(1, Limits::MAX);
    let skip = u64::from(query.page.max(1) - 1) * u64::from(limit);
    let sql = format!(
        "SELECT {} FROM {tables} WHERE {conditions} ORDER BY {} LIMIT {limit} OFFSET {skip}",
        rows::SHELF,
        order(query)
    );
    let shelves = all(connection, &sql, rusqlite::params_from_iter(&values), rows::shelf)?;
    Ok(ProductPage {
        products: shelves.iter().map(crate::domain::Shelf::view).collect(),
        total: counted.first().copied().unwrap_or(0),
    })
}

fn order(query: &ProductQuery) -> String {
    let Some(Sort { by, descending }) = query.sort.or_else(|| query.search.is_none().then(Sort::default))
    else {
        // The name counts ten times as much as the other words.
        return "bm25(product_words, 10.0, 1.0), p.id".to_owned();
    };
    let column = match by {
        SortBy::Name => "p.name COLLATE NOCASE",
        SortBy::Price => "p.price",
        SortBy::Stock => "s.available",
        SortBy::Rating => "p.rating",
        SortBy::CreatedAt => "p.created_at",
    };
    let direction = if descending { "DESC" } else { "ASC" };
    format!("{column} {direction}, p.id {direction}")
}

/// Every word as a quoted prefix, so that nothing in the text is an operator; `None` if there is no word in it.
fn match_expression(text: &str) -> Option<String> {
    const WORDS: usize = 16;
    let words: Vec<_> = text
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(WORDS)
        .map(|word| format!("\"{word}\"*"))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}
