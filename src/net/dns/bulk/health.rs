//! The health of one resolver: when to stop asking it, when to ask it a control question, when to go on (HOSTILE.md 54-57).
//!
//! Pure: time comes in with every call. A resolver that falters must never show up as domains that have no record, nor as
//! domains that could not be seen.
//!
//! ```text
//!          silence, or a control question ill answered          no control question answered well in time
//!   up -----------------------------------------------> suspect ----------------------------------------> down
//!    ^------------- a good answer ------------------------'   nothing listens there: from up at once ------^ |
//!    '--------------------------- a control question answered well ------------------------------------------'
//! ```

use std::time::{Duration, Instant};

/// How long no good answer may come while questions wait, before the resolver is suspect: dispatch pauses within a second of
/// its end (HOSTILE.md 56). What the resolver's own round trip takes is added.
const SILENCE: Duration = Duration::from_millis(700);
/// How long a suspect resolver has to answer a control question well: a round trip to the other side of the world, and two
/// datagrams that were lost. What its own round trip takes is added.
const CONTROL_WAIT: Duration = Duration::from_secs(1);
/// How much its own round trip may add to either, twice over: beyond that it is no use.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(2);
/// How long control questions may stay without a good answer while other answers come: so many of them are lost by nobody.
const CONTROL_SILENCE: Duration = Duration::from_secs(3);
/// Control questions that may be ill answered in succession: one for each canary that gave up its record, and one more.
const ILL_MAX: u32 = 3;

/// From one control question to the next, where there is something to vouch for. What waits to be vouched for is held in
/// memory: the shorter, the more of it stays in the processor's cache. Where questions are few, their cost decides.
const CONTROL_EVERY: Duration = Duration::from_millis(25);
/// The same where there is a suspicion: what a resolver in trouble is not harmed by.
const CONTROL_SUSPECT: Duration = Duration::from_millis(250);
/// How long the answer to one is waited for, before another is sent whatever it costs. What its round trip takes is added.
const CONTROL_AGAIN: Duration = Duration::from_millis(500);
/// The same while the resolver is down: what a resolver that starts is not harmed by.
const CONTROL_DOWN: Duration = Duration::from_millis(500);
/// Questions to one control question: 2 %, where HOSTILE.md 57 grants 5 %.
const CONTROL_COST: u32 = 50;
/// What may be saved up for control questions, in questions: enough that a short scan ends without waiting.
const CREDIT_MAX: u32 = 8 * CONTROL_COST;
/// What is kept of it for the end of a scan, where nothing is earned any more: beyond that, control questions are fewer.
const CREDIT_KEPT: u32 = 3 * CONTROL_COST;
/// From one of these to the next.
const CONTROL_SPARING: Duration = Duration::from_millis(250);
/// What came may wait so long to be vouched for; then the control question is sent whatever it costs. At 4 questions a second
/// that is one in 20.
const CONTROL_LATEST: Duration = Duration::from_secs(5);

/// How many of the last 64 answers have to be bad for a storm of failures: 30 % (HOSTILE.md 57). Of fewer answers it is more.
const STORM: u32 = 20;

/// How an answer speaks of the resolver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grade {
    /// RCODE 0 or 3: it works.
    Good,
    /// Any other: it may be the zone's fault, or the resolver's.
    Bad,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Turn {
    /// Whether questions may be sent to it.
    pub(super) open: bool,
    /// Whether a control question is due. It counts as sent now, and is not asked for again in the next turn; one before it
    /// may still be in flight.
    pub(super) control: bool,
    /// Whether it fell in this turn: what is in flight to it is to be asked again, and the try does not count.
    pub(super) fell: bool,
    /// Whether it rose again in this turn: its rate starts slowly.
    pub(super) rose: bool,
    /// Since when it has been down.
    pub(super) down_since: Option<Instant>,
}

/// The health of one resolver.
#[derive(Debug)]
pub(super) struct Health {
    state: State,
    /// Told by the next turn.
    fell: bool,
    rose: bool,
    waiting: Waiting,
    controls: Controls,
    /// The newest answer that has to be vouched for.
    newest: Option<Instant>,
    recent: Recent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Up,
    /// Not asked until it has answered well: since when, and whether any answer will do or only one to a control question.
    Suspect {
        since: Instant,
        any: bool,
    },
    Down {
        since: Instant,
    },
}

impl Health {
    /// A resolver that has just answered its preflight.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            state: State::Up,
            fell: false,
            rose: false,
            waiting: Waiting::new(now),
            controls: Controls::new(now),
            newest: None,
            recent: Recent::default(),
        }
    }

    /// So many questions were sent, control questions not counted.
    pub(super) fn sent(&mut self, now: Instant, count: usize) {
        self.waiting.sent(now, count);
        self.controls.earn(count);
    }

    /// An answer came to a question. Those to control questions are told by [`Self::controlled`] alone.
    pub(super) fn answered(&mut self, now: Instant, grade: Grade) {
        self.recent.push(grade);
        self.waiting.ended(1);
        if grade == Grade::Good {
            self.newest = Some(now);
            self.waiting.heard(now);
            if let State::Suspect { any: true, .. } = self.state {
                self.state = State::Up;
            }
        }
    }

    /// The wait for an answer ran out so many times.
    pub(super) fn timed_out(&mut self, now: Instant, count: usize) {
        let _ = now;
        self.waiting.timed_out(count);
    }

    /// Nothing listens there (ICMP port unreachable), or no way leads there.
    pub(super) fn refused(&mut self, now: Instant) {
        self.fall(now);
    }

    /// What the answer to the control question says that was sent at this time; `None` where none came in time.
    pub(super) fn controlled(&mut self, now: Instant, sent: Instant, grade: Option<Grade>) {
        match grade {
            Some(Grade::Good) => self.well_controlled(now, sent),
            // Overtaken by a later one that was answered well.
            Some(Grade::Bad) if sent < self.controls.vouched => {}
            Some(Grade::Bad) => self.ill_controlled(now),
            // Whether too many are lost, the turn finds out by its own clock.
            None => {}
        }
    }

    fn well_controlled(&mut self, now: Instant, sent: Instant) {
        self.controls.well(now, sent);
        match self.state {
            // One that was sent before it fell says nothing of what came afterwards.
            State::Down { since } if sent < since => return,
            State::Down { .. } => self.rose = true,
            State::Up | State::Suspect { .. } => {}
        }
        self.state = State::Up;
        self.recent = Recent::default();
        self.waiting.excuse(now);
    }

    fn ill_controlled(&mut self, now: Instant) {
        self.controls.ill += 1;
        self.controls.hurry = true;
        match self.state {
            State::Up => self.state = State::Suspect { since: now, any: false },
            State::Suspect { since, .. } => self.state = State::Suspect { since, any: false },
            State::Down { .. } => {}
        }
    }

    /// When the control question was sent that was the last to be answered well. What the resolver said until then is vouched
    /// for: afterwards it still answered, and told the truth about what is known.
    pub(super) fn vouched(&self) -> Instant {
        self.controls.vouched
    }

    /// Nothing is left to be asked, nor to be answered: what there is waits for a control question alone.
    pub(super) fn is_last(&mut self) {
        self.controls.is_last = true;
    }

    /// Called once a turn of the engine.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        let round_trip = self.controls.round_trip.min(ROUND_TRIP_MAX) * 2;
        match self.state {
            State::Up => {
                if self.waiting.is_silent(now, SILENCE + round_trip) {
                    self.state = State::Suspect { since: now, any: true };
                } else if self.controls.unanswered(now) >= CONTROL_SILENCE + round_trip {
                    self.state = State::Suspect { since: now, any: false };
                }
            }
            State::Suspect { since, .. } => {
                let late = now.saturating_duration_since(since) >= CONTROL_WAIT + round_trip;
                if late || self.controls.ill >= ILL_MAX {
                    self.fall(now);
                }
            }
            State::Down { .. } => {}
        }
        let control = self.controls.is_due(now, self.state, self.newest, self.recent.is_storm());
        if control {
            self.controls.send(now);
        }
        Turn {
            open: self.state == State::Up,
            control,
            fell: std::mem::take(&mut self.fell),
            rose: std::mem::take(&mut self.rose),
            down_since: match self.state {
                State::Down { since } => Some(since),
                State::Up | State::Suspect { .. } => None,
            },
        }
    }

    fn fall(&mut self, now: Instant) {
        if let State::Down { .. } = self.state {
            return;
        }
        self.state = State::Down { since: now };
        (self.fell, self.rose) = (true, false);
        // What was in flight is no longer waited for, and what was not vouched for is asked again.
        self.waiting = Waiting::new(now);
        self.newest = None;
        self.recent = Recent::default();
        self.controls.hurry = false;
    }
}

/// The questions that wait for an answer, by their number.
#[derive(Debug)]
struct Waiting {
    count: usize,
    /// Those that waited when a control question was answered well: they wait for their zones, not for the resolver. A zone
    /// may take 8 s of a resolver that is in the best of health.
    excused: usize,
    /// Since when they have waited without a good answer.
    since: Instant,
}

impl Waiting {
    fn new(now: Instant) -> Self {
        Self { count: 0, excused: 0, since: now }
    }

    fn sent(&mut self, now: Instant, count: usize) {
        if self.count <= self.excused {
            self.since = now;
        }
        self.count += count;
    }

    /// A try has come to its end.
    fn ended(&mut self, count: usize) {
        self.count = self.count.saturating_sub(count);
        self.excused = self.excused.min(self.count);
    }

    /// The eldest go first, which are the excused ones.
    fn timed_out(&mut self, count: usize) {
        self.excused = self.excused.saturating_sub(count);
        self.ended(count);
    }

    fn heard(&mut self, now: Instant) {
        self.since = now;
    }

    fn excuse(&mut self, now: Instant) {
        self.excused = self.count;
        self.since = now;
    }

    fn is_silent(&self, now: Instant, limit: Duration) -> bool {
        self.count > self.excused && now.saturating_duration_since(self.since) >= limit
    }
}

/// The control questions.
#[derive(Debug)]
struct Controls {
    /// When the last one was sent; at first, when the preflight was answered.
    last: Instant,
    /// When the newest was sent that was answered well.
    vouched: Instant,
    /// When the first was sent since the last one that was answered well.
    unanswered: Option<Instant>,
    /// How long the answer took, the last time.
    round_trip: Duration,
    /// How many were ill answered in succession.
    ill: u32,
    /// The next one is not to wait: the last was ill answered.
    hurry: bool,
    /// Questions sent that no control question was sent for yet.
    credit: u32,
    /// Nothing else is left to be asked.
    is_last: bool,
}

impl Controls {
    fn new(now: Instant) -> Self {
        Self {
            last: now,
            vouched: now,
            unanswered: None,
            round_trip: Duration::ZERO,
            ill: 0,
            hurry: false,
            credit: CREDIT_MAX,
            is_last: false,
        }
    }

    fn earn(&mut self, questions: usize) {
        let questions = u32::try_from(questions).unwrap_or(CREDIT_MAX);
        self.credit = self.credit.saturating_add(questions).min(CREDIT_MAX);
    }

    fn send(&mut self, now: Instant) {
        self.last = now;
        self.unanswered = self.unanswered.or(Some(now));
        self.hurry = false;
        self.credit = self.credit.saturating_sub(CONTROL_COST);
    }

    fn well(&mut self, now: Instant, sent: Instant) {
        self.vouched = self.vouched.max(sent);
        self.round_trip = now.saturating_duration_since(sent);
        (self.unanswered, self.ill, self.hurry) = (None, 0, false);
    }

    /// For how long none was answered well, since one was sent.
    fn unanswered(&self, now: Instant) -> Duration {
        self.unanswered.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }

    fn is_due(&self, now: Instant, state: State, newest: Option<Instant>, storm: bool) -> bool {
        let since_last = now.saturating_duration_since(self.last);
        match state {
            State::Down { .. } => since_last >= CONTROL_DOWN,
            // The first at once.
            State::Suspect { since, .. } => self.last < since || self.hurry || since_last >= CONTROL_SUSPECT,
            State::Up => {
                let is_lost = self.unanswered.is_some() && since_last >= CONTROL_AGAIN + self.round_trip * 2;
                // What came since the last one has no other to speak for it.
                let is_new = newest.is_some_and(|newest| newest > self.last);
                let is_wanted = storm || newest.is_some_and(|newest| newest > self.vouched);
                let is_time = if self.is_last || self.credit >= CREDIT_KEPT + CONTROL_COST {
                    since_last >= CONTROL_EVERY
                } else if self.credit >= CONTROL_COST {
                    since_last >= CONTROL_SPARING
                } else {
                    since_last >= CONTROL_LATEST
                };
                is_wanted && (is_lost || (storm || is_new) && is_time)
            }
        }
    }
}

/// The last 64 answers, a bit each: whether it was bad.
#[derive(Clone, Copy, Debug, Default)]
struct Recent(u64);

impl Recent {
    fn push(&mut self, grade: Grade) {
        self.0 = self.0 << 1 | u64::from(grade == Grade::Bad);
    }

    fn is_storm(self) -> bool {
        self.0.count_ones() >= STORM
    }
}

#[cfg(test)]
mod tests;
