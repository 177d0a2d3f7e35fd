//! The columns of the table `hosts`: one mail host at one address.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Attempt, Judged, Seen};
use crate::cert;
use crate::column::{self, Cell, Column};
use crate::dane::{self, Tlsa};
use crate::finding;
use crate::net::dns::{Answer, Lookup};
use crate::net::smtp::Talked;
use crate::probe;
use crate::smtp::reply::Reply;
use crate::sts::sender::{Dane, Sight};
use crate::text::hex;

/// A row of `hosts`: a mail host at one of its addresses; or the host alone, where there was no address to talk to.
#[derive(Clone, Debug)]
pub struct Row {
    seen: Arc<Seen>,
    judged: Arc<Judged>,
    at: Option<usize>,
}

impl Row {
    /// The rows of a host.
    #[must_use]
    pub fn all(seen: Seen, judged: Arc<Judged>) -> Vec<Self> {
        let seen = Arc::new(seen);
        let places = (0..seen.talked.len()).map(Some);
        let places: Vec<Option<usize>> = if seen.talked.is_empty() { vec![None] } else { places.collect() };
        let row = |at| Self { seen: Arc::clone(&seen), judged: Arc::clone(&judged), at };
        places.into_iter().map(row).collect()
    }

    /// What the host is worth at this address to a sender that goes by certificates alone.
    #[must_use]
    pub fn sight(&self) -> Sight {
        self.attempt().map_or(self.judged.reach, |attempt| attempt.session.sight(Dane::None))
    }

    /// The DNS questions that were sent for the host, told once.
    #[must_use]
    pub fn questions(&self) -> u64 {
        if self.at.unwrap_or(0) == 0 { self.judged.questions } else { 0 }
    }

    /// The certificates that were sent, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[Vec<u8>] {
        self.talked().map_or(&[], |talked| &talked.chain)
    }

    fn talked(&self) -> Option<&Talked> {
        self.seen.talked.get(self.at?)
    }

    fn attempt(&self) -> Option<&Attempt> {
        self.judged.attempts.get(self.at?)
    }

    fn tlsa(&self) -> Option<&Answer<Tlsa>> {
        self.seen.tlsa.as_ref().map(|(_, answer)| answer)
    }
}

/// The text of a reply, raw: its lines joined by LF.
fn text(reply: &Reply) -> Cow<'_, [u8]> {
    Cow::Owned(reply.lines.join(&b'\n'))
}

/// The stable word for what DANE says of a host, by how the certificates at its addresses fit: the worst that was seen.
pub(crate) fn dane_word(dane: Dane, fits: impl Iterator<Item = Sight>) -> &'static str {
    match dane {
        Dane::NotAsked => "not_asked",
        Dane::Untold => "untold",
        Dane::None => "none",
        Dane::Insecure => "insecure",
        Dane::Unusable => "unusable",
        Dane::Bogus => "bogus",
        Dane::Unseen(_) => "unknown",
        Dane::Applies => {
            let fits: Vec<Sight> = fits.collect();
            if fits.iter().any(|sight| sight.broken().is_some()) {
                "mismatch"
            } else if fits.contains(&Sight::Passed) {
                "match"
            } else {
                // No certificate was seen, which says nothing of the records.
                "applies"
            }
        }
    }
}

/// Bytes of TLSA data that are repeated on every row of a host: digests and a few certificates. What a stranger publishes
/// beyond that stands once.
const RECORDS_REPEATED: usize = 8 * 1024;

/// The columns.
pub static COLUMNS: &[Column<Row>] = &[
    Column {
        name: "host",
        sentence: "The name that the MX records give.",
        cell: Cell::Text(|r| Some(r.seen.host.as_str().into())),
    },
    Column {
        name: "address",
        sentence: "The address that was talked to; null where there was none to talk to.",
        cell: Cell::Text(|r| r.talked().map(|talked| talked.address.ip().to_string().into())),
    },
    Column {
        name: "observed_at",
        sentence: "When the first question about the host was asked.",
        cell: Cell::Time(|r| column::microseconds(r.seen.observed_at)),
    },
    Column {
        name: "attempts",
        sentence: "How often the host was attempted: more than once where something failed for a reason that may pass, 0 where nobody was asked.",
        cell: Cell::Int(|r| Some(i64::from(r.seen.attempts))),
    },
    Column {
        name: "status",
        sentence: "What the host is worth at this address to a sender that goes by certificates alone: usable, broken, unseen or not_asked.",
        cell: Cell::Word(|r| Some(r.sight().word().into())),
    },
    Column {
        name: "code",
        sentence: "The code that decided the status; null where it is usable.",
        cell: Cell::Word(|r| r.sight().code().map(|code| code.as_str().into())),
    },
    Column {
        name: "codes",
        sentence: "The distinct codes of what was found of the host and at this address, sorted.",
        cell: Cell::Texts(|r| {
            let own = r.judged.findings.iter();
            let here = r.attempt().map_or(&[][..], |attempt| &attempt.findings);
            column::codes(finding::distinct(own.chain(here).map(|finding| finding.code)))
        }),
    },
    Column {
        name: "failure",
        sentence: "The code of what kept us from seeing: in the conversation, else of the addresses, else of the TLSA records.",
        cell: Cell::Word(|r| {
            let here = r.attempt().and_then(|attempt| attempt.failure.as_ref());
            let failure = here.or_else(|| r.judged.failures.first()).or(r.judged.tlsa_failure.as_ref());
            failure.map(|failure| failure.code.as_str().into())
        }),
    },
    Column {
        name: "stopped_by",
        sentence: "The context of what ended the conversation early, as JSON; null where nothing did.",
        cell: Cell::Text(|r| r.talked()?.failure.as_ref().and_then(probe::detail_text)),
    },
    Column {
        name: "aliases",
        sentence: "The targets of the CNAMEs that were followed from the host, in order.",
        cell: Cell::Texts(|r| probe::texts(r.seen.addresses.as_ref()?.aliases())),
    },
    Column {
        name: "addresses",
        sentence: "All addresses of the host.",
        cell: Cell::Texts(|r| {
            let all: Vec<String> = r.seen.addresses.as_ref()?.all().iter().map(ToString::to_string).collect();
            if all.is_empty() { None } else { Some(all.into_iter().map(Cow::Owned).collect()) }
        }),
    },
    Column {
        name: "addresses_beyond",
        sentence: "How many addresses were not talked to, because the host has more than 16.",
        cell: Cell::Int(|r| Some(i64::try_from(r.seen.beyond()).unwrap_or(i64::MAX))),
    },
    Column {
        name: "a_security",
        sentence: "What the resolver says of DNSSEC for the A look-up: secure, insecure, bogus or unknown.",
        cell: Cell::Word(|r| r.seen.addresses.as_ref().map(|addresses| addresses.v4.security.word().into())),
    },
    Column {
        name: "aaaa_security",
        sentence: "What the resolver says of DNSSEC for the AAAA look-up: secure, insecure, bogus or unknown.",
        cell: Cell::Word(|r| r.seen.addresses.as_ref().map(|addresses| addresses.v6.security.word().into())),
    },
    Column {
        name: "banner_code",
        sentence: "The code of the greeting.",
        cell: Cell::Int(|r| r.talked()?.facts.banner.as_ref().map(|reply| i64::from(reply.code))),
    },
    Column {
        name: "banner",
        sentence: "The text of the greeting, raw, 512 bytes of each line.",
        cell: Cell::Bytes(|r| r.talked()?.facts.banner.as_ref().map(text)),
    },
    Column {
        name: "ehlo_code",
        sentence: "The code of the reply to EHLO, or to HELO where EHLO was refused.",
        cell: Cell::Int(|r| r.talked()?.facts.ehlo.as_ref().map(|reply| i64::from(reply.code))),
    },
    Column {
        name: "helo",
        sentence: "Whether HELO had to do.",
        cell: Cell::Bool(|r| r.talked()?.facts.ehlo.as_ref().map(|_| r.talked().is_some_and(|t| t.facts.helo))),
    },
    Column {
        name: "ehlo_keywords",
        sentence: "The keywords that EHLO offered before TLS, upper case, with their parameters.",
        cell: Cell::Texts(|r| probe::texts(&r.talked()?.facts.keywords)),
    },
    Column {
        name: "starttls",
        sentence: "What STARTTLS came to: accepted, refused, not_offered, or unknown where the conversation did not come so far.",
        cell: Cell::Word(|r| r.talked().map(|talked| talked.facts.starttls.word().into())),
    },
    Column {
        name: "starttls_code",
        sentence: "The code of the reply to STARTTLS.",
        cell: Cell::Int(|r| r.talked()?.facts.starttls_reply.as_ref().map(|reply| i64::from(reply.code))),
    },
    Column {
        name: "tls_keywords",
        sentence: "The keywords that EHLO offered within TLS.",
        cell: Cell::Texts(|r| probe::texts(&r.talked()?.facts.secure_keywords)),
    },
    Column {
        name: "tls_version",
        sentence: "The TLS version: 1.2 or 1.3; null where no handshake got through.",
        cell: Cell::Word(|r| r.talked()?.tls.as_ref().map(|tls| tls.version.into())),
    },
    Column {
        name: "tls_cipher",
        sentence: "The cipher suite by its IANA name.",
        cell: Cell::Word(|r| r.talked()?.tls.as_ref().map(|tls| tls.cipher.into())),
    },
    Column {
        name: "cert_sha256",
        sentence: "SHA-256 of the host's own certificate, the key to certificates.",
        cell: Cell::Text(|r| r.chain().first().map(|der| hex(&cert::sha256(der)).into())),
    },
    Column {
        name: "chain_sha256",
        sentence: "SHA-256 of all certificates that were sent, in their order.",
        cell: Cell::Texts(|r| {
            let chain = r.chain();
            (!chain.is_empty()).then(|| chain.iter().map(|der| Cow::Owned(hex(&cert::sha256(der)))).collect())
        }),
    },
    Column {
        name: "authenticated",
        sentence: "Whether a sender that trusts the first root store would accept the certificate; null without one.",
        cell: Cell::Bool(|r| r.talked()?.verdict.as_ref().map(|verdict| verdict.authenticated)),
    },
    Column {
        name: "name_match",
        sentence: "Whether a SAN matches the host.",
        cell: Cell::Bool(|r| r.talked()?.verdict.as_ref().map(|verdict| verdict.name_ok)),
    },
    Column {
        name: "in_time",
        sentence: "Whether the time is inside the validity of every certificate that counts.",
        cell: Cell::Bool(|r| r.talked()?.verdict.as_ref().map(|verdict| verdict.in_time)),
    },
    Column {
        name: "trusted_by",
        sentence: "The names of the root stores under which the chain is trusted at a time inside its validity.",
        cell: Cell::Texts(|r| {
            let verdict = r.talked()?.verdict.as_ref()?;
            Some(verdict.trusted_by.iter().map(|name| Cow::Borrowed(name.as_str())).collect())
        }),
    },
    Column {
        name: "self_signed",
        sentence: "Whether the certificate is issued by itself.",
        cell: Cell::Bool(|r| r.talked()?.verdict.as_ref().map(|verdict| verdict.self_signed)),
    },
    Column {
        name: "tlsa_status",
        sentence: "The look-up of TLSA records at _25._tcp.<host>: found, nodata, nxdomain or failed; null where it was not asked.",
        cell: Cell::Word(|r| r.tlsa().map(|answer| probe::lookup_word(answer).into())),
    },
    Column {
        name: "tlsa_security",
        sentence: "What the resolver says of DNSSEC for it: secure, insecure, bogus or unknown.",
        cell: Cell::Word(|r| r.tlsa().map(|answer| answer.security.word().into())),
    },
    Column {
        name: "tlsa_base",
        sentence: "The name that the TLSA records stand below: the host, or what it is an alias of (RFC 7672 2.2.2).",
        cell: Cell::Text(|r| r.seen.tlsa.as_ref().map(|(base, _)| base.as_str().into())),
    },
    Column {
        name: "tlsa_records",
        sentence: "The TLSA records, each as usage, selector, matching type and data in hexadecimal: the first 64, 16 KiB of each; where they are over 8 KiB together, on the first row of the host alone.",
        cell: Cell::Texts(|r| match &r.tlsa()?.lookup {
            Lookup::Found(set) => {
                let records = || set.records.iter().take(dane::RECORDS_MAX);
                let size: usize = records().map(|record| record.data.len()).sum();
                (size <= RECORDS_REPEATED || r.at.unwrap_or(0) == 0)
                    .then(|| records().map(|record| Cow::Owned(record.presentation())).collect())
            }
            Lookup::NoData | Lookup::NxDomain | Lookup::Failed(_) => None,
        }),
    },
    Column {
        name: "dane",
        sentence: "What DANE says of the host at this address, for a domain whose MX records are secure: none, insecure, unusable, match, mismatch, applies (where no certificate was seen), bogus, unknown or not_asked.",
        cell: Cell::Word(|r| {
            let fits = r.attempt().into_iter().map(|attempt| attempt.session.dane);
            Some(dane_word(r.judged.dane, fits).into())
        }),
    },
    Column {
        name: "tlsa_matched",
        sentence: "The TLSA record that the certificate fits, counted from 0 in tlsa_records; null where none does.",
        cell: Cell::Int(|r| {
            let matched = r.attempt()?.matched?;
            i64::try_from(matched).ok()
        }),
    },
    Column {
        name: "connect_ms",
        sentence: "Milliseconds of the TCP connect.",
        cell: Cell::Int(|r| r.talked()?.times.connect.map(column::milliseconds)),
    },
    Column {
        name: "banner_ms",
        sentence: "Milliseconds from the connection to the end of the greeting.",
        cell: Cell::Int(|r| r.talked()?.times.banner.map(column::milliseconds)),
    },
    Column {
        name: "ehlo_ms",
        sentence: "Milliseconds of EHLO, and of HELO where it came to that.",
        cell: Cell::Int(|r| r.talked()?.times.ehlo.map(column::milliseconds)),
    },
    Column {
        name: "starttls_ms",
        sentence: "Milliseconds from STARTTLS to its reply.",
        cell: Cell::Int(|r| r.talked()?.times.starttls.map(column::milliseconds)),
    },
    Column {
        name: "tls_ms",
        sentence: "Milliseconds of the TLS handshake.",
        cell: Cell::Int(|r| r.talked()?.times.tls.map(column::milliseconds)),
    },
    Column {
        name: "total_ms",
        sentence: "Milliseconds of the whole conversation.",
        cell: Cell::Int(|r| r.talked()?.times.total.map(column::milliseconds)),
    },
    Column {
        name: "wire_bytes",
        sentence: "Bytes that the host sent, TLS included.",
        cell: Cell::Int(|r| r.talked().map(|talked| i64::try_from(talked.wire_bytes).unwrap_or(i64::MAX))),
    },
];
