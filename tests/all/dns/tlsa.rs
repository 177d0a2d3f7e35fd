//! TLSA records as they come in: data that is none, and fields that are kept as they are.

use std::sync::Arc;

use stscan::dane::{DATA_KEPT, Tlsa};
use stscan::net::Upstream;
use stscan::net::dns::Lookup;
use tokio::task::JoinSet;

use super::hostile::{A, Ask, Hostile, IN, Packet, Script, Stream, TLSA, Tcp, Udp, cname, record};
use super::{SLACK, TIME, code, host, resolver};

/// A case: the label, what the server says, and the records or the code.
type Case = (&'static str, Udp, Result<Vec<Tlsa>, &'static str>);

fn tlsa(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa {
    let kept = data[..data.len().min(DATA_KEPT)].to_vec();
    Tlsa { usage, selector, matching, data: kept, length: data.len() }
}

/// An answer of TLSA records with these data.
fn of(ask: &Ask, datas: &[&[u8]]) -> Vec<u8> {
    let records: Vec<_> = datas.iter().map(|data| record(&ask.name, TLSA, IN, 60, data)).collect();
    ask.answer(0, &records)
}

fn reply(ask: &Ask, datas: &[&[u8]]) -> Vec<Packet> {
    assert_eq!(ask.qtype, TLSA);
    vec![Packet::Reply(of(ask, datas))]
}

/// More than a datagram may hold, and nearly all that a message may.
static LARGE: [u8; 65_000] = [7; 65_000];

fn cases() -> Vec<Case> {
    let malformed = || Err("dns.malformed");
    vec![
        ("one", |ask| reply(ask, &[b"\x03\x01\x01ab"]), Ok(vec![tlsa(3, 1, 1, b"ab")])),
        ("empty", |ask| reply(ask, &[b""]), malformed()),
        ("one-byte", |ask| reply(ask, &[b"\x03"]), malformed()),
        ("two-bytes", |ask| reply(ask, &[b"\x03\x01"]), malformed()),
        // What follows in the message is not taken for the rest of the record.
        ("two-bytes-first", |ask| reply(ask, &[b"\x03\x01", b"\x03\x01\x01ab"]), malformed()),
        ("empty-beside", |ask| reply(ask, &[b"\x03\x01\x01ab", b""]), malformed()),
        ("no-data", |ask| reply(ask, &[b"\x03\x01\x01"]), Ok(vec![tlsa(3, 1, 1, b"")])),
        ("unknown", |ask| reply(ask, &[b"\xff\xfe\xfd\0"]), Ok(vec![tlsa(255, 254, 253, b"\0")])),
        ("unassigned", |ask| reply(ask, &[b"\x04\x02\x03\xff"]), Ok(vec![tlsa(4, 2, 3, b"\xff")])),
        // Sorted, for a resolver may turn a set round.
        (
            "two",
            |ask| reply(ask, &[b"\x03\x01\x01b", b"\x02\x01\x01z", b"\x03\x01\x01a"]),
            Ok(vec![tlsa(2, 1, 1, b"z"), tlsa(3, 1, 1, b"a"), tlsa(3, 1, 1, b"b")]),
        ),
        (
            "large",
            |ask| vec![Packet::Reply(ask.message(0x8380, [1, 0, 0, 0], &[&ask.section]))],
            Ok(vec![tlsa(3, 0, 0, &LARGE)]),
        ),
        (
            "beyond-the-end",
            |ask| {
                let mut bytes = of(ask, &[b"\x03\x01\x01ab"]);
                bytes.truncate(bytes.len() - if ask.edns { 12 } else { 1 });
                vec![Packet::Reply(bytes)]
            },
            malformed(),
        ),
        (
            "an-address",
            |ask| vec![Packet::Reply(ask.answer(0, &[record(&ask.name, A, IN, 60, &[192, 0, 2, 1])]))],
            Err("dns.unrelated_answer"),
        ),
        (
            "an-alias",
            |ask| {
                let end = ask.below("end");
                let records = [cname(&ask.name, &end), record(&end, TLSA, IN, 60, b"\x03\x01\x01ab")];
                vec![Packet::Reply(ask.answer(0, &records))]
            },
            Ok(vec![tlsa(3, 1, 1, b"ab")]),
        ),
        ("nothing", |ask| vec![Packet::Reply(ask.answer(0, &[]))], Err("nodata")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_record_is_kept_as_it_is_or_refused() {
    let large: Tcp = |ask| Stream::Message(of(ask, &[&[b"\x03\0\0", &LARGE[..]].concat()]));
    let script: Script = cases().into_iter().map(|(label, udp, _)| (label, (udp, large))).collect();
    let server = Arc::new(Hostile::start(script, true).await);
    let resolver = resolver(vec![Upstream::Udp(server.address)]);
    let mut running = JoinSet::new();
    for (label, _, wanted) in cases() {
        let resolver = resolver.clone();
        running.spawn(async move {
            let answer = resolver.tlsa(&host(label)).await;
            let seen = match &answer.lookup {
                Lookup::Found(set) => Ok(set.records.clone()),
                _ => Err(code(&answer)),
            };
            assert!(seen == wanted, "{label}: {:?}", code(&answer));
            assert!(answer.elapsed <= TIME + SLACK, "{label}");
        });
    }
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap();
    }
    resolver.close().await;
    Arc::into_inner(server).unwrap().stop().await;
}
