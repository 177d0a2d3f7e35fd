//! The report of a sender on one domain (RFC 8460 4): which policies it applied, and how its sessions went.
//!
//! A session is one attempt at a mail host at one address. It counts once in a summary, however much is wrong with it;
//! in the details it stands once for each result type (RFC 8460 4: "overlapping counts").

mod format;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use format::{Range, Report, file_name};

/// Details of one policy, at most: what is beyond is counted in one detail a result type, without host and reason.
const DETAILS_MAX: usize = 1_000;

/// What is known of one domain: the rows of a scan, as far as a report needs them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// The domain, in A-labels.
    pub domain: String,
    /// The MTA-STS policy.
    pub policy: Policy,
    /// The mail hosts.
    pub hosts: Vec<Host>,
    /// What a sender reports, counted by policy type and result type. These counts hold; [`causes`](Self::causes) only
    /// say whom and why.
    pub results: Vec<Counted>,
    /// The findings that have a result type.
    pub causes: Vec<Cause>,
}

/// The MTA-STS policy, as far as it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// We could not see whether there is one that can be used, so nothing is said of it.
    #[default]
    NotSeen,
    /// The record cannot be read, so no sender looks for a policy (RFC 8461 3.1).
    NotFound,
    /// It was looked for, and no sender can use it, by this code of ours: what lies with the policy itself is one failed
    /// session.
    Unusable {
        /// The code, which is one of the causes.
        code: String,
    },
    /// It was fetched and read, so a sender applies it.
    Applied {
        /// The body as it was served.
        body: Vec<u8>,
        /// The patterns of the effective reading.
        mx: Vec<String>,
        /// Whether its mode is none: then it binds no mail host (RFC 8461 5).
        is_none: bool,
    },
}

/// One mail host of the domain, over all its addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Whether a pattern of the policy covers it, where that matters.
    pub covered: Option<bool>,
    /// What DANE says of it.
    pub dane: Dane,
    /// Whether a sender may not use it.
    pub broken: bool,
    /// At how many addresses a sender may use it.
    pub addresses_usable: u64,
    /// At how many it may not.
    pub addresses_broken: u64,
    /// Its TLSA records in presentation format (RFC 6698 2.2), where they are known.
    pub tlsa: Arc<[String]>,
    /// The name that they stand below (RFC 7672 2.2.3), where it is another one.
    pub base: Option<String>,
}

/// What DANE says of a mail host, as far as it matters which policy a session was under.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dane {
    /// Nothing.
    #[default]
    Nothing,
    /// There are TLSA records, of which none can be used (RFC 7672 2.2).
    Unusable,
    /// TLSA records decide, and MTA-STS does not (RFC 7672 2.2, RFC 8461 2).
    Decides,
}

/// How often a result type is to be reported under the policies of a type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The type of the policy.
    pub policy_type: PolicyType,
    /// The result type (RFC 8460 4.3).
    pub result_type: String,
    /// Sessions.
    pub count: u64,
}

/// A finding that has a result type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cause {
    /// The result type (RFC 8460 4.3).
    pub result_type: String,
    /// Our code.
    pub code: String,
    /// The mail host that it is about, if it is about one.
    pub host: Option<String>,
    /// The address of the mail host, if it is about one.
    pub address: Option<String>,
}

/// The type of the policy that a sender applied (RFC 8460 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyType {
    /// An MTA-STS policy.
    Sts,
    /// The TLSA records of a mail host.
    Tlsa,
    /// Neither could be found.
    NoPolicyFound,
}

impl PolicyType {
    const WORDS: [(&'static str, Self); 3] =
        [("sts", Self::Sts), ("tlsa", Self::Tlsa), ("no-policy-found", Self::NoPolicyFound)];

    /// The type of this word.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind)
    }

    /// The word of RFC 8460 4.4.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sts => "sts",
            Self::Tlsa => "tlsa",
            Self::NoPolicyFound => "no-policy-found",
        }
    }
}

/// One member of `policies`: a policy, and how the sessions under it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// The type of the policy.
    pub policy_type: PolicyType,
    /// Its lines, or its records.
    pub strings: Vec<String>,
    /// The policy domain (RFC 8460 1.1): the domain, or for DANE the name that the records stand below.
    pub domain: String,
    /// The patterns of an MTA-STS policy.
    pub mx_hosts: Vec<String>,
    /// Sessions that got TLS as the policy asks.
    pub successful: u64,
    /// Sessions that did not.
    pub failed: u64,
    /// What was wrong.
    pub details: Vec<Detail>,
}

/// One member of `failure-details`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// The result type.
    pub result_type: String,
    /// The mail host.
    pub host: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Our code.
    pub reason: Option<String>,
    /// Sessions.
    pub count: u64,
}

/// The policies that a sender applies to the domain, each with its sessions; none where nothing can be said.
#[must_use]
pub fn applied(seen: &Seen) -> Vec<Applied> {
    let (by_dane, others): (Vec<&Host>, Vec<&Host>) = seen.hosts.iter().partition(|host| host.dane == Dane::Decides);
    let mut all = Vec::new();
    for policy_type in [PolicyType::Sts, PolicyType::NoPolicyFound] {
        let mut details = details(seen, policy_type);
        if policy_type == PolicyType::NoPolicyFound && details.is_empty() {
            details.extend(fetch(seen));
        }
        // RFC 8460 4.4: the type says what was applied, so a policy that could be fetched or read by nobody is
        // no-policy-found, with the reason in its details (4.3.2.2).
        let is_base = match seen.policy {
            Policy::Applied { .. } => policy_type == PolicyType::Sts,
            Policy::NotFound | Policy::Unusable { .. } => policy_type == PolicyType::NoPolicyFound,
            Policy::NotSeen => false,
        };
        // What decides nothing, because DANE does at every host, was not applied.
        let is_applied = is_base && (by_dane.is_empty() || !others.is_empty());
        if !is_applied && details.is_empty() {
            continue;
        }
        let hosts: &[&Host] = if is_base { &others } else { &[] };
        let mut one = under(policy_type, &seen.domain, &seen.policy, hosts, details);
        if let (PolicyType::Sts, Policy::Applied { body, mx, .. }) = (policy_type, &seen.policy) {
            one.strings = lines(body);
            one.mx_hosts.clone_from(mx);
        }
        all.push(one);
    }
    // RFC 8460 1.1: the policy domain of DANE is the name that the records stand below, so each mail host has a policy of
    // its own.
    let mut rest = details(seen, PolicyType::Tlsa);
    for host in seen.hosts.iter().filter(|host| host.dane != Dane::Nothing) {
        let (own, others): (Vec<Detail>, Vec<Detail>) =
            rest.into_iter().partition(|detail| detail.host.as_ref() == Some(&host.name));
        rest = others;
        // Records that cannot be used authenticate nobody: they are reported, and the sessions stand elsewhere.
        let hosts = if host.dane == Dane::Decides { &[host][..] } else { &[] };
        if hosts.is_empty() && own.is_empty() {
            continue;
        }
        let base = host.base.as_ref().unwrap_or(&host.name);
        let mut one = under(PolicyType::Tlsa, base, &seen.policy, hosts, own);
        one.strings = host.tlsa.to_vec();
        all.push(one);
    }
    // What is left is about hosts of which DANE says nothing, such as one whose addresses are bogus, or about none.
    while let Some(host) = rest.first().map(|detail| detail.host.clone()) {
        let (own, others): (Vec<Detail>, Vec<Detail>) = rest.into_iter().partition(|detail| detail.host == host);
        rest = others;
        all.push(under(PolicyType::Tlsa, host.as_deref().unwrap_or(&seen.domain), &seen.policy, &[], own));
    }
    all
}

/// A policy over some hosts.
fn under(policy_type: PolicyType, domain: &str, policy: &Policy, hosts: &[&Host], details: Vec<Detail>) -> Applied {
    let (mut successful, mut failed) = (0_u64, 0_u64);
    let binds = matches!(policy, Policy::Applied { is_none: false, .. }) && policy_type == PolicyType::Sts;
    for host in hosts {
        // RFC 8461 4.1: a host that no pattern covers is not used, so it is one session, whatever its addresses.
        if binds && host.covered == Some(false) {
            failed = failed.saturating_add(1);
            continue;
        }
        // What the host as a whole is broken by, such as a bogus answer, no address mends.
        successful = successful.saturating_add(if host.broken { 0 } else { host.addresses_usable });
        failed = failed.saturating_add(host.addresses_broken.max(u64::from(host.broken)));
    }
    // What no result type says is a loss of the connection, which is not reported (RFC 8460 4.3.4); and each failed
    // session has at least one result.
    let mut by_result: BTreeMap<&str, u64> = BTreeMap::new();
    for detail in &details {
        let count = by_result.entry(&detail.result_type).or_default();
        *count = count.saturating_add(detail.count);
    }
    let most = by_result.values().copied().max().unwrap_or(0);
    let all = by_result.values().fold(0_u64, |all, count| all.saturating_add(*count));
    let failed = failed.clamp(most, all);
    let domain = domain.to_owned();
    Applied { policy_type, strings: Vec::new(), domain, mx_hosts: Vec::new(), successful, failed, details }
}

/// What a sender reports of a policy that it cannot use (RFC 8460 4.3.2.2).
fn fetch(seen: &Seen) -> Option<Detail> {
    let Policy::Unusable { code } = &seen.policy else { return None };
    let cause = seen.causes.iter().find(|cause| cause.code == *code && cause.host.is_none())?;
    let (result_type, reason) = (cause.result_type.clone(), Some(code.clone()));
    Some(Detail { result_type, host: None, address: None, reason, count: 1 })
}

/// The details under policies of one type: as many sessions as are counted, told apart as far as the causes know.
fn details(seen: &Seen, policy_type: PolicyType) -> Vec<Detail> {
    let by_dane = |cause: &Cause| {
        seen.hosts.iter().any(|host| host.dane != Dane::Nothing && Some(&host.name) == cause.host.as_ref())
    };
    let mut details: Vec<Detail> = Vec::new();
    for counted in seen.results.iter().filter(|counted| counted.policy_type == policy_type && counted.count > 0) {
        let mut causes: Vec<&Cause> =
            seen.causes.iter().filter(|cause| cause.result_type == counted.result_type).collect();
        // Those of hosts that this type of policy is for come first; what is about no host tells least, so it comes last.
        let is_ours = |cause: &Cause| by_dane(cause) == (policy_type == PolicyType::Tlsa);
        causes.sort_by_key(|cause| (cause.host.is_none(), !is_ours(cause), cause.address.is_none()));
        let begin = details.len();
        let mut left = counted.count;
        for cause in causes {
            // The first code of a session is its reason; one about the host is told where none of its addresses is.
            let is_told = details[begin..]
                .iter()
                .any(|told| told.host == cause.host && (told.address == cause.address || cause.address.is_none()));
            if left == 0 || is_told || details.len() >= DETAILS_MAX {
                continue;
            }
            left -= 1;
            details.push(Detail {
                result_type: counted.result_type.clone(),
                host: cause.host.clone(),
                address: cause.address.clone(),
                reason: Some(cause.code.clone()),
                count: 1,
            });
        }
        match &mut details[begin..] {
            // It is about the domain or a host as a whole, so all its sessions are.
            [only] if only.address.is_none() => only.count = only.count.saturating_add(left),
            _ if left == 0 => {}
            _ => details.push(Detail {
                result_type: counted.result_type.clone(),
                host: None,
                address: None,
                reason: None,
                count: left,
            }),
        }
    }
    details
}

/// The lines of a policy; line ends and blank lines are no part of it (RFC 8460 4.5).
fn lines(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(body);
    let lines = text.split(['\r', '\n']).map(|line| line.trim_matches(['\u{feff}', ' ', '\t']));
    lines.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
