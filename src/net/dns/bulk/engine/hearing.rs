//! What becomes of a question when an answer comes, or none.

use quinn_udp::BATCH_SIZE;

use super::super::Named;
use super::super::flights::{Negative, PASSES, QuestionId, State};
use super::super::kind;
use super::super::moment::{Moment, Now};
use super::super::plain::plain;
use super::super::reading::{self, Reading};
use super::super::slots::Became;
use super::Engine;
use crate::net::dns::message;
use crate::net::dns::question::Query;
use crate::net::dns::trouble::Trouble;

/// How long a question waits for its second pass: long enough for a passing overload to pass.
const PAUSE: u64 = 3 * Moment::SECOND;

impl<T: Named> Engine<T> {
    /// Touches what the answers that came are about to need. Each piece is somewhere else in memory: all at once they are
    /// waited for together, one by one each for itself.
    pub(super) fn fetch(&self, lane: usize, place: usize, count: usize) {
        let Some(socket) = self.lanes[lane].sockets.get(place) else { return };
        let mut questions = [QuestionId::NONE; BATCH_SIZE];
        for (number, question) in questions.iter_mut().enumerate().take(count) {
            *question = message::id(self.tools.driver.datagram(number)).map_or(QuestionId::NONE, |id| socket.find(id));
        }
        let mut touched = 0;
        for question in questions.into_iter().filter(|question| question.0 < QuestionId::END) {
            let flight = self.flights.of(question);
            let first = self.slots.asked(question).and_then(|(subject, _)| subject.host().as_str().as_bytes().first());
            touched ^= flight.tries ^ first.copied().unwrap_or(0);
        }
        std::hint::black_box(touched);
    }

    /// Holds a datagram against the question that has its id.
    pub(super) fn hear(&mut self, lane: usize, place: usize, number: usize, now: &Now) {
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
    pub(super) fn land(&mut self, question: QuestionId) {
        let flight = self.flights.of(question);
        let lane = &mut self.lanes[usize::from(flight.lane)];
        lane.sockets.leave(usize::from(flight.socket), flight.id());
        lane.in_flight -= 1;
    }

    /// Holds an answer back until its resolver is vouched for.
    pub(super) fn hold(&mut self, question: QuestionId, negative: Option<Negative>, now: &Now) {
        let flight = self.flights.change(question);
        (flight.state, flight.at) = (State::Held(negative), now.moment);
        self.lanes[usize::from(flight.lane)].held.push_back(question);
    }

    /// Notes what a question has come to.
    pub(super) fn became(&mut self, question: QuestionId, became: &Became, now: &Now) {
        let flight = self.flights.change(question);
        flight.at = now.moment;
        self.slots.became(question, became, flight, &self.lanes[usize::from(flight.lane)]);
    }

    /// Gives a question to those who ask the slow way.
    pub(super) fn slow(&mut self, question: QuestionId, now: &Now) {
        self.became(question, &Became::Slow, now);
        self.settle(question);
    }

    /// Settles a question that is not held back.
    pub(super) fn settle(&mut self, question: QuestionId) {
        let flight = self.flights.change(question);
        if !matches!(flight.state, State::Held(_)) {
            flight.state = State::Settled;
        }
        self.settled.extend(self.slots.settle(question));
    }

    /// A try came to nothing: the next one, the next pass, or the end.
    pub(super) fn go_on(&mut self, question: QuestionId, now: &Now) {
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
}
