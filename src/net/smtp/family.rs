//! The two versions of IP: a network may let us to mail hosts over one of them and not over the other.

use std::net::{IpAddr, SocketAddr};

use super::Talked;
use crate::failure::Failure;
use crate::finding::https::tcp;
use crate::finding::sts;

/// Whether mail hosts can be talked to over one version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One that is known to work was talked to, or it is taken for granted.
    Open,
    /// Those that are known to work have addresses, and let us in at none.
    Blocked,
    /// None that is known to work has an address, or this machine has no way to it.
    Unknown,
}

impl Way {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Blocked => "blocked",
            Self::Unknown => "unknown",
        }
    }
}

/// Both versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: Way,
    /// IPv6.
    pub v6: Way,
}

impl Families {
    /// Both taken for granted.
    pub const OPEN: Self = Self { v4: Way::Open, v6: Way::Open };

    /// The way to this address.
    #[must_use]
    pub fn of(self, address: IpAddr) -> Way {
        if is_v4(address) { self.v4 } else { self.v6 }
    }

    /// Why nobody is to be talked to at this address, where that is so.
    pub(super) fn bar(self, address: SocketAddr) -> Option<Failure> {
        let is_blocked = self.of(address.ip()) == Way::Blocked;
        is_blocked.then(|| Failure::new(sts::PORT_BLOCKED).about(address.to_string()))
    }

    /// What a failure at this address is worth: where nothing shows that the network lets us through, a refused connection
    /// may be the network's doing.
    pub(super) fn weigh(self, address: SocketAddr, failure: Failure) -> Failure {
        if self.of(address.ip()) == Way::Unknown && failure.code == tcp::REFUSED {
            return Failure { code: sts::PORT_UNKNOWN, ..failure }.with("cause", tcp::REFUSED.as_str());
        }
        failure
    }
}

/// Whether packets to this address are IPv4: one that is mapped into IPv6 (RFC 4291 2.5.5.2) is the address inside.
pub(super) fn is_v4(address: IpAddr) -> bool {
    address.to_canonical().is_ipv4()
}

/// Whether this machine has no way to the address, whoever is there: many networks have no IPv6. Of IPv4 a router far away
/// may say the same (ICMP 3, code 0), so there it is what we did not see.
#[must_use]
pub fn is_routeless(talked: &Talked) -> bool {
    /// ENETUNREACH, EADDRNOTAVAIL and EAFNOSUPPORT on Linux: no route, no address of our own, no such version of IP.
    const NO_ROUTE: [i64; 3] = [101, 99, 97];
    talked.failure.as_ref().is_some_and(|failure| {
        let errno = failure.detail.get("errno").and_then(serde_json::Value::as_i64);
        failure.code == tcp::UNREACHABLE
            && talked.address.is_ipv6()
            && errno.is_some_and(|errno| NO_ROUTE.contains(&errno))
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn each_version_of_ip_has_its_own_say() {
        let families = |v4, v6| Families { v4, v6 };
        let (v4, v6, mapped) = ("192.0.2.1:25", "[2001:db8::1]:25", "[::ffff:192.0.2.1]:25");
        let refused = tcp::REFUSED;
        let rows = [
            (Families::OPEN, v4, None, refused),
            (Families::OPEN, v6, None, refused),
            (families(Way::Open, Way::Blocked), v4, None, refused),
            (families(Way::Open, Way::Blocked), v6, Some(sts::PORT_BLOCKED), refused),
            (families(Way::Blocked, Way::Open), v4, Some(sts::PORT_BLOCKED), refused),
            (families(Way::Blocked, Way::Open), mapped, Some(sts::PORT_BLOCKED), refused),
            (families(Way::Open, Way::Unknown), v4, None, refused),
            (families(Way::Open, Way::Unknown), v6, None, sts::PORT_UNKNOWN),
            (families(Way::Open, Way::Unknown), mapped, None, refused),
        ];
        for (families, address, bar, weighed) in rows {
            let address: SocketAddr = address.parse().unwrap();
            assert_eq!(families.bar(address).map(|failure| failure.code), bar, "{families:?} {address}");
            assert_eq!(families.weigh(address, Failure::new(refused)).code, weighed, "{families:?} {address}");
            // Only what a network does in the place of the host is doubted.
            for code in [tcp::TIMEOUT, tcp::UNREACHABLE, crate::finding::smtp::NO_STARTTLS] {
                assert_eq!(families.weigh(address, Failure::new(code)).code, code);
            }
        }
    }
}
