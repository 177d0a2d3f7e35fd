//! Flights: where each question is on its way, and when to stop waiting for it (RFC 1035 7.2).

use std::collections::VecDeque;
use std::time::Duration;

use super::Absent;
use super::kind;
use super::moment::{Moment, nanoseconds};
use crate::net::dns::Security;
use crate::net::dns::exchange;

/// Datagrams of one pass (HOSTILE.md): more never helped a resolver that is in trouble.
pub(super) const TRIES: u8 = 3;
/// Passes over a question.
pub(super) const PASSES: u8 = 2;

/// A question in the engine: which subject's, and which of its questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct QuestionId(pub(super) u32);

impl QuestionId {
    /// No question.
    pub(super) const NONE: Self = Self(u32::MAX);
    /// The control question of the resolver.
    pub(super) const CONTROL: Self = Self(u32::MAX - 1);
    /// What a number of a question stays below.
    pub(super) const END: u32 = u32::MAX - 1;
}

/// A plain negative, with what the resolver says of DNSSEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Negative {
    /// How the record is absent.
    pub(super) absent: Absent,
    /// What the resolver says of it.
    pub(super) security: Security,
}

/// Where a question is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// To be sent as soon as there is room.
    Ready,
    /// In a bucket, to be sent with others of its length.
    Packed,
    /// Sent. Whether an answer has come that breaks the format: it may be a forgery, so the wait goes on.
    Flying { malformed: bool },
    /// Answered, and held back until the resolver is vouched for; where it is no plain negative, the slot has the answer.
    Held(Option<Negative>),
    /// Waiting for its second pass.
    Waiting,
    /// Settled, or never asked.
    Settled,
}

/// One question on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    /// Its id and the case of its letters.
    pub(super) secret: u64,
    /// When it was first sent.
    pub(super) begun: Moment,
    /// When it was last sent; when it was answered or given up, once it was.
    pub(super) at: Moment,
    /// The resolver that it was sent to last.
    pub(super) lane: u8,
    /// The socket.
    pub(super) socket: u8,
    /// Datagrams that count, of all passes: each pass has [`TRIES`].
    pub(super) tries: u8,
    /// Datagrams sent.
    pub(super) sent: u8,
    /// Answers of this pass by which a resolver says that it failed.
    pub(super) refused: u8,
    /// Tries of this pass that ended with nothing but answers that break the format.
    pub(super) broken: u8,
    /// Where it is.
    pub(super) state: State,
}

impl Flight {
    /// A question that was not sent yet.
    pub(super) fn new(state: State) -> Self {
        let (begun, at) = (Moment::default(), Moment::default());
        Self { secret: 0, begun, at, lane: 0, socket: 0, tries: 0, sent: 0, refused: 0, broken: 0, state }
    }

    /// From when it was first sent until it was answered or given up.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.at.since(self.begun))
    }

    /// The id that it was sent with.
    pub(super) fn id(&self) -> u16 {
        kind::id(self.secret)
    }

    /// Passes over it, the present one included.
    pub(super) fn passes(&self) -> u8 {
        self.tries.div_ceil(TRIES).max(1)
    }

    /// Whether the present pass has no try left. Only where it has had one.
    pub(super) fn is_over(&self) -> bool {
        self.tries.is_multiple_of(TRIES) || u32::from(self.refused + self.broken) >= exchange::REPEATS
    }

    /// Begins the next pass.
    pub(super) fn begin_pass(&mut self) {
        (self.tries, self.refused, self.broken) = (self.passes() * TRIES, 0, 0);
        self.state = State::Ready;
    }

    /// Takes back the last try: its resolver is to blame for it.
    pub(super) fn uncount(&mut self) {
        self.tries = self.tries.saturating_sub(1);
        self.state = State::Ready;
    }
}

/// A flight whose end is waited for. It is stale where the flight has landed, or has left again, with another secret.
#[derive(Clone, Copy, Debug)]
struct Wait {
    secret: u64,
    question: QuestionId,
}

/// All flights, by question, and the waits for their ends.
pub(super) struct Flights {
    flights: Vec<Flight>,
    /// How long each try of a pass is waited for.
    times: [u64; TRIES as usize],
    /// In the order in which they were sent, one queue for each try, because those wait equally long.
    waits: [VecDeque<Wait>; TRIES as usize],
    /// Those whose wait is over while it is not clear whether the resolver has fallen.
    undecided: VecDeque<Wait>,
}

impl Flights {
    /// No flights yet; each question has so much time.
    pub(super) fn new(time: Duration) -> Self {
        // The last try has half of the time; the first two share the rest.
        let last = time.saturating_sub(exchange::share(time, 0) + exchange::share(time, 1));
        let times = [exchange::share(time, 0), exchange::share(time, 1), last].map(nanoseconds);
        Self { flights: Vec::new(), times, waits: Default::default(), undecided: VecDeque::new() }
    }

    /// Makes sure that there are so many places.
    pub(super) fn reserve(&mut self, count: usize) {
        if self.flights.len() < count {
            self.flights.resize(count, Flight::new(State::Settled));
        }
    }

    /// The flight of a question.
    pub(super) fn of(&self, question: QuestionId) -> &Flight {
        &self.flights[question.0 as usize]
    }

    /// The flight of a question, to be changed.
    pub(super) fn change(&mut self, question: QuestionId) -> &mut Flight {
        &mut self.flights[question.0 as usize]
    }

    /// A question was sent to this resolver over this socket.
    pub(super) fn depart(&mut self, question: QuestionId, lane: u8, socket: u8, now: Moment) {
        let flight = &mut self.flights[question.0 as usize];
        let wait = &mut self.waits[usize::from(flight.tries % TRIES)];
        flight.tries += 1;
        if flight.sent == 0 {
            flight.begun = now;
        }
        flight.sent = flight.sent.saturating_add(1);
        (flight.lane, flight.socket, flight.at) = (lane, socket, now);
        flight.state = State::Flying { malformed: false };
        wait.push_back(Wait { secret: flight.secret, question });
    }

    /// Takes a question whose wait is over. Those sent to a resolver that is not `open` wait until it is clear whether it
    /// has fallen; where it has, they are no flights any more.
    pub(super) fn expired(&mut self, now: Moment, open: impl Fn(u8) -> bool) -> Option<QuestionId> {
        for number in 0..self.waits.len() {
            while let Some(wait) = self.waits[number].front().copied() {
                let flight = &self.flights[wait.question.0 as usize];
                let is_stale = is_stale(flight, wait);
                if !is_stale && now.since(flight.at) < self.times[number] {
                    break;
                }
                self.waits[number].pop_front();
                if is_stale {
                    continue;
                }
                if open(flight.lane) {
                    return Some(wait.question);
                }
                self.undecided.push_back(wait);
            }
        }
        None
    }

    /// Takes the questions whose wait was over before it was clear whether their resolver had fallen.
    pub(super) fn decided(&mut self, open: impl Fn(u8) -> bool) -> Vec<QuestionId> {
        if self.undecided.is_empty() {
            return Vec::new();
        }
        let mut decided = Vec::new();
        for wait in std::mem::take(&mut self.undecided) {
            let flight = &self.flights[wait.question.0 as usize];
            if is_stale(flight, wait) {
                continue;
            }
            if open(flight.lane) {
                decided.push(wait.question);
            } else {
                self.undecided.push_back(wait);
            }
        }
        decided
    }
}

fn is_stale(flight: &Flight, wait: Wait) -> bool {
    flight.secret != wait.secret || !matches!(flight.state, State::Flying { .. })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for")]
mod tests {
    use super::*;

    #[test]
    fn no_flight_stands_across_two_lines_of_the_cache() {
        assert_eq!(size_of::<Flight>(), 32);
    }

    /// Sends the question with this secret at this moment.
    fn send(flights: &mut Flights, secret: u64, now: Moment) {
        flights.change(QuestionId(0)).secret = secret;
        flights.depart(QuestionId(0), 0, 0, now);
    }

    #[test]
    fn the_tries_wait_longer_and_longer_and_two_passes_have_three_each() {
        let mut flights = Flights::new(Duration::from_secs(8));
        flights.reserve(1);
        let mut now = Moment::default();
        for (secret, (seconds, is_over, passes)) in
            (1..).zip([(1, false, 1), (3, false, 1), (4, true, 1), (1, false, 2), (3, false, 2), (4, true, 2)])
        {
            send(&mut flights, secret, now);
            let end = now.later(seconds * Moment::SECOND);
            assert_eq!(flights.expired(now.later(seconds * Moment::SECOND - 1), |_| true), None, "{secret}");
            assert_eq!(flights.expired(end, |_| true).unwrap(), QuestionId(0), "{secret}");
            assert_eq!(flights.expired(end, |_| true), None);
            let flight = flights.change(QuestionId(0));
            assert_eq!((flight.is_over(), flight.passes()), (is_over, passes), "{secret}");
            if is_over {
                flight.begin_pass();
            }
            now = end;
        }
        assert_eq!(flights.of(QuestionId(0)).sent, 6);
    }

    #[test]
    fn what_has_landed_or_left_again_is_not_waited_for() {
        let (start, late) = (Moment::default(), Moment::default().later(60 * Moment::SECOND));
        let mut flights = Flights::new(Duration::from_secs(8));
        flights.reserve(1);
        send(&mut flights, 7, start);
        flights.change(QuestionId(0)).state = State::Held(None);
        assert_eq!(flights.expired(late, |_| true), None);
        flights.change(QuestionId(0)).uncount();
        send(&mut flights, 8, late);
        send(&mut flights, 9, late);
        // Two tries were sent, and the later one is the one that counts.
        assert_eq!(flights.expired(late.later(2 * Moment::SECOND), |_| true), None);
        assert_eq!(flights.expired(late.later(3 * Moment::SECOND), |_| true), Some(QuestionId(0)));
    }

    #[test]
    fn no_wait_ends_before_it_is_clear_whether_the_resolver_fell() {
        let late = Moment::default().later(60 * Moment::SECOND);
        for falls in [true, false] {
            let mut flights = Flights::new(Duration::from_secs(8));
            flights.reserve(1);
            send(&mut flights, 1, Moment::default());
            assert_eq!(flights.expired(late, |_| false), None);
            assert_eq!(flights.decided(|_| false), []);
            if falls {
                flights.change(QuestionId(0)).uncount();
            }
            let wanted: &[_] = if falls { &[] } else { &[QuestionId(0)] };
            assert_eq!(flights.decided(|_| true), wanted);
            assert_eq!(flights.decided(|_| true), []);
        }
    }
}
