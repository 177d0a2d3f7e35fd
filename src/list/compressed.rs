//! Sources unpacked: gzip, Zstandard and zip by their magic bytes, within bounds, with checksums (HOSTILE.md 4, 21-24).

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read, Seek as _};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use sha2::{Digest as _, Sha256};
use zip::ZipArchive;

use super::Source;
use super::sniff::{self, Packing};
use crate::error::Error;
use crate::text::hex;

/// The largest Zstandard window, as a power of two: 128 MiB, which the highest level of the usual tool asks for. A frame
/// that asks for more (up to 2 GiB, HOSTILE.md 23) is refused.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Bytes read at a time.
const BUFFER: usize = 64 * 1024;

/// A source in the middle of being read: text, and how to tell what stopped it.
pub(super) struct Text<'a> {
    /// The unpacked bytes.
    pub(super) reader: &'a mut dyn Read,
    /// The first of them, up to [`sniff::SAMPLE`]; they are still to be read.
    pub(super) sample: Vec<u8>,
    /// Whether the sample is all there is.
    pub(super) whole: bool,
    /// How they were packed.
    pub(super) packing: Packing,
}

/// What was read, byte by byte.
pub(super) struct Digest {
    pub(super) bytes: i64,
    pub(super) sha256: String,
}

/// Opens a source, lets `read` have its unpacked text, and makes sure that nothing of it was damaged, up to the last byte.
///
/// `max_input` bounds the unpacked bytes; an archive is spooled to `work_dir` first, as its directory stands at its end.
pub(super) fn read(
    source: &Source,
    work_dir: &Path,
    max_input: u64,
    read: &mut dyn FnMut(&mut Text<'_>) -> Result<(), Error>,
) -> Result<Digest, Error> {
    let raw: Box<dyn Read> = match source {
        Source::Stdin => Box::new(io::stdin().lock()),
        Source::Path(path) => {
            let file = File::open(path).map_err(|error| Error::Input(format!("cannot open {source}: {error}")))?;
            if file.metadata().is_ok_and(|meta| meta.is_dir()) {
                return Err(Error::Input(format!("{source} is a directory")));
            }
            Box::new(file)
        }
    };
    let mut raw = BufReader::with_capacity(BUFFER, Hashing::new(raw));
    let mut head = Vec::new();
    let explain = |packing: Packing| move |error| explain(source, packing, max_input, error);
    raw.by_ref().take(Packing::MAGIC as u64).read_to_end(&mut head).map_err(explain(Packing::None))?;
    let packing = Packing::of(&head);
    let mut raw = Cursor::new(head).chain(raw);
    let mut unpack = |packed: &mut dyn BufRead| -> Result<(), Error> {
        match packing {
            Packing::None => bounded(packed, source, packing, max_input, read),
            Packing::Gzip => bounded(&mut MultiGzDecoder::new(packed), source, packing, max_input, read),
            Packing::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(packed).map_err(explain(packing))?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(explain(packing))?;
                bounded(&mut decoder, source, packing, max_input, read)
            }
            Packing::Zip => unzip(packed, source, work_dir, max_input, read),
            Packing::Foreign(name) => Err(Error::Input(format!(
                "{source} is packed as {name}: unpack it first (read are gzip, zstd and zip)"
            ))),
        }
    };
    unpack(&mut raw)?;
    // Whatever stands behind the packed text belongs to the file's digest too.
    io::copy(&mut raw, &mut io::sink()).map_err(explain(packing))?;
    Ok(raw.into_inner().1.into_inner().digest())
}

/// The single entry of a zip archive, streamed: no name of the archive ever becomes a path (RUSTSEC-2025-0168).
fn unzip(
    packed: &mut dyn BufRead,
    source: &Source,
    work_dir: &Path,
    max_input: u64,
    read: &mut dyn FnMut(&mut Text<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let explain = |error| explain(source, Packing::Zip, max_input, error);
    let refuse = |why: &str| Error::Input(format!("{source}: {why}"));
    // Without a name in the directory, so that it is gone however this process ends.
    let mut spool =
        tempfile::tempfile_in(work_dir).map_err(|source| Error::Create { path: work_dir.to_owned(), source })?;
    io::copy(&mut Bounded { inner: packed, left: max_input }, &mut spool).map_err(|error| {
        match error.raw_os_error() {
            Some(_) => Error::Io { what: format!("cannot copy {source} to {}", work_dir.display()), source: error },
            None => explain(error),
        }
    })?;
    spool.rewind().map_err(explain)?;
    let broken = |error: zip::result::ZipError| match error {
        zip::result::ZipError::Io(error) => explain(error),
        other => Error::Input(format!("{source}: damaged or unreadable zip: {other}")),
    };
    let mut archive = ZipArchive::new(BufReader::with_capacity(BUFFER, spool)).map_err(broken)?;
    if archive.len() != 1 || archive.has_duplicate_names() {
        return Err(refuse("a zip archive must hold exactly one list"));
    }
    let entry = archive.by_index_raw(0).map_err(broken)?;
    if entry.encrypted() {
        return Err(refuse("the zip archive is encrypted"));
    }
    if !entry.is_file() {
        return Err(refuse("the zip archive holds a directory or a link, and no list"));
    }
    drop(entry);
    let mut entry = archive.by_index(0).map_err(broken)?;
    bounded(&mut entry, source, Packing::Zip, max_input, read)
}

/// Hands the unpacked bytes to `read` within the bound, and reads on to the end, where the checksums stand.
fn bounded(
    unpacked: &mut dyn Read,
    source: &Source,
    packing: Packing,
    max_input: u64,
    read: &mut dyn FnMut(&mut Text<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let explain = |error| explain(source, packing, max_input, error);
    let mut unpacked = Bounded { inner: unpacked, left: max_input };
    let mut sample = Vec::new();
    unpacked.by_ref().take(sniff::SAMPLE as u64).read_to_end(&mut sample).map_err(explain)?;
    if let Some(encoding) = sniff::foreign_encoding(&sample) {
        return Err(Error::Input(format!("{source} is written in {encoding}: lists are read in UTF-8")));
    }
    let mut reader = Cursor::new(sample.clone()).chain(unpacked);
    let whole = sample.len() < sniff::SAMPLE;
    read(&mut Text { reader: &mut reader, sample, whole, packing })?;
    io::copy(&mut reader, &mut io::sink()).map_err(explain)?;
    Ok(())
}

/// What stopped the reading of a source: the machine (an error of the system), the bound, or damage.
pub(super) fn explain(source: &Source, packing: Packing, max_input: u64, error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return Error::Io { what: format!("cannot read {source}"), source: error };
    }
    if error.kind() == io::ErrorKind::FileTooLarge {
        return Error::Input(format!("{source} is longer than --max-input {max_input} when unpacked"));
    }
    Error::Input(format!("{source}: damaged {}: {error}", packing.word()))
}

/// Counts and hashes what passes.
struct Hashing {
    inner: Box<dyn Read>,
    hasher: Sha256,
    bytes: i64,
}

impl Hashing {
    fn new(inner: Box<dyn Read>) -> Self {
        Self { inner, hasher: Sha256::new(), bytes: 0 }
    }

    fn digest(self) -> Digest {
        Digest { bytes: self.bytes, sha256: hex(&self.hasher.finalize()) }
    }
}

impl Read for Hashing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        self.bytes += i64::try_from(length).unwrap_or(0);
        Ok(length)
    }
}

/// A reader that fails past its bound, rather than to end as if all were well.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(length as u64).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(length)
    }
}
