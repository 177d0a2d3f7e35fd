//! Codes of the fetch: address, TCP, TLS, certificate, HTTP (RFC 8461 3.3). One area a stage. All but those of HTTP are the
//! codes of mail hosts too (RFC 8461 4.2).

/// Whether an address may be talked to (HOSTILE.md 61-71).
pub mod reach {
    use super::super::row::*;
    codes! { Reach:
        FORBIDDEN = "reach.forbidden", FATAL, "RFC 6890", FETCH, "the host has only addresses that are not public", "give the host a public address";
        MIXED = "reach.mixed", NOTE, "RFC 6890", None, "the host has addresses that are not public beside public ones", "remove the ones that are not public";
        LITERAL = "reach.literal", FATAL, "stscan", FETCH, "an address stands where a host name belongs", "name the host";
    }
}

/// The TCP connection.
pub mod tcp {
    use super::super::row::*;
    codes! { Tcp:
        REFUSED = "tcp.refused", FATAL, "RFC 8461 3.3, 4.2", FETCH, "the host refuses connections", "let the server listen on its port";
        TIMEOUT = "tcp.timeout", FAILURE, "stscan", None, "the host did not answer the connection in time", "";
        UNREACHABLE = "tcp.unreachable", FAILURE, "stscan", None, "the network says that the host cannot be reached", "";
        RESET = "tcp.reset", FAILURE, "stscan", None, "the connection was reset before TLS was up", "";
        LOCAL = "tcp.local", FAILURE, "stscan", None, "our own machine could not open the connection", "";
    }
}

/// The TLS handshake.
pub mod tls {
    use super::super::row::*;
    codes! { Tls:
        TIMEOUT = "tls.timeout", FAILURE, "stscan", None, "the TLS handshake did not end in time", "";
        CLOSED = "tls.closed", FAILURE, "stscan", None, "the host closed the connection within the TLS handshake", "";
        NOT_TLS = "tls.not_tls", FATAL, "RFC 8461 3.3, 4.2", FETCH, "the host does not speak TLS", "let the server speak TLS";
        ALERT = "tls.alert", FATAL, "RFC 8446 6", FETCH, "the host ended the TLS handshake with an alert", "give the server a certificate for this name";
        VERSION = "tls.version", FATAL, "RFC 8461 3.3, 4.2, RFC 8996", FETCH, "the host speaks no TLS version from 1.2 on", "enable TLS 1.2 and 1.3";
        PROTOCOL = "tls.protocol", FATAL, "RFC 8446", FETCH, "the host breaks the TLS protocol", "mend the server";
        TOO_LARGE = "tls.too_large", FATAL, "stscan", FETCH, "a TLS message is larger than anything lawful", "mend the server";
    }
}

/// The certificate chain (RFC 5280, RFC 6125).
pub mod cert {
    use super::super::row::*;
    codes! { Cert:
        EXPIRED = "cert.expired", FATAL, "RFC 8461 3.3, 4.2, RFC 5280 4.1.2.5", WEBPKI, "the certificate has expired", "renew it";
        NOT_YET_VALID = "cert.not_yet_valid", FATAL, "RFC 8461 3.3, 4.2, RFC 5280 4.1.2.5", WEBPKI, "the certificate is not valid yet", "set the clock right, or issue it anew";
        NAME = "cert.name", FATAL, "RFC 8461 3.3, 4.2, RFC 6125 6.4", WEBPKI, "no SAN of the certificate matches the host", "issue a certificate for the name of the host";
        NO_SAN = "cert.no_san", FATAL, "RFC 8461 3.3, 4.2, RFC 6125 6.4.4", WEBPKI, "the certificate has no SAN at all; its common name does not count", "issue a certificate with a SAN";
        SELF_SIGNED = "cert.self_signed", FATAL, "RFC 8461 3.3, 4.2", WEBPKI, "the certificate is self-signed", "get a certificate of a public authority";
        UNKNOWN_ISSUER = "cert.unknown_issuer", FATAL, "RFC 8461 3.3, 4.2, RFC 5280 6", WEBPKI, "the chain leads to no trusted root", "serve the intermediate certificates, of a public authority";
        MISSING_INTERMEDIATE = "cert.missing_intermediate", FATAL, "RFC 8446 4.4.2", WEBPKI, "the host sends its certificate without the intermediate that a trusted root would need", "serve the full chain";
        INCOMPLETE_TRUST = "cert.store_dependent", ADVICE, "RFC 8461 3.3, 4.2", None, "the chain is trusted by some root stores and not by others", "use an authority that all stores hold";
        SIGNATURE = "cert.signature", FATAL, "RFC 5280 6.1.3", WEBPKI, "a signature in the chain does not verify", "issue the certificate anew";
        USAGE = "cert.usage", FATAL, "RFC 5280 4.2.1.12", WEBPKI, "the certificate is not for TLS servers", "issue a certificate for server authentication";
        PARSE = "cert.parse", FATAL, "RFC 5280 4.1", WEBPKI, "the certificate cannot be read", "issue it anew";
        WEAK = "cert.weak", FATAL, "RFC 8461 3.3, 4.2", WEBPKI, "the key or signature of the certificate is too weak to be accepted", "issue a certificate with a P-256 or 2048-bit RSA key";
        PATH_LIMIT = "cert.path_limit", FATAL, "stscan", WEBPKI, "the chain is too long or too costly to check", "serve a plain chain";
        INVALID = "cert.invalid", FATAL, "RFC 5280 6.1", WEBPKI, "the chain breaks another rule of path validation", "issue the certificate anew";
    }
}

/// The HTTP exchange (RFC 9110, RFC 9112, RFC 9113).
pub mod http {
    use super::super::row::*;
    codes! { Http:
        STATUS = "http.status", FATAL, "RFC 8461 3.3", FETCH, "the status is not 200", "serve the policy with status 200";
        REDIRECT = "http.redirect", FATAL, "RFC 8461 3.3", FETCH, "the host redirects, which senders must not follow", "serve the policy at its place";
        CONTENT_TYPE = "http.content_type", VIOLATION, "RFC 8461 3.2", None, "the media type is not text/plain", "serve it as text/plain";
        CONTENT_TYPE_MISSING = "http.content_type_missing", VIOLATION, "RFC 8461 3.2", None, "there is no media type", "serve it as text/plain";
        ENCODING = "http.encoding", FATAL, "RFC 9110 12.5.3", FETCH, "the body is compressed although nobody asked for that", "serve it uncompressed";
        TIMEOUT = "http.timeout", FAILURE, "stscan", None, "the HTTP answer did not end in time", "";
        CLOSED = "http.closed", FAILURE, "stscan", None, "the host closed the connection before it answered", "";
        RESET = "http.reset", FAILURE, "stscan", None, "the connection was reset before the answer ended", "";
        TRUNCATED = "http.truncated", FAILURE, "stscan", None, "the body ended before its announced length", "";
        HEAD_TOO_LARGE = "http.head_too_large", FATAL, "stscan", FETCH, "the headers of the answer are too large", "mend the web server";
        WIRE_BUDGET = "http.wire_budget", FATAL, "stscan", FETCH, "the host sent over 512 KiB for a policy of at most 64", "mend the web server";
        NOT_HTTP = "http.not_http", FATAL, "RFC 9112", FETCH, "the host does not speak HTTP", "mend the web server";
        HEADER = "http.header", FATAL, "RFC 9112 5", FETCH, "a header breaks the grammar", "mend the web server";
        LENGTH = "http.length", FATAL, "RFC 9112 6.3", FETCH, "the announced length makes no sense", "mend the web server";
        CHUNK = "http.chunk", FATAL, "RFC 9112 7.1", FETCH, "the chunked body breaks the grammar", "mend the web server";
        HTTP2_PROTOCOL = "http2.protocol", FATAL, "RFC 9113", FETCH, "the host breaks the HTTP/2 protocol", "mend the web server";
        HTTP2_REFUSED = "http2.refused", FAILURE, "RFC 9113 5.4", None, "the host ended the HTTP/2 stream or connection instead of answering", "";
    }
}

/// All stages, in the order of a fetch.
pub(super) const STAGES: [&[super::Code]; 5] = [reach::ALL, tcp::ALL, tls::ALL, cert::ALL, http::ALL];
