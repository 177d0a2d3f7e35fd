//! The rows of the tables, and their columns. The probes bring their own: see [`probe`](crate::probe).

use std::borrow::Cow;

use crate::cert::{self, Facts};
use crate::column::{self, Cell, Column};
use crate::finding::{self, Code, Finding, Reading};
use crate::probe::policy::body_sha256;
use crate::sts::policy::{self, Policy};
use crate::survey::{Judged, Known, Survey, judge};
use crate::target::Target;
use crate::text::hex;

/// A row of `domains`: one accepted input line.
#[derive(Clone, Debug)]
pub struct Domains {
    /// The line.
    pub target: Target,
    /// What was seen, and what it says.
    pub judged: Judged,
    /// The mail hosts, with their evidence as long as it is not stored.
    pub hosts: Vec<Known>,
}

/// A row of `findings`.
#[derive(Clone, Debug)]
pub struct Found {
    /// The number of the domain in the prepared input.
    pub seq: i64,
    /// The domain.
    pub domain: String,
    /// Its rank.
    pub rank: Option<i64>,
    /// The finding.
    pub finding: Finding,
}

/// A row of `policies`: one distinct body.
#[derive(Clone, Debug)]
pub struct Body {
    /// The body.
    pub bytes: Vec<u8>,
    /// What it says.
    pub reading: Reading<Policy>,
}

/// A row of `certificates`: one distinct certificate.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The certificate.
    pub der: Vec<u8>,
    /// What it says; `None` where it cannot be read.
    pub facts: Option<Facts>,
    /// Where it stood in the chain when it was first seen: 0 is the host's own.
    pub position: i64,
}

/// A row of `rejects`: one input line that is no domain.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The number of the line, from 1.
    pub line: i64,
    /// The first bytes of the line.
    pub bytes: Vec<u8>,
    /// Why it is no domain.
    pub code: Code,
}

impl Domains {
    /// The row of a target: the judgement on its survey. That the line may have meant another domain (HOSTILE.md 11)
    /// stands first among its findings.
    #[must_use]
    pub fn new(target: Target, survey: Survey) -> Self {
        let hosts = survey.hosts.clone().unwrap_or_default();
        let mut judged = judge(survey, &target.domain);
        if target.mapped {
            let original = target.original.as_deref().unwrap_or_default();
            judged.findings.insert(0, Finding::new(finding::list::MAPPED).with("original", original));
        }
        Self { target, judged, hosts }
    }

    /// The columns that are no probe's.
    pub const COLUMNS: &'static [Column<Self>] = &[
        Column {
            name: "seq",
            sentence: "The number of the domain in the prepared input, from 0.",
            cell: Cell::Int(|r| Some(r.target.seq)),
        },
        Column {
            name: "domain",
            sentence: "The domain: lower-case A-labels, no final dot.",
            cell: Cell::Text(|r| Some(r.target.domain.as_str().into())),
        },
        Column {
            name: "domain_unicode",
            sentence: "The domain with its A-labels decoded; null where it has none.",
            cell: Cell::Text(|r| {
                r.target.domain.as_str().contains("xn--").then(|| r.target.domain.to_unicode().into())
            }),
        },
        Column {
            name: "registrable_domain",
            sentence: "The registrable domain by the public suffix list; null where the domain is a public suffix.",
            cell: Cell::Text(|r| r.target.domain.registrable().map(Cow::Borrowed)),
        },
        Column {
            name: "public_suffix",
            sentence: "The public suffix, such as co.uk.",
            cell: Cell::Text(|r| r.target.domain.public_suffix().map(Cow::Borrowed)),
        },
        Column {
            name: "rank",
            sentence: "The rank that the list gives the domain.",
            cell: Cell::Int(|r| r.target.rank),
        },
        Column {
            name: "line",
            sentence: "The line of the input that the domain first stood on, from 1.",
            cell: Cell::Int(|r| Some(r.target.line)),
        },
        Column {
            name: "duplicates",
            sentence: "How many further lines named the same domain.",
            cell: Cell::Int(|r| Some(r.target.duplicates)),
        },
        Column {
            name: "original",
            sentence: "The text of the line, where the domain differs from it by more than case and a final dot.",
            cell: Cell::Text(|r| r.target.original.as_deref().map(Cow::Borrowed)),
        },
        Column {
            name: "mapped",
            sentence: "Whether compatibility characters were mapped to others (UTS 46), so that the list may have meant another domain.",
            cell: Cell::Bool(|r| Some(r.target.mapped)),
        },
        Column {
            name: "observed_at",
            sentence: "When the first question was asked.",
            cell: Cell::Time(|r| column::microseconds(r.judged.observed_at)),
        },
        Column {
            name: "elapsed_ms",
            sentence: "Milliseconds that the questions took.",
            cell: Cell::Int(|r| Some(column::milliseconds(r.judged.elapsed))),
        },
        Column {
            name: "attempts",
            sentence: "How often the domain was attempted: more than once where something failed.",
            cell: Cell::Int(|r| Some(i64::from(r.judged.attempts))),
        },
        Column {
            name: "outcome",
            sentence: "What mail to the domain comes to: not_announced, unusable, none, testing, testing_failing, enforce_deliverable, enforce_refused, or unknown where we could not see.",
            cell: Cell::Word(|r| Some(r.judged.decision.outcome.word().into())),
        },
        Column {
            name: "outcome_code",
            sentence: "The code that decided the outcome; null where nothing but the policy did.",
            cell: Cell::Word(|r| r.judged.decision.code.map(|code| code.as_str().into())),
        },
        Column {
            name: "announced",
            sentence: "Whether a record is meant to announce a policy, readable or not; null where the look-up failed.",
            cell: Cell::Bool(|r| {
                let seen = r.judged.record.failure().is_none() && !r.judged.panicked;
                seen.then_some(r.judged.record.announced)
            }),
        },
        Column {
            name: "strict_ok",
            sentence: "Whether record, policy and how it is served keep every MUST and SHOULD; null where nothing is announced, or where we could not see.",
            cell: Cell::Bool(|r| r.judged.strict_ok()),
        },
        Column {
            name: "effective_ok",
            sentence: "Whether a tolerant but safe sender would use record and policy; null likewise.",
            cell: Cell::Bool(|r| r.judged.effective_ok()),
        },
        Column {
            name: "finding_codes",
            sentence: "The distinct codes of what was found of the domain itself, sorted; delivery_codes has those of its mail hosts.",
            cell: Cell::Texts(|r| column::codes(r.judged.finding_codes())),
        },
        Column {
            name: "failure_codes",
            sentence: "The distinct codes of what could not be seen of the domain itself, sorted; delivery_failures has those of its mail hosts.",
            cell: Cell::Texts(|r| column::codes(r.judged.failure_codes())),
        },
    ];
}

impl Found {
    /// The columns.
    pub const COLUMNS: &'static [Column<Self>] = &[
        Column {
            name: "seq",
            sentence: "The number of the domain in the prepared input, the key to domains.",
            cell: Cell::Int(|r| Some(r.seq)),
        },
        Column { name: "domain", sentence: "The domain.", cell: Cell::Text(|r| Some(r.domain.as_str().into())) },
        Column { name: "rank", sentence: "The rank that the list gives the domain.", cell: Cell::Int(|r| r.rank) },
        Column {
            name: "subject",
            sentence: "What the finding is about, where that is not the whole stage: a field, an mx pattern, a host.",
            cell: Cell::Text(|r| (!r.finding.subject.is_empty()).then(|| r.finding.subject.as_str().into())),
        },
        Column {
            name: "code",
            sentence: "The stable code: see stscan codes.",
            cell: Cell::Word(|r| Some(r.finding.code.as_str().into())),
        },
        Column {
            name: "stage",
            sentence: "The part of the survey that the code belongs to.",
            cell: Cell::Word(|r| Some(r.finding.code.entry().stage.word().into())),
        },
        Column {
            name: "severity",
            sentence: "note, advice, violation or fatal.",
            cell: Cell::Word(|r| Some(r.finding.severity().word().into())),
        },
        Column {
            name: "rfc",
            sentence: "The clause that decides.",
            cell: Cell::Word(|r| Some(r.finding.code.entry().source.into())),
        },
        Column {
            name: "result_type",
            sentence: "The result type that a sender would report by RFC 8460 4.3; null where there is none.",
            cell: Cell::Word(|r| r.finding.result_type().map(Cow::Borrowed)),
        },
        Column {
            name: "place",
            sentence: "Whose server or record it is about: domain (records, policy host, MX records) or mail_host.",
            cell: Cell::Word(|r| Some(r.finding.place.word().into())),
        },
        Column {
            name: "detail",
            sentence: "The context as JSON: line, field, value, expected, not_after and so on.",
            cell: Cell::Text(|r| {
                let detail = &r.finding.detail;
                (!detail.is_empty()).then(|| serde_json::Value::Object(detail.to_json()).to_string().into())
            }),
        },
    ];
}

impl Body {
    /// A body with what it says.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        let reading = policy::read(&bytes);
        Self { bytes, reading }
    }

    fn value(&self) -> Option<&Policy> {
        self.reading.value.as_ref()
    }

    /// The columns.
    pub const COLUMNS: &'static [Column<Self>] = &[
        Column {
            name: "body_sha256",
            sentence: "SHA-256 of the body, lower-case hexadecimal.",
            cell: Cell::Text(|r| Some(body_sha256(&r.bytes).into())),
        },
        Column {
            name: "body",
            sentence: "The body, at most 65,536 bytes of it.",
            cell: Cell::Bytes(|r| Some(Cow::Borrowed(&r.bytes))),
        },
        Column {
            name: "strict_ok",
            sentence: "Whether the body keeps every MUST of RFC 8461 3.2.",
            cell: Cell::Bool(|r| Some(r.reading.strict_ok())),
        },
        Column {
            name: "effective_ok",
            sentence: "Whether a tolerant but safe sender would use the body.",
            cell: Cell::Bool(|r| Some(r.reading.effective_ok())),
        },
        Column {
            name: "version",
            sentence: "The version in the effective reading.",
            cell: Cell::Word(|r| r.value().map(|_| "STSv1".into())),
        },
        Column {
            name: "mode",
            sentence: "The mode in the effective reading: enforce, testing or none.",
            cell: Cell::Word(|r| r.value().map(|policy| policy.mode.word().into())),
        },
        Column {
            name: "max_age",
            sentence: "Seconds for which a sender remembers the policy, in the effective reading.",
            cell: Cell::Int(|r| r.value().map(|policy| i64::from(policy.max_age))),
        },
        Column {
            name: "mx",
            sentence: "The mx patterns in the effective reading, in order.",
            cell: Cell::Texts(|r| {
                r.value().map(|policy| policy.mx.iter().map(|pattern| Cow::Borrowed(pattern.as_str())).collect())
            }),
        },
        Column {
            name: "extensions",
            sentence: "The unknown fields in the effective reading, each as name: value.",
            cell: Cell::Texts(|r| {
                r.value().map(|policy| {
                    policy.extensions.iter().map(|(name, value)| Cow::Owned(format!("{name}: {value}"))).collect()
                })
            }),
        },
        Column {
            name: "codes",
            sentence: "The codes of the findings, in the order of the lines.",
            cell: Cell::Texts(|r| column::codes(r.reading.findings.iter().map(|finding| finding.code))),
        },
    ];
}

impl Certificate {
    /// A certificate with what it says.
    #[must_use]
    pub fn new(der: Vec<u8>, position: usize) -> Self {
        let facts = cert::facts(&der);
        Self { der, facts, position: i64::try_from(position).unwrap_or(i64::MAX) }
    }

    /// The columns.
    pub const COLUMNS: &'static [Column<Self>] = &[
        Column {
            name: "cert_sha256",
            sentence: "SHA-256 of the certificate, lower-case hexadecimal.",
            cell: Cell::Text(|r| Some(hex(&cert::sha256(&r.der)).into())),
        },
        Column { name: "der", sentence: "The certificate in DER.", cell: Cell::Bytes(|r| Some(Cow::Borrowed(&r.der))) },
        Column {
            name: "chain_position",
            sentence: "Where it stood in the chain when it was first seen: 0 is the host's own.",
            cell: Cell::Int(|r| Some(r.position)),
        },
        Column {
            name: "subject",
            sentence: "The subject's distinguished name.",
            cell: Cell::Text(|r| r.facts.as_ref().map(|facts| facts.subject.as_str().into())),
        },
        Column {
            name: "issuer",
            sentence: "The issuer's distinguished name.",
            cell: Cell::Text(|r| r.facts.as_ref().map(|facts| facts.issuer.as_str().into())),
        },
        Column {
            name: "serial",
            sentence: "The serial number, hexadecimal.",
            cell: Cell::Text(|r| r.facts.as_ref().map(|facts| facts.serial.as_str().into())),
        },
        Column {
            name: "sans",
            sentence: "The DNS names of the SAN, the first of them where there are very many.",
            cell: Cell::Texts(|r| {
                r.facts.as_ref().map(|facts| facts.sans.iter().map(|name| Cow::Borrowed(name.as_str())).collect())
            }),
        },
        Column {
            name: "not_before",
            sentence: "The beginning of its validity.",
            cell: Cell::Time(|r| r.facts.as_ref().map(|facts| facts.not_before.saturating_mul(1_000_000))),
        },
        Column {
            name: "not_after",
            sentence: "The end of its validity.",
            cell: Cell::Time(|r| r.facts.as_ref().map(|facts| facts.not_after.saturating_mul(1_000_000))),
        },
        Column {
            name: "key_type",
            sentence: "The type of its key, such as rsa or ec.",
            cell: Cell::Word(|r| r.facts.as_ref().map(|facts| facts.key_type.to_string().into())),
        },
        Column {
            name: "key_bits",
            sentence: "The size of its key in bits.",
            cell: Cell::Int(|r| r.facts.as_ref().and_then(|facts| facts.key_bits).map(i64::from)),
        },
        Column {
            name: "spki_sha256",
            sentence: "SHA-256 of its public key (SubjectPublicKeyInfo), lower-case hexadecimal.",
            cell: Cell::Text(|r| r.facts.as_ref().map(|facts| hex(&facts.spki_sha256).into())),
        },
        Column {
            name: "self_signed",
            sentence: "Whether subject and issuer are one, and its own key signed it.",
            cell: Cell::Bool(|r| r.facts.as_ref().map(|facts| facts.self_signed)),
        },
    ];
}

impl Rejected {
    /// The columns.
    pub const COLUMNS: &'static [Column<Self>] = &[
        Column {
            name: "line",
            sentence: "The number of the line in the input, from 1.",
            cell: Cell::Int(|r| Some(r.line)),
        },
        Column {
            name: "bytes",
            sentence: "The first 64 bytes of the line, lower-case hexadecimal.",
            cell: Cell::Text(|r| Some(hex(&r.bytes).into())),
        },
        Column {
            name: "code",
            sentence: "Why the line is no domain: see stscan codes.",
            cell: Cell::Word(|r| Some(r.code.as_str().into())),
        },
    ];
}
