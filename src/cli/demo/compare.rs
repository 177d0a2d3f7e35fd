//! The comparison of a scan's rows with the ground truth: outcome against outcome, and code against code.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::cli::demo::rows::Row;
use crate::lab::Truth;

/// Differences that are printed; the rest is counted.
const SHOWN: usize = 40;
/// What stands for a domain without a row.
const NO_ROW: &str = "(no row)";

/// The truth and the rows, side by side.
pub(super) struct Comparison {
    /// How often each true outcome was seen as which.
    confusion: BTreeMap<(String, String), usize>,
    /// One line for each thing that differs.
    differences: Vec<String>,
    domains: usize,
    codes: BTreeSet<String>,
}

impl Comparison {
    pub(super) fn new(truths: &[(&str, &Truth)], rows: &[Row]) -> Self {
        let mut by_domain: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in rows {
            by_domain.entry(row.domain.as_str()).or_default().push(row);
        }
        let mut comparison =
            Self { confusion: BTreeMap::new(), differences: Vec::new(), domains: truths.len(), codes: BTreeSet::new() };
        for (domain, truth) in truths {
            let canonical = domain.trim_end_matches('.').to_ascii_lowercase();
            match by_domain.remove(canonical.as_str()).as_deref() {
                Some([row]) => comparison.row(domain, truth, row),
                Some(several) => comparison.differences.push(format!("{domain}: {} rows", several.len())),
                None => {
                    comparison.count(&truth.outcome, NO_ROW);
                    comparison.differences.push(format!("{domain}: no row"));
                }
            }
        }
        comparison.differences.extend(by_domain.keys().map(|domain| format!("{domain}: a row that nobody asked for")));
        comparison
    }

    fn count(&mut self, truth: &str, seen: &str) {
        *self.confusion.entry((truth.to_owned(), seen.to_owned())).or_default() += 1;
    }

    fn row(&mut self, domain: &str, truth: &Truth, row: &Row) {
        self.count(&truth.outcome, &row.outcome);
        let codes = [&row.finding_codes, &row.failure_codes, &row.delivery_codes, &row.delivery_failures];
        self.codes.extend(codes.into_iter().flatten().cloned());
        let mut differ = |what: &str, expected: String, seen: String| {
            if expected != seen {
                self.differences.push(format!("{domain}: {what}: the truth is {expected}, the scan says {seen}"));
            }
        };
        let text = |value: Option<&String>| value.cloned().unwrap_or_else(|| "nothing".to_owned());
        differ("outcome", truth.outcome.clone(), row.outcome.clone());
        differ("outcome_code", text(truth.outcome_code.as_ref()), text(row.outcome_code.as_ref()));
        differ("announced", truth.announced.to_string(), row.announced.unwrap_or(false).to_string());
        differ("mode", text(truth.mode.as_ref()), text(row.mode.as_ref()));
        differ("findings", list(&truth.codes), list(&row.finding_codes));
        differ("failures", list(&truth.failures), list(&row.failure_codes));
        differ("verdict", text(truth.verdict.as_ref()), text(row.delivery_verdict.as_ref()));
        differ("findings at the mail hosts", list(&truth.host_codes), list(&row.delivery_codes));
        differ("failures at the mail hosts", list(&truth.host_failures), list(&row.delivery_failures));
    }

    /// Whether every row is as the truth says, to the last code.
    pub(super) fn is_diagonal(&self) -> bool {
        self.differences.is_empty()
    }

    /// The confusion of outcomes, then what differs.
    pub(super) fn page(&self) -> String {
        let words: BTreeSet<&String> = self.confusion.keys().flat_map(|(truth, seen)| [truth, seen]).collect();
        let width = words.iter().map(|word| word.len()).max().unwrap_or(0).max(16);
        let mut page = String::from("  truth \\ seen\n");
        // Writing to a String cannot fail.
        let _ = writeln!(page, "  {:width$}  {}", "", head(&words));
        for truth in &words {
            let cells: String = words
                .iter()
                .map(|seen| {
                    let count = self.confusion.get(&((*truth).clone(), (*seen).clone())).copied().unwrap_or(0);
                    let cell = if count == 0 { ".".to_owned() } else { count.to_string() };
                    format!("{cell:>7}")
                })
                .collect();
            let _ = writeln!(page, "  {truth:width$}  {cells}");
        }
        for (number, word) in words.iter().enumerate() {
            let _ = writeln!(page, "  {:>6} = {word}", format!("[{}]", number + 1));
        }
        let _ = writeln!(page);
        for difference in self.differences.iter().take(SHOWN) {
            let _ = writeln!(page, "  {}", crate::text::shown(difference));
        }
        if self.differences.len() > SHOWN {
            let _ = writeln!(page, "  … and {} differences more", self.differences.len() - SHOWN);
        }
        let verdict = if self.is_diagonal() { "all on the diagonal" } else { "NOT on the diagonal" };
        let _ = writeln!(
            page,
            "  {} domains compared: outcome, verdict, codes ({} distinct), mode: {verdict}, {} differences",
            self.domains,
            self.codes.len(),
            self.differences.len()
        );
        page
    }
}

fn head(words: &BTreeSet<&String>) -> String {
    (1..=words.len()).map(|number| format!("{:>7}", format!("[{number}]"))).collect()
}

fn list(codes: &BTreeSet<String>) -> String {
    if codes.is_empty() { "none".to_owned() } else { codes.iter().cloned().collect::<Vec<_>>().join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(outcome: &str, code: &str) -> Truth {
        Truth { outcome: outcome.into(), outcome_code: Some(code.into()), ..Truth::default() }
    }

    fn row(domain: &str, outcome: &str, code: &str) -> Row {
        Row { domain: domain.into(), outcome: outcome.into(), outcome_code: Some(code.into()), ..Row::default() }
    }

    #[test]
    fn every_kind_of_difference_is_seen() {
        let good = truth("not_announced", "record.none");
        let truths = [("a.test", &good), ("b.test", &good)];
        let right = |domain| row(domain, "not_announced", "record.none");
        assert!(Comparison::new(&truths, &[right("a.test"), right("b.test")]).is_diagonal());
        let wrong = [
            vec![right("a.test")],
            vec![right("a.test"), right("b.test"), right("b.test")],
            vec![right("a.test"), right("b.test"), right("c.test")],
            vec![right("a.test"), row("b.test", "unknown", "record.none")],
            vec![right("a.test"), row("b.test", "not_announced", "dns.timeout")],
            vec![right("a.test"), Row { finding_codes: ["x".into()].into(), ..right("b.test") }],
            vec![right("a.test"), Row { failure_codes: ["x".into()].into(), ..right("b.test") }],
            vec![right("a.test"), Row { mode: Some("enforce".into()), ..right("b.test") }],
            vec![right("a.test"), Row { announced: Some(true), ..right("b.test") }],
            vec![right("a.test"), Row { delivery_verdict: Some("deliver".into()), ..right("b.test") }],
            vec![right("a.test"), Row { delivery_codes: ["x".into()].into(), ..right("b.test") }],
            vec![right("a.test"), Row { delivery_failures: ["x".into()].into(), ..right("b.test") }],
        ];
        for (number, rows) in wrong.iter().enumerate() {
            assert!(!Comparison::new(&truths, rows).is_diagonal(), "case {number}");
        }
    }
}
