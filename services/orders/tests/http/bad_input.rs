//! Bad input gets a clear 4xx with a code, never a 5xx, and never leaves anything behind (issue 2, item 8).

use holdfast_orders::http::BASE;
use serde_json::{Value, json};

use crate::support::{World, order, path};

/// The good order with one thing changed.
fn with(pointer: &str, value: Value) -> String {
    let mut body = order();
    match body.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[name] = value;
        }
    }
    body.to_string()
}

/// The good order without one thing.
fn without(pointer: &str) -> String {
    let mut body = order();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    body.to_string()
}

/// The good order's text with one part replaced: for what no JSON value can say.
fn text(from: &str, to: &str) -> String {
    let body = order().to_string();
    assert!(body.contains(from), "{from} not in {body}");
    body.replacen(from, to, 1)
}

const INVALID: &str = "VALIDATION_FAILED";
const NOT_JSON: &str = "INVALID_JSON";

/// Bodies of `POST`: body, status, code, field.
fn bodies() -> Vec<(Vec<u8>, u16, &'static str, &'static str)> {
    let line = || order()["items"][0].clone();
    let lines = |count: usize| Value::Array(vec![line(); count]);
    let mut cases: Vec<(String, u16, &str, &str)> = vec![
        // Not JSON, or ambiguous.
        (String::new(), 400, NOT_JSON, ""),
        ("   ".to_owned(), 400, NOT_JSON, ""),
        ("{".to_owned(), 400, NOT_JSON, ""),
        ("not json".to_owned(), 400, NOT_JSON, ""),
        (format!("{}x", order()), 400, NOT_JSON, ""),
        (text("\"quantity\":2", "\"quantity\":2,\"quantity\":3"), 400, NOT_JSON, ""),
        (text("\"userId\":", "\"userId\":\"a\",\"userId\":"), 400, NOT_JSON, ""),
        (text("29.99", "NaN"), 400, NOT_JSON, ""),
        (text("29.99", "Infinity"), 400, NOT_JSON, ""),
        (text("29.99", "1e400"), 400, NOT_JSON, ""),
        (with("/metadata", json!("M")).replace("\"M\"", r#"{"a":1,"a":2}"#), 400, NOT_JSON, ""),
        ("[".repeat(5_000), 400, NOT_JSON, ""),
        // The wrong shape.
        ("[]".to_owned(), 400, INVALID, "body"),
        ("null".to_owned(), 400, INVALID, "body"),
        ("{}".to_owned(), 400, INVALID, "userId"),
        (with("/colour", json!("red")), 400, INVALID, "colour"),
        (with("/status", json!(5)), 400, INVALID, "status"),
        (with("/items/0/colour", json!("red")), 400, INVALID, "items[0].colour"),
        (with("/shippingAddress/planet", json!("Mars")), 400, INVALID, "shippingAddress.planet"),
        (with("/userId", json!("")), 400, INVALID, "userId"),
        (with("/userId", json!(7)), 400, INVALID, "userId"),
        (with("/userId", json!(null)), 400, INVALID, "userId"),
        (with("/userId", json!("x".repeat(129))), 400, INVALID, "userId"),
        (with("/userId", json!("a\u{0}b")), 400, INVALID, "userId"),
        // Lines.
        (with("/items", json!([])), 400, INVALID, "items"),
        (with("/items", json!({})), 400, INVALID, "items"),
        (with("/items", json!("x")), 400, INVALID, "items"),
        (with("/items", json!(null)), 400, INVALID, "items"),
        (with("/items", lines(201)), 400, INVALID, "items"),
        (with("/items", lines(10_000)), 413, "PAYLOAD_TOO_LARGE", ""),
        (with("/items/0", json!(null)), 400, INVALID, "items[0]"),
        (with("/items/0/productId", json!("PRODUCT_ID")), 400, INVALID, "items[0].productId"),
        (with("/items/0/productId", json!(5)), 400, INVALID, "items[0].productId"),
        (with("/items/0/productName", json!(" ")), 400, INVALID, "items[0].productName"),
        (with("/items/0/productName", json!("x".repeat(201))), 400, INVALID, "items[0].productName"),
        (with("/items/0/productName", json!(["x"])), 400, INVALID, "items[0].productName"),
        // Amounts.
        (with("/items/0/price", json!(-1)), 400, INVALID, "items[0].price"),
        (with("/items/0/price", json!("29.99")), 400, INVALID, "items[0].price"),
        (with("/items/0/price", json!(null)), 400, INVALID, "items[0].price"),
        (with("/items/0/price", json!([1])), 400, INVALID, "items[0].price"),
        (text("29.99", "29.999"), 400, INVALID, "items[0].price"),
        (text("29.99", "90071992547409.93"), 400, INVALID, "items[0].price"),
        (text("29.99", "1e300"), 400, INVALID, "items[0].price"),
        (with("/totalAmount", json!("59.98")), 400, INVALID, "totalAmount"),
        (with("/totalAmount", json!(-59.98)), 400, INVALID, "totalAmount"),
        (with("/totalAmount", json!(59.981)), 400, INVALID, "totalAmount"),
        (with("/totalAmount", json!(null)), 400, INVALID, "totalAmount"),
        (with("/totalAmount", json!(59.97)), 422, "TOTAL_MISMATCH", ""),
        (with("/totalAmount", json!(0)), 422, "TOTAL_MISMATCH", ""),
        // Payment, metadata, address.
        (with("/paymentMethod", json!("gold")), 400, INVALID, "paymentMethod"),
        (with("/paymentMethod", json!(0)), 400, INVALID, "paymentMethod"),
        (with("/paymentMethod", json!(8)), 400, INVALID, "paymentMethod"),
        (with("/paymentMethod", json!(1.5)), 400, INVALID, "paymentMethod"),
        (with("/paymentMethod", json!(null)), 400, INVALID, "paymentMethod"),
        (with("/metadata", json!([])), 400, INVALID, "metadata"),
        (with("/metadata", json!("x")), 400, INVALID, "metadata"),
        (with("/metadata", json!({"a": "x".repeat(20_000)})), 400, INVALID, "metadata"),
        (with("/shippingAddress", json!("home")), 400, INVALID, "shippingAddress"),
        (with("/shippingAddress/zipCode", json!(12345)), 400, INVALID, "shippingAddress.zipCode"),
        (with("/shippingAddress/city", json!("x".repeat(201))), 400, INVALID, "shippingAddress.city"),
    ];
    for quantity in
        ["0", "-1", "2147483648", "1000001", "1.5", "1.0", "1e400", "\"2\"", "null", "true", "[]", "{}"]
    {
        let (code, field) = if quantity == "1e400" { (NOT_JSON, "") } else { (INVALID, "items[0].quantity") };
        cases.push((text("\"quantity\":2", &format!("\"quantity\":{quantity}")), 400, code, field));
    }
    for required in [
        "/userId",
        "/items",
        "/totalAmount",
        "/shippingAddress",
        "/paymentMethod",
        "/items/0/productId",
        "/items/0/productName",
        "/items/0/quantity",
        "/items/0/price",
        "/shippingAddress/street",
        "/shippingAddress/city",
        "/shippingAddress/state",
        "/shippingAddress/zipCode",
        "/shippingAddress/country",
    ] {
        let field = required.trim_start_matches('/').replace("/0/", "[0].").replace('/', ".");
        cases.push((without(required), 400, INVALID, Box::leak(field.into_boxed_str())));
    }
    let mut cases: Vec<_> = cases.into_iter().map(|(b, s, c, f)| (b.into_bytes(), s, c, f)).collect();
    cases.push((b"{\"userId\":\"\xFF\xFE\"}".to_vec(), 400, NOT_JSON, ""));
    cases.push((vec![b' '; 2 << 20], 413, "PAYLOAD_TOO_LARGE", ""));
    let mut huge = order().to_string().into_bytes();
    huge.resize(2 << 20, b' ');
    cases.push((huge, 413, "PAYLOAD_TOO_LARGE", ""));
    cases
}

#[tokio::test]
async fn no_bad_body_is_taken_and_nothing_is_left_behind() {
    let world = World::new().await;
    for (body, status, code, field) in bodies() {
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let request = world.client.post(BASE).header("content-type", "application/json");
        let response = request.raw(body).send().await;
        assert_eq!((response.status.as_u16(), response.code()), (status, code), "{shown} {}", response.json);
        let json = &response.json;
        assert_eq!(json["success"], false, "{shown}");
        assert_eq!(json["statusCode"], status, "{shown}");
        assert!(json["message"].as_str().is_some_and(|m| !m.is_empty()), "{shown}");
        assert!(json["error"].as_str().is_some_and(|m| !m.is_empty()), "{shown}");
        assert_eq!(json["requestId"].as_str(), response.header("x-request-id"), "{shown}");
        if !field.is_empty() {
            assert!(json["fields"][field].is_string(), "{field}: {shown} {json}");
        }
    }
    for (kind, code) in [("text/plain", "UNSUPPORTED_MEDIA_TYPE"), ("", "UNSUPPORTED_MEDIA_TYPE")] {
        let response =
            world.client.post(BASE).header("content-type", kind).raw(order().to_string()).send().await;
        assert_eq!(response.code(), code, "{kind}");
    }
    let list = world.client.get(BASE).send().await;
    assert_eq!((&list.json["data"]["count"], &list.json["meta"]["total"]), (&json!(0), &json!(0)));
    assert_eq!(world.sent(holdfast_contract::Topic::InventoryReserve).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_mismatch_says_what_was_expected() {
    let world = World::new().await;
    let request = world.client.post(BASE).header("content-type", "application/json");
    let response = request.raw(with("/totalAmount", json!(60))).send().await;
    assert_eq!(response.json["details"], json!({"expected": 59.98, "currency": "USD"}));
}

#[tokio::test]
async fn several_problems_are_named_at_once() {
    let world = World::new().await;
    let mut body = order();
    body["items"][0]["price"] = json!(1.001);
    body["totalAmount"] = json!(2.002);
    let response = world.client.post(BASE).json(&body).send().await;
    let fields = response.json["fields"].as_object().unwrap();
    assert!(fields.contains_key("items[0].price") && fields.contains_key("totalAmount"), "{fields:?}");
}

#[tokio::test]
async fn bad_statuses_ids_and_edits_are_refused_and_change_nothing() {
    let world = World::new().await;
    let placed = world.placed().await;
    for status in [
        json!(0),
        json!(6),
        json!(-1),
        json!(1.5),
        json!("x"),
        json!(""),
        json!("5"),
        json!(null),
        json!(true),
        json!([5]),
        json!({"code": 5}),
        json!(4_294_967_301_u64),
    ] {
        let response = world.set_status(&placed, status.clone()).await;
        assert_eq!((response.status.as_u16(), response.code()), (400, INVALID), "{status}");
        assert!(response.json["fields"]["status"].is_string(), "{status} {}", response.json);
    }
    let fraction = world.set_status(&placed, json!(1.5)).await;
    assert_eq!(fraction.json["fields"]["status"], "must be a whole number from 1 to 5, or a name, got 1.5");
    let mut half = crate::support::order();
    half["items"][0]["quantity"] = json!(1.5);
    let half = world.client.post(BASE).json(&half).send().await;
    assert_eq!(half.json["fields"]["items[0].quantity"], "must be a whole number from 1 to 1000000, got 1.5");
    for long in [16_400, 70_000] {
        let mut large = crate::support::order();
        large["metadata"] = json!({"a": "x".repeat(long)});
        let large = world.client.post(BASE).json(&large).send().await;
        assert_eq!(large.json["fields"]["metadata"], "must be at most 16384 bytes of JSON");
    }
    let nothing = world.client.put(&path(&placed, "")).json(&json!({})).send().await;
    assert_eq!((nothing.status.as_u16(), nothing.code()), (400, INVALID));
    for (method, rest, body, field) in [
        ("PATCH", "/status", json!({}), "status"),
        ("PATCH", "/status", json!({"status": 5, "reason": ""}), "reason"),
        ("PATCH", "/status", json!({"status": 5, "reason": "x".repeat(501)}), "reason"),
        ("PATCH", "/status", json!({"status": 5, "trackingNumber": 7}), "trackingNumber"),
        ("PATCH", "/status", json!({"status": 5, "why": "x"}), "why"),
        ("PATCH", "/cancel", json!({"reason": 5}), "reason"),
        ("PATCH", "/cancel", json!({"status": 5}), "status"),
        ("PATCH", "/cancel", json!([]), "body"),
        ("PUT", "", json!({}), "body"),
        ("PUT", "", json!({"version": 1}), "body"),
        ("PUT", "", json!({"items": []}), "items"),
        ("PUT", "", json!({"totalAmount": 1}), "totalAmount"),
        ("PUT", "", json!({"shippingAddress": {"street": "x"}}), "shippingAddress.city"),
        ("PUT", "", json!({"metadata": {}, "version": "1"}), "version"),
        ("PUT", "", json!({"metadata": {}, "version": -1}), "version"),
    ] {
        let response =
            world.client.request(method.parse().unwrap(), &path(&placed, rest)).json(&body).send().await;
        assert_eq!((response.status.as_u16(), response.code()), (400, INVALID), "{method} {rest} {body}");
        assert!(response.json["fields"][field].is_string(), "{field} {body} {}", response.json);
    }
    for bad in
        ["1", "PRODUCT_ID", "ORD-1", "%00", "%FF", "..%2F..", "x'%20OR%201=1--", "691e66d0005e1b0c9a00000g"]
    {
        for (method, rest, body) in [
            ("GET", "", Value::Null),
            ("GET", "/timeline", Value::Null),
            ("PUT", "", json!({"metadata": {}})),
            ("PATCH", "/status", json!({"status": 5})),
            ("PATCH", "/cancel", json!({})),
            ("DELETE", "", Value::Null),
        ] {
            let target = format!("{BASE}/{bad}{rest}");
            let mut request = world.client.request(method.parse().unwrap(), &target);
            if !body.is_null() {
                request = request.json(&body);
            }
            let response = request.send().await;
            assert_eq!((response.status.as_u16(), response.code()), (400, "INVALID_ID"), "{method} {target}");
        }
    }
    // Well-formed, but nobody's.
    let nobody = json!({"_id": holdfast_contract::OrderId::new(holdfast_contract::Key::compose(1_700_000_000_000, 1, 1))});
    for rest in ["", "/timeline"] {
        let response = world.client.get(&path(&nobody, rest)).send().await;
        assert_eq!((response.status.as_u16(), response.code()), (404, "ORDER_NOT_FOUND"));
    }
    assert_eq!(world.set_status(&nobody, 5).await.code(), "ORDER_NOT_FOUND");
    // An id that is no order's, a product's for instance.
    for id in ["507f1f77bcf86cd799439011", "650000000000000000000001", "ffffffffffffffffffffffff"] {
        let foreign = json!({ "_id": id });
        let response = world.client.get(&path(&foreign, "")).send().await;
        assert_eq!((response.status.as_u16(), response.code()), (404, "ORDER_NOT_FOUND"), "{id}");
        assert_eq!(world.set_status(&foreign, 5).await.code(), "ORDER_NOT_FOUND");
    }
    assert_eq!(world.get(&placed).await, placed);
}

#[tokio::test]
async fn bad_queries_are_refused_and_hostile_searches_are_inert() {
    let world = World::new().await;
    world.placed().await;
    for (query, code, field) in [
        ("limit=0", "INVALID_QUERY", "limit"),
        ("limit=201", "INVALID_QUERY", "limit"),
        ("limit=-1", "INVALID_QUERY", "limit"),
        ("limit=1.5", "INVALID_QUERY", "limit"),
        ("limit=x", "INVALID_QUERY", "limit"),
        ("limit=5&limit=6", "INVALID_QUERY", "limit"),
        ("status=0", "INVALID_QUERY", "status"),
        ("status=6", "INVALID_QUERY", "status"),
        ("status=x", "INVALID_QUERY", "status"),
        ("sortBy=price", "INVALID_QUERY", "sortBy"),
        ("sortOrder=up", "INVALID_QUERY", "sortOrder"),
        ("colour=red", "INVALID_QUERY", "colour"),
        ("search=%FF", "INVALID_QUERY", "search"),
        ("cursor=x", "INVALID_CURSOR", "cursor"),
        ("cursor=AAAAAAAAAAAAAAAAAAAAAAAA", "INVALID_CURSOR", "cursor"),
    ] {
        for target in [format!("{BASE}?{query}"), format!("{BASE}/user/u?{query}")] {
            let response = world.client.get(&target).send().await;
            assert_eq!((response.status.as_u16(), response.code()), (400, code), "{target}");
            assert!(response.json["fields"][field].is_string(), "{target} {}", response.json);
        }
    }
    let long = format!("search={}", "x".repeat(101));
    assert_eq!(world.client.get(&format!("{BASE}?{long}")).send().await.code(), "INVALID_QUERY");
    for hostile in [
        "%27%20OR%201%3D1%20--",
        "%22",
        "%25",
        "_",
        "*",
        "test*",
        "%22test%22",
        "NEAR(test%20product)",
        "a%20AND%20b",
        "%00",
        "%5C",
        "(((",
        "NOT",
        "-test",
        "test%3B%20DROP%20TABLE%20orders",
        "{}[]^$",
        "%F0%9F%92%A9",
    ] {
        let response = world.client.get(&format!("{BASE}?search={hostile}")).send().await;
        assert_eq!(response.status, 200, "{hostile} {}", response.json);
    }
    assert_eq!(world.client.get(BASE).send().await.json["data"]["count"], 1);
}

#[tokio::test]
async fn bad_headers_are_refused() {
    let world = World::new().await;
    let placed = world.placed().await;
    for key in ["", "a b", &"k".repeat(256)] {
        let response = world.client.post(BASE).header("idempotency-key", key).json(&order()).send().await;
        assert_eq!(response.code(), "INVALID_IDEMPOTENCY_KEY", "{key}");
    }
    let edit = world.client.put(&path(&placed, "")).header("if-match", "W/\"1\"");
    let response = edit.json(&json!({"metadata": {}})).send().await;
    assert_eq!((response.status.as_u16(), response.code()), (400, INVALID));
    assert!(response.json["fields"]["If-Match"].is_string());
    let wrong = world.client.post(&path(&placed, "")).json(&json!({})).send().await;
    assert_eq!((wrong.status.as_u16(), wrong.code()), (405, "METHOD_NOT_ALLOWED"));
    assert_eq!(world.client.get("/api/v1/nothing").send().await.code(), "ROUTE_NOT_FOUND");
}
