//! The rows of a scan, read back from its Parquet as any reader would.

use std::collections::BTreeSet;
use std::path::Path;

use crate::error::Error;
use crate::store::reader::{self, Rows};

/// What the comparison needs of a row of `domains`.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) domain: String,
    pub(super) outcome: String,
    pub(super) outcome_code: Option<String>,
    pub(super) announced: Option<bool>,
    pub(super) mode: Option<String>,
    pub(super) finding_codes: BTreeSet<String>,
    pub(super) failure_codes: BTreeSet<String>,
    pub(super) delivery_verdict: Option<String>,
    pub(super) delivery_codes: BTreeSet<String>,
    pub(super) delivery_failures: BTreeSet<String>,
}

const COLUMNS: [&str; 10] = [
    "domain",
    "outcome",
    "outcome_code",
    "announced",
    "policy_mode",
    "finding_codes",
    "failure_codes",
    "delivery_verdict",
    "delivery_codes",
    "delivery_failures",
];

/// All rows of `domains` of one scan.
pub(super) fn read(dataset: &Path, scan_id: &str) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for part in reader::parts(dataset, scan_id, "domains", None)? {
        let read = reader::read(&part, &COLUMNS, &[], |batch| {
            rows.extend((0..batch.len()).map(|index| row(batch, index)));
            Ok(())
        });
        // What this very program has just written is damaged by nobody else.
        read.map_err(|error| match error {
            Error::Input(what) => Error::Internal(what),
            other => other,
        })?;
    }
    Ok(rows)
}

fn row(batch: Rows<'_>, index: usize) -> Row {
    let text = |name: &str| batch.text(name, index).map(str::to_owned);
    let texts = |name: &str| batch.texts(name, index).unwrap_or_default().into_iter().collect();
    Row {
        domain: text("domain").unwrap_or_default(),
        outcome: text("outcome").unwrap_or_default(),
        outcome_code: text("outcome_code"),
        announced: batch.truth("announced", index),
        mode: text("policy_mode"),
        finding_codes: texts("finding_codes"),
        failure_codes: texts("failure_codes"),
        delivery_verdict: text("delivery_verdict"),
        delivery_codes: texts("delivery_codes"),
        delivery_failures: texts("delivery_failures"),
    }
}
