//! The probe of the record: the `_mta-sts` TXT look-up and what it says (RFC 8461 3.1).

use std::borrow::Cow;

use crate::column::{Cell, Column};
use crate::failure::Failure;
use crate::finding::{self, Finding, Severity};
use crate::name::{Domain, HostName};
use crate::net::dns::{Answer, Lookup, Resolver, Rrset, Txt};
use crate::probe;
use crate::sts::record::{self, RecordReading};
use crate::sts::sender::RecordView;

/// The evidence.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The look-up at `_mta-sts.<domain>`; `None` where no such name can exist.
    pub answer: Option<Answer<Txt>>,
    /// The same question of a random sibling name, asked where a record was found.
    pub sibling: Option<Answer<Txt>>,
    /// The TXT records of the domain itself, asked where none was found and `--deep` was given.
    pub apex: Option<Answer<Txt>>,
    /// The record of the parent domain, likewise.
    pub parent: Option<Answer<Txt>>,
}

/// Asks for the record, and for nothing else.
pub async fn see(resolver: &Resolver, domain: &Domain) -> Seen {
    let answer = match domain.record_name() {
        Some(name) => Some(resolver.txt(&name).await),
        None => None,
    };
    Seen::of(answer)
}

impl Seen {
    /// The evidence of the one question alone.
    #[must_use]
    pub fn of(answer: Option<Answer<Txt>>) -> Self {
        Self { answer, sibling: None, apex: None, parent: None }
    }

    /// Whether some text stands there that is meant to announce a policy.
    #[must_use]
    pub fn announced(&self) -> bool {
        self.found().is_some_and(|set| read(set).announced)
    }

    /// Whether the look-up failed.
    #[must_use]
    pub fn failed(&self) -> bool {
        self.failure().is_some()
    }

    /// The failure of the look-up, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.answer.as_ref().and_then(probe::failure)
    }

    fn found(&self) -> Option<&Rrset<Txt>> {
        probe::found(self.answer.as_ref())
    }

    /// Asks a random sibling the same: the same answer means a wildcard, and that the zone answers everything.
    pub async fn see_sibling(&mut self, resolver: &Resolver, domain: &Domain) {
        let mut random = [0_u8; probe::SIBLING_RANDOM];
        // Without randomness there is no control; the record stands all the same.
        if getrandom::fill(&mut random).is_err() {
            return;
        }
        let label = random.iter().fold(String::from("_mta-sts-"), |label, byte| format!("{label}{byte:02x}"));
        if let Ok(name) = domain.host().child(&label) {
            self.sibling = Some(resolver.txt(&name).await);
        }
    }

    /// Whether [`Seen::see_elsewhere`] was asked and answered.
    #[must_use]
    pub fn seen_elsewhere(&self) -> bool {
        self.apex.is_some() && self.elsewhere_failure().is_none()
    }

    /// Whether [`Seen::see_sibling`] was asked and answered.
    #[must_use]
    pub fn seen_sibling(&self) -> bool {
        !is_missing(self.sibling.as_ref())
    }

    /// The failure of a look-up at the domain itself or at its parent.
    #[must_use]
    pub fn elsewhere_failure(&self) -> Option<&Failure> {
        [&self.apex, &self.parent].into_iter().flatten().find_map(probe::failure)
    }

    /// Looks where a record is put by mistake: at the domain itself, and at the parent (RFC 8461 3.4).
    pub async fn see_elsewhere(&mut self, resolver: &Resolver, domain: &Domain) {
        let parent = parent_record(domain).filter(|_| is_missing(self.parent.as_ref()));
        let (apex, parent) = tokio::join!(
            async { if is_missing(self.apex.as_ref()) { Some(resolver.txt(domain.host()).await) } else { None } },
            async {
                match &parent {
                    Some(name) => Some(resolver.txt(name).await),
                    None => None,
                }
            },
        );
        self.apex = apex.or(self.apex.take());
        self.parent = parent.or(self.parent.take());
    }
}

/// Whether an answer is still to be had: not asked for, or failed.
fn is_missing(answer: Option<&Answer<Txt>>) -> bool {
    answer.is_none_or(|answer| probe::failure(answer).is_some())
}

/// The name of the parent domain's record, where the parent is no public suffix.
fn parent_record(domain: &Domain) -> Option<HostName> {
    let registrable = domain.registrable()?;
    if registrable == domain.as_str() {
        return None;
    }
    domain.host().parent().and_then(|parent| parent.child("_mta-sts").ok())
}

fn read(set: &Rrset<Txt>) -> RecordReading {
    let texts: Vec<&[u8]> = set.records.iter().map(|txt| txt.bytes.as_slice()).collect();
    record::read(&texts)
}

/// The evidence with what it says.
#[derive(Clone, Debug)]
pub struct Judged {
    /// The evidence.
    pub seen: Seen,
    /// Whether a record is meant to announce a policy.
    pub announced: bool,
    /// The reading of the records, where there are any.
    pub reading: Option<RecordReading>,
    /// What is wrong with them, or worth knowing.
    pub findings: Vec<Finding>,
    /// What a sender makes of it.
    pub view: RecordView,
}

/// Judges the evidence.
#[must_use]
pub fn judge(seen: Seen) -> Judged {
    let mut findings = Vec::new();
    let mut reading = None;
    let mut announced = false;
    let view = match seen.answer.as_ref().map(|answer| (answer, &answer.lookup)) {
        // RFC 1035 2.3.4: no record can stand at a name that cannot be.
        None => RecordView::Absent(finding::list::PREFIX_TOO_LONG),
        Some((_, Lookup::Failed(failure))) => RecordView::Failed(failure.code),
        Some((answer, Lookup::NoData | Lookup::NxDomain)) => {
            findings.extend(probe::transport_notes(answer));
            findings.extend(dangling(answer));
            RecordView::Absent(finding::record::NONE)
        }
        Some((answer, Lookup::Found(set))) => {
            let read = read(set);
            findings.extend(probe::transport_notes(answer));
            findings.extend(too_long(set));
            // That nothing is announced is the outcome, not a fault: record.none never stands among the findings.
            findings.extend(
                read.reading.findings.iter().filter(|f| f.code != finding::record::NONE || read.announced).cloned(),
            );
            announced = read.announced;
            let view = if !announced {
                RecordView::Absent(finding::record::NONE)
            } else {
                findings.extend(delegated(answer));
                findings.extend(wildcard(set, seen.sibling.as_ref()));
                match &read.reading.value {
                    Some(_) => RecordView::Usable,
                    None => RecordView::Unusable(first_fatal(&read.reading.findings)),
                }
            };
            reading = Some(read);
            view
        }
    };
    if !announced {
        findings.extend(misplaced(&seen));
    }
    Judged { seen, announced, reading, findings, view }
}

/// The first fatal code. A reading without value has one (see [`finding::Reading`]).
fn first_fatal(findings: &[Finding]) -> finding::Code {
    findings.iter().find(|f| f.severity() == Severity::Fatal).map_or(finding::record::NONE, |f| f.code)
}

/// RFC 8461 8.2: an alias of a name that does not exist.
fn dangling(answer: &Answer<Txt>) -> Option<Finding> {
    let target = answer.aliases.last()?;
    matches!(answer.lookup, Lookup::NxDomain).then(|| Finding::new(finding::record::DANGLING).about(target.as_str()))
}

fn delegated(answer: &Answer<Txt>) -> Option<Finding> {
    answer.aliases.last().map(|target| Finding::new(finding::record::DELEGATED).about(target.as_str()))
}

/// A record of which only the beginning was kept (HOSTILE.md 35).
fn too_long(set: &Rrset<Txt>) -> Option<Finding> {
    let longest = set.records.iter().filter(|txt| txt.length > txt.bytes.len()).map(|txt| txt.length).max()?;
    Some(Finding::new(finding::record::TOO_LONG).with("length", longest))
}

/// The same records at a name that nobody made (RULES.md, "The record").
fn wildcard(set: &Rrset<Txt>, sibling: Option<&Answer<Txt>>) -> Option<Finding> {
    let sorted = |set: &Rrset<Txt>| {
        let mut texts: Vec<Vec<u8>> = set.records.iter().map(|txt| txt.bytes.clone()).collect();
        texts.sort();
        texts
    };
    let same = probe::found(sibling).is_some_and(|other| sorted(other) == sorted(set));
    same.then(|| Finding::new(finding::record::WILDCARD))
}

/// Records where no sender looks (RFC 8461 3.1, 3.4).
fn misplaced(seen: &Seen) -> impl Iterator<Item = Finding> + use<> {
    let announces = |answer: Option<&Answer<Txt>>| {
        probe::found(answer).is_some_and(|set| {
            // Among the many TXT records of an apex only the one meant for MTA-STS counts.
            set.records.iter().any(|txt| txt.bytes.get(..8).is_some_and(|head| head.eq_ignore_ascii_case(b"v=STSv1;")))
        })
    };
    let apex = announces(seen.apex.as_ref()).then(|| Finding::new(finding::record::AT_APEX));
    let parent = announces(seen.parent.as_ref()).then(|| Finding::new(finding::record::AT_PARENT));
    apex.into_iter().chain(parent)
}

impl Judged {
    /// The failure of the look-up, if it failed.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.seen.failure()
    }

    fn answer(&self) -> Option<&Answer<Txt>> {
        self.seen.answer.as_ref()
    }
}

/// The columns of the record, under the prefix `record_`.
pub static COLUMNS: &[Column<Judged>] = &[
    Column {
        name: "status",
        sentence: "How the look-up of _mta-sts.<domain> ended: found, nodata, nxdomain, failed, or not_asked where the name is too long to exist.",
        cell: Cell::Word(|r| Some(r.answer().map_or("not_asked", probe::lookup_word).into())),
    },
    Column {
        name: "raw",
        sentence: "Every TXT record at the name, its character-strings joined, at most 4,096 bytes of each.",
        cell: Cell::BytesList(|r| {
            r.seen.found().map(|set| set.records.iter().map(|txt| Cow::Borrowed(txt.bytes.as_slice())).collect())
        }),
    },
    Column {
        name: "id",
        sentence: "The id of the record in the effective reading.",
        cell: Cell::Text(|r| r.reading.as_ref()?.reading.value.as_ref().map(|record| record.id.as_str().into())),
    },
    Column {
        name: "strict_ok",
        sentence: "Whether the record keeps the grammar and every MUST of RFC 8461 3.1; null where none is announced.",
        cell: Cell::Bool(|r| r.reading.as_ref().filter(|_| r.announced).map(|reading| reading.reading.strict_ok())),
    },
    Column {
        name: "effective_ok",
        sentence: "Whether a tolerant but safe sender would use the record; null where none is announced.",
        cell: Cell::Bool(|r| r.reading.as_ref().filter(|_| r.announced).map(|reading| reading.reading.effective_ok())),
    },
    Column {
        name: "ttl",
        sentence: "The smallest TTL of the TXT records in seconds, as the resolver gave it.",
        cell: Cell::Int(|r| r.seen.found().map(|set| i64::from(set.ttl))),
    },
    Column {
        name: "aliases",
        sentence: "The targets of the CNAMEs that were followed, in order.",
        cell: Cell::Texts(|r| probe::texts(&r.answer()?.aliases)),
    },
    Column {
        name: "security",
        sentence: "What the resolver says of DNSSEC: secure, insecure, bogus or unknown.",
        cell: Cell::Word(|r| r.answer().map(|answer| answer.security.word().into())),
    },
    Column {
        name: "wildcard",
        sentence: "Whether a random sibling name gave the same answer; null where it was not asked, or did not answer.",
        cell: Cell::Bool(|r| {
            let sibling = r.seen.sibling.as_ref()?;
            match sibling.lookup {
                Lookup::Failed(_) => None,
                _ => Some(r.findings.iter().any(|f| f.code == finding::record::WILDCARD)),
            }
        }),
    },
    Column {
        name: "failure",
        sentence: "The code of the failure, where the look-up failed.",
        cell: Cell::Word(|r| r.failure().map(|failure| failure.code.as_str().into())),
    },
    Column {
        name: "failure_detail",
        sentence: "The context of that failure as JSON.",
        cell: Cell::Text(|r| r.failure().and_then(probe::detail_text)),
    },
];
