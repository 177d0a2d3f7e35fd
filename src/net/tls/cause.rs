//! Why a TLS handshake failed, by the type of the error and the first bytes that came (RFC 8446 5.1, 6).

use std::io;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};

use crate::failure::Failure;
use crate::finding::https::{cert, http, tcp, tls};
use crate::net::wire::Meter;
use crate::text;

/// The content types of TLS records: change_cipher_spec, alert, handshake, application_data (RFC 8446 5.1).
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=23;
/// The content type of alerts.
const ALERT: u8 = 21;
/// First bytes of something that is not TLS that are shown: a banner fits.
const SHOWN: usize = 64;

/// The failure of a handshake. The subject is the caller's.
pub(super) fn handshake_failure(error: &io::Error, meter: &Meter) -> Failure {
    if meter.is_over_budget() {
        return Failure::new(http::WIRE_BUDGET).with("stage", "tls");
    }
    if let Some(failure) = not_tls(meter) {
        return failure;
    }
    if let Some(failure) = rustls_failure(error) {
        return failure;
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Failure::new(tls::CLOSED).with("received", meter.received()),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Failure::new(tcp::RESET).with("received", meter.received())
        }
        io::ErrorKind::TimedOut => Failure::new(tls::TIMEOUT).with("received", meter.received()),
        _ => Failure::new(tls::CLOSED).with("errno", error.raw_os_error()),
    }
}

/// The failure of a handshake in which nothing more came. The subject is the caller's.
pub(super) fn silence(meter: &Meter) -> Failure {
    if let Some(failure) = not_tls(meter) {
        return failure;
    }
    // rustls waits for the end of the stream behind a close_notify; the peer has said that there is nothing to wait for.
    let code = if says_close_notify(&meter.first()) { tls::CLOSED } else { tls::TIMEOUT };
    Failure::new(code).with("received", meter.received())
}

/// The first byte tells before any error does: of "HTTP/1.1 400" rustls sees a type and a length that make no sense, and
/// of less than that it sees nothing.
fn not_tls(meter: &Meter) -> Option<Failure> {
    let first = meter.first();
    let told = first.first().is_some_and(|byte| !CONTENT_TYPES.contains(byte));
    told.then(|| Failure::new(tls::NOT_TLS).with("first_bytes", text::excerpt(&first[..first.len().min(SHOWN)])))
}

/// Whether a close_notify stands among the records that are not encrypted (RFC 8446 6.1).
fn says_close_notify(mut records: &[u8]) -> bool {
    while let [kind, _, _, high, low, rest @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        if *kind == ALERT && matches!(rest.get(..length), Some([_, 0])) {
            return true;
        }
        records = rest.get(length..).unwrap_or_default();
    }
    false
}

/// The failure that a rustls error inside an I/O error says, if there is one.
pub(crate) fn rustls_failure(error: &io::Error) -> Option<Failure> {
    let error = error.get_ref()?.downcast_ref::<Error>()?;
    let failure = match error {
        // RFC 8446 6.2: protocol_version, sent by servers that know only older versions than ours.
        Error::AlertReceived(AlertDescription::ProtocolVersion) => Failure::new(tls::VERSION).with("alert", 70),
        Error::AlertReceived(alert) => Failure::new(tls::ALERT).with("alert", u8::from(*alert)),
        // A ServerHello of an older version.
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => Failure::new(tls::VERSION),
        Error::InvalidMessage(InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion) => {
            Failure::new(tls::NOT_TLS)
        }
        Error::InvalidMessage(
            InvalidMessage::MessageTooLarge
            | InvalidMessage::HandshakePayloadTooLarge
            | InvalidMessage::CertificatePayloadTooLarge,
        )
        | Error::PeerSentOversizedRecord => Failure::new(tls::TOO_LARGE),
        // The chain itself passes unseen (see the recorder), so this is the proof that the peer holds the key.
        Error::InvalidCertificate(CertificateError::BadEncoding | CertificateError::Other(_)) => {
            Failure::new(cert::PARSE)
        }
        _ => Failure::new(tls::PROTOCOL),
    };
    Some(failure.with("reason", error.to_string()))
}
