//! The format of a report (RFC 8460 4.1, 4.4) and of the name of its file (RFC 8460 5.1).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Applied, Detail};

/// Bytes that a file's name may have on the file systems of today.
pub(super) const FILE_NAME_MAX: usize = 255;

/// The range of a report: whole days of UTC (RFC 8460 4.1), here those that a scan touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first second.
    pub begin: Timestamp,
    /// The last second.
    pub end: Timestamp,
}

impl Range {
    /// The whole days from the one of `first` to the one of `last`.
    #[must_use]
    pub fn days(first: Timestamp, last: Timestamp) -> Self {
        const DAY: i64 = 86_400;
        let begin = first.as_second().div_euclid(DAY) * DAY;
        let end = last.max(first).as_second().div_euclid(DAY) * DAY + (DAY - 1);
        let at = |second: i64, otherwise| Timestamp::from_second(second).unwrap_or(otherwise);
        Self { begin: at(begin, first), end: at(end, last) }
    }
}

/// A report as a whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Report<'a> {
    /// The organization that reports.
    pub organization: &'a str,
    /// The mailbox of who is responsible (RFC 5322 3.4.1).
    pub contact: &'a str,
    /// Names the report among all of its reporter.
    pub id: &'a str,
    /// The days that it is about.
    pub range: Range,
    /// The policies.
    pub policies: Vec<Applied>,
}

impl Report<'_> {
    /// The report in the format of RFC 8460 4.4. What is not known is left out: no member is null or empty.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "organization-name": self.organization,
            "date-range": {
                "start-datetime": date_time(self.range.begin),
                "end-datetime": date_time(self.range.end),
            },
            "contact-info": self.contact,
            "report-id": self.id,
            "policies": self.policies.iter().map(Applied::to_json).collect::<Vec<_>>(),
        })
    }
}

/// RFC 3339 5.6, without fractions.
fn date_time(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

impl Applied {
    fn to_json(&self) -> Value {
        let mut policy = Map::new();
        policy.insert("policy-type".into(), self.policy_type.word().into());
        if !self.strings.is_empty() {
            policy.insert("policy-string".into(), self.strings.clone().into());
        }
        policy.insert("policy-domain".into(), self.domain.clone().into());
        if !self.mx_hosts.is_empty() {
            policy.insert("mx-host".into(), self.mx_hosts.clone().into());
        }
        let mut one = Map::new();
        one.insert("policy".into(), policy.into());
        one.insert(
            "summary".into(),
            json!({"total-successful-session-count": self.successful, "total-failure-session-count": self.failed}),
        );
        if !self.details.is_empty() {
            one.insert("failure-details".into(), self.details.iter().map(Detail::to_json).collect());
        }
        one.into()
    }
}

impl Detail {
    fn to_json(&self) -> Value {
        let mut one = Map::new();
        one.insert("result-type".into(), self.result_type.clone().into());
        let told = [
            ("receiving-mx-hostname", &self.host),
            ("receiving-ip", &self.address),
            ("failure-reason-code", &self.reason),
        ];
        for (name, value) in told {
            if let Some(value) = value {
                one.insert(name.into(), value.clone().into());
            }
        }
        one.insert("failed-session-count".into(), self.count.into());
        one.into()
    }
}

/// The name of a report's file (RFC 8460 5.1). A domain too long for a file's name loses labels from the left; the
/// `unique` part, letters and digits, tells it from others.
#[must_use]
pub fn file_name(sender: &str, domain: &str, range: Range, unique: &str, extension: &str) -> String {
    let tail = format!("!{}!{}!{unique}.{extension}", range.begin.as_second(), range.end.as_second());
    let room = FILE_NAME_MAX.saturating_sub(sender.len() + 1 + tail.len());
    let mut shown = domain;
    while shown.len() > room {
        let Some((_, rest)) = shown.split_once('.') else { break };
        shown = rest;
    }
    format!("{sender}!{shown}{tail}")
}
