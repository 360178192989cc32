//! `holdfast bench-ceiling`: a bare axum server that parses an order and answers. It keeps nothing and checks nothing,
//! so it shows what is left for the rest: no service on axum can accept orders faster.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::extract::Json;
use axum::http::StatusCode;
use axum::routing::post;
use axum::serve::ListenerExt;
use holdfast_service::process::input_closed;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

// Parsed and dropped: parsing is what is measured. No money is reckoned with here, so plain floats do.
#[expect(dead_code, reason = "see above")]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Order {
    user_id: String,
    items: Vec<Item>,
    total_amount: f64,
    shipping_address: Address,
    payment_method: String,
}

#[expect(dead_code, reason = "see above")]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    product_id: String,
    product_name: String,
    quantity: u32,
    price: f64,
}

#[expect(dead_code, reason = "see above")]
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    street: String,
    city: String,
    state: String,
    zip_code: String,
    country: String,
}

#[derive(Serialize)]
struct Answer {
    success: bool,
    message: &'static str,
    data: Data,
}

#[derive(Serialize)]
struct Data {
    order: Accepted,
}

#[derive(Serialize)]
struct Accepted {
    #[serde(rename = "_id")]
    id: &'static str,
}

async fn accept(Json(_order): Json<Order>) -> (StatusCode, Json<Answer>) {
    let order = Accepted { id: "000000000000000000000000" };
    (StatusCode::CREATED, Json(Answer { success: true, message: "Order accepted", data: Data { order } }))
}

/// Serves on a free port of this machine, says which on standard output, and ends with standard input.
///
/// # Errors
/// If the port cannot be bound or served.
pub async fn run() -> anyhow::Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let addr = listener.local_addr()?;
    let listener = listener.tap_io(|stream| {
        // As the services do. An error shows when the connection is used.
        let _ = stream.set_nodelay(true);
    });
    let mut out = std::io::stdout();
    writeln!(out, r#"{{"event":"listening","service":"orders","addr":"{addr}"}}"#)?;
    writeln!(out, r#"{{"event":"ready"}}"#)?;
    out.flush()?;
    let router = Router::new().route("/api/v1/orders", post(accept));
    tokio::select! {
        served = async { axum::serve(listener, router).await } => served?,
        () = input_closed() => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_starts_order_is_understood() {
        let body = br#"{"userId":"test-user-123","items":[{"productId":"65","productName":"Test Product","quantity":2,
            "price":29.99}],"totalAmount":59.98,"shippingAddress":{"street":"123 Test St","city":"Test City",
            "state":"TS","zipCode":"12345","country":"USA"},"paymentMethod":"credit_card"}"#;
        assert!(serde_json::from_slice::<Order>(body).is_ok());
    }
}
