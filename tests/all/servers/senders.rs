//! A conforming sender beside us: postfix-mta-sts-resolver is asked for the policy of every domain of the lab, and gives the
//! one that our effective reading predicts, or the table says by which clause it does not.
//!
//! It asks the resolver of the system and port 443, so both run in a network namespace where the lab is the Internet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use stscan::cli::output::complain;
use stscan::store::{reader, scans};

use super::Process;

/// Which of the two has a policy where the other has none, or has another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
    Both,
}
use Side::{Both, Ours, Theirs};

/// A clause, what each makes of it, and the worlds where that shows.
type Difference = (&'static str, &'static str, Side, &'static [&'static str]);

/// Every difference. What is tolerated here and not there stands as *tolerated* in the rules.
const DIFFERENCES: &[Difference] = &[
    // The record.
    (
        "RFC 8461 3.1: sts-id is 1*32(ALPHA / DIGIT)",
        "they take any id",
        Theirs,
        &["record-id-colons", "record-id-dashes", "record-id-empty", "record-id-too-long"],
    ),
    (
        "RFC 8461 3.1: US-ASCII",
        "they drop a record with any other byte; for us it breaks one extension, which is tolerated",
        Ours,
        &["record-not-ascii"],
    ),
    // DNS.
    ("RFC 1034 5.2.2: chains of aliases", "we follow 10", Theirs, &["dns-chain-of-17"]),
    ("RFC 1035 4.1.3: the class of a record", "they take one of another class", Theirs, &["dns-class-ch"]),
    ("RFC 6891 6.1.1: one OPT record at most", "they do not look", Theirs, &["dns-two-opts"]),
    (
        "RFC 1035 4.1, RFC 5452 6: records of the name that was asked",
        "they take those of any name",
        Theirs,
        &["dns-unrelated-owner"],
    ),
    // The way to the policy host.
    (
        "RFC 6890, RFC 4291 2.5: addresses that are not public",
        "they connect to loopback in any form; we to what --allow-network names",
        Theirs,
        &["fetch-v6", "reach-v6-unspecified"],
    ),
    ("RFC 5891 5.4: a name that is no lawful A-label", "they ask for it all the same", Theirs, &["xn--a"]),
    (
        "RFC 8461 3.3, RFC 6125 6.4.4: the name stands in the SAN",
        "they fall back to the common name",
        Theirs,
        &["cert-no-san"],
    ),
    ("RFC 5280 4.2.1.9: a certificate of an authority", "they take one as the host's own", Theirs, &["cert-authority"]),
    ("RFC 5280 6.1: the length of a path has no limit", "ours has, against floods", Theirs, &["cert-long-chain"]),
    (
        "RFC 7301 3.2, RFC 9113 3.3: HTTP/2 by ALPN",
        "they never offer it, so they never meet who breaks it",
        Theirs,
        &["http-h2-speaks-http1"],
    ),
    ("RFC 9112 5: header fields", "they take a broken one", Theirs, &["http-bad-header"]),
    ("RFC 9112 8, 9.8: a body whose end is not told", "they take it as whole", Theirs, &["http-no-close-notify"]),
    ("RFC 9110 12.5.3: content codings", "they ask for gzip, and we for none", Theirs, &["http-gzip"]),
    (
        "RFC 8461 3.2: senders SHOULD validate the media type",
        "they refuse another; tolerated",
        Ours,
        &["http-type-html", "http-type-missing", "http-type-octets"],
    ),
    // The policy.
    (
        "RFC 8461 3.2: of a field that stands twice, all but the first are ignored",
        "they take the last",
        Both,
        &["policy-mode-twice"],
    ),
    (
        "RFC 8461 3.2: of a field that stands twice, all but the first are ignored",
        "they take the last, which saves what the first broke",
        Theirs,
        &["corpus-0099"],
    ),
    (
        "RFC 8461 3.2: of a field that stands twice, all but the first are ignored",
        "they take the last, which breaks it",
        Ours,
        &["policy-version-twice"],
    ),
    (
        "RFC 8461 3.2: max_age up to 31557600 (erratum 7282)",
        "they refuse more; tolerated, and capped",
        Ours,
        &["policy-max-age-over", "policy-max-age-ten-digits"],
    ),
    (
        "RFC 8461 3.2: nothing stands before a name, nor between it and the colon",
        "to them it is another name; tolerated",
        Ours,
        &["corpus-0069", "corpus-0088", "corpus-0091", "policy-leading-space", "policy-space-before-colon"],
    ),
    (
        "RFC 8461 3.2: UTF-8 (RFC 6657 4 for text without a charset)",
        "they read a body without a charset as US-ASCII",
        Ours,
        &["policy-bom", "policy-mx-u-label"],
    ),
    (
        "RFC 8461 3.2: sts-policy-mx",
        "they keep what is no pattern beside good ones; it matches nothing",
        Both,
        &[
            "policy-mx-address",
            "policy-mx-empty",
            "policy-mx-hyphens",
            "policy-mx-inner-star",
            "policy-mx-leading-dot",
            "policy-mx-list",
            "policy-mx-literal",
            "policy-mx-mailbox",
            "policy-mx-partial-star",
            "policy-mx-port",
            "policy-mx-preference",
            "policy-mx-star",
            "policy-mx-two-stars",
            "policy-mx-underscore",
            "policy-mx-url",
        ],
    ),
    (
        "RFC 8461 3.2: sts-policy-mx, at least once",
        "what is no pattern counts to them as one",
        Theirs,
        &["corpus-0026", "policy-mx-unusable"],
    ),
    (
        "RFC 8461 3.2, RFC 5321 4.1.2: a Domain ends without a dot",
        "they keep the dot; tolerated, and dropped",
        Both,
        &["corpus-0021", "corpus-0059", "corpus-0145", "policy-mx-trailing-dot"],
    ),
];

/// Worlds that both are asked of, at the least, and of these the ones whose policy is the same: fewer would prove little.
const WORLDS_MIN: usize = 400;
const AGREED_MIN: usize = 200;

/// What the inner half says, and the outer half hands on.
const AGREED: &str = "policies agreed on";

/// Says that we are inside the namespace.
const INSIDE: &str = "STSCAN_TEST_SENDERS";
/// How long it may take on a busy machine.
const LIMIT: &str = "300";

#[test]
fn a_conforming_sender_agrees() {
    let Some(python) = python() else { return };
    let child = Command::new("timeout")
        .args([LIMIT, "unshare", "--net", "--mount"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "servers::senders::inside_a_namespace", "--nocapture"])
        .env(INSIDE, python)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned() + &String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
    complain(said.lines().find(|line| line.contains(AGREED)).unwrap());
}

/// A Python that has the sender: that of Debian, or the one of `STSCAN_PYTHON`; and the right to make namespaces.
fn python() -> Option<String> {
    let works = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
    };
    let pythons = [Some("/usr/bin/python3".to_owned()), std::env::var("STSCAN_PYTHON").ok()];
    let python = pythons.into_iter().flatten().find(|python| works(python, &["-c", "import postfix_mta_sts_resolver"]));
    let reason = if !works("unshare", &["--net", "--mount", "true"]) {
        "no right to make namespaces"
    } else if !works("ip", &["-V"]) {
        "no ip"
    } else if python.is_none() {
        "no postfix-mta-sts-resolver"
    } else {
        return python;
    };
    assert!(std::env::var_os("STSCAN_REQUIRE_SERVERS").is_none(), "required, but missing: {reason}");
    complain(&format!("skipped: {reason}"));
    None
}

/// What a sender applies: mode, max_age, and patterns in lower case (RFC 4343). `None` is no policy.
type Policy = Option<(String, i64, Vec<String>)>;

/// The inner half of [`a_conforming_sender_agrees`]; outside of its namespace there is nothing to do.
#[test]
fn inside_a_namespace() {
    let Ok(python) = std::env::var(INSIDE) else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Both waits are short: what does not answer here never will.
    std::fs::write(at.join("resolv.conf"), "nameserver 127.0.0.53\noptions timeout:1 attempts:2\n").unwrap();
    run(at, Command::new("ip").args(["link", "set", "lo", "up"]));
    run(at, Command::new("mount").args(["--bind", "resolv.conf", "/etc/resolv.conf"]));
    let mut lab = stscan();
    lab.args("lab --size 0 --dns-port 53 --https-port 443 --smtp-port 25".split(' ')).current_dir(at);
    let (_lab, output) = Process::start_heard(&mut lab);
    let mut lines = BufReader::new(output).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.starts_with("stscan scan ")), "the lab does not start");

    let mut scan = stscan();
    scan.args(
        "scan lab.csv --out dataset --resolver 127.0.0.53 --roots lab.pem --no-contact --depth policy".split(' '),
    );
    scan.args(["--allow-network", stscan::lab::NETWORK, "--dns-canary", stscan::lab::CANARY, "--progress", "none"]);
    scan.args("--timeout-dns 3 --timeout-connect 2 --timeout-tls 3 --timeout-https 6".split(' '));
    run(at, &mut scan);
    let ours = ours(&at.join("dataset"));
    let list: Vec<&str> = ours.keys().map(String::as_str).collect();
    std::fs::write(at.join("domains"), list.join("\n")).unwrap();

    let mut sender = Command::new(python);
    sender.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/senders.py"));
    sender.stdin(std::fs::File::open(at.join("domains")).unwrap()).env("SSL_CERT_FILE", at.join("lab.pem"));
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        sender.env_remove(name).env_remove(name.to_ascii_uppercase());
    }
    let theirs = theirs(&run(at, &mut sender));
    compare(&ours, &theirs);
}

fn stscan() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stscan"));
    command.stdin(Stdio::null());
    command
}

/// What a program prints, which must end well.
fn run(at: &Path, command: &mut Command) -> String {
    let output = command.current_dir(at).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn lower(patterns: Vec<String>) -> Vec<String> {
    patterns.into_iter().map(|pattern| pattern.to_ascii_lowercase()).collect()
}

/// The policy of each domain by our effective reading.
fn ours(dataset: &Path) -> BTreeMap<String, Policy> {
    const COLUMNS: [&str; 6] = ["domain", "record_id", "policy_status", "policy_mode", "policy_max_age", "policy_mx"];
    let scan = scans(dataset).unwrap().remove(0);
    let mut all = BTreeMap::new();
    for part in reader::parts(dataset, &scan.scan_id, "domains", None).unwrap() {
        reader::read(&part, &COLUMNS, &COLUMNS, |rows| {
            for row in 0..rows.len() {
                let usable = rows.text("record_id", row).is_some() && rows.text("policy_status", row) == Some("usable");
                let policy = usable.then(|| {
                    let mode = rows.text("policy_mode", row).unwrap().to_owned();
                    let patterns = rows.texts("policy_mx", row).unwrap_or_default();
                    (mode, rows.int("policy_max_age", row).unwrap(), lower(patterns))
                });
                all.insert(rows.text("domain", row).unwrap().to_owned(), policy);
            }
            Ok(())
        })
        .unwrap();
    }
    all
}

/// The policy of each domain by the sender.
fn theirs(answers: &str) -> BTreeMap<String, Policy> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let answer = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        let policy = (answer["result"] == "VALID").then(|| {
            let patterns = answer["mx"].as_array().unwrap().iter().map(text).collect();
            (text(&answer["mode"]), answer["max_age"].as_i64().unwrap(), lower(patterns))
        });
        (text(&answer["domain"]), policy)
    };
    answers.lines().map(answer).collect()
}

fn compare(ours: &BTreeMap<String, Policy>, theirs: &BTreeMap<String, Policy>) {
    assert!(ours.keys().eq(theirs.keys()), "an answer for each domain");
    let mut listed: BTreeMap<&str, (&str, Side)> = BTreeMap::new();
    for (clause, _, side, worlds) in DIFFERENCES {
        for world in *worlds {
            assert!(listed.insert(world, (clause, *side)).is_none(), "{world} is listed twice");
        }
    }
    let mut wrong = String::new();
    let (mut agreed, mut differing) = (0, BTreeSet::new());
    for (domain, ours) in ours {
        let theirs = &theirs[domain];
        if ours == theirs {
            agreed += usize::from(ours.is_some());
            continue;
        }
        let side = match (ours, theirs) {
            (Some(_), None) => Ours,
            (None, _) => Theirs,
            (Some(_), Some(_)) => Both,
        };
        let world = domain.strip_suffix(".test").unwrap_or(domain);
        differing.insert(world);
        if listed.get(world).map(|(_, side)| *side) != Some(side) {
            writeln!(wrong, "{world}: {side:?}: ours {ours:?}, theirs {theirs:?}").unwrap();
        }
    }
    for (world, (clause, _)) in listed.iter().filter(|(world, _)| !differing.contains(*world)) {
        writeln!(wrong, "{world} is listed under {clause} and does not differ").unwrap();
    }
    assert!(wrong.is_empty(), "{wrong}");
    let total = ours.len();
    assert!(total >= WORLDS_MIN && agreed >= AGREED_MIN, "{total} domains, {agreed} policies agreed on");
    complain(&format!("{total} domains, {agreed} {AGREED}, {} listed differences", differing.len()));
}
