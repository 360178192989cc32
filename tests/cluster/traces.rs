//! Traces through the broker.

use crate::deployment::{Deployment, Kind, Service, shop};
use crate::live::Live;
use crate::support::{Collector, decided, order};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SAMPLED: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

crate::on_both!(one_trace_goes_through_both_services_and_the_broker);

fn one_trace_goes_through_both_services_and_the_broker(kind: Kind) {
    let Some(deployment) = Deployment::new(kind) else { return };
    let collector = Collector::start();
    let deployment = deployment
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint())
        .with("OTEL_TRACES_SAMPLER_ARG", "0");
    let (products, orders) = (deployment.start(Service::Products), deployment.start(Service::Orders));
    let goods = shop(&products);
    let listens = Live::connect(orders.addr);
    let mut client = orders.client();
    let body = order(&[(&goods[0], 1)]);
    let (status, answer) = client.send("POST", "/api/v1/orders", SAMPLED, Some(&body)).unwrap();
    assert_eq!(status, 201, "{answer}");
    decided(&mut client, answer["data"]["order"]["_id"].as_str().unwrap());
    // Each, who does it, and what it is a part of.
    for (part, process, of) in [
        ("commit to the store", "holdfast-orders", "POST /api/v1/orders"),
        ("publish inventory.reserve", "holdfast-orders", "POST /api/v1/orders"),
        ("process inventory.reserve", "holdfast-products", "POST /api/v1/orders"),
        ("publish inventory.reserved", "holdfast-products", "process inventory.reserve"),
        ("process inventory.reserved", "holdfast-orders", "process inventory.reserve"),
        ("tell order.live", "holdfast-orders", "process inventory.reserved"),
    ] {
        assert_eq!(collector.part(TRACE, part, of).process, process, "{part}");
    }
    // What was published is what was processed.
    let offset = |part| {
        let span = collector.part(TRACE, part, "POST /api/v1/orders");
        span.attribute("messaging.kafka.offset").unwrap()
    };
    assert_eq!(offset("publish inventory.reserve"), offset("process inventory.reserve"));
    listens.leave();
    deployment.close(vec![orders], vec![products]);
}
