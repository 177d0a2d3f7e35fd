//! Answers that are not plain: read by the full decoder, judged as the [`Resolver`](crate::net::dns::Resolver) judges them.

use std::time::Duration;

use hickory_proto::op::Message;
use hickory_proto::rr::{RData, RecordType};

use super::{Absent, Heard};
use crate::failure::Failure;
use crate::finding::dns;
use crate::net::dns::exchange::NO_EDNS;
use crate::net::dns::message::{self, Decoded, Received};
use crate::net::dns::question::{Query, Question};
use crate::net::dns::verdict::{self, Chain, Verdict};
use crate::net::dns::{Answer, Lookup, Rrset, Security, Via, records};

/// What a packet says that has the id of a question.
pub(super) enum Reading {
    /// It is no answer to it: noise, or a forgery.
    Foreign,
    /// It answers it and breaks the format.
    Malformed,
    /// The question is to be asked another way: over TCP, without EDNS, or on through an alias.
    Slow,
    /// The resolver says that it failed.
    Refused,
    /// The answer.
    Judged(Box<Judged>),
}

/// An answer of RCODE 0 or 3, with its verdict.
pub(super) struct Judged {
    message: Message,
    trailing: bool,
    rtype: RecordType,
    chain: Chain,
    verdict: Verdict,
    ede: Vec<u16>,
}

/// Where an answer comes from, and what it took.
pub(super) struct Origin<'a> {
    /// The name that was asked.
    pub(super) name: String,
    /// The resolver.
    pub(super) upstream: &'a str,
    /// What it says of DNSSEC, if it answered.
    pub(super) security: Security,
    /// Datagrams sent.
    pub(super) sent: u8,
    /// From the first of them on.
    pub(super) elapsed: Duration,
}

/// Reads a packet as the answer to a question.
pub(super) fn read(packet: &[u8], query: &Query, question: &Question, rtype: RecordType) -> Reading {
    let Decoded { message, trailing } = match message::receive(packet, query) {
        Received::Foreign => return Reading::Foreign,
        Received::Malformed => return Reading::Malformed,
        Received::Truncated | Received::CaseChanged => return Reading::Slow,
        Received::Answer(decoded) => *decoded,
    };
    match u16::from(message.response_code) {
        0 | 3 => {}
        rcode if NO_EDNS.contains(&rcode) => return Reading::Slow,
        _ => return Reading::Refused,
    }
    let mut chain = Chain::new(question.name().clone());
    let verdict = verdict::judge(&message, rtype, &mut chain);
    if verdict == Verdict::Ask {
        return Reading::Slow;
    }
    let (ede, _) = message::extended_errors(&message);
    Reading::Judged(Box::new(Judged { message, trailing, rtype, chain, verdict, ede }))
}

impl Judged {
    /// Whether there are records of the type that was asked.
    pub(super) fn is_found(&self) -> bool {
        self.verdict == Verdict::Found
    }

    /// Whether there are none.
    pub(super) fn is_absent(&self) -> bool {
        matches!(self.verdict, Verdict::NoData | Verdict::NxDomain)
    }

    /// Whether the AD bit is set.
    pub(super) fn is_authentic(&self) -> bool {
        self.message.authentic_data
    }

    /// How the record is absent, where there is nothing more to say.
    pub(super) fn plainly(&self) -> Option<Absent> {
        let is_plain = self.chain.targets().is_empty() && self.ede.is_empty() && !self.trailing;
        match self.verdict {
            Verdict::NoData if is_plain => Some(Absent::NoData),
            Verdict::NxDomain if is_plain => Some(Absent::NxDomain),
            _ => None,
        }
    }

    /// The answer, its records read and sorted as the resolver sorts them.
    pub(super) fn answer<T: Ord>(&self, read: fn(&RData) -> Option<T>, origin: Origin<'_>) -> Answer<T> {
        let failed = |failure: Failure| Lookup::Failed(origin.told(failure));
        let lookup = match self.verdict {
            Verdict::Found => {
                let answers = || verdict::answers(&self.message, self.rtype, &self.chain);
                let ttl = answers().map(|record| record.ttl).min().unwrap_or(0);
                // A record whose data is no data of its type (RDLENGTH 0 above all) proves nothing.
                let records: Option<Vec<T>> = answers().map(|record| read(&record.data)).collect();
                match records {
                    Some(mut records) => {
                        records.sort();
                        Lookup::Found(Rrset { records, ttl })
                    }
                    None => failed(Failure::new(dns::MALFORMED)),
                }
            }
            Verdict::NoData => Lookup::NoData,
            Verdict::NxDomain => Lookup::NxDomain,
            Verdict::Wrong(code) => failed(Failure::new(code).with("rcode", u16::from(self.message.response_code))),
            // Such an answer is no reading of this kind.
            Verdict::Ask => failed(Failure::new(dns::MALFORMED)),
        };
        let aliases = self.chain.targets().iter().map(records::presentation).collect();
        Answer { aliases, ede: self.ede.clone(), trailing: self.trailing, ..origin.answer(lookup) }
    }
}

impl Origin<'_> {
    /// A failure with its context.
    fn told(&self, failure: Failure) -> Failure {
        let elapsed = u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX);
        let failure = failure.with("upstream", self.upstream).with("attempts", self.sent);
        failure.about(self.name.as_str()).with("elapsed_ms", elapsed)
    }

    /// A plain answer.
    pub(super) fn answer<T>(&self, lookup: Lookup<T>) -> Answer<T> {
        let security = if matches!(lookup, Lookup::Failed(_)) { Security::Unknown } else { self.security };
        Answer {
            lookup,
            aliases: Vec::new(),
            security,
            ede: Vec::new(),
            via: Via::Udp,
            sent: self.sent,
            elapsed: self.elapsed,
            case_changed: false,
            trailing: false,
        }
    }

    /// What a plain negative comes to.
    pub(super) fn negative<T>(&self, absent: Absent) -> Heard<T> {
        let lookup = match absent {
            Absent::NoData => Lookup::NoData,
            Absent::NxDomain => Lookup::NxDomain,
        };
        Heard::Answer(Box::new(self.answer(lookup)))
    }

    /// What a failure comes to.
    pub(super) fn failure<T>(&self, failure: Failure) -> Heard<T> {
        Heard::Answer(Box::new(self.answer(Lookup::Failed(self.told(failure)))))
    }
}
