//! Text from strangers: cut to a bound where it is kept, escaped where it is shown.

use std::fmt::Write as _;

/// Bytes kept of a stranger's text in an error or detail field (HOSTILE.md, "Text kept from the network").
/// Enough to recognise a value, too little to swell a row.
pub const KEPT: usize = 512;

/// Cuts to [`KEPT`] bytes at a character boundary.
#[must_use]
pub fn cut(mut text: String) -> String {
    if text.len() > KEPT {
        let mut end = KEPT;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}

/// Bytes as bounded text: valid UTF-8 stays as it is, every other byte is written `\xNN`.
#[must_use]
pub fn excerpt(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes[..bytes.len().min(KEPT)].utf8_chunks() {
        out.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    cut(out)
}

/// Text made safe for a terminal, a log or any other sink that acts on control characters: C0, DEL, C1, line and
/// paragraph separators, and the bidirectional controls are written as `\u{…}`.
#[must_use]
pub fn shown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let active = c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}');
        if active {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_keeps_characters_whole() {
        let long = "é".repeat(KEPT);
        let kept = cut(long);
        assert!(kept.len() <= KEPT && kept.chars().all(|c| c == 'é'));
    }

    #[test]
    fn nothing_active_is_shown() {
        assert_eq!(shown("a\u{1b}[31mb\u{9b}\u{202e}c\n"), "a\\u{1b}[31mb\\u{9b}\\u{202e}c\\u{a}");
        assert_eq!(shown("grüße"), "grüße");
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        assert_eq!(excerpt(b"a\xff\x00b"), "a\\xff\0b");
    }
}
