//! Listing, searching, editing, hiding.

use std::sync::Arc;

use super::Opened;
use super::sample::{details, origin, product, product_id, put, shelf, taken};
use crate::domain::{Desk, Product, ProductDetails, Rating};
use crate::store::{Catalogue, CommitError, ProductQuery, StockCommit};

async fn names(opened: &Opened, query: ProductQuery) -> Vec<String> {
    let page = opened.store.list(query).await.unwrap();
    page.products.iter().map(|v| v.product.details.name.to_string()).collect()
}

fn sorted(text: &str) -> ProductQuery {
    ProductQuery { sort: Some(text.parse().unwrap()), ..ProductQuery::default() }
}

async fn four(opened: &Opened) -> Desk {
    let mut desk = Desk::new(None);
    let of = |name: &str, price, category: &str, rating| ProductDetails {
        category: Some(category.parse().unwrap()),
        rating: Some(Rating::from_hundredths(rating).unwrap()),
        ..details(name, price)
    };
    put(opened, &mut desk, product(1, of("banana", 150, "Fruit", 450)), 7).await;
    put(opened, &mut desk, product(2, of("Apple", 200, "Fruit", 300)), 0).await;
    put(opened, &mut desk, product(3, of("chair", 9_900, "Home", 500)), 2).await;
    put(opened, &mut desk, product(4, of("Desk", 19_900, "Home", 100)), 1).await;
    desk
}

pub(super) async fn filters_and_orders(opened: &Opened) {
    four(opened).await;
    assert_eq!(names(opened, ProductQuery::default()).await, ["Apple", "banana", "chair", "Desk"]);
    assert_eq!(names(opened, sorted("-name")).await, ["Desk", "chair", "banana", "Apple"]);
    assert_eq!(names(opened, sorted("price")).await, ["banana", "Apple", "chair", "Desk"]);
    assert_eq!(names(opened, sorted("-stock")).await, ["banana", "chair", "Desk", "Apple"]);
    assert_eq!(names(opened, sorted("-rating")).await, ["chair", "banana", "Apple", "Desk"]);
    assert_eq!(names(opened, sorted("createdAt")).await, ["banana", "Apple", "chair", "Desk"]);
    let fruit = ProductQuery { category: Some("fruit".to_owned()), ..ProductQuery::default() };
    assert_eq!(names(opened, fruit.clone()).await, ["Apple", "banana"]);
    assert_eq!(names(opened, ProductQuery { in_stock: Some(true), ..fruit.clone() }).await, ["banana"]);
    assert_eq!(names(opened, ProductQuery { in_stock: Some(false), ..fruit }).await, ["Apple"]);
    let mid = ProductQuery { min_price: Some(200), max_price: Some(9_900), ..ProductQuery::default() };
    assert_eq!(names(opened, mid).await, ["Apple", "chair"]);
    let none = ProductQuery { min_price: Some(u64::MAX), ..ProductQuery::default() };
    assert_eq!(names(opened, none).await, [""; 0]);
    let second =
        opened.store.list(ProductQuery { page: 2, limit: 3, ..ProductQuery::default() }).await.unwrap();
    assert_eq!((second.products.len(), second.total), (1, 4));
    let beyond = ProductQuery { page: u32::MAX, limit: u32::MAX, ..ProductQuery::default() };
    assert_eq!(names(opened, beyond).await, [""; 0]);
    assert_eq!(opened.store.categories().await.unwrap(), ["Fruit", "Home"]);
}

pub(super) async fn search_finds_words_and_nothing_hostile(opened: &Opened) {
    let mut desk = Desk::new(None);
    let rich = ProductDetails {
        description: crate::domain::Description::new("Warm light for late evenings").unwrap(),
        brand: Some("Lumière".parse().unwrap()),
        tags: vec!["cosy".parse().unwrap()],
        sku: Some("LMP-42".parse().unwrap()),
        ..details("Reading Lamp", 1)
    };
    put(opened, &mut desk, product(1, rich), 1).await;
    put(opened, &mut desk, product(2, details("Lamp shade", 1)), 1).await;
    let search = |text: &str| ProductQuery { search: Some(text.to_owned()), ..ProductQuery::default() };
    assert_eq!(names(opened, search("lamp")).await.len(), 2);
    for text in ["read", "LAMP reading", "evenings", "lumiere", "cosy", "lmp-42", "\"reading\" OR -lamp*"] {
        let found = names(opened, search(text)).await;
        let wanted = if text.contains(" OR ") { vec![] } else { vec!["Reading Lamp"] };
        assert_eq!(found, wanted, "{text}");
    }
    for hostile in [
        "",
        "\"",
        "*",
        "' OR 1=1 --",
        "lamp AND NOT",
        "NEAR(",
        "name:lamp)",
        "\0",
        "^",
        "{}",
        "(((((",
        "lamp\" *",
        "🔦",
        "%",
        "a".repeat(10_000).as_str(),
        "x ".repeat(5_000).as_str(),
    ] {
        let page = opened.store.list(search(hostile)).await.unwrap();
        assert!(page.total <= 2, "{hostile}");
    }
}

pub(super) async fn edits_replace_and_hidden_products_are_not_listed(opened: &Opened) {
    let mut desk = four(opened).await;
    let stock = desk.shelf(product_id(1)).unwrap().level;
    let edited = Arc::new(Product {
        details: ProductDetails { is_active: false, ..details("Plantain", 175) },
        ..Product::clone(&desk.shelf(product_id(1)).unwrap().product)
    });
    desk.edit(edited.clone(), false).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Edited(edited.clone())], ..taken(&mut desk) };
    opened.store.commit(commit).await.unwrap();
    let read = shelf(opened, 1).await;
    assert_eq!(read.product, edited);
    assert_eq!(read.level, stock.touch());
    let search = |text: &str| ProductQuery { search: Some(text.to_owned()), ..ProductQuery::default() };
    assert_eq!(names(opened, search("banana")).await, [""; 0]);
    assert_eq!(names(opened, search("plantain")).await, ["Plantain"]);

    desk.edit(edited, true).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Hidden(product_id(1))], ..taken(&mut desk) };
    opened.store.commit(commit).await.unwrap();
    assert!(shelf(opened, 1).await.hidden);
    assert_eq!(names(opened, search("plantain")).await, [""; 0]);
    assert_eq!(names(opened, ProductQuery::default()).await, ["Apple", "chair", "Desk"]);
    assert_eq!(opened.store.movements(product_id(1), None, 9).await.unwrap().len(), 1, "its ledger stays");
}

pub(super) async fn skus_have_one_owner(opened: &Opened) {
    let mut desk = Desk::new(None);
    let with_sku = || ProductDetails { sku: Some("SKU-1".parse().unwrap()), ..details("Lamp", 1) };
    put(opened, &mut desk, product(1, with_sku()), 1).await;
    assert_eq!(opened.store.sku_owner("SKU-1".to_owned()).await.unwrap(), Some(product_id(1)));
    assert_eq!(opened.store.sku_owner("sku-2".to_owned()).await.unwrap(), None);
    let second = product(2, with_sku());
    let mut other = desk.clone();
    other.create(second.clone(), 0, &origin()).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Created(second.clone())], ..taken(&mut other) };
    let refused = opened.store.commit(commit).await;
    assert!(matches!(refused, Err(CommitError::Store(_))), "{refused:?}");
    // Free again once its owner is hidden.
    let first = desk.shelf(product_id(1)).unwrap().product.clone();
    desk.edit(first, true).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Hidden(product_id(1))], ..taken(&mut desk) };
    opened.store.commit(commit).await.unwrap();
    assert_eq!(opened.store.sku_owner("SKU-1".to_owned()).await.unwrap(), None);
    put(opened, &mut desk, second, 0).await;
}
