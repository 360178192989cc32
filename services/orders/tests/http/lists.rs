//! Lists: filters, sorting, cursors.

use holdfast_orders::http::BASE;
use serde_json::{Value, json};

use crate::support::{World, order};

async fn list(world: &World, query: &str) -> Value {
    let response = world.client.get(&format!("{BASE}{query}")).send().await;
    assert_eq!(response.status, 200, "{query} {}", response.json);
    response.json
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"]["orders"].as_array().unwrap().iter().map(|o| o["_id"].as_str().unwrap()).collect()
}

/// Six orders of two users, with amounts that are not in the order of time. Newest last.
async fn world() -> (World, Vec<Value>) {
    let world = World::new().await;
    let mut orders = Vec::new();
    for (n, quantity) in [3, 1, 2, 6, 5, 4].into_iter().enumerate() {
        world.clock.advance(std::time::Duration::from_secs(1));
        let mut body = order();
        body["userId"] = json!(if n % 2 == 0 { "anna" } else { "ben/ü" });
        body["items"][0]["quantity"] = json!(quantity);
        body["items"][0]["price"] = json!(1);
        body["totalAmount"] = json!(quantity);
        body["items"][0]["productName"] = json!(if n < 3 { "Red Lamp" } else { "Blue Desk Lamp" });
        let response = world.client.post(BASE).json(&body).send().await;
        orders.push(response.json["data"]["order"].clone());
    }
    (world, orders)
}

#[tokio::test]
async fn lists_show_own_writes_at_once_newest_first() {
    let (world, orders) = world().await;
    // Before anything was indexed, and after.
    for _ in 0..2 {
        let all = list(&world, "").await;
        assert_eq!(
            (&all["data"]["count"], &all["meta"]),
            (&json!(6), &json!({"nextCursor": null, "total": 6}))
        );
        let newest_first: Vec<&str> = orders.iter().rev().map(|o| o["_id"].as_str().unwrap()).collect();
        assert_eq!(ids(&all), newest_first);
        assert_eq!(all["data"]["orders"][0], orders[5]);
        world.store.flush_index().await.unwrap();
    }
}

#[tokio::test]
async fn filters_and_sorting() {
    let (world, orders) = world().await;
    world.set_status(&orders[0], 5).await;
    world.set_status(&orders[3], 5).await;
    let number = orders[2]["orderNumber"].as_str().unwrap();
    for _ in 0..2 {
        for (query, expected) in [
            ("?status=5", vec![3, 0]),
            ("?status=cancelled", vec![3, 0]),
            ("?status=pending&userId=anna", vec![4, 2]),
            ("?userId=anna", vec![4, 2, 0]),
            ("?userId=ben/%C3%BC", vec![5, 3, 1]),
            ("?userId=nobody", vec![]),
            ("/user/anna", vec![4, 2, 0]),
            ("/user/ben%2F%C3%BC?status=1", vec![5, 1]),
            ("/user/anna?userId=anna&sortBy=amount", vec![4, 0, 2]),
            ("?sortBy=amount", vec![3, 4, 5, 0, 2, 1]),
            ("?sortBy=amount&sortOrder=asc", vec![1, 2, 0, 5, 4, 3]),
            ("?sortBy=date&sortOrder=asc&limit=2", vec![0, 1]),
            ("?search=&status=", vec![5, 4, 3, 2, 1, 0]),
            ("?search=desk", vec![5, 4, 3]),
            ("?search=LAMP+re", vec![2, 1, 0]),
            ("?search=lamp&userId=anna&status=1", vec![4, 2]),
            ("?search=esk", vec![]),
        ] {
            let found = list(&world, query).await;
            let expected: Vec<&str> =
                expected.into_iter().map(|n: usize| orders[n]["_id"].as_str().unwrap()).collect();
            assert_eq!(ids(&found), expected, "{query}");
        }
        let found = list(&world, &format!("?search={}", number.to_lowercase())).await;
        assert_eq!(ids(&found), [orders[2]["_id"].as_str().unwrap()]);
        world.store.flush_index().await.unwrap();
    }
    let other = world.client.get(&format!("{BASE}/user/anna?userId=ben")).send().await;
    assert_eq!(other.code(), "INVALID_QUERY");
}

#[tokio::test]
async fn cursors_lead_through_the_whole_list_once() {
    let (world, _) = world().await;
    for (limit, rest) in [
        (2, ""),
        (1, "&sortOrder=asc"),
        (4, "&sortBy=amount"),
        (2, "&search=lamp&sortBy=amount&sortOrder=asc"),
    ] {
        let all = list(&world, &format!("?limit=200{rest}")).await;
        assert_eq!(all["data"]["count"], 6);
        let query = format!("?limit={limit}{rest}");
        let mut seen = Vec::new();
        let mut next = String::new();
        loop {
            let page = list(&world, &format!("{query}{next}")).await;
            assert_eq!(page["meta"]["total"], 6);
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            match page["meta"]["nextCursor"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, ids(&all), "{query}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list() {
    let (world, _) = world().await;
    let page = list(&world, "?limit=2").await;
    let cursor = page["meta"]["nextCursor"].as_str().unwrap();
    // Another page size is the same list.
    list(&world, &format!("?limit=3&cursor={cursor}")).await;
    for other in
        ["?sortBy=amount&", "?sortOrder=asc&", "?status=1&", "?userId=anna&", "?search=lamp&", "/user/anna?"]
    {
        let response = world.client.get(&format!("{BASE}{other}limit=2&cursor={cursor}")).send().await;
        assert_eq!((response.status.as_u16(), response.code()), (400, "INVALID_CURSOR"), "{other}");
    }
}
