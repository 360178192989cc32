//! Lists: what a query is in MongoDB's words. The indexes are in [`super::schema`].

use holdfast_contract::OrderStatus;
use mongodb::bson::{Bson, Document, doc};

use crate::store::{ListQuery, Search, SortBy, SortOrder};

/// Greater than every character of a word.
const AFTER_ALL: char = char::MAX;

/// The orders on all pages.
pub(super) fn matching(query: &ListQuery) -> Document {
    let shown = match query.status {
        Some(status) => Bson::Int32(status.code().into()),
        // Named one by one, not as a range: then the server merges the statuses' parts of an index, which are each in the
        // order asked for, instead of sorting.
        None => doc! { "$in": OrderStatus::ALL.map(|status| i32::from(status.code())).to_vec() }.into(),
    };
    let mut filter = doc! { "shown": shown };
    if let Some(user) = &query.user {
        filter.insert("userId", user.as_str());
    }
    if let Some(search) = &query.search {
        filter.insert("$or", found(search));
    }
    filter
}

/// The orders on this page and later ones.
pub(super) fn from_page(query: &ListQuery) -> Document {
    let mut filter = matching(query);
    let Some(after) = query.after else { return filter };
    let beyond = match query.sort_order {
        SortOrder::Ascending => "$gt",
        SortOrder::Descending => "$lt",
    };
    let id = after.id.key().as_i64();
    match query.sort_by {
        SortBy::Date => {
            filter.insert("_id", doc! { beyond: id });
        }
        SortBy::Amount => {
            let amount = after.amount.cast_signed();
            let or_same = if beyond == "$gt" { "$gte" } else { "$lte" };
            // The first says to an index where to begin, the second which of the ties are done.
            filter.insert("totalMinor", doc! { or_same: amount });
            let later = doc! { "$or": [
                { "totalMinor": { beyond: amount } },
                { "_id": { beyond: id } },
            ] };
            filter.insert("$and", [later]);
        }
    }
    filter
}

/// In which order.
pub(super) fn sort(query: &ListQuery) -> Document {
    let direction = match query.sort_order {
        SortOrder::Ascending => 1,
        SortOrder::Descending => -1,
    };
    match query.sort_by {
        SortBy::Date => doc! { "_id": direction },
        SortBy::Amount => doc! { "totalMinor": direction, "_id": direction },
    }
}

/// What a search finds: each alternative has an index.
fn found(search: &Search) -> Vec<Document> {
    let mut alternatives = Vec::new();
    if let Some(range) = search.numbers() {
        let (low, high) = (range.start().key().as_i64(), range.end().key().as_i64());
        alternatives.push(doc! { "_id": { "$gte": low, "$lte": high } });
    }
    // The longest word is the rarest, more or less.
    if let Some(word) = search.words().iter().max_by_key(|word| word.len()) {
        // Each name is its words with blanks between them. Words are letters and digits: nothing in them is syntax.
        let every: String = search.words().iter().map(|word| format!("(?=(.* )?{word})")).collect();
        alternatives.push(doc! {
            "words": { "$elemMatch": { "$gte": word, "$lt": format!("{word}{AFTER_ALL}") } },
            "names": { "$regex": format!("^{every}") },
        });
    }
    if alternatives.is_empty() {
        // No order is listed under it.
        alternatives.push(doc! { "shown": { "$lt": 0 } });
    }
    alternatives
}
