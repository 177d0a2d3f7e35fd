//! The rows of a scan, read back from its Parquet as any reader would.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::error::Error;

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
    let folder = dataset.join("domains").join(format!("scan={scan_id}"));
    let entries = std::fs::read_dir(&folder).map_err(Error::io(format!("cannot read {}", folder.display())))?;
    let mut rows = Vec::new();
    for entry in entries {
        let path = entry.map_err(Error::io(format!("cannot read {}", folder.display())))?.path();
        part(&path, &mut rows)?;
    }
    Ok(rows)
}

fn part(path: &Path, rows: &mut Vec<Row>) -> Result<(), Error> {
    let broken = |error: &dyn std::fmt::Display| Error::Internal(format!("{}: {error}", path.display()));
    let file = File::open(path).map_err(Error::io(format!("cannot read {}", path.display())))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| broken(&error))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), COLUMNS);
    let reader = builder.with_projection(mask).build().map_err(|error| broken(&error))?;
    for batch in reader {
        let batch = batch.map_err(|error| broken(&error))?;
        for index in 0..batch.num_rows() {
            rows.push(Row {
                domain: text(&batch, "domain", index).unwrap_or_default(),
                outcome: text(&batch, "outcome", index).unwrap_or_default(),
                outcome_code: text(&batch, "outcome_code", index),
                announced: truth(&batch, "announced", index),
                mode: text(&batch, "policy_mode", index),
                finding_codes: texts(&batch, "finding_codes", index),
                failure_codes: texts(&batch, "failure_codes", index),
                delivery_verdict: text(&batch, "delivery_verdict", index),
                delivery_codes: texts(&batch, "delivery_codes", index),
                delivery_failures: texts(&batch, "delivery_failures", index),
            });
        }
    }
    Ok(())
}

fn text(batch: &RecordBatch, name: &str, index: usize) -> Option<String> {
    let column = batch.column_by_name(name)?.as_string_opt::<i32>()?;
    column.is_valid(index).then(|| column.value(index).to_owned())
}

fn truth(batch: &RecordBatch, name: &str, index: usize) -> Option<bool> {
    let column = batch.column_by_name(name)?.as_boolean_opt()?;
    column.is_valid(index).then(|| column.value(index))
}

fn texts(batch: &RecordBatch, name: &str, index: usize) -> BTreeSet<String> {
    let Some(column) = batch.column_by_name(name).and_then(|column| column.as_list_opt::<i32>()) else {
        return BTreeSet::new();
    };
    if column.is_null(index) {
        return BTreeSet::new();
    }
    let values = column.value(index);
    let Some(values) = values.as_string_opt::<i32>() else { return BTreeSet::new() };
    values.iter().flatten().map(str::to_owned).collect()
}
