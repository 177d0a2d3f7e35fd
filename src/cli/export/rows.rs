//! The rows that a report is made of, gathered from the tables: in rounds, so that a dataset of any size fits in memory.
//!
//! Parts are in the order in which domains were finished, so what belongs to a domain may stand anywhere: a round takes
//! some domains, and reads the other tables once for all of them.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Error;
use crate::name::HostName;
use crate::store::reader::{self, Rows, Structs};
use crate::store::{Manifest, ScanInfo};
use crate::tlsrpt::report::{Cause, Counted, Dane, Host, Policy, PolicyType, Seen};

/// Domains of a round: a scan of the Internet announces some ten thousand policies, which makes two rounds.
const ROUND_DOMAINS: usize = 8_192;
/// Bytes that the policies and hosts of a round may take.
const ROUND_BYTES: usize = 64 << 20;
/// Bytes that the findings and TLSA records of a round may take. What is beyond is not told; the counts stand without.
const TOLD_BYTES: usize = 64 << 20;
/// What a host or a finding takes beside its texts.
const OVERHEAD: usize = 128;

/// The scan to read.
pub(super) struct Scan {
    pub(super) dataset: PathBuf,
    pub(super) id: String,
    pub(super) info: Option<ScanInfo>,
    pub(super) manifest: Option<Manifest>,
}

/// A domain that announces a policy.
pub(super) struct Announced {
    pub(super) seq: i64,
    /// Microseconds since 1970.
    pub(super) observed_at: i64,
    pub(super) seen: Seen,
    /// The body of its policy, by its digest.
    body: Option<String>,
}

const DOMAINS: [&str; 13] = [
    "seq",
    "domain",
    "observed_at",
    "announced",
    "record_id",
    "policy_status",
    "policy_code",
    "policy_mode",
    "policy_mx",
    "policy_body_sha256",
    "policy_body_bytes",
    "delivery_hosts",
    "delivery_reports",
];
const POLICIES: [&str; 2] = ["body_sha256", "body"];
const FINDINGS: [&str; 5] = ["seq", "subject", "code", "result_type", "detail"];
const HOSTS: [&str; 3] = ["host", "tlsa_records", "tlsa_base"];

/// Gives every domain that announces a policy, with all that a report needs.
///
/// # Errors
/// Where the dataset cannot be read or is damaged, and what `each` fails with.
pub(super) fn domains(scan: &Scan, mut each: impl FnMut(Announced) -> Result<(), Error>) -> Result<(), Error> {
    let (mut round, mut bytes) = (Vec::new(), 0_usize);
    for part in parts(scan, "domains")? {
        // Without its counts a scan says nothing of mail hosts, which is not the same as nothing to report.
        reader::read(&part, &DOMAINS, &DOMAINS, |rows| {
            for row in 0..rows.len() {
                if rows.truth("announced", row) != Some(true) {
                    continue;
                }
                let announced = announced(rows, row)?;
                bytes += announced.seen.hosts.iter().map(|host| host.name.len() + OVERHEAD).sum::<usize>();
                bytes += rows.int("policy_body_bytes", row).and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                round.push(announced);
                if round.len() >= ROUND_DOMAINS || bytes >= ROUND_BYTES {
                    bytes = 0;
                    gathered(scan, std::mem::take(&mut round), &mut each)?;
                }
            }
            Ok(())
        })?;
    }
    gathered(scan, round, &mut each)
}

fn parts(scan: &Scan, table: &str) -> Result<Vec<PathBuf>, Error> {
    reader::parts(&scan.dataset, &scan.id, table, scan.manifest.as_ref())
}

fn announced(rows: Rows<'_>, row: usize) -> Result<Announced, Error> {
    let domain = rows.text("domain", row).and_then(|text| HostName::parse(text).ok());
    let hosts = rows.structs("delivery_hosts", row);
    let results = rows.structs("delivery_reports", row);
    let status = (rows.text("record_id", row), rows.text("policy_status", row));
    let (policy, body) = match status {
        (Some(_), Some("usable")) => {
            let is_none = rows.text("policy_mode", row) == Some("none");
            let mx = rows.texts("policy_mx", row).unwrap_or_default();
            let body = rows.text("policy_body_sha256", row).map(str::to_owned);
            (Policy::Applied { body: Vec::new(), mx, is_none }, body)
        }
        (None, _) => (Policy::NotFound, None),
        (Some(_), Some("unusable")) => {
            (Policy::Unusable { code: rows.text("policy_code", row).unwrap_or_default().to_owned() }, None)
        }
        _ => (Policy::NotSeen, None),
    };
    let seen = Seen {
        domain: domain.ok_or_else(|| damaged("name"))?.to_string(),
        policy,
        hosts: hosts.map(|list| (0..list.len()).map(|at| host(&list, at)).collect()).unwrap_or_default(),
        results: results
            .map(|list| (0..list.len()).map(|at| counted(&list, at)).collect())
            .transpose()?
            .unwrap_or_default(),
        causes: Vec::new(),
    };
    let seq = rows.int("seq", row).ok_or_else(|| damaged("number"))?;
    Ok(Announced { seq, observed_at: rows.time("observed_at", row).unwrap_or(0), seen, body })
}

fn damaged(what: &str) -> Error {
    Error::Input(format!("the dataset is damaged: a domain has no {what}"))
}

fn host(list: &Structs, at: usize) -> Host {
    let number = |name| list.int(name, at).and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
    Host {
        name: list.text("host", at).unwrap_or_default().to_owned(),
        covered: list.truth("covered", at),
        dane: match list.text("dane", at) {
            // Secure TLSA records that can be used, or answers that nobody can trust.
            Some("match" | "mismatch" | "applies" | "bogus") => Dane::Decides,
            Some("unusable") => Dane::Unusable,
            _ => Dane::Nothing,
        },
        broken: list.text("status", at) == Some("broken"),
        addresses_usable: number("addresses_usable"),
        addresses_broken: number("addresses_broken"),
        tlsa: [].into(),
        base: None,
    }
}

/// A count that cannot be read is an error: left out, it would be sessions that went well.
fn counted(list: &Structs, at: usize) -> Result<Counted, Error> {
    let read = || {
        Some(Counted {
            policy_type: PolicyType::read(list.text("policy_type", at)?)?,
            result_type: list.text("result_type", at)?.to_owned(),
            count: u64::try_from(list.int("count", at)?).ok()?,
        })
    };
    read().ok_or_else(|| damaged("count that can be read"))
}

/// The domains of a round, with what the other tables say of them.
fn gathered(
    scan: &Scan,
    mut round: Vec<Announced>,
    each: &mut impl FnMut(Announced) -> Result<(), Error>,
) -> Result<(), Error> {
    if round.is_empty() {
        return Ok(());
    }
    let mut told = TOLD_BYTES;
    add_causes(scan, &mut round, &mut told)?;
    add_records(scan, &mut round, &mut told)?;
    let bodies = bodies(scan, &round)?;
    for mut one in round {
        if let (Policy::Applied { body, .. }, Some(digest)) = (&mut one.seen.policy, &one.body) {
            *body = bodies.get(digest).cloned().unwrap_or_default();
        }
        each(one)?;
    }
    Ok(())
}

fn add_causes(scan: &Scan, round: &mut [Announced], told: &mut usize) -> Result<(), Error> {
    let by_seq: HashMap<i64, usize> = round.iter().enumerate().map(|(index, one)| (one.seq, index)).collect();
    for part in parts(scan, "findings")? {
        reader::read(&part, &FINDINGS, &FINDINGS, |rows| {
            for row in 0..rows.len() {
                let index = rows.int("seq", row).and_then(|seq| by_seq.get(&seq));
                let (Some(index), Some(result_type)) = (index, rows.text("result_type", row)) else { continue };
                let cause = cause(rows, row, result_type);
                let size = OVERHEAD + cause.host.as_ref().map_or(0, String::len);
                if let Some(left) = told.checked_sub(size) {
                    *told = left;
                    round[*index].seen.causes.push(cause);
                }
            }
            Ok(())
        })?;
    }
    Ok(())
}

/// Of a finding at a mail host the detail says which host, and which address; of one about a mail host of the domain's MX
/// records, the subject does. What is no host name is left out: `receiving-mx-hostname` is one (RFC 8460 4.4).
fn cause(rows: Rows<'_>, row: usize, result_type: &str) -> Cause {
    let detail: serde_json::Value =
        rows.text("detail", row).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let told = |name: &str| detail.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let code = rows.text("code", row).unwrap_or_default();
    let subject = rows.text("subject", row).filter(|_| code.starts_with("mx."));
    Cause {
        result_type: result_type.to_owned(),
        code: code.to_owned(),
        host: told("host")
            .or_else(|| subject.map(str::to_owned))
            .and_then(|host| HostName::parse(&host).ok())
            .map(|host| host.to_string()),
        address: told("address"),
    }
}

fn add_records(scan: &Scan, round: &mut [Announced], told: &mut usize) -> Result<(), Error> {
    let with_records = || round.iter().flat_map(|one| &one.seen.hosts).filter(|host| host.dane != Dane::Nothing);
    let wanted: HashSet<&str> = with_records().map(|host| host.name.as_str()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let mut records: HashMap<String, (Arc<[String]>, Option<String>)> = HashMap::new();
    for part in parts(scan, "hosts")? {
        reader::read(&part, &HOSTS, &["host"], |rows| {
            for row in 0..rows.len() {
                let Some(host) = rows.text("host", row).filter(|host| wanted.contains(host)) else { continue };
                if records.contains_key(host) {
                    continue;
                }
                let Some(texts) = rows.texts("tlsa_records", row) else { continue };
                let base = rows.text("tlsa_base", row).filter(|base| *base != host).map(str::to_owned);
                if let Some(left) = told.checked_sub(OVERHEAD + texts.iter().map(String::len).sum::<usize>()) {
                    *told = left;
                    records.insert(host.to_owned(), (texts.into(), base));
                }
            }
            Ok(())
        })?;
    }
    for host in round.iter_mut().flat_map(|one| &mut one.seen.hosts).filter(|host| host.dane != Dane::Nothing) {
        (host.tlsa, host.base) = records.get(&host.name).cloned().unwrap_or_else(|| ([].into(), None));
    }
    Ok(())
}

/// The bodies of the policies of a round.
fn bodies(scan: &Scan, round: &[Announced]) -> Result<HashMap<String, Vec<u8>>, Error> {
    let wanted: HashSet<&str> = round.iter().filter_map(|one| one.body.as_deref()).collect();
    let mut bodies = HashMap::with_capacity(wanted.len());
    if wanted.is_empty() {
        return Ok(bodies);
    }
    for part in parts(scan, "policies")? {
        reader::read(&part, &POLICIES, &POLICIES, |rows| {
            for row in 0..rows.len() {
                let digest = rows.text("body_sha256", row).filter(|digest| wanted.contains(digest));
                if let (Some(digest), Some(body)) = (digest, rows.bytes("body", row)) {
                    bodies.insert(digest.to_owned(), body.to_vec());
                }
            }
            Ok(())
        })?;
    }
    Ok(bodies)
}
