//! Topics, groups and dead letters, as an operator of the Orders service sees them.

use holdfast_contract::{OrderNumber, Topic};
use holdfast_service::test_support::TestResponse;
use serde_json::{Value, json};

use crate::support::{World, id, reserved};

const LETTERS: &str = "/api/v1/dead-letters";

impl World {
    async fn ask(&self, path: &str) -> Value {
        let response = self.client.get(path).send().await;
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json
    }

    async fn act(&self, id: &str, act: &str, dry_run: bool) -> TestResponse {
        let body = json!({ "dryRun": dry_run });
        self.client.post(&format!("{LETTERS}/{id}/{act}")).json(&body).send().await
    }

    async fn letters(&self) -> Vec<Value> {
        self.ask(LETTERS).await["data"]["deadLetters"].as_array().unwrap().clone()
    }
}

fn offsets(page: &Value) -> Vec<u64> {
    let messages = page["data"]["messages"].as_array().unwrap();
    assert_eq!(page["data"]["count"], messages.len());
    messages.iter().map(|m| m["offset"].as_u64().unwrap()).collect()
}

#[tokio::test]
async fn every_topic_is_shown_with_its_partitions() {
    let world = World::new().await;
    world.placed().await;
    let topics = world.ask("/api/v1/topics").await["data"].take();
    assert_eq!(topics["count"], Topic::ALL.len());
    let names: Vec<&str> =
        topics["topics"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap()).collect();
    assert!(names.is_sorted(), "{names:?}");
    let topic = world.ask("/api/v1/topics/inventory.reserve").await["data"]["topic"].take();
    assert_eq!((&topic["messages"], &topic["publishedBy"]), (&json!(1), &json!("orders")));
    assert_eq!(topic["deadLetterTopic"], "inventory.reserve.dlq");
    let partitions = topic["partitions"].as_array().unwrap();
    let numbers: Vec<&Value> = partitions.iter().map(|p| &p["partition"]).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert_eq!(partitions.iter().map(|p| p["endOffset"].as_u64().unwrap()).sum::<u64>(), 1);
    assert!(topics["topics"].as_array().unwrap().contains(&topic));
    for name in ["inventory.nothing", "Order.created", "%20"] {
        let missing = world.client.get(&format!("/api/v1/topics/{name}")).send().await;
        assert_eq!((missing.status.as_u16(), missing.code()), (404, "TOPIC_NOT_FOUND"), "{name}");
    }
}

#[tokio::test]
async fn messages_are_paged_from_either_end_without_a_gap() {
    let world = World::new().await;
    let mut placed = Vec::new();
    for _ in 0..7 {
        placed.push(world.placed().await);
        world.clock.advance(std::time::Duration::from_secs(1));
    }
    for (direction, reversed) in [("newest", true), ("oldest", false)] {
        for limit in [1, 3, 7, 50] {
            let (mut seen, mut cursor) = (Vec::new(), String::new());
            loop {
                let path =
                    format!("/api/v1/topics/order.created/messages?from={direction}&limit={limit}{cursor}");
                let page = world.ask(&path).await;
                assert!(offsets(&page).len() <= limit);
                let orders = page["data"]["messages"].as_array().unwrap().iter();
                seen.extend(orders.map(|m| m["payload"]["orderId"].as_str().unwrap().to_owned()));
                match page["meta"]["nextCursor"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            if reversed {
                seen.reverse();
            }
            let all: Vec<&str> = placed.iter().map(|o| o["_id"].as_str().unwrap()).collect();
            assert_eq!(seen, all, "{direction} by {limit}");
        }
    }
    let newest =
        world.ask("/api/v1/topics/order.created/messages?limit=1").await["data"]["messages"][0].take();
    assert_eq!((&newest["eventType"], &newest["payloadEncoding"]), (&json!("ORDER_CREATED"), &json!("json")));
    assert_eq!(newest["headers"]["ce_type"], "ORDER_CREATED");
    assert_eq!(newest["key"], placed[6]["_id"]);
}

#[tokio::test]
async fn a_partition_is_read_from_an_offset_and_followed() {
    let world = World::new().await;
    let order = world.placed().await;
    for status in [2, 5] {
        world.reserved().await;
        world.set_status(&order, status).await;
    }
    let live = world.ask("/api/v1/topics/order.live").await["data"]["topic"].take();
    let partitions = live["partitions"].as_array().unwrap();
    let (number, end) = partitions
        .iter()
        .map(|p| (p["partition"].as_u64().unwrap(), p["endOffset"].as_u64().unwrap()))
        .max_by_key(|(_, end)| *end)
        .unwrap();
    let path = format!("/api/v1/topics/order.live/messages?partition={number}");
    assert_eq!(offsets(&world.ask(&format!("{path}&offset=1")).await), (1..end).collect::<Vec<_>>());
    assert_eq!(offsets(&world.ask(&format!("{path}&offset=1&from=newest")).await), [1, 0]);
    assert_eq!(offsets(&world.ask(&format!("{path}&offset=999")).await), [0; 0]);

    // Follow: what comes later, and only that; asking waits for it.
    let page = world.ask("/api/v1/topics/order.created/messages").await;
    let follow = page["meta"]["followCursor"].as_str().unwrap();
    let path = format!("/api/v1/topics/order.created/messages?from=oldest&wait=20&cursor={follow}");
    let (later, placed) = tokio::join!(world.ask(&path), world.placed());
    assert_eq!(later["data"]["messages"][0]["payload"]["orderId"], placed["_id"]);
    assert_eq!(later["data"]["count"], 1);
    let follow = later["meta"]["followCursor"].as_str().unwrap();
    let nothing =
        world.ask(&format!("/api/v1/topics/order.created/messages?from=oldest&cursor={follow}")).await;
    assert_eq!((&nothing["data"]["count"], &nothing["meta"]["nextCursor"]), (&json!(0), &Value::Null));
}

#[tokio::test]
async fn bad_questions_about_messages_are_refused() {
    let world = World::new().await;
    world.placed().await;
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("partition=3", "partition"),
        ("partition=x", "partition"),
        ("offset=1", "offset"),
        ("partition=0&offset=1&cursor=AQ", "offset"),
        ("from=middle", "from"),
        ("wait=5", "wait"),
        ("from=oldest&wait=21", "wait"),
        ("colour=red", "colour"),
    ] {
        let refused =
            world.client.get(&format!("/api/v1/topics/order.created/messages?{query}")).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "INVALID_QUERY"), "{query}");
        assert!(refused.json["fields"][field].is_string(), "{query}: {}", refused.text());
    }
    let page = world.ask("/api/v1/topics/order.created/messages").await;
    let follow = page["meta"]["followCursor"].as_str().unwrap();
    for path in [
        format!("/api/v1/topics/order.created/messages?cursor={follow}"),
        format!("/api/v1/topics/order.created/messages?from=oldest&partition=0&cursor={follow}"),
        format!("/api/v1/topics/order.live/messages?from=oldest&cursor={follow}"),
        format!("{LETTERS}?cursor={follow}"),
    ] {
        let refused = world.client.get(&path).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "INVALID_CURSOR"), "{path}");
    }
    let missing = world.client.get("/api/v1/topics/nothing/messages").send().await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, "TOPIC_NOT_FOUND"));
}

#[tokio::test]
async fn a_group_says_how_far_it_is() {
    let world = World::new().await;
    let order = world.placed().await;
    world.publish(&order, reserved(&order)).await;
    let group = async || world.ask("/api/v1/groups").await["data"]["groups"][0].take();
    let behind = group().await;
    assert_eq!((&behind["group"], &behind["service"]), (&json!("orders-service-group"), &json!("orders")));
    assert_eq!((&behind["lag"], &behind["parked"]), (&json!(1), &json!(0)));
    let partitions = behind["partitions"].as_array().unwrap();
    assert_eq!(partitions.len(), 3 * Topic::TO_ORDERS.len());
    assert!(partitions.iter().all(|p| p["position"].is_null() && p["positionState"] == "none"));

    world.publish_raw(Topic::InventoryReserved, id(&order).to_string(), "not json").await;
    world.take().await;
    let done = group().await;
    assert_eq!((&done["lag"], &done["parked"]), (&json!(0), &json!(1)));
    let moved: Vec<&Value> =
        done["partitions"].as_array().unwrap().iter().filter(|p| p["positionState"] == "current").collect();
    assert_eq!(moved.len(), 1);
    assert_eq!(
        (&moved[0]["position"], &moved[0]["endOffset"], &moved[0]["parked"]),
        (&json!(2), &json!(2), &json!(1))
    );
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let world = World::new().await;
    let sick = world.placed().await;
    let number = OrderNumber::from(id(&sick)).to_string();
    world.publish_raw(Topic::InventoryReserved, id(&sick).to_string(), "not json").await;
    world.publish(&sick, reserved(&sick)).await;
    world.publish(&sick, reserved(&sick)).await;
    world.take().await;
    let before = (world.letters().await, world.get(&sick).await, world.ask("/api/v1/topics").await);
    let replay = world.act("orders-1", "replay", true).await;
    assert_eq!(replay.status, 200, "{}", replay.text());
    assert_eq!(
        (&replay.json["data"]["replayed"], &replay.json["data"]["stuck"]["id"]),
        (&json!([]), &json!("orders-1"))
    );
    let dry = world.act("orders-1", "discard", true).await;
    let effects: Vec<&str> = dry.json["data"]["replayed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["effect"].as_str().unwrap())
        .collect();
    assert_eq!(
        effects,
        [
            format!("order {number}: stock reserved (was pending)"),
            format!("order {number}: stock is reserved already, nothing changes")
        ]
    );
    let after = (world.letters().await, world.get(&sick).await, world.ask("/api/v1/topics").await);
    assert_eq!(after, before);

    let real = world.act("orders-1", "discard", false).await;
    assert_eq!(real.json["data"]["replayed"], dry.json["data"]["replayed"]);
    assert_eq!(real.json["message"], "Discarded one message, replayed 2 messages behind it");
    assert!(world.letters().await.is_empty());
    assert_eq!(world.get(&sick).await["stockStatus"], "reserved");
}

#[tokio::test]
async fn dead_letters_are_filtered_paged_and_refused_by_their_codes() {
    let world = World::new().await;
    let mut orders = Vec::new();
    for _ in 0..5 {
        let order = world.placed().await;
        world.publish_raw(Topic::InventoryReserved, id(&order).to_string(), "not json").await;
        world.publish_raw(Topic::InventoryReleased, id(&order).to_string(), "not json").await;
        orders.push(order);
    }
    world.take().await;
    let ids = async |query: &str| -> Vec<String> {
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = world.ask(&format!("{LETTERS}?{query}{cursor}")).await;
            let letters = page["data"]["deadLetters"].as_array().unwrap();
            assert_eq!(page["data"]["count"], letters.len());
            all.extend(letters.iter().map(|l| l["id"].as_str().unwrap().to_owned()));
            match page["meta"]["nextCursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    };
    let all = ids("limit=3").await;
    assert_eq!(all.len(), 10);
    assert_eq!(ids("").await, all);
    assert_eq!(ids("topic=inventory.released&limit=2").await.len(), 5);
    assert_eq!(ids(&format!("order={}", orders[0]["orderNumber"].as_str().unwrap())).await.len(), 2);
    let one = format!("order={}&topic=inventory.reserved", orders[4]["_id"].as_str().unwrap());
    assert_eq!(ids(&one).await.len(), 1);
    assert_eq!(ids("topic=order.created").await.len(), 0);
    for (query, field) in
        [("topic=nothing", "topic"), ("order=nobody", "order"), ("limit=201", "limit"), ("x=1", "x")]
    {
        let refused = world.client.get(&format!("{LETTERS}?{query}")).send().await;
        assert_eq!((refused.status.as_u16(), refused.code()), (400, "INVALID_QUERY"), "{query}");
        assert!(refused.json["fields"][field].is_string(), "{query}");
    }
    for (id, status, code) in [
        ("orders-99", 404, "DEAD_LETTER_NOT_FOUND"),
        ("products-1", 404, "DEAD_LETTER_NOT_FOUND"),
        ("12", 400, "INVALID_ID"),
        ("orders-x", 400, "INVALID_ID"),
    ] {
        let shown = world.client.get(&format!("{LETTERS}/{id}")).send().await;
        assert_eq!((shown.status.as_u16(), shown.code()), (status, code), "{id}");
        for act in ["replay", "discard"] {
            for dry_run in [true, false] {
                let refused = world.act(id, act, dry_run).await;
                assert_eq!((refused.status.as_u16(), refused.code()), (status, code), "{act} {id}");
            }
        }
    }
    let unknown =
        world.client.post(&format!("{LETTERS}/orders-1/replay")).json(&json!({"dry": true})).send().await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (400, "VALIDATION_FAILED"));
    // Without a body it is done.
    let poison = world.client.post(&format!("{LETTERS}/orders-1/replay")).send().await;
    assert_eq!((poison.status.as_u16(), poison.code()), (422, "STILL_POISON"));
    assert_eq!(poison.json["details"]["attempts"], 1);
    assert_eq!(world.ask(&format!("{LETTERS}/orders-1")).await["data"]["deadLetter"]["attempts"], 1);
}
