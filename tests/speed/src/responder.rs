//! The responder: a DNS server on loopback that answers every question about every domain, cheaply and always alike.

mod later;
mod serve;

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::fault::Fault;
use crate::socket::Socket;
use crate::truth::{Shares, percent};

/// Answer DNS questions on loopback until SIGTERM or SIGINT, then print what was asked
#[derive(Args, Clone, Debug)]
pub(crate) struct Arguments {
    /// Port on 127.0.0.1; 0 for any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
    #[command(flatten)]
    shares: Shares,
    #[command(flatten)]
    weather: Weather,
    /// Receive what was sent by GSO in one piece (UDP_GRO), which no DNS server of the Internet does
    #[arg(long)]
    gro: bool,
    /// End when standard input does too, which must be a pipe
    #[arg(long)]
    until_eof: bool,
    /// Domains that will be asked for: room is made for them in advance
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    names: usize,
}

/// What the way between client and server does to datagrams.
#[derive(Args, Clone, Debug)]
pub(crate) struct Weather {
    /// Percent of datagrams that are lost
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    pub(crate) loss: f64,
    /// Which are lost
    #[arg(long, value_name = "WHICH", default_value = "answers")]
    pub(crate) lose: Lost,
    /// Milliseconds until an answer is sent: so many, or any number between two
    #[arg(long, value_name = "MIN-MAX", default_value = "0", value_parser = latency)]
    pub(crate) latency: Latency,
    /// Which datagrams are lost, and which are slow
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
}

impl Weather {
    /// The same, as arguments of another call of this program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Latency { least, most } = self.latency;
        let lose = match self.lose {
            Lost::Questions => "questions",
            Lost::Answers => "answers",
        };
        vec![
            format!("--loss={}", self.loss),
            format!("--lose={lose}"),
            format!("--latency={least}-{most}"),
            format!("--seed={}", self.seed),
        ]
    }
}

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Lost {
    /// The question never comes, and is not counted.
    Questions,
    /// The answer never comes.
    Answers,
}

/// Milliseconds, from and up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency {
    /// At least.
    pub(crate) least: u64,
    /// At most.
    pub(crate) most: u64,
}

/// The longest that an answer may take, in milliseconds: what waits is held in memory.
const LATENCY_MAX: u64 = 10_000;

fn latency(text: &str) -> Result<Latency, String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.parse::<u64>().map_err(|_| "not MIN-MAX in milliseconds".to_owned());
    let latency = Latency { least: number(least)?, most: number(most)? };
    if latency.least <= latency.most && latency.most <= LATENCY_MAX {
        Ok(latency)
    } else {
        Err(format!("not between 0 and {LATENCY_MAX}, the lesser first"))
    }
}

/// What the responder saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Datagrams that were questions.
    pub(crate) questions: u64,
    /// Of these, such as had been asked before.
    pub(crate) retries: u64,
    /// Datagrams that were no question.
    pub(crate) malformed: u64,
    /// Questions or answers that were lost on purpose.
    pub(crate) lost: u64,
    /// Answers that were sent.
    pub(crate) answers: u64,
    /// Of these, such as had a record of MTA-STS.
    pub(crate) found: u64,
    /// Answers that the system would not send.
    pub(crate) unsent: u64,
}

/// Serves until the end, and prints one line at the start, which says where, and one at the end, which says what was asked.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Fault> {
    let socket = Socket::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port)), arguments.gro)?;
    let address = socket.address().map_err(Fault::while_doing("learn the own address"))?;
    say(&serde_json::json!({ "listening": address }))?;
    let stop = AtomicBool::new(false);
    let counts = thread::scope(|scope| {
        let server = scope.spawn(|| serve::serve(socket, arguments, &stop));
        let ended = until_the_end(arguments.until_eof);
        stop.store(true, Ordering::Relaxed);
        let counts = server.join().unwrap_or_else(|_| Err(Fault::new("the server panicked")));
        ended.and(counts)
    })?;
    say(&counts)
}

fn say(line: &impl Serialize) -> Result<(), Fault> {
    let line = serde_json::to_string(line).map_err(Fault::while_doing("write a line"))?;
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(Fault::while_doing("write a line"))
}

/// Waits for a signal, or for the end of standard input.
fn until_the_end(until_eof: bool) -> Result<(), Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    let waited = runtime.and_then(|runtime| runtime.block_on(ended(until_eof)));
    waited.map_err(Fault::while_doing("wait for the end"))
}

async fn ended(until_eof: bool) -> io::Result<()> {
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let input = if until_eof {
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        Some(tokio::net::unix::pipe::Receiver::from_owned_fd(input)?)
    } else {
        None
    };
    tokio::select! {
        _ = terminated.recv() => Ok(()),
        _ = interrupted.recv() => Ok(()),
        ended = closed(input) => ended,
    }
}

/// Reads until nothing comes any more; for ever where there is nothing to read.
async fn closed(input: Option<tokio::net::unix::pipe::Receiver>) -> io::Result<()> {
    let Some(input) = input else { return std::future::pending().await };
    let mut buffer = [0; 512];
    loop {
        input.readable().await?;
        match input.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
