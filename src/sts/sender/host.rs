//! A mail host as a sender finds it (RFC 8461 4.2, RFC 7672): what each attempt came to, and what the host is worth.

use crate::finding::{self, Code, Place};

/// What was seen of one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It is as it should be.
    Passed,
    /// It is not, by this code: the world's doing.
    Broken(Code),
    /// We could not see, by this code.
    Unseen(Code),
    /// Nobody asked, for this reason.
    NotAsked(Code),
}

impl Sight {
    /// The stable lower-case word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "usable",
            Self::Broken(_) => "broken",
            Self::Unseen(_) => "unseen",
            Self::NotAsked(_) => "not_asked",
        }
    }

    /// The code, where there is one.
    #[must_use]
    pub fn code(self) -> Option<Code> {
        match self {
            Self::Passed => None,
            Self::Broken(code) | Self::Unseen(code) | Self::NotAsked(code) => Some(code),
        }
    }

    /// The code by which it is broken, if it is.
    #[must_use]
    pub fn broken(self) -> Option<Code> {
        match self {
            Self::Broken(code) => Some(code),
            Self::Passed | Self::Unseen(_) | Self::NotAsked(_) => None,
        }
    }

    /// The code by which nothing is known, if nothing is.
    #[must_use]
    pub fn unknown(self) -> Option<Code> {
        match self {
            Self::Unseen(code) | Self::NotAsked(code) => Some(code),
            Self::Passed | Self::Broken(_) => None,
        }
    }

    /// Both must pass; the first that does not decides.
    #[must_use]
    pub fn and(self, next: Self) -> Self {
        if self == Self::Passed { next } else { self }
    }
}

/// What DANE says of a mail host, for a domain whose MX records are secure (RFC 7672 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dane {
    /// Nobody asked, or the resolver does not say what is secure.
    NotAsked,
    /// There is no TLSA record.
    None,
    /// There are TLSA records that DNSSEC does not secure: as if there were none.
    Insecure,
    /// There are TLSA records, and the resolver does not say whether they are secure: what fails without them might pass by
    /// them.
    Untold,
    /// There are secure ones, of which none can be used: as if there were none, but that TLS must be there.
    Unusable,
    /// There are secure ones that can be used: they alone authenticate the host (RFC 8461 2).
    Applies,
    /// Addresses or TLSA records fail validation: the host must not be used (RFC 7672 2.1.2).
    Bogus,
    /// The TLSA look-up failed, by this code, where it matters: the host must not be used now (RFC 7672 2.1.2).
    Unseen(Code),
}

/// One attempt at one address of a mail host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whether TLS came up in a safe way: connection, greeting, STARTTLS, TLS 1.2 or later.
    pub tls: Sight,
    /// Whether the certificate is good by the trusted roots, for the name and the time (RFC 8461 4.2).
    pub pkix: Sight,
    /// Whether the certificate fits a TLSA record, where there is one that can be used.
    pub dane: Sight,
}

impl Session {
    /// What the attempt is worth. DANE takes precedence where it applies (RFC 8461 2).
    #[must_use]
    pub fn sight(&self, dane: Dane) -> Sight {
        self.tls.and(match dane {
            Dane::Applies => self.dane,
            Dane::Untold if self.pkix.broken().is_some() => Sight::NotAsked(finding::sts::DANE_UNTOLD),
            _ => self.pkix,
        })
    }
}

/// A mail host, as far as a sender cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailHost {
    /// Whether a pattern of the policy covers it (RFC 8461 4.1).
    pub covered: bool,
    /// Whether it has an address to talk to.
    pub reach: Sight,
    /// What DANE says of it, the security of the MX records taken into account.
    pub dane: Dane,
    /// The attempts, address by address.
    pub sessions: Vec<Session>,
}

impl MailHost {
    /// A host that nobody spoke to.
    #[must_use]
    pub fn not_asked(covered: bool, why: Code) -> Self {
        Self { covered, reach: Sight::NotAsked(why), dane: Dane::NotAsked, sessions: Vec::new() }
    }

    /// Whether DANE alone authenticates the host.
    #[must_use]
    pub fn dane_applies(&self) -> bool {
        self.dane == Dane::Applies
    }

    /// What the host is worth whatever is said there, while the answers of DNSSEC forbid to use it (RFC 7672 2.1.2).
    fn barred(&self) -> Option<Sight> {
        match self.dane {
            Dane::Bogus => Some(Sight::Broken(finding::dane::BOGUS_HOST)),
            Dane::Unseen(code) => Some(Sight::Unseen(code)),
            Dane::NotAsked | Dane::None | Dane::Insecure | Dane::Untold | Dane::Unusable | Dane::Applies => None,
        }
    }

    /// What one attempt is worth.
    #[must_use]
    pub fn sight_at(&self, session: &Session) -> Sight {
        self.barred().unwrap_or_else(|| session.sight(self.dane))
    }

    /// What the host is worth: usable while one of its addresses is.
    #[must_use]
    pub fn sight(&self) -> Sight {
        if self.reach != Sight::Passed {
            return self.reach;
        }
        if let Some(barred) = self.barred() {
            return barred;
        }
        let sights = || self.sessions.iter().map(|session| session.sight(self.dane));
        let passed = sights().find(|sight| *sight == Sight::Passed);
        let unknown = || sights().find(|sight| sight.unknown().is_some());
        passed.or_else(unknown).or_else(|| sights().next()).unwrap_or(Sight::NotAsked(finding::sts::DELIVERY_NOT_ASKED))
    }

    /// The code of the first thing that a sender would report of the host: it is broken, or one of its addresses is, in a
    /// way that RFC 8460 4.3 has a word for.
    #[must_use]
    pub fn reported(&self) -> Option<Code> {
        // Where the host must not be connected to, or is not known to be one that may, there are no sessions.
        let sessions = self.sessions.iter().filter(|_| self.barred().is_none());
        let sessions = sessions.filter_map(|session| session.sight(self.dane).broken());
        let told = |code: &Code| code.result_type(Place::MailHost).is_some();
        // Records of which none can be used are reported where TLS came up, whatever the certificate is worth.
        let has_tls = self.sessions.iter().any(|session| session.tls == Sight::Passed);
        let unusable = (self.dane == Dane::Unusable && has_tls).then_some(finding::dane::UNUSABLE);
        self.sight().broken().into_iter().chain(sessions).chain(unusable).find(told)
    }
}
