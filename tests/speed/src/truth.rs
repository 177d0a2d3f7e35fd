//! What stands in the DNS of the responder: decided by a hash of the domain alone, so that nothing has to be remembered and
//! everybody who knows the shares knows the truth.

use clap::Args;

/// A share in percent is kept in millionths, which tells 0.0001 % apart.
const WHOLE: u64 = 1_000_000;

/// What stands at `_mta-sts.<domain>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stands {
    /// A record that announces a policy.
    Record,
    /// Something, but no TXT record: NODATA (RFC 2308 2.2).
    Other,
    /// Nothing: NXDOMAIN.
    Nothing,
}

/// How large a share of the domains has what.
#[derive(Args, Clone, Debug)]
pub(crate) struct Shares {
    /// Percent of domains that have a record
    #[arg(long, value_name = "PERCENT", default_value_t = 0.1, value_parser = percent)]
    pub(crate) found: f64,
    /// Percent of domains whose name _mta-sts exists without a TXT record
    #[arg(long, value_name = "PERCENT", default_value_t = 2.0, value_parser = percent)]
    pub(crate) nodata: f64,
    /// Domain that has a record whatever the share; repeatable
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) canary: Vec<String>,
}

impl Shares {
    /// The same, as arguments of another call of this program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let shares = [format!("--found={}", self.found), format!("--nodata={}", self.nodata)];
        shares.into_iter().chain(self.canary.iter().map(|name| format!("--canary={name}"))).collect()
    }
}

/// A share as it stands on a command line.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=100.0).contains(&share) { Ok(share) } else { Err("not between 0 and 100".to_owned()) }
}

/// The shares, ready to be asked millions of times.
#[derive(Clone, Debug)]
pub(crate) struct Truth {
    found: u64,
    /// Those that have a record, or something else.
    exists: u64,
    canaries: Vec<u64>,
}

impl Truth {
    /// The truth by these shares.
    pub(crate) fn new(shares: &Shares) -> Self {
        let found = millionths(shares.found);
        let canaries = shares.canary.iter().map(|name| Digest::of(name)).collect();
        Self { found, exists: found + millionths(shares.nodata), canaries }
    }

    /// What stands below the domain of this digest.
    pub(crate) fn of(&self, digest: u64) -> Stands {
        let place = mixed(digest) % WHOLE;
        if place < self.found || self.canaries.contains(&digest) {
            Stands::Record
        } else if place < self.exists {
            Stands::Other
        } else {
            Stands::Nothing
        }
    }
}

/// A share of [`WHOLE`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "percent() let nothing pass beyond 0 to 100"
)]
pub(crate) fn millionths(percent: f64) -> u64 {
    (percent / 100.0 * WHOLE as f64).round() as u64
}

/// Whether the draw of this number falls into a share in millionths.
pub(crate) fn falls(number: u64, millionths: u64) -> bool {
    mixed(number) % WHOLE < millionths
}

/// A hash of a domain, whatever the case of its letters: FNV-1a, which costs a multiplication an octet. Nobody hostile
/// chooses the names here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Digest(u64);

impl Digest {
    /// The hash of no octets.
    pub(crate) fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    /// Adds a label, and the dot in front of it where it is not the first.
    pub(crate) fn label(&mut self, label: &[u8]) {
        if self.0 != Self::new().0 {
            self.octet(b'.');
        }
        label.iter().for_each(|octet| self.octet(octet.to_ascii_lowercase()));
    }

    /// The hash.
    pub(crate) fn value(self) -> u64 {
        self.0
    }

    /// The hash of a domain as text.
    pub(crate) fn of(domain: &str) -> u64 {
        let mut digest = Self::new();
        domain.trim_end_matches('.').split('.').for_each(|label| digest.label(label.as_bytes()));
        digest.value()
    }

    fn octet(&mut self, octet: u8) {
        self.0 = (self.0 ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    }
}

/// Spreads what is alike in the low bits over all of them (the finaliser of SplitMix64).
pub(crate) fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_held() {
        let truth = Truth::new(&Shares { found: 1.0, nodata: 5.0, canary: vec!["Canary.Example".to_owned()] });
        let stands = |wanted| (0..100_000).filter(|n| truth.of(Digest::of(&format!("d{n}.example"))) == wanted).count();
        assert!((900..1_100).contains(&stands(Stands::Record)));
        assert!((4_700..5_300).contains(&stands(Stands::Other)));
        assert_eq!(truth.of(Digest::of("canary.example.")), Stands::Record);
    }

    #[test]
    fn the_case_is_no_matter_and_the_labels_are() {
        assert_eq!(Digest::of("Example.COM"), Digest::of("example.com"));
        assert_ne!(Digest::of("examplecom"), Digest::of("example.com"));
    }
}
