//! The fetch of a policy (RFC 8461 3.3): connect, TLS, one GET, each stage timed and its failure named.
//!
//! What lies behind a bad certificate or under a status that is not 200 is observed too; [`Fetch::verdict`] tells whether
//! it is authenticated. Redirects, proxies, cookies, caches and decompression do not exist here.

mod cause;
mod exchange;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{ACCEPT, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use tokio::time::Instant;

use super::pace::{PerHost, Seat};
use super::reach::{Reach, milliseconds};
use super::tls::{Handshaker, TlsFacts, is_address, judge};
use super::wire::Metered;
use super::{NetConfig, Timeouts};
use crate::cert::{RootStore, Verdict};
use crate::failure::Failure;
use crate::finding::https::{http, reach, tcp, tls};
use crate::finding::{Kind, Stage, policy};
use crate::name::HostName;
use crate::sts::serve::Response;

/// Where the policy stands (RFC 8461 3.3, RFC 8615).
pub const PATH: &str = "/.well-known/mta-sts.txt";
/// Addresses of one host that are tried: two of each family.
pub const ADDRESSES_MAX: usize = 4;
/// Bytes that one connection may send us (HOSTILE.md): eight times the largest policy, for certificates and framing.
pub const WIRE_BUDGET: u64 = 512 * 1024;

/// How a fetch went. Whatever was seen before it stopped is here.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fetch {
    /// The addresses that were tried in vain, with the cause.
    pub attempts: Vec<(SocketAddr, Failure)>,
    /// The addresses that are not public, with their block: no packet went to them.
    pub forbidden: Vec<(IpAddr, &'static str)>,
    /// The address that the rest was seen at.
    pub connected: Option<SocketAddr>,
    /// What the TLS handshake agreed on.
    pub tls: Option<TlsFacts>,
    /// The certificates, leaf first, as they were sent; also where the handshake failed behind them.
    pub chain: Vec<Vec<u8>>,
    /// The verdict on the chain; none without a chain.
    pub verdict: Option<Verdict>,
    /// The version of HTTP that was spoken: `1.0`, `1.1` or `2`.
    pub http_version: Option<&'static str>,
    /// What was answered; with the body as far as it came, where [`failure`](Self::failure) says that it broke off.
    pub response: Option<Response>,
    /// Why it stopped early.
    pub failure: Option<Failure>,
    /// How long the stages took.
    pub times: Times,
    /// Bytes received, over all connections, TLS included.
    pub wire_bytes: u64,
}

/// How long the stages of a fetch took; `None` where one was not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The TCP connect that got through.
    pub connect: Option<Duration>,
    /// The TLS handshake that got through.
    pub tls: Option<Duration>,
    /// From the end of the handshake to the first byte of HTTP.
    pub first_byte: Option<Duration>,
    /// All of it, but for waiting for our turn at an address.
    pub total: Option<Duration>,
}

/// Fetches policies.
#[derive(Clone, Debug)]
pub struct Client {
    reach: Arc<Reach>,
    roots: Arc<[RootStore]>,
    handshaker: Handshaker,
    hosts: PerHost,
    port: u16,
    user_agent: HeaderValue,
    timeouts: Timeouts,
}

/// A connection with TLS on it.
struct Connection {
    stream: Metered<tokio_rustls::client::TlsStream<Metered<tokio::net::TcpStream>>>,
    wire: Arc<super::wire::Meter>,
    http2: bool,
    _seat: Seat,
}

/// The time of one fetch. Waiting for our turn at an address is not the host's doing, and does not count.
struct Clock {
    started: Instant,
    deadline: Instant,
}

impl Clock {
    fn new(limit: Duration) -> Self {
        let started = Instant::now();
        Self { started, deadline: started + limit }
    }

    /// A limit, or what is left of the whole if that is less.
    fn at_most(&self, limit: Duration) -> Duration {
        limit.min(self.deadline.saturating_duration_since(Instant::now()))
    }

    /// Awaits what does not count.
    async fn paused<T>(&mut self, wait: impl Future<Output = T>) -> T {
        let since = Instant::now();
        let value = wait.await;
        let waited = since.elapsed();
        self.started += waited;
        self.deadline += waited;
        value
    }
}

impl Client {
    /// A client; its TLS configuration is built here, once.
    #[must_use]
    pub fn new(config: &NetConfig) -> Self {
        Self::sharing(config, PerHost::new(config.per_host))
    }

    /// The same, that shares its places at an address with whoever else talks to it.
    #[must_use]
    pub fn sharing(config: &NetConfig, hosts: PerHost) -> Self {
        // What no header may hold is left out of our name: it is the user's text.
        let name: String = config.user_agent.chars().filter(|c| matches!(c, ' '..='~')).collect();
        Self {
            reach: Arc::clone(&config.reach),
            roots: Arc::clone(&config.roots),
            handshaker: Handshaker::new(&[b"h2", b"http/1.1"]),
            hosts,
            port: config.https_port,
            user_agent: HeaderValue::try_from(name).expect("printable ASCII is a lawful value"),
            timeouts: config.timeouts,
        }
    }

    /// Fetches the policy from a policy host at the first of its addresses that lets us in.
    pub async fn fetch(&self, host: &HostName, addresses: &[IpAddr]) -> Fetch {
        let mut clock = Clock::new(self.timeouts.https);
        let mut fetch = Fetch::default();
        fetch.failure = match self.open(host, addresses, &mut clock, &mut fetch).await {
            Ok(connection) => self.get(host, connection, clock.deadline, &mut fetch).await,
            Err(failure) => Some(failure),
        };
        fetch.times.total = Some(clock.started.elapsed());
        fetch.verdict = judge(host, &fetch.chain, &self.roots).await;
        fetch
    }

    /// Connects and shakes hands: the next address is tried where one cannot be talked to at all.
    async fn open(
        &self,
        host: &HostName,
        addresses: &[IpAddr],
        clock: &mut Clock,
        fetch: &mut Fetch,
    ) -> Result<Connection, Failure> {
        if is_address(host) {
            return Err(Failure::new(reach::LITERAL).about(host.as_str()));
        }
        let sorted = self.reach.sort(addresses);
        fetch.forbidden = sorted.forbidden;
        if sorted.usable.is_empty() {
            return Err(match fetch.forbidden.first() {
                Some((address, block)) => Failure::new(reach::FORBIDDEN)
                    .about(host.as_str())
                    .with("address", address.to_string())
                    .with("block", *block),
                None => Failure::new(policy::HOST_NONE).about(host.as_str()),
            });
        }
        for address in order(&sorted.usable) {
            let address = SocketAddr::new(address, self.port);
            match self.open_at(host, address, clock, fetch).await {
                Ok(connection) => return Ok(connection),
                // RFC 8461 says nothing of several addresses; a host that answers at one has answered.
                Err(failure) if failure.code.entry().stage == Stage::Tcp || failure.code == tls::TIMEOUT => {
                    fetch.attempts.push((address, failure));
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(weigh(&fetch.attempts).unwrap_or_else(|| Failure::new(tcp::TIMEOUT).about(host.as_str())))
    }

    async fn open_at(
        &self,
        host: &HostName,
        address: SocketAddr,
        clock: &mut Clock,
        fetch: &mut Fetch,
    ) -> Result<Connection, Failure> {
        let seat = clock.paused(self.hosts.enter(address.ip())).await;
        let started = Instant::now();
        let stream = self.reach.connect(address, clock.at_most(self.timeouts.connect)).await?;
        fetch.times.connect = Some(started.elapsed());
        fetch.connected = Some(address);
        // Our request is one segment; there is nothing to wait for. Failing to say so costs only time.
        let _ = stream.set_nodelay(true);

        let started = Instant::now();
        let stream = Metered::new(stream, WIRE_BUDGET);
        let wire = stream.meter();
        let handshake = self.handshaker.shake(host, stream, clock.at_most(self.timeouts.tls)).await;
        fetch.chain = handshake.chain;
        if handshake.outcome.is_err() {
            fetch.wire_bytes += wire.received();
        }
        let (stream, facts) = handshake.outcome?;
        fetch.times.tls = Some(started.elapsed());
        let http2 = facts.alpn.as_deref() == Some("h2");
        fetch.tls = Some(facts);
        // The plain text needs no budget of its own: it is no longer than what carries it.
        Ok(Connection { stream: Metered::new(stream, u64::MAX), wire, http2, _seat: seat })
    }

    /// Asks for the policy.
    async fn get(
        &self,
        host: &HostName,
        connection: Connection,
        deadline: Instant,
        fetch: &mut Fetch,
    ) -> Option<Failure> {
        let Connection { stream, wire, http2, _seat } = connection;
        let started = std::time::Instant::now();
        let plain = stream.meter();
        let seen = exchange::exchange(stream, http2, self.request(host, http2), deadline).await;
        fetch.times.first_byte = plain.first_at().map(|at| at.saturating_duration_since(started));
        fetch.wire_bytes += wire.received();
        fetch.http_version = seen.version;
        fetch.response = seen.response;
        let failure = match seen.end? {
            exchange::End::Late(part) => Failure::new(http::TIMEOUT)
                .with("stage", part.word())
                .with("limit_ms", milliseconds(self.timeouts.https)),
            exchange::End::Broken(part, error) => {
                cause::Exchange { wire: &wire, plain: &plain, http2, part }.failure(&error)
            }
        };
        Some(failure.about(host.as_str()))
    }

    /// The request (RFC 8461 3.3): over HTTP/1.1 the target is the path and `Host` the authority (RFC 9112 3.2.1), over
    /// HTTP/2 both stand in the URI (RFC 9113 8.3.1).
    fn request(&self, host: &HostName, http2: bool) -> Request<Empty<Bytes>> {
        let authority = match self.port {
            443 => host.as_str().to_owned(),
            port => format!("{host}:{port}"),
        };
        let mut request = Request::new(Empty::new());
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("text/plain"));
        let lawful = "a host name of letters, digits, hyphens, underscores and dots is a lawful authority";
        if http2 {
            let uri = Uri::builder().scheme("https").authority(authority).path_and_query(PATH).build();
            *request.uri_mut() = uri.expect(lawful);
        } else {
            headers.insert(HOST, HeaderValue::try_from(authority).expect(lawful));
            *request.uri_mut() = Uri::from_static(PATH);
        }
        request
    }
}

/// The addresses to try: the families in turn, each in its order, none twice (RFC 8305 4, without its race).
fn order(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|address| address.is_ipv4());
    let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
    let mut ordered = Vec::new();
    loop {
        let pair = [v4.next(), v6.next()];
        if pair == [None, None] {
            break;
        }
        for address in pair.into_iter().flatten() {
            if !ordered.contains(&address) {
                ordered.push(address);
            }
        }
    }
    ordered.truncate(ADDRESSES_MAX);
    ordered
}

/// What several addresses that were tried in vain say together. Losing sight of one of them is no fault of the host;
/// that we have no route for a version of IP says nothing where another address answered.
fn weigh(attempts: &[(SocketAddr, Failure)]) -> Option<Failure> {
    let routed = |(address, failure): &&(SocketAddr, Failure)| !(address.is_ipv6() && failure.code == tcp::UNREACHABLE);
    let unseen = |(_, failure): &&(SocketAddr, Failure)| failure.code.entry().kind == Kind::Failure;
    let telling = attempts.iter().filter(routed);
    let chosen = telling.clone().find(unseen).or_else(|| telling.clone().next_back());
    chosen.or_else(|| attempts.last()).map(|(_, failure)| failure.clone())
}

#[cfg(test)]
mod tests;
