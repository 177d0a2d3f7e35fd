//! A second opinion on DANE: OpenSSL's own verification (RFC 7671), as Postfix and Exim use it, over the same chains and
//! records. Where the two differ, the row says so and why.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PublicKeyData as _, date_time_ymd};
use sha2::{Digest, Sha256, Sha512};
use stscan::dane::{self, Tlsa};
use stscan::name::HostName;

use crate::fetch::pki::{FUTURE, PAST, VALID, pem};
use crate::servers::{Process, await_listening, free_port, program};

const HOST: &str = "mx.example.com";

/// A certificate with its key.
struct Certificate {
    der: Vec<u8>,
    spki: Vec<u8>,
    key: String,
    params: CertificateParams,
}

impl Certificate {
    /// A certificate of this name, by an authority or by itself; one for hosts is no authority.
    fn new(name: &str, hosts: &[&str], years: (i32, i32), authority: Option<&Self>) -> Self {
        let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
        if hosts.is_empty() && !name.contains('.') {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        let key = KeyPair::generate().unwrap();
        let made = match authority {
            Some(authority) => {
                let issuer = Issuer::new(authority.params.clone(), KeyPair::from_pem(&authority.key).unwrap());
                params.signed_by(&key, &issuer).unwrap()
            }
            None => params.self_signed(&key).unwrap(),
        };
        Self { der: made.der().to_vec(), spki: key.subject_public_key_info(), key: key.serialize_pem(), params }
    }

    /// The record of this kind for it.
    fn record(&self, usage: u8, selector: u8, matching: u8) -> Tlsa {
        let selected = if selector == 0 { &self.der } else { &self.spki };
        let data = match matching {
            0 => selected.clone(),
            1 => Sha256::digest(selected).to_vec(),
            _ => Sha512::digest(selected).to_vec(),
        };
        Tlsa { usage, selector, matching, length: data.len(), data }
    }
}

/// Starts a server that sends a chain.
fn serve(openssl: &Path, at: &Path, chain: &[&Certificate]) -> (Process, SocketAddr) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let others: String = chain[1..].iter().map(|certificate| pem(&certificate.der)).collect();
    for (name, text) in [("leaf.pem", &pem(&chain[0].der)), ("leaf.key", &chain[0].key), ("others.pem", &others)] {
        std::fs::write(at.join(name), text).unwrap();
    }
    let mut command = Command::new(openssl);
    command.current_dir(at).args(["s_server", "-www", "-accept", &address.to_string()]);
    command.args(["-cert", "leaf.pem", "-key", "leaf.key", "-no-CAfile", "-no-CApath", "-no-CAstore"]);
    if chain.len() > 1 {
        command.args(["-cert_chain", "others.pem"]);
    }
    let mut process = Process::start(&mut command);
    await_listening(&mut process, address.port());
    (process, address)
}

/// Whether OpenSSL takes the host for authenticated by these records, as RFC 7672 would have a sender do.
fn authenticates(openssl: &Path, address: SocketAddr, records: &[Tlsa]) -> bool {
    let mut command = Command::new(openssl);
    command.args(["s_client", "-connect", &address.to_string(), "-servername", HOST, "-verify_return_error"]);
    command.args(["-no-CAfile", "-no-CApath", "-no-CAstore", "-dane_ee_no_namechecks", "-dane_tlsa_domain", HOST]);
    for record in records {
        let data: String = record.data.iter().map(|byte| format!("{byte:02X}")).collect();
        let text = format!("{} {} {} {data}", record.usage, record.selector, record.matching);
        command.args(["-dane_tlsa_rrdata", &text]);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    output.status.success()
}

/// What OpenSSL and we make of one chain and one set of records.
enum Verdict {
    Yes,
    No,
}

#[test]
fn openssl_agrees() {
    use Verdict::{No, Yes};
    let Some(openssl) = program("openssl") else { return };
    let make = |name: &str, hosts: &[&str], years, authority| Certificate::new(name, hosts, years, authority);
    let root = make("root", &[], VALID, None);
    let middle = make("middle", &[], VALID, Some(&root));
    let old = make("old", &[], PAST, None);
    let stale = make("stale", &[], PAST, Some(&root));
    let (leaf, next) = (make("leaf", &[HOST], VALID, Some(&middle)), make("leaf", &[HOST], VALID, Some(&middle)));
    let expired = make("leaf", &[HOST], PAST, Some(&middle));
    let future = make("leaf", &[HOST], FUTURE, Some(&middle));
    let elsewhere = make("leaf", &["other.example"], VALID, Some(&middle));
    let wild = make("leaf", &["*.example.com"], VALID, Some(&middle));
    let nameless = make(HOST, &[], VALID, Some(&middle));
    let (under_old, under_stale) = (make("l", &[HOST], VALID, Some(&old)), make("l", &[HOST], VALID, Some(&stale)));
    let alone = make("alone", &["other.example"], PAST, None);
    let own = make("own", &[HOST], VALID, None);
    let full = [&leaf, &middle, &root];

    type Row<'a> = (&'a str, Vec<Tlsa>, Vec<&'a Certificate>, Verdict);
    let mut rows: Vec<Row<'_>> = Vec::new();
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            rows.push(("leaf", vec![leaf.record(3, selector, matching)], full.to_vec(), Yes));
            rows.push(("another leaf", vec![next.record(3, selector, matching)], full.to_vec(), No));
            rows.push(("intermediate", vec![middle.record(2, selector, matching)], full.to_vec(), Yes));
            rows.push(("root", vec![root.record(2, selector, matching)], full.to_vec(), Yes));
            rows.push(("another root", vec![old.record(2, selector, matching)], full.to_vec(), No));
            rows.push(("leaf as authority", vec![leaf.record(2, selector, matching)], full.to_vec(), No));
            rows.push(("authority as leaf", vec![middle.record(3, selector, matching)], full.to_vec(), No));
        }
    }
    rows.extend([
        ("wrong in all, and fits", vec![alone.record(3, 1, 1)], vec![&alone], Yes),
        ("expired leaf", vec![expired.record(3, 1, 1)], vec![&expired], Yes),
        ("root not sent", vec![root.record(2, 1, 1)], vec![&leaf, &middle], No),
        ("root not sent, and whole", vec![root.record(2, 0, 0)], vec![&leaf, &middle], Yes),
        ("root not sent, and its key whole", vec![root.record(2, 1, 0)], vec![&leaf, &middle], Yes),
        ("intermediate not sent, and its key whole", vec![middle.record(2, 1, 0)], vec![&leaf], Yes),
        ("intermediate not sent", vec![root.record(2, 1, 1)], vec![&leaf, &root], No),
        ("its own issuer", vec![own.record(2, 1, 1)], vec![&own], No),
        ("authority, for another host", vec![middle.record(2, 1, 1)], vec![&elsewhere, &middle], No),
        ("authority, by a wildcard", vec![middle.record(2, 1, 1)], vec![&wild, &middle], Yes),
        ("authority, expired", vec![middle.record(2, 1, 1)], vec![&expired, &middle], No),
        ("authority, not yet valid", vec![middle.record(2, 1, 1)], vec![&future, &middle], No),
        ("authority itself expired", vec![old.record(2, 1, 1)], vec![&under_old, &old], No),
        ("authority itself expired, whole", vec![old.record(2, 0, 0)], vec![&under_old], No),
        ("intermediate expired", vec![root.record(2, 1, 1)], vec![&under_stale, &stale, &root], No),
        ("rollover", vec![next.record(3, 1, 1), leaf.record(3, 1, 1)], full.to_vec(), Yes),
        ("the weaker digest alone fits", vec![leaf.record(3, 1, 1), next.record(3, 1, 2)], full.to_vec(), No),
        ("the stronger digest alone fits", vec![next.record(3, 1, 1), leaf.record(3, 1, 2)], full.to_vec(), Yes),
        ("leaf or authority", vec![next.record(3, 1, 1), root.record(2, 0, 1)], full.to_vec(), Yes),
        ("the name in the common name alone", vec![middle.record(2, 1, 1)], vec![&nameless, &middle], Yes),
    ]);
    let host = HostName::parse(HOST).unwrap();
    let mut wrong = Vec::new();
    for (what, records, chain, verdict) in rows {
        let folder = tempfile::tempdir().unwrap();
        let (_process, address) = serve(&openssl, folder.path(), &chain);
        let theirs = authenticates(&openssl, address, &records);
        let chain: Vec<Vec<u8>> = chain.iter().map(|certificate| certificate.der.clone()).collect();
        let ours = dane::verify(&records, &chain, &[&host], SystemTime::now()).matched.is_some();
        let wanted = match verdict {
            Yes => (true, true),
            No => (false, false),
        };
        if (theirs, ours) != wanted {
            wrong.push(format!("{what}: OpenSSL {theirs}, we {ours}: {}", records[0]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
