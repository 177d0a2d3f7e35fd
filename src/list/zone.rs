//! Zone files (RFC 1035 5): the names that the zone delegates, which are the owners of its NS records below the apex.

use super::Taken;
use crate::finding::list;

/// Lines that one record in parentheses may take; an SOA has seven, the longest keys a few dozen. Past it the
/// parenthesis was never meant to close.
const RECORD_LINES_MAX: usize = 1000;

/// A record whose type is not seen yet, or whose rest is passed over.
enum Open {
    /// Between records.
    No,
    /// Within the parentheses of a record that has been dealt with.
    Done,
    /// Within the parentheses of a record whose type is still to come: owner, and what stood behind it.
    Head(String, Vec<String>),
}

/// The records of one zone file.
pub(super) struct Records {
    /// `$ORIGIN`, without the final dot. `None` before the first.
    origin: Option<String>,
    /// The owner of the SOA, whose NS records are the zone's own.
    apex: Option<String>,
    /// The last owner, which a line that begins with white space repeats.
    owner: Option<String>,
    /// The last name that was given out: the NS records of one delegation stand together, and are one line of the list.
    given: Option<String>,
    open: Open,
    depth: usize,
    lines: usize,
}

/// A token with what matters of its place.
struct Scan<'a> {
    tokens: Vec<&'a str>,
    /// Whether white space stands before the first.
    indented: bool,
    /// Parentheses opened and not closed at the end of the line.
    depth: usize,
}

/// Tokens kept of one line: owner, time to live, class and type, in whatever order of the middle two.
const TOKENS_KEPT: usize = 4;

impl Records {
    pub(super) fn new() -> Self {
        Self { origin: None, apex: None, owner: None, given: None, open: Open::No, depth: 0, lines: 0 }
    }

    /// Reads one line.
    pub(super) fn take(&mut self, line: &str) -> Taken<'static> {
        let Some(scan) = scan(line, self.depth) else {
            self.close();
            return Taken::Bad(list::ZONE_SYNTAX);
        };
        if self.depth > 0 {
            return self.go_on(scan);
        }
        let Some(&first) = scan.tokens.first() else {
            self.depth = scan.depth;
            return Taken::Blank;
        };
        if first.starts_with('$') && !scan.indented {
            return self.directive(&scan);
        }
        let (owner, rest) = if scan.indented {
            (self.owner.clone(), scan.tokens.as_slice())
        } else {
            (self.absolute(first), scan.tokens.get(1..).unwrap_or_default())
        };
        self.owner.clone_from(&owner);
        let Some(owner) = owner else {
            self.enter(scan.depth, Open::Done);
            return Taken::Bad(list::ZONE_SYNTAX);
        };
        match record_type(rest) {
            Some(kind) => {
                let taken = self.record(owner, kind);
                self.enter(scan.depth, Open::Done);
                taken
            }
            None if scan.depth > 0 => {
                let head = rest.iter().map(|token| (*token).to_owned()).collect();
                self.enter(scan.depth, Open::Head(owner, head));
                Taken::Skipped
            }
            None => Taken::Bad(list::ZONE_SYNTAX),
        }
    }

    /// What the end of the file says: a parenthesis that was never closed breaks its record.
    pub(super) fn is_open(&self) -> bool {
        self.depth > 0
    }

    fn enter(&mut self, depth: usize, open: Open) {
        self.depth = depth;
        self.lines = 0;
        self.open = if depth > 0 { open } else { Open::No };
    }

    fn close(&mut self) {
        self.enter(0, Open::No);
    }

    /// A further line of a record in parentheses.
    fn go_on(&mut self, scan: Scan<'_>) -> Taken<'static> {
        self.depth = scan.depth;
        self.lines += 1;
        if self.lines > RECORD_LINES_MAX {
            self.close();
            return Taken::Bad(list::ZONE_SYNTAX);
        }
        let mut taken = Taken::Skipped;
        if let Open::Head(owner, mut head) = std::mem::replace(&mut self.open, Open::Done) {
            let room = TOKENS_KEPT.saturating_sub(head.len());
            head.extend(scan.tokens.iter().take(room).map(|token| (*token).to_owned()));
            let tokens: Vec<&str> = head.iter().map(String::as_str).collect();
            match record_type(&tokens) {
                Some(kind) => taken = self.record(owner, kind),
                None if self.depth > 0 && head.len() < TOKENS_KEPT => self.open = Open::Head(owner, head),
                None => taken = Taken::Bad(list::ZONE_SYNTAX),
            }
        }
        if self.depth == 0 {
            self.open = Open::No;
        }
        taken
    }

    /// `$ORIGIN` and `$TTL` (RFC 2308 4). A list reads no other file, so `$INCLUDE` is refused, and with it all else.
    fn directive(&mut self, scan: &Scan<'_>) -> Taken<'static> {
        match (scan.tokens.first().map(|word| word.to_ascii_uppercase()).as_deref(), scan.tokens.get(1)) {
            (Some("$ORIGIN"), Some(name)) => match self.absolute(name) {
                Some(origin) => {
                    self.origin = Some(origin);
                    Taken::Skipped
                }
                None => Taken::Bad(list::ZONE_SYNTAX),
            },
            (Some("$TTL"), Some(_)) => Taken::Skipped,
            _ => Taken::Bad(list::ZONE_SYNTAX),
        }
    }

    fn record(&mut self, owner: String, kind: Kind) -> Taken<'static> {
        match kind {
            Kind::Soa => {
                self.apex = Some(owner);
                Taken::Skipped
            }
            // RFC 1034 4.2.1: NS records at the top are the zone's own, all others delegate.
            Kind::Ns if self.is_apex(&owner) || self.given.as_ref() == Some(&owner) => Taken::Skipped,
            Kind::Ns => {
                self.given = Some(owner.clone());
                Taken::Cell { text: owner.into(), rank: None }
            }
            Kind::Other => Taken::Skipped,
        }
    }

    /// Without an SOA (the zone as its registry exports it), the origin is the top.
    fn is_apex(&self, owner: &str) -> bool {
        self.apex.as_ref().or(self.origin.as_ref()).is_some_and(|apex| apex.eq_ignore_ascii_case(owner))
    }

    /// A name without its final dot, a relative one under the origin (RFC 1035 5.1).
    fn absolute(&self, token: &str) -> Option<String> {
        if token == "." {
            return Some(String::new());
        }
        if let Some(absolute) = token.strip_suffix('.') {
            return Some(absolute.to_owned());
        }
        let origin = self.origin.as_ref()?;
        match token {
            "@" => Some(origin.clone()),
            _ if origin.is_empty() => Some(token.to_owned()),
            _ => Some(format!("{token}.{origin}")),
        }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Soa,
    Ns,
    Other,
}

/// The type of a record by what stands behind its owner: time to live and class may come first, in either order
/// (RFC 1035 5.1). `None` where no type is there.
fn record_type(tokens: &[&str]) -> Option<Kind> {
    let (mut ttl, mut class) = (false, None);
    for token in tokens {
        if !ttl && token.starts_with(|c: char| c.is_ascii_digit()) {
            ttl = true;
        } else if class.is_none() && ["IN", "CH", "HS", "CS"].iter().any(|c| token.eq_ignore_ascii_case(c)) {
            class = Some(token.eq_ignore_ascii_case("IN"));
        } else if !token.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        } else {
            let internet = class.unwrap_or(true);
            return Some(match token.to_ascii_uppercase().as_str() {
                "SOA" if internet => Kind::Soa,
                "NS" if internet => Kind::Ns,
                _ => Kind::Other,
            });
        }
    }
    None
}

/// Whether a line looks like one of a zone file: a directive, or the record of an SOA or a delegation.
pub(super) fn is_likely(line: &str) -> bool {
    let Some(scan) = scan(line, 0) else { return false };
    let directive = scan.tokens.first().is_some_and(|t| ["$ORIGIN", "$TTL"].iter().any(|d| t.eq_ignore_ascii_case(d)));
    let behind = scan.tokens.get(1..).unwrap_or_default();
    directive || matches!(record_type(behind), Some(Kind::Soa | Kind::Ns))
}

/// Whether a line says nothing in a zone file.
pub(super) fn is_blank(line: &str) -> bool {
    scan(line, 0).is_some_and(|scan| scan.tokens.is_empty())
}

/// The first tokens of a line, free of comments and parentheses. `None` where a quotation mark is not closed, or a
/// parenthesis closes that was not opened.
fn scan(line: &str, mut depth: usize) -> Option<Scan<'_>> {
    let indented = line.starts_with([' ', '\t']);
    let mut tokens = Vec::new();
    let (mut start, mut quoted, mut escaped) = (None, false, false);
    let mut keep = |start: &mut Option<usize>, end: usize| {
        if let Some(from) = start.take()
            && tokens.len() < TOKENS_KEPT
        {
            tokens.push(&line[from..end]);
        }
    };
    for (at, c) in line.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '\\' => {
                escaped = true;
                start.get_or_insert(at);
            }
            '"' => {
                quoted = !quoted;
                start.get_or_insert(at);
            }
            _ if quoted => {}
            ';' => {
                keep(&mut start, at);
                return Some(Scan { tokens, indented, depth });
            }
            ' ' | '\t' => keep(&mut start, at),
            '(' => {
                keep(&mut start, at);
                depth += 1;
            }
            ')' => {
                keep(&mut start, at);
                depth = depth.checked_sub(1)?;
            }
            _ => {
                start.get_or_insert(at);
            }
        }
    }
    keep(&mut start, line.len());
    (!quoted).then_some(Scan { tokens, indented, depth })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Name = Result<String, &'static str>;

    fn read(zone: &str) -> Vec<Name> {
        let mut records = Records::new();
        let mut out = Vec::new();
        for line in zone.lines() {
            match records.take(line) {
                Taken::Cell { text, .. } => out.push(Ok(text.into_owned())),
                Taken::Bad(code) => out.push(Err(code.as_str())),
                Taken::Blank | Taken::Skipped => {}
            }
        }
        if records.is_open() {
            out.push(Err("open"));
        }
        out
    }

    #[test]
    fn delegations() {
        let name = |name: &str| Ok(name.to_owned());
        let bad = || Err(list::ZONE_SYNTAX.as_str());
        let cases: &[(&str, &str, &[Name])] = &[
            (
                "as CZDS gives it",
                "zone.\t900\tin\tsoa\tns.zone. host.zone. 1 2 3 4 5\nzone.\t900\tin\tns\tns.zone.\n\
                 a.zone.\t86400\tin\tns\tns1.a.zone.\na.zone.\t86400\tin\tns\tns2.a.zone.\na.zone.\t86400\tin\tds\t1 2 3 AB\n\
                 ns1.a.zone.\t86400\tin\ta\t192.0.2.1\nb.zone.\t86400\tin\tns\tns.b.zone.\n",
                &[name("a.zone"), name("b.zone")],
            ),
            (
                "relative names, parentheses, comments, owners left out",
                "$ORIGIN zone.\n$TTL 1h\n@ IN SOA ns host ( ; serial\n  1 2 ; NS\n  3 4 5 )\n  NS ns\n; comment\n\
                 a 3600 IN NS ns.a\n  IN 3600 NS ns2.a\nb NS (\n ns.b )\nc ( IN\n NS ns.c )\n$ORIGIN sub.zone.\nd NS ns.d\n",
                &[name("a.zone"), name("b.zone"), name("c.zone"), name("d.sub.zone")],
            ),
            ("an export without SOA, in upper case", "$ORIGIN ZONE.\n NS NS\nA NS NS.A\n", &[bad(), name("A.ZONE")]),
            ("quotes and escapes", "$ORIGIN z.\na TXT \"( ; \\\" NS\"\na\\.b NS ns\n", &[name("a\\.b.z")]),
            ("other classes delegate nothing", "a.z. CH NS ns.z.\n", &[]),
            ("no origin", "a NS ns.a\n", &[bad()]),
            ("no type", "a.z. 3600 IN\n", &[bad()]),
            ("other files are not read", "$INCLUDE /etc/passwd\n", &[bad()]),
            ("a parenthesis too many", "a.z. NS ns )\nb.z. NS ns\n", &[bad(), name("b.z")]),
            ("a parenthesis never closed", "a.z. NS ( ns\nb.z. NS ns\n", &[name("a.z"), Err("open")]),
            ("a quotation mark never closed", "a.z. TXT \"x\nb.z. NS ns\n", &[bad(), name("b.z")]),
        ];
        for (what, zone, expected) in cases {
            assert_eq!(read(zone), *expected, "{what}");
        }
    }

    #[test]
    fn a_record_has_an_end() {
        let zone = format!("a.z. TXT (\n{}b.z. NS ns\n", "x\n".repeat(RECORD_LINES_MAX + 1));
        assert_eq!(read(&zone), [Err(list::ZONE_SYNTAX.as_str()), Ok("b.z".to_owned())]);
    }

    #[test]
    fn lines_that_look_like_a_zone() {
        for line in ["$ORIGIN z.", "$ttl 3600", "z. 900 in soa ns.z. h.z. 1 2 3 4 5", "a.z.\tIN\tNS\tns.z.", "a NS ns"]
        {
            assert!(is_likely(line), "{line}");
        }
        for line in ["a.example", "1,a.example", "; comment", "", "ns", "a.example b.example"] {
            assert!(!is_likely(line), "{line}");
        }
    }
}
