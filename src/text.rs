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
        if is_active(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// JSON text made safe in the same way: what acts on a terminal stands as `\uXXXX`, which means the same to a parser.
#[must_use]
pub fn shown_json(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if is_active(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Bytes in lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Whether a character does something to what shows it.
fn is_active(c: char) -> bool {
    // C0, DEL and C1; Arabic letter mark; zero-width and directional marks; separators, embeddings and overrides;
    // isolates and other invisible operators; byte order mark; interlinear annotation; tags.
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
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
    fn json_means_the_same_after_it_was_made_safe() {
        let value = serde_json::json!({"a": "\u{1b}]0;x\u{7}\u{9b}\u{202e}\u{e0041}ü\n"});
        let safe = shown_json(&value.to_string());
        assert!(!safe.chars().any(is_active), "{safe}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&safe).ok(), Some(value));
    }

    #[test]
    fn hexadecimal_keeps_leading_zeros() {
        assert_eq!(hex(&[0, 0x0f, 0xff]), "000fff");
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        assert_eq!(excerpt(b"a\xff\x00b"), "a\\xff\0b");
    }
}
