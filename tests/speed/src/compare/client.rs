//! The clients: how each is called, and what it says that it found.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::clients::Outcome;
use crate::fault::Fault;
use crate::truth::Shares;

/// The name of the scanner in tables.
pub(super) const STSCAN: &str = "stscan";
/// The name of the client that the others are held against.
pub(super) const MASSDNS: &str = "massdns";
/// How the record of the responder begins, in whatever a client prints.
const RECORD: &[u8] = b"v=STSv1";
/// Look-ups of massdns at a time. From 2,000 to 5,000 cost the same; at 10,000 answers overflow the 4 MiB of its socket.
const MASSDNS_AT_A_TIME: &str = "5000";
/// Look-ups of zdns at a time: a thread each.
const ZDNS_AT_A_TIME: &str = "1000";

/// A program that asks for every name of a list.
#[derive(Clone, Debug)]
pub(super) enum Client {
    Floor,
    Massdns(PathBuf),
    /// With options of its own.
    Stscan(PathBuf, Vec<String>),
    Zdns(PathBuf),
    /// The discovery stage of the scanner alone, where it is built in.
    #[cfg(feature = "benches")]
    Discovery,
    Hickory,
}

/// Where a run has its files, and whom it asks.
pub(super) struct Place {
    /// For this run alone.
    pub(super) directory: PathBuf,
    list: PathBuf,
    server: SocketAddr,
    /// Whether answers take their time.
    is_slow: bool,
}

impl Place {
    /// A run with this list, against this server.
    pub(super) fn new(above: &Path, list: &Path, server: SocketAddr, is_slow: bool) -> Self {
        Self { directory: above.join("run"), list: list.to_owned(), server, is_slow }
    }

    /// What the client writes to its standard output.
    pub(super) fn out(&self) -> PathBuf {
        self.directory.join("out")
    }

    /// What the client complains of.
    pub(super) fn err(&self) -> PathBuf {
        self.directory.join("err")
    }

    /// What the client makes.
    fn made(&self) -> PathBuf {
        self.directory.join("made")
    }
}

impl Client {
    /// The name in tables.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Massdns(_) => MASSDNS,
            Self::Stscan(..) => STSCAN,
            Self::Zdns(_) => "zdns",
            #[cfg(feature = "benches")]
            Self::Discovery => "discovery alone",
            Self::Hickory => "hickory-resolver",
        }
    }

    /// The command that asks for the whole list.
    pub(super) fn command(&self, place: &Place) -> Result<Command, Fault> {
        match self {
            Self::Floor => own(&["floor"], place),
            #[cfg(feature = "benches")]
            Self::Discovery => own(&["discovery"], place),
            Self::Hickory => own(&["hickory"], place),
            Self::Massdns(path) => massdns(path, place),
            Self::Stscan(path, options) => Ok(stscan(path, options, place)),
            Self::Zdns(path) => Ok(zdns(path, place)),
        }
    }

    /// What came of it, of so many domains.
    pub(super) fn outcome(&self, place: &Place, domains: u64, shares: &Shares) -> Result<Outcome, Fault> {
        match self {
            #[cfg(feature = "benches")]
            Self::Discovery => said(&place.out()),
            Self::Floor | Self::Hickory => said(&place.out()),
            Self::Stscan(..) => stored(place, shares),
            // Its text output has the answers and nothing of the rest, so what failed cannot be told from what is not there.
            Self::Massdns(_) => {
                let found = lines(&place.made(), |line| contains(line, RECORD))?;
                Ok(Outcome { domains, found: Some(found), failed: None, wrong: None })
            }
            Self::Zdns(_) => {
                let found = lines(&place.made(), |line| contains(line, RECORD))?;
                let seen = |line: &[u8]| {
                    contains(line, b"\"status\":\"NOERROR\"") || contains(line, b"\"status\":\"NXDOMAIN\"")
                };
                Ok(Outcome {
                    domains,
                    found: Some(found),
                    failed: Some(domains.saturating_sub(lines(&place.made(), seen)?)),
                    wrong: None,
                })
            }
        }
    }
}

/// A client that is part of this program.
fn own(arguments: &[&str], place: &Place) -> Result<Command, Fault> {
    let own = env::current_exe().map_err(Fault::while_doing("find the own program"))?;
    let mut command = Command::new(own);
    command.args(arguments).arg("--to").arg(place.server.to_string()).arg(&place.list);
    Ok(command)
}

/// The whole scan, from the list to a finished dataset, with its progress shown.
fn stscan(path: &Path, options: &[String], place: &Place) -> Command {
    let mut command = Command::new(path);
    command.arg("scan").arg(&place.list).arg("--out").arg(place.made());
    command.args(["--depth", "record", "--no-contact", "--smtp-canary", "none", "--progress", "plain"]);
    command.arg("--resolver").arg(place.server.to_string());
    if has_option(path, "--dns-canary") {
        command.args(["--dns-canary", "none"]);
    }
    command.args(options);
    command
}

/// Whether this build of the scanner knows an option.
fn has_option(path: &Path, option: &str) -> bool {
    let help = Command::new(path).args(["scan", "--help"]).output();
    help.is_ok_and(|help| contains(&help.stdout, option.as_bytes()))
}

/// massdns with the settings that cost it least: as many look-ups at a time as lose no answer, and no waiting in between where
/// answers come at once. Where they take their time, it would spend it all on asking whether they have come.
fn massdns(path: &Path, place: &Place) -> Result<Command, Fault> {
    let resolvers = place.directory.join("resolvers");
    fs::write(&resolvers, format!("{}\n", place.server)).map_err(Fault::while_doing("write a list of resolvers"))?;
    let mut command = Command::new(path);
    command.args(["--type", "TXT", "--output", "S", "--quiet", "--root", "--processes", "1"]);
    command.args(["--hashmap-size", MASSDNS_AT_A_TIME, "--rcvbuf", "4194304", "--sndbuf", "4194304"]);
    if !place.is_slow {
        command.arg("--busy-poll");
    }
    command.arg("--resolvers").arg(resolvers).arg("--outfile").arg(place.made()).arg(&place.list);
    Ok(command)
}

fn zdns(path: &Path, place: &Place) -> Command {
    let mut command = Command::new(path);
    let option = |name: &str, value: &Path| {
        let mut option = OsString::from(name);
        option.push(value);
        option
    };
    command.arg("TXT").arg(format!("--name-servers={}", place.server)).args(["--threads", ZDNS_AT_A_TIME]);
    command.arg(option("--input-file=", &place.list)).arg(option("--output-file=", &place.made()));
    command
}

/// What one of our own clients said.
fn said(path: &Path) -> Result<Outcome, Fault> {
    let text = fs::read(path).map_err(Fault::while_doing("read what a client said"))?;
    serde_json::from_slice(&text).map_err(Fault::while_doing("understand what a client said"))
}

/// What the scanner stored. Another process reads it: memory that this one ever had would be counted as its children's.
fn stored(place: &Place, shares: &Shares) -> Result<Outcome, Fault> {
    let own = env::current_exe().map_err(Fault::while_doing("find the own program"))?;
    let mut command = Command::new(own);
    command.arg("dataset").arg(place.made()).args(shares.arguments());
    let output = command.output().map_err(Fault::while_doing("read the dataset"))?;
    if !output.status.success() {
        let complaint = fs::read_to_string(place.err()).unwrap_or_default();
        let (last, why) = (complaint.lines().last().unwrap_or_default(), String::from_utf8_lossy(&output.stderr));
        return Err(Fault::new(format!("the scan came to nothing: {} ({last})", why.trim())));
    }
    serde_json::from_slice(&output.stdout).map_err(Fault::while_doing("understand what the dataset holds"))
}

/// How many lines of a file are such.
fn lines(path: &Path, is_such: impl Fn(&[u8]) -> bool) -> Result<u64, Fault> {
    let cannot = || Fault::while_doing::<std::io::Error>(format!("read {}", path.display()));
    let mut reader = BufReader::with_capacity(1 << 16, File::open(path).map_err(cannot())?);
    let (mut line, mut count) = (Vec::new(), 0);
    while reader.read_until(b'\n', &mut line).map_err(cannot())? > 0 {
        count += u64::from(is_such(&line));
        line.clear();
    }
    Ok(count)
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}
