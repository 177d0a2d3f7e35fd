//! The probe of a mail host: its addresses, its TLSA records, and a conversation at each address (RFC 8461 4.2, RFC 3207,
//! RFC 7672). What it says of a host holds for every domain whose MX records name it.

mod columns;
mod judge;

pub(crate) use columns::dane_word;
pub use columns::{COLUMNS, Row};
pub use judge::{Attempt, Judged, judge};

use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

use tokio::task::JoinSet;

use crate::dane::Tlsa;
use crate::finding::{Code, Kind, smtp, tcp};
use crate::name::HostName;
use crate::net::dns::{Addresses, Answer, Lookup, Resolver, Security};
use crate::net::reach::{Reach, Sorted};
use crate::net::smtp::{Client, Talked, is_routeless};
use crate::net::task;
use crate::probe;

/// Addresses of one host that are talked to: the largest hosts of big operators have a dozen. More would make of one line of
/// a list a burst of connections.
pub const ADDRESSES_MAX: usize = 16;

/// The evidence.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The name that the MX record gives.
    pub host: HostName,
    /// When the first question was asked.
    pub observed_at: SystemTime,
    /// How long it took, less the wait before a second attempt.
    pub elapsed: Duration,
    /// How often it was attempted: 1, and more where something failed. 0: not at all.
    pub attempts: u8,
    /// Why nobody was asked, where that is so.
    pub not_asked: Option<Code>,
    /// The addresses.
    pub addresses: Option<Addresses>,
    /// The alias that stands at the host itself, asked where not all behind it is secure.
    pub alias: Option<Answer<String>>,
    /// The TLSA records, with the name that they were asked at (RFC 7672 2.2.2): the last of these that was asked.
    pub tlsa: Option<(HostName, Answer<Tlsa>)>,
    /// The addresses that are not public, and those that are: only these are talked to.
    pub sorted: Sorted,
    /// The conversations, one an address.
    pub talked: Vec<Talked>,
}

impl Seen {
    /// A host that nobody asks, for this reason.
    #[must_use]
    pub fn not_asked(host: &HostName, why: Code) -> Self {
        Self { not_asked: Some(why), attempts: 0, ..Self::begun(host) }
    }

    fn begun(host: &HostName) -> Self {
        Self {
            host: host.clone(),
            observed_at: SystemTime::now(),
            elapsed: Duration::ZERO,
            attempts: 1,
            not_asked: None,
            addresses: None,
            alias: None,
            tlsa: None,
            sorted: Sorted::default(),
            talked: Vec::new(),
        }
    }

    /// The names that a sender takes for the host, the one that its TLSA records stand at first (RFC 7672 2.2.2, 3.2.2).
    #[must_use]
    pub fn names(&self) -> Vec<&HostName> {
        match &self.tlsa {
            Some((base, _)) if *base != self.host => vec![base, &self.host],
            _ => vec![&self.host],
        }
    }

    /// Whether DNSSEC secures the way to the host: its addresses, or the alias that it is (RFC 7672 2.2.2).
    fn is_secure(&self) -> bool {
        let alias = self
            .alias
            .as_ref()
            .is_some_and(|alias| matches!(alias.lookup, Lookup::Found(_)) && alias.security == Security::Secure);
        alias || self.addresses.as_ref().is_some_and(secure)
    }

    /// How many addresses were not talked to, because there are so many.
    #[must_use]
    pub fn beyond(&self) -> usize {
        self.sorted.usable.len().saturating_sub(ADDRESSES_MAX)
    }

    /// Whether something failed for a reason that may pass, so that a second attempt is due.
    #[must_use]
    pub fn failed(&self) -> bool {
        // Where nothing is secure, nobody asks for TLSA records (RFC 7672 2.2.1).
        let tlsa = self.is_secure() && self.tlsa.as_ref().is_some_and(|(_, answer)| tlsa_failed(answer));
        self.addresses.as_ref().is_some_and(addresses_failed) || tlsa || self.talked.iter().any(may_pass)
    }
}

fn addresses_failed(addresses: &Addresses) -> bool {
    probe::failure(&addresses.v4).is_some() || probe::failure(&addresses.v6).is_some()
}

fn tlsa_failed(answer: &Answer<Tlsa>) -> bool {
    probe::failure(answer).is_some()
}

/// Whether a conversation failed for a reason that may pass (RULES.md): we could not see, or the host said "not now".
fn may_pass(talked: &Talked) -> bool {
    /// The first digit of replies that say so (RFC 5321 4.2.1).
    const TRANSIENT: u64 = 4;
    talked.failure.as_ref().is_some_and(|failure| match failure.code {
        code if code == smtp::STARTTLS_REFUSED => {
            // Hanging up, without a reply, may pass too.
            let reply = failure.detail.get("reply_code").and_then(serde_json::Value::as_u64);
            reply.is_none_or(|reply| reply / 100 == TRANSIENT)
        }
        // A lasting refusal of us does not pass (RFC 5321 4.2.1).
        code if code == smtp::BANNER_5XX || code == smtp::EHLO_5XX => false,
        // Nor does what the network says of the way there (HOSTILE.md 73).
        code => code.entry().kind == Kind::Failure && code != tcp::UNREACHABLE,
    })
}

/// Looks up a mail host and talks to it at each of its addresses, side by side: how many at a time at one address is up to
/// the pace of the network.
pub async fn see(resolver: &Resolver, client: &Client, reach: &Reach, host: &HostName) -> Seen {
    let mut seen = Seen::begun(host);
    go_on(resolver, client, reach, &mut seen).await;
    seen
}

/// Asks again what failed, once.
pub async fn again(resolver: &Resolver, client: &Client, reach: &Reach, seen: &mut Seen) {
    seen.attempts = seen.attempts.saturating_add(1);
    if let Some(before) = seen.addresses.take_if(|addresses| addresses_failed(addresses)) {
        let start = Instant::now();
        seen.addresses = Some(better(before, resolver.addresses(&seen.host).await));
        seen.elapsed += start.elapsed();
        // At which name they stand, and whether they count, depends on the addresses.
        (seen.alias, seen.tlsa) = (None, None);
    }
    if seen.tlsa.as_ref().is_some_and(|(_, answer)| tlsa_failed(answer)) {
        seen.tlsa = None;
    }
    let (before, kept) = std::mem::take(&mut seen.talked).into_iter().partition::<Vec<Talked>, _>(may_pass);
    seen.talked = kept;
    go_on(resolver, client, reach, seen).await;
    // Where nobody was asked this time, what was seen before is the better evidence.
    for talked in &mut seen.talked {
        let unasked = talked.failure.as_ref().is_some_and(|failure| failure.code.entry().kind == Kind::Verdict);
        if let Some(before) = before.iter().find(|before| unasked && before.address == talked.address) {
            *talked = before.clone();
        }
    }
}

/// The second look, with what the first saw and the second did not.
fn better(before: Addresses, now: Addresses) -> Addresses {
    Addresses {
        v4: if probe::failure(&now.v4).is_some() { before.v4 } else { now.v4 },
        v6: if probe::failure(&now.v6).is_some() { before.v6 } else { now.v6 },
    }
}

/// Everything that is still missing.
async fn go_on(resolver: &Resolver, client: &Client, reach: &Reach, seen: &mut Seen) {
    let start = Instant::now();
    let host = seen.host.clone();
    let addresses = match seen.addresses.take() {
        Some(addresses) => addresses,
        None => resolver.addresses(&host).await,
    };
    seen.sorted = reach.sort(&addresses.all());
    let missing: Vec<IpAddr> = seen
        .sorted
        .usable
        .iter()
        .take(ADDRESSES_MAX)
        .copied()
        .filter(|address| !seen.talked.iter().any(|talked| talked.address.ip() == *address))
        .collect();
    let (tlsa, alias) = (&mut seen.tlsa, &mut seen.alias);
    let records = async {
        // RFC 7672 2.2.2: where the host is a secure alias of something that is not, its TLSA records count all the same.
        if alias.is_none() && addresses.has_aliases() && !secure(&addresses) {
            *alias = Some(resolver.alias(&host).await);
        }
        if tlsa.is_none() {
            *tlsa = records(resolver, &host, &addresses).await;
        }
    };
    let ((), talked) = tokio::join!(records, talk(client, &host, missing));
    seen.talked.extend(talked);
    seen.talked.sort_by_key(|talked| talked.address);
    seen.addresses = Some(addresses);
    seen.elapsed += start.elapsed();
}

/// The TLSA records (RFC 7672 2.2.2, 2.2.3): where the host is an alias and every link is secure, at the name that it stands
/// for, and only where there are none at the host's own.
async fn records(resolver: &Resolver, host: &HostName, addresses: &Addresses) -> Option<(HostName, Answer<Tlsa>)> {
    if addresses.all().is_empty() {
        return None;
    }
    let target = addresses.aliases().last().filter(|_| secure(addresses)).and_then(|name| HostName::parse(name).ok());
    if let Some(target) = target {
        let answer = resolver.tlsa(&target.child(LABELS).ok()?).await;
        if !matches!(answer.lookup, Lookup::NoData | Lookup::NxDomain) {
            return Some((target, answer));
        }
    }
    // A name that is too long to exist has no records.
    let answer = resolver.tlsa(&host.child(LABELS).ok()?).await;
    Some((host.clone(), answer))
}

/// The labels in front of a host for the service of mail (RFC 7672 2.2.3): port 25, whatever port a lab uses.
const LABELS: &str = "_25._tcp";

/// Whether DNSSEC secures the addresses: those of one version of IP, and those of the other or their absence. What could not
/// be looked up takes nothing from what was.
fn secure(addresses: &Addresses) -> bool {
    security(addresses) == Security::Secure
}

/// What the resolver says of DNSSEC for the addresses that were seen.
fn security(addresses: &Addresses) -> Security {
    match (probe::failure(&addresses.v4), probe::failure(&addresses.v6)) {
        (None, Some(_)) => addresses.v4.security,
        (Some(_), None) => addresses.v6.security,
        (None, None) | (Some(_), Some(_)) => addresses.security(),
    }
}

/// Talks to a host at these addresses.
async fn talk(client: &Client, host: &HostName, addresses: Vec<IpAddr>) -> Vec<Talked> {
    let mut talks = JoinSet::new();
    for address in addresses {
        let (client, host) = (client.clone(), host.clone());
        talks.spawn(async move { client.talk(&host, address).await });
    }
    let mut talked = Vec::new();
    while let Some(ended) = talks.join_next().await {
        talked.extend(task::ended(ended));
    }
    talked
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests;
