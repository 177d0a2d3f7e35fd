//! DANE for SMTP (RFC 7672, RFC 6698, RFC 7671): which TLSA records count, and whether one fits what a mail host sends.

mod authority;
mod presented;
mod tlsa;

pub use tlsa::{DATA_KEPT, Tlsa};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::UnixTime;
use serde_json::Value;

use crate::finding::{Finding, Gather, dane};
use crate::name::HostName;
use crate::text;
use authority::{Authorities, Path};
use presented::Presented;
use tlsa::{CERTIFICATE, EXACT, SHA_256, TRUST_ANCHOR};

/// Records of one set that are looked at. The largest real sets have a dozen (two algorithms, two certificates, old and
/// new); each further one costs a comparison with every certificate of the chain.
pub const RECORDS_MAX: usize = 64;
/// Certificates of a chain that are looked at: a path has at most 8 (RFC 5280 sets no bound, validators do), and what is
/// sent beside them by mistake is seldom more.
const CHAIN_MAX: usize = 100;
/// Records that a finding shows: a rollover with every kind of record has eight.
const SHOWN_MAX: usize = 8;

/// What a set of TLSA records is worth for the chain that a host sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Match {
    /// Whether any record can be used at all (RFC 7672 3.1).
    pub usable: bool,
    /// The first record, as published, that the chain fits; with it the host is authenticated. Of several authorities that
    /// the chain leads to, the one next to the leaf counts.
    pub matched: Option<usize>,
    /// All that is wrong with the records and how they fit, and what is worth knowing.
    pub findings: Vec<Finding>,
}

/// Whether the chain, leaf first, fits one of the records. Without a chain nothing is matched, and only the records
/// themselves are judged.
///
/// - DANE-EE (RFC 7672 3.1.1): the leaf fits; its names, dates and issuer do not matter.
/// - DANE-TA (RFC 7672 3.1.2, RFC 7671 5.2): a certificate behind the leaf fits, or the record holds all of one; the path to
///   it holds, every date on it too, that of the authority included; and one of `names`, the reference identifiers
///   (RFC 7672 3.2.2), is in the leaf.
///
/// Of more than [`RECORDS_MAX`] records the first are looked at.
#[must_use]
pub fn verify(records: &[Tlsa], chain: &[Vec<u8>], names: &[&HostName], at: SystemTime) -> Match {
    let mut gather = Gather::default();
    let usable = usable(records, &mut gather);
    let mut found = Match { usable: !usable.is_empty(), ..Match::default() };
    if !found.usable && !records.is_empty() {
        gather.add(dane::UNUSABLE, |finding| finding.with("published", shown(records)));
    }
    if found.usable
        && let Some((leaf, others)) = chain[..chain.len().min(CHAIN_MAX)].split_first()
    {
        let chain = Chain::read(leaf, others);
        found.matched = chain.judge(records, &usable, names, seconds(at), &mut gather);
    }
    found.findings = gather.into_findings("");
    found
}

/// Whether a certificate is for one of the names (RFC 7672 3.2.2, 3.2.3).
#[must_use]
pub fn is_named(leaf: &[u8], names: &[&HostName]) -> bool {
    authority::is_named(&Presented::read(leaf), names)
}

/// The places of the records that can be used at all (RFC 7672 3.1, RFC 6698 4.1).
fn usable(records: &[Tlsa], gather: &mut Gather) -> Vec<usize> {
    let mut usable = Vec::new();
    for (place, record) in records.iter().enumerate().take(RECORDS_MAX) {
        let foreign = record.is_for_public_authorities();
        if foreign {
            gather.add(dane::USAGE, |finding| finding.about(record.to_string()));
        }
        match record.fault() {
            Some((field, reason)) => gather.add(dane::MALFORMED, |finding| {
                let finding = finding.about(record.to_string()).with("field", field).with("reason", reason);
                finding.with("length", record.length)
            }),
            None if !foreign => usable.push(place),
            None => {}
        }
    }
    usable
}

/// Whether a stronger digest of the same kind is published beside a record, so that this one does not count
/// (RFC 7671 9). Whole data is no digest, and always counts.
fn is_outdone(record: &Tlsa, records: &[Tlsa], usable: &[usize]) -> bool {
    let mut others = usable.iter().map(|place| &records[*place]);
    record.matching != EXACT
        && others.any(|other| {
            (other.usage, other.selector) == (record.usage, record.selector) && other.matching > record.matching
        })
}

/// The chain of a host, ready to be compared.
struct Chain<'a> {
    leaf: Presented<'a>,
    /// What came behind the leaf, the leaf itself left out.
    others: Vec<Presented<'a>>,
}

impl<'a> Chain<'a> {
    fn read(leaf: &'a [u8], others: &'a [Vec<u8>]) -> Self {
        let others = others.iter().filter(|der| *der != leaf).map(|der| Presented::read(der)).collect();
        Self { leaf: Presented::read(leaf), others }
    }

    /// Gives the record that the chain fits, and says what else there is to say.
    fn judge(
        &self,
        records: &[Tlsa],
        usable: &[usize],
        names: &[&HostName],
        at: UnixTime,
        gather: &mut Gather,
    ) -> Option<usize> {
        let counts = |place: &&usize| !is_outdone(&records[**place], records, usable);
        let counted: Vec<usize> = usable.iter().filter(counts).copied().collect();
        // RFC 7672 3.1.1: neither the name nor the dates of the leaf are looked at.
        let by_leaf = counted.iter().copied().find(|place| {
            let record = &records[*place];
            record.usage != TRUST_ANCHOR && self.leaf.fits(record)
        });
        let authorities = Authorities::find(records, &counted, &self.leaf, &self.others);
        let path = authorities.path(&self.leaf, &self.others, at);
        let named = authority::is_named(&self.leaf, names);
        let by_authority = match path {
            Path::Whole(place) if named => Some(place),
            _ => None,
        };
        let matched = [by_leaf, by_authority].into_iter().flatten().min();
        if matched.is_some() {
            let held = [by_leaf, path.place()];
            self.tell_stale(records, usable, held, gather);
            return matched;
        }
        match path {
            Path::Whole(place) => self.tell_name(&records[place], names, gather),
            Path::OutOfTime { place, when } => {
                if !named {
                    self.tell_name(&records[place], names, gather);
                }
                gather.add(dane::TA_EXPIRED, |finding| when.describe(finding.about(records[place].to_string())));
            }
            Path::Broken(reason) => {
                let finding = self.mismatch(records, usable);
                gather.push(match reason {
                    Some(reason) => finding.with("reason", reason),
                    None => finding,
                });
            }
        }
        None
    }

    /// Says which records fit nothing that was sent. Those `held` need not be sent to fit.
    fn tell_stale(&self, records: &[Tlsa], usable: &[usize], held: [Option<usize>; 2], gather: &mut Gather) {
        for place in usable.iter().copied().filter(|place| !held.contains(&Some(*place))) {
            let record = &records[place];
            let fits = match record.usage {
                TRUST_ANCHOR => self.others.iter().any(|other| other.fits(record)),
                _ => self.leaf.fits(record),
            };
            if !fits {
                gather.add(dane::STALE, |finding| finding.about(record.to_string()));
            }
        }
    }

    fn tell_name(&self, record: &Tlsa, names: &[&HostName], gather: &mut Gather) {
        gather.add(dane::TA_NAME, |finding| {
            let expected: Vec<Value> = names.iter().map(|name| name.as_str().into()).collect();
            self.leaf.describe_names(finding.about(record.to_string()).with("expected", expected))
        });
    }

    /// Nothing fits: what was published, and what would have fitted.
    fn mismatch(&self, records: &[Tlsa], usable: &[usize]) -> Finding {
        let finding = Finding::new(dane::MISMATCH)
            .with("published", shown(records))
            .with("published_count", records.len())
            .with("cert_sha256", self.leaf.digest(CERTIFICATE, SHA_256))
            .with("spki_sha256", self.leaf.digest(tlsa::PUBLIC_KEY, SHA_256))
            .with("certificates", self.others.len() + 1);
        let usable = || usable.iter().map(|place| &records[*place]);
        // Near misses, which are otherwise hard to see. RFC 7671 9: a weaker digest does not count beside a stronger one.
        let outdone = usable().any(|record| record.usage != TRUST_ANCHOR && self.leaf.fits(record));
        let finding = if outdone { finding.with("only_weaker_digest_fits", true) } else { finding };
        // RFC 7671 5.2: the authority is one that issued the leaf. Validators take none for its own issuer.
        let itself = usable().any(|record| record.usage == TRUST_ANCHOR && self.leaf.fits(record));
        if itself { finding.with("leaf_as_authority", true) } else { finding }
    }
}

/// The first records as text.
fn shown(records: &[Tlsa]) -> Vec<Value> {
    records.iter().take(SHOWN_MAX).map(|record| text::cut(record.to_string()).into()).collect()
}

fn seconds(at: SystemTime) -> UnixTime {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    UnixTime::since_unix_epoch(Duration::from_secs(since.as_secs()))
}

#[cfg(test)]
mod tests;
