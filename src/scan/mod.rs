//! A scan: from lists to a dataset. This page names every task, what it waits on and what it sends.
//!
//! ```text
//! reader (thread)      prepared list            -> targets           (bounded)
//! discovery (threads)  targets, own look-ups    -> plain, odd, done  (bounded)
//! survey (task)        odd, own surveys         -> done              (bounded)
//! plain (task)         plain, in large batches  -> batches           (bounded)
//! judge (task, rayon)  done, in batches         -> batches           (bounded)
//! writer (thread)      batches                  -> part files
//! ```
//!
//! Each ends when what it waits on is closed, and is awaited here, in this order.

mod crew;
mod discovery;
mod judging;
mod plain;
mod stop;
mod summary;
mod tables;

pub use plain::PlainRows;
pub use summary::Summary;
pub use tables::{Tables, Which};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::sync::{mpsc, watch};

use crate::cert::RootStore;
use crate::error::Error;
use crate::finding::dns;
use crate::list::{self, PrepareOptions, Prepared, Source};
use crate::name::HostName;
use crate::net::NetConfig;
use crate::net::dns::bulk::Plain;
use crate::net::dns::{CanaryWords, PATIENCE, Resolver, unusable};
use crate::net::smtp::{Families, Way};
use crate::progress::{Meter, Mode, Progress};
use crate::scan::crew::{Done, Room};
use crate::scan::judging::Judge;
use crate::scan::plain::PlainJudge;
use crate::scan::stop::{Listener, Stop};
use crate::store::{self, BatchSender, Dataset, ListInfo, ScanInfo, Vantage, Versions, Writer};
use crate::survey::{MailOutlook, Questions, Rejected, Surveyor};
use crate::target::Target;
use crate::text::hex;

/// The public suffix list that this build judges by: the version of the crate that carries it, held to `Cargo.lock` by a
/// test.
const PSL: &str = "psl 2.1.247";
/// The roots of the store `mozilla`, likewise.
const MOZILLA: &str = "webpki-roots 1.0.10";

/// Targets that the reader hands over together, and such chunks that wait for discovery: enough to keep it busy while the
/// reader decompresses.
const CHUNK: usize = 1_024;
const CHUNKS_WAITING: usize = 8;
/// Chunks of plain domains that wait for their rows: what discovery sees in a tenth of a second.
const PLAIN_WAITING: usize = 32;
/// Surveys that wait to be judged: with the largest bodies, 64 KiB each, they hold 64 MiB.
const DONE_WAITING: usize = 1_024;

/// What a scan is to do.
pub struct Job {
    /// The lists.
    pub sources: Vec<Source>,
    /// How they are read.
    pub prepare: PrepareOptions,
    /// The dataset's directory.
    pub out: PathBuf,
    /// The network.
    pub net: NetConfig,
    /// What is asked.
    pub questions: Questions,
    /// Threads of discovery, where it goes in bulk.
    pub threads: usize,
    /// Domains in discovery at a time.
    pub concurrency: usize,
    /// Surveys at a time.
    pub surveys: usize,
    /// The domains by which to find out whether mail hosts can be reached from here; `None` takes it for granted.
    pub canaries: Option<Vec<HostName>>,
    /// How progress is shown.
    pub progress: Mode,
    /// Where a notice goes that the user should see once, before the scan begins.
    pub notice: fn(&str),
    /// The options as they were given, for `scan.json`.
    pub options: Map<String, Value>,
}

/// What a scan came to.
pub struct Report {
    /// The name of the scan in the dataset.
    pub scan_id: String,
    /// The counts.
    pub summary: Summary,
}

/// Runs a scan to its end.
///
/// # Errors
/// By exit status: 65 where the input is damaged, 73 where the dataset cannot be created, 74 where it cannot be written,
/// 75 where no resolver answers, 130 and 143 after a signal, 70 for a fault of ours.
pub async fn run(job: Job) -> Result<Report, Error> {
    let started_at = Timestamp::now();
    let mut random = [0_u8; 4];
    getrandom::fill(&mut random).map_err(|error| Error::Internal(format!("no randomness: {error}")))?;
    let scan_id = store::new_scan_id(started_at, u32::from_be_bytes(random));
    let dataset = Dataset::create(&job.out, &scan_id)?;
    let tables = Arc::new(Tables::new());
    let writer = Writer::start(tables.part_writers(&dataset)?, store::QUEUE)?;

    // A statement of its own: the writer cannot finish while a sender lives.
    let begun = begin(&job, &dataset, started_at, &tables, &writer.sender()).await;
    let Begun { prepared, surveyor, signals } = match begun {
        Ok(begun) => begun,
        // Nothing was asked, so nothing is worth keeping. Where the disk is the reason, the writer knows it better.
        Err(error) => {
            let finished = writer.finish();
            dataset.discard(&Tables::NAMES);
            return Err(finished.err().unwrap_or(error));
        }
    };
    let plain = PlainJudge::new(scan_id.clone(), Arc::clone(&tables), writer.sender());
    let judge = Judge::new(scan_id.clone(), tables, writer.sender());
    let surveyed = surveyed(&job, &prepared, surveyor, signals, (plain, judge)).await;
    // What was finished is stored, whatever ended the scan; and where the disk ended it, the disk's error is the reason.
    let parts = writer.finish()?;
    let mut summary = match surveyed {
        Ok(summary) => summary,
        Err(Cut { error, is_worthless }) => {
            if is_worthless {
                dataset.discard(&Tables::NAMES);
            }
            return Err(error);
        }
    };
    summary.lines = prepared.lines;
    summary.rejects = prepared.rejects;
    summary.duplicates = prepared.duplicates;
    summary.blank = prepared.blank + prepared.skipped;
    summary.elsewhere = prepared.elsewhere;
    let totals = summary.totals();
    if summary.rows != prepared.rows || !totals.balance() {
        return Err(Error::Internal(format!("{} of {} domains have a row", summary.rows, prepared.rows)));
    }
    dataset.finish(&totals, parts, Timestamp::now())?;
    Ok(Report { scan_id, summary })
}

/// A scan that did not come to its end.
struct Cut {
    error: Error,
    /// Whether nothing was seen: a few domains that all failed are not worth a scan.
    is_worthless: bool,
}

impl From<Error> for Cut {
    fn from(error: Error) -> Self {
        Self { error, is_worthless: false }
    }
}

/// What stands ready before the first domain is asked for.
struct Begun {
    prepared: Prepared,
    surveyor: Surveyor,
    signals: Listener,
}

/// Everything before the first domain is asked for. A damaged list is refused here, before the first packet. While the lists
/// are read a signal simply ends the process; from then on it is heard, and takes back what was begun.
async fn begin(
    job: &Job,
    dataset: &Dataset,
    started_at: Timestamp,
    tables: &Tables,
    batches: &BatchSender,
) -> Result<Begun, Error> {
    let prepared = prepare(job, dataset, tables, batches)?;
    let signals = Listener::start()?;
    let resolver = Resolver::new(&job.net)?;
    let opened = tokio::select! {
        opened = open(job, &resolver, dataset, started_at, &prepared) => opened,
        number = signals.came() => Err(Error::Signal(number)),
    };
    // A signal that came during the last of it counts too.
    let opened = opened.and_then(|surveyor| match signals.signal() {
        None => Ok(surveyor),
        Some(number) => Err(Error::Signal(number)),
    });
    match opened {
        Ok(surveyor) => Ok(Begun { prepared, surveyor, signals }),
        Err(error) => {
            resolver.close().await;
            Err(error)
        }
    }
}

/// Finds out whether there is a resolver, and a way to mail hosts, and writes down what is going to be asked.
async fn open(
    job: &Job,
    resolver: &Resolver,
    dataset: &Dataset,
    started_at: Timestamp,
    prepared: &Prepared,
) -> Result<Surveyor, Error> {
    let canaries = resolver.preflight().await;
    let canaries = canaries.map_err(|failure| Error::Unavailable(unusable(&job.net.upstreams, &failure)))?;
    let (surveyor, outlook) =
        Surveyor::open(&job.net, resolver.patient(PATIENCE), job.questions, job.canaries.as_deref()).await;
    if let Some(notice) = outlook.notice(job.net.smtp_port) {
        (job.notice)(&notice);
    }
    dataset.write_scan_info(&info(job, dataset.scan_id(), started_at, prepared, vantage(&canaries, &outlook)))?;
    Ok(surveyor)
}

fn upstreams(job: &Job) -> String {
    job.net.upstreams.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The scan itself, from the first question to the last row.
async fn surveyed(
    job: &Job,
    prepared: &Prepared,
    surveyor: Surveyor,
    signals: Listener,
    judges: (PlainJudge, Judge),
) -> Result<Summary, Cut> {
    let stop = signals.watch();
    let surveyor = Arc::new(surveyor);
    let progress = Progress::start(job.progress, u64::try_from(prepared.rows).ok())?;
    let summary = asked(job, prepared, &surveyor, judges, &progress.meter(), stop.clone()).await;
    progress.finish();
    if let Ok(surveyor) = Arc::try_unwrap(surveyor) {
        surveyor.into_resolver().close().await;
    }
    let (summary, is_cut) = summary?;
    match stop.borrow().signal() {
        // A signal that came when everything was asked already has stopped nothing.
        Some(number) if is_cut || summary.rows < prepared.rows => Err(Error::Signal(number).into()),
        _ => Ok(summary),
    }
}

/// Everything between the prepared list and the batches; with whether surveys were cut short.
async fn asked(
    job: &Job,
    prepared: &Prepared,
    surveyor: &Arc<Surveyor>,
    (plain_judge, judge): (PlainJudge, Judge),
    meter: &Meter,
    stop: watch::Receiver<Stop>,
) -> Result<(Summary, bool), Cut> {
    let (targets_in, targets) = mpsc::channel::<Vec<Target>>(CHUNKS_WAITING);
    let (plain_in, plain) = mpsc::channel::<Vec<Plain<Target>>>(PLAIN_WAITING);
    let (done_in, done) = mpsc::channel::<Done>(DONE_WAITING);
    let reader = tokio::task::spawn_blocking({
        let targets = prepared.targets()?;
        move || read(targets, &targets_in)
    });
    let room = Room { threads: job.threads, discovery: job.concurrency, surveys: job.surveys };
    let (ended, plain_judged, judged) = tokio::join!(
        crew::work(&job.net, surveyor, targets, (plain_in, done_in), room, meter.clone(), stop),
        plain_judge.run(plain, meter.clone()),
        judge.run(done, meter.clone()),
    );
    let read = reader.await.map_err(|error| Error::Internal(format!("the reader died: {error}")))?;
    let mut summary = judged?;
    summary.add(&plain_judged?);
    read?;
    let ended = ended?;
    match ended.unusable {
        Some(code) => {
            let what = if code == dns::RESOLVER_LIES { "a resolver lies, now and then" } else { "no resolver answers" };
            let error = Error::Unavailable(format!("{what} ({}): {code}", upstreams(job)));
            Err(Cut { error, is_worthless: summary.rows == summary.failed })
        }
        None => Ok((summary, ended.is_cut)),
    }
}

fn prepare(job: &Job, dataset: &Dataset, tables: &Tables, batches: &BatchSender) -> Result<Prepared, Error> {
    /// Rejects that are written at a time.
    const BATCH: usize = 4_096;
    let scan_id = dataset.scan_id();
    let mut rows: Vec<Rejected> = Vec::new();
    let flush = |rows: &mut Vec<Rejected>| -> Result<(), Error> {
        batches.send(Which::Rejects as usize, tables.rejects.batch(scan_id, rows)?)?;
        rows.clear();
        Ok(())
    };
    let prepared = list::prepare(&job.sources, &job.prepare, &dataset.scan_directory(), &mut |reject| {
        rows.push(Rejected { line: reject.line, bytes: reject.bytes, code: reject.code });
        if rows.len() < BATCH { Ok(()) } else { flush(&mut rows) }
    })?;
    flush(&mut rows)?;
    Ok(prepared)
}

/// Hands the prepared targets on, until the receiver wants no more.
fn read(
    mut targets: impl Iterator<Item = Result<Target, Error>>,
    sender: &mpsc::Sender<Vec<Target>>,
) -> Result<(), Error> {
    loop {
        let chunk: Vec<Target> = targets.by_ref().take(CHUNK).collect::<Result<_, _>>()?;
        if chunk.is_empty() || sender.blocking_send(chunk).is_err() {
            return Ok(());
        }
    }
}

fn info(job: &Job, scan_id: &str, started_at: Timestamp, prepared: &Prepared, vantage: Vantage) -> ScanInfo {
    let roots: BTreeMap<String, String> =
        job.net.roots.iter().map(|store| (store.name.clone(), roots_version(store))).collect();
    let lists = prepared.sources.iter().map(|source| ListInfo {
        name: source.name.clone(),
        id: list::get::edition_beside(&source.name, &source.sha256),
        format: source.format.clone(),
        sha256: source.sha256.clone(),
        rows: u64::try_from(source.lines).unwrap_or(0),
    });
    ScanInfo {
        scan_id: scan_id.to_owned(),
        started_at,
        lists: lists.collect(),
        options: job.options.clone(),
        versions: Versions::new(PSL, roots),
        resolvers: job.net.upstreams.iter().map(ToString::to_string).collect(),
        vantage,
        seed: job.prepare.seed,
    }
}

fn vantage(canaries: &CanaryWords, mail: &MailOutlook) -> Vantage {
    let over = |family: fn(Families) -> Way| mail.families().map(|families| family(families).word().to_owned());
    Vantage {
        host: host_name(),
        mail: mail.word().to_owned(),
        mail_cause: mail.cause().map(|code| code.as_str().to_owned()),
        mail_ipv4: over(|families| families.v4),
        mail_ipv6: over(|families| families.v6),
        dns_canaries: canaries.iter().map(|(canary, said)| (canary.clone(), (*said).to_owned())).collect(),
    }
}

fn roots_version(store: &RootStore) -> String {
    let source = match store.name.as_str() {
        "mozilla" => MOZILLA,
        "system" => "system",
        _ => "file",
    };
    let mut digest = Sha256::new();
    for anchor in &store.anchors.roots {
        digest.update(&anchor.subject);
        digest.update(&anchor.subject_public_key_info);
    }
    format!("{source}, {} roots, SHA-256 of their names and keys {}", store.anchors.len(), hex(&digest.finalize()))
}

/// The name of this machine, as the kernel has it; empty where it has none to give.
fn host_name() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_versions_are_those_of_the_lock_file() {
        let lock = include_str!("../../Cargo.lock");
        for version in [super::PSL, super::MOZILLA] {
            let (name, number) = version.split_once(' ').expect("a name and a number");
            let entry = format!("name = \"{name}\"\nversion = \"{number}\"");
            assert!(lock.contains(&entry), "{version} is not what is built in");
        }
    }
}
