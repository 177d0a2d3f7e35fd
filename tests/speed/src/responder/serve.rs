//! The loop of the responder: what came in, what is due, and nothing else.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::later::Later;
use super::{Arguments, Counts, Lost};
use crate::fault::Fault;
use crate::message::Question;
use crate::socket::Socket;
use crate::truth::{Truth, falls, millionths, mixed};

/// How long to wait for a question before looking whether all is over.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long to wait while answers are on their way.
const TICK: Duration = Duration::from_millis(1);
/// Names that are remembered, at most: 64 MiB of them at 8 octets, and half as much of empty room.
const REMEMBERED: usize = 12_000_000;
/// Tells the draw of a latency from that of a loss.
const SLOW: u64 = 0x51_0e;

/// Answers until `stop`, and until what is on its way has come.
pub(super) fn serve(mut socket: Socket, arguments: &Arguments, stop: &AtomicBool) -> Result<Counts, Fault> {
    let mut server = Server::new(arguments);
    let mut later = Later::new(Instant::now());
    while !stop.load(Ordering::Relaxed) || !later.is_empty() {
        let now = Instant::now();
        let received = socket.receive(|socket, from, datagram| {
            let Some((answer, milliseconds)) = server.answer(datagram) else { return };
            if milliseconds == 0 {
                let sent = socket.send_to(answer, from).is_ok();
                server.counts.sent(sent);
            } else {
                later.put(now, milliseconds, from, answer);
            }
        });
        let received = received.map_err(Fault::while_doing("receive questions"))?;
        later.due(now, |to, answer| server.counts.sent(socket.send_to(to, answer).is_ok()));
        if received == 0 {
            let time = if later.is_empty() { PATIENCE } else { TICK };
            socket.wait(time).map_err(Fault::while_doing("wait for questions"))?;
        }
    }
    Ok(server.counts)
}

/// What the answers depend on, and what was asked.
struct Server {
    truth: Truth,
    loss: u64,
    lose: Lost,
    least: u64,
    spread: u64,
    seed: u64,
    arrived: u64,
    asked: HashSet<u64, BuildHasherDefault<Mixed>>,
    answer: Vec<u8>,
    counts: Counts,
}

impl Server {
    fn new(arguments: &Arguments) -> Self {
        let weather = &arguments.weather;
        let room = arguments.names.min(REMEMBERED);
        Self {
            truth: Truth::new(&arguments.shares),
            loss: millionths(weather.loss),
            lose: weather.lose,
            least: weather.latency.least,
            spread: weather.latency.most - weather.latency.least + 1,
            seed: mixed(weather.seed),
            arrived: 0,
            asked: HashSet::with_capacity_and_hasher(room, BuildHasherDefault::default()),
            answer: Vec::with_capacity(512),
            counts: Counts::default(),
        }
    }

    /// The answer to a datagram and the milliseconds until it is sent; nothing where it is no question, or lost.
    fn answer(&mut self, datagram: &[u8]) -> Option<(&[u8], u64)> {
        let Some(question) = Question::parse(datagram) else {
            self.counts.malformed += 1;
            return None;
        };
        self.arrived += 1;
        let draw = self.seed ^ self.arrived;
        let is_lost = self.loss > 0 && falls(draw, self.loss);
        self.counts.lost += u64::from(is_lost);
        if is_lost && self.lose == Lost::Questions {
            return None;
        }
        self.counts.questions += 1;
        let digest = question.digest();
        if self.asked.contains(&digest) {
            self.counts.retries += 1;
        } else if self.asked.len() < REMEMBERED {
            self.asked.insert(digest);
        }
        if is_lost {
            return None;
        }
        self.counts.found += u64::from(question.answer(&self.truth, &mut self.answer));
        let milliseconds = self.least + if self.spread > 1 { mixed(draw ^ SLOW) % self.spread } else { 0 };
        Some((&self.answer, milliseconds))
    }
}

impl Counts {
    fn sent(&mut self, sent: bool) {
        if sent {
            self.answers += 1;
        } else {
            self.unsent += 1;
        }
    }
}

/// A hash of what is a hash already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, number: u64) {
        self.0 = mixed(number);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
