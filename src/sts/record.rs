//! The `_mta-sts` TXT record (RFC 8461 3.1): selected among the texts at its name, read by both readings.

use super::txt::{self, Codes, Family, Field, Names};
use crate::finding::{Gather, Reading, record};

/// The longest id: `1*32(ALPHA / DIGIT)`.
pub const ID_MAX: usize = 32;

/// A record that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The id of the policy: 1 to 32 letters and digits.
    pub id: String,
    /// The lawful extensions, in the order of the record.
    pub extensions: Vec<(String, String)>,
}

/// What the texts at `_mta-sts.<domain>` come to.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordReading {
    /// The record, and what is wrong with it.
    pub reading: Reading<Record>,
    /// Whether some text is evidently meant to be an MTA-STS record, readable or not.
    pub announced: bool,
    /// Which text went to the parser.
    pub selected: Option<usize>,
}

/// Reads the texts at `_mta-sts.<domain>`: one a TXT record, its character-strings joined.
#[must_use]
pub fn read(texts: &[&[u8]]) -> RecordReading {
    let mut gather = Gather::default();
    let selected = txt::select(&FAMILY, texts, &mut gather);
    let mut id = None;
    let mut names = Names::default();
    names.take(b"v");
    let mut extensions = Vec::new();
    for field in &selected.fields {
        if field.name == b"id" && names.take(field.name) {
            id = Some(read_id(field, &mut gather));
            continue;
        }
        let Some(extension) = names.ignored(&FAMILY, field, &mut gather) else { continue };
        // %s"id": the name is case-sensitive.
        let near = extension.0.eq_ignore_ascii_case("id");
        let code = if near { record::ID_CASE } else { record::EXTENSION };
        gather.add(code, |finding| field.describe(finding));
        extensions.push(extension);
    }
    if id.is_none() && selected.complete {
        gather.add(record::ID_MISSING, |finding| finding);
    }
    let value = id.flatten().map(|id| Record { id, extensions });
    RecordReading {
        reading: Reading::new(value, gather.into_findings("offset")),
        announced: selected.announced,
        selected: selected.index,
    }
}

/// `%s"id=" 1*32(ALPHA / DIGIT)`. What is wrong is fatal: no reading makes an id of it.
fn read_id(field: &Field<'_>, gather: &mut Gather) -> Option<String> {
    let value = field.value;
    let lawful = value.iter().all(u8::is_ascii_alphanumeric);
    if value.is_empty() {
        gather.add(record::ID_EMPTY, |finding| field.describe(finding));
    }
    if value.len() > ID_MAX {
        gather.add(record::ID_TOO_LONG, |finding| field.describe(finding).with("length", value.len()));
    }
    if !lawful {
        gather.add(record::ID_SYNTAX, |finding| field.describe(finding));
    }
    let id = str::from_utf8(value).ok()?;
    (lawful && !id.is_empty() && id.len() <= ID_MAX).then(|| id.to_owned())
}

/// The record among the versioned TXT records.
const FAMILY: Family = Family {
    version: "v=STSv1",
    word: "sts",
    strangers: &[("v=spf1", record::SPF), ("spf2.0/", record::SPF), ("v=tlsrptv", record::TLSRPT)],
    codes: Codes {
        none: record::NONE,
        multiple: record::MULTIPLE,
        unrelated: record::UNRELATED,
        version_case: record::VERSION_CASE,
        version_unknown: record::VERSION_UNKNOWN,
        version_syntax: record::VERSION_SYNTAX,
        leading_space: record::LEADING_SPACE,
        quoted: record::QUOTED,
        prefix: record::PREFIX,
        policy_text: Some(record::POLICY_TEXT),
        no_delimiter: record::NO_DELIMITER,
        space_before_delimiter: record::SPACE_BEFORE_DELIMITER,
        spaced_equals: record::SPACED_EQUALS,
        extension_syntax: record::EXTENSION_SYNTAX,
        field_duplicate: record::FIELD_DUPLICATE,
        field_empty: record::FIELD_EMPTY,
        field_without_equals: record::FIELD_WITHOUT_EQUALS,
        trailing_space: record::TRAILING_SPACE,
        not_ascii: record::NOT_ASCII,
    },
};

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn announced_is_what_is_meant() {
        type Row = (&'static [&'static [u8]], bool, Option<usize>);
        let table: &[Row] = &[
            (&[], false, None),
            (&[b"v=STSv1; id=1;"], true, Some(0)),
            (&[b"v=STSv1"], true, Some(0)),
            (&[b"V=stsv1; id=1"], true, Some(0)),
            (&[b"\"v=STSv1; id=1\""], true, Some(0)),
            (&[b"v=STSv2; id=1"], true, Some(0)),
            (&[b"v = STSv1; id=1"], true, Some(0)),
            (&[b"version: STSv1"], true, Some(0)),
            (&[b"v=spf1 -all"], false, None),
            (&[b"v=TLSRPTv1; rua=mailto:a@b.example"], false, None),
            (&[b""], false, None),
            (&[b"v=spf1 -all", b"v=STSv1; id=1"], true, Some(1)),
            (&[b"v=STSv1; id=1", b"v=STSv1; id=1"], true, None),
            (&[b"v=spf1 -all", b" v=STSv1; id=1"], true, None),
            (&[b"v=spf1 -all", b"x"], false, None),
        ];
        for &(texts, announced, selected) in table {
            let read = read(texts);
            assert_eq!((read.announced, read.selected), (announced, selected), "{texts:?}");
        }
    }

    #[test]
    fn bytes_beyond_ascii_are_placed() {
        let read = read(&[b"v=STSv1; id=1; a=\xff\x00"]);
        let findings = read.reading.findings;
        let at = findings.iter().find(|finding| finding.code == record::NOT_ASCII).unwrap();
        assert_eq!(at.detail.get("field"), Some(&2.into()));
        assert_eq!(at.detail.get("offset"), Some(&17.into()));
        assert!(findings.iter().any(|finding| finding.code == record::EXTENSION_SYNTAX));
        assert_eq!(read.reading.value.unwrap().id, "1");
    }

    /// Bytes that are records, almost.
    fn texts() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let piece = prop_oneof![
            Just(b"v=STSv1".to_vec()),
            Just(b";".to_vec()),
            Just(b"; ".to_vec()),
            Just(b" ".to_vec()),
            Just(b"id=1".to_vec()),
            Just(b"a=b".to_vec()),
            Just(b"=".to_vec()),
            Just(b"\"".to_vec()),
            prop::collection::vec(any::<u8>(), 0..6),
        ];
        let text = prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat());
        prop::collection::vec(text, 0..4)
    }

    proptest! {
        #[test]
        fn a_reading_is_whole(texts in texts()) {
            let texts: Vec<&[u8]> = texts.iter().map(Vec::as_slice).collect();
            let read = read(&texts);
            let fatal = read.reading.findings.iter().any(|f| f.severity() == crate::finding::Severity::Fatal);
            prop_assert_eq!(read.reading.value.is_none(), fatal);
            prop_assert!(read.reading.effective_ok() || !read.reading.strict_ok());
            prop_assert!(read.announced || read.reading.value.is_none());
            prop_assert!(read.selected.is_none_or(|index| index < texts.len() && read.announced));
        }

        #[test]
        fn an_unrelated_text_never_changes_the_verdict(id in "[0-9A-Za-z]{1,32}", other in "[a-u]{0,20}") {
            let record = format!("v=STSv1; id={id};");
            let read = read(&[other.as_bytes(), record.as_bytes()]);
            prop_assert!(read.reading.strict_ok());
            prop_assert_eq!(read.reading.value.map(|record| record.id), Some(id));
        }
    }
}
