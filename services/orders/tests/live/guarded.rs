//! Live connections where tokens are asked for.

use std::time::Duration;

use futures_util::SinkExt;
use holdfast_service::SystemClock;
use holdfast_service::auth::mint;
use holdfast_service::auth::test_support::{token, with_secret};
use holdfast_service::http::Role;
use serde_json::json;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{Client, World, order_id, patient};

async fn connect(world: &World, query: &str, first: &str) -> Client {
    let mut client = world.connect(query).await;
    client.socket.send(Message::text(first)).await.unwrap();
    client
}

async fn introduced(world: &World, query: &str, subject: &str, role: Role) -> Client {
    let token = token(&SystemClock, subject, role);
    connect(world, query, &json!({"auth": {"token": token}}).to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_token_nothing_is_told() {
    let world = World::start_guarded().await;
    let good = token(&SystemClock, "user-1", Role::Customer);
    for first in [
        "",
        "{}",
        "hello",
        r#"{"token":"x"}"#,
        r#"{"auth":{}}"#,
        r#"{"auth":{"token":7}}"#,
        r#"{"auth":{"token":"x.y.z"}}"#,
        &json!({"auth": {"token": format!("{good}x")}}).to_string(),
    ] {
        let mut client = connect(&world, "topics=orders", first).await;
        let error = client.expect("error").await;
        assert_eq!(error["code"], "UNAUTHENTICATED", "{first}");
        assert_eq!(client.next().await, Some(Err((1008, "UNAUTHENTICATED".to_owned()))), "{first}");
    }
    world.until_connected(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_the_address_is_refused() {
    let world = World::start_guarded().await;
    let good = token(&SystemClock, "user-1", Role::Customer);
    for path in [
        format!("/ws?token={good}"),
        format!("/ws?topics=orders&access_token={good}"),
        format!("/socket.io/?EIO=4&transport=websocket&token={good}"),
    ] {
        let refused = patient(connect_async(format!("ws://{}{path}", world.addr))).await;
        let Err(Error::Http(response)) = refused else { panic!("{path} was let in") };
        assert_eq!(response.status(), 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_is_in_the_own_room_only() {
    let world = World::start_guarded().await;
    let mut own = introduced(&world, "topics=orders", "user-2", Role::Customer).await;
    let foreign_order = format!("topics=orders&orderId={}", order_id(1));
    let mut foreign = introduced(&world, &foreign_order, "user-2", Role::Customer).await;
    let mut all = introduced(&world, "topics=orders", "op", Role::Operator).await;
    let mut service = introduced(&world, "", "till", Role::Service).await;
    for client in [&mut own, &mut foreign, &mut all, &mut service] {
        client.expect("ready").await;
    }
    let start = all.resume();
    world.change_orders(&[1, 2, 1, 3, 2], 0).await;
    world.change_stock(1, 5, 0).await;
    for n in [1, 2] {
        let message = own.message().await;
        assert_eq!((&message["order"]["userId"], &message["order"]["n"]), (&json!("user-2"), &json!(n)));
    }
    for user in ["user-1", "user-2", "user-1", "user-3", "user-2"] {
        assert_eq!(all.message().await["order"]["userId"], user);
    }
    service.expect("stock:changed").await;
    // What was missed is read back through the same filter.
    let mut back = introduced(&world, &format!("{start}&topics=orders"), "user-2", Role::Customer).await;
    assert_eq!(back.expect("ready").await["resumed"], true);
    for n in [1, 2] {
        let message = back.message().await;
        assert_eq!((&message["order"]["userId"], &message["order"]["n"]), (&json!("user-2"), &json!(n)));
    }
    // Another's order is a room in which nothing happens, as one that does not exist.
    world.lifecycle.shutdown();
    foreign.expect("server:shutdown").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_room_is_refused() {
    let world = World::start_guarded().await;
    let mut client = introduced(&world, "userId=user-1", "user-2", Role::Customer).await;
    assert_eq!(client.expect("error").await["code"], "FORBIDDEN");
    assert_eq!(client.next().await, Some(Err((1008, "FORBIDDEN".to_owned()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_ends_with_its_token() {
    let world = World::start_guarded().await;
    let short = Duration::from_secs(1);
    let token = mint(&with_secret(), &SystemClock, "user-2", Role::Customer, short).unwrap();
    let first = json!({"auth": {"token": token}}).to_string();
    let mut client = connect(&world, "topics=orders", &first).await;
    // `ready` comes first, unless it took so long to get here that it is over.
    let mut last = client.message().await;
    if last["event"] == "ready" {
        last = client.message().await;
    }
    assert_eq!((&last["event"], &last["code"]), (&json!("error"), &json!("UNAUTHENTICATED")));
    assert_eq!(last["message"], "the token has expired");
    assert_eq!(client.next().await, Some(Err((1008, "UNAUTHENTICATED".to_owned()))));
    world.until_connected(0).await;
}
