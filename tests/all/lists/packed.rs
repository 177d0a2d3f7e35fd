//! Packed lists, whole and damaged (HOSTILE.md 4, 21-24).

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use stscan::list::PrepareOptions;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{in_order, list};

const LIST: &[u8] = b"a.example\nb.example\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut out = zstd::Encoder::new(Vec::new(), 3).unwrap();
    out.include_checksum(true).unwrap();
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

fn archive(fill: impl FnOnce(&mut ZipWriter<std::io::Cursor<Vec<u8>>>)) -> Vec<u8> {
    let mut out = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    fill(&mut out);
    out.finish().unwrap().into_inner()
}

/// An archive of these entries.
pub(super) fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
    archive(|out| {
        for (name, bytes) in entries {
            out.start_file(*name, SimpleFileOptions::default()).unwrap();
            out.write_all(bytes).unwrap();
        }
    })
}

/// Writes 1 GiB of one letter, and a tail, packed.
pub(super) fn gibibyte(path: &Path, tail: &[u8]) {
    let mut out = zstd::Encoder::new(fs::File::create(path).unwrap(), 1).unwrap();
    let piece = vec![b'a'; 1 << 20];
    for _ in 0..1 << 10 {
        out.write_all(&piece).unwrap();
    }
    out.write_all(tail).unwrap();
    out.finish().unwrap();
}

/// Flips the bits of one byte; negative positions count from the end.
fn flipped(mut bytes: Vec<u8>, at: isize) -> Vec<u8> {
    let at = if at < 0 { bytes.len() - at.unsigned_abs() } else { at.unsigned_abs() };
    bytes[at] ^= 0xff;
    bytes
}

fn cut(mut bytes: Vec<u8>, by: usize) -> Vec<u8> {
    bytes.truncate(bytes.len() - by);
    bytes
}

/// Gives the second entry the name of the first, as no writer does: readers that go by name see one of them.
fn twins(mut bytes: Vec<u8>) -> Vec<u8> {
    let places: Vec<usize> =
        bytes.windows(6).enumerate().filter(|(_, window)| window == b"second").map(|(at, _)| at).collect();
    assert_eq!(places.len(), 2, "in the local header and in the directory");
    for at in places {
        bytes[at..at + 6].copy_from_slice(b"first_");
    }
    bytes
}

/// Where the directory of an archive with one entry begins.
fn directory(bytes: &[u8]) -> usize {
    bytes.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap()
}

/// Sets the flag "encrypted" of the entry, in its local header and in the directory (APPNOTE 4.4.4).
fn encrypted(mut bytes: Vec<u8>) -> Vec<u8> {
    let flags = directory(&bytes) + 8;
    bytes[6] |= 1;
    bytes[flags] |= 1;
    bytes
}

/// Spoils the checksum of the entry in the directory (APPNOTE 4.3.12).
fn misjudged(bytes: Vec<u8>) -> Vec<u8> {
    let checksum = directory(&bytes) + 16;
    flipped(bytes, checksum as isize)
}

#[test]
fn packed_lists_are_read_whole() {
    for (what, bytes, packing) in [
        ("gzip", gzip(LIST), "gzip"),
        // HOSTILE.md 22
        ("gzip in members", [gzip(b"a.example\n"), gzip(b""), gzip(b"b.example\n")].concat(), "gzip"),
        ("gzip members that split a line", [gzip(b"a.exam"), gzip(b"ple\nb.example")].concat(), "gzip"),
        ("zstd", zstd(LIST), "zstd"),
        ("zstd in frames", [zstd(b"a.example\n"), zstd(b"b.example\n")].concat(), "zstd"),
        ("zstd behind a skippable frame", [b"\x50\x2a\x4d\x18\x02\0\0\0xy".to_vec(), zstd(LIST)].concat(), "zstd"),
        ("zip", zip(&[("list.csv", LIST)]), "zip"),
        // HOSTILE.md 24: the name is never a path
        ("zip with a name that climbs", zip(&[("../../x", LIST)]), "zip"),
    ] {
        let outcome = list(&[&bytes], &in_order()).unwrap();
        assert_eq!(outcome.names(), ["a.example", "b.example"], "{what}");
        let facts = &outcome.prepared.sources[0];
        assert_eq!((facts.packing.as_str(), facts.bytes), (packing, bytes.len() as i64), "{what}");
    }
}

#[test]
fn damaged_lists_are_refused() {
    let long: Vec<u8> = (0..20_000).flat_map(|n| format!("d{n}.example\n").into_bytes()).collect();
    let utf16 =
        |mark: &str| -> Vec<u8> { format!("{mark}a.example\n").encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for (what, bytes) in [
        ("4 UTF-16 with a mark", utf16("\u{feff}")),
        ("4 UTF-16 without", utf16("")),
        ("21 gzip cut in its checksum", cut(gzip(&long), 3)),
        ("21 gzip cut in its data", cut(gzip(&long), 4000)),
        ("21 gzip cut in its header", gzip(LIST)[..5].to_vec()),
        ("21 gzip with a bad checksum", flipped(gzip(&long), -8)),
        ("21 gzip with junk behind", [gzip(LIST), b"junk".to_vec()].concat()),
        ("zstd cut", cut(zstd(&long), 3)),
        ("zstd with a bad checksum", flipped(zstd(&long), -1)),
        // HOSTILE.md 23: frame header without size, window descriptor 21 << 3 (2 GiB), one empty last block
        ("23 zstd with a window of 2 GiB", b"\x28\xb5\x2f\xfd\x00\xa8\x01\0\0".to_vec()),
        ("24 zip with two entries", zip(&[("a", LIST), ("b", LIST)])),
        ("24 zip with two entries of one name", twins(zip(&[("first_", LIST), ("second", LIST)]))),
        ("24 zip without entries", zip(&[])),
        ("24 zip encrypted", encrypted(zip(&[("a", LIST)]))),
        (
            "24 zip with a link",
            archive(|out| out.add_symlink("a", "/etc/passwd", SimpleFileOptions::default()).unwrap()),
        ),
        ("24 zip with a directory", archive(|out| out.add_directory("a", SimpleFileOptions::default()).unwrap())),
        ("24 zip with a bad checksum", misjudged(zip(&[("a", &long)]))),
        ("24 zip with bad data", flipped(zip(&[("a", &long)]), 200)),
        ("24 zip cut", cut(zip(&[("a", &long)]), 30)),
        ("xz", b"\xfd7zXZ\0\0\0\0\0".to_vec()),
        ("Parquet", b"PAR1\x15\0\x15\0\0\0\0\0".to_vec()),
    ] {
        let refused = list(&[b"first.example\n", &bytes], &in_order());
        assert_eq!(refused.err().map(|error| error.exit_status()), Some(65), "{what}");
    }
}

/// HOSTILE.md 23: a bomb ends at the bound, and a list of exactly that length does not.
#[test]
fn the_bound_on_the_input_has_two_sides() {
    let bytes = b"a.example\n".repeat(100_000);
    for (what, packed) in
        [("plain", bytes.clone()), ("gzip", gzip(&bytes)), ("zstd", zstd(&bytes)), ("zip", zip(&[("a", &bytes)]))]
    {
        let bounded = |max_input| list(&[&packed], &PrepareOptions { max_input, ..in_order() });
        let length = bytes.len() as u64;
        assert_eq!(bounded(length).unwrap().prepared.duplicates, 99_999, "{what}");
        assert_eq!(bounded(length - 1).err().map(|error| error.exit_status()), Some(65), "{what}");
    }
}

/// Damage behind a limit is damage all the same.
#[test]
fn a_limit_hides_no_damage() {
    let long = b"a.example\n".repeat(100_000);
    let options = PrepareOptions { limit: Some(1), ..in_order() };
    assert_eq!(list(&[&gzip(&long)], &options).unwrap().prepared.lines, 1);
    assert_eq!(list(&[&flipped(gzip(&long), -8)], &options).err().map(|error| error.exit_status()), Some(65));
}
