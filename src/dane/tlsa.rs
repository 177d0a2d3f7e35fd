//! The TLSA record (RFC 6698 2): its fields, its faults and its text.

use std::fmt;

use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::text;

/// Usage 2, DANE-TA (RFC 7218 2.1): the authority that issued the leaf.
pub(super) const TRUST_ANCHOR: u8 = 2;
/// Usage 3, DANE-EE: the leaf itself.
const END_ENTITY: u8 = 3;
/// Selector 0: the whole certificate.
pub(super) const CERTIFICATE: u8 = 0;
/// Selector 1: the subject public key info.
pub(super) const PUBLIC_KEY: u8 = 1;
/// Matching type 0: the data itself.
pub(super) const EXACT: u8 = 0;
/// Matching type 1.
pub(super) const SHA_256: u8 = 1;
/// Matching type 2.
pub(super) const SHA_512: u8 = 2;

/// Bytes of one record's data that are kept: what the largest certificate of a TLS handshake may have.
pub const DATA_KEPT: usize = 16 * 1024;
/// Bytes of the data in the text of a record: the longest digest.
const DATA_SHOWN: usize = 64;

/// A TLSA record, as it stands (RFC 6698 2.1). Its text is that of RFC 6698 2.2, cut behind 64 bytes of data.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tlsa {
    /// The certificate usage: 2 is DANE-TA, 3 is DANE-EE.
    pub usage: u8,
    /// What is matched: 0 the whole certificate, 1 its public key.
    pub selector: u8,
    /// How: 0 all of it, 1 by SHA-256, 2 by SHA-512.
    pub matching: u8,
    /// The data to match, at most [`DATA_KEPT`] bytes of it.
    pub data: Vec<u8>,
    /// The length of the data before the cut.
    pub length: usize,
}

impl Tlsa {
    /// The record as a zone file has it: usage, selector, matching type, and all of the data in hexadecimal.
    #[must_use]
    pub fn presentation(&self) -> String {
        format!("{} {} {} {}", self.usage, self.selector, self.matching, text::hex(&self.data))
    }

    /// Whether it constrains public authorities, usage 0 or 1, which SMTP does not use (RFC 7672 3.1.3).
    pub(super) fn is_for_public_authorities(&self) -> bool {
        self.usage < TRUST_ANCHOR
    }

    /// The first field that makes the record unusable, and why (RFC 6698 2.1, 4.1).
    pub(super) fn fault(&self) -> Option<(&'static str, &'static str)> {
        let digest = |length: usize| (self.length != length).then_some(("data", "wrong length for the digest"));
        match (self.usage, self.selector, self.matching) {
            (usage, ..) if usage > END_ENTITY => Some(("usage", "unknown")),
            (_, selector, _) if selector > PUBLIC_KEY => Some(("selector", "unknown")),
            (.., matching) if matching > SHA_512 => Some(("matching", "unknown")),
            _ if self.length == 0 => Some(("data", "empty")),
            (.., SHA_256) => digest(32),
            (.., SHA_512) => digest(64),
            _ if self.data.len() < self.length => Some(("data", "too long")),
            (_, CERTIFICATE, _) => (!is_certificate(&self.data)).then_some(("data", "no certificate")),
            _ => (!is_public_key(&self.data)).then_some(("data", "no public key")),
        }
    }
}

impl fmt::Display for Tlsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let data = &self.data[..self.data.len().min(DATA_SHOWN)];
        write!(f, "{} {} {} {}", self.usage, self.selector, self.matching, text::hex(data))?;
        if self.length > data.len() { f.write_str("...") } else { Ok(()) }
    }
}

/// One certificate and nothing behind it.
fn is_certificate(data: &[u8]) -> bool {
    X509Certificate::from_der(data).is_ok_and(|(rest, _)| rest.is_empty())
}

/// One subject public key info and nothing behind it.
fn is_public_key(data: &[u8]) -> bool {
    SubjectPublicKeyInfo::from_der(data).is_ok_and(|(rest, _)| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlsa(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa {
        Tlsa { usage, selector, matching, data: data.to_vec(), length: data.len() }
    }

    #[test]
    fn a_record_is_written_as_the_rfc_writes_it() {
        for (record, wanted) in [
            (tlsa(3, 1, 1, &[0, 0xab]), "3 1 1 00ab".to_owned()),
            (tlsa(255, 7, 2, &[]), "255 7 2 ".to_owned()),
            (tlsa(2, 0, 0, &[1; 64]), format!("2 0 0 {}", "01".repeat(64))),
            (tlsa(2, 0, 0, &[1; 65]), format!("2 0 0 {}...", "01".repeat(64))),
        ] {
            assert_eq!(record.to_string(), wanted);
        }
    }

    #[test]
    fn each_field_has_its_faults() {
        let cut = Tlsa { length: DATA_KEPT + 1, ..tlsa(3, 0, 0, &[0x30; 8]) };
        for (record, field) in [
            (tlsa(3, 1, 1, &[0; 32]), None),
            (tlsa(2, 0, 2, &[0; 64]), None),
            (tlsa(0, 0, 1, &[0; 32]), None),
            (tlsa(4, 1, 1, &[0; 32]), Some("usage")),
            (tlsa(255, 1, 1, &[0; 32]), Some("usage")),
            (tlsa(3, 2, 1, &[0; 32]), Some("selector")),
            (tlsa(3, 255, 1, &[0; 32]), Some("selector")),
            (tlsa(3, 1, 3, &[0; 32]), Some("matching")),
            (tlsa(3, 1, 255, &[0; 32]), Some("matching")),
            (tlsa(3, 1, 1, &[]), Some("data")),
            (tlsa(3, 1, 1, &[0; 31]), Some("data")),
            (tlsa(3, 1, 1, &[0; 33]), Some("data")),
            // A digest of the other kind, which is what this mistake is made of.
            (tlsa(3, 1, 1, &[0; 64]), Some("data")),
            (tlsa(3, 1, 2, &[0; 32]), Some("data")),
            (tlsa(3, 0, 0, &[]), Some("data")),
            (tlsa(3, 0, 0, &[0; 32]), Some("data")),
            (tlsa(3, 1, 0, &[0; 32]), Some("data")),
            (cut, Some("data")),
        ] {
            assert_eq!(record.fault().map(|(field, _)| field), field, "{record}");
        }
    }
}
