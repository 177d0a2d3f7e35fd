//! The whole program at depth mail against Debian's servers: an unbound that validates in front of an nsd, an nginx with the
//! policies, and a Postfix whose services are the mail hosts. Every row must be what RULES.md says, the reports must fit,
//! and the logs of Postfix must show that each host was asked once, and for nothing but TLS.

mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use parquet::record::Field;
use rustls_pki_types::CertificateDer;
use serde_json::Value;
use stscan::net::Upstream;

use super::dnssec::{Openssl, Tree};
use super::postfix::{self, ATTEMPTS, GONE, Postfix, Service};
use super::unbound::Servers;
use super::whole::{Row, parts, rows, text, texts};
use super::{Process, await_listening, free_port, nginx, program};
use crate::fetch::pki::{Authority, Identity, PAST, VALID, pem};
use kinds::{KINDS, Kind, MAX_AGE, SERVERS, Server, Shows};

/// Beside the label of a domain or host: what is not there.
const NOTHING: &str = "-";

#[tokio::test]
async fn every_kind_of_mail_host_is_judged_right() {
    let Some(network) = Network::start().await else { return };
    let scan = network.scan();
    let mut wrong = Vec::new();
    assert_eq!(scan.domains.len(), KINDS.len(), "one row for each line");
    for kind in KINDS {
        wrong.extend(differences(kind.domain, &expected(kind), &said(kind, &scan)));
    }
    wrong.extend(hosts(&scan, &network.identities));
    for server in SERVERS {
        wrong.extend(complaints(server, &network.postfix.said_of(server.service, server.clients)));
    }
    wrong.extend(reports(&network, &scan));
    for (domain, status) in [("good.safe.test", 0), ("stale.safe.test", 1), ("blind.safe.test", 75)] {
        let output = network.stscan(&["check", domain]);
        if output.status.code() != Some(status) {
            wrong.push(format!("{domain}: check ends with {:?}, not {status}", output.status.code()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is said of a thing: by name, as text.
type Said = Vec<(&'static str, String)>;

/// Where two are not the same.
fn differences(of: &str, expected: &Said, said: &Said) -> Vec<String> {
    let pairs = expected.iter().zip(said).filter(|(expected, said)| expected != said);
    pairs.map(|((what, expected), (_, said))| format!("{of}: {what}: {said}, not {expected}")).collect()
}

/// What a scan must say of a domain.
fn expected(kind: &Kind) -> Said {
    let list = |codes: &[&str]| codes.join(" ");
    let delivery = |text: String| if kind.is_asked() { text } else { NOTHING.to_owned() };
    let refuses = kind.verdict == "refuse";
    vec![
        ("outcome", kind.outcome.to_owned()),
        ("outcome_code", kind.code.to_owned()),
        ("delivery_verdict", kind.verdict.to_owned()),
        ("delivery_dane", kind.dane.to_owned()),
        ("finding_codes", list(kind.findings)),
        ("failure_codes", kind.failures[0].to_owned()),
        ("delivery_codes", delivery(list(kind.codes))),
        ("delivery_failures", delivery(kind.failures[1].to_owned())),
        ("delivery_hosts", delivery(kind.hosts.join("; "))),
        ("delivery_reports", delivery(kind.reports.join("; "))),
        ("refused for", if refuses { MAX_AGE.to_string() } else { NOTHING.to_owned() }),
        ("findings of the domain", list(kind.findings)),
        ("findings of the mail hosts", list(kind.codes)),
    ]
}

/// What it says.
fn said(kind: &Kind, scan: &Scan) -> Said {
    let row = &scan.domains[kind.domain];
    let column = |name: &'static str| (name, shown(&row[name]));
    let refused_for = match (&row["delivery_refused_until"], &row["observed_at"]) {
        (Field::TimestampMicros(until), Field::TimestampMicros(from)) => {
            (until - from).div_euclid(1_000_000).to_string()
        }
        (until, _) => shown(until),
    };
    let found = |place: &str| {
        let of = |row: &&Row| text(&row["domain"]) == kind.domain && text(&row["place"]) == place;
        let codes: BTreeSet<String> = scan.findings.iter().filter(of).map(|row| text(&row["code"])).collect();
        codes.into_iter().collect::<Vec<_>>().join(" ")
    };
    let mut said = vec![
        column("outcome"),
        column("outcome_code"),
        column("delivery_verdict"),
        column("delivery_dane"),
        column("finding_codes"),
        column("failure_codes"),
        column("delivery_codes"),
        column("delivery_failures"),
        column("delivery_hosts"),
        column("delivery_reports"),
    ];
    said.push(("refused for", refused_for));
    said.push(("findings of the domain", found("domain")));
    said.push(("findings of the mail hosts", found("mail_host")));
    said
}

/// A cell as text: the elements of a list one after the other, and those of a structure too.
fn shown(field: &Field) -> String {
    match field {
        Field::Null => NOTHING.to_owned(),
        Field::Str(text) => text.clone(),
        Field::ListInternal(list) => {
            let is_nested = matches!(list.elements().first(), Some(Field::Group(_)));
            let elements: Vec<String> = list.elements().iter().map(shown).collect();
            elements.join(if is_nested { "; " } else { " " })
        }
        Field::Group(row) => row.get_column_iter().map(|(_, cell)| shown(cell)).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// What is wrong with the rows of the mail hosts, and the certificates that they name.
fn hosts(scan: &Scan, identities: &BTreeMap<&str, Identity>) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut rows: BTreeMap<(String, String), &Row> =
        scan.hosts.iter().map(|row| ((text(&row["host"]), shown(&row["address"])), row)).collect();
    if rows.len() != scan.hosts.len() {
        wrong.push("a host and address stands twice in hosts".to_owned());
    }
    let certificates: BTreeMap<String, Vec<u8>> =
        scan.certificates.iter().map(|row| (text(&row["cert_sha256"]), bytes(&row["der"]))).collect();
    for (place, server) in SERVERS.iter().enumerate() {
        let row = rows.remove(&(server.host.to_owned(), address(place).to_string()));
        let Some(row) = row.filter(|_| server.clients > 0) else {
            if row.is_some() || server.clients > 0 {
                wrong.push(format!("{}: asked: {}, not {}", server.service, row.is_some(), server.clients > 0));
            }
            continue;
        };
        let is_tls = server.row.tls != NOTHING;
        let authenticated = if is_tls { (server.row.status == "usable").to_string() } else { NOTHING.to_owned() };
        let is_known = server.row.security != "unknown" && server.row.security != "bogus";
        let has_records = is_known && server.row.dane != "none";
        let expected = vec![
            ("status", server.row.status.to_owned()),
            ("code", server.row.code.to_owned()),
            ("starttls", server.row.starttls.to_owned()),
            ("tls_version", server.row.tls.to_owned()),
            ("dane", server.row.dane.to_owned()),
            ("tlsa_security", server.row.security.to_owned()),
            ("codes", server.row.codes.join(" ")),
            ("attempts", server.row.attempts.to_string()),
            ("authenticated", authenticated),
        ];
        let said: Said = expected.iter().map(|(name, _)| (*name, shown(&row[*name]))).collect();
        wrong.extend(differences(server.service, &expected, &said));
        if texts(&row["tlsa_records"]).is_empty() == has_records {
            wrong.push(format!("{}: TLSA records {}", server.service, row["tlsa_records"]));
        }
        // Every certificate that was shown is kept, whole.
        let chain: Vec<&[u8]> = identities[server.service].chain.iter().map(CertificateDer::as_ref).collect();
        let kept: Vec<&[u8]> =
            texts(&row["chain_sha256"]).iter().filter_map(|key| certificates.get(key)).map(Vec::as_slice).collect();
        if kept != if is_tls { chain } else { Vec::new() } {
            wrong.push(format!("{}: {} certificates are not what it showed", server.service, kept.len()));
        }
    }
    // The one that nobody can talk to.
    let left: Vec<String> = rows.keys().map(|(host, address)| format!("{host} {address}")).collect();
    if left != ["addresses.lost.test -"] {
        wrong.push(format!("further rows in hosts: {left:?}"));
    }
    wrong
}

fn bytes(field: &Field) -> Vec<u8> {
    let Field::Bytes(bytes) = field else { panic!("{field} is no bytes") };
    bytes.data().to_vec()
}

/// What Postfix has to say against us: how often we came, what we asked for, and whatever was not asked of us.
fn complaints(server: &Server, lines: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let came = lines.iter().filter(|line| line.contains("]: connect from ")).count();
    let gone: Vec<&str> = lines.iter().filter_map(|line| line.split_once(GONE)).map(|(_, rest)| rest).collect();
    if (came, gone.len()) != (server.clients, server.clients) {
        wrong.push(format!("{}: {came} came and {} went, not {}", server.service, gone.len(), server.clients));
    }
    for rest in gone {
        if rest.split_once("] ").map(|(_, commands)| commands) != Some(server.commands) {
            wrong.push(format!("{}: counted {rest}, not {}", server.service, server.commands));
        }
    }
    let mail = |line: &&String| ["mail=", "rcpt=", "MAIL", "RCPT", "improper"].iter().any(|word| line.contains(word));
    wrong.extend(lines.iter().filter(mail).map(|line| format!("{}: {line}", server.service)));
    wrong
}

/// What is wrong with the reports of a sender (RFC 8460 4): one for each domain whose policy it knows, with its sessions.
fn reports(network: &Network, scan: &Scan) -> Vec<String> {
    let output = network.run(&["export", "tlsrpt", "dataset", "--out", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let mut reports: BTreeMap<String, Value> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        let number = report["report-id"].as_str().unwrap().rsplit_once('-').unwrap().1.to_owned();
        assert!(reports.insert(number, report).is_none(), "two reports have the same name");
    }
    let mut wrong = Vec::new();
    for kind in KINDS {
        let report = reports.remove(&shown(&scan.domains[kind.domain]["seq"]));
        let policies = report.as_ref().and_then(|report| report["policies"].as_array()).map_or(&[][..], Vec::as_slice);
        let expected: Vec<String> = kind.sessions.iter().map(|line| kind.expand(line)).collect();
        let sessions: Vec<String> = policies.iter().map(sessions).filter(|line| !line.ends_with(" 0 0")).collect();
        if (kind.is_asked(), &expected) != (report.is_some(), &sessions) {
            wrong.push(format!("{}: report: {}, not {}", kind.domain, sessions.join("; "), expected.join("; ")));
        }
        let mut details: Vec<String> = policies.iter().flat_map(details).collect();
        details.sort_unstable();
        if details != kind.reports {
            wrong.push(format!("{}: details: {}, not {}", kind.domain, details.join("; "), kind.reports.join("; ")));
        }
    }
    wrong.extend(reports.keys().map(|seq| format!("a report on nobody: {seq}")));
    wrong
}

/// Type, policy domain and sessions of a policy in a report.
fn sessions(policy: &Value) -> String {
    let (of, summary) = (&policy["policy"], &policy["summary"]);
    let words = [&of["policy-type"], &of["policy-domain"]].map(|word| word.as_str().unwrap());
    let counts = [&summary["total-successful-session-count"], &summary["total-failure-session-count"]];
    format!("{} {} {} {}", words[0], words[1], counts[0], counts[1])
}

/// Its details, as the dataset counts them.
fn details(policy: &Value) -> Vec<String> {
    let of = policy["policy"]["policy-type"].as_str().unwrap();
    let details = policy["failure-details"].as_array().map_or(&[][..], Vec::as_slice);
    let line = |one: &Value| format!("{of} {} {}", one["result-type"].as_str().unwrap(), one["failed-session-count"]);
    details.iter().map(line).collect()
}

/// The rows of a scan.
struct Scan {
    domains: BTreeMap<String, Row>,
    findings: Vec<Row>,
    hosts: Vec<Row>,
    certificates: Vec<Row>,
}

/// All servers, and how to ask them.
struct Network {
    options: Vec<String>,
    postfix: Postfix,
    /// By the name of the service.
    identities: BTreeMap<&'static str, Identity>,
    folder: tempfile::TempDir,
    _nginx: Process,
    _resolver: Servers,
}

impl Network {
    /// `None` where a server is not installed, or we may not start it.
    async fn start() -> Option<Self> {
        let (nginx, master) = (program("nginx")?, postfix::master()?);
        program("openssl")?;
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        let root = Authority::root("root");
        let [middle, private] = [root.intermediate("middle"), Authority::root("private")];
        let identities: BTreeMap<&str, Identity> =
            SERVERS.iter().map(|server| (server.service, identity(server, &middle, &private))).collect();
        for (name, identity) in &identities {
            std::fs::write(at.join(format!("{name}.pem")), identity.chain_pem()).unwrap();
        }
        std::fs::write(at.join("private.pem"), pem(&private.der)).unwrap();
        std::fs::write(at.join("other.pem"), Identity::self_signed(&["mx.example.com"]).chain_pem()).unwrap();
        std::fs::write(at.join("roots.pem"), pem(&root.der)).unwrap();
        let list: String = KINDS.iter().map(|kind| format!("{}\n", kind.domain)).collect();
        std::fs::write(at.join("list.txt"), list).unwrap();

        let record =
            |[usage, selector, matching]: [u8; 3], name: &str| Openssl(at).record(usage, selector, matching, name);
        let tree = Tree::sign(&kinds::zones(|place| address(place).to_string(), record))?;
        let resolver = tree.serve("_mta-sts.good.safe.test", false).await?;
        let Upstream::Udp(upstream) = resolver.upstream else { panic!("another transport than it was started with") };
        let https_port = free_port();
        let nginx = policy_hosts(&nginx, at, https_port, &middle);
        let (postfix, smtp_port) = (0..ATTEMPTS).find_map(|_| mail_hosts(&master, &identities)).unwrap();
        let options = format!(
            "--resolver {upstream} --https-port {https_port} --smtp-port {smtp_port} --smtp-canary good.safe.test \
             --dns-canary good.safe.test --helo client.example.com --roots roots.pem --allow-network 127.0.0.0/8 --no-contact"
        );
        let options = options.split_whitespace().map(str::to_owned).collect();
        Some(Self { options, postfix, identities, folder, _nginx: nginx, _resolver: resolver })
    }

    /// Runs the shipped program.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stscan"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// The same, with the options of the network.
    fn stscan(&self, arguments: &[&str]) -> Output {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        self.run(&[arguments, &options].concat())
    }

    /// Without a word that the resolver validates: that is found out.
    fn scan(&self) -> Scan {
        let output = self.stscan(&["scan", "list.txt", "--out", "dataset", "--progress", "none", "--depth", "mail"]);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{complaints}");
        let dataset = self.folder.path().join("dataset");
        let table = |name: &str| parts(&dataset.join(name)).iter().flat_map(|part| rows(part)).collect::<Vec<Row>>();
        Scan {
            domains: table("domains").into_iter().map(|row| (text(&row["domain"]), row)).collect(),
            findings: table("findings"),
            hosts: table("hosts"),
            certificates: table("certificates"),
        }
    }
}

/// The address of a server: its own, in a net of loopback that no other test uses.
fn address(place: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 83, 25, u8::try_from(place + 1).unwrap())
}

/// A port that is free at the addresses of all servers.
fn free_port_of_hosts() -> u16 {
    loop {
        let port = free_port();
        if (0..SERVERS.len()).all(|place| TcpListener::bind((address(place), port)).is_ok()) {
            return port;
        }
    }
}

/// A Postfix with a service for each server, all at one port; `None` where somebody took that meanwhile.
fn mail_hosts(master: &Path, identities: &BTreeMap<&str, Identity>) -> Option<(Postfix, u16)> {
    let port = free_port_of_hosts();
    let service = |(place, server): (usize, &'static Server)| Service {
        name: server.service,
        listens: SocketAddr::from((address(place), port)),
        identity: &identities[server.service],
        parameters: server.parameters,
    };
    let services: Vec<Service<'_>> = SERVERS.iter().enumerate().map(service).collect();
    Some((Postfix::start(master, &services)?, port))
}

fn identity(server: &Server, middle: &Authority, private: &Authority) -> Identity {
    match server.shows {
        Shows::Valid => middle.identity(&[server.host], VALID),
        Shows::Expired => middle.identity(&[server.host], PAST),
        Shows::WrongName => middle.identity(&["mail.example.net"], VALID),
        Shows::SelfSigned => Identity::self_signed(&[server.host]),
        Shows::WithoutIntermediate => middle.identity(&[server.host], VALID).leaf_alone(),
        Shows::Private => private.identity(&[server.host], VALID),
        Shows::PrivateFor(name) => private.identity(&[name], VALID),
    }
}

/// An nginx with the policies of all domains, under one certificate.
fn policy_hosts(program: &Path, at: &Path, port: u16, authority: &Authority) -> Process {
    let hosts: Vec<String> = KINDS.iter().map(|kind| format!("mta-sts.{}", kind.domain)).collect();
    for (kind, host) in KINDS.iter().zip(&hosts) {
        let folder = at.join("policies").join(host).join(".well-known");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("mta-sts.txt"), kind.policy()).unwrap();
    }
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let identity = authority.identity(&names, VALID);
    std::fs::write(at.join("policy-host.pem"), identity.chain_pem()).unwrap();
    std::fs::write(at.join("policy-host.key"), identity.key.serialize_pem()).unwrap();
    let folder = at.display();
    let server = format!(
        "server {{ listen 127.0.0.1:{port} ssl http2; ssl_protocols TLSv1.2 TLSv1.3; default_type text/plain;\n\
         ssl_certificate {folder}/policy-host.pem; ssl_certificate_key {folder}/policy-host.key;\n\
         root {folder}/policies/$host; }}\n"
    );
    let file = at.join("nginx.conf");
    std::fs::write(&file, nginx::around(at, &server)).unwrap();
    let mut process = Process::start(Command::new(program).arg("-p").arg(at).arg("-c").arg(&file));
    await_listening(&mut process, port);
    process
}
