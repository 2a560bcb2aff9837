//! What goes on in a connection, for whoever decides that nothing does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How often a connection is looked at in the time that it may be quiet.
const LOOKS: u32 = 4;

/// What goes on in a connection.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    begun: AtomicU64,
    ended: AtomicU64,
    /// Whether its peer has to take something before more can be sent.
    is_blocked: AtomicBool,
}

impl Activity {
    /// A request is being answered until this is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> Asked {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Asked(Arc::clone(self))
    }

    /// Returns when nothing was asked, nothing was being answered, and no answer was waiting to be taken, for this long or
    /// a quarter longer.
    pub(crate) async fn lull(&self, patience: Duration) {
        let (mut before, mut quiet) = (self.begun.load(Ordering::Relaxed), 0);
        while quiet < LOOKS {
            tokio::time::sleep(patience / LOOKS).await;
            let begun = self.begun.load(Ordering::Relaxed);
            let is_quiet = begun == before
                && self.ended.load(Ordering::Relaxed) == begun
                && !self.is_blocked.load(Ordering::Relaxed);
            quiet = if is_quiet { quiet + 1 } else { 0 };
            before = begun;
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Asked(Arc<Activity>);

impl Asked {
    /// Lasts until the answer is there.
    pub(crate) async fn during<F: Future>(self, answer: F) -> F::Output {
        let answer = answer.await;
        drop(self);
        answer
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection that notes when its peer has to take something first.
#[derive(Debug)]
pub(crate) struct Noted<I> {
    pub(crate) io: I,
    pub(crate) activity: Arc<Activity>,
}

impl<I: AsyncRead + Unpin> AsyncRead for Noted<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<I> Noted<I> {
    fn note<T>(&self, outcome: Poll<T>) -> Poll<T> {
        self.activity
            .is_blocked
            .store(outcome.is_pending(), Ordering::Relaxed);
        outcome
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Noted<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, octets);
        self.note(outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, pieces);
        self.note(outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        self.note(outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_lull_is_when_nobody_asks_and_nothing_is_under_way() {
        let activity = Arc::new(Activity::default());
        let patience = Duration::from_secs(4);
        let lasts = async |activity: &Arc<Activity>| {
            tokio::time::timeout(patience * 2, activity.lull(patience))
                .await
                .is_err()
        };
        assert!(!lasts(&activity).await, "nothing was ever asked");
        let asked = activity.begin();
        assert!(lasts(&activity).await, "a request is being answered");
        drop(asked);
        assert!(!lasts(&activity).await);

        let (near, mut far) = tokio::io::duplex(8);
        let mut noted = Noted {
            io: near,
            activity: Arc::clone(&activity),
        };
        let writing = tokio::spawn(async move {
            noted.write_all(&[0; 16]).await.unwrap();
            noted
        });
        tokio::task::yield_now().await;
        assert!(lasts(&activity).await, "an answer waits to be taken");
        far.read_exact(&mut [0; 16]).await.unwrap();
        let _open = writing.await.unwrap();
        assert!(!lasts(&activity).await);
    }
}
