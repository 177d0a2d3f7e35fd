//! The conversation as a state machine (RFC 5321 3.1, 4.1.1.1, RFC 3207 4): a reply goes in, an order comes out.

use crate::finding::Finding;
use crate::smtp::reply::Reply;

/// What STARTTLS came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StartTls {
    /// The conversation did not come so far.
    #[default]
    Unknown,
    /// EHLO did not offer it.
    NotOffered,
    /// It was offered, and refused when asked for.
    Refused,
    /// It was offered and accepted.
    Accepted,
}

impl StartTls {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::NotOffered => "not_offered",
            Self::Refused => "refused",
            Self::Accepted => "accepted",
        }
    }
}

/// What the mail host said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The greeting.
    pub banner: Option<Reply>,
    /// The reply to EHLO, or to HELO where EHLO was refused.
    pub ehlo: Option<Reply>,
    /// Whether HELO had to do.
    pub helo: bool,
    /// The keywords that EHLO offered, upper case, each with its parameters, in their order.
    pub keywords: Vec<String>,
    /// What STARTTLS came to.
    pub starttls: StartTls,
    /// The reply to STARTTLS.
    pub starttls_reply: Option<Reply>,
    /// The keywords that EHLO offered within TLS.
    pub secure_keywords: Vec<String>,
    /// What is wrong with the conversation, or worth knowing; what ended it stands elsewhere.
    pub findings: Vec<Finding>,
}
