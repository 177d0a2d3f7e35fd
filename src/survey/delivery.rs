//! Delivery to one domain: its mail hosts beside its policy, and what a sender makes of them (RFC 8461 4, 5, RFC 8460 4.3).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use crate::column::{self, Cell, Column, Field, FieldKind, Value};
use crate::failure::Failure;
use crate::finding::{self, Code, Finding, Place, Stage};
use crate::name::Domain;
use crate::net::dns::Security;
use crate::probe::host::{self, dane_word};
use crate::probe::mx::{self, Exchange};
use crate::sts::policy::Policy;
use crate::sts::sender::{self, Dane, Decision, MailHost, Outcome, PolicyType, Report, Sight};
use crate::survey::Known;

/// Mail hosts of one domain that are asked, in order of preference: more than all but a handful of domains have, and few
/// enough that one line of a list makes no burst of connections.
pub const HOSTS_MAX: usize = 16;

/// Findings of one code at one host that each of its domains is told: one an address, up to as many addresses as most hosts
/// have. The table `hosts` has every address.
const REPEATS: usize = 4;

/// A mail host of the domain with what it is worth to it.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host as the MX record names it.
    pub name: String,
    /// Whether the policy covers it; `None` where no policy binds.
    pub covered: Option<bool>,
    /// What a sender finds there.
    pub found: MailHost,
    /// What the host says to all who name it; `None` where nobody could ask.
    pub judged: Option<Arc<host::Judged>>,
}

/// Delivery to the domain.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The mail hosts in order of preference.
    pub hosts: Vec<Host>,
    /// What a sender does.
    pub outcome: sender::Delivery,
    /// What a sender would report.
    pub reports: Vec<Report>,
    /// What was found at the mail hosts.
    pub findings: Vec<Finding>,
    /// What could not be seen of them.
    pub failures: Vec<Failure>,
}

/// Puts the mail hosts of a domain beside what was seen of them.
#[must_use]
pub(super) fn hosts(mx: &mx::Judged, known: Option<&[Known]>, domain: &Domain) -> Vec<Host> {
    // RFC 7672 2.2.1: what insecure MX records lead to is nothing that DANE can vouch for. An implicit MX is the domain
    // itself, and its MX look-up is secure where the absence is.
    let security = mx.seen.answer.security;
    let mut names = HashSet::new();
    // A host that stands twice is tried at its first place.
    let once = mx.hosts.iter().filter(|exchange| names.insert(exchange.host.as_str()));
    once.map(|exchange| host(exchange, security, known, domain)).collect()
}

fn host(exchange: &Exchange, security: Security, known: Option<&[Known]>, domain: &Domain) -> Host {
    let covered = exchange.covered;
    let asked = |known: &&Known| exchange.name.as_ref() == Some(&known.judged.host);
    let judged = known.and_then(|known| known.iter().find(asked)).map(|known| match security {
        Security::Secure => known.judged.towards(domain.host()),
        Security::Insecure | Security::Bogus | Security::Unknown => Arc::clone(&known.judged),
    });
    let binds = covered.unwrap_or(true);
    let found = match (&judged, known, mx::unaskable(exchange)) {
        (Some(judged), ..) => MailHost {
            covered: binds,
            reach: judged.reach,
            dane: behind(security, judged.dane),
            sessions: judged.sessions(),
        },
        (None, None, _) => MailHost::not_asked(binds, finding::sts::DELIVERY_NOT_ASKED),
        // Nobody can deliver to what is no host.
        (None, Some(_), Some(code)) => MailHost { reach: Sight::Broken(code), ..MailHost::not_asked(binds, code) },
        (None, Some(_), None) => MailHost::not_asked(binds, finding::sts::HOSTS_BEYOND),
    };
    Host { name: exchange.host.clone(), covered, found, judged }
}

/// What DANE says behind MX records of this security: nothing where they are not secure (RFC 7672 2.2.1).
fn behind(mx: Security, dane: Dane) -> Dane {
    match (mx, dane) {
        (Security::Secure, dane) | (_, dane @ (Dane::NotAsked | Dane::None)) => dane,
        (Security::Unknown, Dane::Applies | Dane::Untold) => Dane::Untold,
        (Security::Unknown, _) => Dane::NotAsked,
        (Security::Insecure | Security::Bogus, _) => Dane::Insecure,
    }
}

/// What a sender finds at the hosts.
pub(super) fn found(hosts: &[Host]) -> Vec<MailHost> {
    hosts.iter().map(|host| host.found.clone()).collect()
}

/// What delivery comes to under a decision on what was `found` at the hosts. `policy` is the one that binds.
#[must_use]
pub(super) fn deliver(
    hosts: Vec<Host>,
    found: &[MailHost],
    decision: Decision,
    policy: Option<&Policy>,
    at: SystemTime,
) -> Delivery {
    let reports = reports(&hosts, policy.is_some(), decision);
    let outcome = sender::deliver(decision, policy, found, at, !reports.is_empty());
    let mut findings: Vec<Finding> = Vec::new();
    for host in &hosts {
        let mut told: HashMap<Code, usize> = HashMap::new();
        let is_new = |finding: &&Finding| {
            let count = told.entry(finding.code).or_default();
            *count += 1;
            *count <= REPEATS
        };
        findings.extend(host.findings().filter(is_new).cloned());
    }
    for host in &hosts {
        let applies = host.judged.as_ref().is_some_and(|judged| judged.dane == Dane::Applies);
        if applies && host.found.dane == Dane::Insecure {
            let finding = Finding::new(finding::dane::MX_INSECURE).about(host.name.as_str()).at_mail_host();
            findings.push(finding.with("host", host.name.as_str()));
        }
        findings.extend(host.differs());
    }
    let failures = hosts.iter().flat_map(Host::failures).cloned().collect();
    Delivery { hosts, outcome, reports, findings, failures }
}

/// What a sender that tries every host at every address once would report (RFC 8460 4.3). One session may fail for several
/// reasons, and each is counted; what lies with the policy itself fails once.
fn reports(hosts: &[Host], binds: bool, decision: Decision) -> Vec<Report> {
    let mut counts: BTreeMap<(PolicyType, &'static str), i64> = BTreeMap::new();
    let mut count = |policy, mut types: Vec<&'static str>| {
        types.sort_unstable();
        types.dedup();
        types.into_iter().for_each(|result_type| *counts.entry((policy, result_type)).or_default() += 1);
    };
    // RFC 8460 4.3.2.2: a policy that is announced and cannot be used is reported by the first reason that a sender meets.
    if decision.outcome == Outcome::Unusable {
        count(PolicyType::Sts, decision.code.and_then(|code| code.result_type(Place::Domain)).into_iter().collect());
    }
    for host in hosts {
        let tlsa = |code: Code| code.result_type(Place::MailHost).into_iter().collect();
        // RFC 8461 4.1: a host that no pattern covers is reported, and not tried.
        if binds && host.covered == Some(false) {
            count(PolicyType::Sts, finding::mx::UNCOVERED.result_type(Place::Domain).into_iter().collect());
            continue;
        }
        // RFC 7672 2.1.2: what is bogus is not connected to, nor what could not be looked up.
        if host.found.dane == Dane::Bogus || host.found.reach.broken() == Some(finding::dane::BOGUS_HOST) {
            count(PolicyType::Tlsa, tlsa(finding::dane::BOGUS_HOST));
            continue;
        }
        let Some(judged) = host.judged.as_deref().filter(|_| !matches!(host.found.dane, Dane::Unseen(_))) else {
            continue;
        };
        let policy = if host.found.dane_applies() { PolicyType::Tlsa } else { PolicyType::Sts };
        for attempt in &judged.attempts {
            if host.found.dane == Dane::Unusable && attempt.session.tls == Sight::Passed {
                count(PolicyType::Tlsa, tlsa(finding::dane::UNUSABLE));
            }
            // Without a policy of either kind nothing is expected of the host.
            let expected = policy == PolicyType::Tlsa || binds;
            if !expected || attempt.session.sight(host.found.dane).broken().is_none() {
                continue;
            }
            let other = if policy == PolicyType::Tlsa { Stage::Cert } else { Stage::Dane };
            let counts = |finding: &&Finding| finding.code.entry().stage != other;
            count(policy, attempt.findings.iter().filter(counts).filter_map(Finding::result_type).collect());
        }
    }
    counts.into_iter().map(|((policy, result_type), count)| Report { policy, result_type, count }).collect()
}

/// The word for what DANE says of all hosts of the domain together: the worst of them.
fn dane_status(delivery: &Delivery) -> Option<&'static str> {
    /// From the worst to the best.
    const ORDER: [&str; 10] =
        ["mismatch", "bogus", "unknown", "untold", "applies", "unusable", "not_asked", "insecure", "none", "match"];
    let words: Vec<&'static str> = delivery.hosts.iter().map(Host::dane).collect();
    let worst = ORDER.into_iter().find(|word| words.contains(word))?;
    // Some hosts with records that fit and others without any: DANE protects only part of the way.
    if words.contains(&"match")
        && worst != "match"
        && !["mismatch", "bogus", "unknown", "untold", "applies"].contains(&worst)
    {
        return Some("partial");
    }
    Some(worst)
}

impl Host {
    /// What was found at the host, as far as it concerns this domain: where the MX records are not secure, nobody asks for
    /// TLSA records (RFC 7672 2.2.1), so what is wrong with them is nobody's.
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        let judged = self.judged.as_deref();
        let moot = judged.is_some_and(|judged| judged.dane != self.found.dane);
        let concerns = move |finding: &&Finding| !(moot && finding.code.entry().stage == Stage::Dane);
        judged.into_iter().flat_map(host::Judged::findings).filter(concerns)
    }

    /// What could not be seen of the host, as far as it concerns this domain.
    fn failures(&self) -> impl Iterator<Item = &Failure> {
        let judged = self.judged.as_deref();
        let tlsa =
            judged.filter(|judged| judged.dane == self.found.dane).and_then(|judged| judged.tlsa_failure.as_ref());
        judged.into_iter().flat_map(host::Judged::failures).chain(tlsa)
    }

    /// Says where a sender may use some addresses of the host and not others.
    fn differs(&self) -> Option<Finding> {
        let attempts = &self.judged.as_deref()?.attempts;
        let sight = |attempt: &&host::Attempt| attempt.session.sight(self.found.dane);
        let broken: Vec<String> = attempts
            .iter()
            .filter(|attempt| sight(attempt).broken().is_some())
            .map(|attempt| attempt.address.to_string())
            .collect();
        let differs = !broken.is_empty() && attempts.iter().any(|attempt| sight(&attempt) == Sight::Passed);
        let finding = Finding::new(finding::smtp::ADDRESSES_DIFFER).about(self.name.as_str()).at_mail_host();
        differs.then(|| finding.with("host", self.name.as_str()).with("broken", broken))
    }

    /// What DANE says of the host to this domain, in a word.
    fn dane(&self) -> &'static str {
        dane_word(self.found.dane, self.found.sessions.iter().map(|session| session.dane))
    }

    fn addresses(&self, of: fn(Sight) -> bool) -> i64 {
        let attempts = self.judged.iter().flat_map(|judged| &judged.attempts);
        let count = attempts.filter(|attempt| of(self.found.sight_at(&attempt.session))).count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }
}

impl Delivery {
    /// The distinct codes of what was found at the mail hosts, sorted.
    #[must_use]
    pub fn finding_codes(&self) -> Vec<Code> {
        finding::distinct(
            self.findings.iter().filter(|finding| finding.place == Place::MailHost).map(|finding| finding.code),
        )
    }

    /// The distinct codes of what could not be seen of them, sorted.
    #[must_use]
    pub fn failure_codes(&self) -> Vec<Code> {
        finding::distinct(self.failures.iter().map(|failure| failure.code))
    }
}

fn number(count: usize) -> Option<i64> {
    i64::try_from(count).ok()
}

const HOST_FIELDS: &[Field] = &[
    Field { name: "host", kind: FieldKind::Text },
    Field { name: "status", kind: FieldKind::Text },
    Field { name: "code", kind: FieldKind::Text },
    Field { name: "covered", kind: FieldKind::Bool },
    Field { name: "dane", kind: FieldKind::Text },
    Field { name: "addresses_usable", kind: FieldKind::Int },
    Field { name: "addresses_broken", kind: FieldKind::Int },
    Field { name: "addresses_unseen", kind: FieldKind::Int },
];

const REPORT_FIELDS: &[Field] = &[
    Field { name: "policy_type", kind: FieldKind::Text },
    Field { name: "result_type", kind: FieldKind::Text },
    Field { name: "count", kind: FieldKind::Int },
];

/// The columns of delivery, under the prefix `delivery_`.
pub static COLUMNS: &[Column<Delivery>] = &[
    Column {
        name: "verdict",
        sentence: "What a conforming sender does with mail to the domain: deliver, report (deliver, and report failures), refuse, or unknown; null where no policy binds it, or where mail is lost with and without it: no mail is taken, or no host is there.",
        cell: Cell::Word(|r| r.outcome.verdict.map(|verdict| verdict.word().into())),
    },
    Column {
        name: "hosts",
        sentence: "The mail hosts in order of preference: host, status (usable, broken, unseen, not_asked), the code that decided it, covered (by the policy), dane (none, insecure, unusable, match, mismatch, applies, bogus, unknown, untold, not_asked), and how many addresses are usable, broken and unseen.",
        cell: Cell::Structs(HOST_FIELDS, |r| {
            let host = |host: &'_ Host| {
                let sight = host.found.sight();
                vec![
                    Value::Text(Cow::Owned(host.name.clone())),
                    Value::Text(sight.word().into()),
                    sight.code().map_or(Value::Null, |code| Value::Text(code.as_str().into())),
                    host.covered.map_or(Value::Null, Value::Bool),
                    Value::Text(host.dane().into()),
                    Value::Int(host.addresses(|sight| sight == Sight::Passed)),
                    Value::Int(host.addresses(|sight| sight.broken().is_some())),
                    Value::Int(host.addresses(|sight| sight.unknown().is_some())),
                ]
            };
            Some(r.hosts.iter().map(host).collect())
        }),
    },
    Column {
        name: "usable",
        sentence: "How many mail hosts a sender may use: covered, where a policy binds, and authenticated.",
        cell: Cell::Int(|r| number(r.outcome.usable)),
    },
    Column {
        name: "refused",
        sentence: "How many mail hosts are not covered, where a policy binds, or not authenticated: under enforce a sender must not use them.",
        cell: Cell::Int(|r| number(r.outcome.refused)),
    },
    Column {
        name: "unseen",
        sentence: "Of how many mail hosts we do not know.",
        cell: Cell::Int(|r| number(r.outcome.unseen)),
    },
    Column {
        name: "refused_until",
        sentence: "Until when a sender that fetched the policy at observed_at goes on refusing: that time and max_age; null where it does not refuse because of the policy.",
        cell: Cell::Time(|r| r.outcome.refused_until.and_then(column::microseconds)),
    },
    Column {
        name: "reports",
        sentence: "What a sender that tries every host at every address once would report by RFC 8460 4.3: policy_type (sts, tlsa), result_type, and the count of failed sessions.",
        cell: Cell::Structs(REPORT_FIELDS, |r| {
            let report = |report: &'_ Report| {
                vec![
                    Value::Text(report.policy.word().into()),
                    Value::Text(report.result_type.into()),
                    Value::Int(report.count),
                ]
            };
            Some(r.reports.iter().map(report).collect())
        }),
    },
    Column {
        name: "codes",
        sentence: "The distinct codes of what was found at the mail hosts, sorted; finding_codes has those of the domain itself.",
        cell: Cell::Texts(|r| column::codes(r.finding_codes())),
    },
    Column {
        name: "failures",
        sentence: "The distinct codes of what could not be seen of the mail hosts, sorted.",
        cell: Cell::Texts(|r| column::codes(r.failure_codes())),
    },
    Column {
        name: "dane",
        sentence: "What DANE says of all mail hosts together: match, partial, none, insecure, not_asked, unusable, applies, untold, unknown, bogus or mismatch, the worst of them: see hosts.dane.",
        cell: Cell::Word(|r| dane_status(r).map(Cow::Borrowed)),
    },
];
