//! The lab's web servers: one port on many loopback addresses, hosts told apart by SNI (RFC 6066 3).

use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::accept::accept;
use super::answer;
use super::broken_tls;
use super::certificates::{Certificates, config};
use super::fault::TlsFault;
use super::log::Log;
use super::population::Population;
use super::world::{Host, Names};
use crate::error::Error;

/// How long one connection may last: longer than any scan waits.
const LIFETIME: Duration = Duration::from_secs(90);

/// What all web servers share.
pub(super) struct Web {
    population: Arc<Population>,
    log: Arc<Log>,
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl Web {
    pub(super) fn new(
        population: Arc<Population>,
        certificates: Arc<Certificates>,
        log: Arc<Log>,
    ) -> Result<Self, Error> {
        let resolver = Arc::new(WebCertificates { population: Arc::clone(&population), certificates });
        Ok(Self {
            http1: config(Arc::clone(&resolver) as Arc<dyn ResolvesServerCert>, &[b"http/1.1"])?,
            http2: config(resolver, &[b"h2", b"http/1.1"])?,
            population,
            log,
        })
    }

    /// The host of a name, with the placeholders of its world.
    fn host(&self, name: &str) -> Option<(&Host, Names<'_>)> {
        find_host(&self.population, name)
    }
}

/// Accepts at one address until told to stop. With a fault, every connection has it.
pub(super) async fn serve(listener: TcpListener, fault: Option<TlsFault>, web: Arc<Web>, stop: watch::Receiver<bool>) {
    accept(listener, stop, |stream, address| {
        web.log.connection(address);
        let web = Arc::clone(&web);
        async move {
            // A peer that goes away ends the conversation, which is all that an error here says.
            let _ = timeout(LIFETIME, async {
                match fault {
                    Some(fault) => broken_tls::serve(stream, fault).await,
                    None => talk(stream, &web).await,
                }
            })
            .await;
        }
    })
    .await;
}

/// One connection: a handshake by SNI, one request, one answer.
async fn talk(stream: TcpStream, web: &Web) -> std::io::Result<()> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let name = start.client_hello().server_name().unwrap_or("").to_ascii_lowercase();
    let found = web.host(&name);
    let http2 = found.as_ref().is_some_and(|(host, _)| host.http2 || answer::breaks_http2(host));
    // A host that nobody knows has no certificate: rustls ends the handshake with an alert.
    let config = if http2 { &web.http2 } else { &web.http1 };
    let mut stream = start.into_stream(Arc::clone(config)).await?;
    let Some((host, names)) = found else { return Ok(()) };
    if !answer::breaks_http2(host) && stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return answer::http2(stream, host, &names, &web.log, &name).await;
    }
    let Some((method, path)) = request(&mut stream).await? else { return Ok(()) };
    web.log.request(&name, &method, &path);
    answer::http1(stream, host, &names, &path).await
}

/// The most that a request may be: a scan sends a few hundred bytes.
const REQUEST_MAX: usize = 16 * 1024;

/// Method and path of a request, once its head is complete.
async fn request(stream: &mut answer::Stream) -> std::io::Result<Option<(String, String)>> {
    let mut head = Vec::new();
    let mut buffer = [0; 2048];
    // The preface of HTTP/2 ends so too, which is all that a server needs that agreed to it and does not speak it.
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let length = stream.read(&mut buffer).await?;
        if length == 0 || head.len() > REQUEST_MAX {
            return Ok(None);
        }
        head.extend_from_slice(&buffer[..length]);
    }
    let text = String::from_utf8_lossy(&head);
    let mut words = text.split_whitespace();
    Ok(Some((words.next().unwrap_or("").to_owned(), words.next().unwrap_or("").to_owned())))
}

fn find_host<'a>(population: &'a Population, name: &str) -> Option<(&'a Host, Names<'a>)> {
    let (number, member, world) = population.find(name)?;
    let names = Population::names(number, member);
    let host = world.hosts.iter().find(|host| names.expand(&host.name) == name)?;
    Some((host, names))
}

/// The certificates of web servers, by SNI.
#[derive(Debug)]
struct WebCertificates {
    population: Arc<Population>,
    certificates: Arc<Certificates>,
}

impl ResolvesServerCert for WebCertificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let (host, _) = find_host(&self.population, &name)?;
        self.certificates.of(&name, host.cert)
    }
}
