//! The address blocks that are not public: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, RFC 8190).
//!
//! Every row of the registries stands here, the globally reachable ones too where they lie inside a block that is not:
//! the longest match decides. Beside the registries stand multicast and the prefixes that RFCs took back.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

/// What a block says of the addresses in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Not globally reachable.
    Forbidden,
    /// Globally reachable, though a wider block is not.
    Public,
    /// As public as the IPv4 addresses that are embedded.
    Embeds(Embedding),
}

/// Where IPv4 addresses stand inside an IPv6 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Embedding {
    /// The last 32 bits: NAT64 (RFC 6052 2.2).
    Last,
    /// Bits 16 to 48: 6to4 (RFC 3056 2).
    SixToFour,
    /// The server in bits 32 to 64, the client inverted in the last 32 (RFC 4380 4).
    Teredo,
}

/// One IPv4 block: the network, its name, what it says.
type Row4 = (Ipv4Net, &'static str, Standing);
/// One IPv6 block: the network, its name, what it says.
type Row6 = (Ipv6Net, &'static str, Standing);

const fn v4(a: u8, b: u8, c: u8, d: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(high: [u16; 4], low: [u16; 4], length: u8) -> Ipv6Net {
    let address = Ipv6Addr::new(high[0], high[1], high[2], high[3], low[0], low[1], low[2], low[3]);
    Ipv6Net::new_assert(address, length)
}

/// IPv4, by address. The rows of the registry that are globally reachable and lie in no other block (192.31.196.0/24,
/// 192.52.193.0/24, 192.175.48.0/24) need no row.
const BLOCKS_4: &[Row4] = &[
    (v4(0, 0, 0, 0, 8), "0.0.0.0/8", Standing::Forbidden), // RFC 791 3.2: this network
    (v4(10, 0, 0, 0, 8), "10.0.0.0/8", Standing::Forbidden), // RFC 1918: private use
    (v4(100, 64, 0, 0, 10), "100.64.0.0/10", Standing::Forbidden), // RFC 6598: shared address space
    (v4(127, 0, 0, 0, 8), "127.0.0.0/8", Standing::Forbidden), // RFC 1122 3.2.1.3: loopback
    (v4(169, 254, 0, 0, 16), "169.254.0.0/16", Standing::Forbidden), // RFC 3927: link local
    (v4(172, 16, 0, 0, 12), "172.16.0.0/12", Standing::Forbidden), // RFC 1918: private use
    (v4(192, 0, 0, 0, 24), "192.0.0.0/24", Standing::Forbidden), // RFC 6890 2.1: IETF protocol assignments
    (v4(192, 0, 0, 9, 32), "192.0.0.9/32", Standing::Public), // RFC 7723: port control protocol anycast
    (v4(192, 0, 0, 10, 32), "192.0.0.10/32", Standing::Public), // RFC 8155: TURN anycast
    (v4(192, 0, 2, 0, 24), "192.0.2.0/24", Standing::Forbidden), // RFC 5737: documentation
    // RFC 7526: 6to4 relay anycast, taken back; the registry says "N/A", and nothing public may stand there.
    (v4(192, 88, 99, 0, 24), "192.88.99.0/24", Standing::Forbidden),
    (v4(192, 168, 0, 0, 16), "192.168.0.0/16", Standing::Forbidden), // RFC 1918: private use
    (v4(198, 18, 0, 0, 15), "198.18.0.0/15", Standing::Forbidden),   // RFC 2544: benchmarking
    (v4(198, 51, 100, 0, 24), "198.51.100.0/24", Standing::Forbidden), // RFC 5737: documentation
    (v4(203, 0, 113, 0, 24), "203.0.113.0/24", Standing::Forbidden), // RFC 5737: documentation
    (v4(224, 0, 0, 0, 4), "224.0.0.0/4", Standing::Forbidden),       // RFC 5771: multicast
    (v4(240, 0, 0, 0, 4), "240.0.0.0/4", Standing::Forbidden),       // RFC 1112 4: reserved
    (v4(255, 255, 255, 255, 32), "255.255.255.255/32", Standing::Forbidden), // RFC 919 7: limited broadcast
];

/// IPv6, by address. 2620:4f:8000::/48 is globally reachable, lies in no other block and needs no row; IPv4-mapped
/// addresses (::ffff:0:0/96) never come here, see [`block`].
const BLOCKS_6: &[Row6] = &[
    (v6([0; 4], [0, 0, 0, 0], 128), "::/128", Standing::Forbidden), // RFC 4291 2.5.2: unspecified
    (v6([0; 4], [0, 0, 0, 1], 128), "::1/128", Standing::Forbidden), // RFC 4291 2.5.3: loopback
    (v6([0; 4], [0, 0, 0, 0], 96), "::/96", Standing::Forbidden),   // RFC 4291 2.5.5.1: IPv4-compatible, taken back
    (v6([0x64, 0xff9b, 0, 0], [0; 4], 96), "64:ff9b::/96", Standing::Embeds(Embedding::Last)), // RFC 6052: NAT64
    (v6([0x64, 0xff9b, 1, 0], [0; 4], 48), "64:ff9b:1::/48", Standing::Forbidden), // RFC 8215: local-use NAT64
    (v6([0x100, 0, 0, 0], [0; 4], 64), "100::/64", Standing::Forbidden), // RFC 6666: discard only
    (v6([0x100, 0, 0, 1], [0; 4], 64), "100:0:0:1::/64", Standing::Forbidden), // RFC 9780: dummy prefix
    (v6([0x2001, 0, 0, 0], [0; 4], 23), "2001::/23", Standing::Forbidden), // RFC 2928: IETF protocol assignments
    (v6([0x2001, 0, 0, 0], [0; 4], 32), "2001::/32", Standing::Embeds(Embedding::Teredo)), // RFC 4380: Teredo
    (v6([0x2001, 1, 0, 0], [0, 0, 0, 1], 128), "2001:1::1/128", Standing::Public), // RFC 7723: PCP anycast
    (v6([0x2001, 1, 0, 0], [0, 0, 0, 2], 128), "2001:1::2/128", Standing::Public), // RFC 8155: TURN anycast
    (v6([0x2001, 1, 0, 0], [0, 0, 0, 3], 128), "2001:1::3/128", Standing::Public), // RFC 9665: DNS-SD SRP anycast
    (v6([0x2001, 2, 0, 0], [0; 4], 48), "2001:2::/48", Standing::Forbidden), // RFC 5180: benchmarking
    (v6([0x2001, 3, 0, 0], [0; 4], 32), "2001:3::/32", Standing::Public), // RFC 7450: AMT
    (v6([0x2001, 4, 0x112, 0], [0; 4], 48), "2001:4:112::/48", Standing::Public), // RFC 7535: AS112
    (v6([0x2001, 0x10, 0, 0], [0; 4], 28), "2001:10::/28", Standing::Forbidden), // RFC 4843: ORCHID, taken back
    (v6([0x2001, 0x20, 0, 0], [0; 4], 28), "2001:20::/28", Standing::Public), // RFC 7343: ORCHIDv2
    (v6([0x2001, 0x30, 0, 0], [0; 4], 28), "2001:30::/28", Standing::Public), // RFC 9374: drone remote ID
    (v6([0x2001, 0xdb8, 0, 0], [0; 4], 32), "2001:db8::/32", Standing::Forbidden), // RFC 3849: documentation
    (v6([0x2002, 0, 0, 0], [0; 4], 16), "2002::/16", Standing::Embeds(Embedding::SixToFour)), // RFC 3056: 6to4
    (v6([0x3fff, 0, 0, 0], [0; 4], 20), "3fff::/20", Standing::Forbidden), // RFC 9637: documentation
    (v6([0x5f00, 0, 0, 0], [0; 4], 16), "5f00::/16", Standing::Forbidden), // RFC 9602: segment routing
    (v6([0xfc00, 0, 0, 0], [0; 4], 7), "fc00::/7", Standing::Forbidden), // RFC 4193: unique local
    (v6([0xfe80, 0, 0, 0], [0; 4], 10), "fe80::/10", Standing::Forbidden), // RFC 4291 2.5.6: link local
    (v6([0xfec0, 0, 0, 0], [0; 4], 10), "fec0::/10", Standing::Forbidden), // RFC 3879: site local, taken back
    (v6([0xff00, 0, 0, 0], [0; 4], 8), "ff00::/8", Standing::Forbidden), // RFC 4291 2.7: multicast
];

/// The block that keeps an address from being public, if there is one.
///
/// An IPv4-mapped address is judged as the IPv4 address, because the kernel connects to that.
pub(super) fn block(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(address) => block_4(address),
        IpAddr::V6(address) => block_6(address),
    }
}

fn block_4(address: Ipv4Addr) -> Option<&'static str> {
    let inside = BLOCKS_4.iter().filter(|(net, ..)| net.contains(&address));
    let (_, name, standing) = inside.max_by_key(|(net, ..)| net.prefix_len())?;
    (*standing == Standing::Forbidden).then_some(*name)
}

fn block_6(address: Ipv6Addr) -> Option<&'static str> {
    let inside = BLOCKS_6.iter().filter(|(net, ..)| net.contains(&address));
    let (_, name, standing) = inside.max_by_key(|(net, ..)| net.prefix_len())?;
    match standing {
        Standing::Forbidden => Some(*name),
        Standing::Public => None,
        Standing::Embeds(embedding) => embedded(address, *embedding).into_iter().find_map(block_4),
    }
}

/// The IPv4 addresses inside an IPv6 address.
fn embedded(address: Ipv6Addr, embedding: Embedding) -> Vec<Ipv4Addr> {
    let bits = address.to_bits();
    // The shift brings the 32 bits that are meant to the end; the cast keeps just those.
    let at = |shift: u32| Ipv4Addr::from_bits((bits >> shift) as u32);
    match embedding {
        Embedding::Last => vec![at(0)],
        Embedding::SixToFour => vec![at(80)],
        Embedding::Teredo => vec![at(64), Ipv4Addr::from_bits(!at(0).to_bits())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_named_as_it_is() {
        for (net, name, _) in BLOCKS_4 {
            assert_eq!(net.to_string(), *name);
            assert_eq!(net.trunc(), *net, "{name} has host bits");
        }
        for (net, name, _) in BLOCKS_6 {
            assert_eq!(name.parse::<Ipv6Net>().as_ref(), Ok(net));
            assert_eq!(net.trunc(), *net, "{name} has host bits");
        }
    }

    #[test]
    fn every_edge_of_every_ipv4_block_is_exact() {
        for (net, name, standing) in BLOCKS_4 {
            let forbidden = *standing == Standing::Forbidden;
            for inside in [net.network(), net.broadcast()] {
                assert_eq!(block_4(inside).is_some(), forbidden, "{inside} of {name}");
            }
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            for outside in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
                let found = block_4(Ipv4Addr::from_bits(outside));
                assert_ne!(found, Some(*name), "{} is not of {name}", Ipv4Addr::from_bits(outside));
            }
        }
    }

    #[test]
    fn every_edge_of_every_ipv6_block_is_exact() {
        for (net, name, standing) in BLOCKS_6 {
            let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
            for inside in [first, last] {
                let found = block_6(Ipv6Addr::from_bits(inside));
                match standing {
                    // 2001::/23 begins with Teredo, whose embedded 0.0.0.0 is forbidden by a name of its own.
                    Standing::Forbidden => assert!(found.is_some(), "{} of {name}", Ipv6Addr::from_bits(inside)),
                    Standing::Public => assert_eq!(found, None, "{} of {name}", Ipv6Addr::from_bits(inside)),
                    Standing::Embeds(_) => {}
                }
            }
            for outside in [first.checked_sub(1), last.checked_add(1)].into_iter().flatten() {
                let found = block_6(Ipv6Addr::from_bits(outside));
                assert_ne!(found, Some(*name), "{} is not of {name}", Ipv6Addr::from_bits(outside));
            }
        }
    }
}
