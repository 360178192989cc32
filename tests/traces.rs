//! Traces of the real binary, as a collector gets them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use support::{Client, Collector, Holdfast, command, decided, eventually, order, place, product};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

/// One order, from the request over the commit and both consumers to the live client, in one trace.
#[test]
fn an_order_is_one_trace() {
    let (folder, collector) = (tempfile::tempdir().unwrap(), Collector::start());
    let mut command = command(folder.path());
    let holdfast = Holdfast::start_as(
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()).env("OTEL_TRACES_SAMPLER_ARG", "0"),
    );
    let mut products = Client::connect(holdfast.products).unwrap();
    let mut orders = Client::connect(holdfast.orders).unwrap();
    let stock = product(&mut products, "Traced", 5);
    // Somebody is there to be told.
    let socket = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                  sec-websocket-key: aG9sZGZhc3QtcXVpY2tzdA==\r\n";
    let mut listens = Client::connect(holdfast.orders).unwrap();
    assert_eq!(listens.exchange("GET", "/ws?topics=orders", socket, None).unwrap().status, 101);

    let (status, answer) =
        orders.send("POST", "/api/v1/orders", SAMPLED, Some(&order(&[(&stock, 2)]))).unwrap();
    assert_eq!(status, 201, "{answer}");
    decided(&mut orders, answer["data"]["order"]["_id"].as_str().unwrap());
    for (part, of) in [
        ("commit to the store", "POST /api/v1/orders"),
        ("process inventory.reserve", "POST /api/v1/orders"),
        ("tell order.live", "POST /api/v1/orders"),
        // What follows from a message is a part of what was done with it.
        ("process inventory.reserved", "process inventory.reserve"),
        ("tell order.live", "process inventory.reserved"),
    ] {
        assert_eq!(collector.part(TRACE, part, of).process, "holdfast");
    }
    let all = collector.trace(TRACE);
    let request = all.iter().find(|part| part.span.name == "POST /api/v1/orders").unwrap();
    assert_eq!(request.parent(), "00f067aa0ba902b7", "of whoever asked");
    assert_eq!(request.attribute("http.response.status_code").unwrap(), "201");
    let reserve = all.iter().find(|part| part.span.name == "process inventory.reserve").unwrap();
    assert_eq!(reserve.attribute("messaging.consumer.group.name").unwrap(), "products-service-group");

    // Nothing else was: nobody asked for it, and the ratio is 0.
    place(&mut orders, &[(&stock, 1)]);
    drop(listens);
    let before = collector.count();
    holdfast.stop();
    assert_eq!(collector.count(), before);
    assert_eq!(collector.trace(TRACE).len(), before, "no other trace");
}

/// Without a collector that answers everything works, and it is said once.
#[test]
fn a_collector_that_is_away_is_said_once() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = command(folder.path());
    let holdfast = Holdfast::start_as(
        command
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{nobody}"))
            .env("OTEL_TRACES_SAMPLER_ARG", "1"),
    );
    let mut products = Client::connect(holdfast.products).unwrap();
    product(&mut products, "Traced", 5);
    let said = holdfast.hear("traces are lost while their collector does not take them");
    assert!(said.contains("no connection"), "{said}");
    let mut lost_before = None;
    eventually("tried again", || {
        let text = products.get("/metrics");
        let lost = text.as_str().unwrap().lines().find_map(|line| {
            line.strip_prefix("traces_spans_lost_total{reason=\"collector\"} ")?.parse::<u32>().ok()
        });
        product(&mut products, "Again", 1);
        let before = *lost_before.get_or_insert(lost);
        if lost > before { Ok(()) } else { Err(format!("{before:?}, and then {lost:?}")) }
    });
    holdfast.terminate();
    let ended = holdfast.wait();
    assert!(ended.status.success());
    assert_eq!(ended.said.matches("traces are lost").count(), 1, "{}", ended.said);
}
