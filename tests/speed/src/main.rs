//! What stscan costs, measured beside other tools: one program that is the DNS server, the generator of names, the clients
//! to compare with, and the comparison that runs them all.

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
}

fn main() -> ExitCode {
    let ended = match Arguments::parse().command {
        Command::Responder(arguments) => responder::run(&arguments),
        Command::Names(arguments) => names::run(&arguments),
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
