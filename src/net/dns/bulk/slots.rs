//! Slots: the subjects that the engine works on, until all of their questions are settled and they are told.

use std::collections::VecDeque;
use std::time::Duration;

use hickory_proto::rr::RData;

use super::flights::{Flight, Flights, Negative, QuestionId, State};
use super::kind::Kind;
use super::lane::Lane;
use super::moment::{Moment, Now};
use super::reading::{Judged, Origin};
use super::{Heard, Named, Plain, Seen, Told};
use crate::failure::Failure;
use crate::net::dns::{Mx, Security, Txt, records};

/// A subject at work.
struct Slot<T> {
    subject: T,
    /// Questions that are not settled.
    open: u8,
    /// Where there is more to say than that nothing stands there.
    more: Option<Box<More>>,
}

/// What was heard of each question.
struct More {
    record: Heard<Txt>,
    mx: Heard<Mx>,
    tlsrpt: Heard<Txt>,
}

/// What became of a question that is no plain negative.
pub(super) enum Became {
    /// To be asked another way.
    Slow,
    /// An answer of RCODE 0 or 3.
    Judged(Box<Judged>),
    /// No answer, after every try.
    Failed(Failure),
}

/// The subjects at work, by number.
pub(super) struct Slots<T> {
    slots: Vec<Option<Slot<T>>>,
    /// Free slots, the one that has been free for longest first: answers come about in the order of their questions, so the
    /// slots are gone through about in their order, and the processor has the next ones at hand.
    free: VecDeque<u32>,
    /// What is asked of each subject.
    kinds: Vec<Kind>,
    /// A question's number is that of its slot, shifted left by this, and that of its kind.
    shift: u32,
    used: usize,
}

impl<T: Named> Slots<T> {
    pub(super) fn new(kinds: Vec<Kind>) -> Self {
        let shift = kinds.len().next_power_of_two().trailing_zeros();
        Self { slots: Vec::new(), free: VecDeque::new(), kinds, shift, used: 0 }
    }

    /// How many subjects are at work.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Questions of each subject.
    pub(super) fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// Subjects that numbers of questions are enough for.
    pub(super) fn most(&self) -> usize {
        (QuestionId::END >> self.shift) as usize
    }

    /// A new subject, with those of its questions that can be asked. Without any it is settled already.
    pub(super) fn enter(
        &mut self,
        subject: T,
        flights: &mut Flights,
    ) -> (u32, impl Iterator<Item = QuestionId> + use<T>) {
        let host = subject.host();
        let possible = self.kinds.iter().map(|kind| kind.is_possible(host));
        let possible = possible.enumerate().fold(0_u8, |bits, (at, possible)| bits | u8::from(possible) << at);
        let open = u8::try_from(possible.count_ones()).expect("a subject has at most three questions");
        let slot = Slot { subject, open, more: None };
        let number = match self.free.pop_front() {
            Some(number) => {
                self.slots[number as usize] = Some(slot);
                number
            }
            None => {
                self.slots.push(Some(slot));
                u32::try_from(self.slots.len() - 1).expect("there are fewer slots than numbers of questions")
            }
        };
        self.used += 1;
        let first = number << self.shift;
        flights.reserve((first as usize) + (1 << self.shift));
        let kinds = u32::try_from(self.kinds.len()).expect("a subject has at most three questions");
        for at in 0..kinds {
            let state = if possible >> at & 1 == 1 { State::Ready } else { State::Settled };
            *flights.change(QuestionId(first + at)) = Flight::new(state);
        }
        (number, (0..kinds).filter(move |at| possible >> at & 1 == 1).map(move |at| QuestionId(first + at)))
    }

    /// The subject of a question, and which of its questions it is.
    pub(super) fn asked(&self, question: QuestionId) -> Option<(&T, Kind)> {
        let slot = self.slots.get((question.0 >> self.shift) as usize)?.as_ref()?;
        Some((&slot.subject, self.kind(question)))
    }

    fn kind(&self, question: QuestionId) -> Kind {
        self.kinds[(question.0 & ((1 << self.shift) - 1)) as usize]
    }

    fn slot(&mut self, question: QuestionId) -> Option<&mut Slot<T>> {
        self.slots.get_mut((question.0 >> self.shift) as usize)?.as_mut()
    }

    /// A question has come to something that is no plain negative.
    pub(super) fn became(&mut self, question: QuestionId, became: &Became, flight: &Flight, lane: &Lane) {
        let kind = self.kind(question);
        let Some(slot) = self.slot(question) else { return };
        let security = match became {
            Became::Judged(judged) => lane.security(judged.is_authentic()),
            Became::Slow | Became::Failed(_) => Security::Unknown,
        };
        let origin = || slot.origin(kind, flight, lane, security);
        let heard_txt = || heard(became, records::txt, origin());
        match kind {
            Kind::Record => {
                let heard = heard_txt();
                slot.more().record = heard;
            }
            Kind::Tlsrpt => {
                let heard = heard_txt();
                slot.more().tlsrpt = heard;
            }
            Kind::Mx => {
                let heard = heard(became, records::mx, origin());
                slot.more().mx = heard;
            }
        }
    }

    /// A question is settled. The number of the slot, where it was the last.
    pub(super) fn settle(&mut self, question: QuestionId) -> Option<u32> {
        let slot = self.slot(question)?;
        slot.open -= 1;
        (slot.open == 0).then_some(question.0 >> self.shift)
    }

    /// Touches subjects that are about to be taken out.
    pub(super) fn fetch(&self, numbers: &[u32]) {
        let slots = numbers.iter().filter_map(|number| self.slots.get(*number as usize)?.as_ref());
        std::hint::black_box(slots.fold(0, |touched, slot| touched ^ slot.open));
    }

    /// Takes a subject out that is settled.
    pub(super) fn leave(&mut self, number: u32, flights: &Flights, lanes: &[Lane], now: &Now) -> Option<Told<T>> {
        let mut slot = self.slots.get_mut(number as usize)?.take()?;
        self.free.push_back(number);
        self.used -= 1;
        let first = number << self.shift;
        if let ([Kind::Record], None) = (&self.kinds[..], &slot.more) {
            let flight = flights.of(QuestionId(first));
            if let State::Held(Some(negative)) = flight.state {
                let Negative { absent, security } = negative;
                let (observed_at, elapsed) = (now.wall_at(flight.begun), flight.elapsed());
                let (sent, attempts) = (flight.sent, flight.passes());
                let subject = slot.subject;
                return Some(Told::Plain(Plain { subject, absent, security, observed_at, elapsed, sent, attempts }));
            }
        }
        let (mut begun, mut heard, mut attempts) = (now.moment, Moment::default(), 1);
        for (question, kind) in (first..).map(QuestionId).zip(&self.kinds) {
            let flight = flights.of(question);
            if flight.sent > 0 {
                (begun, heard) = (begun.min(flight.begun), heard.max(flight.at));
            }
            attempts = attempts.max(flight.passes());
            let State::Held(Some(negative)) = flight.state else { continue };
            let Some(lane) = lanes.get(usize::from(flight.lane)) else { continue };
            let origin = slot.origin(*kind, flight, lane, negative.security);
            match kind {
                Kind::Record => slot.more().record = origin.negative(negative.absent),
                Kind::Mx => slot.more().mx = origin.negative(negative.absent),
                Kind::Tlsrpt => slot.more().tlsrpt = origin.negative(negative.absent),
            }
        }
        let More { record, mx, tlsrpt } = *slot.more.take().unwrap_or_default();
        let (observed_at, elapsed) = (now.wall_at(begun), Duration::from_nanos(heard.since(begun)));
        Some(Told::Seen(Box::new(Seen { subject: slot.subject, observed_at, elapsed, attempts, record, mx, tlsrpt })))
    }
}

impl<T: Named> Slot<T> {
    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn origin<'a>(&self, kind: Kind, flight: &Flight, lane: &'a Lane, security: Security) -> Origin<'a> {
        let (name, sent, elapsed) = (kind.name(self.subject.host()), flight.sent, flight.elapsed());
        Origin { name, upstream: &lane.name, security, sent, elapsed }
    }
}

impl Default for More {
    fn default() -> Self {
        Self { record: Heard::NotAsked, mx: Heard::NotAsked, tlsrpt: Heard::NotAsked }
    }
}

fn heard<R: Ord>(became: &Became, read: fn(&RData) -> Option<R>, origin: Origin<'_>) -> Heard<R> {
    match became {
        Became::Slow => Heard::Slow,
        Became::Judged(judged) => Heard::Answer(Box::new(judged.answer(read, origin))),
        Became::Failed(failure) => origin.failure(failure.clone()),
    }
}
