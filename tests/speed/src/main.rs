//! What stscan costs, measured beside other tools: one program that is the DNS server, the generator of names, the clients
//! to compare with, and the comparison that runs them all.

mod clients;
mod compare;
mod dataset;
mod fault;
mod message;
mod names;
mod responder;
mod socket;
mod truth;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures what stscan costs, beside other tools that ask the DNS
#[derive(Parser)]
#[command(name = "stscan-speed")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Responder(responder::Arguments),
    Names(names::Arguments),
    Compare(compare::Arguments),
    Dataset(dataset::Arguments),
    /// Ask as cheaply as can be, and look at no answer
    Floor(clients::Arguments),
    /// Ask by the discovery stage of stscan alone
    #[cfg(feature = "benches")]
    Discovery(clients::Arguments),
    /// Ask by hickory-resolver
    Hickory(clients::Arguments),
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Responder(arguments) => responder::run(&arguments),
        Command::Names(arguments) => names::run(&arguments),
        Command::Compare(arguments) => compare::run(&arguments),
        Command::Dataset(arguments) => dataset::run(&arguments),
        Command::Floor(arguments) => clients::run_floor(&arguments),
        #[cfg(feature = "benches")]
        Command::Discovery(arguments) => clients::run_discovery(&arguments),
        Command::Hickory(arguments) => clients::run_hickory(&arguments),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // There is nobody left to tell where this fails too.
            let _ = writeln!(std::io::stderr(), "stscan-speed: {fault}");
            ExitCode::FAILURE
        }
    }
}
