//! A versioned TXT record, as MTA-STS and TLSRPT share it: which of several counts, how it begins, its fields
//! (RFC 8461 3.1, RFC 8460 3).

mod beginning;
mod fields;

pub(crate) use fields::{Field, Names};

use crate::finding::{Code, Finding, Gather};
use crate::text;
use beginning::Beginning;

/// What two kinds of record differ in.
pub(crate) struct Family {
    /// The version with its tag, such as `v=STSv1`. Case-sensitive.
    pub(crate) version: &'static str,
    /// What is in every value of `v` that is meant for this kind, in lower case.
    pub(crate) word: &'static str,
    /// The notes for texts of other kinds that stand at the same name: how they begin in lower case, and the code.
    pub(crate) strangers: &'static [(&'static str, Code)],
    /// The codes.
    pub(crate) codes: Codes,
}

/// The codes of a [`Family`]; the catalogue says what each means.
pub(crate) struct Codes {
    pub(crate) none: Code,
    pub(crate) multiple: Code,
    pub(crate) unrelated: Code,
    pub(crate) version_case: Code,
    pub(crate) version_unknown: Code,
    pub(crate) version_syntax: Code,
    pub(crate) leading_space: Code,
    pub(crate) quoted: Code,
    pub(crate) prefix: Code,
    pub(crate) policy_text: Option<Code>,
    pub(crate) no_delimiter: Code,
    pub(crate) space_before_delimiter: Code,
    pub(crate) spaced_equals: Code,
    pub(crate) extension_syntax: Code,
    pub(crate) field_duplicate: Code,
    pub(crate) field_empty: Code,
    pub(crate) field_without_equals: Code,
    pub(crate) trailing_space: Code,
    pub(crate) not_ascii: Code,
}

/// What became of the texts at one name.
#[derive(Default)]
pub(crate) struct Selected<'a> {
    /// Whether some text is evidently meant to be of this family.
    pub(crate) announced: bool,
    /// Which text went to the parser.
    pub(crate) index: Option<usize>,
    /// Its fields behind the version.
    pub(crate) fields: Vec<Field<'a>>,
    /// Whether a field that is not among them is missing.
    pub(crate) complete: bool,
}

/// Selects the record, and splits it into fields.
pub(crate) fn select<'a>(family: &Family, texts: &[&'a [u8]], gather: &mut Gather) -> Selected<'a> {
    if let [text] = texts {
        // RFC 8461 3.1: a lone record goes to the parser even where the selection among several would drop it.
        return read(family, text, 0, gather).unwrap_or_else(|| {
            gather.add(family.codes.none, |finding| finding);
            stranger(family, text, gather, |finding| finding);
            Selected::default()
        });
    }
    // RFC 8461 3.1: records that do not begin with the version and its semicolon are dropped; one must remain.
    let begins = |text: &[u8]| text.strip_prefix(family.version.as_bytes()).is_some_and(|rest| rest.starts_with(b";"));
    let kept: Vec<usize> = (0..texts.len()).filter(|&index| begins(texts[index])).collect();
    let mut selected = match kept[..] {
        [one] => read(family, texts[one], one, gather).unwrap_or_default(),
        [] => {
            gather.add(family.codes.none, |finding| finding);
            Selected::default()
        }
        _ => {
            gather.add(family.codes.multiple, |finding| finding.with("records", kept.len()));
            Selected { announced: true, ..Selected::default() }
        }
    };
    for (index, text) in texts.iter().enumerate().filter(|(_, text)| !begins(text)) {
        // A near miss is fatal only where no record remains; beside one that counts it is dropped like any other text.
        match Beginning::find(family, text).filter(|_| kept.is_empty()) {
            Some(beginning) => {
                selected.announced = true;
                for finding in beginning.findings {
                    gather.push(finding.with("record", index));
                }
            }
            None => stranger(family, text, gather, |finding| finding.with("record", index)),
        }
    }
    selected
}

/// Reads the text at `index` as a record. `None` where it is not of this family.
fn read<'a>(family: &Family, text: &'a [u8], index: usize, gather: &mut Gather) -> Option<Selected<'a>> {
    let mut beginning = Beginning::find(family, text)?;
    for finding in std::mem::take(&mut beginning.findings) {
        gather.push(finding);
    }
    let fields = fields::split(family, text, beginning.fields, gather);
    Some(Selected { announced: true, index: Some(index), fields, complete: beginning.complete })
}

/// Names a text that is not of this family. An empty text is no statement at all.
fn stranger(family: &Family, text: &[u8], gather: &mut Gather, place: impl FnOnce(Finding) -> Finding) {
    if text.is_empty() {
        return;
    }
    let starts = |start: &str| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()));
    let known = family.strangers.iter().find(|(start, _)| starts(start));
    let code = known.map_or(family.codes.unrelated, |(_, code)| *code);
    gather.add(code, |finding| place(finding).with("value", text::excerpt(text)));
}

/// White space of the grammar: SP and HTAB (RFC 5234 B.1).
fn is_wsp(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Without the white space of the grammar at the end.
pub(crate) fn trim_end(mut bytes: &[u8]) -> &[u8] {
    while let [rest @ .., last] = bytes
        && is_wsp(*last)
    {
        bytes = rest;
    }
    bytes
}

/// Without the white space of the grammar at the start.
pub(crate) fn trim_start(mut bytes: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = bytes
        && is_wsp(*first)
    {
        bytes = rest;
    }
    bytes
}
