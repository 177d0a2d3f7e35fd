//! `stscan demo`: scans the lab by the shipped path, and compares every row with the ground truth.

mod compare;
mod rows;

use std::fmt::Write as _;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Args, Parser};

use crate::cli::lab::servable;
use crate::cli::output;
use crate::cli::scan::{ScanArgs, scan};
use crate::error::Error;
use crate::lab::{self, Lab, LabOptions, Population, Truth, World};
use crate::scan::Report;
use crate::text::shown;
use compare::Comparison;

/// Seconds for one DNS question of the lab: on loopback an answer that takes longer will not come.
const TIMEOUT_DNS: &str = "3";
/// Seconds for the other stages, likewise.
const TIMEOUT_CONNECT: &str = "2";
const TIMEOUT_TLS: &str = "3";
const TIMEOUT_HTTPS: &str = "6";
const TIMEOUT_BANNER: &str = "3";
const TIMEOUT_SMTP: &str = "6";

/// Arguments of `stscan demo`.
#[derive(Args, Debug)]
pub struct DemoArgs {
    /// Domains of the simulated Internet; every kind that the lab knows is in it at least once
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    size: usize,
    /// Seed of the population: the same seed gives the same Internet
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The dataset: a directory, made if it is not there
    #[arg(long, value_name = "DIR", default_value = "demo")]
    out: PathBuf,
    /// How progress is shown, on standard error
    #[arg(long, value_name = "MODE", default_value = "auto", value_parser = ["auto", "bar", "plain", "json", "none"])]
    progress: String,
}

/// The scan of the demo as a command line: the very one that a user would type.
#[derive(Parser, Debug)]
#[command(name = "stscan scan")]
struct ScanLine {
    #[command(flatten)]
    scan: ScanArgs,
}

/// Runs the demo. Exit status 1 where a row differs from the truth.
///
/// # Errors
/// Where the lab cannot be started or the scan fails.
pub async fn run(args: DemoArgs) -> Result<u8, Error> {
    let worlds = servable(lab::worlds()?);
    output::print(&format!(
        "The lab: {} domains of {} kinds, each with its ground truth, on loopback only.\n",
        args.size.max(worlds.len()),
        worlds.len()
    ))?;
    let mut args = args;
    if args.out.is_relative() {
        // So that no name of a directory looks like an option.
        args.out = Path::new(".").join(args.out);
    }
    let population = Population::new(worlds, args.size, args.seed);
    let lab = Lab::start(population, LabOptions::default()).await?;
    let result = scans(&args, &lab).await;
    lab.stop().await?;
    result
}

async fn scans(args: &DemoArgs, lab: &Lab) -> Result<u8, Error> {
    let folder = args.out.join("lab");
    // As private as the dataset around it.
    let mut private = std::fs::DirBuilder::new();
    private.recursive(true).mode(0o700);
    private.create(&folder).map_err(|source| Error::Create { path: folder.clone(), source })?;
    let everything: Vec<(&str, &Truth)> = members(lab).map(|(domain, world)| (domain, &world.truth)).collect();
    let same = one(args, lab, &folder, "list.csv", &[], &everything).await?;
    // What only a deep scan finds: policies that nothing announces, records in the wrong place.
    let hidden: Vec<(&str, &Truth)> =
        members(lab).filter_map(|(domain, world)| Some((domain, world.deep.as_ref()?))).collect();
    let deep = hidden.is_empty() || one(args, lab, &folder, "deep.csv", &["--deep"], &hidden).await?;
    output::print(&format!("The dataset is in {}.\n", shown(&args.out.display().to_string())))?;
    Ok(u8::from(!(same && deep)))
}

fn members(lab: &Lab) -> impl Iterator<Item = (&str, &World)> {
    let population = lab.population();
    population.members().iter().map(|member| (member.domain.as_str(), &population.worlds()[member.world]))
}

/// One scan, compared with the truth. Returns whether every row is as it should be.
async fn one(
    args: &DemoArgs,
    lab: &Lab,
    folder: &Path,
    name: &str,
    options: &[&str],
    truths: &[(&str, &Truth)],
) -> Result<bool, Error> {
    let list = folder.join(name);
    let text = truths.iter().enumerate().fold(String::from("rank,domain\n"), |mut text, (index, (domain, _))| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{},{domain}", index + 1);
        text
    });
    std::fs::write(&list, text).map_err(|source| Error::Create { path: list.clone(), source })?;
    let line = command_line(args, lab, folder, &list, options)?;
    output::print(&format!("\n$ {}\n\n", shown(&line.join(" "))))?;

    let started = Instant::now();
    let parsed = ScanLine::try_parse_from(line.iter().skip(1)).map_err(|error| Error::Internal(error.to_string()))?;
    let report = scan(&parsed.scan).await?;
    output::print(&summary(&report, started))?;

    let rows = rows::read(&args.out, &report.scan_id)?;
    let comparison = Comparison::new(truths, &rows);
    output::print(&comparison.page())?;
    Ok(comparison.is_diagonal())
}

fn summary(report: &Report, started: Instant) -> String {
    format!("{}  took {:.1} s\n\n", report.summary.page(), started.elapsed().as_secs_f64())
}

fn command_line(
    args: &DemoArgs,
    lab: &Lab,
    folder: &Path,
    list: &Path,
    options: &[&str],
) -> Result<Vec<String>, Error> {
    let (roots, community) = lab.write_roots(folder)?;
    let mut line: Vec<String> = ["stscan", "scan"].map(String::from).to_vec();
    line.push(list.display().to_string());
    let pairs = [
        ("--out", args.out.display().to_string()),
        ("--resolver", lab.resolver.to_string()),
        ("--https-port", lab.https_port.to_string()),
        ("--smtp-port", lab.smtp_port.to_string()),
        ("--smtp-canary", lab::CANARY.to_owned()),
        ("--dns-canary", lab::CANARY.to_owned()),
        ("--roots", roots.display().to_string()),
        ("--roots", community.display().to_string()),
        ("--allow-network", lab::NETWORK.to_owned()),
        ("--allow-network", lab::NETWORK_V6.to_owned()),
        ("--timeout-dns", TIMEOUT_DNS.to_owned()),
        ("--timeout-connect", TIMEOUT_CONNECT.to_owned()),
        ("--timeout-tls", TIMEOUT_TLS.to_owned()),
        ("--timeout-https", TIMEOUT_HTTPS.to_owned()),
        ("--timeout-banner", TIMEOUT_BANNER.to_owned()),
        ("--timeout-smtp", TIMEOUT_SMTP.to_owned()),
        ("--progress", args.progress.clone()),
    ];
    line.extend(pairs.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
    line.push("--no-contact".to_owned());
    line.extend(options.iter().map(|option| (*option).to_owned()));
    Ok(line)
}
