//! A resolver that dies in the middle of a scan and comes back: the table is that of an undisturbed scan (HOSTILE.md 56).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stscan::store::{self, reader};

use super::{Process, await_listening, free_port, program};

/// Domains of the list.
const DOMAINS: usize = 100_000;
/// One in so many has a record, and one in so many a name without one.
const FOUND: usize = 100;
const EMPTY: usize = 10;
/// Questions a second of the disturbed scan: some ten seconds of work.
const RATE: &str = "10000";
/// When the resolver is killed, after the scan began to ask, and for how long it is gone.
const KILLED_AFTER: Duration = Duration::from_secs(3);
const GONE: Duration = Duration::from_secs(20);
/// How long a scan may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// An unbound that answers out of its own configuration, and asks nobody.
fn configure(at: &Path, port: u16) {
    let mut data = String::from("  local-zone: \".\" static\n");
    data.push_str("  local-data: '_mta-sts.canary.test. TXT \"v=STSv1; id=1;\"'\n");
    for number in 0..DOMAINS {
        if number % FOUND == 0 {
            writeln!(data, "  local-data: '_mta-sts.d{number}.test. TXT \"v=STSv1; id={number};\"'").unwrap();
        } else if number % EMPTY == 0 {
            writeln!(data, "  local-data: '_mta-sts.d{number}.test. A 192.0.2.1'").unwrap();
        }
    }
    let at_text = at.display();
    let text = format!(
        r#"server:
  interface: 127.0.0.1@{port}
  access-control: 127.0.0.0/8 allow
  username: ""
  chroot: ""
  directory: "{at_text}"
  pidfile: ""
  use-syslog: no
  do-daemonize: no
  num-threads: 1
  do-not-query-localhost: no
{data}remote-control:
  control-enable: no
"#
    );
    fs::write(at.join("unbound.conf"), text).unwrap();
}

fn start(program: &Path, at: &Path, port: u16) -> Process {
    let mut process = Process::start(Command::new(program).arg("-d").arg("-c").arg(at.join("unbound.conf")));
    await_listening(&mut process, port);
    process
}

fn scan(at: &Path, port: u16, out: &str, options: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_stscan"))
        .args(["scan", "list.txt", "--out", out, "--depth", "record", "--progress", "none", "--no-contact"])
        .args(["--resolver", &format!("127.0.0.1:{port}"), "--dns-canary", "canary.test"])
        .args(options)
        .current_dir(at)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end of a scan, which must be a good one.
fn finished(mut scan: Child) {
    let began = Instant::now();
    while scan.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            scan.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let output = scan.wait_with_output().unwrap();
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
}

/// All that a scan says of each domain, less the times, and less the passes that it took, which is a matter of the load.
fn table(dataset: &Path) -> BTreeMap<String, Vec<String>> {
    const TEXTS: [&str; 6] = ["domain", "outcome", "outcome_code", "record_status", "record_id", "record_failure"];
    let columns = [&TEXTS[..], &["seq", "finding_codes", "failure_codes"]].concat();
    let scan = store::scans(dataset).unwrap().pop().unwrap();
    let manifest = store::read_manifest(dataset, &scan.scan_id).unwrap().unwrap();
    let mut table = BTreeMap::new();
    for part in reader::parts(dataset, &scan.scan_id, "domains", Some(&manifest)).unwrap() {
        reader::read(&part, &columns, &columns, |rows| {
            for row in 0..rows.len() {
                let texts = TEXTS.iter().map(|name| rows.text(name, row).unwrap_or("null").to_owned());
                let numbers = ["seq"].map(|name| rows.int(name, row).unwrap().to_string());
                let codes = ["finding_codes", "failure_codes"].map(|name| rows.texts(name, row).unwrap().join(","));
                let all: Vec<String> = texts.chain(numbers).chain(codes).collect();
                assert!(table.insert(all[0].clone(), all).is_none(), "a row twice");
            }
            Ok(())
        })
        .unwrap();
    }
    table
}

#[test]
fn a_resolver_that_is_killed_and_started_again_changes_nothing() {
    let Some(unbound) = program("unbound") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (at, port) = (folder.path(), free_port());
    configure(at, port);
    let list: String = (0..DOMAINS).map(|number| format!("d{number}.test\n")).collect();
    fs::write(at.join("list.txt"), list).unwrap();

    let process = start(&unbound, at, port);
    finished(scan(at, port, "calm", &[]));
    let calm = table(&at.join("calm"));
    let with = |status: &str| calm.values().filter(|row| row[3] == status).count();
    assert_eq!(calm.len(), DOMAINS);
    assert_eq!(with("found"), DOMAINS / FOUND);
    assert_eq!(with("nodata"), DOMAINS / EMPTY - DOMAINS / FOUND);
    assert_eq!(with("nxdomain"), DOMAINS - DOMAINS / EMPTY);

    let mut disturbed = scan(at, port, "disturbed", &["--rate", RATE]);
    std::thread::sleep(KILLED_AFTER);
    drop(process);
    std::thread::sleep(GONE);
    assert!(disturbed.try_wait().unwrap().is_none(), "the scan ended without its resolver");
    let _process = start(&unbound, at, port);
    finished(disturbed);
    let table = table(&at.join("disturbed"));
    let differ: Vec<_> = calm.iter().filter(|(domain, row)| table.get(*domain) != Some(*row)).take(5).collect();
    assert!(differ.is_empty() && table.len() == DOMAINS, "{differ:?}");
}
