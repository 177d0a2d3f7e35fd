//! Control questions: what a resolver that works and tells the truth answers in one way only (HOSTILE.md 56 to 58).

use std::time::Instant;

use hickory_proto::rr::{Name, RecordType};

use super::kind::Kind;
use super::moment::{Moment, Now};
use super::reading::{self, Reading};
use crate::name::HostName;
use crate::net::dns::message::{self, Received};
use crate::net::dns::question::{Query, Question};
use crate::net::dns::trouble::Trouble;

/// How long the answer is waited for: what a resolver on the other side of the world takes that has it not cached.
const WAIT: u64 = 2 * Moment::SECOND;

/// A control question in flight.
pub(super) struct Control {
    query: Query,
    question: Question,
    rtype: RecordType,
    /// Whether it only is to tell whether the resolver validates.
    pub(super) is_learning: bool,
    /// Which of the canaries it is about.
    pub(super) canary: usize,
    /// The socket.
    pub(super) socket: usize,
    sent: Now,
}

/// What the answer says of the resolver.
pub(super) enum Said {
    /// It works, and tells the truth about what is known; with its AD bit, where everybody who validates sets it.
    Good { authentic: bool },
    /// It does not.
    Bad(Trouble),
    /// It denies what is known to be there.
    Denied(Trouble),
    /// Nothing: a packet that is no answer.
    Nothing,
}

impl Control {
    /// The name servers of the root: every resolver knows them, and the root is signed.
    pub(super) fn root(now: &Now) -> Self {
        Self::about(Question::about(Name::root(), RecordType::NS), RecordType::NS, now)
    }

    /// The record of a domain that is known to have one.
    pub(super) fn canary(host: &HostName, now: &Now) -> Option<Self> {
        Some(Self::about(Kind::Record.question(host)?, RecordType::TXT, now))
    }

    fn about(question: Question, rtype: RecordType, now: &Now) -> Self {
        // In lower case: whether the resolver keeps the case is not the question, and nobody gains by forging the answer.
        let query = Query::stream(&question, true);
        Self { query, question, rtype, is_learning: false, canary: 0, socket: 0, sent: *now }
    }

    /// The id.
    pub(super) fn id(&self) -> u16 {
        self.query.id()
    }

    /// Draws another id.
    pub(super) fn renumber(&mut self) {
        self.query.renumber();
    }

    /// The datagram.
    pub(super) fn bytes(&self) -> &[u8] {
        self.query.bytes()
    }

    /// When it was sent.
    pub(super) fn sent(&self) -> Instant {
        self.sent.instant
    }

    /// Whether it has been waited for long enough.
    pub(super) fn is_over(&self, now: &Now) -> bool {
        now.moment.since(self.sent.moment) >= WAIT
    }

    /// Reads a packet that has its id.
    pub(super) fn read(&self, packet: &[u8]) -> Said {
        if self.rtype == RecordType::NS {
            return self.read_root(packet);
        }
        match reading::read(packet, &self.query, &self.question, self.rtype) {
            Reading::Foreign | Reading::Malformed => Said::Nothing,
            Reading::Judged(judged) if judged.is_found() => Said::Good { authentic: judged.is_authentic() },
            Reading::Judged(judged) if judged.is_absent() => Said::Denied(trouble(packet)),
            // An alias, or an answer that was cut off, says that there is something.
            Reading::Slow if packet.get(3).is_some_and(|octet| octet & 0x0f == 0) => Said::Good { authentic: false },
            Reading::Slow | Reading::Refused | Reading::Judged(_) => Said::Bad(trouble(packet)),
        }
    }

    /// Any answer of RCODE 0 or 3 will do: some resolvers have no root, and forward all they are asked.
    fn read_root(&self, packet: &[u8]) -> Said {
        match message::receive(packet, &self.query) {
            Received::Foreign | Received::Malformed => Said::Nothing,
            Received::Answer(decoded) if matches!(u16::from(decoded.message.response_code), 0 | 3) => {
                Said::Good { authentic: decoded.message.authentic_data }
            }
            Received::Truncated => Said::Good { authentic: false },
            Received::CaseChanged | Received::Answer(_) => Said::Bad(trouble(packet)),
        }
    }
}

/// What a resolver is said to suffer from that answers so.
fn trouble(packet: &[u8]) -> Trouble {
    let rcode = packet.get(3).map_or(0, |octet| u16::from(octet & 0x0f));
    Trouble::Rcode { rcode, ede: Vec::new(), words: None }
}
