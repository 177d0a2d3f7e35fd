//! A child process and what it alone has spent.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use wait4::Wait4 as _;

use super::client::Place;
use crate::fault::Fault;

/// What a process has spent.
pub(super) struct Spent {
    pub(super) user: Duration,
    pub(super) sys: Duration,
    pub(super) wall: Duration,
    /// The most memory that it had at a time, in octets.
    pub(super) peak: u64,
    /// Its exit status; nothing where a signal ended it.
    pub(super) exit: Option<i32>,
}

/// Runs a command to its end; what it says goes into files.
pub(super) fn run(mut command: Command, place: &Place) -> Result<Spent, Fault> {
    let program = command.get_program().to_owned();
    let cannot = || Fault::while_doing::<std::io::Error>(format!("run {}", program.display()));
    let (out, err) = (File::create(place.out()).map_err(cannot())?, File::create(place.err()).map_err(cannot())?);
    command.stdin(Stdio::null()).stdout(out).stderr(err);
    let begun = Instant::now();
    let mut child = command.spawn().map_err(cannot())?;
    let used = child.wait4().map_err(cannot())?;
    Ok(Spent {
        user: used.rusage.utime,
        sys: used.rusage.stime,
        wall: begun.elapsed(),
        peak: used.rusage.maxrss,
        exit: used.status.code(),
    })
}
