//! Live clients: they follow everything over `/ws`, and go on where they were whenever their connection ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::finding::Kind;
use super::story::{Message, Story};

/// A connection on which nothing has come for so long is given up: the server pings every 25 seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// A handshake takes at most so long.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Before connecting again.
const REST: Duration = Duration::from_millis(30);

/// A client that follows.
#[derive(Debug)]
pub(crate) struct Follower {
    heard: Arc<Mutex<Heard>>,
    _listens: JoinSet<()>,
}

/// What it has heard.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) story: Story,
    pub(crate) connections: u64,
    /// Where it goes on.
    seq: Option<String>,
}

impl Follower {
    /// Connects to the orders service at `addr` and waits until it is live.
    ///
    /// # Errors
    /// If it is not within a minute.
    pub(crate) async fn start(addr: SocketAddr) -> anyhow::Result<Self> {
        let heard = Arc::<Mutex<Heard>>::default();
        let mut listens = JoinSet::new();
        listens.spawn(listen(addr, Arc::clone(&heard)));
        let follower = Self { heard, _listens: listens };
        let live = async {
            while follower.heard().seq.is_none() {
                tokio::time::sleep(REST).await;
            }
        };
        tokio::time::timeout(SILENCE, live).await?;
        Ok(follower)
    }

    pub(crate) fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock()
    }
}

async fn listen(addr: SocketAddr, heard: Arc<Mutex<Heard>>) {
    loop {
        let seq = heard.lock().seq.clone();
        // A `seq` needs no encoding but for its `~`, which is allowed, and slashes, which are too in a query.
        let asked = seq.as_ref().map(|seq| format!("?seq={seq}")).unwrap_or_default();
        let connecting = connect_async(format!("ws://{addr}/ws{asked}"));
        if let Ok(Ok((socket, _))) = tokio::time::timeout(HANDSHAKE, connecting).await {
            heard.lock().connections += 1;
            hear(socket, &heard, seq.is_some()).await;
        }
        tokio::time::sleep(REST).await;
    }
}

async fn hear(mut socket: WebSocketStream<MaybeTlsStream<TcpStream>>, heard: &Mutex<Heard>, resumes: bool) {
    let mut first = true;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(SILENCE, socket.next()).await {
        let Frame::Text(text) = frame else { continue };
        let mut heard = heard.lock();
        let Some(message) = Message::read(&text) else {
            heard.story.findings.push(Kind::OutsideContract.finding(format!("a live message: {text}")));
            continue;
        };
        if std::mem::take(&mut first) && !message.greets(resumes) {
            let what = format!("a client that went on was greeted with {text}");
            heard.story.findings.push(Kind::LiveMissed.finding(what));
        }
        heard.story.hear(&message);
        if message.seq.is_some() {
            heard.seq = message.seq;
        }
    }
}
