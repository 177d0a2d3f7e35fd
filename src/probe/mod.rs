//! Probes: each one story in one file. `see` asks, `Seen` is the evidence, `judge` is pure, `COLUMNS` says what is stored.

pub mod host;
pub mod mx;
pub mod policy;
pub mod record;
pub mod tlsrpt;

use std::borrow::Cow;

use crate::failure::Failure;
use crate::finding::{self, Finding};
use crate::net::dns::{Answer, Lookup, Rrset};

/// Bytes that a sibling label gets at random: enough that nobody has such a name.
const SIBLING_RANDOM: usize = 8;

/// The status of a look-up as a word: `found`, `nodata`, `nxdomain` or `failed`.
fn lookup_word<T>(answer: &Answer<T>) -> &'static str {
    match answer.lookup {
        Lookup::Found(_) => "found",
        Lookup::NoData => "nodata",
        Lookup::NxDomain => "nxdomain",
        Lookup::Failed(_) => "failed",
    }
}

/// The records of a look-up, where it was asked and found any.
fn found<T>(answer: Option<&Answer<T>>) -> Option<&Rrset<T>> {
    match answer.map(|answer| &answer.lookup) {
        Some(Lookup::Found(set)) => Some(set),
        _ => None,
    }
}

/// The failure of a look-up, if it failed.
fn failure<T>(answer: &Answer<T>) -> Option<&Failure> {
    match &answer.lookup {
        Lookup::Failed(failure) => Some(failure),
        Lookup::Found(_) | Lookup::NoData | Lookup::NxDomain => None,
    }
}

/// What is worth noting about how an answer came (HOSTILE.md 30, 38).
fn transport_notes<T>(answer: &Answer<T>) -> impl Iterator<Item = Finding> + use<T> {
    let case = answer.case_changed.then(|| Finding::new(finding::dns::CASE));
    let trailing = answer.trailing.then(|| Finding::new(finding::dns::TRAILING));
    case.into_iter().chain(trailing)
}

/// A failure's context as JSON text, for a column; null where there is none.
fn detail_text(failure: &Failure) -> Option<Cow<'_, str>> {
    let mut object = failure.detail.to_json();
    if !failure.subject.is_empty() {
        object.insert("subject".into(), failure.subject.clone().into());
    }
    if object.is_empty() { None } else { Some(serde_json::Value::Object(object).to_string().into()) }
}

/// Texts as a list column; null where the list is empty.
fn texts(list: &[String]) -> Option<Vec<Cow<'_, str>>> {
    if list.is_empty() { None } else { Some(list.iter().map(|text| Cow::Borrowed(text.as_str())).collect()) }
}
