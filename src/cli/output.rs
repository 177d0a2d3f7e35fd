//! Standard output and standard error that may be closed, full or blocked (HOSTILE.md 147): written, never panicking.

use std::io::{self, Write};

use crate::error::Error;

/// Writes text to standard output. A closed pipe is no error: the reader has seen enough.
///
/// # Errors
/// [`Error::Io`] where standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::io("cannot write to standard output")),
    }
}

/// Writes one line to standard error. Where that fails there is nobody left to tell.
pub fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Whether standard output is a terminal that wants colour (`NO_COLOR` is honoured).
#[must_use]
pub fn colour() -> bool {
    use std::io::IsTerminal as _;
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
