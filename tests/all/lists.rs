//! Lists from whole files: HOSTILE.md 1-6 and 16-24, the balance of lines, bounded memory, the stored result.

mod download;
mod packed;
mod shards;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::prelude::*;
use stscan::error::Error;
use stscan::list::{Column, Format, Order, PrepareOptions, Prepared, Reject, Source, Target, prepare};
use tempfile::TempDir;

/// What became of some files.
struct Outcome {
    prepared: Prepared,
    targets: Vec<Target>,
    rejects: Vec<Reject>,
    work: TempDir,
}

impl Outcome {
    fn names(&self) -> Vec<&str> {
        self.targets.iter().map(|target| target.domain.as_str()).collect()
    }

    fn codes(&self) -> Vec<(i64, &str)> {
        self.rejects.iter().map(|reject| (reject.line, reject.code.as_str())).collect()
    }
}

fn in_order() -> PrepareOptions {
    PrepareOptions { order: Order::Input, ..PrepareOptions::default() }
}

/// Prepares files with these contents.
fn list(files: &[&[u8]], options: &PrepareOptions) -> Result<Outcome, Error> {
    let inputs = tempfile::tempdir().unwrap();
    let mut sources = Vec::new();
    for (number, bytes) in files.iter().enumerate() {
        let path = inputs.path().join(number.to_string());
        fs::write(&path, bytes).unwrap();
        sources.push(Source::Path(path));
    }
    from(&sources, options)
}

fn from(sources: &[Source], options: &PrepareOptions) -> Result<Outcome, Error> {
    let work = tempfile::tempdir().unwrap();
    let mut rejects = Vec::new();
    let result = prepare(sources, options, work.path(), &mut |reject| {
        rejects.push(reject);
        Ok(())
    });
    let mut left: Vec<String> =
        fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    match result {
        Ok(prepared) => {
            assert_eq!(left, ["input.json", "input.tsv.zst"]);
            assert_eq!(prepared.rows + prepared.rejects + prepared.duplicates, prepared.lines);
            let targets: Vec<Target> = prepared.targets().unwrap().map(Result::unwrap).collect();
            assert_eq!(targets.len() as i64, prepared.rows);
            assert_eq!(rejects.len() as i64, prepared.rejects);
            Ok(Outcome { prepared, targets, rejects, work })
        }
        Err(error) => {
            assert_eq!(left, Vec::<String>::new(), "a refused list leaves nothing behind");
            Err(error)
        }
    }
}

/// A file, the names it gives in their order, and the lines it loses.
type Case = (&'static str, &'static [u8], &'static [&'static str], &'static [(i64, &'static str)]);

const WHOLE_FILES: &[Case] = &[
    ("1 blank lines and comments", b"\n  \t\n# c\na.example\n", &["a.example"], &[]),
    ("2 a byte order mark", b"\xef\xbb\xbfa.example\n", &["a.example"], &[]),
    (
        "2 one in the middle",
        b"a.example\n\xef\xbb\xbfb.example\nc\xef\xbb\xbfd.example\n",
        &["a.example"],
        &[(2, "list.bad_char"), (3, "list.bad_char")],
    ),
    ("3 CRLF, and no final newline", b"a.example\r\nb.example", &["a.example", "b.example"], &[]),
    ("3 a lone CR", b"a.example\rb.example\nc.example\n", &["c.example"], &[(1, "list.bad_char")]),
    ("3 NEL", b"a.example\xc2\x85b.example\n", &[], &[(1, "list.bad_char")]),
    (
        "5 bytes that are no text",
        b"a.example\n\x00\x01\xff\nb\0.example\n\xc3.example\n",
        &["a.example"],
        &[(2, "list.bad_bytes"), (3, "list.bad_bytes"), (4, "list.bad_bytes")],
    ),
    (
        "13, 14 what is no name",
        b"https://a.example/\na@b.example\nb.example:25\n",
        &[],
        &[(1, "list.not_a_name"), (2, "list.not_a_name"), (3, "list.not_a_name")],
    ),
    (
        "16 twins",
        "B\u{fc}cher.example.\nxn--bcher-kva.example\nBU\u{308}CHER.example\nb\u{fc}cher.EXAMPLE\n".as_bytes(),
        &["xn--bcher-kva.example"],
        &[],
    ),
    (
        "20 rank and name, quoted commas, a formula",
        b"rank,domain,what\n1,a.example,\"x, y\"\n2,=cmd(),z\n3,\"b.example\",\"\"\n",
        &["a.example", "b.example"],
        &[(3, "list.bad_char")],
    ),
    (
        "a zone",
        b"$ORIGIN zone.example.\n@ 900 IN SOA ns host (1 2\n 3 4 5)\n@ IN NS ns\na IN NS ns.a\na IN NS ns2.a\nb IN A 192.0.2.1\n",
        &["a.zone.example"],
        &[],
    ),
];

#[test]
fn whole_files() {
    for (what, bytes, names, rejects) in WHOLE_FILES {
        let outcome = list(&[bytes], &in_order()).unwrap();
        assert_eq!(outcome.names(), *names, "{what}");
        assert_eq!(outcome.codes(), *rejects, "{what}");
    }
}

#[test]
fn counts_say_where_each_line_went() {
    let text = "domain,rank\n# c\n\na.example,7\nA.example.,3\nb..example,4\nc\u{ff0e}example,5\na.example,9\n";
    let outcome = list(&[text.as_bytes()], &in_order()).unwrap();
    let p = &outcome.prepared;
    assert_eq!((p.rows, p.lines, p.rejects, p.duplicates, p.blank, p.skipped), (2, 5, 1, 2, 2, 1));
    let [a, c] = &outcome.targets[..] else { panic!("two targets") };
    // The first line and its rank count, not the best rank.
    assert_eq!((a.seq, a.line, a.rank, a.duplicates, a.mapped), (0, 4, Some(7), 2, false));
    assert_eq!(a.original, None);
    assert_eq!((c.seq, c.line, c.rank, c.duplicates, c.mapped), (1, 7, Some(5), 0, true));
    assert_eq!(c.original.as_deref(), Some("c\u{ff0e}example"));
    assert_eq!(outcome.rejects[0].bytes, b"b..example,4");
}

#[test]
fn a_reject_keeps_64_bytes() {
    let outcome = list(&[&[0xff; 100]], &in_order()).unwrap();
    assert_eq!(outcome.rejects[0].bytes, [0xff; 64]);
}

#[test]
fn lines_are_counted_over_all_sources() {
    let files: &[&[u8]] = &[b"a.example\n# c\n", b"b..example\na.example\n", b"7,c.example\n"];
    let outcome = list(files, &in_order()).unwrap();
    let lines: Vec<(i64, &str, i64)> =
        outcome.targets.iter().map(|t| (t.line, t.domain.as_str(), t.duplicates)).collect();
    assert_eq!(lines, [(1, "a.example", 1), (5, "c.example", 0)]);
    assert_eq!(outcome.codes(), [(3, "list.label")]);
    let formats: Vec<(&str, Option<i64>)> =
        outcome.prepared.sources.iter().map(|facts| (facts.format.as_str(), facts.column)).collect();
    assert_eq!(formats, [("plain", None), ("plain", None), ("csv", Some(2))]);
}

#[test]
fn what_was_asked_for_is_done() {
    let csv = b"1,a.example\n2,b.example\n3,c.example\n";
    let limited = list(&[csv], &PrepareOptions { limit: Some(2), ..in_order() }).unwrap();
    assert_eq!(limited.names(), ["a.example", "b.example"]);
    let plain = list(&[csv], &PrepareOptions { format: Format::Plain, ..in_order() }).unwrap();
    assert_eq!(plain.prepared.rejects, 3);
    let two = b"mail,web\na.example,b.example\n";
    let column = |name: &str| PrepareOptions { column: Some(Column::from_argument(name).unwrap()), ..in_order() };
    assert_eq!(list(&[two], &column("web")).unwrap().names(), ["b.example"]);
    assert_eq!(list(&[two], &column("2")).unwrap().names(), ["b.example"]);
    assert_eq!(list(&[two], &column("ftp")).err().unwrap().exit_status(), 65);
    assert_eq!(Column::from_argument("0").unwrap_err().exit_status(), 2);
    let nowhere = PrepareOptions { format: Format::Plain, ..column("web") };
    assert_eq!(list(&[two], &nowhere).err().unwrap().exit_status(), 2);
}

#[test]
fn words_name_formats_and_orders() {
    for (word, format) in Format::WORDS {
        assert_eq!((word.parse::<Format>().ok(), format.word()), (Some(*format), *word));
    }
    for (word, order) in Order::WORDS {
        assert_eq!((word.parse::<Order>().ok(), order.word()), (Some(*order), *word));
    }
    assert_eq!("xml".parse::<Format>().unwrap_err().exit_status(), 2);
    assert_eq!("random".parse::<Order>().unwrap_err().exit_status(), 2);
}

#[test]
fn sources_that_cannot_be_read() {
    for path in [Path::new("/nonexistent/list"), Path::new("/")] {
        let error = from(&[Source::from_argument(path)], &in_order()).err().unwrap();
        assert_eq!(error.exit_status(), 65, "{path:?}");
    }
    assert_eq!(Source::from_argument(Path::new("-")), Source::Stdin);
}

#[test]
fn the_order_depends_on_the_seed_alone() {
    let lines: String = (0..500).map(|n| format!("d{n}.example\n")).collect();
    let reversed: String = (0..500).rev().map(|n| format!("d{n}.example\n")).collect();
    let names = |text: &str, seed, memory| {
        let options = PrepareOptions { seed, memory, ..PrepareOptions::default() };
        let outcome = list(&[text.as_bytes()], &options).unwrap();
        outcome.names().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let first = names(&lines, 1, usize::MAX);
    assert_eq!(first, names(&reversed, 1, usize::MAX));
    assert_eq!(first, names(&lines, 1, 2000));
    assert_ne!(first, names(&lines, 2, usize::MAX));
    let mut sorted = first.clone();
    sorted.sort();
    assert_ne!(first, sorted);
}

#[test]
fn a_stored_list_is_reopened_or_refused() {
    let outcome = list(&[b"a.example\nb.example\nc.example\n"], &in_order()).unwrap();
    let dir = outcome.work.path();
    assert_eq!(Prepared::load(dir).unwrap(), outcome.prepared);
    // The same sources give the same digest; another order another.
    let again = list(&[b"a.example\nb.example\nc.example\n"], &in_order()).unwrap();
    assert_eq!(again.prepared.sha256, outcome.prepared.sha256);
    assert_eq!(again.prepared.sources[0].sha256, outcome.prepared.sources[0].sha256);

    let stored = fs::read(&outcome.prepared.path).unwrap();
    let other = list(&[b"a.example\nb.example\nd.example\n"], &in_order()).unwrap();
    let shorter = list(&[b"a.example\nb.example\n"], &in_order()).unwrap();
    let cut = &stored[..stored.len() - 1];
    for (what, bytes) in [
        ("changed", fs::read(&other.prepared.path).unwrap()),
        ("shortened", fs::read(&shorter.prepared.path).unwrap()),
        ("cut", cut.to_vec()),
        ("doubled", [stored.clone(), stored.clone()].concat()),
    ] {
        fs::write(&outcome.prepared.path, bytes).unwrap();
        assert_eq!(Prepared::load(dir).unwrap_err().exit_status(), 65, "{what}");
    }
    fs::write(&outcome.prepared.path, &stored).unwrap();
    assert!(Prepared::load(dir).is_ok());
    fs::write(dir.join("input.json"), b"{}").unwrap();
    assert_eq!(Prepared::load(dir).unwrap_err().exit_status(), 65);
    fs::remove_file(dir.join("input.json")).unwrap();
    assert_eq!(Prepared::load(dir).unwrap_err().exit_status(), 65);
}

#[test]
fn a_rejects_writer_that_fails_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (input, work) = (dir.path().join("list"), dir.path().join("work"));
    fs::write(&input, b"a..b\n").unwrap();
    let mut full = |_| Err(Error::Internal("full".to_owned()));
    let result = prepare(&[Source::Path(input)], &in_order(), &work, &mut full);
    assert_eq!(result.unwrap_err().exit_status(), 70);
    assert_eq!(fs::read_dir(&work).unwrap().count(), 0);
}

/// A line of a hostile list: names that meet again, and everything that is none.
fn any_line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..20u8, any::<bool>()).prop_map(|(n, dot)| format!("D{n}.example{}", if dot { "." } else { "" }).into()),
        1 => Just(b"# comment".to_vec()),
        1 => Just(b"  ".to_vec()),
        2 => proptest::collection::vec(any::<u8>().prop_filter("one line", |&b| b != b'\n'), 0..40),
        1 => "[a-z0-9.,;\"@*_ -]{0,30}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn every_line_is_accounted_for(lines in proptest::collection::vec(any_line(), 0..60), format in 0..4usize) {
        let format = Format::WORDS[format].1;
        let bytes = lines.join(&b'\n');
        let options = PrepareOptions { format, memory: 4000, ..in_order() };
        // A list of which no line is a row has no column: refused as a whole, which is an account too.
        let Ok(by_line) = list(&[&bytes], &options) else {
            prop_assert_eq!(format, Format::Csv);
            return Ok(());
        };
        let p = &by_line.prepared;
        let physical = Vec::from_iter(bytes.split_inclusive(|&b| b == b'\n')).len() as i64;
        // A zone that ends within a record says so in a reject of its own.
        let unended = i64::from(by_line.rejects.last().is_some_and(|r| format == Format::Zone && r.bytes.is_empty()));
        prop_assert_eq!(p.lines + p.blank + p.skipped, physical + unended);
        prop_assert!(by_line.targets.iter().map(|t| t.seq).eq(0..p.rows));
        prop_assert!(by_line.targets.is_sorted_by_key(|t| t.line));
        prop_assert_eq!(by_line.targets.iter().map(|t| t.duplicates).sum::<i64>(), p.duplicates);

        let shuffled = list(&[&bytes], &PrepareOptions { order: Order::Shuffled, memory: usize::MAX, ..options }).unwrap();
        let by_name = |outcome: &Outcome| {
            let mut targets: Vec<Target> = outcome.targets.iter().map(|t| Target { seq: 0, ..t.clone() }).collect();
            targets.sort_by(|a, b| a.domain.cmp(&b.domain));
            targets
        };
        let (a, b) = (by_name(&by_line), by_name(&shuffled));
        prop_assert!(a.windows(2).all(|pair| pair[0].domain != pair[1].domain));
        prop_assert_eq!(a, b);
    }
}

/// The samples that come with the sources: name, rows, rejects.
#[test]
fn the_samples_are_read() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("domain-lists");
    for (name, format, rows, rejects, first) in [
        ("corpus-mail-domains.txt", "plain", 82, 0, None),
        ("sample-tranco.csv", "csv", 10, 0, Some(1)),
        ("sample-majestic.csv", "csv", 10, 0, Some(1)),
        ("sample-crux.csv", "csv", 10, 0, Some(1000)),
        ("sample.zone", "zone", 8, 0, None),
    ] {
        let outcome = from(&[Source::Path(dir.join(name))], &in_order()).unwrap();
        let p = &outcome.prepared;
        assert_eq!((p.sources[0].format.as_str(), p.rows, p.rejects), (format, rows, rejects), "{name}");
        assert_eq!(outcome.targets[0].rank, first, "{name}");
    }
}

/// Runs one of the ignored tests below in a process of its own, and gives what it printed.
fn child(test: &str, dir: &Path, input: Option<&[u8]>) -> String {
    use std::io::Write as _;
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("lists::{test}"), "--ignored", "--nocapture", "--test-threads=1"])
        .env("LISTS_DIR", dir)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(input) = input {
        child.stdin.take().unwrap().write_all(input).unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{test}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

fn child_dir() -> PathBuf {
    PathBuf::from(std::env::var_os("LISTS_DIR").unwrap())
}

#[test]
fn standard_input_is_a_source() {
    let dir = tempfile::tempdir().unwrap();
    for input in [b"a.example\nb.example\n".to_vec(), packed::zip(&[("list", b"a.example\nb.example\n")])] {
        child("child_standard_input", dir.path(), Some(&input));
        let prepared = Prepared::load(dir.path()).unwrap();
        assert_eq!((prepared.rows, prepared.sources[0].name.as_str()), (2, "-"));
    }
}

#[test]
#[ignore = "run by standard_input_is_a_source, in a process whose standard input is the list"]
fn child_standard_input() {
    prepare(&[Source::Stdin], &in_order(), &child_dir(), &mut |_| Ok(())).unwrap();
}

/// The most memory that this process ever had, in KiB.
#[cfg(target_os = "linux")]
fn high_water() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse().unwrap()
}

/// Memory that reading may take beyond the sort buffer, in KiB: buffers of runs, of zstd and of files.
#[cfg(target_os = "linux")]
const MEMORY_ALLOWED: u64 = 24 * 1024;

/// Memory that a list may take beyond what a fifth of it takes, in KiB: the buffers of as many runs as are ever merged.
/// The other rows would be more.
#[cfg(target_os = "linux")]
const MEMORY_MORE: u64 = 64 * 64;

#[test]
#[cfg(target_os = "linux")]
fn memory_stays_flat() {
    let dir = tempfile::tempdir().unwrap();
    // HOSTILE.md 6: a line of 1 GiB, packed to some 32 KiB
    packed::gibibyte(&dir.path().join("line"), b"\na.example\n");
    let mut names = zstd::Encoder::new(fs::File::create(dir.path().join("names")).unwrap(), 1).unwrap();
    for n in 0..200_000u64 {
        use std::io::Write as _;
        writeln!(names, "{}.example", n * 7_919 % 150_000).unwrap();
    }
    names.finish().unwrap();
    child("child_long_line", dir.path(), None);
    child("child_many_names", dir.path(), None);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "run by memory_stays_flat, in a process whose memory it alone uses"]
fn child_long_line() {
    let before = high_water();
    let (dir, mut rejects) = (child_dir(), Vec::new());
    let prepared = prepare(&[Source::Path(dir.join("line"))], &in_order(), &dir.join("work"), &mut |reject| {
        rejects.push((reject.line, reject.code.as_str()));
        Ok(())
    });
    assert_eq!((prepared.unwrap().rows, rejects), (1, vec![(1, "list.line_too_long")]));
    let grown = high_water() - before;
    assert!(grown < MEMORY_ALLOWED, "{grown} KiB");
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "run by memory_stays_flat, in a process whose memory it alone uses"]
fn child_many_names() {
    let before = high_water();
    let dir = child_dir();
    let sources = [Source::Path(dir.join("names"))];
    let prepared = |limit| {
        let options = PrepareOptions { memory: 1 << 20, limit, ..in_order() };
        let prepared = prepare(&sources, &options, &dir.join("work"), &mut |_| Ok(())).unwrap();
        assert_eq!(prepared.targets().unwrap().count() as i64, prepared.rows);
        (prepared.rows, prepared.duplicates)
    };
    // The first of them fill the memory more than once, so five times as many take no more.
    assert_eq!(prepared(Some(40_000)), (40_000, 0));
    let a_fifth = high_water();
    assert!(a_fifth - before < MEMORY_ALLOWED, "{} KiB", a_fifth - before);
    assert_eq!(prepared(None), (150_000, 50_000));
    let more = high_water() - a_fifth;
    assert!(more < MEMORY_MORE, "{more} KiB");
}
