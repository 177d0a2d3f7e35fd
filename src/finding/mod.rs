//! Findings: what the world got wrong, each by a stable code of the catalogue.
//!
//! Three kinds of wrong are never mixed. A *finding* says that the world broke (or bent) a rule. A
//! [failure](crate::failure) says that we could not see. An [error](crate::error) says that we are broken.

mod catalogue;
mod gather;

pub use catalogue::*;
pub use gather::{Gather, REPEATS_MAX};

use std::fmt;

use serde_json::{Map, Value};

use crate::text;

/// How grave a finding is. The order is the gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Note,
    /// Lawful, but asking for trouble.
    Advice,
    /// Breaks the letter of a standard; a tolerant sender still copes.
    Violation,
    /// No reading saves it.
    Fatal,
}

impl Severity {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Advice => "advice",
            Self::Violation => "violation",
            Self::Fatal => "fatal",
        }
    }
}

/// What sort of statement a code makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The world broke a rule.
    Finding(Severity),
    /// We could not see.
    Failure,
    /// A line of a list that is no domain to scan.
    Reject,
    /// What a domain came to, where no finding or failure says why.
    Verdict,
}

impl Kind {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Finding(_) => "finding",
            Self::Failure => "failure",
            Self::Reject => "reject",
            Self::Verdict => "verdict",
        }
    }
}

/// The part of a survey that a code belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A line of the input list.
    List,
    /// A DNS look-up, of whatever name.
    Dns,
    /// The `_mta-sts` TXT record.
    Record,
    /// Whether an address may be talked to.
    Reach,
    /// The TCP connection.
    Tcp,
    /// The TLS handshake.
    Tls,
    /// The certificate chain.
    Cert,
    /// The HTTP exchange.
    Http,
    /// The policy body and the host that serves it.
    Policy,
    /// The MX records and how the policy covers them.
    Mx,
    /// The conversation with a mail host.
    Smtp,
    /// TLSA records and DNSSEC.
    Dane,
    /// The TLS reporting record.
    Tlsrpt,
    /// What follows from several of these together.
    Sts,
    /// The survey of one domain as a whole.
    Survey,
}

impl Stage {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Dns => "dns",
            Self::Record => "record",
            Self::Reach => "reach",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Cert => "cert",
            Self::Http => "http",
            Self::Policy => "policy",
            Self::Mx => "mx",
            Self::Smtp => "smtp",
            Self::Dane => "dane",
            Self::Tlsrpt => "tlsrpt",
            Self::Sts => "sts",
            Self::Survey => "survey",
        }
    }
}

/// Whose server or record a finding is about: a certificate that has expired means one thing at the policy host and another
/// at a mail host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Place {
    /// What the domain publishes: its records, its policy host, its MX records.
    #[default]
    Domain,
    /// One of the mail hosts that its MX records name.
    MailHost,
}

impl Place {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Domain => "domain",
            Self::MailHost => "mail_host",
        }
    }
}

/// One row of the catalogue: all that is fixed about a code.
#[derive(Debug)]
pub struct Entry {
    /// The stable code, `area.cause` in lower case. Never renamed, never reused.
    pub code: &'static str,
    /// Finding (with its severity), failure, reject or verdict.
    pub kind: Kind,
    /// The part of a survey that it belongs to.
    pub stage: Stage,
    /// The clause that decides, such as `RFC 8461 3.1`, or this project's document where no RFC speaks.
    pub source: &'static str,
    /// The result type that a sender would report by RFC 8460 4.3, where there is one.
    pub result_type: Option<&'static str>,
    /// What it means, in one sentence for people.
    pub sentence: &'static str,
    /// How to mend it; empty where there is nothing to mend.
    pub remedy: &'static str,
}

/// A code of the catalogue. Equal and ordered by its text.
#[derive(Clone, Copy)]
pub struct Code(&'static Entry);

impl Code {
    /// The row of the catalogue.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        self.0
    }

    /// The stable text of the code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0.code
    }

    /// The severity, where the code is that of a finding.
    #[must_use]
    pub fn severity(self) -> Option<Severity> {
        match self.0.kind {
            Kind::Finding(severity) => Some(severity),
            Kind::Failure | Kind::Reject | Kind::Verdict => None,
        }
    }

    /// The result type that a sender would report by RFC 8460 4.3 of this code at that place, where there is one.
    #[must_use]
    pub fn result_type(self, place: Place) -> Option<&'static str> {
        match place {
            Place::Domain => self.0.result_type,
            Place::MailHost => catalogue::result_at_mail_host(self),
        }
    }

    /// The code with this text, if the catalogue has it.
    #[must_use]
    pub fn find(text: &str) -> Option<Self> {
        all().find(|code| code.as_str() == text)
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.0.code == other.0.code
    }
}

impl Eq for Code {}

impl PartialOrd for Code {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Code {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.code.cmp(other.0.code)
    }
}

impl std::hash::Hash for Code {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.code.hash(state);
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.code)
    }
}

/// Each code once, sorted.
#[must_use]
pub fn distinct(codes: impl Iterator<Item = Code>) -> Vec<Code> {
    let mut codes: Vec<Code> = codes.collect();
    codes.sort();
    codes.dedup();
    codes
}

/// The context of a finding or failure, in named fields, so that a row explains itself.
///
/// Text values are cut to [`text::KEPT`] bytes: they may come from a stranger.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail(Vec<(&'static str, Value)>);

impl Detail {
    /// No context.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds one named field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(s) => Value::String(text::cut(s)),
            other => other,
        };
        self.0.push((name, value));
        self
    }

    /// The fields in the order in which they were added.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// The value of a field.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// The fields as a JSON object.
    #[must_use]
    pub fn to_json(&self) -> Map<String, Value> {
        self.0.iter().map(|(n, v)| ((*n).to_owned(), v.clone())).collect()
    }

    /// Whether there is no context.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One thing that the world got wrong, or that is worth knowing.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Which rule.
    pub code: Code,
    /// What it is about, when that is not the whole input: a field name, an mx pattern, a host name. May be empty.
    pub subject: String,
    /// The context: `line`, `field`, `value`, `expected`, `not_after`, …
    pub detail: Detail,
    /// Whose server or record it is about.
    pub place: Place,
}

impl Finding {
    /// A finding without subject or context.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, subject: String::new(), detail: Detail::none(), place: Place::Domain }
    }

    /// Says that it was found at a mail host, which changes what a sender reports.
    #[must_use]
    pub fn at_mail_host(mut self) -> Self {
        self.place = Place::MailHost;
        self
    }

    /// The result type that a sender would report by RFC 8460 4.3, where there is one.
    #[must_use]
    pub fn result_type(&self) -> Option<&'static str> {
        self.code.result_type(self.place)
    }

    /// Names what it is about.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = text::cut(subject.into());
        self
    }

    /// Adds one named field of context.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.detail = self.detail.with(name, value);
        self
    }

    /// The severity by the catalogue. A code that is no finding's counts as a note.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.severity().unwrap_or(Severity::Note)
    }

    /// The finding as JSON: `code`, `severity`, `rfc`, `result_type` and `subject` where they are, then the fields of context.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("code".into(), self.code.as_str().into());
        object.insert("severity".into(), self.severity().word().into());
        object.insert("rfc".into(), self.code.entry().source.into());
        if let Some(result) = self.result_type() {
            object.insert("result_type".into(), result.into());
        }
        if self.place == Place::MailHost {
            object.insert("place".into(), self.place.word().into());
        }
        if !self.subject.is_empty() {
            object.insert("subject".into(), self.subject.clone().into());
        }
        for (name, value) in self.detail.fields() {
            object.insert(name.into(), value.clone());
        }
        Value::Object(object)
    }
}

/// What a reader made of an input: the value, unless something is fatal, and everything that is wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading<T> {
    /// The value in the effective reading. `None` exactly if a finding is fatal.
    pub value: Option<T>,
    /// All findings, in the order of the input.
    pub findings: Vec<Finding>,
}

impl<T> Reading<T> {
    /// A reading: the value is dropped if a finding is fatal.
    #[must_use]
    pub fn new(value: Option<T>, findings: Vec<Finding>) -> Self {
        let fatal = findings.iter().any(|f| f.severity() == Severity::Fatal);
        Self { value: if fatal { None } else { value }, findings }
    }

    /// Whether the input keeps every MUST and the grammar to the letter.
    #[must_use]
    pub fn strict_ok(&self) -> bool {
        self.value.is_some() && self.findings.iter().all(|f| f.severity() < Severity::Violation)
    }

    /// Whether a tolerant but safe sender would use it.
    #[must_use]
    pub fn effective_ok(&self) -> bool {
        self.value.is_some()
    }
}
