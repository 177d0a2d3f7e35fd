//! The mx pattern: a host name, or `*.` and a domain (RFC 8461 3.2), and which hosts it covers (4.1).

use std::net::IpAddr;

use crate::finding::{Code, Finding, policy};
use crate::name::{HostName, LABEL_MAX, NAME_MAX};

/// An mx of a policy that can be used: lower case, without final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Reads the value of an mx line: the pattern, if it can be used, and what is wrong with it.
    #[must_use]
    pub fn parse(value: &str) -> (Option<Self>, Vec<Finding>) {
        let mut findings = Vec::new();
        let mut found = |code: Code| findings.push(Finding::new(code).about(value));
        // A final dot is tolerated: the comparison leaves it out on both sides (RFC 8461 4.1).
        let body = match value.strip_suffix('.') {
            Some(body) if !body.is_empty() && body != "*" => {
                found(policy::MX_TRAILING_DOT);
                body
            }
            _ => value,
        };
        // sts-policy-mx-value = ["*."] Domain
        let base = body.strip_prefix("*.").unwrap_or(body);
        if !is_domain(base) {
            found(fault(body, base));
            return (None, findings);
        }
        let pattern = Self(body.to_ascii_lowercase().into_boxed_str());
        if let Some(base) = pattern.0.strip_prefix("*.")
            && psl::suffix_str(base) == Some(base)
        {
            found(policy::MX_SUFFIX);
        }
        (Some(pattern), findings)
    }

    /// Whether the host is one that the pattern stands for.
    #[must_use]
    pub fn covers(&self, host: &HostName) -> bool {
        match self.0.strip_prefix("*.") {
            // RFC 8461 4.1: the asterisk is exactly one left-most label, and never none.
            Some(base) => host.as_str().split_once('.').is_some_and(|(_, parent)| parent == base),
            None => host.as_str() == &*self.0,
        }
    }

    /// The text: lower case, without final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `Domain = sub-domain *("." sub-domain)`, `sub-domain = Let-dig [Ldh-str]` (RFC 5321 4.1.2), within the limits of DNS,
/// and no IPv4 address.
pub(crate) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        let ldh = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=LABEL_MAX).contains(&label.len())
            && label.bytes().all(ldh)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= NAME_MAX && text.split('.').all(label) && !is_dotted_quad(text)
}

/// Whether the text is an IP address: bare, in brackets (RFC 5321 4.1.3), or with a port.
pub(crate) fn is_address(text: &str) -> bool {
    let bare = text.rsplit_once(':').map_or(text, |(host, _)| host);
    text.starts_with('[') || text.parse::<IpAddr>().is_ok() || is_dotted_quad(text) || is_dotted_quad(bare)
}

/// Four labels of digits alone are meant as an IPv4 address, in range or not; such a name cannot be a host's.
fn is_dotted_quad(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.split('.').take(5).count() == 4
        && text.split('.').all(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Bytes of a value that are looked at to name what is wrong with it: a line may be 64 KiB of a stranger's text, and
/// the longest name has 253.
const EXAMINED: usize = 4096;

/// What best names why this is no pattern: `body` without its final dot, `base` also without its `*.`.
fn fault(body: &str, base: &str) -> Code {
    let body = &body[..body.floor_char_boundary(EXAMINED)];
    let base = &base[..base.floor_char_boundary(EXAMINED)];
    let words: Vec<&str> = body.split([' ', '\t', ',', ';']).filter(|word| !word.is_empty()).collect();
    let hosts = |words: &[&str]| words.iter().all(|word| is_domain(without_marks(word)));
    let only = |also: char| base.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.') || c == also);
    match &words[..] {
        [] if body.is_empty() => policy::MX_EMPTY,
        _ if is_address(base) => policy::MX_ADDRESS,
        _ if body.contains(['@', '/']) => policy::MX_MAILBOX,
        // `10 mx.example.com`, or with the type before it, as the line stands in a zone file.
        [preference, host] if is_number(preference) && hosts(&[host]) => policy::MX_PREFERENCE,
        [kind, preference, host] if kind.eq_ignore_ascii_case("mx") && is_number(preference) && hosts(&[host]) => {
            policy::MX_PREFERENCE
        }
        [_, _, ..] if hosts(&words) => policy::MX_LIST,
        _ if !base.is_ascii() && base.chars().any(|c| !c.is_ascii() && c.is_alphabetic()) => policy::MX_U_LABEL,
        _ if (base.is_empty() && body != base) || base.contains('*') => policy::MX_WILDCARD,
        _ if base.rsplit_once(':').is_some_and(|(host, port)| is_domain(host) && is_number(port)) => policy::MX_PORT,
        _ if body.strip_prefix('.').is_some_and(is_domain) => policy::MX_LEADING_DOT,
        _ if base.contains('_') && only('_') => policy::MX_UNDERSCORE,
        _ => policy::MX_PATTERN,
    }
}

/// A word of a list without what a pattern may have around the domain.
fn without_marks(word: &str) -> &str {
    let word = word.strip_suffix('.').unwrap_or(word);
    word.strip_prefix("*.").unwrap_or(word)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_and_their_codes() {
        let long = "a".repeat(64);
        let table: &[(&str, Option<&str>, &[Code])] = &[
            ("mx.example.com", Some("mx.example.com"), &[]),
            ("MX.Example.COM", Some("mx.example.com"), &[]),
            ("*.example.com", Some("*.example.com"), &[]),
            ("xn--mx-fka.example", Some("xn--mx-fka.example"), &[]),
            ("localhost", Some("localhost"), &[]),
            ("123", Some("123"), &[]),
            ("1.2.3", Some("1.2.3"), &[]),
            ("1mx.4.5.6", Some("1mx.4.5.6"), &[]),
            ("mx.example.com.", Some("mx.example.com"), &[policy::MX_TRAILING_DOT]),
            ("*.example.com.", Some("*.example.com"), &[policy::MX_TRAILING_DOT]),
            ("*.com", Some("*.com"), &[policy::MX_SUFFIX]),
            ("*.CO.UK", Some("*.co.uk"), &[policy::MX_SUFFIX]),
            ("*.com.", Some("*.com"), &[policy::MX_TRAILING_DOT, policy::MX_SUFFIX]),
            ("com", Some("com"), &[]),
            ("", None, &[policy::MX_EMPTY]),
            (".", None, &[policy::MX_PATTERN]),
            ("*", None, &[policy::MX_WILDCARD]),
            ("*.", None, &[policy::MX_WILDCARD]),
            ("**.example.com", None, &[policy::MX_WILDCARD]),
            ("*.*.example.com", None, &[policy::MX_WILDCARD]),
            ("a.*.example.com", None, &[policy::MX_WILDCARD]),
            ("*a.example.com", None, &[policy::MX_WILDCARD]),
            ("mx*.example.com", None, &[policy::MX_WILDCARD]),
            ("*example.com", None, &[policy::MX_WILDCARD]),
            ("192.0.2.1", None, &[policy::MX_ADDRESS]),
            ("999.1.1.1", None, &[policy::MX_ADDRESS]),
            ("[192.0.2.1]", None, &[policy::MX_ADDRESS]),
            ("[IPv6:2001:db8::1]", None, &[policy::MX_ADDRESS]),
            ("2001:db8::1", None, &[policy::MX_ADDRESS]),
            ("192.0.2.1:25", None, &[policy::MX_ADDRESS]),
            ("192.0.2.1.", None, &[policy::MX_TRAILING_DOT, policy::MX_ADDRESS]),
            ("*.192.0.2.1", None, &[policy::MX_ADDRESS]),
            ("mx.example.com:25", None, &[policy::MX_PORT]),
            ("*.example.com:25", None, &[policy::MX_PORT]),
            ("a.example.com, b.example.com", None, &[policy::MX_LIST]),
            ("a.example.com,b.example.com", None, &[policy::MX_LIST]),
            ("a.example.com b.example.com", None, &[policy::MX_LIST]),
            ("a.example.com;*.example.com", None, &[policy::MX_LIST]),
            ("10 mx.example.com", None, &[policy::MX_PREFERENCE]),
            ("10 mx.example.com.", None, &[policy::MX_TRAILING_DOT, policy::MX_PREFERENCE]),
            ("MX 10 mx.example.com", None, &[policy::MX_PREFERENCE]),
            ("mx_1.example.com", None, &[policy::MX_UNDERSCORE]),
            ("*._x.example.com", None, &[policy::MX_UNDERSCORE]),
            ("mx.bücher.example", None, &[policy::MX_U_LABEL]),
            ("почта.example", None, &[policy::MX_U_LABEL]),
            ("a@example.com", None, &[policy::MX_MAILBOX]),
            ("https://mx.example.com/", None, &[policy::MX_MAILBOX]),
            ("://google.com", None, &[policy::MX_MAILBOX]),
            (".example.com", None, &[policy::MX_LEADING_DOT]),
            ("..example.com", None, &[policy::MX_PATTERN]),
            ("a..example.com", None, &[policy::MX_PATTERN]),
            ("mx.example.com..", None, &[policy::MX_TRAILING_DOT, policy::MX_PATTERN]),
            ("-a.example.com", None, &[policy::MX_PATTERN]),
            ("a-.example.com", None, &[policy::MX_PATTERN]),
            ("mx.example.com # old", None, &[policy::MX_PATTERN]),
            ("\"mx.example.com\"", None, &[policy::MX_PATTERN]),
            ("mx\u{200b}.example.com", None, &[policy::MX_PATTERN]),
            (&long, None, &[policy::MX_PATTERN]),
            (",", None, &[policy::MX_PATTERN]),
            (&"a.example,".repeat(6000), None, &[policy::MX_LIST]),
            (&"ä".repeat(6000), None, &[policy::MX_U_LABEL]),
        ];
        for (value, text, codes) in table {
            let (pattern, findings) = Pattern::parse(value);
            assert_eq!(pattern.as_ref().map(Pattern::as_str), *text, "{value:?}");
            assert_eq!(findings.iter().map(|finding| finding.code).collect::<Vec<_>>(), *codes, "{value:?}");
        }
    }

    #[test]
    fn the_limits_of_dns_hold() {
        let label = "a".repeat(63);
        let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(longest.len(), NAME_MAX);
        assert!(is_domain(&longest) && !is_domain(&format!("a{longest}")) && !is_domain(&format!("{label}a")));
    }

    #[test]
    fn one_label_is_what_an_asterisk_stands_for() {
        for (pattern, host, covered) in [
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "A.EXAMPLE.com.", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "aexample.com", false),
            ("*.com", "example.com", true),
            ("*.com", "com", false),
            ("mx.example.com", "mx.example.com", true),
            ("mx.example.com.", "MX.example.com", true),
            ("mx.example.com", "a.mx.example.com", false),
            ("mx.example.com", "mxxexample.com", false),
        ] {
            let pattern = Pattern::parse(pattern).0.unwrap();
            assert_eq!(pattern.covers(&HostName::parse(host).unwrap()), covered, "{pattern:?} {host}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_a_pattern_reads_as_itself(value in ".{0,40}") {
            let (pattern, findings) = Pattern::parse(&value);
            prop_assert!(pattern.is_some() || !findings.is_empty());
            if let Some(pattern) = pattern {
                prop_assert_eq!(Pattern::parse(pattern.as_str()).0, Some(pattern.clone()));
            }
        }

        #[test]
        fn a_name_covers_itself_alone(host in "([a-z0-9]{1,4}\\.){1,3}[a-z]{2,4}", other in "([a-z0-9]{1,4}\\.){1,3}[a-z]{2,4}") {
            let (host, other) = (HostName::parse(&host).unwrap(), HostName::parse(&other).unwrap());
            let pattern = Pattern::parse(host.as_str()).0.unwrap();
            prop_assert!(pattern.covers(&host));
            prop_assert_eq!(pattern.covers(&other), host == other);
        }
    }
}
