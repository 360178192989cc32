//! Live clients of one instance, and what is changed through another.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_util::sync::CancellationToken;

use crate::support::{PATIENCE, eventually};

/// A plain WebSocket client that listens until it leaves.
pub(crate) struct Live {
    /// All that it was told, over all its connections.
    told: Arc<Mutex<Vec<Value>>>,
    leave: CancellationToken,
    listens: JoinHandle<()>,
}

impl Live {
    /// Connects, and waits until it is live.
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::begin(addr, "", Vec::new())
    }

    fn begin(addr: SocketAddr, seq: &str, told: Vec<Value>) -> Self {
        let before = told.len();
        let told = Arc::new(Mutex::new(told));
        let leave = CancellationToken::new();
        let url = format!("ws://{addr}/ws?topics=orders{seq}");
        let (hears, left) = (Arc::clone(&told), leave.clone());
        let listens = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(listen(url, &hears, &left));
        });
        let live = Self { told, leave, listens };
        let ready = eventually("live", || {
            live.told.lock().unwrap().get(before).cloned().ok_or_else(|| "no word".to_owned())
        });
        assert_eq!(
            (&ready["event"], &ready["resumed"]),
            (&json!("ready"), &json!(!seq.is_empty())),
            "{ready}"
        );
        live
    }

    /// How many messages it has had.
    pub(crate) fn count(&self) -> usize {
        self.told.lock().unwrap().len()
    }

    /// Leaves; gives all that it was told.
    pub(crate) fn leave(self) -> Vec<Value> {
        self.leave.cancel();
        self.listens.join().unwrap();
        std::mem::take(&mut *self.told.lock().unwrap())
    }

    /// Leaves, lets things happen, and goes on at another instance where it was.
    pub(crate) fn go_on(self, addr: SocketAddr, meanwhile: impl FnOnce()) -> Self {
        let told = self.leave();
        meanwhile();
        let seq = told.last().unwrap()["seq"].as_str().unwrap();
        let seq = format!("&seq={seq}");
        Self::begin(addr, &seq, told)
    }

    /// Waits until it was told of the newest version of all these orders.
    pub(crate) fn until_told_of(&self, orders: &[Value]) {
        eventually("told of everything", || {
            let told = self.told.lock().unwrap();
            let seen: BTreeSet<_> = told.iter().filter_map(|message| version(&message["order"])).collect();
            match orders.iter().filter(|order| !seen.contains(&version(order).unwrap())).count() {
                0 => Ok(()),
                some => Err(format!("{some} of {} orders", orders.len())),
            }
        });
    }
}

async fn listen(url: String, hears: &Mutex<Vec<Value>>, left: &CancellationToken) {
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    loop {
        let next = tokio::time::timeout(PATIENCE, socket.next());
        let Some(next) = left.run_until_cancelled(next).await else { return };
        match next.unwrap() {
            Some(Ok(Message::Text(text))) => {
                hears.lock().unwrap().push(serde_json::from_str(&text).unwrap());
            }
            Some(Ok(_)) => {}
            // An instance that is killed says nothing.
            Some(Err(_)) | None => return,
        }
    }
}

/// Which order, in which version.
fn version(order: &Value) -> Option<(&str, u64)> {
    Some((order["_id"].as_str()?, order["version"].as_u64()?))
}

/// Checks that of every one of these orders each change was told, once, and in order.
pub(crate) fn each_once_and_in_order(told: &[Value], orders: &[Value]) {
    let mut of: BTreeMap<&str, Vec<(u64, &str)>> = BTreeMap::new();
    let mut stamps = BTreeSet::new();
    for message in told {
        let event = message["event"].as_str().unwrap();
        assert_ne!(event, "reload", "{message}");
        let Some((id, version)) = version(&message["order"]) else { continue };
        let (stamp, _) = message["seq"].as_str().unwrap().split_once('~').unwrap();
        assert!(stamps.insert(stamp), "told twice: {stamp}");
        of.entry(id).or_default().push((version, event));
    }
    for order in orders {
        let (id, newest) = version(order).unwrap();
        let story = of.remove(id).unwrap_or_else(|| panic!("never told of {order}"));
        assert_eq!(story[0], (1, "order:created"), "{story:?}");
        assert!(story.is_sorted_by_key(|(version, _)| *version), "out of order: {story:?}");
        let once: BTreeSet<_> = story.iter().collect();
        assert_eq!(once.len(), story.len(), "a change told twice: {story:?}");
        let versions: BTreeSet<u64> = story.iter().map(|(version, _)| *version).collect();
        assert!(versions.into_iter().eq(1..=newest), "a gap: {story:?}, and it is {newest} now");
    }
    assert!(of.is_empty(), "orders that are not there: {:?}", of.keys());
}
