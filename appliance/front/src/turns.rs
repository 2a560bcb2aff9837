//! Whoever orders something lets whoever asks go first.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

/// Whether relying parties ask, for those who order. A copy is about the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<AtomicBool>);

impl Turns {
    /// Somebody asked.
    pub(crate) fn asked(&self) {
        // Mostly it is known, and what is only read no other processor has to fetch anew.
        if !self.0.load(Ordering::Relaxed) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether somebody asked since this was looked at.
    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }

    /// An answer to somebody who orders.
    pub(crate) fn behind<F>(&self, answer: F) -> Behind<F> {
        Behind {
            answer,
            turns: self.clone(),
        }
    }
}

pin_project_lite::pin_project! {
    /// An answer that took long to make, as a certificate does: the thread that made it lets others run before it goes on with
    /// the next one, when relying parties ask. Without that a thread of the public listener that is woken waits until this one
    /// has used up its slice, which is milliseconds.
    #[derive(Debug)]
    pub(crate) struct Behind<F> {
        #[pin]
        answer: F,
        turns: Turns,
    }
}

impl<F: Future> Future for Behind<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let answer = ready!(this.answer.poll(context));
        if this.turns.is_asked() {
            std::thread::yield_now();
        }
        Poll::Ready(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn way_is_made_once_for_whoever_asked() {
        let turns = Turns::default();
        assert!(!turns.is_asked());
        turns.asked();
        turns.clone().asked();
        assert!(turns.is_asked());
        assert!(!turns.is_asked());
    }
}
