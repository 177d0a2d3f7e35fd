//! Lines: a bounded splitter for bytes from strangers (HOSTILE.md 1-6).

use std::io::{self, BufRead, Read as _};

use crate::finding::{Code, list};

/// Bytes of the longest line that is read. A name has 253, the longest records of a zone a few thousand; whatever is
/// longer is passed over in pieces, so that memory stays flat (HOSTILE.md 6).
pub(super) const LINE_MAX: usize = 16 * 1024;

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
        if text.contains('\0') { Err(list::BAD_BYTES) } else { Ok(text) }
    }
}

/// Splits a source into lines that end in LF or CRLF, the last terminator being optional. A byte order mark is stripped
/// once, at the start.
pub(super) struct Lines<'r> {
    reader: &'r mut dyn BufRead,
    buffer: Vec<u8>,
    at_start: bool,
}

impl<'r> Lines<'r> {
    pub(super) fn new(reader: &'r mut dyn BufRead) -> Self {
        Self { reader, buffer: Vec::new(), at_start: true }
    }

    /// The next line, or none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.buffer.clear();
        // Two bytes more for CR and LF, so that a line of exactly LINE_MAX bytes is not too long.
        let bound = LINE_MAX as u64 + 2;
        if (&mut *self.reader).take(bound).read_until(b'\n', &mut self.buffer)? == 0 {
            return Ok(None);
        }
        if self.buffer.last() != Some(&b'\n') && self.buffer.len() as u64 == bound {
            self.reader.skip_until(b'\n')?;
        }
        let mut bytes = self.buffer.as_slice();
        bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        if std::mem::take(&mut self.at_start) {
            bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
        }
        let too_long = bytes.len() > LINE_MAX;
        Ok(Some(Line { bytes: &bytes[..bytes.len().min(LINE_MAX)], too_long }))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn split(input: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let mut reader = input;
        let mut lines = Lines::new(&mut reader);
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
            for (length, too_long) in
                [(LINE_MAX, false), (LINE_MAX + 1, true), (LINE_MAX + 2, true), (5 * LINE_MAX, true)]
            {
                let mut input = vec![b'a'; length];
                input.extend_from_slice(end);
                let mut expected = vec![(vec![b'a'; LINE_MAX], too_long)];
                if !end.is_empty() {
                    input.extend_from_slice(b"next");
                    expected.push((b"next".to_vec(), false));
                }
                assert_eq!(split(&input), expected, "{length} {end:?}");
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
