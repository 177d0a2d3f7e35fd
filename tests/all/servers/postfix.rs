//! Debian's Postfix as a mail host: what a real mail server says with each way to set up STARTTLS, and that it finds
//! nothing to complain of in how we talk (RFC 3207, RFC 8461 4.2).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stscan::name::HostName;
use stscan::net::pace::PerHost;
use stscan::net::smtp::{Client, Talked};
use stscan::net::{NetConfig, Timeouts};

use super::{Process, START, free_port, program};
use crate::fetch::pki::{Authority, Identity, PAST, VALID};

const HOST: &str = "mx.example.com";

/// What a daemon says when a client has gone.
pub(super) const GONE: &str = "]: disconnect from ";

/// How long the master may take to start on a busy machine, and how often to start it over.
const READY: Duration = Duration::from_secs(30);
pub(super) const ATTEMPTS: usize = 3;

/// How long the daemons may take to end, and to write down what they saw.
const END: Duration = Duration::from_secs(10);

/// Longer than a daemon takes to start on a busy machine.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    tls: Duration::from_secs(10),
    banner: Duration::from_secs(20),
    smtp: Duration::from_secs(30),
    ..crate::fetch::TIMEOUTS
};

/// One service of Postfix: how it is set up, and what must come of it.
struct Site {
    name: &'static str,
    identity: Identity,
    /// Parameters that differ from those of all.
    parameters: &'static [&'static str],
    starttls: &'static str,
    tls: Option<&'static str>,
    /// The codes of the verdict on the chain.
    verdict: &'static [&'static str],
    failure: Option<&'static str>,
    /// The commands that Postfix counts when we are gone.
    commands: &'static str,
}

impl Site {
    fn service(&self, port: u16) -> Service<'_> {
        let listens = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Service { name: self.name, listens, identity: &self.identity, parameters: self.parameters }
    }
}

/// One service as Postfix is told of it.
pub(super) struct Service<'a> {
    /// By what its lines in the log begin.
    pub(super) name: &'a str,
    pub(super) listens: SocketAddr,
    pub(super) identity: &'a Identity,
    /// Parameters that differ from those of all.
    pub(super) parameters: &'a [&'a str],
}

/// A Postfix that takes no mail: a master with some services, and what these need. Ended by the master's own hand.
pub(super) struct Postfix {
    master: Process,
    directory: tempfile::TempDir,
}

impl Postfix {
    /// Starts one with these services; `None` where it ended by itself: another process may have taken a port of theirs in
    /// the meantime.
    pub(super) fn start(master: &Path, services: &[Service<'_>]) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        // The daemons give up the rights of root, and still have to find their way in here.
        fs::set_permissions(at, Permissions::from_mode(0o755)).unwrap();
        for folder in ["etc", "data", "queue", "queue/pid", "queue/private", "queue/public"] {
            fs::create_dir(at.join(folder)).unwrap();
        }
        for folder in ["data", "queue/private", "queue/public"] {
            let owned = Command::new("chown").arg("postfix").arg(at.join(folder)).status().unwrap();
            assert!(owned.success());
        }
        for Service { name, identity, .. } in services {
            fs::write(at.join(name), identity.key.serialize_pem() + &identity.chain_pem()).unwrap();
        }
        fs::write(at.join("etc/main.cf"), parameters(at)).unwrap();
        fs::write(at.join("etc/master.cf"), configuration(at, services)).unwrap();
        let mut master = Process::start(Command::new(master).arg("-c").arg(at.join("etc")).arg("-d"));
        // A look whether it listens would stand in its log beside us, so it is asked to say so itself.
        let began = Instant::now();
        loop {
            let log = fs::read_to_string(at.join("log")).unwrap_or_default();
            if log.contains("daemon started") {
                return Some(Self { master, directory });
            }
            if !master.runs() {
                return None;
            }
            assert!(began.elapsed() < READY, "postfix does not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What its daemons said of a service, once they have written down that so many clients are gone.
    pub(super) fn said_of(&self, name: &str, clients: usize) -> Vec<String> {
        let began = Instant::now();
        loop {
            let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            let service = format!(" {name}/smtpd[");
            let lines: Vec<String> = log.lines().filter(|line| line.contains(&service)).map(str::to_owned).collect();
            if lines.iter().filter(|line| line.contains(GONE)).count() >= clients {
                return lines;
            }
            assert!(began.elapsed() < END, "{name}: {log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        // Told to end, the master ends its daemons; killed, it would leave that to them.
        let _ = Command::new("sh").arg("-c").arg(format!("kill {}", self.master.0.id())).status();
        let began = Instant::now();
        while began.elapsed() < START && self.master.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The parameters of all services: no mail is taken, no name looked up, and whoever speaks out of turn is told of.
fn parameters(at: &Path) -> String {
    let at = at.display();
    format!(
        "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\n\
         maillog_file = {at}/log\nmaillog_file_prefixes = {at}\nmyhostname = {HOST}\ninet_protocols = ipv4\n\
         mynetworks =\nmydestination =\nalias_maps =\nlocal_recipient_maps =\nlocal_transport = error:none\n\
         default_transport = error:none\nsmtpd_peername_lookup = no\nsmtpd_client_connection_count_limit = 0\n\
         smtpd_relay_restrictions = reject\nsmtpd_recipient_restrictions = reject\nsmtpd_delay_reject = no\n\
         smtpd_helo_restrictions = reject_unauth_pipelining\nsmtpd_forbid_unauth_pipelining = yes\n\
         smtpd_tls_security_level = may\nsmtpd_tls_loglevel = 1\n"
    )
}

fn configuration(at: &Path, services: &[Service<'_>]) -> String {
    let mut text =
        "postlog unix-dgram n - n - 1 postlogd\nanvil unix - - n - 1 anvil\ntlsmgr unix - - n 1000? 1 tlsmgr\n\
                    rewrite unix - - n - - trivial-rewrite\nproxymap unix - - n - - proxymap\n"
            .to_owned();
    for Service { name, listens, parameters, .. } in services {
        let at = at.display();
        writeln!(text, "{listens} inet n - n - - smtpd\n  -o syslog_name={name} -o smtpd_tls_chain_files={at}/{name}")
            .unwrap();
        for parameter in *parameters {
            writeln!(text, "  -o {parameter}").unwrap();
        }
    }
    text
}

/// Every way to set it up that is worth a look.
fn sites(middle: &Authority) -> Vec<Site> {
    const ALL: &str = "ehlo=2 starttls=1 quit=1 commands=4";
    const CLEAR: &str = "ehlo=1 quit=1 commands=2";
    let good = |name, parameters, version| Site {
        name,
        identity: middle.identity(&[HOST], VALID),
        parameters,
        starttls: "accepted",
        tls: Some(version),
        verdict: &[],
        failure: None,
        commands: ALL,
    };
    let bad = |name, identity, verdict| Site { identity, verdict, ..good(name, &[], "1.3") };
    let clear = |name, parameters| Site {
        starttls: "not_offered",
        tls: None,
        failure: Some("smtp.no_starttls"),
        commands: CLEAR,
        ..good(name, parameters, "")
    };
    vec![
        good("default", &[], "1.3"),
        good("tls12", &["smtpd_tls_protocols=<=TLSv1.2"], "1.2"),
        good("tls13", &["smtpd_tls_protocols=>=TLSv1.3"], "1.3"),
        good("mandatory", &["smtpd_tls_security_level=encrypt", "smtpd_tls_mandatory_protocols=>=TLSv1.2"], "1.3"),
        good("asks-for-ours", &["smtpd_tls_ask_ccert=yes"], "1.3"),
        bad("wrong-name", middle.identity(&["mail.example.net"], VALID), &["cert.name"]),
        bad("expired", middle.identity(&[HOST], PAST), &["cert.expired"]),
        bad("self-signed", Identity::self_signed(&[HOST]), &["cert.self_signed"]),
        bad("leaf-alone", middle.identity(&[HOST], VALID).leaf_alone(), &["cert.missing_intermediate"]),
        clear("none", &["smtpd_tls_security_level=none"]),
        clear("discarded", &["smtpd_discard_ehlo_keywords=starttls"]),
        // TLS 1.1 and nothing newer: Postfix answers our hello with an alert.
        Site {
            tls: None,
            failure: Some("tls.version"),
            commands: "ehlo=1 starttls=0/1 commands=1/2",
            ..good("tls11", &["smtpd_tls_protocols=<=TLSv1.1", "tls_medium_cipherlist=ALL:@SECLEVEL=0"], "")
        },
        // A refusal says nothing of how others are treated.
        Site {
            starttls: "unknown",
            tls: None,
            failure: Some("smtp.banner_5xx"),
            commands: "quit=1 commands=1",
            ..good("refused", &["smtpd_client_restrictions=reject"], "")
        },
    ]
}

#[tokio::test]
async fn postfix_is_judged_as_it_is_and_has_nothing_to_complain_of() {
    let Some(master) = master() else { return };
    let root = Authority::root("root");
    let middle = root.intermediate("middle");
    let sites = sites(&middle);
    let attempt = |_| {
        let mut ports = BTreeSet::new();
        while ports.len() < sites.len() {
            ports.insert(free_port());
        }
        let services: Vec<Service<'_>> = sites.iter().zip(&ports).map(|(site, port)| site.service(*port)).collect();
        Some((Postfix::start(&master, &services)?, ports))
    };
    let (postfix, ports) = (0..ATTEMPTS).find_map(attempt).unwrap();
    let mut wrong = Vec::new();
    for (site, port) in sites.iter().zip(&ports) {
        let config = crate::fetch::config(443, vec![root.store("test")]);
        let config = NetConfig { smtp_port: *port, timeouts: TIMEOUTS, roots: Arc::clone(&config.roots), ..config };
        let client = Client::new(&config, PerHost::new(1));
        let talked = client.talk(&HostName::parse(HOST).unwrap(), IpAddr::V4(Ipv4Addr::LOCALHOST)).await;
        wrong.extend(differences(site, &talked));
        wrong.extend(complaints(site, &postfix.said_of(site.name, 1)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where Postfix is, with the right to start it.
pub(super) fn master() -> Option<std::path::PathBuf> {
    program("postfix")?;
    let master = Path::new("/usr/lib/postfix/sbin/master");
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
    let missing = if !is_root {
        "only root can start postfix"
    } else if !master.exists() {
        "postfix has no master where Debian has it"
    } else {
        return Some(master.to_owned());
    };
    assert!(std::env::var_os("STSCAN_REQUIRE_SERVERS").is_none(), "required, but {missing}");
    stscan::cli::output::complain(&format!("skipped: {missing}"));
    None
}

/// Where what was seen is not what must be.
fn differences(site: &Site, talked: &Talked) -> Vec<String> {
    let facts = &talked.facts;
    let verdict: Vec<&str> =
        talked.verdict.iter().flat_map(|verdict| &verdict.findings).map(|finding| finding.code.as_str()).collect();
    let greeted = facts.banner.as_ref().map(|reply| reply.code);
    let authenticated = talked.verdict.as_ref().is_some_and(|verdict| verdict.authenticated);
    let is_tls = site.tls.is_some();
    let offers = |keywords: &[String]| keywords.iter().any(|keyword| keyword == "PIPELINING");
    [
        ("starttls", facts.starttls.word().to_owned(), site.starttls.to_owned()),
        ("TLS", format!("{:?}", talked.tls.as_ref().map(|tls| tls.version)), format!("{:?}", site.tls)),
        ("verdict", verdict.join(" "), site.verdict.join(" ")),
        ("authenticated", authenticated.to_string(), (is_tls && site.verdict.is_empty()).to_string()),
        ("failure", format!("{:?}", talked.failure.as_ref().map(|f| f.code.as_str())), format!("{:?}", site.failure)),
        ("greeting", format!("{greeted:?}"), format!("{:?}", Some(if site.starttls == "unknown" { 554 } else { 220 }))),
        ("EHLO", offers(&facts.keywords).to_string(), (site.starttls != "unknown").to_string()),
        ("EHLO within TLS", offers(&facts.secure_keywords).to_string(), is_tls.to_string()),
        ("HELO", facts.helo.to_string(), "false".to_owned()),
        ("findings", format!("{:?}", facts.findings), "[]".to_owned()),
    ]
    .into_iter()
    .filter(|(_, seen, expected)| seen != expected)
    .map(|(what, seen, expected)| format!("{}: {what} {seen}, not {expected}; {:?}", site.name, talked.failure))
    .collect()
}

/// What Postfix has to say against us: the commands that it counted, and whatever it warns of.
fn complaints(site: &Site, lines: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    let last = lines.iter().find_map(|line| line.split_once(GONE)).map(|(_, rest)| rest);
    if last.and_then(|rest| rest.split_once("] ")).map(|(_, commands)| commands) != Some(site.commands) {
        wrong.push(format!("{}: counted {last:?}, not {}", site.name, site.commands));
    }
    for line in lines {
        let handshake = site.failure == Some("tls.version");
        let complains = ["improper", "warning", "error", "too many", "timeout", "lost connection"]
            .iter()
            .any(|word| line.contains(word) && !handshake);
        if complains || line.contains("mail=") || line.contains("rcpt=") || line.contains("fatal") {
            wrong.push(format!("{}: {line}", site.name));
        }
    }
    wrong
}
