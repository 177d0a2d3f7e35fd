//! What a conforming sender makes of it all (RFC 8461 4, 5, annex B): the rules that need more than one probe.

use crate::finding::{self, Code, Finding};
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
    /// The MX hosts in order of preference, each with whether a pattern of the policy covers it.
    Hosts(&'a [bool]),
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
    match mx {
        MxView::Hosts(covered) if !covered.is_empty() && !covered.contains(&true) => {
            Decision::by(Outcome::TestingFailing, finding::mx::NONE_COVERED)
        }
        MxView::Hosts(covered) if covered.contains(&false) => {
            Decision::by(Outcome::TestingFailing, finding::mx::UNCOVERED)
        }
        MxView::Failed(code) | MxView::NoMail(code) => Decision::by(Outcome::Testing, code),
        MxView::NotAsked | MxView::Hosts(_) => Decision::by(Outcome::Testing, finding::sts::DELIVERY_NOT_ASKED),
    }
}

/// RFC 8461 5, "enforce": an MX host that no pattern covers, or that is not authenticated, must not be used. Hosts are
/// tried in order of preference, so the domain is deliverable while one usable host remains.
fn enforce(mx: MxView<'_>) -> Decision {
    match mx {
        MxView::Hosts(covered) if !covered.is_empty() && !covered.contains(&true) => {
            Decision::by(Outcome::EnforceRefused, finding::mx::NONE_COVERED)
        }
        MxView::Failed(code) => Decision::by(Outcome::Unknown, code),
        // Nothing can be delivered, with or without the policy: RFC 7505 3.
        MxView::NoMail(code) => Decision::by(Outcome::EnforceRefused, code),
        MxView::NotAsked | MxView::Hosts(_) => Decision::by(Outcome::Unknown, finding::sts::DELIVERY_NOT_ASKED),
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
    let mut findings: Vec<Finding> = hosts
        .iter()
        .zip(&covered)
        .filter(|(_, covered)| !**covered)
        .map(|((host, _), _)| Finding::new(finding::mx::UNCOVERED).about(*host))
        .collect();
    if !hosts.is_empty() && !covered.contains(&true) {
        findings.push(Finding::new(finding::mx::NONE_COVERED).with("mode", policy.mode.word()));
    }
    (covered, findings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sts::policy;

    fn policy(mode: &str) -> Policy {
        let text = format!("version: STSv1\nmode: {mode}\nmx: *.mail.example\nmx: mx.example\nmax_age: 604800\n");
        policy::read(text.as_bytes()).value.expect("the table's policy is lawful")
    }

    #[test]
    fn the_outcome_is_total() {
        use Outcome as O;
        let (enforce, testing, none) = (policy("enforce"), policy("testing"), policy("none"));
        let usable = PolicyView::Usable;
        let timeout = finding::dns::TIMEOUT;
        let table: &[(RecordView, PolicyView<'_>, MxView<'_>, O, Option<&str>)] = &[
            (
                RecordView::Absent(finding::record::NONE),
                PolicyView::NotAsked,
                MxView::NotAsked,
                O::NotAnnounced,
                Some("record.none"),
            ),
            (RecordView::Failed(timeout), usable(&enforce), MxView::Hosts(&[true]), O::Unknown, Some("dns.timeout")),
            (
                RecordView::Unusable(finding::record::ID_SYNTAX),
                usable(&enforce),
                MxView::Hosts(&[true]),
                O::Unusable,
                Some("record.id_syntax"),
            ),
            (RecordView::Usable, PolicyView::NotAsked, MxView::NotAsked, O::Unknown, Some("survey.not_asked")),
            (RecordView::Usable, PolicyView::Failed(timeout), MxView::NotAsked, O::Unknown, Some("dns.timeout")),
            (
                RecordView::Usable,
                PolicyView::Unusable(finding::http::STATUS),
                MxView::NotAsked,
                O::Unusable,
                Some("http.status"),
            ),
            (RecordView::Usable, usable(&none), MxView::Hosts(&[false]), O::None, None),
            (RecordView::Usable, usable(&none), MxView::Failed(timeout), O::None, None),
            (RecordView::Usable, usable(&testing), MxView::Hosts(&[true]), O::Testing, Some("delivery.not_asked")),
            (
                RecordView::Usable,
                usable(&testing),
                MxView::Hosts(&[true, false]),
                O::TestingFailing,
                Some("mx.uncovered"),
            ),
            (RecordView::Usable, usable(&testing), MxView::Hosts(&[false]), O::TestingFailing, Some("mx.none_covered")),
            (RecordView::Usable, usable(&testing), MxView::Failed(timeout), O::Testing, Some("dns.timeout")),
            (RecordView::Usable, usable(&testing), MxView::NoMail(finding::mx::NULL), O::Testing, Some("mx.null")),
            (RecordView::Usable, usable(&enforce), MxView::Hosts(&[true]), O::Unknown, Some("delivery.not_asked")),
            (
                RecordView::Usable,
                usable(&enforce),
                MxView::Hosts(&[false, true]),
                O::Unknown,
                Some("delivery.not_asked"),
            ),
            (
                RecordView::Usable,
                usable(&enforce),
                MxView::Hosts(&[false, false]),
                O::EnforceRefused,
                Some("mx.none_covered"),
            ),
            (RecordView::Usable, usable(&enforce), MxView::Failed(timeout), O::Unknown, Some("dns.timeout")),
            (
                RecordView::Usable,
                usable(&enforce),
                MxView::NoMail(finding::mx::NULL),
                O::EnforceRefused,
                Some("mx.null"),
            ),
            (RecordView::Usable, usable(&enforce), MxView::NotAsked, O::Unknown, Some("delivery.not_asked")),
        ];
        for (number, (record, policy, mx, outcome, code)) in table.iter().enumerate() {
            let decision = decide(*record, *policy, *mx);
            assert_eq!((decision.outcome, decision.code.map(Code::as_str)), (*outcome, *code), "row {number}");
        }
    }

    #[test]
    fn uncovered_hosts_are_named_one_by_one() {
        let names = ["a.mail.example", "mx.example", "a.b.mail.example", "mail.example"]
            .map(|host| HostName::parse(host).expect("the table's names are lawful"));
        let hosts = names.each_ref().map(|name| (name.as_str(), Some(name)));
        let (covered, findings) = coverage(&policy("enforce"), &hosts);
        assert_eq!(covered, [true, true, false, false]);
        let named: Vec<_> = findings.iter().map(|f| (f.code.as_str(), f.subject.as_str())).collect();
        assert_eq!(named, [("mx.uncovered", "a.b.mail.example"), ("mx.uncovered", "mail.example")]);
        let (_, findings) = coverage(&policy("testing"), &hosts[2..]);
        assert_eq!(findings.last().map(|f| f.code.as_str()), Some("mx.none_covered"));
        assert!(coverage(&policy("none"), &hosts).1.is_empty());
    }

    /// Hosts, whether each is covered, and the findings: code and subject.
    type Row<'a> = (&'a [(&'a str, Option<&'a HostName>)], &'a [bool], &'a [&'a str]);

    #[test]
    fn what_decides_on_coverage_is_always_found() {
        let names = ["mx.example", "mail.example"].map(|host| HostName::parse(host).expect("lawful"));
        let [good, other] = names.each_ref().map(|name| (name.as_str(), Some(name)));
        let no_name = ("mail server.mail.example", None);
        let table: &[Row<'_>] = &[
            (&[], &[], &[]),
            (&[good], &[true], &[]),
            (&[good, no_name], &[true, false], &["mx.uncovered mail server.mail.example"]),
            (&[no_name], &[false], &["mx.uncovered mail server.mail.example", "mx.none_covered "]),
            (
                &[no_name, other],
                &[false, false],
                &["mx.uncovered mail server.mail.example", "mx.uncovered mail.example", "mx.none_covered "],
            ),
            (
                &[no_name, good, other],
                &[false, true, false],
                &["mx.uncovered mail server.mail.example", "mx.uncovered mail.example"],
            ),
        ];
        for mode in ["enforce", "testing"] {
            let policy = policy(mode);
            for (hosts, expected, found) in table {
                let (covered, findings) = coverage(&policy, hosts);
                let named: Vec<_> = findings.iter().map(|f| format!("{} {}", f.code, f.subject)).collect();
                assert_eq!(covered, *expected, "{hosts:?}");
                assert_eq!(named, *found, "{hosts:?}");
                let code = decide(RecordView::Usable, PolicyView::Usable(&policy), MxView::Hosts(&covered)).code;
                if let Some(code) = code.filter(|code| code.as_str().starts_with("mx.")) {
                    assert!(findings.iter().any(|finding| finding.code == code), "{code} under {mode}");
                }
            }
        }
    }
}
