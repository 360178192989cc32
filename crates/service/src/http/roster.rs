//! Who is connected, and who has to go when somebody else comes and there is no room.
//!
//! A connection is either in our hands (its request is being worked on) or in its client's: it has sent nothing yet,
//! or half a request, or does not take its answer. What is in a client's hands may stay there for ever, so it must not
//! keep others out: without room, the connection that has been in its client's hands for longest is closed. The time
//! counts from when it was handed over, not from the last byte, so that dripping bytes buys nothing.

use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::{Request, Response};
use bytes::Bytes;
use hyper::body::{Frame, Incoming, SizeHint};
use metrics::Counter;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Nobody is closed for others before this: an answer that was just given has to get out.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// Parts of answers smaller than this are not counted, and bodies up to this are read also when there is no memory left: who
/// asks for little is never kept waiting by those who send much.
const COUNTED: usize = 4 << 10;
/// `since` of a connection that is in our hands.
const OURS: u64 = 0;

/// The connections of a server. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Roster {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    began: Instant,
    room: Arc<Semaphore>,
    peers: Mutex<FxHashMap<u64, Peer>>,
    next: AtomicU64,
    /// Somebody waits for room although nobody could be closed for it.
    crowded: AtomicBool,
    /// Then: a connection went into its client's hands.
    changed: Notify,
    held: AtomicUsize,
    max_held: usize,
    /// Less is held than may be, so one of the bodies that wait for it is read on.
    freed: Notify,
    for_room: Counter,
    for_memory: Counter,
}

/// A connection, as its requests see it. In the extensions of every request that a server hands on.
#[derive(Clone, Debug)]
pub struct Peer {
    inner: Arc<State>,
}

#[derive(Debug)]
struct State {
    roster: Roster,
    addr: IpAddr,
    /// When it went into its client's hands, in microseconds from `began`; [`OURS`] otherwise.
    since: AtomicU64,
    /// Bytes of bodies and answers that are in memory because of it.
    held: AtomicUsize,
    closed: CancellationToken,
}

/// A connection's place among those that are served; gives it up when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
}

/// What came of looking for a connection that could be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is closed, and leaves in a moment.
    Closed,
    /// There will be one after this time, unless it is used until then.
    Soon(Duration),
    /// All are in our hands.
    Nobody,
}

impl Roster {
    /// Room for this many connections, and for this many bytes of what they send and are sent.
    pub(super) fn new(max_connections: usize, max_held: usize) -> Self {
        let closed =
            |reason| metrics::counter!("http_connections_closed_for_others_total", "reason" => reason);
        let inner = Inner {
            began: Instant::now(),
            room: Arc::new(Semaphore::new(max_connections)),
            peers: Mutex::default(),
            next: AtomicU64::new(0),
            crowded: AtomicBool::new(false),
            changed: Notify::new(),
            held: AtomicUsize::new(0),
            max_held,
            freed: Notify::new(),
            for_room: closed("room"),
            for_memory: closed("memory"),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A place for one more connection, from `addr`. Without room, makes some, and waits where every connection is in our hands.
    pub(super) async fn seat(&self, addr: IpAddr) -> Option<Seat> {
        let permit = match Arc::clone(&self.inner.room).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.make_room().await?,
        };
        let id = self.inner.next.fetch_add(1, Ordering::Relaxed);
        let state = State {
            roster: self.clone(),
            addr,
            since: AtomicU64::new(self.now()),
            held: AtomicUsize::new(0),
            closed: CancellationToken::new(),
        };
        let peer = Peer { inner: Arc::new(state) };
        self.inner.peers.lock().insert(id, peer.clone());
        Some(Seat { id, peer, _permit: permit })
    }

    async fn make_room(&self) -> Option<OwnedSemaphorePermit> {
        loop {
            // Before the look, so that whoever goes into its client's hands after it says so.
            self.inner.crowded.store(true, Ordering::SeqCst);
            let found = self.close_longest_waiting();
            let soon = if let Found::Soon(after) = found { Some(after) } else { None };
            tokio::select! {
                permit = Arc::clone(&self.inner.room).acquire_owned() => {
                    self.inner.crowded.store(false, Ordering::SeqCst);
                    return permit.ok();
                }
                // One that was closed leaves in a moment; closing another meanwhile would be one too many.
                () = self.inner.changed.notified(), if found == Found::Nobody => {}
                () = tokio::time::sleep(soon.unwrap_or_default()), if soon.is_some() => {}
            }
        }
    }

    /// Closes the connection that has been in its client's hands for longest.
    pub(super) fn close_longest_waiting(&self) -> Found {
        let now = self.now();
        let slow = now.saturating_sub(micros(SLOW_AFTER));
        let peers = self.inner.peers.lock();
        match longest_waiting(&peers, |_| true) {
            None => Found::Nobody,
            Some((since, _, _)) if since > slow => Found::Soon(Duration::from_micros(since - slow)),
            Some((_, _, peer)) => {
                peer.inner.closed.cancel();
                self.inner.for_room.increment(1);
                Found::Closed
            }
        }
    }

    /// Resolves when more of a body may be read. Until then the client's bytes stay in its connection, which slows it down.
    /// Whoever has been slow for longest is closed for those who wait here.
    async fn memory(&self) {
        loop {
            let mut freed = pin!(self.inner.freed.notified());
            // Whoever comes first is first.
            freed.as_mut().enable();
            while self.is_full() {
                self.relieve(1);
                tokio::select! {
                    () = freed.as_mut() => break,
                    // By then somebody may have become slow.
                    () = tokio::time::sleep(SLOW_AFTER / 4) => {}
                }
            }
            if !self.is_full() {
                // There may be enough for more than one.
                self.inner.freed.notify_one();
                return;
            }
        }
    }

    fn is_full(&self) -> bool {
        self.inner.held.load(Ordering::Relaxed) >= self.inner.max_held
    }

    /// Closes connections of slow clients until so much more can be held; beyond twice as much as may be those of any client,
    /// for many answers can be given in the second before a client counts as slow.
    fn relieve(&self, more: usize) {
        let slow = self.now().saturating_sub(micros(SLOW_AFTER));
        let peers = self.inner.peers.lock();
        let is_closed = |peer: &&Peer| peer.inner.closed.is_cancelled();
        let leaving: usize = peers.values().filter(is_closed).map(Peer::held).sum();
        let held = self.inner.held.load(Ordering::Relaxed).saturating_sub(leaving);
        let mut excess = (held + more).saturating_sub(self.inner.max_held);
        while excess > 0 {
            match longest_waiting(&peers, |held| held > 0) {
                Some((since, held, peer)) if since <= slow || excess > self.inner.max_held => {
                    peer.inner.closed.cancel();
                    self.inner.for_memory.increment(1);
                    excess = excess.saturating_sub(held);
                }
                _ => return,
            }
        }
    }

    fn now(&self) -> u64 {
        // Never OURS.
        micros(self.inner.began.elapsed()).saturating_add(1)
    }
}

/// Since when it is in its client's hands, how much is held for it, and which it is: the one that has been for longest
/// of those for which so much is held, and which are not closed already.
fn longest_waiting(
    peers: &FxHashMap<u64, Peer>,
    eligible: impl Fn(usize) -> bool,
) -> Option<(u64, usize, &Peer)> {
    let waiting = peers.values().filter_map(|peer| {
        let since = peer.inner.since.load(Ordering::SeqCst);
        let held = peer.held();
        let may_go = since != OURS && eligible(held) && !peer.inner.closed.is_cancelled();
        may_go.then_some((since, held, peer))
    });
    waiting.min_by_key(|(since, ..)| *since)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

impl Peer {
    /// The other end of the connection: a client, or a proxy before it.
    pub fn addr(&self) -> IpAddr {
        self.inner.addr
    }

    /// From now on the request waits for something to happen and not for work to be done, so its connection may be
    /// closed if there is no room for others.
    pub fn waits_for_news(&self) {
        self.give_back(self.inner.roster.now());
    }

    /// A request has come: it is in our hands. Gives when that was.
    fn take(&self) -> u64 {
        self.inner.since.store(OURS, Ordering::SeqCst);
        self.inner.roster.now()
    }

    /// It is in its client's hands since then.
    fn give_back(&self, since: u64) {
        self.inner.since.store(since, Ordering::SeqCst);
        let roster = &self.inner.roster.inner;
        if roster.crowded.load(Ordering::SeqCst) {
            roster.changed.notify_one();
        }
    }

    fn held(&self) -> usize {
        self.inner.held.load(Ordering::Relaxed)
    }

    fn hold(&self, bytes: usize) {
        self.inner.held.fetch_add(bytes, Ordering::Relaxed);
        let roster = &self.inner.roster;
        let all = roster.inner.held.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if all > roster.inner.max_held {
            roster.relieve(0);
        }
    }

    fn let_go(&self, bytes: usize) {
        self.inner.held.fetch_sub(bytes, Ordering::Relaxed);
        let roster = &self.inner.roster.inner;
        let before = roster.held.fetch_sub(bytes, Ordering::Relaxed);
        if before >= roster.max_held && before - bytes < roster.max_held {
            roster.freed.notify_one();
        }
    }
}

impl Seat {
    /// Resolves when the connection has to go.
    pub(super) async fn closed(&self) {
        self.peer.inner.closed.cancelled().await;
    }

    /// `router`, told about the connection and watched.
    pub(super) fn serve(&self, router: Router) -> Watched {
        Watched { router, peer: self.peer.clone() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.peer.inner.roster.inner.peers.lock().remove(&self.id);
    }
}

/// A service that notes in whose hands its connection is.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    router: Router,
    peer: Peer,
}

impl hyper::service::Service<Request<Incoming>> for Watched {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let peer = self.peer.clone();
        let since = peer.take();
        let arriving = Arc::new(Arriving { bytes: AtomicUsize::new(0), peer: peer.clone() });
        let body = Arc::clone(&arriving);
        let mut request =
            request.map(|inner| Body::new(RequestBody { inner, since, arriving: body, waiting: None }));
        request.extensions_mut().insert(peer.clone());
        let answer = tower::Service::call(&mut self.router.clone(), request);
        Box::pin(async move {
            let answer = answer.await;
            // What was made of the body is small, or part of the answer.
            arriving.let_go();
            peer.give_back(peer.inner.roster.now());
            answer.map(|answer| answer.map(|inner| Body::new(AnswerBody { inner, peer })))
        })
    }
}

/// How much of a request's body is in memory.
#[derive(Debug)]
struct Arriving {
    bytes: AtomicUsize,
    peer: Peer,
}

impl Arriving {
    fn let_go(&self) {
        self.peer.let_go(self.bytes.swap(0, Ordering::Relaxed));
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// A request's body: while it does not come, the connection is in its client's hands since the request came.
struct RequestBody {
    inner: Incoming,
    since: u64,
    arriving: Arc<Arriving>,
    /// For memory to be free.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl RequestBody {
    /// Whether more of it may be read. While it may not, the connection counts as in its client's hands: nobody could be
    /// closed if all that is held were of bodies that wait for each other.
    fn poll_memory(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.arriving.bytes.load(Ordering::Relaxed) < COUNTED {
            return Poll::Ready(());
        }
        let peer = &self.arriving.peer;
        if self.waiting.is_none() && !peer.inner.roster.is_full() {
            return Poll::Ready(());
        }
        let waiting = self.waiting.get_or_insert_with(|| {
            peer.give_back(self.since);
            let roster = peer.inner.roster.clone();
            Box::pin(async move { roster.memory().await })
        });
        std::task::ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(())
    }
}

impl HttpBody for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        std::task::ready!(self.poll_memory(context));
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        let peer = &self.arriving.peer;
        match &polled {
            Poll::Pending => peer.give_back(self.since),
            Poll::Ready(frame) => {
                peer.take();
                if let Some(Ok(frame)) = frame
                    && let Some(data) = frame.data_ref()
                {
                    self.arriving.bytes.fetch_add(data.len(), Ordering::Relaxed);
                    peer.hold(data.len());
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// An answer's body, counted for as long as it is in memory.
struct AnswerBody {
    inner: Body,
    peer: Peer,
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(context));
        let counted = |data: Bytes| if data.len() < COUNTED { data } else { Unsent::of(data, &self.peer) };
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(counted))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A part of an answer, until it is sent.
struct Unsent {
    data: Bytes,
    peer: Peer,
}

impl Unsent {
    fn of(data: Bytes, peer: &Peer) -> Bytes {
        peer.hold(data.len());
        Bytes::from_owner(Self { data, peer: peer.clone() })
    }
}

impl AsRef<[u8]> for Unsent {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.peer.let_go(self.data.len());
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const ADDR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn closed(seat: &Seat) -> bool {
        seat.closed().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_waited_for_longest_goes_and_who_is_worked_for_stays() {
        let roster = Roster::new(3, usize::MAX);
        let [worked_for, first, second] =
            [roster.seat(ADDR).await, roster.seat(ADDR).await, roster.seat(ADDR).await];
        let (worked_for, first, second) = (worked_for.unwrap(), first.unwrap(), second.unwrap());
        worked_for.peer.take();
        tokio::time::advance(Duration::from_millis(5)).await;
        // Used again, so it is not the one that waits for longest.
        let since = first.peer.take();
        first.peer.give_back(since);
        let mut newcomer = pin!(roster.seat(ADDR));
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(!closed(&second), "not in its first second");
        tokio::time::advance(SLOW_AFTER - Duration::from_millis(1)).await;
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(closed(&second) && !closed(&first) && !closed(&worked_for));
        drop(second);
        assert!(newcomer.now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn without_anybody_to_close_the_next_that_is_answered_goes() {
        let roster = Roster::new(1, usize::MAX);
        let only = roster.seat(ADDR).await.unwrap();
        only.peer.take();
        let mut newcomer = pin!(roster.seat(ADDR));
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert!(!closed(&only));
        only.peer.give_back(roster.now());
        for already in [false, true] {
            assert!(newcomer.as_mut().now_or_never().is_none());
            assert_eq!(closed(&only), already);
            tokio::time::advance(SLOW_AFTER + Duration::from_millis(1)).await;
        }
        drop(only);
        assert!(newcomer.now_or_never().flatten().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn dripping_bytes_buys_no_time() {
        let roster = Roster::new(2, usize::MAX);
        let dripping = roster.seat(ADDR).await.unwrap();
        let since = dripping.peer.take();
        tokio::time::advance(Duration::from_millis(5)).await;
        let idle = roster.seat(ADDR).await.unwrap();
        tokio::time::advance(Duration::from_millis(5)).await;
        // As a body does that comes byte by byte.
        dripping.peer.take();
        dripping.peer.give_back(since);
        tokio::time::advance(SLOW_AFTER).await;
        assert_eq!(roster.close_longest_waiting(), Found::Closed);
        assert!(closed(&dripping) && !closed(&idle));
    }

    #[tokio::test(start_paused = true)]
    async fn slow_clients_give_back_memory_and_quick_ones_keep_it() {
        let roster = Roster::new(8, 10);
        let seat = async || roster.seat(ADDR).await.unwrap();
        let (slow, idle, works) = (seat().await, seat().await, seat().await);
        let unsent = Unsent::of(Bytes::from_static(b"12345678"), &slow.peer);
        works.peer.take();
        works.peer.hold(1);
        tokio::time::advance(SLOW_AFTER).await;
        let quick = seat().await;
        assert!(!closed(&slow), "there is enough for all");
        quick.peer.hold(9);
        assert!(closed(&slow) && !closed(&idle) && !closed(&works) && !closed(&quick));
        drop(unsent);
        assert_eq!(roster.inner.held.load(Ordering::Relaxed), 10);
        quick.peer.let_go(9);
        works.peer.let_go(1);
        assert_eq!(roster.inner.held.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_waits_for_memory_and_who_is_slow_makes_it() {
        let roster = Roster::new(8, 10);
        let (slow, quick) = (roster.seat(ADDR).await.unwrap(), roster.seat(ADDR).await.unwrap());
        quick.peer.take();
        slow.peer.hold(10);
        let mut waits = pin!(roster.memory());
        let mut behind = pin!(roster.memory());
        assert!(waits.as_mut().now_or_never().is_none() && behind.as_mut().now_or_never().is_none());
        assert!(!closed(&slow), "not in its first second");
        tokio::time::advance(SLOW_AFTER).await;
        assert!(waits.as_mut().now_or_never().is_none(), "it is still held");
        assert!(closed(&slow) && !closed(&quick));
        slow.peer.let_go(10);
        assert!(waits.now_or_never().is_some() && behind.now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn beyond_twice_as_much_nobody_has_a_second() {
        let roster = Roster::new(8, 10);
        let (first, second) = (roster.seat(ADDR).await.unwrap(), roster.seat(ADDR).await.unwrap());
        first.peer.hold(11);
        tokio::time::advance(Duration::from_millis(5)).await;
        assert!(!closed(&first), "more than there is, and within its second");
        second.peer.hold(10);
        assert!(closed(&first) && !closed(&second), "as many as it takes to be below twice as much");
        first.peer.let_go(11);
        second.peer.let_go(10);
    }
}
