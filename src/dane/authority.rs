//! DANE-TA (RFC 7671 5.2, RFC 7672 3.1.2, 3.2): the authorities that records name, and whether the chain leads to one.
//!
//! The authority is looked for among the certificates that were sent. Only a record that holds all of a certificate or a
//! key (2 0 0, 2 1 0) may stand in for one that was not.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::presented::{self, Presented};
use super::tlsa::{CERTIFICATE, EXACT, TRUST_ANCHOR, Tlsa};
use crate::finding::Finding;
use crate::name::HostName;
use crate::text;

/// Authorities that a path may end in. Each is compared with the issuer of every certificate on the way; a real set of
/// records names two or three.
const AUTHORITIES_MAX: usize = 256;

/// An authority that a record names.
struct Authority {
    anchor: TrustAnchor<'static>,
    /// The place of the record.
    place: usize,
    /// The first and the last second of its validity, where it has one: a bare key has none.
    validity: Option<(i64, i64)>,
}

/// Every authority that the records name, in their order.
pub(super) struct Authorities(Vec<Authority>);

/// How the chain leads to an authority.
#[derive(Debug, PartialEq)]
pub(super) enum Path {
    /// It does, and this record names the authority.
    Whole(usize),
    /// It would, at another time.
    OutOfTime { place: usize, when: Validity },
    /// It does not, and why, where there was an authority to lead to.
    Broken(Option<String>),
}

/// What is known of the validity that does not hold.
#[derive(Debug, PartialEq)]
pub(super) struct Validity {
    not_before: Option<i64>,
    not_after: Option<i64>,
}

impl Path {
    /// The record whose authority the chain leads to, in time or not.
    pub(super) fn place(&self) -> Option<usize> {
        match self {
            Self::Whole(place) | Self::OutOfTime { place, .. } => Some(*place),
            Self::Broken(_) => None,
        }
    }
}

impl Authorities {
    /// The authorities of the records at these places.
    pub(super) fn find(records: &[Tlsa], places: &[usize], leaf: &Presented<'_>, others: &[Presented<'_>]) -> Self {
        let mut all = Vec::new();
        for place in places.iter().copied().filter(|place| records[*place].usage == TRUST_ANCHOR) {
            let record = &records[place];
            let sent = others.iter().filter(|other| other.fits(record));
            let before = all.len();
            all.extend(sent.filter_map(|other| Authority::of(&other.der, other.validity, place)));
            if all.len() == before && record.matching == EXACT {
                match record.selector {
                    CERTIFICATE => {
                        let read = Presented::read(&record.data);
                        // The leaf is not its own issuer, whoever supplies it.
                        let own = read.der == leaf.der;
                        all.extend(Authority::of(&read.der, read.validity, place).filter(|_| !own));
                    }
                    _ => all.extend(Authority::bare(&record.data, leaf, others, place)),
                }
            }
        }
        all.truncate(AUTHORITIES_MAX);
        Self(all)
    }

    /// Looks for a path from the leaf, now and, where that fails by a date, at times when it might have held.
    pub(super) fn path(&self, leaf: &Presented<'_>, others: &[Presented<'_>], at: UnixTime) -> Path {
        if self.0.is_empty() {
            return Path::Broken(None);
        }
        let now = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
        // RFC 5280 6.1 leaves the dates of an anchor alone; the validators that senders use do not, nor does RFC 7672 3.1.2
        // ask to trust an authority for ever.
        let in_time = |authority: &&Authority| authority.validity.is_none_or(|validity| is_within(validity, now));
        let current: Vec<&Authority> = self.0.iter().filter(in_time).collect();
        let first = match run(leaf, others, &current, now) {
            Ok(place) => return Path::Whole(place),
            Err(error) => error,
        };
        let all: Vec<&Authority> = self.0.iter().collect();
        let stale = all.iter().find(|authority| !in_time(authority)).and_then(|authority| authority.validity);
        let mut error = first.clone();
        for time in times(leaf, others, now) {
            // Only an error of time may hide that the path holds; and an authority out of time was left out above.
            if !is_time(&error) && (time != now || stale.is_none()) {
                continue;
            }
            match run(leaf, others, &all, time) {
                Ok(place) => return Path::OutOfTime { place, when: Validity::of(&first, stale) },
                Err(other) => error = other,
            }
        }
        Path::Broken(Some(text::cut(error.to_string())))
    }
}

impl Authority {
    fn of(der: &CertificateDer<'_>, validity: Option<(i64, i64)>, place: usize) -> Option<Self> {
        let anchor = webpki::anchor_from_trusted_cert(der).ok()?.to_owned();
        Some(Self { anchor, place, validity })
    }

    /// A key without a certificate (RFC 7671 5.2.3): it may be that of any issuer named in the chain.
    fn bare(key: &[u8], leaf: &Presented<'_>, others: &[Presented<'_>], place: usize) -> Vec<Self> {
        let Some(key) = presented::contents(key) else { return Vec::new() };
        let mut issuers: Vec<&[u8]> = std::iter::once(leaf).chain(others).filter_map(|sent| sent.issuer).collect();
        issuers.sort_unstable();
        issuers.dedup();
        let anchor = |subject: &[u8]| TrustAnchor {
            subject: subject.to_vec().into(),
            subject_public_key_info: key.to_vec().into(),
            name_constraints: None,
        };
        issuers.into_iter().map(|issuer| Self { anchor: anchor(issuer), place, validity: None }).collect()
    }
}

impl Validity {
    /// From the error of the first run, or from an authority that is out of time itself.
    fn of(error: &Error, authority: Option<(i64, i64)>) -> Self {
        let seconds = |time: &UnixTime| i64::try_from(time.as_secs()).ok();
        match error {
            Error::CertExpired { not_after, .. } => Self { not_before: None, not_after: seconds(not_after) },
            Error::CertNotValidYet { not_before, .. } => Self { not_before: seconds(not_before), not_after: None },
            _ => Self {
                not_before: authority.map(|(not_before, _)| not_before),
                not_after: authority.map(|(_, not_after)| not_after),
            },
        }
    }

    pub(super) fn describe(&self, mut finding: Finding) -> Finding {
        for (field, seconds) in [("not_before", self.not_before), ("not_after", self.not_after)] {
            if let Some(seconds) = seconds {
                // As seconds since 1970 where the calendar ends.
                let date = jiff::Timestamp::from_second(seconds).map(|time| time.to_string());
                finding = finding.with(field, date.unwrap_or_else(|_| seconds.to_string()));
            }
        }
        finding
    }
}

/// Whether the leaf is for one of the names (RFC 7672 3.2.2, 3.2.3), by its SAN DNS-IDs; `*` only as the whole left-most
/// label. Only where there is no DNS-ID at all the common name is looked at, as nowhere else in this project.
pub(super) fn is_named(leaf: &Presented<'_>, names: &[&HostName]) -> bool {
    let Ok(end_entity) = EndEntityCert::try_from(&leaf.der) else { return false };
    names.iter().any(|name| {
        let name = ServerName::try_from(name.as_str());
        name.is_ok_and(|name| end_entity.verify_is_valid_for_subject_name(&name).is_ok())
    }) || common_names(leaf).iter().any(|common| names.iter().any(|name| is_matched(common, name)))
}

/// The common names of a certificate without any DNS-ID (RFC 7672 3.2.3); none of one that has a DNS-ID.
fn common_names(leaf: &Presented<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(&leaf.der) else { return Vec::new() };
    let names = certificate.subject_alternative_name().ok().flatten();
    let is_dns = |name: &GeneralName<'_>| matches!(name, GeneralName::DNSName(_));
    if names.is_some_and(|names| names.value.general_names.iter().any(is_dns)) {
        return Vec::new();
    }
    let texts = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    texts.map(str::to_ascii_lowercase).collect()
}

/// Whether a common name is the host's, or a wildcard for its whole left-most label.
fn is_matched(common: &str, host: &HostName) -> bool {
    match common.strip_prefix("*.") {
        Some(parent) => host.as_str().split_once('.').is_some_and(|(_, rest)| rest == parent),
        None => common == host.as_str(),
    }
}

/// One run of path validation, which rustls-webpki bounds. Gives the place of the record whose authority it ends in.
fn run(leaf: &Presented<'_>, others: &[Presented<'_>], authorities: &[&Authority], time: i64) -> Result<usize, Error> {
    let anchors: Vec<TrustAnchor<'_>> = authorities.iter().map(|authority| authority.anchor.clone()).collect();
    let intermediates: Vec<CertificateDer<'_>> = others.iter().map(|other| other.der.clone()).collect();
    let end_entity = EndEntityCert::try_from(&leaf.der)?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(time).unwrap_or(0)));
    let (algorithms, usage) = (webpki::ALL_VERIFICATION_ALGS, KeyUsage::server_auth());
    let path = end_entity.verify_for_usage(algorithms, &anchors, &intermediates, time, usage, None, None)?;
    let end = anchors.iter().position(|anchor| anchor == path.anchor());
    end.map(|end| authorities[end].place).ok_or(Error::UnknownIssuer)
}

/// The present, then times inside the validity of the whole chain, or at least of the leaf.
fn times(leaf: &Presented<'_>, others: &[Presented<'_>], now: i64) -> Vec<i64> {
    let mut times = vec![now];
    let Some((not_before, not_after)) = leaf.validity else { return times };
    let ends = others.iter().filter_map(|other| other.validity).map(|(_, not_after)| not_after);
    let overlap = ends.fold(not_after, i64::min);
    for time in [overlap, not_after, not_before] {
        if is_within((not_before, not_after), time) && !times.contains(&time) {
            times.push(time);
        }
    }
    times
}

/// RFC 5280 4.1.2.5: both ends count.
fn is_within((not_before, not_after): (i64, i64), time: i64) -> bool {
    (not_before..=not_after).contains(&time)
}

fn is_time(error: &Error) -> bool {
    matches!(error, Error::CertExpired { .. } | Error::CertNotValidYet { .. })
}
