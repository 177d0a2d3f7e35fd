//! CSV lists (RFC 4180): the column of the names is chosen once, by header or by content (HOSTILE.md 20).
//!
//! One line is one row: a quotation mark that is never closed costs its own line and not the rest of the file.

use std::borrow::Cow;

use memchr::memchr;

use super::{Column, Taken, plain};
use crate::finding::list;
use crate::name::Domain;

/// What separates cells, in the order in which they are tried.
const SEPARATORS: &[char] = &[',', ';', '\t'];

/// Headers of the column that holds the names, the surest first. `origin` is that of CrUX: its cells are
/// `https://host`, and the host is the name.
const NAME_HEADERS: &[&str] = &["domain", "domains", "origin", "hostname", "host", "fqdn", "name", "site"];
const ORIGIN_HEADER: &str = "origin";
/// Headers of the column that holds the rank, the surest first.
const RANK_HEADERS: &[&str] = &["rank", "globalrank", "position"];

/// Cells looked at in one line when columns are chosen; no published list has more columns.
const COLUMNS_MAX: usize = 64;

/// Where the cells of a source stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    separator: char,
    name: usize,
    rank: Option<usize>,
    origin: bool,
    header: bool,
}

impl Layout {
    /// Chooses the columns by the first lines of a source. `None` where no column holds names (or the asked one is not
    /// there).
    pub(super) fn choose(sample: &[&str], column: Option<&Column>) -> Option<Self> {
        let lines: Vec<&str> = sample.iter().copied().filter(|line| !plain::is_blank(line)).collect();
        let first = lines.first()?;
        let count = |separator: &char| lines.iter().filter(|line| line.contains(*separator)).count();
        // The separator that most lines have; a list of one column has none.
        let separator = SEPARATORS.iter().rev().max_by_key(|s| count(s)).copied().unwrap_or(',');
        let rows: Vec<Vec<Cow<'_, str>>> =
            lines.iter().filter_map(|line| cells(line, separator).map(|row| row.take(COLUMNS_MAX).collect())).collect();
        let head: Vec<String> = cells(first, separator)
            .map(|row| row.take(COLUMNS_MAX).map(|cell| cell.trim().to_ascii_lowercase()).collect())
            .unwrap_or_default();
        let called = |name: &str| head.iter().position(|cell| cell == name);
        let by_header = NAME_HEADERS.iter().find_map(|name| called(name));
        let name = match column {
            Some(Column::Name(name)) => called(&name.to_ascii_lowercase())?,
            // A column that no sampled line has is a mistake of the command line, not of the lines.
            Some(Column::Number(number)) => rows.iter().any(|row| row.len() >= *number).then(|| number - 1)?,
            None => by_header.or_else(|| by_content(&rows))?,
        };
        // A header is told by a name that it gives, or by words where the other lines hold domains.
        let header =
            matches!(column, Some(Column::Name(_))) || by_header.is_some() || head.iter().all(|cell| is_word(cell));
        let rank = if header {
            RANK_HEADERS.iter().find_map(|name| called(name))
        } else {
            let ranks =
                |column: usize| rows.iter().filter(|row| row.get(column).is_some_and(|c| rank(c).is_some())).count();
            (0..COLUMNS_MAX).find(|&column| column != name && ranks(column) * 2 > rows.len())
        };
        let origin = header && head.get(name).is_some_and(|cell| cell == ORIGIN_HEADER);
        Some(Self { separator, name, rank, origin, header })
    }

    /// Whether the lines look like rows at all: most have a separator, or the first is the header of a single column.
    pub(super) fn is_likely(sample: &[&str]) -> bool {
        let lines: Vec<&str> = sample.iter().copied().filter(|line| !plain::is_blank(line)).collect();
        let Some(first) = lines.first() else { return false };
        let rows = lines.iter().filter(|line| line.contains(SEPARATORS)).count();
        rows * 2 > lines.len() || NAME_HEADERS.contains(&first.trim().to_ascii_lowercase().as_str())
    }

    /// The column of the names, from 1.
    pub(super) fn column(&self) -> usize {
        self.name + 1
    }
}

/// The column in which most cells are domains; the first of several alike.
fn by_content(rows: &[Vec<Cow<'_, str>>]) -> Option<usize> {
    let width = rows.iter().map(Vec::len).max()?;
    let names = |column: usize| {
        rows.iter().filter(|row| row.get(column).is_some_and(|cell| Domain::read(cell.trim()).is_ok())).count()
    };
    let (best, count) = (0..width).rev().map(|column| (column, names(column))).max_by_key(|&(_, count)| count)?;
    (count > 0).then_some(best)
}

/// A word of a header: letters, spaces and underscores.
fn is_word(cell: &str) -> bool {
    !cell.is_empty() && cell.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b' ' | b'_'))
}

fn rank(cell: &str) -> Option<i64> {
    cell.trim().parse().ok().filter(|rank| *rank >= 0)
}

/// The rows of one source.
pub(super) struct Rows {
    layout: Layout,
    at_header: bool,
}

impl Rows {
    pub(super) fn new(layout: Layout) -> Self {
        Self { at_header: layout.header, layout }
    }

    /// Reads one line.
    pub(super) fn take<'a>(&mut self, line: &'a str) -> Taken<'a> {
        if plain::is_blank(line) {
            return Taken::Blank;
        }
        if std::mem::take(&mut self.at_header) {
            return Taken::Skipped;
        }
        let Some(row) = cells(line, self.layout.separator) else {
            return Taken::Bad(list::BAD_CHAR);
        };
        let (mut name, mut place) = (None, None);
        for (number, cell) in row.enumerate() {
            if number == self.layout.name {
                name = Some(cell);
            } else if Some(number) == self.layout.rank {
                place = rank(&cell);
            }
        }
        let name = name.map(trimmed).filter(|cell| !cell.is_empty());
        let Some(name) = name else { return Taken::Bad(list::NO_COLUMN) };
        Taken::Cell { text: if self.layout.origin { host(name) } else { name }, rank: place }
    }
}

fn trimmed(cell: Cow<'_, str>) -> Cow<'_, str> {
    match cell {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_matches([' ', '\t'])),
        Cow::Owned(text) => Cow::Owned(text.trim_matches([' ', '\t']).to_owned()),
    }
}

/// The host of an origin (RFC 6454 6.2). A port or path stays, and will not pass as a name.
fn host(origin: Cow<'_, str>) -> Cow<'_, str> {
    let after = |text: &str| ["https://", "http://"].iter().find_map(|scheme| text.strip_prefix(scheme)).map(str::len);
    match after(&origin) {
        None => origin,
        Some(length) => match origin {
            Cow::Borrowed(text) => Cow::Borrowed(&text[text.len() - length..]),
            Cow::Owned(text) => Cow::Owned(text[text.len() - length..].to_owned()),
        },
    }
}

/// The cells of a row. `None` where a quotation mark is not closed, or stands where RFC 4180 2 has none.
fn cells(line: &str, separator: char) -> Option<Cells<'_>> {
    let cells = Cells { rest: Some(line), separator, broken: false };
    if memchr(b'"', line.as_bytes()).is_none() {
        return Some(cells);
    }
    let mut walk = Cells { ..cells };
    walk.by_ref().for_each(drop);
    (!walk.broken).then_some(cells)
}

struct Cells<'a> {
    rest: Option<&'a str>,
    separator: char,
    broken: bool,
}

impl<'a> Iterator for Cells<'a> {
    type Item = Cow<'a, str>;

    fn next(&mut self) -> Option<Cow<'a, str>> {
        let rest = self.rest.take()?;
        let Some(quoted) = rest.strip_prefix('"') else {
            let (cell, rest) = rest.split_once(self.separator).map_or((rest, None), |(cell, rest)| (cell, Some(rest)));
            self.rest = rest;
            return Some(Cow::Borrowed(cell));
        };
        // Two quotation marks within quotes stand for one (RFC 4180 2, rule 7).
        let mut from = 0;
        while let Some(at) = quoted[from..].find('"').map(|at| from + at) {
            let behind = &quoted[at + 1..];
            if behind.starts_with('"') {
                from = at + 2;
                continue;
            }
            let inner = &quoted[..at];
            let cell = if inner.contains('"') { Cow::Owned(inner.replace("\"\"", "\"")) } else { Cow::Borrowed(inner) };
            self.rest = behind.strip_prefix(self.separator);
            self.broken |= self.rest.is_none() && !behind.is_empty();
            return Some(cell);
        }
        self.broken = true;
        None
    }
}

#[cfg(test)]
mod tests;
