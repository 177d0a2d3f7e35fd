//! External sort: rows in bounded memory, spilled to runs on disk and merged; rows of one domain become one.

use std::hint::black_box;
use std::path::{Path, PathBuf};

use super::merge::{Runs, Take};
use super::row::{RECORD_MAX, Row, decode, encode};
use crate::error::Error;

/// Places in memory have 32 bits, and no row may begin past them.
const BYTES_MAX: usize = u32::MAX as usize - RECORD_MAX;

/// Rows that are fetched from memory together: in the order of their keys they stand anywhere in it, and the processor
/// waits for several at a time as long as for one.
const TOUCHED: usize = 32;

/// A row in memory: where it stands, by what it is sorted, and how many rows were joined to it.
struct Entry {
    key: u64,
    at: u32,
    joined: u32,
}

impl Entry {
    fn row<'r>(&self, rows: &'r [u8]) -> Option<Row<'r>> {
        decode(self.key, rows.get(self.at as usize..)?).map(|(row, _)| row)
    }
}

/// Takes rows in any order, and gives them back in the order of key, domain and line, those of one key and domain joined:
/// the first line counts.
pub(super) struct Sorter {
    memory: usize,
    dir: PathBuf,
    rows: Vec<u8>,
    entries: Vec<Entry>,
    runs: Runs,
}

impl Sorter {
    /// A sorter that keeps about `memory` bytes of rows and spills to `dir`. Its files have no names, so they are gone
    /// however the process ends.
    pub(super) fn new(memory: usize, dir: &Path) -> Self {
        let (rows, entries, runs) = (Vec::new(), Vec::new(), Runs::new(dir));
        Self { memory: memory.min(BYTES_MAX), dir: dir.to_owned(), rows, entries, runs }
    }

    /// Takes a row: of one line, or the only one of its key, such as come joined from another sorter.
    pub(super) fn push(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let at = u32::try_from(self.rows.len()).map_err(|_| broken())?;
        encode(row, &mut self.rows).ok_or_else(broken)?;
        self.entries.push(Entry { key: row.key, at, joined: 0 });
        let used = self.rows.len() + size_of_val(self.entries.as_slice());
        if used > self.memory { self.spill() } else { Ok(()) }
    }

    /// All rows, in order.
    pub(super) fn finish(mut self) -> Result<Sorted, Error> {
        if self.runs.is_empty() {
            self.sort();
        } else {
            // What memory still holds goes to disk as well: then the order by line can have the memory.
            self.spill()?;
        }
        Ok(Sorted(self))
    }

    fn spill(&mut self) -> Result<(), Error> {
        self.sort();
        let mut run = self.runs.begin()?;
        self.each(&mut |row| run.push(&row))?;
        self.runs.end(run)?;
        self.rows.clear();
        self.entries.clear();
        Ok(())
    }

    /// Brings the entries into their order, and joins what is one domain.
    fn sort(&mut self) {
        self.entries.sort_unstable_by_key(|entry| entry.key);
        let row = |entry: &Entry| entry.row(&self.rows).map(|row| (row.domain, row.line));
        // One key is one domain, or (once in 2^64 pairs) two.
        for same in self.entries.chunk_by_mut(|a, b| a.key == b.key).filter(|same| same.len() > 1) {
            same.sort_unstable_by_key(row);
        }
        self.entries.dedup_by(|again, first| {
            let is_same =
                again.key == first.key && row(again).map(|(domain, _)| domain) == row(first).map(|(domain, _)| domain);
            first.joined += u32::from(is_same);
            is_same
        });
    }

    /// Gives each row in memory.
    fn each(&self, take: &mut Take<'_>) -> Result<(), Error> {
        for entries in self.entries.chunks(TOUCHED) {
            black_box(entries.iter().fold(0, |all, entry| all ^ self.rows[entry.at as usize]));
            for entry in entries {
                let row = entry.row(&self.rows).ok_or_else(broken)?;
                take(Row { duplicates: row.duplicates + i64::from(entry.joined), ..row })?;
            }
        }
        Ok(())
    }
}

/// Rows in order.
pub(super) struct Sorted(Sorter);

impl Sorted {
    /// The same rows in the order of their lines.
    pub(super) fn by_line(self) -> Result<Self, Error> {
        let Self(mut sorter) = self;
        if !sorter.runs.is_empty() {
            let by_key = std::mem::replace(&mut sorter.runs, Runs::new(&sorter.dir));
            let mut by_line = sorter;
            by_key.merge(&mut |row| by_line.push(&Row { key: row.line.cast_unsigned(), ..row }))?;
            return by_line.finish();
        }
        for entry in &mut sorter.entries {
            entry.key = entry.row(&sorter.rows).ok_or_else(broken)?.line.cast_unsigned();
        }
        sorter.entries.sort_unstable_by_key(|entry| entry.key);
        Ok(Self(sorter))
    }

    /// Gives each row.
    pub(super) fn each(self, take: &mut Take<'_>) -> Result<(), Error> {
        let Self(sorter) = self;
        if sorter.runs.is_empty() { sorter.each(take) } else { sorter.runs.merge(take) }
    }
}

fn broken() -> Error {
    Error::Internal("a row cannot be kept in memory".to_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::super::row::key;
    use super::*;

    /// A row whose texts are its own.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Owned {
        key: u64,
        domain: String,
        line: i64,
        rank: Option<i64>,
        duplicates: i64,
        mapped: bool,
        original: Option<String>,
    }

    impl Owned {
        fn new(line: i64, domain: &str, key: u64) -> Self {
            Self {
                key,
                domain: domain.to_owned(),
                line,
                rank: (line % 3 == 0).then_some(line),
                duplicates: 0,
                mapped: line % 2 == 0,
                original: (line % 5 == 0).then(|| "Ü".to_owned()),
            }
        }

        fn row(&self) -> Row<'_> {
            let Self { key, ref domain, line, rank, duplicates, mapped, ref original } = *self;
            let original = original.as_deref().map(str::as_bytes);
            Row { key, domain: domain.as_bytes(), line, rank, duplicates, mapped, original }
        }

        fn from(row: Row<'_>) -> Self {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let Row { key, domain, line, rank, duplicates, mapped, original } = row;
            Self { key, domain: text(domain), line, rank, duplicates, mapped, original: original.map(text) }
        }
    }

    /// The rows sorted within so much memory, by line where asked for; with how many runs were spilled before the end.
    fn sorted(memory: usize, rows: &[Owned], by_line: bool) -> (Vec<Owned>, usize) {
        let dir = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(memory, dir.path());
        for row in rows {
            sorter.push(&row.row()).unwrap();
        }
        let runs = sorter.runs.len();
        let mut sorted = sorter.finish().unwrap();
        if by_line {
            sorted = sorted.by_line().unwrap();
        }
        let mut out = Vec::new();
        sorted
            .each(&mut |row| {
                out.push(Owned::from(row));
                Ok(())
            })
            .unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        (out, runs)
    }

    #[test]
    fn spilled_or_not_is_the_same() {
        // 5000 lines that name 300 domains, so that runs are merged to larger ones, and those again
        let name = |n: i64| format!("d{}.example", n * 7 % 300);
        let rows: Vec<Owned> = (0..5000).map(|n| Owned::new(n, &name(n), key(7, name(n).as_bytes()))).collect();
        let (whole, none) = sorted(usize::MAX, &rows, false);
        assert_eq!((whole.len(), none), (300, 0));
        assert_eq!(whole.iter().map(|r| r.duplicates + 1).sum::<i64>(), 5000);
        assert!(whole.iter().all(|r| r.line < 300));
        assert!(whole.is_sorted_by_key(|r| r.key));
        let (lines, _) = sorted(usize::MAX, &rows, true);
        assert!(lines.iter().map(|r| r.line).eq(0..300));
        assert_eq!(lines.iter().map(|r| r.duplicates + 1).sum::<i64>(), 5000);
        for memory in [0, 1000, 20_000] {
            let (spilled, runs) = sorted(memory, &rows, false);
            assert!(runs > 0);
            assert_eq!(spilled, whole, "{memory}");
            assert_eq!(sorted(memory, &rows, true).0, lines, "{memory}");
        }
    }

    #[test]
    fn domains_that_share_a_key_stay_apart() {
        let lines = [(9, "b.example"), (2, "c.example"), (4, "a.example"), (1, "b.example"), (7, "a.example")];
        let rows: Vec<Owned> = lines.iter().map(|&(line, domain)| Owned::new(line, domain, 7)).collect();
        for memory in [usize::MAX, 0, 100] {
            let (out, _) = sorted(memory, &rows, false);
            let seen: Vec<(&str, i64, i64)> = out.iter().map(|r| (r.domain.as_str(), r.line, r.duplicates)).collect();
            assert_eq!(seen, [("a.example", 4, 1), ("b.example", 1, 1), ("c.example", 2, 0)], "{memory}");
        }
    }
}
