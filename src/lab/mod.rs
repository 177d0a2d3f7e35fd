//! The lab: a simulated Internet in one process on loopback, with ground truth.
//!
//! A [population] of domains, each of a [world], is served by a resolver, by web servers and by mail servers over real
//! sockets. The lab knows nothing of this project's parsers and rules: the same mistake on both sides would prove
//! nothing. Nothing but the network configuration differs between a scan of the lab and one of the Internet.

mod accept;
mod answer;
mod broken_tls;
mod ca;
mod certificates;
mod dns;
pub mod fault;
mod https;
mod log;
pub mod population;
mod smtp;
mod wire;
pub mod world;
mod zone;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use log::LogSnapshot;
pub use population::Population;
pub use world::{Truth, World};

use crate::error::Error;
use ca::Authorities;
use certificates::Certificates;
use fault::{SmtpFault, TlsFault};
use https::Web;
use log::Log;
use smtp::Mail;
use world::{Address, Data};
use zone::Zones;

/// The built-in worlds, by file, in an order in which `like` finds what it names.
const FILES: &[(&str, &str)] = &[
    ("basic.world", include_str!("worlds/basic.world")),
    ("record.world", include_str!("worlds/record.world")),
    ("dns.world", include_str!("worlds/dns.world")),
    ("fetch.world", include_str!("worlds/fetch.world")),
    ("http.world", include_str!("worlds/http.world")),
    ("policy.world", include_str!("worlds/policy.world")),
    ("mail.world", include_str!("worlds/mail.world")),
    ("smtp.world", include_str!("worlds/smtp.world")),
    ("dane.world", include_str!("worlds/dane.world")),
    ("corpus.world", include_str!("worlds/corpus.world")),
];

/// The address of the lab's resolver.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
/// The network that all of the lab's IPv4 addresses are in, for `--allow-network`.
pub const NETWORK: &str = "127.0.0.0/8";
/// The network of its one IPv6 address.
pub const NETWORK_V6: &str = "::1/128";
/// A domain that announces MTA-STS and takes mail, by which to see that the resolver tells the truth and that the mail servers
/// are within reach, for `--dns-canary` and `--smtp-canary`.
pub const CANARY: &str = "canary.test";
/// Tries to find a port that is free on every address of the servers.
const PORT_TRIES: usize = 16;
/// Receive buffer of the resolver's socket, as far as the kernel allows: a scan asks in bursts.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The worlds that come with the program.
///
/// # Errors
/// [`Error::Input`] where a file makes no sense, which a test holds never to be.
pub fn worlds() -> Result<Vec<World>, Error> {
    let mut worlds = Vec::new();
    for (file, text) in FILES {
        let more = world::parse_more(text, file, &worlds)?;
        worlds.extend(more);
    }
    Ok(worlds)
}

/// The worlds that this machine can serve, and the names of those that need IPv6 where it has none.
#[must_use]
pub fn servable(worlds: Vec<World>) -> (Vec<World>, Vec<String>) {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        return (worlds, Vec::new());
    }
    let needs = |world: &World| world.records.iter().any(|record| record.data == Data::Aaaa(Ipv6Addr::LOCALHOST));
    let (left_out, served): (Vec<World>, Vec<World>) = worlds.into_iter().partition(needs);
    (served, left_out.into_iter().map(|world| world.name).collect())
}

/// What a lab may differ in.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// The port of the resolver; 0: any that is free.
    pub dns_port: u16,
    /// The port of the web servers; 0: any that is free.
    pub https_port: u16,
    /// The port of the mail servers; 0: any that is free.
    pub smtp_port: u16,
    /// The file that every request is written to.
    pub log: Option<PathBuf>,
    /// Whether the last requests are kept for [`Lab::log`].
    pub keep_lines: bool,
}

/// A running lab.
pub struct Lab {
    /// The resolver, over UDP and TCP.
    pub resolver: SocketAddr,
    /// The port of all web servers.
    pub https_port: u16,
    /// The port of all mail servers.
    pub smtp_port: u16,
    /// The roots that most hosts are trusted by.
    pub roots_pem: String,
    /// The same and the community's, which few stores hold.
    pub community_pem: String,
    population: Arc<Population>,
    log: Arc<Log>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// What keeps a queue full.
    queues: Vec<socket2::Socket>,
}

impl Lab {
    /// Binds every address and begins to answer.
    ///
    /// # Errors
    /// [`Error::Io`] where an address cannot be had, [`Error::Create`] where the log cannot.
    pub async fn start(population: Population, options: LabOptions) -> Result<Self, Error> {
        let population = Arc::new(population);
        let log = Arc::new(Log::new(options.keep_lines, options.log.as_deref())?);
        let authorities = Authorities::new()?;
        let (roots_pem, community_pem) = (authorities.roots_pem(), authorities.community_pem());
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();

        let certificates = Arc::new(Certificates::new(authorities));

        let bound = resolver_sockets(options.dns_port).await;
        let (udp, tcp) = bound.map_err(Error::io("cannot bind the lab's resolver"))?;
        let resolver = udp.local_addr().map_err(Error::io("cannot read the resolver's address"))?;
        let zones = Arc::new(Zones { population: Arc::clone(&population), certificates: Arc::clone(&certificates) });
        tasks.spawn(dns::serve_udp(udp, Arc::clone(&zones), Arc::clone(&log), stopped.clone()));
        tasks.spawn(dns::serve_tcp(tcp, zones, Arc::clone(&log), stopped.clone()));

        let faults = web_faults(population.worlds());
        let addresses = faults.iter().filter(|fault| is_served(**fault)).map(|fault| (fault.address(), *fault));
        let bound = listeners(options.https_port, addresses).await;
        let (https_port, sockets) = bound.map_err(Error::io("cannot bind the lab's web servers"))?;
        let web = Arc::new(Web::new(Arc::clone(&population), Arc::clone(&certificates), Arc::clone(&log))?);
        for (listener, fault) in sockets {
            tasks.spawn(https::serve(listener, fault, Arc::clone(&web), stopped.clone()));
        }
        let mut queues = Vec::new();
        if faults.contains(&TlsFault::Backlog) {
            queues.extend(full_queue(https_port).await?);
        }

        let faults = mail_faults(population.worlds());
        let served = faults.iter().filter(|fault| !matches!(fault, SmtpFault::Tls(tls) if !is_served(*tls)));
        let bound = listeners(options.smtp_port, served.map(|fault| (fault.address(), *fault))).await;
        let (smtp_port, sockets) = bound.map_err(Error::io("cannot bind the lab's mail servers"))?;
        let mail = Arc::new(Mail::new(Arc::clone(&population), certificates, Arc::clone(&log))?);
        for (listener, fault) in sockets {
            tasks.spawn(smtp::serve(listener, fault, Arc::clone(&mail), stopped.clone()));
        }
        if faults.contains(&SmtpFault::Tls(TlsFault::Backlog)) {
            queues.extend(full_queue(smtp_port).await?);
        }
        Ok(Self { resolver, https_port, smtp_port, roots_pem, community_pem, population, log, stop, tasks, queues })
    }

    /// The domains that are served.
    #[must_use]
    pub fn population(&self) -> &Population {
        &self.population
    }

    /// Writes `lab.pem` and `community.pem`, for `--roots`.
    ///
    /// # Errors
    /// [`Error::Create`] where a file cannot be written.
    pub fn write_roots(&self, directory: &Path) -> Result<(PathBuf, PathBuf), Error> {
        let write = |name: &str, pem: &str| -> Result<PathBuf, Error> {
            let path = directory.join(name);
            std::fs::write(&path, pem).map_err(|source| Error::Create { path: path.clone(), source })?;
            Ok(path)
        };
        Ok((write("lab.pem", &self.roots_pem)?, write("community.pem", &self.community_pem)?))
    }

    /// What came so far.
    #[must_use]
    pub fn log(&self) -> LogSnapshot {
        self.log.snapshot()
    }

    /// Stops to answer, and waits for every task.
    ///
    /// # Errors
    /// [`Error::Io`] where the log could not be written, [`Error::Internal`] where a task panicked.
    pub async fn stop(mut self) -> Result<LogSnapshot, Error> {
        // Nobody listens only where every task has ended already.
        let _ = self.stop.send(true);
        while let Some(ended) = self.tasks.join_next().await {
            ended.map_err(|error| Error::Internal(format!("a task of the lab: {error}")))?;
        }
        self.queues.clear();
        self.log.flush()?;
        Ok(self.log.snapshot())
    }
}

/// The faults of web servers, each of which has an address of its own.
fn web_faults(worlds: &[World]) -> BTreeSet<TlsFault> {
    worlds.iter().flat_map(|world| &world.hosts).filter_map(|host| host.tls).collect()
}

/// The faults of mail servers, likewise: of their sections, and of single addresses.
fn mail_faults(worlds: &[World]) -> BTreeSet<SmtpFault> {
    let single = |data: &Data| match data {
        Data::A(Address::Faulty(fault)) => Some(*fault),
        _ => None,
    };
    let sections = worlds.iter().flat_map(|world| &world.mail).filter_map(|host| host.fault);
    sections.chain(worlds.iter().flat_map(|world| &world.records).filter_map(|record| single(&record.data))).collect()
}

/// Whether a fault is had by a server, and not by there being none.
fn is_served(fault: TlsFault) -> bool {
    !matches!(fault, TlsFault::Refused | TlsFault::Backlog | TlsFault::Unreachable)
}

async fn full_queue(port: u16) -> Result<Vec<socket2::Socket>, Error> {
    let filled = tokio::task::spawn_blocking(move || broken_tls::full_queue(TlsFault::Backlog.address(), port));
    let filled = filled.await.map_err(|error| Error::Internal(error.to_string()))?;
    filled.map_err(Error::io("cannot fill the lab's full queue"))
}

/// How often to look for a port: once where it is given.
fn tries(port: u16) -> usize {
    if port == 0 { PORT_TRIES } else { 1 }
}

/// UDP and TCP on one port that is free for both.
async fn resolver_sockets(port: u16) -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..tries(port) {
        let tcp = TcpListener::bind((RESOLVER, port)).await?;
        match UdpSocket::bind(tcp.local_addr()?).await {
            Ok(udp) => {
                socket2::SockRef::from(&udp).set_recv_buffer_size(RECEIVE_BUFFER)?;
                return Ok((udp, tcp));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// A listener on every address of the pool, of IPv6 where the machine has it, and of every fault, all on one port.
async fn listeners<F: Copy>(
    port: u16,
    faults: impl Iterator<Item = (Ipv4Addr, F)>,
) -> io::Result<(u16, Vec<(TcpListener, Option<F>)>)> {
    let pool = (0..zone::POOL).map(|number| (zone::pool_address(number), None));
    let addresses: Vec<(Ipv4Addr, Option<F>)> =
        pool.chain(faults.map(|(address, fault)| (address, Some(fault)))).collect();
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    'tries: for _ in 0..tries(port) {
        let mut port = port;
        let mut listeners = Vec::with_capacity(addresses.len() + 1);
        for (address, fault) in &addresses {
            match TcpListener::bind((*address, port)).await {
                Ok(listener) => {
                    port = listener.local_addr()?.port();
                    listeners.push((listener, *fault));
                }
                Err(error) => {
                    last = error;
                    continue 'tries;
                }
            }
        }
        match TcpListener::bind((IpAddr::from(Ipv6Addr::LOCALHOST), port)).await {
            Ok(listener) => listeners.push((listener, None)),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                last = error;
                continue 'tries;
            }
            // A machine without IPv6: `servable` has left out the worlds that need it.
            Err(_) => {}
        }
        return Ok((port, listeners));
    }
    Err(last)
}
