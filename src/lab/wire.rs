//! DNS messages as bytes (RFC 1035 4, RFC 6891 6.1): questions read, answers written, with room for every lie.

use std::net::Ipv4Addr;

use super::world::{Address, Data, Names, Tlsa, rtype};

/// The header's length (RFC 1035 4.1.1).
pub(super) const HEADER: usize = 12;
/// Class IN (RFC 1035 3.2.4).
pub(super) const CLASS_IN: u16 = 1;
/// Class CH (RFC 1035 3.2.4).
pub(super) const CLASS_CH: u16 = 3;
/// The size of an answer without EDNS (RFC 1035 4.2.1).
const PLAIN_MAX: u16 = 512;
/// A signature (RFC 4034 3).
const RRSIG: u16 = 46;
/// What the signatures say of themselves: the TTL, an end in 2036 and a beginning in 2020 (RFC 4034 3.1.5), any key.
const SIGNED_TTL: u32 = 300;
const EXPIRATION: u32 = 2_082_758_400;
const INCEPTION: u32 = 1_577_836_800;
const KEY_TAG: u16 = 12_345;
/// The flag bits of the header (RFC 1035 4.1.1, RFC 4035 3).
pub(super) mod flag {
    pub(in crate::lab) const QR: u16 = 0x8000;
    pub(in crate::lab) const TC: u16 = 0x0200;
    pub(in crate::lab) const RD: u16 = 0x0100;
    pub(in crate::lab) const RA: u16 = 0x0080;
    pub(in crate::lab) const AD: u16 = 0x0020;
    pub(in crate::lab) const CD: u16 = 0x0010;
}

/// A question as it came.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// In lower case, without the final dot.
    pub(super) name: String,
    pub(super) rtype: u16,
    /// The question section, byte for byte: the case of the name is echoed.
    pub(super) section: Vec<u8>,
    /// Whether the question has an OPT record.
    pub(super) edns: bool,
    /// Whether it asks for DNSSEC (DO, RFC 3225).
    pub(super) dnssec: bool,
    /// The largest answer that it takes over UDP.
    pub(super) size: u16,
}

impl Question {
    /// Reads a message with one question. `None` is for what no resolver sends.
    pub(super) fn read(message: &[u8]) -> Option<Self> {
        let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
        let flags = word(2)?;
        if flags & flag::QR != 0 || word(4)? != 1 {
            return None;
        }
        let mut name = String::new();
        let mut at = HEADER;
        loop {
            let length = usize::from(*message.get(at)?);
            if length == 0 {
                break;
            }
            if length > 63 {
                return None;
            }
            if !name.is_empty() {
                name.push('.');
            }
            for byte in message.get(at + 1..at + 1 + length)? {
                match byte {
                    b'!'..=b'~' if *byte != b'.' && *byte != b'\\' => name.push(char::from(byte.to_ascii_lowercase())),
                    _ => name.push_str(&format!("\\{byte:03}")),
                }
            }
            at += 1 + length;
        }
        let (asked, end) = (word(at + 1)?, at + 5);
        let mut question = Self {
            id: word(0)?,
            flags,
            name,
            rtype: asked,
            section: message.get(HEADER..end)?.to_vec(),
            edns: false,
            dnssec: false,
            size: PLAIN_MAX,
        };
        // The OPT record, where it is the first behind the question, as every resolver has it.
        if message.get(end) == Some(&0) && word(end + 1) == Some(rtype::OPT) {
            question.edns = true;
            question.size = word(end + 3)?.max(PLAIN_MAX);
            question.dnssec = word(end + 7)? & 0x8000 != 0;
        }
        Some(question)
    }
}

/// A record of an answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) owner: String,
    pub(super) rtype: u16,
    pub(super) class: u16,
    pub(super) ttl: u32,
    pub(super) data: Vec<u8>,
}

/// An answer in the making.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: u16,
    pub(super) flags: u16,
    /// The response code, the upper bits of which travel in OPT.
    pub(super) rcode: u16,
    /// The question section; empty: none.
    pub(super) question: Vec<u8>,
    /// The name of the question, which answers point back to.
    pub(super) name: String,
    pub(super) answers: Vec<Answer>,
    pub(super) authority: Vec<Answer>,
    /// How many OPT records stand at the end.
    pub(super) opts: u8,
    /// Bytes of an option in each OPT record.
    pub(super) option_bytes: u16,
    /// The extended error of each OPT record (RFC 8914), if there is one.
    pub(super) extended_error: Option<u16>,
}

impl Message {
    /// The bytes of the message.
    pub(super) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(512);
        push(&mut out, self.id);
        push(&mut out, self.flags | (self.rcode & 0x0f));
        push(&mut out, u16::from(!self.question.is_empty()));
        push(&mut out, u16::try_from(self.answers.len()).unwrap_or(u16::MAX));
        push(&mut out, u16::try_from(self.authority.len()).unwrap_or(u16::MAX));
        push(&mut out, u16::from(self.opts));
        out.extend_from_slice(&self.question);
        for answer in self.answers.iter().chain(&self.authority) {
            if answer.owner == self.name && !self.question.is_empty() {
                // A pointer to the question (RFC 1035 4.1.4).
                push(&mut out, 0xc00c);
            } else {
                push_name(&mut out, &answer.owner);
            }
            push(&mut out, answer.rtype);
            push(&mut out, answer.class);
            out.extend_from_slice(&answer.ttl.to_be_bytes());
            push(&mut out, u16::try_from(answer.data.len()).unwrap_or(u16::MAX));
            out.extend_from_slice(&answer.data);
        }
        for _ in 0..self.opts {
            out.push(0);
            push(&mut out, rtype::OPT);
            push(&mut out, 1232);
            // The upper eight bits of the response code, version 0, no flags (RFC 6891 6.1.3).
            out.extend_from_slice(&[u8::try_from(self.rcode >> 4).unwrap_or(0), 0, 0, 0]);
            let mut options = Vec::new();
            if self.option_bytes > 0 {
                // Padding (RFC 7830 3) is an option that means nothing.
                push(&mut options, 12);
                push(&mut options, self.option_bytes);
                options.extend(std::iter::repeat_n(0, usize::from(self.option_bytes)));
            }
            if let Some(code) = self.extended_error {
                // Option 15 of two bytes: a code without a text (RFC 8914 2).
                push(&mut options, 15);
                push(&mut options, 2);
                push(&mut options, code);
            }
            push(&mut out, u16::try_from(options.len()).unwrap_or(u16::MAX));
            out.extend_from_slice(&options);
        }
        out
    }
}

/// The data of a record as on the wire, with what only the lab knows: the address of the host, and the bytes of a TLSA
/// record.
pub(super) fn data(
    data: &Data,
    names: &Names<'_>,
    address: impl Fn(&Address) -> Ipv4Addr,
    association: impl Fn(&Tlsa) -> Vec<u8>,
) -> Vec<u8> {
    let mut out = Vec::new();
    match data {
        Data::A(of) => out.extend_from_slice(&address(of).octets()),
        Data::Aaaa(address) => out.extend_from_slice(&address.octets()),
        Data::Cname(target) => push_name(&mut out, &names.expand(target)),
        Data::Mx(preference, host) => {
            push(&mut out, *preference);
            push_name(&mut out, &names.expand(host));
        }
        Data::Tlsa(tlsa) => {
            out.extend_from_slice(&[tlsa.usage, tlsa.selector, tlsa.matching]);
            out.extend_from_slice(&association(tlsa));
        }
        Data::Raw(_, bytes) => out.extend_from_slice(bytes),
        Data::Txt(strings) => {
            for string in strings {
                let bytes = names.expand_bytes(string);
                if bytes.is_empty() {
                    out.push(0);
                }
                // A character-string holds at most 255 bytes (RFC 1035 3.3).
                for part in bytes.chunks(255) {
                    out.push(u8::try_from(part.len()).unwrap_or(u8::MAX));
                    out.extend_from_slice(part);
                }
            }
        }
    }
    out
}

/// A signature over the records of this type at a name, as a signer would write it but for its bytes, which fit no key
/// (RFC 4034 3.1).
pub(super) fn signature(owner: &str, covered: u16) -> Answer {
    let labels = owner.split('.').filter(|label| !label.is_empty() && *label != "*").count();
    let mut data = Vec::new();
    push(&mut data, covered);
    // ECDSAP256SHA256 (RFC 6605 3).
    data.push(13);
    data.push(u8::try_from(labels).unwrap_or(u8::MAX));
    data.extend_from_slice(&SIGNED_TTL.to_be_bytes());
    data.extend_from_slice(&EXPIRATION.to_be_bytes());
    data.extend_from_slice(&INCEPTION.to_be_bytes());
    push(&mut data, KEY_TAG);
    // The zone that every member is delegated from.
    push_name(&mut data, owner.rsplit('.').next().unwrap_or(""));
    data.extend_from_slice(&[0x5a; 64]);
    Answer { owner: owner.to_owned(), rtype: RRSIG, class: CLASS_IN, ttl: SIGNED_TTL, data }
}

fn push(out: &mut Vec<u8>, word: u16) {
    out.extend_from_slice(&word.to_be_bytes());
}

/// A name without compression. `\DDD` is the byte of that number (RFC 1035 5.1).
pub(super) fn push_name(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let start = out.len();
        out.push(0);
        let mut rest = label;
        while let Some(at) = rest.find('\\') {
            out.extend_from_slice(&rest.as_bytes()[..at]);
            let digits = rest.get(at + 1..at + 4).unwrap_or("");
            out.push(digits.parse().unwrap_or(b'?'));
            rest = rest.get(at + 4..).unwrap_or("");
        }
        out.extend_from_slice(rest.as_bytes());
        out[start] = u8::try_from(out.len() - start - 1).unwrap_or(63);
    }
    out.push(0);
}
