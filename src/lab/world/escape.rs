//! Escapes in texts of world files: `\n`, `\r`, `\t`, `\0`, `\\`, `\"`, `\xNN`, and `\{N:text}` for N times the text.

/// The longest text that a repetition may make: more than any bound that a scan keeps, less than hurts.
const EXPANDED_MAX: usize = 1 << 20;

/// The bytes that an escaped text stands for.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        let escape = &rest[at + 1..];
        let mut used = 1;
        match escape.bytes().next() {
            Some(b'n') => out.push(b'\n'),
            Some(b'r') => out.push(b'\r'),
            Some(b't') => out.push(b'\t'),
            Some(b'0') => out.push(0),
            Some(b'\\') => out.push(b'\\'),
            Some(b'"') => out.push(b'"'),
            Some(b'x') => {
                let digits = escape.get(1..3).ok_or("\\x needs two hexadecimal digits")?;
                out.push(u8::from_str_radix(digits, 16).map_err(|_| format!("\\x{digits} is no byte"))?);
                used = 3;
            }
            Some(b'{') => {
                let close = escape.find('}').ok_or("\\{ without }")?;
                let (times, repeated) = escape[1..close].split_once(':').ok_or("\\{N:text} needs a colon")?;
                let times: usize = times.parse().map_err(|_| format!("{times} is no number"))?;
                let repeated = unescape(repeated)?;
                if times.saturating_mul(repeated.len()) > EXPANDED_MAX {
                    return Err(format!("\\{{{times}:…}} is too long"));
                }
                out.extend(std::iter::repeat_n(repeated, times).flatten());
                used = close + 1;
            }
            _ => return Err(format!("unknown escape in {text}")),
        }
        rest = &escape[used..];
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn every_escape_has_its_bytes() {
        for (text, bytes) in [
            ("plain", &b"plain"[..]),
            (r#"a\r\n\t\0\\\"b"#, b"a\r\n\t\0\\\"b"),
            (r"\xff\xEF", b"\xff\xef"),
            (r"\{3:ab}c", b"abababc"),
            (r"\{2:x\n}", b"x\nx\n"),
        ] {
            assert_eq!(unescape(text).as_deref(), Ok(bytes), "{text}");
        }
        for text in [r"\q", r"\x4", r"\xzz", r"\{3}", r"\{9999999999:a}", "\\"] {
            assert!(unescape(text).is_err(), "{text}");
        }
    }
}
