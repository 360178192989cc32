//! A connection that fails once its peer has taken nothing for too long.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use metrics::Counter;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::time::{Instant, Sleep};

/// Passes everything through. When a write has waited for longer than the limit, it and everything after it fails, also
/// the read that is waiting: otherwise a peer that stops reading would keep its connection for ever.
pub struct Guarded<I> {
    inner: I,
    limit: Duration,
    /// Runs while a write waits.
    deadline: Pin<Box<Sleep>>,
    waiting: bool,
    cut: bool,
    reader: Option<Waker>,
    /// Counts a peer that was too slow.
    slow: Counter,
    /// Dropped with the connection.
    _closed: Option<oneshot::Sender<()>>,
}

impl<I: std::fmt::Debug> std::fmt::Debug for Guarded<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guarded").field("inner", &self.inner).field("cut", &self.cut).finish_non_exhaustive()
    }
}

impl<I> Guarded<I> {
    /// Guards `inner`: a write may wait for `limit`. `slow` counts one that waited longer.
    pub fn new(inner: I, limit: Duration, slow: Counter) -> Self {
        let deadline = Box::pin(tokio::time::sleep(limit));
        Self { inner, limit, deadline, waiting: false, cut: false, reader: None, slow, _closed: None }
    }

    /// As [`Guarded::new`]. The receiver resolves (to an error) when the connection is dropped.
    pub fn watched(inner: I, limit: Duration, slow: Counter) -> (Self, oneshot::Receiver<()>) {
        let (closed, is_closed) = oneshot::channel();
        (Self { _closed: Some(closed), ..Self::new(inner, limit, slow) }, is_closed)
    }

    /// Watches how a write goes.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(&mut I, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if self.cut {
            return Poll::Ready(Err(too_slow()));
        }
        if let Poll::Ready(result) = write(&mut self.inner, context) {
            self.waiting = false;
            return Poll::Ready(result);
        }
        if !self.waiting {
            self.waiting = true;
            self.deadline.as_mut().reset(Instant::now() + self.limit);
        }
        ready!(self.deadline.as_mut().poll(context));
        self.cut = true;
        self.slow.increment(1);
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Poll::Ready(Err(too_slow()))
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer took nothing for too long")
}

impl<I: AsyncRead + Unpin> AsyncRead for Guarded<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut {
            return Poll::Ready(Err(too_slow()));
        }
        let result = Pin::new(&mut self.inner).poll_read(context, buffer);
        if result.is_pending() && !self.reader.as_ref().is_some_and(|w| w.will_wake(context.waker())) {
            self.reader = Some(context.waker().clone());
        }
        result
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Guarded<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch(context, |inner, context| Pin::new(inner).poll_write(context, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(context, |inner, context| Pin::new(inner).poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch(context, |inner, context| Pin::new(inner).poll_shutdown(context))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.watch(context, |inner, context| Pin::new(inner).poll_write_vectored(context, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_cut_off_in_both_directions() {
        let (ours, _theirs) = duplex(8);
        let (guarded, closed) = Guarded::watched(ours, Duration::from_secs(10), Counter::noop());
        let (mut reader, mut writer) = split(guarded);
        let mut byte = [0];
        let (read, written) = tokio::join!(reader.read(&mut byte), writer.write_all(&[7; 64]));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop((reader, writer));
        assert!(closed.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_that_takes_something_is_not() {
        let (ours, mut theirs) = duplex(8);
        let (mut guarded, _closed) = Guarded::watched(ours, Duration::from_secs(10), Counter::noop());
        let read = async {
            let mut bytes = [0; 8];
            for _ in 0..8 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                theirs.read_exact(&mut bytes).await.unwrap();
            }
        };
        let (written, ()) = tokio::join!(guarded.write_all(&[7; 64]), read);
        written.unwrap();
    }
}
