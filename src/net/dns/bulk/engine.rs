//! The engine: the loop that asks, and what becomes of each question.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quinn_udp::BATCH_SIZE;

use super::flights::{Flights, Negative, PASSES, QuestionId, State};
use super::kind::{self, Kind, QUESTION_MAX};
use super::lane::{Lane, Tools};
use super::moment::{Clock, Moment, Now};
use super::plain::plain;
use super::reading::{self, Reading};
use super::secret::Secrets;
use super::slots::{Became, Slots};
use super::socket::Driver;
use super::{Asking, Ended, Named, Order, Port, Supply, Vitals};
use crate::error::Error;
use crate::net::NetConfig;
use crate::net::dns::message;
use crate::net::dns::question::Query;
use crate::net::dns::trouble::Trouble;
use crate::net::pace::Rate;

/// How long a turn takes, at least: what comes meanwhile is worked off at once, which costs less than one by one.
const TURN: Duration = Duration::from_millis(1);
/// Answers that wait until their resolver is vouched for, at most: half a second of the fastest scan. Beyond that, nothing
/// new is taken.
const HELD_MAX: usize = 131_072;
/// How long a question waits for its second pass: long enough for a passing overload to pass.
const PAUSE: u64 = 3 * Moment::SECOND;
/// Questions that wait for their second pass, at most. Beyond that, nothing new is taken.
const WAITING_MAX: usize = 32_768;
/// Calls to read one socket in one turn: more is a flood, and the others have to be read too.
const READS_MAX: usize = 64;
/// How long all resolvers may be down before there is no hope: what a restart, or an hour's worst minutes, take.
const PATIENCE: Duration = Duration::from_secs(600);
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
        loop {
            let now = self.clock.now();
            self.drain(&now);
            self.expire(&now);
            self.look_after_lanes(&now);
            self.tell(port, &now);
            if let Some(ended) = self.hopeless(&now) {
                return Ok(ended);
            }
            match port.turn(&self.vitals()) {
                Order::Drop => return Ok(Ended::Dropped),
                Order::Drain => supply = Supply::End,
                Order::Go => self.take(port, &mut supply),
                Order::Hold => {}
            }
            if supply == Supply::End && self.queue.is_empty() && self.slots.used() == 0 {
                return Ok(Ended::Done);
            }
            self.send(&now)?;
            std::thread::sleep(TURN.saturating_sub(now.instant.elapsed()));
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

    /// Reads all sockets.
    fn drain(&mut self, now: &Now) {
        for lane in 0..self.lanes.len() {
            for place in 0..self.lanes[lane].sockets.count() {
                for _ in 0..READS_MAX {
                    let Some(socket) = self.lanes[lane].sockets.get(place) else { break };
                    match self.tools.driver.receive(socket) {
                        Ok(count) => {
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
    }

    /// Holds a datagram against the question that has its id.
    fn hear(&mut self, lane: usize, place: usize, number: usize, now: &Now) {
        let packet = self.tools.driver.datagram(number);
        let Some(id) = message::id(packet) else { return };
        let lane = &mut self.lanes[lane];
        let question = lane.sockets.get(place).map_or(QuestionId::NONE, |socket| socket.find(id));
        if question == QuestionId::CONTROL {
            lane.hear_control(place, packet, now);
            return;
        }
        // Nobody's, most often a second answer.
        if question == QuestionId::NONE {
            return;
        }
        let Some((subject, kind)) = self.slots.asked(question) else { return };
        let flight = self.flights.change(question);
        self.scratch.clear();
        kind.write(subject.host(), flight.secret, &mut self.scratch);
        if let Some(plainly) = plain(packet, kind::section(&self.scratch)) {
            lane.answered(packet, now);
            let negative = Negative { absent: plainly.absent, security: lane.security(plainly.authentic) };
            self.land(question);
            self.hold(question, Some(negative), now);
            return;
        }
        let Some(asked) = kind.question(subject.host()) else { return };
        let reading = reading::read(packet, &Query::sent(&self.scratch), &asked, kind.rtype());
        match reading {
            Reading::Foreign => return,
            // It may be a forgery, so the wait for a right one goes on to its end.
            Reading::Malformed => {
                flight.state = State::Flying { malformed: true };
                return;
            }
            Reading::Slow | Reading::Refused | Reading::Judged(_) => lane.answered(packet, now),
        }
        let authentic = matches!(&reading, Reading::Judged(judged) if judged.is_authentic());
        let security = lane.security(authentic);
        self.land(question);
        match reading {
            Reading::Judged(judged) => {
                if let Some(absent) = judged.plainly() {
                    self.hold(question, Some(Negative { absent, security }), now);
                    return;
                }
                let is_found = judged.is_found();
                self.became(question, &Became::Judged(judged), now);
                if is_found {
                    self.settle(question);
                } else {
                    self.hold(question, None, now);
                }
            }
            Reading::Refused => {
                self.flights.change(question).refused += 1;
                self.go_on(question, now);
            }
            Reading::Slow | Reading::Foreign | Reading::Malformed => self.slow(question, now),
        }
    }

    /// Takes a question out of flight.
    fn land(&mut self, question: QuestionId) {
        let flight = self.flights.of(question);
        self.slots.begun(question, flight.at);
        let lane = &mut self.lanes[usize::from(flight.lane)];
        lane.sockets.leave(usize::from(flight.socket), flight.id());
        lane.in_flight -= 1;
    }

    /// Holds an answer back until its resolver is vouched for.
    fn hold(&mut self, question: QuestionId, negative: Option<Negative>, now: &Now) {
        self.slots.heard(question, now.moment);
        let flight = self.flights.change(question);
        (flight.state, flight.at) = (State::Held(negative), now.moment);
        self.lanes[usize::from(flight.lane)].held.push_back(question);
    }

    /// Notes what a question has come to.
    fn became(&mut self, question: QuestionId, became: &Became, now: &Now) {
        let flight = self.flights.of(question);
        self.slots.became(question, became, flight, &self.lanes[usize::from(flight.lane)], now.moment);
    }

    /// Gives a question to those who ask the slow way.
    fn slow(&mut self, question: QuestionId, now: &Now) {
        self.became(question, &Became::Slow, now);
        self.settle(question);
    }

    /// Settles a question that is not held back.
    fn settle(&mut self, question: QuestionId) {
        let flight = self.flights.change(question);
        if !matches!(flight.state, State::Held(_)) {
            flight.state = State::Settled;
        }
        self.settled.extend(self.slots.settle(question));
    }

    /// A try came to nothing: the next one, the next pass, or the end.
    fn go_on(&mut self, question: QuestionId, now: &Now) {
        let flight = self.flights.change(question);
        if !flight.is_over() {
            flight.state = State::Ready;
            self.ready.push_back(question);
        } else if flight.refused > 0 {
            self.slow(question, now);
        } else if flight.passes() < PASSES {
            flight.state = State::Waiting;
            self.waiting.push_back((now.moment.later(PAUSE), question));
        } else {
            let trouble = if flight.broken > 0 { Trouble::Malformed } else { Trouble::Timeout };
            self.became(question, &Became::Failed(trouble.failure()), now);
            self.settle(question);
        }
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
            let flight = self.flights.change(question);
            self.slots.begun(question, flight.at);
            flight.uncount();
            self.ready.push_front(question);
        }
    }

    /// Tells the owner of what is settled.
    fn tell(&mut self, port: &mut impl Port<T>, now: &Now) {
        for number in self.settled.drain(..) {
            if let Some(told) = self.slots.leave(number, &self.flights, &self.lanes, now) {
                port.tell(told);
            }
        }
    }

    /// How the run ends where no resolver has answered for too long.
    fn hopeless(&self, now: &Now) -> Option<Ended> {
        let since: Option<Vec<Instant>> = self.lanes.iter().map(Lane::down_since).collect();
        let last = since?.into_iter().max()?;
        let proven = self.lanes.iter().any(Lane::is_proven);
        let patience = if proven { PATIENCE } else { PATIENCE_UNPROVEN };
        let failure = || self.lanes.iter().map(Lane::failure).next_back();
        (now.instant.saturating_duration_since(last) >= patience).then(failure)?.map(Ended::Unusable)
    }

    /// Takes new subjects, no more than may be begun now.
    fn take(&mut self, port: &mut impl Port<T>, supply: &mut Supply) {
        let held: usize = self.lanes.iter().map(|lane| lane.held.len()).sum();
        let is_full = held >= HELD_MAX || self.waiting.len() >= WAITING_MAX;
        if *supply == Supply::End || is_full || !self.lanes.iter().any(Lane::is_open) {
            return;
        }
        let open = self.window.saturating_sub(self.in_flight() + self.ready.len()) / self.slots.kinds();
        let most = self.slots.most() - self.slots.used();
        let room = open.min(most).saturating_sub(self.queue.len());
        if room > 0 {
            *supply = port.take(room, &mut self.queue);
        }
    }

    /// Sends what may be sent now.
    fn send(&mut self, now: &Now) -> Result<(), Error> {
        for lane in &mut self.lanes {
            if lane.wants_control() && self.rate.as_ref().is_none_or(|rate| rate.take_up_to(1) == 1) {
                lane.send_control(&mut self.tools, now);
            }
        }
        let mut granted = self.grant(now);
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

    /// How many questions may be sent now, of those that there are. Each lane gets its room.
    fn grant(&mut self, now: &Now) -> usize {
        let open = self.lanes.iter().filter(|lane| lane.is_open()).count();
        if open == 0 {
            return 0;
        }
        let share = self.window.div_ceil(open);
        let mut room: usize = 0;
        for lane in &mut self.lanes {
            let allowed = if self.rate.is_some() { usize::MAX } else { lane.allowance(now) };
            lane.room = if lane.is_open() { share.saturating_sub(lane.in_flight).min(allowed) } else { 0 };
            room += lane.room;
        }
        let wanted = room.min(self.ready.len() + self.queue.len() * self.slots.kinds());
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
