//! Where an export goes: a file for each report in a directory, or a line for each in one file.
//!
//! An export can be made anew at any time, so files are renamed into their places whole, and not synced one by one.

use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::NamedTempFile;

use crate::cli::output;
use crate::error::Error;

/// Endings of a file that has a line for each report.
const LINES: [&str; 2] = [".jsonl", ".ndjson"];

/// Where reports go.
pub(super) enum Place {
    /// Standard output, a line each.
    Output,
    /// A file each, in this directory.
    Directory { path: PathBuf, gzip: bool },
    /// A line each in this file, which has another name until it is whole.
    File { path: PathBuf, writer: Writer },
}

/// A file that is being written.
pub(super) enum Writer {
    Plain(BufWriter<NamedTempFile>),
    Gzip(Box<GzEncoder<BufWriter<NamedTempFile>>>),
}

impl Place {
    /// The place that a path means: `-`, a file by its ending, or else a directory, which is made where there is none.
    ///
    /// # Errors
    /// [`Error::Create`] where it cannot be created.
    pub(super) fn new(path: &Path, gzip: bool) -> Result<Self, Error> {
        let cannot = |source| Error::Create { path: path.to_owned(), source };
        if path.as_os_str() == "-" {
            return if gzip {
                Err(Error::Usage("--gzip needs a file or a directory".to_owned()))
            } else {
                Ok(Self::Output)
            };
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let (stem, gzip) = name.strip_suffix(".gz").map_or((name.as_str(), gzip), |stem| (stem, true));
        if LINES.iter().any(|ending| stem.ends_with(ending)) && !path.is_dir() {
            let writer = Writer::new(path, gzip).map_err(cannot)?;
            return Ok(Self::File { path: path.to_owned(), writer });
        }
        if path.exists() && !path.is_dir() {
            let wanted = "it is there and is no directory; a directory, or FILE.jsonl, is wanted";
            return Err(cannot(io::Error::new(io::ErrorKind::NotADirectory, wanted)));
        }
        // As private as the dataset.
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(cannot)?;
        Ok(Self::Directory { path: path.to_owned(), gzip })
    }

    /// Adds one report. `name` makes the name of a file, given its extension (RFC 8460 5.1).
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn add(&mut self, name: impl Fn(&str) -> String, json: &str) -> Result<(), Error> {
        match self {
            Self::Output => output::print(&format!("{json}\n")),
            Self::Directory { path, gzip } => {
                let path = path.join(name(if *gzip { "json.gz" } else { "json" }));
                let written = || {
                    let mut writer = Writer::new(&path, *gzip)?;
                    writer.write(json)?;
                    writer.finish(&path)
                };
                written().map_err(cannot_write(&path))
            }
            Self::File { path, writer } => writer.write(json).map_err(cannot_write(path)),
        }
    }

    /// Ends the export.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be written.
    pub(super) fn finish(self) -> Result<(), Error> {
        match self {
            Self::Output | Self::Directory { .. } => Ok(()),
            Self::File { path, writer } => writer.finish(&path).map_err(cannot_write(&path)),
        }
    }
}

impl Writer {
    fn new(path: &Path, gzip: bool) -> std::io::Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = BufWriter::new(tempfile::Builder::new().prefix(".tmp-").tempfile_in(folder)?);
        // Neither name nor time stands in the header, so the same report gives the same bytes.
        Ok(if gzip { Self::Gzip(Box::new(GzEncoder::new(file, Compression::default()))) } else { Self::Plain(file) })
    }

    fn write(&mut self, json: &str) -> std::io::Result<()> {
        let writer: &mut dyn Write = match self {
            Self::Plain(writer) => writer,
            Self::Gzip(writer) => writer.as_mut(),
        };
        writer.write_all(json.as_bytes())?;
        writer.write_all(b"\n")
    }

    fn finish(self, path: &Path) -> std::io::Result<()> {
        let writer = match self {
            Self::Plain(writer) => writer,
            Self::Gzip(writer) => writer.finish()?,
        };
        let file = writer.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.persist(path)?;
        Ok(())
    }
}

fn cannot_write(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    Error::io(format!("cannot write {}", path.display()))
}
