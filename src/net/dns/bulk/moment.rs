//! Moments: time as the engine keeps it, in eight octets.

use std::time::{Duration, Instant, SystemTime};

/// A moment, in nanoseconds since the engine was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

impl Moment {
    /// A second.
    pub(super) const SECOND: u64 = 1_000_000_000;
    /// A millisecond.
    pub(super) const MILLISECOND: u64 = Self::SECOND / 1000;

    /// The nanoseconds since an earlier moment.
    pub(super) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So many nanoseconds later.
    pub(super) fn later(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }
}

/// The time of one turn, on each clock that the engine needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// For health and rates.
    pub(super) instant: Instant,
    /// For questions.
    pub(super) moment: Moment,
    /// For people. The clock of the wall may be set while we run, so other times are told from how long ago they were.
    wall: SystemTime,
}

impl Now {
    /// The wall's time at a moment that has been.
    pub(super) fn wall_at(&self, moment: Moment) -> SystemTime {
        let ago = Duration::from_nanos(self.moment.since(moment));
        self.wall.checked_sub(ago).unwrap_or(self.wall)
    }
}

/// The clock of one engine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    begun: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub(super) fn new() -> Self {
        Self { begun: Instant::now() }
    }

    /// Now.
    pub(super) fn now(&self) -> Now {
        let instant = Instant::now();
        Now { instant, moment: self.moment(instant), wall: SystemTime::now() }
    }

    /// An instant as a moment; those before the engine was made count as its beginning.
    pub(super) fn moment(&self, instant: Instant) -> Moment {
        Moment(nanoseconds(instant.saturating_duration_since(self.begun)))
    }
}

/// A duration in nanoseconds: 584 years fit.
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
