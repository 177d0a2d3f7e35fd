//! HTTP: what is kept of an answer, and the cause where none comes.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use stscan::name::HostName;
use stscan::net::https::Client;
use stscan::sts::serve::BODY_MAX;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use super::pki::{Authority, Identity, VALID};
use super::server::{Script, Server, Then};
use super::{HOST, POLICY, TIMEOUTS, config, failure, fetch, fetch_by, is_authenticated};

fn identity() -> Identity {
    Authority::root("root").identity(&[HOST], VALID)
}

/// An answer with the given status line and headers, and a body of the announced length.
fn answer(head: &str, body: &[u8]) -> Script {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    Script::new([head.as_bytes(), body].concat(), Then::Hold)
}

#[tokio::test]
async fn every_status_and_header_is_kept_as_it_came() {
    let config = identity().config(&[]);
    let policy = POLICY.as_bytes();
    let long = format!("301 Moved\r\nLocation: https://example.com/{}", "x".repeat(4000));
    type Row<'a> = (&'a str, u16, &'a [u8], &'a [&'a [u8]], &'a [&'a [u8]], Option<usize>);
    let rows: Vec<Row<'_>> = vec![
        ("200 OK\r\nContent-Type: text/plain", 200, policy, &[b"text/plain"], &[], None),
        ("200 OK", 200, policy, &[], &[], None),
        ("200 OK\r\nContent-Type: text/html; charset=utf-8", 200, b"<html>", &[b"text/html; charset=utf-8"], &[], None),
        (
            "200 OK\r\nContent-Type: text/plain\r\nContent-Type: text/html",
            200,
            b"x",
            &[b"text/plain", b"text/html"],
            &[],
            None,
        ),
        ("200 OK\r\nContent-Encoding: gzip", 200, b"\x1f\x8b\x08\x00", &[], &[b"gzip"], None),
        ("404 Not Found\r\nContent-Type: text/html", 404, b"<html>gone", &[b"text/html"], &[], None),
        ("301 Moved\r\nLocation: http://169.254.169.254/", 301, b"", &[], &[], Some(23)),
        ("302 Found\r\nLocation: file:///etc/passwd", 302, policy, &[], &[], Some(18)),
        ("401 Unauthorized\r\nWWW-Authenticate: Basic", 401, b"", &[], &[], None),
        ("429 Too Many\r\nRetry-After: 1000000000", 429, b"", &[], &[], None),
        ("503 Unavailable", 503, b"later", &[], &[], None),
        ("206 Partial\r\nContent-Range: bytes 0-5/100", 206, b"versio", &[], &[], None),
        ("304 Not Modified", 304, b"", &[], &[], None),
        ("999 Odd", 999, b"", &[], &[], None),
        (&long, 301, b"", &[], &[], Some(2048)),
    ];
    for (head, status, body, types, encodings, location) in rows {
        let server = Server::tls(Arc::clone(&config), answer(head, body)).await;
        let fetch = fetch(server.address, Vec::new()).await;
        assert_eq!(failure(&fetch), None, "{head}: {:?}", fetch.failure);
        assert_eq!(fetch.http_version, Some("1.1"), "{head}");
        let response = fetch.response.unwrap();
        assert_eq!((response.status, response.body.as_slice()), (status, body), "{head}");
        assert_eq!(response.content_types, types, "{head}");
        assert_eq!(response.content_encodings, encodings, "{head}");
        assert_eq!(response.location.map(|location| location.len()), location, "{head}");
        assert!(!response.body_cut, "{head}");
        // No redirect, no second try: whatever was answered, one connection was made.
        assert_eq!(server.accepted(), 1, "{head}");
    }
}

#[tokio::test]
async fn a_body_is_cut_off_where_the_rfc_says() {
    let config = identity().config(&[]);
    let endless = Script::endless("HTTP/1.1 200 OK\r\n\r\n", [b'x'; 1000]);
    let chunks = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let endless_chunks = Script::endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", chunks);
    let rows = [
        ("nothing", answer("200 OK", b""), 0, false),
        ("65,536 bytes", answer("200 OK", &[b'x'; BODY_MAX]), BODY_MAX, false),
        ("65,537 bytes", answer("200 OK", &[b'x'; BODY_MAX + 1]), BODY_MAX, true),
        ("endless", endless, BODY_MAX, true),
        ("endless chunks", endless_chunks, BODY_MAX, true),
        (
            "a gibibyte announced",
            Script::endless("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", [b'x'; 1000]),
            BODY_MAX,
            true,
        ),
    ];
    for (what, script, length, cut) in rows {
        let server = Server::tls(Arc::clone(&config), script).await;
        let fetch = fetch(server.address, Vec::new()).await;
        assert_eq!(failure(&fetch), None, "{what}: {:?}", fetch.failure);
        let response = fetch.response.unwrap();
        assert_eq!((response.body.len(), response.body_cut), (length, cut), "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_had_says_why() {
    let config = identity().config(&[]);
    let close = |bytes: &str| Script::new(bytes, Then::Close);
    let hold = |bytes: &str| Script::new(bytes, Then::Hold);
    let chunked =
        |rest: &str| Script::new(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}"), Then::Hold);
    let tiny_chunks = Script::endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\nx\r\n");
    let pause = Duration::from_millis(100);
    let rows: Vec<(&str, Script, &str)> = vec![
        ("EOF before the answer", close(""), "http.closed"),
        ("EOF without close_notify", Script::new("", Then::Drop), "http.closed"),
        ("EOF in the head", close("HTTP/1.1 200 OK\r\nContent-"), "http.closed"),
        ("RST before the answer", Script::new("", Then::Reset), "http.reset"),
        (
            "RST in the body",
            Script::new("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nver", Then::Reset),
            "http.reset",
        ),
        ("EOF in the body", close("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nver"), "http.truncated"),
        ("EOF in a chunk", close("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nver"), "http.truncated"),
        (
            "no length, no close_notify",
            Script::new("HTTP/1.1 200 OK\r\n\r\nversion: STSv1\r\n", Then::Drop),
            "http.truncated",
        ),
        ("silence", hold(""), "http.timeout"),
        ("silence in the head", hold("HTTP/1.1 200 OK\r\nX: "), "http.timeout"),
        ("silence in the body", hold("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nver"), "http.timeout"),
        ("dripping head", Script::dripping("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pause), "http.timeout"),
        ("1xx flood, slow", Script::dripping("HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10), pause), "http.timeout"),
        ("1xx flood", Script::endless("", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10)), "http.wire_budget"),
        ("endless headers", Script::endless("HTTP/1.1 200 OK\r\n", "X-Header: xxxxxxxx\r\n"), "http.head_too_large"),
        ("one endless header", Script::endless("HTTP/1.1 200 OK\r\nX: ", "xxxxxxxxxxxxxxxx"), "http.head_too_large"),
        ("chunks of one byte", tiny_chunks, "http.wire_budget"),
        ("chunk garbage", chunked("zz\r\nversion"), "http.chunk"),
        ("chunk size overflow", chunked("fffffffffffffffff\r\n"), "http.chunk"),
        ("chunk without end", chunked("3\r\nverxx"), "http.chunk"),
        (
            "endless chunk extension",
            Script::endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", "xxxxxxxx"),
            "http.chunk",
        ),
        (
            "endless trailers",
            Script::endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", "X: y\r\n"),
            "http.chunk",
        ),
        ("two lengths", hold("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345"), "http.length"),
        ("two lengths in a line", hold("HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n12345"), "http.length"),
        ("negative length", hold("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "http.length"),
        ("signed length", hold("HTTP/1.1 200 OK\r\ncontent-length: +64\r\n\r\n"), "http.length"),
        ("length of 10^23", hold("HTTP/1.1 200 OK\r\nContent-Length: 100000000000000000000000\r\n\r\n"), "http.length"),
        ("length of 2^64-1", hold("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\n"), "http.length"),
        ("header with NUL", hold("HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n"), "http.header"),
        ("space before the colon", hold("HTTP/1.1 200 OK\r\nX : b\r\n\r\n"), "http.header"),
        ("folded header", hold("HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"), "http.header"),
        ("status 099", hold("HTTP/1.1 099 Low\r\n\r\n"), "http.status"),
        ("status 1000", hold("HTTP/1.1 1000 High\r\n\r\n"), "http.status"),
        ("SSH banner", hold("SSH-2.0-OpenSSH_9.6\r\n"), "http.not_http"),
        ("HTTP/0.9", close("version: STSv1\n"), "http.not_http"),
        ("HTTP/2.0 as text", hold("HTTP/2.0 200 OK\r\n\r\n"), "http.not_http"),
        ("a beginning of no HTTP", close("he"), "http.not_http"),
    ];
    let mut wrong = Vec::new();
    for (what, script, expected) in rows {
        let server = Server::tls(Arc::clone(&config), script).await;
        let fetch = fetch(server.address, Vec::new()).await;
        if failure(&fetch) != Some(expected) {
            wrong.push(format!("{what}: {:?} is not {expected}", fetch.failure));
            continue;
        }
        assert!(fetch.tls.is_some() && fetch.verdict.is_some(), "{what}");
        assert!(fetch.wire_bytes < 600 * 1024, "{what}: {} bytes", fetch.wire_bytes);
        let failure = fetch.failure.unwrap();
        match what {
            "silence in the body" => {
                assert_eq!(failure.detail.get("stage").unwrap(), "body");
                assert_eq!(fetch.response.unwrap().body, b"ver", "what came is kept aside");
            }
            "silence" | "dripping head" => assert_eq!(failure.detail.get("stage").unwrap(), "head"),
            "no length, no close_notify" => {
                assert_eq!(failure.detail.get("close_notify").unwrap(), false);
                assert_eq!(fetch.response.unwrap().body, b"version: STSv1\r\n");
            }
            "EOF in the body" => assert_eq!(failure.detail.get("close_notify").unwrap(), true),
            "status 1000" => assert_eq!(failure.detail.get("status").unwrap(), "1000"),
            _ => {}
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// What a request said, as a test server sees it.
#[derive(Debug, PartialEq)]
struct Asked {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
}

/// A server that speaks HTTP by the book, and tells what it was asked.
async fn by_the_book(identity: &Identity, alpn: &'static [u8]) -> (Server, mpsc::Receiver<Asked>) {
    let (tell, asked) = mpsc::channel(8);
    let config = identity.config(&[alpn]);
    let server = Server::start(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, move |stream| {
        let (config, tell) = (Arc::clone(&config), tell.clone());
        async move {
            let Ok(stream) = TlsAcceptor::from(config).accept(stream).await else { return };
            let serve = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                let headers = request.headers().iter();
                let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
                let asked = Asked {
                    method: request.method().to_string(),
                    target: request.uri().to_string(),
                    headers: headers.collect(),
                };
                let tell = tell.clone();
                async move {
                    let _ = tell.send(asked).await;
                    let response = hyper::Response::builder().header("content-type", "text/plain");
                    response.body(Full::new(Bytes::from(POLICY)))
                }
            });
            let stream = TokioIo::new(stream);
            if alpn == b"h2" {
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(stream, serve)
                    .await;
            } else {
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, serve).await;
            }
        }
    })
    .await;
    (server, asked)
}

#[tokio::test]
async fn the_request_is_the_one_of_the_rfc() {
    let root = Authority::root("root");
    let identity = root.identity(&[HOST], VALID);
    for (alpn, version) in [(b"http/1.1".as_slice(), "1.1"), (b"h2", "2")] {
        let (server, mut asked) = by_the_book(&identity, alpn).await;
        let fetch = fetch(server.address, vec![root.store("first")]).await;
        assert_eq!(failure(&fetch), None, "{version}: {:?}", fetch.failure);
        assert!(is_authenticated(&fetch));
        assert_eq!(fetch.http_version, Some(version));
        let response = fetch.response.unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, POLICY.as_bytes()));
        assert_eq!(response.content_types, [b"text/plain"]);

        let asked = asked.recv().await.unwrap();
        let authority = format!("{HOST}:{}", server.address.port());
        let target = match version {
            "2" => format!("https://{authority}/.well-known/mta-sts.txt"),
            _ => "/.well-known/mta-sts.txt".to_owned(),
        };
        assert_eq!((asked.method.as_str(), asked.target), ("GET", target));
        let mut expected = vec![("user-agent", "stscan/test (+mailto:contact@example.com)"), ("accept", "text/plain")];
        if version == "1.1" {
            expected.push(("host", &authority));
        }
        let expected: Vec<(String, String)> =
            expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(asked.headers, expected, "nothing but this is said: no encoding, no cookie, no cache");
    }
}

/// A frame of HTTP/2 (RFC 9113 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn http2_that_breaks_its_rules_is_seen() {
    let config = identity().config(&[b"h2"]);
    let settings = frame(4, 0, 0, &[]);
    let then = |bytes: &[u8]| Script::new([&settings, bytes].concat(), Then::Hold);
    let flood = |bytes: &[u8]| Script::endless(&settings, bytes.repeat(50));
    let refused = frame(3, 0, 1, &7_u32.to_be_bytes());
    let away = frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11]);
    // HPACK: ":status: 103" and ":status: 200" (RFC 7541 A, 6.2.1).
    let early = frame(1, 4, 1, b"\x48\x03103");
    let fine = frame(1, 4, 1, b"\x88");
    let rows: Vec<(&str, Script, &str)> = vec![
        ("HTTP/1.1 instead", Script::new("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Then::Hold), "http2.protocol"),
        ("junk", Script::new([0xff; 64], Then::Hold), "http2.protocol"),
        ("RST_STREAM", then(&refused), "http2.refused"),
        ("GOAWAY", then(&away), "http2.refused"),
        ("headers without status", then(&frame(1, 5, 1, b"\x00\x01x\x01y")), "http2.protocol"),
        ("push", then(&frame(5, 4, 1, &[0, 0, 0, 2, 0x82])), "http2.protocol"),
        ("EOF", Script::new("", Then::Close), "http.closed"),
        ("RST", Script::new("", Then::Reset), "http.reset"),
        (
            "EOF in the body",
            Script::new([&settings, &fine, &frame(0, 0, 1, b"ver")[..]].concat(), Then::Close),
            "http.truncated",
        ),
        ("no settings", Script::new("", Then::Hold), "http.timeout"),
        ("no end of the stream", then(&fine), "http.timeout"),
        ("flood of settings", flood(&settings), "http.wire_budget"),
        ("flood of pings", flood(&frame(6, 0, 0, &[0; 8])), "http.wire_budget"),
        ("flood of window updates", flood(&frame(8, 0, 0, &[0, 0, 0, 1])), "http.wire_budget"),
        ("flood of unknown frames", flood(&frame(99, 0, 0, &[0; 8])), "http.wire_budget"),
        ("flood of early hints", flood(&early), "http.wire_budget"),
    ];
    let mut wrong = Vec::new();
    for (what, script, expected) in rows {
        let server = Server::tls(Arc::clone(&config), script).await;
        let fetch = fetch(server.address, Vec::new()).await;
        if failure(&fetch) != Some(expected) {
            wrong.push(format!("{what}: {:?} is not {expected}", fetch.failure));
            continue;
        }
        assert!(fetch.wire_bytes < 700 * 1024, "{what}: {} bytes", fetch.wire_bytes);
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn one_host_leaves_nothing_behind_for_the_next() {
    let config_of = identity().config(&[]);
    let head = "200 OK\r\nSet-Cookie: a=b\r\nAlt-Svc: h3=\":443\"\r\nStrict-Transport-Security: max-age=1";
    let (first, second) = (
        Server::tls(Arc::clone(&config_of), answer(head, b"one")).await,
        Server::tls(config_of, answer("200 OK", b"two")).await,
    );
    let client = Client::new(&config(first.address.port(), Vec::new()));
    for _ in 0..2 {
        assert_eq!(fetch_by(&client, &[first.address.ip()]).await.response.unwrap().body, b"one");
    }
    // Every fetch opens a connection of its own.
    assert_eq!((first.accepted(), second.accepted()), (2, 0));
}

#[tokio::test]
async fn one_address_is_asked_by_few_at_a_time_and_waiting_does_not_count() {
    // Each answer takes longer than a third of the time that a fetch may take: five in a row would all be late.
    let pause = Duration::from_millis(20);
    let server =
        Server::tls(identity().config(&[]), Script::dripping("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", pause))
            .await;
    let client = Client::new(&stscan::net::NetConfig { per_host: 1, ..config(server.address.port(), Vec::new()) });
    let mut fetches = tokio::task::JoinSet::new();
    let started = Instant::now();
    for _ in 0..5 {
        let (client, ip) = (client.clone(), server.address.ip());
        fetches.spawn(async move { client.fetch(&HostName::parse(HOST).unwrap(), &[ip]).await });
    }
    let fetches = fetches.join_all().await;
    assert!(fetches.iter().all(|fetch| fetch.failure.is_none()), "{fetches:?}");
    let answer = fetches.iter().map(|fetch| fetch.times.total.unwrap()).min().unwrap();
    assert!(answer > TIMEOUTS.https / 3 && started.elapsed() >= answer * 5, "one behind the other");
    assert!(fetches.iter().all(|fetch| fetch.times.total.unwrap() < TIMEOUTS.https));
}

#[tokio::test]
async fn no_proxy_of_the_environment_is_used() {
    let trap = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    trap.set_nonblocking(true).unwrap();
    let proxy = format!("http://{}", trap.local_addr().unwrap());
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "fetch::http::the_request_is_the_one_of_the_rfc"]);
    for variable in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(variable, &proxy);
    }
    let child = child.output().unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!(trap.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "nobody came");
}
