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
    /// Input lines of this shard, less blank ones, comments and headers: rows + rejects + duplicates.
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
        // Every count by name, so that a new one cannot be forgotten.
        let Self {
            lines,
            rows,
            rejects,
            duplicates,
            blank,
            elsewhere,
            announced,
            strict_ok,
            effective_ok,
            failed,
            hosts,
            verdicts,
            outcomes,
            modes,
            findings,
            failures,
            host_findings,
            host_failures,
        } = other;
        for (own, others) in [
            (&mut self.lines, lines),
            (&mut self.rows, rows),
            (&mut self.rejects, rejects),
            (&mut self.duplicates, duplicates),
            (&mut self.blank, blank),
            (&mut self.elsewhere, elsewhere),
            (&mut self.announced, announced),
            (&mut self.strict_ok, strict_ok),
            (&mut self.effective_ok, effective_ok),
            (&mut self.failed, failed),
        ] {
            *own += others;
        }
        for (own, others) in [
            (&mut self.hosts, hosts),
            (&mut self.verdicts, verdicts),
            (&mut self.outcomes, outcomes),
            (&mut self.modes, modes),
            (&mut self.findings, findings),
            (&mut self.failures, failures),
            (&mut self.host_findings, host_findings),
            (&mut self.host_failures, host_failures),
        ] {
            for (name, count) in others {
                *own.entry(name).or_default() += count;
            }
        }
    }

    /// Counts one row.
    pub fn count(&mut self, row: &Domains) {
        self.count_alike(row, 1);
    }

    /// Counts so many rows that differ from this one in nothing that is counted.
    pub fn count_alike(&mut self, row: &Domains, rows: i64) {
        let judged = &row.judged;
        let if_so = |is_so: bool| if is_so { rows } else { 0 };
        self.rows += rows;
        self.announced += if_so(judged.record.announced);
        self.strict_ok += if_so(judged.strict_ok() == Some(true));
        self.effective_ok += if_so(judged.effective_ok() == Some(true));
        let unseen = judged.delivery.as_ref().is_some_and(|delivery| !delivery.failures.is_empty());
        self.failed += if_so(!judged.failures.is_empty() || unseen);
        if let Some(verdict) = judged.delivery.as_ref().and_then(|delivery| delivery.outcome.verdict) {
            *self.verdicts.entry(verdict.word()).or_default() += rows;
        }
        *self.outcomes.entry(judged.decision.outcome.word()).or_default() += rows;
        if let Some(policy) = judged.policy.as_ref().and_then(|policy| policy.usable())
            && judged.effective_ok() == Some(true)
        {
            *self.modes.entry(policy.mode.word()).or_default() += rows;
        }
        for code in judged.finding_codes() {
            *self.findings.entry(code.as_str()).or_default() += rows;
        }
        for code in judged.failure_codes() {
            *self.failures.entry(code.as_str()).or_default() += rows;
        }
        let Some(delivery) = &judged.delivery else { return };
        for code in delivery.finding_codes() {
            *self.host_findings.entry(code.as_str()).or_default() += rows;
        }
        for code in delivery.failure_codes() {
            *self.host_failures.entry(code.as_str()).or_default() += rows;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A summary in which every count is its own, the same number from one to the next and `step` apart.
    fn summary(step: i64, names: &[&'static str]) -> Summary {
        let mut next = 0;
        let mut one = || {
            next += step;
            next
        };
        let numbers: [i64; 10] = std::array::from_fn(|_| one());
        let mut named = || names.iter().map(|name| (*name, one())).collect::<BTreeMap<_, _>>();
        let [lines, rows, rejects, duplicates, blank, elsewhere, announced, strict_ok, effective_ok, failed] = numbers;
        Summary {
            lines,
            rows,
            rejects,
            duplicates,
            blank,
            elsewhere,
            announced,
            strict_ok,
            effective_ok,
            failed,
            hosts: named(),
            verdicts: named(),
            outcomes: named(),
            modes: named(),
            findings: named(),
            failures: named(),
            host_findings: named(),
            host_failures: named(),
        }
    }

    #[test]
    fn summaries_of_other_rows_add_up_count_by_count() {
        let mut sum = summary(1, &["a", "b"]);
        sum.add(&summary(100, &["a", "b"]));
        assert_eq!(sum, summary(101, &["a", "b"]));
        // What one of them never met counts as none.
        for (one, other) in [(summary(1, &["a"]), Summary::default()), (Summary::default(), summary(1, &["a"]))] {
            let mut sum = one;
            sum.add(&other);
            assert_eq!(sum, summary(1, &["a"]));
        }
    }
}
