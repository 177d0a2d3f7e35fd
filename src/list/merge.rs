//! Runs: sorted rows in temporary files, merged into one order; rows of one domain become one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::row::{RECORD_MAX, Row, decode, encode};
use crate::error::Error;

/// Runs merged at a time: each costs a file and a buffer. A full set is merged to one larger run, and a full set of those
/// to one again: half of the smallest bound on open files that is usual (256), and 64 million names of a top list.
const FAN_IN: usize = 64;

/// Bytes of buffer a run.
const BUFFER: usize = 64 * 1024;

/// Bytes of a key.
const KEY: usize = size_of::<u64>();

/// Who is given rows.
pub(super) type Take<'t> = dyn FnMut(Row<'_>) -> Result<(), Error> + 't;

/// Sorted rows on disk.
pub(super) struct Runs {
    dir: PathBuf,
    files: Vec<File>,
    /// Runs that were merged from others.
    merged: Vec<File>,
}

impl Runs {
    /// No runs yet; their files have no names, and stand where `dir` does.
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), files: Vec::new(), merged: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.merged.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.files.len() + self.merged.len()
    }

    /// Begins a run, whose rows come in order and joined.
    pub(super) fn begin(&self) -> Result<Writer, Error> {
        let file =
            tempfile::tempfile_in(&self.dir).map_err(|source| Error::Create { path: self.dir.clone(), source })?;
        Ok(Writer { file, buffer: Vec::with_capacity(BUFFER + KEY + RECORD_MAX), dir: self.dir.clone() })
    }

    /// Keeps a run that has been written.
    pub(super) fn end(&mut self, run: Writer) -> Result<(), Error> {
        self.files.push(run.finish()?);
        if self.files.len() >= FAN_IN {
            let files = std::mem::take(&mut self.files);
            let larger = self.one(files)?;
            self.merged.push(larger);
        }
        if self.merged.len() >= FAN_IN {
            let files = std::mem::take(&mut self.merged);
            let larger = self.one(files)?;
            self.merged.push(larger);
        }
        Ok(())
    }

    fn one(&self, files: Vec<File>) -> Result<File, Error> {
        let mut run = self.begin()?;
        merge(files, &mut |row| run.push(&row))?;
        run.finish()
    }

    /// Gives the rows of all runs in order.
    pub(super) fn merge(self, take: &mut Take<'_>) -> Result<(), Error> {
        merge(self.merged.into_iter().chain(self.files).collect(), take)
    }
}

/// A run that is being written.
pub(super) struct Writer {
    file: File,
    buffer: Vec<u8>,
    dir: PathBuf,
}

impl Writer {
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), Error> {
        self.buffer.extend_from_slice(&row.key.to_le_bytes());
        encode(row, &mut self.buffer).ok_or_else(|| Error::Internal("a row is too long for a run".to_owned()))?;
        if self.buffer.len() < BUFFER { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        let written = self.file.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(Error::io(format!("cannot write to a temporary file in {}", self.dir.display())))
    }

    fn finish(mut self) -> Result<File, Error> {
        self.flush()?;
        Ok(self.file)
    }
}

/// Merges runs: rows of one domain are joined, and the first line counts.
fn merge(files: Vec<File>, take: &mut Take<'_>) -> Result<(), Error> {
    let mut readers = files.into_iter().map(Reader::new).collect::<io::Result<Vec<_>>>().map_err(unread)?;
    let mut heads = BinaryHeap::with_capacity(readers.len());
    for (number, reader) in readers.iter().enumerate() {
        heads.extend(reader.key().map_err(unread)?.map(|key| Reverse((key, number))));
    }
    let mut same = Vec::new();
    while let Some(&Reverse((key, _))) = heads.peek() {
        same.clear();
        let mut count = 0;
        while let Some(mut head) = heads.peek_mut().filter(|head| head.0.0 == key) {
            let reader = &mut readers[head.0.1];
            let next = reader.take(key, &mut same).and_then(|()| reader.key()).map_err(unread)?;
            count += 1;
            match next {
                Some(next) => head.0.0 = next,
                None => drop(PeekMut::pop(head)),
            }
        }
        each_of(key, &same, count, take)?;
    }
    Ok(())
}

/// Gives the rows of one key: one domain, or (once in 2^64 pairs) two.
fn each_of(key: u64, mut bytes: &[u8], count: usize, take: &mut Take<'_>) -> Result<(), Error> {
    let mut rows = Vec::new();
    while !bytes.is_empty() {
        let (row, length) = decode(key, bytes).ok_or_else(damaged).map_err(unread)?;
        if count == 1 {
            return take(row);
        }
        rows.push(row);
        bytes = &bytes[length..];
    }
    rows.sort_unstable_by_key(|row| (row.domain, row.line));
    for same in rows.chunk_by(|a, b| a.domain == b.domain) {
        // A chunk is never empty.
        let Some(first) = same.first() else { continue };
        let duplicates = same.iter().map(|row| row.duplicates + 1).sum::<i64>() - 1;
        take(Row { duplicates, ..*first })?;
    }
    Ok(())
}

/// A run that is being read back.
struct Reader {
    file: File,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
}

impl Reader {
    fn new(mut file: File) -> io::Result<Self> {
        file.rewind()?;
        let mut reader = Self { file, buffer: vec![0; BUFFER], start: 0, end: 0, at_end: false };
        reader.fill()?;
        Ok(reader)
    }

    /// The key of the next row.
    fn key(&self) -> io::Result<Option<u64>> {
        match &self.buffer[self.start..self.end] {
            [] => Ok(None),
            held => held.first_chunk().map(|key| Some(u64::from_le_bytes(*key))).ok_or_else(damaged),
        }
    }

    /// Adds the next row, whose key is known, to `out`, and goes on to the one behind it.
    fn take(&mut self, key: u64, out: &mut Vec<u8>) -> io::Result<()> {
        let held = self.buffer.get(self.start + KEY..self.end).ok_or_else(damaged)?;
        let (_, length) = decode(key, held).ok_or_else(damaged)?;
        out.extend_from_slice(&held[..length]);
        self.start += KEY + length;
        self.fill()
    }

    /// Makes sure that a whole row is held, where one is left.
    fn fill(&mut self) -> io::Result<()> {
        if self.at_end || self.end - self.start >= KEY + RECORD_MAX {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        while self.end < self.buffer.len() {
            match self.file.read(&mut self.buffer[self.end..]) {
                Ok(0) => {
                    self.at_end = true;
                    break;
                }
                Ok(length) => self.end += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn damaged() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}

fn unread(source: io::Error) -> Error {
    Error::Io { what: "cannot read a temporary file back".to_owned(), source }
}
