//! Clients that are ours: the floor below which nobody comes, and the resolver of the library that others would take.

#[cfg(feature = "benches")]
mod discovery;
mod floor;
mod hickory;

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// Ask a server for the record of every domain of a list
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Server to ask, over UDP
    #[arg(long, value_name = "ADDR:PORT")]
    to: SocketAddr,
    /// Questions in flight
    #[arg(long, value_name = "N", default_value_t = 4_096)]
    window: usize,
    /// List: a domain a line
    list: PathBuf,
}

/// What a client makes of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Domains that were asked for.
    pub(crate) domains: u64,
    /// Those that have a record; nothing where the client does not look.
    pub(crate) found: Option<u64>,
    /// Those of which nothing was learnt; nothing where the client does not tell.
    pub(crate) failed: Option<u64>,
    /// Those of which something else was learnt than is true; nothing where that cannot be told.
    pub(crate) wrong: Option<u64>,
}

/// Sends questions and counts what comes back, without a look at it.
pub(crate) fn run_floor(arguments: &Arguments) -> Result<(), Fault> {
    print(&floor::run(arguments.to, arguments.window, &arguments.list)?)
}

/// Asks by the engine of stscan.
#[cfg(feature = "benches")]
pub(crate) fn run_discovery(arguments: &Arguments) -> Result<(), Fault> {
    print(&discovery::run(arguments.to, arguments.window, &arguments.list)?)
}

/// Asks by hickory-resolver.
pub(crate) fn run_hickory(arguments: &Arguments) -> Result<(), Fault> {
    print(&hickory::run(arguments.to, arguments.window, &arguments.list)?)
}

/// Prints an outcome, for the comparison to read.
pub(crate) fn print(outcome: &Outcome) -> Result<(), Fault> {
    let line = serde_json::to_string(outcome).map_err(Fault::while_doing("write a line"))?;
    writeln!(io::stdout(), "{line}").map_err(Fault::while_doing("write a line"))
}

/// Reads a list line by line, into one buffer.
struct Lines {
    reader: BufReader<File>,
    line: String,
}

impl Lines {
    fn open(path: &Path) -> Result<Self, Fault> {
        let file = File::open(path).map_err(Fault::while_doing(format!("read {}", path.display())))?;
        Ok(Self { reader: BufReader::with_capacity(1 << 16, file), line: String::new() })
    }

    fn next(&mut self) -> Result<Option<&str>, Fault> {
        self.line.clear();
        let read = self.reader.read_line(&mut self.line).map_err(Fault::while_doing("read the list"))?;
        Ok((read > 0).then(|| self.line.trim_end()))
    }
}
