//! Shards of a list: disjoint and complete, with every line accounted for in each.

use std::net::UdpSocket;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use stscan::list::{Order, PrepareOptions, Reject, Shard, Target};

use super::{Outcome, any_line, in_order, list};

fn shard(index: u32, count: u32, options: &PrepareOptions) -> PrepareOptions {
    PrepareOptions { shard: Some(Shard::new(index, count).unwrap()), ..options.clone() }
}

/// What the shards of a list give together, less the numbers, which each counts from 0.
fn together(shards: &[Outcome]) -> (Vec<Target>, Vec<Reject>) {
    let mut targets: Vec<Target> =
        shards.iter().flat_map(|s| &s.targets).map(|t| Target { seq: 0, ..t.clone() }).collect();
    targets.sort_by_key(|target| target.line);
    let mut rejects: Vec<Reject> = shards.iter().flat_map(|s| s.rejects.clone()).collect();
    rejects.sort_by_key(|reject| reject.line);
    (targets, rejects)
}

/// Makes the shards of a list, and holds them against the whole.
fn shared_out(bytes: &[u8], count: u32, options: &PrepareOptions) -> Vec<Outcome> {
    let whole = list(&[bytes], options).unwrap();
    let shards: Vec<Outcome> =
        (1..=count).map(|index| list(&[bytes], &shard(index, count, options)).unwrap()).collect();
    let expected = together(std::slice::from_ref(&whole));
    assert_eq!(together(&shards), expected);
    let (all, mut lines, mut duplicates) = (&whole.prepared, 0, 0);
    assert_eq!(all.elsewhere, 0);
    for part in shards.iter().map(|outcome| &outcome.prepared) {
        assert_eq!(part.lines + part.elsewhere, all.lines);
        assert_eq!((part.blank, part.skipped), (all.blank, all.skipped));
        assert_eq!(part.sources[0].lines, all.lines, "of the source, whatever is used of it");
        lines += part.lines;
        duplicates += part.duplicates;
    }
    assert_eq!((lines, duplicates), (all.lines, all.duplicates));
    shards
}

/// Twins, rejects that stand twice, other alphabets, bytes that are no text, a header, comments.
fn nasty() -> Vec<u8> {
    let mut lines = b"rank,domain\n# c\n\n".to_vec();
    for n in 0..40 {
        let more = format!(
            "{n},d{}.example\n{n},D{}.EXAMPLE.\n,b\u{fc}cher{}.example\n,xn--a{n}.example\n,a..b{}\n,192.0.2.{n}\n,\n",
            n % 25,
            n % 7,
            n % 5,
            n % 3,
        );
        lines.extend_from_slice(more.as_bytes());
        lines.extend_from_slice(&[0xff, n, b'\n']);
    }
    lines
}

#[test]
fn shards_are_disjoint_and_complete() {
    for options in [in_order(), PrepareOptions { order: Order::Shuffled, memory: 2_000, ..in_order() }] {
        let shards = shared_out(&nasty(), 3, &options);
        for (number, outcome) in shards.iter().enumerate() {
            let p = &outcome.prepared;
            assert!(p.rows > 10 && p.rejects > 10 && p.duplicates > 10, "{number}: {p:?}");
        }
    }
    shared_out(&nasty(), 1, &in_order());
}

#[test]
fn the_limit_comes_before_the_shard() {
    let bytes: Vec<u8> = (0..100).flat_map(|n| format!("d{n}.example\n").into_bytes()).collect();
    let options = PrepareOptions { limit: Some(30), ..in_order() };
    let shards = shared_out(&bytes, 3, &options);
    assert_eq!(together(&shards).0.len(), 30);
}

#[test]
fn neither_seed_nor_order_move_a_domain() {
    let bytes: Vec<u8> = (0..100).flat_map(|n| format!("d{n}.example\n").into_bytes()).collect();
    let names = |options: PrepareOptions| {
        let outcome = list(&[&bytes], &shard(2, 3, &options)).unwrap();
        let mut names: Vec<String> = outcome.names().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    let first = names(in_order());
    assert!((20..50).contains(&first.len()), "{}", first.len());
    assert_eq!(first, names(PrepareOptions { seed: 7, ..PrepareOptions::default() }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_list_is_shared_out(lines in proptest::collection::vec(any_line(), 0..40), count in 1..5u32) {
        let format = stscan::list::Format::Plain;
        shared_out(&lines.join(&b'\n'), count, &PrepareOptions { format, ..in_order() });
    }
}

/// A resolver by which no name exists.
struct Empty {
    address: String,
    socket: UdpSocket,
}

impl Empty {
    fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        Self { address: socket.local_addr().unwrap().to_string(), socket }
    }

    /// Answers until `stop`.
    fn answer(&self, stop: &AtomicBool) {
        let mut buffer = [0_u8; 4096];
        while !stop.load(Ordering::Relaxed) {
            let Ok((length, from)) = self.socket.recv_from(&mut buffer) else { continue };
            // The question again, as an answer (QR) that says NXDOMAIN.
            buffer[2] |= 0x80;
            buffer[3] = 0x83;
            self.socket.send_to(&buffer[..length], from).unwrap();
        }
    }

    /// What a command line gives beside it.
    fn serve(&self, command: &mut Command) -> Output {
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| self.answer(&stop));
            let output = command.stdin(Stdio::null()).output();
            stop.store(true, Ordering::Relaxed);
            output.unwrap()
        })
    }
}

#[test]
fn a_scan_of_a_shard_says_so() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("list.txt"),
        "d1.example\nd2.example\nd3.example\nd4.example\nD4.example\na..b\n",
    )
    .unwrap();
    let resolver = Empty::start();
    let mut shared = (0, 0);
    for (out, part) in [("whole", None), ("1", Some("1/2")), ("2", Some("2/2"))] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_stscan"));
        command
            .args(["scan", "list.txt", "--out", out, "--depth", "record", "--progress", "none"])
            .args(["--resolver", &resolver.address, "--dns-canary", "none"])
            .args(part.iter().flat_map(|part| ["--shard", part]))
            .current_dir(folder.path());
        let output = resolver.serve(&mut command);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let dataset = folder.path().join(out);
        let [scan] = stscan::store::scans(&dataset).unwrap().try_into().unwrap();
        let info = stscan::store::read_scan_info(&dataset, &scan.scan_id).unwrap().unwrap();
        assert_eq!(info.options["shard"].as_str(), part);
        let totals = stscan::store::read_manifest(&dataset, &scan.scan_id).unwrap().unwrap().totals;
        assert_eq!(totals.lines + totals.elsewhere, 6);
        match part {
            None => assert_eq!((totals.rows, totals.elsewhere), (4, 0)),
            Some(_) => shared = (shared.0 + totals.rows, shared.1 + totals.elsewhere),
        }
    }
    assert_eq!(shared, (4, 6));
}

#[test]
fn a_shard_that_is_none_is_2() {
    for part in
        ["", "1", "/", "1/", "/2", "0/3", "4/3", "1/0", "0/0", "1/65537", "-1/2", "+1/2", "1/2/3", "x/y", " 1/2"]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_stscan"))
            .args(["scan", "-", "--out", "nowhere", "--resolver", "127.0.0.1:9"])
            .arg(format!("--shard={part}"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{part:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(part), "the value is told");
        assert_eq!(part.parse::<Shard>().unwrap_err().exit_status(), 2);
    }
    for part in ["1/1", "3/3", "65536/65536"] {
        assert_eq!(part.parse::<Shard>().unwrap().to_string(), part);
    }
}
