//! The probe of the mail exchangers: MX look-up, implicit MX, null MX (RFC 5321 5.1, RFC 7505).

use std::borrow::Cow;

use crate::column::{Cell, Column, Field, FieldKind, Value};
use crate::failure::Failure;
use crate::finding::{self, Code, Finding};
use crate::name::{Domain, HostName};
use crate::net::dns::{Addresses, Answer, Lookup, Mx, Resolver};
use crate::probe;
use crate::sts::pattern;

/// MX records from which on a domain is said to have many: the largest real sets have a few dozen. All are kept, because
/// one covered host decides the outcome; a DNS message bounds them at some 4,000.
pub const MX_MANY: usize = 100;

/// The evidence.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The MX look-up.
    pub answer: Answer<Mx>,
    /// The domain's own addresses, asked where there is no MX record.
    pub apex: Option<Addresses>,
}

/// Asks for the MX records, and where there are none for the addresses that stand in for them.
pub async fn see(resolver: &Resolver, domain: &Domain) -> Seen {
    let answer = resolver.mx(domain.host()).await;
    // RFC 8020: below a name that does not exist there is nothing to ask for.
    let apex = match answer.lookup {
        Lookup::NoData => Some(resolver.addresses(domain.host()).await),
        Lookup::Found(_) | Lookup::NxDomain | Lookup::Failed(_) => None,
    };
    Seen { answer, apex }
}

impl Seen {
    /// Whether something could not be seen.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failure().is_some()
    }

    /// The distinct mail hosts that can be asked, in order of preference, at most `most` of them.
    #[must_use]
    pub fn askable(&self, domain: &Domain, most: usize) -> Vec<HostName> {
        let records = match &self.answer.lookup {
            Lookup::Found(set) => set.records.as_slice(),
            Lookup::NoData | Lookup::NxDomain | Lookup::Failed(_) => &[],
        };
        let named = records.iter().filter(|mx| !is_null(mx)).map(exchange);
        let mut names: Vec<HostName> = Vec::new();
        for exchange in named.chain(self.is_implicit().then(|| implicit(domain))) {
            let askable = unaskable(&exchange).is_none();
            if let Some(name) = exchange.name.filter(|name| askable && !names.contains(name)) {
                names.push(name);
            }
            if names.len() >= most {
                break;
            }
        }
        names
    }

    /// Whether the domain itself stands in for the MX records that it has not (RFC 5321 5.1).
    fn is_implicit(&self) -> bool {
        let addresses = self.apex.as_ref().filter(|_| matches!(self.answer.lookup, Lookup::NoData));
        addresses.is_some_and(|apex| !apex.all().is_empty())
    }

    fn failure(&self) -> Option<&Failure> {
        probe::failure(&self.answer).or_else(|| {
            let apex = self.apex.as_ref().filter(|apex| apex.all().is_empty())?;
            probe::failure(&apex.v4).or_else(|| probe::failure(&apex.v6))
        })
    }
}

/// One mail host of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The host as the MX record names it, lower case without the final dot.
    pub host: String,
    /// The preference; `None` for the implicit MX.
    pub preference: Option<u16>,
    /// The host as a name that can be matched and asked, if it is one.
    pub name: Option<HostName>,
    /// Whether the policy covers it; `None` where no policy binds.
    pub covered: Option<bool>,
}

/// How the domain takes mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// By its MX records.
    Found,
    /// By its own address (RFC 5321 5.1).
    Implicit,
    /// Not at all, says a null MX (RFC 7505).
    Null,
    /// Not at all: neither MX record nor address.
    None,
    /// We could not see.
    Failed,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Implicit => "implicit",
            Self::Null => "null",
            Self::None => "none",
            Self::Failed => "failed",
        }
    }
}

/// The evidence with what it says.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The evidence.
    pub seen: Seen,
    /// How the domain takes mail.
    pub status: Status,
    /// The mail hosts in order of preference.
    pub hosts: Vec<Exchange>,
    /// What is wrong with them, or worth knowing.
    pub findings: Vec<Finding>,
}

/// Judges the evidence.
#[must_use]
pub fn judge(seen: Seen, domain: &Domain) -> Judged {
    let mut findings: Vec<Finding> = Vec::new();
    let mut hosts = Vec::new();
    let status = match &seen.answer.lookup {
        _ if seen.failed() => Status::Failed,
        Lookup::Found(set) => {
            hosts = exchanges(&set.records, &mut findings);
            if hosts.is_empty() { Status::Null } else { Status::Found }
        }
        Lookup::NoData if seen.is_implicit() => {
            findings.push(Finding::new(finding::mx::IMPLICIT));
            hosts.push(implicit(domain));
            Status::Implicit
        }
        Lookup::NoData | Lookup::NxDomain | Lookup::Failed(_) => {
            findings.push(Finding::new(finding::mx::NONE));
            Status::None
        }
    };
    Judged { seen, status, hosts, findings }
}

/// The hosts of the MX records; none where a null MX stands alone (RFC 7505 3).
fn exchanges(records: &[Mx], findings: &mut Vec<Finding>) -> Vec<Exchange> {
    let (null, named): (Vec<&Mx>, Vec<&Mx>) = records.iter().partition(|mx| is_null(mx));
    if named.is_empty() {
        findings.push(Finding::new(finding::mx::NULL));
        return Vec::new();
    }
    if !null.is_empty() {
        findings.push(Finding::new(finding::mx::NULL_NOT_ALONE));
    }
    if named.len() > MX_MANY {
        findings.push(Finding::new(finding::mx::MANY).with("records", named.len()));
    }
    let hosts: Vec<Exchange> = named.into_iter().map(exchange).collect();
    for host in &hosts {
        findings.extend(fault(&host.host, host.name.as_ref()).map(|code| Finding::new(code).about(host.host.as_str())));
    }
    hosts
}

/// Whether a record says that the domain takes no mail (RFC 7505 3).
fn is_null(mx: &Mx) -> bool {
    mx.host == "." || mx.host.is_empty()
}

/// The host that a record names.
fn exchange(mx: &Mx) -> Exchange {
    let name = HostName::parse(&mx.host).ok().filter(|_| !pattern::is_address(&mx.host));
    Exchange { host: mx.host.clone(), preference: Some(mx.preference), name, covered: None }
}

/// The domain as its own mail host.
fn implicit(domain: &Domain) -> Exchange {
    let (host, name) = (domain.as_str().to_owned(), Some(domain.host().clone()));
    Exchange { host, preference: None, name, covered: None }
}

/// Why nobody can ask a mail host, if nobody can: it is an address, this very machine, or no name at all. A name that merely
/// breaks the rules for hosts (an underscore) is looked up by senders all the same.
#[must_use]
pub fn unaskable(exchange: &Exchange) -> Option<Code> {
    match fault(&exchange.host, exchange.name.as_ref()) {
        Some(code) if code != finding::mx::NAME || exchange.name.is_none() => Some(code),
        Some(_) | None => None,
    }
}

/// What is wrong with the host that an MX record names.
fn fault(host: &str, name: Option<&HostName>) -> Option<Code> {
    // RFC 5321 5.1, RFC 1035 3.3.9: an exchange is a host name, never an address.
    if pattern::is_address(host) {
        return Some(finding::mx::ADDRESS);
    }
    // RFC 6761 6.3: localhost is whoever asks.
    if host == "localhost" || host.ends_with(".localhost") {
        return Some(finding::mx::LOCALHOST);
    }
    // RFC 5321 2.3.5, 4.1.2: letters, digits and hyphens.
    (!name.is_some_and(|name| pattern::is_domain(name.as_str()))).then_some(finding::mx::NAME)
}

impl Judged {
    /// The failure of a look-up, if one failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.seen.failure()
    }

    /// The code by which the domain takes no mail, if it takes none.
    #[must_use]
    pub fn no_mail(&self) -> Option<Code> {
        match self.status {
            Status::Null => Some(finding::mx::NULL),
            Status::None => Some(finding::mx::NONE),
            Status::Found | Status::Implicit | Status::Failed => None,
        }
    }
}

const HOST_FIELDS: &[Field] = &[
    Field { name: "host", kind: FieldKind::Text },
    Field { name: "preference", kind: FieldKind::Int },
    Field { name: "covered", kind: FieldKind::Bool },
];

/// The columns of the mail exchangers, under the prefix `mx_`.
pub static COLUMNS: &[Column<Judged>] = &[
    Column {
        name: "status",
        sentence: "How the domain takes mail: found (by MX records), implicit (by its own address), null (RFC 7505), none, or failed where we could not see.",
        cell: Cell::Word(|r| Some(r.status.word().into())),
    },
    Column {
        name: "hosts",
        sentence: "The mail hosts in order of preference: host, preference (null for the implicit MX), and covered (by the policy; null where no policy binds).",
        cell: Cell::Structs(HOST_FIELDS, |r| {
            if r.hosts.is_empty() {
                return None;
            }
            let host = |exchange: &'_ Exchange| {
                vec![
                    Value::Text(Cow::Owned(exchange.host.clone())),
                    exchange.preference.map_or(Value::Null, |preference| Value::Int(i64::from(preference))),
                    exchange.covered.map_or(Value::Null, Value::Bool),
                ]
            };
            Some(r.hosts.iter().map(host).collect())
        }),
    },
    Column {
        name: "uncovered",
        sentence: "How many mail hosts no mx of the policy covers; null where no policy binds.",
        cell: Cell::Int(|r| {
            let judged = r.hosts.iter().filter_map(|host| host.covered);
            let uncovered = judged.clone().filter(|covered| !covered).count();
            judged.clone().next().map(|_| i64::try_from(uncovered).unwrap_or(i64::MAX))
        }),
    },
    Column {
        name: "security",
        sentence: "What the resolver says of DNSSEC for the MX look-up: secure, insecure, bogus or unknown.",
        cell: Cell::Word(|r| Some(r.seen.answer.security.word().into())),
    },
    Column {
        name: "aliases",
        sentence: "The targets of the CNAMEs that were followed from the domain, in order.",
        cell: Cell::Texts(|r| probe::texts(&r.seen.answer.aliases)),
    },
    Column {
        name: "failure",
        sentence: "The code of the failure, where a look-up failed.",
        cell: Cell::Word(|r| r.failure().map(|failure| failure.code.as_str().into())),
    },
];
