//! The end of a listener, as its connections see it.
//!
//! Every wake-up of a connection asks whether the end has come. The token of tokio-util answers that under a lock that
//! all connections share; here it is one load of a flag, and the token only wakes who sleeps.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// An end that comes once. All clones see the same end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ending {
    has_come: Arc<AtomicBool>,
    wake: CancellationToken,
}

impl Ending {
    /// Lets the end come.
    pub(crate) fn come(&self) {
        self.has_come.store(true, Ordering::SeqCst);
        self.wake.cancel();
    }

    /// Waits for the end, within one task: the waker of the first poll is the one that is woken.
    pub(crate) async fn wait(&self) {
        let mut wake = pin!(self.wake.cancelled());
        let mut is_armed = false;
        poll_fn(|context| {
            if self.has_come.load(Ordering::SeqCst) {
                return Poll::Ready(());
            }
            if is_armed {
                return Poll::Pending;
            }
            is_armed = true;
            wake.as_mut().poll(context)
        })
        .await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_is_woken_and_who_comes_late_does_not_wait() {
        let ending = Ending::default();
        let waiting = tokio::spawn({
            let ending = ending.clone();
            async move { ending.wait().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        ending.come();
        assert!(waiting.await.is_ok());
        ending.wait().await;
    }
}
