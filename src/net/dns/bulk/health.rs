//! The health of one resolver: when to stop asking it, when to ask it a control question, when to go on (HOSTILE.md 54-57).
//!
//! Pure: time comes in with every call. A resolver that falters must never show up as domains that have no record, nor as
//! domains that could not be seen.

use std::time::Instant;

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
    /// Whether a control question is due.
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
    begun: Instant,
}

impl Health {
    /// A resolver that has just answered its preflight.
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now }
    }

    /// So many questions were sent.
    pub(super) fn sent(&mut self, now: Instant, count: usize) {
        let _ = (now, count);
    }

    /// An answer came, to a question or to a control question.
    pub(super) fn answered(&mut self, now: Instant, grade: Grade) {
        let _ = (now, grade);
    }

    /// The wait for an answer ran out so many times.
    pub(super) fn timed_out(&mut self, now: Instant, count: usize) {
        let _ = (now, count);
    }

    /// Nothing listens there (ICMP port unreachable), or no way leads there.
    pub(super) fn refused(&mut self, now: Instant) {
        let _ = now;
    }

    /// What the answer to the control question says; `None` where none came in time.
    pub(super) fn controlled(&mut self, now: Instant, grade: Option<Grade>) {
        let _ = (now, grade);
    }

    /// A control question was sent that its last good answer belongs to at this time. What the resolver said before that is
    /// vouched for: afterwards it still answered, and told the truth about what is known.
    pub(super) fn vouched(&self) -> Instant {
        self.begun
    }

    /// Called once a turn of the engine.
    pub(super) fn turn(&mut self, now: Instant) -> Turn {
        let _ = (now, self.begun);
        Turn { open: true, ..Turn::default() }
    }
}
