//! The dataset directory: creating a scan in it, finishing it, and reading what scans there are.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use arrow_schema::SchemaRef;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::SCHEMA_VERSION;
use super::durable;
use super::manifest::{Manifest, PartInfo, Totals};
use super::part::{Limits, PartWriter};
use super::scan_info::ScanInfo;
use crate::error::Error;

/// The directory of what is known about scans.
const SCANS: &str = "_scans";

/// What was asked.
const SCAN_INFO: &str = "scan.json";

/// What came of it.
const MANIFEST: &str = "manifest.json";

/// A scan in its dataset directory.
#[derive(Debug)]
pub struct Dataset {
    directory: PathBuf,
    scan_id: String,
    limits: Limits,
    /// Whether this scan made the directory.
    is_new: bool,
}

/// A scan that a dataset holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanEntry {
    /// The scan.
    pub scan_id: String,
    /// Whether it has its manifest.
    pub finished: bool,
}

/// The name of a scan: the time it began, to the second, and 24 random bits. Names sort by time.
#[must_use]
pub fn new_scan_id(now: jiff::Timestamp, random: u32) -> String {
    format!("{}-{:06x}", now.strftime("%Y%m%dT%H%M%SZ"), random & 0xff_ffff)
}

impl Dataset {
    /// Begins a scan in a dataset, which is created where there is none.
    ///
    /// # Errors
    /// [`Error::Create`] where that is impossible, or the scan is there already; [`Error::Usage`] where the name of the
    /// scan cannot be part of a path.
    pub fn create(directory: &Path, scan_id: &str) -> Result<Self, Error> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if scan_id.is_empty() || !scan_id.chars().all(plain) {
            return Err(Error::Usage(format!("a scan cannot be called {scan_id:?}")));
        }
        let (scan_id, is_new) = (scan_id.to_owned(), !directory.exists());
        let dataset = Self { directory: directory.to_owned(), scan_id, limits: Limits::default(), is_new };
        let scans = directory.join(SCANS);
        durable::create_directories(&scans).map_err(cannot_create(&scans))?;
        let scan = dataset.scan_directory();
        durable::create_directory(&scan).map_err(cannot_create(&scan))?;
        Ok(dataset)
    }

    /// Sets when the parts of this scan are full.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The name of the scan.
    #[must_use]
    pub fn scan_id(&self) -> &str {
        &self.scan_id
    }

    /// Writes down what is asked, before anything is.
    ///
    /// # Errors
    /// [`Error::Create`] where the file cannot be written.
    pub fn write_scan_info(&self, info: &ScanInfo) -> Result<(), Error> {
        let path = self.scan_directory().join(SCAN_INFO);
        durable::write(&path, &pretty(info)?).map_err(cannot_create(&path))
    }

    /// A writer for the parts of a table. The directory is made now, so that what cannot work fails before the scan.
    ///
    /// # Errors
    /// [`Error::Create`] where the directory cannot be made.
    pub fn part_writer(&self, table: &str, schema: SchemaRef) -> Result<PartWriter, Error> {
        let partition = format!("{table}/scan={}", self.scan_id);
        let path = self.directory.join(&partition);
        durable::create_directories(&path).map_err(cannot_create(&path))?;
        PartWriter::new(table, &self.directory, partition, schema, self.limits)
    }

    /// Writes the manifest, and with it finishes the scan.
    ///
    /// # Errors
    /// [`Error::Io`] where the disk refuses.
    pub fn finish(
        self,
        totals: &Totals,
        parts: Vec<PartInfo>,
        finished_at: jiff::Timestamp,
    ) -> Result<Manifest, Error> {
        let path = self.scan_directory().join(MANIFEST);
        let manifest =
            Manifest { scan_id: self.scan_id, schema: SCHEMA_VERSION, finished_at, parts, totals: totals.clone() };
        durable::write(&path, &pretty(&manifest)?).map_err(Error::io(format!("cannot write {}", path.display())))?;
        Ok(manifest)
    }

    /// Takes back a scan that asked nobody anything: removes what it made, and nothing else. What cannot be removed stays,
    /// as a scan without a manifest.
    pub fn discard(self, tables: &[&str]) {
        for table in tables {
            let partition = self.directory.join(table).join(format!("scan={}", self.scan_id));
            let _ = fs::remove_dir_all(partition);
            // Only an empty directory can be removed so: other scans keep theirs.
            let _ = fs::remove_dir(self.directory.join(table));
        }
        let _ = fs::remove_dir_all(self.scan_directory());
        let _ = fs::remove_dir(self.directory.join(SCANS));
        if self.is_new {
            let _ = fs::remove_dir(&self.directory);
        }
    }

    /// The directory of the scan itself, for `scan.json`, the manifest and the prepared list.
    #[must_use]
    pub fn scan_directory(&self) -> PathBuf {
        self.directory.join(SCANS).join(&self.scan_id)
    }
}

/// The scans of a dataset, the oldest first.
///
/// # Errors
/// [`Error::Input`] where the directory is no dataset, [`Error::Io`] where it cannot be read.
pub fn scans(directory: &Path) -> Result<Vec<ScanEntry>, Error> {
    let path = directory.join(SCANS);
    let entries = match fs::read_dir(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(Error::Input(format!("{} is no dataset: it has no {SCANS}", directory.display())));
        }
        other => other.map_err(cannot_read(&path))?,
    };
    let mut scans = Vec::new();
    for entry in entries {
        let entry = entry.map_err(cannot_read(&path))?;
        // A name that is no text was not given by us.
        let Ok(scan_id) = entry.file_name().into_string() else { continue };
        if entry.path().is_dir() {
            let finished = entry.path().join(MANIFEST).is_file();
            scans.push(ScanEntry { scan_id, finished });
        }
    }
    scans.sort_by(|a, b| a.scan_id.cmp(&b.scan_id));
    Ok(scans)
}

/// The manifest of a scan; `None` where the scan is not finished.
///
/// # Errors
/// [`Error::Input`] where it is damaged, [`Error::Io`] where it cannot be read.
pub fn read_manifest(directory: &Path, scan_id: &str) -> Result<Option<Manifest>, Error> {
    read(&directory.join(SCANS).join(scan_id).join(MANIFEST))
}

/// What a scan was asked; `None` where it stopped before that was written down.
///
/// # Errors
/// [`Error::Input`] where it is damaged, [`Error::Io`] where it cannot be read.
pub fn read_scan_info(directory: &Path, scan_id: &str) -> Result<Option<ScanInfo>, Error> {
    read(&directory.join(SCANS).join(scan_id).join(SCAN_INFO))
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Error> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|error| Error::Input(format!("{} is damaged: {error}", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot_read(path)(error)),
    }
}

/// JSON for programs that a person can read, too.
fn pretty(value: &impl Serialize) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::Internal(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn cannot_create(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Create { path, source }
}

fn cannot_read(path: &Path) -> impl FnOnce(io::Error) -> Error {
    Error::io(format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests;
