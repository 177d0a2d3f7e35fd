//! Names of fields that are almost a known one (RFC 8461 3.2): senders ignore them, and their authors do not know it.

use super::line::NAME_MAX;
use crate::finding::{Code, policy};

/// Shorter names than this are near to everything.
const NAME_MIN: usize = 3;

/// A known name.
struct Known {
    name: &'static str,
    /// The name without its marks.
    letters: &'static [u8],
    /// How many letters a near miss may be off: one in a short name, where two would make half of all short words near
    /// misses.
    off: usize,
}

const KNOWN: [Known; 4] = [
    Known { name: "version", letters: b"version", off: 2 },
    Known { name: "mode", letters: b"mode", off: 1 },
    Known { name: "max_age", letters: b"maxage", off: 2 },
    Known { name: "mx", letters: b"mx", off: 1 },
];

/// The code for a name that is meant to be a known one, and that known one.
pub(super) fn near_miss(name: &str) -> Option<(Code, &'static str)> {
    if let Some(known) = KNOWN.iter().find(|known| known.name.eq_ignore_ascii_case(name)) {
        return Some((policy::KEY_CASE, known.name));
    }
    if name.len() > NAME_MAX {
        return None;
    }
    // `max-age`, `maxage`, `"mode"` and `# mode` are what they are without their marks.
    let bare: Vec<u8> = name.bytes().filter(u8::is_ascii_alphanumeric).map(|byte| byte.to_ascii_lowercase()).collect();
    let near = |known: &&Known| {
        bare == known.letters
            || (bare.len() >= NAME_MIN
                && bare.len().abs_diff(known.letters.len()) <= known.off
                && distance(&bare, known.letters) <= known.off)
    };
    KNOWN
        .iter()
        .find(near)
        .map(|known| known.name)
        // `mx1`, `mxs`, `mx_host`, `mx-record`
        .or_else(|| bare.starts_with(b"mx").then_some("mx"))
        .map(|name| (policy::UNKNOWN_KEY, name))
}

/// The fewest letters to insert, remove or replace to make one word of the other.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in (1..).zip(one) {
        let mut diagonal = row[0];
        row[0] = i;
        for (j, b) in (1..).zip(other) {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j];
            row[j] = replaced.min(diagonal + 1).min(row[j - 1] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_what_is_meant() {
        for (name, expected) in [
            ("Version", Some((policy::KEY_CASE, "version"))),
            ("MX", Some((policy::KEY_CASE, "mx"))),
            ("MAX_AGE", Some((policy::KEY_CASE, "max_age"))),
            ("nmx", Some((policy::UNKNOWN_KEY, "mx"))),
            ("mxs", Some((policy::UNKNOWN_KEY, "mx"))),
            ("mx1", Some((policy::UNKNOWN_KEY, "mx"))),
            ("mx_host", Some((policy::UNKNOWN_KEY, "mx"))),
            ("max-age", Some((policy::UNKNOWN_KEY, "max_age"))),
            ("maxage", Some((policy::UNKNOWN_KEY, "max_age"))),
            ("Max-Age", Some((policy::UNKNOWN_KEY, "max_age"))),
            ("max_ages", Some((policy::UNKNOWN_KEY, "max_age"))),
            ("modes", Some((policy::UNKNOWN_KEY, "mode"))),
            ("\"mode\"", Some((policy::UNKNOWN_KEY, "mode"))),
            ("verison", Some((policy::UNKNOWN_KEY, "version"))),
            ("contact", None),
            ("name", None),
            ("date", None),
            ("id", None),
            ("my", None),
            ("# mx", Some((policy::UNKNOWN_KEY, "mx"))),
            ("a", None),
            ("---", None),
            ("", None),
            ("averylongnamethatmeansnothingatall", None),
        ] {
            assert_eq!(near_miss(name), expected, "{name:?}");
        }
    }

    #[test]
    fn distances() {
        for (one, other, expected) in
            [("", "", 0), ("a", "", 1), ("abc", "abc", 0), ("abc", "acb", 2), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(one.as_bytes(), other.as_bytes()), expected, "{one} {other}");
        }
    }
}
