//! Lines: a bounded splitter for bytes from strangers (HOSTILE.md 1-6).

use std::io::{self, Read};

use memchr::memchr;

use crate::finding::{Code, list};

/// Bytes of the longest line that is read. A name has 253, the longest records of a zone a few thousand; whatever is
/// longer is passed over in pieces, so that memory stays flat (HOSTILE.md 6).
pub(super) const LINE_MAX: usize = 16 * 1024;

/// Bytes held of a line: with these, less a byte order mark and a carriage return, it is too long.
const HELD_MAX: usize = LINE_MAX + BOM.len() + 2;

/// Bytes read at a time: several of the longest lines, and thousands of names.
const BUFFER: usize = 64 * 1024;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// The bytes; of a line that is too long, the first [`LINE_MAX`].
    pub(super) bytes: &'a [u8],
    /// Whether it is too long.
    pub(super) too_long: bool,
}

impl<'a> Line<'a> {
    /// The line as text.
    pub(super) fn text(&self) -> Result<&'a str, Code> {
        if self.too_long {
            return Err(list::LINE_TOO_LONG);
        }
        let text = std::str::from_utf8(self.bytes).map_err(|_| list::BAD_BYTES)?;
        // A NUL says that the file is no text (HOSTILE.md 5).
        if memchr(0, self.bytes).is_some() { Err(list::BAD_BYTES) } else { Ok(text) }
    }
}

/// Splits a source into lines that end in LF or CRLF, the last terminator being optional. A byte order mark is stripped
/// once, at the start. Lines stand in the buffer, and are not copied.
pub(super) struct Lines<'r> {
    reader: &'r mut dyn Read,
    buffer: Box<[u8]>,
    /// What is held of the source: the lines that are still to come, or begin to.
    start: usize,
    end: usize,
    at_start: bool,
}

impl<'r> Lines<'r> {
    pub(super) fn new(reader: &'r mut dyn Read) -> Self {
        Self { reader, buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0, at_start: true }
    }

    /// The next line, or none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        let mut searched = 0;
        let (length, next) = loop {
            let held = &self.buffer[self.start..self.end];
            if let Some(at) = memchr(b'\n', &held[searched..]) {
                break (searched + at, searched + at + 1);
            }
            searched = held.len();
            if searched >= HELD_MAX {
                break (HELD_MAX, self.pass_over()?);
            }
            if !self.fill()? {
                break (searched, searched);
            }
        };
        let mut bytes = &self.buffer[self.start..self.start + length];
        self.start += next;
        if next == 0 {
            return Ok(None);
        }
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if std::mem::take(&mut self.at_start) {
            bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        }
        Ok(Some(Line { bytes: &bytes[..bytes.len().min(LINE_MAX)], too_long: bytes.len() > LINE_MAX }))
    }

    /// Reads on to the end of a line of which enough is held to tell that it is too long; gives where the next begins.
    fn pass_over(&mut self) -> io::Result<usize> {
        loop {
            self.end = self.start + HELD_MAX;
            if !self.fill()? {
                return Ok(HELD_MAX);
            }
            if let Some(at) = memchr(b'\n', &self.buffer[self.start + HELD_MAX..self.end]) {
                return Ok(HELD_MAX + at + 1);
            }
        }
    }

    /// Reads more behind what is held. Says whether there was more.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.end..]) {
                Ok(length) => {
                    self.end += length;
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn split(input: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let whole = split_read(&mut { input });
        assert_eq!(split_read(&mut Drops(input)), whole);
        whole
    }

    /// A source that gives a few bytes at a time.
    struct Drops<'a>(&'a [u8]);

    impl Read for Drops<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let length = buffer.len().min(7);
            self.0.read(&mut buffer[..length])
        }
    }

    fn split_read(reader: &mut dyn Read) -> Vec<(Vec<u8>, bool)> {
        let mut lines = Lines::new(reader);
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            out.push((line.bytes.to_vec(), line.too_long));
        }
        out
    }

    #[test]
    fn line_ends() {
        let cases: &[(&[u8], &[&[u8]])] = &[
            (b"", &[]),
            (b"a\nb\n", &[b"a", b"b"]),
            (b"a\r\nb", &[b"a", b"b"]),
            (b"a\rb\nc\r", &[b"a\rb", b"c"]),
            (b"\n\n", &[b"", b""]),
            (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", &[b"a", b"\xef\xbb\xbfb"]),
        ];
        for (input, expected) in cases {
            let got: Vec<_> = split(input).into_iter().map(|(bytes, _)| bytes).collect();
            assert_eq!(got, *expected, "{input:?}");
        }
    }

    #[test]
    fn the_bound_has_two_sides() {
        for end in [&b"\n"[..], b"\r\n", b""] {
            for (length, too_long) in [
                (LINE_MAX, false),
                (LINE_MAX + 1, true),
                (LINE_MAX + 2, true),
                (5 * LINE_MAX, true),
                (2 * BUFFER, true),
            ] {
                for mark in [&b""[..], BOM] {
                    let mut input = mark.to_vec();
                    input.resize(mark.len() + length, b'a');
                    input.extend_from_slice(end);
                    let mut expected = vec![(vec![b'a'; LINE_MAX], too_long)];
                    if !end.is_empty() {
                        input.extend_from_slice(b"next");
                        expected.push((b"next".to_vec(), false));
                    }
                    assert_eq!(split(&input), expected, "{length} {end:?} {mark:?}");
                }
            }
        }
    }

    #[test]
    fn lines_that_are_no_text() {
        let code = |bytes: &[u8]| Line { bytes, too_long: false }.text().err();
        assert_eq!(code(b"a\0b"), Some(list::BAD_BYTES));
        assert_eq!(code(b"a\xffb"), Some(list::BAD_BYTES));
        assert_eq!(code(b"a\xc3\xa9"), None);
        assert_eq!(Line { bytes: b"a", too_long: true }.text(), Err(list::LINE_TOO_LONG));
    }
}
