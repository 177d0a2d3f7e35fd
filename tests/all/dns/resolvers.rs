//! Resolvers as such: gone, silent, several, slow to take questions; and what a resolver of ours takes of this machine.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use stscan::finding::dns;
use stscan::net::dns::{Resolver, Via};
use stscan::net::{NetConfig, Upstream};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::hostile::{self, Ask, Hostile, Packet, RECORD, Script, Stream, txt};
use super::{SLACK, TIME, code, config, honest, host, resolver, script, texts};

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
    // The questions for the root, and for a name that nobody has, are in no zone of the script, so their case has no name.
    let server = Hostile::start(script("", refuses), false).await;
    let (_socket, silent) = silence();
    for (upstreams, wanted, within) in [
        (vec![Upstream::Udp(server.address)], None, 1000),
        (vec![silent.clone(), Upstream::Udp(nobody()), Upstream::Udp(server.address)], None, 1000),
        (vec![Upstream::Udp(nobody())], Some(dns::RESOLVER_DOWN), 500),
        (vec![Upstream::Tcp(nobody())], Some(dns::TCP_REFUSED), 500),
        (vec![silent, Upstream::Udp(nobody())], Some(dns::TIMEOUT), 7000),
    ] {
        let start = Instant::now();
        let outcome = resolver(upstreams).preflight().await;
        assert_eq!(outcome.err().map(|failure| failure.code), wanted);
        assert!(start.elapsed() <= Duration::from_millis(within), "{:?}", start.elapsed());
    }
    assert_eq!(server.datagrams(""), 4);
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

/// A connection loses nothing, so an answer over it is waited for and the question not asked again.
#[tokio::test]
async fn a_late_answer_over_tcp_is_waited_for() {
    let late: hostile::Tcp = |ask| Stream::Late(Duration::from_secs(2), ask.found());
    let server = Hostile::start(Script::from([("late", (honest as hostile::Udp, late))]), true).await;
    let answer = resolver(vec![Upstream::Tcp(server.address)]).txt(&host("late")).await;
    assert_eq!((texts(&answer), answer.sent), (vec![RECORD], 1));
    server.stop().await;
}

/// A resolver that was down is believed as soon as it is up again.
#[tokio::test]
async fn a_resolver_that_comes_back_is_asked_at_once() {
    let address = nobody();
    let resolver = resolver(vec![Upstream::Udp(address)]);
    assert_eq!(code(&resolver.txt(&host("honest")).await), "dns.resolver_down");
    let socket = UdpSocket::bind(address).await.unwrap();
    let server = tokio::spawn(async move {
        let mut buffer = [0; 512];
        let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
        socket.send_to(&Ask::read(&buffer[..length]).found(), from).await.unwrap();
    });
    let answer = resolver.txt(&host("honest")).await;
    assert_eq!((texts(&answer), answer.sent), (vec![RECORD], 1));
    server.await.unwrap();
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
    resolver.clone().close().await;
    let answer = waiting.await.unwrap();
    assert_eq!((code(&answer), answer.sent), ("dns.resolver_down", 1));
    assert_eq!(code(&resolver.txt(&host("honest")).await), "dns.resolver_down");
    assert!(start.elapsed() < Duration::from_millis(300), "{:?}", start.elapsed());
}

/// Thousands of questions share a few sockets, a hundred at once, and each gets its own answer. More at once would test
/// the receive buffer of a server that shares its processors with every other test.
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
        if running.len() >= 100 {
            running.join_next().await.unwrap().unwrap();
        }
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
    let inner = "dns::resolvers::without_descriptors";
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
