//! Rows: named lines on their way to targets, as bytes in memory and in temporary files.

use std::hash::Hasher as _;

use siphasher::sip::SipHasher24;

use crate::name::NAME_MAX;
use crate::text;

/// A named line. Its texts stand where it was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// What sorts: the hash of the domain under the seed, or the line.
    pub(super) key: u64,
    /// The canonical name.
    pub(super) domain: &'a [u8],
    /// The line, counted from 1 over all sources.
    pub(super) line: i64,
    pub(super) rank: Option<i64>,
    /// Further lines that named the domain.
    pub(super) duplicates: i64,
    pub(super) mapped: bool,
    pub(super) original: Option<&'a [u8]>,
}

/// The key of a domain: SipHash-2-4, so that nobody who does not know the seed can choose names that stand together.
pub(super) fn key(seed: u64, domain: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(seed, 0);
    hasher.write(domain);
    hasher.finish()
}

/// Bytes of the largest number: seven bits each.
const NUMBER_MAX: usize = 9;

/// Bytes that [`encode`] adds at most: what is there and how long the name is, three numbers, the two texts, and the
/// length of the second.
pub(super) const RECORD_MAX: usize = 2 + 3 * NUMBER_MAX + NAME_MAX + 2 + text::KEPT;

const MAPPED: u8 = 1;
const RANK: u8 = 1 << 1;
const DUPLICATES: u8 = 1 << 2;
const ORIGINAL: u8 = 1 << 3;

/// Adds a row without its key. `None` where a text is longer than any name or original is, or a number is below zero.
/// Nobody but [`decode`] ever reads it.
pub(super) fn encode(row: &Row<'_>, out: &mut Vec<u8>) -> Option<()> {
    let length = u8::try_from(row.domain.len()).ok()?;
    let original = row.original.map(|text| u16::try_from(text.len()).map(|length| (length, text))).transpose().ok()?;
    let flag = |is: bool, flag: u8| if is { flag } else { 0 };
    let flags = flag(row.mapped, MAPPED)
        | flag(row.rank.is_some(), RANK)
        | flag(row.duplicates != 0, DUPLICATES)
        | flag(row.original.is_some(), ORIGINAL);
    out.extend_from_slice(&[flags, length]);
    put_number(row.line, out)?;
    if let Some(rank) = row.rank {
        put_number(rank, out)?;
    }
    if row.duplicates != 0 {
        put_number(row.duplicates, out)?;
    }
    out.extend_from_slice(row.domain);
    if let Some((length, text)) = original {
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(text);
    }
    Some(())
}

/// Reads the row that the bytes begin with, under the key that it had, and says how long it is.
pub(super) fn decode(key: u64, bytes: &[u8]) -> Option<(Row<'_>, usize)> {
    let mut rest = bytes;
    let &[flags, length] = rest.split_off(..2)?.first_chunk::<2>()?;
    let is = |flag: u8| flags & flag != 0;
    let line = number(&mut rest)?;
    let rank = if is(RANK) { Some(number(&mut rest)?) } else { None };
    let duplicates = if is(DUPLICATES) { number(&mut rest)? } else { 0 };
    let domain = rest.split_off(..usize::from(length))?;
    let original = if is(ORIGINAL) {
        let length = u16::from_le_bytes(*rest.split_off(..2)?.first_chunk()?);
        Some(rest.split_off(..usize::from(length))?)
    } else {
        None
    };
    let row = Row { key, domain, line, rank, duplicates, mapped: is(MAPPED), original };
    Some((row, bytes.len() - rest.len()))
}

/// Adds a number by seven bits a byte, the lowest first; all but the last have the highest bit.
fn put_number(number: i64, out: &mut Vec<u8>) -> Option<()> {
    let mut left = u64::try_from(number).ok()?;
    while left >= 1 << 7 {
        out.push(left.to_le_bytes()[0] | 1 << 7);
        left >>= 7;
    }
    out.push(left.to_le_bytes()[0]);
    Some(())
}

fn number(rest: &mut &[u8]) -> Option<i64> {
    let mut number = 0;
    for place in 0..NUMBER_MAX {
        let byte = *rest.split_off_first()?;
        number |= i64::from(byte & 0x7f) << (7 * place);
        if byte < 1 << 7 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let plain =
            Row { key: 7, domain: b"a.example", line: 1, rank: None, duplicates: 0, mapped: false, original: None };
        let (longest, kept) = ([b'a'; NAME_MAX], [b'o'; text::KEPT]);
        let full = Row {
            domain: &longest,
            line: i64::MAX,
            rank: Some(i64::MAX),
            duplicates: i64::MAX,
            mapped: true,
            original: Some(&kept),
            ..plain
        };
        for row in [
            plain,
            Row { rank: Some(i64::MAX), ..plain },
            Row { duplicates: 1, ..plain },
            Row { mapped: true, ..plain },
            Row { original: Some(b""), ..plain },
            full,
        ] {
            let mut bytes = Vec::new();
            encode(&row, &mut bytes).unwrap();
            assert_eq!(decode(7, &bytes).unwrap(), (row, bytes.len()));
            for cut in 0..bytes.len() {
                assert_eq!(decode(7, &bytes[..cut]), None);
            }
            bytes.push(0);
            assert_eq!(decode(7, &bytes).unwrap().1, bytes.len() - 1);
            assert!(bytes.len() - 1 <= RECORD_MAX);
            assert_eq!(bytes.len() - 1 == RECORD_MAX, row == full);
        }
        assert_eq!(encode(&Row { domain: &[b'a'; 256], ..plain }, &mut Vec::new()), None);
        assert_eq!(encode(&Row { line: -1, ..plain }, &mut Vec::new()), None);
        assert_eq!(decode(7, &[0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, b'a']), None);
    }

    #[test]
    fn another_seed_is_another_order() {
        assert_ne!(key(1, b"a.example"), key(2, b"a.example"));
        assert_eq!(key(1, b"a.example"), key(1, b"a.example"));
    }
}
