//! Dead letters of the Products service, as an operator sees them.

use holdfast_contract::event::Event;
use holdfast_contract::{OrderNumber, Topic};
use holdfast_service::test_support::TestResponse;
use serde_json::{Value, json};

use crate::support::{Shop, order, request};

const LETTERS: &str = "/api/v1/dead-letters";

impl Shop {
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

    /// Everything that may change: letters with their attempts, stock, what was said.
    async fn everything(&self, product: &str) -> (Vec<Value>, Value, Value, Value) {
        let said = self.ask("/api/v1/topics").await;
        let moved = self.get(&format!("/{product}/movements")).await.json;
        (self.letters().await, self.show(product).await, said, moved["data"].clone())
    }

    /// A message that cannot be processed, and requests of `quantities` behind it.
    async fn park(&self, n: u64, product: &str, quantities: &[u64]) {
        let key = order(n).to_string();
        self.publish(Topic::InventoryReserve, &key, "{\"eventType\":").await;
        for &quantity in quantities {
            let good = request(order(n), product, quantity);
            self.publish(Topic::InventoryReserve, &key, good.payload).await;
        }
        self.take().await;
    }
}

#[tokio::test]
async fn what_is_parked_is_shown_with_its_place_and_its_cause() {
    let shop = Shop::open();
    let product = shop.product("Test Product", 10).await;
    shop.park(2, &product, &[3]).await;
    let letters = shop.letters().await;
    let number = OrderNumber::from(order(2)).to_string();
    assert_eq!(letters.len(), 2);
    for (letter, id, cause, offset) in
        [(&letters[0], "products-1", "poison", 0), (&letters[1], "products-2", "behind", 1)]
    {
        assert_eq!(
            (&letter["id"], &letter["cause"], &letter["offset"]),
            (&json!(id), &json!(cause), &json!(offset))
        );
        assert_eq!(
            (&letter["topic"], &letter["group"]),
            (&json!("inventory.reserve"), &json!("products-service-group"))
        );
        assert_eq!((&letter["orderId"], &letter["orderNumber"]), (&json!(order(2)), &json!(number)));
        assert_eq!((&letter["key"], &letter["attempts"]), (&json!(order(2)), &json!(0)));
        assert_eq!(letter["error"].is_string(), cause == "poison");
    }
    let shown = shop.ask(&format!("{LETTERS}/products-1")).await["data"]["deadLetter"].take();
    assert_eq!((&shown["payload"], &shown["payloadEncoding"]), (&json!("{\"eventType\":"), &json!("text")));
    assert_eq!((&shown["first"], &shown["queue"]), (&json!("products-1"), &json!(2)));
    let shown = shop.ask(&format!("{LETTERS}/products-2")).await["data"]["deadLetter"].take();
    assert_eq!(
        (&shown["first"], &shown["eventType"]),
        (&json!("products-1"), &json!("STOCK_RESERVE_REQUEST"))
    );
    assert_eq!(
        (&shown["payload"]["orderId"], &shown["headers"]["ce_source"]),
        (&json!(order(2)), &json!("/holdfast/orders"))
    );

    // The copy for others.
    let copies = shop.ask("/api/v1/topics/inventory.reserve.dlq/messages").await;
    assert_eq!(
        (&copies["data"]["count"], &copies["data"]["messages"][0]["payload"]),
        (&json!(1), &json!("{\"eventType\":"))
    );
    let group = shop.ask("/api/v1/groups").await["data"]["groups"][0].take();
    assert_eq!((&group["lag"], &group["parked"]), (&json!(0), &json!(2)));
}

#[tokio::test]
async fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let shop = Shop::open();
    let product = shop.product("Test Product", 10).await;
    shop.park(2, &product, &[3]).await;
    shop.park(3, &product, &[]).await;
    // Behind nothing any more: what was wrong with the first was mended by discarding it, say.
    let before = shop.everything(&product).await;
    let number = OrderNumber::from(order(2)).to_string();

    let replay = shop.act("products-1", "replay", true).await;
    assert_eq!(replay.status, 200, "{}", replay.text());
    assert_eq!(
        (&replay.json["data"]["dryRun"], &replay.json["data"]["replayed"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(replay.json["data"]["stuck"]["id"], "products-1");
    assert!(replay.json["data"]["stuck"]["error"].as_str().unwrap().contains("not a readable event"));

    let discard = shop.act("products-1", "discard", true).await;
    assert_eq!(discard.status, 200, "{}", discard.text());
    let data = &discard.json["data"];
    assert_eq!(data["discarded"]["effect"], format!("{number} is rejected with PROCESSING_FAILED"));
    let behind = format!(
        "reserve 3 units of Test Product for {number}: was decided before (rejected PROCESSING_FAILED), the same answer again"
    );
    assert_eq!(
        (&data["replayed"][0]["id"], &data["replayed"][0]["effect"]),
        (&json!("products-2"), &json!(behind))
    );
    assert_eq!(shop.everything(&product).await, before);
    // What is at hand is not touched either.
    assert_eq!(shop.reserve(&product, "till-1", 10).await.status, 200);
}

#[tokio::test]
async fn invariant_8_a_replay_runs_in_order_and_counts_what_fails() {
    let shop = Shop::open();
    let product = shop.product("Test Product", 10).await;
    shop.park(2, &product, &[3]).await;
    for attempts in 1..3 {
        let refused = shop.act("products-1", "replay", false).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, "STILL_POISON"));
        assert_eq!(refused.json["details"]["attempts"], attempts);
        assert_eq!(shop.letters().await[0]["attempts"], attempts);
    }
    for act in ["replay", "discard"] {
        for dry_run in [true, false] {
            let refused = shop.act("products-2", act, dry_run).await;
            assert_eq!((refused.status.as_u16(), refused.code()), (409, "DEAD_LETTER_BEHIND"));
            assert_eq!(refused.json["details"], json!({"first": "products-1"}));
        }
    }
    let discarded = shop.act("products-1", "discard", false).await;
    assert_eq!(discarded.status, 200, "{}", discarded.text());
    assert_eq!(discarded.json["data"]["replayed"].as_array().unwrap().len(), 1);
    assert!(shop.letters().await.is_empty());
    assert_eq!(shop.balances(&product).await, (10, 0, 10));
    let rejected = shop.ask("/api/v1/topics/inventory.rejected/messages").await;
    assert_eq!(rejected["data"]["messages"][0]["payload"]["reason"], "PROCESSING_FAILED");
}

#[tokio::test]
async fn replaying_what_can_be_processed_now_holds_stock() {
    let shop = Shop::open();
    let product = shop.product("Test Product", 10).await;
    shop.park(2, &product, &[3, 3]).await;
    // As if a newer version could read what this one could not.
    let good = request(order(2), &product, 3).payload;
    let mended = shop.store.database().write(move |tx| {
        tx.connection().execute("UPDATE parked SET payload = ?1 WHERE id = 1", [&good[..]])?;
        Ok::<_, holdfast_storage::StoreError>(())
    });
    mended.await.unwrap();
    let number = OrderNumber::from(order(2)).to_string();
    let dry = shop.act("products-1", "replay", true).await;
    assert_eq!(dry.json["message"], "Would replay 3 messages");
    let effects: Vec<&str> = dry.json["data"]["replayed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["effect"].as_str().unwrap())
        .collect();
    assert_eq!(effects[0], format!("reserve 3 units of Test Product for {number}: held"));
    assert!(effects[1].ends_with("was decided before (held), the same answer again"), "{effects:?}");
    assert_eq!(shop.balances(&product).await, (10, 0, 10));

    let real = shop.act("products-1", "replay", false).await;
    assert_eq!(real.json["data"]["replayed"], dry.json["data"]["replayed"]);
    assert_eq!(shop.balances(&product).await, (7, 3, 10));
    assert!(shop.letters().await.is_empty());

    // A replay that finds too little is no failure: the order is rejected.
    shop.park(4, &product, &[]).await;
    let letter = shop.letters().await[0]["id"].as_str().unwrap().to_owned();
    let greedy = request(order(4), &product, 8).payload;
    let mended = shop.store.database().write(move |tx| {
        tx.connection().execute("UPDATE parked SET payload = ?1", [&greedy[..]])?;
        Ok::<_, holdfast_storage::StoreError>(())
    });
    mended.await.unwrap();
    let dry = shop.act(&letter, "replay", true).await;
    let effect = dry.json["data"]["replayed"][0]["effect"].as_str().unwrap();
    assert!(effect.ends_with("rejected OUT_OF_STOCK (Test Product: 8 requested, 7 available)"), "{effect}");
}

#[tokio::test]
async fn a_message_without_a_readable_order_parks_alone() {
    let shop = Shop::open();
    let product = shop.product("Test Product", 10).await;
    for key in ["", "no order", ""] {
        shop.publish(Topic::InventoryReserve, key, &b"\xff\x00"[..]).await;
    }
    // A foreign writer without a key, whose payload says what it is about.
    let named = json!({"eventType": "STOCK_RESERVE_REQUEST", "orderId": order(5), "items": 7}).to_string();
    shop.publish(Topic::InventoryReserve, "", named).await;
    shop.take().await;
    let letters = shop.letters().await;
    let orders: Vec<&Value> = letters.iter().map(|l| &l["orderId"]).collect();
    assert_eq!(orders, [&Value::Null, &Value::Null, &Value::Null, &json!(order(5))]);
    assert!(letters.iter().all(|l| l["cause"] == "poison"));
    let shown = shop.ask(&format!("{LETTERS}/products-1")).await["data"]["deadLetter"].take();
    assert_eq!(
        (&shown["payload"], &shown["payloadEncoding"], &shown["queue"]),
        (&json!("/wA="), &json!("base64"), &json!(1))
    );
    let discarded = shop.act("products-2", "discard", false).await;
    assert_eq!(
        discarded.json["data"]["discarded"]["effect"],
        "removed; it names no order, so nothing else changes"
    );

    // Later ones of the order wait, whatever their partition is.
    let good = request(order(5), &product, 1);
    shop.publish(Topic::InventoryReserve, &order(5).to_string(), good.payload.clone()).await;
    shop.take().await;
    assert_eq!(shop.balances(&product).await, (10, 0, 10));
    let of_order = shop.ask(&format!("{LETTERS}?order={}", OrderNumber::from(order(5)))).await;
    let causes: Vec<&Value> =
        of_order["data"]["deadLetters"].as_array().unwrap().iter().map(|l| &l["cause"]).collect();
    assert_eq!(causes, ["poison", "behind"]);
    assert!(Event::decode(Topic::InventoryReserve, &good.payload).is_ok());
}

#[tokio::test]
async fn nothing_is_parked_behind_what_somebody_else_has_replayed() {
    let shop = Shop::open();
    let product = shop.product("Test Product", 10).await;
    shop.park(2, &product, &[]).await;
    // Another instance, on the same database, discards it; this one's decider still has it in mind.
    let gone = shop.store.database().write(|tx| {
        tx.connection().execute("DELETE FROM parked", [])?;
        Ok::<_, holdfast_storage::StoreError>(())
    });
    gone.await.unwrap();
    let good = request(order(2), &product, 3).payload;
    shop.publish(Topic::InventoryReserve, &order(2).to_string(), good).await;
    let inbox = shop.store.inbox();
    let topics = Topic::TO_PRODUCTS;
    let mut consumer = shop.bus.subscribe(holdfast_bus::PRODUCTS_GROUP, topics, inbox).await.unwrap();
    let batch = consumer.poll(10).await.unwrap();
    let mut handler = holdfast_products::consumer::StockHandler::new(shop.decider.clone());
    let void = holdfast_bus::worker::Handler::handle(&mut handler, &batch).await.unwrap_err();
    assert!(void.is_stale(), "{void}");
    holdfast_bus::worker::Handler::handle(&mut handler, &batch).await.unwrap();
    assert!(shop.letters().await.is_empty());
    assert_eq!(shop.balances(&product).await, (7, 3, 10));
}
