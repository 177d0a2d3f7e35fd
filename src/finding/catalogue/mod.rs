//! The catalogue: one row a code, by area. `stscan codes` prints it; nothing else knows a code's severity or clause.

/// Declares the codes of one area: a constant and a row each.
macro_rules! codes {
    ($stage:ident: $($name:ident = $code:literal, $kind:expr, $source:literal, $result:expr, $sentence:literal, $remedy:literal;)*) => {
        $(
            #[doc = $sentence]
            pub const $name: Code = Code(&Entry {
                code: $code,
                kind: $kind,
                stage: Stage::$stage,
                source: $source,
                result_type: $result,
                sentence: $sentence,
                remedy: $remedy,
            });
        )*
        /// The codes of this area, in the order of the table.
        pub const ALL: &[Code] = &[$($name),*];
    };
}

/// The kinds and result types under short names, for the tables.
mod row {
    pub(super) use crate::finding::{Code, Entry, Kind, Severity, Stage};
    pub(super) const NOTE: Kind = Kind::Finding(Severity::Note);
    pub(super) const ADVICE: Kind = Kind::Finding(Severity::Advice);
    pub(super) const VIOLATION: Kind = Kind::Finding(Severity::Violation);
    pub(super) const FATAL: Kind = Kind::Finding(Severity::Fatal);
    pub(super) const FAILURE: Kind = Kind::Failure;
    pub(super) const REJECT: Kind = Kind::Reject;
    pub(super) const VERDICT: Kind = Kind::Verdict;
    /// RFC 8460 4.3.2.2: the policy could not be retrieved.
    pub(super) const FETCH: Option<&str> = Some("sts-policy-fetch-error");
    /// RFC 8460 4.3.2.2: the policy could not be validated.
    pub(super) const INVALID: Option<&str> = Some("sts-policy-invalid");
    /// RFC 8460 4.3.2.2: the policy host could not be authenticated by PKIX.
    pub(super) const WEBPKI: Option<&str> = Some("sts-webpki-invalid");
    /// RFC 8460 4.3.1: a general failure, for which there is no other word.
    pub(super) const VALIDATION: Option<&str> = Some("validation-failure");
    /// RFC 8460 4.3.1: the mail host offers no STARTTLS.
    pub(super) const STARTTLS: Option<&str> = Some("starttls-not-supported");
    /// RFC 8460 4.3.1: the name of the mail host does not match its certificate.
    pub(super) const HOST_MISMATCH: Option<&str> = Some("certificate-host-mismatch");
    /// RFC 8460 4.3.1: the certificate of the mail host has expired.
    pub(super) const HOST_EXPIRED: Option<&str> = Some("certificate-expired");
    /// RFC 8460 4.3.1: the certificate of the mail host is not trusted.
    pub(super) const HOST_UNTRUSTED: Option<&str> = Some("certificate-not-trusted");
    /// RFC 8460 4.3.2.1: no TLSA record fits.
    pub(super) const TLSA: Option<&str> = Some("tlsa-invalid");
    /// RFC 8460 4.3.2.1: the resolver says that the answer is bogus.
    pub(super) const DNSSEC: Option<&str> = Some("dnssec-invalid");
}

pub mod dane;
pub mod dns;
pub mod https;
pub mod list;
pub mod mx;
pub mod policy;
pub mod record;
pub mod smtp;
pub mod sts;
pub mod tlsrpt;

pub use https::{cert, http, reach, tcp, tls};

use super::Code;

/// Every code, area by area.
pub fn all() -> impl Iterator<Item = Code> {
    [list::ALL, dns::ALL, record::ALL]
        .into_iter()
        .chain(https::STAGES)
        .chain([policy::ALL, mx::ALL, smtp::ALL, dane::ALL, tlsrpt::ALL, sts::ALL])
        .flatten()
        .copied()
}

/// What a sender reports by RFC 8460 4.3.1 of a code at a mail host. The codes of TCP, TLS and certificates are the same as
/// at a policy host; what they are called in a report is not.
pub(super) fn result_at_mail_host(code: Code) -> Option<&'static str> {
    let entry = code.entry();
    match entry.stage {
        super::Stage::Cert => match code {
            _ if entry.result_type.is_none() => None,
            code if code == cert::EXPIRED => row::HOST_EXPIRED,
            code if code == cert::NAME || code == cert::NO_SAN => row::HOST_MISMATCH,
            _ => row::HOST_UNTRUSTED,
        },
        super::Stage::Tls if entry.result_type.is_some() => row::VALIDATION,
        // No connection is no failure of TLS, so no report has a word for it.
        super::Stage::Tls | super::Stage::Tcp | super::Stage::Reach | super::Stage::Http => None,
        _ => entry.result_type,
    }
}
