//! Questions as they go out (RFC 1035 4.1, RFC 3225, RFC 6840 5.7, RFC 6891 6.1).

use hickory_proto::rr::{Name, RecordType};

use crate::name::HostName;

/// The UDP payload that we offer: what passes every path without fragments (DNS flag day 2020).
pub(super) const PAYLOAD: u16 = 1232;
/// The header in front of the question section (RFC 1035 4.1.1).
pub(super) const HEADER: usize = 12;
/// RD, because we ask a resolver; AD, because we understand the AD bit of the answer (RFC 6840 5.7).
const FLAGS: [u8; 2] = [0x01, 0x20];
/// CD, in the second octet of the flags: answer without validation (RFC 4035 3.2.2).
const CHECKING_DISABLED: u8 = 0x10;
/// DO, in the third octet of the TTL of OPT: answer with the signatures (RFC 3225 3, RFC 6891 6.1.4).
const DNSSEC_OK: u8 = 0x80;
/// Type OPT (RFC 6891 6.1.2).
const OPT: u16 = 41;
/// The OPT record of a query: root name, type, payload, flags, and no options.
const OPT_LENGTH: usize = 11;
/// Class IN (RFC 1035 3.2.4).
const IN: u16 = 1;

/// A name and a type, of class IN.
#[derive(Clone, Debug)]
pub(super) struct Question {
    name: Name,
    rtype: RecordType,
    /// Whether the resolver is to answer what fails its validation too, with the signatures if there are any.
    unchecked: bool,
}

impl Question {
    /// The question for records of this type at a host name.
    pub(super) fn new(host: &HostName, rtype: RecordType) -> Self {
        let labels = host.as_str().split('.').map(str::as_bytes);
        let name = Name::from_labels(labels).expect("a HostName keeps the limits of DNS");
        Self::about(name, rtype)
    }

    /// The question for records of this type at any name of a message.
    pub(super) fn about(mut name: Name, rtype: RecordType) -> Self {
        name.set_fqdn(true);
        Self { name: name.to_lowercase(), rtype, unchecked: false }
    }

    /// The same question, asked with the CD bit: the resolver is to answer without validation (RFC 4035 3.2.2). And with
    /// DO, so that the answer shows whether there was anything to validate (RFC 4035 3.2.1).
    pub(super) fn without_checking(&self) -> Self {
        Self { unchecked: true, ..self.clone() }
    }

    /// Whether it is asked without validation.
    pub(super) fn is_unchecked(&self) -> bool {
        self.unchecked
    }

    /// The type.
    pub(super) fn rtype(&self) -> RecordType {
        self.rtype
    }

    /// The name, in lower case.
    pub(super) fn name(&self) -> &Name {
        &self.name
    }
}

/// A whole message that asks one question.
#[derive(Debug)]
pub(super) struct Query {
    bytes: Vec<u8>,
    /// Where the question section ends.
    end: usize,
    /// Whether the case of the name is a secret that the answer must repeat.
    secret: bool,
}

impl Query {
    /// A query for a datagram: a random id, and a random case of each letter, which a blind forger would have to guess too.
    pub(super) fn datagram(question: &Question, edns: bool) -> Self {
        let mut query = Self::plain(question, edns);
        query.secret = true;
        // One bit for each octet of the longest name.
        let random: [u8; 32] = random();
        let name = HEADER..query.end - 4;
        for (i, byte) in query.bytes[name].iter_mut().enumerate() {
            let upper = random[i / 8 % random.len()] >> (i % 8) & 1 == 1;
            // A length octet is at most 63 and so never a letter: 'A' is 65.
            if upper {
                byte.make_ascii_uppercase();
            }
        }
        query.renumber();
        query
    }

    /// A query for a stream, where nobody can forge blindly: a random id and plain lower case.
    pub(super) fn stream(question: &Question, edns: bool) -> Self {
        let mut query = Self::plain(question, edns);
        query.renumber();
        query
    }

    /// A query of id 0, as HTTP caches want it (RFC 8484 4.1).
    pub(super) fn plain(question: &Question, edns: bool) -> Self {
        let mut bytes = Vec::with_capacity(HEADER + 255 + 4 + 11);
        bytes.extend([0, 0]);
        let checking = if question.unchecked { CHECKING_DISABLED } else { 0 };
        bytes.extend([FLAGS[0], FLAGS[1] | checking]);
        for count in [1, 0, 0, u16::from(edns)] {
            bytes.extend(count.to_be_bytes());
        }
        for label in question.name.iter() {
            bytes.push(u8::try_from(label.len()).expect("a label has at most 63 octets"));
            bytes.extend(label);
        }
        bytes.push(0);
        bytes.extend(u16::from(question.rtype).to_be_bytes());
        bytes.extend(IN.to_be_bytes());
        let end = bytes.len();
        if edns {
            // RFC 6891 6.1.2: the root name, type, payload in place of the class, version 0 and flags, no options.
            bytes.push(0);
            bytes.extend(OPT.to_be_bytes());
            bytes.extend(PAYLOAD.to_be_bytes());
            let dnssec = if question.unchecked { DNSSEC_OK } else { 0 };
            bytes.extend([0, 0, dnssec, 0, 0, 0]);
        }
        Self { bytes, end, secret: false }
    }

    /// A query that went out as a datagram with EDNS, from its bytes: to hold an answer against it.
    pub(super) fn sent(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), end: bytes.len() - OPT_LENGTH, secret: true }
    }

    /// Draws another id.
    pub(super) fn renumber(&mut self) {
        let id: [u8; 2] = random();
        self.bytes[..2].copy_from_slice(&id);
    }

    /// The id.
    pub(super) fn id(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }

    /// The message.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The question section alone.
    pub(super) fn section(&self) -> &[u8] {
        &self.bytes[HEADER..self.end]
    }

    /// Whether the answer must repeat the case of the name.
    pub(super) fn secret(&self) -> bool {
        self.secret
    }
}

/// Unpredictable bytes: what keeps a blind forger out.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the generator of the operating system works since it was tried at the start");
    bytes
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    fn question(name: &str) -> Question {
        Question::new(&HostName::parse(name).unwrap(), RecordType::TXT)
    }

    #[test]
    fn a_query_is_what_the_rfc_draws() {
        let query = Query::plain(&question("_mta-sts.Example.com"), true);
        let wanted: &[u8] =
            b"\0\0\x01\x20\0\x01\0\0\0\0\0\x01\x08_mta-sts\x07example\x03com\0\0\x10\0\x01\0\0\x29\x04\xd0\0\0\0\0\0\0";
        assert_eq!(query.bytes(), wanted);
        assert_eq!(query.section(), &wanted[12..38]);
        let bare = Query::plain(&question("example.com"), false);
        assert_eq!(bare.bytes().len(), 12 + 13 + 4);
        assert_eq!(bare.bytes()[11], 0);
        let unchecked = Query::plain(&question("_mta-sts.Example.com").without_checking(), true);
        assert_eq!(unchecked.bytes()[..4], *b"\0\0\x01\x30");
        assert_eq!(unchecked.bytes()[4..], [&wanted[4..45], &[0x80], &wanted[46..]].concat());
    }

    #[test]
    fn the_case_of_a_datagram_is_random_and_nothing_else() {
        let question = question(&format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61)));
        let plain = Query::plain(&question, true);
        let (one, two) = (Query::datagram(&question, true), Query::datagram(&question, true));
        assert_ne!(one.section(), two.section());
        assert_ne!(one.section(), plain.section());
        assert!(one.section().eq_ignore_ascii_case(plain.section()));
        assert_eq!(one.section()[one.section().len() - 4..], plain.section()[plain.section().len() - 4..]);
        assert!(one.secret() && !plain.secret() && !Query::stream(&question, true).secret());
    }
}
