//! Findings gathered from one input: all of them, except that one code does not repeat for ever.

use super::{Code, Finding};

/// Findings of one code that are kept from one input. A body of 64 KiB can break a rule 30,000 times; more places than
/// this help nobody to mend it, and the last one kept says how many more there are (`more`).
pub const REPEATS_MAX: usize = 64;

/// Findings in the order of the input.
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

    /// The findings.
    #[must_use]
    pub fn into_findings(mut self) -> Vec<Finding> {
        for count in self.counts {
            if let Some(more) = count.found.checked_sub(REPEATS_MAX).filter(|more| *more > 0) {
                let last = &mut self.findings[count.last];
                last.detail = std::mem::take(&mut last.detail).with("more", more);
            }
        }
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
        gather.add(policy::BOM, |finding| finding);
        for line in 1..=REPEATS_MAX + 3 {
            gather.add(policy::BLANK_LINE, |finding| finding.with("line", line));
        }
        let findings = gather.into_findings();
        assert_eq!(findings.len(), REPEATS_MAX + 1);
        assert_eq!(findings[0].detail.get("more"), None);
        assert_eq!(findings[REPEATS_MAX].detail.get("line"), Some(&REPEATS_MAX.into()));
        assert_eq!(findings[REPEATS_MAX].detail.get("more"), Some(&3.into()));
    }

    #[test]
    fn the_bound_itself_is_kept_whole() {
        let mut gather = Gather::default();
        (0..REPEATS_MAX).for_each(|_| gather.push(Finding::new(policy::BLANK_LINE)));
        let findings = gather.into_findings();
        assert!(findings.len() == REPEATS_MAX && findings.iter().all(|finding| finding.detail.is_empty()));
    }
}
