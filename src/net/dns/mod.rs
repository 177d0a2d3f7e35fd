//! DNS look-ups with a verdict of our own on the wire message (RFC 1034, RFC 1035, RFC 2308, RFC 6891).

pub mod bulk;
mod control;
mod exchange;
mod https;
mod message;
mod preflight;
mod question;
mod records;
mod resolver;
mod server;
mod stream;
mod trouble;
mod udp;
mod upstream;
mod verdict;

pub use preflight::{CanaryWords, unusable};
pub use resolver::{PATIENCE, Resolver};
pub use upstream::system_upstreams;

use std::net::IpAddr;
use std::time::Duration;

use crate::failure::Failure;

/// What a look-up came to. *Absent* needs positive proof; everything else is a failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup<T> {
    /// Records of the type that was asked.
    Found(Rrset<T>),
    /// The name exists and has no such record.
    NoData,
    /// The name, or the name at the end of its aliases, does not exist.
    NxDomain,
    /// We could not see.
    Failed(Failure),
}

/// The records of one name and type.
#[derive(Clone, Debug, PartialEq)]
pub struct Rrset<T> {
    /// The data of each record, in the order of the answer.
    pub records: Vec<T>,
    /// The smallest TTL of the set, raw as on the wire (seconds, 0 to 2^32-1).
    pub ttl: u32,
}

/// A look-up with what came along.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<T> {
    /// The verdict.
    pub lookup: Lookup<T>,
    /// The targets of the CNAMEs followed, in order, in lower-case presentation form without the final dot.
    pub aliases: Vec<String>,
    /// What the resolver says of DNSSEC, of the records and of every alias on the way to them.
    pub security: Security,
    /// Extended DNS errors (RFC 8914), by code.
    pub ede: Vec<u16>,
    /// How the answer came.
    pub via: Via,
    /// Datagrams and TCP questions sent.
    pub sent: u8,
    /// From the first question to the verdict.
    pub elapsed: Duration,
    /// Whether the resolver changed the case of the question, so that TCP was used.
    pub case_changed: bool,
    /// Whether bytes stood behind the end of the message.
    pub trailing: bool,
}

/// What the resolver says of DNSSEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Security {
    /// The AD bit was set by a resolver that is believed.
    Secure,
    /// The AD bit was not set by a resolver that is believed and known to validate.
    Insecure,
    /// The answer fails validation: a resolver that validates gives none, and says why; or gives it, with signatures, where
    /// it is asked not to check.
    Bogus,
    /// There was no answer to tell from, or the resolver is not known to validate, or is not believed.
    #[default]
    Unknown,
}

impl Security {
    /// What two answers come to that both are needed, as those of one chain of aliases are (RFC 7672 2.2.2): secure if both
    /// are, bogus if either is, and insecure if either is known to be.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Bogus, _) | (_, Self::Bogus) => Self::Bogus,
            (Self::Insecure, _) | (_, Self::Insecure) => Self::Insecure,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Secure, Self::Secure) => Self::Secure,
        }
    }

    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Secure => "secure",
            Self::Insecure => "insecure",
            Self::Bogus => "bogus",
            Self::Unknown => "unknown",
        }
    }
}

/// How an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Via {
    /// In a datagram.
    #[default]
    Udp,
    /// Over TCP.
    Tcp,
    /// Over TLS.
    Tls,
    /// Over HTTPS.
    Https,
}

/// A TXT record: its character-strings joined (RFC 8461 3.1, RFC 7208 3.3), at most [`TXT_KEPT`] bytes of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Txt {
    /// The joined text, cut to [`TXT_KEPT`].
    pub bytes: Vec<u8>,
    /// The length before the cut.
    pub length: usize,
    /// SHA-256 of the whole, where it was cut.
    pub sha256: Option<[u8; 32]>,
}

/// Bytes of one TXT record that are kept (HOSTILE.md): 16 times the longest record seen in the wild.
pub const TXT_KEPT: usize = 4096;

/// An MX record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    /// The preference: lower is tried first.
    pub preference: u16,
    /// The host in lower-case presentation form without the final dot; `.` for a null MX.
    pub host: String,
}

/// The addresses of a host: A and AAAA side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Addresses {
    /// The A look-up.
    pub v4: Answer<std::net::Ipv4Addr>,
    /// The AAAA look-up.
    pub v6: Answer<std::net::Ipv6Addr>,
}

impl Addresses {
    /// What both look-ups together say of DNSSEC (RFC 7672 2.2.2).
    #[must_use]
    pub fn security(&self) -> Security {
        self.v4.security.and(self.v6.security)
    }

    /// The targets of the CNAMEs from the host, in order.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        if self.v4.aliases.is_empty() { &self.v6.aliases } else { &self.v4.aliases }
    }

    /// Whether the host is an alias.
    #[must_use]
    pub fn has_aliases(&self) -> bool {
        !self.aliases().is_empty()
    }

    /// All addresses, version 4 first.
    #[must_use]
    pub fn all(&self) -> Vec<IpAddr> {
        let mut all = Vec::new();
        if let Lookup::Found(set) = &self.v4.lookup {
            all.extend(set.records.iter().map(|a| IpAddr::V4(*a)));
        }
        if let Lookup::Found(set) = &self.v6.lookup {
            all.extend(set.records.iter().map(|a| IpAddr::V6(*a)));
        }
        all
    }
}
