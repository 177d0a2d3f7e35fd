//! The fetch against servers that answer well, badly, or not at all (HOSTILE.md 71-118): the exact code, in time.

pub(crate) mod pki;
pub(crate) mod server;
pub(crate) mod tls;

mod http;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use stscan::cert::RootStore;
use stscan::name::HostName;
use stscan::net::https::{Client, Fetch};
use stscan::net::reach::Reach;
use stscan::net::{NetConfig, Timeouts};

pub(crate) const HOST: &str = "mta-sts.example.com";
pub(crate) const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.example.com\nmax_age: 604800\n";

/// Short times, so that a server that says nothing costs a test little.
pub(crate) const TIMEOUTS: Timeouts = Timeouts {
    dns: Duration::from_secs(1),
    connect: Duration::from_millis(500),
    tls: Duration::from_millis(800),
    https: Duration::from_millis(1600),
    banner: Duration::from_millis(800),
    smtp: Duration::from_millis(1600),
};

/// What a machine under load may add to a time bound (HOSTILE.md).
pub(crate) const SLACK: Duration = Duration::from_secs(1);

/// A configuration with the guard on but for loopback.
pub(crate) fn config(port: u16, roots: Vec<RootStore>) -> NetConfig {
    NetConfig {
        upstreams: Vec::new(),
        roots: roots.into(),
        reach: Arc::new(Reach::new(vec!["127.0.0.0/8".parse().unwrap()])),
        https_port: port,
        smtp_port: 25,
        helo: "client.example".to_owned(),
        user_agent: "stscan/test (+mailto:contact@example.com)".to_owned(),
        timeouts: TIMEOUTS,
        per_host: 2,
        rate: None,
        dns_canaries: [].into(),
        trust_ad: false,
    }
}

/// Fetches from one server, within the time bound of the whole fetch.
pub(crate) async fn fetch(address: SocketAddr, roots: Vec<RootStore>) -> Fetch {
    let client = Client::new(&config(address.port(), roots));
    fetch_by(&client, &[address.ip()]).await
}

pub(crate) async fn fetch_by(client: &Client, addresses: &[IpAddr]) -> Fetch {
    let started = Instant::now();
    let fetch = client.fetch(&HostName::parse(HOST).unwrap(), addresses).await;
    assert!(started.elapsed() < TIMEOUTS.https + SLACK, "took {:?}", started.elapsed());
    fetch
}

pub(crate) fn failure(fetch: &Fetch) -> Option<&'static str> {
    fetch.failure.as_ref().map(|failure| failure.code.as_str())
}

/// The codes of the verdict on the chain.
pub(crate) fn verdict(fetch: &Fetch) -> Vec<&'static str> {
    let verdict = fetch.verdict.iter().flat_map(|verdict| &verdict.findings);
    verdict.map(|finding| finding.code.as_str()).collect()
}

pub(crate) fn is_authenticated(fetch: &Fetch) -> bool {
    fetch.verdict.as_ref().is_some_and(|verdict| verdict.authenticated)
}
