//! The resolver: look-ups of TXT, MX, TLSA and addresses through all aliases, each with its verdict.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_proto::rr::{RData, RecordType};

use super::exchange::{Manner, Servers};
use super::preflight::CanaryWords;
use super::question::Question;
use super::records;
use super::server::Trace;
use super::verdict::{self, Chain, Verdict};
use super::{Addresses, Answer, Lookup, Mx, Rrset, Security, Txt};
use crate::dane::Tlsa;
use crate::error::Error;
use crate::failure::Failure;
use crate::finding;
use crate::name::HostName;
use crate::net::NetConfig;
use crate::net::pace::Rate;

/// How long a preflight may take: two seconds a datagram, which a resolver on the other side of the world with an empty
/// cache keeps too.
const PREFLIGHT: Duration = Duration::from_secs(6);

/// How long a scan waits for resolvers that are gone: what a machine takes to start anew, and whoever looks after it.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Asks resolvers. Clones share sockets, connections and rate.
#[derive(Clone)]
pub struct Resolver {
    servers: Arc<Servers>,
    /// The time for one question with all its tries and aliases.
    time: Duration,
    /// Whether it asks on to tell what is bogus from what is broken.
    telling: bool,
    /// How long a look-up waits for resolvers that have fallen silent or answer nothing, before it counts as failed.
    patience: Duration,
}

impl Resolver {
    /// A resolver for the upstreams of this configuration. Opens nothing yet.
    ///
    /// # Errors
    /// [`Error::Usage`] where an upstream cannot be used as it is given, [`Error::Internal`] where this machine has no
    /// randomness or no TLS.
    pub fn new(config: &NetConfig) -> Result<Self, Error> {
        getrandom::fill(&mut [0; 2]).map_err(|error| Error::Internal(format!("no randomness: {error}")))?;
        Ok(Self {
            servers: Arc::new(Servers::new(config)?),
            time: config.timeouts.dns,
            telling: false,
            patience: Duration::ZERO,
        })
    }

    /// The TXT records at a name, by their bytes: a resolver may turn a set round from answer to answer (RFC 1034 3.6), and
    /// two looks at a domain that did not change must see the same.
    pub async fn txt(&self, name: &HostName) -> Answer<Txt> {
        self.sorted(name, RecordType::TXT, records::txt).await
    }

    /// The MX records of a name, by preference and then by host.
    pub async fn mx(&self, name: &HostName) -> Answer<Mx> {
        self.sorted(name, RecordType::MX, records::mx).await
    }

    /// The addresses of a host, both families side by side.
    pub async fn addresses(&self, host: &HostName) -> Addresses {
        let (v4, v6) = tokio::join!(
            self.look_up::<Ipv4Addr>(host, RecordType::A, records::v4),
            self.look_up::<Ipv6Addr>(host, RecordType::AAAA, records::v6),
        );
        Addresses { v4, v6 }
    }

    /// The TLSA records at a name, sorted.
    pub async fn tlsa(&self, name: &HostName) -> Answer<Tlsa> {
        self.sorted(name, RecordType::TLSA, records::tlsa).await
    }

    /// The alias that stands at a name itself, not followed: whether it is secure decides which name TLSA records are looked
    /// for at, where the addresses at its end are not (RFC 7672 2.2.2).
    pub async fn alias(&self, name: &HostName) -> Answer<String> {
        self.look_up(name, RecordType::CNAME, records::cname).await
    }

    /// The same resolver, that tells a bogus answer from a broken resolver: what ends in SERVFAIL is asked once more without
    /// validation (RFC 4035 3.2.2, 4.3), unless the resolver has explained itself (RFC 8914), and where that brings
    /// signatures, once more with it. That costs another question or two of what fails, so a scan in bulk goes without.
    #[must_use]
    pub fn telling(&self) -> Self {
        Self { telling: true, ..self.clone() }
    }

    /// Finds out within a few seconds whether any resolver answers at all; every answer counts that keeps the format. Whether
    /// they tell the truth: about a name that nobody has, and about the canaries of the configuration. And learns which of
    /// the believed ones validate: only then does an answer without AD count as insecure.
    ///
    /// # Errors
    /// `dns.resolver_lies` where any of them does, else what the upstream that said most came to, where none can be used. See
    /// [`unusable`](super::unusable).
    pub async fn preflight(&self) -> Result<CanaryWords, Failure> {
        self.servers.preflight(PREFLIGHT.min(self.time)).await
    }

    /// A resolver that waits so long for the upstreams where they fall silent or answer nothing, and then asks anew: what a
    /// scan wants ([`PATIENCE`]), where a resolver that falters must not show up as domains that could not be seen.
    #[must_use]
    pub fn patient(&self, patience: Duration) -> Self {
        Self { patience, ..self.clone() }
    }

    /// The rate that everything that asks these upstreams shares, if the user limits it.
    #[must_use]
    pub fn rate(&self) -> Option<Arc<Rate>> {
        self.servers.rate()
    }

    /// Closes all sockets and awaits all tasks. Questions in flight, through other clones, fail.
    pub async fn close(self) {
        self.servers.close().await;
    }

    /// Looks up records and sorts them.
    async fn sorted<T: Ord>(&self, name: &HostName, rtype: RecordType, read: fn(&RData) -> Option<T>) -> Answer<T> {
        let mut answer = self.look_up(name, rtype, read).await;
        if let Lookup::Found(set) = &mut answer.lookup {
            set.records.sort();
        }
        answer
    }

    /// Asks, follows aliases and reads the records.
    async fn look_up<T>(&self, host: &HostName, rtype: RecordType, read: fn(&RData) -> Option<T>) -> Answer<T> {
        let start = Instant::now();
        let mut question = Question::new(host, rtype);
        let mut chain = Chain::new(question.name().clone());
        let mut trace = Trace::new(self.time);
        let mut security = Security::Secure;
        let manner = Manner { telling: self.telling, patience: self.patience };
        let lookup = loop {
            let (message, server) = match self.servers.ask(&question, manner, &mut trace).await {
                Ok(answer) => answer,
                Err(failure) => break Lookup::Failed(failure),
            };
            // RFC 6840 5.8: AD speaks for all of the answer, so every link of the chain needs it.
            security = security.and(server.security(&message));
            match verdict::judge(&message, rtype, &mut chain) {
                Verdict::Found => {
                    let answers = || verdict::answers(&message, rtype, &chain);
                    let ttl = answers().map(|record| record.ttl).min().unwrap_or(0);
                    // A record whose data is no data of its type (RDLENGTH 0 above all) proves nothing.
                    let records: Option<Vec<T>> = answers().map(|record| read(&record.data)).collect();
                    break match records {
                        Some(records) => Lookup::Found(Rrset { records, ttl }),
                        None => {
                            let failure = Failure::new(finding::dns::MALFORMED).with("upstream", server.name());
                            Lookup::Failed(failure.with("attempts", trace.sent))
                        }
                    };
                }
                Verdict::NoData => break Lookup::NoData,
                Verdict::NxDomain => break Lookup::NxDomain,
                Verdict::Ask => question = Question::about(chain.end().clone(), rtype),
                Verdict::Wrong(code) => {
                    let failure = Failure::new(code).with("rcode", u16::from(message.response_code));
                    break Lookup::Failed(failure.with("upstream", server.name()).with("attempts", trace.sent));
                }
            }
        };
        let elapsed = start.elapsed().saturating_sub(trace.waited);
        let (security, lookup) = match lookup {
            Lookup::Failed(failure) => {
                let elapsed = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
                let bogus = failure.code == finding::dane::BOGUS;
                let security = if bogus { Security::Bogus } else { Security::Unknown };
                (security, Lookup::Failed(failure.about(host.as_str()).with("elapsed_ms", elapsed)))
            }
            lookup => (security, lookup),
        };
        Answer {
            lookup,
            aliases: chain.targets().iter().map(records::presentation).collect(),
            security,
            ede: trace.ede,
            via: trace.via,
            sent: trace.sent,
            elapsed,
            case_changed: trace.case_changed,
            trailing: trace.trailing,
        }
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver").field("time", &self.time).finish_non_exhaustive()
    }
}
