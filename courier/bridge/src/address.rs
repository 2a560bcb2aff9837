//! Where a client comes from.

use std::net::{IpAddr, Ipv6Addr};

/// What stands for one client: of IPv6 the /64 network, as a host may take any address in it (RFC 4291 §2.5.4).
pub(crate) fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}
