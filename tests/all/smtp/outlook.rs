//! Whether mail hosts can be talked to from here: open, blocked, answered by somebody else, or unknown.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use stscan::cert::RootStore;
use stscan::name::HostName;
use stscan::net::dns::Resolver;
use stscan::net::pace::PerHost;
use stscan::net::smtp::{Client, Families, Heard, Outlook, Way};
use stscan::net::{NetConfig, Timeouts, Upstream};
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::config;
use super::server::{MailServer, Step, say};
use crate::dns::hostile::{A, Ask, IN, name, record};
use crate::fetch::pki::{Authority, VALID};
use crate::fetch::server::{Script, Then};
use Step::Hear;

/// How long finding out may take.
const LIMIT: Duration = Duration::from_secs(12);
const MX: u16 = 15;
const AAAA: u16 = 28;
const NAME_ERROR: u16 = 3;
const EHLO: &str = "250-mx\r\n250 STARTTLS\r\n";

/// Domains with their mail hosts, and hosts with their addresses, of which each may have several.
struct Zone {
    mail: HashMap<&'static str, Vec<&'static str>>,
    hosts: Vec<(&'static str, &'static str)>,
}

impl Zone {
    fn new(mail: &[(&'static str, &[&'static str])], hosts: &[(&'static str, &'static str)]) -> Self {
        let mail = mail.iter().map(|(domain, hosts)| (*domain, hosts.to_vec())).collect();
        Self { mail, hosts: hosts.to_vec() }
    }

    fn answer(&self, ask: &Ask) -> Vec<u8> {
        let mail = self.mail.get(ask.name.as_str()).filter(|_| ask.qtype == MX).into_iter().flatten().zip(10_u16..);
        let mut records: Vec<Vec<u8>> = mail
            .map(|(host, preference)| {
                record(&ask.name, MX, IN, 300, &[&preference.to_be_bytes()[..], &name(host)].concat())
            })
            .collect();
        for (_, address) in self.hosts.iter().filter(|(host, _)| *host == ask.name) {
            match address.parse().unwrap() {
                IpAddr::V4(v4) if ask.qtype == A => records.push(record(&ask.name, A, IN, 300, &v4.octets())),
                IpAddr::V6(v6) if ask.qtype == AAAA => records.push(record(&ask.name, AAAA, IN, 300, &v6.octets())),
                IpAddr::V4(_) | IpAddr::V6(_) => {}
            }
        }
        let exists = self.mail.contains_key(ask.name.as_str()) || self.hosts.iter().any(|(host, _)| *host == ask.name);
        ask.answer(if exists { 0 } else { NAME_ERROR }, &records)
    }
}

/// A resolver that knows one zone; it ends with the tasks.
async fn resolver(zone: Zone, tasks: &mut JoinSet<()>) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tasks.spawn(async move {
        let mut buffer = [0; 2048];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            let _ = socket.send_to(&zone.answer(&Ask::read(&buffer[..length])), from).await;
        }
    });
    address
}

/// Looks out by these domains, and gives how long that took.
async fn look(zone: Zone, port: u16, roots: Vec<RootStore>, canaries: &[&str]) -> (Outlook, Duration) {
    let mut tasks = JoinSet::new();
    let upstream = Upstream::Udp(resolver(zone, &mut tasks).await);
    look_by(upstream, port, roots, canaries).await
}

async fn look_by(upstream: Upstream, port: u16, roots: Vec<RootStore>, canaries: &[&str]) -> (Outlook, Duration) {
    look_with(NetConfig { upstreams: vec![upstream], ..config(port, roots) }, canaries).await
}

async fn look_with(config: NetConfig, canaries: &[&str]) -> (Outlook, Duration) {
    let resolver = Resolver::new(&config).unwrap();
    let hosts = PerHost::new(2);
    let client = Client::new(&config, hosts.clone());
    let canaries: Vec<HostName> = canaries.iter().map(|name| HostName::parse(name).unwrap()).collect();
    let started = Instant::now();
    let outlook = client.outlook(&resolver, &canaries).await;
    let elapsed = started.elapsed();
    // What was still going on has ended with it.
    assert_eq!(hosts.addresses(), 0);
    resolver.close().await;
    (outlook, elapsed)
}

/// The cause of a blocked port, and what came back from there.
fn blocked(outlook: &Outlook) -> (&str, Heard) {
    let Outlook::Blocked(obstacle) = outlook else { panic!("{outlook:?}") };
    (obstacle.cause.as_str(), obstacle.heard)
}

/// What is known of IPv4 and of IPv6, and why one of them is blocked.
fn open(outlook: &Outlook) -> (Way, Way, Option<&str>) {
    let Outlook::Open { families: Families { v4, v6 }, obstacle } = outlook else { panic!("{outlook:?}") };
    (*v4, *v6, obstacle.as_ref().map(|obstacle| obstacle.cause.as_str()))
}

fn good(authority: &Authority, host: &str) -> Vec<Step> {
    let tls = Step::Tls(authority.identity(&[host], VALID).config(&[]));
    vec![say("220 mx\r\n"), Hear, say(EHLO), Hear, say("220 go\r\n"), tls, Hear, say("250 mx\r\n")]
}

#[tokio::test]
async fn one_host_that_fits_is_enough_and_nobody_else_is_waited_for() {
    let root = Authority::root("root");
    let fits = MailServer::start(good(&root, "mx.fits.example")).await;
    let port = fits.address.port();
    let silent = Step::Play(Script::new("", Then::Hold));
    let silent = MailServer::start_at("127.0.0.2".parse().unwrap(), port, vec![silent]).await;
    let zone = Zone::new(
        &[
            ("silent.example", &["mx.silent.example"]),
            ("fits.example", &["mx1.refuses.example", "mx.fits.example", "mx3"]),
        ],
        &[("mx.silent.example", "127.0.0.2"), ("mx.fits.example", "127.0.0.1"), ("mx1.refuses.example", "127.0.0.3")],
    );
    let (outlook, elapsed) =
        look(zone, port, vec![root.store("first")], &["silent.example", "fits.example", "none.example"]).await;
    assert_eq!(open(&outlook), (Way::Open, Way::Unknown, None));
    assert!(elapsed < super::TIMEOUTS.banner, "took {elapsed:?}");
    assert_eq!(fits.stop().await.says(), "EHLO STARTTLS * EHLO QUIT");
    assert!(silent.stop().await.lines.is_empty());
}

/// A host that fits at each address at which somebody listens.
const BOTH: [(&str, &str); 2] = [("mx.a.example", "127.0.0.1"), ("mx.a.example", "::1")];

#[tokio::test]
async fn each_version_of_ip_is_found_open_or_blocked_by_itself() {
    let root = Authority::root("root");
    let (v4, v6): (IpAddr, IpAddr) = ("127.0.0.1".parse().unwrap(), "::1".parse().unwrap());
    let refused = Some("tcp.refused");
    for (at, expected) in [(v4, (Way::Open, Way::Blocked, refused)), (v6, (Way::Blocked, Way::Open, refused))] {
        let server = MailServer::start_at(at, 0, good(&root, "mx.a.example")).await;
        let zone = Zone::new(&[("a.example", &["mx.a.example"])], &BOTH);
        let (outlook, _) = look(zone, server.address.port(), vec![root.store("first")], &["a.example"]).await;
        assert_eq!(open(&outlook), expected);
    }
    // Both are open, by two hosts; who stands in the way of a third does not matter.
    let server = MailServer::start_at(v4, 0, good(&root, "mx.a.example")).await;
    let port = server.address.port();
    let other = MailServer::start_at(v6, port, good(&root, "mx.b.example")).await;
    let zone = Zone::new(
        &[("c.example", &["mx.c.example"]), ("a.example", &["mx.a.example"]), ("b.example", &["mx.b.example"])],
        &[("mx.a.example", "127.0.0.1"), ("mx.b.example", "::1"), ("mx.c.example", "127.0.0.9")],
    );
    let canaries = ["c.example", "a.example", "b.example"];
    let (outlook, _) = look(zone, port, vec![root.store("first")], &canaries).await;
    assert_eq!(open(&outlook), (Way::Open, Way::Open, None));
    drop(other);
}

#[tokio::test]
async fn nobody_is_talked_to_over_a_version_that_is_blocked_or_judged_over_one_that_is_unknown() {
    let (server, free) =
        (MailServer::start(Vec::new()).await, MailServer::start_at("::1".parse().unwrap(), 0, Vec::new()).await);
    let cases = [
        (server.address, Way::Blocked, "delivery.port_blocked"),
        (free.address, Way::Blocked, "delivery.port_blocked"),
        // Nobody listens there.
        (SocketAddr::new("::1".parse().unwrap(), server.address.port()), Way::Unknown, "delivery.port_unknown"),
        (SocketAddr::new("::1".parse().unwrap(), server.address.port()), Way::Open, "tcp.refused"),
    ];
    for (address, way, expected) in cases {
        let families = Families { v4: way, v6: way };
        let talked =
            super::client(address.port(), Vec::new()).within(families).talk(&super::host(), address.ip()).await;
        assert_eq!(talked.failure.map(|failure| failure.code.as_str()), Some(expected), "{address} {way:?}");
    }
    assert_eq!((server.accepted(), free.accepted()), (0, 0));
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_mail_host() {
    let root = Authority::root("root");
    let server = MailServer::start(good(&root, "alone.example")).await;
    let zone = Zone::new(&[], &[("alone.example", "127.0.0.1")]);
    let (outlook, _) = look(zone, server.address.port(), vec![root.store("first")], &["alone.example"]).await;
    assert_eq!(open(&outlook), (Way::Open, Way::Unknown, None));
}

#[tokio::test]
async fn a_port_that_lets_nobody_in_is_blocked() {
    let root = Authority::root("root");
    // Somebody holds the port at one address, so that it is nobody's at the others.
    let held = MailServer::start(Vec::new()).await;
    let zone = || {
        Zone::new(
            &[("a.example", &["mx.a.example"]), ("b.example", &["mx.b.example"]), ("c.example", &["mx.c.example"])],
            &[("mx.a.example", "127.0.0.4"), ("mx.b.example", "127.0.0.5"), ("mx.c.example", "10.0.0.1")],
        )
    };
    let port = held.address.port();
    let (outlook, _) = look(zone(), port, vec![root.store("first")], &["c.example", "a.example", "b.example"]).await;
    assert_eq!(blocked(&outlook), ("tcp.refused", Heard::Nothing));
    // A guard that lets us nowhere says so.
    let (outlook, _) = look(zone(), port, vec![root.store("first")], &["c.example"]).await;
    assert_eq!(blocked(&outlook), ("reach.forbidden", Heard::Nothing));
    assert_eq!(held.accepted(), 0);
}

#[tokio::test]
async fn somebody_who_answers_in_the_place_of_a_mail_host_is_found_out() {
    let (root, middlebox) = (Authority::root("root"), Authority::root("middlebox"));
    let rows: [(&str, Vec<Step>); 6] = [
        ("smtp.banner_5xx", vec![say("554 go away\r\n")]),
        ("smtp.no_starttls", vec![say("220 mx\r\n"), Hear, say("250-mx\r\n250 XXXXXXXA\r\n")]),
        ("smtp.starttls_refused", vec![say("220 mx\r\n"), Hear, say(EHLO), Hear, say("454 no\r\n")]),
        ("cert.unknown_issuer", good(&middlebox, "mx.a.example")),
        ("cert.name", good(&root, "proxy.example")),
        ("smtp.not_smtp", vec![say("HTTP/1.1 403 Forbidden\r\n")]),
    ];
    for (cause, steps) in rows {
        let server = MailServer::start(steps).await;
        let zone = Zone::new(
            &[("a.example", &["mx.a.example"]), ("b.example", &["mx.b.example"])],
            &[("mx.a.example", "127.0.0.1"), ("mx.b.example", "127.0.0.6")],
        );
        let roots = vec![root.store("first")];
        let (outlook, _) = look(zone, server.address.port(), roots, &["a.example", "b.example"]).await;
        assert_eq!(blocked(&outlook), (cause, Heard::Words));
    }
}

#[tokio::test]
async fn a_tarpit_is_not_waited_for_beyond_the_limit() {
    let silent = Step::Play(Script::new("", Then::Hold));
    let server = MailServer::start(vec![silent]).await;
    let mut tasks = JoinSet::new();
    let zone = Zone::new(&[("a.example", &["mx.a.example"])], &[("mx.a.example", "127.0.0.1")]);
    let upstreams = vec![Upstream::Udp(resolver(zone, &mut tasks).await)];
    // With the times that are shipped, the greeting alone would be waited for longer.
    let config = NetConfig { upstreams, timeouts: Timeouts::default(), ..config(server.address.port(), Vec::new()) };
    let (outlook, elapsed) = look_with(config, &["a.example"]).await;
    assert_eq!(blocked(&outlook), ("smtp.banner_timeout", Heard::Silence));
    assert!(elapsed < LIMIT + super::SLACK, "took {elapsed:?}");
}

#[tokio::test]
async fn where_no_known_host_is_found_nothing_is_known() {
    let zone = Zone::new(
        &[("null.example", &[""]), ("lost.example", &["mx.nowhere.example"])],
        &[("bare.example", "127.0.0.1")],
    );
    let rows = [("null.example", "mx.null"), ("lost.example", "mx.no_address"), ("none.example", "mx.none")];
    let zones = std::iter::repeat_with(|| Zone { mail: zone.mail.clone(), hosts: zone.hosts.clone() });
    for ((domain, expected), zone) in rows.into_iter().zip(zones) {
        let (outlook, _) = look(zone, 9, Vec::new(), &[domain]).await;
        let Outlook::Unknown(failure) = &outlook else { panic!("{domain}: {outlook:?}") };
        assert_eq!(failure.code.as_str(), expected);
    }
    // A resolver that is not there.
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let upstream = Upstream::Udp(socket.local_addr().unwrap());
    drop(socket);
    let (outlook, elapsed) = look_by(upstream, 9, Vec::new(), &["a.example", "b.example"]).await;
    assert!(matches!(&outlook, Outlook::Unknown(failure) if failure.code.entry().stage.word() == "dns"), "{outlook:?}");
    assert!(elapsed < LIMIT + super::SLACK, "took {elapsed:?}");
    // Without a domain to go by there is nothing to find out.
    assert_eq!(open(&look(zone, 9, Vec::new(), &[]).await.0), (Way::Open, Way::Open, None));
}
