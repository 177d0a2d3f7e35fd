//! Whether mail hosts can be talked to from here: many networks block the port, and some answer it themselves.

use std::time::Duration;

use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};

use super::{Client, Talked};
use crate::failure::Failure;
use crate::finding::https::tcp;
use crate::finding::{Severity, mx, smtp, sts};
use crate::name::HostName;
use crate::net::dns::{Lookup, Resolver};
use crate::net::reach::milliseconds;

/// How long it may take to find out: a look-up of MX and addresses over a slow resolver, and a conversation, which with a
/// host that is known to work takes a second.
const LIMIT: Duration = Duration::from_secs(12);
/// What is kept of [`LIMIT`] for judging the chain, so that a conversation that stalls still says where.
const MARGIN: Duration = Duration::from_secs(1);
/// Mail hosts of one domain that are talked to.
const HOSTS_MAX: usize = 2;

/// Whether mail hosts can be talked to from here.
#[derive(Clone, Debug, PartialEq)]
pub enum Outlook {
    /// A mail host that is known to work was talked to, with a certificate that fits: nobody stands in between.
    Open,
    /// None of the known mail hosts lets us in: the port is blocked on the way, or somebody answers in their place. The context
    /// names the address, the cause, and whether something answered there (`intercepted`).
    Blocked(Failure),
    /// No known mail host could be found by the resolver, so nothing is known.
    Unknown(Failure),
}

/// What one task came to.
enum Step {
    /// The mail hosts of a domain.
    Hosts(Result<Vec<HostName>, Failure>),
    /// The conversation with one of them, or why it has no address.
    Met(HostName, Result<Box<Talked>, Failure>),
}

impl Client {
    /// Finds out, by the mail hosts of domains that are known to take mail, whether mail hosts can be talked to from here.
    /// Without such a domain it is taken for granted.
    pub async fn outlook(&self, resolver: &Resolver, canaries: &[HostName]) -> Outlook {
        if canaries.is_empty() {
            return Outlook::Open;
        }
        let deadline = Instant::now() + LIMIT;
        let mut tasks = JoinSet::new();
        for domain in canaries {
            let (resolver, domain) = (resolver.clone(), domain.clone());
            tasks.spawn(async move { Step::Hosts(hosts(&resolver, &domain).await) });
        }
        let outlook = self.watch(resolver, &mut tasks, deadline).await;
        tasks.shutdown().await;
        outlook
    }

    /// Awaits the tasks until one says that the way is open, all have ended, or the time is up.
    async fn watch(&self, resolver: &Resolver, tasks: &mut JoinSet<Step>, deadline: Instant) -> Outlook {
        let mut asked: Vec<HostName> = Vec::new();
        let mut blocked: Vec<(Rank, Failure)> = Vec::new();
        let mut unknown = Vec::new();
        while let Ok(Some(step)) = timeout_at(deadline, tasks.join_next()).await {
            match step.map_err(JoinError::try_into_panic) {
                Ok(Step::Hosts(Ok(hosts))) => {
                    for host in hosts {
                        if !asked.contains(&host) {
                            asked.push(host.clone());
                            let (client, resolver) = (self.clone(), resolver.clone());
                            tasks.spawn(client.meet(resolver, host, deadline));
                        }
                    }
                }
                Ok(Step::Hosts(Err(failure)) | Step::Met(_, Err(failure))) => unknown.push(failure),
                Ok(Step::Met(host, Ok(talked))) => match obstacle(&host, &talked) {
                    None => return Outlook::Open,
                    Some(obstacle) => blocked.push(obstacle),
                },
                // A panic is a fault of ours, and belongs to whoever asked.
                Err(Ok(panic)) => std::panic::resume_unwind(panic),
                // The runtime is being shut down.
                Err(Err(_)) => {}
            }
        }
        let telling = blocked.into_iter().max_by_key(|(rank, _)| *rank);
        telling.map_or_else(
            || {
                let late = || Failure::new(smtp::TIMEOUT).with("limit_ms", milliseconds(LIMIT));
                Outlook::Unknown(unknown.into_iter().next().unwrap_or_else(late))
            },
            |(_, failure)| Outlook::Blocked(failure),
        )
    }

    /// Talks to a mail host at its first address, and at one of the other family where there is no way to the first.
    async fn meet(mut self, resolver: Resolver, host: HostName, deadline: Instant) -> Step {
        let addresses = resolver.addresses(&host).await;
        let all = addresses.all();
        let one_of_each = [all.iter().find(|address| address.is_ipv4()), all.iter().find(|address| address.is_ipv6())];
        let mut met = Err([failed(&addresses.v4.lookup), failed(&addresses.v6.lookup)]
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_else(|| Failure::new(mx::NO_ADDRESS).about(host.as_str())));
        for address in one_of_each.into_iter().flatten() {
            let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN);
            self.timeouts.smtp = self.timeouts.smtp.min(left);
            let talked = self.talk(&host, *address).await;
            // A network of one family alone has no way to the other.
            let no_way = talked.failure.as_ref().is_some_and(|failure| failure.code == tcp::UNREACHABLE);
            met = Ok(Box::new(talked));
            if !no_way {
                break;
            }
        }
        Step::Met(host, met)
    }
}

/// The first mail hosts of a domain (RFC 5321 5.1).
async fn hosts(resolver: &Resolver, domain: &HostName) -> Result<Vec<HostName>, Failure> {
    match resolver.mx(domain).await.lookup {
        Lookup::Found(set) => {
            let hosts = set.records.iter().filter_map(|mx| HostName::parse(&mx.host).ok());
            let hosts: Vec<HostName> = hosts.take(HOSTS_MAX).collect();
            if hosts.is_empty() { Err(Failure::new(mx::NULL).about(domain.as_str())) } else { Ok(hosts) }
        }
        Lookup::NoData => Ok(vec![domain.clone()]),
        Lookup::NxDomain => Err(Failure::new(mx::NONE).about(domain.as_str())),
        Lookup::Failed(failure) => Err(failure),
    }
}

fn failed<T>(lookup: &Lookup<T>) -> Option<Failure> {
    match lookup {
        Lookup::Failed(failure) => Some(failure.clone()),
        Lookup::Found(_) | Lookup::NoData | Lookup::NxDomain => None,
    }
}

/// How much an obstacle tells of what stands in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// It may be about us, or about that host.
    Other,
    /// Nothing came back.
    Silence,
    /// Something on the way said no.
    Refusal,
    /// Something answered, and it is not the host or not all of it.
    Answer,
}

/// What stands between us and a mail host that is known to work; nothing where it was talked to over TLS with a
/// certificate that fits.
fn obstacle(host: &HostName, talked: &Talked) -> Option<(Rank, Failure)> {
    let verdict = talked.verdict.as_ref();
    let cause = match &talked.failure {
        Some(failure) => failure.code,
        None if verdict.is_some_and(|verdict| verdict.authenticated) => return None,
        None => {
            let fatal = verdict.iter().flat_map(|v| &v.findings).find(|finding| finding.severity() == Severity::Fatal);
            fatal.map_or(crate::finding::cert::INVALID, |finding| finding.code)
        }
    };
    let answered = talked.times.connect.is_some();
    let rank = match cause {
        _ if answered => Rank::Answer,
        code if code == tcp::REFUSED || code == tcp::UNREACHABLE => Rank::Refusal,
        code if code == tcp::TIMEOUT => Rank::Silence,
        _ => Rank::Other,
    };
    let failure = Failure::new(sts::PORT_BLOCKED)
        .about(host.as_str())
        .with("address", talked.address.to_string())
        .with("cause", cause.as_str())
        .with("intercepted", answered);
    Some((rank, failure))
}
