//! Certificates (RFC 5280, RFC 6125): facts of a chain, and independent verdicts on name, time and trust.

mod facts;
mod proof;
mod verdict;

pub use facts::{Facts, SANS_KEPT, facts};
pub use verdict::{Verdict, judge};

use std::sync::Arc;

use sha2::{Digest, Sha256};

/// A set of trusted roots under a name.
#[derive(Clone)]
pub struct RootStore {
    /// The name: `mozilla`, `system`, or the stem of the PEM file.
    pub name: String,
    /// The trust anchors.
    pub anchors: Arc<rustls::RootCertStore>,
    /// The signatures that were verified so far; those of the first store serve all.
    proofs: proof::Proofs,
}

impl RootStore {
    /// A store of these anchors.
    #[must_use]
    pub fn new(name: impl Into<String>, anchors: Arc<rustls::RootCertStore>) -> Self {
        Self { name: name.into(), anchors, proofs: proof::Proofs::default() }
    }
}

impl std::fmt::Debug for RootStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} roots)", self.name, self.anchors.len())
    }
}

/// The SHA-256 of a certificate, by which it is known in the dataset.
#[must_use]
pub fn sha256(der: &[u8]) -> [u8; 32] {
    Sha256::digest(der).into()
}
