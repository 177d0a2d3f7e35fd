//! Signatures of certificates, each verified once: one leaf is judged under several stores, at several times and for its
//! usage, and thousands of leaves share an intermediate, whose signature is the dearest part of a fetch.
//!
//! What a signature over a message proves does not depend on when or for whom it is verified, so nothing is forgotten but to
//! bound the memory. The limits that the validator sets to a hostile chain count these verifications all the same.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use sha2::{Digest, Sha256};

/// Signatures that are remembered, some 300 KB; once there are more, all are forgotten. The intermediates in use number a few
/// hundred, and come back at once.
const REMEMBERED: usize = 4_096;

/// What was proven so far. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Proofs(Arc<Mutex<HashMap<[u8; 32], bool>>>);

impl Proofs {
    /// The validator's algorithms, which ask here first.
    pub(super) fn algorithms(&self) -> Vec<Remembering> {
        let remembering = |(number, algorithm): (usize, &&'static _)| Remembering {
            algorithm: *algorithm,
            number,
            proofs: self.clone(),
        };
        webpki::ALL_VERIFICATION_ALGS.iter().enumerate().map(remembering).collect()
    }

    fn known(&self, key: &[u8; 32]) -> Option<bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    fn learn(&self, key: [u8; 32], valid: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(key, valid);
    }
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} signatures", self.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}

/// An algorithm that remembers what it verified.
#[derive(Debug)]
pub(super) struct Remembering {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    /// Its place among the validator's.
    number: usize,
    proofs: Proofs,
}

impl Remembering {
    /// The name of one verification: the algorithm, and all that it looks at, told apart by length.
    fn key(&self, parts: [&[u8]; 3]) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.number.to_le_bytes());
        for part in parts {
            digest.update(part.len().to_le_bytes());
            digest.update(part);
        }
        digest.finalize().into()
    }
}

impl SignatureVerificationAlgorithm for Remembering {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = self.key([public_key, message, signature]);
        let valid = self.proofs.known(&key).unwrap_or_else(|| {
            // Outside the lock: this takes longer than all else.
            let valid = self.algorithm.verify_signature(public_key, message, signature).is_ok();
            self.proofs.learn(key, valid);
            valid
        });
        if valid { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Takes a signature that repeats the message, and counts how often it is asked.
    #[derive(Debug)]
    struct Echo(AtomicUsize);

    impl SignatureVerificationAlgorithm for Echo {
        fn verify_signature(&self, _: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if message == signature { Ok(()) } else { Err(InvalidSignature) }
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            rustls_pki_types::alg_id::ED25519
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            rustls_pki_types::alg_id::ED25519
        }
    }

    #[test]
    fn each_verification_is_made_once_and_none_is_taken_for_another() {
        let echo: &'static Echo = Box::leak(Box::new(Echo(AtomicUsize::new(0))));
        let proofs = Proofs::default();
        let one = Remembering { algorithm: echo, number: 0, proofs: proofs.clone() };
        let two = Remembering { algorithm: echo, number: 1, proofs };
        for _ in 0..3 {
            assert!(one.verify_signature(b"k", b"ab", b"ab").is_ok());
            assert!(one.verify_signature(b"k", b"ab", b"ac").is_err());
            // The same bytes with other borders, and the same under another algorithm.
            assert!(one.verify_signature(b"ka", b"b", b"ab").is_err());
            assert!(two.verify_signature(b"k", b"ab", b"ab").is_ok());
        }
        assert_eq!(echo.0.load(Ordering::Relaxed), 4);
    }

    #[test]
    fn memory_is_bounded() {
        let echo: &'static Echo = Box::leak(Box::new(Echo(AtomicUsize::new(0))));
        let one = Remembering { algorithm: echo, number: 0, proofs: Proofs::default() };
        for number in 0..3 * REMEMBERED {
            one.verify_signature(b"k", &number.to_le_bytes(), b"").unwrap_err();
        }
        assert!(one.proofs.0.lock().unwrap().len() <= REMEMBERED);
        assert_eq!(echo.0.load(Ordering::Relaxed), 3 * REMEMBERED);
    }
}
