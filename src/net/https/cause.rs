//! Why an HTTP exchange failed (RFC 9112, RFC 9113): by the types of the errors, and where those do not tell, by the
//! first bytes that came.
//!
//! hyper's public types tell a head that is too large, a bad status and an answer that ended early. They do not tell
//! "no HTTP at all" from a bad header or a senseless length, so that is read from the beginning of the answer. The
//! wording of an error decides nothing.

use std::error::Error as _;
use std::io;

use super::exchange::Part;
use crate::failure::Failure;
use crate::finding::Code;
use crate::finding::https::http;
use crate::net::tls::rustls_failure;
use crate::net::wire::Meter;
use crate::text;

/// First bytes of something that is not HTTP that are shown: a banner fits.
const SHOWN: usize = 64;
/// The longest `Content-Length` that hyper can hold; the two numbers above it mean something else to it.
const LENGTH_MAX: u64 = u64::MAX - 2;

/// An exchange that broke.
pub(super) struct Exchange<'a> {
    /// What came over the wire.
    pub(super) wire: &'a Meter,
    /// What came out of TLS.
    pub(super) plain: &'a Meter,
    /// Whether HTTP/2 was spoken.
    pub(super) http2: bool,
    /// Where it broke.
    pub(super) part: Part,
}

impl Exchange<'_> {
    /// The failure that the error means. The subject is the caller's.
    pub(super) fn failure(&self, error: &hyper::Error) -> Failure {
        if self.wire.is_over_budget() {
            return Failure::new(http::WIRE_BUDGET).with("stage", self.part.word());
        }
        let found = sources(error);
        if let Some(failure) = found.io.and_then(rustls_failure) {
            return failure.with("stage", self.part.word());
        }
        let failure = match (self.http2, found.http2) {
            (true, Some(error)) => self.http2(error),
            (true, None) => match found.io {
                Some(error) => self.broken_off(error.kind()),
                None => self.ended(),
            },
            (false, _) => self.http1(error, found.io),
        };
        failure.with("received", self.plain.received())
    }

    fn http1(&self, error: &hyper::Error, io: Option<&io::Error>) -> Failure {
        let first = self.plain.first();
        if error.is_parse() {
            return self.unreadable(error, &first);
        }
        if error.is_incomplete_message() {
            return self.ended();
        }
        match io.map(io::Error::kind) {
            // hyper's decoder of chunks says these two of what it cannot read; the layers below never do.
            Some(io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput) if self.part == Part::Body => {
                Failure::new(http::CHUNK)
            }
            Some(kind) => self.broken_off(kind),
            None => self.ended(),
        }
    }

    /// A head that hyper cannot read (RFC 9112 4, 5, 6.3).
    fn unreadable(&self, error: &hyper::Error, first: &[u8]) -> Failure {
        if !matches!(first.get(..9), Some(b"HTTP/1.1 " | b"HTTP/1.0 ")) {
            return not_http(first);
        }
        if error.is_parse_status() {
            return Failure::new(http::STATUS).with("status", text::excerpt(status(first)));
        }
        // hyper calls lengths near 2^64 "too large", so lengths come before that.
        let lengths = lengths(first);
        let senseless = |length: &&[u8]| number(length).is_none_or(|number| number > LENGTH_MAX);
        if lengths.iter().any(senseless) || lengths.windows(2).any(|pair| number(pair[0]) != number(pair[1])) {
            let lengths = lengths.iter().map(|length| text::excerpt(length)).collect::<Vec<_>>().join(", ");
            return Failure::new(http::LENGTH).with("content_length", lengths);
        }
        Failure::new(if error.is_parse_too_large() { http::HEAD_TOO_LARGE } else { http::HEADER })
    }

    /// An error of the connection.
    fn broken_off(&self, kind: io::ErrorKind) -> Failure {
        match kind {
            // h2 makes a broken pipe of an orderly end.
            io::ErrorKind::BrokenPipe if self.plain.has_ended() => self.ended(),
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Failure::new(http::RESET).with("stage", self.part.word())
            }
            io::ErrorKind::TimedOut => Failure::new(http::TIMEOUT).with("stage", self.part.word()),
            _ => self.ended(),
        }
    }

    /// The peer stopped before the answer was whole.
    fn ended(&self) -> Failure {
        let first = self.plain.first();
        if self.part == Part::Body {
            // RFC 8446 6.1: an end without close_notify may be a truncation by a third party.
            let close_notify = self.plain.has_ended();
            return Failure::new(http::TRUNCATED).with("close_notify", close_notify);
        }
        if !self.http2 && !first.is_empty() && !b"HTTP/1.".starts_with(&first[..first.len().min(7)]) {
            return not_http(&first);
        }
        Failure::new(http::CLOSED)
    }

    fn http2(&self, error: &h2::Error) -> Failure {
        if let Some(error) = error.get_io() {
            // h2 keeps only the kind of what TLS said; a broken record is not the protocol of HTTP/2.
            return self.broken_off(error.kind());
        }
        let reason = error.reason().map(u32::from);
        // RFC 9113 5.4: the peer ended the stream or the connection; otherwise we had to.
        let code: Code = if error.is_remote() { http::HTTP2_REFUSED } else { http::HTTP2_PROTOCOL };
        Failure::new(code).with("stage", self.part.word()).with("reason", reason)
    }
}

/// The errors below one of hyper's that tell more than it does.
#[derive(Default)]
struct Sources<'a> {
    io: Option<&'a io::Error>,
    http2: Option<&'a h2::Error>,
}

fn sources(error: &hyper::Error) -> Sources<'_> {
    let mut found = Sources::default();
    let mut next = error.source();
    while let Some(error) = next {
        found.io = found.io.or(error.downcast_ref());
        found.http2 = found.http2.or(error.downcast_ref());
        next = error.source();
    }
    found
}

fn not_http(first: &[u8]) -> Failure {
    Failure::new(http::NOT_HTTP).with("first_bytes", text::excerpt(&first[..first.len().min(SHOWN)]))
}

/// The status as it stands: what is between the version and the next space or line end.
fn status(first: &[u8]) -> &[u8] {
    let rest = first.get(9..).unwrap_or_default();
    let end = rest.iter().position(|byte| matches!(byte, b' ' | b'\r' | b'\n')).unwrap_or(rest.len());
    &rest[..end]
}

/// The values of every `Content-Length` in the head, as far as it was kept; a list counts as its members (RFC 9110 8.6).
fn lengths(first: &[u8]) -> Vec<&[u8]> {
    let lines = first.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end).skip(1);
    let head = lines.take_while(|line| !line.is_empty());
    let fields = head.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        line[..colon].eq_ignore_ascii_case(b"content-length").then(|| &line[colon + 1..])
    });
    fields.flat_map(|value| value.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii).collect()
}

/// A length of digits alone.
fn number(length: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok()
}
