//! A lane: one resolver, with its sockets, its health and its rate, and the answers of it that are held back.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use super::adapt::Adaptive;
use super::bucket::Buckets;
use super::control::{Control, Said};
use super::flights::{Flights, QuestionId};
use super::health::{Grade, Health, Turn};
use super::kind;
use super::moment::{Clock, Now};
use super::secret::Secrets;
use super::socket::Driver;
use super::sockets::Sockets;
use crate::error::Error;
use crate::failure::Failure;
use crate::finding::dns;
use crate::name::HostName;
use crate::net::dns::server::is_local;
use crate::net::dns::trouble::Trouble;
use crate::net::dns::{Security, message};
use crate::net::{NetConfig, Upstream};

/// Canaries that a resolver may deny after it has found them, until it counts as one that lies: a domain may give up its
/// record while a scan runs, but not three of them.
const DENIALS_MAX: u32 = 3;
/// Control questions of one resolver in flight: more would only stand in line behind these.
const CONTROLS_MAX: usize = 8;
/// How often the root's name servers are asked for, to learn whether the resolver validates: the datagrams of one question.
const LEARN: u8 = 3;

/// One resolver.
pub(super) struct Lane {
    number: u8,
    /// The resolver as it is written on a command line.
    pub(super) name: String,
    pub(super) sockets: Sockets,
    pub(super) buckets: Buckets,
    /// Questions packed or in flight, control questions not counted.
    pub(super) in_flight: usize,
    /// Answered questions that wait until the resolver is vouched for, in the order of the answers.
    pub(super) held: VecDeque<QuestionId>,
    /// Questions that may be sent to it in this turn.
    pub(super) room: usize,
    health: Health,
    adaptive: Adaptive,
    controls: Vec<Control>,
    canaries: Arc<[HostName]>,
    /// The next canary in turn.
    canary: usize,
    /// Whether that one was found, and how often one was denied that had been.
    found: bool,
    denials: u32,
    /// Control questions that are due.
    due: bool,
    /// Whether its AD bit can be believed: nobody but itself can have set it.
    believed: bool,
    /// Whether it is known to validate, so that an answer without AD is an insecure one.
    validates: bool,
    /// How often it is still asked whether it does, before anything else is asked of it.
    learning: u8,
    open: bool,
    down_since: Option<Instant>,
    /// Whether it ever answered a control question well.
    proven: bool,
    /// Whether it ever answered a question well that was no control question.
    has_answered: bool,
    /// What it last suffered from.
    trouble: Trouble,
    /// Answers of this turn, and tries of this turn that came to nothing.
    good: usize,
    bad: usize,
    lost: usize,
}

/// What all lanes share to send with.
pub(super) struct Tools {
    pub(super) driver: Driver,
    pub(super) secrets: Secrets,
    /// Datagrams sent so far.
    pub(super) sent: u64,
}

/// What became of a send.
enum Sent {
    /// All went out.
    Whole,
    /// This machine has no room for it now: later.
    Later,
    /// Nothing listens at the other end, or no way leads there.
    Refused(Trouble),
}

impl Lane {
    /// A resolver, and one socket to it.
    pub(super) fn new(number: u8, upstream: &Upstream, config: &NetConfig, now: &Now) -> Result<Self, Error> {
        let Upstream::Udp(to) = upstream else {
            return Err(Error::Usage(format!("{upstream} takes no datagrams, and cannot be asked in bulk")));
        };
        let believed = config.trust_ad || is_local(upstream);
        Ok(Self {
            number,
            name: upstream.to_string(),
            sockets: Sockets::open(*to, now.moment).map_err(Error::io(format!("a socket for {upstream}")))?,
            buckets: Buckets::new(),
            in_flight: 0,
            held: VecDeque::new(),
            room: 0,
            health: Health::new(now.instant),
            adaptive: Adaptive::new(now.instant),
            controls: Vec::new(),
            canaries: Arc::clone(&config.dns_canaries),
            canary: usize::from(number) % config.dns_canaries.len().max(1),
            found: false,
            denials: 0,
            due: false,
            believed,
            validates: config.trust_ad,
            learning: if believed && !config.trust_ad { LEARN } else { 0 },
            open: false,
            down_since: None,
            proven: false,
            has_answered: false,
            trouble: Trouble::Timeout,
            good: 0,
            bad: 0,
            lost: 0,
        })
    }

    /// Whether questions may be sent to it.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Since when it has been down.
    pub(super) fn down_since(&self) -> Option<Instant> {
        self.down_since
    }

    /// Whether it ever answered a control question well: any other answer may be a lie.
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    /// How it failed last.
    pub(super) fn failure(&self) -> Failure {
        if self.lies() {
            return Failure::new(dns::RESOLVER_LIES).about(self.name.as_str());
        }
        self.trouble.clone().failure().about(self.name.as_str())
    }

    /// Questions a second that it is asked, at most.
    pub(super) fn per_second(&self) -> u32 {
        self.adaptive.per_second()
    }

    /// What an answer of it says of DNSSEC (RFC 4035 3.2.3, RFC 6840 5.7, 5.8), as [`Server`](crate::net::dns::server)
    /// reads it.
    pub(super) fn security(&self, authentic: bool) -> Security {
        match (self.believed, authentic) {
            (true, true) => Security::Secure,
            (true, false) if self.validates => Security::Insecure,
            _ => Security::Unknown,
        }
    }

    /// What its rate allows to be sent now.
    pub(super) fn allowance(&mut self, now: &Now) -> usize {
        self.adaptive.allowance(now.instant)
    }

    /// A packet came that answers a question.
    pub(super) fn answered(&mut self, packet: &[u8], now: &Now) {
        let good = packet.get(3).is_some_and(|octet| matches!(octet & 0x0f, 0 | 3));
        self.health.answered(now.instant, if good { Grade::Good } else { Grade::Bad });
        self.has_answered |= good;
        *(if good { &mut self.good } else { &mut self.bad }) += 1;
    }

    /// A question was not answered in time.
    pub(super) fn lost(&mut self) {
        self.lost += 1;
    }

    /// A socket says that nothing listens there.
    pub(super) fn refused(&mut self, trouble: Trouble, now: &Now) {
        self.health.refused(now.instant);
        self.trouble = trouble;
    }

    /// Packs a question, to be sent with others of its length. Its length, and how many of that length there are now.
    pub(super) fn pack(
        &mut self,
        question: QuestionId,
        asked: (kind::Kind, &HostName),
        secret: u64,
        now: &Now,
    ) -> (usize, usize) {
        self.in_flight += 1;
        self.room -= 1;
        self.adaptive.sent(1);
        self.buckets.pack(question, asked, secret, now.moment)
    }

    /// Sends a bucket. What this machine cannot send now stays there.
    pub(super) fn flush(
        &mut self,
        length: usize,
        tools: &mut Tools,
        flights: &mut Flights,
        now: &Now,
    ) -> Result<(), Error> {
        let mut sent = 0;
        loop {
            let bucket = self.buckets.of(length);
            let count = (bucket.questions.len() - sent).min(tools.driver.batch());
            if count == 0 {
                break;
            }
            let Some(place) = self.sockets.next(count, self.in_flight, now.moment) else { break };
            let Some(socket) = self.sockets.change(place) else { break };
            let questions = &bucket.questions[sent..sent + count];
            let datagrams = &mut bucket.bytes[sent * length..(sent + count) * length];
            for (question, datagram) in questions.iter().zip(datagrams.chunks_exact_mut(length)) {
                let flight = flights.change(*question);
                while !socket.enter(flight.id(), *question) {
                    let other = tools.secrets.draw()?;
                    flight.secret = flight.secret & !0xffff | other & 0xffff;
                    datagram[..2].copy_from_slice(&flight.id().to_be_bytes());
                }
            }
            let outcome = tools.driver.send(socket, datagrams, length);
            if let Ok(()) = outcome {
                let socket = u8::try_from(place).expect("there are fewer than 256 sockets");
                questions.iter().for_each(|question| flights.depart(*question, self.number, socket, now.moment));
                sent += count;
                continue;
            }
            questions.iter().for_each(|question| socket.leave(flights.of(*question).id()));
            // Where the system cannot send several in one call after all, the driver has found out by now.
            if count > 1 && tools.driver.batch() == 1 {
                continue;
            }
            match outcome_of(outcome) {
                Sent::Whole | Sent::Later => break,
                Sent::Refused(trouble) => {
                    self.refused(trouble, now);
                    break;
                }
            }
        }
        self.buckets.settle(length, sent);
        tools.sent += sent as u64;
        self.health.sent(now.instant, sent);
        Ok(())
    }

    /// One turn: what its health says now.
    pub(super) fn turn(&mut self, now: &Now) -> Turn {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            self.health.timed_out(now.instant, lost);
            self.trouble = Trouble::Timeout;
        }
        let (good, bad) = (std::mem::take(&mut self.good), std::mem::take(&mut self.bad));
        self.adaptive.outcome(now.instant, good, bad + lost);
        self.give_up_controls(now);
        let turn = self.health.turn(now.instant);
        if turn.rose {
            self.adaptive.restart(now.instant);
            self.learning = if self.believed && !self.validates { LEARN } else { 0 };
        }
        self.due |= turn.control;
        self.open = turn.open && self.learning == 0;
        self.down_since = turn.down_since;
        turn
    }

    /// Takes what may be told now: what came before a control question was sent that has been answered well.
    pub(super) fn vouched(&mut self, flights: &Flights, clock: &Clock) -> Option<QuestionId> {
        let question = *self.held.front()?;
        (flights.of(question).at <= clock.moment(self.health.vouched())).then(|| self.held.pop_front())?
    }

    /// Control questions in flight for too long count as lost.
    fn give_up_controls(&mut self, now: &Now) {
        while let Some(at) = self.controls.iter().position(|control| control.is_over(now)) {
            let control = self.controls.swap_remove(at);
            self.sockets.leave(control.socket, control.id());
            if control.is_learning {
                self.learning = self.learning.saturating_sub(1);
                continue;
            }
            self.health.controlled(now.instant, control.sent(), None);
            self.trouble = Trouble::Timeout;
        }
    }

    /// Nothing is left to be asked.
    pub(super) fn is_last(&mut self) {
        self.health.is_last();
    }

    /// Whether a control question is to be sent.
    pub(super) fn wants_control(&self) -> bool {
        let learns = self.learning > 0 && self.down_since.is_none() && !self.controls.iter().any(|one| one.is_learning);
        (self.due || learns) && self.controls.len() < CONTROLS_MAX
    }

    /// Sends a control question.
    pub(super) fn send_control(&mut self, tools: &mut Tools, now: &Now) {
        let mut control = if self.due { self.next_control(now) } else { Control::root(now) };
        control.is_learning = !self.due;
        let Some(place) = self.sockets.next(1, self.in_flight, now.moment) else { return };
        let Some(socket) = self.sockets.change(place) else { return };
        while !socket.enter(control.id(), QuestionId::CONTROL) {
            control.renumber();
        }
        control.socket = place;
        let bytes = control.bytes();
        let mut outcome = outcome_of(tools.driver.send(socket, bytes, bytes.len()));
        if let Sent::Refused(_) = outcome {
            // That was the end of an earlier datagram: this one was not sent.
            outcome = outcome_of(tools.driver.send(socket, bytes, bytes.len()));
        }
        if let Sent::Whole = outcome {
            tools.sent += 1;
            self.due &= control.is_learning;
            self.controls.push(control);
            return;
        }
        self.sockets.leave(place, control.id());
        if let Sent::Refused(trouble) = outcome {
            self.due = false;
            self.refused(trouble, now);
        }
    }

    /// A canary, the same as long as it is found, for another may have given up its record; without any, the root's name
    /// servers.
    fn next_control(&self, now: &Now) -> Control {
        let canary = self.canaries.get(self.canary).and_then(|host| Control::canary(host, now));
        let mut control = canary.unwrap_or_else(|| Control::root(now));
        control.canary = self.canary;
        control
    }

    /// Whether it denied canaries that it had found before, again and again: it lies, now and then.
    pub(super) fn lies(&self) -> bool {
        self.denials >= DENIALS_MAX
    }

    /// A control question about this canary was answered ill: the next one is about another.
    fn pass_over(&mut self, canary: usize) {
        if canary == self.canary {
            self.canary = (canary + 1) % self.canaries.len().max(1);
            self.found = false;
        }
    }

    /// A packet came that has the id of a control question.
    pub(super) fn hear_control(&mut self, place: usize, packet: &[u8], now: &Now) {
        let id = message::id(packet);
        let is_it = |control: &Control| control.socket == place && Some(control.id()) == id;
        let Some(at) = self.controls.iter().position(is_it) else { return };
        let said = self.controls[at].read(packet);
        if let Said::Nothing = said {
            return;
        }
        let control = self.controls.swap_remove(at);
        self.sockets.leave(place, control.id());
        if control.is_learning {
            self.learning = 0;
            self.validates |= matches!(said, Said::Good { authentic: true });
            return;
        }
        let grade = match said {
            Said::Good { .. } => {
                self.found |= control.canary == self.canary;
                Grade::Good
            }
            // Without canaries there is only the root. Of one that never knew it, in a network without a root, and has
            // answered other questions well, any answer is a sign of life.
            Said::Bad(_) if self.canaries.is_empty() && self.has_answered && !self.found => Grade::Good,
            // One that it found before. It may have been given up in this moment; but what was said since it was last found
            // cannot be believed, and is asked again.
            Said::Denied(trouble) if self.found && control.canary == self.canary => {
                self.denials += 1;
                self.pass_over(control.canary);
                self.refused(trouble, now);
                return;
            }
            Said::Bad(trouble) | Said::Denied(trouble) => {
                self.pass_over(control.canary);
                self.trouble = trouble;
                Grade::Bad
            }
            Said::Nothing => return,
        };
        self.proven |= grade == Grade::Good;
        self.health.controlled(now.instant, control.sent(), Some(grade));
    }
}

/// What became of a send, by its result.
fn outcome_of(result: io::Result<()>) -> Sent {
    match result {
        Ok(()) => Sent::Whole,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Sent::Later,
        Err(error) => match Trouble::of_datagram(&error) {
            Trouble::Pressure => Sent::Later,
            trouble => Sent::Refused(trouble),
        },
    }
}
