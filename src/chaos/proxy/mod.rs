//! A TCP proxy in front of a service: it goes on listening at one address while the service dies and comes back elsewhere,
//! and it delays and cuts connections in the middle of requests, answers and live messages.

mod fate;
mod lie;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use holdfast_sim::Dice;
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use fate::{Direction, Fate};
use lie::Liar;
pub use lie::Lie;

const CHUNK: usize = 16 * 1024;

/// What connections meet. Calm: they are passed on untouched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// Whether new connections get a fate: a delay, or a byte at which they are cut.
    pub(crate) rough: bool,
    /// The longest that every piece of data is delayed.
    pub(crate) slow: Duration,
    /// Nothing is passed on, and nothing is cut.
    pub(crate) hangs: bool,
    /// Raised, every connection is cut.
    pub(crate) cuts: u64,
}

/// What has happened to connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) connections: u64,
    /// Cut at a byte, or with all others.
    pub(crate) cut: u64,
    /// Pieces of data that were delayed.
    pub(crate) delayed: u64,
    pub(crate) lies: u64,
}

/// A proxy, which ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    weather: watch::Sender<Weather>,
    _accepts: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    /// Where each instance of the service listens now; `None` while it does not.
    upstreams: Mutex<Vec<Option<SocketAddr>>>,
    dice: Mutex<Dice>,
    latest_cut: u64,
    liar: Option<Liar>,
    connections: AtomicU64,
    cut: AtomicU64,
    delayed: AtomicU64,
}

/// Why a connection is over.
enum End {
    /// One of its ends has closed it.
    Closed,
    /// It was cut here.
    Cut,
}

impl Proxy {
    /// Listens on a free port of this machine; there are `instances` of the service behind it, none of which is there yet. A
    /// connection whose fate it is to be cut is so at byte `latest_cut` at the latest.
    ///
    /// # Errors
    /// If there is no port.
    pub(crate) async fn start(
        instances: usize,
        dice: Dice,
        latest_cut: u64,
        lie: Option<Lie>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstreams: Mutex::new(vec![None; instances]),
            dice: Mutex::new(dice),
            latest_cut,
            liar: lie.map(Liar::new),
            connections: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            delayed: AtomicU64::new(0),
        });
        let (weather, seen) = watch::channel(Weather::default());
        let mut accepts = JoinSet::new();
        accepts.spawn(accept(listener, Arc::clone(&shared), seen));
        Ok(Self { addr, shared, weather, _accepts: accepts })
    }

    /// Where clients connect.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Instance `number` of the service listens at `addr` from now on.
    pub(crate) fn lead_to(&self, number: usize, addr: Option<SocketAddr>) {
        if let Some(upstream) = self.shared.upstreams.lock().get_mut(number) {
            *upstream = addr;
        }
    }

    /// Changes the weather.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }

    /// Changes the weather after `time`.
    pub(crate) fn change_after<F: FnOnce(&mut Weather) + Send + 'static>(
        &self,
        time: Duration,
        change: F,
    ) -> impl Future<Output = ()> + Send + use<F> {
        let weather = self.weather.clone();
        async move {
            tokio::time::sleep(time).await;
            weather.send_modify(change);
        }
    }

    /// What has happened so far.
    pub(crate) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            connections: read(&self.shared.connections),
            cut: read(&self.shared.cut),
            delayed: read(&self.shared.delayed),
            lies: self.shared.liar.as_ref().map_or(0, Liar::told),
        }
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, weather: watch::Receiver<Weather>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(serve(Arc::clone(&shared), client, weather.clone()));
                }
                // Out of files, say: whoever wanted to connect tries again.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(shared: Arc<Shared>, mut client: TcpStream, mut weather: watch::Receiver<Weather>) {
    shared.connections.fetch_add(1, Ordering::Relaxed);
    let (rough, cuts) = {
        let now = weather.borrow_and_update();
        (now.rough, now.cuts)
    };
    let (fate, upstream) = {
        let mut dice = shared.dice.lock();
        let there: Vec<SocketAddr> = shared.upstreams.lock().iter().flatten().copied().collect();
        (
            if rough { Fate::draw(&mut dice, shared.latest_cut) } else { Fate::default() },
            dice.pick(&there).copied(),
        )
    };
    // Nobody there, as far as this proxy can tell: closed without a word, as a dying process does it.
    let Some(upstream) = upstream else { return };
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let end = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let seen = weather.clone();
        let pipe =
            |direction| Pipe { shared: &shared, weather: seen.clone(), fate, direction, passed: 0, upstream };
        tokio::select! {
            end = pipe(Direction::Up).pass(from_client, to_server) => end,
            end = pipe(Direction::Down).pass(from_server, to_client) => end,
            _ = weather.wait_for(|now| now.cuts > cuts) => End::Cut,
        }
    };
    if matches!(end, End::Cut) {
        shared.cut.fetch_add(1, Ordering::Relaxed);
        if shared.dice.lock().percent(50) {
            // A reset instead of an end: what is on its way is lost too.
            let _ = client.set_zero_linger();
            let _ = server.set_zero_linger();
        }
    }
}

/// One direction of a connection.
struct Pipe<'a> {
    shared: &'a Shared,
    weather: watch::Receiver<Weather>,
    fate: Fate,
    direction: Direction,
    /// Bytes so far.
    passed: u64,
    upstream: SocketAddr,
}

impl Pipe<'_> {
    async fn pass(mut self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> End {
        let mut buffer = vec![0; CHUNK];
        loop {
            let count = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => return End::Closed,
                Ok(count) => count,
            };
            self.wait().await;
            let data = &mut buffer[..count];
            if let (Some(liar), Direction::Up) = (&self.shared.liar, self.direction) {
                liar.hears(data, self.upstream, &mut self.shared.dice.lock());
            }
            let rough = self.weather.borrow().rough;
            let until = self.fate.cut_at(self.direction).filter(|_| rough);
            let left = until.map_or(count, |at| usize::try_from(at - self.passed).unwrap_or(usize::MAX));
            if to.write_all(&data[..count.min(left)]).await.is_err() {
                return End::Closed;
            }
            if left < count {
                return End::Cut;
            }
            self.passed += count as u64;
        }
    }

    /// Waits as long as data has to.
    async fn wait(&mut self) {
        let now = *self.weather.borrow();
        if now.hangs {
            // Nobody changes the weather any more: the proxy is gone, and this with it.
            let _ = self.weather.wait_for(|now| !now.hangs).await;
        }
        let most = if now.rough { now.slow.max(self.fate.lag) } else { now.slow };
        if !most.is_zero() {
            self.shared.delayed.fetch_add(1, Ordering::Relaxed);
            let millis = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
            let delay = self.shared.dice.lock().millis(millis);
            tokio::time::sleep(delay).await;
        }
    }
}
