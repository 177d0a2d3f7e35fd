//! Worlds: one kind of deployment each, as a scenario with its ground truth (see `worlds/` for the files).
//!
//! A world says what DNS, HTTPS and SMTP answer for a domain, with the faults that they have, and what a scan must make of it.
//! In names and texts, `$D` stands for the domain, `$M` for its label below the top, `$P` for its parent, `$R` for an id
//! of its own, `$I` for the number of a repetition, and `$A` in an address record for the lab's address of that host.

mod escape;
mod line;
mod parse;
mod truth;

pub use parse::{parse, parse_more};
pub use truth::Truth;

use std::net::{Ipv4Addr, Ipv6Addr};

use super::fault::{CertKind, DnsFault, HttpFault, SmtpFault, TlsFault};

/// One kind of deployment.
#[derive(Clone, Debug)]
pub struct World {
    /// Unique, of letters, digits and hyphens: the label of its specimen.
    pub name: String,
    /// One sentence.
    pub about: String,
    /// The share in a realistic population; 0: once, as a specimen.
    pub weight: u32,
    /// How its domains are named, where that matters.
    pub domain: Option<String>,
    /// Whether the resolver says that the answers are authenticated (AD).
    pub secure: bool,
    /// Names of which it says otherwise, with all that stands below them.
    pub exceptions: Vec<(String, bool)>,
    /// The records of its zone.
    pub records: Vec<Record>,
    /// What goes wrong in DNS.
    pub faults: Vec<FaultyQuestion>,
    /// Its web servers.
    pub hosts: Vec<Host>,
    /// Its mail servers, as far as they are not simply good: every other host with an address is.
    pub mail: Vec<MailHost>,
    /// What a scan must make of it.
    pub truth: Truth,
    /// What a scan with `--deep` must make of it, where that differs.
    pub deep: Option<Truth>,
}

/// One record of a zone.
#[derive(Clone, Debug)]
pub struct Record {
    /// The owner name.
    pub owner: String,
    /// As on the wire.
    pub ttl: u32,
    /// The data.
    pub data: Data,
    /// Whether it came by `like` from another world, so that the world's own records replace it.
    pub inherited: bool,
}

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// An IPv4 address.
    A(Address),
    /// An IPv6 address.
    Aaaa(Ipv6Addr),
    /// An alias.
    Cname(String),
    /// A mail host with its preference.
    Mx(u16, String),
    /// Character-strings.
    Txt(Vec<Vec<u8>>),
    /// What a TLS certificate must fit (RFC 6698 2.1).
    Tlsa(Tlsa),
    /// Bytes, whatever they mean, of the type of this number.
    Raw(u16, Vec<u8>),
}

/// Which IPv4 address a record gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// This one.
    Fixed(Ipv4Addr),
    /// The lab's address of the owner.
    Own,
    /// Another of the lab's good addresses.
    Next,
    /// The address of mail servers with this fault.
    Faulty(SmtpFault),
}

/// A TLSA record (RFC 6698 2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// The certificate usage.
    pub usage: u8,
    /// What is matched: 0 the certificate, 1 its public key.
    pub selector: u8,
    /// How: 0 all of it, 1 by SHA-256, 2 by SHA-512.
    pub matching: u8,
    /// What it must be.
    pub association: Association,
}

/// What a TLSA record associates with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Association {
    /// What the mail server shows: its own certificate, or that of its issuer where the usage is about authorities.
    Right,
    /// The root that its certificate leads to, which the server does not send.
    Root,
    /// A certificate that it does not show.
    Stale,
    /// These bytes.
    Fixed(Vec<u8>),
}

/// Type numbers of DNS (RFC 1035 3.2.2, RFC 3596 2.1, RFC 6698 7.1).
pub mod rtype {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name server.
    pub const NS: u16 = 2;
    /// An alias.
    pub const CNAME: u16 = 5;
    /// A mail host.
    pub const MX: u16 = 15;
    /// Text.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// The pseudo-record of EDNS (RFC 6891 6.1.1).
    pub const OPT: u16 = 41;
    /// What a TLS certificate must fit.
    pub const TLSA: u16 = 52;
}

impl Data {
    /// The type of the record.
    #[must_use]
    pub fn rtype(&self) -> u16 {
        match self {
            Self::A(_) => rtype::A,
            Self::Aaaa(_) => rtype::AAAA,
            Self::Cname(_) => rtype::CNAME,
            Self::Mx(..) => rtype::MX,
            Self::Txt(_) => rtype::TXT,
            Self::Tlsa(_) => rtype::TLSA,
            Self::Raw(number, _) => *number,
        }
    }
}

/// A question that gets a faulty answer.
#[derive(Clone, Debug)]
pub struct FaultyQuestion {
    /// The name asked.
    pub owner: String,
    /// The type asked.
    pub rtype: u16,
    /// What goes wrong.
    pub fault: DnsFault,
}

/// One web server.
#[derive(Clone, Debug)]
pub struct Host {
    /// The host name, as in SNI.
    pub name: String,
    /// The certificate that it shows.
    pub cert: CertKind,
    /// What goes wrong before TLS is up.
    pub tls: Option<TlsFault>,
    /// Whether it agrees to HTTP/2.
    pub http2: bool,
    /// Status code and reason.
    pub status: String,
    /// Headers in their order, without the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// What goes wrong in the answer.
    pub fault: Option<HttpFault>,
}

/// One mail server.
#[derive(Clone, Debug)]
pub struct MailHost {
    /// The host name, as in SNI.
    pub name: String,
    /// The certificate that it shows.
    pub cert: CertKind,
    /// What goes wrong in the conversation.
    pub fault: Option<SmtpFault>,
}

/// What stands for `$D` and its like in one member of a population.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The domain.
    pub domain: &'a str,
    /// Its label below the top: what tells members apart.
    pub label: &'a str,
    /// The number of the member.
    pub number: u32,
}

impl Names<'_> {
    /// A text with everything put in.
    #[must_use]
    pub fn expand(&self, template: &str) -> String {
        String::from_utf8_lossy(&self.expand_bytes(template.as_bytes())).into_owned()
    }

    /// Bytes with everything put in.
    #[must_use]
    pub fn expand_bytes(&self, template: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(template.len() + self.domain.len());
        let mut rest = template;
        while let Some(at) = rest.iter().position(|b| *b == b'$') {
            out.extend_from_slice(&rest[..at]);
            match rest.get(at + 1) {
                Some(b'D') => out.extend_from_slice(self.domain.as_bytes()),
                Some(b'M') => out.extend_from_slice(self.label.as_bytes()),
                Some(b'P') => out.extend_from_slice(self.parent().as_bytes()),
                Some(b'R') => out.extend_from_slice(format!("{:08x}", self.number).as_bytes()),
                _ => {
                    out.push(b'$');
                    rest = &rest[at + 1..];
                    continue;
                }
            }
            rest = &rest[at + 2..];
        }
        out.extend_from_slice(rest);
        out
    }

    /// The domain without its first label.
    fn parent(&self) -> &str {
        self.domain.split_once('.').map_or("", |(_, parent)| parent)
    }
}
