//! Who has a connection, so that neither one client nor many silent ones take the places of a listener.
//!
//! Every address has a share of the places. When it is spent, or when no place is left at all, a connection on which nothing
//! goes on makes room for the new one: of that address, or of the address that has most. Which one is found by a hand that
//! goes round: who asked something since it came by last is passed over once, so that a client at work keeps its connection
//! while one that only holds it does not. Nobody is cut off whose request is being answered.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntCounter;
use tokio::task::AbortHandle;

use crate::activity::Activity;

/// Connections that are looked at for one that makes room.
const LOOKS: usize = 64;

/// The connections of every address that has one. What it holds is bounded by the connections of the listener.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    book: Arc<Mutex<Book>>,
    /// Counts the connections that made room.
    displaced: IntCounter,
}

#[derive(Debug, Default)]
struct Book {
    next: u64,
    of: HashMap<IpAddr, Held>,
}

/// The connections of one address.
#[derive(Debug, Default)]
struct Held {
    open: BTreeMap<u64, Guest>,
    /// The connection that was looked at last.
    hand: u64,
}

#[derive(Debug)]
struct Guest {
    activity: Arc<Activity>,
    /// What had been asked when the hand came by.
    seen: u64,
    /// Its task, once it has one.
    task: Option<AbortHandle>,
}

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: IpAddr,
    number: u64,
    book: Arc<Mutex<Book>>,
}

impl Shares {
    /// At most so many for each.
    pub(crate) fn of(most: usize, displaced: IntCounter) -> Self {
        Self {
            most,
            book: Arc::default(),
            displaced,
        }
    }

    /// One more for this address, when it has not its share yet or one of its connections makes room.
    pub(crate) fn take(&self, address: IpAddr, activity: &Arc<Activity>) -> Option<Share> {
        let of = client(address);
        let mut book = locked(&self.book);
        let count = book.of.get(&of).map_or(0, |held| held.open.len());
        if count >= self.most && !book.displace(of) {
            return None;
        }
        if count >= self.most {
            self.displaced.inc();
        }
        book.next += 1;
        let number = book.next;
        let guest = Guest {
            activity: Arc::clone(activity),
            seen: 0,
            task: None,
        };
        book.of.entry(of).or_default().open.insert(number, guest);
        Some(Share {
            of,
            number,
            book: Arc::clone(&self.book),
        })
    }

    /// Tells the connection of a share to make room when it is asked to, by ending this task.
    pub(crate) fn serve(&self, of: IpAddr, number: u64, task: AbortHandle) {
        let mut book = locked(&self.book);
        let held = book.of.get_mut(&of);
        if let Some(guest) = held.and_then(|held| held.open.get_mut(&number)) {
            guest.task = Some(task);
        }
    }

    /// Has a connection make room, of the address that has most of those where nothing goes on in one; says whether
    /// there was any.
    pub(crate) fn make_room(&self) -> bool {
        let mut book = locked(&self.book);
        let mut addresses: Vec<(usize, IpAddr)> =
            book.of.iter().map(|(of, held)| (held.open.len(), *of)).collect();
        addresses.sort_unstable_by(|one, other| other.cmp(one));
        let has_made = addresses.into_iter().any(|(_, of)| book.displace(of));
        if has_made {
            self.displaced.inc();
        }
        has_made
    }
}

impl Book {
    /// Ends a connection of this address on which nothing goes on.
    fn displace(&mut self, of: IpAddr) -> bool {
        let idle = self.of.get_mut(&of).and_then(Held::next_idle);
        let Some(guest) = idle.and_then(|number| self.leave(of, number)) else {
            return false;
        };
        if let Some(task) = guest.task {
            task.abort();
        }
        true
    }

    fn leave(&mut self, of: IpAddr, number: u64) -> Option<Guest> {
        let held = self.of.get_mut(&of)?;
        let guest = held.open.remove(&number);
        if held.open.is_empty() {
            self.of.remove(&of);
        }
        guest
    }
}

impl Held {
    /// The next connection on which nothing goes on and nothing was asked since the hand came by.
    fn next_idle(&mut self) -> Option<u64> {
        for _ in 0..LOOKS.min(self.open.len() * 2) {
            let behind = (Bound::Excluded(self.hand), Bound::Unbounded);
            let next = self.open.range_mut(behind).next();
            let Some((number, guest)) = next else {
                self.hand = 0;
                continue;
            };
            self.hand = *number;
            let asked = guest.activity.asked();
            if guest.task.is_some() && guest.activity.is_quiet() && guest.seen == asked {
                return Some(*number);
            }
            guest.seen = asked;
        }
        None
    }
}

impl Share {
    /// The address and the number that it is in the book under.
    pub(crate) fn place(&self) -> (IpAddr, u64) {
        (self.of, self.number)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        locked(&self.book).leave(self.of, self.number);
    }
}

fn locked(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stands for one client: of IPv6 the /64 network, as a host may take any address in it (RFC 4291 §2.5.4).
fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    fn shares(most: usize) -> Shares {
        Shares::of(most, IntCounter::new("displaced", "x").unwrap())
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    /// A connection whose task goes on until it makes room.
    fn open(shares: &Shares, from: &str) -> Option<(Share, Arc<Activity>, tokio::task::JoinHandle<()>)> {
        let activity = Arc::new(Activity::default());
        let share = shares.take(address(from), &activity)?;
        let task = tokio::spawn(std::future::pending());
        let (of, number) = share.place();
        shares.serve(of, number, task.abort_handle());
        Some((share, activity, task))
    }

    async fn made_room(task: tokio::task::JoinHandle<()>) -> bool {
        tokio::task::yield_now().await;
        task.is_finished()
    }

    #[tokio::test]
    async fn an_address_whose_connections_are_at_work_has_its_share_and_no_more() {
        let shares = shares(2);
        let first = open(&shares, "192.0.2.1").unwrap();
        let second = open(&shares, "::ffff:192.0.2.1").unwrap();
        let _asked = [first.1.begin(), second.1.begin()];
        assert!(open(&shares, "192.0.2.1").is_none());
        let _other = open(&shares, "192.0.2.2").unwrap();
        drop(first.0);
        let third = open(&shares, "192.0.2.1").unwrap();
        let _asked = third.1.begin();
        assert!(open(&shares, "192.0.2.1").is_none());
        assert_eq!(shares.displaced.get(), 0);
    }

    #[tokio::test]
    async fn who_asks_nothing_makes_room_before_who_asks() {
        let shares = shares(2);
        let busy = open(&shares, "192.0.2.1").unwrap();
        let silent = open(&shares, "192.0.2.1").unwrap();
        for _ in 0..3 {
            drop(busy.1.begin());
            assert!(open(&shares, "192.0.2.1").is_some());
        }
        assert!(made_room(silent.2).await && !made_room(busy.2).await);
        assert_eq!(
            shares.displaced.get(),
            1,
            "those that were closed at once left a place"
        );
    }

    #[tokio::test]
    async fn the_address_that_has_most_makes_room_for_the_others() {
        let shares = shares(9);
        let few = open(&shares, "192.0.2.1").unwrap();
        let first = open(&shares, "192.0.2.2").unwrap();
        let second = open(&shares, "192.0.2.2").unwrap();
        assert!(shares.make_room());
        assert!(made_room(first.2).await);
        let _asked = [second.1.begin(), few.1.begin()];
        assert!(!shares.make_room(), "everybody is at work");
        assert!(!made_room(second.2).await && !made_room(few.2).await);
    }

    #[tokio::test]
    async fn a_network_of_ipv6_is_one_client() {
        let shares = shares(1);
        let held = open(&shares, "2001:db8::1").unwrap();
        let _asked = held.1.begin();
        assert!(open(&shares, "2001:db8::2:3").is_none());
        assert!(open(&shares, "2001:db8:0:1::1").is_some());
        drop(held);
        assert!(locked(&shares.book).of.is_empty());
    }
}
