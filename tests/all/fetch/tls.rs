//! TCP and TLS: the stage and cause of a connection that does not come up, and the verdict on each chain.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use stscan::cert::RootStore;
use stscan::net::https::Client;
use stscan::net::reach::Reach;
use tokio::net::TcpListener;

use super::pki::{Authority, FUTURE, Identity, PAST, VALID};
use super::server::{Script, Server, Then};
use super::{HOST, POLICY, config, failure, fetch, fetch_by, is_authenticated, verdict};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// An answer with a good policy.
fn good() -> Script {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", POLICY.len());
    Script::new(head + POLICY, Then::Close)
}

/// What a chain is, the chain, and the codes that its verdict holds.
pub(crate) type Chain = (&'static str, Identity, &'static [&'static str]);

/// Chains for a host with what is to be found in them, and the stores to judge them by. The first one is good.
pub(crate) fn chains(host: &str) -> (Vec<RootStore>, Vec<Chain>) {
    let (root, community, stranger) =
        (Authority::root("root"), Authority::root("community"), Authority::root("stranger"));
    let middle = root.intermediate("middle");
    let rows: Vec<Chain> = vec![
        ("good", middle.identity(&[host], VALID), &["cert.store_dependent"]),
        ("expired", middle.identity(&[host], PAST), &["cert.expired", "cert.store_dependent"]),
        ("not yet valid", middle.identity(&[host], FUTURE), &["cert.not_yet_valid", "cert.store_dependent"]),
        ("wrong name", middle.identity(&["example.com"], VALID), &["cert.name", "cert.store_dependent"]),
        ("self-signed", Identity::self_signed(&[host]), &["cert.self_signed"]),
        ("unknown authority", stranger.identity(&[host], VALID), &["cert.unknown_issuer"]),
        ("expired and unknown", stranger.identity(&[host], PAST), &["cert.expired", "cert.unknown_issuer"]),
        ("missing intermediate", middle.identity(&[host], VALID).leaf_alone(), &["cert.missing_intermediate"]),
        ("community", community.identity(&[host], VALID), &["cert.unknown_issuer", "cert.store_dependent"]),
    ];
    (vec![root.store("first"), community.store("second")], rows)
}

#[tokio::test]
async fn what_lies_behind_a_bad_certificate_is_observed_unauthenticated() {
    let (stores, rows) = chains(HOST);
    for (what, identity, expected) in rows {
        let server = Server::tls(identity.config(&[b"http/1.1"]), good()).await;
        let fetch = fetch(server.address, stores.clone()).await;
        assert_eq!(failure(&fetch), None, "{what}");
        assert_eq!(verdict(&fetch), expected, "{what}");
        assert_eq!(is_authenticated(&fetch), what == "good", "{what}");
        let sent: Vec<Vec<u8>> = identity.chain.iter().map(|der| der.to_vec()).collect();
        assert_eq!(fetch.chain, sent, "{what}");
        let response = fetch.response.unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, POLICY.as_bytes()), "{what}");
        assert_eq!(fetch.connected, Some(server.address), "{what}");
        let facts = fetch.tls.unwrap();
        assert_eq!((facts.version, facts.alpn.as_deref()), ("1.3", Some("http/1.1")), "{what}");
        assert!(fetch.times.connect.is_some() && fetch.times.tls.is_some() && fetch.times.first_byte.is_some());
        assert!(fetch.wire_bytes > POLICY.len() as u64, "{what}");
    }
}

/// A ServerHello of TLS 1.0 (1), 1.1 (2) and so on that takes TLS_RSA_WITH_AES_128_CBC_SHA.
fn server_hello(version: u8) -> Vec<u8> {
    let mut hello = vec![3, version];
    hello.extend([7; 32]);
    hello.extend([0, 0x00, 0x2f, 0]);
    let mut message = vec![2, 0, 0, u8::try_from(hello.len()).unwrap()];
    message.extend(hello);
    let mut record = vec![22, 3, version, 0, u8::try_from(message.len()).unwrap()];
    record.extend(message);
    record
}

fn alert(level: u8, description: u8) -> Vec<u8> {
    vec![21, 3, 3, 0, 2, level, description]
}

/// What may come in answer to a ClientHello, and the code that it is (HOSTILE.md 77-82, 90).
pub(crate) fn broken_handshakes() -> Vec<(&'static str, Script, &'static str)> {
    let oversized = [&[22, 3, 3, 0xff, 0xff][..], &[0; 70_000]].concat();
    let huge_message = [&[22, 3, 3, 0x40, 0x00, 2, 0xff, 0xff, 0xff][..], &[0; 16_380]].concat();
    vec![
        ("TLS 1.0", Script::new(server_hello(1), Then::Hold), "tls.version"),
        ("TLS 1.1", Script::new(server_hello(2), Then::Hold), "tls.version"),
        ("alert 70", Script::new(alert(2, 70), Then::Close), "tls.version"),
        ("alert 40", Script::new(alert(2, 40), Then::Close), "tls.alert"),
        ("alert 112", Script::new(alert(2, 112), Then::Close), "tls.alert"),
        ("plain HTTP", Script::new("HTTP/1.1 400 Bad Request\r\n\r\n", Then::Close), "tls.not_tls"),
        ("SSH", Script::new("SSH-2.0-OpenSSH_9.6\r\n", Then::Hold), "tls.not_tls"),
        ("a byte of text", Script::new("5", Then::Hold), "tls.not_tls"),
        ("SSLv2", Script::new([0x80, 0x03, 0x00, 0x00, 0x01], Then::Hold), "tls.not_tls"),
        ("FIN", Script::new("", Then::Close), "tls.closed"),
        ("FIN in a record", Script::new([22, 3, 3, 0, 80, 2], Then::Close), "tls.closed"),
        ("close_notify, socket open", Script::new(alert(1, 0), Then::Hold), "tls.closed"),
        ("RST", Script::new("", Then::Reset), "tcp.reset"),
        ("silence", Script::new("", Then::Hold), "tls.timeout"),
        ("drip", Script::dripping(server_hello(1), Duration::from_millis(200)), "tls.timeout"),
        ("oversized record", Script::new(oversized, Then::Hold), "tls.too_large"),
        ("huge message", Script::new(huge_message, Then::Hold), "tls.too_large"),
        ("flood of empty records", Script::endless("", [22, 3, 3, 0, 0].repeat(100)), "tls.protocol"),
        ("flood of warnings", Script::endless("", alert(1, 90).repeat(100)), "tls.protocol"),
        ("flood of change_cipher_spec", Script::endless("", [20, 3, 3, 0, 1, 1].repeat(100)), "tls.protocol"),
        ("a server that asks", Script::new([22, 3, 3, 0, 4, 1, 0, 0, 0], Then::Hold), "tls.protocol"),
    ]
}

#[tokio::test]
async fn a_handshake_that_fails_says_why() {
    let mut wrong = Vec::new();
    for (what, script, expected) in broken_handshakes() {
        let server = Server::raw(script).await;
        let fetch = fetch(server.address, Vec::new()).await;
        if failure(&fetch) != Some(expected) {
            wrong.push(format!("{what}: {:?} is not {expected}", fetch.failure));
            continue;
        }
        assert_eq!(fetch.connected, Some(server.address), "{what}");
        assert_eq!((fetch.tls, fetch.response, fetch.verdict), (None, None, None), "{what}");
        assert_eq!(fetch.attempts.len(), usize::from(["tcp.reset", "tls.timeout"].contains(&expected)), "{what}");
        let failure = fetch.failure.unwrap();
        match what {
            "alert 40" => assert_eq!(failure.detail.get("alert").unwrap(), 40),
            "alert 112" => assert_eq!(failure.detail.get("alert").unwrap(), 112),
            _ => {}
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn a_server_of_another_protocol_says_so() {
    let server = Server::tls(Identity::self_signed(&[HOST]).config(&[b"smtp"]), good()).await;
    let fetch = fetch(server.address, Vec::new()).await;
    assert_eq!(failure(&fetch), Some("tls.alert"));
    assert_eq!(fetch.failure.unwrap().detail.get("alert").unwrap(), 120);
}

#[tokio::test]
async fn a_chain_that_is_too_large_ends_the_handshake() {
    let mut identity = Authority::root("root").identity(&[HOST], VALID);
    let more = Authority::root("more");
    identity.chain.extend((0..200).map(|_| more.der.clone()));
    let server = Server::tls(identity.config(&[]), good()).await;
    let fetch = fetch(server.address, Vec::new()).await;
    assert_eq!(failure(&fetch), Some("tls.too_large"), "{:?}", fetch.failure);
}

#[tokio::test]
async fn a_handshake_without_the_key_is_refused() {
    // The chain of one identity with the key of another: rustls does not let a server do that, so the key is put in by
    // a resolver that asks nobody.
    use rustls::server::{ClientHello, ResolvesServerCert};
    use std::sync::Arc;
    #[derive(Debug)]
    struct Thief(Arc<rustls::sign::CertifiedKey>);
    impl ResolvesServerCert for Thief {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }
    }
    let root = Authority::root("root");
    let (victim, thief) = (root.identity(&[HOST], VALID), root.identity(&["thief.example"], VALID));
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(thief.key.serialize_der());
    let key = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(&key.into()).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(victim.chain.clone(), key);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Thief(Arc::new(stolen))));
    let server = Server::tls(Arc::new(config), good()).await;
    let fetch = fetch(server.address, vec![root.store("first")]).await;
    assert_eq!(failure(&fetch), Some("tls.protocol"), "{:?}", fetch.failure);
    assert_eq!(fetch.response, None);
    // What was shown is kept, and is what it is.
    assert_eq!(fetch.chain.len(), 2);
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let fetch = fetch(address, Vec::new()).await;
    assert_eq!(failure(&fetch), Some("tcp.refused"));
    assert_eq!((fetch.connected, fetch.attempts.len()), (None, 1));
}

#[tokio::test]
async fn the_next_address_is_tried_where_one_cannot_be_talked_to() {
    let root = Authority::root("root");
    let server = Server::tls(root.identity(&[HOST], VALID).config(&[]), good()).await;
    let client = Client::new(&config(server.address.port(), vec![root.store("first")]));
    // 127.0.0.2 and 127.0.0.3 have nobody at this port.
    let addresses = ["127.0.0.2", "127.0.0.3", "127.0.0.1"].map(|address| address.parse().unwrap());
    let fetch = fetch_by(&client, &addresses).await;
    assert_eq!(failure(&fetch), None);
    let tried: Vec<String> = fetch.attempts.iter().map(|(address, _)| address.ip().to_string()).collect();
    assert_eq!(tried, ["127.0.0.2", "127.0.0.3"]);
    assert!(fetch.attempts.iter().all(|(_, failure)| failure.code.as_str() == "tcp.refused"));
    assert_eq!(fetch.connected, Some(server.address));
    // The rebinding of a name between look-up and connect has nothing to hold on to: what was given is connected to.
    assert!(addresses.contains(&fetch.connected.unwrap().ip()));
}

#[tokio::test]
async fn an_answer_other_than_silence_is_the_answer() {
    // 127.0.0.1 answers with an alert; the good server at 127.0.0.2 is not asked.
    let first = Server::raw(Script::new(alert(2, 40), Then::Close)).await;
    let root = Authority::root("root");
    let identity = root.identity(&[HOST], VALID);
    let second = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let second = Server::tls_at(second, first.address.port(), identity.config(&[]), good()).await;
    let client = Client::new(&config(first.address.port(), vec![root.store("first")]));
    let fetch = fetch_by(&client, &[first.address.ip(), second.address.ip()]).await;
    assert_eq!(failure(&fetch), Some("tls.alert"));
    assert_eq!((first.accepted(), second.accepted()), (1, 0));
}

/// Says that descriptors are few here.
const FEW: &str = "STSCAN_TEST_FEW_DESCRIPTORS";

#[test]
fn our_own_shortage_is_waited_out() {
    let child = std::process::Command::new("prlimit")
        .arg("--nofile=64:64")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "fetch::tls::with_few_descriptors", "--nocapture"])
        .env(FEW, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

/// The inner half of [`our_own_shortage_is_waited_out`]; outside of its limits there is nothing to run out of.
#[tokio::test]
async fn with_few_descriptors() {
    if std::env::var_os(FEW).is_none() {
        return;
    }
    let listener = TcpListener::bind((LOOPBACK, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        held.push(file);
    }
    let reach = Reach::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(5));
    let started = Instant::now();
    let failure = reach.connect(address, short).await.unwrap_err();
    assert_eq!(failure.code.as_str(), "tcp.local");
    assert!(started.elapsed() < short * 2, "took {:?}", started.elapsed());

    let freed = async {
        tokio::time::sleep(short).await;
        held.pop();
    };
    let (connected, ()) = tokio::join!(reach.connect(address, long), freed);
    assert!(connected.is_ok(), "{connected:?}");
}

#[tokio::test]
async fn a_full_backlog_is_a_timeout() {
    // Nobody accepts, and the queue holds one: the kernel drops what comes beyond it.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((LOOPBACK, 0).into()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let reach = Reach::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let limit = Duration::from_millis(200);
    let mut held = Vec::new();
    let failure = loop {
        match reach.connect(address, limit).await {
            Ok(stream) => held.push(stream),
            Err(failure) => break failure,
        }
        assert!(held.len() < 10, "the queue never fills");
    };
    assert_eq!(failure.code.as_str(), "tcp.timeout");
}
