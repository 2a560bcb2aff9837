//! Ranges of IP addresses in CIDR notation, for name policies and name constraints.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network and the length of its prefix, as `10.0.0.0/8` or `2001:db8::/32`; the bits after the prefix are zero.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct IpRange {
    network: IpAddr,
    prefix: u8,
}

impl IpRange {
    /// Whether the address lies in the range; the families are never mixed.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                u32::from(network) == u32::from(address) & self.mask_v4()
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                u128::from(network) == u128::from(address) & self.mask_v6()
            }
            _ => false,
        }
    }

    /// Address octets followed by mask octets: the form of an iPAddress name constraint, RFC 5280 §4.2.1.10.
    pub fn address_and_mask(&self) -> Vec<u8> {
        match self.network {
            IpAddr::V4(network) => [network.octets(), self.mask_v4().to_be_bytes()].concat(),
            IpAddr::V6(network) => [network.octets(), self.mask_v6().to_be_bytes()].concat(),
        }
    }

    fn mask_v4(&self) -> u32 {
        u32::MAX
            .checked_shl(32_u32.saturating_sub(self.prefix.into()))
            .unwrap_or(0)
    }

    fn mask_v6(&self) -> u128 {
        u128::MAX
            .checked_shl(128_u32.saturating_sub(self.prefix.into()))
            .unwrap_or(0)
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}

/// The text is not a range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not an IP range: write a network and its prefix length, as in `10.0.0.0/8` or `2001:db8::/32`"
)]
pub struct IpRangeFault(String);

impl FromStr for IpRange {
    type Err = IpRangeFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = || IpRangeFault(text.chars().take(80).collect());
        let (network, prefix) = text.split_once('/').ok_or_else(fault)?;
        let network: IpAddr = network.parse().map_err(|_| fault())?;
        let prefix: u8 = prefix.parse().map_err(|_| fault())?;
        let range = Self { network, prefix };
        let (longest, start) = match network {
            IpAddr::V4(v4) => (32, IpAddr::V4(Ipv4Addr::from(u32::from(v4) & range.mask_v4()))),
            IpAddr::V6(v6) => (128, IpAddr::V6(Ipv6Addr::from(u128::from(v6) & range.mask_v6()))),
        };
        if prefix > longest || start != network {
            Err(fault())
        } else {
            Ok(range)
        }
    }
}

impl TryFrom<String> for IpRange {
    type Error = IpRangeFault;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<IpRange> for String {
    fn from(range: IpRange) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn a_range_holds_its_own_and_nothing_else() {
        let range: IpRange = "10.1.0.0/16".parse().unwrap();
        assert!(range.contains("10.1.255.255".parse().unwrap()));
        assert!(!range.contains("10.2.0.0".parse().unwrap()));
        assert!(!range.contains("::ffff:10.1.0.1".parse().unwrap()));
        assert_eq!(range.address_and_mask(), [10, 1, 0, 0, 255, 255, 0, 0]);

        let range: IpRange = "2001:db8::/32".parse().unwrap();
        assert!(range.contains("2001:db8:1::1".parse().unwrap()));
        assert!(!range.contains("2001:db9::1".parse().unwrap()));
        assert_eq!(range.address_and_mask().len(), 32);

        for (all, inside) in [
            ("0.0.0.0/0", "203.0.113.9"),
            ("::/0", "fe80::1"),
            ("192.0.2.7/32", "192.0.2.7"),
        ] {
            assert!(
                all.parse::<IpRange>().unwrap().contains(inside.parse().unwrap()),
                "{all}"
            );
            assert_eq!(all.parse::<IpRange>().unwrap().to_string(), all);
        }
    }

    #[test]
    fn crooked_ranges_are_refused() {
        for text in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "::/129",
            "10/8",
            "a/8",
            "10.0.0.0/-1",
            "1.2.3.4/+1/2",
        ] {
            assert!(text.parse::<IpRange>().is_err(), "{text}");
        }
    }
}
