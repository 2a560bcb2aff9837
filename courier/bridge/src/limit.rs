//! Who may have how much: connections at the same time, requests in a minute; of all and of one address.
//!
//! What is kept is bounded by the limits of all: an address stands in a book only while it has a connection, or in the minute in
//! which it asked.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::address::client;

/// Requests are counted by the minute.
const WINDOW: Duration = Duration::from_mins(1);

/// Places for connections.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    most: usize,
    most_per_address: usize,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    taken: usize,
    of: HashMap<IpAddr, usize>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    of: IpAddr,
    book: Arc<Mutex<Book>>,
}

impl Places {
    /// So many, and of those so many for one address.
    pub(crate) fn new(most: usize, most_per_address: usize) -> Self {
        Self {
            most,
            most_per_address,
            book: Arc::default(),
        }
    }

    /// A place for a client, when there is one.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Place> {
        let of = client(address);
        let mut book = locked(&self.book);
        let own = book.of.get(&of).copied().unwrap_or(0);
        if book.taken >= self.most || own >= self.most_per_address {
            return None;
        }
        book.taken += 1;
        book.of.insert(of, own + 1);
        Some(Place {
            of,
            book: Arc::clone(&self.book),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut book = locked(&self.book);
        book.taken = book.taken.saturating_sub(1);
        match book.of.get_mut(&self.of) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                book.of.remove(&self.of);
            }
        }
    }
}

/// Requests in the present minute.
#[derive(Debug)]
pub(crate) struct Rate {
    most: u32,
    most_per_address: u32,
    minute: Mutex<Minute>,
}

#[derive(Debug)]
struct Minute {
    began: Instant,
    all: u32,
    of: HashMap<IpAddr, u32>,
}

impl Rate {
    /// So many, and of those so many of one address.
    pub(crate) fn new(most: u32, most_per_address: u32) -> Self {
        let minute = Minute {
            began: Instant::now(),
            all: 0,
            of: HashMap::new(),
        };
        Self {
            most,
            most_per_address,
            minute: Mutex::new(minute),
        }
    }

    /// Counts a request. When there were too many: how long to wait.
    pub(crate) fn count(&self, address: IpAddr) -> Result<(), Duration> {
        let mut minute = locked(&self.minute);
        let passed = minute.began.elapsed();
        if passed >= WINDOW {
            *minute = Minute {
                began: Instant::now(),
                all: 0,
                of: HashMap::new(),
            };
        }
        let own = minute.of.get(&client(address)).copied().unwrap_or(0);
        if minute.all >= self.most || own >= self.most_per_address {
            return Err(WINDOW.saturating_sub(passed));
        }
        minute.all += 1;
        minute.of.insert(client(address), own + 1);
        Ok(())
    }
}

fn locked<T>(book: &Mutex<T>) -> MutexGuard<'_, T> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_has_its_share_and_all_have_theirs() {
        let places = Places::new(3, 2);
        let first = places.take(address("192.0.2.1")).unwrap();
        let second = places.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(places.take(address("192.0.2.1")).is_none());
        let third = places.take(address("2001:db8::1")).unwrap();
        assert!(places.take(address("2001:db8:1::1")).is_none(), "all are taken");
        drop(first);
        assert!(places.take(address("192.0.2.1")).is_some());
        drop((second, third));
        assert!(locked(&places.book).of.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_has_its_number_of_requests() {
        let rate = Rate::new(3, 2);
        let (one, other) = (address("2001:db8::1"), address("192.0.2.1"));
        assert_eq!((rate.count(one), rate.count(one)), (Ok(()), Ok(())));
        assert_eq!(
            rate.count(address("2001:db8::2")),
            Err(WINDOW),
            "a /64 is one client"
        );
        assert_eq!(rate.count(other), Ok(()));
        assert_eq!(rate.count(other), Err(WINDOW), "all have had theirs");
        tokio::time::advance(Duration::from_secs(50)).await;
        assert_eq!(rate.count(one), Err(Duration::from_secs(10)));
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(rate.count(one), Ok(()));
    }
}
