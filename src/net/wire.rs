//! A stream that counts what a stranger sends, keeps its first bytes, and ends where its budget is spent (HOSTILE.md 98).

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// First bytes that are kept: the status line and the headers that tell why an answer was refused.
const FIRST_KEPT: usize = 4096;

/// What a [`Metered`] stream saw, shared with whoever opened it.
#[derive(Debug)]
pub(crate) struct Meter {
    budget: u64,
    received: AtomicU64,
    over_budget: AtomicBool,
    ended: AtomicBool,
    first_at: OnceLock<Instant>,
    first: Mutex<Vec<u8>>,
}

impl Meter {
    /// Bytes received so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Whether the peer sent more than the budget.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.over_budget.load(Ordering::Relaxed)
    }

    /// Whether the peer ended the stream.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed)
    }

    /// The first bytes, at most [`FIRST_KEPT`].
    pub(crate) fn first(&self) -> Vec<u8> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the first byte came.
    pub(crate) fn first_at(&self) -> Option<Instant> {
        self.first_at.get().copied()
    }

    fn note(&self, bytes: &[u8]) {
        if bytes.is_empty() {
            self.ended.store(true, Ordering::Relaxed);
            return;
        }
        self.first_at.get_or_init(Instant::now);
        let before = self.received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        if before < FIRST_KEPT as u64 {
            let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
            let room = FIRST_KEPT - first.len();
            first.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
    }
}

/// A stream with a [`Meter`] on what it reads.
#[derive(Debug)]
pub(crate) struct Metered<S> {
    inner: S,
    meter: Arc<Meter>,
}

impl<S> Metered<S> {
    /// Meters a stream. A read past `budget` bytes fails, and the meter says so.
    pub(crate) fn new(inner: S, budget: u64) -> Self {
        let meter = Meter {
            budget,
            received: AtomicU64::new(0),
            over_budget: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            first_at: OnceLock::new(),
            first: Mutex::default(),
        };
        Self { inner, meter: Arc::new(meter) }
    }

    /// The meter, which outlives the stream.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::clone(&self.meter)
    }

    /// The stream itself, for another meter.
    pub(crate) fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.meter.received() > self.meter.budget {
            self.meter.over_budget.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::QuotaExceeded)));
        }
        let before = buffer.filled().len();
        let room = buffer.remaining();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        // A read into no room says nothing of the end.
        if room > 0 {
            self.meter.note(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn the_end_and_the_first_bytes_are_kept() {
        let mut stream = Metered::new(ended_after(FIRST_KEPT + 10).await, u64::MAX);
        let meter = stream.meter();
        assert_eq!((meter.received(), meter.first_at(), meter.has_ended()), (0, None, false));
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!((all.len(), meter.received()), (FIRST_KEPT + 10, FIRST_KEPT as u64 + 10));
        assert_eq!(meter.first(), all[..FIRST_KEPT]);
        assert!(meter.first_at().is_some() && meter.has_ended() && !meter.is_over_budget());
    }

    #[tokio::test]
    async fn a_budget_holds_to_the_byte() {
        for (sent, over) in [(1000, false), (1001, true)] {
            let mut stream = Metered::new(ended_after(sent).await, 1000);
            let meter = stream.meter();
            let read = stream.read_to_end(&mut Vec::new()).await;
            assert_eq!((read.is_err(), meter.is_over_budget()), (over, over), "{sent}");
        }
    }

    /// A stream that holds so many bytes and then ends.
    async fn ended_after(length: usize) -> tokio::io::DuplexStream {
        use tokio::io::AsyncWriteExt;
        let (mut near, far) = tokio::io::duplex(length);
        near.write_all(&vec![b'x'; length]).await.unwrap();
        far
    }
}
