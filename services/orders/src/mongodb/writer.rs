//! Commits of clients are written in groups: whoever waits while a group is written goes into the next one.

use std::sync::Arc;

use futures_util::future::join_all;
use holdfast_contract::OrderId;
use holdfast_storage::StoreError;
use holdfast_storage::mongodb::unavailable;
use mongodb::bson::RawDocumentBuf;
use mongodb::error::ErrorKind;
use tokio::sync::oneshot;

use super::commit::Prepared;
use super::document::Write;
use super::{Collections, DUPLICATE_KEY};
use crate::store::CommitError;

/// Commits that may wait; more are refused at once.
pub(super) const QUEUE: usize = 1_024;
/// Commits in one group.
const GROUP: usize = 128;
/// Groups written at the same time: while one waits for the flush to disk, another can be encoded and sent.
pub(super) const WRITERS: usize = 3;

/// A commit of a client, waiting for its group.
pub(super) struct Request {
    pub(super) prepared: Prepared,
    pub(super) answer: oneshot::Sender<Result<(), CommitError>>,
}

/// Takes what waits, writes it, and answers; until the queue is closed and empty.
pub(super) async fn run(queue: flume::Receiver<Request>, collections: Arc<Collections>) {
    while let Ok(first) = queue.recv_async().await {
        let group: Vec<Request> = std::iter::once(first).chain(queue.try_iter()).take(GROUP).collect();
        metrics::histogram!("orders_commit_group").record(group.len() as f64);
        let (mut inserts, mut updates, mut keyed) = (Vec::new(), Vec::new(), Vec::new());
        for request in group {
            match (&request.prepared.idempotency, request.prepared.writes.first().map(|w| &w.write)) {
                (None, Some(Write::Insert(_))) => inserts.push(request),
                (None, _) => updates.push(request),
                (Some(_), _) => keyed.push(request),
            }
        }
        tokio::join!(
            insert(&collections, inserts),
            join_all(updates.into_iter().map(|request| update(&collections, request))),
            commit_keyed(&collections, keyed),
        );
    }
}

fn answer(request: Request, result: Result<(), CommitError>) {
    // Whoever asked may have gone meanwhile; what was written stays.
    let _ = request.answer.send(result);
}

/// New orders: each document is a commit of its own, so one command takes them all, and one that is taken already hinders
/// none of the others.
async fn insert(collections: &Collections, requests: Vec<Request>) {
    if requests.is_empty() {
        return;
    }
    let documents: Vec<&RawDocumentBuf> = requests.iter().filter_map(document).collect();
    let inserted = collections.orders.insert_many(documents).ordered(false).await;
    let Err(error) = inserted else {
        requests.into_iter().for_each(|request| answer(request, Ok(())));
        return;
    };
    let ErrorKind::InsertMany(failed) = &*error.kind else {
        // One command, one fault: but one of them alone may be at fault.
        let mapped = unavailable(error.clone());
        if mapped.is_transient() || requests.len() == 1 {
            for request in requests {
                answer(request, Err(unavailable(error.clone()).into()));
            }
        } else {
            for request in requests {
                Box::pin(insert(collections, vec![request])).await;
            }
        }
        return;
    };
    let unknown = failed.write_concern_error.is_some();
    for (place, request) in requests.into_iter().enumerate() {
        let fault = failed.write_errors.iter().flatten().find(|e| e.index == place);
        let result = match fault {
            Some(fault) if fault.code == DUPLICATE_KEY => match id(&request) {
                Some(id) => Err(CommitError::AlreadyExists(id)),
                None => Ok(()),
            },
            Some(_) => Err(unavailable(error.clone()).into()),
            // Written, but perhaps not to stay.
            None if unknown => Err(unavailable(error.clone()).into()),
            None => Ok(()),
        };
        answer(request, result);
    }
}

fn document(request: &Request) -> Option<&RawDocumentBuf> {
    match &request.prepared.writes.first()?.write {
        Write::Insert(document) => Some(document),
        Write::Update { .. } => None,
    }
}

fn id(request: &Request) -> Option<OrderId> {
    request.prepared.writes.first().map(|write| write.id)
}

/// A change of one order: one compare-and-set.
async fn update(collections: &Collections, request: Request) {
    let result = match request.prepared.writes.first() {
        Some(write) => match &write.write {
            Write::Update { filter, update, .. } => collections.update_order(write.id, filter, update).await,
            Write::Insert(_) => Ok(()),
        },
        None => Ok(()),
    };
    answer(request, result);
}

/// Commits with an answer to remember: two collections, so a transaction; one for all of them, if none is at fault.
async fn commit_keyed(collections: &Collections, requests: Vec<Request>) {
    if requests.is_empty() {
        return;
    }
    let all: Vec<&Prepared> = requests.iter().map(|request| &request.prepared).collect();
    match collections.commit(&all).await {
        Ok(()) => requests.into_iter().for_each(|request| answer(request, Ok(()))),
        Err(CommitError::Store(StoreError::Unavailable(why))) => {
            for request in requests {
                answer(request, Err(StoreError::Unavailable(why.clone()).into()));
            }
        }
        Err(error) if requests.len() == 1 => {
            let mut error = Some(error);
            for request in requests {
                if let Some(error) = error.take() {
                    answer(request, Err(error));
                }
            }
        }
        Err(_) => {
            for request in requests {
                let result = collections.commit(&[&request.prepared]).await;
                answer(request, result);
            }
        }
    }
}
