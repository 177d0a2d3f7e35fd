//! `stscan codes`: the catalogue of codes, for people and for programs.

use serde_json::{Value, json};

use crate::cli::output;
use crate::error::Error;
use crate::finding::{self, Code, Kind};

/// Prints the catalogue of codes.
#[derive(Debug, clap::Args)]
pub struct CodesArgs {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// Runs `stscan codes`.
///
/// # Errors
/// [`Error::Io`] where standard output cannot be written.
pub fn run(args: &CodesArgs) -> Result<(), Error> {
    output::print(&if args.json { as_json() } else { as_table() })
}

fn as_json() -> String {
    let rows: Vec<Value> = finding::all().map(row).collect();
    Value::from(rows).to_string() + "\n"
}

/// One row of the catalogue: everything that is fixed about a code.
fn row(code: Code) -> Value {
    let entry = code.entry();
    json!({
        "code": entry.code,
        "kind": entry.kind.word(),
        "severity": code.severity().map(finding::Severity::word),
        "stage": entry.stage.word(),
        "rfc": entry.source,
        "result_type": entry.result_type,
        "sentence": entry.sentence,
        "remedy": Some(entry.remedy).filter(|remedy| !remedy.is_empty()),
    })
}

/// A line a code, the columns as wide as the catalogue asks.
fn as_table() -> String {
    let gravity = |code: Code| match code.entry().kind {
        Kind::Finding(severity) => severity.word(),
        kind => kind.word(),
    };
    let widest = finding::all().map(|code| code.as_str().len()).max().unwrap_or_default();
    finding::all()
        .map(|code| {
            let entry = code.entry();
            format!("{:widest$}  {:<9}  {} ({})\n", entry.code, gravity(code), entry.sentence, entry.source)
        })
        .collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_row_of_both_forms() {
        let rows: Vec<Value> = serde_json::from_str(&as_json()).unwrap();
        let table = as_table();
        assert_eq!(rows.len(), finding::all().count());
        assert_eq!(table.lines().count(), rows.len());
        for (code, (row, line)) in finding::all().zip(rows.iter().zip(table.lines())) {
            assert_eq!(row["code"], code.as_str());
            assert_eq!(row["severity"].is_null(), code.severity().is_none());
            assert!(line.starts_with(code.as_str()));
        }
    }

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut seen = std::collections::HashSet::new();
        for code in finding::all() {
            assert!(seen.insert(code.as_str()), "{code} stands twice");
            let lawful = |part: &str| {
                part.starts_with(|c: char| c.is_ascii_lowercase())
                    && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
            };
            assert!(code.as_str().split_once('.').is_some_and(|(area, cause)| lawful(area) && lawful(cause)), "{code}");
            assert_eq!(Code::find(code.as_str()), Some(code));
        }
    }
}
