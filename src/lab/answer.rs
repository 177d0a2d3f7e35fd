//! HTTP answers, right and wrong ones (RFC 9112, RFC 9113).

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::fault::HttpFault;
use super::log::Log;
use super::world::{Host, Names};

/// A connection with TLS up.
pub(super) type Stream = TlsStream<TcpStream>;

/// Where the policy stands (RFC 8461 3.3). Every other path is not found.
const PATH: &str = "/.well-known/mta-sts.txt";
/// How often a dripping server sends a byte.
const DRIP: Duration = Duration::from_secs(1);
/// The most that an endless answer sends: far beyond every bound of a scan, and an end for a client without one.
const ENDLESS: usize = 16 << 20;

/// Chunks of one byte: as many as a body may have bytes, which is four times the wire budget of a scan (HOSTILE.md 98).
const TINY_CHUNKS: usize = 65_536;

/// An empty SETTINGS frame, and GOAWAY with ENHANCE_YOUR_CALM, no stream handled (RFC 9113 6.5, 6.8, 7).
const GO_AWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b";

/// Whether a host agrees to HTTP/2 and does not keep to it.
pub(super) fn breaks_http2(host: &Host) -> bool {
    matches!(host.fault, Some(HttpFault::SpeaksHttp1 | HttpFault::GoAway))
}

/// Answers one request in HTTP/1.1 and closes.
pub(super) async fn http1(mut stream: Stream, host: &Host, names: &Names<'_>, path: &str) -> io::Result<()> {
    let body = names.expand_bytes(&host.body);
    if path != PATH && !breaks_http2(host) {
        let answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return end(stream, answer).await;
    }
    let mut head = format!("HTTP/1.1 {}\r\nConnection: close\r\n", host.status);
    for (name, value) in &host.headers {
        head.push_str(&format!("{name}: {}\r\n", names.expand(value)));
    }
    let length = format!("Content-Length: {}\r\n", body.len());
    let whole = [head.as_bytes(), length.as_bytes(), b"\r\n", &body].concat();
    let with = |header: &str, body: &[u8]| [head.as_bytes(), header.as_bytes(), b"\r\n", body].concat();
    match host.fault {
        None | Some(HttpFault::SpeaksHttp1) => end(stream, &whole).await,
        Some(HttpFault::CloseBeforeAnswer) => end(stream, b"").await,
        Some(HttpFault::Silence) => std::future::pending().await,
        Some(HttpFault::Reset) => {
            stream.write_all(&with("Content-Length: 4000\r\n", b"version: ")).await?;
            stream.flush().await?;
            // The head has to be read before the reset throws away what was not.
            tokio::time::sleep(Duration::from_millis(50)).await;
            stream.get_ref().0.set_zero_linger()
        }
        Some(HttpFault::Drip) => {
            for byte in whole {
                stream.write_all(&[byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(DRIP).await;
            }
            stream.shutdown().await
        }
        Some(HttpFault::Truncate) => {
            let header = format!("Content-Length: {}\r\n", body.len() + 100);
            end(stream, &with(&header, &body)).await
        }
        Some(HttpFault::NoCloseNotify) => {
            stream.write_all(&with("", &body)).await?;
            stream.flush().await?;
            stream.get_mut().0.shutdown().await
        }
        Some(HttpFault::Garbage) => end(stream, b"SSH-2.0-OpenSSH_9.6\r\n\r\n").await,
        Some(HttpFault::EndlessHeaders) => {
            stream.write_all(head.as_bytes()).await?;
            endless(&mut stream, b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
                .await
        }
        Some(HttpFault::EndlessBody) => {
            stream.write_all(&with("Transfer-Encoding: chunked\r\n", b"")).await?;
            endless(&mut stream, b"20\r\nmx: one.of.a.great.many.example\n\r\n").await
        }
        Some(HttpFault::TwoLengths) => end(stream, &with("Content-Length: 10\r\nContent-Length: 20\r\n", &body)).await,
        Some(HttpFault::BadLength) => end(stream, &with("Content-Length: ten\r\n", &body)).await,
        Some(HttpFault::BadChunk) => {
            end(stream, &with("Transfer-Encoding: chunked\r\n", b"zz\r\nversion: STSv1\r\n0\r\n\r\n")).await
        }
        Some(HttpFault::TinyChunks) => {
            stream.write_all(&with("Transfer-Encoding: chunked\r\n", b"")).await?;
            for _ in 0..TINY_CHUNKS {
                stream.write_all(b"1\r\na\r\n").await?;
                stream.flush().await?;
            }
            stream.shutdown().await
        }
        Some(HttpFault::BadHeader) => end(stream, &with(&format!("{length}: no name\r\n"), &body)).await,
        Some(HttpFault::GoAway) => end(stream, GO_AWAY).await,
        Some(HttpFault::Chunked) => {
            let (first, second) = body.split_at(body.len() / 2);
            let mut chunks = Vec::new();
            for chunk in [first, second] {
                chunks.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                chunks.extend_from_slice(chunk);
                chunks.extend_from_slice(b"\r\n");
            }
            chunks.extend_from_slice(b"0\r\n\r\n");
            end(stream, &with("Transfer-Encoding: chunked\r\n", &chunks)).await
        }
        Some(HttpFault::EarlyHints) => {
            stream.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n").await?;
            end(stream, &whole).await
        }
        Some(HttpFault::TrailingJunk) => {
            let junk = [&whole[..], b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"].concat();
            end(stream, &junk).await
        }
    }
}

/// Sends the rest and closes TLS and TCP in order.
async fn end(mut stream: Stream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await?;
    stream.shutdown().await
}

/// Sends the same bytes until the client has had enough.
async fn endless(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    let block = bytes.repeat(64);
    for _ in 0..ENDLESS / block.len() {
        stream.write_all(&block).await?;
    }
    stream.shutdown().await
}

/// Answers in HTTP/2 until the client closes.
pub(super) async fn http2(stream: Stream, host: &Host, names: &Names<'_>, log: &Log, name: &str) -> io::Result<()> {
    let service = service_fn(|request: Request<Incoming>| {
        log.request(name, request.method().as_str(), request.uri().path());
        let answer = response(host, names, request.uri().path());
        async move { Ok::<_, Infallible>(answer) }
    });
    let streams = Streams::default();
    let server = hyper::server::conn::http2::Builder::new(streams.clone());
    let served = server.serve_connection(TokioIo::new(stream), service).await;
    // A panic while the lock was held can only have lost a stream.
    let mut left = std::mem::take(&mut *streams.0.lock().unwrap_or_else(PoisonError::into_inner));
    left.shutdown().await;
    served.map_err(io::Error::other)
}

/// The tasks of the streams of one connection, which end with it.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<JoinSet<()>>>);

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended are forgotten here, so that a long connection does not gather them.
        while streams.try_join_next().is_some() {}
        streams.spawn(async move {
            stream.await;
        });
    }
}

fn response(host: &Host, names: &Names<'_>, path: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(names.expand_bytes(&host.body))));
    let status = if path == PATH { host.status.split(' ').next().unwrap_or("") } else { "404" };
    if let Ok(status) = status.parse() {
        *response.status_mut() = status;
    }
    for (header, value) in &host.headers {
        // What a world writes that HTTP/2 cannot say is left out: such worlds speak HTTP/1.1.
        if let (Ok(header), Ok(value)) =
            (hyper::header::HeaderName::try_from(header.as_str()), names.expand(value).try_into())
        {
            response.headers_mut().append(header, value);
        }
    }
    response
}
