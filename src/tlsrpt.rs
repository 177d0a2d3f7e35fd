//! The TLS reporting record (RFC 8460 3): selected among the texts at its name, read by both readings.

use crate::finding::{Code, Gather, Reading, tlsrpt};
use crate::sts::txt::{self, Codes, Family, Field, Names};
use crate::text;

/// A TLS reporting record that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsrpt {
    /// The usable URIs that reports go to, in the order of the record.
    pub rua: Vec<String>,
    /// The lawful extensions, in the order of the record.
    pub extensions: Vec<(String, String)>,
}

/// What the texts at `_smtp._tls.<domain>` come to.
#[derive(Clone, Debug, PartialEq)]
pub struct TlsrptReading {
    /// The record, and what is wrong with it.
    pub reading: Reading<Tlsrpt>,
    /// Whether some text is evidently meant to be a TLS reporting record, readable or not.
    pub announced: bool,
    /// Which text went to the parser.
    pub selected: Option<usize>,
}

/// Reads the texts at `_smtp._tls.<domain>`: one a TXT record, its character-strings joined.
#[must_use]
pub fn read(texts: &[&[u8]]) -> TlsrptReading {
    let mut gather = Gather::default();
    let selected = txt::select(&FAMILY, texts, &mut gather);
    let mut rua = Vec::new();
    let mut rua_fields = 0_usize;
    let mut names = Names::default();
    names.take(b"v");
    let mut extensions = Vec::new();
    for field in &selected.fields {
        if field.name == b"rua" {
            // 1*(field-delim tlsrpt-field): the ABNF lets a rua stand several times.
            rua_fields += 1;
            if rua_fields > 1 {
                gather.add(tlsrpt::RUA_SEVERAL, |finding| field.describe(finding));
            }
            read_rua(field, &mut rua, &mut gather);
            continue;
        }
        let Some(extension) = names.ignored(&FAMILY, field, &mut gather) else { continue };
        // %s"rua=": the name is case-sensitive.
        let near = extension.0.eq_ignore_ascii_case("rua");
        let code = if near { tlsrpt::RUA_CASE } else { tlsrpt::EXTENSION };
        gather.add(code, |finding| field.describe(finding));
        extensions.push(extension);
    }
    if rua_fields == 0 && selected.complete {
        gather.add(tlsrpt::RUA_MISSING, |finding| finding);
    } else if rua_fields > 0 && rua.is_empty() {
        gather.add(tlsrpt::RUA_UNUSABLE, |finding| finding);
    }
    let value = (!rua.is_empty()).then_some(Tlsrpt { rua, extensions });
    TlsrptReading {
        reading: Reading::new(value, gather.into_findings("offset")),
        announced: selected.announced,
        selected: selected.index,
    }
}

/// `%s"rua=" tlsrpt-uri *(*WSP "," *WSP tlsrpt-uri)`. A bad URI beside a good one is left out.
fn read_rua(field: &Field<'_>, rua: &mut Vec<String>, gather: &mut Gather) {
    for (position, entry) in field.value.split(|byte| *byte == b',').enumerate() {
        // White space belongs to the comma; before the first URI there is none (and after the last, the delimiter's).
        let uri = if position == 0 { txt::trim_end(entry) } else { txt::trim_start(txt::trim_end(entry)) };
        match fault(uri) {
            None => rua.push(String::from_utf8_lossy(uri).into_owned()),
            Some(code) => gather.add(code, |finding| {
                field.describe(finding).with("position", position).with("uri", text::excerpt(uri))
            }),
        }
    }
}

/// What is wrong with a URI: RFC 8460 3 knows `mailto:` and `https:`, and wants `!` percent-encoded.
fn fault(uri: &[u8]) -> Option<Code> {
    if uri.is_empty() {
        return Some(tlsrpt::RUA_EMPTY);
    }
    let Some(colon) = uri.iter().position(|byte| *byte == b':') else { return Some(tlsrpt::RUA_SCHEME) };
    let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
    // RFC 3986 3.1: schemes are case-insensitive.
    let complete = if scheme.eq_ignore_ascii_case(b"mailto") {
        is_mailbox(rest)
    } else if scheme.eq_ignore_ascii_case(b"https") {
        has_host(rest)
    } else if scheme.trim_ascii().len() < scheme.len() {
        return Some(tlsrpt::RUA_SYNTAX);
    } else {
        return Some(tlsrpt::RUA_SCHEME);
    };
    if !complete || !is_uri(rest) {
        return Some(tlsrpt::RUA_SYNTAX);
    }
    rest.contains(&b'!').then_some(tlsrpt::RUA_UNENCODED)
}

/// Whether an address stands behind `mailto:` (RFC 6068 2), in front of a query if there is one.
fn is_mailbox(rest: &[u8]) -> bool {
    let address = rest.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let parts: Vec<&[u8]> = address.split(|byte| *byte == b'@').collect();
    matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty())
}

/// Whether `//` and a host stand behind `https:` (RFC 9110 4.2.2: an empty host is invalid).
fn has_host(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b"//") else { return false };
    let authority = rest.split(|byte| matches!(byte, b'/' | b'?' | b'#')).next().unwrap_or_default();
    let host = authority.rsplit(|byte| *byte == b'@').next().unwrap_or_default();
    !host.is_empty() && !host.starts_with(b":")
}

/// Whether all characters are those of a URI, and every `%` is followed by two hexadecimal digits (RFC 3986 2).
fn is_uri(rest: &[u8]) -> bool {
    let lawful = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(byte);
    let encoded = |at: usize| rest.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    rest.iter().all(lawful) && (0..rest.len()).filter(|at| rest[*at] == b'%').all(encoded)
}

/// The record among the versioned TXT records.
const FAMILY: Family = Family {
    version: "v=TLSRPTv1",
    word: "tlsrpt",
    strangers: &[],
    codes: Codes {
        none: tlsrpt::NONE,
        multiple: tlsrpt::MULTIPLE,
        unrelated: tlsrpt::UNRELATED,
        version_case: tlsrpt::VERSION_CASE,
        version_unknown: tlsrpt::VERSION_UNKNOWN,
        version_syntax: tlsrpt::VERSION_SYNTAX,
        leading_space: tlsrpt::LEADING_SPACE,
        quoted: tlsrpt::QUOTED,
        prefix: tlsrpt::PREFIX,
        policy_text: None,
        no_delimiter: tlsrpt::NO_DELIMITER,
        space_before_delimiter: tlsrpt::SPACE_BEFORE_DELIMITER,
        spaced_equals: tlsrpt::SPACED_EQUALS,
        extension_syntax: tlsrpt::EXTENSION_SYNTAX,
        field_duplicate: tlsrpt::FIELD_DUPLICATE,
        field_empty: tlsrpt::FIELD_EMPTY,
        field_without_equals: tlsrpt::FIELD_WITHOUT_EQUALS,
        trailing_space: tlsrpt::TRAILING_SPACE,
        not_ascii: tlsrpt::NOT_ASCII,
    },
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn uris_and_their_codes() {
        for (uri, code) in [
            ("mailto:tls@example.com", None),
            ("MAILTO:tls@example.com", None),
            ("mailto:tls%21x@example.com?subject=a%20b", None),
            ("https://example.com", None),
            ("HTTPS://example.com:8443/a?b=c#d", None),
            ("https://user@example.com/", None),
            ("https://[2001:db8::1]/", None),
            ("", Some(tlsrpt::RUA_EMPTY)),
            ("tls@example.com", Some(tlsrpt::RUA_SCHEME)),
            ("http://example.com/", Some(tlsrpt::RUA_SCHEME)),
            ("ftp:x", Some(tlsrpt::RUA_SCHEME)),
            ("mailto:", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:@example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a@", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a@b@c", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a b@example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto :a@example.com", Some(tlsrpt::RUA_SYNTAX)),
            (" mailto:a@example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:<a@example.com>", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a%2@example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a@example.com%", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:ä@example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("https:", Some(tlsrpt::RUA_SYNTAX)),
            ("https:example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("https:///path", Some(tlsrpt::RUA_SYNTAX)),
            ("https://:443/", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a@example.com!10m", Some(tlsrpt::RUA_UNENCODED)),
            ("https://example.com/a!b", Some(tlsrpt::RUA_UNENCODED)),
        ] {
            assert_eq!(fault(uri.as_bytes()), code, "{uri:?}");
        }
    }

    proptest! {
        #[test]
        fn a_reading_is_whole(texts in prop::collection::vec("(v=TLSRPTv1)?[; ,]{0,2}(rua=)?[ -~]{0,20}(mailto:a@b)?", 0..3)) {
            let bytes: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
            let read = read(&bytes);
            let fatal = read.reading.findings.iter().any(|f| f.severity() == crate::finding::Severity::Fatal);
            prop_assert_eq!(read.reading.value.is_none(), fatal, "{:?}", read.reading.findings);
            prop_assert!(read.announced || read.reading.value.is_none());
        }

        #[test]
        fn any_bytes_are_read(text in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut record = b"v=TLSRPTv1;".to_vec();
            record.extend(text);
            let read = read(&[&record]);
            prop_assert!(read.announced && read.selected == Some(0));
        }
    }
}
