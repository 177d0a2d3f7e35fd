//! Certificates (RFC 5280, RFC 6125): facts of a chain, and independent verdicts on name, time and trust.

use std::sync::Arc;

/// A set of trusted roots under a name.
#[derive(Clone)]
pub struct RootStore {
    /// The name: `mozilla`, `system`, or the stem of the PEM file.
    pub name: String,
    /// The trust anchors.
    pub anchors: Arc<rustls::RootCertStore>,
}

impl std::fmt::Debug for RootStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} roots)", self.name, self.anchors.len())
    }
}
