//! A web page where a policy should be (RFC 8461 3.2): the usual answer of a server that knows no such file.

use super::line;

/// Tags that no line of a policy has reason to begin with.
const TAGS: [&str; 4] = ["<!doctype", "<html", "<head", "<body"];

/// The line on which the text turns out to be a web page, counted from 1: where its first character that is no white
/// space opens a tag, or a later line begins with one of the tags. Inside a value a tag is text like any other.
pub(super) fn found(text: &str) -> Option<usize> {
    let begun = (1..).zip(line::lines(text)).map(|(number, line)| (number, line.text.trim_start()));
    let mut begun = begun.filter(|(_, content)| !content.is_empty());
    let (first, content) = begun.next()?;
    if content.starts_with('<') {
        return Some(first);
    }
    begun.find(|(_, content)| TAGS.iter().any(|tag| begins(content.as_bytes(), tag))).map(|(number, _)| number)
}

/// Whether a tag of this name begins here, in any case, and not one of a longer name.
fn begins(bytes: &[u8], tag: &str) -> bool {
    let ends = |next: &u8| next.is_ascii_whitespace() || matches!(next, b'/' | b'>');
    bytes.get(..tag.len()).is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()))
        && bytes.get(tag.len()).is_none_or(ends)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_policies() {
        for (text, line) in [
            ("", None),
            ("\n \n", None),
            ("<html>", Some(1)),
            ("\n  <p>sorry</p>", Some(2)),
            ("\r<p>sorry</p>", Some(2)),
            ("<?xml version: STSv1", Some(1)),
            ("<head-office@x>", Some(1)),
            ("version: STSv1\n<!DOCTYPE html>", Some(2)),
            ("version: STSv1\r\n\t<!DOCTYPE html>", Some(2)),
            ("version: STSv1\r<html>", Some(2)),
            ("not found\n\n<Body class=x>", Some(3)),
            ("not found\r\r\n\r\n<body/>", Some(4)),
            ("not found\n<head", Some(2)),
            ("x: <head", None),
            ("foo: <html>", None),
            ("x: <header>", None),
            ("x: y\n<header>", None),
            ("x: y\n<head-office@x>", None),
            ("x: y\n<p>", None),
            ("x: a < b", None),
            ("version: STSv1\nmode: none", None),
        ] {
            assert_eq!(found(text), line, "{text:?}");
        }
    }
}
