#![expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]

use std::time::{Duration, Instant};

use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::super::question::Question;
use super::super::verdict::{Chain, judge};
use super::*;
use crate::name::HostName;

fn question() -> Question {
    Question::new(&HostName::parse("_mta-sts.example.com").unwrap(), RecordType::TXT)
}

/// A message that repeats the question of a query, with these flags and counts, and these bytes behind the question.
fn packet(query: &Query, flags: u16, counts: [u16; 4], rest: &[u8]) -> Vec<u8> {
    let mut bytes = query.bytes()[..2].to_vec();
    bytes.extend(flags.to_be_bytes());
    counts.iter().for_each(|count| bytes.extend(count.to_be_bytes()));
    bytes.extend(query.section());
    bytes.extend(rest);
    bytes
}

/// One TXT record whose owner is a pointer to the question.
const RECORD: &[u8] = b"\xc0\x0c\0\x10\0\x01\0\0\x01\x2c\0\x03\x02ab";

fn word(received: &Received) -> &'static str {
    match received {
        Received::Foreign => "foreign",
        Received::Malformed => "malformed",
        Received::Truncated => "truncated",
        Received::CaseChanged => "case",
        Received::Answer(decoded) if decoded.trailing => "trailing",
        Received::Answer(_) => "answer",
    }
}

#[test]
fn a_packet_is_held_against_the_query() {
    let query = Query::datagram(&question(), true);
    let good = packet(&query, 0x8180, [1, 1, 0, 0], RECORD);
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let end = 12 + query.section().len();
    for (name, bytes, wanted) in [
        ("the answer", good.clone(), "answer"),
        ("nothing", Vec::new(), "foreign"),
        ("two bytes", good[..2].to_vec(), "foreign"),
        ("half a header", good[..11].to_vec(), "foreign"),
        ("a query", with(&|b| b[2] &= 0x7f), "foreign"),
        ("another id", with(&|b| b[1] ^= 1), "foreign"),
        ("another name", with(&|b| b[13] = b'x'), "foreign"),
        ("another type", with(&|b| b[end - 3] = 1), "foreign"),
        ("another class", with(&|b| b[end - 1] = 3), "foreign"),
        ("another case", with(&|b| b[14] ^= 0x20), "case"),
        ("another opcode", with(&|b| b[2] |= 0x28), "malformed"),
        ("cut off", with(&|b| b[2] |= 0x02), "truncated"),
        ("cut off in the middle", packet(&query, 0x8380, [1, 9, 0, 0], &RECORD[..7]), "truncated"),
        ("no question", with(&|b| b[5] = 0), "malformed"),
        ("two questions", with(&|b| b[5] = 2), "malformed"),
        ("an end within the question", good[..20].to_vec(), "malformed"),
        ("an end within the header's question", [&good[..12], b"\x03www"].concat(), "foreign"),
        ("an end within the record", good[..good.len() - 1].to_vec(), "malformed"),
        ("more records than bytes", with(&|b| b[6..8].fill(0xff)), "malformed"),
        ("bytes behind the end", with(&|b| b.push(0)), "trailing"),
        ("FORMERR without a question", packet(&query, 0x8181, [0; 4], &[])[..12].to_vec(), "answer"),
        ("SERVFAIL without a question", packet(&query, 0x8182, [0; 4], &[])[..12].to_vec(), "malformed"),
    ] {
        assert_eq!(word(&receive(&bytes, &query)), wanted, "{name}");
    }
    // On a stream the case is no secret, and need not be repeated.
    let query = Query::stream(&question(), true);
    let mut upper = packet(&query, 0x8180, [1, 1, 0, 0], RECORD);
    upper[12..end].make_ascii_uppercase();
    assert_eq!(word(&receive(&upper, &query)), "answer");
}

#[test]
fn pointers_that_lead_nowhere_cost_nothing() {
    let query = Query::datagram(&question(), false);
    let at = u16::try_from(12 + query.section().len()).unwrap();
    let fixed = [0, 16, 0, 1, 0, 0, 0, 60, 0, 1, 0];
    // A ladder of pointers, each to the one before, as long as a datagram may be, and a record at its end.
    let ladder: Vec<u8> =
        (0..1900).flat_map(|i| (0xc000 | if i == 0 { 12 } else { at + 2 * (i - 1) }).to_be_bytes()).collect();
    for (name, rest) in [
        ("to itself", [&(0xc000 | at).to_be_bytes()[..], &fixed].concat()),
        ("forward", [&(0xc000 | (at + 2)).to_be_bytes()[..], &fixed].concat()),
        ("beyond the end", [&0xffff_u16.to_be_bytes()[..], &fixed].concat()),
        ("a ladder", ladder),
    ] {
        let bytes = packet(&query, 0x8180, [1, 100, 0, 0], &rest);
        // The quickest of several: a busy machine may interrupt one.
        let quickest = (0..20).map(|_| {
            let start = Instant::now();
            assert_eq!(word(&receive(&bytes, &query)), "malformed", "{name}");
            start.elapsed()
        });
        assert!(quickest.min().unwrap() <= Duration::from_millis(1), "{name}");
    }
}

#[test]
fn extended_errors_are_read_to_a_bound() {
    let query = Query::datagram(&question(), true);
    let options: Vec<u8> = (0..20).flat_map(|i| [0, 15, 0, 4, 0, i, b'h', b'i']).collect();
    let length = u16::try_from(options.len()).unwrap();
    let opt = [&b"\0\0\x29\x04\xd0\0\0\0\0"[..], &length.to_be_bytes(), &options].concat();
    let Received::Answer(decoded) = receive(&packet(&query, 0x8182, [1, 0, 0, 1], &opt), &query) else {
        panic!("an OPT record is no fault")
    };
    assert_eq!(extended_errors(&decoded.message), ((0..8).collect(), Some("hi".to_owned())));
    // An option too short for a code is passed over.
    let short = b"\0\0\x29\x04\xd0\0\0\0\0\0\x05\0\x0f\0\x01\x07";
    let Received::Answer(decoded) = receive(&packet(&query, 0x8182, [1, 0, 0, 1], short), &query) else {
        panic!("a short option is no fault")
    };
    assert_eq!(extended_errors(&decoded.message), (Vec::new(), None));
}

/// What every packet goes through, to the end.
fn digest(bytes: &[u8], query: &Query) {
    if let Received::Answer(decoded) = receive(bytes, query) {
        extended_errors(&decoded.message);
        let question = question();
        judge(&decoded.message, RecordType::TXT, &mut Chain::new(question.name().clone()));
        for record in &decoded.message.answers {
            super::super::records::txt(&record.data);
            super::super::records::presentation(&record.name);
        }
    }
}

proptest! {
    #[test]
    fn no_packet_makes_us_panic(rest in prop::collection::vec(any::<u8>(), 0..600), counts in any::<[u8; 4]>(), flags in any::<u8>()) {
        let query = Query::plain(&question(), true);
        digest(&rest, &query);
        let counts = [1, u16::from(counts[1]) % 8, u16::from(counts[2]) % 4, u16::from(counts[3]) % 4];
        digest(&packet(&query, 0x8180 | u16::from(flags & 0x7f), counts, &rest), &query);
    }

    #[test]
    fn no_change_of_an_answer_makes_us_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12), cut in any::<prop::sample::Index>()) {
        let query = Query::plain(&question(), true);
        let cname = b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x06\x03www\xc0\x15";
        let opt = b"\0\0\x29\x04\xd0\0\0\0\0\0\x06\0\x0f\0\x02\0\x16";
        let mut bytes = packet(&query, 0x8180, [1, 2, 0, 1], &[&cname[..], RECORD, opt].concat());
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        digest(&bytes[..cut.index(bytes.len() + 1)], &query);
        digest(&bytes, &query);
    }
}
