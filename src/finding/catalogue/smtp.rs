//! Codes of the conversation with a mail host (RFC 5321, RFC 3207, RFC 8461 4.2).

use super::row::*;

codes! { Smtp:
    BANNER_TIMEOUT = "smtp.banner_timeout", FAILURE, "RFC 5321 4.5.3.2.1", None, "the mail host did not greet in time", "";
    TIMEOUT = "smtp.timeout", FAILURE, "RFC 5321 4.5.3.2", None, "the mail host did not answer in time", "";
    CLOSED = "smtp.closed", FAILURE, "RFC 5321 3.8", None, "the mail host closed the connection before STARTTLS", "";
    RESET = "smtp.reset", FAILURE, "stscan", None, "the connection was reset before STARTTLS", "";
    BANNER_4XX = "smtp.banner_4xx", FAILURE, "RFC 5321 3.8", None, "the mail host greets with a temporary refusal", "";
    BANNER_5XX = "smtp.banner_5xx", FAILURE, "RFC 5321 3.1", None, "the mail host refuses us in its greeting, which says nothing of how it treats others", "";
    EHLO_4XX = "smtp.ehlo_4xx", FAILURE, "RFC 5321 4.1.1.1", None, "the mail host refuses EHLO and HELO for the moment", "";
    EHLO_5XX = "smtp.ehlo_5xx", FAILURE, "RFC 5321 4.1.1.1", None, "the mail host refuses both EHLO and HELO, which may be about us", "";
    NOT_SMTP = "smtp.not_smtp", FATAL, "RFC 5321 4.2", STARTTLS, "what listens there does not speak SMTP", "let a mail server listen on port 25";
    SYNTAX = "smtp.syntax", FATAL, "RFC 5321 4.2", VALIDATION, "a reply breaks the grammar", "mend the mail server";
    TOO_LONG = "smtp.too_long", FATAL, "stscan", VALIDATION, "the mail host sends a reply of more than 100 lines, over 32 KiB of replies, or over 512 KiB over the wire", "mend the mail server";
    BYTES = "smtp.bytes", VIOLATION, "RFC 5321 4.2, 2.4", None, "a reply holds control or 8-bit characters", "greet in ASCII";
    LINE_END = "smtp.line_end", VIOLATION, "RFC 5321 2.3.8", None, "a line of a reply ends with LF alone", "end lines with CR LF";
    EARLY = "smtp.early", VIOLATION, "RFC 5321 2.1, 4.3.1", None, "a reply was there before it was asked for", "let the mail server wait for commands";
    NO_EHLO = "smtp.no_ehlo", VIOLATION, "RFC 5321 2.2.1", None, "the mail host knows HELO only, so it can offer no STARTTLS", "enable EHLO";
    NO_STARTTLS = "smtp.no_starttls", FATAL, "RFC 8461 4.2, RFC 3207 4", STARTTLS, "the mail host offers no STARTTLS", "enable STARTTLS";
    STARTTLS_REFUSED = "smtp.starttls_refused", FATAL, "RFC 8461 4.2, RFC 3207 4", STARTTLS, "the mail host offers STARTTLS and refuses it", "give the mail server a certificate and key that it can read";
    INJECTION = "smtp.injection", FATAL, "RFC 3207 4.2, 6", VALIDATION, "bytes stand in the clear behind the answer to STARTTLS: the session is unsafe", "mend the mail server, or look for who alters the connection";
    STARTTLS_AGAIN = "smtp.starttls_again", VIOLATION, "RFC 3207 4.2", None, "the mail host offers STARTTLS again within TLS", "offer STARTTLS only outside TLS";
    FAILS_WITHIN_TLS = "smtp.fails_within_tls", ADVICE, "RFC 3207 4.2", None, "the conversation fails after the TLS handshake", "mend the mail server";
    ADDRESSES_DIFFER = "smtp.addresses_differ", ADVICE, "RFC 8461 4.2", None, "a sender may use the mail host at some of its addresses and not at others", "let all addresses behave alike";
}
