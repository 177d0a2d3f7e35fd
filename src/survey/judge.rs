//! The judgement on a survey: probe by probe, then the rules that need several of them (RFC 8461 5, 8.2). Pure.

use std::time::{Duration, SystemTime};

use crate::failure::Failure;
use crate::finding::{self, Code, Finding};
use crate::name::Domain;
use crate::probe::{mx, policy, record, tlsrpt};
use crate::sts::policy::{Mode, Policy};
use crate::sts::sender::{self, Decision, MailHost, MxView, Outcome, PolicyView, RecordView};
use crate::survey::Survey;
use crate::survey::delivery::{self, Delivery};

/// A survey with all that it says.
#[derive(Clone, Debug)]
pub struct Judged {
    /// When the first question was asked.
    pub observed_at: SystemTime,
    /// How long the questions took.
    pub elapsed: Duration,
    /// How often it was attempted.
    pub attempts: u8,
    /// A fault of ours ended the survey: nothing was seen.
    pub panicked: bool,
    /// The record.
    pub record: record::Judged,
    /// The policy, where it was asked for.
    pub policy: Option<Box<policy::Judged>>,
    /// The MX records, where they were asked for.
    pub mx: Option<mx::Judged>,
    /// Delivery to the mail hosts, where the MX records were seen.
    pub delivery: Option<Box<Delivery>>,
    /// The TLS reporting record, where it was asked for.
    pub tlsrpt: Option<tlsrpt::Judged>,
    /// What mail to the domain comes to.
    pub decision: Decision,
    /// Everything that is wrong, or worth knowing, in the order of the stages.
    pub findings: Vec<Finding>,
    /// Everything that could not be seen.
    pub failures: Vec<Failure>,
}

/// Judges a survey.
#[must_use]
pub fn judge(survey: Survey, domain: &Domain) -> Judged {
    let record = record::judge(survey.record);
    let policy = survey.policy.map(|seen| Box::new(policy::judge(*seen)));
    let mut mx = survey.mx.map(|seen| mx::judge(seen, domain));
    let tlsrpt = survey.tlsrpt.map(tlsrpt::judge);

    let mut findings = record.findings.clone();
    findings.extend(policy_findings(record.view, policy.as_deref()));
    // Only a policy that the record announces binds anybody (RFC 8461 3.1).
    let binding =
        policy.as_deref().and_then(policy::Judged::usable).filter(|_| matches!(record.view, RecordView::Usable));
    if let Some(mx) = &mut mx {
        findings.extend(mx.findings.iter().cloned());
        if let Some(policy) = binding {
            cover(policy, mx, &mut findings);
        }
    }
    // Of a domain that nobody asks hosts of, and that no policy binds, delivery says nothing.
    let wanted = mx.as_ref().filter(|_| survey.hosts.is_some() || binding.is_some());
    let hosts = wanted.map(|mx| delivery::hosts(mx, survey.hosts.as_deref(), domain));
    let found = hosts.as_deref().map(delivery::found);
    findings.extend(tlsrpt.iter().flat_map(|tlsrpt| tlsrpt.findings.iter().cloned()));
    findings.extend(delegation_split(&record, policy.as_deref()));
    if let Some(policy) = binding.filter(|policy| policy.mode != Mode::None) {
        findings.extend(without_reports(tlsrpt.as_ref()));
        findings.extend(without_mail(policy, mx.as_ref()));
    }

    let decision = if survey.panicked {
        Decision { outcome: Outcome::Unknown, code: Some(finding::sts::PANIC) }
    } else {
        let view = policy.as_deref().map_or(PolicyView::NotAsked, policy::Judged::view);
        sender::decide(record.view, view, mx_view(mx.as_ref(), found.as_deref()))
    };
    let delivery = hosts.zip(found).map(|(hosts, found)| {
        let binding = binding.filter(|policy| policy.mode != Mode::None);
        Box::new(delivery::deliver(hosts, &found, decision, binding, survey.observed_at))
    });
    let failures = if survey.panicked {
        vec![Failure::new(finding::sts::PANIC)]
    } else {
        failures(&record, policy.as_deref(), mx.as_ref(), tlsrpt.as_ref())
    };
    Judged {
        observed_at: survey.observed_at,
        elapsed: survey.elapsed,
        attempts: survey.attempts,
        panicked: survey.panicked,
        record,
        policy,
        mx,
        delivery,
        tlsrpt,
        decision,
        findings,
        failures,
    }
}

/// What the policy's findings count for, beside this record.
///
/// Behind a record that no sender can read, nobody asks for the policy, so its troubles are nobody's; that it is there
/// is what is worth saying (a contradiction between DNS and HTTPS).
fn policy_findings(record: RecordView, policy: Option<&policy::Judged>) -> Vec<Finding> {
    let Some(policy) = policy else { return Vec::new() };
    let usable = policy.usable().is_some();
    match record {
        RecordView::Usable => {
            let mut findings = policy.findings.clone();
            if let PolicyView::Unusable(code) = policy.view() {
                findings.push(Finding::new(finding::sts::RECORD_WITHOUT_POLICY).with("cause", code.as_str()));
            }
            findings
        }
        RecordView::Unusable(_) if usable => vec![Finding::new(finding::sts::POLICY_WITH_BROKEN_RECORD)],
        RecordView::Absent(_) if usable => vec![Finding::new(finding::sts::POLICY_WITHOUT_RECORD)],
        RecordView::Unusable(_) | RecordView::Absent(_) | RecordView::Failed(_) => Vec::new(),
    }
}

/// Marks each mail host as covered or not (RFC 8461 4.1). A host that is no name is covered by nothing.
fn cover(policy: &Policy, mx: &mut mx::Judged, findings: &mut Vec<Finding>) {
    let hosts: Vec<_> = mx.hosts.iter().map(|host| (&*host.host, host.name.as_ref())).collect();
    let (covered, found) = sender::coverage(policy, &hosts);
    // Under none nothing is judged.
    for (host, covered) in mx.hosts.iter_mut().zip(&covered) {
        host.covered = Some(*covered);
    }
    findings.extend(found);
}

fn mx_view<'a>(mx: Option<&mx::Judged>, hosts: Option<&'a [MailHost]>) -> MxView<'a> {
    match (mx, hosts) {
        (Some(mx), Some(hosts)) => match (mx.failure(), mx.no_mail()) {
            (Some(failure), _) => MxView::Failed(failure.code),
            (None, Some(code)) => MxView::NoMail(code),
            (None, None) => MxView::Hosts(hosts),
        },
        _ => MxView::NotAsked,
    }
}

/// RFC 8461 8.2: record and policy should be delegated to one party.
fn delegation_split(record: &record::Judged, policy: Option<&policy::Judged>) -> Option<Finding> {
    if !matches!(record.view, RecordView::Usable) {
        return None;
    }
    let record = record.seen.answer.as_ref()?.aliases.last()?;
    let policy = policy?.seen.aliases().last()?;
    let party = |name: &'_ str| psl::domain_str(name).unwrap_or(name).to_owned();
    (party(record) != party(policy)).then(|| {
        Finding::new(finding::sts::DELEGATION_SPLIT).with("record", record.as_str()).with("policy", policy.as_str())
    })
}

fn without_reports(tlsrpt: Option<&tlsrpt::Judged>) -> Option<Finding> {
    (tlsrpt?.announced() == Some(false)).then(|| Finding::new(finding::sts::TLSRPT_MISSING))
}

/// A policy for mail that the domain does not take (RFC 7505 3).
fn without_mail(policy: &Policy, mx: Option<&mx::Judged>) -> Option<Finding> {
    let code = mx?.no_mail()?;
    let found =
        if code == finding::mx::NULL { finding::sts::NULL_MX_WITH_POLICY } else { finding::sts::ENFORCE_WITHOUT_MAIL };
    Some(Finding::new(found).with("mode", policy.mode.word()))
}

fn failures(
    record: &record::Judged,
    policy: Option<&policy::Judged>,
    mx: Option<&mx::Judged>,
    tlsrpt: Option<&tlsrpt::Judged>,
) -> Vec<Failure> {
    // Behind a record that is broken nobody asks for the policy; behind none it was asked for on purpose.
    let policy = policy.filter(|_| !matches!(record.view, RecordView::Unusable(_)));
    [
        record.failure(),
        record.seen.elsewhere_failure(),
        policy.and_then(policy::Judged::failure),
        mx.and_then(mx::Judged::failure),
        tlsrpt.and_then(tlsrpt::Judged::failure),
    ]
    .into_iter()
    .flatten()
    .cloned()
    .collect()
}

impl Judged {
    /// Whether record, policy and how it is served keep every MUST and SHOULD; null where nothing is announced, or where
    /// we could not see.
    #[must_use]
    pub fn strict_ok(&self) -> Option<bool> {
        match self.record.view {
            RecordView::Absent(_) | RecordView::Failed(_) => None,
            RecordView::Unusable(_) => Some(false),
            RecordView::Usable => {
                let record = self.record.reading.as_ref()?.reading.strict_ok();
                if record { self.policy.as_ref()?.strict_ok() } else { Some(false) }
            }
        }
    }

    /// Whether a tolerant but safe sender would use record and policy; null likewise.
    #[must_use]
    pub fn effective_ok(&self) -> Option<bool> {
        match self.record.view {
            RecordView::Absent(_) | RecordView::Failed(_) => None,
            RecordView::Unusable(_) => Some(false),
            RecordView::Usable => match self.policy.as_ref()?.view() {
                PolicyView::Usable(_) => Some(true),
                PolicyView::Unusable(_) => Some(false),
                PolicyView::Failed(_) | PolicyView::NotAsked => None,
            },
        }
    }

    /// The DNS questions that were sent for it, each datagram and TCP question counted; those of a first attempt that
    /// failed are not in it.
    #[must_use]
    pub fn questions(&self) -> u64 {
        let record =
            [&self.record.seen.answer, &self.record.seen.sibling, &self.record.seen.apex, &self.record.seen.parent];
        let texts = record.into_iter().chain(self.tlsrpt.iter().map(|tlsrpt| &tlsrpt.seen.answer)).flatten();
        let addresses = self.policy.iter().filter_map(|policy| policy.seen.addresses.as_ref());
        let addresses = addresses.chain(self.mx.iter().filter_map(|mx| mx.seen.apex.as_ref()));
        texts.map(|answer| u64::from(answer.sent)).sum::<u64>()
            + addresses.map(|both| u64::from(both.v4.sent) + u64::from(both.v6.sent)).sum::<u64>()
            + self.mx.iter().map(|mx| u64::from(mx.seen.answer.sent)).sum::<u64>()
    }

    /// The distinct codes of the findings, sorted.
    #[must_use]
    pub fn finding_codes(&self) -> Vec<Code> {
        finding::distinct(self.findings.iter().map(|finding| finding.code))
    }

    /// The distinct codes of the failures, sorted.
    #[must_use]
    pub fn failure_codes(&self) -> Vec<Code> {
        finding::distinct(self.failures.iter().map(|failure| failure.code))
    }
}
