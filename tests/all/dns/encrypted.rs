//! DNS over TLS and over HTTPS against servers that are made here, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use stscan::cert::RootStore;
use stscan::net::dns::{Resolver, Security, Via};
use stscan::net::{NetConfig, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::hostile::{Ask, RECORD, framed, secure};
use super::{code, config, host, texts};

/// What a server says to a query once TLS stands: the bytes, and whether it says anything.
type Reply = fn(&Ask) -> Option<Vec<u8>>;

/// A TLS server for `dns.example` and `localhost` with a certificate of its own.
struct Server {
    port: u16,
    roots: Arc<[RootStore]>,
    tasks: JoinSet<()>,
}

#[derive(Clone, Copy, PartialEq)]
enum Speaks {
    Dns,
    Http,
}

impl Server {
    async fn start(speaks: Speaks, reply: Reply) -> Self {
        let names = ["dns.example", "localhost"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let mut anchors = rustls::RootCertStore::empty();
        anchors.add(made.cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                let acceptor = acceptor.clone();
                connections.spawn(async move {
                    // A client that does not trust us ends here.
                    let Ok(stream) = acceptor.accept(tcp).await else { return };
                    match speaks {
                        Speaks::Dns => speak_dns(stream, reply).await,
                        Speaks::Http => speak_http(stream, reply).await,
                    }
                });
            }
        });
        Self { port, roots: Arc::new([RootStore::new("test", Arc::new(anchors))]), tasks }
    }

    fn resolver(&self, upstream: &str) -> Resolver {
        let upstream = Upstream::parse(&upstream.replace("PORT", &self.port.to_string())).unwrap();
        Resolver::new(&NetConfig { roots: Arc::clone(&self.roots), ..config(vec![upstream]) }).unwrap()
    }

    async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

async fn speak_dns(mut stream: TlsStream<TcpStream>, reply: Reply) {
    while let Ok(length) = stream.read_u16().await {
        let mut query = vec![0; usize::from(length)];
        stream.read_exact(&mut query).await.unwrap();
        let Some(bytes) = reply(&Ask::read(&query)) else {
            return tokio::time::sleep(Duration::from_secs(30)).await;
        };
        stream.write_all(&framed(&bytes)).await.unwrap();
        stream.flush().await.unwrap();
    }
}

/// Enough of HTTP/1.1 for one POST: the head up to the empty line, and as much body as it says.
async fn speak_http(mut stream: TlsStream<TcpStream>, reply: Reply) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("post /dns-query "), "{head}");
    assert!(head.contains("content-type: application/dns-message\r\n"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await.unwrap();
    let Some(bytes) = reply(&Ask::read(&query)) else {
        return tokio::time::sleep(Duration::from_secs(30)).await;
    };
    stream.write_all(&bytes).await.unwrap();
    let _ = stream.shutdown().await;
}

/// An HTTP response.
fn response(head: &str, body: &[u8]) -> Option<Vec<u8>> {
    Some([format!("{head}\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), body].concat())
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/dns-message";

#[tokio::test]
async fn dns_over_tls_has_the_same_verdicts() {
    let cases: [(&str, Reply, &str); 8] = [
        ("tls://127.0.0.1:PORT#dns.example", |ask| Some(ask.found()), "found"),
        ("tls://127.0.0.1:PORT#other.example", |ask| Some(ask.found()), "dns.transport"),
        ("tls://127.0.0.1:PORT", |ask| Some(ask.found()), "dns.transport"),
        ("tls://127.0.0.1:PORT#dns.example", |ask| Some(ask.answer(3, &[])), "nxdomain"),
        ("tls://127.0.0.1:PORT#dns.example", |ask| Some(ask.answer(2, &[])), "dns.rcode_2"),
        ("tls://127.0.0.1:PORT#dns.example", |ask| Some(ask.found()[..40].to_vec()), "dns.malformed"),
        ("tls://127.0.0.1:PORT#dns.example", |_| None, "dns.timeout"),
        ("tls://127.0.0.1:1#dns.example", |_| None, "dns.transport"),
    ];
    let mut running = JoinSet::new();
    for (upstream, reply, wanted) in cases {
        running.spawn(async move {
            let server = Server::start(Speaks::Dns, reply).await;
            let answer = server.resolver(upstream).txt(&host("honest")).await;
            assert_eq!((code(&answer), answer.via), (wanted, Via::Tls), "{upstream}: {answer:?}");
            server.stop().await;
        });
    }
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap();
    }
}

#[tokio::test]
async fn dns_over_https_has_the_same_verdicts() {
    let cases: [(&str, Reply, &str); 10] = [
        ("https://localhost:PORT/dns-query", |ask| response(OK, &ask.found()), "found"),
        ("https://127.0.0.1:PORT/dns-query", |ask| response(OK, &ask.found()), "dns.transport"),
        ("https://localhost:PORT/dns-query", |ask| response(OK, &ask.answer(3, &[])), "nxdomain"),
        ("https://localhost:PORT/dns-query", |ask| response(OK, &ask.answer(5, &[])), "dns.rcode_5"),
        ("https://localhost:PORT/dns-query", |ask| response(OK, &ask.found()[..40]), "dns.malformed"),
        ("https://localhost:PORT/dns-query", |_| response(OK, &[0; 70_000]), "dns.malformed"),
        ("https://localhost:PORT/dns-query", |_| response("HTTP/1.1 404 Not Found", b""), "dns.transport"),
        (
            "https://localhost:PORT/dns-query",
            |_| response("HTTP/1.1 307 Elsewhere\r\nLocation: https://localhost:1/dns-query", b""),
            "dns.transport",
        ),
        (
            "https://localhost:PORT/dns-query",
            |ask| response("HTTP/1.1 200 OK\r\nContent-Type: text/html", &ask.found()),
            "dns.transport",
        ),
        ("https://localhost:PORT/dns-query", |_| None, "dns.timeout"),
    ];
    let mut running = JoinSet::new();
    for (upstream, reply, wanted) in cases {
        running.spawn(async move {
            let server = Server::start(Speaks::Http, reply).await;
            let answer = server.resolver(upstream).txt(&host("honest")).await;
            assert_eq!((code(&answer), answer.via), (wanted, Via::Https), "{upstream}: {answer:?}");
            server.stop().await;
        });
    }
    while let Some(outcome) = running.join_next().await {
        outcome.unwrap();
    }
}

/// The AD bit of a resolver elsewhere is believed if the user vouches for it.
#[tokio::test]
async fn a_resolver_elsewhere_needs_a_voucher_for_its_security() {
    let signed: Reply = |ask| Some(secure(ask.found()));
    let plain: Reply = |ask| Some(ask.found());
    for (reply, trust_ad, wanted) in [
        (signed, false, Security::Unknown),
        (plain, false, Security::Unknown),
        (signed, true, Security::Secure),
        (plain, true, Security::Insecure),
    ] {
        let server = Server::start(Speaks::Dns, reply).await;
        let upstream = Upstream::parse(&format!("tls://127.0.0.1:{}#dns.example", server.port)).unwrap();
        let config = NetConfig { roots: Arc::clone(&server.roots), trust_ad, ..config(vec![upstream]) };
        let resolver = Resolver::new(&config).unwrap();
        // Even a root with AD makes it no more believable.
        resolver.preflight().await.unwrap();
        assert_eq!(resolver.txt(&host("honest")).await.security, wanted);
        server.stop().await;
    }
}

/// A connection is kept for the next question.
#[tokio::test]
async fn a_tls_connection_serves_several_questions() {
    let server = Server::start(Speaks::Dns, |ask| Some(ask.found())).await;
    let resolver = server.resolver("tls://127.0.0.1:PORT#dns.example");
    for _ in 0..5 {
        let answer = resolver.txt(&host("honest")).await;
        assert_eq!((texts(&answer), answer.sent), (vec![RECORD], 1));
    }
    resolver.close().await;
    server.stop().await;
}
