//! Mail hosts that many domains share: each is connected to once, and gently (HOSTILE.md 163, 164).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::{Command, Stdio};

use stscan::lab::{self, Lab, LabOptions, LogSnapshot, Population, world};
use stscan::store::reader;

/// Mail hosts of the operator.
const HOSTS: usize = 12;

/// An operator with [`HOSTS`] mail hosts that take their time to greet, all at one address, and tenants that use them all.
fn worlds(fault: &str) -> Vec<lab::World> {
    let known = lab::worlds().unwrap();
    let mut text = String::from("world hub\nabout The operator.\nlike enforce\ndns\n");
    for number in 1..=HOSTS {
        writeln!(text, "  mx{number}.$D 300 A $A").unwrap();
    }
    for number in 1..=HOSTS {
        writeln!(text, "smtp mx{number}.$D\n  fault smtp {fault}").unwrap();
    }
    text.push_str("truth\n  announced true\n  outcome enforce_deliverable\n  mode enforce\n");
    text.push_str("world tenant\nabout One of many.\nweight 1\nlike enforce\ndns\n  without $D MX\n");
    for number in 1..=HOSTS {
        writeln!(text, "  $D 300 MX {number} mx{number}.hub.test.").unwrap();
    }
    text.push_str("https mta-sts.$D\n  body\n    | version: STSv1\n    | mode: enforce\n    | mx: *.hub.test\n    | max_age: 604800\n");
    text.push_str("truth\n  announced true\n  outcome enforce_deliverable\n  mode enforce\n");
    let mut all = known.clone();
    all.extend(world::parse_more(&text, "shared", &known).unwrap());
    all.split_off(known.len())
}

/// What a scan of so many tenants leaves in the lab's log, and how often each outcome was seen.
fn scanned(size: usize, fault: &str, canary: &str, options: &[&str]) -> (LogSnapshot, BTreeMap<String, u64>, String) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let population = Population::new(worlds(fault), size, 1);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("list.csv"), population.ranked_list()).unwrap();
    let lab =
        runtime.block_on(Lab::start(population, LabOptions { keep_lines: true, ..LabOptions::default() })).unwrap();
    let (roots, _) = lab.write_roots(folder.path()).unwrap();
    let output = Command::new("nice")
        .args(["-n", "10", env!("CARGO_BIN_EXE_stscan"), "scan", "list.csv", "--out", "dataset", "--progress", "none"])
        .args(["--resolver", &lab.resolver.to_string(), "--https-port", &lab.https_port.to_string()])
        .args(["--smtp-port", &lab.smtp_port.to_string(), "--smtp-canary", canary, "--allow-network", lab::NETWORK])
        .args(["--roots", roots.to_str().unwrap(), "--no-contact", "--dns-canary", "none"])
        .args(options)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let log = runtime.block_on(lab.stop()).unwrap();
    let dataset = folder.path().join("dataset");
    let scan = stscan::store::scans(&dataset).unwrap().pop().unwrap();
    let manifest = stscan::store::read_manifest(&dataset, &scan.scan_id).unwrap().unwrap();
    let mut counts: BTreeMap<String, u64> = manifest.totals.counts.clone();
    // What decided: of the domains, and of the hosts.
    for (table, column) in [("domains", "outcome_code"), ("hosts", "code")] {
        for part in reader::parts(&dataset, &scan.scan_id, table, Some(&manifest)).unwrap() {
            reader::read(&part, &[column], &[column], |rows| {
                for code in (0..rows.len()).filter_map(|row| rows.text(column, row)) {
                    *counts.entry(format!("{table} by {code}")).or_default() += 1;
                }
                Ok(())
            })
            .unwrap();
        }
    }
    counts.extend(manifest.totals.outcomes.clone());
    (log, counts, said)
}

#[test]
fn twenty_thousand_domains_connect_to_each_of_twelve_hosts_once() {
    let size = 20_000;
    let (log, counts, said) = scanned(size, "delay 300", "none", &["--per-host", "3"]);
    assert_eq!(log.smtp_connections, HOSTS as u64, "{said}");
    assert!(log.smtp_most_at_once <= 3, "{} at a time", log.smtp_most_at_once);
    assert_eq!(log.smtp_violations, 0);
    assert_eq!(counts.get("enforce_deliverable"), Some(&(size as u64)), "{said}");
    assert_eq!(counts.get("host:usable"), Some(&(HOSTS as u64)), "{said}");
}

#[test]
fn a_host_that_fails_in_passing_is_asked_once_more_and_no_oftener() {
    let (log, counts, said) = scanned(300, "starttls-refused 454", "none", &[]);
    assert_eq!(log.smtp_connections, 2 * HOSTS as u64, "{said}");
    assert_eq!(counts.get("enforce_refused"), Some(&300), "{said}");
    assert_eq!(counts.get("host:broken"), Some(&(HOSTS as u64)), "{said}");
}

#[test]
fn who_is_silent_is_not_waited_for_by_every_host() {
    let (log, counts, said) = scanned(40, "banner-silence 1", "none", &["--timeout-banner", "1", "--per-host", "3"]);
    // Without a memory, all twelve would be waited for, twice.
    assert!((3..=9).contains(&log.smtp_connections), "{} connections: {said}", log.smtp_connections);
    assert_eq!(counts.get("unknown"), Some(&40), "{said}");
    assert!(counts.get("host:not_asked").is_some_and(|hosts| *hosts >= 3), "{said}");
    assert_eq!(counts.get("hosts by delivery.address_silent"), counts.get("host:not_asked"), "{said}");
    assert!(!counts.contains_key("host:broken"), "{said}");
}

#[test]
fn a_blocked_port_is_said_once_and_held_against_nobody() {
    // The mail hosts that are known to work refuse connections.
    let (log, counts, said) = scanned(50, "refused", "hub.test", &[]);
    assert_eq!(log.smtp_connections, 0);
    assert_eq!(said.matches("cannot be reached from this network").count(), 1, "{said}");
    assert_eq!(counts.get("unknown"), Some(&50), "{said}");
    assert_eq!(counts.get("domains by delivery.port_blocked"), Some(&50), "{said}");
    assert!(
        counts.get("host:not_asked").is_some_and(|hosts| *hosts > 0) && !counts.contains_key("host:broken"),
        "{said}"
    );
}

#[test]
fn where_no_known_host_is_found_nobody_is_asked() {
    let (log, counts, said) = scanned(20, "delay 1", "no-such-name.test", &[]);
    assert_eq!(log.smtp_connections, 0, "{said}");
    assert_eq!(said.matches("--smtp-canary").count(), 1, "{said}");
    assert_eq!(counts.get("domains by delivery.port_unknown"), Some(&20), "{said}");
    assert_eq!(counts.get("hosts by delivery.port_unknown"), counts.get("host:not_asked"), "{said}");
}
