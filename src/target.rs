//! Targets: one accepted line of a list each, with its place in it.

use crate::name::Domain;

/// One domain to survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The number in the prepared input, 0 to N-1.
    pub seq: i64,
    /// The domain.
    pub domain: Domain,
    /// The rank that the list gives it.
    pub rank: Option<i64>,
    /// The line of the input that it first stood on, from 1.
    pub line: i64,
    /// The text of the line, where the domain differs from it by more than case and a final dot.
    pub original: Option<String>,
    /// Whether compatibility characters were mapped to others (UTS 46): the list may have meant another domain.
    pub mapped: bool,
    /// How many further lines named the same domain.
    pub duplicates: i64,
}
