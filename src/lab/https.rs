//! The lab's web servers: one port on many loopback addresses, hosts told apart by SNI (RFC 6066 3).

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::{Acceptor, ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;

use super::answer;
use super::ca::Authorities;
use super::fault::TlsFault;
use super::log::Log;
use super::population::Population;
use super::world::{Host, Names};
use super::{broken_tls, fault::CertKind};
use crate::error::Error;

/// Certificates kept at once; beyond, all are forgotten and made anew. At about 2 KiB each this bounds them to 64 MiB.
const CERTIFICATES_MAX: usize = 32_768;
/// Connections to one address at once; more wait in the queue of the listener.
const CONNECTIONS_MAX: usize = 512;
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
    pub(super) fn new(population: Arc<Population>, authorities: Authorities, log: Arc<Log>) -> Result<Self, Error> {
        let certificates = Arc::new(Certificates {
            population: Arc::clone(&population),
            authorities,
            made: Mutex::new(HashMap::new()),
        });
        Ok(Self {
            http1: config(&certificates, &[b"http/1.1"])?,
            http2: config(&certificates, &[b"h2", b"http/1.1"])?,
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
pub(super) async fn serve(
    listener: TcpListener,
    fault: Option<TlsFault>,
    web: Arc<Web>,
    mut stop: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stop.changed() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                // An accept that fails is a peer that is gone again, or a machine out of descriptors, which passes.
                let Ok((stream, _)) = accepted else { continue };
                let web = Arc::clone(&web);
                connections.spawn(async move {
                    let address = stream.local_addr().map_or(IpAddr::from([0, 0, 0, 0]), |local: SocketAddr| local.ip());
                    web.log.connection(address);
                    // A peer that goes away ends the conversation, which is all that an error here says.
                    let _ = timeout(LIFETIME, async {
                        match fault {
                            Some(fault) => broken_tls::serve(stream, fault).await,
                            None => talk(stream, &web).await,
                        }
                    }).await;
                });
            }
        }
    }
    connections.shutdown().await;
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

fn config(certificates: &Arc<Certificates>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(format!("the lab cannot speak TLS: {error}")))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::clone(certificates) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    // A scan asks each host once: tickets would only be bytes on the wire.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Certificates by host, made when they are first asked for.
struct Certificates {
    population: Arc<Population>,
    authorities: Authorities,
    made: Mutex<HashMap<(String, CertKind), Arc<CertifiedKey>>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_ascii_lowercase();
        let (host, _) = find_host(&self.population, &name)?;
        let key = (name, host.cert);
        // A panic while the lock was held can only have lost an entry of the cache.
        let mut made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(certificate) = made.get(&key) {
            return Some(Arc::clone(certificate));
        }
        if made.len() >= CERTIFICATES_MAX {
            made.clear();
        }
        let certificate = Arc::new(self.authorities.certificate(&key.0, host.cert).ok()?);
        made.insert(key, Arc::clone(&certificate));
        Some(certificate)
    }
}
