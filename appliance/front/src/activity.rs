//! What goes on in a connection, for whoever decides that nothing does.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Response;
use hyper::body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

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

    /// How often something was asked.
    pub(crate) fn asked(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// Whether nothing is being answered, and no answer waits to be taken.
    pub(crate) fn is_quiet(&self) -> bool {
        self.ended.load(Ordering::Relaxed) == self.asked() && !self.is_blocked.load(Ordering::Relaxed)
    }

    /// Returns when nothing was asked, nothing was being answered, and no answer was waiting to be taken, for this long or
    /// a quarter longer.
    pub(crate) async fn lull(&self, patience: Duration) {
        let (mut before, mut quiet) = (self.asked(), 0);
        while quiet < LOOKS {
            elapsed(tokio::time::sleep(patience / LOOKS)).await;
            let asked = self.asked();
            let is_quiet = asked == before && self.is_quiet();
            quiet = if is_quiet { quiet + 1 } else { 0 };
            before = asked;
        }
    }
}

/// Waits for a timer, within one task: each wake-up of the connection comes by here, and whether a timer has elapsed costs
/// less to ask than to poll it.
async fn elapsed(timer: Sleep) {
    let mut timer = pin!(timer);
    let mut is_set = false;
    poll_fn(|context| {
        if !is_set {
            is_set = true;
            return timer.as_mut().poll(context);
        }
        if timer.is_elapsed() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Asked(Arc<Activity>);

impl Asked {
    /// Lasts until the answer is there with all of its body.
    pub(crate) fn during<F>(self, answer: F) -> During<F> {
        During {
            answer,
            asked: Some(self),
        }
    }
}

pin_project_lite::pin_project! {
    /// An answer on its way. Written out, because an `async fn` keeps what it awaits twice.
    #[derive(Debug)]
    pub(crate) struct During<F> {
        #[pin]
        answer: F,
        asked: Option<Asked>,
    }
}

impl<F, B, E> Future for During<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<Lasting<B>>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        let asked = this.asked.take();
        Poll::Ready(answer.map(|answer| answer.map(|body| Lasting { body, _asked: asked })))
    }
}

/// The body of an answer, which is being given as long as there is this.
#[derive(Debug)]
pub(crate) struct Lasting<B> {
    body: B,
    _asked: Option<Asked>,
}

impl<B: Body + Unpin> Body for Lasting<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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

    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};
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
        let answer = async { Ok::<_, ()>(Response::new(Full::<Bytes>::from("x"))) };
        let answer = activity.begin().during(answer).await.unwrap();
        assert!(lasts(&activity).await, "a body is being given");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "x");
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
