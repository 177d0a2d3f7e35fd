//! The lab's authorities and the certificates of its hosts, right and wrong ones (RFC 5280).
//!
//! Three authorities, each a root and an intermediate: the one that `lab.pem` trusts, the one that only `community.pem`
//! trusts besides, and one that nobody trusts. Hosts share one key: a key each costs CPU and shows nothing more.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PublicKeyData, SanType, date_time_ymd,
};
use rustls::SignatureScheme;
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};

use super::fault::CertKind;
use crate::error::Error;

/// Intermediates of the long chain: more than any client follows.
const LONG_CHAIN: usize = 10;
/// Names beside the right one (HOSTILE.md 84).
const MANY_NAMES: usize = 2_500;
/// Bytes of the modulus of the weak key: 1,024 bits.
const WEAK_MODULUS: usize = 128;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A root and the intermediate that signs for hosts.
struct Authority {
    root: Issuer,
    intermediate: Issuer,
}

/// All authorities of the lab.
pub(super) struct Authorities {
    lab: Authority,
    community: Authority,
    unknown: Authority,
    /// From the host's end to the root's.
    long_chain: Vec<Issuer>,
    host_key: KeyPair,
    signer: Arc<dyn SigningKey>,
}

impl Authorities {
    /// New keys and certificates for every authority.
    pub(super) fn new() -> Result<Self, Error> {
        Self::make().map_err(internal)
    }

    fn make() -> Result<Self, rcgen::Error> {
        let lab = Authority::new("Lab")?;
        let mut long_chain: Vec<Issuer> = Vec::new();
        for number in 0..LONG_CHAIN {
            let issuer = long_chain.last().unwrap_or(&lab.root);
            let params = authority(&format!("Lab Long Chain {number}"));
            let next = CertifiedIssuer::signed_by(params, KeyPair::generate()?, issuer)?;
            long_chain.push(next);
        }
        long_chain.reverse();
        let host_key = KeyPair::generate()?;
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(host_key.serialize_der()));
        let signer = any_supported_type(&der).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(Self {
            lab,
            community: Authority::new("Community")?,
            unknown: Authority::new("Unknown")?,
            long_chain,
            host_key,
            signer,
        })
    }

    /// The roots that `lab.pem` holds.
    pub(super) fn roots_pem(&self) -> String {
        self.lab.root.pem()
    }

    /// The roots that `community.pem` holds.
    pub(super) fn community_pem(&self) -> String {
        self.lab.root.pem() + &self.community.root.pem()
    }

    /// The certificate of the root that most hosts lead to.
    pub(super) fn root(&self) -> &[u8] {
        self.lab.root.der()
    }

    /// A certificate with a key that no host shows.
    pub(super) fn stranger(&self) -> &[u8] {
        self.community.root.der()
    }

    /// The certificate of a host, with the chain that it sends, and the key.
    pub(super) fn certificate(&self, host: &str, kind: CertKind) -> Result<CertifiedKey, Error> {
        self.make_certificate(host, kind).map_err(internal)
    }

    fn make_certificate(&self, host: &str, kind: CertKind) -> Result<CertifiedKey, rcgen::Error> {
        let parent = host.split_once('.').map_or(host, |(_, parent)| parent);
        let top = parent.split_once('.').map_or(parent, |(_, top)| top);
        let elsewhere = format!("elsewhere.{parent}");
        let right = |names: &[&str]| leaf(host, names);
        let expired = |mut params: CertificateParams| {
            params.not_before = date_time_ymd(2021, 1, 1);
            params.not_after = date_time_ymd(2022, 1, 1);
            params
        };
        let params = match kind {
            CertKind::Wildcard => right(&[&format!("*.{parent}")])?,
            CertKind::ManyNames => {
                let mut params = right(&[host])?;
                for number in 0..MANY_NAMES {
                    params.subject_alt_names.push(SanType::DnsName(format!("n{number}.test").try_into()?));
                }
                params
            }
            CertKind::Expired | CertKind::UnknownCaExpired => expired(right(&[host])?),
            CertKind::NotYetValid => {
                let mut params = right(&[host])?;
                params.not_before = date_time_ymd(2120, 1, 1);
                params.not_after = date_time_ymd(2121, 1, 1);
                params
            }
            CertKind::WrongName | CertKind::SelfSignedWrongName => right(&[&elsewhere])?,
            CertKind::ForDomain => right(&[parent])?,
            CertKind::ExpiredWrongName | CertKind::UnknownCaExpiredWrongName => expired(right(&[&elsewhere])?),
            CertKind::DeepWildcard => right(&[&format!("*.{top}")])?,
            CertKind::PartialWildcard => right(&[&format!("mta-*.{parent}")])?,
            CertKind::NoSan => right(&[])?,
            CertKind::ClientOnly => {
                let mut params = right(&[host])?;
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
                params
            }
            CertKind::Authority => {
                let mut params = right(&[host])?;
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
                params
            }
            _ => right(&[host])?,
        };
        let (issuer, sent): (&Issuer, Vec<&Issuer>) = match kind {
            CertKind::SelfSigned | CertKind::SelfSignedWrongName => {
                let der = params.self_signed(&self.host_key)?.der().clone();
                return Ok(CertifiedKey::new(vec![der], Arc::clone(&self.signer)));
            }
            CertKind::Garbage => {
                let der = CertificateDer::from(b"\x30\x0cno certificate".to_vec());
                return Ok(CertifiedKey::new(vec![der], Arc::clone(&self.signer)));
            }
            CertKind::UnknownCa | CertKind::UnknownCaExpired | CertKind::UnknownCaExpiredWrongName => {
                (&self.unknown.intermediate, vec![&self.unknown.intermediate, &self.unknown.root])
            }
            CertKind::CommunityCa => (&self.community.intermediate, vec![&self.community.intermediate]),
            CertKind::MissingIntermediate => (&self.lab.intermediate, Vec::new()),
            CertKind::LongChain => match self.long_chain.first() {
                Some(last) => (last, self.long_chain.iter().collect()),
                None => (&self.lab.intermediate, Vec::new()),
            },
            _ => (&self.lab.intermediate, vec![&self.lab.intermediate]),
        };
        let mut signer = Arc::clone(&self.signer);
        let der = if kind == CertKind::WeakKey {
            let key = WeakKey::new();
            signer = Arc::new(key.clone());
            params.signed_by(&key, issuer)?.der().clone()
        } else {
            params.signed_by(&self.host_key, issuer)?.der().clone()
        };
        let mut bytes = der.to_vec();
        if kind == CertKind::BadSignature
            && let Some(last) = bytes.last_mut()
        {
            // The last byte of the certificate is the last of the signature's second number.
            *last ^= 1;
        }
        let mut chain = vec![CertificateDer::from(bytes)];
        chain.extend(sent.into_iter().map(|issuer| issuer.der().clone()));
        Ok(CertifiedKey::new(chain, signer))
    }
}

impl Authority {
    fn new(name: &str) -> Result<Self, rcgen::Error> {
        let root = CertifiedIssuer::self_signed(authority(&format!("{name} Root")), KeyPair::generate()?)?;
        let params = authority(&format!("{name} Intermediate"));
        let intermediate = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &root)?;
        Ok(Self { root, intermediate })
    }
}

/// What an authority's certificate says.
fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2120, 1, 1);
    params
}

/// What a host's certificate says, with these names in its SAN.
fn leaf(host: &str, names: &[&str]) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, host);
    for name in names {
        params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
    }
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(2024, 1, 1);
    params.not_after = date_time_ymd(2100, 1, 1);
    Ok(params)
}

/// An RSA key of 1,024 bits, which no library makes any more. Nobody holds its private half, so what it signs is junk:
/// a client that refuses the key never gets to see that.
#[derive(Clone, Debug)]
struct WeakKey {
    public: Vec<u8>,
}

impl WeakKey {
    fn new() -> Self {
        // RSAPublicKey (RFC 8017 A.1.1): SEQUENCE { INTEGER modulus, INTEGER 65537 }; the modulus is odd and of full length.
        let mut public = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
        public.extend((0..WEAK_MODULUS).map(|n| u8::try_from(n).unwrap_or(0).wrapping_mul(0x6d) | 0x81));
        public.extend_from_slice(&[0x02, 0x03, 0x01, 0x00, 0x01]);
        Self { public }
    }
}

impl PublicKeyData for WeakKey {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_RSA_SHA256
    }
}

impl SigningKey for WeakKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::RSA_PSS_SHA256).then(|| -> Box<dyn Signer> { Box::new(self.clone()) })
    }

    fn algorithm(&self) -> rustls::SignatureAlgorithm {
        rustls::SignatureAlgorithm::RSA
    }
}

impl Signer for WeakKey {
    fn sign(&self, _message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        Ok(vec![0x5a; WEAK_MODULUS])
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::RSA_PSS_SHA256
    }
}

fn internal(error: rcgen::Error) -> Error {
    Error::Internal(format!("the lab cannot make a certificate: {error}"))
}
