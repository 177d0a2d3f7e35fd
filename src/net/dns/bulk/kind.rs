//! The questions of a subject, and their datagrams byte by byte (RFC 1035 4.1, RFC 6891 6.1, RFC 8461 3.1, RFC 8460 3).

use hickory_proto::rr::RecordType;

use super::Asking;
use crate::name::{HostName, NAME_MAX};
use crate::net::dns::question::{HEADER, PAYLOAD, Question};

/// What stands in front of the question: RD and AD, one question, one record behind it. The id comes first, two octets.
const FLAGS_AND_COUNTS: [u8; HEADER - 2] = [0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1];
/// The OPT record behind the question: the root name, type, payload, version 0 and no flags, no options.
const OPT: [u8; 11] = {
    let payload = PAYLOAD.to_be_bytes();
    [0, 0, 41, payload[0], payload[1], 0, 0, 0, 0, 0, 0]
};
/// The longest datagram: the longest name has 255 octets on the wire.
pub(super) const QUESTION_MAX: usize = HEADER + 255 + 4 + OPT.len();

/// One of the questions that can be asked of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// TXT at `_mta-sts.<domain>`.
    Record,
    /// MX at the domain.
    Mx,
    /// TXT at `_smtp._tls.<domain>`.
    Tlsrpt,
}

impl Kind {
    /// The kinds that are asked, the record first.
    pub(super) fn asked(asking: Asking) -> Vec<Self> {
        let mx = asking.mx.then_some(Self::Mx);
        let tlsrpt = asking.tlsrpt.then_some(Self::Tlsrpt);
        [Some(Self::Record), mx, tlsrpt].into_iter().flatten().collect()
    }

    /// The labels in front of the domain, each behind its length. As text they are as long: a dot for each length.
    fn labels(self) -> &'static [u8] {
        match self {
            Self::Record => b"\x08_mta-sts",
            Self::Mx => b"",
            Self::Tlsrpt => b"\x05_smtp\x04_tls",
        }
    }

    /// The type of the records.
    pub(super) fn rtype(self) -> RecordType {
        match self {
            Self::Record | Self::Tlsrpt => RecordType::TXT,
            Self::Mx => RecordType::MX,
        }
    }

    /// Whether such a name can exist below this one.
    pub(super) fn is_possible(self, host: &HostName) -> bool {
        self.labels().len() + host.as_str().len() <= NAME_MAX
    }

    /// The name that is asked for, as text.
    pub(super) fn name(self, host: &HostName) -> String {
        let labels = match self {
            Self::Record => "_mta-sts.",
            Self::Mx => "",
            Self::Tlsrpt => "_smtp._tls.",
        };
        format!("{labels}{host}")
    }

    /// The question, for the decoder. `None` where the name is none, which [`Kind::is_possible`] excludes.
    pub(super) fn question(self, host: &HostName) -> Option<Question> {
        let name = HostName::parse(&self.name(host)).ok()?;
        Some(Question::new(&name, self.rtype()))
    }

    /// The length of the datagram.
    pub(super) fn length(self, host: &HostName) -> usize {
        // A length octet in front of the first label and the root behind the last.
        HEADER + self.labels().len() + host.as_str().len() + 2 + 4 + OPT.len()
    }

    /// Adds the datagram to the bytes. The secret is its id and the case of its letters.
    pub(super) fn write(self, host: &HostName, secret: u64, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&id(secret).to_be_bytes());
        bytes.extend_from_slice(&FLAGS_AND_COUNTS);
        let name = bytes.len();
        bytes.extend_from_slice(self.labels());
        let mut length_at = bytes.len();
        bytes.push(0);
        bytes.extend_from_slice(host.as_str().as_bytes());
        let end = bytes.len();
        for at in length_at + 1..end {
            if bytes[at] == b'.' {
                bytes[length_at] = label_length(length_at, at);
                length_at = at;
            }
        }
        bytes[length_at] = label_length(length_at, end);
        mix_case(&mut bytes[name..], secret >> 16);
        let rtype = u16::from(self.rtype()).to_be_bytes();
        bytes.extend_from_slice(&[0, rtype[0], rtype[1], 0, 1]);
        bytes.extend_from_slice(&OPT);
    }
}

/// The id in a secret.
pub(super) fn id(secret: u64) -> u16 {
    // The lower 16 bits are meant.
    (secret & 0xffff) as u16
}

/// The question section of a datagram of ours.
pub(super) fn section(datagram: &[u8]) -> &[u8] {
    &datagram[HEADER..datagram.len() - OPT.len()]
}

/// The length of the label between these places.
fn label_length(length_at: usize, end: usize) -> u8 {
    u8::try_from(end - length_at - 1).expect("a label of a HostName has at most 63 octets")
}

/// Bits of a secret that decide the case; they begin anew after so many octets of the name.
const CASE_BITS: u32 = 48;

/// Turns letters of a name in lower case to upper case: octet i where bit i mod 48 is set. Eight octets at a time: a forger
/// has to guess these bits, and every question pays for them. A length octet is at most 63 and so never a letter.
fn mix_case(name: &mut [u8], bits: u64) {
    let mut shift = 0;
    for part in name.chunks_mut(8) {
        let mut octets = [0; 8];
        octets[..part.len()].copy_from_slice(part);
        let mixed = mix_eight(u64::from_le_bytes(octets), bits >> shift & 0xff).to_le_bytes();
        part.copy_from_slice(&mixed[..part.len()]);
        shift = (shift + 8) % CASE_BITS;
    }
}

/// Turns those of eight octets to upper case that are letters and whose bit is set. All of them are ASCII.
fn mix_eight(octets: u64, bits: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The highest bit of each octet: set from `a` on, and not set any more behind `z`.
    let letters = (octets + EACH * u64::from(0x80 - b'a')) & !(octets + EACH * u64::from(0x80 - b'z' - 1));
    // Bit i in octet i, then that octet's highest bit.
    let chosen = ((bits * EACH) & 0x8040_2010_0804_0201) + EACH * 0x7f;
    octets ^ (letters & chosen & (EACH * 0x80)) >> 2
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;
    use crate::net::dns::question::Query;

    #[test]
    fn a_datagram_is_what_the_slow_way_sends() {
        let long =
            format!("{}.{}", "ab-3_".repeat(12), ["xyz".repeat(20), "q".repeat(63), "a.b.c".to_owned()].join("."));
        for text in ["example.com", "a.b", "com", "x-1.y_2.example", &long] {
            let host = HostName::parse(text).unwrap();
            for kind in [Kind::Record, Kind::Mx, Kind::Tlsrpt] {
                let question = kind.question(&host).unwrap();
                let (mut plain, mut loud) = (Vec::new(), Vec::new());
                kind.write(&host, 0, &mut plain);
                assert_eq!(plain, Query::plain(&question, true).bytes(), "{text}");
                assert_eq!(section(&plain), Query::plain(&question, true).section());
                assert_eq!(plain.len(), kind.length(&host));
                kind.write(&host, 0xffff_ffff_ffff_1234, &mut loud);
                assert_eq!(loud[..2], [0x12, 0x34]);
                let name = section(&plain).len() - 4;
                assert_eq!(section(&loud)[..name], section(&plain)[..name].to_ascii_uppercase());
            }
        }
    }

    #[test]
    fn the_bits_decide_the_case_of_each_letter_alone() {
        let host = HostName::parse("abcdefgh-0_z.example.organisation.of.long.names.and.more.of.it.example").unwrap();
        let (mut lower, mut mixed) = (Vec::new(), Vec::new());
        let bits = 0xa5c3_9617_55aa_u64;
        Kind::Record.write(&host, 0, &mut lower);
        Kind::Record.write(&host, bits << 16, &mut mixed);
        for (i, (one, other)) in section(&lower).iter().zip(section(&mixed)).enumerate() {
            let upper = i < section(&lower).len() - 4 && bits >> (i % 48) & 1 == 1;
            assert_eq!(*other, if upper { one.to_ascii_uppercase() } else { *one }, "octet {i}");
        }
    }

    #[test]
    fn a_name_too_long_is_not_asked_for() {
        let host = |length: usize| HostName::parse(&"a.".repeat(length / 2)).unwrap();
        for (length, record, tlsrpt) in [(240, true, true), (242, true, true), (244, true, false), (246, false, false)]
        {
            let host = host(length);
            // "a.a" of 244 characters less the final dot has 243.
            assert_eq!(Kind::Record.is_possible(&host), record, "{length}");
            assert_eq!(Kind::Tlsrpt.is_possible(&host), tlsrpt, "{length}");
            assert!(Kind::Mx.is_possible(&host));
            assert_eq!(Kind::Record.question(&host).is_some(), record);
            assert_eq!(Kind::Tlsrpt.question(&host).is_some(), tlsrpt);
        }
    }
}
