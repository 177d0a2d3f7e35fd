//! The discovery stage of stscan alone: its engine, fed from the list, with nobody who makes rows of what it tells.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use stscan::name::HostName;
use stscan::net::dns::Lookup;
use stscan::net::dns::bulk::{Asking, Ended, Engine, Heard, Named, Order, Port, Supply, Told, Vitals};
use stscan::net::reach::Reach;
use stscan::net::{NetConfig, Timeouts, Upstream};

use super::{Lines, Outcome};
use crate::fault::Fault;

/// A domain of the list.
struct Subject(HostName);

impl Named for Subject {
    fn host(&self) -> &HostName {
        &self.0
    }
}

/// Reads the list, and counts what is told.
struct Desk {
    lines: Lines,
    outcome: Outcome,
    fault: Option<Fault>,
}

impl Port<Subject> for Desk {
    fn take(&mut self, room: usize, queue: &mut VecDeque<Subject>) -> Supply {
        for _ in 0..room {
            match self.lines.next() {
                Ok(Some(line)) => queue.extend(HostName::parse(line).ok().map(Subject)),
                Ok(None) => return Supply::End,
                Err(fault) => {
                    self.fault = Some(fault);
                    return Supply::End;
                }
            }
        }
        Supply::More
    }

    fn tell(&mut self, told: Told<Subject>) {
        let (mut found, mut failed) = (0, 0);
        if let Told::Seen(seen) = &told {
            match &seen.record {
                Heard::Answer(answer) if matches!(answer.lookup, Lookup::Found(_)) => found = 1,
                Heard::Answer(answer) if !matches!(answer.lookup, Lookup::Failed(_)) => {}
                _ => failed = 1,
            }
        }
        self.outcome.domains += 1;
        self.outcome.found = self.outcome.found.map(|count| count + found);
        self.outcome.failed = self.outcome.failed.map(|count| count + failed);
    }

    fn turn(&mut self, _: &Vitals) -> Order {
        Order::Go
    }
}

/// Asks for every domain of the list.
pub(super) fn run(server: SocketAddr, window: usize, list: &Path) -> Result<Outcome, Fault> {
    let config = NetConfig {
        upstreams: vec![Upstream::Udp(server)],
        roots: [].into(),
        reach: Arc::new(Reach::new(Vec::new())),
        https_port: 443,
        smtp_port: 25,
        user_agent: String::new(),
        helo: String::new(),
        timeouts: Timeouts::default(),
        per_host: 1,
        rate: None,
        dns_canaries: [].into(),
        trust_ad: false,
    };
    let outcome = Outcome { found: Some(0), failed: Some(0), ..Outcome::default() };
    let mut desk = Desk { lines: Lines::open(list)?, outcome, fault: None };
    let engine = Engine::new(&config, Asking::default(), window, None).map_err(Fault::while_doing("start"))?;
    let ended = engine.run(&mut desk).map_err(Fault::while_doing("ask"))?;
    match desk.fault {
        Some(fault) => Err(fault),
        None if ended == Ended::Done => Ok(desk.outcome),
        None => Err(Fault::while_doing("ask")("no resolver answered")),
    }
}
