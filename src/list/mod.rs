//! Lists of domains: what was asked for, line by line, and what became of each line (HOSTILE.md 1-26).
//!
//! [`prepare()`] turns any number of sources into one canonical, numbered, deduplicated list on disk before the first packet
//! is sent. Every line that could hold a name ends as a [`Target`], a [`Reject`] or a duplicate of a target:
//!
//! ```text
//! source -> compressed -> line -> plain | csv | zone -> name -> shard -> sort, merge -> stored (input.tsv.zst, input.json)
//! ```

pub mod get;
pub mod known;

mod compressed;
mod csv;
mod line;
mod merge;
mod plain;
mod prepare;
mod row;
mod shard;
mod sniff;
mod sort;
mod stored;
mod zone;

pub use prepare::{MAX_INPUT, MEMORY, PrepareOptions, prepare};
pub use shard::Shard;
pub use stored::{Prepared, SourceFacts, Targets};

pub use crate::target::Target;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::finding::Code;

/// One line that names no domain to survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// The line, counted from 1 over all sources in their order.
    pub line: i64,
    /// Its first [`Reject::KEPT`] bytes.
    pub bytes: Vec<u8>,
    /// Why.
    pub code: Code,
}

impl Reject {
    /// Bytes kept of a rejected line (HOSTILE.md 5): enough to find it again.
    pub const KEPT: usize = 64;
}

/// Where a list comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file, or anything that opens like one.
    Path(PathBuf),
    /// Standard input.
    Stdin,
}

impl Source {
    /// The source that an argument names: `-` is standard input.
    #[must_use]
    pub fn from_argument(argument: &Path) -> Self {
        if argument.as_os_str() == "-" { Self::Stdin } else { Self::Path(argument.to_owned()) }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Stdin => f.write_str("-"),
        }
    }
}

/// How the lines of a source are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Found by the beginning of each source.
    #[default]
    Auto,
    /// One name a line.
    Plain,
    /// Cells separated by commas, semicolons or tabs, with or without a header (RFC 4180).
    Csv,
    /// A zone file: the names that are delegated in it (RFC 1035 5).
    Zone,
}

impl Format {
    /// Every format by the word that the command line and `scan.json` use.
    pub const WORDS: &[(&str, Self)] =
        &[("auto", Self::Auto), ("plain", Self::Plain), ("csv", Self::Csv), ("zone", Self::Zone)];

    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Plain => "plain",
            Self::Csv => "csv",
            Self::Zone => "zone",
        }
    }
}

impl std::str::FromStr for Format {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let found = Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, format)| *format);
        found.ok_or_else(|| Error::Usage(format!("no list format is called {word}")))
    }
}

/// A column of a CSV list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Column {
    /// By the name in the header; case does not count.
    Name(String),
    /// By its number, from 1.
    Number(usize),
}

impl Column {
    /// The column that an argument names: digits are a number, all else a name.
    ///
    /// # Errors
    /// [`Error::Usage`] for number 0.
    pub fn from_argument(argument: &str) -> Result<Self, Error> {
        match argument.parse() {
            Ok(0) => Err(Error::Usage("columns are counted from 1, not 0".to_owned())),
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => Ok(Self::Name(argument.to_owned())),
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// The order in which the prepared list stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By a hash under the seed, so that no operator is hit in one burst.
    #[default]
    Shuffled,
    /// As the lines stand in the input.
    Input,
}

impl Order {
    /// Every order by the word that the command line and `scan.json` use.
    pub const WORDS: &[(&str, Self)] = &[("shuffled", Self::Shuffled), ("input", Self::Input)];

    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Shuffled => "shuffled",
            Self::Input => "input",
        }
    }
}

impl std::str::FromStr for Order {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        let found = Self::WORDS.iter().find(|(w, _)| *w == word).map(|(_, order)| *order);
        found.ok_or_else(|| Error::Usage(format!("no order is called {word}")))
    }
}

/// What a format makes of one line.
#[derive(Debug, PartialEq, Eq)]
enum Taken<'a> {
    /// White space or a comment.
    Blank,
    /// A line that by its format holds no name to survey: a header, a record that delegates nothing.
    Skipped,
    /// A cell that should be a name.
    Cell {
        /// The text, without white space around it.
        text: std::borrow::Cow<'a, str>,
        /// The rank beside it.
        rank: Option<i64>,
    },
    /// A line that breaks the format.
    Bad(Code),
}
