//! The ground truth of a world: what a scan must make of its domains.

use std::collections::BTreeSet;

/// What a scan must make of a domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// Whether a record announces MTA-STS, well or badly.
    pub announced: bool,
    /// The word of the outcome.
    pub outcome: String,
    /// The code that explains the outcome.
    pub outcome_code: Option<String>,
    /// The codes of all findings but those at the mail hosts.
    pub codes: BTreeSet<String>,
    /// The codes of all failures but those at the mail hosts.
    pub failures: BTreeSet<String>,
    /// The mode of the policy, where the host serves one that is authenticated and can be read.
    pub mode: Option<String>,
    /// What a conforming sender does with mail: deliver, report, refuse or unknown; none where no policy binds it.
    pub verdict: Option<String>,
    /// The codes of all findings at the mail hosts.
    pub host_codes: BTreeSet<String>,
    /// The codes of all failures at the mail hosts.
    pub host_failures: BTreeSet<String>,
}

impl Truth {
    /// Reads one line: a word and what it says.
    pub(super) fn line(&mut self, word: &str, rest: &str) -> Result<(), String> {
        let words = || rest.split_whitespace().map(str::to_owned);
        match word {
            "announced" => {
                self.announced = rest.parse().map_err(|_| format!("announced is true or false, not {rest}"))?;
            }
            "outcome" => {
                let (outcome, code) =
                    rest.split_once(' ').map_or((rest, None), |(outcome, code)| (outcome, Some(code)));
                outcome.clone_into(&mut self.outcome);
                self.outcome_code = code.map(str::to_owned);
            }
            "codes" => self.codes.extend(words()),
            "failures" => self.failures.extend(words()),
            "mode" => self.mode = Some(rest.to_owned()),
            "verdict" => self.verdict = Some(rest.to_owned()),
            "host-codes" => self.host_codes.extend(words()),
            "host-failures" => self.host_failures.extend(words()),
            _ => return Err(format!("unknown word {word}")),
        }
        Ok(())
    }
}
