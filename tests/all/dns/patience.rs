//! Resolvers that go away for a while: whoever has patience sees no failure that is not the zone's (row 56).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use stscan::finding::dane;
use stscan::net::dns::{Lookup, Resolver};
use stscan::net::{NetConfig, Upstream};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::hostile::{Ask, NS, RECORD, RRSIG, record};
use super::{SLACK, TIME, code, config, host, texts};

/// How long the resolver is away.
const AWAY: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);

/// What a resolver does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    /// It hears everything and says nothing.
    Silent,
    /// Nothing listens there.
    Gone,
    /// It answers this RCODE, whatever the question.
    Failing(u16),
    /// The same to questions with validation; without, it answers with signatures.
    Invalid,
}

/// A resolver with moods. The names that begin with `mute` it never answers, those with `lame` always with SERVFAIL.
struct Moody {
    address: SocketAddr,
    mood: Arc<Mutex<Mood>>,
    /// The datagrams that came, by the name; those for the root, the control questions, by none.
    heard: Arc<Mutex<HashMap<String, usize>>>,
    task: JoinSet<()>,
}

impl Moody {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let (mood, heard) = (Arc::new(Mutex::new(Mood::Well)), Arc::<Mutex<HashMap<_, _>>>::default());
        let mut task = JoinSet::new();
        task.spawn(serve(socket, Arc::clone(&mood), Arc::clone(&heard)));
        Self { address, mood, heard, task }
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn heard(&self, name: &str) -> usize {
        self.heard.lock().unwrap().get(name).copied().unwrap_or(0)
    }

    fn resolver(&self, patience: Duration) -> Resolver {
        resolver(&[self], patience)
    }

    async fn stop(mut self) {
        self.task.shutdown().await;
    }
}

fn resolver(servers: &[&Moody], patience: Duration) -> Resolver {
    let upstreams = servers.iter().map(|server| Upstream::Udp(server.address)).collect();
    Resolver::new(&config(upstreams)).unwrap().patient(patience)
}

async fn serve(socket: UdpSocket, mood: Arc<Mutex<Mood>>, heard: Arc<Mutex<HashMap<String, usize>>>) {
    let address = socket.local_addr().unwrap();
    let mut socket = Some(socket);
    let mut buffer = [0; 512];
    loop {
        let now = *mood.lock().unwrap();
        if now == Mood::Gone {
            socket = None;
        }
        let Some(socket) = &socket else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            if now != Mood::Gone {
                socket = Some(UdpSocket::bind(address).await.unwrap());
            }
            continue;
        };
        // A look at the mood now and then.
        let Ok(received) = tokio::time::timeout(Duration::from_millis(10), socket.recv_from(&mut buffer)).await else {
            continue;
        };
        let (length, from) = received.unwrap();
        let now = *mood.lock().unwrap();
        let ask = Ask::read(&buffer[..length]);
        *heard.lock().unwrap().entry(ask.name.clone()).or_default() += 1;
        if let Some(answer) = answer(now, &ask) {
            socket.send_to(&answer, from).await.unwrap();
        }
    }
}

fn answer(mood: Mood, ask: &Ask) -> Option<Vec<u8>> {
    let rrsig = record(&ask.name, RRSIG, 1, 60, &[0, 16, 8, 2, 0, 0, 0, 60, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0, 1]);
    match mood {
        _ if ask.name.starts_with("mute") => None,
        Mood::Silent | Mood::Gone => None,
        Mood::Failing(rcode) => Some(ask.answer(rcode, &[])),
        // Its zone is not signed.
        Mood::Invalid if ask.name.starts_with("_mta-sts.canary") => Some(ask.found()),
        Mood::Invalid if ask.unchecked => Some(ask.answer(0, &[rrsig])),
        Mood::Invalid => Some(ask.answer(2, &[])),
        Mood::Well if ask.name.starts_with("lame") => Some(ask.answer(2, &[])),
        Mood::Well if ask.name.starts_with("bogus") && !ask.unchecked => Some(ask.answer(2, &[])),
        Mood::Well if ask.name.starts_with("bogus") => Some(ask.answer(0, &[rrsig])),
        Mood::Well if ask.qtype == NS => Some(ask.answer(0, &[])),
        Mood::Well => Some(ask.found()),
    }
}

/// Questions all the time, and the resolver goes away in the midst of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_resolver_that_goes_away_for_a_while_costs_nobody_a_record() {
    for away in [Mood::Silent, Mood::Gone, Mood::Failing(2), Mood::Failing(5)] {
        let server = Moody::start().await;
        let resolver = server.resolver(PATIENCE);
        let begun = Instant::now();
        let mut asking = JoinSet::new();
        let controls = loop {
            let resolver = resolver.clone();
            asking.spawn(async move {
                let name = host(&format!("q{}", asking_number()));
                (resolver.txt(&name).await, name)
            });
            match begun.elapsed() {
                at if at > AWAY + Duration::from_secs(2) => break server.heard("."),
                at if at > AWAY + Duration::from_secs(1) => server.is(Mood::Well),
                at if at > Duration::from_secs(1) => server.is(away),
                _ => {}
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        while let Some(outcome) = asking.join_next().await {
            let (answer, name) = outcome.unwrap();
            assert_eq!(texts(&answer), [RECORD], "{away:?} {name} {answer:?}");
            // The time that it was away is not the question's.
            assert!(answer.elapsed < TIME + SLACK, "{answer:?}");
        }
        assert!(begun.elapsed() < Duration::from_secs(16), "{:?}", begun.elapsed());
        assert!(controls <= 7, "{away:?}: {controls} control questions");
        resolver.close().await;
        server.stop().await;
    }
}

fn asking_number() -> usize {
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// What is the zone's fault stays a failure, and costs a control question a second at most.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zone_that_fails_at_a_resolver_that_is_well_is_a_failure_as_ever() {
    let server = Moody::start().await;
    let resolver = server.resolver(PATIENCE);
    let start = Instant::now();
    let mut asking = JoinSet::new();
    for (case, wanted, datagrams) in [("mute", "dns.timeout", 3), ("lame", "dns.rcode_2", 2)] {
        for number in 0..20 {
            let (resolver, name) = (resolver.clone(), host(&format!("{case}{number}")));
            asking.spawn(async move { (resolver.txt(&name).await, name, wanted, datagrams) });
        }
    }
    while let Some(outcome) = asking.join_next().await {
        let (answer, name, wanted, datagrams) = outcome.unwrap();
        assert_eq!((code(&answer), server.heard(name.as_str())), (wanted, datagrams), "{answer:?}");
        assert!(answer.elapsed <= TIME + SLACK, "{answer:?}");
    }
    let seconds = start.elapsed().as_secs();
    assert!(server.heard(".") <= usize::try_from(seconds).unwrap() + 1, "{} in {seconds} s", server.heard("."));
    resolver.close().await;
    server.stop().await;
}

/// Where others are answered meanwhile, no control question is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_to_others_are_sign_enough() {
    let server = Moody::start().await;
    let resolver = server.resolver(PATIENCE);
    let mute = tokio::spawn({
        let resolver = resolver.clone();
        async move { resolver.txt(&host("mute")).await }
    });
    while !mute.is_finished() {
        assert_eq!(texts(&resolver.txt(&host("honest")).await), [RECORD]);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!((code(&mute.await.unwrap()), server.heard(".")), ("dns.timeout", 0));
    server.stop().await;
}

#[tokio::test]
async fn patience_ends() {
    let server = Moody::start().await;
    for (away, wanted) in
        [(Mood::Gone, "dns.resolver_down"), (Mood::Silent, "dns.timeout"), (Mood::Failing(2), "dns.rcode_2")]
    {
        server.is(away);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let resolver = server.resolver(Duration::from_secs(2));
        let start = Instant::now();
        let answer = resolver.txt(&host("honest")).await;
        assert_eq!(code(&answer), wanted, "{answer:?}");
        assert!(start.elapsed() >= Duration::from_secs(2) && start.elapsed() <= Duration::from_secs(8), "{away:?}");
        assert!(answer.elapsed <= TIME + SLACK, "{answer:?}");
    }
    // And at once where it is closed.
    let resolver = server.resolver(PATIENCE);
    let waiting = tokio::spawn({
        let resolver = resolver.clone();
        async move { resolver.txt(&host("honest")).await }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    resolver.close().await;
    let answer = tokio::time::timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap();
    assert!(matches!(answer.lookup, Lookup::Failed(_)), "{answer:?}");
    server.stop().await;
}

/// Of two resolvers one goes away for good: nobody waits for it.
#[tokio::test]
async fn another_resolver_stands_in() {
    let (gone, well) = (Moody::start().await, Moody::start().await);
    for away in [Mood::Silent, Mood::Gone, Mood::Failing(2)] {
        gone.is(away);
        tokio::time::sleep(Duration::from_millis(50)).await;
        let resolver = resolver(&[&gone, &well], PATIENCE);
        for _ in 0..2 {
            let start = Instant::now();
            assert_eq!(texts(&resolver.txt(&host("honest")).await), [RECORD], "{away:?}");
            assert!(start.elapsed() < TIME, "{away:?} {:?}", start.elapsed());
        }
        let answer = resolver.txt(&host("lame")).await;
        assert_eq!(code(&answer), "dns.rcode_2", "{away:?} {answer:?}");
    }
    gone.stop().await;
    well.stop().await;
}

/// A resolver whose validation is broken fails what is signed, the root too: that makes no zone bogus.
#[tokio::test]
async fn a_resolver_whose_validation_is_broken_makes_nothing_bogus() {
    let server = Moody::start().await;
    for canaries in [&[][..], &[host("canary")]] {
        let config = NetConfig { dns_canaries: canaries.into(), ..config(vec![Upstream::Udp(server.address)]) };
        let resolver = Resolver::new(&config).unwrap().patient(Duration::from_secs(1)).telling();
        server.is(Mood::Well);
        assert_eq!(code(&resolver.txt(&host("bogus")).await), dane::BOGUS.as_str(), "{canaries:?}");
        server.is(Mood::Invalid);
        let answer = resolver.txt(&host("signed")).await;
        assert_eq!(code(&answer), "dns.rcode_2", "{canaries:?} {answer:?}");
    }
    server.stop().await;
}
