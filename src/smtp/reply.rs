//! Replies (RFC 5321 4.2): a code of three digits and lines of text, read as the bytes come.
//!
//! Tolerated, with a mark: a line that ends with LF alone, and bytes that are no text of SMTP. Lawful: a code with
//! nothing behind it. Everything else that breaks the grammar ends the reading, at the first byte that cannot stand
//! where it stands: a line may never end.

use crate::failure::Failure;
use crate::finding::{Code, smtp};
use crate::text;

/// Lines of one reply (HOSTILE.md 126): the longest EHLO in the wild offers some thirty keywords.
pub const LINES_MAX: usize = 100;
/// Bytes that one reader takes (HOSTILE.md 126): all that may come before TLS, which lawful hosts keep to a hundredth.
pub const BYTES_MAX: usize = 32 * 1024;
/// First bytes of something that is not SMTP that are shown: a banner of another protocol fits.
const SHOWN: usize = 64;

/// A whole reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The code: 200 to 599.
    pub code: u16,
    /// The text of each line without code, separator and line end; raw, each cut to [`text::KEPT`].
    pub lines: Vec<Vec<u8>>,
}

impl Reply {
    /// The text of all lines in one, for the context of a finding.
    #[must_use]
    pub fn excerpt(&self) -> String {
        text::excerpt(&self.lines.join(&b" / "[..]))
    }
}

/// A reply as it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// The reply.
    pub reply: Reply,
    /// Whether a line ended with LF alone (RFC 5321 2.3.8).
    pub bare_lf: bool,
    /// Whether a line held a control character, or an 8-bit one, which a client that never said SMTPUTF8 is not sent
    /// (RFC 5321 4.2, RFC 6531 3.7.4.2).
    pub odd_bytes: bool,
    /// Bytes that had come in behind the reply when it was whole.
    pub unread: usize,
}

/// Reads replies from bytes in pieces of any size.
#[derive(Debug, Default)]
pub struct Reader {
    /// Bytes that belong to no line yet. With what was taken before, never more than [`BYTES_MAX`].
    buffer: Vec<u8>,
    /// Bytes at the head of the buffer that hold no line end.
    searched: usize,
    /// Bytes taken in.
    taken: usize,
    /// Whether more came than is taken in.
    over: bool,
    /// The lines of the reply that is coming in.
    heard: Heard,
    /// Whether a reply was read, by this reader or before it.
    spoke: bool,
}

impl Reader {
    /// A reader within a conversation: whoever speaks has been heard to speak SMTP.
    #[must_use]
    pub fn within() -> Self {
        Self { spoke: true, ..Self::default() }
    }

    /// Takes in what came, up to [`BYTES_MAX`] in all.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = BYTES_MAX - self.taken;
        let taken = &bytes[..bytes.len().min(room)];
        self.over |= bytes.len() > room;
        self.taken += taken.len();
        self.buffer.extend_from_slice(taken);
    }

    /// The next whole reply, if it has come.
    ///
    /// # Errors
    /// `smtp.not_smtp` where the very first line does not begin with a code, `smtp.syntax` where a later one does not or
    /// says another code than the lines before it, `smtp.too_long` beyond the bounds. Nothing is read behind that.
    pub fn reply(&mut self) -> Result<Option<Heard>, Failure> {
        loop {
            // The last of these lines said that there are more.
            if self.heard.reply.lines.len() == LINES_MAX {
                return Err(too_long());
            }
            self.check_head()?;
            let end = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n');
            let Some(end) = end.map(|end| self.searched + end) else {
                self.searched = self.buffer.len();
                return if self.over { Err(too_long()) } else { Ok(None) };
            };
            let more = self.line(end)?;
            self.buffer.drain(..=end);
            self.searched = 0;
            if !more {
                self.spoke = true;
                let mut heard = std::mem::take(&mut self.heard);
                heard.unread = self.buffer.len();
                return Ok(Some(heard));
            }
        }
    }

    /// The code at the head of a line, as far as it came: three digits of which the first is 2 to 5, and then a space, a
    /// hyphen, or the line end.
    fn check_head(&self) -> Result<(), Failure> {
        let mut head = self.buffer.iter().take(4).enumerate();
        let wrong = head.find(|(at, byte)| match at {
            0 => !matches!(byte, b'2'..=b'5'),
            1 | 2 => !byte.is_ascii_digit(),
            _ => !matches!(byte, b' ' | b'-' | b'\r' | b'\n'),
        });
        match wrong {
            // Whoever greets in TLS, HTTP or SSH, or with anything else, does so before the first code is whole.
            Some((0..=2, _)) if !self.spoke && self.heard.reply.lines.is_empty() => Err(self.broken(smtp::NOT_SMTP)),
            Some(_) => Err(self.broken(smtp::SYNTAX)),
            None => Ok(()),
        }
    }

    /// Takes the line that ends at `end` into the reply. Gives whether another one follows.
    fn line(&mut self, end: usize) -> Result<bool, Failure> {
        let (line, bare_lf) = match &self.buffer[..end] {
            [line @ .., b'\r'] => (line, false),
            line => (line, true),
        };
        // A carriage return behind the code is the line end's; with anything but LF behind it, it is none.
        let Some((code, rest)) = line.split_first_chunk::<3>().filter(|(_, rest)| rest.first() != Some(&b'\r')) else {
            return Err(self.broken(smtp::SYNTAX));
        };
        let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        let body = rest.get(1..).unwrap_or_default();
        let more = rest.first() == Some(&b'-');
        if !self.heard.reply.lines.is_empty() && code != self.heard.reply.code {
            return Err(self.broken(smtp::SYNTAX).with("expected", self.heard.reply.code));
        }
        // textstring = 1*(%d09 / %d32-126)
        let odd_bytes = body.iter().any(|byte| !matches!(byte, b'\t' | b' '..=b'~'));
        self.heard.reply.code = code;
        self.heard.reply.lines.push(body[..body.len().min(text::KEPT)].to_vec());
        self.heard.bare_lf |= bare_lf;
        self.heard.odd_bytes |= odd_bytes;
        Ok(more)
    }

    /// A failure that shows the line which breaks the grammar, as far as it came.
    fn broken(&self, code: Code) -> Failure {
        let line = self.buffer.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
        Failure::new(code).with("first_bytes", text::excerpt(&line[..line.len().min(SHOWN)]))
    }
}

fn too_long() -> Failure {
    Failure::new(smtp::TOO_LONG).with("lines_max", LINES_MAX).with("bytes_max", BYTES_MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every reply of the bytes, read in these pieces, and the code that ended the reading.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Heard>, Option<Code>) {
        let (mut reader, mut replies) = (Reader::default(), Vec::new());
        for piece in pieces {
            reader.push(piece);
            loop {
                match reader.reply() {
                    Ok(Some(heard)) => replies.push(heard),
                    Ok(None) => break,
                    Err(failure) => {
                        assert_eq!(reader.reply(), Err(failure.clone()), "what is broken stays broken");
                        return (replies, Some(failure.code));
                    }
                }
            }
            assert!(reader.taken <= BYTES_MAX && reader.buffer.len() <= BYTES_MAX);
        }
        (replies, None)
    }

    /// Bytes, the codes and lines of the replies in them, and the code that ends the reading.
    type Row<'a> = (&'a [u8], &'a [(u16, &'a [&'a str])], Option<Code>);

    #[test]
    fn replies_are_read_by_the_grammar() {
        let rows: &[Row] = &[
            (b"", &[], None),
            (b"220", &[], None),
            (b"220 mx.example ESMTP\r", &[], None),
            (b"220 mx.example ESMTP\r\n", &[(220, &["mx.example ESMTP"])], None),
            (b"220\r\n", &[(220, &[""])], None),
            (b"220 \r\n", &[(220, &[""])], None),
            (b"220-\r\n220\r\n", &[(220, &["", ""])], None),
            (b"250-a\r\n250-STARTTLS\r\n250 SIZE 1\r\n", &[(250, &["a", "STARTTLS", "SIZE 1"])], None),
            (b"220 a\r\n250 b\r\n", &[(220, &["a"]), (250, &["b"])], None),
            (b"554 5.7.1 no\r\n", &[(554, &["5.7.1 no"])], None),
            (b"299 -\r\n", &[(299, &["-"])], None),
            // The greeting is something else.
            (b"\x16\x03\x01\x02\x00", &[], Some(smtp::NOT_SMTP)),
            (b"\x15\x03\x03\x00\x02\x02\x28", &[], Some(smtp::NOT_SMTP)),
            (b"HTTP/1.1 400 Bad Request\r\n", &[], Some(smtp::NOT_SMTP)),
            (b"SSH-2.0-OpenSSH_9.6\r\n", &[], Some(smtp::NOT_SMTP)),
            (b"+OK POP3\r\n", &[], Some(smtp::NOT_SMTP)),
            (b"hello\r\n", &[], Some(smtp::NOT_SMTP)),
            (b"H", &[], Some(smtp::NOT_SMTP)),
            (b"\r\n220 a\r\n", &[], Some(smtp::NOT_SMTP)),
            (b"22\r\n", &[], Some(smtp::NOT_SMTP)),
            (b"120 wait\r\n", &[], Some(smtp::NOT_SMTP)),
            (b"620 wait\r\n", &[], Some(smtp::NOT_SMTP)),
            // It begins well.
            (b"220ok\r\n", &[], Some(smtp::SYNTAX)),
            (b"2200 ok\r\n", &[], Some(smtp::SYNTAX)),
            (b"220\rok\r\n", &[], Some(smtp::SYNTAX)),
            (b"220-a\r\n250 b\r\n", &[], Some(smtp::SYNTAX)),
            (b"220-a\r\n221-", &[], None),
            (b"220-a\r\nb\r\n", &[], Some(smtp::SYNTAX)),
            (b"220 a\r\nHTTP/1.1", &[(220, &["a"])], Some(smtp::SYNTAX)),
            (b"220 a\r\n\r\n", &[(220, &["a"])], Some(smtp::SYNTAX)),
        ];
        for (bytes, replies, code) in rows {
            let (heard, ended) = read([*bytes]);
            let heard: Vec<(u16, Vec<String>)> = heard
                .iter()
                .map(|heard| (heard.reply.code, heard.reply.lines.iter().map(|line| text::excerpt(line)).collect()))
                .collect();
            let replies: Vec<(u16, Vec<String>)> = replies
                .iter()
                .map(|(code, lines)| (*code, lines.iter().map(|line| line.to_string()).collect()))
                .collect();
            assert_eq!((heard, ended), (replies, *code), "{}", text::excerpt(bytes));
        }
    }

    #[test]
    fn what_is_tolerated_is_marked() {
        // The bytes; whether an end is bare, whether a byte is odd.
        let rows: &[(&[u8], bool, bool)] = &[
            (b"220 tab\there\r\n", false, false),
            (b"220 a\n", true, false),
            (b"220\n", true, false),
            (b"220-a\n220 b\r\n", true, false),
            (b"220 nul\0\r\n", false, true),
            (b"220 \x1b[31m\r\n", false, true),
            (b"220 \x7f\r\n", false, true),
            (b"220 gr\xc3\xbc\xc3\x9fe\r\n", false, true),
            (b"220 gr\xfc\xdfe\r\n", false, true),
            (b"220 a\r\r\n", false, true),
            (b"220 a\rb\r\n", false, true),
            (b"220-a\x01\r\n220 b\n", true, true),
        ];
        for (bytes, bare_lf, odd_bytes) in rows {
            let (heard, ended) = read([*bytes]);
            assert_eq!((heard.len(), ended), (1, None), "{}", text::excerpt(bytes));
            assert_eq!((heard[0].bare_lf, heard[0].odd_bytes), (*bare_lf, *odd_bytes), "{}", text::excerpt(bytes));
        }
        // Odd bytes are found behind what is kept, too.
        let long = [b"220 ", &[b'x'; text::KEPT][..], b"yy\0\r\n"].concat();
        let heard = read([&long[..]]).0;
        assert_eq!((heard[0].reply.lines[0].as_slice(), heard[0].odd_bytes), (&[b'x'; text::KEPT][..], true));
    }

    #[test]
    fn who_has_spoken_smtp_breaks_its_grammar() {
        let mut reader = Reader::within();
        reader.push(b"what?\r\n");
        assert_eq!(reader.reply().unwrap_err().code, smtp::SYNTAX);
    }

    #[test]
    fn what_stands_behind_a_reply_is_counted() {
        let mut reader = Reader::default();
        reader.push(b"220 go\r\n250 injected\r\n25");
        let unread = |reader: &mut Reader| reader.reply().unwrap().map(|heard| heard.unread);
        assert_eq!(unread(&mut reader), Some(16));
        assert_eq!(unread(&mut reader), Some(2));
        assert_eq!(unread(&mut reader), None);
    }

    #[test]
    fn the_bounds_hold_to_the_line_and_the_byte() {
        let lines = |count: usize| b"250-x\r\n".repeat(count - 1);
        let fits = [lines(LINES_MAX), b"250 x\r\n".to_vec()].concat();
        assert_eq!(read([&fits[..]]).0[0].reply.lines.len(), LINES_MAX);
        // The hundredth line announces another one.
        assert_eq!(read([&lines(LINES_MAX + 1)[..]]), (Vec::new(), Some(smtp::TOO_LONG)));

        let line = |length: usize| [b"220 ", &vec![b'x'; length - 6][..], b"\r\n"].concat();
        assert_eq!(read([&line(BYTES_MAX)[..]]).0[0].reply.lines[0].len(), text::KEPT);
        assert_eq!(read([&line(BYTES_MAX + 1)[..]]), (Vec::new(), Some(smtp::TOO_LONG)));
        // All replies together; what was whole before the bound is read.
        let second = [line(1000), line(BYTES_MAX - 999)].concat();
        let (heard, ended) = read([&second[..]]);
        assert_eq!((heard.len(), ended), (1, Some(smtp::TOO_LONG)));
    }

    proptest! {
        #[test]
        fn the_cuts_do_not_matter(
            lines in proptest::collection::vec(
                ("[ -~]{0,3}|[2-5][0-9]{2}|220|250", "[-\\s]?", "[\\x00-\\x7fü]{0,20}", "\r\n|\n|"), 0..12),
            cuts in proptest::collection::vec(0_usize..200, 0..20),
        ) {
            let text: String = lines.into_iter().map(|(code, mark, text, end)| code + &mark + &text + &end).collect();
            let bytes = text.as_bytes();
            let whole = read([bytes]);
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|cut| *cut < bytes.len()).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces = read(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]));
            let single = read(bytes.chunks(1));
            // How much stands behind a reply is the one thing that depends on them.
            let replies = |heard: &[Heard]| {
                heard.iter().map(|heard| Heard { unread: 0, ..heard.clone() }).collect::<Vec<_>>()
            };
            prop_assert_eq!((replies(&pieces.0), pieces.1), (replies(&whole.0), whole.1));
            prop_assert_eq!((replies(&single.0), single.1), (replies(&whole.0), whole.1));
        }

        #[test]
        fn nothing_panics_and_the_bounds_are_kept(pieces in proptest::collection::vec(any::<Vec<u8>>(), 0..20)) {
            let (heard, _) = read(pieces.iter().map(Vec::as_slice));
            for heard in heard {
                prop_assert!((200..600).contains(&heard.reply.code));
                prop_assert!((1..=LINES_MAX).contains(&heard.reply.lines.len()));
                prop_assert!(heard.reply.lines.iter().all(|line| line.len() <= text::KEPT));
            }
        }
    }
}
