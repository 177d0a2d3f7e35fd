//! The engine: the loop that asks, and what becomes of each question.

mod hearing;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_udp::BATCH_SIZE;

use super::flights::{Flights, QuestionId, State};
use super::kind::{Kind, QUESTION_MAX};
use super::lane::{Lane, Tools};
use super::moment::{Clock, Moment, Now};
use super::secret::Secrets;
use super::slots::Slots;
use super::socket::Driver;
use super::{Asking, Ended, Named, Order, Port, Supply, Vitals};
use crate::error::Error;
use crate::net::NetConfig;
use crate::net::dns::PATIENCE;
use crate::net::dns::trouble::Trouble;
use crate::net::pace::Rate;

/// How long a turn takes, at least: what comes meanwhile is worked off at once, which costs less than one by one.
const TURN: Duration = Duration::from_millis(1);
/// The same where little is going on: then what a turn costs matters more than a few milliseconds of waiting.
const TURN_QUIET: Duration = Duration::from_millis(8);
/// Datagrams of a turn, sent and received: with fewer, the next turn takes twice as long.
const FEW: u64 = 32;
/// Answers that wait until their resolver is vouched for, at most: half a second of the fastest scan. Beyond that, nothing
/// new is taken.
const HELD_MAX: usize = 131_072;
/// Where the user limits the rate: what part of a second's questions may be taken ahead of it.
const AT_ONCE: usize = 50;
/// Questions that wait for their second pass, at most. Beyond that, nothing new is taken.
const WAITING_MAX: usize = 32_768;
/// Calls to read one socket in one turn: more is a flood, and the others have to be read too.
const READS_MAX: usize = 64;
/// The same where none of them ever answered a control question well: then nothing is lost by beginning anew.
const PATIENCE_UNPROVEN: Duration = Duration::from_secs(10);

/// The engine of one thread.
pub struct Engine<T> {
    clock: Clock,
    lanes: Vec<Lane>,
    slots: Slots<T>,
    flights: Flights,
    tools: Tools,
    /// Subjects that were taken and not begun yet.
    queue: VecDeque<T>,
    /// Questions to be sent before those of new subjects.
    ready: VecDeque<QuestionId>,
    /// Questions that wait for their second pass, and until when.
    waiting: VecDeque<(Moment, QuestionId)>,
    /// Subjects that are settled and to be told.
    settled: Vec<u32>,
    /// Where a question is written to be held against an answer.
    scratch: Vec<u8>,
    window: usize,
    rate: Option<Arc<Rate>>,
    per_second: Option<u32>,
    /// The lane whose turn it is to be asked something new.
    turn: usize,
}

impl<T: Named> Engine<T> {
    /// An engine for the upstreams of this configuration, with at most `in_flight` questions in flight. `rate` is what all
    /// engines and resolvers of this process share, if the user limits it; else each resolver's rate adapts to it.
    ///
    /// # Errors
    /// [`Error::Usage`] where an upstream is not UDP (see [`is_possible`](super::is_possible)), [`Error::Io`] where no socket
    /// can be opened.
    pub fn new(config: &NetConfig, asking: Asking, in_flight: usize, rate: Option<Arc<Rate>>) -> Result<Self, Error> {
        let clock = Clock::new();
        let now = clock.now();
        if config.upstreams.is_empty() {
            return Err(Error::Usage("no resolver to ask".to_owned()));
        }
        let lane = |(number, upstream)| {
            let number = u8::try_from(number).map_err(|_| Error::Usage("at most 256 resolvers".to_owned()))?;
            Lane::new(number, upstream, config, &now)
        };
        let lanes: Result<_, _> = config.upstreams.iter().enumerate().map(lane).collect();
        let driver = Driver::new().map_err(Error::io("a socket"))?;
        Ok(Self {
            clock,
            lanes: lanes?,
            slots: Slots::new(Kind::asked(asking)),
            flights: Flights::new(config.timeouts.dns),
            tools: Tools { driver, secrets: Secrets::new()?, sent: 0 },
            queue: VecDeque::new(),
            ready: VecDeque::new(),
            waiting: VecDeque::new(),
            settled: Vec::new(),
            scratch: Vec::with_capacity(QUESTION_MAX),
            window: in_flight.max(1),
            per_second: config.rate.filter(|_| rate.is_some()),
            rate,
            turn: 0,
        })
    }

    /// Asks for every subject that the port has, until there are no more and all are told.
    ///
    /// # Errors
    /// [`Error::Internal`] where a socket fails in a way that is nobody's but ours.
    pub fn run(mut self, port: &mut impl Port<T>) -> Result<Ended, Error> {
        let mut supply = Supply::More;
        let mut pause = TURN;
        loop {
            let now = self.clock.now();
            let sent = self.tools.sent;
            let received = self.drain(&now);
            self.expire(&now);
            self.look_after_lanes(&now);
            self.tell(port, &now);
            if let Some(ended) = self.hopeless(&now) {
                return Ok(ended);
            }
            let order = port.turn(&self.vitals());
            match order {
                Order::Drop => return Ok(Ended::Dropped),
                Order::Drain => supply = Supply::End,
                Order::Go | Order::Hold => {}
            }
            self.make_room(&now);
            if order == Order::Go && supply == Supply::More {
                supply = self.take(port);
            }
            if supply == Supply::End && self.queue.is_empty() && self.slots.used() == 0 {
                return Ok(Ended::Done);
            }
            if supply == Supply::End && self.queue.is_empty() && self.ready.is_empty() && self.in_flight() == 0 {
                self.lanes.iter_mut().for_each(Lane::is_last);
            }
            self.send(&now)?;
            let is_quiet = received + (self.tools.sent - sent) < FEW;
            pause = if is_quiet { TURN_QUIET.min(pause * 2) } else { TURN };
            std::thread::sleep(pause.saturating_sub(now.instant.elapsed()));
        }
    }

    fn vitals(&self) -> Vitals {
        let all = self.lanes.iter().fold(0, |all: u32, lane| all.saturating_add(lane.per_second()));
        Vitals {
            sent: self.tools.sent,
            in_flight: self.in_flight(),
            up: self.lanes.iter().filter(|lane| lane.is_open()).count(),
            per_second: self.per_second.unwrap_or(all),
        }
    }

    fn in_flight(&self) -> usize {
        self.lanes.iter().map(|lane| lane.in_flight).sum()
    }

    /// Reads all sockets. How many datagrams came.
    fn drain(&mut self, now: &Now) -> u64 {
        let mut received = 0;
        for lane in 0..self.lanes.len() {
            for place in 0..self.lanes[lane].sockets.count() {
                for _ in 0..READS_MAX {
                    let Some(socket) = self.lanes[lane].sockets.get(place).filter(|socket| !socket.is_idle()) else {
                        break;
                    };
                    match self.tools.driver.receive(socket) {
                        Ok(count) => {
                            received += count as u64;
                            self.fetch(lane, place, count);
                            (0..count).for_each(|number| self.hear(lane, place, number, now));
                            if count < BATCH_SIZE {
                                break;
                            }
                        }
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        // The error is that of an earlier datagram: nothing listens there.
                        Err(error) => match Trouble::of_datagram(&error) {
                            Trouble::Pressure => break,
                            trouble => self.lanes[lane].refused(trouble, now),
                        },
                    }
                }
            }
        }
        received
    }

    /// Ends the waits that are over.
    fn expire(&mut self, now: &Now) {
        let lanes = &self.lanes;
        let is_open = |lane: u8| lanes[usize::from(lane)].is_open();
        let mut over = self.flights.decided(is_open);
        over.extend(std::iter::from_fn(|| self.flights.expired(now.moment, is_open)));
        for question in over {
            self.land(question);
            let flight = self.flights.change(question);
            flight.broken += u8::from(flight.state == State::Flying { malformed: true });
            self.lanes[usize::from(flight.lane)].lost();
            self.go_on(question, now);
        }
        while self.waiting.front().is_some_and(|(until, _)| *until <= now.moment) {
            let Some((_, question)) = self.waiting.pop_front() else { break };
            self.flights.change(question).begin_pass();
            self.ready.push_back(question);
        }
    }

    /// Looks after the health of each resolver, and takes what it is vouched for.
    fn look_after_lanes(&mut self, now: &Now) {
        for number in 0..self.lanes.len() {
            if self.lanes[number].turn(now).fell {
                self.ask_again(number);
            }
            while let Some(question) = self.lanes[number].vouched(&self.flights, &self.clock) {
                self.settle(question);
            }
        }
    }

    /// Everything that a fallen resolver was asked and is not vouched for is asked again, before anything else.
    fn ask_again(&mut self, number: usize) {
        let lane = &mut self.lanes[number];
        lane.in_flight = 0;
        let packed = lane.buckets.clear();
        let asked = lane.sockets.clear();
        for question in packed {
            self.flights.change(question).state = State::Ready;
            self.ready.push_front(question);
        }
        for question in asked.into_iter().chain(self.lanes[number].held.drain(..)) {
            self.flights.change(question).uncount();
            self.ready.push_front(question);
        }
    }

    /// Tells the owner of what is settled.
    fn tell(&mut self, port: &mut impl Port<T>, now: &Now) {
        for some in self.settled.chunks(BATCH_SIZE) {
            // Each is somewhere else in memory: so they are waited for together.
            self.slots.fetch(some);
            for number in some {
                if let Some(told) = self.slots.leave(*number, &self.flights, &self.lanes, now) {
                    port.tell(told);
                }
            }
        }
        self.settled.clear();
    }

    /// How the run ends where no resolver has answered for too long.
    fn hopeless(&self, now: &Now) -> Option<Ended> {
        if let Some(liar) = self.lanes.iter().find(|lane| lane.lies()) {
            return Some(Ended::Unusable(liar.failure()));
        }
        let since: Option<Vec<Instant>> = self.lanes.iter().map(Lane::down_since).collect();
        let last = since?.into_iter().max()?;
        let proven = self.lanes.iter().any(Lane::is_proven);
        let patience = if proven { PATIENCE } else { PATIENCE_UNPROVEN };
        let failure = || self.lanes.iter().map(Lane::failure).next_back();
        (now.instant.saturating_duration_since(last) >= patience).then(failure)?.map(Ended::Unusable)
    }

    /// Gives each resolver its room: what its window and its rate allow to be sent now.
    fn make_room(&mut self, now: &Now) {
        let open = self.lanes.iter().filter(|lane| lane.is_open()).count();
        let share = self.window.div_ceil(open.max(1));
        for lane in &mut self.lanes {
            // Where the user limits the rate of all, that of each still gives way where it fails.
            let allowed = lane.allowance(now);
            lane.room = if lane.is_open() { share.saturating_sub(lane.in_flight).min(allowed) } else { 0 };
        }
    }

    fn room(&self) -> usize {
        self.lanes.iter().map(|lane| lane.room).sum()
    }

    /// Takes new subjects, no more than may be begun now: they have to be asked, even if the owner wants an end.
    fn take(&mut self, port: &mut impl Port<T>) -> Supply {
        let held: usize = self.lanes.iter().map(|lane| lane.held.len()).sum();
        if held >= HELD_MAX || self.waiting.len() >= WAITING_MAX {
            return Supply::More;
        }
        let at_once = self.per_second.map_or(usize::MAX, |rate| rate as usize / AT_ONCE + 1);
        let room = self.room().min(at_once).saturating_sub(self.ready.len()).div_ceil(self.slots.kinds());
        let most = self.slots.most() - self.slots.used();
        match room.min(most).saturating_sub(self.queue.len()) {
            0 => Supply::More,
            room => port.take(room, &mut self.queue),
        }
    }

    /// Sends what may be sent now.
    fn send(&mut self, now: &Now) -> Result<(), Error> {
        for lane in &mut self.lanes {
            // Before all others, whoever waits for the rate: without them nothing that was heard can be told.
            if lane.wants_control() {
                let _ = self.rate.as_ref().map(|rate| rate.take_up_to(1));
                lane.send_control(&mut self.tools, now);
            }
        }
        let mut granted = self.grant();
        let mut left = self.ready.len();
        while granted > 0 && left > 0 {
            left -= 1;
            let Some(question) = self.ready.pop_front() else { break };
            let flight = self.flights.of(question);
            match self.lane_for(flight.sent.min(1).into(), usize::from(flight.lane)) {
                Some(lane) => {
                    self.pack(question, lane, now)?;
                    granted -= 1;
                }
                None => self.ready.push_back(question),
            }
        }
        while granted > 0 {
            let Some(subject) = self.queue.pop_front() else { break };
            granted = self.begin(subject, granted, now)?;
        }
        for lane in &mut self.lanes {
            if lane.is_open() {
                for length in lane.buckets.due(now.moment) {
                    lane.flush(length, &mut self.tools, &mut self.flights, now)?;
                }
            }
        }
        Ok(())
    }

    /// How many questions may be sent now, of those that there are.
    fn grant(&self) -> usize {
        let wanted = self.room().min(self.ready.len() + self.queue.len() * self.slots.kinds());
        match &self.rate {
            Some(rate) if wanted > 0 => rate.take_up_to(wanted),
            _ => wanted,
        }
    }

    /// Begins a subject, as far as so many questions reach; the others are sent before anything new.
    fn begin(&mut self, subject: T, mut granted: usize, now: &Now) -> Result<usize, Error> {
        let (number, questions) = self.slots.enter(subject, &mut self.flights);
        let mut any = false;
        for question in questions {
            any = true;
            match self.lane_for(0, self.turn) {
                Some(lane) if granted > 0 => {
                    self.turn = lane;
                    granted -= 1;
                    self.pack(question, lane, now)?;
                }
                _ => self.ready.push_back(question),
            }
        }
        if !any {
            self.settled.push(number);
        }
        Ok(granted)
    }

    /// The next lane with room after this one. Another one, if there is any, where the question was asked `before`.
    fn lane_for(&self, before: usize, after: usize) -> Option<usize> {
        let count = self.lanes.len();
        let mut others = (1..count).map(|step| (after + step) % count);
        if let Some(lane) = others.clone().find(|lane| self.lanes[*lane].room > 0) {
            return Some(lane);
        }
        let must_wait = before > 0 && others.any(|lane| self.lanes[lane].is_open());
        (!must_wait && self.lanes[after].room > 0).then_some(after)
    }

    /// Packs a question for a lane, and sends the bucket if that is full.
    fn pack(&mut self, question: QuestionId, lane: usize, now: &Now) -> Result<(), Error> {
        let Some((subject, kind)) = self.slots.asked(question) else { return Ok(()) };
        let flight = self.flights.change(question);
        flight.secret = self.tools.secrets.draw()?;
        flight.state = State::Packed;
        let (length, count) = self.lanes[lane].pack(question, (kind, subject.host()), flight.secret, now);
        if count >= self.tools.driver.batch() {
            self.lanes[lane].flush(length, &mut self.tools, &mut self.flights, now)?;
        }
        Ok(())
    }
}
