#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::{Edns, Message, Query as Asked, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;
use crate::name::HostName;
use crate::net::dns::bulk::kind::{self, Kind};
use crate::net::dns::message::{self, Received};
use crate::net::dns::question::Query;
use crate::net::dns::verdict::{self, Chain, Verdict};

const SECRET: u64 = 0x5a5a_a5a5_1234_abcd;

/// A datagram of ours.
fn datagram() -> Vec<u8> {
    let mut bytes = Vec::new();
    Kind::Record.write(&HostName::parse("example.com").unwrap(), SECRET, &mut bytes);
    bytes
}

/// What the full decoder and the judge say of a packet, if that is a plain negative and nothing else.
fn fully(packet: &[u8]) -> Option<Plainly> {
    let query = Query::sent(&datagram());
    let Received::Answer(decoded) = message::receive(packet, &query) else { return None };
    let question = Kind::Record.question(&HostName::parse("example.com").unwrap()).unwrap();
    let mut chain = Chain::new(question.name().clone());
    let verdict = verdict::judge(&decoded.message, RecordType::TXT, &mut chain);
    let (ede, _) = message::extended_errors(&decoded.message);
    let rcode = u16::from(decoded.message.response_code);
    if decoded.trailing || !ede.is_empty() || !chain.targets().is_empty() {
        return None;
    }
    let absent = match (verdict, rcode) {
        (Verdict::NoData, 0) => Absent::NoData,
        (Verdict::NxDomain, 3) => Absent::NxDomain,
        _ => return None,
    };
    Some(Plainly { absent, authentic: decoded.message.authentic_data })
}

/// Holds the fast path against the full one; whether it decided. A packet with another id belongs to another question, or none.
fn check(packet: &[u8]) -> Result<bool, TestCaseError> {
    if !packet.starts_with(&datagram()[..2]) {
        return Ok(false);
    }
    let said = plain(packet, kind::section(&datagram()));
    if said.is_some() {
        prop_assert_eq!(said, fully(packet), "{:02x?}", packet);
    }
    Ok(said.is_some())
}

/// A message with these flags and counts, the question repeated, and these bytes behind it.
fn packet(flags: u16, counts: [u16; 4], rest: &[&[u8]]) -> Vec<u8> {
    let mut bytes = datagram()[..2].to_vec();
    bytes.extend(flags.to_be_bytes());
    counts.iter().for_each(|count| bytes.extend(count.to_be_bytes()));
    bytes.extend(kind::section(&datagram()));
    rest.iter().for_each(|part| bytes.extend(*part));
    bytes
}

/// The numbers of a SOA record.
const NUMBERS: [u8; 20] = [7; 20];
const OPT: &[u8] = b"\0\0\x29\x04\xd0\0\0\0\0\0\0";

/// A SOA record with this owner and data, whose stated length may be wrong by so much.
fn soa(owner: &[u8], data: &[u8], wrong: i32) -> Vec<u8> {
    let length = u16::try_from(i32::try_from(data.len()).unwrap() + wrong).unwrap();
    [owner, b"\0\x06\0\x01\0\0\x0e\x10", &length.to_be_bytes(), data].concat()
}

#[test]
fn plain_negatives_are_decided_and_nothing_else() {
    let names = |one: &[u8], other: &[u8]| [one, other, &NUMBERS].concat();
    let good = soa(b"\xc0\x15", &names(b"\x02ns\xc0\x15", b"\xc0\x15"), 0);
    let long = [&[63; 64][..], &[63; 64], &[63; 64], &[60; 61], &[0]].concat();
    let longer = [&[63; 64][..], &[63; 64], &[63; 64], &[61; 62], &[0]].concat();
    // Where the SOA record begins, and the name of the mailbox in it.
    let begin = u8::try_from(packet(0, [0; 4], &[]).len()).unwrap();
    for (case, bytes, decided) in [
        ("no such name", packet(0x8183, [1, 0, 1, 1], &[&good, OPT]), true),
        ("no data", packet(0x8180, [1, 0, 1, 1], &[&good, OPT]), true),
        ("secure", packet(0x81a3, [1, 0, 1, 0], &[&good]), true),
        ("from an authority", packet(0x8583, [1, 0, 1, 0], &[&good]), true),
        ("nothing but the question", packet(0x8180, [1, 0, 0, 0], &[]), true),
        ("no SOA", packet(0x8183, [1, 0, 0, 1], &[OPT]), true),
        ("DO", packet(0x8183, [1, 0, 0, 1], &[b"\0\0\x29\x04\xd0\0\0\x80\0\0\0"]), true),
        ("long names", packet(0x8183, [1, 0, 1, 0], &[&soa(b"\0", &names(&long, &long), 0)]), true),
        ("a query", packet(0x0183, [1, 0, 0, 0], &[]), false),
        ("another opcode", packet(0x8983, [1, 0, 0, 0], &[]), false),
        ("cut off", packet(0x8383, [1, 0, 0, 0], &[]), false),
        ("SERVFAIL", packet(0x8182, [1, 0, 0, 0], &[]), false),
        ("YXDOMAIN", packet(0x8186, [1, 0, 0, 0], &[]), false),
        ("no question", packet(0x8183, [0, 0, 0, 0], &[]), false),
        ("two questions", packet(0x8183, [2, 0, 0, 0], &[]), false),
        ("an answer", packet(0x8183, [1, 1, 0, 0], &[&good]), false),
        ("256 answers", packet(0x8183, [1, 256, 0, 0], &[&good]), false),
        ("two SOAs", packet(0x8183, [1, 0, 2, 0], &[&good, &good]), false),
        ("trailing", packet(0x8183, [1, 0, 1, 1], &[&good, OPT, b"\0"]), false),
        ("short", packet(0x8183, [1, 0, 1, 1], &[&good, &OPT[..10]]), false),
        ("a SOA too few", packet(0x8183, [1, 0, 0, 1], &[&good, OPT]), false),
        ("a SOA in the additional section", packet(0x8183, [1, 0, 0, 1], &[&good]), false),
        ("two OPTs", packet(0x8183, [1, 0, 0, 2], &[OPT, OPT]), false),
        ("an OPT with a name", packet(0x8183, [1, 0, 0, 1], &[b"\xc0\x15\0\x29\x04\xd0\0\0\0\0\0\0"]), false),
        ("EDNS version 1", packet(0x8183, [1, 0, 0, 1], &[b"\0\0\x29\x04\xd0\0\x01\0\0\0\0"]), false),
        ("extended RCODE 19", packet(0x8183, [1, 0, 0, 1], &[b"\0\0\x29\x04\xd0\x01\0\0\0\0\0"]), false),
        ("EDE", packet(0x8183, [1, 0, 0, 1], &[b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x16"]), false),
        ("NS", packet(0x8180, [1, 0, 1, 0], &[b"\0\0\x02\0\x01\0\0\0\0\0\x01\0"]), false),
        ("CH", packet(0x8183, [1, 0, 1, 0], &[&good[..4], b"\0\x03", &good[6..]]), false),
        ("RDLENGTH 0", packet(0x8183, [1, 0, 1, 0], &[&soa(b"\0", b"", 0)]), false),
        ("RDLENGTH too long", packet(0x8183, [1, 0, 1, 0], &[&soa(b"\0", &names(b"\0", b"\0"), 1), b"\0"]), false),
        ("RDLENGTH too short", packet(0x8183, [1, 0, 1, 0], &[&soa(b"\0", &names(b"\0", b"\0"), -1)]), false),
        ("numbers cut off", packet(0x8183, [1, 0, 1, 0], &[&soa(b"\0", &[0; 21], 0)]), false),
        ("a name too long", packet(0x8183, [1, 0, 1, 0], &[&soa(b"\0", &names(&longer, b"\0"), 0)]), false),
        ("a label of another kind", packet(0x8183, [1, 0, 1, 0], &[&soa(b"\x41a\0", &names(b"\0", b"\0"), 0)]), false),
        ("a pointer to itself", packet(0x8183, [1, 0, 1, 0], &[&soa(&[0xc0, begin], &names(b"\0", b"\0"), 0)]), false),
        (
            "a pointer forwards",
            packet(0x8183, [1, 0, 1, 0], &[&soa(&[0xc0, begin + 12], &names(b"\0", b"\0"), 0)]),
            false,
        ),
        (
            "a pointer to a label in front of it",
            packet(0x8183, [1, 0, 1, 0], &[&soa(&[1, b'a', 0xc0, begin], &names(b"\0", b"\0"), 0)]),
            false,
        ),
    ] {
        assert_eq!(check(&bytes).unwrap(), decided, "{case}");
        // The full decoder takes what we leave to it, where that is well formed.
        assert!(!decided || fully(&bytes).is_some(), "{case}");
    }
}

#[test]
fn another_question_is_not_decided() {
    let good = packet(0x8183, [1, 0, 0, 0], &[]);
    for at in 12..good.len() {
        let mut other = good.clone();
        other[at] ^= 0x20;
        assert_eq!(plain(&other, kind::section(&datagram())), None, "octet {at}");
    }
    for length in 0..good.len() {
        assert_eq!(plain(&good[..length], kind::section(&datagram())), None, "{length} octets");
    }
}

/// A name of the zone, of the root, or of another, with pointers where hickory finds what to point to.
fn names() -> impl Strategy<Value = Name> {
    prop_oneof![
        Just(Name::root()),
        Just(Name::from_ascii("example.com.").unwrap()),
        Just(Name::from_ascii("ns.Example.com.").unwrap()),
        proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..64), 1..5)
            .prop_filter_map("too long", |labels| Name::from_labels(labels).ok()),
    ]
}

/// Records as they come in authority sections, most often a SOA.
fn authorities() -> impl Strategy<Value = Record> {
    (names(), names(), names(), any::<u32>(), 0..10_u8).prop_map(|(owner, mname, rname, ttl, which)| {
        let data = match which {
            0 => RData::NS(hickory_proto::rr::rdata::NS(mname)),
            1 => RData::CNAME(hickory_proto::rr::rdata::CNAME(mname)),
            _ => RData::SOA(SOA::new(mname, rname, ttl, -1, 2, 3, 4)),
        };
        Record::from_rdata(owner, ttl, data)
    })
}

/// An answer to our question as a resolver may give it, and often gives it.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let edns = proptest::option::weighted(0.8, (proptest::option::weighted(0.1, any::<u16>()), 0..20_u8));
    let records = prop_oneof![
        8 => proptest::collection::vec(authorities(), 1),
        1 => proptest::collection::vec(authorities(), 0..4),
    ];
    (records, any::<bool>(), prop_oneof![4 => Just(0x8180_u16), 1 => any::<u16>()], edns).prop_map(
        |(authorities, denied, flags, edns)| {
            let mut message = Message::response(0, hickory_proto::op::OpCode::Query);
            message.add_query(Asked::query(Name::from_ascii("_mta-sts.example.com.").unwrap(), RecordType::TXT));
            message.authorities = authorities;
            message.edns = edns.map(|(error, version)| {
                let mut edns = Edns::new();
                edns.set_max_payload(1232);
                edns.set_version(u8::from(version == 19));
                if let Some(error) = error {
                    edns.options_mut().insert(EdnsOption::Unknown(15, error.to_be_bytes().to_vec()));
                }
                edns
            });
            message.metadata.response_code = if denied { ResponseCode::NXDomain } else { ResponseCode::NoError };
            let mut bytes = message.to_vec().unwrap();
            let rcode = bytes[3] & 0x0f;
            bytes[..2].copy_from_slice(&datagram()[..2]);
            bytes[2..4].copy_from_slice(&flags.to_be_bytes());
            bytes[3] |= rcode;
            // The case of our question, which the encoder does not keep.
            let section = kind::section(&datagram()).to_vec();
            bytes[12..12 + section.len()].copy_from_slice(&section);
            bytes
        },
    )
}

/// One change of a message: an octet, its end, octets in the middle; behind the question more often than in it.
#[derive(Clone, Debug)]
enum Change {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index),
    Append(Vec<u8>),
}

fn changes() -> impl Strategy<Value = Change> {
    let index = any::<prop::sample::Index>;
    // Octets that mean something where lengths, pointers and types stand.
    let octet =
        || prop_oneof![any::<u8>(), Just(0), Just(1), Just(6), Just(0xc0), Just(0x0c), Just(41), Just(63), Just(64)];
    prop_oneof![
        (index(), octet()).prop_map(|(at, to)| Change::Set(at, to)),
        (index(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, 1 << bit)),
        index().prop_map(Change::Cut),
        (index(), proptest::collection::vec(octet(), 1..12)).prop_map(|(at, with)| Change::Insert(at, with)),
        index().prop_map(Change::Remove),
        proptest::collection::vec(octet(), 1..40).prop_map(Change::Append),
    ]
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Set(at, to) => bytes[at.index(length)] = *to,
            Self::Flip(at, bit) => bytes[at.index(length)] ^= bit,
            Self::Cut(at) => bytes.truncate(at.index(length)),
            Self::Insert(at, with) => {
                let at = at.index(length);
                bytes.splice(at..at, with.iter().copied());
            }
            Self::Remove(at) => {
                bytes.remove(at.index(length));
            }
            Self::Append(with) => bytes.extend(with),
        }
    }
}

/// Runs a property over so many messages, of which the fast path has to decide at least this share.
fn hold(cases: u32, least: f64, messages: impl Strategy<Value = Vec<u8>>) {
    let decided = AtomicUsize::new(0);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&messages, |bytes| {
        decided.fetch_add(usize::from(check(&bytes)?), Ordering::Relaxed);
        Ok(())
    });
    outcome.unwrap();
    let decided = decided.into_inner();
    assert!(decided as f64 >= f64::from(cases) * least, "decided {decided} of {cases}");
    assert!(decided < cases as usize, "decided all of them");
}

#[test]
fn what_resolvers_say_is_decided_as_the_full_decoder_decides() {
    hold(20_000, 0.4, messages());
}

#[test]
fn what_is_mutilated_is_decided_as_the_full_decoder_decides() {
    let mutilated = (messages(), proptest::collection::vec(changes(), 1..4)).prop_map(|(mut bytes, changes)| {
        changes.iter().for_each(|change| change.make(&mut bytes));
        bytes
    });
    hold(30_000, 0.02, mutilated);
}

/// Random octets where the records stand, with a header that gives them a chance.
#[test]
fn what_is_made_up_is_decided_as_the_full_decoder_decides() {
    let octet = prop_oneof![4 => any::<u8>(), 1 => Just(0), 1 => Just(0xc0), 1 => Just(0x0c), 1 => Just(0x15)];
    let piece = prop_oneof![
        2 => proptest::collection::vec(octet, 0..6),
        1 => Just(b"\0\x06\0\x01\0\0\0\x3c\0\x16".to_vec()),
        1 => Just(b"\0\x06\0\x01\0\0\0\x3c\0\x18".to_vec()),
        1 => Just(NUMBERS.to_vec()),
        1 => Just(b"\xc0\x15".to_vec()),
        1 => Just(b"\0".to_vec()),
        1 => Just(OPT.to_vec()),
    ];
    let counts = (0..3_u16, 0..3_u16);
    let made_up =
        (counts, proptest::collection::vec(piece, 0..8), any::<bool>()).prop_map(|(counts, pieces, denied)| {
            packet(if denied { 0x8183 } else { 0x8180 }, [1, 0, counts.0, counts.1], &[&pieces.concat()])
        });
    hold(30_000, 0.01, made_up);
}
