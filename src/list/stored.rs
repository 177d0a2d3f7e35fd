//! The prepared list on disk: numbered targets with a digest, written whole or not at all, and read back as a stream.
//!
//! `input.tsv.zst` holds one target a line, the first of number 0: domain, line, rank, duplicates, `1` if mapped, original;
//! empty, or 0, where there is none, and left out where nothing comes behind it, as in nearly every line of most lists.
//! `input.json` holds the counts, the digest of the unpacked text, and the facts of each source.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use memchr::memchr;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::Target;
use super::row::Row;
use crate::error::Error;
use crate::name::Domain;
use crate::text::hex;

const LIST: &str = "input.tsv.zst";
const FACTS: &str = "input.json";

/// Bytes of one stored line: a domain, its bounded original, and numbers. A longer one was not written by us.
const LINE_MAX: usize = 4096;
/// Bytes of text that are packed, unpacked and hashed at a time.
const BUFFER: usize = 128 * 1024;
/// The level of zstd: the fastest that saves half.
const LEVEL: i32 = 1;

/// A list that is ready to be scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The file with the targets.
    #[serde(skip)]
    pub path: PathBuf,
    /// Targets. Rows, rejects and duplicates together are the lines.
    pub rows: i64,
    /// Lines of the input that should hold a name: all but blank and skipped ones, and those of other shards.
    pub lines: i64,
    /// Lines that name no domain to survey.
    pub rejects: i64,
    /// Lines that name a domain again.
    pub duplicates: i64,
    /// Lines that are white space or a comment.
    pub blank: i64,
    /// Lines that by their format hold no name: headers, records that delegate nothing.
    pub skipped: i64,
    /// Lines that should hold a name, and belong to other shards.
    #[serde(default)]
    pub elsewhere: i64,
    /// SHA-256 of the targets as text, before compression. The same sources, options and seed give the same.
    pub sha256: String,
    /// What was read, in order.
    pub sources: Vec<SourceFacts>,
}

/// What is known of one source once it has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFacts {
    /// The path as it was given; `-` is standard input.
    pub name: String,
    /// Bytes as they were stored.
    pub bytes: i64,
    /// SHA-256 of these bytes.
    pub sha256: String,
    /// How they were packed: `none`, `gzip`, `zstd` or `zip`.
    pub packing: String,
    /// The format of the lines: `plain`, `csv` or `zone`.
    pub format: String,
    /// The column of the names, from 1, where the format has columns.
    pub column: Option<i64>,
    /// Lines of it that should hold a name, of this shard or another.
    pub lines: i64,
}

impl Prepared {
    /// Reopens the list of a directory, and reads it through to see that nothing of it has changed.
    ///
    /// # Errors
    /// [`Error::Input`] where there is none, or it is not as it was written.
    pub fn load(work_dir: &Path) -> Result<Self, Error> {
        let facts = work_dir.join(FACTS);
        let text = fs::read(&facts)
            .map_err(|error| Error::Input(format!("no prepared list: cannot read {}: {error}", facts.display())))?;
        let read: Self = serde_json::from_slice(&text)
            .map_err(|error| Error::Input(format!("{} is damaged: {error}", facts.display())))?;
        let prepared = Self { path: work_dir.join(LIST), ..read };
        for target in prepared.targets()? {
            target?;
        }
        Ok(prepared)
    }

    /// The targets in their order.
    ///
    /// # Errors
    /// [`Error::Io`] where the file cannot be opened. The iterator ends with an [`Error::Input`] where the file is not
    /// as it was written.
    pub fn targets(&self) -> Result<Targets, Error> {
        let what = || format!("cannot read {}", self.path.display());
        let file = File::open(&self.path).map_err(Error::io(what()))?;
        let text = zstd::Decoder::new(file).map_err(Error::io(what()))?;
        Ok(Targets {
            text,
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            rows: self.rows,
            seen: 0,
            hasher: Sha256::new(),
            buffer: vec![0; BUFFER].into_boxed_slice(),
            start: 0,
            end: 0,
            over: false,
        })
    }
}

/// The targets of a prepared list, in order.
pub struct Targets {
    text: zstd::Decoder<'static, BufReader<File>>,
    path: PathBuf,
    sha256: String,
    rows: i64,
    seen: i64,
    hasher: Sha256,
    buffer: Box<[u8]>,
    /// What is held of the text, all of it hashed.
    start: usize,
    end: usize,
    over: bool,
}

impl Targets {
    fn read(&mut self) -> Result<Option<Target>, Error> {
        let length = loop {
            let held = &self.buffer[self.start..self.end];
            if let Some(length) = memchr(b'\n', held) {
                break length;
            }
            if !self.fill()? {
                return self.end();
            }
        };
        let target = parse(self.seen, &self.buffer[self.start..self.start + length]);
        let target = target.ok_or_else(|| self.changed(&format!("row {} cannot be read", self.seen)))?;
        self.start += length + 1;
        self.seen += 1;
        Ok(Some(target))
    }

    /// Reads and hashes more of the text. Says whether there was more.
    fn fill(&mut self) -> Result<bool, Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.end > LINE_MAX {
            return Err(self.changed(&format!("row {} is too long", self.seen)));
        }
        let length = loop {
            match self.text.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let length = length.map_err(|error| match error.raw_os_error() {
            Some(_) => Error::Io { what: format!("cannot read {}", self.path.display()), source: error },
            None => self.changed(&error.to_string()),
        })?;
        self.hasher.update(&self.buffer[self.end..self.end + length]);
        self.end += length;
        Ok(length > 0)
    }

    /// Only the end can tell that no line is missing, changed or added.
    fn end(&mut self) -> Result<Option<Target>, Error> {
        let digest = hex(&std::mem::take(&mut self.hasher).finalize());
        match (self.seen == self.rows, digest == self.sha256) {
            (true, true) => Ok(None),
            (false, _) => Err(self.changed("the number of rows is another")),
            (true, false) => Err(self.changed("the digest is another")),
        }
    }

    fn changed(&self, why: &str) -> Error {
        Error::Input(format!("{} is not as it was written: {why}", self.path.display()))
    }
}

impl Iterator for Targets {
    type Item = Result<Target, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let read = self.read().transpose();
        self.over = !matches!(read, Some(Ok(_)));
        read
    }
}

fn parse(seq: i64, mut text: &[u8]) -> Option<Target> {
    let rest = &mut text;
    let domain = Domain::stored(cell(rest))?;
    let line = number(cell(rest))??;
    let (rank, duplicates) = (number(cell(rest))?, number(cell(rest))?.unwrap_or(0));
    let mapped = cell(rest) == b"1";
    let original = match *rest {
        b"" => None,
        text => Some(std::str::from_utf8(text).ok()?.to_owned()),
    };
    Some(Target { seq, domain, rank, line, original, mapped, duplicates })
}

/// Takes the text up to a tab, or to the end.
fn cell<'t>(rest: &mut &'t [u8]) -> &'t [u8] {
    let end = memchr(b'\t', rest).unwrap_or(rest.len());
    let (cell, behind) = rest.split_at(end);
    *rest = behind.get(1..).unwrap_or_default();
    cell
}

/// Reads a number as [`put_number`] writes it. `Some(None)` where nothing stands there.
fn number(digits: &[u8]) -> Option<Option<i64>> {
    let mut number = None;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        number = Some(number.unwrap_or(0_i64).checked_mul(10)?.checked_add(digit)?);
    }
    Some(number)
}

/// Adds a number in decimal digits. Counts and ranks are never below zero.
fn put_number(number: i64, out: &mut Vec<u8>) {
    let (mut digits, mut first) = ([b'0'; 20], 20);
    let mut left = number.unsigned_abs();
    while left > 0 || first == 20 {
        first -= 1;
        digits[first] = b'0' + (left % 10) as u8;
        left /= 10;
    }
    out.extend_from_slice(&digits[first..]);
}

/// A list that is being written. Dropped unfinished, it leaves nothing behind.
pub(super) struct Writer {
    dir: PathBuf,
    out: zstd::Encoder<'static, BufWriter<NamedTempFile>>,
    /// Lines that are still to be hashed and packed.
    text: Vec<u8>,
    hasher: Sha256,
    rows: i64,
}

/// What the lines of the input came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) lines: i64,
    pub(super) rejects: i64,
    pub(super) duplicates: i64,
    pub(super) blank: i64,
    pub(super) skipped: i64,
    pub(super) elsewhere: i64,
}

impl Counts {
    /// Lines that should hold a name, whichever shard they belong to.
    pub(super) fn of_all_shards(&self) -> i64 {
        self.lines + self.elsewhere
    }
}

impl Writer {
    pub(super) fn new(dir: &Path) -> Result<Self, Error> {
        let started = temporary(dir).and_then(|file| {
            let mut out = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
            out.include_checksum(true)?;
            Ok(out)
        });
        let out = started.map_err(|source| Error::Create { path: dir.join(LIST), source })?;
        let text = Vec::with_capacity(BUFFER + LINE_MAX);
        Ok(Self { dir: dir.to_owned(), out, text, hasher: Sha256::new(), rows: 0 })
    }

    /// Gives a row the next number.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let text = &mut self.text;
        // No tab and no line end can be inside: a name has none, and an original with one was rejected.
        text.extend_from_slice(row.domain);
        text.push(b'\t');
        put_number(row.line, text);
        if row.rank.is_some() || row.duplicates > 0 || row.mapped || row.original.is_some() {
            text.push(b'\t');
            if let Some(rank) = row.rank {
                put_number(rank, text);
            }
        }
        if row.duplicates > 0 || row.mapped || row.original.is_some() {
            text.push(b'\t');
            put_number(row.duplicates, text);
        }
        if row.mapped || row.original.is_some() {
            text.extend_from_slice(if row.mapped { b"\t1\t" } else { b"\t0\t" });
            text.extend_from_slice(row.original.unwrap_or_default());
        }
        text.push(b'\n');
        self.rows += 1;
        if self.text.len() < BUFFER { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.hasher.update(&self.text);
        let written = self.out.write_all(&self.text);
        self.text.clear();
        written.map_err(self.failed())
    }

    /// Puts list and facts in place, in that order: facts without a list never stand there.
    pub(super) fn finish(mut self, counts: Counts, sources: Vec<SourceFacts>) -> Result<Prepared, Error> {
        self.flush()?;
        let failed = self.failed();
        let Self { dir, out, text: _, hasher, rows } = self;
        let written = out.finish().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        let file = written.map_err(failed)?;
        let Counts { lines, rejects, duplicates, blank, skipped, elsewhere } = counts;
        let sha256 = hex(&hasher.finalize());
        let path = dir.join(LIST);
        let prepared = Prepared {
            path: path.clone(),
            rows,
            lines,
            rejects,
            duplicates,
            blank,
            skipped,
            elsewhere,
            sha256,
            sources,
        };
        keep(file, &path)?;
        let facts = dir.join(FACTS);
        let failed = || Error::io(format!("cannot write {}", facts.display()));
        let mut file = temporary(&dir).map_err(failed())?;
        serde_json::to_writer_pretty(&mut file, &prepared).map_err(io::Error::from).map_err(failed())?;
        keep(file, &facts)?;
        Ok(prepared)
    }

    fn failed(&self) -> impl FnOnce(io::Error) -> Error + use<> {
        Error::io(format!("cannot write {}", self.dir.join(LIST).display()))
    }
}

fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new().prefix(".tmp-").tempfile_in(dir)
}

/// Makes a file durable under its name: its bytes, then the name, then the directory that holds the name.
pub(super) fn keep(file: NamedTempFile, path: &Path) -> Result<(), Error> {
    let failed = || Error::io(format!("cannot write {}", path.display()));
    file.as_file().sync_all().map_err(failed())?;
    file.persist(path).map_err(|error| error.error).map_err(failed())?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(failed())
}
