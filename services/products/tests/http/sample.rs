//! The sample catalogue.

use holdfast_contract::Currency;
use holdfast_products::sample::{Seeded, TEST_PRODUCT_ID, seed};
use serde_json::json;

use crate::support::Shop;

#[tokio::test]
async fn an_empty_catalogue_is_filled_once() {
    let shop = Shop::open();
    let fill = |force| seed(&*shop.store, &shop.decider, Currency::USD, force);
    assert_eq!(fill(false).await.unwrap(), Seeded { created: 48, skipped: 0 });
    assert_eq!(fill(false).await.unwrap(), Seeded { created: 0, skipped: 48 });
    let test = shop.show(TEST_PRODUCT_ID).await;
    assert_eq!(
        (&test["name"], &test["price"], &test["stock"]),
        (&json!("Test Product"), &json!(29.99), &json!(50))
    );
    assert_eq!(shop.get("").await.json["meta"]["total"], 48);
    assert_eq!(shop.get("?category=books").await.json["meta"]["total"], 6);
    assert_eq!(shop.get("?inStock=false").await.json["meta"]["total"], 3);
    assert_eq!(shop.all(TEST_PRODUCT_ID, "movements", 10).await.len(), 1);
}

#[tokio::test]
async fn a_catalogue_of_somebody_s_own_is_left_alone_unless_forced() {
    let shop = Shop::open();
    let own = json!({"name": "Zither", "price": 1, "sku": "TEST-001"});
    shop.client.post("/api/v1/products").json(&own).send().await;
    let fill = |force| seed(&*shop.store, &shop.decider, Currency::USD, force);
    assert_eq!(fill(false).await.unwrap(), Seeded { created: 0, skipped: 48 });
    assert_eq!(fill(true).await.unwrap(), Seeded { created: 47, skipped: 1 }, "its SKU is taken");
    assert_eq!(shop.get("?search=zither").await.json["meta"]["total"], 1);
}

#[tokio::test]
async fn a_sample_that_was_deleted_stays_deleted() {
    let shop = Shop::open();
    seed(&*shop.store, &shop.decider, Currency::USD, false).await.unwrap();
    shop.client.delete(&format!("/api/v1/products/{TEST_PRODUCT_ID}")).send().await;
    let again = seed(&*shop.store, &shop.decider, Currency::USD, true).await.unwrap();
    assert_eq!((again.created, shop.get("").await.json["meta"]["total"].as_u64()), (0, Some(47)));
}
