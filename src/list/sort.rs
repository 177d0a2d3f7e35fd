//! External sort: rows in bounded memory, spilled to runs on disk and merged; rows of one domain become one.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::fs::File;
use std::hash::Hasher as _;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write};
use std::path::{Path, PathBuf};

use siphasher::sip::SipHasher24;

use crate::error::Error;

/// Runs merged at a time: each costs a file and a buffer. A full set is merged to one run before the next is begun.
const FAN_IN: usize = 64;
/// Bytes of buffer a run.
const RUN_BUFFER: usize = 64 * 1024;
/// Bytes that the allocator adds to one row, all told.
const ALLOCATION: usize = 48;

/// A named line on its way to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// What shuffles: the hash of the domain under the seed.
    pub(super) key: u64,
    pub(super) domain: Box<str>,
    pub(super) line: i64,
    pub(super) rank: Option<i64>,
    pub(super) duplicates: i64,
    pub(super) mapped: bool,
    pub(super) original: Option<Box<str>>,
}

impl Row {
    fn size(&self) -> usize {
        // A vector that grows holds up to twice its rows.
        2 * size_of::<Self>() + ALLOCATION + self.domain.len() + self.original.as_ref().map_or(0, |text| text.len())
    }
}

/// The key of a domain: SipHash-2-4, so that nobody who does not know the seed can choose names that stand together.
pub(super) fn key(seed: u64, domain: &str) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(seed, 0);
    hasher.write(domain.as_bytes());
    hasher.finish()
}

/// By what rows are sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// By key, then domain, then line: rows of one domain stand together, the first line first.
    Key,
    /// By line.
    Line,
}

impl By {
    fn compare(self, a: &Row, b: &Row) -> Ordering {
        match self {
            Self::Key => (a.key, &a.domain, a.line).cmp(&(b.key, &b.domain, b.line)),
            Self::Line => a.line.cmp(&b.line),
        }
    }
}

/// Takes rows in any order, and gives them back in order.
pub(super) struct Sorter {
    by: By,
    memory: usize,
    dir: PathBuf,
    rows: Vec<Row>,
    used: usize,
    runs: Vec<File>,
}

impl Sorter {
    /// A sorter that keeps about `memory` bytes of rows and spills to `dir`. Its files have no names, so they are gone
    /// however the process ends.
    pub(super) fn new(by: By, memory: usize, dir: &Path) -> Self {
        Self { by, memory, dir: dir.to_owned(), rows: Vec::new(), used: 0, runs: Vec::new() }
    }

    pub(super) fn push(&mut self, row: Row) -> Result<(), Error> {
        self.used += row.size();
        self.rows.push(row);
        if self.used > self.memory { self.spill() } else { Ok(()) }
    }

    /// All rows, in order, rows of one domain joined where the order puts them together.
    pub(super) fn finish(mut self) -> Result<Merge, Error> {
        if self.runs.is_empty() {
            self.sort();
            return Ok(Merge::new(self.by, vec![Run::Memory(self.rows.into_iter())])?);
        }
        self.spill()?;
        Ok(merge(self.by, self.runs)?)
    }

    fn sort(&mut self) {
        let by = self.by;
        self.rows.sort_unstable_by(|a, b| by.compare(a, b));
    }

    fn spill(&mut self) -> Result<(), Error> {
        self.sort();
        let rows = std::mem::take(&mut self.rows);
        self.used = 0;
        let run = self.write(Merge::new(self.by, vec![Run::Memory(rows.into_iter())])?)?;
        self.runs.push(run);
        if self.runs.len() >= FAN_IN {
            let merged = merge(self.by, std::mem::take(&mut self.runs))?;
            let run = self.write(merged)?;
            self.runs.push(run);
        }
        Ok(())
    }

    fn write(&self, rows: Merge) -> Result<File, Error> {
        let file =
            tempfile::tempfile_in(&self.dir).map_err(|source| Error::Create { path: self.dir.clone(), source })?;
        let failed = || format!("cannot write to a temporary file in {}", self.dir.display());
        let mut out = BufWriter::with_capacity(RUN_BUFFER, file);
        for row in rows {
            encode(&row?, &mut out).map_err(Error::io(failed()))?;
        }
        out.into_inner().map_err(io::IntoInnerError::into_error).map_err(Error::io(failed()))
    }
}

fn merge(by: By, runs: Vec<File>) -> Result<Merge, ReadBack> {
    let open = |mut file: File| {
        file.rewind().map_err(ReadBack)?;
        Ok(Run::Disk(BufReader::with_capacity(RUN_BUFFER, file)))
    };
    Merge::new(by, runs.into_iter().map(open).collect::<Result<_, ReadBack>>()?)
}

/// A run that could not be read back.
#[derive(Debug)]
pub(super) struct ReadBack(io::Error);

impl From<ReadBack> for Error {
    fn from(ReadBack(source): ReadBack) -> Self {
        Self::Io { what: "cannot read a temporary file back".to_owned(), source }
    }
}

enum Run {
    Memory(std::vec::IntoIter<Row>),
    Disk(BufReader<File>),
}

impl Run {
    fn next(&mut self) -> Result<Option<Row>, ReadBack> {
        match self {
            Self::Memory(rows) => Ok(rows.next()),
            Self::Disk(reader) => decode(reader).map_err(ReadBack),
        }
    }
}

/// The head of a run within the heap.
struct Head {
    by: By,
    row: Row,
    run: usize,
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        self.by.compare(&self.row, &other.row).then(self.run.cmp(&other.run))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

/// Sorted runs as one, rows of one domain that follow each other joined: the first line counts.
pub(super) struct Merge {
    by: By,
    runs: Vec<Run>,
    heads: BinaryHeap<Reverse<Head>>,
}

impl Merge {
    fn new(by: By, mut runs: Vec<Run>) -> Result<Self, ReadBack> {
        let mut heads = BinaryHeap::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            if let Some(row) = run.next()? {
                heads.push(Reverse(Head { by, row, run: number }));
            }
        }
        Ok(Self { by, runs, heads })
    }

    fn pop(&mut self) -> Result<Option<Row>, ReadBack> {
        let Some(Reverse(Head { row, run, .. })) = self.heads.pop() else { return Ok(None) };
        if let Some(next) = self.runs[run].next()? {
            self.heads.push(Reverse(Head { by: self.by, row: next, run }));
        }
        Ok(Some(row))
    }

    fn next_domain(&mut self) -> Result<Option<Row>, ReadBack> {
        let Some(mut row) = self.pop()? else { return Ok(None) };
        while self.heads.peek().is_some_and(|Reverse(head)| head.row.domain == row.domain) {
            if let Some(again) = self.pop()? {
                row.duplicates += again.duplicates + 1;
            }
        }
        Ok(Some(row))
    }
}

impl Iterator for Merge {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_domain().map_err(Error::from).transpose()
    }
}

/// Writes a row to a run: fixed numbers, then the two texts with their lengths. Nobody but [`decode`] ever reads it.
fn encode(row: &Row, out: &mut impl Write) -> io::Result<()> {
    let flags = u8::from(row.mapped) | u8::from(row.rank.is_some()) << 1 | u8::from(row.original.is_some()) << 2;
    out.write_all(&row.key.to_le_bytes())?;
    for number in [row.line, row.rank.unwrap_or(0), row.duplicates] {
        out.write_all(&number.to_le_bytes())?;
    }
    out.write_all(&[flags])?;
    for text in [&*row.domain, row.original.as_deref().unwrap_or("")] {
        let length = u16::try_from(text.len()).map_err(io::Error::other)?;
        out.write_all(&length.to_le_bytes())?;
        out.write_all(text.as_bytes())?;
    }
    Ok(())
}

fn decode(input: &mut BufReader<File>) -> io::Result<Option<Row>> {
    let mut first = [0; 1];
    if input.read(&mut first)? == 0 {
        return Ok(None);
    }
    let mut key = [first[0], 0, 0, 0, 0, 0, 0, 0];
    input.read_exact(&mut key[1..])?;
    let (line, rank, duplicates) = (number(input)?, number(input)?, number(input)?);
    let mut flags = [0; 1];
    input.read_exact(&mut flags)?;
    let flag = |bit: u8| flags[0] & (1 << bit) != 0;
    let (domain, original) = (text(input)?, text(input)?);
    Ok(Some(Row {
        key: u64::from_le_bytes(key),
        domain,
        line,
        rank: flag(1).then_some(rank),
        duplicates,
        mapped: flag(0),
        original: flag(2).then_some(original),
    }))
}

fn number(input: &mut impl Read) -> io::Result<i64> {
    let mut bytes = [0; 8];
    input.read_exact(&mut bytes)?;
    Ok(i64::from_le_bytes(bytes))
}

fn text(input: &mut impl Read) -> io::Result<Box<str>> {
    let mut length = [0; 2];
    input.read_exact(&mut length)?;
    let mut bytes = vec![0; usize::from(u16::from_le_bytes(length))];
    input.read_exact(&mut bytes)?;
    String::from_utf8(bytes).map(String::into_boxed_str).map_err(io::Error::other)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn row(line: i64, domain: &str) -> Row {
        Row {
            key: key(7, domain),
            domain: domain.into(),
            line,
            rank: (line % 3 == 0).then_some(line),
            duplicates: 0,
            mapped: line % 2 == 0,
            original: (line % 5 == 0).then(|| "Ü".into()),
        }
    }

    fn sorted(by: By, memory: usize, rows: &[Row]) -> (Vec<Row>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(by, memory, dir.path());
        for row in rows {
            sorter.push(row.clone()).unwrap();
        }
        let runs = sorter.runs.len();
        let out = sorter.finish().unwrap().map(Result::unwrap).collect();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        (out, runs)
    }

    #[test]
    fn spilled_or_not_is_the_same() {
        // 1000 lines that name 300 domains, three or four times each
        let rows: Vec<Row> = (0..1000).map(|n| row(n, &format!("d{}.example", n * 7 % 300))).collect();
        let (whole, none) = sorted(By::Key, usize::MAX, &rows);
        assert_eq!((whole.len(), none), (300, 0));
        assert_eq!(whole.iter().map(|r| r.duplicates + 1).sum::<i64>(), 1000);
        assert!(whole.iter().all(|r| r.line < 300));
        assert!(whole.is_sorted_by_key(|r| r.key));
        for memory in [0, 1000, 20_000] {
            let (spilled, runs) = sorted(By::Key, memory, &rows);
            assert!(runs > 0);
            assert_eq!(spilled, whole, "{memory}");
        }
        let (by_line, _) = sorted(By::Line, 1000, &whole);
        assert!(by_line.is_sorted_by_key(|r| r.line));
        assert_eq!(by_line.len(), 300);
    }

    #[test]
    fn another_seed_is_another_order() {
        assert_ne!(key(1, "a.example"), key(2, "a.example"));
        assert_eq!(key(1, "a.example"), key(1, "a.example"));
    }
}
