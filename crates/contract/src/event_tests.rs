//! What every reader of events relies on.

use super::*;
use crate::id::Key;

fn reserve() -> Event {
    let order = OrderId::new(Key::compose(1_763_600_000_000, 1, 2));
    let lines = vec![Line {
        line_id: LineId(1),
        product_id: ProductId::from_bytes([7; 12]),
        product_name: Name::new("Test Product").unwrap(),
        quantity: Quantity::new(2).unwrap(),
        unit_price: Decimal::parse("29.99").unwrap(),
    }];
    let body = Body::ReserveRequest(ReserveRequest {
        reservation_id: order.into(),
        user_id: UserId::new("u").unwrap(),
        currency: Currency::USD,
        enforce_price: false,
        lines,
    });
    Event::about_order(order, 1, Timestamp::from_millis(1_763_600_000_000), body)
}

#[test]
fn reads_back_what_it_writes() {
    let event = reserve();
    assert_eq!(Event::decode(Topic::InventoryReserve, &event.encode()).unwrap(), Some(event));
}

#[test]
fn tolerates_unknown_fields_and_types() {
    let payload = String::from_utf8(reserve().encode()).unwrap();
    let newer = payload.replacen('{', r#"{"somethingNew":[1],"#, 1);
    assert_eq!(Event::decode(Topic::InventoryReserve, newer.as_bytes()).unwrap(), Some(reserve()));
    // Fields in another order, on another topic than its own.
    let at = payload.find(",\"reservationId\"").unwrap();
    let turned = format!("{{{},{}}}", &payload[at + 1..payload.len() - 1], &payload[1..at]);
    assert_eq!(Event::decode(Topic::OrderCreated, turned.as_bytes()).unwrap(), Some(reserve()));
    let unknown = payload.replace("STOCK_RESERVE_REQUEST", "STOCK_BLESSED");
    assert_eq!(Event::decode(Topic::InventoryReserve, unknown.as_bytes()).unwrap(), None);
}

#[test]
fn tolerates_unknown_statuses_and_words() {
    let order = OrderId::new(Key::compose(1_763_600_000_000, 1, 2));
    let head = |event_type: &str| {
        format!(
            r#""eventId":"e","eventType":"{event_type}","orderId":"{order}","orderNumber":"{}","#,
            OrderNumber::from(order)
        ) + &format!(
            r#""timestamp":"2026-01-01T00:00:00.000Z","schemaVersion":9,"reservationId":"{}","#,
            ReservationId::from(order)
        )
    };
    let decoded = |topic: Topic, event_type: &str, own: &str| {
        let payload = format!("{{{}{own}}}", head(event_type));
        Event::decode(topic, payload.as_bytes()).unwrap_or_else(|e| panic!("{e:?}: {payload}")).unwrap().body
    };
    let changed = |own: &str| match decoded(Topic::OrderStatusChanged, "ORDER_STATUS_CHANGED", own) {
        Body::OrderStatusChanged(changed) => changed,
        other => panic!("{other:?}"),
    };
    let newer = changed(
        r#""oldStatus":9,"oldStatusLabel":"Inspected","newStatus":10,"newStatusLabel":"x","stockStatus":"backordered""#,
    );
    assert_eq!((newer.old_status, newer.new_status, newer.stock_status), (None, None, None));
    // What Products needs is enough.
    assert_eq!(changed(r#""newStatus":3"#).new_status, Some(OrderStatus::Shipped));

    let created = decoded(
        Topic::OrderCreated,
        "ORDER_CREATED",
        r#""userId":"u","items":[],"totalAmount":1,"currency":"USD","paymentMethod":"barter","status":9"#,
    );
    assert!(matches!(created, Body::OrderCreated(c) if c.payment_method.is_none() && c.status.is_none()));
    let cancelled = decoded(
        Topic::OrderCancelled,
        "ORDER_CANCELLED",
        r#""userId":"u","reason":"r","oldStatus":"odd","totalAmount":1,"currency":"USD""#,
    );
    assert!(matches!(cancelled, Body::OrderCancelled(c) if c.old_status.is_none()));

    let product = ProductId::from_bytes([7; 12]);
    let movement = format!(
        r#"{{"movementId":"m","productId":"{product}","productName":"P","kind":"counted","onHandDelta":0,"reservedDelta":0,"#
    ) + r#""locationId":"default","balances":{"stock":1,"reserved":0,"onHand":1},"at":"2026-01-01T00:00:00.000Z"}"#;
    let own = format!(r#""outcome":"melted","movements":[{movement}]"#);
    let Body::StockReleased(released) = decoded(Topic::InventoryReleased, "STOCK_RELEASED", &own) else {
        panic!("another event");
    };
    assert_eq!(released.outcome, ReleaseOutcome::Unknown);
    assert_eq!(released.movements[0].kind, crate::stock::MovementKind::Unknown);
}

#[test]
fn faults_of_the_message_itself_are_poison() {
    let payload = String::from_utf8(reserve().encode()).unwrap();
    let order = reserve().head.order_id.unwrap().to_string();
    for poison in [
        String::new(),
        "{".into(),
        "null".into(),
        "[]".into(),
        payload.replace("\"quantity\":2", "\"quantity\":0"),
        payload.replace("29.99", "-29.99"),
        payload.replace(&order, "not-an-id"),
        payload.replace("\"lineId\":1", "\"lineId\":-1"),
        payload.replace("RSV-", "RSV-0"),
    ] {
        assert!(Event::decode(Topic::InventoryReserve, poison.as_bytes()).is_err(), "{poison}");
    }
}
