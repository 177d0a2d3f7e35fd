//! Whether mail hosts can be talked to from here: many networks block the port, for one version of IP or for both, and some
//! answer it themselves.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::family::{Families, Way, is_routeless, is_v4};
use super::{Client, Talked};
use crate::failure::Failure;
use crate::finding::https::tcp;
use crate::finding::{Code, Severity, mx, smtp};
use crate::name::HostName;
use crate::net::dns::{Addresses, Lookup, Resolver};
use crate::net::reach::milliseconds;
use crate::net::task;

/// How long it may take to find out: a look-up of MX and addresses over a slow resolver, and a conversation, which with a
/// host that is known to work takes a second.
const LIMIT: Duration = Duration::from_secs(12);
/// What is kept of [`LIMIT`] for judging the chain, so that a conversation that stalls still says where.
const MARGIN: Duration = Duration::from_secs(1);
/// Mail hosts of one domain that are talked to, each at one address of each version of IP.
const HOSTS_MAX: usize = 2;

/// Whether mail hosts can be talked to from here.
#[derive(Clone, Debug, PartialEq)]
pub enum Outlook {
    /// A mail host that is known to work was talked to, with a certificate that fits: nobody stands in between.
    Open {
        /// Over which version of IP: one of them is open.
        families: Families,
        /// What stands in the way of the other, where it is blocked.
        obstacle: Option<Obstacle>,
    },
    /// None of the known mail hosts lets us in: the port is blocked on the way, or somebody answers in their place.
    Blocked(Obstacle),
    /// No known mail host could be found by the resolver, or this machine has no way to any, so nothing is known.
    Unknown(Failure),
}

/// What stands between us and a mail host that is known to work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The mail host.
    pub host: HostName,
    /// Where.
    pub address: SocketAddr,
    /// What went wrong, by the catalogue.
    pub cause: Code,
    /// What came back from there.
    pub heard: Heard,
}

/// What came back from an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// No connection came about.
    Nothing,
    /// A connection, and nothing over it.
    Silence,
    /// Somebody answered.
    Words,
}

/// What one task came to.
enum Step {
    /// The mail hosts of a domain.
    Hosts(Result<Vec<HostName>, Failure>),
    /// The addresses of one of them.
    Addresses(HostName, Box<Addresses>),
    /// The conversation at one of these.
    Met(HostName, Box<Talked>),
}

/// What is known so far of one version of IP.
#[derive(Default)]
struct Family {
    is_open: bool,
    /// Conversations that go on.
    talks: usize,
    obstacle: Option<Obstacle>,
}

impl Family {
    fn way(&self) -> Way {
        match &self.obstacle {
            _ if self.is_open => Way::Open,
            Some(_) => Way::Blocked,
            None => Way::Unknown,
        }
    }

    fn blocked(self) -> Option<Obstacle> {
        self.obstacle.filter(|_| !self.is_open)
    }
}

/// What is known so far.
#[derive(Default)]
struct Watch {
    asked: Vec<HostName>,
    /// Look-ups that go on: each may lead to an address of either version.
    lookups: usize,
    v4: Family,
    v6: Family,
    /// Why nothing is known, as far as that is so.
    unknown: Vec<Failure>,
}

impl Client {
    /// Finds out, by the mail hosts of domains that are known to take mail, whether mail hosts can be talked to from here.
    /// Without such a domain it is taken for granted.
    pub async fn outlook(&self, resolver: &Resolver, canaries: &[HostName]) -> Outlook {
        if canaries.is_empty() {
            return Outlook::Open { families: Families::OPEN, obstacle: None };
        }
        let deadline = Instant::now() + LIMIT;
        let mut tasks = JoinSet::new();
        for domain in canaries {
            let (resolver, domain) = (resolver.clone(), domain.clone());
            tasks.spawn(async move { Step::Hosts(hosts(&resolver, &domain).await) });
        }
        let mut watch = Watch { lookups: canaries.len(), ..Watch::default() };
        while !watch.is_settled()
            && let Ok(Some(step)) = timeout_at(deadline, tasks.join_next()).await
        {
            if let Some(step) = task::ended(step) {
                self.go_on(resolver, step, &mut watch, &mut tasks, deadline);
            }
        }
        tasks.shutdown().await;
        watch.outlook()
    }

    /// Takes note of what a task came to, and starts what follows from it.
    fn go_on(&self, resolver: &Resolver, step: Step, watch: &mut Watch, tasks: &mut JoinSet<Step>, deadline: Instant) {
        match step {
            Step::Hosts(hosts) => {
                watch.lookups = watch.lookups.saturating_sub(1);
                for host in hosts.unwrap_or_else(|failure| watch.lose(failure)) {
                    if !watch.asked.contains(&host) {
                        watch.asked.push(host.clone());
                        watch.lookups += 1;
                        let resolver = resolver.clone();
                        tasks.spawn(async move {
                            let addresses = resolver.addresses(&host).await;
                            Step::Addresses(host, Box::new(addresses))
                        });
                    }
                }
            }
            Step::Addresses(host, addresses) => {
                watch.lookups = watch.lookups.saturating_sub(1);
                watch
                    .unknown
                    .extend([failed(&addresses.v4.lookup), failed(&addresses.v6.lookup)].into_iter().flatten());
                let all = addresses.all();
                if all.is_empty() {
                    watch.unknown.push(Failure::new(mx::NO_ADDRESS).about(host.as_str()));
                }
                let one_of_each = [all.iter().find(|one| is_v4(**one)), all.iter().find(|one| !is_v4(**one))];
                for address in one_of_each.into_iter().flatten().copied() {
                    let family = watch.family(is_v4(address));
                    if family.is_open {
                        continue;
                    }
                    family.talks += 1;
                    let (mut client, host) = (self.clone(), host.clone());
                    let left = deadline.saturating_duration_since(Instant::now()).saturating_sub(MARGIN);
                    client.timeouts.smtp = client.timeouts.smtp.min(left);
                    tasks.spawn(async move {
                        let talked = client.talk(&host, address).await;
                        Step::Met(host, Box::new(talked))
                    });
                }
            }
            Step::Met(host, talked) => watch.met(&host, *talked),
        }
    }
}

impl Watch {
    fn family(&mut self, is_v4: bool) -> &mut Family {
        if is_v4 { &mut self.v4 } else { &mut self.v6 }
    }

    /// Whether nothing that goes on can tell more.
    fn is_settled(&self) -> bool {
        [&self.v4, &self.v6].iter().all(|family| family.is_open || (family.talks == 0 && self.lookups == 0))
    }

    /// Takes note of a failure, behind which there is nothing to go on with.
    fn lose(&mut self, failure: Failure) -> Vec<HostName> {
        self.unknown.push(failure);
        Vec::new()
    }

    /// Takes note of a conversation.
    fn met(&mut self, host: &HostName, talked: Talked) {
        let found = obstacle(host, &talked);
        let family = self.family(is_v4(talked.address.ip()));
        family.talks = family.talks.saturating_sub(1);
        match found {
            None => family.is_open = true,
            // A machine without a way says nothing of the network.
            Some(_) if is_routeless(&talked) => self.unknown.extend(talked.failure),
            Some(found) => {
                if family.obstacle.as_ref().is_none_or(|known| rank(known) < rank(&found)) {
                    family.obstacle = Some(found);
                }
            }
        }
    }

    fn outlook(self) -> Outlook {
        let families = Families { v4: self.v4.way(), v6: self.v6.way() };
        let is_open = self.v4.is_open || self.v6.is_open;
        let blocked = [self.v4.blocked(), self.v6.blocked()].into_iter().flatten();
        // Of two that tell the same, the first, which is that of IPv4.
        let obstacle = blocked.reduce(|first, other| if rank(&first) < rank(&other) { other } else { first });
        match obstacle {
            obstacle if is_open => Outlook::Open { families, obstacle },
            Some(obstacle) => Outlook::Blocked(obstacle),
            None => {
                let late = || Failure::new(smtp::TIMEOUT).with("limit_ms", milliseconds(LIMIT));
                Outlook::Unknown(self.unknown.into_iter().next().unwrap_or_else(late))
            }
        }
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

fn rank(obstacle: &Obstacle) -> Rank {
    match obstacle.cause {
        _ if obstacle.heard != Heard::Nothing => Rank::Answer,
        code if code == tcp::REFUSED || code == tcp::UNREACHABLE => Rank::Refusal,
        code if code == tcp::TIMEOUT => Rank::Silence,
        _ => Rank::Other,
    }
}

/// What stands between us and a mail host that is known to work; nothing where it was talked to over TLS with a
/// certificate that fits.
fn obstacle(host: &HostName, talked: &Talked) -> Option<Obstacle> {
    let verdict = talked.verdict.as_ref();
    let cause = match &talked.failure {
        Some(failure) => failure.code,
        None if verdict.is_some_and(|verdict| verdict.authenticated) => return None,
        None => {
            let fatal = verdict.iter().flat_map(|v| &v.findings).find(|finding| finding.severity() == Severity::Fatal);
            fatal.map_or(crate::finding::cert::INVALID, |finding| finding.code)
        }
    };
    let heard = match talked.times.connect {
        None => Heard::Nothing,
        Some(_) if talked.wire_bytes == 0 => Heard::Silence,
        Some(_) => Heard::Words,
    };
    Some(Obstacle { host: host.clone(), address: talked.address, cause, heard })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;
    use crate::cert::Verdict;
    use crate::net::smtp::Times;
    use crate::smtp::talk::Facts;

    const V4: &str = "192.0.2.1:25";
    const V6: &str = "[2001:db8::1]:25";

    fn talked(address: &str, failure: Option<Failure>) -> Talked {
        let verdict = failure.is_none().then(|| Verdict { authenticated: true, ..Verdict::default() });
        let address = address.parse().unwrap();
        let (facts, times) = (Facts::default(), Times::default());
        Talked { address, facts, tls: None, chain: Vec::new(), verdict, failure, times, wire_bytes: 0 }
    }

    #[test]
    fn a_machine_without_a_way_says_nothing_of_the_network() {
        use Way::{Blocked, Open, Unknown};
        let good = |address| talked(address, None);
        let bad = |address, code| talked(address, Some(Failure::new(code)));
        let routeless = || talked(V6, Some(Failure::new(tcp::UNREACHABLE).with("errno", 101)));
        let no_host = || talked(V6, Some(Failure::new(tcp::UNREACHABLE).with("errno", 113)));
        let both = |v4, v6| Some(Families { v4, v6 });
        let rows: Vec<(Vec<Talked>, Option<Families>, Option<Code>)> = vec![
            (vec![good(V4), routeless()], both(Open, Unknown), None),
            (vec![good(V4), no_host()], both(Open, Blocked), Some(tcp::UNREACHABLE)),
            (vec![good(V4), bad(V6, tcp::TIMEOUT), bad(V6, tcp::REFUSED)], both(Open, Blocked), Some(tcp::REFUSED)),
            (vec![bad(V4, tcp::REFUSED), good(V4), routeless()], both(Open, Unknown), None),
            (vec![bad(V4, tcp::TIMEOUT), good(V6)], both(Blocked, Open), Some(tcp::TIMEOUT)),
            (vec![bad(V4, tcp::TIMEOUT), routeless()], None, Some(tcp::TIMEOUT)),
            (vec![bad(V4, tcp::TIMEOUT), bad(V6, tcp::REFUSED)], None, Some(tcp::REFUSED)),
            // The known host has no IPv4, and this machine no IPv6.
            (vec![routeless()], None, None),
        ];
        let host = HostName::parse("mx.example").unwrap();
        for (number, (talks, families, cause)) in rows.into_iter().enumerate() {
            let mut watch = Watch::default();
            talks.into_iter().for_each(|talked| watch.met(&host, talked));
            let told = match watch.outlook() {
                Outlook::Open { families, obstacle } => (Some(families), obstacle.map(|obstacle| obstacle.cause)),
                Outlook::Blocked(obstacle) => (None, Some(obstacle.cause)),
                Outlook::Unknown(failure) => {
                    assert_eq!(failure.code, tcp::UNREACHABLE);
                    (None, None)
                }
            };
            assert_eq!(told, (families, cause), "row {number}");
        }
    }

    #[test]
    fn what_goes_on_and_may_tell_more_is_waited_for() {
        let family = |is_open, talks| Family { is_open, talks, obstacle: None };
        for (lookups, v4, v6, is_settled) in [
            (1, family(true, 1), family(true, 1), true),
            (1, family(true, 0), family(false, 0), false),
            (0, family(true, 1), family(false, 0), true),
            (0, family(true, 0), family(false, 1), false),
            (0, family(false, 0), family(false, 0), true),
        ] {
            assert_eq!(Watch { lookups, v4, v6, ..Watch::default() }.is_settled(), is_settled);
        }
    }
}
