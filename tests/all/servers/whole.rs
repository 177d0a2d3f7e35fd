//! The whole program against an Internet of Debian's servers on loopback, and against the lab: the same verdicts.
//!
//! unbound in front of nsd, and nginx with a virtual host for each policy host, serve the domains of [`kinds`]; so does
//! `stscan lab` from a file of worlds. The shipped program scans both, and every row must be what RULES.md says, and the
//! same in both, to the last column that does not name a port, a key or a time.

mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use stscan::net::Upstream;

use super::unbound::Servers;
use super::{Process, await_listening, free_port, nginx, program};
use crate::fetch::pki::{Authority, Identity, PAST, VALID, pem};
use kinds::{Certificate, Content, KINDS, Kind};

/// Columns of `domains` in which two networks must differ, or may: keys, addresses, times and what servers choose.
const OF_THE_NETWORK: &[&str] = &[
    "scan_id",
    "observed_at",
    "elapsed_ms",
    "delivery_refused_until",
    "record_ttl",
    "record_failure_detail",
    "policy_addresses",
    "policy_address",
    "policy_http_version",
    "policy_tls_cipher",
    "policy_cert_sha256",
    "policy_connect_ms",
    "policy_tls_ms",
    "policy_first_byte_ms",
    "policy_total_ms",
];
/// Columns that tell of an error page, which each server words as it likes.
const OF_THE_PAGE: &[&str] = &["policy_body_sha256", "policy_body_bytes"];

/// What is compared of a finding.
const FINDING: [&str; 6] = ["domain", "code", "severity", "subject", "result_type", "detail"];

/// Findings that name certificates, ports or alerts: codes by their beginning.
const OF_THE_SERVER: &[&str] = &["cert.", "tcp.", "tls."];

pub(super) type Row = BTreeMap<String, Field>;

/// What a scan said.
struct Scan {
    /// The rows of `domains`, by domain.
    domains: BTreeMap<String, Row>,
    /// The rows of `findings`, as text.
    findings: BTreeSet<String>,
}

#[tokio::test]
async fn real_servers_and_the_lab_come_to_the_same_verdicts() {
    let Some(real) = Network::real().await else { return };
    let lab = Network::lab();

    // Everything that can be asked, of every domain: there only the two networks are compared.
    let all: &[&str] = &["--deep", "--also", "mx,tlsrpt"];
    let [seen, simulated, seen_deep, simulated_deep] = std::thread::scope(|scope| {
        [(&real, "dataset", &[][..]), (&lab, "dataset", &[]), (&real, "deep", all), (&lab, "deep", all)]
            .map(|(network, dataset, more)| scope.spawn(move || network.scan(dataset, more)))
            .map(|scan| scan.join().unwrap())
    });
    let mut differences = String::new();
    for kind in KINDS {
        for (network, rows) in [("real", &seen), ("lab", &simulated)] {
            for (what, expected, seen) in verdicts(kind, &rows.domains[&kind.domain()]) {
                if expected != seen {
                    writeln!(differences, "{}: {network}: {what}: {seen}, not {expected}", kind.label).unwrap();
                }
            }
        }
    }
    compare(&seen, &simulated, &mut differences);
    compare(&seen_deep, &simulated_deep, &mut differences);
    assert!(differences.is_empty(), "{differences}");

    for network in [&real, &lab] {
        // Of mail hosts nothing is known here: there is no canary.
        for (domain, status) in
            [("good.test", 75), ("testing.test", 0), ("not-found.test", 1), ("nxdomain.test", 0), ("lame.test", 75)]
        {
            let output = network.stscan(&["check", domain]);
            assert_eq!(output.status.code(), Some(status), "{domain}: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}

/// What a row must say by RULES.md, and what it says.
fn verdicts(kind: &Kind, row: &Row) -> [(&'static str, String, String); 6] {
    let expected = &kind.expected;
    let text = |text: &str| format!("{:?}", Field::Str(text.to_owned()));
    let optional = |word: Option<&str>| word.map_or(format!("{:?}", Field::Null), text);
    let shown = |name: &str| format!("{:?}", row[name]);
    let codes = |codes: &[&str]| codes.join(" ");
    let list = |name: &str| texts(&row[name]).join(" ");
    [
        ("announced", format!("{:?}", expected.announced.map_or(Field::Null, Field::Bool)), shown("announced")),
        ("outcome", text(expected.outcome), shown("outcome")),
        ("outcome_code", optional(expected.code), shown("outcome_code")),
        ("finding_codes", codes(expected.findings), list("finding_codes")),
        ("failure_codes", codes(expected.failures), list("failure_codes")),
        ("policy_mode", optional(expected.mode), shown("policy_mode")),
    ]
}

/// Adds what differs between two scans.
fn compare(real: &Scan, lab: &Scan, differences: &mut String) {
    for kind in KINDS {
        let (real, lab) = (&real.domains[&kind.domain()], &lab.domains[&kind.domain()]);
        assert!(real.keys().eq(lab.keys()));
        let has_policy = kind.site.is_some_and(|site| matches!(site.content, Content::Policy(_)));
        for (name, seen) in real {
            let free = OF_THE_NETWORK.contains(&name.as_str()) || (!has_policy && OF_THE_PAGE.contains(&name.as_str()));
            let same = *seen == lab[name];
            if !free && !same {
                writeln!(differences, "{}: {name}: real {seen}, lab {}", kind.label, lab[name]).unwrap();
            }
        }
    }
    for finding in real.findings.symmetric_difference(&lab.findings) {
        let network = if real.findings.contains(finding) { "real" } else { "lab" };
        writeln!(differences, "a finding of {network} alone: {finding}").unwrap();
    }
}

/// A finding as text, without what its servers chose.
fn finding(row: &Row) -> String {
    let code = text(&row["code"]);
    let of_the_server = OF_THE_SERVER.iter().any(|head| code.starts_with(head));
    let told = FINDING.iter().filter(|name| !(of_the_server && ["subject", "detail"].contains(name)));
    told.map(|name| row[*name].to_string()).collect::<Vec<_>>().join(" ")
}

/// The elements of a list as text; none where it is null.
pub(super) fn texts(field: &Field) -> Vec<String> {
    match field {
        Field::ListInternal(list) => list
            .elements()
            .iter()
            .map(|element| match element {
                Field::Str(text) => text.clone(),
                other => other.to_string(),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A network that can be scanned, and what serves it.
struct Network {
    options: Vec<String>,
    _process: Process,
    _resolver: Option<Servers>,
    folder: tempfile::TempDir,
}

impl Network {
    /// The servers of Debian; `None` where one is not installed.
    async fn real() -> Option<Self> {
        let nginx = program("nginx")?;
        let resolver = Servers::start(&kinds::zones(), "_mta-sts.good.test").await?;
        let Upstream::Udp(address) = resolver.upstream else { panic!("another transport than it was started with") };
        let folder = folder();
        let port = free_port();
        let process = policy_hosts(&nginx, folder.path(), port);
        let options = options(&address.to_string(), &port.to_string(), folder.path());
        Some(Self { options, _process: process, _resolver: Some(resolver), folder })
    }

    /// The same domains as a world each, served by `stscan lab`.
    fn lab() -> Self {
        let folder = folder();
        let at = folder.path();
        std::fs::write(at.join("kinds.world"), kinds::worlds()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_stscan"));
        command.args(["lab", "kinds.world", "--size", "0"]).current_dir(at);
        let (process, output) = Process::start_heard(&mut command);
        let mut lines = BufReader::new(output).lines().map(Result::unwrap);
        let line = lines.find(|line| line.starts_with("stscan scan ")).unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let value = |option: &str| words[words.iter().position(|word| *word == option).unwrap() + 1];
        let options = options(value("--resolver"), value("--https-port"), at);
        Self { options, _process: process, _resolver: None, folder }
    }

    fn stscan(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stscan"));
        command.args(arguments).args(&self.options).current_dir(self.folder.path()).stdin(Stdio::null());
        command.output().unwrap()
    }

    fn scan(&self, dataset: &str, more: &[&str]) -> Scan {
        let line =
            ["scan", "list.txt", "--out", dataset, "--order", "input", "--progress", "none", "--depth", "policy"];
        let output = self.stscan(&[&line, more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let table = |name: &str| parts(&self.folder.path().join(dataset).join(name)).into_iter().flat_map(|p| rows(&p));
        let domains: Vec<Row> = table("domains").collect();
        assert_eq!(domains.len(), KINDS.len(), "one row for each line");
        Scan {
            domains: domains.into_iter().map(|row| (text(&row["domain"]), row)).collect(),
            findings: table("findings").map(|row| finding(&row)).collect(),
        }
    }
}

pub(super) fn text(field: &Field) -> String {
    let Field::Str(text) = field else { panic!("{field} is no text") };
    text.clone()
}

/// A directory with the list of all domains.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.txt"), kinds::list()).unwrap();
    folder
}

/// unbound here has no trust anchor, so that nothing it says is secure: `--trust-ad` has that called insecure, as in the lab.
/// The roots stand in `lab.pem`, so that the store has the same name in both networks.
fn options(resolver: &str, port: &str, folder: &Path) -> Vec<String> {
    let roots = folder.join("lab.pem");
    let network = stscan::lab::NETWORK;
    let pairs = [
        ("--resolver", resolver),
        ("--https-port", port),
        ("--roots", roots.to_str().unwrap()),
        ("--allow-network", network),
        ("--dns-canary", "good.test"),
    ];
    let words = pairs.into_iter().flat_map(|(option, value)| [option, value]).chain(["--no-contact", "--trust-ad"]);
    words.map(str::to_owned).collect()
}

/// All parts of a table.
pub(super) fn parts(table: &Path) -> Vec<PathBuf> {
    let entries = |path: &Path| std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    entries(table).iter().flat_map(|scan| entries(scan)).collect()
}

pub(super) fn rows(part: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(part).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(|row| row.unwrap().into_columns().into_iter().collect()).collect()
}

/// An nginx with a virtual host for each policy host, which ends the handshake for names that it does not know.
fn policy_hosts(program: &Path, folder: &Path, port: u16) -> Process {
    let root = Authority::root("root");
    let middle = root.intermediate("middle");
    std::fs::write(folder.join("lab.pem"), pem(&root.der)).unwrap();
    let mut servers = format!(
        "server_names_hash_bucket_size 128; ssl_protocols TLSv1.2 TLSv1.3;\n\
         server {{ listen 127.0.0.1:{port} ssl http2 default_server; ssl_reject_handshake on; }}\n"
    );
    for kind in KINDS {
        let Some(site) = &kind.site else { continue };
        let (label, host) = (kind.label, format!("mta-sts.{}", kind.domain()));
        let identity = identity(&middle, site.certificate, &host);
        let at = folder.join(label);
        std::fs::create_dir_all(at.join(".well-known")).unwrap();
        std::fs::write(at.join("pem"), identity.chain_pem()).unwrap();
        std::fs::write(at.join("key"), identity.key.serialize_pem()).unwrap();
        let content = match site.content {
            Content::Policy(policy) => {
                std::fs::write(at.join(".well-known/mta-sts.txt"), kind.expand(policy)).unwrap();
                format!("default_type {};", site.media_type)
            }
            Content::Nothing => String::new(),
            Content::Redirect(to) => format!("return 301 {};", kind.expand(to)),
        };
        let at = at.display();
        writeln!(
            servers,
            "server {{ listen 127.0.0.1:{port} ssl http2; server_name {host}; root {at};\n\
             ssl_certificate {at}/pem; ssl_certificate_key {at}/key; location / {{ {content} }} }}"
        )
        .unwrap();
    }
    let file = folder.join("nginx.conf");
    std::fs::write(&file, nginx::around(folder, &servers)).unwrap();
    let mut process = Process::start(Command::new(program).arg("-p").arg(folder).arg("-c").arg(&file));
    await_listening(&mut process, port);
    process
}

fn identity(authority: &Authority, certificate: Certificate, host: &str) -> Identity {
    match certificate {
        Certificate::Valid => authority.identity(&[host], VALID),
        Certificate::Expired => authority.identity(&[host], PAST),
        Certificate::WrongName => authority.identity(&["www.example.com"], VALID),
        Certificate::SelfSigned => Identity::self_signed(&[host]),
        Certificate::WithoutIntermediate => authority.identity(&[host], VALID).leaf_alone(),
    }
}
