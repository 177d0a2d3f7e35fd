//! The verdict on a message: found, no data, no such name, or what is wrong (RFC 1034 3.6.2, RFC 2308 2, RFC 6604 3).

use hickory_proto::op::Message;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::finding::{Code, dns};

/// CNAMEs followed for one question (HOSTILE.md): what resolvers follow, give or take; the longest lawful chains seen have 6.
pub(super) const ALIASES_MAX: usize = 10;

/// The names that a question led to: the first is the name that was asked, each further one the target of a CNAME.
#[derive(Debug)]
pub(super) struct Chain(Vec<Name>);

impl Chain {
    /// A chain of the name that is asked.
    pub(super) fn new(name: Name) -> Self {
        Self(vec![name])
    }

    /// Where the chain ends so far.
    pub(super) fn end(&self) -> &Name {
        self.0.last().expect("a chain begins with a name and never shrinks")
    }

    /// The targets of the CNAMEs.
    pub(super) fn targets(&self) -> &[Name] {
        &self.0[1..]
    }

    /// Adds the target of a CNAME, unless that leads nowhere.
    fn follow(&mut self, target: Name) -> Result<(), Code> {
        if self.0.contains(&target) {
            return Err(dns::CNAME_LOOP);
        }
        if self.targets().len() == ALIASES_MAX {
            return Err(dns::CNAME_TOO_LONG);
        }
        self.0.push(target);
        Ok(())
    }
}

/// What a message of RCODE 0 or 3 says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It holds records of the type at the end of the chain.
    Found,
    /// The end of the chain exists and has no such records.
    NoData,
    /// The end of the chain does not exist.
    NxDomain,
    /// It ends in an alias and says nothing of the target: ask again.
    Ask,
    /// It is no answer.
    Wrong(Code),
}

/// Judges a message, and follows the CNAMEs in it.
pub(super) fn judge(message: &Message, rtype: RecordType, chain: &mut Chain) -> Verdict {
    let strange = |record: &Record| record.dns_class != DNSClass::IN;
    if message.answers.iter().chain(&message.authorities).any(strange) {
        return Verdict::Wrong(dns::MALFORMED);
    }
    // RFC 2308 2.1, RFC 6604 3: the name that does not exist is the last of the chain.
    let denied = u16::from(message.response_code) == 3;
    let known = chain.targets().len();
    loop {
        if answers(message, rtype, chain).next().is_some() {
            return if denied { Verdict::Wrong(dns::RCODE_CONFLICT) } else { Verdict::Found };
        }
        let mut targets = message.answers.iter().filter(|record| &record.name == chain.end()).filter_map(target);
        let Some(next) = targets.next().cloned() else { break };
        // RFC 2181 10.1: one canonical name at most.
        if targets.any(|other| *other != next) {
            return Verdict::Wrong(dns::MALFORMED);
        }
        if let Err(code) = chain.follow(next) {
            return Verdict::Wrong(code);
        }
    }
    let followed = chain.targets().len() > known;
    let unrelated = message.answers.iter().any(|record| !accompanies(record, chain));
    match (denied, unrelated) {
        (true, true) => Verdict::Wrong(dns::RCODE_CONFLICT),
        (true, false) => Verdict::NxDomain,
        (false, true) => Verdict::Wrong(dns::UNRELATED_ANSWER),
        (false, false) if has_soa(message, chain.end()) => Verdict::NoData,
        (false, false) if followed => Verdict::Ask,
        // RFC 2308 2.2: NS records without SOA and authority send us on to others; that is no proof of absence.
        (false, false) if is_referral(message) => Verdict::Wrong(dns::REFERRAL),
        (false, false) => Verdict::NoData,
    }
}

/// The records that answer: of the type, at the end of the chain.
pub(super) fn answers<'a>(
    message: &'a Message,
    rtype: RecordType,
    chain: &'a Chain,
) -> impl Iterator<Item = &'a Record> {
    message.answers.iter().filter(move |record| record.record_type() == rtype && &record.name == chain.end())
}

/// Whether a record belongs to the way to the answer: a CNAME of the chain, its signature, or the DNAME that it was
/// synthesised from (RFC 6672 3.1).
fn accompanies(record: &Record, chain: &Chain) -> bool {
    let passed = chain.0.split_last().map_or(&[][..], |(_, passed)| passed);
    match record.record_type() {
        RecordType::CNAME => passed.contains(&record.name),
        RecordType::RRSIG => true,
        // The CNAME alone is followed; a DNAME says nothing without it.
        RecordType::DNAME => passed.iter().any(|name| record.name.zone_of(name) && *name != record.name),
        _ => false,
    }
}

fn target(record: &Record) -> Option<&Name> {
    match &record.data {
        RData::CNAME(target) => Some(target),
        _ => None,
    }
}

/// Whether the zone of the name vouches that the records do not exist (RFC 2308 2.2, types 1 and 2).
fn has_soa(message: &Message, name: &Name) -> bool {
    message.authorities.iter().any(|record| record.record_type() == RecordType::SOA && record.name.zone_of(name))
}

fn is_referral(message: &Message) -> bool {
    let has = |rtype| message.authorities.iter().any(|record| record.record_type() == rtype);
    !message.authoritative && has(RecordType::NS) && !has(RecordType::SOA)
}

#[cfg(test)]
mod tests;
