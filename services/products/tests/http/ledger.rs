//! Holds and movements add up to the stock.

use serde_json::{Value, json};

use crate::support::{Shop, order};

#[tokio::test]
async fn holds_and_movements_say_what_happened() {
    let shop = Shop::open();
    let id = shop.product("Test Product", 10).await;
    shop.reserve(&id, "till-1", 2).await;
    shop.reserve_by_event(order(5), &id, 3).await;
    shop.adjust(&id, "k", -1).await;
    shop.release(&id, "till-1", 2).await;

    let holds = shop.all(&id, "holds", 1).await;
    assert_eq!(holds.len(), 1);
    let own = order(5);
    let reservation = holdfast_contract::ReservationId::from(own);
    assert_eq!(
        holds[0],
        json!({
            "holdId": holds[0]["holdId"], "productId": id, "reservationId": reservation, "orderId": own,
            "orderNumber": holdfast_contract::OrderNumber::from(own), "lineId": 1, "locationId": "default", "quantity": 3,
            "consumedQuantity": 0, "source": "event", "expiresAt": null, "createdAt": holds[0]["createdAt"],
        })
    );
    let movements = shop.all(&id, "movements", 2).await;
    let kinds: Vec<&str> = movements.iter().map(|m| m["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["released", "adjusted", "reserved", "reserved", "received"], "newest first");
    assert_eq!(movements[1]["cause"], json!({"type": "adjusted", "reason": "counted"}));
    assert_eq!(
        movements[2]["cause"],
        json!({"type": "event", "topic": "inventory.reserve", "partition": 0, "offset": 0})
    );
    assert_eq!(movements[3]["cause"], json!({"type": "http_reserve"}));
    assert_eq!(movements[0]["cause"], json!({"type": "http_release"}));
    assert_eq!(movements[4]["cause"], json!({"type": "created"}));
    assert_eq!((&movements[2]["orderId"], &movements[3]["orderId"]), (&json!(own), &json!("till-1")));
    assert_eq!(movements[0]["holdId"], movements[3]["holdId"]);
    assert_eq!(movements[0]["balances"], json!({"stock": 6, "reserved": 3, "onHand": 9}));

    // A cursor is for one list of one product.
    let other = shop.product("Kettle", 1).await;
    let next = shop.get(&format!("/{id}/movements?limit=2")).await.json["meta"]["nextCursor"].clone();
    let next = next.as_str().unwrap();
    for path in [format!("/{other}/movements?cursor={next}"), format!("/{id}/holds?cursor={next}")] {
        assert_eq!(shop.get(&path).await.code(), "INVALID_CURSOR");
    }
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[tokio::test]
async fn invariant_7_any_script_of_calls_is_conserved_in_the_movements() {
    for seed in [1, 2, 3] {
        let shop = Shop::open();
        let mut dice = Dice(seed);
        let products = [shop.product("A", 20).await, shop.product("B", 0).await, shop.product("C", 7).await];
        for step in 0..150 {
            let id = &products[dice.roll(3) as usize];
            let till = format!("till-{}", dice.roll(12));
            let quantity = 1 + dice.roll(6);
            let answer = match dice.roll(8) {
                0..=2 => shop.reserve(id, &till, quantity).await,
                3..=4 => shop.release(id, &till, quantity).await,
                5 => shop.adjust(id, &format!("key-{}", dice.roll(40)), dice.roll(9) as i64 - 4).await,
                6 => {
                    shop.reserve_by_event(order(100 + dice.roll(10)), id, quantity).await;
                    continue;
                }
                _ => shop.get(&format!("/{id}")).await,
            };
            assert!(answer.status.as_u16() < 500, "seed {seed} step {step}: {}", answer.text());
            let (stock, reserved, on_hand) = shop.balances(id).await;
            assert!(stock >= 0 && reserved >= 0 && stock + reserved == on_hand, "seed {seed} step {step}");
        }
        for id in &products {
            adds_up(&shop, id, &format!("seed {seed}")).await;
        }
    }
}

async fn adds_up(shop: &Shop, id: &str, what: &str) {
    let (stock, reserved, on_hand) = shop.balances(id).await;
    let mut movements = shop.all(id, "movements", 7).await;
    movements.reverse();
    let number = |value: &Value| value.as_i64().unwrap();
    let (mut there, mut held) = (0, 0);
    for movement in &movements {
        there += number(&movement["onHandDelta"]);
        held += number(&movement["reservedDelta"]);
        let after = json!({"stock": there - held, "reserved": held, "onHand": there});
        assert_eq!(movement["balances"], after, "{what}: {movement}");
    }
    assert_eq!((there - held, held, there), (stock, reserved, on_hand), "{what}");
    let holds = shop.all(id, "holds", 3).await;
    assert_eq!(holds.iter().map(|h| number(&h["quantity"])).sum::<i64>(), reserved, "{what}");
}
