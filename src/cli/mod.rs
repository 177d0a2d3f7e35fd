//! The command line: a contract that scripts and notebooks build on (DESIGN.md, "The command line").

pub mod check;
pub mod codes;
pub mod columns;
pub mod demo;
pub mod export;
pub mod lab;
pub mod lint;
pub mod list;
pub mod net;
pub mod output;
pub mod scan;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::signal::unix::SignalKind;

use crate::error::Error;
use crate::scan::Tables;

/// The number of SIGXFSZ, the same on every Linux of ours.
const SIGXFSZ: i32 = 25;

/// Measures how the Internet deploys MTA-STS (RFC 8461).
#[derive(Parser, Debug)]
#[command(name = "stscan", version, about, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Scan lists into a dataset
    Scan(scan::ScanArgs),
    /// Check one domain, explained to a person
    Check(check::CheckArgs),
    /// Judge bytes without a network
    Lint(lint::LintArgs),
    /// Scan the lab, and compare every answer with its ground truth
    Demo(demo::DemoArgs),
    /// Serve a simulated Internet on loopback
    Lab(lab::LabArgs),
    /// Give what a dataset holds in another format
    Export(export::ExportArgs),
    /// Print the catalogue of findings
    Codes(codes::CodesArgs),
    /// Print the schema of the tables
    Columns(columns::ColumnsArgs),
    /// Download public lists
    List(list::ListArgs),
}

/// The program: reads the command line, runs the command, and says in one line what went wrong.
#[must_use]
pub fn main() -> ExitCode {
    // Usage errors end here with status 2.
    let cli = Cli::parse();
    match dispatch(cli.command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            output::complain(&format!("stscan: {}", crate::text::shown(&error.to_string())));
            ExitCode::from(error.exit_status())
        }
    }
}

fn dispatch(command: Command) -> Result<u8, Error> {
    match command {
        Command::Scan(args) => block_on(scan::run(args)),
        Command::Check(args) => block_on(check::run(args)),
        Command::Lint(args) => lint::run(args),
        Command::Demo(args) => block_on(demo::run(args)),
        Command::Lab(args) => block_on(async { lab::run(args).await.map(|()| 0) }),
        Command::Export(args) => export::run(args),
        Command::Codes(args) => codes::run(&args).map(|()| 0),
        Command::Columns(args) => columns::run(&args, &Tables::new().describe()).map(|()| 0),
        Command::List(args) => list::run(args),
    }
}

/// Runs one command on a runtime of its own; on its end nothing is left running.
fn block_on(command: impl Future<Output = Result<u8, Error>>) -> Result<u8, Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::Internal(format!("no runtime: {error}")))?;
    runtime.block_on(async {
        // A limit on the size of files is an error of write (EFBIG) like a full disk, not our end (HOSTILE.md 141): a
        // signal that is caught does not kill.
        let _caught = tokio::signal::unix::signal(SignalKind::from_raw(SIGXFSZ));
        command.await
    })
}
