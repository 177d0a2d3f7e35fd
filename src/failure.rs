//! Failures: why something could not be seen, by stage and cause.
//!
//! The network layer ends every exchange that did not get through in a [`Failure`]. The catalogue decides whether its
//! cause is the world's (a refused connection, an expired certificate: a finding) or a loss of sight (a timeout, a
//! SERVFAIL), which is never counted against the domain.

use serde_json::Value;

use crate::finding::{Code, Detail, Finding, Kind};
use crate::text;

/// Why an exchange did not get through.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The cause, by the catalogue.
    pub code: Code,
    /// What was asked or talked to: a name, `host` or `address:port`. May be empty.
    pub subject: String,
    /// The context: `rcode`, `ede`, `alert`, `stage`, `elapsed_ms`, …
    pub detail: Detail,
}

impl Failure {
    /// A failure without subject or context.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self { code, subject: String::new(), detail: Detail::none() }
    }

    /// Names what was asked or talked to.
    #[must_use]
    pub fn about(mut self, subject: impl Into<String>) -> Self {
        self.subject = text::cut(subject.into());
        self
    }

    /// Adds one named field of context.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.detail = self.detail.with(name, value);
        self
    }

    /// The finding that this is, where the catalogue counts the cause as the world's.
    ///
    /// # Errors
    /// The failure itself, where we merely could not see.
    pub fn into_finding(self) -> Result<Finding, Self> {
        match self.code.entry().kind {
            Kind::Finding(_) => Ok(Finding { subject: self.subject, detail: self.detail, ..Finding::new(self.code) }),
            Kind::Failure | Kind::Reject | Kind::Verdict => Err(self),
        }
    }
}
