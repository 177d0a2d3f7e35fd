//! The TLS reporting record (RFC 8460 3): selected among the texts at its name, read by both readings.

pub mod report;

use std::net::Ipv6Addr;

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

/// Whether an address stands behind `mailto:` (RFC 6068 2), in front of a query if there is one. There are no brackets.
fn is_mailbox(rest: &[u8]) -> bool {
    let address = rest.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
    let parts: Vec<&[u8]> = address.split(|byte| *byte == b'@').collect();
    matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty()) && !has_bracket(rest)
}

/// Whether `//` and a host stand behind `https:` (RFC 9110 4.2.2: an empty host is invalid).
fn has_host(rest: &[u8]) -> bool {
    let Some(rest) = rest.strip_prefix(b"//") else { return false };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    is_authority(&rest[..end]) && !has_bracket(&rest[end..])
}

/// `[ userinfo "@" ] host [ ":" *DIGIT ]` (RFC 3986 3.2), the characters aside, with a host that is not empty.
fn is_authority(authority: &[u8]) -> bool {
    let find = |text: &[u8], byte: u8| text.iter().position(|other| *other == byte);
    let at = find(authority, b'@');
    let (user, rest) = at.map_or((&b""[..], authority), |at| (&authority[..at], &authority[at + 1..]));
    let (host_is_lawful, port) = if let Some(literal) = rest.strip_prefix(b"[") {
        let Some(close) = find(literal, b']') else { return false };
        (is_ip_literal(&literal[..close]), &literal[close + 1..])
    } else {
        let (host, port) = rest.split_at(find(rest, b':').unwrap_or(rest.len()));
        (!host.is_empty() && !has_bracket(host) && !host.contains(&b'@'), port)
    };
    let port_is_lawful = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !has_bracket(user) && host_is_lawful && port_is_lawful
}

/// `IPv6address / IPvFuture`, `"v" 1*HEXDIG "." 1*( unreserved / sub-delims / ":" )` (RFC 3986 3.2.2).
fn is_ip_literal(literal: &[u8]) -> bool {
    let Ok(literal) = str::from_utf8(literal) else { return false };
    let future = literal.strip_prefix(['v', 'V']).and_then(|future| future.split_once('.'));
    let address = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:".contains(&byte);
    literal.parse::<Ipv6Addr>().is_ok()
        || future.is_some_and(|(version, text)| {
            let versioned = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_hexdigit());
            versioned && !text.is_empty() && text.bytes().all(address)
        })
}

/// Brackets stand around an IP literal and nowhere else in a URI (RFC 3986 3.2.2).
fn has_bracket(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'[' | b']'))
}

/// Whether all characters are those of a URI, every `%` is followed by two hexadecimal digits, and there is one fragment
/// at most (RFC 3986 2, 3.5).
fn is_uri(rest: &[u8]) -> bool {
    let lawful = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(byte);
    let encoded = |at: usize| rest.get(at + 1..at + 3).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    rest.iter().all(lawful)
        && (0..rest.len()).filter(|at| rest[*at] == b'%').all(encoded)
        && rest.iter().filter(|byte| **byte == b'#').count() <= 1
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
            ("https://[2001:db8::1]:8443", None),
            ("https://user:x@[::ffff:192.0.2.1]:/", None),
            ("https://[v1.a:b]/", None),
            ("https://example.com:/", None),
            ("https://example.com:0443?a=/?:@#?/:@", None),
            ("https://a:b:c@example.com/", None),
            ("https://example.com/@a@b:c", None),
            ("https://ex%41mple.com/", None),
            ("mailto:tls@example.com?subject=a@b#x", None),
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
            ("https://example.com:x/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://example.com:80a/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://example.com:80:81/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://2001:db8::1/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://a@b@example.com/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://a@b@[::1]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://user@/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://@:443/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[example.com]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[192.0.2.1]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[2001:db8::1/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[2001:db8::1]a/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[2001:db8::1]@b/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[2001:db8::1]:x/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[::1%25eth0]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[v.a]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[v1.]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[vg.a]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://a[::1]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://2001:db8::1]/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[a]@example.com/", Some(tlsrpt::RUA_SYNTAX)),
            ("https://example.com/[a]", Some(tlsrpt::RUA_SYNTAX)),
            ("https://example.com/?a[]=b", Some(tlsrpt::RUA_SYNTAX)),
            ("https://example.com/#a]", Some(tlsrpt::RUA_SYNTAX)),
            ("https://example.com/#a#b", Some(tlsrpt::RUA_SYNTAX)),
            ("https://example.com##", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[", Some(tlsrpt::RUA_SYNTAX)),
            ("https://]/", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a@[192.0.2.1]", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:[a]@example.com", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a@example.com?x[]=y", Some(tlsrpt::RUA_SYNTAX)),
            ("mailto:a@example.com#b#c", Some(tlsrpt::RUA_SYNTAX)),
            ("https://[v1.a!b]/", Some(tlsrpt::RUA_UNENCODED)),
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
