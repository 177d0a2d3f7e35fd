//! Plain negatives: what nearly every answer is, decided without decoding the message (RFC 1035 4.1, RFC 2308 2,
//! RFC 6891 6.1).
//!
//! It decides only where the full decoder and [`judge`](crate::net::dns::verdict::judge) would say the same, which a test
//! over random and hostile messages holds it to. Anything else is theirs.

use super::Absent;
use crate::net::dns::question::HEADER;

/// Octets of a name on the wire, less than which the decoder takes (RFC 1035 2.3.4: 255).
const NAME_MAX: usize = 254;
/// The fixed end of a SOA record: serial, refresh, retry, expire, minimum (RFC 1035 3.3.13).
const SOA_NUMBERS: usize = 20;
/// The OPT record that we take: root name, type, payload, extended RCODE 0, version 0, flags, no options.
const OPT_LENGTH: usize = 11;

/// A plain negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plainly {
    /// How the record is absent.
    pub(super) absent: Absent,
    /// Whether the AD bit is set.
    pub(super) authentic: bool,
}

/// What a packet says that has the id of the question with this section, if that is a plain negative and nothing else.
pub(super) fn plain(packet: &[u8], section: &[u8]) -> Option<Plainly> {
    let (header, rest) = packet.split_first_chunk::<HEADER>()?;
    // QR, opcode 0, no TC; AA and RD may be either.
    if header[2] & 0b1111_1010 != 0x80 {
        return None;
    }
    let absent = match header[3] & 0x0f {
        0 => Absent::NoData,
        3 => Absent::NxDomain,
        _ => return None,
    };
    // One question, no answers, at most one record in each of the other sections.
    let [0, 1, 0, 0, 0, authorities @ 0..=1, 0, additionals @ 0..=1] = header[4..] else { return None };
    if !rest.starts_with(section) {
        return None;
    }
    let mut at = HEADER + section.len();
    if authorities == 1 {
        at = soa(packet, at)?;
    }
    if additionals == 1 {
        let opt = packet.get(at..)?.first_chunk::<OPT_LENGTH>()?;
        let [0, 0, 41, _, _, 0, 0, _, _, 0, 0] = opt else { return None };
        at += OPT_LENGTH;
    }
    let authentic = header[3] & 0x20 != 0;
    (at == packet.len()).then_some(Plainly { absent, authentic })
}

/// The end of a SOA record of class IN that begins here.
fn soa(packet: &[u8], at: usize) -> Option<usize> {
    let at = name(packet, at)?;
    let fixed = packet.get(at..)?.first_chunk::<10>()?;
    let [0, 6, 0, 1, _, _, _, _, high, low] = *fixed else { return None };
    let data = at + fixed.len();
    let end = name(packet, name(packet, data)?)? + SOA_NUMBERS;
    (end == data + usize::from(u16::from_be_bytes([high, low])) && end <= packet.len()).then_some(end)
}

/// The end of a name that begins here: labels of at most 63 octets, pointers to before the part that they stand in only, so
/// that it ends (RFC 1035 4.1.4).
fn name(packet: &[u8], begin: usize) -> Option<usize> {
    let (mut at, mut part, mut limit) = (begin, begin, packet.len());
    // Behind the first pointer, which ends the name where it stands.
    let mut end = None;
    let mut length = 0;
    loop {
        if at >= limit {
            return None;
        }
        let octet = packet[at];
        match octet {
            0 => return (length < NAME_MAX).then_some(end.unwrap_or(at + 1)),
            1..=63 => {
                at += 1 + usize::from(octet);
                length += 1 + usize::from(octet);
            }
            0xc0.. => {
                let low = *packet.get(at + 1)?;
                let target = usize::from(u16::from_be_bytes([octet & 0x3f, low]));
                if target >= part {
                    return None;
                }
                end = end.or(Some(at + 2));
                (at, part, limit) = (target, target, part);
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests;
