//! What happens to a replica set, seen with the driver that Holdfast uses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast_servers::{Fault, Mongo, or_skip, shared, unique_name};
use mongodb::bson::{Document, doc};
use mongodb::{Client, Collection};

async fn collection(mongo: &Mongo, database: &str) -> Collection<Document> {
    Client::with_uri_str(mongo.uri()).await.unwrap().database(database).collection("things")
}

async fn count(things: &Collection<Document>) -> u64 {
    things.count_documents(doc! {}).await.unwrap()
}

/// With a bound, so that a hang fails.
async fn insert(things: &Collection<Document>, id: i32) -> mongodb::error::Result<()> {
    let insert = things.insert_one(doc! { "_id": id });
    tokio::time::timeout(Duration::from_secs(60), insert.into_future()).await.unwrap().map(drop)
}

#[tokio::test]
async fn transactions_work_on_the_shared_set() {
    let Some(mongo) = shared::mongo().await else { return };
    let things = collection(mongo, &unique_name("orders")).await;
    things.insert_one(doc! { "_id": 0 }).await.unwrap();
    let mut session = things.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    things.insert_one(doc! { "_id": 1 }).session(&mut session).await.unwrap();
    assert_eq!(count(&things).await, 1);
    session.commit_transaction().await.unwrap();
    assert_eq!(count(&things).await, 2);
    session.start_transaction().await.unwrap();
    things.insert_one(doc! { "_id": 2 }).session(&mut session).await.unwrap();
    session.abort_transaction().await.unwrap();
    assert_eq!(count(&things).await, 2);
    things.drop().await.unwrap();
}

#[tokio::test]
async fn a_killed_set_keeps_what_it_has_and_a_wiped_one_is_empty() {
    let Some(mut mongo) = or_skip(Mongo::start().await) else { return };
    let things = collection(&mongo, "things").await;
    insert(&things, 1).await.unwrap();
    mongo.kill().await.unwrap();
    assert!(!mongo.is_running());
    mongo.restart().await.unwrap();
    assert_eq!(count(&things).await, 1);
    mongo.stop().await.unwrap();
    mongo.restart().await.unwrap();
    assert_eq!(count(&things).await, 1);
    mongo.step_down().await.unwrap();
    insert(&things, 2).await.unwrap();
    mongo.wipe_and_restart().await.unwrap();
    assert_eq!(count(&collection(&mongo, "things").await).await, 0);
}

#[tokio::test]
async fn a_paused_set_says_nothing_until_it_goes_on() {
    let Some(mut mongo) = or_skip(Mongo::start().await) else { return };
    let things = collection(&mongo, "things").await;
    insert(&things, 1).await.unwrap();
    mongo.pause().await.unwrap();
    let waiting = insert(&things, 2);
    assert!(tokio::time::timeout(Duration::from_millis(300), waiting).await.is_err());
    mongo.resume().await.unwrap();
    insert(&things, 3).await.unwrap();
}

#[tokio::test]
async fn commands_fail_as_asked() {
    let Some(mut mongo) = or_skip(Mongo::start().await) else { return };
    let uri = format!("{}&retryWrites=false", mongo.uri());
    let things = Client::with_uri_str(uri).await.unwrap().database("t").collection::<Document>("things");
    insert(&things, 0).await.unwrap();

    let fault = Fault::on(&["insert"]).times(1).error(11600).labels(&["TransientTransactionError"]);
    mongo.fail_command(&fault).await.unwrap();
    let error = insert(&things, 1).await.unwrap_err();
    assert!(error.contains_label("TransientTransactionError"), "{error}");
    insert(&things, 1).await.unwrap();

    mongo.fail_command(&Fault::on(&["insert"]).close_connection()).await.unwrap();
    insert(&things, 2).await.unwrap_err();
    mongo.heal().await.unwrap();
    insert(&things, 2).await.unwrap();

    mongo.fail_command(&Fault::on(&["insert"]).after(1).error(8)).await.unwrap();
    insert(&things, 3).await.unwrap();
    insert(&things, 4).await.unwrap_err();
    mongo.fail_command(&Fault::on(&["insert"]).write_concern_error(64)).await.unwrap();
    insert(&things, 5).await.unwrap_err();
    mongo.fail_command(&Fault::on(&["insert"]).error(8).app_name("somebody else")).await.unwrap();
    insert(&things, 6).await.unwrap();
    // What was refused is not there; what failed only in its write concern is.
    assert_eq!(count(&things).await, 6);
}

#[tokio::test]
async fn three_nodes_elect_again() {
    let Some(mut mongo) = or_skip(Mongo::start_replica_set(3).await) else { return };
    let things = collection(&mongo, "things").await;
    insert(&things, 1).await.unwrap();
    let first = mongo.primary().await.unwrap();
    let second = mongo.step_down().await.unwrap();
    assert_ne!(first, second);
    insert(&things, 2).await.unwrap();
    mongo.kill_node(second).await.unwrap();
    assert_ne!(mongo.primary().await.unwrap(), second);
    insert(&things, 3).await.unwrap();
    mongo.restart_node(second).await.unwrap();
    assert_eq!(count(&things).await, 3);
}

/// Run by the test below, in a process of its own.
#[tokio::test]
#[ignore = "never ends by itself"]
async fn holds_a_server_until_it_is_killed() {
    let mongo = Mongo::start().await.unwrap();
    println!("\nstarted {}", mongo.uri());
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_server_dies_with_a_process_that_is_killed() {
    let Some(_) = shared::mongo().await else { return };
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "holds_a_server_until_it_is_killed", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let uri = lines.find_map(|line| line.unwrap().strip_prefix("started ").map(str::to_owned)).unwrap();
    let address = uri.strip_prefix("mongodb://").unwrap().split('/').next().unwrap().to_owned();
    tokio::net::TcpStream::connect(&address).await.unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    let gone = async {
        while tokio::net::TcpStream::connect(&address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), gone).await.unwrap();
}
