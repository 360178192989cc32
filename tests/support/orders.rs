//! What clients ask for: products, orders, and what became of them.

use serde_json::{Value, json};

use super::{Client, eventually};

/// The quick start's order, of these products and quantities at 29.99 each.
pub(crate) fn order(items: &[(&str, u32)]) -> Value {
    let total: u32 = items.iter().map(|(_, quantity)| 2_999 * quantity).sum();
    let items: Vec<Value> = items
        .iter()
        .map(|(id, quantity)| json!({"productId": id, "productName": "Test Product", "quantity": quantity, "price": 29.99}))
        .collect();
    let total: Value = serde_json::from_str(&format!("{}.{:02}", total / 100, total % 100)).unwrap();
    json!({
        "userId": "test-user-123",
        "items": items,
        "totalAmount": total,
        "shippingAddress": {"street": "123 Test St", "city": "Test City", "state": "TS", "zipCode": "12345", "country": "USA"},
        "paymentMethod": "credit_card",
    })
}

/// Makes a product with this much stock; gives its id.
pub(crate) fn product(client: &mut Client, name: &str, stock: u32) -> String {
    let body = json!({"name": name, "description": name, "price": 29.99, "category": "test", "stock": stock});
    let (status, answer) = client.send("POST", "/api/v1/products", "", Some(&body)).unwrap();
    assert_eq!(status, 201, "{answer}");
    answer["data"]["product"]["_id"].as_str().unwrap().to_owned()
}

/// Every order there is, by pages.
pub(crate) fn all_orders(client: &mut Client) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = client.get(&format!("/api/v1/orders?limit=200{cursor}"));
        all.extend(page["data"]["orders"].as_array().unwrap().iter().cloned());
        match page["meta"]["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// An order once its stock is decided.
pub(crate) fn decided(client: &mut Client, id: &str) -> Value {
    until(client, id, |order| order["stockStatus"] != "pending")
}

/// An order once it is so.
pub(crate) fn until(client: &mut Client, id: &str, so: impl Fn(&Value) -> bool) -> Value {
    eventually("what the order should become", || {
        let order = client.get(&format!("/api/v1/orders/{id}"))["data"]["order"].take();
        if so(&order) { Ok(order) } else { Err(order.to_string()) }
    })
}

/// Places an order; gives its id.
pub(crate) fn place(client: &mut Client, items: &[(&str, u32)]) -> String {
    let (status, answer) = client.send("POST", "/api/v1/orders", "", Some(&order(items))).unwrap();
    assert_eq!(status, 201, "{answer}");
    answer["data"]["order"]["_id"].as_str().unwrap().to_owned()
}
