//! Turns: one change of a serial at a time, from the decision over the commit to the memory.
//!
//! Commits are answered together and their tasks run in any order. Who holds the turn of a serial knows that its change is
//! the last one, without a note for every serial that ever changed. Other serials go on beside it.

use pki::Serial;
use tokio::sync::{Mutex, MutexGuard};

/// Serials that share a turn by chance are few among so many.
const TURNS: usize = 1024;

#[derive(Debug)]
pub(crate) struct Turns(Box<[Mutex<()>]>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::default()).collect())
    }
}

impl Turns {
    /// Waits for the turn of a serial; it ends when what this gives is dropped.
    pub(crate) async fn of(&self, serial: &Serial) -> Option<MutexGuard<'_, ()>> {
        let sum = |sum: usize, octet: &u8| sum.wrapping_mul(31).wrapping_add(usize::from(*octet));
        let place = serial.as_bytes().iter().fold(0, sum) % TURNS;
        match self.0.get(place) {
            Some(turn) => Some(turn.lock().await),
            None => None,
        }
    }
}
