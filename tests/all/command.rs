//! The command line as its users have it: exit statuses, one line on standard error, output that parses.

use std::io::Write as _;
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

fn stscan(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_stscan")).args(arguments).stdin(Stdio::null()).output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn list(folder: &Path, text: &[u8]) -> String {
    let path = folder.join("list.txt");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn codes_are_the_catalogue() {
    let output = stscan(&["codes", "--json"]);
    assert_eq!(status(&output), 0);
    let codes: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(codes.len() >= 120, "{} codes", codes.len());
    let mut names: Vec<&str> = codes.iter().map(|code| code["code"].as_str().unwrap()).collect();
    assert_eq!(names.len(), stscan::finding::all().count());
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), codes.len(), "no code stands twice");
    for code in &codes {
        for field in ["kind", "stage", "rfc", "sentence"] {
            assert!(code[field].as_str().is_some_and(|text| !text.is_empty()), "{code}");
        }
    }
}

#[test]
fn columns_are_the_schema() {
    let output = stscan(&["columns", "--json"]);
    assert_eq!(status(&output), 0);
    let columns: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let has = |table: &str, name: &str| columns.iter().any(|column| column["table"] == table && column["name"] == name);
    for (table, name) in [
        ("domains", "scan_id"),
        ("domains", "seq"),
        ("domains", "outcome"),
        ("domains", "record_status"),
        ("domains", "record_id"),
        ("domains", "policy_mode"),
        ("domains", "mx_status"),
        ("domains", "tlsrpt_rua"),
        ("domains", "finding_codes"),
        ("findings", "result_type"),
        ("policies", "body"),
        ("certificates", "der"),
        ("rejects", "code"),
    ] {
        assert!(has(table, name), "{table}.{name}");
    }
    assert!(columns.iter().all(|column| column["sentence"].as_str().is_some_and(|text| text.ends_with('.'))));
}

#[test]
fn usage_errors_are_2() {
    for arguments in [
        &["scan"][..],
        &["nonsense"],
        &["scan", "x", "--out", "y", "--timeout-dns", "0"],
        &["scan", "x", "--out", "y", "--depth", "mail2"],
        &["check"],
        &["scan", "-", "-", "--out", "y", "--resolver", "127.0.0.1:9"],
        &["check", "not a domain"],
        &["check", "example.com", "--resolver", "ftp://192.0.2.1"],
        &["check", "example.com", "--rate", "0"],
        &["scan", "x", "--out", "y", "--rate", "fast"],
        &["scan", "x", "--out", "y", "--dns-canary", "none", "--dns-canary", "example.com"],
        &["scan", "x", "--out", "y", "--dns-canary", "192.0.2.1:53"],
    ] {
        let output = stscan(arguments);
        assert_eq!(status(&output), 2, "{arguments:?}: {}", stderr(&output));
    }
}

#[test]
fn a_damaged_list_is_65_and_no_question_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let mut packed = Vec::new();
    let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
    encoder.write_all(b"example.com\n".repeat(10_000).as_slice()).unwrap();
    encoder.finish().unwrap();
    let list = list(folder.path(), &packed[..packed.len() - 5]);
    let resolver = Silent::start();
    let out = folder.path().join("dataset");
    let output =
        stscan(&["scan", &list, "--out", out.to_str().unwrap(), "--resolver", &resolver.address, "--progress", "none"]);
    assert_eq!(status(&output), 65, "{}", stderr(&output));
    assert_eq!(resolver.datagrams(), 0);
    assert!(!out.exists(), "a scan that asked nobody leaves nothing");
}

#[test]
fn a_column_that_no_line_has_is_65() {
    let folder = tempfile::tempdir().unwrap();
    let list = list(folder.path(), b"1,example.com\n2,example.net\n");
    for column in ["9", "nope"] {
        let out = folder.path().join("dataset");
        let output =
            stscan(&["scan", &list, "--column", column, "--out", out.to_str().unwrap(), "--resolver", "127.0.0.1:9"]);
        assert_eq!(status(&output), 65, "{}", stderr(&output));
        assert!(!out.exists());
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_73() {
    let folder = tempfile::tempdir().unwrap();
    let list = list(folder.path(), b"example.com\n");
    // A file stands where the directory should: that stops root too.
    let out = folder.path().join("list.txt").join("dataset");
    let output = stscan(&["scan", &list, "--out", out.to_str().unwrap(), "--resolver", "127.0.0.1:9"]);
    assert_eq!(status(&output), 73, "{}", stderr(&output));
}

/// A resolver that hears everything and says nothing, or the same RCODE to every question.
struct Silent {
    address: String,
    heard: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Silent {
    fn start() -> Self {
        Self::answering(None)
    }

    fn answering(rcode: Option<u8>) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let (heard, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let thread = std::thread::spawn({
            let (heard, stop) = (Arc::clone(&heard), Arc::clone(&stop));
            move || {
                let mut buffer = [0_u8; 4096];
                while !stop.load(Ordering::Relaxed) {
                    let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                    heard.fetch_add(1, Ordering::Relaxed);
                    if let Some(rcode) = rcode {
                        // The question again, as an answer (QR) with that code.
                        buffer[2] |= 0x80;
                        buffer[3] = 0x80 | rcode;
                        socket.send_to(&buffer[..length], from).unwrap();
                    }
                }
            }
        });
        Self { address, heard, stop, thread: Some(thread) }
    }

    fn datagrams(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
    }
}

/// A machine without any network: nothing answers, or the kernel says so at once.
#[test]
fn without_a_resolver_scan_ends_by_itself_with_75() {
    let folder = tempfile::tempdir().unwrap();
    let names: String = (0..10_000).map(|n| format!("name-{n}.example\n")).collect();
    let list = list(folder.path(), names.as_bytes());
    let silent = Silent::start();
    // Port 9 of loopback: nothing listens there.
    for (number, resolver) in ["127.0.0.1:9", silent.address.as_str()].iter().enumerate() {
        let out = folder.path().join(format!("dataset-{number}"));
        let started = Instant::now();
        let output =
            stscan(&["scan", &list, "--out", out.to_str().unwrap(), "--resolver", resolver, "--progress", "none"]);
        assert_eq!(status(&output), 75, "{resolver}: {}", stderr(&output));
        assert!(stderr(&output).contains(resolver), "it names the resolver: {}", stderr(&output));
        assert_eq!(stderr(&output).lines().count(), 1, "one line says it: {}", stderr(&output));
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    }
    assert!((1..=8).contains(&silent.datagrams()), "a handful of questions: {}", silent.datagrams());
    let heard = silent.datagrams();
    let output = stscan(&["check", "name-1.example", "--resolver", &silent.address]);
    assert_eq!(status(&output), 75, "{}", stderr(&output));
    assert!(stderr(&output).contains(&silent.address), "{}", stderr(&output));
    assert!(silent.datagrams() - heard <= 8);
}

/// A resolver on a machine whose own network is down answers everything, with SERVFAIL.
#[test]
fn a_resolver_that_fails_every_question_ends_the_scan_with_75() {
    let folder = tempfile::tempdir().unwrap();
    let names: String = (0..10_000).map(|n| format!("name-{n}.example\n")).collect();
    let list = list(folder.path(), names.as_bytes());
    // With canaries that is known before the first domain is asked for.
    for (rcode, canary) in [(2, "none"), (5, "none"), (2, "canary.example"), (5, "canary.example")] {
        let resolver = Silent::answering(Some(rcode));
        let out = folder.path().join("dataset");
        let scan = ["scan", &list, "--out", out.to_str().unwrap(), "--dns-canary", canary, "--progress", "none"];
        let output = stscan(&[&scan[..], &["--resolver", &resolver.address]].concat());
        assert_eq!(status(&output), 75, "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("dns.rcode_{rcode}")), "{}", stderr(&output));
        assert!(resolver.datagrams() < 1_000, "{}", resolver.datagrams());
        assert!(!out.exists());
    }
}

#[test]
fn a_closed_or_full_output_is_no_panic() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stscan"))
        .args(["codes"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The reader goes away before a byte is read.
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_stscan")).args(["codes"]).stdout(full).stdin(Stdio::null()).output().unwrap();
    assert_eq!(status(&output), 74, "{}", stderr(&output));
    assert!(!stderr(&output).contains("panicked"), "{}", stderr(&output));
}
