//! Tables: columns put together under one name, and with them schema, documentation, Arrow batches and JSON.

use std::iter::repeat_n;
use std::sync::Arc;

use arrow_array::{Array as _, ArrayRef, RecordBatch, RecordBatchOptions, StringArray, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use serde::Serialize;
use serde_json::{Map, Value};

use super::array;
use super::encoding::{COMMENT, KIND, WORD};
use crate::column::{Cell, Column};
use crate::error::Error;

/// The column that begins every table.
const SCAN_ID: &str = "scan_id";

/// The sentence of [`SCAN_ID`].
const SCAN_ID_SENTENCE: &str = "The scan that the row belongs to: the time it began (UTC) and a random part.";

/// A table of the dataset, whose rows are `R`.
pub struct Table<R: 'static> {
    name: &'static str,
    columns: Vec<TableColumn<R>>,
    schema: SchemaRef,
}

/// A column with its full name, and its reader bound to the rows of the table.
struct TableColumn<R> {
    name: String,
    type_name: String,
    sentence: &'static str,
    readers: Readers<R>,
}

/// The readers of a column.
struct Readers<R> {
    /// Of many rows, each read.
    array: Box<ReadArray<R>>,
    /// Of one row that stands many times.
    repeated: Box<ReadRepeated<R>>,
    json: Box<ReadJson<R>>,
}

type ReadArray<R> = dyn Fn(&[R]) -> Result<ArrayRef, array::Mismatch> + Send + Sync;
type ReadRepeated<R> = dyn Fn(&R, usize) -> Result<ArrayRef, array::Mismatch> + Send + Sync;
type ReadJson<R> = dyn Fn(&R) -> Value + Send + Sync;

/// What `stscan columns` says of one column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnInfo {
    /// The table.
    pub table: &'static str,
    /// The column, with the prefix of its probe.
    pub name: String,
    /// The type in words, such as `integer` or `list<text>`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// What it holds.
    pub sentence: &'static str,
}

impl<R: 'static> Table<R> {
    /// A table that has `scan_id` and nothing else yet.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        let scan_id = Field::new(SCAN_ID, DataType::Utf8, false).with_metadata(metadata(SCAN_ID_SENTENCE, true));
        Self { name, columns: Vec::new(), schema: Arc::new(Schema::new(vec![scan_id])) }
    }

    /// Adds columns that read the row itself.
    ///
    /// # Panics
    /// As [`Table::probe`].
    #[must_use]
    pub fn columns(mut self, columns: &'static [Column<R>]) -> Self {
        for column in columns {
            let readers = Readers {
                array: Box::new(|rows| array::build(&column.cell, rows.iter().map(Some))),
                repeated: Box::new(|row, count| array::build(&column.cell, repeat_n(Some(row), count))),
                json: Box::new(|row| array::json(&column.cell, row)),
            };
            self.push("", column, readers);
        }
        self
    }

    /// Adds the columns of a probe: `prefix` before each name, null wherever `part` finds nothing in the row.
    ///
    /// # Panics
    /// Where the table has a column of that name already: tables are built from constants, before anything runs.
    #[must_use]
    pub fn probe<S: 'static>(
        mut self,
        prefix: &str,
        columns: &'static [Column<S>],
        part: fn(&R) -> Option<&S>,
    ) -> Self {
        for column in columns {
            let data_type = array::data_type(&column.cell);
            let array = move |rows: &[R]| {
                // Of most domains there is nothing to tell: columns of nothing but nulls are made without reading.
                if rows.iter().all(|row| part(row).is_none()) {
                    return Ok(new_null_array(&data_type, rows.len()));
                }
                array::build(&column.cell, rows.iter().map(part))
            };
            let readers = Readers {
                array: Box::new(array),
                repeated: Box::new(move |row, count| array::build(&column.cell, repeat_n(part(row), count))),
                json: Box::new(move |row| part(row).map_or(Value::Null, |probe| array::json(&column.cell, probe))),
            };
            self.push(prefix, column, readers);
        }
        self
    }

    fn push<S>(&mut self, prefix: &str, column: &'static Column<S>, readers: Readers<R>) {
        let name = format!("{prefix}{}", column.name);
        assert!(self.schema.field_with_name(&name).is_err(), "the table {} has the column {name} twice", self.name);
        let field = Field::new(&name, array::data_type(&column.cell), true)
            .with_metadata(metadata(column.sentence, matches!(column.cell, Cell::Word(_))));
        let fields: Vec<_> = self.schema.fields().iter().cloned().chain([Arc::new(field)]).collect();
        self.schema = Arc::new(Schema::new(fields));
        let type_name = array::type_name(&column.cell);
        self.columns.push(TableColumn { name, type_name, sentence: column.sentence, readers });
    }

    /// The name of the table, which is that of its directory.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The Arrow schema; each field carries its sentence as the metadata `comment`.
    #[must_use]
    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Rows as one Arrow batch, a column at a time.
    ///
    /// # Errors
    /// [`Error::Internal`] where a struct does not match its declaration, or a column would hold 2 GiB.
    pub fn batch(&self, scan_id: &str, rows: &[R]) -> Result<RecordBatch, Error> {
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len() + 1);
        arrays.push(Arc::new(StringArray::from_iter_values(repeat_n(scan_id, rows.len()))));
        for column in &self.columns {
            let array = (column.readers.array)(rows).map_err(|mismatch| self.fault(&column.name, &mismatch))?;
            arrays.push(array);
        }
        self.record_batch(arrays, rows.len())
    }

    /// One row `count` times over: the batch of as many rows that are alike, read only once.
    ///
    /// Most columns of such a row are null; all of one type share one array, so that a batch is small.
    ///
    /// # Errors
    /// As [`Table::batch`].
    pub fn repeated(&self, scan_id: &str, row: &R, count: usize) -> Result<RecordBatch, Error> {
        let mut nulls: Vec<ArrayRef> = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len() + 1);
        arrays.push(Arc::new(StringArray::from_iter_values(repeat_n(scan_id, count))));
        for column in &self.columns {
            let read = |count| (column.readers.repeated)(row, count).map_err(|what| self.fault(&column.name, &what));
            let one = read(1)?;
            arrays.push(if one.null_count() == 0 {
                read(count)?
            } else if let Some(shared) = nulls.iter().find(|nulls| nulls.data_type() == one.data_type()) {
                Arc::clone(shared)
            } else {
                nulls.push(new_null_array(one.data_type(), count));
                Arc::clone(&nulls[nulls.len() - 1])
            });
        }
        self.record_batch(arrays, count)
    }

    fn record_batch(&self, arrays: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, Error> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema(), arrays, &options)
            .map_err(|error| self.fault("*", &error.to_string()))
    }

    fn fault(&self, column: &str, what: &str) -> Error {
        Error::Internal(format!("column {}.{column}: {what}", self.name))
    }

    /// One row as a JSON object with the same names; what the table keeps as null is null.
    #[must_use]
    pub fn json(&self, row: &R) -> Map<String, Value> {
        self.columns.iter().map(|column| (column.name.clone(), (column.readers.json)(row))).collect()
    }

    /// The columns, in order, for documentation.
    #[must_use]
    pub fn describe(&self) -> Vec<ColumnInfo> {
        let scan_id = ColumnInfo {
            table: self.name,
            name: SCAN_ID.to_owned(),
            type_name: "text".to_owned(),
            sentence: SCAN_ID_SENTENCE,
        };
        let rest = self.columns.iter().map(|column| ColumnInfo {
            table: self.name,
            name: column.name.clone(),
            type_name: column.type_name.clone(),
            sentence: column.sentence,
        });
        std::iter::once(scan_id).chain(rest).collect()
    }
}

/// What a field carries beside name and type.
fn metadata(sentence: &'static str, word: bool) -> arrow_schema::Metadata {
    std::iter::once((COMMENT, sentence)).chain(word.then_some((KIND, WORD))).collect()
}

#[cfg(test)]
mod tests;
