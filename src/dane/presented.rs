//! A certificate that a host presents, and what TLSA records are compared with (RFC 6698 2.1.2, 2.1.3).

use std::borrow::Cow;

use rustls_pki_types::CertificateDer;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};
use webpki::EndEntityCert;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use super::tlsa::{CERTIFICATE, EXACT, SHA_256, SHA_512, Tlsa};
use crate::cert;
use crate::finding::Finding;
use crate::text;

/// Alternative names that a finding shows: enough to see whose certificate it is.
const NAMES_SHOWN: usize = 10;

/// A certificate of a chain.
pub(super) struct Presented<'a> {
    pub(super) der: CertificateDer<'a>,
    whole: Selected<'a>,
    /// The subject public key info; `None` where no reader finds it.
    key: Option<Selected<'a>>,
    /// The issuer's name, the contents of its DER sequence.
    pub(super) issuer: Option<&'a [u8]>,
    /// The first and the last second of its validity, since 1970.
    pub(super) validity: Option<(i64, i64)>,
}

/// What a selector chooses, with its digests.
struct Selected<'a> {
    bytes: Cow<'a, [u8]>,
    sha_256: [u8; 32],
    sha_512: [u8; 64],
}

impl<'a> Presented<'a> {
    pub(super) fn read(der: &'a [u8]) -> Self {
        let read = X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate);
        let certificate = CertificateDer::from(der);
        let key = match &read {
            Some(read) => Some(Cow::Borrowed(read.tbs_certificate.subject_pki.raw)),
            // Not to see the key would be our fault: the validator may read what the lenient reader does not.
            None => EndEntityCert::try_from(&certificate)
                .ok()
                .map(|read| Cow::Owned(read.subject_public_key_info().as_ref().to_vec())),
        };
        let validity = read.as_ref().map(|read| {
            let validity = read.validity();
            (validity.not_before.timestamp(), validity.not_after.timestamp())
        });
        let issuer = read.as_ref().and_then(|read| contents(read.tbs_certificate.issuer.as_raw()));
        Self { whole: Selected::of(Cow::Borrowed(der)), key: key.map(Selected::of), issuer, validity, der: certificate }
    }

    /// Whether a record's data is what its selector and matching type make of this certificate.
    pub(super) fn fits(&self, record: &Tlsa) -> bool {
        let Some(selected) = self.selected(record.selector) else { return false };
        match record.matching {
            EXACT => selected.bytes == record.data,
            SHA_256 => selected.sha_256[..] == record.data,
            SHA_512 => selected.sha_512[..] == record.data,
            _ => false,
        }
    }

    /// The digest that a record of this selector and matching type would hold, as text.
    pub(super) fn digest(&self, selector: u8, matching: u8) -> Option<String> {
        let selected = self.selected(selector)?;
        Some(text::hex(if matching == SHA_512 { &selected.sha_512 } else { &selected.sha_256 }))
    }

    /// Adds whose certificate it is.
    pub(super) fn describe_names(&self, finding: Finding) -> Finding {
        let Some(facts) = cert::facts(&self.der) else { return finding };
        let presented: Vec<Value> = facts.sans.iter().take(NAMES_SHOWN).map(|name| name.as_str().into()).collect();
        finding
            .with("presented", presented)
            .with("presented_count", facts.san_count)
            .with("subject", facts.subject)
            .with("issuer", facts.issuer)
    }

    fn selected(&self, selector: u8) -> Option<&Selected<'a>> {
        if selector == CERTIFICATE { Some(&self.whole) } else { self.key.as_ref() }
    }
}

impl<'a> Selected<'a> {
    fn of(bytes: Cow<'a, [u8]>) -> Self {
        Self { sha_256: Sha256::digest(&bytes).into(), sha_512: Sha512::digest(&bytes).into(), bytes }
    }
}

/// What stands inside a DER element: validators compare names and keys without their own header.
pub(super) fn contents(element: &[u8]) -> Option<&[u8]> {
    let (_, element) = x509_parser::asn1_rs::Any::from_der(element).ok()?;
    Some(element.data)
}
