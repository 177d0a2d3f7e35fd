//! The stream of `lint --jsonl`: lines of any bytes in, answers in the same order out.

use std::io::{self, Read, Write};

use rayon::prelude::*;
use serde_json::json;

/// The longest line that is read: a policy of 64 KiB, escaped and with room to spare. A longer one gets an error, and
/// the bytes beyond are dropped as they come.
pub const LINE_MAX: usize = 1 << 20;
/// Bytes asked of the input at a time: enough lines for all processors, few enough to answer soon.
const CHUNK: usize = 1 << 18;

/// Answers every line of `input` on `output`, in order. What has arrived is answered and flushed before more is asked
/// for, so that a program at the other end may wait for each answer.
///
/// # Errors
/// What reading or writing says; [`io::ErrorKind::BrokenPipe`] where nobody reads the answers any more.
pub fn stream(mut input: impl Read, mut output: impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut rest = Rest::default();
    loop {
        let length = match input.read(&mut chunk) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let lines = if length == 0 { rest.end() } else { rest.take(&chunk[..length]) };
        let answers: Vec<String> = lines.par_iter().map(Line::answer).collect();
        for answer in answers {
            output.write_all(answer.as_bytes())?;
            output.write_all(b"\n")?;
        }
        output.flush()?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// A line, or what is left to say of one.
enum Line {
    /// Its bytes, without the line end.
    Whole(Vec<u8>),
    /// It was longer than [`LINE_MAX`].
    TooLong,
}

impl Line {
    fn answer(&self) -> String {
        match self {
            Self::Whole(line) => super::answer(line),
            Self::TooLong => json!({ "error": format!("the line is longer than {LINE_MAX} bytes") }).to_string(),
        }
    }
}

/// The beginning of a line whose end has not arrived.
#[derive(Default)]
struct Rest {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Rest {
    /// Adds bytes and returns the lines that they complete.
    fn take(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let content = piece.strip_suffix(b"\n").unwrap_or(piece);
            if self.too_long || self.bytes.len() + content.len() > LINE_MAX {
                self.too_long = true;
                self.bytes = Vec::new();
            } else {
                self.bytes.extend_from_slice(content);
            }
            if content.len() < piece.len() {
                lines.push(self.line());
            }
        }
        lines
    }

    /// The last line, where no line end stood behind it.
    fn end(&mut self) -> Vec<Line> {
        if self.bytes.is_empty() && !self.too_long { Vec::new() } else { vec![self.line()] }
    }

    fn line(&mut self) -> Line {
        let rest = std::mem::take(self);
        if rest.too_long { Line::TooLong } else { Line::Whole(rest.bytes) }
    }
}
