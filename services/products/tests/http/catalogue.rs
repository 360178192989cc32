//! Creating, finding, editing and deleting products.

use serde_json::{Value, json};

use crate::support::{PRODUCTS, Shop, order};

#[tokio::test]
async fn a_product_looks_as_the_contract_says() {
    let shop = Shop::open();
    let body = json!({
        "name": " Gooseneck Kettle ", "description": "Pours to the drop.\nBoils too.", "price": 69.90, "currency": "USD",
        "category": "Kitchen", "sku": "KTL-1", "brand": "Morning", "tags": ["coffee", "kitchen", "coffee"],
        "imageUrl": "/images/k.svg", "rating": 4.35, "reviewCount": 12, "isActive": true, "stock": 7,
    });
    let created = shop.client.post(PRODUCTS).json(&body).send().await;
    assert_eq!(created.status, 201, "{}", created.text());
    let product = created.json["data"]["product"].clone();
    let id = product["_id"].as_str().unwrap().to_owned();
    assert_eq!(
        product,
        json!({
            "_id": id, "name": "Gooseneck Kettle", "description": "Pours to the drop.\nBoils too.", "price": 69.9,
            "currency": "USD", "category": "Kitchen", "stock": 7, "reserved": 0, "onHand": 7, "inStock": true,
            "sku": "KTL-1", "brand": "Morning", "tags": ["coffee", "kitchen"], "imageUrl": "/images/k.svg",
            "rating": 4.35, "reviewCount": 12, "isActive": true, "createdAt": product["createdAt"],
            "updatedAt": product["createdAt"], "version": 1,
        })
    );
    assert!(created.text().contains(r#""price":69.9,"#), "a plain number");
    let shown = shop.get(&format!("/{}", id.to_uppercase())).await;
    assert_eq!((&shown.json["data"]["product"], shown.header("etag")), (&product, Some("\"1\"")));

    let least =
        shop.client.post(&format!("{PRODUCTS}/")).json(&json!({"name": "A", "price": 0})).send().await;
    let least = &least.json["data"]["product"];
    for field in ["category", "sku", "brand", "imageUrl", "rating"] {
        assert_eq!(least[field], Value::Null, "{field}");
    }
    assert_eq!(
        (&least["stock"], &least["inStock"], &least["isActive"]),
        (&json!(0), &json!(false), &json!(true))
    );
}

#[tokio::test]
async fn creating_is_idempotent_with_a_key_and_a_sku_is_unique() {
    let shop = Shop::open();
    let send = |key: &'static str, body: Value| {
        shop.client.post(PRODUCTS).json(&body).header("idempotency-key", key).send()
    };
    let kettle = json!({"name": "Kettle", "price": 69, "sku": "KTL"});
    let first = send("k1", kettle.clone()).await;
    let again = send("k1", json!({"sku": "KTL", "price": 69.00, "name": "Kettle"})).await;
    assert_eq!(
        (first.status.as_u16(), &again.body),
        (201, &first.body),
        "the same body, whatever its spelling"
    );
    assert_eq!((again.status.as_u16(), again.header("idempotency-replayed")), (201, Some("true")));
    assert_eq!(send("k1", json!({"name": "Pot", "price": 1})).await.code(), "IDEMPOTENCY_KEY_REUSED");
    let taken = send("k2", kettle).await;
    assert_eq!((taken.status.as_u16(), taken.code()), (409, "DUPLICATE_SKU"));
    assert_eq!(taken.json["details"]["productId"], first.json["data"]["product"]["_id"]);
    assert_eq!(shop.get("").await.json["meta"]["total"], 1);
}

#[tokio::test]
async fn an_edit_changes_what_is_given_for_the_version_it_was_made_for() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 5).await;
    let path = format!("{PRODUCTS}/{id}");
    let put = |body: Value| shop.client.put(&path).json(&body);
    let edited = put(json!({"price": 31.5, "brand": "Holdfast", "version": 1})).send().await;
    assert_eq!((edited.status.as_u16(), edited.header("etag")), (200, Some("\"2\"")));
    let product = &edited.json["data"]["product"];
    assert_eq!(
        (&product["price"], &product["brand"], &product["name"]),
        (&json!(31.5), &json!("Holdfast"), &json!("Test Product"))
    );
    assert_eq!((&product["stock"], &product["version"]), (&json!(5), &json!(2)));

    for stale in
        [put(json!({"price": 1, "version": 1})), put(json!({"price": 1})).header("if-match", "\"1\"")]
    {
        let refused = stale.send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (412, "VERSION_CONFLICT"));
        assert_eq!(refused.json["details"], json!({"expected": 1, "current": 2}));
    }
    let contrary = put(json!({"version": 2})).header("if-match", "\"1\"").send().await;
    assert_eq!((contrary.status.as_u16(), contrary.code()), (400, "VALIDATION_FAILED"));
    let matched = put(json!({"brand": null})).header("if-match", "\"2\"").send().await;
    assert_eq!((matched.status.as_u16(), &matched.json["data"]["product"]["brand"]), (200, &Value::Null));
    for nothing in [json!({}), json!({"version": 3}), json!({"currency": "USD"})] {
        let refused = put(nothing).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "VALIDATION_FAILED"));
    }
    let same = put(json!({"brand": null})).send().await;
    assert_eq!(same.json["data"]["product"]["version"], 3, "no change is no new version");
    let refused = put(json!({"name": "Other", "stock": 99})).send().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "STOCK_NOT_EDITABLE"));
    assert_eq!(shop.show(&id).await["name"], "Test Product", "nothing of it took effect");
}

#[tokio::test]
async fn a_product_with_open_holds_is_not_deleted() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 5).await;
    let delete = || shop.client.delete(&format!("{PRODUCTS}/{id}")).send();
    shop.reserve(&id, "till-1", 2).await;
    shop.reserve_by_event(order(3), &id, 1).await;
    let refused = delete().await;
    assert_eq!((refused.status.as_u16(), refused.code()), (409, "HOLDS_OPEN"));
    let holds = refused.json["details"]["holds"].as_array().unwrap();
    assert_eq!((&refused.json["details"]["reserved"], holds.len()), (&json!(3), 2));
    assert_eq!(shop.show(&id).await["reserved"], 3);

    let other = shop.product("Kettle", 5).await;
    assert_eq!(shop.client.delete(&format!("{PRODUCTS}/{other}")).send().await.status, 200);
    for response in [
        shop.get(&format!("/{other}")).await,
        shop.reserve(&other, "o", 1).await,
        shop.adjust(&other, "k", 1).await,
        shop.client.delete(&format!("{PRODUCTS}/{other}")).send().await,
        shop.client.put(&format!("{PRODUCTS}/{other}")).json(&json!({"price": 1})).send().await,
    ] {
        assert_eq!((response.status.as_u16(), response.code()), (404, "PRODUCT_NOT_FOUND"));
    }
    assert_eq!(shop.get("").await.json["meta"]["total"], 1);
    assert_eq!(shop.get("/search?q=kettle").await.json["meta"]["total"], 0);
    assert_eq!(shop.all(&other, "movements", 10).await.len(), 1, "the ledger stays");
}

#[tokio::test]
async fn lists_are_filtered_sorted_and_paged() {
    let shop = Shop::open();
    for n in 1..=25 {
        let body = json!({
            "name": format!("Item {n:02}"), "price": n, "stock": n % 3, "category": if n % 2 == 0 { "Even" } else { "Odd" },
            "tags": [format!("tag{n}")],
        });
        assert_eq!(shop.client.post(PRODUCTS).json(&body).send().await.status, 201);
    }
    let names = |response: &Value| -> Vec<String> {
        let products = response["data"]["products"].as_array().unwrap();
        assert_eq!(response["data"]["count"], products.len());
        products.iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect()
    };
    let first = shop.get("?sort=-price&limit=10").await.json;
    assert_eq!(first["meta"], json!({"page": 1, "limit": 10, "total": 25, "pages": 3}));
    assert_eq!(names(&first)[0], "Item 25");
    let last = shop.get("?sort=-price&limit=10&page=3").await.json;
    assert_eq!(names(&last), ["Item 05", "Item 04", "Item 03", "Item 02", "Item 01"]);
    let beyond = shop.get("?page=4000000000&limit=200").await.json;
    assert_eq!((names(&beyond).len(), &beyond["meta"]["total"]), (0, &json!(25)));
    assert_eq!(shop.get("?limit=200").await.json["meta"]["pages"], 1);
    for (query, total) in [
        ("category=even", 12),
        ("category=none", 0),
        ("inStock=true", 17),
        ("inStock=false", 8),
        ("minPrice=10&maxPrice=12", 3),
        ("minPrice=24.5", 1),
        ("search=item", 25),
        ("search=tag7", 1),
        ("search=item%2007&category=Odd&inStock=true", 1),
        ("search=item&sort=name&minPrice=20&inStock=false", 2),
    ] {
        assert_eq!(shop.get(&format!("?{query}")).await.json["meta"]["total"], total, "{query}");
    }
    assert_eq!(shop.get("/search?q=item&limit=5&page=5").await.json["data"]["count"], 5);
}
