//! The only door to the Internet: one configuration, and the connections that strangers answer.
//!
//! Nothing but [`NetConfig`] differs between the lab and the Internet.

pub mod dns;
pub mod https;
pub mod pace;
pub mod reach;
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
    /// What we call ourselves in HTTP, with the contact.
    pub user_agent: String,
    /// How long each stage may take.
    pub timeouts: Timeouts,
    /// Connections at a time to one address.
    pub per_host: usize,
    /// DNS questions a second, if limited.
    pub rate: Option<u32>,
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
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            dns: Duration::from_secs(8),
            connect: Duration::from_secs(5),
            tls: Duration::from_secs(10),
            https: Duration::from_secs(30),
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
