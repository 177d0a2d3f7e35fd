//! What a scan stored, held against the truth: read as any reader of Parquet would, without a line of the scanner's.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray as _;
use arrow_array::{Array as _, RecordBatch, StringArray};
use clap::Args;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::clients::{self, Outcome};
use crate::fault::Fault;
use crate::truth::{Digest, Shares, Stands, Truth};

/// Hold the one scan of a dataset against the truth of the responder
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// The dataset
    dataset: PathBuf,
    #[command(flatten)]
    shares: Shares,
}

/// Columns that are read.
const COLUMNS: [&str; 2] = ["domain", "record_status"];

/// Prints what is in the dataset, as an [`Outcome`].
pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let scan = only(&arguments.dataset.join("_scans"))?;
    if !scan.join("manifest.json").is_file() {
        return Err(Fault::new("the scan is not finished"));
    }
    let truth = Truth::new(&arguments.shares);
    let mut outcome = Outcome { found: Some(0), failed: Some(0), wrong: Some(0), ..Outcome::default() };
    for part in entries(&only(&arguments.dataset.join("domains"))?)? {
        read(&part, &truth, &mut outcome)?;
    }
    clients::print(&outcome)
}

fn read(part: &Path, truth: &Truth, outcome: &mut Outcome) -> Result<(), Fault> {
    let what = format!("read {}", part.display());
    let file = File::open(part).map_err(Fault::while_doing(&what))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(Fault::while_doing(&what))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    let batches = builder.with_projection(mask).build().map_err(Fault::while_doing(&what))?;
    for batch in batches {
        let batch = batch.map_err(Fault::while_doing(&what))?;
        let [domains, statuses] = COLUMNS.map(|column| texts(&batch, column));
        for (domain, status) in domains?.iter().zip(statuses?) {
            hold(domain.unwrap_or_default(), status, truth, outcome);
        }
    }
    Ok(())
}

/// Counts one row.
fn hold(domain: &str, status: Option<&str>, truth: &Truth, outcome: &mut Outcome) {
    let count = |count: &mut Option<u64>, more: bool| *count = count.map(|count| count + u64::from(more));
    let seen = match status {
        Some("found") => Some(Stands::Record),
        Some("nodata") => Some(Stands::Other),
        Some("nxdomain") => Some(Stands::Nothing),
        _ => None,
    };
    outcome.domains += 1;
    count(&mut outcome.failed, seen.is_none());
    count(&mut outcome.found, seen == Some(Stands::Record));
    count(&mut outcome.wrong, seen.is_some_and(|seen| seen != truth.of(Digest::of(domain))));
}

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Result<&'a StringArray, Fault> {
    let texts = batch.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    texts
        .filter(|texts| texts.len() == batch.num_rows())
        .ok_or_else(|| Fault::new(format!("there is no text {column}")))
}

/// The one entry of a directory.
fn only(directory: &Path) -> Result<PathBuf, Fault> {
    let mut entries = entries(directory)?;
    entries
        .pop()
        .filter(|_| entries.is_empty())
        .ok_or_else(|| Fault::new(format!("not one scan in {}", directory.display())))
}

/// What a directory holds, but for what is hidden: parts that were never committed.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Fault> {
    let cannot = || Fault::while_doing::<std::io::Error>(format!("read {}", directory.display()));
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(cannot())? {
        let entry = entry.map_err(cannot())?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_held_against_the_truth() {
        let truth = Truth::new(&Shares { found: 0.0, nodata: 0.0, canary: vec!["canary.example".to_owned()] });
        let held = |domain, status| {
            let mut outcome = Outcome { found: Some(0), failed: Some(0), wrong: Some(0), ..Outcome::default() };
            hold(domain, status, &truth, &mut outcome);
            (outcome.found, outcome.failed, outcome.wrong)
        };
        assert_eq!(held("canary.example", Some("found")), (Some(1), Some(0), Some(0)));
        assert_eq!(held("canary.example", Some("nxdomain")), (Some(0), Some(0), Some(1)));
        assert_eq!(held("other.example", Some("nxdomain")), (Some(0), Some(0), Some(0)));
        assert_eq!(held("other.example", Some("nodata")), (Some(0), Some(0), Some(1)));
        assert_eq!(held("other.example", Some("failed")), (Some(0), Some(1), Some(0)));
        assert_eq!(held("other.example", None), (Some(0), Some(1), Some(0)));
    }
}
