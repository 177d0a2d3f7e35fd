//! The manifest: what a finished scan consists of, file by file, and what it counted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Written last: a scan that has one is whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The scan.
    pub scan_id: String,
    /// The version of schema and layout ([`SCHEMA_VERSION`](super::SCHEMA_VERSION)).
    pub schema: u32,
    /// When everything but this file was stored.
    pub finished_at: jiff::Timestamp,
    /// Every part of every table.
    pub parts: Vec<PartInfo>,
    /// What was counted.
    pub totals: Totals,
}

/// A committed part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartInfo {
    /// The table.
    pub table: String,
    /// Where it stands below the dataset, with `/`.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// What a scan counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Lines of the input that say something. Blank lines and comments count apart.
    pub lines: u64,
    /// Rows of `domains`.
    pub rows: u64,
    /// Lines that are no domain to scan.
    pub rejects: u64,
    /// Lines whose domain stood on an earlier line.
    pub duplicates: u64,
    /// Blank lines and comments.
    pub blank: u64,
    /// Lines that belong to other shards; they are no part of `lines`.
    #[serde(default)]
    pub elsewhere: u64,
    /// Rows of `domains` by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// Other counts by name: questions asked, connections made, …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<String, u64>,
}

impl Totals {
    /// Whether each line of the input is accounted for: rows, rejects and duplicates make up the lines, and the
    /// outcomes make up the rows.
    #[must_use]
    pub fn balance(&self) -> bool {
        self.rows + self.rejects + self.duplicates == self.lines && self.outcomes.values().sum::<u64>() == self.rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_balance_only_where_each_line_is_accounted_for() {
        let outcomes = |n| BTreeMap::from([("not_announced".to_owned(), n)]);
        // lines, rows, rejects, duplicates, outcomes
        let cases = [
            (0, 0, 0, 0, 0, true),
            (10, 7, 2, 1, 7, true),
            (10, 7, 2, 0, 7, false),
            (10, 7, 2, 2, 7, false),
            (10, 7, 2, 1, 6, false),
        ];
        for (lines, rows, rejects, duplicates, outcome, expected) in cases {
            let totals = Totals { lines, rows, rejects, duplicates, outcomes: outcomes(outcome), ..Totals::default() };
            assert_eq!(totals.balance(), expected, "{totals:?}");
        }
    }
}
