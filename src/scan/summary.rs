//! The summary of a scan: what a person wants to know at the end, and what the manifest keeps as totals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use crate::probe::host;
use crate::store::Totals;
use crate::survey::Domains;

/// Codes that the summary shows of findings and of failures; the dataset has them all.
const TOP: usize = 10;

/// Counts over the rows of a scan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Input lines, less blank ones, comments and headers: rows + rejects + duplicates.
    pub lines: i64,
    /// Rows of `domains`.
    pub rows: i64,
    /// Rows of `rejects`.
    pub rejects: i64,
    /// Lines that named a domain again.
    pub duplicates: i64,
    /// Blank lines, comments and headers.
    pub blank: i64,
    /// Lines that belong to other shards.
    pub elsewhere: i64,
    /// Domains that announce a policy.
    pub announced: i64,
    /// Of these, the ones whose record and policy keep every MUST and SHOULD.
    pub strict_ok: i64,
    /// Of these, the ones whose record and policy a tolerant but safe sender would use.
    pub effective_ok: i64,
    /// Domains with a failure: something of them, or of their mail hosts, could not be seen.
    pub failed: i64,
    /// Mail hosts at one address each, by status: each counts once, however many domains share it.
    pub hosts: BTreeMap<&'static str, i64>,
    /// Domains under a policy by what a sender does with their mail.
    pub verdicts: BTreeMap<&'static str, i64>,
    /// Rows by outcome.
    pub outcomes: BTreeMap<&'static str, i64>,
    /// Usable policies by mode.
    pub modes: BTreeMap<&'static str, i64>,
    /// Domains by code of finding.
    pub findings: BTreeMap<&'static str, i64>,
    /// Domains by code of failure.
    pub failures: BTreeMap<&'static str, i64>,
    /// Domains by code of what was found at their mail hosts.
    pub host_findings: BTreeMap<&'static str, i64>,
    /// Domains by code of what could not be seen of their mail hosts.
    pub host_failures: BTreeMap<&'static str, i64>,
}

impl Summary {
    /// Adds what was counted over other rows of the same scan.
    pub fn add(&mut self, other: &Self) {
        let _ = other;
    }

    /// Counts one row.
    pub fn count(&mut self, row: &Domains) {
        let judged = &row.judged;
        self.rows += 1;
        self.announced += i64::from(judged.record.announced);
        self.strict_ok += i64::from(judged.strict_ok() == Some(true));
        self.effective_ok += i64::from(judged.effective_ok() == Some(true));
        let unseen = judged.delivery.as_ref().is_some_and(|delivery| !delivery.failures.is_empty());
        self.failed += i64::from(!judged.failures.is_empty() || unseen);
        if let Some(verdict) = judged.delivery.as_ref().and_then(|delivery| delivery.outcome.verdict) {
            *self.verdicts.entry(verdict.word()).or_default() += 1;
        }
        *self.outcomes.entry(judged.decision.outcome.word()).or_default() += 1;
        if let Some(policy) = judged.policy.as_ref().and_then(|policy| policy.usable())
            && judged.effective_ok() == Some(true)
        {
            *self.modes.entry(policy.mode.word()).or_default() += 1;
        }
        for code in judged.finding_codes() {
            *self.findings.entry(code.as_str()).or_default() += 1;
        }
        for code in judged.failure_codes() {
            *self.failures.entry(code.as_str()).or_default() += 1;
        }
        let Some(delivery) = &judged.delivery else { return };
        for code in delivery.finding_codes() {
            *self.host_findings.entry(code.as_str()).or_default() += 1;
        }
        for code in delivery.failure_codes() {
            *self.host_failures.entry(code.as_str()).or_default() += 1;
        }
    }

    /// Counts one row of the mail hosts.
    pub fn count_host(&mut self, row: &host::Row) {
        *self.hosts.entry(row.sight().word()).or_default() += 1;
    }

    /// The counts as the manifest keeps them.
    #[must_use]
    pub fn totals(&self) -> Totals {
        // Counts are never below zero.
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let named = |prefix: &str, counts: &BTreeMap<&'static str, i64>| {
            counts.iter().map(|(name, number)| (format!("{prefix}{name}"), count(*number))).collect::<BTreeMap<_, _>>()
        };
        let mut counts = BTreeMap::from([
            ("announced".to_owned(), count(self.announced)),
            ("strict_ok".to_owned(), count(self.strict_ok)),
            ("effective_ok".to_owned(), count(self.effective_ok)),
            ("failed".to_owned(), count(self.failed)),
        ]);
        counts.extend(named("mode:", &self.modes));
        counts.extend(named("host:", &self.hosts));
        counts.extend(named("verdict:", &self.verdicts));
        counts.extend(named("finding:", &self.findings));
        counts.extend(named("failure:", &self.failures));
        counts.extend(named("host_finding:", &self.host_findings));
        counts.extend(named("host_failure:", &self.host_failures));
        Totals {
            lines: count(self.lines),
            rows: count(self.rows),
            rejects: count(self.rejects),
            duplicates: count(self.duplicates),
            blank: count(self.blank),
            elsewhere: count(self.elsewhere),
            outcomes: named("", &self.outcomes),
            counts,
        }
    }

    /// The summary as a page of text.
    #[must_use]
    pub fn page(&self) -> String {
        let mut page = String::new();
        let mut line = |label: &str, count: i64, note: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(page, "  {label:<36} {count:>8}  {note}");
        };
        line("input lines", self.lines, "");
        line("  domains", self.rows, "");
        line("  rejected", self.rejects, "");
        line("  duplicates", self.duplicates, "");
        if self.elsewhere > 0 {
            line("lines of other shards", self.elsewhere, "");
        }
        line("announced", self.announced, &share(self.announced, self.rows, "of all domains"));
        line("  usable", self.effective_ok, &share(self.effective_ok, self.announced, "of these"));
        line("  to the letter", self.strict_ok, &share(self.strict_ok, self.announced, "of these"));
        for (mode, count) in &self.modes {
            line(&format!("  mode {mode}"), *count, &share(*count, self.effective_ok, "of the usable"));
        }
        line("not seen", self.failed, &share(self.failed, self.rows, "of all domains"));
        let hosts: i64 = self.hosts.values().sum();
        if hosts > 0 {
            line("mail hosts, by address", hosts, "");
        }
        for (status, count) in &self.hosts {
            line(&format!("  {status}"), *count, &share(*count, hosts, "of these"));
        }
        for (outcome, count) in &self.outcomes {
            line(&format!("outcome {outcome}"), *count, "");
        }
        for (title, codes) in [
            ("finding", &self.findings),
            ("failure", &self.failures),
            ("host finding", &self.host_findings),
            ("host failure", &self.host_failures),
        ] {
            for (code, count) in top(codes) {
                line(&format!("{title} {code}"), count, sentence(code));
            }
        }
        page
    }
}

fn share(part: i64, whole: i64, of: &str) -> String {
    if whole == 0 {
        return String::new();
    }
    // Counts of a scan are far below 2^52, so nothing is lost.
    #[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
    let percent = part as f64 * 100.0 / whole as f64;
    format!("{percent:.1} % {of}")
}

fn sentence(code: &str) -> &'static str {
    crate::finding::Code::find(code).map_or("", |code| code.entry().sentence)
}

fn top(codes: &BTreeMap<&'static str, i64>) -> Vec<(&'static str, i64)> {
    let mut sorted: Vec<(&'static str, i64)> = codes.iter().map(|(code, count)| (*code, *count)).collect();
    sorted.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
    sorted.truncate(TOP);
    sorted
}
