//! Look-ups in bulk against resolvers that are honest, hostile, lossy, or gone for a while (HOSTILE.md 27 to 60).

mod answers;
mod outages;
mod scans;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use stscan::name::HostName;
use stscan::net::dns::bulk::{Asking, Ended, Engine, Heard, Named, Order, Port, Supply, Told, Vitals};
use stscan::net::dns::{Answer, Lookup};
use stscan::net::{NetConfig, Timeouts, Upstream};

use crate::dns::hostile::{Ask, NS, TXT, soa, txt};
use server::Server;

/// The time for one question.
const TIME: Duration = Duration::from_secs(4);
/// Longer than any of these tests takes: what is in flight by then is dropped, and the test fails.
const LATEST: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
struct Subject(HostName);

impl Named for Subject {
    fn host(&self) -> &HostName {
        &self.0
    }
}

type Orders<'a> = Box<dyn FnMut(usize, &Vitals) -> Order + 'a>;

/// Gives subjects and keeps what is told of each.
struct Feed<'a> {
    left: VecDeque<Subject>,
    told: BTreeMap<String, Vec<Told<Subject>>>,
    /// By how many were told so far.
    order: Orders<'a>,
    most: Vitals,
    begun: Instant,
}

impl Feed<'_> {
    fn new(names: impl IntoIterator<Item = String>) -> Self {
        let left = names.into_iter().map(|name| Subject(HostName::parse(&name).unwrap())).collect();
        let order = Box::new(|_, _: &Vitals| Order::Go);
        Self { left, told: BTreeMap::new(), order, most: Vitals::default(), begun: Instant::now() }
    }
}

impl Port<Subject> for Feed<'_> {
    fn take(&mut self, room: usize, queue: &mut VecDeque<Subject>) -> Supply {
        queue.extend(self.left.drain(..room.min(self.left.len())));
        if self.left.is_empty() { Supply::End } else { Supply::More }
    }

    fn tell(&mut self, told: Told<Subject>) {
        let subject = match &told {
            Told::Plain(plain) => &plain.subject,
            Told::Seen(seen) => &seen.subject,
        };
        self.told.entry(subject.0.to_string()).or_default().push(told);
    }

    fn turn(&mut self, vitals: &Vitals) -> Order {
        self.most.sent = vitals.sent;
        self.most.in_flight = self.most.in_flight.max(vitals.in_flight);
        self.most.up = self.most.up.max(vitals.up);
        if self.begun.elapsed() > LATEST { Order::Drop } else { (self.order)(self.told.len(), vitals) }
    }
}

fn config(servers: &[&Server]) -> NetConfig {
    let upstreams = servers.iter().map(|server| Upstream::Udp(server.address)).collect();
    NetConfig { timeouts: Timeouts { dns: TIME, ..Timeouts::default() }, ..crate::dns::config(upstreams) }
}

/// Asks for the record of each name.
fn run(config: &NetConfig, asking: Asking, in_flight: usize, feed: &mut Feed<'_>) -> Ended {
    Engine::new(config, asking, in_flight, None).unwrap().run(feed).unwrap()
}

/// What was told of one question, in a word.
fn word<T>(heard: &Heard<T>) -> String {
    match heard {
        Heard::NotAsked => "not asked".to_owned(),
        Heard::Slow => "slow".to_owned(),
        Heard::Answer(answer) => match &answer.lookup {
            Lookup::Found(_) => "found".to_owned(),
            Lookup::NoData => "nodata".to_owned(),
            Lookup::NxDomain => "nxdomain".to_owned(),
            Lookup::Failed(failure) => failure.code.as_str().to_owned(),
        },
    }
}

/// What was told of the record of a subject, in a word; in capitals where it was told in short.
fn record(told: &Told<Subject>) -> String {
    match told {
        Told::Plain(plain) => format!("{:?}", plain.absent).to_uppercase(),
        Told::Seen(seen) => word(&seen.record),
    }
}

/// How many subjects were told what. Each must have been told once.
fn census(feed: &Feed<'_>) -> BTreeMap<String, usize> {
    let mut census = BTreeMap::new();
    for (name, told) in &feed.told {
        assert_eq!(told.len(), 1, "{name} was told so often");
        *census.entry(record(&told[0])).or_default() += 1;
    }
    census
}

/// A census as a test writes it down.
fn counts(counts: &[(&str, usize)]) -> BTreeMap<String, usize> {
    counts.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect()
}

/// What was told of the record at this name.
fn answer<'a, T>(heard: &'a Heard<T>, name: &str) -> &'a Answer<T> {
    let Heard::Answer(answer) = heard else { panic!("no answer for {name}") };
    answer
}

/// The usual answers: names below `found` have a record, names below `nodata` exist, others do not, and the root is known.
fn honest(ask: &Ask) -> Vec<u8> {
    if ask.qtype == NS {
        return ask.answer(0, &[]);
    }
    let record = || [txt(&ask.name, &[b"v=STSv1; id=1;"])];
    match ask.name.split('.').rev().nth(1) {
        Some("found") if ask.qtype == TXT => ask.answer(0, &record()),
        Some("found" | "nodata") => ask.sections(0, &[], &[soa("example")]),
        _ => ask.sections(3, &[], &[soa("example")]),
    }
}
