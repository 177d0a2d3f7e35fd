//! The scan information: what was asked, of whom, from where and with which versions; written before the first packet.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::SCHEMA_VERSION;

/// `scan.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScanInfo {
    /// The scan.
    pub scan_id: String,
    /// When it began.
    pub started_at: jiff::Timestamp,
    /// The lists, in the order of the command line.
    pub lists: Vec<ListInfo>,
    /// The options that decide what is asked and how, by their names on the command line.
    pub options: Map<String, Value>,
    /// The versions of everything that decides a verdict.
    pub versions: Versions,
    /// The resolvers that were asked, as `scheme://address:port`.
    pub resolvers: Vec<String>,
    /// From where the Internet was looked at.
    pub vantage: Vantage,
    /// What the order of the scan and its random names were drawn from.
    pub seed: u64,
}

/// One list of domains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListInfo {
    /// The name: of a public list, or of the file; `-` for standard input.
    pub name: String,
    /// What its publisher calls this edition, where there is such a thing.
    pub id: Option<String>,
    /// The format that it was read as.
    pub format: String,
    /// The SHA-256 of the bytes as they were read, in lower-case hexadecimal.
    pub sha256: String,
    /// Its lines, blank ones and comments apart.
    pub rows: u64,
}

/// The versions behind a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// stscan.
    pub tool: String,
    /// Schema and layout of the dataset.
    pub schema: u32,
    /// The public suffix list.
    pub psl: String,
    /// The root stores by name.
    pub roots: BTreeMap<String, String>,
}

impl Versions {
    /// The versions of this build, with those of the data that it judges by.
    #[must_use]
    pub fn new(psl: impl Into<String>, roots: BTreeMap<String, String>) -> Self {
        Self { tool: env!("CARGO_PKG_VERSION").to_owned(), schema: SCHEMA_VERSION, psl: psl.into(), roots }
    }
}

/// The place that a scan was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vantage {
    /// The name of the machine.
    pub host: String,
    /// Whether mail hosts could be asked from there: open, blocked, unknown, granted (not tried), or not_asked.
    pub mail: String,
    /// The code of what went wrong at a mail host that is known to work: why `mail` is blocked or unknown, or why one version
    /// of IP is blocked.
    #[serde(default)]
    pub mail_cause: Option<String>,
    /// Whether they could be asked over IPv4, where `mail` is open: open, blocked, or unknown.
    #[serde(default)]
    pub mail_ipv4: Option<String>,
    /// The same over IPv6.
    #[serde(default)]
    pub mail_ipv6: Option<String>,
    /// What the resolvers said of the record of each domain that is known to have one: found, nodata, nxdomain, or the code of
    /// the failure; where they do not agree, what speaks against one of them.
    #[serde(default)]
    pub dns_canaries: BTreeMap<String, String>,
}
