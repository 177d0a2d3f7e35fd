//! What a source is, by its first bytes: encoding, compression and format are never told by a file's name.

use super::{Column, Format, Taken, csv, plain, zone};
use crate::finding::list;

/// Decompressed bytes looked at to choose the format: hundreds of lines of any list.
pub(super) const SAMPLE: usize = 64 * 1024;

/// How a source is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    /// Not at all.
    None,
    /// gzip (RFC 1952), in one member or several.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
    /// A zip archive.
    Zip,
    /// Packed in a way that is not read.
    Foreign(&'static str),
}

impl Packing {
    /// Bytes that tell any of them.
    pub(super) const MAGIC: usize = 10;

    /// The packing by its magic bytes.
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable one before it (RFC 8878 3.1.2).
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => Self::Zip,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Foreign("xz"),
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..] => Self::Foreign("bzip2"),
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => Self::Foreign("7z"),
            [b'P', b'A', b'R', b'1', ..] => Self::Foreign("Parquet"),
            _ => Self::None,
        }
    }

    /// The stable lower-case word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Zip => "zip",
            Self::Foreign(name) => name,
        }
    }
}

/// The encoding of a text that is no UTF-8, by its byte order mark, or by NULs in every other byte (HOSTILE.md 4).
pub(super) fn foreign_encoding(sample: &[u8]) -> Option<&'static str> {
    match sample {
        [0xff, 0xfe, 0, 0, ..] => return Some("UTF-32LE"),
        [0, 0, 0xfe, 0xff, ..] => return Some("UTF-32BE"),
        [0xff, 0xfe, ..] => return Some("UTF-16LE"),
        [0xfe, 0xff, ..] => return Some("UTF-16BE"),
        _ => {}
    }
    // Without a mark: eight characters of ASCII tell.
    let head = sample.get(..16)?;
    let nul = |odd: usize| head.iter().skip(odd).step_by(2).all(|&b| b == 0);
    match (nul(0), nul(1)) {
        (false, true) => Some("UTF-16LE"),
        (true, false) => Some("UTF-16BE"),
        _ => None,
    }
}

/// The reader of one source's lines.
pub(super) enum Reader {
    Plain,
    Csv(csv::Rows, usize),
    Zone(zone::Records),
}

impl Reader {
    /// Chooses the format and its columns by the first bytes. `None` where the format was asked for, and no column is the
    /// one that was asked for or holds names.
    pub(super) fn choose(sample: &[u8], whole: bool, format: Format, column: Option<&Column>) -> Option<Self> {
        let text = String::from_utf8_lossy(sample);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut lines: Vec<&str> = text.lines().collect();
        // The last line of a sample is cut off anywhere.
        if !whole && lines.len() > 1 {
            lines.pop();
        }
        let rows = || {
            csv::Layout::choose(&lines, column).map(|layout| {
                let number = layout.column();
                Self::Csv(csv::Rows::new(layout), number)
            })
        };
        match format {
            Format::Plain => Some(Self::Plain),
            Format::Zone => Some(Self::Zone(zone::Records::new())),
            Format::Csv => rows(),
            Format::Auto if column.is_some() => rows(),
            Format::Auto => {
                let says_something = |line: &&&str| !zone::is_blank(line) && !plain::is_blank(line);
                if lines.iter().find(says_something).is_some_and(|line| zone::is_likely(line)) {
                    return Some(Self::Zone(zone::Records::new()));
                }
                Some(if csv::Layout::is_likely(&lines) { rows().unwrap_or(Self::Plain) } else { Self::Plain })
            }
        }
    }

    /// The format that was chosen.
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Plain => Format::Plain,
            Self::Csv(..) => Format::Csv,
            Self::Zone(_) => Format::Zone,
        }
    }

    /// The column of the names, from 1, where the format has columns.
    pub(super) fn column(&self) -> Option<usize> {
        match self {
            Self::Csv(_, column) => Some(*column),
            Self::Plain | Self::Zone(_) => None,
        }
    }

    /// Reads one line.
    pub(super) fn take<'a>(&mut self, line: &'a str) -> Taken<'a> {
        match self {
            Self::Plain => plain::take(line),
            Self::Csv(rows, _) => rows.take(line),
            Self::Zone(records) => records.take(line),
        }
    }

    /// What the end of the source adds: a record that was never ended.
    pub(super) fn end(&self) -> Option<Taken<'static>> {
        match self {
            Self::Zone(records) if records.is_open() => Some(Taken::Bad(list::ZONE_SYNTAX)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packings() {
        for (head, packing) in [
            (&b"\x1f\x8b\x08"[..], Packing::Gzip),
            (b"\x28\xb5\x2f\xfd", Packing::Zstd),
            (b"\x5f\x2a\x4d\x18", Packing::Zstd),
            (b"PK\x03\x04", Packing::Zip),
            (b"PK\x05\x06", Packing::Zip),
            (b"BZh91AY&SY", Packing::Foreign("bzip2")),
            (b"BZh9.exam", Packing::None),
            (b"PK.example", Packing::None),
            (b"", Packing::None),
        ] {
            assert_eq!(Packing::of(head), packing, "{head:?}");
        }
    }

    #[test]
    fn encodings() {
        let utf16 = |text: &str, swap: bool| -> Vec<u8> {
            text.encode_utf16().flat_map(|u| if swap { u.to_be_bytes() } else { u.to_le_bytes() }).collect()
        };
        for (sample, encoding) in [
            (utf16("\u{feff}a.example\n", false), Some("UTF-16LE")),
            (utf16("\u{feff}a.example\n", true), Some("UTF-16BE")),
            (utf16("a.example\n", false), Some("UTF-16LE")),
            (utf16("a.example\n", true), Some("UTF-16BE")),
            (b"\xff\xfe\0\0a\0\0\0".to_vec(), Some("UTF-32LE")),
            ("\u{feff}a.example\n".into(), None),
            (vec![0; 64], None),
            (b"a.example\nb\0c.example\n".to_vec(), None),
        ] {
            assert_eq!(foreign_encoding(&sample), encoding, "{sample:?}");
        }
    }

    #[test]
    fn formats() {
        let chosen = |sample: &str| {
            Reader::choose(sample.as_bytes(), true, Format::Auto, None).map(|r| (r.format(), r.column()))
        };
        for (sample, expected) in [
            ("a.example\nb.example\n", (Format::Plain, None)),
            ("", (Format::Plain, None)),
            ("# 1,2\na.example\n", (Format::Plain, None)),
            ("1,a.example\n", (Format::Csv, Some(2))),
            ("\u{feff}domain\na.example\n", (Format::Csv, Some(1))),
            ("1,2\n3,4\n", (Format::Plain, None)),
            ("; zone\n\na.z. 900 IN NS ns.a.z.\n", (Format::Zone, None)),
            ("$ORIGIN z.\n", (Format::Zone, None)),
        ] {
            assert_eq!(chosen(sample), Some(expected), "{sample:?}");
        }
        let column = Column::Name("web".to_owned());
        assert!(Reader::choose(b"mail,x\na.example,b\n", true, Format::Auto, Some(&column)).is_none());
        assert!(Reader::choose(b"1,2\n", true, Format::Csv, None).is_none());
    }
}
