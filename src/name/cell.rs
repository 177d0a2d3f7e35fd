//! The cell of a list, read as a domain: what is no name is told apart by code (HOSTILE.md 1-20, UTS 46).
//!
//! One mapping, documented: UTS 46 non-transitional (sharp s, final sigma and the joiners stay themselves), STD3 with the
//! underscore allowed. A mapping that makes another spelling of what stood there is flagged, never silent.

use std::net::{Ipv4Addr, Ipv6Addr};

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::fold::{self, Room};
use super::{Domain, HostName, HostNameError, NAME_MAX};
use crate::finding::{Code, list};
use crate::text;

/// A domain as a list named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The canonical name.
    pub domain: Domain,
    /// What stood in the list, where that differs from the canonical name beyond case and a final dot. Bounded by
    /// [`text::KEPT`].
    pub original: Option<String>,
    /// Whether compatibility characters (full-width dots, circled letters, …) were mapped to others. Folding of case and
    /// normalisation alone do not count.
    pub mapped: bool,
}

/// Characters that one cell may have before IDNA is asked, whose time grows faster than its input. Composition joins up
/// to four characters into one, so no name of 253 octets needs more.
const CELL_MAX: usize = 4 * NAME_MAX;

/// STD3 (letters, digits, hyphen) with the underscore, which many names below `_domainkey` and the like have.
const STD3_WITH_UNDERSCORE: AsciiDenyList = AsciiDenyList::new(true, "!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~");

/// Domains that are not looked up on the Internet (RFC 6761 and the IANA registry of special-use domain names), with
/// what reserves them. Neither `example` nor `test` is here, although RFC 6761 lists both: a resolver of one's own may
/// serve them, as the lab does.
const SPECIAL_USE: &[(&str, &str)] = &[
    ("local", "RFC 6762 3"),
    ("localhost", "RFC 6761 6.3"),
    ("invalid", "RFC 6761 6.4"),
    ("onion", "RFC 7686 2"),
    ("home.arpa", "RFC 8375 4"),
    ("alt", "RFC 9476 2"),
    ("internal", "ICANN board resolution 2024.07.29.06"),
    // The reverse trees hold addresses, not mail domains.
    ("in-addr.arpa", "RFC 1035 3.5"),
    ("ip6.arpa", "RFC 3596 2.5"),
];

pub(super) fn read(cell: &str) -> Result<Named, Code> {
    match plain(cell.as_bytes(), &mut [0; NAME_MAX]).and_then(HostName::fold) {
        Some(host) => Ok(Named { domain: Domain::from_host(host), original: None, mapped: false }),
        None => read_closely(cell),
    }
}

/// The name that most cells are. `None` where that takes a closer look.
pub(super) fn plain<'r>(cell: &[u8], room: &'r mut Room) -> Option<&'r [u8]> {
    let name = fold::fold(cell.strip_suffix(b".").unwrap_or(cell), room)?;
    let dot = name.iter().rposition(|&byte| byte == b'.')?;
    let last = &name[dot + 1..];
    // Names in numbers, and the ends of SPECIAL_USE.
    let is_plain = !last.first().is_some_and(u8::is_ascii_digit)
        && !matches!(last, b"local" | b"localhost" | b"invalid" | b"onion" | b"arpa" | b"alt" | b"internal");
    is_plain.then_some(name)
}

/// [`read`] for any cell.
fn read_closely(cell: &str) -> Result<Named, Code> {
    if cell.is_empty() {
        return Err(list::BLANK);
    }
    if cell == "." {
        return Err(list::SINGLE_LABEL);
    }
    // Spreadsheets run such a cell as a formula, whatever it goes on with (HOSTILE.md 20).
    if cell.starts_with(['=', '+']) {
        return Err(list::BAD_CHAR);
    }
    if is_address(cell) {
        return Err(list::IP_LITERAL);
    }
    // URL, path, query, fragment, percent-encoding, port, mail address: never guess which host was meant (HOSTILE.md 13, 14).
    if cell.contains(['@', ':', '/', '%', '?', '#']) {
        return Err(list::NOT_A_NAME);
    }
    if cell == "*" || cell.starts_with("*.") {
        return Err(list::WILDCARD);
    }
    let (host, mapped) = if cell.is_ascii() { (ascii(cell)?, false) } else { international(cell)? };
    if is_address(host.as_str()) || has_numeric_end(host.as_str()) {
        return Err(list::IP_LITERAL);
    }
    if is_special_use(host.as_str()) {
        return Err(list::SPECIAL_USE);
    }
    if !host.as_str().contains('.') {
        return Err(list::SINGLE_LABEL);
    }
    let bare = cell.strip_suffix('.').unwrap_or(cell);
    let original = (!bare.eq_ignore_ascii_case(host.as_str())).then(|| text::cut(cell.to_owned()));
    Ok(Named { domain: Domain::from_host(host), original, mapped })
}

/// A name of US-ASCII goes to DNS as it stands: an `xn--` label that does not decode is still a name (HOSTILE.md 12).
fn ascii(cell: &str) -> Result<HostName, Code> {
    HostName::parse(cell).map_err(|error| match error {
        HostNameError::Empty | HostNameError::Label => list::LABEL,
        HostNameError::TooLong => list::NAME_TOO_LONG,
        HostNameError::Character => list::BAD_CHAR,
    })
}

/// A name with characters beyond US-ASCII, mapped by UTS 46; says whether the mapping made another spelling of it.
fn international(cell: &str) -> Result<(HostName, bool), Code> {
    if cell.chars().count() > CELL_MAX {
        return Err(list::NAME_TOO_LONG);
    }
    let mut mapped = false;
    for c in cell.chars().filter(|c| !c.is_ascii()) {
        match effect(c) {
            Effect::None => {}
            Effect::Respelt => mapped = true,
            Effect::Lost => return Err(list::BAD_CHAR),
        }
    }
    let name = Uts46::new()
        .to_ascii(cell.as_bytes(), STD3_WITH_UNDERSCORE, Hyphens::Allow, DnsLength::Ignore)
        .map_err(|_| if cell.chars().any(denied_ascii) { list::BAD_CHAR } else { list::IDNA })?;
    Ok((ascii(&name)?, mapped))
}

fn denied_ascii(c: char) -> bool {
    c.is_ascii() && !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

/// What UTS 46 makes of one character beyond US-ASCII.
enum Effect {
    /// It stays, or changes only its case or composition; or its neighbours decide.
    None,
    /// It becomes another character that a reader tells apart from it, such as a full-width letter.
    Respelt,
    /// It vanishes, or brings a character that no domain has: another name would be scanned than the one that stood there.
    Lost,
}

fn effect(c: char) -> Effect {
    if c.is_control() || c.is_whitespace() {
        return Effect::Lost;
    }
    let mut buffer = [0; 4];
    let alone: &str = c.encode_utf8(&mut buffer);
    let (becomes, outcome) = Uts46::new().to_unicode(alone.as_bytes(), AsciiDenyList::EMPTY, Hyphens::Allow);
    // Joiners and combining marks are errors alone; the whole name decides about them.
    if outcome.is_err() || becomes == alone {
        return Effect::None;
    }
    if becomes.is_empty() || becomes.chars().any(denied_ascii) {
        return Effect::Lost;
    }
    // A sign that is canonically a letter (the kelvin sign) looks like ASCII and is not: that is told too.
    if becomes.is_ascii() || !becomes.chars().eq(c.to_lowercase()) { Effect::Respelt } else { Effect::None }
}

/// An address in its usual text, with or without brackets.
fn is_address(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    // A zone index (`fe80::1%eth0`, RFC 4007 11) does not make a name of it.
    let bare = bare.split('%').next().unwrap_or(bare);
    bare.parse::<Ipv4Addr>().is_ok() || bare.parse::<Ipv6Addr>().is_ok()
}

/// Whether URL parsers would read the name as an IPv4 address: its last label is a decimal or hexadecimal number.
/// No top-level domain is one (RFC 3696 2).
fn has_numeric_end(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    let hexadecimal = |digits: &str| digits.bytes().all(|b| b.is_ascii_hexdigit());
    last.bytes().all(|b| b.is_ascii_digit()) || last.strip_prefix("0x").is_some_and(hexadecimal)
}

fn is_special_use(name: &str) -> bool {
    SPECIAL_USE
        .iter()
        .any(|(domain, _)| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests;
