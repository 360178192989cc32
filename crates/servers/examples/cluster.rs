//! An Apache Kafka broker on `localhost:9092` and a MongoDB replica set on `localhost:27017`, started natively, for trying
//! the services on them where there is no Docker. Both are empty, and gone with all that is in them after Ctrl-C.
//!
//! `cargo run -p holdfast-servers --example cluster [KAFKA_PORT MONGODB_PORT]`

#![allow(clippy::print_stdout, reason = "for whoever runs it")]

use std::error::Error;

use holdfast_servers::{Kafka, KafkaOptions, Mongo};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut ports = std::env::args().skip(1).map(|port| port.parse::<u16>());
    let mut port = |default| ports.next().unwrap_or(Ok(default));
    let (kafka, mongodb) = (port(9092)?, port(27017)?);
    let kafka = Kafka::start_with(KafkaOptions { port: Some(kafka), ..KafkaOptions::default() }).await?;
    let mongo = Mongo::start_on(mongodb).await?;
    println!("KAFKA_BROKERS={}", kafka.brokers());
    println!("MONGODB_URI={}", mongo.uri());
    println!("Both are ready. Ctrl-C stops them, and what is in them is gone.");
    Ok(tokio::signal::ctrl_c().await?)
}
