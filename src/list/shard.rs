//! Shards: a list shared out over several machines, with nothing left out and nothing asked twice.

use std::fmt;
use std::hash::Hasher as _;
use std::str::FromStr;

use siphasher::sip::SipHasher24;

use crate::error::Error;

/// One share of a list: a domain belongs to exactly one of `count`, by a hash that is the same on every machine, in every
/// release and under every seed.
///
/// The hash is SipHash-2-4 of the canonical name under [`Shard::KEY`], and the share is its remainder by the count.
/// A line that names no domain belongs to the share of the bytes that are kept of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// The two words of the key, which say in little-endian ASCII what it is for. Never changed: a list that is half
    /// scanned on other machines would lose domains.
    pub const KEY: (u64, u64) = (u64::from_le_bytes(*b"stscan s"), u64::from_le_bytes(*b"hard key"));

    /// The most shares: more than there are machines to give them to.
    pub const COUNT_MAX: u32 = 65_536;

    /// The share `index`, from 1 to `count`.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such share.
    pub fn new(index: u32, count: u32) -> Result<Self, Error> {
        let shard = Self { index, count };
        if index == 0 || index > count || count > Self::COUNT_MAX {
            return Err(Error::Usage(format!("no shard {shard}: I/N, 1 <= I <= N <= {}", Self::COUNT_MAX)));
        }
        Ok(shard)
    }

    /// Whether a domain, or what is none, belongs to the share.
    pub(super) fn has(self, bytes: &[u8]) -> bool {
        let mut hasher = SipHasher24::new_with_keys(Self::KEY.0, Self::KEY.1);
        hasher.write(bytes);
        // The count is at least 1.
        hasher.finish() % u64::from(self.count) == u64::from(self.index - 1)
    }
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
        let numbers = text.split_once('/').and_then(|(index, count)| Some((digits(index)?, digits(count)?)));
        let (index, count) =
            numbers.ok_or_else(|| Error::Usage(format!("no shard is called {text}: I/N, such as 1/4")))?;
        Self::new(index, count)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    /// A contract: bytes, and their shards of 2, 3, 16 and 65,536, worked out apart from this code.
    const ASSIGNED: &[(&[u8], [u32; 4])] = &[
        (b"", [1, 1, 15, 58_143]),
        (b"example.com", [2, 1, 8, 51_432]),
        (b"example.org", [2, 2, 16, 42_992]),
        (b"a.example", [2, 2, 4, 29_124]),
        (b"google.com", [2, 1, 4, 35_892]),
        (b"xn--bcher-kva.example", [1, 3, 11, 61_611]),
        (b"a.very.long.name.that.has.many.labels.example", [1, 2, 9, 45_801]),
        (b"a..b", [1, 3, 1, 49_041]),
        (b"\xff\0", [1, 1, 3, 227]),
    ];

    #[test]
    fn a_domain_is_in_one_shard_for_ever() {
        for &(bytes, shards) in ASSIGNED {
            for (count, expected) in [2, 3, 16, Shard::COUNT_MAX].into_iter().zip(shards) {
                let its = (1..=count).filter(|&index| Shard::new(index, count).unwrap().has(bytes));
                assert_eq!(its.collect::<Vec<_>>(), [expected], "{bytes:?} of {count}");
            }
            assert!(Shard::new(1, 1).unwrap().has(bytes));
        }
    }
}
