//! Pages of the catalogue. Every filter and every sort has an index; they are in [`super::schema`].

use holdfast_storage::StoreError;
use holdfast_storage::mongodb::unavailable;
use mongodb::bson::{Document, RawDocumentBuf, doc};

use super::Collections;
use super::document::read_shelf;
use super::fields::Fields;
use super::reads::shelf_fields;
use crate::store::words::searched;
use crate::store::{Limits, ProductPage, ProductQuery, Sort, SortBy};

/// Greater than every character of a word.
const AFTER_ALL: char = char::MAX;
/// A word of the name counts as much as ten others.
const NAME_COUNTS: i32 = 10;

pub(super) async fn page(collections: &Collections, query: &ProductQuery) -> Result<ProductPage, StoreError> {
    let words = query.search.as_deref().map(searched);
    if words.as_ref().is_some_and(Vec::is_empty) {
        return Ok(ProductPage::default());
    }
    let filter = matching(query, words.as_deref());
    let limit = i64::from(query.limit.clamp(1, Limits::MAX));
    let skip = i64::from(query.page.max(1) - 1) * limit;
    let mut session = collections.snapshot().await?;
    let products = &collections.products;
    let count = products.count_documents(filter.clone()).session(&mut session);
    let total = count.await.map_err(unavailable)?;
    let mut pipeline = vec![doc! { "$match": filter }];
    match (query.sort, &words) {
        (None, Some(words)) => pipeline.extend(best_first(words)),
        (sort, _) => pipeline.push(doc! { "$sort": order(sort.unwrap_or_default()) }),
    }
    pipeline.extend([doc! { "$skip": skip }, doc! { "$limit": limit }, doc! { "$project": shelf_fields() }]);
    let found = products.aggregate(pipeline).with_type::<RawDocumentBuf>().session(&mut session);
    let mut found = found.await.map_err(unavailable)?;
    let mut page = ProductPage { products: Vec::new(), total };
    while found.advance(&mut session).await.map_err(unavailable)? {
        page.products.push(read_shelf(found.current())?.view());
    }
    Ok(page)
}

pub(super) async fn categories(collections: &Collections) -> Result<Vec<String>, StoreError> {
    let pipeline = vec![
        doc! { "$match": { "hidden": false, "find.category": { "$exists": true } } },
        doc! { "$sort": { "find.category": 1, "find.name": 1, "_id": 1 } },
        doc! { "$group": { "_id": "$find.category", "name": { "$first": "$details.category" } } },
        doc! { "$sort": { "_id": 1 } },
    ];
    let found = collections.products.aggregate(pipeline).with_type::<RawDocumentBuf>();
    let mut found = found.await.map_err(unavailable)?;
    let mut categories = Vec::new();
    while found.advance().await.map_err(unavailable)? {
        categories.push(Fields(found.current()).text("name")?.to_owned());
    }
    Ok(categories)
}

fn matching(query: &ProductQuery, words: Option<&[String]>) -> Document {
    let mut filter = doc! { "hidden": false };
    if let Some(category) = &query.category {
        filter.insert("find.category", category.to_ascii_lowercase());
    }
    let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut price = Document::new();
    if let Some(least) = query.min_price {
        price.insert("$gte", number(least));
    }
    if let Some(most) = query.max_price {
        price.insert("$lte", number(most));
    }
    if !price.is_empty() {
        filter.insert("details.price", price);
    }
    match query.in_stock {
        Some(true) => filter.insert("stock.available", doc! { "$gt": 0_i64 }),
        Some(false) => filter.insert("stock.available", 0_i64),
        None => None,
    };
    if let Some(words) = words {
        let each = words.iter().map(|word| {
            let after = format!("{word}{AFTER_ALL}");
            doc! { "find.words": { "$elemMatch": { "$gte": word, "$lt": after } } }
        });
        filter.insert("$and", each.collect::<Vec<_>>());
    }
    filter
}

fn order(Sort { by, descending }: Sort) -> Document {
    let field = match by {
        SortBy::Name => "find.name",
        SortBy::Price => "details.price",
        SortBy::Stock => "stock.available",
        SortBy::Rating => "details.rating",
        SortBy::CreatedAt => "createdAt",
    };
    let direction = if descending { -1 } else { 1 };
    doc! { field: direction, "_id": direction }
}

/// Those first that have more of the words in their name; of these, those whose name has fewer others.
fn best_first(words: &[String]) -> [Document; 2] {
    let in_name = words.iter().map(|word| {
        let begins = doc! { "$eq": [{ "$indexOfBytes": ["$$name", word] }, 0] };
        let names = doc! { "$map": { "input": "$find.nameWords", "as": "name", "in": begins } };
        doc! { "$cond": [{ "$anyElementTrue": [names] }, NAME_COUNTS, 1] }
    });
    let score = doc! {
        "find.score": { "$add": in_name.collect::<Vec<_>>() },
        "find.others": { "$size": "$find.nameWords" },
    };
    [doc! { "$addFields": score }, doc! { "$sort": { "find.score": -1, "find.others": 1, "_id": 1 } }]
}
