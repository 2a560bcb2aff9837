//! Keys that were in the token and were not found when they were looked for again.
//!
//! A module may hide a key for a moment, for example by an answer that leaves out what its attributes are. The token is
//! attached then, so nobody would look again; it is done here, at first after a second and then more and more seldom, since
//! a key may also have been destroyed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use signer_wire::KeyRef;

use super::attach::{self, Attachment};
use super::{Hsm, by_name};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// What was there, and when to look for it again.
#[derive(Debug)]
pub(super) struct Missing {
    known: HashSet<KeyRef>,
    next: Option<Instant>,
    pause: Duration,
}

impl Missing {
    pub(super) fn nothing() -> Self {
        Self {
            known: HashSet::new(),
            next: None,
            pause: FIRST_PAUSE,
        }
    }

    /// Whether it is time to look for something. `there` are the keys of the token as they are known now.
    fn is_due(&mut self, there: impl Fn(&KeyRef) -> bool, now: Instant) -> bool {
        if self.known.iter().all(there) {
            (self.next, self.pause) = (None, FIRST_PAUSE);
            return false;
        }
        match self.next {
            Some(next) if now < next => false,
            _ => {
                self.next = Some(now + self.pause);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                true
            }
        }
    }
}

impl Hsm {
    /// Keeps in mind which keys the token had.
    pub(super) fn remember_keys(&self, attachment: &Attachment) {
        self.missing.lock().known.extend(attachment.keys.read().keys());
    }

    /// A key was destroyed on purpose.
    pub(super) fn forget_key(&self, key: &KeyRef) {
        self.missing.lock().known.remove(key);
    }

    /// Looks for keys that were there, when it is time.
    pub(super) fn look_for_missing(&self, attachment: &Attachment, now: Instant) {
        let is_due = {
            let keys = attachment.keys.read();
            self.missing.lock().is_due(|key| keys.contains_key(key), now)
        };
        if !is_due {
            return;
        }
        if let Some(found) = attach::search(self, attachment) {
            let mut keys = attachment.keys.write();
            let before = keys.len();
            for (name, key) in by_name(found) {
                keys.entry(name).or_insert(key);
            }
            if keys.len() > before {
                tracing::info!(token = self.name, keys = keys.len(), "keys are found again");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_looked_for_more_and_more_seldom() {
        let (mut missing, start) = (Missing::nothing(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let gone = |_: &KeyRef| false;
        assert!(!missing.is_due(gone, start), "nothing was there");
        missing.known.insert(KeyRef::new([7; 32]));
        assert!(missing.is_due(gone, start));
        assert!(!missing.is_due(gone, start));
        assert!(missing.is_due(gone, at(1)));
        assert!(!missing.is_due(gone, at(2)));
        assert!(missing.is_due(gone, at(3)));
        assert!(!missing.is_due(|_| true, at(4)));
        assert!(missing.is_due(gone, at(4)), "it went once more");
    }
}
