//! A hundred thousand domains: the lab in one process, the scan in another, whose memory stays flat and whose every line
//! is accounted for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use stscan::cli::output::complain;
use stscan::lab::{self, Population};
use stscan::store::{read_manifest, scans};

/// Domains of the lab.
const SIZE: usize = 100_000;
/// What the scan may hold at its peak, in KiB.
const MEMORY_KIB: u64 = 300 << 10;
/// How long the lab may take to be ready, and to end.
const LAB_PATIENCE: Duration = Duration::from_secs(120);
/// How long the scan may take: far more than it does, so that only one that hangs is ended.
const SCAN_PATIENCE: Duration = Duration::from_secs(900);
/// The time that hosts get, so that the few which never answer do not make the end of the scan long.
const BRIEF: [&str; 4] = ["--timeout-tls", "4", "--timeout-https", "6"];
/// How often the scan is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Ticks of the processor times in `/proc`, a second: `USER_HZ`, which is 100 on every Linux.
const TICKS: f64 = 100.0;

/// Lines that are no domain, and what each is called.
const REJECTS: [(&str, &str); 4] = [
    ("192.0.2.1", "list.ip_literal"),
    ("intranet", "list.single_label"),
    ("*.example.test", "list.wildcard"),
    ("a..test", "list.label"),
];

/// What a list has, line by line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    rows: u64,
    rejects: BTreeMap<&'static str, u64>,
    duplicates: u64,
    blank: u64,
}

#[test]
fn a_hundred_thousand_domains_in_flat_memory() {
    let folder = tempfile::tempdir().unwrap();
    let served = Lab::start(folder.path());
    let (list, expected) = spoiled(&fs::read_to_string(folder.path().join("lab.csv")).unwrap());
    assert_eq!(expected.rows, SIZE as u64);
    fs::write(folder.path().join("spoiled.csv"), list).unwrap();

    let out = folder.path().join("dataset");
    let mut arguments = served.scan.clone();
    arguments[1] = folder.path().join("spoiled.csv").display().to_string();
    *arguments.last_mut().unwrap() = out.display().to_string();
    let scan = Running::start(&arguments, folder.path()).end();
    let said = fs::read_to_string(folder.path().join("scan.err")).unwrap();
    assert_eq!(scan.status.code(), Some(0), "{said}");
    served.end();

    complain(&format!(
        "{SIZE} domains in {:.1} s: {:.0} us of processor time a domain, {:.1} MiB at the peak",
        scan.took.as_secs_f64(),
        scan.processor * 1e6 / SIZE as f64,
        scan.peak_kib as f64 / 1024.0
    ));
    assert!(scan.peak_kib > 0 && scan.peak_kib < MEMORY_KIB, "{} KiB", scan.peak_kib);
    count(&out, &expected);
}

/// The program at the lowest priority: this test keeps every processor busy, and others beside it look at the clock. `nice`
/// becomes the program, so the process is the one that was started.
fn considerate() -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", "19", env!("CARGO_BIN_EXE_stscan")]);
    command
}

/// What the manifest and the tables say, against what the list has.
fn count(dataset: &Path, expected: &Lines) {
    let [scan] = scans(dataset).unwrap().try_into().unwrap();
    assert!(scan.finished);
    let manifest = read_manifest(dataset, &scan.scan_id).unwrap().unwrap();
    let rejected: u64 = expected.rejects.values().sum();
    let totals = &manifest.totals;
    assert_eq!(
        [totals.rows, totals.rejects, totals.duplicates, totals.blank],
        [expected.rows, rejected, expected.duplicates, expected.blank]
    );
    assert_eq!(totals.lines, expected.rows + rejected + expected.duplicates);

    let (mut seqs, mut duplicates, mut outcomes) = (Vec::new(), 0, BTreeMap::<String, u64>::new());
    let mut announced = 0;
    let mut codes = BTreeMap::<String, u64>::new();
    for part in &manifest.parts {
        let file = File::open(dataset.join(&part.path)).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let column = |name: &str| batch.column_by_name(name).unwrap();
            let words = |name: &str, counts: &mut BTreeMap<String, u64>| {
                for word in column(name).as_string::<i32>().iter().flatten() {
                    *counts.entry(word.to_owned()).or_default() += 1;
                }
            };
            match part.table.as_str() {
                "domains" => {
                    seqs.extend(column("seq").as_primitive::<Int64Type>().iter().flatten());
                    duplicates += column("duplicates").as_primitive::<Int64Type>().iter().flatten().sum::<i64>();
                    announced += column("announced").as_boolean().iter().filter(|cell| *cell == Some(true)).count();
                    words("outcome", &mut outcomes);
                }
                "rejects" => words("code", &mut codes),
                _ => {}
            }
        }
    }
    seqs.sort_unstable();
    assert!(seqs.iter().copied().eq(0..i64::try_from(SIZE).unwrap()), "{} seqs", seqs.len());
    assert_eq!(u64::try_from(duplicates).unwrap(), expected.duplicates);
    assert_eq!(outcomes, totals.outcomes);
    assert!(codes.iter().map(|(code, rows)| (code.as_str(), *rows)).eq(expected.rejects.clone()), "{codes:?}");

    // And the world is as it was made: the lab's population is the same again for the same seed.
    let population = Population::new(lab::worlds().unwrap(), SIZE, 1);
    let announcing = |member: &&lab::population::Member| population.worlds()[member.world].truth.announced;
    assert_eq!(announced, population.members().iter().filter(announcing).count());
}

/// A list with lines that are no domain, lines that say a domain again, and lines that say nothing in between.
fn spoiled(list: &str) -> (String, Lines) {
    let (mut text, mut lines) = (String::with_capacity(list.len() * 2), Lines::default());
    for (number, line) in list.lines().enumerate() {
        text.push_str(line);
        text.push('\n');
        lines.rows += 1;
        if number % 20 == 7 {
            let (name, code) = REJECTS[number / 20 % REJECTS.len()];
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{},{name}", number + 1);
            *lines.rejects.entry(code).or_default() += 1;
        }
        if number % 30 == 11 {
            // The same name as others write it: in capitals, with a final dot, at another rank.
            let domain = line.split_once(',').unwrap().1;
            let _ = writeln!(text, "{},{}.", number + 500, domain.to_ascii_uppercase());
            lines.duplicates += 1;
        }
        if number % 70 == 13 {
            text.push_str(if number % 2 == 0 { "\n" } else { "# a comment\n" });
            lines.blank += 1;
        }
    }
    (text, lines)
}

/// A lab in a process of its own, which ends with the test, however that ends.
struct Lab {
    child: Child,
    /// The command line that it prints, from `scan` to the value of `--out`.
    scan: Vec<String>,
}

impl Lab {
    /// Serves as many domains as [`SIZE`]; the list is `lab.csv` in the folder.
    fn start(folder: &Path) -> Self {
        let mut child = considerate()
            .args(["lab", "--size", &SIZE.to_string(), "--write-list", "lab.csv", "--write-roots", "."])
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (sender, lines) = mpsc::channel();
        // The reader stays until the lab closes its output, so that the last line of the lab has somewhere to go.
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // Nobody listens any more once the command line is there.
                let _ = sender.send(line);
            }
        });
        let mut lab = Self { child, scan: Vec::new() };
        while lab.scan.is_empty() {
            let line = lines.recv_timeout(LAB_PATIENCE).unwrap();
            if let Some(rest) = line.strip_prefix("stscan ") {
                lab.scan = rest.split(' ').map(str::to_owned).collect();
            }
        }
        lab
    }

    /// Ends it as a user does, and holds it to an end in order.
    fn end(mut self) {
        let status = self.interrupt();
        assert!(status.is_some_and(|status| status.success()), "{status:?}");
    }

    /// Ctrl-C, and what it came to; `None` where it does not end.
    fn interrupt(&mut self) -> Option<ExitStatus> {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        wait(&mut self.child, LAB_PATIENCE)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) && self.interrupt().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Waits for a child, but not for ever.
fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        thread::sleep(LOOK);
    }
    None
}

/// A scan that runs, and is ended where the test fails.
struct Running {
    child: Child,
    started: Instant,
}

/// A scan that ended.
struct Ended {
    status: ExitStatus,
    took: Duration,
    /// Seconds of processor time, its own and the kernel's for it.
    processor: f64,
    peak_kib: u64,
}

impl Running {
    /// Starts `stscan` with these arguments; what it says on standard error is in `scan.err`.
    fn start(arguments: &[String], folder: &Path) -> Self {
        let child = considerate()
            .args(arguments)
            .args(["--progress", "none"])
            .args(BRIEF)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(folder.join("scan.err")).unwrap())
            .spawn()
            .unwrap();
        Self { child, started: Instant::now() }
    }

    /// Looks at it until it ends. It is taken from the kernel only then, so its processor time is whole.
    fn end(mut self) -> Ended {
        let process = Path::new("/proc").join(self.child.id().to_string());
        let mut peak_kib = 0;
        loop {
            assert!(self.started.elapsed() < SCAN_PATIENCE, "the scan does not end");
            // The last values stand: one that has ended has no memory any more, but still its times.
            peak_kib = peak_kib.max(memory_peak(&process).unwrap_or(0));
            let (state, ticks) = state_and_ticks(&process).unwrap();
            if state == "Z" {
                let took = self.started.elapsed();
                let status = self.child.wait().unwrap();
                return Ended { status, took, processor: ticks as f64 / TICKS, peak_kib };
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// `VmHWM` of a process in KiB: the most memory that it ever held at once.
fn memory_peak(process: &Path) -> Option<u64> {
    let status = fs::read_to_string(process.join("status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The state of a process, and the ticks of processor time that it took.
fn state_and_ticks(process: &Path) -> Option<(String, u64)> {
    let stat = fs::read_to_string(process.join("stat")).ok()?;
    // The name in parentheses may hold anything; behind it stand the state, and 11 fields on the two times.
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    Some((fields[0].to_owned(), fields[11].parse::<u64>().ok()? + fields[12].parse::<u64>().ok()?))
}
