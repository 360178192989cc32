//! What a process leaves behind that dies in the middle of a transaction.

use std::time::Duration;

use holdfast_servers::shared;
use holdfast_storage::StoreError;
use holdfast_storage::mongodb::{Mongo, MongoOptions};
use mongodb::bson::doc;

use super::fresh;
use crate::store::{Commit, CommitError, OrderWrites as _};
use crate::suite::given::{advance, insert};

/// The server would keep it for a minute. Whoever takes over collides with it, and ends it.
#[tokio::test]
async fn a_transaction_that_a_dead_instance_left_open_hinders_nobody_for_long() {
    let Some(server) = shared::mongo().await else { return };
    let subject = fresh(server.uri()).await;
    let moved = |from, to| Commit { advances: vec![advance(from, to)], ..Commit::of(insert(1)) };
    subject.orders.commit(Commit { changes: Vec::new(), ..moved(None, 1) }).await.unwrap();
    let dead = Mongo::new(&MongoOptions {
        uri: server.uri().to_owned(),
        database: subject.database.clone(),
        app_name: subject.database.clone(),
    })
    .await
    .unwrap();
    let mut session = dead.client().start_session().await.unwrap();
    session.start_transaction().await.unwrap();
    let all = dead.database().collection::<mongodb::bson::Document>("positions");
    all.update_many(doc! {}, doc! { "$inc": { "next": 1_i64 } }).session(&mut session).await.unwrap();

    let taken_over = async {
        loop {
            match subject.orders.commit(moved(Some(1), 2)).await {
                Ok(_) => return,
                Err(CommitError::Store(StoreError::Unavailable(_))) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    // Less than the server's minute.
    tokio::time::timeout(Duration::from_secs(30), taken_over).await.expect("it was ended");
    let gone = session.commit_transaction().await;
    assert!(gone.is_err(), "what was ended cannot take effect any more");
}
