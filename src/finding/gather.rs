//! Findings gathered from one input: all of them, except that one code does not repeat for ever.

use serde_json::Value;

use super::{Code, Finding};

/// Findings of one code that are kept from one input. A body of 64 KiB can break a rule 30,000 times; more places than
/// this help nobody to mend it, and the last one kept says how many more there are (`more`).
pub const REPEATS_MAX: usize = 64;

/// Findings in the making.
#[derive(Debug, Default)]
pub struct Gather {
    findings: Vec<Finding>,
    counts: Vec<Count>,
}

/// How often a code was found.
#[derive(Debug)]
struct Count {
    code: Code,
    found: usize,
    /// The place of the last finding kept.
    last: usize,
}

impl Gather {
    /// Adds a finding; `describe` gives it subject and context, and is not called for one that is only counted.
    pub fn add(&mut self, code: Code, describe: impl FnOnce(Finding) -> Finding) {
        let place = self.counts.iter().position(|count| count.code == code).unwrap_or_else(|| {
            self.counts.push(Count { code, found: 0, last: 0 });
            self.counts.len() - 1
        });
        let count = &mut self.counts[place];
        count.found += 1;
        if count.found <= REPEATS_MAX {
            count.last = self.findings.len();
            self.findings.push(describe(Finding::new(code)));
        }
    }

    /// Adds a finding that is described already.
    pub fn push(&mut self, finding: Finding) {
        self.add(finding.code, |_| finding);
    }

    /// The findings, in the order of the input: by the number in their field of context `place`, such as `line`. What has
    /// no place there comes last.
    #[must_use]
    pub fn into_findings(mut self, place: &str) -> Vec<Finding> {
        for count in self.counts {
            if let Some(more) = count.found.checked_sub(REPEATS_MAX).filter(|more| *more > 0) {
                let last = &mut self.findings[count.last];
                last.detail = std::mem::take(&mut last.detail).with("more", more);
            }
        }
        self.findings.sort_by_key(|finding| finding.detail.get(place).and_then(Value::as_u64).unwrap_or(u64::MAX));
        self.findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::policy;

    #[test]
    fn repeats_are_counted_and_not_kept() {
        let mut gather = Gather::default();
        gather.add(policy::MX_MISSING, |finding| finding);
        for line in 1..=REPEATS_MAX + 3 {
            gather.add(policy::BLANK_LINE, |finding| finding.with("line", line));
        }
        let findings = gather.into_findings("line");
        assert_eq!(findings.len(), REPEATS_MAX + 1);
        assert_eq!(findings[0].detail.get("more"), None);
        assert_eq!(findings[REPEATS_MAX - 1].detail.get("line"), Some(&REPEATS_MAX.into()));
        assert_eq!(findings[REPEATS_MAX - 1].detail.get("more"), Some(&3.into()));
        assert_eq!(findings[REPEATS_MAX].code, policy::MX_MISSING, "what has no place comes last");
    }

    #[test]
    fn the_order_is_that_of_the_input() {
        let mut gather = Gather::default();
        for line in [7, 10, 9, 8] {
            gather.add(policy::BLANK_LINE, |finding| finding.with("line", line));
        }
        let lines: Vec<_> =
            gather.into_findings("line").iter().map(|finding| finding.detail.get("line").cloned()).collect();
        assert_eq!(lines, [7, 8, 9, 10].map(|line| Some(Value::from(line))));
    }

    #[test]
    fn the_bound_itself_is_kept_whole() {
        let mut gather = Gather::default();
        (0..REPEATS_MAX).for_each(|_| gather.push(Finding::new(policy::BLANK_LINE)));
        let findings = gather.into_findings("line");
        assert!(findings.len() == REPEATS_MAX && findings.iter().all(|finding| finding.detail.is_empty()));
    }
}
