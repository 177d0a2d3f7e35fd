//! The probe of TLS reporting: the `_smtp._tls` TXT look-up and what it says (RFC 8460 3).

use std::borrow::Cow;

use crate::column::{Cell, Column};
use crate::failure::Failure;
use crate::finding::Finding;
use crate::name::Domain;
use crate::net::dns::{Answer, Resolver, Txt};
use crate::probe;
use crate::tlsrpt::{self, TlsrptReading};

/// The evidence.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The look-up at `_smtp._tls.<domain>`; `None` where no such name can exist.
    pub answer: Option<Answer<Txt>>,
}

/// Asks for the record.
pub async fn see(resolver: &Resolver, domain: &Domain) -> Seen {
    let answer = match domain.tlsrpt_name() {
        Some(name) => Some(resolver.txt(&name).await),
        None => None,
    };
    Seen { answer }
}

impl Seen {
    /// Whether the look-up failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.answer.as_ref().is_some_and(|answer| probe::failure(answer).is_some())
    }
}

/// The evidence with what it says.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The evidence.
    pub seen: Seen,
    /// The reading of the records, where there are any.
    pub reading: Option<TlsrptReading>,
    /// What is wrong with them, or worth knowing.
    pub findings: Vec<Finding>,
}

/// Judges the evidence.
#[must_use]
pub fn judge(seen: Seen) -> Judged {
    let reading = probe::found(seen.answer.as_ref()).map(|set| {
        let texts: Vec<&[u8]> = set.records.iter().map(|txt| txt.bytes.as_slice()).collect();
        tlsrpt::read(&texts)
    });
    let findings =
        reading.as_ref().filter(|read| read.announced).map(|read| read.reading.findings.clone()).unwrap_or_default();
    Judged { seen, reading, findings }
}

impl Judged {
    /// Whether a record is meant to ask for reports; `None` where we could not see.
    #[must_use]
    pub fn announced(&self) -> Option<bool> {
        match self.failure() {
            Some(_) => None,
            None => Some(self.reading.as_ref().is_some_and(|read| read.announced)),
        }
    }

    /// The failure of the look-up, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.seen.answer.as_ref().and_then(probe::failure)
    }

    fn value(&self) -> Option<&tlsrpt::Tlsrpt> {
        self.reading.as_ref()?.reading.value.as_ref()
    }

    /// The status as a word: absent where the name has no TLSRPT record, else how it reads.
    fn status(&self) -> &'static str {
        match (self.failure(), &self.reading) {
            (Some(_), _) => "failed",
            (None, Some(read)) if read.announced && read.reading.effective_ok() => "usable",
            (None, Some(read)) if read.announced => "unusable",
            (None, _) => "absent",
        }
    }
}

/// The columns of TLS reporting, under the prefix `tlsrpt_`.
pub static COLUMNS: &[Column<Judged>] = &[
    Column {
        name: "status",
        sentence: "What stands at _smtp._tls.<domain>: usable, unusable, absent, or failed where we could not see.",
        cell: Cell::Word(|r| Some(r.status().into())),
    },
    Column {
        name: "raw",
        sentence: "Every TXT record at the name, its character-strings joined, at most 4,096 bytes of each.",
        cell: Cell::BytesList(|r| {
            probe::found(r.seen.answer.as_ref())
                .map(|set| set.records.iter().map(|txt| Cow::Borrowed(txt.bytes.as_slice())).collect())
        }),
    },
    Column {
        name: "rua",
        sentence: "Where reports are sent: the URIs of the record in the effective reading.",
        cell: Cell::Texts(|r| r.value().and_then(|value| probe::texts(&value.rua))),
    },
    Column {
        name: "strict_ok",
        sentence: "Whether the record keeps the grammar and every MUST of RFC 8460 3; null where there is none.",
        cell: Cell::Bool(|r| r.reading.as_ref().filter(|read| read.announced).map(|read| read.reading.strict_ok())),
    },
    Column {
        name: "aliases",
        sentence: "The targets of the CNAMEs that were followed, in order.",
        cell: Cell::Texts(|r| probe::texts(&r.seen.answer.as_ref()?.aliases)),
    },
    Column {
        name: "failure",
        sentence: "The code of the failure, where the look-up failed.",
        cell: Cell::Word(|r| r.failure().map(|failure| failure.code.as_str().into())),
    },
];
