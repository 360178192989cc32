//! Listing, searching, editing, hiding.

use std::sync::Arc;

use super::Subject;
use super::sample::{details, origin, product, product_id, put, shelf, taken};
use crate::domain::{Desk, Product, ProductDetails, Rating};
use crate::store::{Catalogue, CommitError, ProductQuery, StockCommit};

async fn names(subject: &dyn Subject, query: ProductQuery) -> Vec<String> {
    let page = subject.store().list(query).await.unwrap();
    page.products.iter().map(|v| v.product.details.name.to_string()).collect()
}

fn sorted(text: &str) -> ProductQuery {
    ProductQuery { sort: Some(text.parse().unwrap()), ..ProductQuery::default() }
}

async fn four(subject: &dyn Subject) -> Desk {
    let mut desk = Desk::new(None);
    let of = |name: &str, price, category: &str, rating| ProductDetails {
        category: Some(category.parse().unwrap()),
        rating: Some(Rating::from_hundredths(rating).unwrap()),
        ..details(name, price)
    };
    put(subject, &mut desk, product(1, of("banana", 150, "Fruit", 450)), 7).await;
    put(subject, &mut desk, product(2, of("Apple", 200, "Fruit", 300)), 0).await;
    put(subject, &mut desk, product(3, of("chair", 9_900, "Home", 500)), 2).await;
    put(subject, &mut desk, product(4, of("Desk", 19_900, "Home", 100)), 1).await;
    desk
}

pub(super) async fn filters_and_orders(subject: &dyn Subject) {
    four(subject).await;
    assert_eq!(names(subject, ProductQuery::default()).await, ["Apple", "banana", "chair", "Desk"]);
    assert_eq!(names(subject, sorted("-name")).await, ["Desk", "chair", "banana", "Apple"]);
    assert_eq!(names(subject, sorted("price")).await, ["banana", "Apple", "chair", "Desk"]);
    assert_eq!(names(subject, sorted("-stock")).await, ["banana", "chair", "Desk", "Apple"]);
    assert_eq!(names(subject, sorted("-rating")).await, ["chair", "banana", "Apple", "Desk"]);
    assert_eq!(names(subject, sorted("createdAt")).await, ["banana", "Apple", "chair", "Desk"]);
    let fruit = ProductQuery { category: Some("fruit".to_owned()), ..ProductQuery::default() };
    assert_eq!(names(subject, fruit.clone()).await, ["Apple", "banana"]);
    assert_eq!(names(subject, ProductQuery { in_stock: Some(true), ..fruit.clone() }).await, ["banana"]);
    assert_eq!(names(subject, ProductQuery { in_stock: Some(false), ..fruit }).await, ["Apple"]);
    let mid = ProductQuery { min_price: Some(200), max_price: Some(9_900), ..ProductQuery::default() };
    assert_eq!(names(subject, mid).await, ["Apple", "chair"]);
    let none = ProductQuery { min_price: Some(u64::MAX), ..ProductQuery::default() };
    assert_eq!(names(subject, none).await, [""; 0]);
    let second =
        subject.store().list(ProductQuery { page: 2, limit: 3, ..ProductQuery::default() }).await.unwrap();
    assert_eq!((second.products.len(), second.total), (1, 4));
    let beyond = ProductQuery { page: u32::MAX, limit: u32::MAX, ..ProductQuery::default() };
    assert_eq!(names(subject, beyond).await, [""; 0]);
    assert_eq!(subject.store().categories().await.unwrap(), ["Fruit", "Home"]);
}

pub(super) async fn search_finds_words_and_nothing_hostile(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    let rich = ProductDetails {
        description: crate::domain::Description::new("Warm light for late evenings").unwrap(),
        brand: Some("Lumière".parse().unwrap()),
        tags: vec!["cosy".parse().unwrap()],
        sku: Some("LMP-42".parse().unwrap()),
        ..details("Reading Lamp", 1)
    };
    put(subject, &mut desk, product(1, rich), 1).await;
    put(subject, &mut desk, product(2, details("Lamp shade", 1)), 1).await;
    let search = |text: &str| ProductQuery { search: Some(text.to_owned()), ..ProductQuery::default() };
    assert_eq!(names(subject, search("lamp")).await.len(), 2);
    for text in ["read", "LAMP reading", "evenings", "lumiere", "cosy", "lmp-42", "\"reading\" OR -lamp*"] {
        let found = names(subject, search(text)).await;
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
        let page = subject.store().list(search(hostile)).await.unwrap();
        assert!(page.total <= 2, "{hostile}");
    }
}

pub(super) async fn the_best_match_comes_first(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    let told = |name: &str, text: &str| ProductDetails {
        description: crate::domain::Description::new(text).unwrap(),
        ..details(name, 1)
    };
    put(subject, &mut desk, product(1, told("Desk", "Goes with every lamp")), 1).await;
    put(subject, &mut desk, product(2, details("A very long name of a lamp", 1)), 1).await;
    put(subject, &mut desk, product(3, details("Lamp", 1)), 1).await;
    let search = |text: &str| ProductQuery { search: Some(text.to_owned()), ..ProductQuery::default() };
    let best = ["Lamp", "A very long name of a lamp", "Desk"];
    assert_eq!(names(subject, search("lamp")).await, best);
    let second = ProductQuery { page: 2, limit: 1, ..search("lamp") };
    assert_eq!(names(subject, second).await, best[1..2]);
    let by_name = ProductQuery { sort: Some("name".parse().unwrap()), ..search("LAM") };
    assert_eq!(names(subject, by_name).await, ["A very long name of a lamp", "Desk", "Lamp"]);
}

pub(super) async fn several_changes_of_a_product_in_one_commit(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    let first = product(1, details("Lamp", 100));
    desk.create(first.clone(), 5, &origin()).unwrap();
    let second = Arc::new(Product { details: details("Lantern", 200), ..Product::clone(&first) });
    desk.edit(second.clone(), false).unwrap();
    let third = Arc::new(Product { details: details("Torch", 300), ..Product::clone(&first) });
    desk.edit(third.clone(), false).unwrap();
    let created = Catalogue::Created(first.clone());
    let catalogue = vec![created, Catalogue::Edited(second), Catalogue::Edited(third.clone())];
    subject.store().commit(StockCommit { catalogue, ..taken(&mut desk) }).await.unwrap();
    assert_eq!(shelf(subject, 1).await, *desk.shelf(product_id(1)).unwrap());
    assert_eq!(names(subject, ProductQuery::default()).await, ["Torch"]);

    let last = Arc::new(Product { details: details("Beacon", 400), ..Product::clone(&first) });
    desk.edit(last.clone(), false).unwrap();
    desk.edit(last.clone(), true).unwrap();
    desk.create(product(2, details("Born dead", 1)), 0, &origin()).unwrap();
    desk.edit(product(2, details("Born dead", 1)), true).unwrap();
    let catalogue = vec![
        Catalogue::Edited(last),
        Catalogue::Created(product(2, details("Born dead", 1))),
        Catalogue::Hidden(product_id(1)),
        Catalogue::Hidden(product_id(2)),
    ];
    subject.store().commit(StockCommit { catalogue, ..taken(&mut desk) }).await.unwrap();
    for n in [1, 2] {
        assert_eq!(shelf(subject, n).await, *desk.shelf(product_id(n)).unwrap());
    }
    assert_eq!(names(subject, ProductQuery::default()).await, [""; 0]);
}

pub(super) async fn edits_replace_and_hidden_products_are_not_listed(subject: &dyn Subject) {
    let mut desk = four(subject).await;
    let stock = desk.shelf(product_id(1)).unwrap().level;
    let edited = Arc::new(Product {
        details: ProductDetails { is_active: false, ..details("Plantain", 175) },
        ..Product::clone(&desk.shelf(product_id(1)).unwrap().product)
    });
    desk.edit(edited.clone(), false).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Edited(edited.clone())], ..taken(&mut desk) };
    subject.store().commit(commit).await.unwrap();
    let read = shelf(subject, 1).await;
    assert_eq!(read.product, edited);
    assert_eq!(read.level, stock.touch());
    let search = |text: &str| ProductQuery { search: Some(text.to_owned()), ..ProductQuery::default() };
    assert_eq!(names(subject, search("banana")).await, [""; 0]);
    assert_eq!(names(subject, search("plantain")).await, ["Plantain"]);

    desk.edit(edited, true).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Hidden(product_id(1))], ..taken(&mut desk) };
    subject.store().commit(commit).await.unwrap();
    assert!(shelf(subject, 1).await.hidden);
    assert_eq!(names(subject, search("plantain")).await, [""; 0]);
    assert_eq!(names(subject, ProductQuery::default()).await, ["Apple", "chair", "Desk"]);
    assert_eq!(subject.store().movements(product_id(1), None, 9).await.unwrap().len(), 1, "its ledger stays");
}

pub(super) async fn skus_have_one_owner(subject: &dyn Subject) {
    let mut desk = Desk::new(None);
    let with_sku = || ProductDetails { sku: Some("SKU-1".parse().unwrap()), ..details("Lamp", 1) };
    put(subject, &mut desk, product(1, with_sku()), 1).await;
    assert_eq!(subject.store().sku_owner("SKU-1".to_owned()).await.unwrap(), Some(product_id(1)));
    assert_eq!(subject.store().sku_owner("sku-2".to_owned()).await.unwrap(), None);
    let second = product(2, with_sku());
    let mut other = desk.clone();
    other.create(second.clone(), 0, &origin()).unwrap();
    // With what is beside it in the commit.
    let renamed =
        Arc::new(Product { details: details("Torch", 2), ..Product::clone(&product(1, with_sku())) });
    other.edit(renamed.clone(), false).unwrap();
    let third = product(3, with_sku());
    other.create(third.clone(), 0, &origin()).unwrap();
    let catalogue = vec![
        Catalogue::Edited(renamed),
        Catalogue::Created(second.clone()),
        // The first has given it up by now, and the second has it.
        Catalogue::Created(third),
    ];
    let refused = subject.store().commit(StockCommit { catalogue, ..taken(&mut other) }).await;
    assert!(matches!(refused, Err(CommitError::Store(_))), "{refused:?}");
    assert_eq!(shelf(subject, 1).await, *desk.shelf(product_id(1)).unwrap());
    assert_eq!(names(subject, ProductQuery::default()).await, ["Lamp"]);
    assert_eq!(subject.store().sku_owner("SKU-1".to_owned()).await.unwrap(), Some(product_id(1)));
    let mut other = desk.clone();
    other.create(second.clone(), 0, &origin()).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Created(second.clone())], ..taken(&mut other) };
    let refused = subject.store().commit(commit).await;
    assert!(matches!(refused, Err(CommitError::Store(_))), "{refused:?}");
    // Free again once its owner is hidden.
    let first = desk.shelf(product_id(1)).unwrap().product.clone();
    desk.edit(first, true).unwrap();
    let commit = StockCommit { catalogue: vec![Catalogue::Hidden(product_id(1))], ..taken(&mut desk) };
    subject.store().commit(commit).await.unwrap();
    assert_eq!(subject.store().sku_owner("SKU-1".to_owned()).await.unwrap(), None);
    put(subject, &mut desk, second, 0).await;
}
