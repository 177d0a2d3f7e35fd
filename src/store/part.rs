//! Parts: the Parquet files of one table in one scan, each of bounded rows, bytes and age.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use sha2::{Digest as _, Sha256};

use super::durable::Draft;
use super::encoding;
use super::manifest::PartInfo;
use crate::error::Error;
use crate::text::hex;

/// When a part is full.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows in one part.
    pub rows: u64,
    /// Bytes in one part, as far as they can be told before it is closed.
    pub bytes: u64,
    /// Time between the first row and the commit.
    pub age: Duration,
}

impl Limits {
    /// Few files for a large scan, and little to lose with one of them.
    pub const ROWS: u64 = 1_000_000;
    /// Bounds what an open part holds in memory where rows are large; where they are small, the row group does.
    pub const BYTES: u64 = 64 << 20;
    /// Bounds what a crash costs: rows count as done when their part is committed.
    pub const AGE: Duration = Duration::from_secs(60);
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: Self::ROWS, bytes: Self::BYTES, age: Self::AGE }
    }
}

/// Writes the parts of one table.
pub struct PartWriter {
    table: String,
    /// The directory of the dataset, and where below it the parts go.
    dataset: PathBuf,
    partition: String,
    schema: SchemaRef,
    properties: WriterProperties,
    limits: Limits,
    next: u32,
    open: Option<OpenPart>,
    committed: Vec<PartInfo>,
}

/// A part that has no name yet.
pub(super) struct OpenPart {
    draft: Draft,
    writer: ArrowWriter<Hashed<File>>,
    rows: u64,
    since: Instant,
}

impl PartWriter {
    /// A writer for `partition`, a directory that exists below the dataset.
    pub(super) fn new(
        table: &str,
        dataset: &Path,
        partition: String,
        schema: SchemaRef,
        limits: Limits,
    ) -> Result<Self, Error> {
        let properties = encoding::properties(&schema).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Self {
            table: table.to_owned(),
            dataset: dataset.to_owned(),
            partition,
            schema,
            properties,
            limits,
            next: 0,
            open: None,
            committed: Vec::new(),
        })
    }

    /// Writes rows, and commits the part once it is full.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk refuses; the rows of the open part are then not stored.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        self.append(batch)?;
        if self.is_due(Instant::now()) { self.commit() } else { Ok(()) }
    }

    /// Commits what is left. A table without rows gets one part of no rows, so that a reader's glob finds the schema.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk refuses.
    pub fn finish(mut self) -> Result<Vec<PartInfo>, Error> {
        if self.committed.is_empty() {
            self.begin()?;
        }
        self.commit()?;
        Ok(self.committed)
    }

    /// Writes rows without asking whether the part is full. A batch without rows opens no part.
    pub(super) fn append(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let part = self.begin()?;
        let written = part.writer.write(batch);
        part.rows += batch.num_rows() as u64;
        written.map_err(|error| {
            // What the file holds now is unknown: it goes, with its temporary name.
            self.open = None;
            self.failed(error)
        })
    }

    /// Whether a part is open and full.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.open.as_ref().is_some_and(|part| {
            let bytes = part.writer.bytes_written() + part.writer.in_progress_size();
            part.rows >= self.limits.rows
                || now.saturating_duration_since(part.since) >= self.limits.age
                || u64::try_from(bytes).is_ok_and(|bytes| bytes >= self.limits.bytes)
        })
    }

    /// Whether rows wait for their commit.
    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The number of the next part that is opened.
    pub(super) fn next_number(&self) -> u32 {
        self.next
    }

    /// Leaves out the numbers below `next`. Not while a part is open: it has its number already.
    pub(super) fn number_from(&mut self, next: u32) {
        debug_assert!(self.open.is_none(), "an open part has its number");
        self.next = self.next.max(next);
    }

    /// The open part; a new one, with the next number, where there is none.
    pub(super) fn begin(&mut self) -> Result<&mut OpenPart, Error> {
        if self.open.is_none() {
            let path = self.dataset.join(self.relative_path());
            let (draft, file) = Draft::create(&path).map_err(Error::io(format!("cannot write {}", path.display())))?;
            let writer = ArrowWriter::try_new(Hashed::new(file), self.schema.clone(), Some(self.properties.clone()))
                .map_err(|error| self.failed(error))?;
            self.open = Some(OpenPart { draft, writer, rows: 0, since: Instant::now() });
        }
        Ok(self.open.as_mut().expect("opened above where there was none"))
    }

    /// Closes the open part and gives it its name. Without one, nothing happens.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        let Some(mut part) = self.open.take() else { return Ok(()) };
        let path = self.relative_path();
        // Not into_inner: that makes text of what the disk said to the last bytes of the footer.
        part.writer.finish().map_err(|error| self.failed(error))?;
        let Hashed { inner: file, bytes, digest } = part.writer.inner();
        let (bytes, sha256) = (*bytes, hex(&digest.clone().finalize()));
        part.draft.commit(file).map_err(Error::io(format!("cannot write {}", self.dataset.join(&path).display())))?;
        self.committed.push(PartInfo { table: self.table.clone(), path, rows: part.rows, bytes, sha256 });
        self.next += 1;
        Ok(())
    }

    /// Where the open part, or else the next, stands below the dataset.
    fn relative_path(&self) -> String {
        format!("{}/part-{:06}.parquet", self.partition, self.next)
    }

    fn failed(&self, error: ParquetError) -> Error {
        let what = format!("cannot write {}", self.dataset.join(self.relative_path()).display());
        match error {
            ParquetError::External(source) => match source.downcast::<io::Error>() {
                Ok(source) => Error::Io { what, source: *source },
                Err(other) => Error::Internal(format!("{what}: {other}")),
            },
            other => Error::Internal(format!("{what}: {other}")),
        }
    }
}

/// A writer that counts and digests what goes through it, so that no part is read again for its digest.
struct Hashed<W> {
    inner: W,
    bytes: u64,
    digest: Sha256,
}

impl<W: Write> Hashed<W> {
    fn new(inner: W) -> Self {
        Self { inner, bytes: 0, digest: Sha256::new() }
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(buffer)?;
        self.digest.update(&buffer[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests;
