//! The data of records in our own types (RFC 1035 3.3.9, 3.3.14, RFC 3596 2.2), and names as text.

use std::net::{Ipv4Addr, Ipv6Addr};

use hickory_proto::rr::{Name, RData};
use sha2::{Digest, Sha256};

use super::{Mx, TXT_KEPT, Txt};
use crate::dane::{DATA_KEPT, Tlsa};

/// A TXT record.
pub(super) fn txt(data: &RData) -> Option<Txt> {
    let RData::TXT(txt) = data else { return None };
    let length = txt.txt_data.iter().map(|string| string.len()).sum();
    let mut bytes = Vec::with_capacity(TXT_KEPT.min(length));
    for string in &txt.txt_data {
        let room = TXT_KEPT - bytes.len();
        bytes.extend(&string[..room.min(string.len())]);
    }
    let sha256 = (length > TXT_KEPT).then(|| {
        let mut digest = Sha256::new();
        txt.txt_data.iter().for_each(|string| digest.update(string));
        digest.finalize().into()
    });
    Some(Txt { bytes, length, sha256 })
}

/// An MX record.
pub(super) fn mx(data: &RData) -> Option<Mx> {
    let RData::MX(mx) = data else { return None };
    Some(Mx { preference: mx.preference, host: presentation(&mx.exchange) })
}

/// A CNAME record: its target.
pub(super) fn cname(data: &RData) -> Option<String> {
    let RData::CNAME(target) = data else { return None };
    Some(presentation(target))
}

/// A TLSA record.
pub(super) fn tlsa(data: &RData) -> Option<Tlsa> {
    let RData::TLSA(tlsa) = data else { return None };
    let length = tlsa.cert_data.len();
    Some(Tlsa {
        usage: tlsa.cert_usage.into(),
        selector: tlsa.selector.into(),
        matching: tlsa.matching.into(),
        data: tlsa.cert_data[..length.min(DATA_KEPT)].to_vec(),
        length,
    })
}

/// An A record.
pub(super) fn v4(data: &RData) -> Option<Ipv4Addr> {
    let RData::A(address) = data else { return None };
    Some(address.0)
}

/// An AAAA record.
pub(super) fn v6(data: &RData) -> Option<Ipv6Addr> {
    let RData::AAAA(address) = data else { return None };
    Some(address.0)
}

/// A name in lower-case presentation form without the final dot (RFC 1035 5.1: `\.`, `\\` and `\DDD`); the root is `.`.
pub(super) fn presentation(name: &Name) -> String {
    let mut text = String::with_capacity(name.len());
    for label in name.iter() {
        if !text.is_empty() {
            text.push('.');
        }
        for byte in label {
            match byte {
                b'.' | b'\\' => {
                    text.push('\\');
                    text.push(char::from(*byte));
                }
                0x21..=0x7e => text.push(char::from(byte.to_ascii_lowercase())),
                _ => text.push_str(&format!("\\{byte:03}")),
            }
        }
    }
    if text.is_empty() { ".".to_owned() } else { text }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use hickory_proto::rr::rdata;

    use super::*;

    #[test]
    fn names_are_written_as_the_rfc_writes_them() {
        for (labels, wanted) in [
            (&[][..], "."),
            (&[&b"Mail"[..], b"EXAMPLE"], "mail.example"),
            (&[b"a.b", b"c\\d", b"e f", b"\xff\x00"], "a\\.b.c\\\\d.e\\032f.\\255\\000"),
        ] {
            assert_eq!(presentation(&Name::from_labels(labels.iter().copied()).unwrap()), wanted);
        }
    }

    #[test]
    fn character_strings_are_joined_and_kept_to_a_bound() {
        let long = [b'x'; 255];
        for (strings, length, kept, cut) in [
            (vec![&b""[..]], 0, 0, false),
            (vec![b"v=STS", b"", b"v1;"], 8, 8, false),
            (vec![&long[..]; 16], 4080, 4080, false),
            (vec![&long[..]; 250], 63750, TXT_KEPT, true),
        ] {
            let txt = txt(&RData::TXT(rdata::TXT::from_bytes(strings.clone()))).unwrap();
            assert_eq!((txt.length, txt.bytes.len(), txt.sha256.is_some()), (length, kept, cut));
            assert_eq!(txt.bytes, strings.concat()[..kept]);
            if let Some(digest) = txt.sha256 {
                assert_eq!(digest, <[u8; 32]>::from(Sha256::digest(strings.concat())));
            }
        }
    }
}
