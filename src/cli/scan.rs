//! `stscan scan`: lists into a dataset.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::net::{NetArgs, QuestionArgs};
use crate::cli::output;
use crate::error::Error;
use crate::finding;
use crate::list::{Column, Format, Order, PrepareOptions, Shard, Source};
use crate::net::NetConfig;
use crate::progress::Mode;
use crate::scan::{self, Job};
use crate::text::shown;

/// Domains in discovery at a time, unless `--concurrency` says otherwise: at the quarter of a second that a cold name takes,
/// 40,000 a second, more than one recursive resolver can do. How many of them are sent is the rate's business.
const CONCURRENCY: usize = 10_000;

/// Processors of this machine for one thread of discovery, which keeps hundreds of thousands of questions a second going;
/// the rest is left to the other stages, and to a resolver on the same machine.
const PROCESSORS_A_THREAD: usize = 8;

/// How many of them may be in a full survey: each may hold a TLS connection and its file descriptor.
const SURVEYS_MAX: usize = 400;

/// Arguments of `stscan scan`.
#[derive(Args, Debug)]
pub struct ScanArgs {
    /// Lists: files, or - for standard input; gzip, zstd and zip are read as they are
    #[arg(value_name = "LIST", required = true)]
    lists: Vec<PathBuf>,
    /// The dataset: a directory, made if it is not there
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    reading: ReadingArgs,
    #[command(flatten)]
    questions: QuestionArgs,
    #[command(flatten)]
    net: NetArgs,
    /// Domains in discovery at a time; at most 1,000 over TCP, TLS and HTTPS
    #[arg(long, value_name = "N", default_value_t = CONCURRENCY)]
    concurrency: usize,
    /// How progress is shown, on standard error
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = progress)]
    progress: Mode,
}

/// How lists are read.
#[derive(Args, Debug)]
struct ReadingArgs {
    /// Format of the lists: auto, plain, csv, zone
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = format)]
    format: Format,
    /// Column of a CSV that holds the domain: its name, or its number from 1
    #[arg(long, value_name = "COLUMN")]
    column: Option<String>,
    /// Take only the first N lines that should hold a name
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
    /// Take only share I of N, of what --limit leaves: each domain is in one share, the same on every machine
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Order in which domains are asked: shuffled, so that no operator is hit in one burst, or input
    #[arg(long, value_name = "ORDER", default_value = "shuffled", value_parser = order)]
    order: Order,
    /// Seed of the shuffle, for a scan in the same order
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Bytes of decompressed input, at most
    #[arg(long, value_name = "BYTES")]
    max_input: Option<u64>,
}

fn format(text: &str) -> Result<Format, String> {
    word(Format::WORDS, text)
}

fn shard(text: &str) -> Result<Shard, String> {
    text.parse().map_err(|error: Error| error.to_string())
}

fn progress(text: &str) -> Result<Mode, String> {
    word(&Mode::WORDS, text)
}

fn order(text: &str) -> Result<Order, String> {
    word(Order::WORDS, text)
}

/// The value that a word stands for.
fn word<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
    found.ok_or_else(|| format!("not one of {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")))
}

impl ScanArgs {
    fn job(&self) -> Result<Job, Error> {
        if self.lists.iter().filter(|list| list.as_os_str() == "-").count() > 1 {
            return Err(Error::Usage("standard input (-) can be read only once".to_owned()));
        }
        let net = self.net.config()?;
        let reading = &self.reading;
        let mut prepare = PrepareOptions {
            format: reading.format,
            column: reading.column.as_deref().map(Column::from_argument).transpose()?,
            limit: reading.limit,
            order: reading.order,
            seed: reading.seed,
            shard: reading.shard,
            ..PrepareOptions::default()
        };
        if let Some(bytes) = reading.max_input {
            prepare.max_input = bytes;
        }
        Ok(Job {
            sources: self.lists.iter().map(|list| Source::from_argument(list)).collect(),
            prepare,
            out: self.out.clone(),
            options: self.options(&net),
            net,
            questions: self.questions.questions(),
            threads: std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(PROCESSORS_A_THREAD)),
            concurrency: self.concurrency.max(1),
            surveys: self.concurrency.clamp(1, SURVEYS_MAX),
            canaries: self.net.canaries(),
            progress: self.progress,
            notice: |text| output::complain(&format!("stscan: {}", shown(text))),
        })
    }

    /// The options as they were given, for `scan.json`: what a later reader needs to know how the rows came about.
    fn options(&self, net: &NetConfig) -> Map<String, Value> {
        let questions = self.questions.questions();
        let options = json!({
            "depth": questions.depth.word(),
            "deep": questions.deep,
            "also": self.questions.also,
            "format": self.reading.format.word(),
            "column": self.reading.column,
            "limit": self.reading.limit,
            "shard": self.reading.shard.map(|shard| shard.to_string()),
            "order": self.reading.order.word(),
            "seed": self.reading.seed,
            "max_input": self.reading.max_input,
            "concurrency": self.concurrency,
            "rate": net.rate.map_or_else(|| "auto".into(), Value::from),
            "per_host": net.per_host,
            "https_port": net.https_port,
            "smtp_port": net.smtp_port,
            "helo": net.helo,
            "smtp_canary": self.net.canaries().map(|names| names.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "dns_canary": net.dns_canaries.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "trust_ad": net.trust_ad,
            "user_agent": net.user_agent,
            "allow_network": self.net.allow_network.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "timeouts_ms": {
                "dns": u64::try_from(net.timeouts.dns.as_millis()).unwrap_or(u64::MAX),
                "connect": u64::try_from(net.timeouts.connect.as_millis()).unwrap_or(u64::MAX),
                "tls": u64::try_from(net.timeouts.tls.as_millis()).unwrap_or(u64::MAX),
                "https": u64::try_from(net.timeouts.https.as_millis()).unwrap_or(u64::MAX),
                "banner": u64::try_from(net.timeouts.banner.as_millis()).unwrap_or(u64::MAX),
                "smtp": u64::try_from(net.timeouts.smtp.as_millis()).unwrap_or(u64::MAX),
            },
        });
        // It is an object, as it stands above.
        options.as_object().cloned().unwrap_or_default()
    }
}

/// Scans, and prints the summary on standard error.
///
/// # Errors
/// See [`scan::run`].
pub async fn run(args: ScanArgs) -> Result<u8, Error> {
    let report = scan(&args).await?;
    output::complain(&format!(
        "scan {} is complete in {}\n{}",
        report.scan_id,
        shown(&args.out.display().to_string()),
        report.summary.page()
    ));
    // HOSTILE.md 150: the scan went on, and the fault is told.
    let summary = &report.summary;
    let panicked = [&summary.failures, &summary.host_failures]
        .iter()
        .any(|codes| codes.contains_key(finding::sts::PANIC.as_str()));
    Ok(if panicked { Error::Internal(String::new()).exit_status() } else { 0 })
}

/// Scans, and leaves it to the caller to say so.
///
/// # Errors
/// See [`scan::run`].
pub(crate) async fn scan(args: &ScanArgs) -> Result<scan::Report, Error> {
    scan::run(args.job()?).await
}
