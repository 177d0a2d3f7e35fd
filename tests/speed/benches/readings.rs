//! What it costs to read what strangers write: names, lists, records, policies, reports.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use stscan::list::{self, PrepareOptions, Source};
use stscan::name::Domain;
use stscan::{sts, tlsrpt};

fn main() {
    divan::main();
}

/// Domains as lists have them, and as they must be folded.
const DOMAINS: &[&str] = &["example.com", "mail.some-longer-name.co.uk", "EXAMPLE.Org.", "bücher.example"];

#[divan::bench(args = DOMAINS)]
fn domain(text: &str) -> bool {
    Domain::read(divan::black_box(text)).is_ok()
}

/// A whole list from file to file: read, judged, shuffled, made distinct. The time of an item is that of a line.
#[divan::bench(args = [100_000], sample_count = 10, sample_size = 1)]
fn prepare(bencher: Bencher<'_, '_>, lines: usize) {
    let place = tempfile::tempdir().expect("there is room for a list");
    let path = place.path().join("list.txt");
    let mut file = fs::File::create(&path).expect("there is room for a list");
    let text: String =
        (0..lines).map(|line| format!("name{line}-of-a-list.{}\n", ["com", "co.uk", "de"][line % 3])).collect();
    file.write_all(text.as_bytes()).expect("there is room for a list");
    let sources = [Source::from_argument(&path)];
    bencher.counter(ItemsCount::new(lines)).bench(|| {
        let work = place.path().join("work");
        list::prepare(&sources, &PrepareOptions::default(), &work, &mut |_| Ok(())).map(|prepared| prepared.rows)
    });
}

/// TXT records: lawful, none of ours, and wrong.
const RECORDS: &[&str] =
    &["v=STSv1; id=20240101T000000;", "v=spf1 include:_spf.example.com ~all", "v=STSv1; id=2024-01-01; x=\"y\";;"];

#[divan::bench(args = RECORDS)]
fn record(text: &str) -> bool {
    sts::record::read(&[divan::black_box(text).as_bytes()]).announced
}

#[divan::bench(args = ["v=TLSRPTv1; rua=mailto:tlsrpt@example.com", "v=TLSRPTv1;rua=mailto:a@example.com,https://b.example/r"])]
fn reporting(text: &str) -> bool {
    tlsrpt::read(&[divan::black_box(text).as_bytes()]).announced
}

/// Every policy of the corpus, one after the other. The time of an item is that of a policy.
#[divan::bench]
fn policies(bencher: Bencher<'_, '_>) {
    let bodies = corpus();
    let bytes: usize = bodies.iter().map(Vec::len).sum();
    bencher
        .counter(ItemsCount::new(bodies.len()))
        .counter(BytesCount::new(bytes))
        .bench(|| bodies.iter().filter(|body| sts::policy::read(divan::black_box(body)).value.is_some()).count());
}

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus/policies");
    let entries = fs::read_dir(&folder).expect("the corpus stands beside this package");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    let bodies: Vec<Vec<u8>> = paths.iter().filter_map(|path| fs::read(path).ok()).collect();
    assert!(!bodies.is_empty(), "the corpus has policies");
    bodies
}
