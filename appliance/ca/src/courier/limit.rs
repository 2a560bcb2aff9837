//! Limits of attempts to authenticate, counted over all servers: whoever guesses is slowed down, and one courier that runs wild
//! does not keep the others out.

use std::net::IpAddr;
use std::time::Duration;

use uuid::Uuid;

use crate::authority::Authority;
use crate::error::{Error, Result};

/// Attempts are counted by the minute.
const WINDOW: Duration = Duration::from_mins(1);

/// Something that happens too often.
pub(crate) struct TooOften {
    /// What is told.
    pub(crate) error: Error,
    /// Whether it is the first time in this minute: what is written of it is written then.
    pub(crate) is_first: bool,
}

impl Authority {
    /// Counts an attempt of a courier from an address, and tells when there were too many from there. A courier is counted by where it
    /// comes from: who knows what it is called cannot keep it out from elsewhere.
    pub(crate) async fn count_attempt(
        &self,
        courier: Uuid,
        address: Option<IpAddr>,
    ) -> Result<Option<TooOften>> {
        let settings = &self.inner().settings.couriers;
        let network = address.map(network_of);
        let mut limits = Vec::new();
        limits.extend(network.map(|network| (format!("address:{network}"), settings.attempts_per_address)));
        let from = network.map_or_else(|| "nowhere".to_owned(), |network| network.to_string());
        limits.push((format!("courier:{courier}@{from}"), settings.attempts_per_courier));
        self.count_all(limits).await
    }

    /// Counts the registration of a bridge from an address, and refuses it when there were too many.
    pub(crate) async fn count_registration(&self, address: Option<IpAddr>) -> Result<()> {
        let most = self.inner().settings.couriers.attempts_per_address;
        let key = address.map_or_else(
            || "bridge".to_owned(),
            |address| format!("bridge:{}", network_of(address)),
        );
        let over = self.count_all(vec![(key, most)]).await?;
        over.map_or(Ok(()), |over| Err(over.error))
    }

    /// Whether something that nobody limits happens for the first time in this minute.
    pub(crate) async fn is_first_of_minute(&self, what: String, address: Option<IpAddr>) -> Result<bool> {
        let now = self.inner().clock.now().as_millisecond();
        let from = address.map_or_else(String::new, |address| network_of(address).to_string());
        let key = format!("{what}@{from}");
        let wanted = key.clone();
        let store = &self.inner().store;
        let read = store.read(move |reader| store::tallies::counted(reader, &wanted, window(), now));
        // Looked at before it is counted: who does it all the time makes nobody write.
        if read.await? > 0 {
            return Ok(false);
        }
        let write = store.write(move |tx| store::tallies::count(tx, &key, window(), now));
        Ok(write.await? == 1)
    }

    /// Counts against one limit after the other. The first that is exceeded ends it, so that a flood leaves no more behind than that.
    async fn count_all(&self, limits: Vec<(String, u32)>) -> Result<Option<TooOften>> {
        let now = self.inner().clock.now().as_millisecond();
        let count = self.inner().store.write(move |tx| {
            for (key, most) in &limits {
                let over = store::tallies::count(tx, key, window(), now)? - i64::from(*most);
                if over > 0 {
                    return Ok(Some(over == 1));
                }
            }
            Ok(None)
        });
        let over = count.await?;
        let left = window() - now.rem_euclid(window());
        Ok(over.map(|is_first| TooOften {
            error: Error::RateLimited {
                retry_after: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
            },
            is_first,
        }))
    }
}

/// Milliseconds of a window.
fn window() -> i64 {
    i64::try_from(WINDOW.as_millis()).unwrap_or(i64::MAX)
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
