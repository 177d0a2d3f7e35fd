//! The lab: a simulated Internet in one process on loopback, with ground truth.
//!
//! A [population] of domains, each of a [world], is served by a resolver and by web servers over real
//! sockets. The lab knows nothing of this project's parsers and rules: the same mistake on both sides would prove
//! nothing. Nothing but the network configuration differs between a scan of the lab and one of the Internet.

mod answer;
mod broken_tls;
mod ca;
mod dns;
pub mod fault;
mod https;
mod log;
pub mod population;
mod wire;
pub mod world;
mod zone;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
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
use fault::TlsFault;
use https::Web;
use log::Log;

/// The built-in worlds, by file, in an order in which `like` finds what it names.
const FILES: &[(&str, &str)] = &[
    ("basic.world", include_str!("worlds/basic.world")),
    ("record.world", include_str!("worlds/record.world")),
    ("dns.world", include_str!("worlds/dns.world")),
    ("fetch.world", include_str!("worlds/fetch.world")),
    ("http.world", include_str!("worlds/http.world")),
    ("policy.world", include_str!("worlds/policy.world")),
    ("mail.world", include_str!("worlds/mail.world")),
    ("corpus.world", include_str!("worlds/corpus.world")),
];

/// The address of the lab's resolver.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);
/// The network that all of the lab's addresses are in, for `--allow-network`.
pub const NETWORK: &str = "127.0.0.0/8";
/// Tries to find a port that is free on every address of the web servers.
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

/// What a lab may differ in.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
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

        let (udp, tcp) = resolver_sockets().await.map_err(Error::io("cannot bind the lab's resolver"))?;
        let resolver = udp.local_addr().map_err(Error::io("cannot read the resolver's address"))?;
        tasks.spawn(dns::serve_udp(udp, Arc::clone(&population), Arc::clone(&log), stopped.clone()));
        tasks.spawn(dns::serve_tcp(tcp, Arc::clone(&population), Arc::clone(&log), stopped.clone()));

        let faults = faults(population.worlds());
        let (port, listeners) = web_listeners(&faults).await.map_err(Error::io("cannot bind the lab's web servers"))?;
        let web = Arc::new(Web::new(Arc::clone(&population), authorities, Arc::clone(&log))?);
        for (listener, fault) in listeners {
            tasks.spawn(https::serve(listener, fault, Arc::clone(&web), stopped.clone()));
        }
        let mut queues = Vec::new();
        if faults.contains(&TlsFault::Backlog) {
            let filled = tokio::task::spawn_blocking(move || broken_tls::full_queue(TlsFault::Backlog.address(), port));
            let filled = filled.await.map_err(|error| Error::Internal(error.to_string()))?;
            queues = filled.map_err(Error::io("cannot fill the lab's full queue"))?;
        }
        Ok(Self { resolver, https_port: port, roots_pem, community_pem, population, log, stop, tasks, queues })
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

/// The faults that need a listener of their own.
fn faults(worlds: &[World]) -> BTreeSet<TlsFault> {
    worlds.iter().flat_map(|world| &world.hosts).filter_map(|host| host.tls).collect()
}

/// UDP and TCP on one port that is free for both.
async fn resolver_sockets() -> io::Result<(UdpSocket, TcpListener)> {
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..PORT_TRIES {
        let tcp = TcpListener::bind((RESOLVER, 0)).await?;
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

/// A listener on every address of the pool and of every fault, all on one port.
async fn web_listeners(faults: &BTreeSet<TlsFault>) -> io::Result<(u16, Vec<(TcpListener, Option<TlsFault>)>)> {
    let silent = [TlsFault::Refused, TlsFault::Backlog, TlsFault::Unreachable];
    let mut addresses: Vec<(Ipv4Addr, Option<TlsFault>)> =
        (0..zone::POOL).map(|number| (zone::pool_address(number), None)).collect();
    addresses.extend(faults.iter().filter(|f| !silent.contains(f)).map(|fault| (fault.address(), Some(*fault))));
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    'tries: for _ in 0..PORT_TRIES {
        let mut port = 0;
        let mut listeners = Vec::with_capacity(addresses.len());
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
        return Ok((port, listeners));
    }
    Err(last)
}
