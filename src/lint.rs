//! Lint: bytes judged without a network, one JSON object a line in, one a line out (DESIGN.md, "The command line").
//!
//! An object has a `kind` and what that kind reads; a member that is null counts as absent:
//!
//! - `record`, `tlsrpt`: `input`, the TXT records: a list of them, or one. A record is a string, or a list of its
//!   character-strings. Or `input_base64`, the same in base64, for records that are no UTF-8.
//! - `policy`: `input`, the body as a string, or `input_base64`, its bytes.
//! - `match`: `patterns`, a list of strings, and `host`.

mod lines;

pub use lines::{LINE_MAX, stream};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::finding::policy::TOO_LARGE;
use crate::finding::{Finding, Reading, Severity, mx};
use crate::name::HostName;
use crate::sts::pattern::{self, Pattern};
use crate::sts::serve::BODY_MAX;
use crate::sts::{policy, record};
use crate::text::shown_json;
use crate::tlsrpt;

/// What was made of one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// `record`, `policy`, `match` or `tlsrpt`.
    pub kind: &'static str,
    /// Whether the input keeps every MUST and the grammar to the letter.
    pub strict_ok: bool,
    /// Whether a tolerant but safe sender would use it.
    pub effective_ok: bool,
    /// The value read, by name; null where it cannot be read.
    pub values: Vec<(&'static str, Value)>,
    /// All that is wrong or worth knowing.
    pub findings: Vec<Finding>,
}

impl Answer {
    fn of<T>(
        kind: &'static str,
        reading: Reading<T>,
        values: impl FnOnce(Option<&T>) -> Vec<(&'static str, Value)>,
    ) -> Self {
        Self {
            kind,
            strict_ok: reading.strict_ok(),
            effective_ok: reading.effective_ok(),
            values: values(reading.value.as_ref()),
            findings: reading.findings,
        }
    }

    /// The answer as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("kind".into(), self.kind.into());
        object.insert("strict_ok".into(), self.strict_ok.into());
        object.insert("effective_ok".into(), self.effective_ok.into());
        for (name, value) in &self.values {
            object.insert((*name).into(), value.clone());
        }
        object.insert("findings".into(), self.findings.iter().map(Finding::to_json).collect());
        Value::Object(object)
    }
}

/// Judges the TXT records at `_mta-sts.<domain>`.
#[must_use]
pub fn record<T: AsRef<[u8]>>(texts: &[T]) -> Answer {
    let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
    Answer::of("record", record::read(&texts).reading, |record| {
        vec![("id", record.map(|record| record.id.clone()).into())]
    })
}

/// Judges a policy body. Of one that is longer than [`BODY_MAX`] no sender reads more (RFC 8461 3.3), nor do we.
#[must_use]
pub fn policy(body: &[u8]) -> Answer {
    let mut reading = policy::read(&body[..kept(body)]);
    if body.len() > BODY_MAX {
        reading.findings.push(Finding::new(TOO_LARGE).with("limit", BODY_MAX));
        reading = Reading::new(reading.value, reading.findings);
    }
    Answer::of("policy", reading, |policy| {
        let mx = |policy: &policy::Policy| policy.mx.iter().map(Pattern::as_str).map(Value::from).collect::<Value>();
        vec![
            ("mode", policy.map(|policy| policy.mode.word()).into()),
            ("max_age", policy.map(|policy| policy.max_age).into()),
            ("mx", policy.map(mx).into()),
        ]
    })
}

/// How much of a body is read: a cut must not leave half a UTF-8 character, which is at most 4 bytes, behind.
fn kept(body: &[u8]) -> usize {
    if body.len() <= BODY_MAX {
        return body.len();
    }
    let is_inside = |at: &usize| body[*at] & 0xc0 == 0x80;
    (BODY_MAX - 3..=BODY_MAX).rev().find(|at| !is_inside(at)).unwrap_or(BODY_MAX)
}

/// Judges the TXT records at `_smtp._tls.<domain>`.
#[must_use]
pub fn tlsrpt<T: AsRef<[u8]>>(texts: &[T]) -> Answer {
    let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
    Answer::of("tlsrpt", tlsrpt::read(&texts).reading, |record| {
        vec![("rua", record.map(|record| record.rua.clone()).into())]
    })
}

/// Judges whether the mx of a policy cover an MX host (RFC 8461 4.1).
///
/// Strictly right is a host that is a domain and patterns that are all lawful; usable, a host that DNS can carry and one
/// pattern that can be used. Without any pattern neither holds.
#[must_use]
pub fn matching<T: AsRef<str>>(patterns: &[T], host: &str) -> Answer {
    let mut findings = Vec::new();
    let mut usable = Vec::new();
    for (index, value) in patterns.iter().enumerate() {
        let (pattern, wrong) = Pattern::parse(value.as_ref());
        usable.extend(pattern);
        findings.extend(wrong.into_iter().map(|finding| finding.with("pattern", index)));
    }
    let name = mail_host(host, &mut findings);
    let lawful = findings.iter().all(|finding| finding.severity() < Severity::Violation);
    let effective_ok = name.is_some() && !usable.is_empty();
    let matched = name.is_some_and(|name| usable.iter().any(|pattern| pattern.covers(&name)));
    Answer {
        kind: "match",
        strict_ok: effective_ok && lawful,
        effective_ok,
        values: vec![("matched", matched.into())],
        findings,
    }
}

/// The host as the name that is compared, if DNS can carry it and it is no address. One that is no domain as RFC 5321
/// has it, as with an underscore, is compared all the same, as the survey does.
fn mail_host(host: &str, findings: &mut Vec<Finding>) -> Option<HostName> {
    let bare = host.strip_suffix('.').unwrap_or(host);
    if pattern::is_address(bare) {
        findings.push(Finding::new(mx::ADDRESS).about(host));
        return None;
    }
    let name = HostName::parse(host).ok();
    if !pattern::is_domain(bare) {
        findings.push(Finding::new(mx::NAME).about(host));
    }
    name
}

/// Answers one line of `lint --jsonl` with one JSON object, without line end. Whatever the line is, there is an answer.
#[must_use]
pub fn answer(line: &[u8]) -> String {
    let answer =
        serde_json::from_slice(line).map_err(|error| format!("not JSON: {error}")).and_then(|value| ask(&value));
    match answer {
        Ok(answer) => shown_json(&answer.to_json().to_string()),
        Err(error) => shown_json(&json!({ "error": error }).to_string()),
    }
}

/// Reads the object and asks the rules.
fn ask(value: &Value) -> Result<Answer, String> {
    let object = value.as_object().ok_or("not an object")?;
    match object.get("kind").and_then(Value::as_str) {
        Some("record") => Ok(record(&texts(object)?)),
        Some("tlsrpt") => Ok(tlsrpt(&texts(object)?)),
        Some("policy") => Ok(policy(&body(object)?)),
        Some("match") => {
            let patterns = object.get("patterns").and_then(Value::as_array).ok_or("patterns is no list")?;
            let patterns: Vec<&str> =
                patterns.iter().map(Value::as_str).collect::<Option<_>>().ok_or("a pattern is no string")?;
            let host = object.get("host").and_then(Value::as_str).ok_or("host is no string")?;
            Ok(matching(&patterns, host))
        }
        Some(_) => Err("kind is none of record, policy, match, tlsrpt".into()),
        None => Err("kind is missing, or no string".into()),
    }
}

/// A member of the object. Null counts as absent.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

/// The input, and how a string of it becomes bytes.
type Input<'a> = (&'a Value, fn(&str) -> Result<Vec<u8>, String>);

/// `input`, or `input_base64`: one of them is there.
fn input(object: &Map<String, Value>) -> Result<Input<'_>, String> {
    match (member(object, "input"), member(object, "input_base64")) {
        (Some(value), None) => Ok((value, |text| Ok(text.as_bytes().to_vec()))),
        (None, Some(value)) => {
            Ok((value, |text| STANDARD.decode(text).map_err(|error| format!("input_base64: {error}"))))
        }
        (Some(_), Some(_)) => Err("both input and input_base64 are there".into()),
        (None, None) => Err("neither input nor input_base64 is there".into()),
    }
}

/// The input as TXT records: a list, or a single record; a record is a string, or a list of its character-strings.
fn texts(object: &Map<String, Value>) -> Result<Vec<Vec<u8>>, String> {
    let (value, bytes) = input(object)?;
    let string = |value: &Value| bytes(value.as_str().ok_or("a record is neither a string nor a list of strings")?);
    let record = |record: &Value| match record {
        Value::Array(strings) => {
            strings.iter().map(string).collect::<Result<Vec<_>, _>>().map(|strings| strings.concat())
        }
        _ => string(record),
    };
    match value {
        Value::Array(records) => records.iter().map(record).collect(),
        Value::String(_) => Ok(vec![record(value)?]),
        _ => Err("the input is neither a list of records nor a string".into()),
    }
}

/// The input as a policy body.
fn body(object: &Map<String, Value>) -> Result<Vec<u8>, String> {
    let (value, bytes) = input(object)?;
    bytes(value.as_str().ok_or("the input is no string")?)
}
