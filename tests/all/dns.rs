//! Look-ups against resolvers that are hostile, broken, slow or gone (HOSTILE.md 27 to 60).

mod cases;
mod encrypted;
mod hostile;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stscan::cert::RootStore;
use stscan::finding::dns;
use stscan::name::HostName;
use stscan::net::dns::{Answer, Lookup, Mx, Resolver, Security, TXT_KEPT, Txt, Via};
use stscan::net::reach::Reach;
use stscan::net::{NetConfig, Timeouts, Upstream};
use tokio::net::UdpSocket;
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
        roots: Arc::new([RootStore { name: "none".into(), anchors: Arc::new(rustls::RootCertStore::empty()) }]),
        reach: Arc::new(Reach::default()),
        https_port: 443,
        user_agent: "stscan-test".to_owned(),
        timeouts: Timeouts { dns: TIME, ..Timeouts::default() },
        per_host: 2,
        rate: None,
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

/// An address where nothing listens: a port that was free a moment ago.
fn nobody() -> SocketAddr {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A socket that takes every datagram and never answers.
fn silence() -> (std::net::UdpSocket, Upstream) {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, Upstream::Udp(address))
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
    assert_eq!((code(&asked), server.datagrams("cut")), ("dns.tcp_refused", 1));
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
async fn mail_hosts_addresses_and_security_are_read() {
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
        let mut bytes = ask.answer(0, &records);
        // AD
        bytes[3] |= 0x20;
        vec![Packet::Reply(bytes)]
    };
    let server = Hostile::start(script("mail", udp), false).await;
    let resolver = resolver(vec![Upstream::Udp(server.address)]);
    let mx = resolver.mx(&host("mail")).await;
    let Lookup::Found(set) = &mx.lookup else { panic!("{mx:?}") };
    let wanted = [(0, "."), (10, "a.example"), (10, "z.example"), (20, "b.example")];
    assert_eq!(set.records, wanted.map(|(preference, host)| Mx { preference, host: host.to_owned() }));
    assert_eq!(mx.security, Security::Secure);
    let addresses = resolver.addresses(&host("mail")).await;
    assert_eq!(addresses.all().iter().map(ToString::to_string).collect::<Vec<_>>(), ["192.0.2.1", "2001:db8::1"]);
    assert_eq!(resolver.txt(&host("honest")).await.security, Security::Insecure);
    server.stop().await;
}

/// Row 55.
#[tokio::test]
async fn a_resolver_that_is_down_is_told_at_once() {
    for count in [1, 2] {
        let resolver = resolver((0..count).map(|_| Upstream::Udp(nobody())).collect());
        let answer = resolver.txt(&host("honest")).await;
        assert_eq!(code(&answer), "dns.resolver_down");
        // A busy machine may take a moment longer once, but not each time.
        let mut quickest = answer.elapsed;
        for _ in 0..5 {
            quickest = quickest.min(resolver.txt(&host("honest")).await.elapsed);
        }
        assert!(quickest <= Duration::from_millis(100), "{quickest:?}");
    }
    let server = Hostile::start(script("honest", honest), false).await;
    let upstreams = [nobody(), server.address, nobody()].map(Upstream::Udp);
    let resolver = resolver(upstreams.to_vec());
    for _ in 0..6 {
        assert_eq!(texts(&resolver.txt(&host("honest")).await), [RECORD]);
    }
    server.stop().await;
}

/// Row 54: silence of one resolver is made up for by another.
#[tokio::test]
async fn another_resolver_is_asked_after_silence() {
    let (_socket, silent) = silence();
    let server = Hostile::start(script("honest", honest), false).await;
    let resolver = resolver(vec![silent, Upstream::Udp(server.address)]);
    for _ in 0..2 {
        let answer = resolver.txt(&host("honest")).await;
        assert_eq!(texts(&answer), [RECORD]);
        assert!(answer.elapsed < TIME / 2);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_preflight_tells_whether_anybody_answers() {
    let refuses: hostile::Udp = |ask| vec![Packet::Reply(ask.answer(5, &[]))];
    // The question for the root is in no zone of the script, so its case has no name.
    let server = Hostile::start(script("", refuses), false).await;
    let (_socket, silent) = silence();
    for (upstreams, wanted, within) in [
        (vec![Upstream::Udp(server.address)], None, 1000),
        (vec![silent.clone(), Upstream::Udp(nobody()), Upstream::Udp(server.address)], None, 1000),
        (vec![Upstream::Udp(nobody())], Some(dns::RESOLVER_DOWN), 500),
        (vec![Upstream::Tcp(nobody())], Some(dns::TCP_REFUSED), 500),
        (vec![silent, Upstream::Udp(nobody())], Some(dns::TIMEOUT), 4000),
    ] {
        let start = Instant::now();
        let outcome = resolver(upstreams).preflight().await;
        assert_eq!(outcome.err().map(|failure| failure.code), wanted);
        assert!(start.elapsed() <= Duration::from_millis(within), "{:?}", start.elapsed());
    }
    assert_eq!(server.datagrams(""), 2);
    server.stop().await;
}

/// Row 60, and `tcp://` alone.
#[tokio::test]
async fn a_connection_that_ends_after_each_answer_costs_no_time() {
    for tcp in [(|ask| Stream::MessageAndClose(ask.found())) as hostile::Tcp, |ask| Stream::Message(ask.found())] {
        let server = Hostile::start(Script::from([("honest", (honest as hostile::Udp, tcp))]), true).await;
        let resolver = resolver(vec![Upstream::Tcp(server.address)]);
        for _ in 0..20 {
            let answer = resolver.txt(&host("honest")).await;
            assert_eq!((texts(&answer), answer.via, answer.sent), (vec![RECORD], Via::Tcp, 1));
            assert!(answer.elapsed < SLACK, "{:?}", answer.elapsed);
        }
        assert_eq!(server.datagrams("honest"), 0);
        server.stop().await;
    }
}

/// Bytes behind a message are not taken for the next answer.
#[tokio::test]
async fn rubbish_left_on_a_connection_harms_no_later_question() {
    let tcp: hostile::Tcp = |ask| Stream::Message([ask.found(), vec![0; 9]].concat());
    let spoilt: hostile::Tcp =
        |ask| Stream::Raw([hostile::framed(&ask.found()), b"\0\x0cnot a message".to_vec()].concat());
    let script = Script::from([("spoilt", (honest as hostile::Udp, spoilt)), ("honest", (honest, tcp))]);
    let server = Hostile::start(script, true).await;
    let resolver = resolver(vec![Upstream::Tcp(server.address)]);
    for label in ["spoilt", "honest", "spoilt", "spoilt", "honest"] {
        assert_eq!(texts(&resolver.txt(&host(label)).await), [RECORD], "{label}");
    }
    server.stop().await;
}

#[tokio::test]
async fn questions_keep_to_the_rate() {
    let server = Hostile::start(script("honest", honest), false).await;
    let resolver =
        Resolver::new(&NetConfig { rate: Some(100), ..config(vec![Upstream::Udp(server.address)]) }).unwrap();
    let start = Instant::now();
    let mut running = JoinSet::new();
    for _ in 0..60 {
        let resolver = resolver.clone();
        running.spawn(async move { resolver.txt(&host("honest")).await });
    }
    while let Some(answer) = running.join_next().await {
        assert_eq!(texts(&answer.unwrap()), [RECORD]);
    }
    // The first is free, and so is what a timer may make up for.
    assert!(start.elapsed() >= Duration::from_millis(540), "{:?}", start.elapsed());
    assert_eq!(server.datagrams("honest"), 60);
    server.stop().await;
}

#[tokio::test]
async fn closing_ends_what_is_in_flight() {
    let (_socket, silent) = silence();
    let resolver = resolver(vec![silent]);
    let other = resolver.clone();
    let waiting = tokio::spawn(async move { other.txt(&host("honest")).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    resolver.close().await;
    let answer = waiting.await.unwrap();
    assert!(matches!(answer.lookup, Lookup::Failed(_)));
    assert!(start.elapsed() < SLACK, "{:?}", start.elapsed());
}

/// Thousands of questions at once share a few sockets, and each gets its own answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_questions_at_once_are_not_mixed_up() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut buffer = [0; 512];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            let ask = Ask::read(&buffer[..length]);
            socket.send_to(&ask.answer(0, &[txt(&ask.name, &[ask.name.as_bytes()])]), from).await.unwrap();
        }
    });
    let resolver = resolver(vec![Upstream::Udp(address)]);
    let mut running = JoinSet::new();
    for i in 0..2000 {
        let resolver = resolver.clone();
        running.spawn(async move {
            let name = host(&format!("q{i}"));
            let answer = resolver.txt(&name).await;
            assert_eq!(texts(&answer), [name.as_str().as_bytes()]);
        });
    }
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap();
    }
    resolver.close().await;
    server.abort();
}

/// Row 59: a process that may open no more files waits for one; the question does not fail.
#[test]
fn a_shortage_of_descriptors_only_delays() {
    // The limit is the whole process's, so this test runs again in a process of its own.
    let inner = "dns::without_descriptors";
    let program = std::env::current_exe().unwrap();
    let limited = "ulimit -n 64 && exec \"$0\" --exact --ignored \"$1\"";
    let output = std::process::Command::new("sh").args(["-c", limited]).arg(program).arg(inner).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
#[ignore = "needs a process with few descriptors; run by a_shortage_of_descriptors_only_delays"]
async fn without_descriptors() {
    let server = Hostile::start(script("honest", honest), false).await;
    let resolver = resolver(vec![Upstream::Udp(server.address)]);
    let mut hoard = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        hoard.push(file);
        assert!(hoard.len() < 10_000, "this process has no limit");
    }
    let name = host("honest");
    let (answer, ()) = tokio::join!(resolver.txt(&name), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        drop(hoard);
    });
    assert_eq!((texts(&answer), answer.sent), (vec![RECORD], 1));
    assert!(answer.elapsed >= Duration::from_millis(250));
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
