//! What the evidence of a mail host says: pure.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Seen, is_routeless, security as address_security};
use crate::cert::Verdict;
use crate::dane::{self, Match};
use crate::failure::Failure;
use crate::finding::{self, Code, Finding, Kind, Place, Severity};
use crate::name::HostName;
use crate::net::dns::{Lookup, Security};
use crate::net::smtp::Talked;
use crate::probe;
use crate::sts::sender::{Dane, Session, Sight};

/// What a host is worth, for every domain that names it. Kept for as many domains as come, so it holds no evidence but a
/// certificate whose name may fit another domain.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The name that the MX record gives.
    pub host: HostName,
    /// Whether it has an address to talk to.
    pub reach: Sight,
    /// That there may be more addresses than were talked to, and why.
    pub unseen: Option<Sight>,
    /// What DANE says of it, for a domain whose MX records are secure.
    pub dane: Dane,
    /// The attempts, address by address.
    pub attempts: Vec<Attempt>,
    /// What was found of the host as a whole: its name, its addresses, its TLSA records.
    pub findings: Vec<Finding>,
    /// What could not be seen of its addresses.
    pub failures: Vec<Failure>,
    /// Why its TLSA records could not be seen, where they matter.
    pub tlsa_failure: Option<Failure>,
    /// Whether something failed for a reason that may pass.
    pub may_pass: bool,
    /// The DNS questions that were sent for it.
    pub questions: u64,
}

/// One attempt at one address.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The address.
    pub address: IpAddr,
    /// What it came to.
    pub session: Session,
    /// What was found there.
    pub findings: Vec<Finding>,
    /// Why we could not see, where that is so.
    pub failure: Option<Failure>,
    /// The TLSA record that the certificate fits, counted from 0.
    pub(super) matched: Option<usize>,
    /// The certificate, where all but its name fits a record: for some domain the name may fit too.
    misnamed: Option<Vec<u8>>,
}

/// Judges the evidence.
#[must_use]
pub fn judge(seen: &Seen) -> Judged {
    let mut judged = Judged {
        host: seen.host.clone(),
        reach: Sight::Passed,
        unseen: None,
        dane: Dane::NotAsked,
        attempts: Vec::new(),
        findings: Vec::new(),
        failures: Vec::new(),
        tlsa_failure: None,
        may_pass: seen.failed(),
        questions: questions(seen),
    };
    reach(seen, &mut judged);
    security(seen, &mut judged);
    judged.attempts = seen.talked.iter().map(|talked| attempt(seen, talked)).collect();
    records(seen, &mut judged);
    judged.findings = std::mem::take(&mut judged.findings).into_iter().map(|finding| at(finding, &seen.host)).collect();
    judged
}

/// A finding at this host.
fn at(mut finding: Finding, host: &HostName) -> Finding {
    finding.place = Place::MailHost;
    if finding.subject.is_empty() {
        finding = finding.about(host.as_str());
    }
    finding.with("host", host.as_str())
}

fn questions(seen: &Seen) -> u64 {
    let addresses = seen.addresses.iter().map(|both| u64::from(both.v4.sent) + u64::from(both.v6.sent)).sum::<u64>();
    let alias = seen.alias.iter().map(|answer| u64::from(answer.sent)).sum::<u64>();
    addresses + alias + seen.tlsa.iter().map(|(_, answer)| u64::from(answer.sent)).sum::<u64>()
}

/// The name and the addresses (RFC 5321 5.1, RFC 2181 10.3).
fn reach(seen: &Seen, judged: &mut Judged) {
    if let Some(why) = seen.not_asked {
        // A fault of ours is no reason not to ask, and is told.
        let is_failure = why.entry().kind == Kind::Failure;
        judged.reach = if is_failure { Sight::Unseen(why) } else { Sight::NotAsked(why) };
        judged.failures.extend(is_failure.then(|| Failure::new(why).about(seen.host.as_str())));
        return;
    }
    let Some(addresses) = &seen.addresses else {
        judged.reach = Sight::NotAsked(finding::sts::DELIVERY_NOT_ASKED);
        return;
    };
    if let Some(target) = addresses.aliases().last() {
        judged.findings.push(Finding::new(finding::mx::ALIAS).with("target", target.as_str()));
    }
    let failures = [probe::failure(&addresses.v4), probe::failure(&addresses.v6)];
    let bogus = |failure: &&Failure| failure.code == finding::dane::BOGUS && seen.sorted.usable.is_empty();
    judged.failures.extend(failures.into_iter().flatten().filter(|failure| !bogus(failure)).cloned());
    let failed = failures.into_iter().flatten().next().map(|failure| failure.code);
    let forbidden = &seen.sorted.forbidden;
    if seen.sorted.usable.is_empty() {
        judged.reach = match (failed, forbidden.first()) {
            // RFC 7672 2.1.2: a sender that validates cannot use the host; we saw that it could not.
            (Some(code), _) if code == finding::dane::BOGUS => {
                judged.findings.push(Finding::new(finding::dane::BOGUS_HOST).with("of", "addresses"));
                Sight::Broken(finding::dane::BOGUS_HOST)
            }
            (Some(code), _) => Sight::Unseen(code),
            (None, Some((address, block))) => {
                let finding = Finding::new(finding::reach::FORBIDDEN).with("block", *block);
                judged.findings.push(finding.with("address", address.to_string()));
                Sight::Broken(finding::reach::FORBIDDEN)
            }
            (None, None) => {
                judged.findings.push(Finding::new(finding::mx::NO_ADDRESS));
                Sight::Broken(finding::mx::NO_ADDRESS)
            }
        };
        return;
    }
    if !forbidden.is_empty() {
        let list = forbidden.iter().map(|(address, block)| format!("{address} ({block})")).collect::<Vec<_>>();
        judged.findings.push(Finding::new(finding::reach::MIXED).with("forbidden", list.join(", ")));
    }
    // What fails at the addresses that we saw may pass at those that we did not see.
    judged.unseen = match failed {
        Some(code) => Some(Sight::Unseen(code)),
        None if seen.beyond() > 0 => Some(Sight::NotAsked(finding::sts::HOSTS_BEYOND)),
        None => None,
    };
}

/// TLSA records and DNSSEC (RFC 7672 2.1, 2.2).
fn security(seen: &Seen, judged: &mut Judged) {
    let (Some(addresses), Some((_, tlsa))) = (&seen.addresses, &seen.tlsa) else { return };
    let secure_addresses = seen.is_secure();
    // A resolver that does not validate, or is not believed, says nothing of security, so nothing is said of it here.
    let is_told = address_security(addresses) != Security::Unknown;
    judged.dane = match &tlsa.lookup {
        Lookup::NoData | Lookup::NxDomain => Dane::None,
        Lookup::Failed(_) if !secure_addresses && !is_told => Dane::NotAsked,
        // RFC 7672 2.2.1: where the addresses are not secure nobody asks for TLSA records, so their troubles are nobody's.
        Lookup::Failed(_) if !secure_addresses => Dane::Insecure,
        Lookup::Failed(failure) if failure.code == finding::dane::BOGUS => {
            judged.findings.push(Finding::new(finding::dane::BOGUS_HOST).with("of", "TLSA"));
            Dane::Bogus
        }
        Lookup::Failed(failure) => {
            judged.tlsa_failure = Some(failure.clone());
            Dane::Unseen(failure.code)
        }
        Lookup::Found(_) if secure_addresses && tlsa.security == Security::Secure => Dane::Applies,
        Lookup::Found(_) if tlsa.security == Security::Unknown || !is_told => Dane::Untold,
        Lookup::Found(_) => {
            judged.findings.push(Finding::new(finding::dane::INSECURE));
            Dane::Insecure
        }
    };
}

/// One conversation.
fn attempt(seen: &Seen, talked: &Talked) -> Attempt {
    let mut findings = talked.facts.findings.clone();
    let verdict = talked.verdict.as_ref();
    let mut tls = Sight::Passed;
    let mut failure = None;
    if let Some(stopped) = &talked.failure {
        tls = match stopped.clone().into_finding() {
            Ok(finding) => {
                let code = finding.code;
                // A handshake that fails over the certificate says what the verdict on the chain says already.
                let said = verdict.is_some_and(|verdict| verdict.findings.iter().any(|found| found.code == code));
                if !said {
                    findings.push(finding);
                }
                Sight::Broken(code)
            }
            Err(_) if is_routeless(talked) => Sight::NotAsked(finding::sts::NO_ROUTE),
            Err(stopped) if stopped.code.entry().kind == Kind::Verdict => Sight::NotAsked(stopped.code),
            Err(stopped) => {
                let code = stopped.code;
                failure = Some(stopped);
                Sight::Unseen(code)
            }
        };
    }
    // Whatever else was said, what came with it is not to be trusted.
    if let Some(unsafe_) = talked.facts.findings.iter().find(|found| found.severity() == Severity::Fatal) {
        tls = tls.and(Sight::Broken(unsafe_.code));
    }
    findings.extend(verdict.iter().flat_map(|verdict| verdict.findings.iter().cloned()));
    let dane = published(seen).map(|records| dane::verify(records, &talked.chain, &seen.names(), seen.observed_at));
    let sight = dane.as_ref().map_or(Sight::NotAsked(finding::sts::DELIVERY_NOT_ASKED), |found| fits(found, talked));
    let address = talked.address.ip();
    if let Some(found) = &dane {
        let of_match = found.findings.iter().filter(|found| !is_of_records(found.code));
        let (stale, other): (Vec<&Finding>, Vec<&Finding>) =
            of_match.partition(|found| found.code == finding::dane::STALE);
        findings.extend(other.into_iter().chain(stale.into_iter().take(STALE_TOLD)).cloned());
    }
    let session = Session { tls, pkix: pkix(verdict), dane: sight };
    findings.extend(only_by_dane(session));
    let findings =
        findings.into_iter().map(|finding| at(finding, &seen.host).with("address", address.to_string())).collect();
    let is_misnamed = session.dane == Sight::Broken(finding::dane::TA_NAME);
    let misnamed = talked.chain.first().filter(|leaf| is_misnamed && leaf.len() <= MISNAMED_MAX).cloned();
    let matched = dane.and_then(|found| found.matched);
    Attempt { address, session, findings, failure, matched, misnamed }
}

/// Bytes of a certificate that is kept for other domains' sake: the largest in ordinary use have half of that.
const MISNAMED_MAX: usize = 4 * 1024;

/// Stale records that are told for one address: a rollover has one or two, and the records stand in the evidence.
const STALE_TOLD: usize = 4;

/// Says where senders that know only MTA-STS refuse what passes by DANE.
fn only_by_dane(session: Session) -> Option<Finding> {
    let passes = session.tls == Sight::Passed && session.dane == Sight::Passed;
    (passes && session.pkix.broken().is_some()).then(|| Finding::new(finding::dane::ONLY))
}

/// The TLSA records, where DNSSEC secures them and the addresses.
fn published(seen: &Seen) -> Option<&[dane::Tlsa]> {
    let (_, tlsa) = seen.tlsa.as_ref()?;
    match &tlsa.lookup {
        Lookup::Found(set) if seen.is_secure() && tlsa.security == Security::Secure => Some(&set.records),
        _ => None,
    }
}

/// Whether the certificate is good by the trusted roots.
fn pkix(verdict: Option<&Verdict>) -> Sight {
    match verdict {
        Some(verdict) if verdict.authenticated => Sight::Passed,
        Some(verdict) => {
            let fatal = verdict.findings.iter().find(|finding| finding.severity() == Severity::Fatal);
            Sight::Broken(fatal.map_or(finding::cert::INVALID, |finding| finding.code))
        }
        // No certificate was seen; what ended the conversation decides.
        None => Sight::NotAsked(finding::sts::DELIVERY_NOT_ASKED),
    }
}

/// Whether the certificate fits a record.
fn fits(found: &Match, talked: &Talked) -> Sight {
    if found.matched.is_some() {
        return Sight::Passed;
    }
    let fatal = found.findings.iter().find(|finding| finding.severity() == Severity::Fatal);
    match fatal {
        Some(finding) if !talked.chain.is_empty() => Sight::Broken(finding.code),
        _ => Sight::NotAsked(finding::sts::DELIVERY_NOT_ASKED),
    }
}

/// What is wrong with the records themselves, said once; those of which none can be used do not apply (RFC 7672 2.2).
fn records(seen: &Seen, judged: &mut Judged) {
    let Some(records) = published(seen) else { return };
    let found = dane::verify(records, &[], &[], seen.observed_at);
    if judged.dane == Dane::Applies && !found.usable {
        judged.dane = Dane::Unusable;
    }
    judged.findings.extend(found.findings);
}

/// Whether a finding is about the records and not about how a certificate fits them.
fn is_of_records(code: Code) -> bool {
    [finding::dane::USAGE, finding::dane::MALFORMED, finding::dane::UNUSABLE].contains(&code)
}

impl Judged {
    /// The same for mail to a domain whose MX records are secure: under DANE-TA the certificate may be for the domain in
    /// place of the host (RFC 7672 3.2.2).
    #[must_use]
    pub fn towards(self: &Arc<Self>, domain: &HostName) -> Arc<Self> {
        let fits = |attempt: &Attempt| attempt.misnamed.as_deref().is_some_and(|leaf| dane::is_named(leaf, &[domain]));
        if !self.attempts.iter().any(fits) {
            return Arc::clone(self);
        }
        let mut own = Self::clone(self);
        for attempt in own.attempts.iter_mut().filter(|attempt| fits(attempt)) {
            attempt.session.dane = Sight::Passed;
            attempt.findings.retain(|finding| finding.code != finding::dane::TA_NAME);
            let only = only_by_dane(attempt.session).map(|finding| at(finding, &self.host));
            attempt.findings.extend(only.map(|finding| finding.with("address", attempt.address.to_string())));
        }
        Arc::new(own)
    }

    /// The distinct codes of what was found at the host, sorted.
    #[must_use]
    pub fn finding_codes(&self) -> Vec<Code> {
        finding::distinct(self.findings().map(|finding| finding.code))
    }

    /// The attempts as a sender would make them: IPv6 that there is no way to from here counts only where there is nothing
    /// else. IPv4 always counts, for it is what most mail comes by. Addresses that may be there and were not talked to stand last, as one.
    #[must_use]
    pub fn sessions(&self) -> Vec<Session> {
        let no_way = [finding::sts::NO_ROUTE, finding::sts::PORT_BLOCKED, finding::sts::PORT_UNKNOWN];
        let is_closed = |tls: Sight| no_way.iter().any(|code| tls == Sight::NotAsked(*code));
        let routed = |attempt: &&Attempt| attempt.address.to_canonical().is_ipv4() || !is_closed(attempt.session.tls);
        let mut sessions: Vec<Session> = self.attempts.iter().filter(routed).map(|attempt| attempt.session).collect();
        if sessions.is_empty() {
            sessions = self.attempts.iter().map(|attempt| attempt.session).collect();
        }
        let not_asked = Sight::NotAsked(finding::sts::DELIVERY_NOT_ASKED);
        sessions.extend(self.unseen.map(|tls| Session { tls, pkix: not_asked, dane: not_asked }));
        sessions
    }

    /// Everything that could not be seen of the host and its conversations; the TLSA records apart.
    pub fn failures(&self) -> impl Iterator<Item = &Failure> {
        self.failures.iter().chain(self.attempts.iter().filter_map(|attempt| attempt.failure.as_ref()))
    }

    /// Everything that was found: of the host, then address by address.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().chain(self.attempts.iter().flat_map(|attempt| &attempt.findings))
    }
}
