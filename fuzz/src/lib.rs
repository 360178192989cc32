//! What is fuzzed. Each target takes any bytes, and panics if what must hold does not. `tests/fuzzing.rs` of the main
//! workspace runs the same functions in every build, over mutations of the same corpus.

use holdfast_bus::TailPosition;
use holdfast_contract::event::Event;
use holdfast_contract::{Currency, Key, OrderId, Partition, Timestamp, Topic};
use holdfast_orders::domain::place;
use holdfast_orders::http::read_order;
use holdfast_service::http::cursor;
use holdfast_storage::{Bounds, Incarnation, TopicPartition};

/// The body of `POST /api/v1/orders`: refused, or an order whose amounts add up and whose events can be read.
pub fn order(data: &[u8]) {
    for currency in [Currency::USD, "JPY".parse().expect("a currency without decimals")] {
        let Ok(draft) = read_order(data, currency) else { continue };
        let id = OrderId::new(Key::compose(1_767_225_600_000, 1, 1));
        let at = Timestamp::from_millis(1_767_225_600_000);
        let Ok(changed) = place(draft, id, at) else { continue };
        let order = &changed.order;
        let sum: u128 = order
            .items
            .iter()
            .map(|item| {
                u128::from(item.price.minor()) * u128::try_from(item.quantity.delta()).expect("positive")
            })
            .sum();
        assert_eq!(sum, u128::from(order.total.minor()), "the total is the sum of the lines");
        for body in changed.events {
            let event = Event::about_order(id, 1, at, body);
            let read = Event::decode(event.body.topic(), &event.encode()).expect("readable").expect("known");
            assert_eq!(read, event, "what is sent is what is read");
        }
    }
}

/// A message of any topic (the first byte says which): refused, unknown, or the same after it was written again.
pub fn event(data: &[u8]) {
    let Some((topic, payload)) = data.split_first() else { return };
    let topics = [Topic::FROM_ORDERS, Topic::FROM_PRODUCTS].concat();
    let topic = topics[usize::from(*topic) % topics.len()];
    let _order = Event::order_in(payload);
    let Ok(Some(event)) = Event::decode(topic, payload) else { return };
    // A type that another topic is for may be read on this one; it is written for its own.
    let again = Event::decode(event.body.topic(), &event.encode()).expect("readable").expect("known");
    assert_eq!(again.encode(), event.encode(), "reading and writing changes nothing");
}

/// A cursor of a list and the `seq` of a live message: refused, or the place that it was made of.
pub fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(payload) = cursor::decode("orders", text) {
        let made = cursor::encode("orders", &payload);
        assert_eq!(cursor::decode("orders", &made).ok(), Some(payload.clone()));
        assert!(cursor::decode("others", &made).is_err(), "a cursor of another list");
    }
    // Any payload makes a cursor, as long as it is short.
    let payload = &data[..data.len().min(200)];
    assert_eq!(cursor::decode("orders", &cursor::encode("orders", payload)).ok().as_deref(), Some(payload));

    let bounds: Vec<Bounds> = (0..3)
        .map(|n| Bounds {
            partition: TopicPartition { topic: Topic::OrderLive, partition: Partition(n) },
            start: 5,
            end: 50 + u64::from(n),
        })
        .collect();
    let end = TailPosition::at_end(&[Incarnation(7)], &bounds);
    if let Ok(place) = TailPosition::parse(text, &end, &bounds) {
        assert!(place.is_within(&end), "nothing after the end");
        let again = TailPosition::parse(&place.to_string(), &end, &bounds).expect("a token of this log");
        assert_eq!(again, place);
    }
}
