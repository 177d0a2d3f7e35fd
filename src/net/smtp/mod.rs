//! The conversation with a mail host at one address (RFC 5321, RFC 3207): connect, greeting, EHLO, STARTTLS, TLS, EHLO, QUIT.
//!
//! What to say and what to make of a reply is the business of [`talk`](crate::smtp::talk); here is what it takes to say it.

mod family;
mod line;
mod outlook;
mod silent;

pub use family::{Families, Way, is_routeless};
pub use outlook::{Heard, Obstacle, Outlook};

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::pace::PerHost;
use super::reach::{Reach, milliseconds};
use super::tls::{Handshaker, TlsFacts, is_address, judge};
use super::wire::Metered;
use super::{NetConfig, Timeouts};
use crate::cert::{RootStore, Verdict};
use crate::failure::Failure;
use crate::finding::https::{http, reach};
use crate::finding::{smtp, sts};
use crate::name::HostName;
use crate::smtp::reply::Reader;
use crate::smtp::talk::{Facts, Order, Stage, Talk};
use line::Line;
use silent::Silent;

/// Bytes that one connection may send us (HOSTILE.md): sixteen times what may come before TLS, for certificates.
pub const WIRE_BUDGET: u64 = 512 * 1024;

/// Conversations at a time, each with a descriptor: beside the surveys and the questions of a scan they stay within the 1,024
/// descriptors that a process has on most machines.
const CONVERSATIONS_MAX: usize = 256;

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

impl Times {
    /// Adds the time of one command and its reply.
    fn add(&mut self, stage: Stage, elapsed: Duration) {
        let time = match stage {
            Stage::Banner => &mut self.banner,
            Stage::Ehlo | Stage::Helo => &mut self.ehlo,
            Stage::StartTls => &mut self.starttls,
            Stage::SecureEhlo => return,
        };
        *time = Some(time.unwrap_or_default() + elapsed);
    }
}

/// Talks to mail hosts.
#[derive(Clone, Debug)]
pub struct Client {
    reach: Arc<Reach>,
    roots: Arc<[RootStore]>,
    handshaker: Handshaker,
    hosts: PerHost,
    silent: Silent,
    conversations: Arc<Semaphore>,
    families: Families,
    port: u16,
    helo: String,
    timeouts: Timeouts,
}

/// What commands and replies came to.
enum End {
    /// TLS may begin.
    StartTls,
    /// There is nothing left to say.
    Over(Option<Failure>),
}

impl Client {
    /// A client; its TLS configuration is built here, once. `hosts` is shared with whoever else talks to the same addresses.
    #[must_use]
    pub fn new(config: &NetConfig, hosts: PerHost) -> Self {
        Self {
            reach: Arc::clone(&config.reach),
            roots: Arc::clone(&config.roots),
            handshaker: Handshaker::new(&[]),
            hosts,
            silent: Silent::default(),
            conversations: Arc::new(Semaphore::new(CONVERSATIONS_MAX)),
            families: Families::OPEN,
            port: config.smtp_port,
            helo: config.helo.clone(),
            timeouts: config.timeouts,
        }
    }

    /// The same on a network of which this is known. A new client takes both versions of IP for open.
    #[must_use]
    pub fn within(self, families: Families) -> Self {
        Self { families, ..self }
    }

    /// Talks to a mail host at one of its addresses.
    pub async fn talk(&self, host: &HostName, address: IpAddr) -> Talked {
        let mut talked = Talked {
            address: SocketAddr::new(address, self.port),
            facts: Facts::default(),
            tls: None,
            chain: Vec::new(),
            verdict: None,
            failure: None,
            times: Times::default(),
            wire_bytes: 0,
        };
        if let Some(bar) = self.families.bar(talked.address) {
            talked.failure = Some(bar);
            return talked;
        }
        // Waiting for our turn is not the host's doing: the clock starts behind it.
        let seat = self.hosts.enter(address).await;
        // Who waits for a descriptor holds a seat, and who waits for a seat holds no descriptor.
        let descriptor = self.conversations.acquire().await.expect("the semaphore is never closed");
        let started = Instant::now();
        if self.silent.rests(address, started) {
            talked.failure = Some(Failure::new(sts::ADDRESS_SILENT).about(talked.address.to_string()));
            return talked;
        }
        let mut talk = Talk::new(&self.helo);
        talked.failure = self.run(host, &mut talk, started + self.timeouts.smtp, &mut talked).await.err();
        self.silent.note(address, talked.failure.as_ref().map(|failure| failure.code), Instant::now());
        talked.failure = talked.failure.map(|failure| self.families.weigh(talked.address, failure));
        talked.facts = talk.into_facts();
        talked.times.total = Some(started.elapsed());
        drop((descriptor, seat));
        talked.verdict = judge(host, &talked.chain, &self.roots).await;
        talked
    }

    /// Runs a conversation from the connect to QUIT.
    async fn run(
        &self,
        host: &HostName,
        talk: &mut Talk,
        deadline: Instant,
        talked: &mut Talked,
    ) -> Result<(), Failure> {
        if is_address(host) {
            return Err(Failure::new(reach::LITERAL).about(host.as_str()));
        }
        let started = Instant::now();
        let stream = self.reach.connect(talked.address, at_most(self.timeouts.connect, deadline)).await?;
        talked.times.connect = Some(started.elapsed());
        // Our commands are one segment each; there is nothing to wait for. Failing to say so costs only time.
        let _ = stream.set_nodelay(true);

        let stream = Metered::new(stream, WIRE_BUDGET);
        let wire = stream.meter();
        let mut line = Line::new(stream, Arc::clone(&wire), Reader::default());
        // The server speaks first.
        let end = self.converse(&mut line, talk, Vec::new(), deadline, &mut talked.times).await;
        talked.wire_bytes = wire.received();
        match end {
            End::StartTls => {}
            End::Over(None) => return Ok(()),
            End::Over(Some(failure)) => return Err(failure.about(host.as_str())),
        }

        // What was read in the clear goes no further (RFC 3207 4.2). TLS has a meter of its own: the first bytes tell
        // what it is.
        let started = Instant::now();
        let stream = Metered::new(line.into_stream().into_inner(), WIRE_BUDGET.saturating_sub(talked.wire_bytes));
        let wire = stream.meter();
        let handshake = self.handshaker.shake(host, stream, at_most(self.timeouts.tls, deadline)).await;
        talked.chain = handshake.chain;
        let shaken = match handshake.outcome {
            Ok((stream, facts)) => {
                talked.times.tls = Some(started.elapsed());
                talked.tls = Some(facts);
                let mut line = Line::new(stream, Arc::clone(&wire), Reader::within());
                let ehlo = talk.secured();
                // What fails from here on is a finding among the facts.
                self.converse(&mut line, talk, ehlo, deadline, &mut talked.times).await;
                Ok(())
            }
            // There is no HTTP here.
            Err(failure) if failure.code == http::WIRE_BUDGET => Err(Failure { code: smtp::TOO_LONG, ..failure }),
            Err(failure) => Err(failure),
        };
        talked.wire_bytes += wire.received();
        shaken
    }

    /// Says what is to be said and hears what is answered, until TLS is to begin or nothing is left to say.
    async fn converse<S>(
        &self,
        line: &mut Line<S>,
        talk: &mut Talk,
        first: Vec<u8>,
        deadline: Instant,
        times: &mut Times,
    ) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut say = first;
        loop {
            let (stage, started) = (talk.stage(), Instant::now());
            let limit = match stage {
                Stage::Banner => self.timeouts.banner,
                // All that decides is known by then.
                Stage::SecureEhlo => self.timeouts.tls,
                Stage::Ehlo | Stage::Helo | Stage::StartTls => self.timeouts.smtp,
            };
            let heard = match line.ask(&say, deadline.min(started + limit)).await {
                Ok(heard) => heard,
                Err(loss) => {
                    let failure = talk.lost(loss).map(|failure| {
                        failure.with("received", line.received()).with("elapsed_ms", milliseconds(started.elapsed()))
                    });
                    return End::Over(failure);
                }
            };
            times.add(stage, started.elapsed());
            say = match talk.hear(heard) {
                Order::Send(bytes) => bytes,
                Order::StartTls => return End::StartTls,
                Order::Quit(failure) => {
                    line.quit(deadline).await;
                    return End::Over(failure);
                }
            };
        }
    }
}

/// A limit, or what is left of the whole if that is less.
fn at_most(limit: Duration, deadline: Instant) -> Duration {
    limit.min(deadline.saturating_duration_since(Instant::now()))
}
