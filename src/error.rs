//! Errors: ours, each with its exit status (DESIGN.md, "Nothing is lost").

use std::path::PathBuf;

/// What stops the program. One lower-case line, with the value that hurts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The input is damaged, or is not what it says.
    #[error("{0}")]
    Input(String),
    /// The output cannot be created.
    #[error("cannot create {path}: {source}")]
    Create {
        /// What was to be created.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Reading or writing failed.
    #[error("{what}: {source}")]
    Io {
        /// What was done, and to which file.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
    /// No resolver answers, or the dataset is locked: try again later.
    #[error("{0}")]
    Unavailable(String),
    /// Stopped by a signal; what was finished is stored.
    #[error("stopped by signal {0}")]
    Signal(i32),
    /// A fault of ours.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Error {
    /// The exit status of the process.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Input(_) => 65,
            Self::Internal(_) => 70,
            Self::Create { .. } => 73,
            Self::Io { .. } => 74,
            Self::Unavailable(_) => 75,
            // 128 + signal number, as shells count; signal numbers are below 128.
            Self::Signal(number) => 128 + u8::try_from(*number).unwrap_or(0),
        }
    }

    /// An [`Error::Io`] with what was being done.
    pub fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
