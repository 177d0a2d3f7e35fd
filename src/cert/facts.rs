//! What a certificate says of itself (RFC 5280 4.1, 4.2), read leniently: a broken one still has facts.

use std::net::IpAddr;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::text;

/// Alternative names of one certificate that are kept. The largest in lawful use have 100 (what public authorities
/// sell as one certificate); the number of all is kept beside them.
pub const SANS_KEPT: usize = 100;

/// What a certificate says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The SHA-256 of the DER.
    pub sha256: [u8; 32],
    /// The subject, as text.
    pub subject: String,
    /// The issuer, as text.
    pub issuer: String,
    /// The alternative names (DNS names as they stand, other kinds behind their kind), at most [`SANS_KEPT`].
    pub sans: Vec<String>,
    /// How many alternative names there are.
    pub san_count: usize,
    /// The first second of its validity, since 1970.
    pub not_before: i64,
    /// The last second of its validity, since 1970.
    pub not_after: i64,
    /// The kind of key: `rsa`, `p256`, `p384`, `p521`, `ec` (another curve), `ed25519`, `ed448`, `dsa`, or the OID.
    pub key_type: String,
    /// The size of the key in bits. `None` where it cannot be told.
    pub key_bits: Option<u32>,
    /// The SHA-256 of the subject public key info.
    pub spki_sha256: [u8; 32],
    /// The serial number in lower-case hexadecimal digits.
    pub serial: String,
    /// Whether it is issued by its own subject and key.
    pub self_signed: bool,
    /// Whether its basic constraints say that it is an authority's.
    pub is_ca: bool,
}

/// The smallest RSA key that TLS verifies in rustls; it rounds up to whole bytes.
const RSA_BITS_MIN: u32 = 2048;
/// The smallest curve that TLS still has (RFC 8446 4.2.7).
const CURVE_BITS_MIN: u32 = 256;

impl Facts {
    /// Whether the key is one that no sender's TLS library verifies.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        match self.key_type.as_str() {
            "rsa" => self.key_bits.is_some_and(|bits| bits.next_multiple_of(8) < RSA_BITS_MIN),
            "ec" => self.key_bits.is_some_and(|bits| bits < CURVE_BITS_MIN),
            "dsa" => true,
            _ => false,
        }
    }
}

/// Reads the facts of a certificate. `None` where it is no certificate at all.
#[must_use]
pub fn facts(der: &[u8]) -> Option<Facts> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let (sans, san_count) = alternative_names(&certificate);
    let (key_type, key_bits) = key(certificate.public_key());
    Some(Facts {
        sha256: super::sha256(der),
        subject: text::cut(certificate.subject().to_string()),
        issuer: text::cut(certificate.issuer().to_string()),
        sans,
        san_count,
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        key_type,
        key_bits,
        spki_sha256: super::sha256(certificate.public_key().raw),
        serial: text::cut(text::hex(certificate.raw_serial())),
        self_signed: is_self_signed(&certificate),
        is_ca: certificate.is_ca(),
    })
}

/// The alternative names that are kept, and how many there are (RFC 5280 4.2.1.6).
fn alternative_names(certificate: &X509Certificate<'_>) -> (Vec<String>, usize) {
    let names = || {
        certificate.iter_extensions().flat_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(san) => san.general_names.as_slice(),
            _ => &[],
        })
    };
    (names().take(SANS_KEPT).map(|name| text::cut(alternative_name(name))).collect(), names().count())
}

fn alternative_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(name) => (*name).to_owned(),
        GeneralName::IPAddress(bytes) => match address(bytes) {
            Some(address) => format!("ip:{address}"),
            None => format!("ip:{}", text::hex(bytes)),
        },
        GeneralName::RFC822Name(name) => format!("email:{name}"),
        GeneralName::URI(uri) => format!("uri:{uri}"),
        GeneralName::Invalid(_, bytes) => format!("invalid:{}", text::excerpt(bytes)),
        _ => "other:".to_owned(),
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(bytes).map(IpAddr::from).or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// The kind and size of a public key (RFC 3279 2.3, RFC 5480 2.1.1.1, RFC 8410 3).
fn key(info: &SubjectPublicKeyInfo<'_>) -> (String, Option<u32>) {
    let oid = info.algorithm.algorithm.to_id_string();
    let bits = match info.parsed() {
        Ok(PublicKey::RSA(key)) => bit_length(key.modulus),
        Ok(PublicKey::EC(point)) => u32::try_from(point.key_size()).ok(),
        _ => None,
    };
    let curve = || {
        let parameters = info.algorithm.parameters.as_ref();
        parameters.and_then(|any| any.as_oid().ok()).map(|oid| oid.to_id_string())
    };
    match oid.as_str() {
        "1.2.840.113549.1.1.1" => ("rsa".to_owned(), bits),
        "1.2.840.10045.2.1" => match curve().as_deref() {
            Some("1.2.840.10045.3.1.7") => ("p256".to_owned(), Some(256)),
            Some("1.3.132.0.34") => ("p384".to_owned(), Some(384)),
            Some("1.3.132.0.35") => ("p521".to_owned(), Some(521)),
            _ => ("ec".to_owned(), bits),
        },
        "1.3.101.112" => ("ed25519".to_owned(), Some(256)),
        "1.3.101.113" => ("ed448".to_owned(), Some(456)),
        "1.2.840.10040.4.1" => ("dsa".to_owned(), None),
        _ => (text::cut(oid), None),
    }
}

/// The bit length of a big-endian number; `None` for an empty or negative one.
fn bit_length(number: &[u8]) -> Option<u32> {
    if number.first()? & 0x80 != 0 {
        return None;
    }
    let significant: &[u8] = &number[number.iter().take_while(|byte| **byte == 0).count()..];
    let first = significant.first()?;
    Some(u32::try_from(significant.len()).ok()? * 8 - first.leading_zeros())
}

/// Issuer and subject are one, and where both keys are identified, so are the keys (RFC 5280 3.2, 4.2.1.1).
fn is_self_signed(certificate: &X509Certificate<'_>) -> bool {
    let (mut own, mut authority) = (None, None);
    for extension in certificate.iter_extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(identifier) => own = Some(identifier.0),
            ParsedExtension::AuthorityKeyIdentifier(identifier) => {
                authority = identifier.key_identifier.as_ref().map(|identifier| identifier.0);
            }
            _ => {}
        }
    }
    let same_key = own.is_none() || authority.is_none() || own == authority;
    certificate.issuer().as_raw() == certificate.subject().as_raw() && same_key
}
