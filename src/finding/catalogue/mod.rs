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
    /// RFC 8460 4.3.2.2: the MX host does not match the policy.
    pub(super) const VALIDATION: Option<&str> = Some("validation-failure");
}

pub mod dns;
pub mod https;
pub mod list;
pub mod mx;
pub mod policy;
pub mod record;
pub mod sts;
pub mod tlsrpt;

pub use https::{cert, http, reach, tcp, tls};

use super::Code;

/// Every code, area by area.
pub fn all() -> impl Iterator<Item = Code> {
    [list::ALL, dns::ALL, record::ALL]
        .into_iter()
        .chain(https::STAGES)
        .chain([policy::ALL, mx::ALL, tlsrpt::ALL, sts::ALL])
        .flatten()
        .copied()
}
