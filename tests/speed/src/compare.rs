//! The comparison: every client asks for the same names in turn, each time a server that has just begun, and only the client
//! itself is measured.

mod child;
mod client;
mod served;
mod table;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::clients::Outcome;
use crate::compare::client::{Client, Place};
use crate::compare::served::Served;
use crate::fault::Fault;
use crate::names;
use crate::responder::{Counts, Weather};
use crate::truth::{Digest, Shares, Stands, Truth};

/// Run the clients in turn against a responder, and print what each costs
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Domains
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    names: u64,
    /// How often each client runs
    #[arg(long, value_name = "N", default_value_t = 5)]
    runs: usize,
    /// The scanner
    #[arg(long, value_name = "PATH")]
    stscan: Option<PathBuf>,
    /// One more option of `stscan scan`; repeatable, with = in between
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    with: Vec<String>,
    /// massdns
    #[arg(long, value_name = "PATH")]
    massdns: Option<PathBuf>,
    /// zdns
    #[arg(long, value_name = "PATH")]
    zdns: Option<PathBuf>,
    /// Domains that hickory-resolver is asked for; its cost is given by domain, 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    hickory: u64,
    /// Leave out the floor
    #[arg(long)]
    no_floor: bool,
    /// Where lists and datasets go for the while; the system's place for such by default
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Write every run to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// The responder takes what was sent by GSO in one piece (UDP_GRO), which no DNS server of the Internet does
    #[arg(long)]
    gro: bool,
    #[command(flatten)]
    shares: Shares,
    #[command(flatten)]
    weather: Weather,
}

/// One run of one client.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Run {
    client: &'static str,
    user_s: f64,
    sys_s: f64,
    wall_s: f64,
    peak_bytes: u64,
    exit: Option<i32>,
    #[serde(flatten)]
    outcome: Outcome,
    served: Counts,
    /// CPU of the responder, which is no part of the cost.
    responder_s: f64,
}

/// What is true of the first so many names.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Expected {
    domains: u64,
    found: u64,
}

/// Runs it all.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let place = match &arguments.directory {
        Some(directory) => tempfile::tempdir_in(directory),
        None => tempfile::tempdir(),
    };
    let place = place.map_err(Fault::while_doing("make a directory"))?;
    let lists = Lists::write(arguments, place.path())?;
    let clients = clients(arguments);
    let mut runs: Vec<Run> = Vec::new();
    for round in 1..=arguments.runs {
        for client in &clients {
            let run = measured(client, arguments, &lists, place.path())?;
            complain(&format!("round {round} of {}: {}", arguments.runs, table::line(&run)))?;
            runs.push(run);
        }
    }
    let names: Vec<&'static str> = clients.iter().map(Client::name).collect();
    table::print(&names, &runs, lists.all, arguments)?;
    if let Some(path) = &arguments.json {
        table::write_json(path, &runs, lists.all, arguments)?;
    }
    honest(&runs, &lists)
}

/// The clients that were asked for, the floor first.
fn clients(arguments: &Arguments) -> Vec<Client> {
    let mut clients = Vec::new();
    if !arguments.no_floor {
        clients.push(Client::Floor);
    }
    clients.extend(arguments.massdns.clone().map(Client::Massdns));
    clients.extend(arguments.stscan.clone().map(|path| Client::Stscan(path, arguments.with.clone())));
    clients.extend(arguments.zdns.clone().map(Client::Zdns));
    #[cfg(feature = "benches")]
    clients.push(Client::Discovery);
    if arguments.hickory > 0 {
        clients.push(Client::Hickory);
    }
    clients
}

/// The lists, written once, and what is true of them.
struct Lists {
    names: PathBuf,
    /// The names that are asked for, which is what massdns and zdns want.
    records: PathBuf,
    some: PathBuf,
    all: Expected,
    part: Expected,
}

impl Lists {
    fn write(arguments: &Arguments, place: &Path) -> Result<Self, Fault> {
        let path = |name: &str| place.join(name);
        let mut lists = Self {
            names: path("names.txt"),
            records: path("records.txt"),
            some: path("some.txt"),
            all: Expected::default(),
            part: Expected::default(),
        };
        let truth = Truth::new(&arguments.shares);
        lists.fill(arguments, &truth).map_err(Fault::while_doing(format!("write lists to {}", place.display())))?;
        Ok(lists)
    }

    fn fill(&mut self, arguments: &Arguments, truth: &Truth) -> io::Result<()> {
        let create = |path: &Path| File::create(path).map(|file| BufWriter::with_capacity(1 << 16, file));
        let (mut all, mut records, mut some) = (create(&self.names)?, create(&self.records)?, create(&self.some)?);
        for number in 0..arguments.names {
            let name = names::name(number, arguments.names, arguments.weather.seed);
            let found = u64::from(truth.of(Digest::of(&name)) == Stands::Record);
            writeln!(all, "{name}")?;
            writeln!(records, "_mta-sts.{name}")?;
            self.all.domains += 1;
            self.all.found += found;
            if number < arguments.hickory {
                writeln!(some, "{name}")?;
                self.part.domains += 1;
                self.part.found += found;
            }
        }
        all.flush().and_then(|()| records.flush()).and_then(|()| some.flush())
    }

    /// The list of this client, and what is true of it.
    fn of(&self, client: &Client) -> (&Path, Expected) {
        match client {
            Client::Floor | Client::Stscan(..) => (&self.names, self.all),
            #[cfg(feature = "benches")]
            Client::Discovery => (&self.names, self.all),
            Client::Massdns(_) | Client::Zdns(_) => (&self.records, self.all),
            Client::Hickory => (&self.some, self.part),
        }
    }
}

/// One run of one client, against a responder of its own.
fn measured(client: &Client, arguments: &Arguments, lists: &Lists, place: &Path) -> Result<Run, Fault> {
    let (list, expected) = lists.of(client);
    let served = Served::start(&arguments.shares, &arguments.weather, arguments.gro, expected.domains)?;
    let place = Place::new(place, list, served.address(), arguments.weather.latency.most > 0);
    fs::create_dir(&place.directory).map_err(Fault::while_doing("make a directory"))?;
    let spent = child::run(client.command(&place)?, &place);
    let (served, responder_s) = served.end()?;
    let spent = spent?;
    let outcome = client.outcome(&place, expected.domains, &arguments.shares)?;
    fs::remove_dir_all(&place.directory).map_err(Fault::while_doing("remove a directory"))?;
    Ok(Run {
        client: client.name(),
        user_s: spent.user.as_secs_f64(),
        sys_s: spent.sys.as_secs_f64(),
        wall_s: spent.wall.as_secs_f64(),
        peak_bytes: spent.peak,
        exit: spent.exit,
        outcome,
        served,
        responder_s,
    })
}

/// Fails where the scanner saw something else than is true: a fast wrong answer is worth nothing.
fn honest(runs: &[Run], lists: &Lists) -> Result<(), Fault> {
    for run in runs.iter().filter(|run| run.client == client::STSCAN) {
        let Outcome { domains, found, failed, wrong } = run.outcome;
        let seen = (run.exit, domains, found, failed, wrong);
        let expected = (Some(0), lists.all.domains, Some(lists.all.found), Some(0), Some(0));
        if seen != expected {
            return Err(Fault::new(format!(
                "the scanner is wrong: (exit, domains, found, failed, wrong) is {seen:?}, the truth {expected:?}"
            )));
        }
    }
    Ok(())
}

fn complain(text: &str) -> Result<(), Fault> {
    writeln!(io::stderr(), "{text}").map_err(Fault::while_doing("say how it goes"))
}
