//! A line of a policy: name, colon, value, and the terminator (RFC 8461 3.2).

use super::on;
use crate::finding::{Finding, Gather, policy};
use crate::text;

/// The longest name of an extension: `sts-policy-alphanum *31(sts-policy-alphanum / "_" / "-" / ".")`.
pub(super) const NAME_MAX: usize = 32;

/// A line with a colon, without the white space around name and value.
#[derive(Clone, Copy)]
pub(super) struct Field<'a> {
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// Whether no line with text stands above it.
    pub(super) first: bool,
    /// What stands before the first colon.
    pub(super) name: &'a str,
    /// What stands behind it.
    pub(super) value: &'a str,
}

impl Field<'_> {
    /// A finding about this field.
    pub(super) fn describe(&self, finding: Finding) -> Finding {
        // Cut before it is copied: a name or value may be 64 KiB of a stranger's text.
        let cut = |text: &str| text::excerpt(&text.as_bytes()[..text.floor_char_boundary(text::KEPT)]);
        finding.about(cut(self.name)).with("line", self.line).with("value", cut(self.value))
    }

    /// Whether a control stands in it that is no white space of the grammar.
    pub(super) fn has_control(&self) -> bool {
        let control = |c: char| c.is_ascii_control() && !WSP.contains(&c);
        self.name.contains(control) || self.value.contains(control)
    }

    /// Whether name and value keep the grammar of an extension. The value is UTF-8 without controls, not empty, and
    /// has no white space inside but SP: `sts-policy-vchar = %x21-7E / UTF8-2 / UTF8-3 / UTF8-4`.
    pub(super) fn is_extension(&self) -> bool {
        let begins = self.name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let named = self.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        let valued = !self.value.is_empty() && !self.value.contains(|c: char| c.is_ascii_control());
        begins && named && self.name.len() <= NAME_MAX && valued
    }
}

/// The lines of a policy that have a colon; what is wrong with a line as such is gathered on the way.
pub(super) fn fields<'a>(text: &'a str, gather: &mut Gather) -> Vec<Field<'a>> {
    let mut fields = Vec::new();
    let mut first = true;
    for (number, line) in (1..).zip(lines(text)) {
        if line.end == End::Cr {
            gather.add(policy::LINE_END, on(number));
        }
        let content = line.text.trim_start_matches(WSP);
        if content.is_empty() {
            gather.add(policy::BLANK_LINE, on(number));
            continue;
        }
        if content.len() < line.text.len() {
            gather.add(policy::LEADING_SPACE, on(number));
        }
        match content.split_once(':') {
            Some((name, value)) => {
                let trimmed = name.trim_end_matches(WSP);
                let field = Field { line: number, first, name: trimmed, value: value.trim_matches(WSP) };
                if trimmed.len() < name.len() {
                    gather.add(policy::SPACE_BEFORE_COLON, |finding| field.describe(finding));
                }
                fields.push(field);
            }
            None => {
                let field = Field { line: number, first, name: "", value: content };
                gather.add(policy::LINE_SYNTAX, |finding| field.describe(finding));
                if field.has_control() {
                    gather.add(policy::NUL, |finding| field.describe(finding));
                }
            }
        }
        first = false;
    }
    fields
}

/// White space of the grammar (RFC 5234 B.1).
const WSP: [char; 2] = [' ', '\t'];

/// The number of the line, from 1, on which the character at `at` stands.
pub(super) fn number(text: &str, at: usize) -> usize {
    lines(&text[..text.ceil_char_boundary(at + 1)]).count()
}

/// How a line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// LF, CRLF (RFC 8461 3.2, erratum 6253), or the end of the body.
    Lawful,
    /// A lone CR.
    Cr,
}

/// A line without its terminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line<'a> {
    pub(super) text: &'a str,
    end: End,
}

/// Splits at LF, CRLF and lone CR. The last terminator is optional: nothing behind it is no line.
pub(super) fn lines(mut rest: &str) -> impl Iterator<Item = Line<'_>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (text, terminator) = rest.split_at(end);
        let (length, end) = match terminator.as_bytes() {
            [b'\r', b'\n', ..] => (2, End::Lawful),
            [b'\r', ..] => (1, End::Cr),
            [_, ..] => (1, End::Lawful),
            [] => (0, End::Lawful),
        };
        rest = &terminator[length..];
        Some(Line { text, end })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminators() {
        for (text, expected) in [
            ("", &[][..]),
            ("a", &[("a", End::Lawful)][..]),
            ("a\n", &[("a", End::Lawful)]),
            ("a\r\n", &[("a", End::Lawful)]),
            ("a\r", &[("a", End::Cr)]),
            ("a\n\n", &[("a", End::Lawful), ("", End::Lawful)]),
            ("a\r\r\nb", &[("a", End::Cr), ("", End::Lawful), ("b", End::Lawful)]),
            ("\na\rb\r\n", &[("", End::Lawful), ("a", End::Cr), ("b", End::Lawful)]),
        ] {
            let found: Vec<_> = lines(text).map(|line| (line.text, line.end)).collect();
            assert_eq!(found, expected, "{text:?}");
        }
    }

    #[test]
    fn numbers() {
        for (text, at, expected) in
            [("x", 0, 1), ("a\nx", 2, 2), ("a\r\nx", 3, 2), ("a\rx", 2, 2), ("a\r\r\n\n\u{fffd}", 5, 4), ("a\nb", 1, 1)]
        {
            assert_eq!(number(text, at), expected, "{text:?}");
        }
    }
}
