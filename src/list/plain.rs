//! Plain lists: one name a line, with `#` comments (HOSTILE.md 1).

use super::Taken;

/// Reads one line.
pub(super) fn take(text: &str) -> Taken<'_> {
    if is_blank(text) {
        return Taken::Blank;
    }
    Taken::Cell { text: text.trim_matches([' ', '\t']).into(), rank: None }
}

/// Whether the line is white space or a comment.
pub(super) fn is_blank(text: &str) -> bool {
    let text = text.trim_start_matches([' ', '\t']);
    text.is_empty() || text.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let cell = |text: &'static str| Taken::Cell { text: text.into(), rank: None };
        for (line, expected) in [
            ("", Taken::Blank),
            (" \t ", Taken::Blank),
            ("# comment", Taken::Blank),
            ("  # comment", Taken::Blank),
            ("example.com", cell("example.com")),
            (" \texample.com\t", cell("example.com")),
            // Not cut to a name: a comment behind one, a lone carriage return
            ("example.com # why", cell("example.com # why")),
            ("a.example\rb.example", cell("a.example\rb.example")),
        ] {
            assert_eq!(take(line), expected, "{line:?}");
        }
    }
}
