//! Reading back: the parts of a table of one scan, batch by batch, as any reader of Parquet would.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::manifest::Manifest;
use crate::error::Error;

/// Rows that are in memory at once: the widest column (a policy of 64 KiB) then takes 64 MiB.
const BATCH_ROWS: usize = 1_024;

/// The parts of a table, in order: those of the manifest, or else those that are there.
///
/// # Errors
/// [`Error::Io`] where the directory cannot be read.
pub fn parts(dataset: &Path, scan_id: &str, table: &str, manifest: Option<&Manifest>) -> Result<Vec<PathBuf>, Error> {
    if let Some(manifest) = manifest {
        let own = manifest.parts.iter().filter(|part| part.table == table);
        return Ok(own.map(|part| dataset.join(&part.path)).collect());
    }
    let folder = dataset.join(table).join(format!("scan={scan_id}"));
    let cannot = || Error::io(format!("cannot read {}", folder.display()));
    let mut found = Vec::new();
    let entries = match fs::read_dir(&folder) {
        // A table that an older version did not write.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        other => other.map_err(cannot())?,
    };
    for entry in entries {
        let path = entry.map_err(cannot())?.path();
        // Names that begin with a dot are parts that were never committed.
        let is_part = path.extension().is_some_and(|ending| ending == "parquet")
            && !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if is_part {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Gives the rows of a part, batch by batch, with the columns named and no others. A column that is not there reads as
/// null, unless it is one of `required`.
///
/// # Errors
/// [`Error::Io`] where the file cannot be opened, [`Error::Input`] where it is damaged or lacks what is required, and what
/// `each` fails with.
pub fn read(
    path: &Path,
    columns: &[&str],
    required: &[&str],
    mut each: impl FnMut(Rows<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let damaged = |error: &dyn std::fmt::Display| Error::Input(format!("{} is damaged: {error}", path.display()));
    let file = File::open(path).map_err(Error::io(format!("cannot read {}", path.display())))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(&error))?;
    if let Some(missing) = required.iter().find(|name| builder.schema().column_with_name(name).is_none()) {
        return Err(Error::Input(format!("{} has no column {missing}", path.display())));
    }
    let roots: Vec<usize> = columns.iter().filter_map(|name| builder.schema().index_of(name).ok()).collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|error| damaged(&error))?;
    for batch in reader {
        each(Rows(&batch.map_err(|error| damaged(&error))?))?;
    }
    Ok(())
}

/// Some rows of a table. Whatever a cell does not hold, or not in this type, is `None`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a>(&'a RecordBatch);

impl<'a> Rows<'a> {
    /// How many rows.
    #[must_use]
    pub fn len(self) -> usize {
        self.0.num_rows()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A text.
    #[must_use]
    pub fn text(self, name: &str, row: usize) -> Option<&'a str> {
        text(self.0.column_by_name(name)?, row)
    }

    /// A number.
    #[must_use]
    pub fn int(self, name: &str, row: usize) -> Option<i64> {
        int(self.0.column_by_name(name)?, row)
    }

    /// True or false.
    #[must_use]
    pub fn truth(self, name: &str, row: usize) -> Option<bool> {
        truth(self.0.column_by_name(name)?, row)
    }

    /// A time, in microseconds since 1970.
    #[must_use]
    pub fn time(self, name: &str, row: usize) -> Option<i64> {
        let column = self.0.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    /// Bytes.
    #[must_use]
    pub fn bytes(self, name: &str, row: usize) -> Option<&'a [u8]> {
        let column = self.0.column_by_name(name)?.as_binary_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row))
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(self, name: &str, row: usize) -> Option<Vec<String>> {
        let values = self.list(name, row)?;
        Some(values.as_string_opt::<i32>()?.iter().flatten().map(str::to_owned).collect())
    }

    /// A list of structs.
    #[must_use]
    pub fn structs(self, name: &str, row: usize) -> Option<Structs> {
        Some(Structs(self.list(name, row)?.as_struct_opt()?.clone()))
    }

    fn list(self, name: &str, row: usize) -> Option<ArrayRef> {
        let column = self.0.column_by_name(name)?.as_list_opt::<i32>()?;
        column.is_valid(row).then(|| column.value(row))
    }
}

/// The structs of one list.
#[derive(Clone, Debug)]
pub struct Structs(StructArray);

impl Structs {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A text of a struct.
    #[must_use]
    pub fn text(&self, name: &str, at: usize) -> Option<&str> {
        text(self.0.column_by_name(name)?, at)
    }

    /// A number of a struct.
    #[must_use]
    pub fn int(&self, name: &str, at: usize) -> Option<i64> {
        int(self.0.column_by_name(name)?, at)
    }

    /// A truth value of a struct.
    #[must_use]
    pub fn truth(&self, name: &str, at: usize) -> Option<bool> {
        truth(self.0.column_by_name(name)?, at)
    }
}

fn text(column: &ArrayRef, row: usize) -> Option<&str> {
    let column = column.as_string_opt::<i32>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn int(column: &ArrayRef, row: usize) -> Option<i64> {
    let column = column.as_primitive_opt::<Int64Type>()?;
    column.is_valid(row).then(|| column.value(row))
}

fn truth(column: &ArrayRef, row: usize) -> Option<bool> {
    let column = column.as_boolean_opt()?;
    column.is_valid(row).then(|| column.value(row))
}
