//! Messages as they come in: whether one belongs to our question, and whether it keeps the format (RFC 1035 4, RFC 5452).

use hickory_proto::op::Message;
use hickory_proto::rr::rdata::opt::EdnsOption;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::question::{HEADER, Query};
use crate::text;

/// The option code of extended DNS errors (RFC 8914 2).
const EDE: u16 = 15;
/// Extended errors kept of one answer: more tell nothing new.
const EDE_KEPT: usize = 8;
/// FORMERR and NOTIMP (RFC 1035 4.1.1): what a server that knows no EDNS says, some with nothing but a header.
const NO_EDNS: [u8; 2] = [1, 4];

/// What a packet is to the query that it seems to answer.
#[derive(Debug)]
pub(super) enum Received {
    /// Not an answer to it: noise, or a forgery.
    Foreign,
    /// Answers it by id and question, and breaks the format.
    Malformed,
    /// The answer, cut off.
    Truncated,
    /// An answer that does not repeat the case of our question.
    CaseChanged,
    /// The answer.
    Answer(Box<Decoded>),
}

/// An answer that keeps the format.
#[derive(Debug)]
pub(super) struct Decoded {
    /// The message.
    pub(super) message: Message,
    /// Whether bytes stand behind its end.
    pub(super) trailing: bool,
}

/// The id of a packet, if it has one.
pub(super) fn id(packet: &[u8]) -> Option<u16> {
    packet.first_chunk().map(|id| u16::from_be_bytes(*id))
}

/// Holds a packet against the query (RFC 5452 9.1: id, name, type and class; the source is the socket's matter).
pub(super) fn receive(packet: &[u8], query: &Query) -> Received {
    let Some((header, rest)) = packet.split_first_chunk::<HEADER>() else { return Received::Foreign };
    let is_response = header[2] & 0x80 != 0;
    if !is_response || id(packet) != Some(query.id()) {
        return Received::Foreign;
    }
    let opcode = header[2] >> 3 & 0x0f;
    let truncated = header[2] & 0x02 != 0;
    let rcode = header[3] & 0x0f;
    let questions = u16::from_be_bytes([header[4], header[5]]);
    let wanted = query.section();
    match (questions, rest.get(..wanted.len())) {
        (0, _) if NO_EDNS.contains(&rcode) => return decode(packet),
        (1, Some(section)) if section == wanted => {}
        (1, Some(section)) if same_question(section, wanted) => {
            if query.secret() {
                return Received::CaseChanged;
            }
        }
        (1, Some(_)) => return Received::Foreign,
        (1, None) if !wanted.starts_with(rest) => return Received::Foreign,
        // No question, several, or a packet that ends within it.
        _ => return Received::Malformed,
    }
    if opcode != 0 {
        return Received::Malformed;
    }
    // Before decoding: what is cut off may end anywhere (RFC 2181 9: ignore it and ask again over TCP).
    if truncated {
        return Received::Truncated;
    }
    decode(packet)
}

/// Whether two question sections differ at most in the case of the name (RFC 4343 3).
fn same_question(one: &[u8], other: &[u8]) -> bool {
    let name = other.len() - 4;
    one[..name].eq_ignore_ascii_case(&other[..name]) && one[name..] == other[name..]
}

fn decode(packet: &[u8]) -> Received {
    let mut decoder = BinDecoder::new(packet);
    match Message::read(&mut decoder) {
        // RFC 6891 6.1.3: an answer is limited to the version of the query, 0; BADVERS (16) may name a higher one.
        Ok(message) if message.version() != 0 && u16::from(message.response_code) != 16 => Received::Malformed,
        Ok(message) => Received::Answer(Box::new(Decoded { message, trailing: !decoder.is_empty() })),
        Err(_) => Received::Malformed,
    }
}

/// The extended errors of an answer by code, with the first text (RFC 8914 2).
pub(super) fn extended_errors(message: &Message) -> (Vec<u16>, Option<String>) {
    let mut codes = Vec::new();
    let mut words = None;
    let options = message.edns.iter().flat_map(|edns| &edns.options().options);
    for (_, option) in options {
        if let EdnsOption::Unknown(EDE, data) = option
            && let Some((code, extra)) = data.split_first_chunk()
            && codes.len() < EDE_KEPT
        {
            codes.push(u16::from_be_bytes(*code));
            if words.is_none() && !extra.is_empty() {
                words = Some(text::excerpt(extra));
            }
        }
    }
    (codes, words)
}

#[cfg(test)]
mod tests;
