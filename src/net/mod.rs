//! The only door to the Internet: one configuration, and the connections that strangers answer.
//!
//! Nothing but [`NetConfig`] differs between the lab and the Internet.

pub mod dns;
pub mod https;
pub mod pace;
pub mod reach;
pub mod smtp;
pub(crate) mod task;
pub mod tls;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::cert::RootStore;
use reach::Reach;

/// All that the network layer may differ in.
#[derive(Clone, Debug)]
pub struct NetConfig {
    /// The resolvers to ask, in turn.
    pub upstreams: Vec<Upstream>,
    /// The named root stores. The first decides; under the others the verdict is recorded.
    pub roots: Arc<[RootStore]>,
    /// Which addresses may be connected to.
    pub reach: Arc<Reach>,
    /// The port of the policy host (443 on the Internet).
    pub https_port: u16,
    /// The port of the mail hosts (25 on the Internet).
    pub smtp_port: u16,
    /// What we call ourselves in HTTP, with the contact.
    pub user_agent: String,
    /// What we call ourselves in EHLO: a host name, or an address literal (RFC 5321 4.1.1.1, 4.1.3).
    pub helo: String,
    /// How long each stage may take.
    pub timeouts: Timeouts,
    /// Connections at a time to one address.
    pub per_host: usize,
    /// DNS questions a second, of all resolvers together, if the user limits them; else each resolver's rate adapts to it.
    pub rate: Option<u32>,
    /// Domains that are known to announce MTA-STS, by which to tell whether a resolver tells the truth (HOSTILE.md 58):
    /// asked at the start and while a scan runs. Without any, only whether it answers is known.
    pub dns_canaries: Arc<[crate::name::HostName]>,
    /// Whether the AD bit of every resolver is to be believed: the user vouches that it validates and that nobody stands in
    /// between. Else it is believed of one on this machine alone (RFC 6840 5.7, RFC 4035 4.9.3).
    pub trust_ad: bool,
}

/// How long each stage may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// One DNS question with all its datagrams and TCP (8 s).
    pub dns: Duration,
    /// One TCP connect (5 s).
    pub connect: Duration,
    /// One TLS handshake (10 s).
    pub tls: Duration,
    /// The whole fetch of a policy (30 s; RFC 8461 3.3 suggests at most 60).
    pub https: Duration,
    /// The greeting of a mail host (30 s; RFC 5321 4.5.3.2.1 grants five minutes, which a scan has not).
    pub banner: Duration,
    /// The whole conversation with a mail host (90 s).
    pub smtp: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(8),
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(10),
            https: Duration::from_secs(30),
            banner: Duration::from_secs(30),
            smtp: Duration::from_secs(90),
        }
    }
}

/// One resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upstream {
    /// UDP, and TCP where an answer is cut off.
    Udp(SocketAddr),
    /// TCP only.
    Tcp(SocketAddr),
    /// DNS over TLS (RFC 7858), with the name to authenticate where one was given.
    Tls(SocketAddr, Option<String>),
    /// DNS over HTTPS (RFC 8484): the URL.
    Https(String),
}
