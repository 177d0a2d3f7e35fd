//! The certificates of all hosts, made when they are first asked for, and what TLSA records say of them (RFC 6698 2.1).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::server::ResolvesServerCert;
use rustls::sign::CertifiedKey;
use sha2::{Digest as _, Sha256, Sha512};

use super::ca::Authorities;
use super::fault::CertKind;
use super::world::{Association, Tlsa};
use crate::error::Error;

/// Certificates kept at once; beyond, all are forgotten and made anew. At about 2 KiB each this bounds them to 64 MiB.
/// One that is made anew has another signature, which only a TLSA record of selector 0 would see, in a lab of that size.
const CERTIFICATES_MAX: usize = 32_768;

/// Certificates by host and kind.
pub(super) struct Certificates {
    authorities: Authorities,
    made: Mutex<HashMap<(String, CertKind), Arc<CertifiedKey>>>,
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificates")
    }
}

impl Certificates {
    pub(super) fn new(authorities: Authorities) -> Self {
        Self { authorities, made: Mutex::new(HashMap::new()) }
    }

    /// The certificate of a host with its chain and key.
    pub(super) fn of(&self, host: &str, kind: CertKind) -> Option<Arc<CertifiedKey>> {
        // A panic while the lock was held can only have lost an entry of the cache.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (host.to_owned(), kind);
        if let Some(certificate) = made.get(&key) {
            return Some(Arc::clone(certificate));
        }
        if made.len() >= CERTIFICATES_MAX {
            made.clear();
        }
        let certificate = Arc::new(self.authorities.certificate(host, kind).ok()?);
        made.insert(key, Arc::clone(&certificate));
        Some(certificate)
    }

    /// The data of a TLSA record behind its three numbers, for a host that shows a certificate of this kind.
    pub(super) fn association(&self, tlsa: &Tlsa, host: &str, kind: CertKind) -> Vec<u8> {
        let shown = self.of(host, kind);
        let chain: &[CertificateDer<'_>] = shown.as_ref().map_or(&[], |shown| &shown.cert);
        let der: &[u8] = match &tlsa.association {
            Association::Fixed(bytes) => return bytes.clone(),
            Association::Root => self.authorities.root(),
            Association::Stale => self.authorities.stranger(),
            // Usages 0 and 2 name an authority (RFC 6698 2.1.1); a host that sends none is its own.
            Association::Right if matches!(tlsa.usage, 0 | 2) => chain.get(1).or(chain.first()).map_or(&[], |c| c),
            Association::Right => chain.first().map_or(&[], |c| c),
        };
        let selected = if tlsa.selector == 1 { public_key(der) } else { der.to_vec() };
        match tlsa.matching {
            1 => Sha256::digest(&selected).to_vec(),
            2 => Sha512::digest(&selected).to_vec(),
            _ => selected,
        }
    }
}

/// The SubjectPublicKeyInfo of a certificate (RFC 5280 4.1.2.7); the whole of what is none.
fn public_key(der: &[u8]) -> Vec<u8> {
    match x509_parser::parse_x509_certificate(der) {
        Ok((_, certificate)) => certificate.tbs_certificate.subject_pki.raw.to_vec(),
        Err(_) => der.to_vec(),
    }
}

/// How servers speak TLS 1.2 and 1.3 whose certificates come from `resolver`.
pub(super) fn config(resolver: Arc<dyn ResolvesServerCert>, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Internal(format!("the lab cannot speak TLS: {error}")))?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    // A scan asks each host once: tickets would only be bytes on the wire.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
