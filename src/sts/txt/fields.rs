//! The fields of a versioned TXT record, and the grammar of its extensions (RFC 8461 3.1, RFC 8460 3).

use std::collections::HashSet;
use std::ops::Range;

use super::{Family, is_wsp, trim_end, trim_start};
use crate::finding::{Code, Finding, Gather};
use crate::text;

/// The longest name of an extension: `(ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")`.
const NAME_MAX: usize = 32;

/// A field with an equals sign, without the white space of the delimiters around it.
#[derive(Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Its position in the record; the version is field 0.
    pub(crate) index: usize,
    /// Its first byte in the record.
    pub(crate) offset: usize,
    /// What stands before the first equals sign.
    pub(crate) name: &'a [u8],
    /// What stands behind it.
    pub(crate) value: &'a [u8],
}

impl Field<'_> {
    /// A finding about this field.
    pub(crate) fn describe(&self, finding: Finding) -> Finding {
        finding
            .about(text::excerpt(self.name))
            .with("field", self.index)
            .with("offset", self.offset)
            .with("value", text::excerpt(self.value))
    }

    /// `(ALPHA / DIGIT) *31(ALPHA / DIGIT / "_" / "-" / ".")`, `=`, `1*(%x21-3A / %x3C / %x3E-7E)`.
    fn is_extension(&self) -> bool {
        let begins = self.name.first().is_some_and(u8::is_ascii_alphanumeric);
        let named = self.name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        let valued = self.value.iter().all(|byte| matches!(byte, 0x21..=0x3a | 0x3c | 0x3e..=0x7e));
        begins && named && self.name.len() <= NAME_MAX && valued && !self.value.is_empty()
    }
}

/// Splits the record at its semicolons, where `place` says that fields are, and names what is no field.
pub(super) fn split<'a>(
    family: &Family,
    text: &'a [u8],
    place: Option<Range<usize>>,
    gather: &mut Gather,
) -> Vec<Field<'a>> {
    let codes = &family.codes;
    let place = place.unwrap_or(text.len()..text.len());
    not_ascii(codes.not_ascii, &text[..place.start], 0, 0, gather);
    let body = &text[place.clone()];
    let last = body.iter().filter(|byte| **byte == b';').count() + 1;
    let mut fields = Vec::new();
    let mut end = place.start;
    for (index, segment) in (1..).zip(body.split(|byte| *byte == b';')) {
        // *WSP ";" *WSP: white space at both sides belongs to the delimiter.
        let field = trim_start(segment);
        let offset = end + segment.len() - field.len();
        end += segment.len() + 1;
        let content = trim_end(field);
        let at = |finding: Finding| finding.with("field", index).with("offset", offset);
        if content.is_empty() {
            // The trailing delimiter is optional and may have white space behind it; any other empty field is none.
            if index != last {
                gather.add(codes.field_empty, at);
            }
            continue;
        }
        if index == last && content.len() < field.len() {
            gather.add(codes.trailing_space, |finding| {
                finding.with("field", index).with("offset", offset + content.len())
            });
        }
        not_ascii(codes.not_ascii, content, index, offset, gather);
        let Some(equals) = content.iter().position(|byte| *byte == b'=') else {
            gather.add(codes.field_without_equals, |finding| at(finding).with("value", text::excerpt(content)));
            continue;
        };
        let field = Field { index, offset, name: &content[..equals], value: &content[equals + 1..] };
        if field.name.last().copied().is_some_and(is_wsp) || field.value.first().copied().is_some_and(is_wsp) {
            gather.add(codes.spaced_equals, |finding| field.describe(finding));
        }
        fields.push(field);
    }
    fields
}

/// The record is printable US-ASCII and the white space of its grammar (RFC 8461 3.1).
fn not_ascii(code: Code, content: &[u8], index: usize, offset: usize, gather: &mut Gather) {
    let lawful = |byte: u8| matches!(byte, 0x21..=0x7e) || is_wsp(byte);
    if let Some(at) = content.iter().position(|byte| !lawful(*byte)) {
        gather.add(code, |finding| {
            finding.with("field", index).with("offset", offset + at).with("value", text::excerpt(&content[at..=at]))
        });
    }
}

/// The names that fields had so far.
#[derive(Default)]
pub(crate) struct Names<'a>(HashSet<&'a [u8]>);

impl<'a> Names<'a> {
    /// Takes the name. `false` where a field had it before: the first one counts (RFC 8461 3.1).
    pub(crate) fn take(&mut self, name: &'a [u8]) -> bool {
        self.0.insert(name)
    }

    /// Reads a field that senders ignore: an extension, or a field that stands for the second time. What is lawful and
    /// stands for the first time is the extension; what breaks the grammar holds its name all the same.
    pub(crate) fn ignored(
        &mut self,
        family: &Family,
        field: &Field<'a>,
        gather: &mut Gather,
    ) -> Option<(String, String)> {
        let is_first = self.take(field.name);
        if !field.is_extension() {
            gather.add(family.codes.extension_syntax, |finding| field.describe(finding));
            return None;
        }
        if !is_first {
            gather.add(family.codes.field_duplicate, |finding| field.describe(finding));
            return None;
        }
        let word = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some((word(field.name), word(field.value)))
    }
}
