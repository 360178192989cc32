//! The document that this was ordered with, "Kafka Quick Start - Order & Inventory Management", by its own commands.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use serde_json::{Value, json};
use support::{Client, Holdfast, command, decided, until};

/// "Test Product", 29.99, 50 in stock, of the sample catalogue.
const PRODUCT_ID: &str = "650000000000000000000001";

/// Test 1, to the letter.
fn test_1() -> Value {
    serde_json::from_str(
        &r#"{
    "userId": "test-user-123",
    "items": [{
      "productId": "PRODUCT_ID",
      "productName": "Test Product",
      "quantity": 2,
      "price": 29.99
    }],
    "totalAmount": 59.98,
    "shippingAddress": {
      "street": "123 Test St",
      "city": "Test City",
      "state": "TS",
      "zipCode": "12345",
      "country": "USA"
    },
    "paymentMethod": "credit_card"
  }"#
        .replace("PRODUCT_ID", PRODUCT_ID),
    )
    .unwrap()
}

fn stock(products: &mut Client) -> (Value, Value) {
    let mut product = products.get(&format!("/api/v1/products/{PRODUCT_ID}"))["data"]["product"].take();
    (product["stock"].take(), product["reserved"].take())
}

/// Starts it as `make run` does: the defaults, with a sample catalogue, and its lines for people.
fn start(data: &std::path::Path) -> Holdfast {
    Holdfast::start_as(command(data).env_remove("SAMPLE_DATA").env("LOG_FORMAT", "text"))
}

#[test]
fn an_order_takes_stock_and_its_cancellation_brings_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let system = start(folder.path());
    let mut orders = Client::connect(system.orders).unwrap();
    let mut products = Client::connect(system.products).unwrap();
    assert_eq!(stock(&mut products), (json!(50), json!(0)));

    // "Order Created Flow".
    let (status, created) = orders.send("POST", "/api/v1/orders", "", Some(&test_1())).unwrap();
    assert_eq!((status, &created["success"]), (201, &json!(true)), "{created}");
    let order = &created["data"]["order"];
    let (id, number) = (order["_id"].as_str().unwrap(), order["orderNumber"].as_str().unwrap());
    assert!(number.starts_with("ORD-"), "{number}");
    assert_eq!((&order["status"], &order["statusLabel"]), (&json!(1), &json!("Pending")));
    assert_eq!(order["totalAmount"].to_string(), "59.98");
    assert_eq!(decided(&mut orders, id)["stockStatus"], "reserved");
    assert_eq!(stock(&mut products), (json!(48), json!(2)));

    // "Check Logs".
    assert!(system.hear("✅ Order created").contains(number));
    assert!(system.hear("'inventory.reserve'").contains(number));
    assert!(system.hear("Processing stock reservation for order ORD-").contains(number));
    system.hear("✅ Reserved 2 units of Test Product (new stock: 48)");

    // "Order Cancelled Flow".
    let path = format!("/api/v1/orders/{id}/status");
    let (status, cancelled) = orders.send("PATCH", &path, "", Some(&json!({"status": 5}))).unwrap();
    assert_eq!(status, 200, "{cancelled}");
    let data = &cancelled["data"];
    assert_eq!((&data["oldStatus"], &data["oldStatusLabel"]), (&json!(1), &json!("Pending")));
    assert_eq!((&data["newStatus"], &data["newStatusLabel"]), (&json!(5), &json!("Cancelled")));
    assert_eq!(data["order"]["status"], 5);
    until(&mut orders, id, |order| order["stockStatus"] == "released");
    assert_eq!(stock(&mut products), (json!(50), json!(0)));
    system.hear("✅ Released 2 units of Test Product (new stock: 50)");
    system.stop();
}

#[test]
fn every_endpoint_of_its_table_answers() {
    let folder = tempfile::tempdir().unwrap();
    let system = start(folder.path());
    let mut orders = Client::connect(system.orders).unwrap();
    let mut products = Client::connect(system.products).unwrap();

    // "Get all products with stock", "Get single product".
    let all = products.get("/api/v1/products?limit=100");
    let all = all["data"]["products"].as_array().unwrap();
    assert!(all.len() >= 48 && all.iter().all(|p| p["stock"].is_u64() && p["price"].is_number()));
    assert!(all.iter().any(|p| p["_id"] == PRODUCT_ID));
    let one = products.get(&format!("/api/v1/products/{PRODUCT_ID}"));
    assert_eq!((&one["success"], &one["data"]["product"]["name"]), (&json!(true), &json!("Test Product")));

    // "Create order", "Get all orders", "Get single order".
    assert_eq!(orders.get("/api/v1/orders")["data"]["count"], 0);
    let (_, created) = orders.send("POST", "/api/v1/orders", "", Some(&test_1())).unwrap();
    let order = &created["data"]["order"];
    let id = order["_id"].as_str().unwrap();
    let list = orders.get("/api/v1/orders");
    assert_eq!((&list["data"]["count"], &list["data"]["orders"][0]["_id"]), (&json!(1), &order["_id"]));
    for name in [id, order["orderNumber"].as_str().unwrap()] {
        let found = &orders.get(&format!("/api/v1/orders/{name}"))["data"]["order"];
        assert_eq!((&found["_id"], &found["items"]), (&order["_id"], &order["items"]));
    }
    decided(&mut orders, id);

    // "Reserve stock", "Release stock".
    let body = json!({"quantity": 3, "orderId": "till-7"});
    let mut call = |what: &str| {
        let path = format!("/api/v1/products/{PRODUCT_ID}/{what}");
        let (status, mut answer) = products.send("POST", &path, "", Some(&body)).unwrap();
        assert_eq!(status, 200, "{answer}");
        answer["data"].take()
    };
    let about = |what: &str, stock: u32| json!({"productId": PRODUCT_ID, "productName": "Test Product", what: 3, "newStock": stock, "orderId": "till-7"});
    // Again is the same as once.
    for _ in 0..2 {
        assert_eq!(call("reserve"), about("reservedQuantity", 45));
    }
    assert_eq!(call("release"), about("releasedQuantity", 48));
    assert_eq!(stock(&mut products), (json!(48), json!(2)));
    system.stop();
}
