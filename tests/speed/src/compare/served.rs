//! The responder of one run, as a process of its own.

use std::env;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde::Deserialize;
use wait4::Wait4 as _;

use crate::fault::Fault;
use crate::responder::{Counts, Weather};
use crate::truth::Shares;

/// A responder that runs.
pub(super) struct Served {
    child: Child,
    lines: BufReader<ChildStdout>,
    address: SocketAddr,
}

/// What a responder says first.
#[derive(Deserialize)]
struct Listening {
    listening: SocketAddr,
}

impl Served {
    /// Starts a responder, and waits until it listens.
    pub(super) fn start(shares: &Shares, weather: &Weather, gro: bool, names: u64) -> Result<Self, Fault> {
        let own = env::current_exe().map_err(Fault::while_doing("find the own program"))?;
        let mut command = Command::new(own);
        command.arg("responder").arg("--until-eof").arg("--names").arg(names.to_string());
        command.args(shares.arguments()).args(weather.arguments()).args(gro.then_some("--gro"));
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(Fault::while_doing("start the responder"))?;
        let out = child.stdout.take().ok_or_else(|| Fault::new("the responder has no output"))?;
        let mut lines = BufReader::new(out);
        let listening: Listening = read(&mut lines)?;
        Ok(Self { child, lines, address: listening.listening })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and tells what it saw and the seconds of CPU that it took.
    pub(super) fn end(mut self) -> Result<(Counts, f64), Fault> {
        drop(self.child.stdin.take());
        let counts = read(&mut self.lines);
        let used = self.child.wait4().map_err(Fault::while_doing("wait for the responder"))?;
        Ok((counts?, (used.rusage.utime + used.rusage.stime).as_secs_f64()))
    }
}

fn read<T: for<'a> Deserialize<'a>>(lines: &mut BufReader<ChildStdout>) -> Result<T, Fault> {
    let mut line = String::new();
    lines.read_line(&mut line).map_err(Fault::while_doing("hear the responder"))?;
    serde_json::from_str(&line).map_err(Fault::while_doing("understand the responder"))
}
