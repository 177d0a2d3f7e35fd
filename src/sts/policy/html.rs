//! A web page where a policy should be (RFC 8461 3.2): the usual answer of a server that knows no such file.

/// Tags that no policy line has reason to hold.
const TAGS: [&str; 4] = ["<!doctype", "<html", "<head", "<body"];

/// The line on which the text turns out to be a web page, counted from 1.
pub(super) fn found(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let line_of = |at: usize| bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = text.len() - text.trim_start().len();
    if bytes.get(start) == Some(&b'<') {
        return Some(line_of(start));
    }
    // Most brackets begin none of the tags, as their next byte tells.
    let tempting = |at: &usize| matches!(bytes.get(at + 1), Some(b'!' | b'h' | b'H' | b'b' | b'B'));
    let mut brackets = text.match_indices('<').map(|(at, _)| at).filter(tempting);
    brackets.find(|at| TAGS.iter().any(|tag| begins(&bytes[*at..], tag))).map(line_of)
}

/// Whether a tag of this name begins here, in any case, and not one of a longer name.
fn begins(bytes: &[u8], tag: &str) -> bool {
    bytes.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()))
        && !bytes.get(tag.len()).is_some_and(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_policies() {
        for (text, line) in [
            ("<html>", Some(1)),
            ("\n  <p>sorry</p>", Some(2)),
            ("<?xml version: STSv1", Some(1)),
            ("version: STSv1\n<!DOCTYPE html>", Some(2)),
            ("not found\n\n<Body class=x>", Some(3)),
            ("x: <head", Some(1)),
            ("x: <header>", None),
            ("x: a < b", None),
            ("version: STSv1\nmode: none", None),
        ] {
            assert_eq!(found(text), line, "{text:?}");
        }
    }
}
