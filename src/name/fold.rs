//! The short way to a canonical name: one pass over text that is lawful as it stands (RFC 1035 2.3.1, 2.3.4).
//!
//! Nearly every line of a list and every name from DNS is such text. The short way only ever says yes; what it does not
//! know is decided, and named, the long way ([`HostName::parse`](super::HostName::parse)).

use super::{LABEL_MAX, NAME_MAX};

/// Room for any name.
pub(crate) type Room = [u8; NAME_MAX];

/// What each byte becomes in a canonical name; 0 where no name has it.
const FOLDED: [u8; 256] = folded();

const fn folded() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
}

/// The canonical form of text without a final dot, in `room`. `None` decides nothing: the text may still be a name, such
/// as one of the `xn--` labels that end in a hyphen.
pub(super) fn fold<'r>(text: &[u8], room: &'r mut Room) -> Option<&'r [u8]> {
    let out = room.get_mut(..text.len())?;
    // Where the label begins, and the byte before: what stands before the first label is like a dot.
    let (mut label, mut before) = (0, b'.');
    for (at, (&byte, place)) in text.iter().zip(out.iter_mut()).enumerate() {
        let folded = FOLDED[usize::from(byte)];
        match folded {
            0 => return None,
            b'.' => {
                if at - label > LABEL_MAX || matches!(before, b'.' | b'-') {
                    return None;
                }
                label = at + 1;
            }
            b'-' if before == b'.' => return None,
            _ => {}
        }
        *place = folded;
        before = folded;
    }
    // A name without text, or one that ends in a dot or a hyphen, is for the long way too.
    if text.len() - label > LABEL_MAX || matches!(before, b'.' | b'-') {
        return None;
    }
    Some(out)
}
