//! The catalogue: products, who owns a SKU, and how they are listed.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_contract::ProductId;
use holdfast_products::domain::{Product, ProductView, Sku, StockLevel};
use holdfast_products::store::words::{searched, words};
use holdfast_products::store::{Catalogue as Change, CommitError, Limits, ProductPage, ProductQuery, SortBy};
use holdfast_storage::StoreError;

#[derive(Default)]
pub(super) struct Catalogue {
    products: BTreeMap<ProductId, Entry>,
    /// Of products that are not hidden.
    skus: BTreeMap<Sku, ProductId>,
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) product: Arc<Product>,
    pub(super) hidden: bool,
    words: Arc<Words>,
}

/// What a search goes by.
struct Words {
    name: Vec<String>,
    all: Vec<String>,
}

impl Entry {
    fn new(product: &Arc<Product>, hidden: bool) -> Self {
        let d = &product.details;
        let more = [&d.category.as_ref().map(AsRef::<str>::as_ref), &d.brand.as_ref().map(AsRef::as_ref)];
        let more = more.into_iter().copied().flatten().chain(d.sku.as_ref().map(AsRef::as_ref));
        let tags = d.tags.iter().map(AsRef::as_ref);
        let all = [d.name.as_str(), d.description.as_str()].into_iter().chain(more).chain(tags);
        let words = Words { name: words([d.name.as_str()]), all: words(all) };
        Self { product: product.clone(), hidden, words: Arc::new(words) }
    }

    fn sku(&self) -> Option<&Sku> {
        self.product.details.sku.as_ref().filter(|_| !self.hidden)
    }

    /// As lists are sorted by.
    fn name(&self) -> String {
        self.product.details.name.as_str().to_ascii_lowercase()
    }
}

impl Catalogue {
    pub(super) fn get(&self, id: ProductId) -> Option<&Entry> {
        self.products.get(&id)
    }

    /// Everything, hidden products too.
    pub(super) fn all(&self) -> impl Iterator<Item = (ProductId, &Entry)> {
        self.products.iter().map(|(id, entry)| (*id, entry))
    }

    pub(super) fn after(&self, after: Option<ProductId>) -> impl Iterator<Item = ProductId> {
        use std::ops::Bound::{Excluded, Unbounded};
        let rest = self.products.range((after.map_or(Unbounded, Excluded), Unbounded));
        rest.map(|(id, _)| *id)
    }

    pub(super) fn owner(&self, sku: &str) -> Option<ProductId> {
        let sku: Sku = sku.parse().ok()?;
        self.skus.get(&sku).copied()
    }

    /// Makes all of these changes, or none.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<(), CommitError> {
        let mut before = Vec::with_capacity(changes.len());
        for change in changes {
            let (id, after) = match self.changed(change) {
                Ok(Some(changed)) => changed,
                Ok(None) => continue,
                Err(error) => {
                    for (id, entry) in before.into_iter().rev() {
                        self.set(id, entry);
                    }
                    return Err(error);
                }
            };
            before.push((id, self.set(id, Some(after))));
        }
        Ok(())
    }

    fn changed(&self, change: &Change) -> Result<Option<(ProductId, Entry)>, CommitError> {
        let entry = match change {
            Change::Created(product) if self.products.contains_key(&product.id) => {
                return Err(CommitError::Stale(product.id));
            }
            Change::Created(product) => Entry::new(product, false),
            Change::Edited(product) => match self.products.get(&product.id) {
                Some(entry) => Entry::new(product, entry.hidden),
                None => {
                    let why = format!("there is no product {}", product.id);
                    return Err(StoreError::Inconsistent(why).into());
                }
            },
            Change::Hidden(id) => match self.products.get(id) {
                Some(entry) => Entry { hidden: true, ..entry.clone() },
                None => return Ok(None),
            },
        };
        let id = entry.product.id;
        if entry.sku().and_then(|sku| self.skus.get(sku)).is_some_and(|owner| *owner != id) {
            return Err(StoreError::Unavailable(format!("the SKU of product {id} was taken")).into());
        }
        Ok(Some((id, entry)))
    }

    /// Gives what was there before.
    fn set(&mut self, id: ProductId, entry: Option<Entry>) -> Option<Entry> {
        let before = self.products.remove(&id);
        if let Some(sku) = before.as_ref().and_then(Entry::sku) {
            self.skus.remove(sku);
        }
        if let Some(entry) = entry {
            if let Some(sku) = entry.sku() {
                self.skus.insert(sku.clone(), id);
            }
            self.products.insert(id, entry);
        }
        before
    }

    pub(super) fn categories(&self) -> Vec<String> {
        // One spelling of each, whatever the case of its letters.
        let mut found: BTreeMap<String, (String, &str)> = BTreeMap::new();
        for entry in self.products.values().filter(|entry| !entry.hidden) {
            let Some(category) = entry.product.details.category.as_ref().map(AsRef::<str>::as_ref) else {
                continue;
            };
            let this = (entry.name(), category);
            let first = found.entry(category.to_ascii_lowercase()).or_insert_with(|| this.clone());
            if this.0 < first.0 {
                *first = this;
            }
        }
        found.into_values().map(|(_, category)| category.to_owned()).collect()
    }

    /// The page, with what there is of each product by `level`.
    pub(super) fn page(
        &self,
        query: &ProductQuery,
        level: impl Fn(ProductId) -> Option<StockLevel>,
    ) -> ProductPage {
        let search = query.search.as_deref().map(searched);
        if search.as_ref().is_some_and(Vec::is_empty) {
            return ProductPage::default();
        }
        let mut found: Vec<(&Entry, StockLevel)> = self
            .products
            .values()
            .filter(|entry| !entry.hidden)
            .filter_map(|entry| Some((entry, level(entry.product.id)?)))
            .filter(|(entry, level)| matches(query, search.as_deref(), entry, *level))
            .collect();
        let total = found.len() as u64;
        match (query.sort, &search) {
            (None, Some(search)) => found.sort_by_cached_key(|(entry, _)| best_first(search, entry)),
            (sort, _) => {
                let sort = sort.unwrap_or_default();
                found.sort_by(|one, other| {
                    let order = compare(sort.by, one, other);
                    if sort.descending { order.reverse() } else { order }
                });
            }
        }
        let limit = query.limit.clamp(1, Limits::MAX) as usize;
        let skip = (query.page.max(1) as usize - 1).saturating_mul(limit);
        let page = found.into_iter().skip(skip).take(limit);
        let products =
            page.map(|(entry, level)| ProductView { product: entry.product.clone(), level }).collect();
        ProductPage { products, total }
    }
}

fn matches(query: &ProductQuery, search: Option<&[String]>, entry: &Entry, level: StockLevel) -> bool {
    let d = &entry.product.details;
    let category = d.category.as_ref().map(AsRef::<str>::as_ref);
    let begins = |word: &String| entry.words.all.iter().any(|w| w.starts_with(word.as_str()));
    query.category.as_ref().is_none_or(|wanted| category.is_some_and(|c| c.eq_ignore_ascii_case(wanted)))
        && query.min_price.is_none_or(|least| d.price.minor() >= least)
        && query.max_price.is_none_or(|most| d.price.minor() <= most)
        && query.in_stock.is_none_or(|wanted| wanted == (level.available() > 0))
        && search.is_none_or(|words| words.iter().all(begins))
}

/// Those first that have more of the words in their name; of these, those whose name has fewer others.
fn best_first(search: &[String], entry: &Entry) -> (std::cmp::Reverse<usize>, usize, ProductId) {
    let named = |word: &&String| entry.words.name.iter().any(|name| name.starts_with(word.as_str()));
    let score = search.iter().filter(named).count();
    (std::cmp::Reverse(score), entry.words.name.len(), entry.product.id)
}

fn compare(by: SortBy, one: &(&Entry, StockLevel), other: &(&Entry, StockLevel)) -> Ordering {
    let (a, b) = (&one.0.product, &other.0.product);
    let order = match by {
        SortBy::Name => one.0.name().cmp(&other.0.name()),
        SortBy::Price => a.details.price.minor().cmp(&b.details.price.minor()),
        SortBy::Stock => one.1.available().cmp(&other.1.available()),
        SortBy::Rating => a.details.rating.cmp(&b.details.rating),
        SortBy::CreatedAt => a.created_at.cmp(&b.created_at),
    };
    order.then(a.id.cmp(&b.id))
}
