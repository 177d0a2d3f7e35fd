//! The page that `check` shows a person: what was asked, what came back, what is wrong and how to mend it, and what
//! follows. Nothing that a stranger sent reaches the terminal unescaped.

mod hosts;

use std::fmt::Write as _;

use crate::cert;
use crate::failure::Failure;
use crate::finding::{Finding, Kind, Severity};
use crate::net::dns::{Addresses, Answer, Lookup, Txt};
use crate::net::https::Fetch;
use crate::probe::mx::Exchange;
use crate::sts::sender::Outcome;
use crate::survey::{Domains, Judged};
use crate::text::{excerpt, shown};

/// Lines of a policy body that are shown; a longer one says how many follow.
const BODY_LINES: usize = 20;
/// Entries of a list that are shown.
const LIST_SHOWN: usize = 12;

/// ANSI colours, or none.
struct Paint(bool);

impl Paint {
    fn with(&self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn severity(&self, severity: Severity) -> String {
        let padded = format!("{:<9}", severity.word());
        match severity {
            Severity::Fatal => self.with("1;31", &padded),
            Severity::Violation => self.with("33", &padded),
            Severity::Advice => self.with("36", &padded),
            Severity::Note => self.with("2", &padded),
        }
    }
}

/// The page of one domain.
pub(super) fn page(row: &Domains, colour: bool) -> String {
    let paint = Paint(colour);
    let judged = &row.judged;
    let domain = row.target.domain.as_str();
    let mut page = Page::default();
    page.line(&paint.with("1", domain));
    page.line(&format!("  {}", sentence(judged)));
    page.line("");
    asked(&mut page, judged, domain);
    body(&mut page, judged);
    hosts::hosts(&mut page, row);
    page.line("");
    let delivery = judged.delivery.as_deref();
    let findings: Vec<&Finding> =
        judged.findings.iter().chain(delivery.iter().flat_map(|delivery| &delivery.findings)).collect();
    let failures: Vec<&Failure> =
        judged.failures.iter().chain(delivery.iter().flat_map(|delivery| &delivery.failures)).collect();
    if findings.is_empty() && failures.is_empty() {
        page.line("  Nothing to mend was found.");
    }
    for finding in sorted(findings) {
        page.finding(finding, &paint);
    }
    for failure in failures {
        page.failure(failure, &paint);
    }
    page.line("");
    page.0
}

/// The text, line by line.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, text: &str) {
        self.0.push_str(text.trim_end());
        self.0.push('\n');
    }

    fn pair(&mut self, question: &str, answer: &str) {
        self.line(&format!("  {question:<48}  {answer}"));
    }

    fn finding(&mut self, finding: &Finding, paint: &Paint) {
        let entry = finding.code.entry();
        let mut head = format!("  {} {:<30} {}", paint.severity(finding.severity()), entry.code, entry.source);
        if let Some(result) = finding.result_type() {
            let _ = write!(head, "  (reported as {result})");
        }
        self.line(&head);
        let mut what = entry.sentence.to_owned();
        if !finding.subject.is_empty() {
            let _ = write!(what, ": {}", shown(&finding.subject));
        }
        self.line(&format!("            {what}"));
        self.details(&finding.detail);
        if !entry.remedy.is_empty() {
            self.line(&format!("            mend: {}", entry.remedy));
        }
    }

    fn failure(&mut self, failure: &Failure, paint: &Paint) {
        let entry = failure.code.entry();
        self.line(&format!("  {} {:<30} {}", paint.with("35", "unseen   "), entry.code, entry.source));
        let subject = if failure.subject.is_empty() { String::new() } else { format!(": {}", shown(&failure.subject)) };
        self.line(&format!("            {}{subject}", entry.sentence));
        self.details(&failure.detail);
    }

    fn details(&mut self, detail: &crate::finding::Detail) {
        let fields: Vec<String> = detail
            .fields()
            .map(|(name, value)| match value.as_str() {
                Some(text) => format!("{name}={}", shown(text)),
                None => format!("{name}={}", shown(&value.to_string())),
            })
            .collect();
        if !fields.is_empty() {
            self.line(&format!("            ({})", fields.join(", ")));
        }
    }
}

/// Gravest first, otherwise as found.
fn sorted(mut sorted: Vec<&Finding>) -> Vec<&Finding> {
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity()));
    sorted
}

/// The outcome in one sentence.
fn sentence(judged: &Judged) -> String {
    let code = judged.decision.code.map(|code| code.entry());
    let why = code.map(|entry| format!(" ({}: {})", entry.code, entry.sentence)).unwrap_or_default();
    match judged.decision.outcome {
        Outcome::NotAnnounced => format!("No MTA-STS policy is announced{why}: senders deliver as they did before."),
        Outcome::Unusable => {
            format!(
                "A policy is announced, but no sender can use it{why}: senders that have none cached deliver as they did before."
            )
        }
        Outcome::None => "The policy says none: senders deliver as if there were no policy.".to_owned(),
        Outcome::Testing => match code {
            None => "The policy is being tested: senders deliver, and there is nothing to report.".to_owned(),
            Some(entry) if matches!(entry.kind, Kind::Finding(_)) => {
                format!("The policy is being tested, and there is nothing to deliver to or to report{why}.")
            }
            Some(_) => {
                format!("The policy is being tested, so senders deliver; what they would report is unknown{why}.")
            }
        },
        Outcome::TestingFailing => {
            format!("The policy is being tested, and senders would report failures{why}; they deliver all the same.")
        }
        Outcome::EnforceDeliverable => "The policy is enforced, and senders can deliver.".to_owned(),
        // Without a verdict, what fails fails with and without the policy.
        Outcome::EnforceRefused if judged.delivery.as_ref().is_some_and(|d| d.outcome.verdict.is_none()) => {
            format!(
                "The policy is enforced, and there is no mail host to deliver to{why}: the policy changes nothing in that."
            )
        }
        Outcome::EnforceRefused => format!("The policy is enforced, and senders refuse to deliver{why}."),
        Outcome::Unknown
            if code.is_some_and(|entry| entry.code == crate::finding::sts::DELIVERY_NOT_ASKED.as_str()) =>
        {
            "The policy is enforced, and covers at least one mail host. Whether that host passes was not asked."
                .to_owned()
        }
        Outcome::Unknown => {
            format!("It could not be seen{why}. That says nothing against the domain: try again later.")
        }
    }
}

fn asked(page: &mut Page, judged: &Judged, domain: &str) {
    if let Some(answer) = &judged.record.seen.answer {
        page.pair(&format!("TXT _mta-sts.{domain}"), &txt(answer));
    }
    if let Some(policy) = &judged.policy
        && let (Some(host), Some(addresses)) = (&policy.seen.host, &policy.seen.addresses)
    {
        page.pair(&format!("A, AAAA {host}"), &all(addresses));
        if let Some(fetch) = &policy.seen.fetch {
            page.pair(&format!("GET https://{host}/.well-known/mta-sts.txt"), &fetched(fetch));
        }
    }
    if let Some(mx) = &judged.mx {
        let hosts: Vec<String> = mx.hosts.iter().map(exchange).collect();
        let text = match mx.failure() {
            Some(failure) => failure.code.to_string(),
            None if hosts.is_empty() => "no mail host".to_owned(),
            None => bounded(&hosts),
        };
        page.pair(&format!("MX {domain}"), &text);
    }
    if let Some(answer) = judged.tlsrpt.as_ref().and_then(|tlsrpt| tlsrpt.seen.answer.as_ref()) {
        page.pair(&format!("TXT _smtp._tls.{domain}"), &txt(answer));
    }
}

fn bounded(list: &[String]) -> String {
    let mut text = list.iter().take(LIST_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if list.len() > LIST_SHOWN {
        let _ = write!(text, " and {} more", list.len() - LIST_SHOWN);
    }
    text
}

fn txt(answer: &Answer<Txt>) -> String {
    let alias = answer.aliases.last().map(|target| format!(" (alias of {})", shown(target))).unwrap_or_default();
    let text = match &answer.lookup {
        Lookup::Found(set) => {
            let texts: Vec<String> =
                set.records.iter().map(|txt| format!("\"{}\"", shown(&excerpt(&txt.bytes)))).collect();
            format!("{}  (ttl {}, {})", bounded(&texts), set.ttl, answer.security.word())
        }
        Lookup::NoData => "no such record".to_owned(),
        Lookup::NxDomain => "no such name".to_owned(),
        Lookup::Failed(failure) => failure.code.to_string(),
    };
    text + &alias
}

fn all(addresses: &Addresses) -> String {
    let all: Vec<String> = addresses.all().iter().map(ToString::to_string).collect();
    let alias = addresses.aliases().last().map(|target| format!(" (alias of {})", shown(target))).unwrap_or_default();
    if !all.is_empty() {
        return bounded(&all) + &alias;
    }
    let failed = match (&addresses.v4.lookup, &addresses.v6.lookup) {
        (Lookup::Failed(failure), _) | (_, Lookup::Failed(failure)) => Some(failure.code),
        _ => None,
    };
    failed.map_or_else(|| "no address".to_owned(), |code| code.to_string()) + &alias
}

fn fetched(fetch: &Fetch) -> String {
    let mut parts = Vec::new();
    if let Some(response) = &fetch.response {
        let media = response.content_types.first().map(|value| shown(&excerpt(value)));
        parts.push(format!("{} {}", response.status, media.unwrap_or_else(|| "without media type".to_owned())));
        parts.push(format!("{} bytes", response.body.len()));
        if let Some(location) = &response.location {
            parts.push(format!("Location {} (not followed)", shown(&excerpt(location))));
        }
    }
    if let Some(failure) = &fetch.failure {
        parts.push(failure.code.to_string());
    }
    if let Some(tls) = &fetch.tls {
        parts.push(format!("TLS {}", tls.version));
    }
    if let Some(verdict) = &fetch.verdict {
        parts.push(if verdict.authenticated { "certificate ok".to_owned() } else { "certificate refused".to_owned() });
        if let Some(facts) = fetch.chain.first().and_then(|der| cert::facts(der))
            && let Ok(until) = jiff::Timestamp::from_second(facts.not_after)
        {
            parts.push(format!("valid until {until}"));
        }
    }
    parts.join(", ")
}

fn exchange(host: &Exchange) -> String {
    let covered = match host.covered {
        Some(true) => " (covered)",
        Some(false) => " (NOT covered)",
        None => "",
    };
    let preference = host.preference.map_or_else(|| "implicit".to_owned(), |preference| preference.to_string());
    format!("{preference} {}{covered}", shown(&host.host))
}

/// The policy's text, as far as it is a text.
fn body(page: &mut Page, judged: &Judged) {
    let fetch = judged.policy.as_ref().and_then(|policy| policy.seen.fetch.as_ref());
    let Some(response) = fetch.and_then(|fetch| fetch.response.as_ref()).filter(|response| !response.body.is_empty())
    else {
        return;
    };
    page.line("");
    // What stands behind a bad certificate or under another status is shown, and said not to count (RFC 8461 3.3).
    if judged.policy.as_ref().is_some_and(|policy| policy.usable().is_none()) {
        page.line("    served, but of no use to a sender:");
    }
    let text = response.body.strip_suffix(b"\n").unwrap_or(&response.body);
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    for line in lines.iter().take(BODY_LINES) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        page.line(&format!("    | {}", shown(&excerpt(line))));
    }
    if lines.len() > BODY_LINES {
        page.line(&format!("    | … and {} lines more", lines.len() - BODY_LINES));
    }
}
