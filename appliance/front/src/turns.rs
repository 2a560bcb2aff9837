//! Whoever orders something lets whoever asks go first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

    /// After something that took long, as a certificate does: lets other threads run when somebody asked since the last time.
    /// Otherwise a thread of the public listener that is woken waits until this one has used up its slice, which is
    /// milliseconds.
    pub(crate) fn give_way(&self) {
        if self.is_asked() {
            std::thread::yield_now();
        }
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
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
        turns.asked();
        turns.give_way();
        assert!(!turns.is_asked());
    }
}
