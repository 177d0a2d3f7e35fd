//! The beginning of a versioned TXT record: the version with its delimiter, and everything that people write instead
//! (RFC 8461 3.1, RFC 8460 3).

use super::{Family, is_wsp, trim_end};
use crate::finding::{Code, Finding};
use crate::text;

/// How a text begins that is evidently meant to be of a family.
pub(super) struct Beginning {
    /// What is wrong with it.
    pub(super) findings: Vec<Finding>,
    /// Where the fields are, if they can be told from the rest.
    pub(super) fields: Option<std::ops::Range<usize>>,
    /// Whether a field that is not found there is missing.
    pub(super) complete: bool,
}

impl Beginning {
    /// `None` where the text is of another kind.
    pub(super) fn find(family: &Family, text: &[u8]) -> Option<Self> {
        let version = family.version.as_bytes();
        if text.starts_with(version) {
            return Some(Self::delimited(family, text, version.len(), text.len(), Vec::new()));
        }
        if let Some(at) = find_folded(text, version) {
            return Some(Self::misplaced(family, text, at));
        }
        let code = other(family, text)?;
        let mut findings = vec![Finding::new(code).with("value", text::excerpt(text))];
        if code == family.codes.version_syntax && equals_is_spaced(text) {
            findings.push(Finding::new(family.codes.spaced_equals).with("field", 0));
        }
        Some(Self { findings, fields: None, complete: false })
    }

    /// The version stands at `at`, in whatever case, behind whatever.
    fn misplaced(family: &Family, text: &[u8], at: usize) -> Self {
        let end = at + family.version.len();
        let before = &text[..at];
        let mut findings = Vec::new();
        let mut found = |code: Code, value: &[u8]| {
            findings.push(Finding::new(code).with("field", 0).with("offset", 0).with("value", text::excerpt(value)));
        };
        let blank = before.iter().all(u8::is_ascii_whitespace);
        let quoted = !blank && trim_start_quotes(before).is_empty();
        if !before.is_empty() && blank {
            found(family.codes.leading_space, before);
        } else if quoted {
            found(family.codes.quoted, before);
        } else if !before.is_empty() {
            found(family.codes.prefix, before);
        }
        // Of another version the case does not matter.
        if text[at..end] != *family.version.as_bytes() && !goes_on(text, end) {
            found(family.codes.version_case, &text[at..end]);
        }
        let last = if quoted { end + trim_end_quotes(&text[end..]).len() } else { text.len() };
        let mut beginning = Self::delimited(family, text, end, last, findings);
        if !(blank || quoted) {
            // Fields may stand on either side of the version: nothing can be said of them.
            beginning.fields = None;
            beginning.complete = false;
        }
        beginning
    }

    /// The version ends at `end`: what stands between it and the fields, which go up to `last`?
    fn delimited(family: &Family, text: &[u8], end: usize, last: usize, mut findings: Vec<Finding>) -> Self {
        if goes_on(text, end) {
            // Another version, such as STSv10: nobody knows what its fields mean.
            findings.push(Finding::new(family.codes.version_unknown).with("value", text::excerpt(text)));
            return Self { findings, fields: None, complete: false };
        }
        let space = text[end..last].iter().take_while(|byte| is_wsp(**byte)).count();
        let next = end + space;
        let at = |code: Code| Finding::new(code).with("field", 0).with("offset", end);
        let (start, complete) = match text[..last].get(next) {
            Some(b';') => {
                if space > 0 {
                    // The ABNF allows it, the selection rule does not (erratum 6285).
                    findings.push(at(family.codes.space_before_delimiter));
                }
                (next + 1, true)
            }
            rest => {
                let junk = text[next..last]
                    .iter()
                    .position(|byte| *byte == b';')
                    .map_or(last, |semicolon| next + semicolon + 1);
                findings.push(at(family.codes.no_delimiter).with("value", text::excerpt(&text[end..junk])));
                // Behind white space a field may follow; what sticks to the version is no field.
                if rest.is_none() || space > 0 { (next, true) } else { (junk, false) }
            }
        };
        Self { findings, fields: Some(start..last), complete }
    }
}

/// Whether the word that ends at `end` by its grammar goes on, so that it is another word.
fn goes_on(text: &[u8], end: usize) -> bool {
    text.get(end).is_some_and(u8::is_ascii_alphanumeric)
}

/// What a text is that has not the version in it as it should be, in whatever case.
fn other(family: &Family, text: &[u8]) -> Option<Code> {
    let (_, value) = family.version.split_once('=').unwrap_or(("v", family.version));
    if let Some(at) = find_folded(text, value.as_bytes()).filter(|at| *at == 0 || !text[at - 1].is_ascii_alphanumeric())
    {
        let is_policy = ends_folded(trim_end(&text[..at]), b"version:");
        return Some(family.codes.policy_text.filter(|_| is_policy).unwrap_or(family.codes.version_syntax));
    }
    let tag = trim_start_quotes(text);
    if tag.get(..2).is_some_and(|tag| tag.eq_ignore_ascii_case(b"v=")) {
        let value = tag[2..].split(|byte| *byte == b';' || byte.is_ascii_whitespace()).next().unwrap_or_default();
        if find_folded(value, family.word.as_bytes()).is_some() {
            return Some(family.codes.version_unknown);
        }
    }
    let holds = |word: &str| find_folded(text, word.as_bytes()).is_some();
    family.codes.policy_text.filter(|_| holds("mode:") && (holds("max_age:") || holds("mx:")))
}

/// Whether white space stands beside the first equals sign.
fn equals_is_spaced(text: &[u8]) -> bool {
    text.iter().position(|byte| *byte == b'=').is_some_and(|at| {
        text[..at].last().copied().is_some_and(is_wsp) || text.get(at + 1).copied().is_some_and(is_wsp)
    })
}

/// Without quotation marks and white space at the start; curled ones are E2 80 98 to 9F in UTF-8.
fn trim_start_quotes(text: &[u8]) -> &[u8] {
    let mut text = text.trim_ascii_start();
    while let [b'"' | b'\'' | b'`' | b'\\', rest @ ..] | [0xe2, 0x80, 0x98..=0x9f, rest @ ..] = text {
        text = rest.trim_ascii_start();
    }
    text
}

/// Without quotation marks and white space at the end.
fn trim_end_quotes(text: &[u8]) -> &[u8] {
    let mut text = text.trim_ascii_end();
    while let [rest @ .., b'"' | b'\'' | b'`' | b'\\'] | [rest @ .., 0xe2, 0x80, 0x98..=0x9f] = text {
        text = rest.trim_ascii_end();
    }
    text
}

/// Where `word` first stands, whatever the case of ASCII letters.
fn find_folded(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

/// Whether the text ends with `word`, whatever the case of ASCII letters.
fn ends_folded(text: &[u8], word: &[u8]) -> bool {
    text.len() >= word.len() && text[text.len() - word.len()..].eq_ignore_ascii_case(word)
}
