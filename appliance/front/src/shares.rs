//! How many connections each address has, so that one client cannot take all the places of a listener.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The connections of every address that has one. What it holds is bounded by the connections of the listener.
#[derive(Debug)]
pub(crate) struct Shares {
    most: usize,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection of an address, until it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    of: IpAddr,
    open: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Shares {
    /// At most so many for each.
    pub(crate) fn of(most: usize) -> Self {
        Self {
            most,
            open: Arc::default(),
        }
    }

    /// One more for this address, when it has not its share yet.
    pub(crate) fn take(&self, address: IpAddr) -> Option<Share> {
        let of = client(address);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(of).or_default();
        (*count < self.most).then(|| {
            *count += 1;
            Share {
                of,
                open: Arc::clone(&self.open),
            }
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.of);
            }
        }
    }
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

    #[test]
    fn an_address_has_its_share_and_no_more() {
        let shares = Shares::of(2);
        let address = |text: &str| text.parse().unwrap();
        let first = shares.take(address("192.0.2.1")).unwrap();
        let _second = shares.take(address("::ffff:192.0.2.1")).unwrap();
        assert!(shares.take(address("192.0.2.1")).is_none());
        let _other = shares.take(address("192.0.2.2")).unwrap();
        drop(first);
        let _again = shares.take(address("192.0.2.1")).unwrap();
        assert!(shares.take(address("192.0.2.1")).is_none());
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let shares = Shares::of(1);
        let held = shares.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(shares.take("2001:db8::2:3".parse().unwrap()).is_none());
        assert!(shares.take("2001:db8:0:1::1".parse().unwrap()).is_some());
        drop(held);
        assert!(shares.open.lock().unwrap().is_empty());
    }
}
