//! What a conforming sender makes of it all (RFC 8461 4, 5, annex B): the rules that need more than one probe.

mod delivery;
mod host;

pub use delivery::{Delivery, PolicyType, Report, Verdict, deliver};
pub use host::{Dane, MailHost, Session, Sight};

use std::collections::HashSet;

use crate::finding::{self, Code, Finding, Gather};
use crate::name::HostName;
use crate::sts::policy::{Mode, Policy};

/// What mail to a domain comes to. Total over what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// No record announces a policy.
    NotAnnounced,
    /// A policy is announced and cannot be used, so senders go on without it.
    Unusable,
    /// The policy says `mode: none` (RFC 8461 8.3).
    None,
    /// The policy is tested, and no failure is known.
    Testing,
    /// The policy is tested, and a sender would report failures.
    TestingFailing,
    /// The policy is enforced, and an MX host remains that a sender may use.
    EnforceDeliverable,
    /// The policy is enforced, and no MX host remains: mail is refused.
    EnforceRefused,
    /// We could not see. Never counted as a fault of the domain.
    Unknown,
}

impl Outcome {
    /// Every outcome, in the order of a summary.
    pub const ALL: [Self; 8] = [
        Self::NotAnnounced,
        Self::Unusable,
        Self::None,
        Self::Testing,
        Self::TestingFailing,
        Self::EnforceDeliverable,
        Self::EnforceRefused,
        Self::Unknown,
    ];

    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAnnounced => "not_announced",
            Self::Unusable => "unusable",
            Self::None => "none",
            Self::Testing => "testing",
            Self::TestingFailing => "testing_failing",
            Self::EnforceDeliverable => "enforce_deliverable",
            Self::EnforceRefused => "enforce_refused",
            Self::Unknown => "unknown",
        }
    }
}

/// An outcome, with the code that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The outcome.
    pub outcome: Outcome,
    /// What decided; `None` where nothing but the policy itself did.
    pub code: Option<Code>,
}

impl Decision {
    fn by(outcome: Outcome, code: Code) -> Self {
        Self { outcome, code: Some(code) }
    }
}

/// The record, as far as a sender cares.
#[derive(Clone, Copy, Debug)]
pub enum RecordView {
    /// Positively absent, by this code.
    Absent(Code),
    /// Not seen, by this failure.
    Failed(Code),
    /// Announced, and broken by this code.
    Unusable(Code),
    /// Announced and read.
    Usable,
}

/// The policy, as far as a sender cares.
#[derive(Clone, Copy, Debug)]
pub enum PolicyView<'a> {
    /// Nobody asked for it.
    NotAsked,
    /// Not seen, by this failure.
    Failed(Code),
    /// Seen, and broken by this code.
    Unusable(Code),
    /// Fetched, authenticated and read.
    Usable(&'a Policy),
}

/// The MX hosts, as far as a sender cares.
#[derive(Clone, Copy, Debug)]
pub enum MxView<'a> {
    /// Nobody asked for them.
    NotAsked,
    /// Not seen, by this failure.
    Failed(Code),
    /// The domain takes no mail, by this code (RFC 7505, RFC 5321 5.1).
    NoMail(Code),
    /// The MX hosts in order of preference.
    Hosts(&'a [MailHost]),
}

/// What mail to the domain comes to (RFC 8461 5; RULES.md, "The outcome of a domain").
#[must_use]
pub fn decide(record: RecordView, policy: PolicyView<'_>, mx: MxView<'_>) -> Decision {
    match record {
        RecordView::Absent(code) => return Decision::by(Outcome::NotAnnounced, code),
        RecordView::Failed(code) => return Decision::by(Outcome::Unknown, code),
        RecordView::Unusable(code) => return Decision::by(Outcome::Unusable, code),
        RecordView::Usable => {}
    }
    let policy = match policy {
        PolicyView::NotAsked => return Decision::by(Outcome::Unknown, finding::sts::NOT_ASKED),
        PolicyView::Failed(code) => return Decision::by(Outcome::Unknown, code),
        PolicyView::Unusable(code) => return Decision::by(Outcome::Unusable, code),
        PolicyView::Usable(policy) => policy,
    };
    match policy.mode {
        // RFC 8461 5: none means as if no policy were there.
        Mode::None => Decision { outcome: Outcome::None, code: None },
        Mode::Testing => testing(mx),
        Mode::Enforce => enforce(mx),
    }
}

/// RFC 8461 5, "testing": mail is delivered whatever is wrong; what is wrong is reported.
fn testing(mx: MxView<'_>) -> Decision {
    let hosts = match mx {
        MxView::Failed(code) | MxView::NoMail(code) => return Decision::by(Outcome::Testing, code),
        MxView::NotAsked | MxView::Hosts([]) => {
            return Decision::by(Outcome::Testing, finding::sts::DELIVERY_NOT_ASKED);
        }
        MxView::Hosts(hosts) => hosts,
    };
    if let Some(code) = uncovered(hosts) {
        return Decision::by(Outcome::TestingFailing, code);
    }
    // What is known to fail is reported, whatever else could not be seen.
    if let Some(code) = hosts.iter().find_map(MailHost::reported) {
        return Decision::by(Outcome::TestingFailing, code);
    }
    // A host that is simply not there fails with and without the policy, and no report has a word for it.
    let unknown = || hosts.iter().find_map(|host| host.sight().unknown());
    let broken = || hosts.iter().find_map(|host| host.sight().broken());
    Decision { outcome: Outcome::Testing, code: unknown().or_else(broken) }
}

/// RFC 8461 5, "enforce": an MX host that no pattern covers, or that is not authenticated, must not be used. Hosts are
/// tried in order of preference, so the domain is deliverable while one usable host remains.
fn enforce(mx: MxView<'_>) -> Decision {
    let hosts = match mx {
        MxView::Failed(code) => return Decision::by(Outcome::Unknown, code),
        // Nothing can be delivered, with or without the policy: RFC 7505 3.
        MxView::NoMail(code) => return Decision::by(Outcome::EnforceRefused, code),
        MxView::NotAsked | MxView::Hosts([]) => {
            return Decision::by(Outcome::Unknown, finding::sts::DELIVERY_NOT_ASKED);
        }
        MxView::Hosts(hosts) => hosts,
    };
    let covered = || hosts.iter().filter(|host| host.covered);
    if covered().any(|host| host.sight() == Sight::Passed) {
        return Decision { outcome: Outcome::EnforceDeliverable, code: None };
    }
    if let Some(code) = covered().find_map(|host| host.sight().unknown()) {
        return Decision::by(Outcome::Unknown, code);
    }
    // A host that is simply not there fails with and without the policy; one that the policy rules out decides.
    let told = covered().find_map(MailHost::reported).or_else(|| uncovered(hosts));
    let broken = || covered().find_map(|host| host.sight().broken());
    Decision::by(Outcome::EnforceRefused, told.or_else(broken).unwrap_or(finding::mx::NONE_COVERED))
}

/// What is wrong with how the policy covers the hosts, if something is.
fn uncovered(hosts: &[MailHost]) -> Option<Code> {
    let covered = hosts.iter().filter(|host| host.covered).count();
    match covered {
        _ if covered == hosts.len() => None,
        0 => Some(finding::mx::NONE_COVERED),
        _ => Some(finding::mx::UNCOVERED),
    }
}

/// Whether each MX host is covered by a pattern of the policy (RFC 8461 4.1), and what is wrong with that. A host is the
/// text of its MX record with the name that it is, if it is one: what is no name is covered by nothing.
#[must_use]
pub fn coverage(policy: &Policy, hosts: &[(&str, Option<&HostName>)]) -> (Vec<bool>, Vec<Finding>) {
    // RFC 8461 5: under none the patterns bind nobody.
    if policy.mode == Mode::None {
        return (Vec::new(), Vec::new());
    }
    let is_covered = |name: &HostName| policy.mx.iter().any(|pattern| pattern.covers(name));
    let covered: Vec<bool> = hosts.iter().map(|(_, name)| name.is_some_and(is_covered)).collect();
    let mut told = HashSet::new();
    let mut gather = Gather::default();
    let uncovered = hosts.iter().zip(&covered).filter(|(_, covered)| !**covered).map(|((host, _), _)| *host);
    for host in uncovered.filter(|host| told.insert(*host)) {
        gather.add(finding::mx::UNCOVERED, |finding| finding.about(host));
    }
    let mut findings = gather.into_findings("");
    if !hosts.is_empty() && !covered.contains(&true) {
        findings.push(Finding::new(finding::mx::NONE_COVERED).with("mode", policy.mode.word()));
    }
    (covered, findings)
}

#[cfg(test)]
mod tests;
