//! The prepared list on disk: numbered targets with a digest, written whole or not at all, and read back as a stream.
//!
//! `input.tsv.zst` holds one target a line: number, domain, rank, line, duplicates, `1` if mapped, original; empty where
//! there is none. `input.json` holds the counts, the digest of the unpacked text, and the facts of each source.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::Target;
use super::sort::Row;
use crate::error::Error;
use crate::name::{Domain, HostName};
use crate::text::hex;

const LIST: &str = "input.tsv.zst";
const FACTS: &str = "input.json";

/// Bytes of one stored line: a domain, its bounded original, and numbers. A longer one was not written by us.
const LINE_MAX: u64 = 4096;
/// The level of zstd: the fastest that saves half.
const LEVEL: i32 = 3;

/// A list that is ready to be scanned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepared {
    /// The file with the targets.
    #[serde(skip)]
    pub path: PathBuf,
    /// Targets. Rows, rejects and duplicates together are the lines.
    pub rows: i64,
    /// Lines of the input that should hold a name: all but blank and skipped ones.
    pub lines: i64,
    /// Lines that name no domain to survey.
    pub rejects: i64,
    /// Lines that name a domain again.
    pub duplicates: i64,
    /// Lines that are white space or a comment.
    pub blank: i64,
    /// Lines that by their format hold no name: headers, records that delegate nothing.
    pub skipped: i64,
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
    /// Lines of it that should hold a name.
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
        let reader = BufReader::new(zstd::Decoder::new(file).map_err(Error::io(what()))?);
        Ok(Targets {
            reader,
            path: self.path.clone(),
            sha256: self.sha256.clone(),
            rows: self.rows,
            seen: 0,
            hasher: Sha256::new(),
            line: String::new(),
            over: false,
        })
    }
}

/// The targets of a prepared list, in order.
pub struct Targets {
    reader: BufReader<zstd::Decoder<'static, BufReader<File>>>,
    path: PathBuf,
    sha256: String,
    rows: i64,
    seen: i64,
    hasher: Sha256,
    line: String,
    over: bool,
}

impl Targets {
    fn read(&mut self) -> Result<Option<Target>, Error> {
        let changed = |why: &str| Error::Input(format!("{} is not as it was written: {why}", self.path.display()));
        self.line.clear();
        self.reader.by_ref().take(LINE_MAX).read_line(&mut self.line).map_err(|error| match error.raw_os_error() {
            Some(_) => Error::Io { what: format!("cannot read {}", self.path.display()), source: error },
            None => changed(&error.to_string()),
        })?;
        if self.line.is_empty() {
            // Only the end can tell that no line is missing, changed or added.
            let digest = hex(&std::mem::take(&mut self.hasher).finalize());
            return match (self.seen == self.rows, digest == self.sha256) {
                (true, true) => Ok(None),
                (false, _) => Err(changed("the number of rows is another")),
                (true, false) => Err(changed("the digest is another")),
            };
        }
        self.hasher.update(self.line.as_bytes());
        let target = parse(self.line.trim_end_matches('\n')).filter(|target| target.seq == self.seen);
        let target = target.ok_or_else(|| changed(&format!("row {} cannot be read", self.seen)))?;
        self.seen += 1;
        Ok(Some(target))
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

fn parse(line: &str) -> Option<Target> {
    let mut cells = line.split('\t');
    let seq = cells.next()?.parse().ok()?;
    let domain = Domain::from_host(HostName::parse(cells.next()?).ok()?);
    let rank = match cells.next()? {
        "" => None,
        rank => Some(rank.parse().ok()?),
    };
    let (line, duplicates) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    let mapped = cells.next()? == "1";
    let original = cells.next().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Target { seq, domain, rank, line, original, mapped, duplicates })
}

/// A list that is being written. Dropped unfinished, it leaves nothing behind.
pub(super) struct Writer {
    dir: PathBuf,
    out: zstd::Encoder<'static, BufWriter<NamedTempFile>>,
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
}

impl Writer {
    pub(super) fn new(dir: &Path) -> Result<Self, Error> {
        let started = temporary(dir).and_then(|file| {
            let mut out = zstd::Encoder::new(BufWriter::new(file), LEVEL)?;
            out.include_checksum(true)?;
            Ok(out)
        });
        let out = started.map_err(|source| Error::Create { path: dir.join(LIST), source })?;
        Ok(Self { dir: dir.to_owned(), out, hasher: Sha256::new(), rows: 0 })
    }

    /// Gives a row the next number.
    pub(super) fn push(&mut self, row: &Row) -> Result<(), Error> {
        let rank = row.rank.map(|rank| rank.to_string()).unwrap_or_default();
        // No tab and no line end can be inside: a name has none, and an original with one was rejected.
        let line = format!(
            "{}\t{}\t{rank}\t{}\t{}\t{}\t{}\n",
            self.rows,
            row.domain,
            row.line,
            row.duplicates,
            u8::from(row.mapped),
            row.original.as_deref().unwrap_or("")
        );
        self.hasher.update(line.as_bytes());
        self.rows += 1;
        self.out.write_all(line.as_bytes()).map_err(self.failed())
    }

    /// Puts list and facts in place, in that order: facts without a list never stand there.
    pub(super) fn finish(self, counts: Counts, sources: Vec<SourceFacts>) -> Result<Prepared, Error> {
        let failed = self.failed();
        let Self { dir, out, hasher, rows } = self;
        let written = out.finish().and_then(|out| out.into_inner().map_err(io::IntoInnerError::into_error));
        let file = written.map_err(failed)?;
        let Counts { lines, rejects, duplicates, blank, skipped } = counts;
        let sha256 = hex(&hasher.finalize());
        let path = dir.join(LIST);
        let prepared =
            Prepared { path: path.clone(), rows, lines, rejects, duplicates, blank, skipped, sha256, sources };
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
