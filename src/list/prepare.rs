//! Preparation: sources become one canonical list before the first packet is sent; a damaged one is refused here.

use std::fs;
use std::path::Path;

use super::compressed::{self, Text};
use super::line::Lines;
use super::row::{self, Row};
use super::shard::Shard;
use super::sniff::Reader;
use super::sort::Sorter;
use super::stored::{Counts, Prepared, SourceFacts, Writer};
use super::{Column, Format, Order, Reject, Source, Taken};
use crate::error::Error;
use crate::finding::{Code, list};
use crate::name::{Domain, NAME_MAX};

/// Unpacked bytes of one source, unless the user says otherwise (HOSTILE.md 23): the largest zone there is, com, has some
/// 25 GB of text.
pub const MAX_INPUT: u64 = 64 << 30;

/// Bytes of rows kept in memory while sorting, unless the user says otherwise: a million names of a top list are shuffled
/// without a file, and any larger list takes what they take.
pub const MEMORY: usize = 36 << 20;

/// How sources become a list.
#[derive(Clone, Debug)]
pub struct PrepareOptions {
    /// How the lines are written.
    pub format: Format,
    /// The column of the names, where it is not to be found by header or content.
    pub column: Option<Column>,
    /// Only the first so many lines that should hold a name are used; the rest of the input is read, and checked for
    /// damage, but not used.
    pub limit: Option<u64>,
    /// The order of the result.
    pub order: Order,
    /// What the shuffled order depends on.
    pub seed: u64,
    /// Only the lines of this share are used, of those that the limit leaves.
    pub shard: Option<Shard>,
    /// The bound on the unpacked bytes of one source.
    pub max_input: u64,
    /// The bound on the bytes of rows kept in memory while sorting.
    pub memory: usize,
}

impl Default for PrepareOptions {
    fn default() -> Self {
        Self {
            format: Format::Auto,
            column: None,
            limit: None,
            order: Order::Shuffled,
            seed: 0,
            shard: None,
            max_input: MAX_INPUT,
            memory: MEMORY,
        }
    }
}

/// Reads all sources into one numbered list without duplicates, stored in `work_dir`. Each rejected line is given to
/// `rejects` as it is met.
///
/// # Errors
/// [`Error::Input`] where a source cannot be opened, is damaged, too long, in a foreign encoding or packing, or lacks the
/// column that was asked for; [`Error::Create`] and [`Error::Io`] where the list cannot be written; whatever `rejects`
/// gives. [`Error::Usage`] where a column is asked for of a format that has none.
pub fn prepare(
    sources: &[Source],
    options: &PrepareOptions,
    work_dir: &Path,
    rejects: &mut dyn FnMut(Reject) -> Result<(), Error>,
) -> Result<Prepared, Error> {
    if let (Format::Plain | Format::Zone, Some(column)) = (options.format, &options.column) {
        return Err(Error::Usage(format!("the format {} has no columns, such as {column}", options.format.word())));
    }
    fs::create_dir_all(work_dir).map_err(|source| Error::Create { path: work_dir.to_owned(), source })?;
    let mut writer = Writer::new(work_dir)?;
    let mut intake =
        Intake { options, sorter: Sorter::new(options.memory, work_dir), counts: Counts::default(), line: 0, rejects };
    let mut facts = Vec::with_capacity(sources.len());
    for source in sources {
        facts.push(intake.source(source, work_dir)?);
    }
    let mut counts = intake.counts;
    let unique = intake.sorter.finish()?;
    let ordered = match options.order {
        Order::Shuffled => unique,
        Order::Input => unique.by_line()?,
    };
    ordered.each(&mut |row| {
        counts.duplicates += row.duplicates;
        writer.push(&row)
    })?;
    writer.finish(counts, facts)
}

/// The sources as they are read.
struct Intake<'a> {
    options: &'a PrepareOptions,
    sorter: Sorter,
    counts: Counts,
    /// The last line read, over all sources.
    line: i64,
    rejects: &'a mut dyn FnMut(Reject) -> Result<(), Error>,
}

impl Intake<'_> {
    fn source(&mut self, source: &Source, work_dir: &Path) -> Result<SourceFacts, Error> {
        let options = self.options;
        let before = self.counts.of_all_shards();
        let mut chosen = None;
        let digest = compressed::read(source, work_dir, options.max_input, &mut |text| {
            let reader = Reader::choose(&text.sample, text.whole, options.format, options.column.as_ref());
            let mut reader = reader.ok_or_else(|| no_column(source, options.column.as_ref()))?;
            chosen = Some((text.packing, reader.format(), reader.column()));
            self.lines(source, text, &mut reader)
        })?;
        let (packing, format, column) = chosen.ok_or_else(|| Error::Internal(format!("{source} was never read")))?;
        Ok(SourceFacts {
            name: source.to_string(),
            bytes: digest.bytes,
            sha256: digest.sha256,
            packing: packing.word().to_owned(),
            format: format.word().to_owned(),
            column: column.and_then(|column| i64::try_from(column).ok()),
            lines: self.counts.of_all_shards() - before,
        })
    }

    fn lines(&mut self, source: &Source, text: &mut Text<'_>, reader: &mut Reader) -> Result<(), Error> {
        let (packing, max_input) = (text.packing, self.options.max_input);
        let mut lines = Lines::new(text.reader);
        while !self.is_full() {
            let line = lines.next().map_err(|error| compressed::explain(source, packing, max_input, error))?;
            let Some(line) = line else {
                return reader.end().map_or(Ok(()), |taken| self.take(taken, b""));
            };
            self.line += 1;
            let taken = match line.text() {
                Ok(text) => reader.take(text),
                Err(code) => Taken::Bad(code),
            };
            self.take(taken, line.bytes)?;
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.options
            .limit
            .is_some_and(|limit| u64::try_from(self.counts.of_all_shards()).is_ok_and(|lines| lines >= limit))
    }

    /// Counts what a line came to; rows, rejects and duplicates together are always the lines.
    fn take(&mut self, taken: Taken<'_>, bytes: &[u8]) -> Result<(), Error> {
        let (cell, rank) = match taken {
            Taken::Blank => {
                self.counts.blank += 1;
                return Ok(());
            }
            Taken::Skipped => {
                self.counts.skipped += 1;
                return Ok(());
            }
            Taken::Bad(code) => return self.reject(code, bytes),
            Taken::Cell { text, rank } => (text, rank),
        };
        let mut room = [0; NAME_MAX];
        if let Some(domain) = Domain::plain(cell.as_bytes(), &mut room) {
            return self.name(domain, rank, false, None);
        }
        match Domain::read(&cell) {
            Err(code) => self.reject(code, bytes),
            Ok(named) => self.name(named.domain.as_str().as_bytes(), rank, named.mapped, named.original.as_deref()),
        }
    }

    fn name(&mut self, domain: &[u8], rank: Option<i64>, mapped: bool, original: Option<&str>) -> Result<(), Error> {
        if self.is_elsewhere(domain) {
            return Ok(());
        }
        self.counts.lines += 1;
        self.sorter.push(&Row {
            key: row::key(self.options.seed, domain),
            domain,
            line: self.line,
            rank,
            duplicates: 0,
            mapped,
            original: original.map(str::as_bytes),
        })
    }

    /// Counts what belongs to another shard, by the bytes of its domain or of what is none.
    fn is_elsewhere(&mut self, bytes: &[u8]) -> bool {
        let is_elsewhere = self.options.shard.is_some_and(|shard| !shard.has(bytes));
        self.counts.elsewhere += i64::from(is_elsewhere);
        is_elsewhere
    }

    fn reject(&mut self, code: Code, bytes: &[u8]) -> Result<(), Error> {
        debug_assert_ne!(code, list::BLANK, "blank lines and cells are told before");
        let bytes = &bytes[..bytes.len().min(Reject::KEPT)];
        if self.is_elsewhere(bytes) {
            return Ok(());
        }
        self.counts.lines += 1;
        self.counts.rejects += 1;
        (self.rejects)(Reject { line: self.line, bytes: bytes.to_vec(), code })
    }
}

fn no_column(source: &Source, column: Option<&Column>) -> Error {
    Error::Input(match column {
        Some(column) => format!("{source} has no column {column}"),
        None => format!("{source} has no column of domain names; name one with --column"),
    })
}
