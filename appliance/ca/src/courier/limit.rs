//! Limits of attempts to authenticate, counted over all servers: whoever guesses is slowed down, and one courier that runs wild
//! does not keep the others out.

use std::net::IpAddr;
use std::time::Duration;

use uuid::Uuid;

use crate::authority::Authority;
use crate::error::{Error, Result};

/// Attempts are counted by the minute.
const WINDOW: Duration = Duration::from_mins(1);

impl Authority {
    /// Counts an attempt of a courier from an address, and refuses it when there were too many of either.
    pub(crate) async fn count_attempt(&self, courier: Uuid, address: Option<IpAddr>) -> Result<()> {
        let settings = &self.inner().settings.couriers;
        let mut limits = vec![(format!("courier:{courier}"), settings.attempts_per_courier)];
        limits.extend(address.map(|address| {
            (
                format!("address:{}", network_of(address)),
                settings.attempts_per_address,
            )
        }));
        self.count_all(limits).await
    }

    /// Counts the registration of a bridge from an address, and refuses it when there were too many.
    pub(crate) async fn count_registration(&self, address: Option<IpAddr>) -> Result<()> {
        let most = self.inner().settings.couriers.attempts_per_address;
        let key = address.map_or_else(
            || "bridge".to_owned(),
            |address| format!("bridge:{}", network_of(address)),
        );
        self.count_all(vec![(key, most)]).await
    }

    async fn count_all(&self, limits: Vec<(String, u32)>) -> Result<()> {
        let now = self.inner().clock.now().as_millisecond();
        let window = i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX);
        let count = self.inner().store.write(move |tx| {
            let mut is_over = false;
            for (key, most) in &limits {
                is_over |= store::tallies::count(tx, key, window, now)? > i64::from(*most);
            }
            Ok(is_over)
        });
        if count.await? {
            let left = window - now.rem_euclid(window);
            return Err(Error::RateLimited {
                retry_after: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
            });
        }
        Ok(())
    }
}

/// Whoever has an IPv6 address has as many as they like below 64 bits.
fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what broke by panicking")]

    use super::*;

    #[test]
    fn addresses_of_one_network_are_one() {
        let network = |text: &str| network_of(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8::1:2:3:4"), "2001:db8::");
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("::ffff:192.0.2.7"), "192.0.2.7");
    }
}
