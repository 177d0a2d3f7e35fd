//! Look-ups against resolvers that are hostile, broken, slow or gone (HOSTILE.md 27 to 60).

mod cases;
mod encrypted;
pub(crate) mod hostile;
mod patience;
mod preflight;
mod resolvers;
mod security;
mod tlsa;

use std::sync::Arc;
use std::time::Duration;

use stscan::cert::RootStore;
use stscan::finding::dns;
use stscan::name::HostName;
use stscan::net::dns::{Answer, Lookup, Mx, Resolver, Security, TXT_KEPT, Txt, Via};
use stscan::net::reach::Reach;
use stscan::net::{NetConfig, Timeouts, Upstream};
use tokio::task::JoinSet;

use cases::{Case, Want, found_tcp};
use hostile::{A, Ask, CH, Hostile, IN, Packet, RECORD, Script, Stream, TXT, ZONE, name, opt, option, record, txt};

/// The time for one question: half of what is shipped, so that a busy machine still answers before the first wait ends.
const TIME: Duration = Duration::from_secs(4);
/// What a busy machine may take beyond it (HOSTILE.md: inside its bound + 1 s).
const SLACK: Duration = Duration::from_secs(1);

/// A configuration with these resolvers and no roots.
pub(crate) fn config(upstreams: Vec<Upstream>) -> NetConfig {
    NetConfig {
        upstreams,
        roots: Arc::new([RootStore::new("none", Arc::new(rustls::RootCertStore::empty()))]),
        reach: Arc::new(Reach::default()),
        https_port: 443,
        smtp_port: 25,
        helo: "client.example".to_owned(),
        user_agent: "stscan-test".to_owned(),
        timeouts: Timeouts { dns: TIME, ..Timeouts::default() },
        per_host: 2,
        rate: None,
        dns_canaries: [].into(),
        trust_ad: false,
    }
}

fn resolver(upstreams: Vec<Upstream>) -> Resolver {
    Resolver::new(&config(upstreams)).unwrap()
}

fn host(label: &str) -> HostName {
    HostName::parse(&format!("{label}.{ZONE}")).unwrap()
}

fn texts(answer: &Answer<Txt>) -> Vec<&[u8]> {
    match &answer.lookup {
        Lookup::Found(set) => set.records.iter().map(|txt| &txt.bytes[..]).collect(),
        _ => Vec::new(),
    }
}

fn code<T>(answer: &Answer<T>) -> &'static str {
    match &answer.lookup {
        Lookup::Found(_) => "found",
        Lookup::NoData => "nodata",
        Lookup::NxDomain => "nxdomain",
        Lookup::Failed(failure) => failure.code.as_str(),
    }
}

fn honest(ask: &Ask) -> Vec<Packet> {
    vec![Packet::Reply(ask.found())]
}

/// A script of one case.
fn script(label: &'static str, udp: hostile::Udp) -> Script {
    Script::from([(label, (udp, found_tcp as hostile::Tcp)), ("honest", (honest as hostile::Udp, found_tcp))])
}

fn check(case: &Case, answer: &Answer<Txt>, server: &Hostile) -> Result<(), String> {
    let agrees = match &case.want {
        Want::Found(wanted) => texts(answer) == *wanted,
        Want::NoData => answer.lookup == Lookup::NoData,
        Want::NxDomain => answer.lookup == Lookup::NxDomain,
        Want::Code(wanted) => code(answer) == *wanted,
    };
    let seen = server.datagrams(case.label);
    if agrees
        && case.datagrams.contains(&seen)
        && answer.aliases.len() == case.aliases
        && (answer.via == Via::Tcp) == case.over_tcp
        && answer.elapsed <= TIME + SLACK
    {
        return Ok(());
    }
    Err(format!("{}: {seen} datagrams, {answer:?}", case.label))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_has_its_verdict_and_harms_no_other() {
    let cases = cases::all();
    let mut script = script("neighbour", honest);
    script.extend(cases.iter().map(|case| (case.label, (case.udp, case.tcp))));
    let server = Arc::new(Hostile::start(script, true).await);
    let resolver = resolver(vec![Upstream::Udp(server.address)]);
    let mut running = JoinSet::new();
    let mut wrong = Vec::new();
    for case in cases {
        let (resolver, server) = (resolver.clone(), Arc::clone(&server));
        running.spawn(async move {
            let answer = resolver.txt(&host(case.label)).await;
            let verdict = check(&case, &answer, &server);
            // A neighbour that asks an honest question in the midst of it.
            let neighbour = resolver.txt(&host("neighbour")).await;
            verdict.and(if texts(&neighbour) == [RECORD] { Ok(()) } else { Err(format!("neighbour: {neighbour:?}")) })
        });
    }
    while let Some(outcome) = running.join_next().await {
        wrong.extend(outcome.unwrap().err());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    resolver.close().await;
    Arc::into_inner(server).unwrap().stop().await;
}

/// Row 27.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_forged_ids_is_never_believed() {
    fn flood(ask: &Ask) -> Vec<Packet> {
        let mut forged = ask.answer(0, &[txt(&ask.name, &[b"v=STSv1; id=forged;"])]);
        let mut packets = Vec::new();
        for offset in 1..=2000 {
            forged[..2].copy_from_slice(&ask.id.wrapping_add(offset).to_be_bytes());
            packets.push(Packet::Reply(forged.clone()));
        }
        packets
    }
    let server = Hostile::start(script("flood", flood), false).await;
    let resolver = resolver(vec![Upstream::Udp(server.address)]);
    let (flooded, honest) = (host("flood"), host("honest"));
    let (answer, neighbour) = tokio::join!(resolver.txt(&flooded), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        resolver.txt(&honest).await
    });
    assert_eq!((code(&answer), server.datagrams("flood")), ("dns.timeout", 3));
    assert!(answer.elapsed <= TIME + SLACK);
    assert_eq!(texts(&neighbour), [RECORD]);
    server.stop().await;
}

/// Row 34, where TCP is refused.
#[tokio::test]
async fn a_cut_answer_without_tcp_is_a_failure() {
    let cut: hostile::Udp = |ask| vec![Packet::Reply(ask.message(0x8380, [1, 0, 0, 0], &[&ask.section]))];
    let server = Hostile::start(script("cut", cut), false).await;
    let asked = resolver(vec![Upstream::Udp(server.address)]).txt(&host("cut")).await;
    // One datagram, unless this machine was too busy to answer it in time.
    assert_eq!(code(&asked), "dns.tcp_refused");
    assert!((1..=3).contains(&server.datagrams("cut")), "{}", server.datagrams("cut"));
    assert!(asked.elapsed < SLACK);
    // Another resolver that serves TCP is asked instead.
    let other = Hostile::start(script("cut", cut), true).await;
    let both = resolver(vec![Upstream::Udp(server.address), Upstream::Udp(other.address)]);
    assert_eq!(texts(&both.txt(&host("cut")).await), [RECORD]);
    server.stop().await;
    other.stop().await;
}

/// Row 35.
#[tokio::test]
async fn a_huge_record_is_kept_to_a_bound() {
    let udp: hostile::Udp = |ask| vec![Packet::Reply(ask.message(0x8380, [1, 0, 0, 0], &[&ask.section]))];
    let tcp: hostile::Tcp = |ask| Stream::Message(ask.answer(0, &[txt(&ask.name, &[&[b'x'; 255][..]; 250])]));
    let server = Hostile::start(Script::from([("huge", (udp, tcp))]), true).await;
    let answer = resolver(vec![Upstream::Udp(server.address)]).txt(&host("huge")).await;
    let Lookup::Found(set) = &answer.lookup else { panic!("{answer:?}") };
    let txt = &set.records[0];
    assert_eq!((txt.bytes.len(), txt.length, txt.sha256.is_some()), (TXT_KEPT, 63_750, true));
    server.stop().await;
}

/// Rows 30 and 38: what the answer says of itself.
#[tokio::test]
async fn what_is_odd_about_an_answer_is_flagged() {
    let script = cases::all().into_iter().map(|case| (case.label, (case.udp, case.tcp))).collect();
    let server = Hostile::start(script, true).await;
    let resolver = resolver(vec![Upstream::Udp(server.address)]);
    for (label, case_changed, trailing) in
        [("honest", false, false), ("r30-case-not-echoed", true, false), ("r38-trailing", false, true)]
    {
        let answer = resolver.txt(&host(label)).await;
        assert_eq!((answer.case_changed, answer.trailing), (case_changed, trailing), "{label}");
    }
    server.stop().await;
}

/// Row 51.
#[tokio::test]
async fn a_ttl_is_kept_raw() {
    for (udp, ttl) in [
        ((|ask| ttls(ask, &[0, 300])) as hostile::Udp, 0),
        (|ask| ttls(ask, &[1 << 31]), 1 << 31),
        (|ask| ttls(ask, &[u32::MAX]), u32::MAX),
    ] {
        let server = Hostile::start(script("ttl", udp), false).await;
        let answer = resolver(vec![Upstream::Udp(server.address)]).txt(&host("ttl")).await;
        let Lookup::Found(set) = &answer.lookup else { panic!("{answer:?}") };
        assert_eq!(set.ttl, ttl);
        server.stop().await;
    }
}

fn ttls(ask: &Ask, ttls: &[u32]) -> Vec<Packet> {
    let records: Vec<_> = ttls.iter().map(|ttl| record(&ask.name, TXT, IN, *ttl, b"\x01x")).collect();
    vec![Packet::Reply(ask.answer(0, &records))]
}

#[tokio::test]
async fn a_failure_carries_its_context() {
    let failing: hostile::Udp = |ask| {
        let errors = [option(15, b"\0\x16lame"), option(15, &[0, 9])].concat();
        vec![Packet::Reply(ask.message(0x8182, [1, 0, 0, 1], &[&ask.section, &opt(0, 0, &errors)]))]
    };
    let server = Hostile::start(script("failing", failing), false).await;
    let answer = resolver(vec![Upstream::Udp(server.address)]).txt(&host("failing")).await;
    let Lookup::Failed(failure) = &answer.lookup else { panic!("{answer:?}") };
    assert_eq!(failure.code, dns::RCODE_2);
    assert_eq!(failure.subject, host("failing").as_str());
    for (field, wanted) in [
        ("rcode", 2.into()),
        ("ede", vec![22, 9].into()),
        ("ede_text", "lame".into()),
        ("attempts", 2.into()),
        ("upstream", format!("udp://{}", server.address).into()),
    ] {
        assert_eq!(failure.detail.get(field), Some::<&serde_json::Value>(&wanted), "{field}");
    }
    assert!(failure.detail.get("elapsed_ms").is_some());
    assert_eq!((answer.ede.as_slice(), answer.security), (&[22, 9][..], Security::Unknown));
    server.stop().await;
}

#[tokio::test]
async fn mail_hosts_and_addresses_are_read() {
    let udp: hostile::Udp = |ask| {
        let records: &[(u16, Vec<u8>)] = match ask.qtype {
            15 => &[
                (15, [&[0, 20][..], &name("b.example")].concat()),
                (15, [&[0, 10][..], &name("Z.Example")].concat()),
                (15, [&[0, 10][..], &name("a.example")].concat()),
                (15, vec![0, 0, 0]),
            ],
            A => &[(A, vec![192, 0, 2, 1])],
            28 => &[(28, vec![0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])],
            _ => &[],
        };
        let records: Vec<_> = records.iter().map(|(rtype, rdata)| record(&ask.name, *rtype, IN, 60, rdata)).collect();
        vec![Packet::Reply(hostile::secure(ask.answer(0, &records)))]
    };
    let server = Hostile::start(script("mail", udp), false).await;
    let resolver = resolver(vec![Upstream::Udp(server.address)]);
    let mx = resolver.mx(&host("mail")).await;
    let Lookup::Found(set) = &mx.lookup else { panic!("{mx:?}") };
    let wanted = [(0, "."), (10, "a.example"), (10, "z.example"), (20, "b.example")];
    assert_eq!(set.records, wanted.map(|(preference, host)| Mx { preference, host: host.to_owned() }));
    let addresses = resolver.addresses(&host("mail")).await;
    assert_eq!([mx.security, addresses.security()], [Security::Secure; 2]);
    assert_eq!(addresses.all().iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.1", "2001:db8::1"]);
    server.stop().await;
}

/// Row 52 and 32 for addresses: what is no address of ours is not taken for one.
#[tokio::test]
async fn odd_address_records_are_no_addresses() {
    for (udp, wanted) in [
        (
            (|ask| vec![Packet::Reply(ask.answer(0, &[record(&ask.name, A, CH, 60, &[1, 2, 3, 4])]))]) as hostile::Udp,
            "dns.malformed",
        ),
        (|ask| vec![Packet::Reply(ask.answer(0, &[record(&ask.name, A, IN, 60, &[1, 2, 3])]))], "dns.malformed"),
        (|ask| vec![Packet::Reply(ask.answer(0, &[txt(&ask.name, &[b"192.0.2.1"])]))], "dns.unrelated_answer"),
    ] {
        let server = Hostile::start(script("odd", udp), false).await;
        let addresses = resolver(vec![Upstream::Udp(server.address)]).addresses(&host("odd")).await;
        assert_eq!((code(&addresses.v4), code(&addresses.v6)), (wanted, wanted));
        assert!(addresses.all().is_empty());
        server.stop().await;
    }
}
