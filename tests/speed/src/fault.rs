//! What stops the program: one line for whoever runs it.

use std::fmt::{self, Display};

/// A line that says what could not be done, and why.
#[derive(Debug)]
pub(crate) struct Fault(String);

impl Fault {
    /// A fault that says this.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What was being done when something failed.
    pub(crate) fn while_doing<E: Display>(what: impl Display) -> impl FnOnce(E) -> Self {
        move |error| Self(format!("cannot {what}: {error}"))
    }
}

impl Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
