//! Whole scans through the engine: what is kept when a resolver proves a liar in the middle, and the rate.

use std::process::{Command, Stdio};

use stscan::finding::dns;
use stscan::store::{self, reader};

use super::*;

/// Runs a scan of so many domains that have no record. Its exit status and what it said.
fn scan(folder: &std::path::Path, server: &Server, domains: usize, options: &[&str]) -> (Option<i32>, String) {
    let list: String = (0..domains).map(|number| format!("n{number}.none.example\n")).collect();
    std::fs::write(folder.join("list.txt"), list).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stscan"))
        .args(["scan", "list.txt", "--out", "dataset", "--depth", "record", "--progress", "none", "--no-contact"])
        .args(["--resolver", &server.address.to_string()])
        .args(options)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Row 58, in the middle of a scan: every tenth time it denies the record that it has. What was stored until then stays, as
/// after a signal: without a manifest.
#[test]
fn a_resolver_that_lies_now_and_then_ends_the_scan_and_its_rows_are_kept() {
    let server = Server::start(Box::new(|ask: &Ask| {
        let lies = ask.name == "_mta-sts.one.found.example" && ask.before % 10 == 9;
        vec![if lies { ask.sections(3, &[], &[soa("example")]) } else { honest(ask) }]
    }));
    let folder = tempfile::tempdir().unwrap();
    let options = ["--dns-canary", "one.found.example", "--rate", "2000"];
    let (status, said) = scan(folder.path(), &server, 100_000, &options);
    assert_eq!(status, Some(75), "{said}");
    assert!(said.contains(dns::RESOLVER_LIES.as_str()), "{said}");
    let dataset = folder.path().join("dataset");
    let scan_id = store::scans(&dataset).unwrap().pop().unwrap().scan_id;
    assert!(store::read_manifest(&dataset, &scan_id).unwrap().is_none());
    let mut rows = 0;
    for part in reader::parts(&dataset, &scan_id, "domains", None).unwrap() {
        reader::read(&part, &["seq"], &["seq"], |some| {
            rows += some.len();
            Ok(())
        })
        .unwrap();
    }
    assert!(rows > 0 && rows < 100_000, "{rows}");
}

/// `--rate` counts every datagram, control questions too.
#[test]
fn a_rate_is_held_through_the_engine() {
    const RATE: u32 = 1_000;
    let server = Server::start(Box::new(|ask: &Ask| vec![honest(ask)]));
    let folder = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let options = ["--dns-canary", "one.found.example", "--rate", &RATE.to_string()];
    let (status, said) = scan(folder.path(), &server, 6_000, &options);
    assert_eq!(status, Some(0), "{said}");
    let (datagrams, most) = server.count(|name| !name.is_empty());
    let seconds = began.elapsed().as_secs_f64();
    assert!((6_000..=6_300).contains(&datagrams), "{datagrams}, {most} for one name");
    // Start and end take their time on a busy machine; but nothing makes a rate higher than it is.
    assert!(datagrams as f64 <= seconds * f64::from(RATE) * 1.05, "{datagrams} in {seconds} s");
    assert!(seconds < 12.0, "{datagrams} in {seconds} s");
}
