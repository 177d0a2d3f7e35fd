//! The verdict on a chain (RFC 8461 3.3, RFC 5280 6, RFC 6125 6.4): name, time and trust as independent facts.
//!
//! A validator stops at the first error: an expired certificate of an unknown authority is merely "expired" to it. Here
//! trust is asked at a time inside the validity, name and usage each on their own, and all that is wrong is said. Trust
//! is what rustls-webpki says with the given roots; nothing is fetched, so a missing intermediate is missing.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use webpki::{EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage};

use super::proof::Remembering;
use super::{Facts, RootStore, facts};
use crate::finding::https::cert;
use crate::finding::{Code, Finding};
use crate::name::HostName;
use crate::text;

/// What a chain is worth for a host at a time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// All that is wrong, and what is worth knowing.
    pub findings: Vec<Finding>,
    /// Whether a SAN matches the host.
    pub name_ok: bool,
    /// Whether the time is inside the validity of every certificate that counts.
    pub in_time: bool,
    /// The names of the stores under which the chain is trusted at a time inside its validity.
    pub trusted_by: Vec<String>,
    /// Whether the leaf is issued by itself.
    pub self_signed: bool,
    /// Whether a sender that trusts the first store would go on: name, time, trust and usage are all in order.
    pub authenticated: bool,
}

/// Alternative names that a finding shows: enough to see whose certificate it is.
const PRESENTED_SHOWN: usize = 10;

/// Judges a chain, leaf first, as it was sent.
#[must_use]
pub fn judge(chain: &[Vec<u8>], host: &HostName, at: SystemTime, roots: &[RootStore]) -> Verdict {
    let Some((leaf, facts)) = chain.first().and_then(|leaf| Some((leaf, facts(leaf)?))) else {
        let finding = Finding::new(cert::PARSE).with("expected", host.as_str());
        return Verdict { findings: vec![finding], ..Verdict::default() };
    };
    let at = i64::try_from(seconds(at)).unwrap_or(i64::MAX);
    let mut verdict = Verdict { self_signed: facts.self_signed, ..Verdict::default() };
    verdict.in_time = judge_time(&facts, at, &mut verdict.findings);
    judge_key(&facts, &mut verdict.findings);

    let der = CertificateDer::from(leaf.as_slice());
    let end_entity = match EndEntityCert::try_from(&der) {
        Ok(end_entity) => end_entity,
        Err(error) => {
            verdict.findings.push(breach(&error, &facts));
            return verdict;
        }
    };
    verdict.name_ok = judge_name(&end_entity, host, &facts, &mut verdict.findings);

    let intermediates: Vec<CertificateDer<'_>> =
        chain[1..].iter().filter(|der| *der != leaf).map(|der| CertificateDer::from(der.as_slice())).collect();
    // The first store's memory serves all: what a signature proves does not depend on the store.
    let algorithms = roots.first().map(|store| store.proofs.algorithms()).unwrap_or_default();
    let path = Path { end_entity, intermediates, times: times(chain, &facts, at), algorithms };
    let trusts: Vec<Trust> = roots.iter().map(|store| path.trust(store)).collect();
    for (store, trust) in roots.iter().zip(&trusts) {
        if trust.ever.is_ok() {
            verdict.trusted_by.push(store.name.clone());
        }
    }
    let Some((first, decisive)) = roots.first().zip(trusts.first()) else { return verdict };

    verdict.in_time &= !judge_chain_time(decisive, &facts, verdict.in_time, &mut verdict.findings);
    if let Err(error) = &decisive.ever
        && !is_time(error)
    {
        verdict.findings.push(distrust(error, &path, &facts).with("store", first.name.as_str()));
    }
    let usage_ok = match path.verify(first, decisive.time, KeyUsage::server_auth()) {
        Err(error) if is_usage(&error) => {
            verdict.findings.push(breach(&error, &facts));
            false
        }
        _ => true,
    };
    if !verdict.trusted_by.is_empty() && verdict.trusted_by.len() < roots.len() {
        let against = roots.iter().zip(&trusts).filter(|(_, trust)| trust.ever.is_err());
        let finding = Finding::new(cert::INCOMPLETE_TRUST)
            .with("trusted_by", verdict.trusted_by.clone())
            .with("not_trusted_by", against.map(|(store, _)| store.name.clone()).collect::<Vec<_>>());
        verdict.findings.push(finding.with("issuer", facts.issuer.as_str()));
    }
    verdict.authenticated = verdict.name_ok && verdict.in_time && decisive.now.is_ok() && usage_ok;
    verdict
}

/// The leaf is in its validity period (RFC 5280 4.1.2.5: both ends count).
fn judge_time(facts: &Facts, at: i64, findings: &mut Vec<Finding>) -> bool {
    let code = if at < facts.not_before {
        cert::NOT_YET_VALID
    } else if at > facts.not_after {
        cert::EXPIRED
    } else {
        return true;
    };
    findings.push(
        Finding::new(code)
            .with("not_before", date(facts.not_before))
            .with("not_after", date(facts.not_after))
            .with("issuer", facts.issuer.as_str()),
    );
    false
}

/// Says where the key is too weak.
fn judge_key(facts: &Facts, findings: &mut Vec<Finding>) {
    if facts.is_weak() {
        let finding = Finding::new(cert::WEAK).with("key_type", facts.key_type.as_str());
        findings.push(finding.with("key_bits", facts.key_bits));
    }
}

/// A SAN DNS-ID matches the host (RFC 8461 3.3); `*` only as the whole left-most label, the CN not at all.
fn judge_name(end_entity: &EndEntityCert<'_>, host: &HostName, facts: &Facts, findings: &mut Vec<Finding>) -> bool {
    let name = ServerName::try_from(host.as_str());
    if name.is_ok_and(|name| end_entity.verify_is_valid_for_subject_name(&name).is_ok()) {
        return true;
    }
    let code = if facts.san_count == 0 { cert::NO_SAN } else { cert::NAME };
    let presented: Vec<Value> = facts.sans.iter().take(PRESENTED_SHOWN).map(|name| name.as_str().into()).collect();
    findings.push(
        Finding::new(code)
            .with("expected", host.as_str())
            .with("presented", presented)
            .with("presented_count", facts.san_count)
            .with("subject", facts.subject.as_str())
            .with("issuer", facts.issuer.as_str()),
    );
    false
}

/// Says where a certificate other than the leaf is out of time. Gives whether one is.
fn judge_chain_time(trust: &Trust, facts: &Facts, leaf_in_time: bool, findings: &mut Vec<Finding>) -> bool {
    let Err(error) = &trust.now else { return false };
    // With the leaf out of time the path is too, and that has been said.
    if !leaf_in_time || !is_time(error) || trust.ever.as_ref().is_err_and(|error| !is_time(error)) {
        return false;
    }
    findings.push(breach(error, facts).about("chain"));
    true
}

/// Times to ask for trust at, the present first: inside the validity of the whole chain, then at the ends of the leaf's.
fn times(chain: &[Vec<u8>], leaf: &Facts, at: i64) -> Vec<i64> {
    let rest = chain.iter().skip(1).filter_map(|der| Some(facts(der)?.not_after));
    let overlap = rest.fold(leaf.not_after, i64::min);
    let mut times = vec![at];
    for time in [overlap, leaf.not_after, leaf.not_before] {
        if (leaf.not_before..=leaf.not_after).contains(&time) && !times.contains(&time) {
            times.push(time);
        }
    }
    times
}

/// A chain, ready to be verified under several stores.
struct Path<'a> {
    end_entity: EndEntityCert<'a>,
    intermediates: Vec<CertificateDer<'a>>,
    times: Vec<i64>,
    algorithms: Vec<Remembering>,
}

/// What one store makes of a chain, apart from name and usage.
struct Trust {
    /// At the present.
    now: Result<(), Error>,
    /// At a time inside the validity.
    ever: Result<(), Error>,
    /// The time of `ever`.
    time: i64,
}

impl Path<'_> {
    fn trust(&self, store: &RootStore) -> Trust {
        let at = self.times[0];
        let now = self.verify(store, at, AnyUsage);
        let mut trust = Trust { ever: now.clone(), now, time: at };
        // Only an error of time may hide another one; a chain that is too costly is not tried again.
        for time in &self.times[1..] {
            match &trust.ever {
                Err(error) if is_time(error) => {
                    trust.ever = self.verify(store, *time, AnyUsage);
                    trust.time = *time;
                }
                _ => break,
            }
        }
        trust
    }

    /// One run of path validation. rustls-webpki bounds its cost: signatures, path building, name constraints, depth.
    fn verify(&self, store: &RootStore, at: i64, usage: impl ExtendedKeyUsageValidator) -> Result<(), Error> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap_or(0)));
        let algorithms: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm as _).collect();
        let (anchors, intermediates) = (&store.anchors.roots, &self.intermediates);
        self.end_entity.verify_for_usage(&algorithms, anchors, intermediates, time, usage, None, None).map(|_| ())
    }
}

/// Lets every extended key usage pass: trust is judged apart from it.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

/// Why a store does not trust the chain, told apart further than the validator does.
fn distrust(error: &Error, path: &Path<'_>, facts: &Facts) -> Finding {
    if facts.self_signed {
        return Finding::new(cert::SELF_SIGNED).with("subject", facts.subject.as_str());
    }
    match error {
        // RFC 8446 4.4.2: the sender's certificate alone, issued by what is no root, wants the one in between.
        Error::UnknownIssuer if path.intermediates.is_empty() => {
            Finding::new(cert::MISSING_INTERMEDIATE).with("issuer", facts.issuer.as_str())
        }
        Error::UnknownIssuer => Finding::new(cert::UNKNOWN_ISSUER)
            .with("issuer", facts.issuer.as_str())
            .with("certificates", path.intermediates.len() + 1),
        error => breach(error, facts),
    }
}

/// The finding of one error of path validation.
fn breach(error: &Error, facts: &Facts) -> Finding {
    let finding = Finding::new(code(error)).with("issuer", facts.issuer.as_str());
    match error {
        Error::CertExpired { not_after, .. } => finding.with("not_after", date(seconds_of(*not_after))),
        Error::CertNotValidYet { not_before, .. } => finding.with("not_before", date(seconds_of(*not_before))),
        error => finding.with("reason", text::cut(error.to_string())),
    }
}

/// The code of an error of path validation, by its type.
fn code(error: &Error) -> Code {
    match error {
        Error::CertExpired { .. } => cert::EXPIRED,
        Error::CertNotValidYet { .. } => cert::NOT_YET_VALID,
        Error::UnknownIssuer => cert::UNKNOWN_ISSUER,
        Error::InvalidSignatureForPublicKey | Error::SignatureAlgorithmMismatch => cert::SIGNATURE,
        // What the validator has no algorithm for is what was given up: MD5, SHA-1, small curves.
        Error::UnsupportedSignatureAlgorithmContext(_) | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            cert::WEAK
        }
        Error::MaximumPathDepthExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumSignatureChecksExceeded
        | Error::MaximumNameConstraintComparisonsExceeded => cert::PATH_LIMIT,
        Error::BadDer
        | Error::BadDerTime
        | Error::ExtensionValueInvalid
        | Error::InvalidCertValidity
        | Error::InvalidSerialNumber
        | Error::MalformedDnsIdentifier
        | Error::MalformedExtensions
        | Error::MalformedNameConstraint
        | Error::TrailingData(_)
        | Error::UnsupportedCertVersion => cert::PARSE,
        error if is_usage(error) => cert::USAGE,
        _ => cert::INVALID,
    }
}

fn is_time(error: &Error) -> bool {
    matches!(error, Error::CertExpired { .. } | Error::CertNotValidYet { .. })
}

fn is_usage(error: &Error) -> bool {
    matches!(error, Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension)
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn seconds_of(time: UnixTime) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

/// A time in RFC 3339; as seconds since 1970 where the calendar of that ends.
fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

#[cfg(test)]
mod tests;
