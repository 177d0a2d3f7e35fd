//! TLS towards strangers (RFC 8446, RFC 5246): a handshake that looks at any certificate, and says how it failed.
//!
//! The certificate is recorded, not judged: what lies behind a bad one is observed too, and
//! [`cert::judge`](crate::cert::judge) gives the verdict. That the peer holds the key of its certificate is still proven
//! by the handshake.

mod cause;
mod roots;
mod verdict;

pub(crate) use cause::rustls_failure;
use cause::{handshake_failure, silence};
pub use roots::root_store;
pub(crate) use verdict::judge;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::{CipherSuite, ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::failure::Failure;
use crate::finding::https::{cert, reach, tls};
use crate::name::HostName;
use crate::net::wire::{Meter, Metered};

/// What a finished handshake agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFacts {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub cipher: &'static str,
    /// The protocol that ALPN chose, if any (RFC 7301).
    pub alpn: Option<String>,
}

/// How a handshake went.
pub(crate) struct Handshake<S> {
    /// The certificates that the peer sent, leaf first, as they stand; also where the handshake failed behind them.
    pub(crate) chain: Vec<Vec<u8>>,
    /// The stream with its facts, or why there is none.
    pub(crate) outcome: Result<(TlsStream<S>, TlsFacts), Failure>,
}

/// A TLS client for strangers: TLS 1.2 or later, SNI, no resumption.
#[derive(Clone, Debug)]
pub(crate) struct Handshaker {
    config: ClientConfig,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Handshaker {
    /// A client that offers the given protocols by ALPN.
    pub(crate) fn new(alpn: &[&[u8]]) -> Self {
        let provider = aws_lc_rs::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            // RFC 8461 3.3 asks for TLS 1.2 or later.
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .expect("the provider's default suites serve both versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Recorder::new(algorithms)))
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        // Every measurement stands alone: no ticket of one connection changes the next.
        config.resumption = Resumption::disabled();
        Self { config, algorithms }
    }

    /// Shakes hands within `limit`, with the host as SNI.
    pub(crate) async fn shake<S>(&self, host: &HostName, stream: Metered<S>, limit: Duration) -> Handshake<Metered<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Ok(name) = ServerName::try_from(host.as_str().to_owned()) else {
            let failure = Failure::new(reach::LITERAL).about(host.as_str());
            return Handshake { chain: Vec::new(), outcome: Err(failure) };
        };
        let recorder = Arc::new(Recorder::new(self.algorithms));
        let mut config = self.config.clone();
        config.dangerous().set_certificate_verifier(recorder.clone());
        let meter: Arc<Meter> = stream.meter();
        let shaken = timeout(limit, TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
        let outcome = match shaken {
            Ok(Ok(stream)) => {
                let facts = facts(stream.get_ref().1);
                Ok((stream, facts))
            }
            Ok(Err(error)) => Err(handshake_failure(&error, &meter)),
            Err(_) => Err(silence(&meter)),
        };
        let chain = recorder.take();
        let outcome = outcome.map_err(|failure| blame(failure, &chain).about(host.as_str()));
        Handshake { chain, outcome }
    }
}

/// Whether a name would be read as an address: its last label is a number (RFC 3986 3.2.2, RFC 1123 2.1).
pub(crate) fn is_address(host: &HostName) -> bool {
    let last = host.as_str().rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || last.bytes().all(|b| b.is_ascii_digit())
}

/// Tells a key that is too weak to be verified from a peer that does not hold its key: rustls calls both a bad
/// signature.
fn blame(failure: Failure, chain: &[Vec<u8>]) -> Failure {
    let leaf = chain.first().and_then(|leaf| crate::cert::facts(leaf));
    match leaf.filter(|leaf| failure.code == tls::PROTOCOL && leaf.is_weak()) {
        Some(leaf) => Failure::new(cert::WEAK).with("key_type", leaf.key_type).with("key_bits", leaf.key_bits),
        None => failure,
    }
}

fn facts(connection: &rustls::ClientConnection) -> TlsFacts {
    TlsFacts {
        version: match connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            _ => "",
        },
        cipher: connection.negotiated_cipher_suite().map_or("", |suite| cipher(suite.suite())),
        alpn: connection.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned()),
    }
}

/// The name of a cipher suite in IANA's registry: rustls tells those of TLS 1.3 apart by a prefix of its own.
fn cipher(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        older => older.as_str().unwrap_or(""),
    }
}

/// Records the chain of one connection and lets it pass. rustls bounds a chain by 64 KiB.
#[derive(Debug)]
struct Recorder {
    chain: Mutex<Vec<Vec<u8>>>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Recorder {
    fn new(algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { chain: Mutex::default(), algorithms }
    }

    fn take(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.chain.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let chain = std::iter::once(end_entity).chain(intermediates).map(|der| der.to_vec()).collect();
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
