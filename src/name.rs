//! Names: one canonical A-label form, parsed once (RFC 1035 2.3.4, RFC 5890, UTS 46).
//!
//! `url`, rustls and hickory accept different names, so everything past a list line or a DNS answer carries one of these
//! two types and nobody parses again.

mod cell;
mod fold;

pub use cell::Named;
pub(crate) use fold::Room;

use std::borrow::Cow;
use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use smol_str::SmolStr;

use crate::finding::Code;

/// The longest name in presentation form, without the final dot (RFC 1035 2.3.4: 255 octets on the wire).
pub const NAME_MAX: usize = 253;
/// The longest label (RFC 1035 2.3.4).
pub const LABEL_MAX: usize = 63;

/// A host name or DNS owner name: lower case A-labels of letters, digits, hyphens and underscores, no final dot, within
/// the limits of DNS.
///
/// Most names are short enough to stand in the value itself: a scan makes one for each of its millions of lines.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(SmolStr);

/// Why a text is no [`HostName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostNameError {
    /// No text, or only a dot.
    #[error("the name is empty")]
    Empty,
    /// More than [`NAME_MAX`] octets.
    #[error("the name is longer than 253 octets")]
    TooLong,
    /// A label that is empty, longer than [`LABEL_MAX`], or begins or ends with a hyphen. (One that begins with `xn--`
    /// may end with a hyphen: no lawful A-label, RFC 5890 2.3.2.1, but such names can stand in DNS.)
    #[error("a label is empty, too long, or begins or ends with a hyphen")]
    Label,
    /// A character other than a letter, digit, hyphen or underscore.
    #[error("a character that no host name has")]
    Character,
}

impl HostName {
    /// Reads ASCII text; upper case and one final dot are folded away. No IDNA: that is for list lines, see [`Domain`].
    ///
    /// # Errors
    /// What the text breaks first, in the order of [`HostNameError`].
    pub fn parse(text: &str) -> Result<Self, HostNameError> {
        let text = text.strip_suffix('.').unwrap_or(text);
        match Self::fold(text.as_bytes()) {
            Some(name) => Ok(name),
            None => Self::parse_closely(text),
        }
    }

    /// The name that text is as it stands, but for case; `None` where that takes a closer look.
    fn fold(text: &[u8]) -> Option<Self> {
        let mut room = [0; NAME_MAX];
        let name = fold::fold(text, &mut room)?;
        std::str::from_utf8(name).ok().map(|name| Self(name.into()))
    }

    /// [`HostName::parse`] for any text without its final dot.
    fn parse_closely(text: &str) -> Result<Self, HostNameError> {
        if text.is_empty() {
            return Err(HostNameError::Empty);
        }
        if text.len() > NAME_MAX {
            return Err(HostNameError::TooLong);
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
            return Err(HostNameError::Character);
        }
        let lawful = |label: &str| {
            !label.is_empty()
                && label.len() <= LABEL_MAX
                && !label.starts_with('-')
                && (!label.ends_with('-') || label.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--")))
        };
        if !text.split('.').all(lawful) {
            return Err(HostNameError::Label);
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The name below this one that begins with `label`, such as `_mta-sts`.
    ///
    /// # Errors
    /// [`HostNameError::TooLong`] where no such name can exist.
    pub fn child(&self, label: &str) -> Result<Self, HostNameError> {
        Self::parse(&format!("{label}.{}", self.0))
    }

    /// The name without its first label, if there is more than one.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.split_once('.').map(|(_, rest)| Self(rest.into()))
    }

    /// The text: lower case, no final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A mail domain to survey: a [`HostName`] that came through the rules for list lines (IDNA, special use, limits).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(HostName);

impl Domain {
    /// A domain that is known to be canonical already, such as a line of a prepared list.
    #[must_use]
    pub fn from_host(host: HostName) -> Self {
        Self(host)
    }

    /// Reads one cell of a list, already free of the white space around it: IDNA by UTS 46 (non-transitional), special
    /// use, limits. What DNS can carry is accepted, be it a lawful host name or not: see [`Domain::url_host_ok`].
    ///
    /// # Errors
    /// The code of the catalogue's area `list` that says why the cell names no domain to scan.
    pub fn read(text: &str) -> Result<Named, Code> {
        cell::read(text)
    }

    /// The short way of [`Domain::read`]: the canonical name of a cell that is one as it stands, but for case and a final
    /// dot, written into `room`. `None` decides nothing: then the cell is to be read.
    pub(crate) fn plain<'r>(text: &[u8], room: &'r mut Room) -> Option<&'r [u8]> {
        cell::plain(text, room)
    }

    /// A domain that was written down as it stands in [`Domain::as_str`].
    pub(crate) fn stored(text: &[u8]) -> Option<Self> {
        let host = HostName::fold(text).or_else(|| HostName::parse(std::str::from_utf8(text).ok()?).ok())?;
        Some(Self::from_host(host))
    }

    /// The domain as a host name.
    #[must_use]
    pub fn host(&self) -> &HostName {
        &self.0
    }

    /// The text: lower case A-labels, no final dot.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of the record: `_mta-sts.<domain>` (RFC 8461 3.1). `None` where it would be too long to exist.
    #[must_use]
    pub fn record_name(&self) -> Option<HostName> {
        self.0.child("_mta-sts").ok()
    }

    /// The policy host: `mta-sts.<domain>` (RFC 8461 3.3). `None` where it would be too long to exist.
    #[must_use]
    pub fn policy_host(&self) -> Option<HostName> {
        self.0.child("mta-sts").ok()
    }

    /// Whether the policy host is a lawful host of a URL: every `xn--` label of it must be an A-label (RFC 5891 5.4).
    /// Where it is not, DNS can be asked and HTTPS cannot.
    #[must_use]
    pub fn url_host_ok(&self) -> bool {
        self.policy_host().is_some_and(|host| {
            let read = Uts46::new().to_ascii(
                host.as_str().as_bytes(),
                AsciiDenyList::URL,
                Hyphens::Allow,
                DnsLength::VerifyAllowRootDot,
            );
            matches!(read, Ok(Cow::Borrowed(same)) if same == host.as_str())
        })
    }

    /// The name of the TLS reporting record: `_smtp._tls.<domain>` (RFC 8460 3).
    #[must_use]
    pub fn tlsrpt_name(&self) -> Option<HostName> {
        self.0.child("_tls").and_then(|name| name.child("_smtp")).ok()
    }

    /// The public suffix by the public suffix list, such as `co.uk`.
    #[must_use]
    pub fn public_suffix(&self) -> Option<&str> {
        psl::suffix_str(self.as_str())
    }

    /// The registrable domain, such as `example.co.uk`. `None` where the domain is itself a public suffix.
    #[must_use]
    pub fn registrable(&self) -> Option<&str> {
        psl::domain_str(self.as_str())
    }

    /// The domain with its A-labels decoded for people; labels that do not decode stay as they are.
    #[must_use]
    pub fn to_unicode(&self) -> String {
        idna::domain_to_unicode(self.as_str()).0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn host_names() {
        use HostNameError::*;
        for (text, expected) in [
            ("MX.Example.", Ok("mx.example")),
            ("_mta-sts.a_b", Ok("_mta-sts.a_b")),
            ("xn--a-.example", Ok("xn--a-.example")),
            ("XN--.example", Ok("xn--.example")),
            ("", Err(Empty)),
            (".", Err(Empty)),
            ("a..", Err(Label)),
            ("a..b", Err(Label)),
            ("-a.b", Err(Label)),
            ("a-.b", Err(Label)),
            ("xn-.b", Err(Label)),
            ("a b", Err(Character)),
            ("\u{fc}.b", Err(Character)),
            ("*.b", Err(Character)),
        ] {
            let read = HostName::parse(text);
            assert_eq!(read.as_ref().map(HostName::as_str).map_err(|error| *error), expected, "{text:?}");
        }
        let label = |n: usize| "a".repeat(n);
        assert_eq!(HostName::parse(&label(63)).map(|host| host.as_str().len()), Ok(LABEL_MAX));
        assert_eq!(HostName::parse(&label(64)), Err(Label));
        assert_eq!(HostName::parse(&format!("{}.b", label(64))), Err(Label));
        assert_eq!(HostName::parse(&"a.".repeat(127)).map(|host| host.as_str().len()), Ok(NAME_MAX));
        assert_eq!(HostName::parse(&"a.".repeat(128)), Err(TooLong));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]
        /// The short way says what the long one says, and nothing else.
        #[test]
        fn the_short_way_is_the_long_way(text in "([a-cX.-]{0,8}|[ -~]{0,4}|xn--|[a-z]{61,64}\\.|([a-z]{1,40}\\.){5,7}|\\PC){0,3}") {
            let mut room = [0; NAME_MAX];
            let short = fold::fold(text.as_bytes(), &mut room);
            let long = HostName::parse_closely(&text);
            match (short, &long) {
                (Some(short), Ok(long)) => prop_assert_eq!(short, long.as_str().as_bytes()),
                (Some(short), Err(error)) => prop_assert!(false, "{short:?}: {error}"),
                // The only names that need the long way.
                (None, Ok(long)) => prop_assert!(long.as_str().split('.').any(|label| label.ends_with('-'))),
                (None, Err(_)) => {}
            }
        }
    }
}
