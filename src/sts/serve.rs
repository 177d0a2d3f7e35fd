//! How the policy is served (RFC 8461 3.2, 3.3): status, media type, encoding, size.

use crate::finding::https::http;
use crate::finding::{Finding, policy};
use crate::text;

/// Bytes of body that count (RFC 8461 3.3 suggests 64 KiB as the limit).
pub const BODY_MAX: usize = 65_536;

/// What the policy host answered, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Every `Content-Type` header, raw.
    pub content_types: Vec<Vec<u8>>,
    /// Every `Content-Encoding` header, raw.
    pub content_encodings: Vec<Vec<u8>>,
    /// The `Location` header, at most 2 KiB of it.
    pub location: Option<Vec<u8>>,
    /// The body, at most [`BODY_MAX`] bytes.
    pub body: Vec<u8>,
    /// Whether the body went on beyond [`BODY_MAX`].
    pub body_cut: bool,
}

/// What is wrong with the answer, its body aside. Under a status that is not 200 the rest of the answer describes an
/// error page, so only the status is judged.
#[must_use]
pub fn judge(response: &Response) -> Vec<Finding> {
    if response.status != 200 {
        return vec![status(response)];
    }
    let mut findings = Vec::new();
    findings.extend(media_type(&response.content_types));
    findings.extend(encoding(&response.content_encodings));
    if response.body_cut {
        findings.push(Finding::new(policy::TOO_LARGE).with("limit", BODY_MAX));
    }
    findings
}

/// RFC 8461 3.3: only 200 counts, and 3xx is never followed.
fn status(response: &Response) -> Finding {
    // 300 and 304 to 306 redirect nobody (RFC 9110 15.4), unless they say where to.
    let redirects = matches!(response.status, 301 | 302 | 303 | 307 | 308)
        || (response.status / 100 == 3 && response.location.is_some());
    let code = if redirects { http::REDIRECT } else { http::STATUS };
    let finding = Finding::new(code).with("status", response.status);
    match &response.location {
        Some(location) => finding.with("location", text::excerpt(location)),
        None => finding,
    }
}

/// RFC 8461 3.2: the media type should be `text/plain`. Parameters do not matter, except a charset that the policy
/// cannot be in.
fn media_type(headers: &[Vec<u8>]) -> Option<Finding> {
    let [header] = headers else {
        let Some(first) = headers.first() else { return Some(Finding::new(http::CONTENT_TYPE_MISSING)) };
        // RFC 9110 8.3: the field has one value; of several nobody knows which counts.
        let finding = Finding::new(http::CONTENT_TYPE).with("value", text::excerpt(first));
        return Some(finding.with("headers", headers.len()));
    };
    let lossy = String::from_utf8_lossy(header);
    let mut parts = lossy.split(';');
    let plain = parts.next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/plain"));
    let charsets_fit = parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset") || is_ascii_compatible(value.trim().trim_matches('"'))
    });
    (!plain || !charsets_fit).then(|| Finding::new(http::CONTENT_TYPE).with("value", text::excerpt(header)))
}

/// Whether a policy of US-ASCII characters reads the same under this charset as under UTF-8. Most charsets are supersets
/// of US-ASCII; those that are not, we know.
fn is_ascii_compatible(charset: &str) -> bool {
    let charset = charset.to_ascii_lowercase();
    !WIDE.iter().any(|part| charset.contains(part)) && !code_page(&charset).is_some_and(|page| EBCDIC.contains(&page))
}

/// The number of an IBM code page: `ibm037`, `cp037`, `ibm-037`.
fn code_page(charset: &str) -> Option<u16> {
    let number = ["ibm", "csibm", "cp"].iter().find_map(|start| charset.strip_prefix(start))?;
    number.trim_start_matches(['-', '_']).parse().ok()
}

/// What the names of charsets have in them whose characters are no single bytes, or not those of US-ASCII.
const WIDE: [&str; 10] = ["utf-16", "utf16", "utf-32", "utf32", "utf-7", "utf7", "ucs-", "ucs2", "ucs4", "ebcdic"];

/// The IBM code pages of the IANA's registry of charsets that are EBCDIC. Others, such as 437 and 850, begin as US-ASCII
/// does.
const EBCDIC: [u16; 36] = [
    37, 38, 273, 274, 275, 277, 278, 280, 281, 284, 285, 290, 297, 420, 423, 424, 500, 870, 871, 875, 880, 905, 918,
    924, 1026, 1047, 1140, 1141, 1142, 1143, 1144, 1145, 1146, 1147, 1148, 1149,
];

/// RFC 9110 12.5.3: nobody asked for a coding, and a body nobody asked to be coded is not decoded (HOSTILE.md 102).
fn encoding(headers: &[Vec<u8>]) -> Option<Finding> {
    let lossy: Vec<_> = headers.iter().map(|header| String::from_utf8_lossy(header)).collect();
    let coding = lossy
        .iter()
        .flat_map(|header| header.split(','))
        .map(str::trim)
        .find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))?;
    Some(Finding::new(http::ENCODING).with("value", coding))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Code;

    fn answer(status: u16, types: &[&str], encodings: &[&str], location: Option<&str>, body_cut: bool) -> Response {
        let raw = |headers: &[&str]| headers.iter().map(|header| header.as_bytes().to_vec()).collect();
        Response {
            status,
            content_types: raw(types),
            content_encodings: raw(encodings),
            location: location.map(|location| location.as_bytes().to_vec()),
            body: Vec::new(),
            body_cut,
        }
    }

    #[test]
    fn answers_and_their_codes() {
        let plain = &["text/plain"][..];
        let table: &[(Response, &[Code])] = &[
            (answer(200, plain, &[], None, false), &[]),
            (answer(200, &["Text/Plain; charset=UTF-8"], &[], None, false), &[]),
            (answer(200, &["text/plain;charset=\"us-ascii\"; format=flowed"], &[], None, false), &[]),
            (answer(200, &[" text/plain ; CHARSET = iso-8859-1"], &[], None, false), &[]),
            (answer(200, &["text/plain;"], &[], None, false), &[]),
            (answer(200, &["text/html"], &[], None, false), &[http::CONTENT_TYPE]),
            (answer(200, &["text/plainer"], &[], None, false), &[http::CONTENT_TYPE]),
            (answer(200, &["application/octet-stream"], &[], None, false), &[http::CONTENT_TYPE]),
            (answer(200, &[""], &[], None, false), &[http::CONTENT_TYPE]),
            (answer(200, &["text/plain", "text/plain"], &[], None, false), &[http::CONTENT_TYPE]),
            (answer(200, &["text/plain, text/html"], &[], None, false), &[http::CONTENT_TYPE]),
            (answer(200, &[], &[], None, false), &[http::CONTENT_TYPE_MISSING]),
            (answer(200, plain, &["identity"], None, false), &[]),
            (answer(200, plain, &["", "Identity"], None, false), &[]),
            (answer(200, plain, &["gzip"], None, false), &[http::ENCODING]),
            (answer(200, plain, &["identity, br"], None, false), &[http::ENCODING]),
            (answer(200, plain, &[], None, true), &[policy::TOO_LARGE]),
            (
                answer(200, &["text/html"], &["gzip"], None, true),
                &[http::CONTENT_TYPE, http::ENCODING, policy::TOO_LARGE],
            ),
            (answer(404, &["text/html"], &["gzip"], None, true), &[http::STATUS]),
            (answer(204, plain, &[], None, false), &[http::STATUS]),
            (answer(206, plain, &[], None, false), &[http::STATUS]),
            (answer(304, plain, &[], None, false), &[http::STATUS]),
            (answer(500, plain, &[], None, false), &[http::STATUS]),
            (answer(999, plain, &[], None, false), &[http::STATUS]),
            (answer(201, plain, &[], Some("/policy"), false), &[http::STATUS]),
            (answer(300, plain, &[], Some("/a"), false), &[http::REDIRECT]),
            (answer(301, plain, &[], None, false), &[http::REDIRECT]),
            (answer(302, plain, &[], Some("https://www.example.com/"), false), &[http::REDIRECT]),
            (answer(307, plain, &[], Some("http://169.254.169.254/"), false), &[http::REDIRECT]),
            (answer(308, plain, &[], Some("file:///etc/passwd"), false), &[http::REDIRECT]),
        ];
        for (response, expected) in table {
            let codes: Vec<Code> = judge(response).iter().map(|finding| finding.code).collect();
            assert_eq!(codes, *expected, "{response:?}");
        }
    }

    #[test]
    fn charsets_that_a_policy_can_be_in() {
        for (charset, fits) in [
            ("utf-8", true),
            ("UTF8", true),
            ("us-ascii", true),
            ("latin1", true),
            ("iso-8859-15", true),
            ("windows-1251", true),
            ("cp1252", true),
            ("ibm437", true),
            ("IBM850", true),
            ("gbk", true),
            ("Shift_JIS", true),
            ("euc-kr", true),
            ("koi8-r", true),
            ("unknown", true),
            ("", true),
            ("utf-16", false),
            ("UTF-16LE", false),
            ("csUTF16", false),
            ("utf-32be", false),
            ("utf-7", false),
            ("UNICODE-1-1-UTF-7", false),
            ("ucs-2", false),
            ("ISO-10646-UCS-4", false),
            ("ebcdic-us", false),
            ("ibm037", false),
            ("cp037", false),
            ("CP500", false),
            ("IBM-1047", false),
            ("IBM01140", false),
        ] {
            let header = format!("text/plain; charset=\"{charset}\"");
            let codes: Vec<Code> =
                judge(&answer(200, &[&header], &[], None, false)).iter().map(|finding| finding.code).collect();
            let expected: &[Code] = if fits { &[] } else { &[http::CONTENT_TYPE] };
            assert_eq!(codes, expected, "{charset}");
        }
    }

    #[test]
    fn the_target_of_a_redirect_is_kept_within_bounds() {
        let findings = judge(&answer(301, &[], &[], Some(&"x".repeat(2048)), false));
        assert_eq!(findings[0].detail.get("status"), Some(&301.into()));
        assert_eq!(findings[0].detail.get("location").and_then(|l| l.as_str()).map(str::len), Some(text::KEPT));
    }
}
