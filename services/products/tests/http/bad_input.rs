//! What is wrong gets a clear 4xx in the envelope, never a 5xx, and changes nothing.

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::{PRODUCTS, Shop};

struct Case {
    method: Method,
    path: String,
    body: Vec<u8>,
    key: Option<&'static str>,
    expected: (u16, &'static str),
    /// A field that the refusal must name.
    field: &'static str,
}

fn case(method: Method, path: impl Into<String>, body: impl AsRef<[u8]>, code: (u16, &'static str)) -> Case {
    let body = body.as_ref().to_vec();
    Case { method, path: path.into(), body, key: Some("k"), expected: code, field: "" }
}

const INVALID: (u16, &str) = (400, "VALIDATION_FAILED");
const NO_JSON: (u16, &str) = (400, "INVALID_JSON");
const BAD_QUERY: (u16, &str) = (400, "INVALID_QUERY");
const BAD_ID: (u16, &str) = (400, "INVALID_ID");

/// Runs the cases; the product must stay as it was.
async fn refused(shop: &Shop, id: &str, cases: Vec<Case>) {
    let before = shop.show(id).await;
    for Case { method, path, body, key, expected, field } in cases {
        let what = format!("{method} {path} {}", String::from_utf8_lossy(&body[..body.len().min(120)]));
        let mut request = shop.client.request(method, &path).raw(body);
        request = request.header("content-type", "application/json");
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await;
        let json = &response.json;
        assert_eq!((response.status.as_u16(), response.code()), expected, "{what}: {}", response.text());
        assert_eq!((&json["success"], &json["statusCode"]), (&json!(false), &json!(expected.0)), "{what}");
        assert!(json["message"].as_str().is_some_and(|m| !m.is_empty()), "{what}");
        assert_eq!(json["requestId"].as_str(), response.header("x-request-id"), "{what}");
        if !field.is_empty() {
            assert!(json["fields"][field].is_string(), "{what}: {field} in {}", json["fields"]);
        }
    }
    assert_eq!(shop.show(id).await, before);
    assert_eq!(shop.get("").await.json["meta"]["total"], 1, "nothing was created");
}

#[tokio::test]
async fn reserve_and_release() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let mut cases = Vec::new();
    for call in ["reserve", "release"] {
        let path = format!("{PRODUCTS}/{id}/{call}");
        let mut add = |body: &str, code, field| {
            cases.push(Case { field, ..case(Method::POST, &path, body, code) });
        };
        for quantity in
            ["0", "-1", "2147483648", "1.5", "\"2\"", "null", "[]", "1000001", "true", "-0.0", "1e2"]
        {
            add(&format!(r#"{{"quantity":{quantity},"orderId":"o"}}"#), INVALID, "quantity");
        }
        add(r#"{"orderId":"o"}"#, INVALID, "quantity");
        add(r#"{"quantity":1}"#, INVALID, "orderId");
        for order in ["\"\"", "7", "null", "\"a b\"", "\"a\\u0000b\"", &format!("\"{}\"", "x".repeat(65))] {
            add(&format!(r#"{{"quantity":1,"orderId":{order}}}"#), INVALID, "orderId");
        }
        add(r#"{"quantity":1,"orderId":"o","warehouse":"x"}"#, INVALID, "warehouse");
        add(r#"{"quantity":1,"quantity":2,"orderId":"o"}"#, NO_JSON, "");
        add(r#"{"quantity":1,"orderId":"o"} {}"#, NO_JSON, "");
        add(r#"{"quantity":NaN,"orderId":"o"}"#, NO_JSON, "");
        add(r#"{"quantity":1e400,"orderId":"o"}"#, NO_JSON, "");
        add("[]", INVALID, "");
        add("null", INVALID, "");
        add("", NO_JSON, "");
        cases.push(case(Method::POST, &path, b"{\"quantity\":1,\"orderId\":\"\xFF\"}", NO_JSON));
        cases.push(case(Method::POST, &path, vec![b' '; 2 << 20], (413, "PAYLOAD_TOO_LARGE")));
        for bad in ["1", "undefined", "64f0c2a1b2c3d4e5f6a7b8cg", "%FF", "%00", "64f0c2a1b2c3d4e5f6a7b8c9aa"]
        {
            let path = format!("{PRODUCTS}/{bad}/{call}");
            cases.push(case(Method::POST, path, r#"{"quantity":1,"orderId":"o"}"#, BAD_ID));
        }
        let unknown = format!("{PRODUCTS}/64f0c2a1b2c3d4e5f6a7b8c9/{call}");
        cases.push(case(
            Method::POST,
            unknown,
            r#"{"quantity":1,"orderId":"o"}"#,
            (404, "PRODUCT_NOT_FOUND"),
        ));
    }
    refused(&shop, &id, cases).await;
}

#[tokio::test]
async fn adjust() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let path = format!("{PRODUCTS}/{id}/adjust");
    let good = r#"{"delta":-3,"reason":"damaged"}"#;
    let mut cases = Vec::new();
    let mut add =
        |body: &str, code, field| cases.push(Case { field, ..case(Method::POST, &path, body, code) });
    for delta in ["0", "1.5", "\"3\"", "null", "9223372036854775808", "-9223372036854775809", "1e3"] {
        add(&format!(r#"{{"delta":{delta},"reason":"x"}}"#), INVALID, "delta");
    }
    add(r#"{"delta":1e400,"reason":"x"}"#, NO_JSON, "");
    add(r#"{"delta":1000000000001,"reason":"x"}"#, INVALID, "delta");
    add(r#"{"delta":9223372036854775807,"reason":"x"}"#, (422, "IDEMPOTENCY_KEY_REUSED"), "");
    for reason in ["\"\"", "\"  \"", "null", "5", "\"a\\u0007\"", &format!("\"{}\"", "x".repeat(501))] {
        add(&format!(r#"{{"delta":1,"reason":{reason}}}"#), INVALID, "reason");
    }
    add(r#"{"delta":1}"#, INVALID, "reason");
    add(r#"{"delta":1,"reason":"x","by":"me"}"#, INVALID, "by");
    let key = |key, code| Case { key, ..case(Method::POST, &path, good, code) };
    cases.push(key(None, (400, "IDEMPOTENCY_KEY_REQUIRED")));
    cases.push(key(Some(""), (400, "INVALID_IDEMPOTENCY_KEY")));
    cases.push(key(Some("two words"), (400, "INVALID_IDEMPOTENCY_KEY")));
    cases.push(Case {
        key: Some("enough"),
        ..case(Method::POST, &path, r#"{"delta":-11,"reason":"x"}"#, (409, "STOCK_HELD"))
    });
    cases.push(Case {
        key: Some("lots"),
        ..case(Method::POST, &path, r#"{"delta":-9223372036854775808,"reason":"x"}"#, (409, "STOCK_HELD"))
    });
    let unknown = format!("{PRODUCTS}/64f0c2a1b2c3d4e5f6a7b8c9/adjust");
    cases.push(case(Method::POST, unknown, good, (404, "PRODUCT_NOT_FOUND")));
    refused(&shop, &id, cases).await;
}

#[tokio::test]
async fn create_and_update() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let one = format!("{PRODUCTS}/{id}");
    let mut cases = Vec::new();
    let long = |n: usize| json!("x".repeat(n));
    let fields: Vec<(&str, Value)> = vec![
        ("name", json!("")),
        ("name", json!("a\u{0}b")),
        ("name", json!(7)),
        ("name", Value::Null),
        ("name", long(201)),
        ("price", json!(-0.01)),
        ("price", json!(29.999)),
        ("price", json!("29.99")),
        ("price", Value::Null),
        ("price", json!(90_071_992_547_409.92)),
        ("description", long(5001)),
        ("description", json!("\u{1b}[31m")),
        ("description", Value::Null),
        ("currency", json!("EUR")),
        ("currency", json!("usd")),
        ("category", json!("")),
        ("category", long(101)),
        ("sku", long(65)),
        ("sku", json!(12)),
        ("brand", json!(["a"])),
        ("tags", json!("a")),
        ("tags", json!(vec!["x"; 31])),
        ("tags", Value::Null),
        ("imageUrl", json!("javascript:alert(1)")),
        ("imageUrl", json!("//evil.example/x.png")),
        ("rating", json!(5.01)),
        ("rating", json!(-1)),
        ("rating", json!(4.123)),
        ("reviewCount", json!(-1)),
        ("reviewCount", json!(4_294_967_296_u64)),
        ("isActive", json!("yes")),
        ("isActive", Value::Null),
        ("colour", json!("red")),
        ("_id", json!("64f0c2a1b2c3d4e5f6a7b8c9")),
    ];
    for (field, value) in fields {
        let mut body = json!({"name": "Kettle", "price": 69});
        body[field] = value.clone();
        let created = case(Method::POST, PRODUCTS, body.to_string(), INVALID);
        let updated = case(Method::PUT, &one, json!({field: value}).to_string(), INVALID);
        for mut case in [created, updated] {
            // `tags[0]` and the like are named by their path.
            case.field = field;
            cases.push(case);
        }
    }
    for price in ["NaN", "1e400", "-Infinity", "0x10", "1.", "+1"] {
        let body = format!(r#"{{"name":"Kettle","price":{price}}}"#);
        cases.push(case(Method::POST, PRODUCTS, &body, NO_JSON));
        cases.push(case(Method::PUT, &one, format!(r#"{{"price":{price}}}"#), NO_JSON));
    }
    let mut create = |body: &str, code, field| {
        cases.push(Case { field, ..case(Method::POST, PRODUCTS, body, code) });
    };
    create(r#"{"price":1}"#, INVALID, "name");
    create(r#"{"name":"Kettle"}"#, INVALID, "price");
    create(r#"{"name":"Kettle","name":"Pot","price":1}"#, NO_JSON, "");
    for stock in ["-1", "1.5", "null", "\"5\"", "1e2"] {
        create(&format!(r#"{{"name":"Kettle","price":1,"stock":{stock}}}"#), INVALID, "stock");
    }
    cases.push(Case {
        key: Some("too much"),
        ..case(Method::POST, PRODUCTS, "{}", (400, "INVALID_IDEMPOTENCY_KEY"))
    });
    let too_much = r#"{"name":"Kettle","price":1,"stock":1000000000001}"#;
    cases.push(Case { field: "stock", key: None, ..case(Method::POST, PRODUCTS, too_much, INVALID) });
    for body in [r#"{"stock":5}"#, r#"{"stock":null,"price":1}"#, r#"{"onHand":5}"#, r#"{"reserved":0}"#] {
        cases.push(case(Method::PUT, &one, body, (422, "STOCK_NOT_EDITABLE")));
    }
    cases.push(case(Method::PUT, &one, r#"{"name":"x","version":99}"#, (412, "VERSION_CONFLICT")));
    cases.push(case(Method::PUT, &one, "[]", INVALID));
    cases.push(case(Method::PUT, format!("{PRODUCTS}/x"), "{}", BAD_ID));
    cases.push(case(
        Method::PUT,
        format!("{PRODUCTS}/{}", "0".repeat(24)),
        r#"{"name":"x"}"#,
        (404, "PRODUCT_NOT_FOUND"),
    ));
    cases.push(case(Method::POST, PRODUCTS, vec![b'x'; 2 << 20], (413, "PAYLOAD_TOO_LARGE")));
    refused(&shop, &id, cases).await;

    let plain = shop.client.post(PRODUCTS).raw("{}").header("content-type", "text/plain").send().await;
    assert_eq!((plain.status.as_u16(), plain.code()), (415, "UNSUPPORTED_MEDIA_TYPE"));
}

#[tokio::test]
async fn queries_and_ids() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    let mut cases = Vec::new();
    let mut list = |query: &str, field| {
        let path = format!("{PRODUCTS}?{query}");
        cases.push(Case { field, ..case(Method::GET, path, "", BAD_QUERY) });
    };
    for (query, field) in [
        ("page=0", "page"),
        ("page=-1", "page"),
        ("page=4294967296", "page"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("minPrice=-1", "minPrice"),
        ("minPrice=NaN", "minPrice"),
        ("maxPrice=1e400", "maxPrice"),
        ("maxPrice=0.001", "maxPrice"),
        ("minPrice=5&maxPrice=4", "maxPrice"),
        ("inStock=maybe", "inStock"),
        ("sort=colour", "sort"),
        ("sort=--price", "sort"),
        ("sort=price;drop", "sort"),
        ("colour=red", "colour"),
        ("page=1&page=2", "page"),
        ("search=%FF", "search"),
    ] {
        list(query, field);
    }
    list(&format!("search={}", "x".repeat(201)), "search");
    for (query, field) in
        [("", "q"), ("q=", "q"), ("q=%20", "q"), ("q=a&colour=red", "colour"), ("q=a&limit=0", "limit")]
    {
        cases.push(Case { field, ..case(Method::GET, format!("{PRODUCTS}/search?{query}"), "", BAD_QUERY) });
    }
    for below in ["holds", "movements"] {
        let path = format!("{PRODUCTS}/{id}/{below}");
        cases.push(Case { field: "limit", ..case(Method::GET, format!("{path}?limit=201"), "", BAD_QUERY) });
        cases.push(Case { field: "page", ..case(Method::GET, format!("{path}?page=1"), "", BAD_QUERY) });
        for cursor in ["x", "AAAA", "%00"] {
            let path = format!("{path}?cursor={cursor}");
            cases.push(case(Method::GET, path, "", (400, "INVALID_CURSOR")));
        }
        cases.push(case(Method::GET, format!("{PRODUCTS}/nope/{below}"), "", BAD_ID));
        let unknown = format!("{PRODUCTS}/{}/{below}", "0".repeat(24));
        cases.push(case(Method::GET, unknown, "", (404, "PRODUCT_NOT_FOUND")));
    }
    for method in [Method::GET, Method::DELETE] {
        cases.push(case(method.clone(), format!("{PRODUCTS}/nope"), "", BAD_ID));
        let unknown = format!("{PRODUCTS}/{}", "0".repeat(24));
        cases.push(case(method, unknown, "", (404, "PRODUCT_NOT_FOUND")));
    }
    cases.push(case(Method::GET, "/api/v1/nothing", "", (404, "ROUTE_NOT_FOUND")));
    cases.push(case(Method::PATCH, format!("{PRODUCTS}/{id}"), "{}", (405, "METHOD_NOT_ALLOWED")));
    refused(&shop, &id, cases).await;
}

#[tokio::test]
async fn hostile_searches_are_inert() {
    let shop = Shop::open();
    shop.product("Test Product", 10).await;
    for text in [
        "\"",
        "'",
        "' OR 1=1 --",
        "\"test",
        "test\"",
        "test*",
        "*",
        "NEAR(a b)",
        "name:test",
        "^test",
        "-test",
        "(",
        ")",
        "a AND",
        "OR",
        "NOT",
        "{a}",
        "%",
        "_",
        "\\",
        "\u{0}",
        "\u{0}test",
        "'; DROP TABLE products; --",
        "🎉",
        "ﬀ",
        "\u{202e}",
        "test product",
        "TEST",
        "+",
        "a+b",
        "NULL",
        "test AND product",
        "\"test\" \"product\"",
    ] {
        let encoded: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
        for path in [format!("?search={encoded}"), format!("/search?q={encoded}")] {
            let response = shop.get(&path).await;
            assert_eq!(response.status, 200, "{text:?}: {}", response.text());
            assert!(response.json["meta"]["total"].as_u64().unwrap() <= 1, "{text:?}");
        }
    }
    assert_eq!(shop.get("/search?q=prod").await.json["meta"]["total"], 1);
}
