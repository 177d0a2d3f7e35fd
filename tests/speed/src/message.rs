//! Questions read and answers written, as little of RFC 1035 as the comparison needs and none of it the scanner's: the same
//! mistake on both sides would prove nothing.

use crate::truth::{Digest, Stands, Truth};

/// The header (RFC 1035 4.1.1).
const HEADER: usize = 12;
/// The name that the question asks for, as a pointer (RFC 1035 4.1.4): it stands behind the header.
const ASKED: [u8; 2] = [0xc0, 0x0c];
/// Types and the class that are looked at.
const A: u16 = 1;
const NS: u16 = 2;
const SOA: u16 = 6;
const MX: u16 = 15;
const TXT: u16 = 16;
const OPT: u16 = 41;
const IN: u16 = 1;
/// How long an answer and how long an absence may be kept, in seconds.
const TTL: u32 = 300;
const TTL_ABSENT: u32 = 900;
/// The payload that we offer (DNS flag day 2020).
const PAYLOAD: u16 = 1_232;

/// What stands in the SOA record of a zone with so many names: server, mailbox and times of a large registry, 61 octets.
const SOA_DATA: &[u8] = b"\x01a\x0cgtld-servers\x03net\0\x05nstld\x0cverisign-grs\x03com\0\
    \x66\x00\x00\x01\0\0\x07\x08\0\0\x03\x84\0\x09\x3a\x80\0\0\x03\x84";
const RECORD: &[u8] = b"v=STSv1; id=20240101T000000;";
const REPORTING: &[u8] = b"v=TLSRPTv1; rua=mailto:tlsrpt@example.com";

/// What the labels in front of the domain ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    /// `_mta-sts.<domain>`
    Record,
    /// `_smtp._tls.<domain>`
    Reporting,
    /// `mta-sts.<domain>`
    PolicyHost,
    /// The domain itself.
    Domain,
}

/// One question, as far as it decides the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    bytes: &'a [u8],
    /// Where the question section ends.
    end: usize,
    /// Where the last label of the name begins; that of the root where there is none.
    top: usize,
    rtype: u16,
    service: Service,
    domain: u64,
    /// The flags of OPT, if there is one (RFC 6891 6.1.4).
    edns: Option<[u8; 2]>,
}

impl<'a> Question<'a> {
    /// The question of a datagram, if it is one that we can answer.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        // QR and OPCODE 0, one question.
        if header[2] & 0xf8 != 0 || header[4..6] != [0, 1] {
            return None;
        }
        let (mut at, mut top, mut number) = (HEADER, HEADER, 0);
        let (mut service, mut digest) = (Service::Domain, Digest::new());
        loop {
            let length = usize::from(*bytes.get(at)?);
            if length == 0 {
                break;
            }
            let label = bytes.get(at + 1..at + 1 + length).filter(|_| length < 64)?;
            match (number, service) {
                (0, _) if label.eq_ignore_ascii_case(b"_mta-sts") => service = Service::Record,
                (0, _) if label.eq_ignore_ascii_case(b"mta-sts") => service = Service::PolicyHost,
                (0, _) if label.eq_ignore_ascii_case(b"_smtp") => service = Service::Reporting,
                (1, Service::Reporting) if label.eq_ignore_ascii_case(b"_tls") => {}
                _ => digest.label(label),
            }
            (top, at, number) = (at, at + 1 + length, number + 1);
        }
        let end = at + 5;
        let fixed = bytes.get(at + 1..end)?;
        if fixed[2..] != IN.to_be_bytes() {
            return None;
        }
        let rtype = u16::from_be_bytes([fixed[0], fixed[1]]);
        let edns = bytes.get(end..end + 11).filter(|opt| opt[0] == 0 && opt[1..3] == OPT.to_be_bytes());
        let edns = edns.map(|opt| [opt[7], opt[8]]);
        Some(Self { bytes, end, top, rtype, service, domain: digest.value(), edns })
    }

    /// A number for the name and type asked for, whatever the case.
    pub(crate) fn digest(&self) -> u64 {
        self.domain ^ (u64::from(self.rtype) << 2 | self.service as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// Writes the answer, in place of what `answer` held. Says whether it has a record of MTA-STS.
    pub(crate) fn answer(&self, truth: &Truth, answer: &mut Vec<u8>) -> bool {
        answer.clear();
        answer.extend_from_slice(&self.bytes[..self.end]);
        // QR and RA beside the RD of the question; no other flag is set.
        answer[2] = 0x80 | answer[2] & 0x01;
        answer[3] = 0x80;
        answer[4..HEADER].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
        let stands = truth.of(self.domain);
        let exists = self.answered(stands, answer);
        if answer[7] == 0 {
            self.absent(exists, answer);
        }
        if let Some(flags) = self.edns {
            // DO is repeated (RFC 3225 3).
            answer.push(0);
            answer.extend_from_slice(&OPT.to_be_bytes());
            answer.extend_from_slice(&PAYLOAD.to_be_bytes());
            answer.extend_from_slice(&[0, 0, flags[0] & 0x80, 0, 0, 0]);
            answer[11] = 1;
        }
        answer[7] == 1 && self.service == Service::Record
    }

    /// Adds the record that is asked for, if there is one, and says whether its name exists.
    fn answered(&self, stands: Stands, answer: &mut Vec<u8>) -> bool {
        let is_root = self.top == HEADER && self.bytes[HEADER] == 0;
        match (self.service, self.rtype) {
            (Service::Record, TXT) if stands == Stands::Record => self.record(&text(RECORD), answer),
            (Service::Reporting, TXT) if stands == Stands::Record => self.record(&text(REPORTING), answer),
            // Addresses for documentation (RFC 5737, RFC 3849): nobody connects to them.
            (Service::PolicyHost, A) if stands == Stands::Record => self.record(&[192, 0, 2, 1], answer),
            // No domain has addresses of its own: a scan asks for those of a name that nobody has, to find liars out.
            (Service::Domain, MX) if !is_root => self.record(&[b"\0\x0a\x04mail", &ASKED[..]].concat(), answer),
            (Service::Domain, NS) if is_root => self.record(b"\x01a\x0croot-servers\x03net\0", answer),
            (Service::Domain, NS) => self.record(&[b"\x02ns", &ASKED[..]].concat(), answer),
            _ => {}
        }
        match self.service {
            Service::Record => stands != Stands::Nothing,
            Service::Reporting | Service::PolicyHost => stands == Stands::Record,
            Service::Domain => true,
        }
    }

    fn record(&self, data: &[u8], answer: &mut Vec<u8>) {
        answer.extend_from_slice(&ASKED);
        resource(self.rtype, TTL, data, answer);
        answer[7] = 1;
    }

    /// Adds the SOA record of the zone that has no such name or record (RFC 2308 2.1, 2.2): the top-level domain.
    fn absent(&self, exists: bool, answer: &mut Vec<u8>) {
        if !exists {
            answer[3] |= 3;
        }
        // The name of a question has at most 255 octets: the offset fits a pointer (RFC 1035 4.1.4).
        let pointer = 0xc000 | u16::try_from(self.top).unwrap_or(0);
        answer.extend_from_slice(&pointer.to_be_bytes());
        resource(SOA, TTL_ABSENT, SOA_DATA, answer);
        answer[9] = 1;
    }
}

/// Everything of a resource record behind its name (RFC 1035 4.1.3).
fn resource(rtype: u16, ttl: u32, data: &[u8], answer: &mut Vec<u8>) {
    answer.extend_from_slice(&rtype.to_be_bytes());
    answer.extend_from_slice(&IN.to_be_bytes());
    answer.extend_from_slice(&ttl.to_be_bytes());
    answer.extend_from_slice(&u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes());
    answer.extend_from_slice(data);
}

/// The data of a TXT record of one character-string (RFC 1035 3.3.14).
fn text(text: &[u8]) -> Vec<u8> {
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length], text].concat()
}

/// Writes the question for the TXT records at `_mta-sts.<domain>`, with EDNS. Nothing where no such name can exist.
pub(crate) fn ask(id: u16, domain: &str, question: &mut Vec<u8>) -> Option<()> {
    question.clear();
    question.extend_from_slice(&id.to_be_bytes());
    question.extend_from_slice(b"\x01\x20\0\x01\0\0\0\0\0\x01\x08_mta-sts");
    for label in domain.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        question.push(length);
        question.extend_from_slice(label.as_bytes());
    }
    question.extend_from_slice(b"\0\0\x10\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0");
    Some(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use hickory_resolver::proto::op::{Message, ResponseCode};
    use hickory_resolver::proto::rr::{RData, RecordType};

    use super::*;
    use crate::truth::Shares;

    fn answered(share: f64, nodata: f64, rtype: u16, name: &str) -> Message {
        let truth = Truth::new(&Shares { found: share, nodata, canary: Vec::new() });
        let mut question = Vec::new();
        ask(0x1234, "x", &mut question).unwrap();
        question.truncate(HEADER);
        for label in name.split('.').filter(|label| !label.is_empty()) {
            question.push(u8::try_from(label.len()).unwrap());
            question.extend_from_slice(label.as_bytes());
        }
        question.push(0);
        question.extend_from_slice(&rtype.to_be_bytes());
        question.extend_from_slice(b"\0\x01\0\0\x29\x04\xd0\0\0\x80\0\0\0");
        let mut answer = Vec::new();
        Question::parse(&question).unwrap().answer(&truth, &mut answer);
        assert_eq!(answer[HEADER..HEADER + name.len()], question[HEADER..HEADER + name.len()], "the case is kept");
        Message::from_vec(&answer).unwrap()
    }

    #[test]
    fn answers_are_what_another_decoder_reads() {
        let found = answered(100.0, 0.0, TXT, "_MTA-STS.Example.com");
        assert_eq!(found.metadata.response_code, ResponseCode::NoError);
        assert!(found.metadata.recursion_available && found.metadata.id == 0x1234);
        assert!(matches!(&found.answers[0].data, RData::TXT(txt) if *txt.txt_data[0] == *RECORD));
        assert!(found.edns.is_some());
        for (nodata, code) in [(0.0, ResponseCode::NXDomain), (100.0, ResponseCode::NoError)] {
            let absent = answered(0.0, nodata, TXT, "_mta-sts.example.com");
            assert_eq!(absent.metadata.response_code, code);
            assert!(absent.answers.is_empty());
            assert_eq!(absent.authorities[0].record_type(), RecordType::SOA);
            assert_eq!(absent.authorities[0].name.to_ascii(), "com.");
        }
    }

    #[test]
    fn what_a_scan_may_ask_besides_has_its_answer() {
        for (rtype, name, answers) in [
            (NS, "", 1),
            (TXT, "", 0),
            (MX, "example.com", 1),
            (A, "example.com", 0),
            (A, "mta-sts.example.com", 1),
            (TXT, "_smtp._tls.example.com", 1),
            (A, "_mta-sts.example.com", 0),
        ] {
            let message = answered(100.0, 0.0, rtype, name);
            assert_eq!(message.answers.len(), answers, "{rtype} {name}");
            assert_eq!(message.metadata.response_code, ResponseCode::NoError, "{rtype} {name}");
        }
        assert_eq!(answered(0.0, 0.0, A, "mta-sts.example.com").metadata.response_code, ResponseCode::NXDomain);
    }

    #[test]
    fn what_is_no_question_has_no_answer() {
        let mut question = Vec::new();
        ask(7, "example.com", &mut question).unwrap();
        assert!(Question::parse(&question).is_some());
        for length in [0, 11, 12, 20, 37] {
            assert!(Question::parse(&question[..length]).is_none(), "{length} octets");
        }
        question[2] |= 0x80;
        assert!(Question::parse(&question).is_none());
        assert!(ask(7, "example..com", &mut question).is_none());
    }
}
